//! Cart events and image generations: found by the indexes, erased by their ids.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use shoptrail_domain::privacy::ErasureMode;

use super::batch::{Key, Write, distinct, from_key, key_of, text, to_key};
use super::{Item, OPERATION, Work};
use crate::recording::idempotency_id;
use crate::tables::{ID, STORE_NAME};
use crate::{Erased, Store, StoreError};

/// Entries of an index in one page: what one `BatchGetItem` fetches, and what a step of a job takes on.
const PAGE: i32 = 100;
/// What tells, in an event, whose it was.
const PERSONAL: [&str; 11] = [
    "customer_email",
    "customer_first_name",
    "customer_last_name",
    "customer_id",
    "ip_address",
    "user_agent",
    "generated_image_url",
    "image_key",
    "person_image_url",
    "clothing_image_url",
    "event_id",
];

/// The two tables of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventTable {
    CartEvents,
    ImageGenerations,
}

/// Entries of an index.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) table: EventTable,
    pub(super) index: &'static str,
    /// The index's partition key.
    pub(super) attribute: &'static str,
    pub(super) value: String,
}

/// The events of one page of a source.
#[derive(Debug)]
pub(super) struct Page {
    /// Whole, as they are now.
    pub(super) events: Vec<Item>,
    /// Where the next page begins.
    pub(super) next: Option<Key>,
}

impl Page {
    /// The sessions that the events name.
    pub(super) fn sessions(&self) -> BTreeSet<String> {
        let sessions = self
            .events
            .iter()
            .filter_map(|event| text(event, "session_id"));
        sessions.map(str::to_owned).collect()
    }
}

impl Store {
    pub(crate) fn event_table(&self, table: EventTable) -> &str {
        match table {
            EventTable::CartEvents => &self.tables.cart_events,
            EventTable::ImageGenerations => &self.tables.image_generations,
        }
    }

    /// Does to every event what `erase` makes of it, and deletes the records of their idempotency keys.
    pub(crate) async fn erase_events(
        &self,
        operation: &'static str,
        table: EventTable,
        events: Vec<Item>,
        erase: impl Fn(Item) -> Option<Write>,
    ) -> Result<Erased, StoreError> {
        let count = events.len() as u64;
        let keys = events.iter().filter_map(|event| {
            let (store, event_id) = (text(event, STORE_NAME)?, text(event, "event_id")?);
            Some(key_of(ID, &idempotency_id(store, event_id)))
        });
        let idempotency = distinct(keys.collect(), ID);
        let other = idempotency.len() as u64;
        let deletes = idempotency.into_iter().map(Write::Delete).collect();
        let name = self.event_table(table);
        // The records of the keys go first: an event that is gone no longer tells which key it had.
        self.batch_write(operation, name, deletes).await?;
        let writes = events.into_iter().filter_map(erase).collect();
        self.batch_write(operation, name, writes).await?;
        let (cart_events, image_generations) = match table {
            EventTable::CartEvents => (count, 0),
            EventTable::ImageGenerations => (0, count),
        };
        Ok(Erased {
            cart_events,
            image_generations,
            other,
            ..Erased::default()
        })
    }
}

/// The deletion of an event.
pub(crate) fn deletion(event: &Item) -> Option<Write> {
    text(event, ID).map(|id| Write::Delete(key_of(ID, id)))
}

impl Work {
    /// A page of a source's events, those of this store alone. An index lags behind its table and crosses stores,
    /// so that it gives the ids, and the table has the last word.
    pub(super) async fn event_page(
        &self,
        source: &Source,
        from: Option<&Key>,
    ) -> Result<Page, StoreError> {
        let table = self.store.event_table(source.table);
        let mut query = self
            .store
            .client
            .query()
            .table_name(table)
            .index_name(source.index)
            .key_condition_expression("#key = :value")
            .expression_attribute_names("#key", source.attribute)
            .expression_attribute_names("#id", ID)
            .expression_attribute_values(":value", AttributeValue::S(source.value.clone()))
            .projection_expression("#id")
            .set_exclusive_start_key(from.map(from_key))
            .limit(PAGE);
        if source.attribute != STORE_NAME {
            let store = AttributeValue::S(self.store_name.to_string());
            query = query
                .filter_expression("#store = :store")
                .expression_attribute_names("#store", STORE_NAME)
                .expression_attribute_values(":store", store);
        }
        let page = query
            .send()
            .await
            .map_err(|error| StoreError::new(OPERATION, error))?;
        let keys = distinct(page.items.unwrap_or_default(), ID);
        let mut events = self.store.batch_read(OPERATION, table, keys).await?;
        events.retain(|event| text(event, STORE_NAME) == Some(self.store_name.as_str()));
        Ok(Page {
            events,
            next: page.last_evaluated_key.map(to_key),
        })
    }

    /// Deletes events, or makes them anonymous; with them the records of their idempotency keys.
    pub(super) async fn erase_events(
        self: &Arc<Self>,
        table: EventTable,
        events: Vec<Item>,
    ) -> Result<Erased, StoreError> {
        let erase = |event: Item| match self.mode {
            ErasureMode::Delete => deletion(&event),
            ErasureMode::Anonymize => Some(Write::Put(self.anonymous(event))),
        };
        self.store
            .erase_events(OPERATION, table, events, erase)
            .await
    }

    /// The event, without what tells whose it was.
    fn anonymous(&self, mut event: Item) -> Item {
        event.retain(|name, _| !PERSONAL.contains(&name.as_str()));
        if let Some(session) = text(&event, "session_id") {
            let session = AttributeValue::S(self.anonymous_session(session));
            event.insert("session_id".to_owned(), session);
        }
        event
    }

    /// A new name for a session: the same one throughout the job, so that the session's events stay together; and
    /// without the job's salt, which goes when the job is done, nothing leads from one name to the other.
    fn anonymous_session(&self, session: &str) -> String {
        let hash = self
            .pepper
            .hash(&["anonymous-session", &self.salt, session]);
        format!("anonymous-{}", hex::encode(&hash[..16]))
    }
}
