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
/// One store's events, or its decisions, by date.
pub const IDX_STORE_CREATED: &str = "idx_store_created";
/// One customer, by id.
pub const IDX_CUSTOMER_ID: &str = "idx_customer_id";

/// What was done with one generated picture; sparse.
pub const IDX_IMAGE_KEY: &str = "idx_image_key";

/// One store's sessions by when they started.
pub const IDX_STORE_STARTED: &str = "idx_store_started";
/// One store's sessions by when they first reached checkout; sparse.
pub const IDX_STORE_CHECKOUT: &str = "idx_store_checkout";

/// Partition key of API keys, erasures and privacy jobs.
pub const ID: &str = "id";
/// Sort key of the privacy jobs: the job itself, or a part of what it produced.
pub const JOB_ITEM: &str = "item";
/// Partition key of the rate limits: whom an item counts, and in which window.
pub const COUNTED: &str = "counted";
/// Partition key of the settings.
pub const NAME: &str = "name";
/// Partition key of the refusals.
pub const STORE_NAME: &str = "store_name";
/// Sort key of the refusals.
pub const DAY: &str = "day";
/// Privacy jobs that are not done yet; sparse.
pub const IDX_OPEN: &str = "idx_open";

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
    pub(crate) image_generations: String,
    pub(crate) rate_limits: String,
    pub(crate) api_keys: String,
    pub(crate) settings: String,
    pub(crate) refusals: String,
    pub(crate) erasures: String,
    pub(crate) privacy_jobs: String,
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
        let name = |table: &str| format!("{prefix}{table}");
        Self {
            cart_events: name("cart_tracking_events"),
            sessions: name("tracker_sessions"),
            decisions: name("ask_ai_decisions"),
            image_generations: name("image_generations"),
            rate_limits: name("rate_limits"),
            api_keys: name("api_keys"),
            settings: name("settings"),
            refusals: name("refusals"),
            erasures: name("erasures"),
            privacy_jobs: name("privacy_jobs"),
        }
    }
}
