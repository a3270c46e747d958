//! How many events are stored at once, each of them once. One event's failure is not the others': each has an outcome
//! of its own, also when the time is over in the middle.
//!
//! Events without an idempotency key are put in batches, which know no conditions. Events with one are written in
//! transactions of many events, where one event's refused condition cancels all: what is refused is judged and left out,
//! and the rest is tried again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::types::{Put, PutRequest, TransactWriteItem, WriteRequest};
use serde::Serialize;
use tokio::time::Instant;

use super::{DRAWS, EventRecorded, IdempotencyRecord, Recording, Stamp, idempotency_id};
use crate::deadline::{left, within};
use crate::privacy::{EventTable, Item, WIDTH, WRITES, in_parallel, key_of};
use crate::tables::ID;
use crate::transactions::{Reasons, has_code, is_refused};
use crate::{Store, StoreError};

/// Events of one transaction: DynamoDB takes 100 actions in one, and an event is two, itself and the record of its key.
const TRANSACTION_EVENTS: usize = 50;
/// The pause before what DynamoDB left out of a batch is put again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause, which leaves room for several within an operation's time.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// What became of one event of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchOutcome {
    /// It is stored, now or since before.
    Recorded(EventRecorded),
    /// It names somebody who was erased; nothing was stored.
    Erased,
    /// Its idempotency key was used for another event, maybe one that stands before it in the batch; nothing was stored.
    Conflict,
    /// The database did not say that it is stored: it is to be sent again.
    Retry,
}

/// The events of a batch, and what they have in common.
pub(crate) struct Batch<'a> {
    pub(crate) operation: &'static str,
    pub(crate) table: EventTable,
    pub(crate) recordings: Vec<Recording<'a>>,
}

/// An event without a key, ready to be put.
struct Plain {
    /// Where it stands in the batch.
    index: usize,
    item: Item,
}

/// An event with a key, ready to be written.
struct Keyed {
    /// The record of the key, if this event is its first use.
    own: IdempotencyRecord,
    /// The writes of the record and of the event.
    actions: [TransactWriteItem; 2],
}

/// What is written by one request.
enum Group {
    Plain(Vec<Plain>),
    Keyed(Vec<Keyed>),
}

/// What is known after a group was written.
#[derive(Default)]
struct Written {
    /// The events without a key that are stored.
    plain: Vec<usize>,
    /// The first uses of the keys that are known.
    first_uses: Vec<IdempotencyRecord>,
    /// What kept the rest from being stored.
    failure: Option<StoreError>,
}

/// What a batch writes, and what its events got before.
#[derive(Default)]
struct Plan {
    plain: Vec<Plain>,
    keyed: Vec<Keyed>,
    /// What each event was given, if it is to be written.
    stamped: HashMap<usize, EventRecorded>,
}

impl Store {
    /// Stores what `record` makes of each event's place in the batch and of its stamp.
    pub(crate) async fn record_batch<T: Serialize>(
        &self,
        batch: &Batch<'_>,
        record: impl Fn(usize, &Stamp) -> T + Send + Sync,
        random: impl FnMut() -> u128 + Send,
    ) -> Result<Vec<BatchOutcome>, StoreError> {
        let (outcomes, failure) = self.record_batch_telling(batch, record, random).await?;
        let is_known = |outcome: &BatchOutcome| {
            matches!(outcome, BatchOutcome::Recorded(_) | BatchOutcome::Conflict)
        };
        match failure {
            Some(failure) if !outcomes.iter().any(is_known) => Err(failure),
            _ => Ok(outcomes),
        }
    }

    /// The same, with what kept some of the events from being stored.
    pub(super) async fn record_batch_telling<T: Serialize>(
        &self,
        batch: &Batch<'_>,
        record: impl Fn(usize, &Stamp) -> T + Send + Sync,
        random: impl FnMut() -> u128 + Send,
    ) -> Result<(Vec<BatchOutcome>, Option<StoreError>), StoreError> {
        // One time for all: whoever erases somebody counts on it that what has looked for tombstones ends in time.
        let ends = Instant::now() + left(Self::OPERATION_TIMEOUT);
        let recordings = &batch.recordings;
        let people: Vec<_> = recordings
            .iter()
            .map(|recording| (recording.traces(), recording.now))
            .collect();
        let look = self.erased_among(batch.operation, &people);
        let erased = self.in_time(batch.operation, Box::pin(look)).await?;
        let plan = self.plan(batch, &erased, record, random)?;

        let plain = in_groups(plan.plain, WRITES).map(Group::Plain);
        let keyed = in_groups(plan.keyed, TRANSACTION_EVENTS).map(Group::Keyed);
        let groups = plain.chain(keyed).collect::<Vec<_>>().into_iter();
        let (operation, table) = (batch.operation, batch.table);
        let work = groups.map(|group| {
            let store = self.clone();
            async move {
                let time = ends.saturating_duration_since(Instant::now());
                Ok(within(time, store.write_group(operation, table, group)).await)
            }
        });
        let mut stored = HashSet::new();
        let mut first_uses = HashMap::new();
        let mut failure = None;
        for written in in_parallel(operation, WIDTH, work).await? {
            stored.extend(written.plain);
            let uses = written.first_uses.into_iter();
            first_uses.extend(uses.map(|first| (first.id.clone(), first)));
            failure = failure.or(written.failure);
        }

        let outcomes = recordings
            .iter()
            .enumerate()
            .map(|(index, recording)| {
                let stamped = plan.stamped.get(&index);
                match recording.idempotency_id() {
                    _ if erased[index] => BatchOutcome::Erased,
                    Some(id) => match first_uses.get(&id) {
                        Some(first) => recording.judge(first, stamped),
                        None => BatchOutcome::Retry,
                    },
                    None => match stamped {
                        Some(stamped) if stored.contains(&index) => {
                            BatchOutcome::Recorded(stamped.clone())
                        }
                        _ => BatchOutcome::Retry,
                    },
                }
            })
            .collect();
        Ok((outcomes, failure))
    }

    /// Gives each event that is to be written its stamp. Of several with one key that is the first alone.
    fn plan<T: Serialize>(
        &self,
        batch: &Batch<'_>,
        erased: &[bool],
        record: impl Fn(usize, &Stamp) -> T,
        mut random: impl FnMut() -> u128,
    ) -> Result<Plan, StoreError> {
        let mut plan = Plan::default();
        let (mut keys, mut ids) = (HashSet::new(), HashSet::new());
        for (index, recording) in batch.recordings.iter().enumerate() {
            let key = recording.idempotency_id();
            if erased[index] || key.as_ref().is_some_and(|key| !keys.insert(key.clone())) {
                continue;
            }
            // A put has no condition that would keep two events of one id apart.
            let mut draws = std::iter::repeat_with(|| recording.stamp(&mut random)).take(DRAWS);
            let Some(stamp) = draws.find(|stamp| ids.insert(stamp.id.clone())) else {
                continue;
            };
            let item = recording.to_item(&record(index, &stamp))?;
            match key {
                None => plan.plain.push(Plain { index, item }),
                Some(key) => plan.keyed.push(self.keyed(recording, key, &stamp, item)?),
            }
            plan.stamped.insert(index, EventRecorded::first(stamp));
        }
        Ok(plan)
    }

    fn keyed(
        &self,
        recording: &Recording<'_>,
        key: String,
        stamp: &Stamp,
        item: Item,
    ) -> Result<Keyed, StoreError> {
        let own = IdempotencyRecord::new(recording, key, stamp);
        let action = |put: Result<Put, _>| {
            let put = put.map_err(|error| StoreError::unreadable(recording.operation, error))?;
            Ok::<_, StoreError>(TransactWriteItem::builder().put(put).build())
        };
        let actions = [
            action(self.put_first_use(recording, &own)?.build())?,
            action(self.put_new(recording, item).build())?,
        ];
        Ok(Keyed { own, actions })
    }

    async fn write_group(
        &self,
        operation: &'static str,
        table: EventTable,
        group: Group,
    ) -> Written {
        let mut written = Written::default();
        let result = match group {
            Group::Plain(events) => self.put_plain(operation, table, events, &mut written).await,
            Group::Keyed(events) => {
                self.transact_keyed(operation, table, events, &mut written)
                    .await
            }
        };
        written.failure = result.err();
        written
    }

    /// Puts events until DynamoDB has taken all of them. A put that is repeated puts the same item.
    async fn put_plain(
        &self,
        operation: &'static str,
        table: EventTable,
        events: Vec<Plain>,
        written: &mut Written,
    ) -> Result<(), StoreError> {
        let table = self.event_table(table);
        let mut waiting = HashMap::new();
        let mut undone = Vec::with_capacity(events.len());
        for Plain { index, item } in events {
            waiting.extend(
                item.get(ID)
                    .and_then(|id| Some((id.as_s().ok()?.clone(), index))),
            );
            let put = PutRequest::builder().set_item(Some(item)).build();
            let put = put.map_err(|error| StoreError::unreadable(operation, error))?;
            undone.push(WriteRequest::builder().put_request(put).build());
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let request = self.client.batch_write_item();
            let request = request.request_items(table, undone).send();
            let send = async {
                request
                    .await
                    .map_err(|error| StoreError::new(operation, error))
            };
            let answer = self.in_time(operation, Box::pin(send)).await?;
            let rest = answer.unprocessed_items.unwrap_or_default();
            undone = rest.into_values().flatten().collect();
            let left_out: HashSet<_> = undone.iter().filter_map(id_of).collect();
            waiting.retain(|id, index| {
                let is_left_out = left_out.contains(id.as_str());
                if !is_left_out {
                    written.plain.push(*index);
                }
                is_left_out
            });
            if undone.is_empty() {
                return Ok(());
            }
            if left(Self::OPERATION_TIMEOUT) <= pause {
                return Err(StoreError::throttled(operation));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Writes events together with the records of their keys. Each round leaves out at least one event of those that
    /// stood in the way.
    async fn transact_keyed(
        &self,
        operation: &'static str,
        table: EventTable,
        events: Vec<Keyed>,
        written: &mut Written,
    ) -> Result<(), StoreError> {
        let mut pending = events;
        while !pending.is_empty() {
            let actions: Vec<_> = pending
                .iter()
                .flat_map(|event| event.actions.clone())
                .collect();
            let transact = self.transact(operation, &actions);
            let Err(reasons) = self.in_time(operation, Box::pin(transact)).await? else {
                written
                    .first_uses
                    .extend(pending.into_iter().map(|event| event.own));
                return Ok(());
            };
            let tried = pending.len();
            let refused = Refusals::of(pending, &reasons);
            if refused.rest.len() == tried {
                return Err(StoreError::throttled(operation));
            }
            let mut found = refused.found;
            if !refused.unread.is_empty() {
                let keys = refused.unread.iter().map(|id| key_of(ID, id)).collect();
                let table = self.event_table(table);
                found.extend(self.batch_read(operation, table, keys).await?);
            }
            for item in found {
                let first = serde_dynamo::from_item(item)
                    .map_err(|error| StoreError::unreadable(operation, error))?;
                written.first_uses.push(first);
            }
            pending = refused.rest;
        }
        Ok(())
    }
}

impl Recording<'_> {
    /// The id of the record of its key.
    pub(super) fn idempotency_id(&self) -> Option<String> {
        self.event_id
            .map(|event_id| idempotency_id(self.store_name, event_id))
    }

    /// What an event is beside the first use of its key, which may be its own.
    pub(super) fn judge(
        &self,
        first: &IdempotencyRecord,
        own: Option<&EventRecorded>,
    ) -> BatchOutcome {
        if first.fingerprint != self.fingerprint {
            return BatchOutcome::Conflict;
        }
        BatchOutcome::Recorded(EventRecorded {
            id: first.recorded_id.clone(),
            created_at: first.recorded_at.clone(),
            duplicate: own.is_none_or(|own| own.id != first.recorded_id),
        })
    }
}

/// What a cancelled transaction tells of its events.
#[derive(Default)]
struct Refusals {
    /// Records of keys that were used before.
    found: Vec<Item>,
    /// The ids of such records that did not come along; not every engine sends them.
    unread: Vec<String>,
    /// The events that did not stand in the way.
    rest: Vec<Keyed>,
}

impl Refusals {
    fn of(events: Vec<Keyed>, reasons: &Reasons) -> Self {
        let mut refusals = Self::default();
        for (event, reasons) in events.into_iter().zip(reasons.chunks(2)) {
            match reasons {
                [first_use, _] if is_refused(first_use) => match first_use.item() {
                    Some(item) => refusals.found.push(item.clone()),
                    None => refusals.unread.push(event.own.id),
                },
                // The event's id is taken, which happens once in 78 billion: then it is to be sent again. While another
                // transaction hides the key's record, it may as well be our own of an attempt whose answer got lost.
                [first_use, stored]
                    if is_refused(stored) && !has_code(first_use, "TransactionConflict") => {}
                _ => refusals.rest.push(event),
            }
        }
        refusals
    }
}

fn id_of(request: &WriteRequest) -> Option<&str> {
    let id = request.put_request()?.item().get(ID)?;
    id.as_s().ok().map(String::as_str)
}

/// `all` in groups of at most `size`.
fn in_groups<T>(all: Vec<T>, size: usize) -> impl Iterator<Item = Vec<T>> {
    let mut all = all.into_iter();
    std::iter::from_fn(move || {
        let group: Vec<_> = all.by_ref().take(size).collect();
        (!group.is_empty()).then_some(group)
    })
}
