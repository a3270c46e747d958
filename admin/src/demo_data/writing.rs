//! Stores visits, some dozens at a time, by what the functions store them by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use shoptrail_domain::Timestamp;
use shoptrail_domain::refusal::Refusal;
use shoptrail_edge::ALL_STORES;
use shoptrail_edge::config::RetentionConfig;
use shoptrail_storage::{BatchOutcome, Recorded, Store, StoreError};
use tokio::task::JoinSet;

use super::DemoDataError;
use super::chance::{Purpose, rng_of};
use super::shoppers::Shoppers;
use super::visit::{Setting, Visit};
use crate::progress::Progress;

/// Cart events of one request, with which their visits are done: one transaction of an engine in a debug build on a busy
/// machine, which has 700 ms for it.
const EVENTS_AT_ONCE: usize = 40;
/// Visits that are stored together, where they have few cart events.
const VISITS_AT_ONCE: usize = 40;
/// Requests on their way: while the engine works on one, the next one is put together.
const WIDTH: usize = 2;
/// How often what the database did not take is tried again: all of it is recognized when it comes again.
const TRIES: u32 = 10;
/// The pause before that, longer each time: half a minute in all, for a machine that is busy with something else.
const PAUSE: Duration = Duration::from_millis(600);

/// What was stored, and what was there already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) cart_events: u64,
    pub(super) generations: u64,
    pub(super) sessions: u64,
    pub(super) decisions: u64,
    pub(super) refusals: u64,
    /// Cart events that were there.
    pub(super) known: u64,
    /// Whether it ended before its time, because somebody wanted it to.
    pub(super) is_stopped: bool,
}

type RefusalDays = BTreeMap<String, (Timestamp, BTreeMap<Refusal, u64>)>;

/// What came of some visits.
#[derive(Debug, Default)]
struct Stored {
    written: Written,
    refusals: RefusalDays,
}

/// What all requests need.
struct Target {
    store: Store,
    seed: u64,
    retention: RetentionConfig,
}

/// Makes visits until they have `events` cart events, and stores them; no more of them once `stop` is done.
pub(super) async fn write(
    store: &Store,
    setting: &Setting,
    events: u64,
    retention: RetentionConfig,
    stop: impl Future<Output = ()>,
) -> Result<Written, DemoDataError> {
    let target = Arc::new(Target {
        store: store.clone(),
        seed: setting.seed,
        retention,
    });
    let progress = Progress::of_length(events);
    let mut shoppers = Shoppers::new(setting.seed);
    let (mut left, mut number) = (events, 0_u64);
    let mut all = Stored::default();
    let mut running = JoinSet::new();
    tokio::pin!(stop);
    loop {
        while left > 0 && running.len() < WIDTH && !all.written.is_stopped {
            let first = number;
            let visits = some_visits(setting, &mut shoppers, &mut number, &mut left)?;
            let target = Arc::clone(&target);
            running.spawn(async move { target.store_visits(first, visits).await });
        }
        tokio::select! {
            biased;
            () = &mut stop, if !all.written.is_stopped => all.written.is_stopped = true,
            stored = running.join_next() => match stored {
                None => break,
                Some(stored) => all.add(stored.map_err(|_| DemoDataError::Broken)??),
            },
        }
        let text = match all.written.is_stopped {
            true => "stopping".to_owned(),
            false => format!("{} sessions", all.written.sessions),
        };
        progress.reach(all.written.cart_events + all.written.known, text);
    }
    let name = setting.store.as_str();
    for (_, (at, counts)) in std::mem::take(&mut all.refusals) {
        for store in [name, ALL_STORES] {
            let days = retention.event_days;
            let add = target.store.add_refusals(store, &counts, at, days);
            add.await.map_err(DemoDataError::Store)?;
        }
        all.written.refusals += counts.values().sum::<u64>();
    }
    Ok(all.written)
}

/// The next visits, with no more cart events than are left.
fn some_visits(
    setting: &Setting,
    shoppers: &mut Shoppers,
    number: &mut u64,
    left: &mut u64,
) -> Result<Vec<Visit>, DemoDataError> {
    let mut visits = Vec::new();
    let mut events = 0;
    while *left > 0 && events < EVENTS_AT_ONCE && visits.len() < VISITS_AT_ONCE {
        let shopper = shoppers
            .draw()
            .map_err(|error| DemoDataError::Visit(error.into()))?;
        let mut visit = setting
            .visit(*number, &shopper)
            .map_err(DemoDataError::Visit)?;
        *number += 1;
        visit
            .cart_events
            .truncate(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= visit.cart_events.len() as u64;
        events += visit.cart_events.len();
        visits.push(visit);
    }
    Ok(visits)
}

impl Target {
    async fn store_visits(&self, first: u64, visits: Vec<Visit>) -> Result<Stored, DemoDataError> {
        let Self {
            store,
            seed,
            retention,
        } = self;
        let RetentionConfig {
            event_days,
            session_days,
        } = *retention;
        let rng = rng_of(*seed, Purpose::Ids, first);
        let draw = || {
            let mut rng = rng.clone();
            move || rng.u128(..)
        };
        let mut stored = Stored::default();

        let recorded = || visits.iter().filter(|visit| !visit.session.is_empty());
        let sessions: Vec<_> = recorded().map(|visit| visit.session.clone()).collect();
        let new = match sessions.as_slice() {
            [] => Vec::new(),
            some => again(|| store.record_new_sessions(some, session_days, draw())).await?,
        };
        for (visit, outcome) in recorded().zip(new) {
            if outcome == Recorded::Stored(true) {
                stored.written.sessions += 1;
                stored.note_refusals(visit);
            }
        }

        let decisions = visits.iter().map(|visit| visit.decisions.clone());
        let decisions: Vec<_> = decisions.filter(|of_visit| !of_visit.is_empty()).collect();
        if !decisions.is_empty() {
            let new = again(|| store.record_first_decisions(&decisions)).await?;
            stored.written.decisions += new as u64;
        }

        let visited = visits.iter();
        let events: Vec<_> = visited
            .flat_map(|visit| visit.cart_events.clone())
            .collect();
        if !events.is_empty() {
            let send = || store.record_cart_events(&events, event_days, draw());
            let new = until_all_are_known(send).await?;
            stored.written.cart_events += new;
            stored.written.known += events.len() as u64 - new;
        }

        let visited = visits.iter();
        let images: Vec<_> = visited
            .flat_map(|visit| visit.generations.clone())
            .collect();
        if !images.is_empty() {
            let send = || store.record_image_generations(&images, event_days, draw());
            stored.written.generations += until_all_are_known(send).await?;
        }
        Ok(stored)
    }
}

/// Sends until the database has taken it.
async fn again<T, F>(mut send: impl FnMut() -> F) -> Result<T, DemoDataError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut tries = 1;
    loop {
        match send().await {
            Ok(done) => return Ok(done),
            Err(error) if error.is_unavailable() && tries < TRIES => {
                tokio::time::sleep(PAUSE * tries).await;
                tries += 1;
            }
            Err(error) => return Err(DemoDataError::Store(error)),
        }
    }
}

/// Sends events until none of them is to be sent again. How many of them are stored now that were not before.
async fn until_all_are_known<F>(mut send: impl FnMut() -> F) -> Result<u64, DemoDataError>
where
    F: Future<Output = Result<Vec<BatchOutcome>, StoreError>>,
{
    // By their places: what one try has stored, the next one may call new once more, since it draws the same ids.
    let mut new = BTreeSet::new();
    for tries in 1..=TRIES {
        let outcomes = again(&mut send).await?;
        for (index, outcome) in outcomes.iter().enumerate() {
            if let BatchOutcome::Recorded(recorded) = outcome
                && !recorded.duplicate
            {
                new.insert(index);
            }
        }
        if !outcomes.contains(&BatchOutcome::Retry) {
            return Ok(new.len() as u64);
        }
        tokio::time::sleep(PAUSE * tries).await;
    }
    Err(DemoDataError::Busy)
}

impl Stored {
    fn note_refusals(&mut self, visit: &Visit) {
        for (reason, count) in &visit.refusals {
            let day = self.refusals.entry(visit.start.day());
            let (_, counts) = day.or_insert((visit.start, BTreeMap::new()));
            *counts.entry(*reason).or_default() += count;
        }
    }

    fn add(&mut self, other: Self) {
        let Written {
            cart_events,
            generations,
            sessions,
            decisions,
            refusals,
            known,
            is_stopped,
        } = other.written;
        let sum = &mut self.written;
        sum.cart_events += cart_events;
        sum.generations += generations;
        sum.sessions += sessions;
        sum.decisions += decisions;
        sum.refusals += refusals;
        sum.known += known;
        sum.is_stopped |= is_stopped;
        for (day, (at, counts)) in other.refusals {
            let (_, sums) = self.refusals.entry(day).or_insert((at, BTreeMap::new()));
            for (reason, count) in counts {
                *sums.entry(reason).or_default() += count;
            }
        }
    }
}
