//! What a session did beside browsing: its cart events and its image generations, newest first.

use std::pin::Pin;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;
use shoptrail_domain::{StoreName, Timestamp};

use crate::cart_events::CartEventRecord;
use crate::image_generations::ImageGenerationRecord;
use crate::privacy::{EventTable, Item};
use crate::tables::{ID, IDX_SESSION_ID, STORE_NAME};
use crate::{Store, StoreError};

/// Records in one list: what one `BatchGetItem` fetches.
const MOST_RECORDS: usize = 100;

/// Whose activity to list.
#[derive(Debug, Clone, Copy)]
pub struct SessionActivity<'a> {
    /// The session, as its events name it.
    pub session: &'a str,
    /// What was stored for this store alone: a session's id is what its client says, and nothing keeps two stores
    /// from using the same one.
    pub store_name: &'a StoreName,
    /// How many records at most; above 100 it is 100.
    pub limit: usize,
}

impl Store {
    /// A session's cart events, newest first.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or with an item that is none of ours.
    pub async fn list_cart_events_of_session(
        &self,
        of: SessionActivity<'_>,
        now: Timestamp,
    ) -> Result<Vec<CartEventRecord>, StoreError> {
        const OPERATION: &str = "list_cart_events_of_session";
        let mut events: Vec<CartEventRecord> = self
            .list_of_session(OPERATION, EventTable::CartEvents, of, now)
            .await?;
        events.sort_by(|a, b| (&b.created_at, &b.id).cmp(&(&a.created_at, &a.id)));
        Ok(events)
    }

    /// A session's image generations, newest first.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or with an item that is none of ours.
    pub async fn list_image_generations_of_session(
        &self,
        of: SessionActivity<'_>,
        now: Timestamp,
    ) -> Result<Vec<ImageGenerationRecord>, StoreError> {
        const OPERATION: &str = "list_image_generations_of_session";
        let mut generations: Vec<ImageGenerationRecord> = self
            .list_of_session(OPERATION, EventTable::ImageGenerations, of, now)
            .await?;
        generations.sort_by(|a, b| (&b.created_at, &b.id).cmp(&(&a.created_at, &a.id)));
        Ok(generations)
    }

    /// The newest records of a session, in no order. The index is narrow, so it gives the ids, and the table the
    /// records.
    async fn list_of_session<T: DeserializeOwned + Send>(
        &self,
        operation: &'static str,
        table: EventTable,
        of: SessionActivity<'_>,
        now: Timestamp,
    ) -> Result<Vec<T>, StoreError> {
        let table = self.event_table(table);
        let list: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(async {
            let keys = self.find_keys_of_session(operation, table, of, now).await?;
            let items = self.batch_read(operation, table, keys).await?;
            let records = items.into_iter().map(serde_dynamo::from_item);
            records
                .collect::<Result<Vec<T>, _>>()
                .map_err(|error| StoreError::unreadable(operation, error))
        });
        self.in_time(operation, list).await
    }

    async fn find_keys_of_session(
        &self,
        operation: &'static str,
        table: &str,
        of: SessionActivity<'_>,
        now: Timestamp,
    ) -> Result<Vec<Item>, StoreError> {
        let limit = of.limit.min(MOST_RECORDS);
        let mut keys = Vec::new();
        let mut from = None;
        // DynamoDB filters after it has counted to the page's limit, so a page may hold less than it read.
        while keys.len() < limit {
            let page = self
                .client
                .query()
                .table_name(table)
                .index_name(IDX_SESSION_ID)
                .key_condition_expression("#session = :session")
                .filter_expression("#store = :store AND #expires > :now")
                .projection_expression("#id")
                .expression_attribute_names("#session", "session_id")
                .expression_attribute_names("#store", STORE_NAME)
                .expression_attribute_names("#expires", "expires_at")
                .expression_attribute_names("#id", ID)
                .expression_attribute_values(":session", AttributeValue::S(of.session.to_owned()))
                .expression_attribute_values(":store", AttributeValue::S(of.store_name.to_string()))
                .expression_attribute_values(":now", AttributeValue::N(now.as_secs().to_string()))
                .scan_index_forward(false)
                .set_exclusive_start_key(from)
                // At most 100.
                .limit(limit as i32)
                .send()
                .await
                .map_err(|error| StoreError::new(operation, error))?;
            keys.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        keys.truncate(limit);
        Ok(keys)
    }
}
