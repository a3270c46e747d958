//! Whether metrics are written, where, and which stores they tell apart.

use std::str::FromStr;
use std::sync::mpsc::Sender;

use shoptrail_domain::StoreName;

use super::OTHER;

/// Stores that have metrics of their own. Each is up to four of CloudWatch's metrics, which are paid for one by one.
pub const MOST_STORES: usize = 10;

/// Whether metrics are written, and how they tell stacks and stores apart.
#[derive(Debug, Clone)]
pub struct MetricsConfig {
    /// `METRICS`.
    pub is_on: bool,
    /// `STACK_NAME`: which deployment the metrics are of.
    pub stack: String,
    /// `METRIC_STORES`: the stores that are told apart.
    pub stores: NamedStores,
    /// Where the lines go.
    pub output: Output,
}

/// Where lines of metrics go.
#[derive(Debug, Clone, Default)]
pub enum Output {
    /// To standard output, where Lambda takes them from.
    #[default]
    Stdout,
    /// To somebody who looks at them: tests.
    To(Sender<String>),
}

/// At most [`MOST_STORES`] stores, comma separated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedStores(Vec<StoreName>);

impl NamedStores {
    /// What a malformed setting should have been.
    pub const EXPECTED: &'static str = "at most 10 stores, comma separated";

    /// The store's place among these.
    pub(super) fn place(&self, store: &StoreName) -> Option<usize> {
        self.0.iter().position(|named| named == store)
    }

    /// The store at a place, as a value of a dimension.
    pub(super) fn at(&self, place: Option<usize>) -> &str {
        let store = place.and_then(|place| self.0.get(place));
        store.map_or(OTHER, StoreName::as_str)
    }
}

/// The setting is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotStores;

impl FromStr for NamedStores {
    type Err = NotStores;

    fn from_str(text: &str) -> Result<Self, NotStores> {
        let mut stores = Vec::new();
        for name in text.split(',').filter(|name| !name.trim().is_empty()) {
            let store = StoreName::parse(name).map_err(|_| NotStores)?;
            if !stores.contains(&store) {
                stores.push(store);
            }
        }
        if stores.len() > MOST_STORES {
            return Err(NotStores);
        }
        Ok(Self(stores))
    }
}
