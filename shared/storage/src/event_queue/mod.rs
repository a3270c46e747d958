//! The queue that events wait in where they are not written at once: SQS, or what speaks its protocol.

mod envelope;

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use self::envelope::{BODY_BYTES, Packed, pack};
use crate::deadline::left;
use crate::privacy::{WIDTH, in_parallel};
use crate::{Store, StoreConfig, client};

pub(crate) use envelope::QueuedEvent;
pub use envelope::{EventMessage, UnreadableMessage};

/// Messages of one request, as SQS allows; together they may have 256 KiB.
const REQUEST_MESSAGES: usize = 10;
/// Bytes of the messages of one request, well below what SQS takes.
const REQUEST_BYTES: usize = 4 * BODY_BYTES;
/// Requests for the same messages: those of which SQS says that it did not take them are sent once more.
const ROUNDS: usize = 2;

/// Where the queue is.
#[derive(Debug, Clone)]
pub struct EventQueueConfig {
    /// The queue's URL, by which SQS knows it.
    pub url: String,
    /// Another endpoint than the region's own.
    pub endpoint_url: Option<String>,
}

/// Why events were not handed over. What SQS said of it is left out: it may repeat what it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueueFailure {
    /// No answer in time.
    #[error("the event queue did not answer in time")]
    TooSlow,
    /// No connection, or one that broke.
    #[error("the event queue was not reached")]
    Unreachable,
    /// It said no to a whole request.
    #[error("the event queue refused a request")]
    Refused,
    /// It said no to some messages, twice.
    #[error("the event queue did not take all messages")]
    Partial,
}

impl<E> From<SdkError<E>> for QueueFailure {
    fn from(error: SdkError<E>) -> Self {
        match error {
            SdkError::TimeoutError(_) => Self::TooSlow,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::TooSlow,
            SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => Self::Unreachable,
            _ => Self::Refused,
        }
    }
}

/// A queue that events are handed over to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventQueue {
    client: Client,
    url: String,
    tell: fn(QueueFailure),
}

impl EventQueue {
    /// The queue of `queue`, as whom and where `config` says. Each failure is told to `tell`, since it stands in no
    /// answer: the events are then written directly. Does not connect yet.
    #[must_use]
    pub fn connect(config: &StoreConfig, queue: EventQueueConfig, tell: fn(QueueFailure)) -> Self {
        Self {
            client: client::build_queue(config, queue.endpoint_url),
            url: queue.url,
            tell,
        }
    }

    /// Opens the connection, by a request without messages, which SQS refuses: the first request of a shopper then
    /// finds it open. Where the queue is away, nothing is told, since nothing was to be sent.
    pub async fn open(&self) {
        let request = self.client.send_message_batch().queue_url(&self.url);
        let _ = Box::pin(request.set_entries(Some(Vec::new())).send()).await;
    }

    /// Hands events over, and says which of them SQS has taken, by their places. An event that is not among them may
    /// have been taken as well: then the answer got lost.
    ///
    /// Ends within three fifths of the time that is left for the request, so that what is not taken can be written.
    pub(crate) async fn send<'a>(
        &self,
        operation: &'static str,
        events: impl Iterator<Item = &'a QueuedEvent>,
    ) -> HashSet<usize> {
        let patience = left(Store::OPERATION_TIMEOUT) * 3 / 5;
        let work = requests(pack(events)).into_iter().map(|messages| {
            let queue = self.clone();
            async move { Ok(queue.send_request(messages, patience).await) }
        });
        match in_parallel(operation, WIDTH, work).await {
            Ok(taken) => taken.into_iter().flatten().collect(),
            // A task that panicked; whatever it sent is written as well.
            Err(_) => HashSet::new(),
        }
    }

    /// Sends the messages of one request, and those that were not taken once more.
    async fn send_request(&self, messages: Vec<Packed>, patience: Duration) -> Vec<usize> {
        let (mut waiting, mut taken) = (messages, Vec::new());
        let send = async {
            for _ in 0..ROUNDS {
                let successful = self.send_once(&waiting).await?;
                waiting = std::mem::take(&mut waiting)
                    .into_iter()
                    .enumerate()
                    .filter_map(|(number, message)| {
                        if successful.contains(&number.to_string()) {
                            taken.extend(message.events);
                            return None;
                        }
                        Some(message)
                    })
                    .collect();
                if waiting.is_empty() {
                    return Ok(());
                }
            }
            Err(QueueFailure::Partial)
        };
        let sent = tokio::time::timeout(patience, Box::pin(send)).await;
        if let Err(failure) = sent.unwrap_or(Err(QueueFailure::TooSlow)) {
            (self.tell)(failure);
        }
        taken
    }

    /// The numbers of the messages that were taken.
    async fn send_once(&self, messages: &[Packed]) -> Result<HashSet<String>, QueueFailure> {
        let entries = messages.iter().enumerate().map(|(number, message)| {
            SendMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .message_body(&message.body)
                .build()
        });
        let entries = entries.collect::<Result<_, _>>();
        let answer = self
            .client
            .send_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.map_err(|_| QueueFailure::Refused)?))
            .send()
            .await?;
        Ok(answer
            .successful
            .into_iter()
            .map(|entry| entry.id)
            .collect())
    }
}

/// The messages in as few requests as they need.
fn requests(messages: Vec<Packed>) -> Vec<Vec<Packed>> {
    let mut requests: Vec<Vec<Packed>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        bytes += message.body.len();
        match requests.last_mut() {
            Some(request) if request.len() < REQUEST_MESSAGES && bytes <= REQUEST_BYTES => {
                request.push(message);
            }
            _ => {
                bytes = message.body.len();
                requests.push(vec![message]);
            }
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_no_more_messages_and_bytes_than_sqs_takes() {
        for (count, length) in [(1, 10), (10, 10), (25, 10), (13, BODY_BYTES), (30, 20_000)] {
            let messages = (0..count).map(|number| Packed {
                body: "b".repeat(length),
                events: vec![number],
            });
            let requests = requests(messages.collect());
            let places: Vec<_> = requests
                .iter()
                .flatten()
                .flat_map(|message| message.events.clone())
                .collect();
            assert_eq!(places, (0..count).collect::<Vec<_>>());
            for request in requests {
                let bytes: usize = request.iter().map(|message| message.body.len()).sum();
                assert!(request.len() <= REQUEST_MESSAGES && bytes <= REQUEST_BYTES);
            }
        }
    }
}
