//! A store's sessions by what they reached and when.

use std::collections::HashMap;
use std::ops::Range;

use serde::Deserialize;
use shoptrail_domain::{StoreName, Timestamp};

use crate::privacy::Item;
use crate::store_range::{StoreRange, TimeIndex};
use crate::tables::{IDX_STORE_CHECKOUT, IDX_STORE_STARTED};
use crate::{Collected, Store, StoreError};

/// Bytes of memory that the products of all collected sessions may take, some 40 of which go to the bookkeeping of each:
/// a hundred thousand sessions of ten products. Products are what a browser says, and a Lambda has 256 MB.
const PRODUCT_BYTES: usize = 64 * 1024 * 1024;
/// What a text takes beside its characters.
const TEXT_BYTES: usize = 40;

const FIELDS: &[&str] = &["session", "started_at", "checkout_at", "product_ids"];

const STARTED: TimeIndex = TimeIndex {
    name: IDX_STORE_STARTED,
    sort: "started_at",
    fields: FIELDS,
};

const CHECKOUT: TimeIndex = TimeIndex {
    name: IDX_STORE_CHECKOUT,
    sort: "checkout_at",
    fields: FIELDS,
};

/// What a session reached. Times are the server's: ISO 8601, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SessionSummary {
    /// The session's id.
    pub session: String,
    /// When its first message was stored.
    pub started_at: String,
    /// When its first `checkout_started` was stored.
    pub checkout_at: Option<String>,
    /// The products of its product views, at most 100.
    #[serde(default)]
    pub product_ids: Vec<String>,
}

impl Store {
    /// The sessions of a store that started, or first reached checkout, in a range of times: the oldest first, unless
    /// there are more than `most`, or more products of them than memory has room for.
    ///
    /// # Errors
    ///
    /// When the database does not answer or there is more to read than the time allows; with an item that is none of
    /// ours.
    pub async fn collect_sessions(
        &self,
        store: &StoreName,
        range: Range<Timestamp>,
        most: usize,
        now: Timestamp,
    ) -> Result<Collected<SessionSummary>, StoreError> {
        const OPERATION: &str = "collect_sessions";
        let read = |index| {
            let range = StoreRange {
                table: &self.tables.sessions,
                index,
                store,
                times: range.clone(),
            };
            async move {
                let mut found = Found::new(most);
                let take = |item| found.add(OPERATION, item);
                let is_all = self.read_store_range(OPERATION, &range, now, take).await?;
                Ok::<_, StoreError>(is_all.then_some(found))
            }
        };
        let collect = async {
            let (started, checkout) = tokio::try_join!(read(STARTED), read(CHECKOUT))?;
            let (Some(mut found), Some(checkout)) = (started, checkout) else {
                return Ok(Collected::TooMany);
            };
            let fits = checkout.into_sessions().all(|session| found.merge(session));
            Ok(if fits {
                Collected::All(found.in_order())
            } else {
                Collected::TooMany
            })
        };
        self.in_collection_time(OPERATION, Box::pin(collect)).await
    }
}

/// Sessions by their ids, each once.
struct Found {
    most: usize,
    /// What their products take.
    bytes: usize,
    sessions: HashMap<String, SessionSummary>,
}

impl Found {
    fn new(most: usize) -> Self {
        Self {
            most,
            bytes: 0,
            sessions: HashMap::new(),
        }
    }

    fn add(&mut self, operation: &'static str, item: Item) -> Result<bool, StoreError> {
        let session = serde_dynamo::from_item(item);
        let session = session.map_err(|error| StoreError::unreadable(operation, error))?;
        Ok(self.merge(session))
    }

    /// Whether there is room for it. One index may lag behind the other: of two entries the later one stays.
    fn merge(&mut self, session: SessionSummary) -> bool {
        let known = self.sessions.get(&session.session);
        if known.is_some_and(|known| progress(known) >= progress(&session)) {
            return true;
        }
        self.bytes += bytes_of(&session.product_ids);
        self.bytes -= known.map_or(0, |known| bytes_of(&known.product_ids));
        self.sessions.insert(session.session.clone(), session);
        self.sessions.len() <= self.most && self.bytes <= PRODUCT_BYTES
    }

    fn into_sessions(self) -> impl Iterator<Item = SessionSummary> {
        self.sessions.into_values()
    }

    fn in_order(self) -> Vec<SessionSummary> {
        let mut sessions: Vec<_> = self.into_sessions().collect();
        sessions
            .sort_unstable_by(|a, b| (&a.started_at, &a.session).cmp(&(&b.started_at, &b.session)));
        sessions
    }
}

/// How far a session is: what has expired begins again, and else milestones are only added.
fn progress(session: &SessionSummary) -> (&str, bool, usize) {
    let SessionSummary {
        started_at,
        checkout_at,
        product_ids,
        ..
    } = session;
    (started_at, checkout_at.is_some(), product_ids.len())
}

fn bytes_of(products: &[String]) -> usize {
    products.iter().map(|id| id.len() + TEXT_BYTES).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(started_at: &str, checkout_at: Option<&str>, products: &[&str]) -> SessionSummary {
        SessionSummary {
            session: "s-1".into(),
            started_at: started_at.into(),
            checkout_at: checkout_at.map(Into::into),
            product_ids: products.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    #[test]
    fn of_two_entries_of_a_session_the_later_one_stays() {
        let stages = [
            session("1", None, &[]),
            session("1", None, &["a"]),
            session("1", Some("2"), &["a"]),
            session("1", Some("2"), &["a", "b"]),
            // It expired, and began again.
            session("3", None, &[]),
        ];
        for (number, one) in stages.iter().enumerate() {
            for other in &stages[number..] {
                for order in [[one, other], [other, one]] {
                    let mut found = Found::new(1);
                    assert!(order.iter().all(|stage| found.merge((*stage).clone())));
                    assert_eq!(found.in_order(), std::slice::from_ref(other));
                }
            }
        }
    }

    #[test]
    fn products_without_end_are_too_many() {
        let long = "x".repeat(PRODUCT_BYTES / 2);
        let mut found = Found::new(10);
        assert!(found.merge(session("1", None, &[&long])));
        // The same session again, now with more: what it took before is free.
        assert!(found.merge(session("1", Some("2"), &[&long])));
        let mut other = session("1", None, &[&long]);
        other.session = "s-2".into();
        assert!(!found.merge(other));
    }
}
