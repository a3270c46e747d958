//! How an event is stored once, be it a cart event or an image generation: under an id of its own, unless its
//! idempotency key was used before or its person was erased.

mod batch;
mod hand_over;
mod queued;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use serde::{Deserialize, Serialize};
use shoptrail_domain::Timestamp;
use shoptrail_domain::identifier::RecordId;

use crate::erasures::Trace;
use crate::privacy::{EventTable, Item};
use crate::tables::{CREATED_AT_SHARDS, ID};
use crate::transactions::is_refused;
use crate::{Recorded, Store, StoreError, expires_at};

pub(crate) use batch::Batch;
pub use batch::BatchOutcome;
pub use queued::{MessagesRecorded, QueuedOutcome};

/// Draws of an id before giving up: two events of one millisecond share a tail once in 78 billion.
const DRAWS: usize = 4;

/// An event that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecorded {
    /// Its id.
    pub id: String,
    /// When it was stored: ISO 8601, UTC.
    pub created_at: String,
    /// Whether it had been stored before.
    pub duplicate: bool,
}

/// What has to be known of an event in order to store it once.
pub(crate) struct Recording<'a> {
    pub(crate) operation: &'static str,
    pub(crate) table: EventTable,
    /// The id of an event of this time, with this random number in it.
    pub(crate) new_id: fn(Timestamp, u128) -> RecordId,
    pub(crate) store_name: &'a str,
    pub(crate) customer_email: Option<&'a str>,
    pub(crate) customer_id: Option<&'a str>,
    pub(crate) session_id: Option<&'a str>,
    pub(crate) event_id: Option<&'a str>,
    /// What two events of one `event_id` must agree in.
    pub(crate) fingerprint: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) retention_days: u32,
    /// The stamp of an event that was given one before it came here, since it was answered with it.
    pub(crate) given: Option<Stamp>,
}

/// What the server adds to an event.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub(crate) id: String,
    /// ISO 8601, UTC.
    pub(crate) created_at: String,
    /// The day and one of its shards: the partition of `idx_created_at`.
    pub(crate) created_bucket: String,
    /// Seconds since 1970.
    pub(crate) expires_at: i64,
}

impl Stamp {
    /// The stamp of an event of the time `at`, which is kept for so many days and whose `id` holds the random number
    /// `drawn`.
    pub(crate) fn new(id: RecordId, at: Timestamp, retention_days: u32, drawn: u128) -> Self {
        Self {
            id: id.to_string(),
            created_at: at.to_iso(),
            created_bucket: format!("{}#{}", at.day(), drawn % CREATED_AT_SHARDS),
            expires_at: expires_at(at, retention_days),
        }
    }
}

impl Recording<'_> {
    fn stamp(&self, random: &mut impl FnMut() -> u128) -> Stamp {
        self.given.clone().unwrap_or_else(|| {
            let drawn = random();
            let id = (self.new_id)(self.now, drawn);
            Stamp::new(id, self.now, self.retention_days, drawn)
        })
    }

    /// What tells whose the event is.
    fn traces(&self) -> Vec<Trace<'_>> {
        let store = self.store_name;
        let email = self
            .customer_email
            .map(|email| Trace::Email { store, email });
        let customer = self.customer_id.map(|id| Trace::CustomerId { store, id });
        let session = self
            .session_id
            .map(|session| Trace::CartSession { store, session });
        // What comes late may be older than the erasure of the whole store, whose tombstone holds for what is older
        // alone. An event that comes at once never is.
        let shop = self.given.as_ref().map(|_| Trace::Shop { store });
        let traces = [email, customer, session, shop];
        traces.into_iter().flatten().collect()
    }

    fn to_item<T: Serialize>(&self, record: &T) -> Result<Item, StoreError> {
        serde_dynamo::to_item(record).map_err(|error| StoreError::unreadable(self.operation, error))
    }
}

/// The first event of an idempotency key. Lies in the table of the events, because both are written in
/// one transaction; having no index's key, it is in none of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct IdempotencyRecord {
    id: String,
    /// The event's id.
    #[serde(alias = "cart_event_id")]
    recorded_id: String,
    /// The event's `created_at`, under a name that no index knows.
    recorded_at: String,
    fingerprint: String,
    expires_at: i64,
}

impl IdempotencyRecord {
    /// The record under `id` of an event that is the first of its key.
    fn new(recording: &Recording<'_>, id: String, stamp: &Stamp) -> Self {
        Self {
            id,
            recorded_id: stamp.id.clone(),
            recorded_at: stamp.created_at.clone(),
            fingerprint: recording.fingerprint.to_owned(),
            expires_at: stamp.expires_at,
        }
    }
}

/// The id of the record of an idempotency key. Neither a store's name nor a key holds the sign between them.
pub(crate) fn idempotency_id(store: &str, event_id: &str) -> String {
    format!("idempotency#{store}#{event_id}")
}

impl Store {
    /// Stores what `record` makes of a stamp, once.
    pub(crate) async fn record_once<T: Serialize>(
        &self,
        recording: &Recording<'_>,
        record: impl Fn(&Stamp) -> T + Send + Sync,
        mut random: impl FnMut() -> u128 + Send,
    ) -> Result<Recorded<EventRecorded>, StoreError> {
        let operation = recording.operation;
        let attempts = Box::pin(async {
            let traces = recording.traces();
            if self.is_erased(operation, &traces, recording.now).await? {
                return Ok(Recorded::Erased);
            }
            for _ in 0..DRAWS {
                let stamp = recording.stamp(&mut random);
                let item = recording.to_item(&record(&stamp))?;
                let recorded = match recording.event_id {
                    None => self.put_event(recording, stamp, item).await?,
                    Some(event_id) => {
                        self.put_event_of_key(recording, event_id, stamp, item)
                            .await?
                    }
                };
                if let Some(recorded) = recorded {
                    return Ok(Recorded::Stored(recorded));
                }
            }
            Err(StoreError::throttled(operation))
        });
        self.in_time(operation, attempts).await
    }

    /// `None` when the id is taken.
    async fn put_event(
        &self,
        recording: &Recording<'_>,
        stamp: Stamp,
        item: Item,
    ) -> Result<Option<EventRecorded>, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(self.event_table(recording.table))
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(id)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match put {
            Ok(_) => Ok(Some(EventRecorded::first(stamp))),
            Err(error) => match error.as_service_error() {
                // The same item is our own: an attempt that was stored but whose answer got lost.
                Some(PutItemError::ConditionalCheckFailedException(found)) => {
                    Ok((found.item() == Some(&item)).then(|| EventRecorded::first(stamp)))
                }
                _ => Err(StoreError::new(recording.operation, error)),
            },
        }
    }

    /// The event together with the record of its key. `None` when the id is taken.
    async fn put_event_of_key(
        &self,
        recording: &Recording<'_>,
        event_id: &str,
        stamp: Stamp,
        item: Item,
    ) -> Result<Option<EventRecorded>, StoreError> {
        let key = idempotency_id(recording.store_name, event_id);
        let own = IdempotencyRecord::new(recording, key, &stamp);
        // The key's record comes first: what it says counts before all else.
        let first_use = self.put_first_use(recording, &own)?;
        let event = self.put_new(recording, item);
        let actions = [first_use, event]
            .into_iter()
            .map(|put| Ok(TransactWriteItem::builder().put(put.build()?).build()))
            .collect::<Result<Vec<_>, aws_sdk_dynamodb::error::BuildError>>()
            .map_err(|error| StoreError::unreadable(recording.operation, error))?;
        let Err(reasons) = self.transact(recording.operation, &actions).await? else {
            return Ok(Some(EventRecorded::first(stamp)));
        };
        match reasons.as_slice() {
            [first_use, _] if is_refused(first_use) => self
                .judge_first_use(recording, first_use, &own)
                .await
                .map(Some),
            _ => Ok(None),
        }
    }

    /// The write of a key's record, which only the key's first use may make.
    fn put_first_use(
        &self,
        recording: &Recording<'_>,
        idempotency: &IdempotencyRecord,
    ) -> Result<PutBuilder, StoreError> {
        let now = recording.now.as_secs().to_string();
        Ok(Put::builder()
            .table_name(self.event_table(recording.table))
            .set_item(Some(recording.to_item(idempotency)?))
            .condition_expression("attribute_not_exists(id) OR expires_at <= :now")
            .expression_attribute_values(":now", AttributeValue::N(now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld))
    }

    /// The write of an event, under an id that no other has.
    fn put_new(&self, recording: &Recording<'_>, item: Item) -> PutBuilder {
        Put::builder()
            .table_name(self.event_table(recording.table))
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(id)")
    }

    /// What a key that was used before was used for.
    async fn judge_first_use(
        &self,
        recording: &Recording<'_>,
        reason: &CancellationReason,
        own: &IdempotencyRecord,
    ) -> Result<EventRecorded, StoreError> {
        let operation = recording.operation;
        let found = self.found(recording, reason, &own.id).await?;
        let found = found.ok_or_else(|| StoreError::throttled(operation))?;
        let first: IdempotencyRecord = serde_dynamo::from_item(found)
            .map_err(|error| StoreError::unreadable(operation, error))?;
        if first.fingerprint != own.fingerprint {
            return Err(StoreError::conflict(operation));
        }
        // Our own id is an attempt of ours that was stored but whose answer got lost.
        let duplicate = first.recorded_id != own.recorded_id;
        Ok(EventRecorded {
            id: first.recorded_id,
            created_at: first.recorded_at,
            duplicate,
        })
    }

    /// The item that a condition has just met; not every engine sends it along.
    async fn found(
        &self,
        recording: &Recording<'_>,
        reason: &CancellationReason,
        id: &str,
    ) -> Result<Option<Item>, StoreError> {
        if let Some(item) = reason.item() {
            return Ok(Some(item.clone()));
        }
        let found = self
            .client
            .get_item()
            .table_name(self.event_table(recording.table))
            .key(ID, AttributeValue::S(id.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::new(recording.operation, error))?;
        Ok(found.item)
    }
}

impl EventRecorded {
    fn first(stamp: Stamp) -> Self {
        Self {
            id: stamp.id,
            created_at: stamp.created_at,
            duplicate: false,
        }
    }
}
