//! Route groups that are switched off at run time, without a deployment: an item of the table `settings`.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shoptrail_domain::Timestamp;
use shoptrail_storage::Store;

use crate::routes::Group;

/// How long what was read is believed, in ms: a switch takes effect within this time.
const BELIEVED_MS: i64 = 5_000;
/// What reading may take of a request's time.
const PATIENCE: Duration = Duration::from_millis(400);

/// The switches as one process knows them.
#[derive(Debug, Default)]
pub(crate) struct Switches(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    disabled: BTreeSet<String>,
    read_at: Option<Timestamp>,
}

impl Switches {
    /// Whether a group is switched off. When the table does not answer, what was last known holds.
    pub(crate) async fn is_disabled(&self, group: Group, store: &Store, now: Timestamp) -> bool {
        if group == Group::Service {
            return false;
        }
        let is_old = {
            let mut known = self.lock();
            let is_old = known
                .read_at
                .is_none_or(|at| now.millis_since(at) >= BELIEVED_MS);
            if is_old {
                // One request reads, and the others do not wait for it.
                known.read_at = Some(now);
            }
            is_old
        };
        if is_old {
            self.read(store).await;
        }
        self.lock().disabled.contains(group.as_str())
    }

    /// Reads the switches, as a start does.
    pub(crate) async fn refresh(&self, store: &Store, now: Timestamp) {
        self.read(store).await;
        self.lock().read_at = Some(now);
    }

    async fn read(&self, store: &Store) {
        match shoptrail_storage::within(PATIENCE, store.find_disabled_groups()).await {
            Ok(disabled) => self.lock().disabled = disabled,
            Err(error) => tracing::warn!(cause = %error, "the switches could not be read"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
