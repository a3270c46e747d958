//! A store's decisions by time: how each was made, what it showed, and what became of it.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use shoptrail_domain::advice::Source;
use shoptrail_domain::advice::outcome::Outcome;
use shoptrail_domain::{StoreName, Timestamp};

use crate::privacy::Item;
use crate::store_range::{StoreRange, TimeIndex};
use crate::tables::IDX_STORE_CREATED;
use crate::{Collected, Store, StoreError};

const CREATED: TimeIndex = TimeIndex {
    name: IDX_STORE_CREATED,
    sort: "created_at",
    fields: &[
        "session",
        "decision_id",
        "created_at",
        "source",
        "advice.show_popup",
        "suppressed.show_popup",
        "outcomes",
    ],
};

/// A decision as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionSummary {
    /// The session that was decided about.
    pub session: String,
    /// A UUID.
    pub decision_id: String,
    /// ISO 8601, UTC.
    pub created_at: String,
    /// Who decided.
    pub source: Source,
    /// Whether it gave the shopper a popup.
    pub shows_popup: bool,
    /// Whether the session is held out and would have been shown a popup.
    pub is_control: bool,
    /// What became of it: when each was first reported, ISO 8601, UTC.
    pub outcomes: BTreeMap<Outcome, String>,
}

impl Store {
    /// The decisions about a store's sessions that were made in a range of times: the oldest first, unless there are
    /// more than `most`.
    ///
    /// # Errors
    ///
    /// When the database does not answer or there is more to read than the time allows; with an item that is none of
    /// ours.
    pub async fn collect_decisions(
        &self,
        store: &StoreName,
        range: Range<Timestamp>,
        most: usize,
        now: Timestamp,
    ) -> Result<Collected<DecisionSummary>, StoreError> {
        const OPERATION: &str = "collect_decisions";
        let range = StoreRange {
            table: &self.tables.decisions,
            index: CREATED,
            store,
            times: range,
        };
        let collect = async {
            let mut found = Vec::new();
            let take = |item| {
                found.push(DecisionSummary::from_item(OPERATION, item)?);
                Ok(found.len() <= most)
            };
            if !self.read_store_range(OPERATION, &range, now, take).await? {
                return Ok(Collected::TooMany);
            }
            found.sort_unstable_by(|a, b| {
                (&a.created_at, &a.session, &a.decision_id).cmp(&(
                    &b.created_at,
                    &b.session,
                    &b.decision_id,
                ))
            });
            found.dedup_by(|a, b| (&a.session, &a.decision_id) == (&b.session, &b.decision_id));
            Ok(Collected::All(found))
        };
        self.in_collection_time(OPERATION, Box::pin(collect)).await
    }
}

/// What the index gives.
#[derive(Debug, Deserialize)]
struct Entry {
    session: String,
    decision_id: String,
    created_at: String,
    source: Source,
    advice: Popup,
    suppressed: Option<Popup>,
    #[serde(default)]
    outcomes: BTreeMap<Outcome, String>,
}

/// Of an advice, whether it shows a popup.
#[derive(Debug, Deserialize)]
struct Popup {
    show_popup: bool,
}

impl DecisionSummary {
    fn from_item(operation: &'static str, item: Item) -> Result<Self, StoreError> {
        let entry: Entry = serde_dynamo::from_item(item)
            .map_err(|error| StoreError::unreadable(operation, error))?;
        Ok(Self {
            session: entry.session,
            decision_id: entry.decision_id,
            created_at: entry.created_at,
            source: entry.source,
            shows_popup: entry.advice.show_popup,
            is_control: entry.suppressed.is_some_and(|popup| popup.show_popup),
            outcomes: entry.outcomes,
        })
    }
}
