//! Cart events, found by what they are like: by the best index for the question, and never by a scan.

mod index;
mod merge;
mod plan;
mod stream;
mod summary;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shoptrail_domain::Timestamp;
use shoptrail_domain::event_filter::{Direction, EventFilter};

use self::merge::{Merge, READS_AT_ONCE, Reader};
use self::plan::Plan;
use self::stream::{Entry, Stream};
pub use self::summary::{Collected, EventSummary, SummaryFields};
use crate::cart_events::CartEventRecord;
use crate::privacy::{EventTable, Item, READS, WIDTH, in_parallel, key_of, text};
use crate::tables::ID;
use crate::{Store, StoreError, is_alive};

/// A place in the list of events, which is ordered by time and, within one millisecond, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// When the event was stored: ISO 8601, UTC.
    pub created_at: String,
    /// The event's id.
    pub id: String,
}

/// A page of events.
#[derive(Debug, Clone, PartialEq)]
pub struct EventsPage {
    /// In order. As many as were asked for, unless there are no more.
    pub records: Vec<CartEventRecord>,
    /// Where the next page begins; `None` where there was nothing more to come.
    pub next: Option<Position>,
}

impl Store {
    /// A page of at most `limit` whole events (at least one), those strictly after a position. What is stored meanwhile
    /// is no reason to give an event twice or never.
    ///
    /// Of all stores together, without a customer, a product or a session, it gives those of the last 31 days before the
    /// end of the filter's range, or before now; where the range has a start, those of 397 days.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or when so few events are like the filter that they are not found in time;
    /// with a position that is none, or an item that is none of ours.
    pub async fn list_cart_events(
        &self,
        filter: &EventFilter,
        direction: Direction,
        limit: usize,
        after: Option<&Position>,
        now: Timestamp,
    ) -> Result<EventsPage, StoreError> {
        const OPERATION: &str = "list_cart_events";
        let at = after.map(|after| Timestamp::parse_iso(&after.created_at));
        let at = at
            .transpose()
            .map_err(|reason| StoreError::unreadable(OPERATION, reason))?;
        let mut plan = Plan::for_page(filter, direction, at, now);
        let groups = std::mem::take(&mut plan.groups);
        let reader = self.reader(OPERATION, plan, after.cloned(), now);
        let limit = limit.max(1);
        let merge = Merge::new(reader, direction, groups, limit);
        self.in_time(OPERATION, Box::pin(page(merge, limit))).await
    }

    /// The summaries of all events, the oldest first, unless there are more than `most`. The events are those of
    /// [`Store::list_cart_events`].
    ///
    /// # Errors
    ///
    /// When the database does not answer or there is more to read than the time allows; with an item that is none of
    /// ours.
    pub async fn collect_cart_events(
        &self,
        filter: &EventFilter,
        fields: SummaryFields,
        most: usize,
        now: Timestamp,
    ) -> Result<Collected, StoreError> {
        const OPERATION: &str = "collect_cart_events";
        let plan = Plan::for_all(filter, fields, now);
        let reader = self.reader(OPERATION, plan, None, now);
        self.in_time(OPERATION, Box::pin(collect(reader, most)))
            .await
    }

    /// The events of these ids, in their order. Those that have expired or are not there are left out.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or with an item that is none of ours.
    pub async fn find_cart_events(
        &self,
        ids: &[&str],
        now: Timestamp,
    ) -> Result<Vec<CartEventRecord>, StoreError> {
        const OPERATION: &str = "find_cart_events";
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let find = async {
            let items = self.read_events(OPERATION, ids).await?;
            let records = items.into_iter().map(|item| to_record(OPERATION, item));
            let mut records = records.collect::<Result<Vec<_>, _>>()?;
            records.retain(|record| is_alive(record.expires_at, now));
            Ok(records)
        };
        self.in_time(OPERATION, Box::pin(find)).await
    }

    fn reader(
        &self,
        operation: &'static str,
        plan: Plan,
        after: Option<Position>,
        now: Timestamp,
    ) -> Arc<Reader> {
        Arc::new(Reader {
            store: self.clone(),
            operation,
            plan,
            after,
            now,
        })
    }

    /// The items of these ids, in their order, without those that are not there.
    async fn read_events(
        &self,
        operation: &'static str,
        ids: Vec<String>,
    ) -> Result<Vec<Item>, StoreError> {
        let mut places = HashMap::with_capacity(ids.len());
        for id in ids {
            let place = places.len();
            places.entry(id).or_insert(place);
        }
        let keys: Vec<Item> = places.keys().map(|id| key_of(ID, id)).collect();
        let reads = keys.chunks(READS).map(|keys| {
            let (store, keys) = (self.clone(), keys.to_vec());
            async move {
                let table = store.event_table(EventTable::CartEvents);
                store.batch_read(operation, table, keys).await
            }
        });
        let read = in_parallel(operation, WIDTH, reads).await?;
        let mut items: Vec<Item> = read.into_iter().flatten().collect();
        items.sort_by_key(|item| text(item, ID).and_then(|id| places.get(id)));
        Ok(items)
    }
}

impl Reader {
    /// The events that are asked for among those of these entries, in their order: whole, or as far as the index
    /// holds them where that is enough.
    async fn judge(&self, entries: Vec<Entry>) -> Result<Vec<Item>, StoreError> {
        let mut items: Vec<Item> = if self.plan.needs_records {
            let ids = entries.into_iter().map(|entry| entry.at.id).collect();
            self.store.read_events(self.operation, ids).await?
        } else {
            entries.into_iter().map(|entry| entry.item).collect()
        };
        items.retain(|item| self.plan.takes(item, self.now));
        Ok(items)
    }
}

async fn page(mut merge: Merge, limit: usize) -> Result<EventsPage, StoreError> {
    let reader = Arc::clone(&merge.reader);
    let mut records = Vec::new();
    // Where the table has to filter, as many entries are read as one request gives, and then more and more.
    let mut least = if reader.plan.filters_records() {
        READS
    } else {
        1
    };
    // One more than the page holds tells whether there is another page.
    while records.len() <= limit {
        let missing = (limit - records.len()).saturating_add(1);
        let entries = merge.take(missing.max(least)).await?;
        if entries.is_empty() {
            break;
        }
        if least > 1 {
            least = (least * 2).min(READS * WIDTH);
        }
        for item in reader.judge(entries).await? {
            records.push(to_record(reader.operation, item)?);
        }
    }
    let is_last = records.len() <= limit;
    records.truncate(limit);
    let last = records.last().map(|last| Position {
        created_at: last.created_at.clone(),
        id: last.id.clone(),
    });
    Ok(EventsPage {
        records,
        next: last.filter(|_| !is_last),
    })
}

async fn collect(reader: Arc<Reader>, most: usize) -> Result<Collected, StoreError> {
    let plan = &reader.plan;
    let ranges = plan.groups.iter().flatten().cloned();
    // In no order, and as much at once as the database gives.
    let streams = ranges.map(|range| Stream::new(range, Direction::Ascending, None));
    let mut streams: VecDeque<Stream> = streams.collect();
    let mut entries: Vec<Entry> = Vec::new();
    let mut found: Vec<EventSummary> = Vec::new();
    while !streams.is_empty() {
        let some = streams.drain(..streams.len().min(READS_AT_ONCE)).collect();
        for mut stream in reader.read(some).await? {
            entries.extend(stream.take_all());
            if !stream.is_at_end() {
                streams.push_front(stream);
            }
        }
        // Nothing is fetched from the table before it is known that it is not too much, unless the table has to say
        // which events they are.
        if !plan.needs_records || plan.filters_records() {
            let judged = reader.judge(std::mem::take(&mut entries)).await?;
            for item in judged {
                found.push(EventSummary::from_item(reader.operation, item)?);
            }
        }
        if found.len() + entries.len() > most {
            return Ok(Collected::TooMany);
        }
    }
    for item in reader.judge(entries).await? {
        found.push(EventSummary::from_item(reader.operation, item)?);
    }
    found.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
    // An entry that is replaced while its partition is read may be met twice.
    found.dedup_by(|a, b| a.id == b.id);
    Ok(Collected::All(found))
}

fn to_record(operation: &'static str, item: Item) -> Result<CartEventRecord, StoreError> {
    serde_dynamo::from_item(item).map_err(|error| StoreError::unreadable(operation, error))
}
