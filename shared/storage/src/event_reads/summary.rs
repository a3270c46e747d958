//! What is known of an event without reading it whole.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use shoptrail_domain::image_generation::GenerationStatus;

use crate::StoreError;
use crate::privacy::Item;

/// What summaries of cart events must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SummaryFields {
    /// All but the variant, which few indexes hold, and what is for analytics.
    #[default]
    Common,
    /// The variant as well. Costs about three times as much for a whole store.
    WithVariant,
    /// The product's title and the picture's key, and no variant. Costs what the common fields do for a whole store.
    ForAnalytics,
}

impl SummaryFields {
    /// The attributes that a summary has, if its event has them.
    pub(super) fn attributes(self) -> &'static [&'static str] {
        const ALL: &[&str] = &[
            "variant_id",
            "id",
            "store_name",
            "action_type",
            "product_id",
            "customer_id",
            "customer_email",
            "session_id",
            "created_at",
            "product_title",
            "image_key",
        ];
        match self {
            Self::Common => &ALL[1..9],
            Self::WithVariant => &ALL[..9],
            Self::ForAnalytics => &ALL[1..],
        }
    }
}

/// The attributes that a generation's summary has, if its generation has them.
pub(super) const GENERATION_FIELDS: &[&str] = &[
    "id",
    "store_name",
    "status",
    "product_id",
    "variant_id",
    "customer_id",
    "customer_email",
    "session_id",
    "image_key",
    "created_at",
];

/// A summary, as far as collecting has to know it.
pub(super) trait Summary: DeserializeOwned {
    /// Its place in the order of all: time and id.
    fn place(&self) -> (&str, &str);

    /// Reads it out of an item of an index or of the table.
    fn from_item(operation: &'static str, item: Item) -> Result<Self, StoreError> {
        serde_dynamo::from_item(item).map_err(|error| StoreError::unreadable(operation, error))
    }
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
    /// The product's title. Absent unless [`SummaryFields::ForAnalytics`] was asked for.
    pub product_title: Option<String>,
    /// The variant. Absent where [`SummaryFields::WithVariant`] was not asked for, whether the event has one or not.
    pub variant_id: Option<String>,
    /// The customer.
    pub customer_id: Option<String>,
    /// The customer's address. May be absent beside a `customer_id`, which is what a customer is known by.
    pub customer_email: Option<String>,
    /// The session.
    pub session_id: Option<String>,
    /// The key of the generated picture. Absent unless [`SummaryFields::ForAnalytics`] was asked for.
    pub image_key: Option<String>,
    /// When it was stored: ISO 8601, UTC.
    pub created_at: String,
}

impl Summary for EventSummary {
    fn place(&self) -> (&str, &str) {
        (&self.created_at, &self.id)
    }
}

impl EventSummary {
    /// When it was last changed. Events are not changed once they are stored (what anonymization takes away leaves
    /// the times as they are), so it is when it was stored, and no narrow index holds it.
    #[must_use]
    pub fn updated_at(&self) -> &str {
        &self.created_at
    }
}

/// An image generation as numbered pages sort and count it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GenerationSummary {
    /// The generation's id.
    pub id: String,
    /// Its store.
    pub store_name: String,
    /// How far it is.
    pub status: GenerationStatus,
    /// The product.
    pub product_id: Option<String>,
    /// The variant.
    pub variant_id: Option<String>,
    /// The customer.
    pub customer_id: Option<String>,
    /// The customer's address. May be absent beside a `customer_id`, which is what a customer is known by.
    pub customer_email: Option<String>,
    /// The session.
    pub session_id: Option<String>,
    /// The key of the picture.
    pub image_key: Option<String>,
    /// When it was stored: ISO 8601, UTC.
    pub created_at: String,
}

impl Summary for GenerationSummary {
    fn place(&self) -> (&str, &str) {
        (&self.created_at, &self.id)
    }
}

impl GenerationSummary {
    /// When it was last changed. As with events, when it was stored: another status is another message, stored for
    /// itself.
    #[must_use]
    pub fn updated_at(&self) -> &str {
        &self.created_at
    }
}

/// What [`crate::Store::collect_cart_events`] and its kin found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collected<T> {
    /// All of them, the oldest first.
    All(Vec<T>),
    /// More than were to be collected.
    TooMany,
}
