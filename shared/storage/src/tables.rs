//! The names of tables, indexes and key attributes, as `template.yaml` declares them.

/// Partition key of the cart events: the event's id, or the id of an idempotency record.
pub const CART_EVENT_ID: &str = "id";
/// Partition key of sessions and decisions.
pub const SESSION: &str = "session";
/// Sort key of the sessions: which part of the session an item is.
pub const SESSION_ITEM: &str = "item";

/// Counts and breakdowns of one store.
pub const IDX_STORE_NAME: &str = "idx_store_name";
/// All stores by date.
pub const IDX_CREATED_AT: &str = "idx_created_at";
/// One customer, by e-mail address.
pub const IDX_CUSTOMER_EMAIL: &str = "idx_customer_email";
/// One product.
pub const IDX_PRODUCT_ID: &str = "idx_product_id";
/// One session's journey.
pub const IDX_SESSION_ID: &str = "idx_session_id";
/// One store's events by date.
pub const IDX_STORE_CREATED: &str = "idx_store_created";
/// One customer, by id.
pub const IDX_CUSTOMER_ID: &str = "idx_customer_id";

/// Shards of one day in [`IDX_CREATED_AT`]: a partition takes 1,000 writes a second, so a day takes 8,000.
pub const CREATED_AT_SHARDS: u128 = 8;

/// A table that a function may ask whether the database answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `cart_tracking_events`.
    CartEvents,
    /// `tracker_sessions`.
    Sessions,
}

impl Table {
    /// The attributes of its key, all of them strings.
    pub(crate) fn key_attributes(self) -> &'static [&'static str] {
        match self {
            Self::CartEvents => &[CART_EVENT_ID],
            Self::Sessions => &[SESSION, SESSION_ITEM],
        }
    }
}

/// The tables of one deployment.
#[derive(Debug, Clone)]
pub(crate) struct TableNames {
    pub(crate) cart_events: String,
    pub(crate) sessions: String,
    pub(crate) decisions: String,
}

impl TableNames {
    pub(crate) fn name(&self, table: Table) -> &str {
        match table {
            Table::CartEvents => &self.cart_events,
            Table::Sessions => &self.sessions,
        }
    }

    /// The template's names behind the deployment's prefix.
    pub(crate) fn with_prefix(prefix: &str) -> Self {
        Self {
            cart_events: format!("{prefix}cart_tracking_events"),
            sessions: format!("{prefix}tracker_sessions"),
            decisions: format!("{prefix}ask_ai_decisions"),
        }
    }
}
