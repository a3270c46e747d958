//! What lies between API Gateway and the domain: configuration, who may call, decoding, answers, CORS and
//! telemetry. A function is a router of handlers behind [`gate`].

pub mod accept_encoding;
mod address;
mod admission;
pub mod clock;
pub mod config;
mod consent;
pub mod context;
mod cors;
mod cursor;
pub mod error;
pub mod etag;
pub mod event_queue;
pub mod gate;
pub mod lambda;
mod limiter;
pub mod metrics;
pub mod openapi;
mod query;
mod refusals;
pub mod routes;
mod secrets;
mod switches;
pub mod telemetry;
mod trace;
mod tracker_path;
mod trust;

use std::ops::Deref;
use std::sync::Arc;

use shoptrail_storage::{Pepper, Store};

use crate::switches::Switches;
use crate::trust::ApiKeys;

pub use address::{anonymize, client_address};
pub use clock::{Clock, Random};
pub use config::Config;
pub use consent::has_opted_out;
pub use context::RequestContext;
pub use cursor::Cursors;
pub use error::ApiError;
pub use limiter::{Limiter, OnFailure, Requests};
pub use query::given;
pub use refusals::{ALL_STORES, Refusals, Refused};
pub use tracker_path::TrackerPath;
pub use trust::{Principal, SignedQuery};

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
    /// What was not stored, until it is counted in the database.
    pub refusals: Refusals,
    pub(crate) api_keys: ApiKeys,
    pub(crate) limiter: Limiter,
    pub(crate) switches: Switches,
}

impl App {
    /// An app on the system's clock and chance. The store keeps its hashes under the settings' pepper, if they have
    /// one.
    #[must_use]
    pub fn new(config: Config, store: Store) -> Self {
        Self::with_clock(config, store, Clock::system())
    }

    /// An app on a clock of one's own.
    #[must_use]
    pub fn with_clock(config: Config, store: Store, clock: Clock) -> Self {
        let pepper = config.trust.hash_pepper.as_ref();
        let store = match pepper.and_then(|secret| Pepper::new(&secret.expose())) {
            Some(pepper) => store.with_pepper(Some(pepper)),
            None => store,
        };
        let parts = Parts {
            config,
            store,
            clock,
            random: Random::system(),
            refusals: Refusals::default(),
            api_keys: ApiKeys::default(),
            limiter: Limiter::new(),
            switches: Switches::default(),
        };
        Self(Arc::new(parts))
    }

    /// Reads the switches, so that the first request need not.
    pub(crate) async fn refresh_switches(&self) {
        self.switches.refresh(&self.store, self.clock.now()).await;
    }

    /// Adds what was counted as refused up to the database, as is done before an end.
    pub async fn flush_refusals(&self) {
        let days = self.config.retention.event_days;
        self.refusals
            .flush(&self.store, self.clock.now(), days)
            .await;
    }
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
