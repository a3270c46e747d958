//! How events from the queue are stored, by the very way that requests take: tombstones first, then conditional writes,
//! many at once. What comes again is found to be stored under its own id, and is not stored again.

use std::collections::HashMap;

use super::{Batch, BatchOutcome, Stamp};
use crate::event_queue::{EventMessage, QueuedEvent};
use crate::privacy::EventTable;
use crate::{Store, StoreError};

const OPERATION: &str = "record_queued_events";
/// Events that are stored at once, which end well within the time of an operation.
const AT_ONCE: usize = 200;

/// What became of an event that was queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedOutcome {
    /// The store that it names.
    pub store_name: String,
    /// What became of it. A duplicate is an event that another one of its `eventId` was stored before.
    pub outcome: BatchOutcome,
}

/// What became of messages.
#[derive(Debug, Default)]
pub struct MessagesRecorded {
    /// Of each message's events, in their order.
    pub messages: Vec<Vec<QueuedOutcome>>,
    /// What kept some of them from being stored.
    pub failure: Option<StoreError>,
}

/// Distinct events: a message that is delivered, or was sent, twice holds the same ones.
type Events<'a> = Vec<&'a QueuedEvent>;
type Outcomes<'a> = HashMap<&'a str, BatchOutcome>;

impl Store {
    /// Stores the events of messages, each once and each as of its own time. Those that are not known to be stored are
    /// [`BatchOutcome::Retry`]: their message is to be delivered again, and its other events are then found to be stored.
    ///
    /// A message that the database will not take is tried without the others, so that it costs none of them.
    pub async fn record_queued(&self, messages: &[EventMessage]) -> MessagesRecorded {
        let (mut outcomes, mut failure) = (HashMap::new(), None);
        let whole = messages.iter().flat_map(|message| &message.0);
        self.record_distinct(whole, &mut outcomes, &mut failure)
            .await;

        let is_refused = |failure: &Option<StoreError>| {
            failure
                .as_ref()
                .is_some_and(|failure| !failure.is_unavailable())
        };
        if messages.len() > 1 && is_refused(&failure) {
            for message in messages {
                let is_missing = |event: &&QueuedEvent| {
                    matches!(outcomes.get(event.id()), None | Some(BatchOutcome::Retry))
                };
                let missing: Vec<_> = message.0.iter().filter(is_missing).collect();
                let mut again = None;
                self.record_distinct(missing.into_iter(), &mut outcomes, &mut again)
                    .await;
                if again.as_ref().is_some_and(StoreError::is_unavailable) {
                    failure = again;
                    break;
                }
            }
        }
        let of_event = |event: &QueuedEvent| QueuedOutcome {
            store_name: event.store_name().to_owned(),
            outcome: outcomes
                .get(event.id())
                .cloned()
                .unwrap_or(BatchOutcome::Retry),
        };
        let of_message = |message: &EventMessage| message.0.iter().map(of_event).collect();
        MessagesRecorded {
            messages: messages.iter().map(of_message).collect(),
            failure,
        }
    }

    /// Stores events, some at once. Where the database is away, the rest is left as it is.
    async fn record_distinct<'a>(
        &self,
        events: impl Iterator<Item = &'a QueuedEvent>,
        outcomes: &mut Outcomes<'a>,
        failure: &mut Option<StoreError>,
    ) {
        let (mut of_carts, mut of_generations): (Events<'a>, Events<'a>) = Default::default();
        let mut ids = std::collections::HashSet::new();
        for event in events.filter(|event| ids.insert(event.id())) {
            match event.table() {
                EventTable::CartEvents => of_carts.push(event),
                EventTable::ImageGenerations => of_generations.push(event),
            }
        }
        for events in of_carts
            .chunks(AT_ONCE)
            .chain(of_generations.chunks(AT_ONCE))
        {
            match self.record_chunk(events).await {
                Ok((known, kept)) => {
                    outcomes.extend(events.iter().map(|event| event.id()).zip(known));
                    *failure = kept.or(failure.take());
                }
                Err(error) => {
                    let is_away = error.is_unavailable();
                    *failure = Some(error);
                    if is_away {
                        return;
                    }
                }
            }
        }
    }

    async fn record_chunk(
        &self,
        events: &[&QueuedEvent],
    ) -> Result<(Vec<BatchOutcome>, Option<StoreError>), StoreError> {
        let Some(first) = events.first() else {
            return Ok(Default::default());
        };
        let recordings = events.iter().map(|event| event.recording(OPERATION));
        let batch = Batch {
            operation: OPERATION,
            table: first.table(),
            recordings: recordings.collect::<Result<_, _>>()?,
        };
        let record = |index: usize, _: &Stamp| events[index].record();
        self.record_batch_telling(&batch, record, || 0).await
    }
}
