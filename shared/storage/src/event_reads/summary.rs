//! What is known of an event without reading it whole.

use serde::Deserialize;

use crate::StoreError;
use crate::privacy::Item;

/// The attributes that every summary has, if its event has them.
pub(super) const SUMMARY_FIELDS: [&str; 8] = [
    "id",
    "store_name",
    "action_type",
    "product_id",
    "customer_id",
    "customer_email",
    "session_id",
    "created_at",
];

/// What summaries must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SummaryFields {
    /// All but the variant, which few indexes hold.
    #[default]
    Common,
    /// The variant as well. Costs about three times as much for a whole store.
    WithVariant,
}

/// An event as numbered pages sort and count it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EventSummary {
    /// The event's id.
    pub id: String,
    /// Its store.
    pub store_name: String,
    /// What the shopper did.
    pub action_type: String,
    /// The product.
    pub product_id: Option<String>,
    /// The variant. Absent where [`SummaryFields::WithVariant`] was not asked for, whether the event has one or not.
    pub variant_id: Option<String>,
    /// The customer.
    pub customer_id: Option<String>,
    /// The customer's address. May be absent beside a `customer_id`, which is what a customer is known by.
    pub customer_email: Option<String>,
    /// The session.
    pub session_id: Option<String>,
    /// When it was stored: ISO 8601, UTC.
    pub created_at: String,
}

impl EventSummary {
    pub(super) fn from_item(operation: &'static str, item: Item) -> Result<Self, StoreError> {
        serde_dynamo::from_item(item).map_err(|error| StoreError::unreadable(operation, error))
    }

    /// When it was last changed. Events are not changed once they are stored (what anonymization takes away leaves
    /// the times as they are), so it is when it was stored, and no narrow index holds it.
    #[must_use]
    pub fn updated_at(&self) -> &str {
        &self.created_at
    }
}

/// What [`crate::Store::collect_cart_events`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collected {
    /// All of them, the oldest first.
    All(Vec<EventSummary>),
    /// More than were to be collected.
    TooMany,
}
