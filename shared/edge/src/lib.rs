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

use std::ops::Deref;
use std::sync::Arc;

use shoptrail_storage::Store;

pub use address::{anonymize, client_address};
pub use clock::{Clock, Random};
pub use config::Config;
pub use context::RequestContext;
pub use error::ApiError;

/// The allocator of every binary that serves handlers.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What every handler needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
#[derive(Debug)]
pub struct Parts {
    /// The settings.
    pub config: Config,
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
        let parts = Parts {
            config,
            store,
            clock: Clock::system(),
            random: Random::system(),
        };
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
