//! The worker of the queue: stores the events that requests have handed over.
//!
//! The service hands it some messages at once and deletes those that it does not name in its answer. It names those of
//! which an event is not known to be stored, so that they are delivered again, and those that it cannot read: after some
//! deliveries these lie among the dead letters, and not nowhere.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shoptrail_domain::refusal::Refusal;
use shoptrail_edge::{ApiError, App};
use shoptrail_storage::{BatchOutcome, EventMessage, QueuedOutcome};

/// How long one invocation works. The function is stopped after 30 s, which leaves an answer its time.
const INVOCATION: Duration = Duration::from_secs(20);

/// Messages of the queue.
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>
#[derive(Debug, Clone, Deserialize)]
pub struct QueueEvent {
    #[serde(rename = "Records", default)]
    records: Vec<QueueRecord>,
}

/// One message.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueRecord {
    /// Names the message in the answer.
    pub message_id: String,
    /// What it says.
    pub body: String,
}

impl QueueEvent {
    /// The event that brings these messages.
    #[must_use]
    pub fn new(records: Vec<QueueRecord>) -> Self {
        Self { records }
    }
}

/// Which messages are to be delivered again; all others are done.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueAnswer {
    batch_item_failures: Vec<ItemFailure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemFailure {
    item_identifier: String,
}

impl QueueAnswer {
    /// Whether this message is to be delivered again.
    #[must_use]
    pub fn has_failed(&self, message_id: &str) -> bool {
        let mut failures = self.batch_item_failures.iter();
        failures.any(|failure| failure.item_identifier == message_id)
    }

    fn fail(&mut self, message_id: String) {
        self.batch_item_failures.push(ItemFailure {
            item_identifier: message_id,
        });
    }
}

/// What became of the events of an invocation, for its log line.
#[derive(Debug, Default)]
struct Counts {
    stored: u64,
    duplicate: u64,
    conflict: u64,
    erased: u64,
    retry: u64,
}

/// Stores the events of the messages.
///
/// # Errors
///
/// None: what failed stands in the answer.
pub async fn handle(app: App, event: QueueEvent) -> Result<QueueAnswer, ApiError> {
    let (mut answer, mut unreadable) = (QueueAnswer::default(), 0_u64);
    let (mut ids, mut messages) = (Vec::new(), Vec::new());
    for record in event.records {
        match EventMessage::parse(&record.body) {
            Ok(message) => {
                ids.push(record.message_id);
                messages.push(message);
            }
            Err(error) => {
                let message_id = record.message_id.as_str();
                tracing::error!(message_id, cause = %error, "a message is left to the dead letters");
                unreadable += 1;
                answer.fail(record.message_id);
            }
        }
    }
    let work = app.store.record_queued(&messages);
    let recorded = shoptrail_storage::within(INVOCATION, Box::pin(work)).await;

    let mut counts = Counts::default();
    for (message_id, outcomes) in ids.into_iter().zip(&recorded.messages) {
        for outcome in outcomes {
            counts.add(&outcome.outcome);
        }
        if outcomes
            .iter()
            .any(|event| event.outcome == BatchOutcome::Retry)
        {
            answer.fail(message_id);
        } else {
            // Only now, since a message that comes again would be told of again.
            outcomes.iter().for_each(|outcome| note(&app, outcome));
        }
    }
    app.flush_refusals().await;
    let cause = recorded.failure.as_ref().map(tracing::field::display);
    let (messages, again) = (messages.len(), answer.batch_item_failures.len());
    let Counts {
        stored,
        duplicate,
        conflict,
        erased,
        retry,
    } = counts;
    if again == 0 {
        tracing::info!(
            messages,
            stored,
            duplicate,
            conflict,
            erased,
            "queued events are written"
        );
    } else {
        tracing::error!(
            messages,
            stored,
            duplicate,
            conflict,
            erased,
            retry,
            unreadable,
            again,
            cause,
            "some queued events are not written yet"
        );
    }
    Ok(answer)
}

impl Counts {
    fn add(&mut self, outcome: &BatchOutcome) {
        let count = match outcome {
            BatchOutcome::Recorded(recorded) if recorded.duplicate => &mut self.duplicate,
            BatchOutcome::Recorded(_) => &mut self.stored,
            BatchOutcome::Conflict => &mut self.conflict,
            BatchOutcome::Erased => &mut self.erased,
            BatchOutcome::Retry => &mut self.retry,
        };
        *count += 1;
    }
}

/// Counts, for the merchant to see, an event that was answered as stored and was not.
fn note(app: &App, event: &QueuedOutcome) {
    let reason = match &event.outcome {
        BatchOutcome::Recorded(recorded) if recorded.duplicate => Refusal::Duplicate,
        BatchOutcome::Conflict => Refusal::Invalid,
        BatchOutcome::Erased => Refusal::Erased,
        BatchOutcome::Recorded(_) | BatchOutcome::Retry => return,
    };
    app.refusals.note(Some(&event.store_name), reason, 1);
}
