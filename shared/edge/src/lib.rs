//! What lies between API Gateway and the domain: configuration, who may call, decoding, answers, CORS and
//! telemetry. A function is a router of handlers behind [`gate`].

mod address;
pub mod clock;
pub mod config;
pub mod context;
mod cors;
pub mod error;
pub mod gate;
pub mod lambda;
pub mod openapi;
pub mod routes;
pub mod telemetry;
mod trust;

use std::sync::Arc;

use shoptrail_storage::Store;

pub use address::{anonymize, client_address};
pub use clock::{Clock, Random};
pub use config::Config;
pub use context::RequestContext;
pub use error::ApiError;

/// What every handler needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// The settings.
    pub config: Arc<Config>,
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Chance.
    pub random: Random,
}

impl App {
    /// An app on the system's clock and chance.
    #[must_use]
    pub fn new(config: Config, store: Store) -> Self {
        Self {
            config: Arc::new(config),
            store,
            clock: Clock::system(),
            random: Random::system(),
        }
    }
}
