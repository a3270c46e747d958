//! Erasing anew what a restore brought back. A table that is restored to an earlier time holds again what was erased
//! since then; the tombstones, which say so without naming anybody, find it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use shoptrail_domain::Timestamp;

use crate::decisions::{DECISION_ID, is_tally};
use crate::erasures::{Digest, Trace, digest_of};
use crate::privacy::{EventTable, Item, WIDTH, Write, deletion, in_parallel, session_key, text};
use crate::sessions::HEAD;
use crate::tables::{ID, SESSION, SESSION_ITEM, STORE_NAME};
use crate::{Erased, Pepper, Store, StoreError};

const OPERATION: &str = "replay_erasures";
/// Items in one page of a scan: of those that match, a page's deletions are a matter of a second.
const PAGE: i32 = 1_000;
/// Attempts at a page. A scan reads much, so that a table may well throttle it, and to begin anew would read it all
/// again.
const ATTEMPTS: u32 = 6;
/// The pause after the first attempt; it doubles after each of them.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

const TOMBSTONE_ATTRIBUTES: &[&str] = &[ID, ERASED_AT, HOLDS_UNTIL];
const EVENT_ATTRIBUTES: &[&str] = &[
    ID,
    STORE_NAME,
    CUSTOMER_EMAIL,
    CUSTOMER_ID,
    SESSION_ID,
    EVENT_ID,
    CREATED_AT,
];
const SESSION_ATTRIBUTES: &[&str] = &[SESSION, SESSION_ITEM];
const DECISION_ATTRIBUTES: &[&str] = &[SESSION, DECISION_ID, STORE_NAME];
const ERASED_AT: &str = "erased_at";
const HOLDS_UNTIL: &str = "holds_until";
const CUSTOMER_EMAIL: &str = "customer_email";
const CUSTOMER_ID: &str = "customer_id";
const SESSION_ID: &str = "session_id";
const EVENT_ID: &str = "event_id";
const CREATED_AT: &str = "created_at";

/// What a replay came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Tombstones that there are.
    pub tombstones: u64,
    /// Events, generated images, sessions and decisions that were looked at.
    pub scanned: u64,
    /// What of them was erased anew.
    pub erased: Erased,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayProgress {
    /// The table that it is at, as the template names it.
    pub table: &'static str,
    /// What it came to so far.
    pub so_far: Replayed,
}

/// The tombstones, by what they stand for.
struct Tombstones<'a> {
    pepper: &'a Pepper,
    /// The last time, in ms since 1970, at which something can have been created that the erasure took.
    covered_until: HashMap<Digest, i64>,
}

impl Tombstones<'_> {
    /// Takes a tombstone on. What bears a time at which it holds is covered as well: it was on its way when the
    /// tombstone was written, and erased all the same; whatever came later was refused.
    fn add(&mut self, item: &Item) {
        let Some(digest) = text(item, ID).and_then(digest_of) else {
            return;
        };
        let erased_at = text(item, ERASED_AT).and_then(|at| Timestamp::parse_iso(at).ok());
        let holds_until = item.get(HOLDS_UNTIL).and_then(|until| until.as_n().ok());
        let holds_until: Option<i64> = holds_until.and_then(|until| until.parse().ok());
        let last_held = holds_until.map(|until| until.saturating_mul(1_000) - 1);
        let covered_until = erased_at.map(Timestamp::as_millis).max(last_held);
        if let Some(covered_until) = covered_until {
            self.covered_until.insert(digest, covered_until);
        }
    }

    fn has(&self, trace: Trace<'_>) -> bool {
        self.covered_until.contains_key(&trace.digest(self.pepper))
    }

    /// Whether the erasure took what this trace leads to, if it was created at this time.
    fn cover(&self, trace: Trace<'_>, created_at: Timestamp) -> bool {
        let covered_until = self.covered_until.get(&trace.digest(self.pepper));
        covered_until.is_some_and(|until| created_at.as_millis() <= *until)
    }

    fn cover_event(&self, event: &Item) -> bool {
        let Some(store) = text(event, STORE_NAME) else {
            return false;
        };
        let email = text(event, CUSTOMER_EMAIL).map(|email| Trace::Email { store, email });
        let customer = text(event, CUSTOMER_ID).map(|id| Trace::CustomerId { store, id });
        let session = text(event, SESSION_ID).map(|session| Trace::CartSession { store, session });
        // An event whose time cannot be read is older than any erasure.
        let created_at = text(event, CREATED_AT)
            .and_then(|at| Timestamp::parse_iso(at).ok())
            .unwrap_or_default();
        let shop = Some(Trace::Shop { store });
        let mut traces = [email, customer, session, shop].into_iter().flatten();
        traces.any(|trace| self.cover(trace, created_at))
    }

    /// As an erasure takes them: a store's own decisions, and with the tracker's session those of no store. A session
    /// is never used again, so that there is no time to look at.
    fn have_decision(&self, decision: &Item) -> bool {
        let Some(session) = text(decision, SESSION) else {
            return false;
        };
        self.has(match text(decision, STORE_NAME) {
            Some(store) => Trace::CartSession { store, session },
            None => Trace::TrackerSession { session },
        })
    }
}

/// A replay on its way.
struct Replay<'a> {
    store: &'a Store,
    tombstones: Tombstones<'a>,
    replayed: Replayed,
    progress: &'a mut dyn FnMut(ReplayProgress),
}

impl Store {
    /// Erases anew whatever the tombstones stand for: to be called when a table was restored to an earlier time, with
    /// what was erased since then in it. The table of the tombstones is the one that must not be restored, since it
    /// would have forgotten the erasures that are to be made anew.
    ///
    /// An event or a generated image goes, with the record of its idempotency key, where a tombstone stands for its
    /// store, or for its store's customer or session, and it was created before the erasure. So do events that the erasure had made
    /// anonymous: a restore brings them back as they were before, and here they are deleted, not made anonymous
    /// again. A tracker's session goes with all its items, and decisions with their session. What another store has,
    /// and what a customer left who came back later, stays.
    ///
    /// Everything is read once, page by page; in memory are the tombstones and one page. `progress` hears of every
    /// page. A replay that broke off is begun anew, and one that follows another erases nothing.
    ///
    /// # Errors
    ///
    /// When the database does not answer, after several attempts at one page; or where there is no pepper. What was
    /// erased stays erased.
    pub async fn replay_erasures(
        &self,
        progress: &mut dyn FnMut(ReplayProgress),
    ) -> Result<Replayed, StoreError> {
        let mut replay = Replay {
            store: self,
            tombstones: Tombstones {
                pepper: self.needed_pepper(OPERATION)?,
                covered_until: HashMap::new(),
            },
            replayed: Replayed::default(),
            progress,
        };
        replay.load_tombstones().await?;
        if replay.replayed.tombstones > 0 {
            replay.erase_events(EventTable::CartEvents).await?;
            replay.erase_events(EventTable::ImageGenerations).await?;
            replay.erase_sessions().await?;
            replay.erase_decisions().await?;
        }
        Ok(replay.replayed)
    }

    /// A page of a table, of each item these attributes alone, and where the next page begins. Items without the
    /// first or the second attribute, such as the records of idempotency keys, are left out.
    async fn scan_page(
        &self,
        table: &str,
        attributes: &[&str],
        from: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let names: Vec<_> = attributes.iter().map(|name| format!("#{name}")).collect();
        let mut scan = self
            .client
            .scan()
            .table_name(table)
            .projection_expression(names.join(", "))
            .filter_expression(format!(
                "attribute_exists({}) AND attribute_exists({})",
                names[0], names[1]
            ))
            .set_exclusive_start_key(from)
            .limit(PAGE)
            .consistent_read(true);
        for (name, attribute) in names.iter().zip(attributes) {
            scan = scan.expression_attribute_names(name, *attribute);
        }
        let scan = async {
            let page = scan.send().await;
            let page = page.map_err(|error| StoreError::new(OPERATION, error))?;
            Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
        };
        self.in_time(OPERATION, Box::pin(scan)).await
    }

    /// Erases sessions of the tracker. Their heads go first: a message that comes meanwhile then finds the tombstone.
    async fn erase_whole_sessions(&self, sessions: &[String]) -> Result<(), StoreError> {
        let heads = sessions.iter().map(|session| session_key(session, HEAD));
        let table = &self.tables.sessions;
        let deletes = heads.map(Write::Delete).collect();
        self.batch_write(OPERATION, table, deletes).await?;
        let rest = sessions.iter().map(|session| {
            let (store, session) = (self.clone(), session.clone());
            async move { store.erase_session_items(OPERATION, &session).await }
        });
        in_parallel(OPERATION, WIDTH, rest).await.map(|_| ())
    }
}

impl Replay<'_> {
    async fn load_tombstones(&mut self) -> Result<(), StoreError> {
        let mut pages = Pages::of(&self.store.tables.erasures, TOMBSTONE_ATTRIBUTES);
        while let Some(page) = pages.next(self.store).await? {
            for item in &page {
                self.tombstones.add(item);
            }
            self.replayed.tombstones = self.tombstones.covered_until.len() as u64;
            self.tell("erasures");
        }
        Ok(())
    }

    async fn erase_events(&mut self, table: EventTable) -> Result<(), StoreError> {
        let name = match table {
            EventTable::CartEvents => "cart_tracking_events",
            EventTable::ImageGenerations => "image_generations",
        };
        let store = self.store;
        let mut pages = Pages::of(store.event_table(table), EVENT_ATTRIBUTES);
        while let Some(mut events) = pages.next(store).await? {
            self.replayed.scanned += events.len() as u64;
            events.retain(|event| self.tombstones.cover_event(event));
            let erase = async || {
                let delete = |event: Item| deletion(&event);
                store
                    .erase_events(OPERATION, table, events.clone(), delete)
                    .await
            };
            self.replayed.erased += patiently(erase).await?;
            self.tell(name);
        }
        Ok(())
    }

    /// All items are looked at, not only heads: a restore to a time in the middle of an erasure brings back a session
    /// that has no head any more.
    async fn erase_sessions(&mut self) -> Result<(), StoreError> {
        let store = self.store;
        let mut pages = Pages::of(&store.tables.sessions, SESSION_ATTRIBUTES);
        // A scan gives the items of one session one after the other, be it in two pages.
        let mut last = None;
        while let Some(items) = pages.next(store).await? {
            let mut sessions: BTreeSet<&str> = items
                .iter()
                .filter_map(|item| text(item, SESSION))
                .collect();
            if let Some(last) = &last {
                sessions.remove(String::as_str(last));
            }
            self.replayed.scanned += sessions.len() as u64;
            let erased: Vec<_> = sessions
                .into_iter()
                .filter(|session| self.tombstones.has(Trace::TrackerSession { session }))
                .map(str::to_owned)
                .collect();
            patiently(async || store.erase_whole_sessions(&erased).await).await?;
            self.replayed.erased.sessions += erased.len() as u64;
            last = items
                .last()
                .and_then(|item| text(item, SESSION))
                .map(str::to_owned)
                .or(last);
            self.tell("tracker_sessions");
        }
        Ok(())
    }

    async fn erase_decisions(&mut self) -> Result<(), StoreError> {
        let store = self.store;
        let table = &store.tables.decisions;
        let mut pages = Pages::of(table, DECISION_ATTRIBUTES);
        while let Some(mut decisions) = pages.next(store).await? {
            // A tally goes with its session's decisions, and counts for none.
            let count = |items: &[Item]| items.iter().filter(|item| !is_tally(item)).count() as u64;
            self.replayed.scanned += count(&decisions);
            decisions.retain(|decision| self.tombstones.have_decision(decision));
            self.replayed.erased.decisions += count(&decisions);
            for decision in &mut decisions {
                decision.remove(STORE_NAME);
            }
            let erase = async || {
                let deletes = decisions.iter().cloned().map(Write::Delete).collect();
                store.batch_write(OPERATION, table, deletes).await
            };
            patiently(erase).await?;
            self.tell("ask_ai_decisions");
        }
        Ok(())
    }

    fn tell(&mut self, table: &'static str) {
        (self.progress)(ReplayProgress {
            table,
            so_far: self.replayed,
        });
    }
}

/// The pages of a scan.
struct Pages<'a> {
    table: &'a str,
    attributes: &'static [&'static str],
    from: Option<Item>,
    is_end: bool,
}

impl<'a> Pages<'a> {
    fn of(table: &'a str, attributes: &'static [&'static str]) -> Self {
        Self {
            table,
            attributes,
            from: None,
            is_end: false,
        }
    }

    async fn next(&mut self, store: &Store) -> Result<Option<Vec<Item>>, StoreError> {
        if self.is_end {
            return Ok(None);
        }
        let scan = async || {
            let from = self.from.clone();
            store.scan_page(self.table, self.attributes, from).await
        };
        let (items, next) = patiently(scan).await?;
        self.is_end = next.is_none();
        self.from = next;
        Ok(Some(items))
    }
}

/// Does `work`, and again after a pause where the database was not available.
async fn patiently<T>(work: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match work().await {
            Err(error) if error.is_unavailable() => tokio::time::sleep(pause).await,
            done => return done,
        }
        pause *= 2;
    }
    work().await
}
