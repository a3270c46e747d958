//! The time that is left for a request's work on the database, over all its operations.

use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static DEADLINE: Instant;
}

/// Runs `work`, whose operations on the database all end within `time` from now, together and not each. Work within
/// other work has a time of its own.
pub async fn within<T>(time: Duration, work: impl Future<Output = T>) -> T {
    DEADLINE.scope(Instant::now() + time, work).await
}

/// The time that one more operation may take: `longest` at most.
pub(crate) fn left(longest: Duration) -> Duration {
    DEADLINE
        .try_with(|deadline| deadline.saturating_duration_since(Instant::now()))
        .map_or(longest, |left| left.min(longest))
}
