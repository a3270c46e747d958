//! Cart events, each stored once.

use serde::{Deserialize, Serialize};
use shoptrail_domain::Timestamp;
use shoptrail_domain::cart_event::CartEvent;
use shoptrail_domain::email::Email;
use shoptrail_domain::identifier::{EventId, ExternalId, RecordId, SessionRef};

use crate::event_queue::QueuedEvent;
use crate::privacy::EventTable;
use crate::recording::{Batch, Recording, Stamp};
use crate::{BatchOutcome, EventRecorded, Recorded, Store, StoreError, image_key};

const OPERATION: &str = "record_cart_event";
const BATCH_OPERATION: &str = "record_cart_events";

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
    /// What the generated picture is found by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_key: Option<String>,
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
    fn new(event: &CartEvent, stamp: &Stamp) -> Self {
        Self {
            id: stamp.id.clone(),
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
            image_key: (event.generated_image_url.as_ref())
                .map(|url| image_key(&event.store_name, url)),
            person_image_url: event.person_image_url.clone().map(Into::into),
            clothing_image_url: event.clothing_image_url.clone().map(Into::into),
            user_agent: event.user_agent.clone(),
            ip_address: event.ip_address.map(|address| address.to_string()),
            session_id: event.session_id.as_ref().map(|id| id.as_str().to_owned()),
            event_id: event.event_id.as_ref().map(|id| id.as_str().to_owned()),
            occurred_at: event.occurred_at.map(Timestamp::to_iso),
            created_at: stamp.created_at.clone(),
            updated_at: stamp.created_at.clone(),
            created_bucket: stamp.created_bucket.clone(),
            expires_at: stamp.expires_at,
        }
    }
}

impl QueuedEvent {
    /// The event as it will be stored, under an id with the random number `drawn` in it.
    pub(crate) fn of_cart_event(
        event: &CartEvent,
        now: Timestamp,
        retention_days: u32,
        drawn: u128,
    ) -> Self {
        let id = RecordId::of_cart_event(now, drawn);
        let stamp = Stamp::new(id, now, retention_days, drawn);
        Self::CartEvent {
            record: Box::new(CartEventRecord::new(event, &stamp)),
            fingerprint: event.fingerprint.clone(),
        }
    }
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
        random: impl FnMut() -> u128 + Send,
    ) -> Result<Recorded<EventRecorded>, StoreError> {
        let recording = recording(OPERATION, event, now, retention_days);
        let record = |stamp: &Stamp| CartEventRecord::new(event, stamp);
        self.record_once(&recording, record, random).await
    }
    /// Stores events, each once and each as of its own time; the outcomes come in the order of the events. One that
    /// cannot be stored costs no other. With an `event_id`, the first write wins, also among the events themselves.
    /// Without one, an event that is sent again is stored again; what the database repeats by itself is not.
    ///
    /// All of it ends within [`Store::OPERATION_TIMEOUT`], so that some hundreds of events fit into one call.
    ///
    /// # Errors
    ///
    /// When none of the events is known to be stored: because it could not be asked who was erased, or because every
    /// write failed.
    pub async fn record_cart_events(
        &self,
        events: &[(CartEvent, Timestamp)],
        retention_days: u32,
        random: impl FnMut() -> u128 + Send,
    ) -> Result<Vec<BatchOutcome>, StoreError> {
        let recordings = events
            .iter()
            .map(|(event, at)| recording(BATCH_OPERATION, event, *at, retention_days))
            .collect();
        let batch = Batch {
            operation: BATCH_OPERATION,
            table: EventTable::CartEvents,
            recordings,
        };
        let record = |index: usize, stamp: &Stamp| CartEventRecord::new(&events[index].0, stamp);
        self.record_batch(&batch, record, random).await
    }
}

fn recording<'a>(
    operation: &'static str,
    event: &'a CartEvent,
    now: Timestamp,
    retention_days: u32,
) -> Recording<'a> {
    Recording {
        operation,
        table: EventTable::CartEvents,
        new_id: RecordId::of_cart_event,
        store_name: event.store_name.as_str(),
        customer_email: event.customer_email.as_ref().map(Email::as_str),
        customer_id: event.customer_id.as_ref().map(ExternalId::as_str),
        session_id: event.session_id.as_ref().map(SessionRef::as_str),
        event_id: event.event_id.as_ref().map(EventId::as_str),
        fingerprint: &event.fingerprint,
        now,
        retention_days,
        given: None,
    }
}
