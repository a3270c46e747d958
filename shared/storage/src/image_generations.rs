//! Image generations, each message about one stored once.

use serde::{Deserialize, Serialize};
use shoptrail_domain::Timestamp;
use shoptrail_domain::email::Email;
use shoptrail_domain::identifier::{EventId, ExternalId, RecordId, SessionRef};
use shoptrail_domain::image_generation::{GenerationStatus, ImageGeneration};

use crate::event_queue::QueuedEvent;
use crate::privacy::EventTable;
use crate::recording::{Batch, Recording, Stamp};
use crate::{BatchOutcome, EventRecorded, Recorded, Store, StoreError, image_key};

const OPERATION: &str = "record_image_generation";
const BATCH_OPERATION: &str = "record_image_generations";

/// An item of `image_generations`; absent values are absent attributes, which keeps the indexes sparse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the attributes are the plan's own, and the domain's ImageGeneration describes them"
)]
pub struct ImageGenerationRecord {
    pub id: String,
    pub store_name: String,
    pub status: GenerationStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
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
    pub event_id: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    /// The day and one of its shards: the partition of `idx_created_at`. Empty in what is older than that index.
    #[serde(default)]
    pub created_bucket: String,
    /// Seconds since 1970.
    pub expires_at: i64,
}

impl ImageGenerationRecord {
    fn new(generation: &ImageGeneration, stamp: &Stamp) -> Self {
        let ImageGeneration {
            store_name,
            generated_image_url,
            person_image_url,
            clothing_image_url,
            status,
            product_id,
            variant_id,
            customer_id,
            customer_email,
            session_id,
            event_id,
            ..
        } = generation.clone();
        let key = |url| image_key(&store_name, url);
        Self {
            image_key: generated_image_url.as_ref().map(key),
            id: stamp.id.clone(),
            store_name: store_name.into(),
            status,
            product_id: product_id.map(|id| id.as_str().to_owned()),
            variant_id: variant_id.map(|id| id.as_str().to_owned()),
            customer_id: customer_id.map(|id| id.as_str().to_owned()),
            customer_email: customer_email.map(Into::into),
            session_id: session_id.map(|id| id.as_str().to_owned()),
            generated_image_url: generated_image_url.map(Into::into),
            person_image_url: person_image_url.map(Into::into),
            clothing_image_url: clothing_image_url.map(Into::into),
            event_id: event_id.map(|id| id.as_str().to_owned()),
            created_at: stamp.created_at.clone(),
            updated_at: stamp.created_at.clone(),
            created_bucket: stamp.created_bucket.clone(),
            expires_at: stamp.expires_at,
        }
    }
}

impl QueuedEvent {
    /// The generation as it will be stored, under an id with the random number `drawn` in it.
    pub(crate) fn of_image_generation(
        generation: &ImageGeneration,
        now: Timestamp,
        retention_days: u32,
        drawn: u128,
    ) -> Self {
        let id = RecordId::of_image_generation(now, drawn);
        let stamp = Stamp::new(id, now, retention_days, drawn);
        Self::ImageGeneration {
            record: Box::new(ImageGenerationRecord::new(generation, &stamp)),
            fingerprint: generation.fingerprint.clone(),
        }
    }
}

impl Store {
    /// Stores a generation once, as [`Store::record_cart_event`] stores an event. A key that a cart event has used is
    /// free for a generation: the records of the keys lie in different tables.
    ///
    /// # Errors
    ///
    /// [`StoreError::is_conflict`] when the `event_id` was used for another generation;
    /// [`StoreError::is_unavailable`] when the generation may not have been stored.
    pub async fn record_image_generation(
        &self,
        generation: &ImageGeneration,
        now: Timestamp,
        retention_days: u32,
        random: impl FnMut() -> u128 + Send,
    ) -> Result<Recorded<EventRecorded>, StoreError> {
        let recording = recording(OPERATION, generation, now, retention_days);
        let record = |stamp: &Stamp| ImageGenerationRecord::new(generation, stamp);
        self.record_once(&recording, record, random).await
    }

    /// Stores generations, each once and each as of its own time, as [`Store::record_cart_events`] stores events.
    ///
    /// # Errors
    ///
    /// When none of them is known to be stored.
    pub async fn record_image_generations(
        &self,
        generations: &[(ImageGeneration, Timestamp)],
        retention_days: u32,
        random: impl FnMut() -> u128 + Send,
    ) -> Result<Vec<BatchOutcome>, StoreError> {
        let recordings = generations
            .iter()
            .map(|(generation, at)| recording(BATCH_OPERATION, generation, *at, retention_days))
            .collect();
        let batch = Batch {
            operation: BATCH_OPERATION,
            table: EventTable::ImageGenerations,
            recordings,
        };
        let record =
            |index: usize, stamp: &Stamp| ImageGenerationRecord::new(&generations[index].0, stamp);
        self.record_batch(&batch, record, random).await
    }
}

fn recording<'a>(
    operation: &'static str,
    generation: &'a ImageGeneration,
    now: Timestamp,
    retention_days: u32,
) -> Recording<'a> {
    Recording {
        operation,
        table: EventTable::ImageGenerations,
        new_id: RecordId::of_image_generation,
        store_name: generation.store_name.as_str(),
        customer_email: generation.customer_email.as_ref().map(Email::as_str),
        customer_id: generation.customer_id.as_ref().map(ExternalId::as_str),
        session_id: generation.session_id.as_ref().map(SessionRef::as_str),
        event_id: generation.event_id.as_ref().map(EventId::as_str),
        fingerprint: &generation.fingerprint,
        now,
        retention_days,
        given: None,
    }
}
