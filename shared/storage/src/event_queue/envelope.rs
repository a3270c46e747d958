//! What a message of the queue says: a version, and finished records of events.
//!
//! A record is whole: its id, its times, when it expires, the sender's address and user agent as far as they are stored.
//! Beside it stands the fingerprint that two events of one `eventId` must agree in. So whoever records it later needs
//! nothing of the request, and of its own settings the tables and the pepper alone.

use serde::{Deserialize, Serialize};
use shoptrail_domain::Timestamp;
use shoptrail_domain::identifier::RecordId;

use crate::privacy::EventTable;
use crate::recording::{Recording, Stamp};
use crate::{CartEventRecord, ImageGenerationRecord, StoreError};

/// The only version so far. Another one is a message that this code must not guess at.
const VERSION: u32 = 1;
/// The longest body: with what stands around it, it stays within the 64 KiB that SQS charges as one request, and far
/// below the 256 KiB that it takes. The largest event is half of it.
pub(super) const BODY_BYTES: usize = 60 * 1024;
/// Events of one message: as many as are written in one transaction.
const MESSAGE_EVENTS: usize = 50;
/// What stands around the events.
const ENVELOPE_BYTES: usize = 32;

/// An event on its way through the queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum QueuedEvent {
    CartEvent {
        record: Box<CartEventRecord>,
        /// Empty where there is no `eventId`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        fingerprint: String,
    },
    ImageGeneration {
        record: Box<ImageGenerationRecord>,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        fingerprint: String,
    },
}

impl QueuedEvent {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::CartEvent { record, .. } => &record.id,
            Self::ImageGeneration { record, .. } => &record.id,
        }
    }

    pub(crate) fn store_name(&self) -> &str {
        match self {
            Self::CartEvent { record, .. } => &record.store_name,
            Self::ImageGeneration { record, .. } => &record.store_name,
        }
    }

    pub(crate) fn table(&self) -> EventTable {
        match self {
            Self::CartEvent { .. } => EventTable::CartEvents,
            Self::ImageGeneration { .. } => EventTable::ImageGenerations,
        }
    }

    /// How it is stored once, as of its own time and with the stamp that it was given.
    ///
    /// # Errors
    ///
    /// When its time is none.
    pub(crate) fn recording(&self, operation: &'static str) -> Result<Recording<'_>, StoreError> {
        let now = |created_at: &str| {
            Timestamp::parse_iso(created_at)
                .map_err(|_| StoreError::unreadable(operation, "a queued event without a time"))
        };
        Ok(match self {
            Self::CartEvent {
                record,
                fingerprint,
            } => Recording {
                operation,
                table: EventTable::CartEvents,
                new_id: RecordId::of_cart_event,
                store_name: &record.store_name,
                customer_email: record.customer_email.as_deref(),
                customer_id: record.customer_id.as_deref(),
                session_id: record.session_id.as_deref(),
                event_id: record.event_id.as_deref(),
                fingerprint,
                now: now(&record.created_at)?,
                // The stamp has what it would say.
                retention_days: 0,
                given: Some(Stamp {
                    id: record.id.clone(),
                    created_at: record.created_at.clone(),
                    created_bucket: record.created_bucket.clone(),
                    expires_at: record.expires_at,
                }),
            },
            Self::ImageGeneration {
                record,
                fingerprint,
            } => Recording {
                operation,
                table: EventTable::ImageGenerations,
                new_id: RecordId::of_image_generation,
                store_name: &record.store_name,
                customer_email: record.customer_email.as_deref(),
                customer_id: record.customer_id.as_deref(),
                session_id: record.session_id.as_deref(),
                event_id: record.event_id.as_deref(),
                fingerprint,
                now: now(&record.created_at)?,
                retention_days: 0,
                given: Some(Stamp {
                    id: record.id.clone(),
                    created_at: record.created_at.clone(),
                    created_bucket: record.created_bucket.clone(),
                    expires_at: record.expires_at,
                }),
            },
        })
    }

    /// The item's content, as it is stored.
    pub(crate) fn record(&self) -> RecordRef<'_> {
        match self {
            Self::CartEvent { record, .. } => RecordRef::CartEvent(record),
            Self::ImageGeneration { record, .. } => RecordRef::ImageGeneration(record),
        }
    }
}

/// A record of either kind.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum RecordRef<'a> {
    CartEvent(&'a CartEventRecord),
    ImageGeneration(&'a ImageGenerationRecord),
}

/// The events of one message of the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct EventMessage(pub(crate) Vec<QueuedEvent>);

/// A message that says nothing that this code understands. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of the event queue could not be read")]
pub struct UnreadableMessage;

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
struct Envelope {
    events: Vec<QueuedEvent>,
}

impl EventMessage {
    /// Reads a message's body.
    ///
    /// # Errors
    ///
    /// [`UnreadableMessage`] where it is not of this version, holds no event, or one that cannot be recorded.
    pub fn parse(body: &str) -> Result<Self, UnreadableMessage> {
        let Version { version } = serde_json::from_str(body).map_err(|_| UnreadableMessage)?;
        if version != VERSION {
            return Err(UnreadableMessage);
        }
        let Envelope { events } = serde_json::from_str(body).map_err(|_| UnreadableMessage)?;
        let is_readable = |event: &QueuedEvent| {
            event.recording("read_message").is_ok()
                && !event.id().is_empty()
                && !event.store_name().is_empty()
        };
        if events.is_empty() || !events.iter().all(is_readable) {
            return Err(UnreadableMessage);
        }
        Ok(Self(events))
    }

    /// How many events it holds.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.0.len()
    }
}

/// A message that is to be sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Packed {
    pub(super) body: String,
    /// Which of the events it holds, by their places.
    pub(super) events: Vec<usize>,
}

/// Puts events into as few messages as they need, each event into one of them, in their order. An event that fits into
/// none is left out.
pub(super) fn pack<'a>(events: impl Iterator<Item = &'a QueuedEvent>) -> Vec<Packed> {
    let mut messages = Vec::new();
    let (mut texts, mut places, mut bytes) = (Vec::new(), Vec::new(), ENVELOPE_BYTES);
    for (place, event) in events.enumerate() {
        let Some(text) = written(event) else {
            continue;
        };
        let more = text.len() + 1;
        if more + ENVELOPE_BYTES > BODY_BYTES {
            continue;
        }
        if bytes + more > BODY_BYTES || places.len() == MESSAGE_EVENTS {
            messages.push(enclose(&mut texts, &mut places));
            bytes = ENVELOPE_BYTES;
        }
        bytes += more;
        texts.push(text);
        places.push(place);
    }
    if !places.is_empty() {
        messages.push(enclose(&mut texts, &mut places));
    }
    messages
}

fn enclose(texts: &mut Vec<String>, places: &mut Vec<usize>) -> Packed {
    let body = format!("{{\"version\":{VERSION},\"events\":[{}]}}", texts.join(","));
    texts.clear();
    Packed {
        body,
        events: std::mem::take(places),
    }
}

/// An event in JSON. The two characters that a message of SQS must not hold, and that JSON lets stand, are escaped.
fn written(event: &QueuedEvent) -> Option<String> {
    let text = serde_json::to_string(event).ok()?;
    if text.contains(['\u{fffe}', '\u{ffff}']) {
        let text = text.replace('\u{fffe}', "\\ufffe");
        return Some(text.replace('\u{ffff}', "\\uffff"));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: usize, title: &str) -> QueuedEvent {
        let json = serde_json::json!({
            "kind": "cart_event", "fingerprint": "f",
            "record": {
                "id": format!("cart-event-{number}"), "store_name": "s.myshopify.com", "action_type": "add_to_cart",
                "product_title": title, "created_at": "2026-11-21T12:30:20.500Z", "updated_at": "2026-11-21T12:30:20.500Z",
                "created_bucket": "2026-11-21#1", "expires_at": 1_800_000_000,
            },
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn packing_loses_and_doubles_nothing_and_keeps_to_the_size() {
        for (count, length) in [
            (1, 1),
            (49, 10),
            (50, 10),
            (51, 10),
            (100, 2_600),
            (7, 30_000),
        ] {
            // What takes several bytes in UTF-8, and escapes in JSON.
            let title = "ä\"\u{ffff}".repeat(length / 10);
            let events: Vec<_> = (0..count).map(|number| event(number, &title)).collect();
            let packed = pack(events.iter());
            let places: Vec<_> = packed
                .iter()
                .flat_map(|packed| packed.events.clone())
                .collect();
            assert_eq!(places, (0..count).collect::<Vec<_>>());
            let mut read = Vec::new();
            for packed in &packed {
                assert!(packed.body.len() <= BODY_BYTES && packed.events.len() <= MESSAGE_EVENTS);
                assert!(!packed.body.contains('\u{ffff}'));
                let EventMessage(events) = EventMessage::parse(&packed.body).unwrap();
                assert_eq!(events.len(), packed.events.len());
                read.extend(events);
            }
            assert_eq!(read, events);
        }
    }

    #[test]
    fn an_event_that_fits_into_no_message_costs_no_other() {
        let events = [
            event(0, "a"),
            event(1, &"b".repeat(BODY_BYTES)),
            event(2, "c"),
        ];
        let packed = pack(events.iter());
        assert_eq!(packed.len(), 1);
        assert_eq!(packed[0].events, [0, 2]);
    }

    #[test]
    fn what_cannot_be_recorded_cannot_be_read() {
        let good = pack([event(0, "a")].iter()).remove(0).body;
        assert_eq!(EventMessage::parse(&good).unwrap().event_count(), 1);
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("\"version\":1,", ""),
            ("cart_event\"", "cart_events\""),
            ("2026-11-21T12:30:20.500Z", "noon"),
            ("\"store_name\":\"s.myshopify.com\"", "\"store_name\":\"\""),
            ("\"id\":\"cart-event-0\",", ""),
        ] {
            let bad = good.replace(from, to);
            assert_ne!(bad, good);
            assert_eq!(EventMessage::parse(&bad), Err(UnreadableMessage), "{from}");
        }
        for bad in [
            "",
            "{}",
            "[]",
            "null",
            "{\"version\":1,\"events\":[]}",
            &good[1..],
        ] {
            assert_eq!(EventMessage::parse(bad), Err(UnreadableMessage), "{bad}");
        }
    }
}
