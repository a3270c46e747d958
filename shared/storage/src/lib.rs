//! DynamoDB: the tables and indexes, the records in them and the operations on them; and the queue that events may wait
//! in before. The only user of the SDK.
//!
//! Every operation ends within [`Store::OPERATION_TIMEOUT`], its retries included: with its result, or with a
//! [`StoreError`] that says whether trying again may help. [`Store::run_privacy_job`] alone is told how long to work, and
//! [`Store::replay_erasures`] takes as long as the tables are large.

mod api_keys;
mod blob;
mod cart_events;
mod client;
mod deadline;
mod decision_reads;
mod decisions;
mod erasures;
mod error;
mod event_queue;
mod event_reads;
mod image_generations;
mod image_key;
mod journey_reads;
mod pepper;
mod privacy;
mod privacy_jobs;
mod rate_limits;
mod recording;
mod refusals;
mod replay;
mod secrets;
mod session_activity;
mod session_reads;
mod sessions;
mod settings;
mod store_range;
pub mod tables;
mod tally;
mod transactions;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use shoptrail_domain::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;

pub use api_keys::ApiKeyRecord;
pub use cart_events::CartEventRecord;
pub use client::{Credentials, StoreConfig};
pub use deadline::within;
pub use decision_reads::DecisionSummary;
pub use decisions::{DecisionRecord, PopupTally, SessionDecisions};
pub use erasures::Recorded;
pub use error::StoreError;
pub use event_queue::{
    EventMessage, EventQueue, EventQueueConfig, QueueFailure, UnreadableMessage,
};
pub use event_reads::{
    Collected, EventSummary, EventsPage, GenerationEvent, GenerationEvents, GenerationSummary,
    Position, SummaryFields,
};
pub use image_generations::ImageGenerationRecord;
pub use image_key::image_key;
pub use journey_reads::Moments;
pub use pepper::Pepper;
pub use privacy_jobs::{
    Erased, ExportedPage, PrivacyJob, PrivacyJobKind, PrivacyJobStatus, PrivacyTask,
};
pub use rate_limits::{Counted, ModelCall, WindowLimits};
pub use recording::{BatchOutcome, EventRecorded, MessagesRecorded, QueuedOutcome};
pub use refusals::RefusalDay;
pub use replay::{ReplayProgress, Replayed};
pub use secrets::SecretStore;
pub use session_activity::SessionActivity;
pub use session_reads::SessionSummary;
pub use sessions::{NewSession, RecentSession, SessionMessageRecorded};

pub use tables::Table;
pub use tally::{OPERATIONS_TIMED, Operations, operations, tallied};

use crate::tables::TableNames;

/// The database, as the rest of the code sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    tables: TableNames,
    pepper: Option<Pepper>,
    event_queue: Option<EventQueue>,
    session_locks: Arc<[Mutex<()>; SESSION_LOCKS]>,
}

/// Messages of one session that one process handles go one after the other, instead of racing for the
/// same item. The number only needs to be well above that of the requests in flight.
const SESSION_LOCKS: usize = 256;

impl Store {
    /// The time within which every operation ends. A browser's script waits no longer, and the answer
    /// still has to get through within 3 s.
    pub const OPERATION_TIMEOUT: Duration = Duration::from_millis(2_500);
    /// The time within which the entries of a whole range are collected, all kinds that a request asks for together,
    /// where the request is given that much by [`within`]. A function is ended after 10 s.
    pub const COLLECTION_TIMEOUT: Duration = Duration::from_secs(8);

    /// A store on the tables that `config` names. Does not connect yet: see [`Store::check`].
    #[must_use]
    pub fn connect(config: &StoreConfig) -> Self {
        Self {
            client: client::build(config),
            tables: TableNames::with_prefix(&config.table_prefix),
            pepper: None,
            event_queue: None,
            session_locks: Arc::new(std::array::from_fn(|_| Mutex::new(()))),
        }
    }

    /// The same store, which keeps hashes under this pepper. Without one, no API key verifies and nobody can be
    /// erased.
    #[must_use]
    pub fn with_pepper(self, pepper: Option<Pepper>) -> Self {
        Self { pepper, ..self }
    }

    /// The same store, which hands events that it takes over to this queue. Without one it stores them at once.
    #[must_use]
    pub fn with_event_queue(self, event_queue: Option<EventQueue>) -> Self {
        Self {
            event_queue,
            ..self
        }
    }

    /// The pepper of the hashes that it keeps.
    #[must_use]
    pub fn pepper(&self) -> Option<&Pepper> {
        self.pepper.as_ref()
    }

    /// Asks a table for an item that is not there. Says whether the database answers, and opens the
    /// connection.
    ///
    /// # Errors
    ///
    /// When it does not answer, or not with what a table of ours answers.
    pub async fn check(&self, table: Table) -> Result<(), StoreError> {
        let absent = || AttributeValue::S("-".to_owned());
        let request = self.client.get_item().table_name(self.tables.name(table));
        let request = table
            .key_attributes()
            .iter()
            .fold(request, |request, attribute| {
                request.key(*attribute, absent())
            });
        self.in_time(
            "check",
            Box::pin(async {
                request
                    .send()
                    .await
                    .map(|_| ())
                    .map_err(|error| StoreError::new("check", error))
            }),
        )
        .await
    }

    /// Ends `operation` when its time is over, whatever it waits for. Boxed: the SDK's futures are large,
    /// and a request that is refused before it gets here must not carry their room along.
    async fn in_time<T>(
        &self,
        name: &'static str,
        operation: Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + '_>>,
    ) -> Result<T, StoreError> {
        in_time(name, Self::OPERATION_TIMEOUT, operation).await
    }

    /// The same for an operation that reads a whole range.
    async fn in_collection_time<T>(
        &self,
        name: &'static str,
        operation: Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + '_>>,
    ) -> Result<T, StoreError> {
        in_time(name, Self::COLLECTION_TIMEOUT, operation).await
    }
}

/// Ends `operation` when the request's time or `longest` is over, and counts it.
async fn in_time<T>(
    name: &'static str,
    longest: Duration,
    operation: Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + '_>>,
) -> Result<T, StoreError> {
    let started = Instant::now();
    let result = match tokio::time::timeout(deadline::left(longest), operation).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::too_slow(name)),
    };
    let has_failed = result.as_ref().is_err_and(StoreError::is_databases);
    tally::count(started.elapsed(), has_failed);
    result
}

/// When an item of the time `now` expires, as TTL wants it: seconds since 1970.
fn expires_at(now: Timestamp, retention_days: u32) -> i64 {
    now.plus_days(retention_days).as_secs()
}

/// Whether an item is still to be seen: DynamoDB returns expired items until it gets round to deleting them.
fn is_alive(expires_at: i64, now: Timestamp) -> bool {
    expires_at > now.as_secs()
}
