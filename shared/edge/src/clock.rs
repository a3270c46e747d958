//! Time and chance, passed in so that tests can fix them.

use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use shoptrail_domain::Timestamp;

/// Tells the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|| {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one place that reads the system's clock"
            )]
            let since_1970 = std::time::SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            Timestamp::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
        })
    }

    /// A clock that asks `tell`.
    pub fn new(tell: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Draws random numbers.
#[derive(Clone)]
pub struct Random(Arc<dyn Fn() -> u128 + Send + Sync>);

impl Random {
    /// The system's: 122 bits of it.
    #[must_use]
    pub fn system() -> Self {
        // The six bits that a UUID fixes stand in the middle; a number drawn is used from its low end.
        Self::new(|| uuid::Uuid::new_v4().as_u128())
    }

    /// One that asks `draw`.
    pub fn new(draw: impl Fn() -> u128 + Send + Sync + 'static) -> Self {
        Self(Arc::new(draw))
    }

    /// A number.
    #[must_use]
    pub fn draw(&self) -> u128 {
        (self.0)()
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
