//! A session as it is read.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::SessionId;
use crate::schema::TrackerSession;
use crate::{StoreName, Timestamp};

/// One session: what `GET /sessions/{session}` answers and what Ask AI thinks about.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionRecord {
    /// The session's id.
    #[schema(value_type = TrackerSession)]
    pub session: SessionId,
    /// The store that it is bound to.
    #[schema(value_type = Option<String>, required = true, example = "my-store.myshopify.com")]
    pub store_name: Option<StoreName>,
    /// How many items the cart holds, as the latest message tells.
    #[schema(required = true, example = 7)]
    pub items_in_cart: Option<u64>,
    /// When the newest event about the cart happened, among the events at hand.
    #[serde(skip)]
    #[schema(ignore)]
    pub cart_changed_at: Option<Timestamp>,
    /// Milliseconds per page.
    #[schema(example = json!({ "/cart": 9_876 }))]
    pub time_on_page: BTreeMap<String, u64>,
    /// Events per page, oldest first.
    #[schema(example = json!({ "/cart": [{ "type": "view", "ts": 1_712_345_690_000_u64 }] }))]
    pub events: BTreeMap<String, Vec<SessionEvent>>,
    /// How many events there were, those that are not shown any more included.
    pub totals: Totals,
    /// Whether `events` leaves out some of them.
    #[schema(example = false)]
    pub truncated: bool,
    /// When the record last changed: server time, milliseconds since 1970.
    #[schema(value_type = i64, example = 1_712_345_690_123_u64)]
    pub updated_at: Timestamp,
}

/// Counts over all events of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// All of them.
    #[schema(example = 1)]
    pub events: u64,
    /// By type; at most 100 types are named.
    #[schema(example = json!({ "view": 1 }))]
    pub by_type: BTreeMap<String, u64>,
}

/// One event: `{ "type": …, "ts": …, … }`, and whatever else was sent with it.
#[derive(Debug, Clone, PartialEq, ToSchema)]
pub struct SessionEvent {
    /// The wire's `type`.
    #[schema(rename = "type", example = "view")]
    pub kind: String,
    /// The wire's `ts`, in milliseconds since 1970.
    #[schema(rename = "ts", value_type = i64, example = 1_712_345_690_000_u64)]
    pub at: Timestamp,
    /// All else, as it was sent.
    #[schema(ignore)]
    pub fields: Map<String, Value>,
}

impl Serialize for SessionEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len() + 2))?;
        map.serialize_entry("type", &self.kind)?;
        map.serialize_entry("ts", &self.at)?;
        for (key, value) in &self.fields {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
