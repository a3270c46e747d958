//! Cart events, each stored once.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use serde::{Deserialize, Serialize};
use shoptrail_domain::Timestamp;
use shoptrail_domain::cart_event::CartEvent;
use shoptrail_domain::identifier::{CartEventId, EventId};

use crate::erasures::Trace;
use crate::tables::{CART_EVENT_ID, CREATED_AT_SHARDS};
use crate::transactions::is_refused;
use crate::{Recorded, Store, StoreError, expires_at};

const OPERATION: &str = "record_cart_event";
/// Draws of an id before giving up: two events of one millisecond share a tail once in 78 billion.
const DRAWS: usize = 4;

/// An item of `cart_tracking_events`; absent values are absent attributes, which keeps the indexes sparse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the attributes are the plan's own, and the domain's CartEvent describes them"
)]
pub struct CartEventRecord {
    pub id: String,
    pub store_name: String,
    pub action_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_last_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated_image_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person_image_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clothing_image_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    /// The day and one of its shards: the partition of `idx_created_at`.
    pub created_bucket: String,
    /// Seconds since 1970.
    pub expires_at: i64,
}

impl CartEventRecord {
    fn new(
        event: &CartEvent,
        id: &CartEventId,
        random: u128,
        now: Timestamp,
        retention_days: u32,
    ) -> Self {
        let created_at = now.to_iso();
        Self {
            id: id.to_string(),
            store_name: event.store_name.to_string(),
            action_type: event.action_type.as_str().to_owned(),
            product_id: event.product_id.as_ref().map(|id| id.as_str().to_owned()),
            product_title: event.product_title.clone(),
            product_url: event.product_url.clone().map(Into::into),
            variant_id: event.variant_id.as_ref().map(|id| id.as_str().to_owned()),
            customer_id: event.customer_id.as_ref().map(|id| id.as_str().to_owned()),
            customer_email: event.customer_email.clone().map(Into::into),
            customer_first_name: event.customer_first_name.clone(),
            customer_last_name: event.customer_last_name.clone(),
            generated_image_url: event.generated_image_url.clone().map(Into::into),
            person_image_url: event.person_image_url.clone().map(Into::into),
            clothing_image_url: event.clothing_image_url.clone().map(Into::into),
            user_agent: event.user_agent.clone(),
            ip_address: event.ip_address.map(|address| address.to_string()),
            session_id: event.session_id.as_ref().map(|id| id.as_str().to_owned()),
            event_id: event.event_id.as_ref().map(|id| id.as_str().to_owned()),
            occurred_at: event.occurred_at.map(Timestamp::to_iso),
            updated_at: created_at.clone(),
            created_at,
            created_bucket: format!("{}#{}", now.day(), random % CREATED_AT_SHARDS),
            expires_at: expires_at(now, retention_days),
        }
    }
}

/// The first event of an idempotency key. Lies in the table of the events, because both are written in
/// one transaction; having no index's key, it is in none of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct IdempotencyRecord {
    id: String,
    cart_event_id: String,
    /// The event's `created_at`, under a name that no index knows.
    recorded_at: String,
    fingerprint: String,
    expires_at: i64,
}

impl IdempotencyRecord {
    fn new(record: &CartEventRecord, event_id: &EventId, fingerprint: &str) -> Self {
        Self {
            id: idempotency_id(&record.store_name, event_id.as_str()),
            cart_event_id: record.id.clone(),
            recorded_at: record.created_at.clone(),
            fingerprint: fingerprint.to_owned(),
            expires_at: record.expires_at,
        }
    }
}

/// The id of the record of an idempotency key. Neither a store's name nor a key holds the sign between them.
pub(crate) fn idempotency_id(store: &str, event_id: &str) -> String {
    format!("idempotency#{store}#{event_id}")
}

/// A cart event that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartEventRecorded {
    /// Its id.
    pub id: String,
    /// When it was stored: ISO 8601, UTC.
    pub created_at: String,
    /// Whether it had been stored before.
    pub duplicate: bool,
}

impl Store {
    /// Stores an event once. With an `event_id`, the first write wins: later ones, parallel ones
    /// included, get what it got. An event of somebody who was erased is not stored.
    ///
    /// # Errors
    ///
    /// [`StoreError::is_conflict`] when the `event_id` was used for another event;
    /// [`StoreError::is_unavailable`] when the event may not have been stored.
    pub async fn record_cart_event(
        &self,
        event: &CartEvent,
        now: Timestamp,
        retention_days: u32,
        mut random: impl FnMut() -> u128 + Send,
    ) -> Result<Recorded<CartEventRecorded>, StoreError> {
        self.in_time(
            OPERATION,
            Box::pin(async {
                if self.is_erased(OPERATION, &traces(event), now).await? {
                    return Ok(Recorded::Erased);
                }
                for _ in 0..DRAWS {
                    let drawn = random();
                    let id = CartEventId::new(now, drawn);
                    let record = CartEventRecord::new(event, &id, drawn, now, retention_days);
                    let recorded = match &event.event_id {
                        None => self.put_cart_event(record).await?,
                        Some(event_id) => {
                            self.put_cart_event_once(record, event_id, &event.fingerprint, now)
                                .await?
                        }
                    };
                    if let Some(recorded) = recorded {
                        return Ok(Recorded::Stored(recorded));
                    }
                }
                Err(StoreError::throttled(OPERATION))
            }),
        )
        .await
    }

    /// `None` when the id is taken.
    async fn put_cart_event(
        &self,
        record: CartEventRecord,
    ) -> Result<Option<CartEventRecorded>, StoreError> {
        let item = to_item(&record)?;
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.cart_events)
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(id)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let recorded = CartEventRecorded {
            id: record.id,
            created_at: record.created_at,
            duplicate: false,
        };
        match put {
            Ok(_) => Ok(Some(recorded)),
            Err(error) => match error.as_service_error() {
                // The same item is our own: an attempt that was stored but whose answer got lost.
                Some(PutItemError::ConditionalCheckFailedException(found)) => {
                    Ok((found.item() == Some(&item)).then_some(recorded))
                }
                _ => Err(StoreError::new(OPERATION, error)),
            },
        }
    }

    /// The event together with the record of its key. `None` when the id is taken.
    async fn put_cart_event_once(
        &self,
        record: CartEventRecord,
        event_id: &EventId,
        fingerprint: &str,
        now: Timestamp,
    ) -> Result<Option<CartEventRecorded>, StoreError> {
        let own = IdempotencyRecord::new(&record, event_id, fingerprint);
        // The key's record comes first: what it says counts before all else.
        let first_use = self.put_first_use(&own, now)?;
        let event = Put::builder()
            .table_name(&self.tables.cart_events)
            .set_item(Some(to_item(&record)?))
            .condition_expression("attribute_not_exists(id)");
        let actions = [first_use, event]
            .into_iter()
            .map(|put| Ok(TransactWriteItem::builder().put(put.build()?).build()))
            .collect::<Result<Vec<_>, aws_sdk_dynamodb::error::BuildError>>()
            .map_err(|error| StoreError::unreadable(OPERATION, error))?;
        let Err(reasons) = self.transact(OPERATION, &actions).await? else {
            return Ok(Some(CartEventRecorded {
                id: record.id,
                created_at: record.created_at,
                duplicate: false,
            }));
        };
        match reasons.as_slice() {
            [first_use, _] if is_refused(first_use) => {
                self.judge_first_use(first_use, &own).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The write of a key's record, which only the key's first use may make.
    fn put_first_use(
        &self,
        idempotency: &IdempotencyRecord,
        now: Timestamp,
    ) -> Result<PutBuilder, StoreError> {
        Ok(Put::builder()
            .table_name(&self.tables.cart_events)
            .set_item(Some(to_item(idempotency)?))
            .condition_expression("attribute_not_exists(id) OR expires_at <= :now")
            .expression_attribute_values(":now", AttributeValue::N(now.as_secs().to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld))
    }

    /// What a key that was used before was used for.
    async fn judge_first_use(
        &self,
        reason: &CancellationReason,
        own: &IdempotencyRecord,
    ) -> Result<CartEventRecorded, StoreError> {
        let found = self.found(reason, &own.id).await?;
        let first: IdempotencyRecord =
            from_item(found.ok_or_else(|| StoreError::throttled(OPERATION))?)?;
        if first.fingerprint != own.fingerprint {
            return Err(StoreError::conflict(OPERATION));
        }
        // Our own id is an attempt of ours that was stored but whose answer got lost.
        let duplicate = first.cart_event_id != own.cart_event_id;
        Ok(CartEventRecorded {
            id: first.cart_event_id,
            created_at: first.recorded_at,
            duplicate,
        })
    }

    /// The item that a condition has just met; not every engine sends it along.
    async fn found(
        &self,
        reason: &CancellationReason,
        id: &str,
    ) -> Result<Option<Item>, StoreError> {
        if let Some(item) = reason.item() {
            return Ok(Some(item.clone()));
        }
        let found = self
            .client
            .get_item()
            .table_name(&self.tables.cart_events)
            .key(CART_EVENT_ID, AttributeValue::S(id.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::new(OPERATION, error))?;
        Ok(found.item)
    }
}

/// What tells whose an event is.
fn traces(event: &CartEvent) -> Vec<Trace<'_>> {
    let store = event.store_name.as_str();
    let email = event.customer_email.as_ref().map(|email| Trace::Email {
        store,
        email: email.as_str(),
    });
    let customer = event.customer_id.as_ref().map(|id| Trace::CustomerId {
        store,
        id: id.as_str(),
    });
    let session = event.session_id.as_ref().map(|session| Trace::CartSession {
        store,
        session: session.as_str(),
    });
    [email, customer, session].into_iter().flatten().collect()
}

type Item = std::collections::HashMap<String, AttributeValue>;

fn to_item<T: Serialize>(record: &T) -> Result<Item, StoreError> {
    serde_dynamo::to_item(record).map_err(|error| StoreError::unreadable(OPERATION, error))
}

fn from_item<T: for<'de> Deserialize<'de>>(item: Item) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|error| StoreError::unreadable(OPERATION, error))
}
