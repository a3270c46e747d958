//! What a tracker sends: a snapshot of the whole session, or an envelope with what happened since the last one.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::SessionId;
use super::milestones::Milestone;
use crate::email::mask_addresses;
use crate::error::Problems;
use crate::limits::{EVENT_BYTES, EVENT_STRING_CHARS, SAFE_INTEGER};
use crate::schema::{ConsentGiven, OptionalStoreName, OptionalTrackerSession, TimeText};
use crate::text::cut_chars;
use crate::wire::{Object, PageMap, Scalar};
use crate::{ParseErrors, Reason, StoreName, Timestamp, consent};

/// The body of `POST /ingest`, as it comes: a snapshot, or an envelope around `state`.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "session": "af4bac4d-077a-4756-91d0-fa2570fd206f",
    "itemsInCart": 7,
    "timeOnPage": { "/products/xyz": 123_456, "/cart": 9_876 },
    "events": {
        "/": [{ "type": "view", "ts": 1_712_345_678_901_u64 }, { "type": "click", "target": "#add-to-cart", "ts": 1_712_345_680_000_u64 }],
        "/cart": [{ "type": "view", "ts": 1_712_345_690_000_u64 }],
    }
}))]
pub struct SessionMessageBody {
    /// 1 to 128 characters of `[A-Za-z0-9_.:-]`; here, or in `state`.
    #[schema(value_type = Option<OptionalTrackerSession>)]
    #[serde(default)]
    pub session: Scalar,
    /// The store that the session belongs to; the first one told stays.
    #[schema(value_type = Option<OptionalStoreName>)]
    #[serde(default)]
    pub store_name: Scalar,
    /// The message's number within the session.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 18_446_744_073_709_551_615_usize)]
    #[serde(default)]
    pub seq: Scalar,
    /// The client's time of sending: ISO 8601 or milliseconds since 1970.
    #[schema(value_type = Option<TimeText>)]
    #[serde(default)]
    pub sent_at: Scalar,
    /// Why an envelope was sent.
    #[schema(value_type = Value, required = false, example = "threshold_150")]
    #[serde(default)]
    pub reason: Value,
    /// The client's time, in milliseconds or seconds since 1970; what is no number counts as absent.
    #[schema(value_type = Value, required = false, example = 1_712_345_680)]
    #[serde(default)]
    pub ts: Value,
    /// How many items the cart holds (also `itemsoncart`); what is no number counts as absent.
    #[serde(default, alias = "itemsoncart")]
    #[schema(value_type = Value, required = false, example = 7)]
    pub items_in_cart: Value,
    /// Milliseconds per page (also `timeonpage`); what is no number counts as 0.
    #[serde(default, alias = "timeonpage")]
    #[schema(value_type = Option<BTreeMap<String, Value>>, example = json!({ "/cart": 9_876 }))]
    pub time_on_page: Object<PageMap<Value>>,
    /// Lists of events by page: objects with `type`, `ts` and whatever else. What is none is left out and named in the
    /// answer.
    #[schema(value_type = Option<BTreeMap<String, Value>>, example = json!({ "/cart": [{ "type": "view", "ts": 1_712_345_690_000_u64 }] }))]
    #[serde(default)]
    pub events: Object<PageMap<Value>>,
    /// `false`, or an object whose `analytics` is `false`: the message is not stored.
    #[schema(value_type = Option<ConsentGiven>)]
    #[serde(default)]
    pub consent: Value,
    /// An envelope's content.
    #[schema(value_type = Option<StateBody>)]
    #[serde(default)]
    pub state: Object<StateBody>,
}

/// An envelope's content; the same fields as a snapshot's.
#[derive(Debug, Clone, Default, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct StateBody {
    /// The same session as the envelope's.
    #[schema(value_type = Option<OptionalTrackerSession>)]
    pub session: Scalar,
    /// How many items the cart holds (also `itemsoncart`); what is no number counts as absent.
    #[schema(value_type = Value, required = false, example = 2)]
    pub items_in_cart: Value,
    /// Milliseconds per page since the last envelope (also `timeonpage`).
    #[schema(value_type = Option<BTreeMap<String, Value>>, example = json!({ "/cart": 1_200 }))]
    pub time_on_page: Object<PageMap<Value>>,
    /// Events per page since the last envelope.
    #[schema(value_type = Option<BTreeMap<String, Value>>, example = json!({ "/cart": [{ "type": "page_view", "ts": 1_712_345_678 }] }))]
    pub events: Object<PageMap<Value>>,
    /// What else it holds: two envelopes that differ in it are two.
    #[schema(ignore)]
    pub other: BTreeMap<String, Value>,
}

/// By hand, because serde's `flatten` would read all events twice: once into a buffer, and once from it.
impl<'de> Deserialize<'de> for StateBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = StateBody;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StateBody, A::Error> {
                let mut other = BTreeMap::new();
                let (mut session, mut items_in_cart) = (None, None);
                let (mut time_on_page, mut events) = (None, None);
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "session" => once(&mut session, &mut map, "session")?,
                        "itemsInCart" | "itemsoncart" => {
                            once(&mut items_in_cart, &mut map, "itemsInCart")?;
                        }
                        "timeOnPage" | "timeonpage" => {
                            once(&mut time_on_page, &mut map, "timeOnPage")?;
                        }
                        "events" => once(&mut events, &mut map, "events")?,
                        _ => {
                            other.insert(name, map.next_value()?);
                        }
                    }
                }
                Ok(StateBody {
                    session: session.unwrap_or_default(),
                    items_in_cart: items_in_cart.unwrap_or_default(),
                    time_on_page: time_on_page.unwrap_or_default(),
                    events: events.unwrap_or_default(),
                    other,
                })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A field's value, if it is the first one.
fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    field: &mut Option<T>,
    map: &mut A,
    name: &'static str,
) -> Result<(), A::Error> {
    match field.replace(map.next_value()?) {
        None => Ok(()),
        Some(_) => Err(A::Error::duplicate_field(name)),
    }
}

/// A message that keeps the rules of the contract; single events that did not are in `dropped`.
#[derive(Debug, Clone)]
pub struct SessionMessage {
    pub(super) session: SessionId,
    pub(super) store_name: Option<StoreName>,
    has_consent: bool,
    pub(super) cart: Option<CartStamp>,
    pub(super) times: Times,
    pub(super) events: Vec<MessageEvent>,
    pub(super) dropped: Vec<Dropped>,
}

/// The number of items in the cart, with what decides between two messages: the later wins, then the
/// one with the higher `seq` (none being the lowest), then the higher count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct CartStamp {
    pub(super) at: Timestamp,
    pub(super) seq: Option<u64>,
    pub(super) count: u64,
}

/// Milliseconds per page.
#[derive(Debug, Clone)]
pub(super) enum Times {
    /// Since the session began; the maximum counts.
    Snapshot(BTreeMap<String, u64>),
    /// Since the last envelope; the sum over distinct envelopes counts.
    Envelope {
        id: u64,
        at: Timestamp,
        times: BTreeMap<String, u64>,
    },
}

impl Times {
    pub(super) fn pages(&self) -> &BTreeMap<String, u64> {
        match self {
            Self::Snapshot(times) | Self::Envelope { times, .. } => times,
        }
    }
}

/// One event of a message.
#[derive(Debug, Clone)]
pub(super) struct MessageEvent {
    pub(super) page: String,
    /// Where the event stood in its page's list, for naming it.
    pub(super) index: usize,
    pub(super) kind: String,
    pub(super) at: Timestamp,
    pub(super) id: u64,
    /// The remaining fields, as the text of a JSON object with sorted keys.
    pub(super) fields: String,
    /// What the session has reached with it, if anything.
    pub(super) milestone: Option<Milestone>,
}

/// An event that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Dropped {
    /// The page, as the message named it (cut at 1,024 characters, e-mail addresses masked).
    #[schema(example = "/cart")]
    pub page: String,
    /// Where the event stood in the page's list; absent where the whole page is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 3)]
    pub index: Option<usize>,
    /// The rule that was broken.
    #[schema(value_type = String, example = "Event must have a numeric ts")]
    pub reason: DropReason,
}

impl Dropped {
    pub(super) fn new(page: &str, index: Option<usize>, reason: DropReason) -> Self {
        Self {
            page: mask_addresses(page),
            index,
            reason,
        }
    }
}

/// Why an event was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(into = "String")]
pub enum DropReason {
    /// The page's value is no list.
    #[error("Page must be a list of events")]
    PageNotAList,
    /// The event is no object.
    #[error("Event must be an object")]
    NotAnObject,
    /// No `type`, or one that is no string.
    #[error("Event must have a string type")]
    NoType,
    /// No `ts`, or one that is no number.
    #[error("Event must have a numeric ts")]
    NoTime,
    /// A `ts` after the year 9999.
    #[error("Event ts must not lie after the year 9999")]
    TimeOutOfRange,
    /// Larger than [`EVENT_BYTES`].
    #[error("Event must be at most {} KiB", EVENT_BYTES / 1024)]
    TooLarge,
    /// A page beyond [`crate::limits::PAGES_PER_SESSION`].
    #[error("Session holds at most {} pages", crate::limits::PAGES_PER_SESSION)]
    TooManyPages,
}

impl From<DropReason> for String {
    fn from(reason: DropReason) -> Self {
        reason.to_string()
    }
}

impl SessionMessage {
    /// Validates and normalizes a message that arrived at `now`.
    ///
    /// # Errors
    ///
    /// All fields of the message that break a rule. What is wrong in one event costs that event alone.
    pub fn parse(body: SessionMessageBody, now: Timestamp) -> Result<Self, ParseErrors> {
        let mut problems = Problems::default();
        let state = problems.note("state", body.state.into_option()).flatten();
        let session = problems.note(
            "session",
            parse_session(
                &body.session,
                state
                    .as_ref()
                    .map_or(&Scalar::Absent, |state| &state.session),
            ),
        );
        let store_name = problems
            .note("storeName", StoreName::parse_optional(&body.store_name))
            .flatten();
        let seq = problems.note("seq", parse_seq(&body.seq)).flatten();
        let sent_at = problems
            .note("sentAt", Timestamp::parse(&body.sent_at))
            .flatten();
        let consent = problems.note("consent", consent::parse(&body.consent));
        let inner_consent = state.as_ref().and_then(|state| state.other.get("consent"));
        let inner_consent = problems.note(
            "state.consent",
            inner_consent.map_or(Ok(true), consent::parse),
        );
        // A message without a session is refused below, and not worth the hashing.
        let envelope_id = state
            .as_ref()
            .zip(session.as_ref())
            .map(|(state, session)| envelope_id(session, &body.reason, &body.ts, state));
        let (items_in_cart, time_on_page, events) = match state {
            Some(state) => (state.items_in_cart, state.time_on_page, state.events),
            None => (body.items_in_cart, body.time_on_page, body.events),
        };
        let time_on_page = problems
            .note("timeOnPage", time_on_page.into_option())
            .flatten();
        let pages = problems.note("events", events.into_option()).flatten();
        problems.into_result()?;

        let (events, dropped) = parse_events(pages.map(|pages| pages.0).unwrap_or_default());
        let ts = body.ts.as_f64().and_then(Timestamp::from_tracker);
        let newest_event = events.iter().map(|event| event.at).max();
        let at = sent_at.or(ts).or(newest_event);
        let times = time_on_page
            .map(|times| parse_times(times.0, envelope_id.is_some()))
            .unwrap_or_default();
        Ok(Self {
            // A session that could not be read is among the problems above.
            session: session.ok_or_else(|| crate::ParseError::new("session", Reason::Required))?,
            store_name,
            has_consent: consent == Some(true) && inner_consent == Some(true),
            cart: whole(&items_in_cart).map(|count| CartStamp {
                at: at.unwrap_or(now),
                seq,
                count,
            }),
            times: match envelope_id {
                None => Times::Snapshot(times),
                // `sentAt` is left out of an envelope's identity, so it must not date the envelope either.
                Some(id) => Times::Envelope {
                    id,
                    at: ts.or(newest_event).unwrap_or_default(),
                    times,
                },
            },
            events,
            dropped,
        })
    }

    /// The session that the message belongs to.
    #[must_use]
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// The store that the message names.
    #[must_use]
    pub fn store_name(&self) -> Option<&StoreName> {
        self.store_name.as_ref()
    }

    /// Names the store where the message itself names none.
    pub fn bind_to(&mut self, store: &StoreName) {
        self.store_name.get_or_insert_with(|| store.clone());
    }

    /// Whether the shopper agrees to being recorded.
    #[must_use]
    pub fn has_consent(&self) -> bool {
        self.has_consent
    }
}

fn parse_session(outer: &Scalar, inner: &Scalar) -> Result<SessionId, Reason> {
    let outer = outer.text()?.map(SessionId::parse).transpose()?;
    let inner = inner.text()?.map(SessionId::parse).transpose()?;
    match (outer, inner) {
        (Some(outer), Some(inner)) if outer != inner => Err(Reason::SessionMismatch),
        (outer, inner) => outer.or(inner).ok_or(Reason::Required),
    }
}

fn parse_seq(value: &Scalar) -> Result<Option<u64>, Reason> {
    match value {
        Scalar::Absent => Ok(None),
        Scalar::Whole(seq) => Ok(Some(*seq)),
        _ => Err(Reason::NotAWholeNumber),
    }
}

/// A number of items or milliseconds: negative counts as 0, fractions are dropped. `None` for what is no number.
fn whole(value: &Value) -> Option<u64> {
    // A float becomes the nearest integer that it can: negative ones 0, too large ones the cap.
    value
        .as_u64()
        .or_else(|| value.as_f64().map(|number| number as u64))
        .map(|number| number.min(SAFE_INTEGER))
}

fn parse_times(pages: BTreeMap<String, Value>, add: bool) -> BTreeMap<String, u64> {
    let mut times = BTreeMap::new();
    for (page, time) in pages {
        // Two long names may be one after the cut; then their times merge as those of two messages would.
        let total: &mut u64 = times
            .entry(cut_chars(&page, EVENT_STRING_CHARS).to_owned())
            .or_default();
        let time = whole(&time).unwrap_or(0);
        *total = if add {
            total.saturating_add(time)
        } else {
            time.max(*total)
        };
    }
    times
}

fn parse_events(pages: BTreeMap<String, Value>) -> (Vec<MessageEvent>, Vec<Dropped>) {
    let (mut events, mut dropped) = (Vec::new(), Vec::new());
    let mut equals: HashMap<u64, u64> = HashMap::new();
    for (page, list) in pages {
        let page = cut_chars(&page, EVENT_STRING_CHARS);
        let drop = |index, reason| Dropped::new(page, index, reason);
        let Value::Array(list) = list else {
            dropped.push(drop(None, DropReason::PageNotAList));
            continue;
        };
        for (index, event) in list.into_iter().enumerate() {
            match parse_event(page, index, event) {
                Ok(mut event) => {
                    let ordinal = equals.entry(event.id).or_default();
                    // Equal events of one message are told apart by their count, and only by it.
                    event.id = event
                        .id
                        .wrapping_add(ordinal.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    *ordinal += 1;
                    events.push(event);
                }
                Err(reason) => dropped.push(drop(Some(index), reason)),
            }
        }
    }
    (events, dropped)
}

fn parse_event(page: &str, index: usize, event: Value) -> Result<MessageEvent, DropReason> {
    let Value::Object(mut fields) = event else {
        return Err(DropReason::NotAnObject);
    };
    let Some(Value::String(kind)) = fields.remove("type") else {
        return Err(DropReason::NoType);
    };
    let ts = fields
        .remove("ts")
        .and_then(|ts| ts.as_f64())
        .ok_or(DropReason::NoTime)?;
    let at = Timestamp::from_tracker(ts).ok_or(DropReason::TimeOutOfRange)?;
    // The identity is of what was sent, before anything is cut off.
    let mut hash = IdentityHash::new();
    hash.text(page);
    hash.text(&kind);
    hash.number(at.as_millis() as f64);
    hash.object(&fields);
    let id = hash.finish();
    let milestone = Milestone::of(&kind, &fields);
    fields.values_mut().for_each(cut_strings);
    let kind = cut_chars(&kind, EVENT_STRING_CHARS).to_owned();
    let fields = Value::Object(fields).to_string();
    if kind.len() + fields.len() > EVENT_BYTES {
        return Err(DropReason::TooLarge);
    }
    Ok(MessageEvent {
        page: page.to_owned(),
        index,
        kind,
        at,
        id,
        fields,
        milestone,
    })
}

fn cut_strings(value: &mut Value) {
    match value {
        Value::String(text) => {
            let kept = cut_chars(text, EVENT_STRING_CHARS).len();
            text.truncate(kept);
        }
        Value::Array(list) => list.iter_mut().for_each(cut_strings),
        Value::Object(fields) => fields.values_mut().for_each(cut_strings),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// An envelope's identity: `session`, `reason`, `ts` and `state` as JSON values.
fn envelope_id(session: &SessionId, reason: &Value, ts: &Value, state: &StateBody) -> u64 {
    let mut hash = IdentityHash::new();
    hash.text(session.as_str());
    hash.value(reason);
    hash.value(ts);
    hash.value(&state.items_in_cart);
    for pages in [&state.time_on_page, &state.events] {
        if let Object::Present(PageMap(pages)) = pages {
            hash.entries(pages.iter());
        } else {
            hash.value(&Value::Null);
        }
    }
    hash.entries(state.other.iter());
    hash.finish()
}

/// Hashes JSON values such that equal values hash alike, whatever the order of their keys or the way
/// their numbers were written. Every part goes in with its kind and its length before it.
struct IdentityHash(Sha256);

impl IdentityHash {
    fn new() -> Self {
        Self(Sha256::new())
    }

    /// The first 64 bits: among the some 100,000 events that a session remembers, two of them agree by
    /// chance once in three billion sessions.
    fn finish(self) -> u64 {
        self.0
            .finalize()
            .iter()
            .take(8)
            .fold(0, |id, byte| id << 8 | u64::from(*byte))
    }

    fn tag(&mut self, kind: u8, length: usize) {
        self.0.update([kind]);
        self.0.update((length as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.tag(b's', text.len());
        self.0.update(text);
    }

    fn number(&mut self, number: f64) {
        self.0.update(b"n");
        // 0.0 and -0.0 are one number.
        self.0.update((number + 0.0).to_le_bytes());
    }

    fn object(&mut self, fields: &Map<String, Value>) {
        self.entries(fields.iter());
    }

    fn entries<'a>(&mut self, entries: impl ExactSizeIterator<Item = (&'a String, &'a Value)>) {
        self.tag(b'o', entries.len());
        for (key, value) in entries {
            self.text(key);
            self.value(value);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.update(b"0"),
            Value::Bool(flag) => self.0.update(if *flag { b"t" } else { b"f" }),
            Value::Number(number) => match number.as_f64() {
                // Beyond 2^53 a float would make neighbours equal.
                Some(float) if float.abs() <= SAFE_INTEGER as f64 => self.number(float),
                _ => self.text(&number.to_string()),
            },
            Value::String(text) => self.text(text),
            Value::Array(list) => {
                self.tag(b'a', list.len());
                list.iter().for_each(|value| self.value(value));
            }
            Value::Object(fields) => self.object(fields),
        }
    }
}
