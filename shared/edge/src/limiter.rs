//! How many requests of a client, an API key and a store pass.
//!
//! The table of limits decides, because many processes count there together. Each process keeps a tally beside it, in
//! memory, and looks there first:
//!
//! * What the process alone has let pass up to the limit needs no asking, nor does what the table has denied until the
//!   window's end. So a flood of denied requests does not become a flood of writes.
//! * Where the table fails, the tally goes on from where it is.
//! * A store's requests come from all of its clients, and its one counter could not take a write for each. So a process
//!   counts some of them ahead, and uses these up within the minute.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_storage::{Counted, Store, StoreError, WindowLimits};

use crate::ApiError;

/// Tallies that a process keeps. Some 150 bytes each, so 2 MB in all: more than the clients that one process serves in
/// an hour, and little beside a Lambda's memory.
const TALLIES: usize = 10_000;
/// How long a table that failed is not asked, in ms: a dead one must not cost every request the time to find out, and
/// one that recovers is found soon.
const SILENCE_MS: i64 = 5_000;
/// A process counts at most this part of a store's limit ahead, so that what it does not use up is not missed.
const LEASES_PER_LIMIT: u32 = 100;
/// The client whose address is not known.
const UNKNOWN: &str = "unknown";

const MINUTE_MS: i64 = 60_000;
const MINUTES_PER_HOUR: i64 = 60;

/// What becomes of a request when the table of limits fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The process counts alone, with the same limits.
    GoOn,
    /// It is answered 503.
    Refuse,
}

/// What is to be counted at once.
#[derive(Debug, Clone, Copy)]
pub struct Requests {
    /// How many.
    pub count: u32,
    /// What becomes of them when the table of limits fails.
    pub on_failure: OnFailure,
    /// When they came.
    pub now: Timestamp,
}

impl Requests {
    fn about(self, subject: Subject, limits: WindowLimits) -> Request {
        Request {
            subject,
            cost: self.count,
            limits,
            on_failure: self.on_failure,
            now: self.now,
        }
    }
}

/// Counts requests against limits; one per process.
#[derive(Debug, Default)]
pub struct Limiter(Mutex<Memory>);

impl Limiter {
    /// A limiter that has counted nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts requests of the client at this address: an IPv4 address, or a /64 of IPv6, which is what one
    /// subscriber has. All clients without one are counted as one.
    ///
    /// # Errors
    ///
    /// [`ApiError::RateLimited`] when a limit forbids it; the store's error when the table fails and the requests are
    /// to be refused then.
    pub async fn count_client(
        &self,
        store: &Store,
        address: Option<IpAddr>,
        limits: WindowLimits,
        requests: Requests,
    ) -> Result<(), ApiError> {
        // Before the hash: what is not limited costs nothing.
        if limits.is_off() {
            return Ok(());
        }
        let subject = Subject::Client(client_name(store, address));
        self.count(store, &requests.about(subject, limits)).await
    }

    /// Counts requests made with an API key, which its id names.
    ///
    /// # Errors
    ///
    /// As [`Self::count_client`].
    pub async fn count_key(
        &self,
        store: &Store,
        key_id: &str,
        per_minute: u32,
        requests: Requests,
    ) -> Result<(), ApiError> {
        let subject = Subject::Key(format!("key#{key_id}"));
        let request = requests.about(subject, minutely(per_minute));
        self.count(store, &request).await
    }

    /// Counts requests about a Shopify store, whoever makes them.
    ///
    /// # Errors
    ///
    /// As [`Self::count_client`].
    pub async fn count_store(
        &self,
        store: &Store,
        name: &StoreName,
        per_minute: u32,
        requests: Requests,
    ) -> Result<(), ApiError> {
        let subject = Subject::Store(format!("store#{name}"));
        let request = requests.about(subject, minutely(per_minute));
        self.count(store, &request).await
    }

    async fn count(&self, store: &Store, request: &Request) -> Result<(), ApiError> {
        if request.cost == 0 || request.limits.is_off() {
            return Ok(());
        }
        let admission = self.memory().admit(request);
        let batch = match admission {
            Admission::Passes => return Ok(()),
            Admission::Denied(retry_after_seconds) => {
                return Err(ApiError::RateLimited {
                    retry_after_seconds,
                });
            }
            Admission::Ask { batch } => batch,
        };
        // When the client goes away meanwhile, what `admit` has counted stays so: the table may have counted it too.
        match request.ask(store, batch).await {
            Ok((Counted::Yes, taken)) => {
                self.memory().lease(request, taken);
                Ok(())
            }
            Ok((
                Counted::No {
                    retry_after_seconds,
                    is_exhausted,
                },
                _,
            )) => {
                self.memory()
                    .deny(request, retry_after_seconds, is_exhausted);
                Err(ApiError::RateLimited {
                    retry_after_seconds,
                })
            }
            Err(error) => self.fail(request, error),
        }
    }

    /// What becomes of a request that the table failed.
    fn fail(&self, request: &Request, error: StoreError) -> Result<(), ApiError> {
        let is_news = self.memory().fall_silent(request.now);
        match request.on_failure {
            OnFailure::Refuse => {
                self.memory().give_back(request);
                Err(error.uncounted().into())
            }
            OnFailure::GoOn => {
                if is_news {
                    tracing::warn!(cause = %error, "the rate limits fail; this process counts alone for a while");
                }
                Ok(())
            }
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Whatever ended a holder of the lock: a tally that is off by one request does no harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn minutely(per_minute: u32) -> WindowLimits {
    WindowLimits {
        per_minute,
        per_hour: 0,
    }
}

/// A client as the table names it: by a keyed hash, so that the table holds no address. Without a pepper by a plain
/// one, which at least does not show the address to whoever looks.
fn client_name(store: &Store, address: Option<IpAddr>) -> String {
    let network = address.map_or_else(|| UNKNOWN.to_owned(), network);
    match store.pepper() {
        Some(pepper) => hex::encode(pepper.hash(&["client", &network])),
        None => hex::encode(Sha256::digest(network)),
    }
}

/// What one subscriber has: an address of IPv4, however it is written, or a /64 of IPv6.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (!0 << 64)).to_string(),
    }
}

/// Who is counted, as the table names them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Client(String),
    Key(String),
    Store(String),
}

/// What is to be counted.
#[derive(Debug)]
struct Request {
    subject: Subject,
    cost: u32,
    limits: WindowLimits,
    on_failure: OnFailure,
    now: Timestamp,
}

impl Request {
    /// Asks the table for `batch`, and for the cost alone where so many are not left. Says what it answered, and how
    /// many it was asked for.
    async fn ask(&self, store: &Store, batch: u32) -> Result<(Counted, u32), StoreError> {
        let counted = self.ask_for(store, batch).await?;
        match counted {
            Counted::No {
                is_exhausted: false,
                ..
            } if batch > self.cost => Ok((self.ask_for(store, self.cost).await?, self.cost)),
            counted => Ok((counted, batch)),
        }
    }

    async fn ask_for(&self, store: &Store, cost: u32) -> Result<Counted, StoreError> {
        match &self.subject {
            Subject::Client(client) => {
                store
                    .count_client(client, cost, self.limits, self.now)
                    .await
            }
            Subject::Key(who) | Subject::Store(who) => {
                store
                    .count_minute(who, cost, self.limits.per_minute, self.now)
                    .await
            }
        }
    }
}

/// What a process can say of a request by itself.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    /// It passes.
    Passes,
    /// It does not, for so many seconds.
    Denied(u32),
    /// The table has to be asked for so many; the tally has counted the request as passed.
    Ask { batch: u32 },
}

/// What a process remembers.
#[derive(Debug, Default)]
struct Memory {
    tallies: HashMap<Subject, Tally>,
    failed_at: Option<Timestamp>,
}

impl Memory {
    fn admit(&mut self, request: &Request) -> Admission {
        let is_alone = request.on_failure == OnFailure::GoOn && self.is_silent(request.now);
        if !self.tallies.contains_key(&request.subject) {
            self.make_room(request.now);
        }
        let tally = self.tallies.entry(request.subject.clone()).or_default();
        match tally.admit(request) {
            Admission::Ask { .. } if is_alone => Admission::Passes,
            admission => admission,
        }
    }

    /// Notes what the table has counted ahead.
    fn lease(&mut self, request: &Request, taken: u32) {
        if let Some(tally) = self.tally_of(request) {
            tally.leased = tally
                .leased
                .saturating_add(taken.saturating_sub(request.cost));
        }
    }

    /// Notes that the table has denied a request.
    fn deny(&mut self, request: &Request, retry_after_seconds: u32, is_exhausted: bool) {
        self.give_back(request);
        if let Some(tally) = self.tally_of(request) {
            tally.denial = Some(Denial {
                least_cost: if is_exhausted { 1 } else { request.cost },
                until: window_end(request.now, retry_after_seconds),
            });
        }
    }

    /// Takes back what was counted as passed and did not pass.
    fn give_back(&mut self, request: &Request) {
        if let Some(tally) = self.tally_of(request) {
            tally.in_minute = tally.in_minute.saturating_sub(request.cost);
            tally.in_hour = tally.in_hour.saturating_sub(request.cost);
        }
    }

    /// The tally of a request that was admitted, unless its minute is over or it had to make room.
    fn tally_of(&mut self, request: &Request) -> Option<&mut Tally> {
        self.tallies
            .get_mut(&request.subject)
            .filter(|tally| tally.minute == minute_of(request.now))
    }

    /// Lets the table rest from `now` on. Says whether it did not rest yet.
    fn fall_silent(&mut self, now: Timestamp) -> bool {
        let is_news = !self.is_silent(now);
        self.failed_at = Some(now);
        is_news
    }

    fn is_silent(&self, now: Timestamp) -> bool {
        // A clock that was set back must not make the silence longer.
        self.failed_at
            .is_some_and(|at| now >= at && now.millis_since(at) < SILENCE_MS)
    }

    /// Drops what is of no use any more, and where that is not enough, every other tally, whichever these are: dropping
    /// just enough would mean to look through all of them for every new client. A client that is dropped gains nothing
    /// but that the table is asked about it once more.
    fn make_room(&mut self, now: Timestamp) {
        if self.tallies.len() < TALLIES {
            return;
        }
        let hour = hour_of(minute_of(now));
        self.tallies
            .retain(|_, tally| hour_of(tally.minute) == hour);
        if self.tallies.len() > TALLIES / 2 {
            let mut keep = false;
            self.tallies.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
    }
}

/// What a process knows of one client, key or store.
#[derive(Debug, Default)]
struct Tally {
    /// The minute that it is about, and with it the hour; as a number since 1970.
    minute: i64,
    /// What this process has let pass in the minute, or is asking about.
    in_minute: u32,
    /// The same for the hour.
    in_hour: u32,
    /// What the table has counted ahead of its passing, for this minute.
    leased: u32,
    denial: Option<Denial>,
}

/// What the table has denied. Counters only grow within their window: what costs as much or more is denied as well.
#[derive(Debug)]
struct Denial {
    least_cost: u32,
    until: Timestamp,
}

impl Tally {
    fn admit(&mut self, request: &Request) -> Admission {
        let Request {
            cost, limits, now, ..
        } = *request;
        self.roll(now);
        if let Counted::No {
            retry_after_seconds,
            ..
        } = limits.judge(cost, self.in_minute, self.in_hour, now)
        {
            return Admission::Denied(retry_after_seconds);
        }
        if let Some(left) = self.leased.checked_sub(cost) {
            self.leased = left;
            self.pass(cost);
            return Admission::Passes;
        }
        if let Some(seconds) = self.denied_for(cost, now) {
            return Admission::Denied(seconds);
        }
        let batch = match request.subject {
            Subject::Store(_) => self.batch(cost, limits.per_minute),
            Subject::Client(_) | Subject::Key(_) => cost,
        };
        self.pass(cost);
        Admission::Ask { batch }
    }

    /// How many to ask for at once: as many as have passed in this minute, so that many processes with a request or
    /// two each do not count the whole limit ahead among them.
    fn batch(&self, cost: u32, per_minute: u32) -> u32 {
        let most = (per_minute / LEASES_PER_LIMIT).max(1);
        self.in_minute.clamp(1, most).max(cost)
    }

    fn pass(&mut self, cost: u32) {
        self.in_minute = self.in_minute.saturating_add(cost);
        self.in_hour = self.in_hour.saturating_add(cost);
    }

    fn denied_for(&self, cost: u32, now: Timestamp) -> Option<u32> {
        let denial = self.denial.as_ref()?;
        let left = denial.until.millis_since(now).unsigned_abs();
        (cost >= denial.least_cost && left > 0)
            .then(|| u32::try_from(left.div_ceil(1_000)).unwrap_or(u32::MAX))
    }

    /// Begins anew what belongs to a minute or an hour other than that of `now`.
    fn roll(&mut self, now: Timestamp) {
        let minute = minute_of(now);
        if hour_of(minute) != hour_of(self.minute) {
            *self = Self::default();
        }
        if minute != self.minute {
            self.minute = minute;
            self.in_minute = 0;
            self.leased = 0;
        }
    }
}

/// The minute's number since 1970.
fn minute_of(now: Timestamp) -> i64 {
    now.as_millis() / MINUTE_MS
}

fn hour_of(minute: i64) -> i64 {
    minute / MINUTES_PER_HOUR
}

/// The end of the window that ends in so many seconds, which were rounded up; windows end with a minute.
fn window_end(now: Timestamp, retry_after_seconds: u32) -> Timestamp {
    let after = now.plus_millis(i64::from(retry_after_seconds) * 1_000);
    Timestamp::from_millis(after.as_millis() / MINUTE_MS * MINUTE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: WindowLimits = WindowLimits {
        per_minute: 100,
        per_hour: 1_000,
    };

    /// So many ms into an hour.
    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_750_000_000_000 / 3_600_000 * 3_600_000 + ms)
    }

    fn client(cost: u32, now: Timestamp) -> Request {
        Request {
            subject: Subject::Client("c".into()),
            cost,
            limits: LIMITS,
            on_failure: OnFailure::GoOn,
            now,
        }
    }

    fn shop(cost: u32, per_minute: u32, now: Timestamp) -> Request {
        Request {
            subject: Subject::Store("store#s".into()),
            limits: minutely(per_minute),
            ..client(cost, now)
        }
    }

    #[test]
    fn a_client_is_its_network() {
        let is = |address: &str, expected: &str| {
            assert_eq!(network(address.parse().unwrap()), expected);
        };
        is("203.0.113.7", "203.0.113.7");
        is("::ffff:203.0.113.7", "203.0.113.7");
        is("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
        is("2001:db8:1:2:ffff::", "2001:db8:1:2::");
        is("2001:db8:1:3::1", "2001:db8:1:3::");
    }

    #[test]
    fn what_the_process_alone_has_let_pass_needs_no_asking() {
        let mut memory = Memory::default();
        for _ in 0..100 {
            assert_eq!(
                memory.admit(&client(1, at(500))),
                Admission::Ask { batch: 1 }
            );
        }
        assert_eq!(memory.admit(&client(1, at(500))), Admission::Denied(60));
        memory.give_back(&client(1, at(500)));
        assert_eq!(
            memory.admit(&client(1, at(59_000))),
            Admission::Ask { batch: 1 }
        );
        assert_eq!(
            memory.admit(&client(1, at(60_000))),
            Admission::Ask { batch: 1 }
        );
    }

    #[test]
    fn the_hours_tally_outlives_the_minute() {
        let mut memory = Memory::default();
        for minute in 0..10 {
            let request = client(100, at(minute * MINUTE_MS));
            assert_eq!(memory.admit(&request), Admission::Ask { batch: 100 });
        }
        let request = client(1, at(10 * MINUTE_MS));
        assert_eq!(memory.admit(&request), Admission::Denied(3_000));
        let request = client(1, at(60 * MINUTE_MS));
        assert_eq!(memory.admit(&request), Admission::Ask { batch: 1 });
    }

    #[test]
    fn a_denial_is_remembered_until_its_window_ends() {
        let mut memory = Memory::default();
        memory.admit(&client(1, at(500)));
        memory.deny(&client(1, at(500)), 60, true);
        assert_eq!(memory.admit(&client(1, at(500))), Admission::Denied(60));
        assert_eq!(memory.admit(&client(1, at(59_999))), Admission::Denied(1));
        assert_eq!(
            memory.admit(&client(1, at(60_000))),
            Admission::Ask { batch: 1 }
        );

        memory.deny(&client(1, at(60_000)), 59 * 60, true);
        assert_eq!(
            memory.admit(&client(1, at(3_599_999))),
            Admission::Denied(1)
        );
        assert_eq!(
            memory.admit(&client(1, at(3_600_000))),
            Admission::Ask { batch: 1 }
        );
    }

    #[test]
    fn where_something_is_left_only_what_costs_as_much_is_denied() {
        let mut memory = Memory::default();
        memory.admit(&client(10, at(0)));
        memory.deny(&client(10, at(0)), 60, false);
        assert_eq!(memory.admit(&client(11, at(0))), Admission::Denied(60));
        assert_eq!(memory.admit(&client(10, at(0))), Admission::Denied(60));
        assert_eq!(memory.admit(&client(9, at(0))), Admission::Ask { batch: 9 });
    }

    #[test]
    fn a_table_that_failed_rests_for_who_may_go_on() {
        let mut memory = Memory::default();
        assert!(memory.fall_silent(at(10_000)));
        assert!(!memory.fall_silent(at(10_000)));
        for ms in [10_000, 14_999] {
            assert_eq!(memory.admit(&client(1, at(ms))), Admission::Passes);
            let refuse = Request {
                on_failure: OnFailure::Refuse,
                ..client(1, at(ms))
            };
            assert_eq!(memory.admit(&refuse), Admission::Ask { batch: 1 });
        }
        for ms in [9_999, 15_000] {
            assert_eq!(
                memory.admit(&client(1, at(ms))),
                Admission::Ask { batch: 1 }
            );
        }
    }

    #[test]
    fn a_store_is_counted_ahead_as_its_requests_become_many() {
        let mut memory = Memory::default();
        let mut asked = Vec::new();
        for _ in 0..300 {
            let request = shop(1, 6_000, at(0));
            if let Admission::Ask { batch } = memory.admit(&request) {
                memory.lease(&request, batch);
                asked.push(batch);
            }
        }
        assert_eq!(asked, [1, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        let large = shop(200, 6_000, at(0));
        assert_eq!(memory.admit(&large), Admission::Ask { batch: 200 });
        let next_minute = shop(1, 6_000, at(MINUTE_MS));
        assert_eq!(memory.admit(&next_minute), Admission::Ask { batch: 1 });
    }

    #[test]
    fn what_was_counted_ahead_passes_after_a_denial() {
        let mut memory = Memory::default();
        let request = shop(1, 6_000, at(0));
        memory.admit(&request);
        memory.lease(&request, 3);
        memory.admit(&shop(5, 6_000, at(0)));
        memory.deny(&shop(5, 6_000, at(0)), 60, true);
        assert_eq!(memory.admit(&request), Admission::Passes);
        assert_eq!(memory.admit(&request), Admission::Passes);
        assert_eq!(memory.admit(&request), Admission::Denied(60));
    }

    #[test]
    fn a_low_ceiling_is_counted_one_by_one() {
        let mut memory = Memory::default();
        for _ in 0..99 {
            let request = shop(1, 99, at(0));
            assert_eq!(memory.admit(&request), Admission::Ask { batch: 1 });
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut memory = Memory::default();
        let from = |number: usize, now| Request {
            subject: Subject::Client(number.to_string()),
            ..client(1, now)
        };
        for number in 0..3 * TALLIES {
            memory.admit(&from(number, at(0)));
            assert!(memory.tallies.len() <= TALLIES);
        }
        assert!(memory.tallies.len() >= TALLIES / 2);
        memory.admit(&from(0, at(0)));
        while memory.tallies.len() < TALLIES {
            memory.admit(&from(4 * TALLIES + memory.tallies.len(), at(0)));
        }
        memory.admit(&from(usize::MAX, at(3_600_000)));
        assert_eq!(memory.tallies.len(), 1, "what is over goes first");
    }
}
