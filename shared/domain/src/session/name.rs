//! Names of which only so many are kept.

use serde::{Deserialize, Serialize};

/// A name in an order that depends on nothing but the names: shorter ones first. When there are more
/// names than are kept, the same ones are kept whatever the order in which they came, and those that
/// matter (`/`, `/cart`) are among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Name(pub(super) String);

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0
            .len()
            .cmp(&other.0.len())
            .then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
