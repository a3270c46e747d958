//! Many cart events in one body, each read on its own, so that what is wrong with one costs no other.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::cart_event::TrackCartEvent;
use crate::json;
use crate::limits::BATCH_EVENTS;
use crate::{ParseError, Reason};

/// The body of `POST /api/cart-tracking/batch`, as it comes. Unknown fields are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TrackCartEvents {
    /// The events, each as `POST /api/cart-tracking/track` takes it.
    #[schema(value_type = Vec<TrackCartEvent>, required = true, min_items = 1, max_items = 100)]
    #[serde(default)]
    events: Unread,
}

impl TrackCartEvents {
    /// Reads a body: for each event what it says, or why it cannot be read.
    ///
    /// # Errors
    ///
    /// On the field `body` where it is no JSON object, on `events` where these are not 1 to [`BATCH_EVENTS`].
    pub fn decode(body: &[u8]) -> Result<Vec<Result<TrackCartEvent, ParseError>>, ParseError> {
        let batch: Self = json::decode_unread(body)?;
        let not_a_batch = Reason::NotABatch { max: BATCH_EVENTS };
        match batch.events {
            Unread::Absent => Err(ParseError::new("events", Reason::Required)),
            Unread::List(events) if (1..=BATCH_EVENTS).contains(&events.len()) => Ok(events
                .iter()
                .map(|event| json::decode(event.get().as_bytes()))
                .collect()),
            Unread::List(_) | Unread::Other => Err(ParseError::new("events", not_a_batch)),
        }
    }
}

/// A list whose elements are not read yet. Of one that is too long, only enough to know that.
#[derive(Debug, Default)]
enum Unread {
    #[default]
    Absent,
    List(Vec<Box<RawValue>>),
    Other,
}

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyList;
        impl<'de> Visitor<'de> for AnyList {
            type Value = Unread;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }
            fn visit_unit<E: Error>(self) -> Result<Unread, E> {
                Ok(Unread::Absent)
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Unread, E> {
                Ok(Unread::Other)
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<Unread, E> {
                Ok(Unread::Other)
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Unread, E> {
                Ok(Unread::Other)
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Unread, E> {
                Ok(Unread::Other)
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Unread, E> {
                Ok(Unread::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unread, A::Error> {
                let mut elements = Vec::new();
                while elements.len() <= BATCH_EVENTS {
                    match list.next_element()? {
                        Some(element) => elements.push(element),
                        None => return Ok(Unread::List(elements)),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Unread::List(elements))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unread, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Unread::Other)
            }
        }
        deserializer.deserialize_any(AnyList)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Scalar;

    fn error(body: &str) -> ParseError {
        TrackCartEvents::decode(body.as_bytes()).unwrap_err()
    }

    fn events(events: &[&str]) -> Vec<Result<TrackCartEvent, ParseError>> {
        let body = format!(r#"{{"other":[[]],"events":[{}]}}"#, events.join(","));
        TrackCartEvents::decode(body.as_bytes()).unwrap()
    }

    #[test]
    fn a_batch_is_a_list_of_1_to_100_events() {
        let not_a_batch = ParseError::new("events", Reason::NotABatch { max: 100 });
        for body in [
            r#"{"events":[]}"#,
            r#"{"events":{"0":{}}}"#,
            r#"{"events":"[]"}"#,
            r#"{"events":-1}"#,
            r#"{"events":1.5}"#,
            r#"{"events":false}"#,
        ] {
            assert_eq!(error(body), not_a_batch, "{body}");
        }
        for body in ["{}", r#"{"events":null}"#] {
            assert_eq!(error(body), ParseError::new("events", Reason::Required));
        }
        assert_eq!(events(&["{}"; 100]).len(), 100);
        for count in [101, 10_000] {
            let body = format!(r#"{{"events":[{}]}}"#, vec!["{}"; count].join(","));
            assert_eq!(error(&body), not_a_batch);
        }
    }

    #[test]
    fn a_body_that_cannot_be_read_is_no_batch() {
        for (body, reason) in [
            ("", Reason::EmptyBody),
            ("[{}]", Reason::NotAnObject),
            (r#"{"events":[{}"#, Reason::NotJson),
            (r#"{"events":[{},]}"#, Reason::NotJson),
            (r#"{"events":[{"a":}]}"#, Reason::NotJson),
            (r#"{"events":[{}],"events":[{}]}"#, Reason::Duplicate),
        ] {
            assert_eq!(error(body), ParseError::body(reason), "{body}");
        }
        let late = format!(r#"{{"events":[{}{{]}}"#, "{},".repeat(200));
        assert_eq!(error(&late), ParseError::body(Reason::NotJson));
    }

    #[test]
    fn what_is_wrong_with_an_event_is_its_own() {
        let deep = |lists: usize| format!("{{\"a\":{}{}}}", "[".repeat(lists), "]".repeat(lists));
        let read = events(&[
            r#"{"storeName":"a"}"#,
            "7",
            "[{}]",
            "null",
            r#"{"storeName":"a","storeName":"b"}"#,
            &deep(15),
            &deep(16),
            &deep(50_000),
            r#"{"storeName":"half \ud83d"}"#,
        ]);
        let reasons: Vec<_> = read
            .iter()
            .map(|event| event.as_ref().err().map(|error| error.reason))
            .collect();
        let not_an_object = Some(Reason::NotAnObject);
        let too_deep = Some(Reason::TooDeep);
        let duplicate = Some(Reason::Duplicate);
        assert_eq!(
            reasons,
            [
                None,
                not_an_object,
                not_an_object,
                not_an_object,
                duplicate,
                None,
                too_deep,
                too_deep,
                None
            ]
        );
        let name = |event: &Result<TrackCartEvent, _>| event.as_ref().unwrap().store_name.clone();
        assert_eq!(name(&read[0]), Scalar::Text("a".into()));
        assert_eq!(name(&read[8]), Scalar::Text("half \u{fffd}".into()));
    }

    #[test]
    fn a_body_as_deep_as_it_is_long_is_refused_without_being_built() {
        let lists = format!(r#"{{"events":{}"#, "[".repeat(250_000));
        assert_eq!(error(&lists), ParseError::body(Reason::NotJson));
        let closed = format!(
            r#"{{"other":{}{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert_eq!(error(&closed), ParseError::new("events", Reason::Required));
    }
}
