//! Cart events and image generations, found by what they are like: by the best index for the question, and never by a
//! scan.

mod belonging;
mod index;
mod merge;
mod plan;
mod question;
mod stream;
mod summary;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shoptrail_domain::Timestamp;
use shoptrail_domain::event_filter::{Direction, EventFilter};
use shoptrail_domain::generation_filter::GenerationFilter;

pub use self::belonging::{GenerationEvent, GenerationEvents};
use self::merge::{Merge, READS_AT_ONCE, Reader};
use self::plan::{Plan, is_alive_item};
use self::stream::{Entry, Stream};
pub use self::summary::{Collected, EventSummary, GenerationSummary, SummaryFields};
use self::summary::{GENERATION_FIELDS, Summary};
use crate::cart_events::CartEventRecord;
use crate::image_generations::ImageGenerationRecord;
use crate::privacy::{EventTable, Item, READS, WIDTH, in_parallel, key_of, text};
use crate::tables::ID;
use crate::{Store, StoreError};

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
    /// When the database does not answer, or when so few events are like the filter that they are not found in time: of
    /// many days of all stores, that is [`StoreError::is_too_much`]. With a position that is none, or an item that is
    /// none of ours.
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
        let mut plan = Plan::for_page(filter.into(), direction, at, now);
        let is_long = plan.is_long();
        let groups = std::mem::take(&mut plan.groups);
        let reader = self.reader(OPERATION, plan, after.cloned(), now);
        let limit = limit.max(1);
        let merge = Merge::new(reader, direction, groups, limit);
        let page = self.in_time(OPERATION, Box::pin(page(merge, limit))).await;
        page.map_err(|error| if is_long { error.of_much() } else { error })
    }

    /// The summaries of all events, the oldest first, unless there are more than `most`. The events are those of
    /// [`Store::list_cart_events`].
    ///
    /// # Errors
    ///
    /// When the database does not answer or there is more to read than the time allows: of many days of all stores, that
    /// is [`StoreError::is_too_much`]. With an item that is none of ours.
    pub async fn collect_cart_events(
        &self,
        filter: &EventFilter,
        fields: SummaryFields,
        most: usize,
        now: Timestamp,
    ) -> Result<Collected<EventSummary>, StoreError> {
        let plan = Plan::for_all(filter.into(), fields.attributes(), now);
        self.collect("collect_cart_events", plan, most, now).await
    }

    /// The summaries of all image generations, the oldest first, unless there are more than `most`. Of all stores
    /// together, without a user, they are those of as many days as [`Store::list_cart_events`] looks through.
    ///
    /// # Errors
    ///
    /// As [`Store::collect_cart_events`].
    pub async fn collect_image_generations(
        &self,
        filter: &GenerationFilter,
        most: usize,
        now: Timestamp,
    ) -> Result<Collected<GenerationSummary>, StoreError> {
        let plan = Plan::for_all(filter.into(), GENERATION_FIELDS, now);
        self.collect("collect_image_generations", plan, most, now)
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
        self.find("find_cart_events", EventTable::CartEvents, ids, now)
            .await
    }

    /// The image generations of these ids, in their order. Those that have expired or are not there are left out.
    ///
    /// # Errors
    ///
    /// As [`Store::find_cart_events`].
    pub async fn find_image_generations(
        &self,
        ids: &[&str],
        now: Timestamp,
    ) -> Result<Vec<ImageGenerationRecord>, StoreError> {
        let table = EventTable::ImageGenerations;
        self.find("find_image_generations", table, ids, now).await
    }

    async fn collect<T: Summary + Send>(
        &self,
        operation: &'static str,
        plan: Plan,
        most: usize,
        now: Timestamp,
    ) -> Result<Collected<T>, StoreError> {
        let is_long = plan.is_long();
        let reader = self.reader(operation, plan, None, now);
        let collected = self
            .in_collection_time(operation, Box::pin(collect(reader, most)))
            .await;
        collected.map_err(|error| if is_long { error.of_much() } else { error })
    }

    async fn find<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        table: EventTable,
        ids: &[&str],
        now: Timestamp,
    ) -> Result<Vec<T>, StoreError> {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let find = self.read_events(operation, table, ids);
        let mut items = self.in_time(operation, Box::pin(find)).await?;
        items.retain(|item| is_alive_item(item, now));
        let records = items.into_iter().map(|item| to_record(operation, item));
        records.collect()
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
        table: EventTable,
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
                let table = store.event_table(table);
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
            self.records(ids).await?
        } else {
            entries.into_iter().map(|entry| entry.item).collect()
        };
        items.retain(|item| self.plan.takes(item, self.now));
        Ok(items)
    }

    /// The events of these ids as the table has them.
    async fn records(&self, ids: Vec<String>) -> Result<Vec<Item>, StoreError> {
        let table = self.plan.source.table;
        self.store.read_events(self.operation, table, ids).await
    }

    /// Adds the summaries of those that are asked for.
    fn keep<T: Summary>(&self, items: Vec<Item>, found: &mut Vec<T>) -> Result<(), StoreError> {
        for item in items {
            if self.plan.takes(&item, self.now) {
                found.push(T::from_item(self.operation, item)?);
            }
        }
        Ok(())
    }
}

async fn page(mut merge: Merge, limit: usize) -> Result<EventsPage, StoreError> {
    let reader = Arc::clone(&merge.reader);
    let mut records: Vec<CartEventRecord> = Vec::new();
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

async fn collect<T: Summary>(reader: Arc<Reader>, most: usize) -> Result<Collected<T>, StoreError> {
    let plan = &reader.plan;
    let ranges = plan.groups.iter().flatten().cloned();
    // In no order, and as much at once as the database gives.
    let streams = ranges.map(|range| Stream::new(range, Direction::Ascending, None));
    let mut streams: VecDeque<Stream> = streams.collect();
    let mut ids: Vec<String> = Vec::new();
    let mut found: Vec<T> = Vec::new();
    while !streams.is_empty() {
        let some = streams.drain(..streams.len().min(READS_AT_ONCE)).collect();
        for (stream, items) in reader.fetch(some).await? {
            if plan.needs_records {
                ids.extend(
                    items
                        .iter()
                        .filter_map(|item| text(item, ID))
                        .map(str::to_owned),
                );
            } else {
                reader.keep(items, &mut found)?;
            }
            if !stream.is_at_end() {
                streams.push_front(stream);
            }
        }
        // Nothing is fetched from the table before it is known that it is not too much, unless the table has to say
        // which events they are.
        if plan.filters_records() {
            reader.keep(reader.records(std::mem::take(&mut ids)).await?, &mut found)?;
        }
        if found.len() + ids.len() > most {
            return Ok(Collected::TooMany);
        }
    }
    reader.keep(reader.records(ids).await?, &mut found)?;
    found.sort_by(|a, b| a.place().cmp(&b.place()));
    // An entry that is replaced while its partition is read may be met twice.
    found.dedup_by(|a, b| a.place() == b.place());
    Ok(Collected::All(found))
}

fn to_record<T: DeserializeOwned>(operation: &'static str, item: Item) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|error| StoreError::unreadable(operation, error))
}
