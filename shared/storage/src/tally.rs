//! What a piece of work asked of the database: how long each operation took, and how many failed. The store counts; who
//! runs the work decides what becomes of the counts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

tokio::task_local! {
    static TALLY: Arc<Mutex<Operations>>;
}

/// Operations whose times are kept one by one; of further ones only the failures are. A request has a handful, and
/// CloudWatch takes 100 values of a metric at once.
pub const OPERATIONS_TIMED: usize = 100;

/// The operations on the database of one piece of work. An operation is one of the store's, which may be several requests
/// to DynamoDB, repetitions included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operations {
    /// How long each took, the first [`OPERATIONS_TIMED`] of them.
    pub times: Vec<Duration>,
    /// How many the database failed. What it answered and we did not like, such as a key that was used before, is no
    /// failure.
    pub failures: u32,
}

/// Runs `work`, and counts its operations, those included that run beside it.
pub async fn tallied<T>(work: impl Future<Output = T>) -> T {
    TALLY.scope(Arc::default(), work).await
}

/// The operations of the work around, since it began or since this was asked last; none outside of [`tallied`].
#[must_use]
pub fn operations() -> Operations {
    TALLY
        .try_with(|tally| std::mem::take(&mut *locked(tally)))
        .unwrap_or_default()
}

/// Work that another task does, counted to where it comes from.
pub(crate) fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let tally = TALLY.try_with(Arc::clone).ok();
    async move {
        match tally {
            Some(tally) => TALLY.scope(tally, work).await,
            None => work.await,
        }
    }
}

pub(crate) fn count(time: Duration, has_failed: bool) {
    // Nobody asks outside of a tallied piece of work.
    let _ = TALLY.try_with(|tally| {
        let mut operations = locked(tally);
        if operations.times.len() < OPERATIONS_TIMED {
            operations.times.push(time);
        }
        operations.failures = operations.failures.saturating_add(u32::from(has_failed));
    });
}

fn locked(tally: &Mutex<Operations>) -> MutexGuard<'_, Operations> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_millis(3);

    #[tokio::test]
    async fn operations_count_where_they_come_from_also_in_another_task() {
        let counted = tallied(async {
            count(TIME, false);
            let beside = tokio::spawn(carried(async { count(TIME, true) }));
            beside.await.unwrap();
            tallied(async { count(TIME, true) }).await;
            operations()
        });
        let counted = counted.await;
        assert_eq!((counted.times, counted.failures), (vec![TIME; 2], 1));
    }

    #[tokio::test]
    async fn times_are_bounded_and_failures_are_not() {
        let counted = tallied(async {
            for _ in 0..OPERATIONS_TIMED + 5 {
                count(TIME, true);
            }
            operations()
        });
        let counted = counted.await;
        assert_eq!(counted.times.len(), OPERATIONS_TIMED);
        assert_eq!(counted.failures as usize, OPERATIONS_TIMED + 5);
    }

    #[tokio::test]
    async fn outside_of_tallied_work_nothing_is_counted() {
        count(TIME, true);
        assert_eq!(operations(), Operations::default());
    }
}
