//! The queue that tracked events are handed over to.

use shoptrail_storage::{EventQueue, EventQueueConfig, QueueFailure, StoreConfig};

/// The queue of these settings, with the credentials and in the region of the database.
#[must_use]
pub fn connect(database: &StoreConfig, queue: EventQueueConfig) -> EventQueue {
    EventQueue::connect(database, queue, tell)
}

/// Where a queue fails, the events are written directly, so that no answer tells of it.
fn tell(failure: QueueFailure) {
    tracing::warn!(cause = %failure, "events are written past the queue");
}
