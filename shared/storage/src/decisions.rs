//! Ask AI's decisions: what was asked, what came back, what the shopper was shown, and what became of it.
//!
//! Beside a session's decisions lies its tally: how many popups it was given, when one was dismissed, whether an order
//! followed. So the policy asks one small item, however many decisions a session has. A popup and its place in the
//! tally are written in one transaction, under a version that only one writer can raise: of two requests of one
//! session, both of which found a place left, one is told to look again.

mod bulk;

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use shoptrail_domain::advice::outcome::Outcome;
use shoptrail_domain::advice::policy::PopupHistory;
use shoptrail_domain::advice::{Advice, Source};
use shoptrail_domain::session::SessionId;
use shoptrail_domain::{StoreName, Timestamp};

use crate::erasures::Trace;
use crate::privacy::Item;
use crate::privacy_jobs::to_item;
use crate::tables::{SESSION, STORE_NAME};
use crate::{Store, StoreError, is_alive};

/// Sort key of the decisions.
pub(crate) const DECISION_ID: &str = "decision_id";
/// The sort key of a session's tally. A decision's is a UUID, and no digit or letter of one sorts behind it: so a query
/// that begins with the newest decision finds the tally before it.
pub(crate) const TALLY: &str = "tally";

/// An item of `ask_ai_decisions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// The session that was decided about.
    pub session: String,
    /// A UUID of version 7: sorts by time.
    pub decision_id: String,
    /// The session's version at that time: as long as it is the same, so is the decision.
    pub session_version: u64,
    /// The store that the session is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_name: Option<String>,
    /// Who decided.
    pub source: Source,
    /// What was decided.
    pub advice: Advice,
    /// Of a session that is held out: what the rules would have shown it. Those of a holdout that would have seen a
    /// popup are whom those who saw one are to be compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Advice>,
    /// What the model was told of the session: a summary without personal data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// Why the model's answer could not be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What became of it: when each was first reported, ISO 8601, UTC.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outcomes: BTreeMap<Outcome, String>,
    /// ISO 8601, UTC.
    pub created_at: String,
    /// Until when it may be given again, in ms since 1970; absent: as long as the session is unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reusable_until: Option<Timestamp>,
    /// Seconds since 1970.
    pub expires_at: i64,
}

impl DecisionRecord {
    /// Whether it may be given again for a session of this version.
    #[must_use]
    pub fn is_reusable(&self, session_version: u64, now: Timestamp) -> bool {
        self.session_version == session_version
            && self.reusable_until.is_none_or(|until| now < until)
    }

    fn was_made_on(&self, day: &str) -> bool {
        self.created_at.starts_with(day)
    }
}

/// What a session's decisions add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PopupTally {
    /// Rises with every change; 0 where there is no tally.
    version: u64,
    /// Popups given.
    popups: u32,
    /// The UTC day on which the newest popup was given.
    day: String,
    /// Popups given on that day.
    popups_of_day: u32,
    /// When a popup was last dismissed, in ms since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    dismissed_at: Option<Timestamp>,
    /// When the first order was reported, in ms since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    converted_at: Option<Timestamp>,
    /// The store that the session is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_name: Option<String>,
    /// Seconds since 1970.
    expires_at: i64,
}

impl PopupTally {
    /// What the policy has to know of a browser: of its session, whose tally this is, and of its earlier sessions in
    /// the same store. `again` is the decision that would be given again, which does not count against itself.
    #[must_use]
    pub fn history(
        &self,
        earlier: &[Self],
        again: Option<&DecisionRecord>,
        now: Timestamp,
    ) -> PopupHistory {
        let day = now.day();
        let all = || std::iter::once(self).chain(earlier);
        let today = all()
            .filter(|tally| tally.day == day)
            .fold(0_u32, |sum, tally| sum.saturating_add(tally.popups_of_day));
        let again = again.filter(|decision| decision.advice.show_popup());
        let again_today = again.filter(|decision| decision.was_made_on(&day));
        PopupHistory {
            in_session: self.popups.saturating_sub(u32::from(again.is_some())),
            today: today.saturating_sub(u32::from(again_today.is_some())),
            dismissed_at: all().filter_map(|tally| tally.dismissed_at).max(),
            has_converted: self.converted_at.is_some(),
        }
    }

    /// Whether the session that it is of is bound to `store`, or to none where `store` is none.
    #[must_use]
    pub fn is_of(&self, store: Option<&StoreName>) -> bool {
        self.store_name.as_deref() == store.map(StoreName::as_str)
    }

    /// The tally with one popup more.
    fn with(&self, popup: &DecisionRecord) -> Self {
        // The first ten characters of an ISO time are its day.
        let day = popup.created_at.get(..10).unwrap_or_default();
        let of_day = if self.day == day {
            self.popups_of_day
        } else {
            0
        };
        Self {
            version: self.version.saturating_add(1),
            popups: self.popups.saturating_add(1),
            day: day.to_owned(),
            popups_of_day: of_day.saturating_add(1),
            dismissed_at: self.dismissed_at,
            converted_at: self.converted_at,
            store_name: popup.store_name.clone(),
            expires_at: popup.expires_at.max(self.expires_at),
        }
    }

    /// The tally where it has not expired, else an empty one of the same version.
    fn alive(self, now: Timestamp) -> Self {
        if is_alive(self.expires_at, now) {
            return self;
        }
        Self {
            version: self.version,
            ..Self::default()
        }
    }
}

/// A session's newest decisions, with what all of them add up to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionDecisions {
    /// The newest ones, the newest first.
    pub decisions: Vec<DecisionRecord>,
    /// What all of them add up to.
    pub tally: PopupTally,
}

impl Store {
    /// Stores a decision; not that about a session that was erased while it was made. `false`: it shows a popup, and
    /// the session's tally is not `tally` any more, which it was judged by; nothing was stored, and it must not be
    /// given.
    ///
    /// # Errors
    ///
    /// When the database does not take it.
    pub async fn record_decision(
        &self,
        decision: &DecisionRecord,
        tally: &PopupTally,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "record_decision";
        let item = to_item(OPERATION, decision)?;
        let trace = Trace::TrackerSession {
            session: &decision.session,
        };
        // Every tombstone holds at a time that cannot be read.
        let made_at = Timestamp::parse_iso(&decision.created_at).unwrap_or_default();
        let record = async {
            if self.is_erased(OPERATION, &[trace], made_at).await? {
                return Ok(true);
            }
            if decision.advice.show_popup() {
                let put = put(OPERATION, &self.tables.decisions, item)?;
                let count = self.count_popup(OPERATION, decision, tally)?;
                return Ok(self.transact(OPERATION, &[put, count]).await?.is_ok());
            }
            let put = self
                .client
                .put_item()
                .table_name(&self.tables.decisions)
                .set_item(Some(item))
                .send()
                .await;
            put.map(|_| true)
                .map_err(|error| StoreError::new(OPERATION, error))
        };
        self.in_time(OPERATION, Box::pin(record)).await
    }

    fn count_popup(
        &self,
        operation: &'static str,
        popup: &DecisionRecord,
        tally: &PopupTally,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut item = to_item(operation, &tally.with(popup))?;
        item.extend(decision_key(&popup.session, TALLY));
        let put = Put::builder()
            .table_name(&self.tables.decisions)
            .set_item(Some(item))
            .expression_attribute_names("#version", VERSION);
        let put = if tally.version == 0 {
            put.condition_expression("attribute_not_exists(#version)")
        } else {
            put.condition_expression("#version = :version")
                .expression_attribute_values(":version", number(tally.version))
        };
        let put = put
            .build()
            .map_err(|error| StoreError::unreadable(operation, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// A session's newest decisions, at most `limit` of them, with its tally: in one request.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or with an item that is none of ours.
    pub async fn list_decisions(
        &self,
        session: &SessionId,
        limit: u16,
        now: Timestamp,
    ) -> Result<SessionDecisions, StoreError> {
        const OPERATION: &str = "list_decisions";
        let query = self
            .client
            .query()
            .table_name(&self.tables.decisions)
            .key_condition_expression("#session = :session")
            .expression_attribute_names("#session", SESSION)
            .expression_attribute_values(":session", AttributeValue::S(session.to_string()))
            .scan_index_forward(false)
            // The tally comes first, if there is one.
            .limit(i32::from(limit) + 1)
            // What was dismissed a moment ago has to be known.
            .consistent_read(true);
        let list = async {
            let found = query
                .send()
                .await
                .map_err(|error| StoreError::new(OPERATION, error))?;
            let mut listed = SessionDecisions::default();
            for item in found.items.unwrap_or_default() {
                if is_tally(&item) {
                    listed.tally = from_item::<PopupTally>(OPERATION, item)?.alive(now);
                } else {
                    listed.decisions.push(from_item(OPERATION, item)?);
                }
            }
            listed.decisions.truncate(usize::from(limit));
            listed
                .decisions
                .retain(|decision| is_alive(decision.expires_at, now));
            Ok(listed)
        };
        self.in_time(OPERATION, Box::pin(list)).await
    }

    /// The tallies of `sessions`, at most 100, each with its store; sessions without one are left out.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or with an item that is none of ours.
    pub async fn find_tallies(
        &self,
        sessions: &[SessionId],
        now: Timestamp,
    ) -> Result<Vec<PopupTally>, StoreError> {
        const OPERATION: &str = "find_tallies";
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        let keys = sessions
            .iter()
            .map(|session| decision_key(session.as_str(), TALLY));
        let table = &self.tables.decisions;
        let found = self.batch_read(OPERATION, table, keys.collect()).await?;
        let tallies = found.into_iter();
        tallies
            .map(|item| Ok(from_item::<PopupTally>(OPERATION, item)?.alive(now)))
            .collect()
    }

    /// A decision by its id.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or with an item that is none of ours.
    pub async fn find_decision(
        &self,
        session: &SessionId,
        decision_id: &str,
        now: Timestamp,
    ) -> Result<Option<DecisionRecord>, StoreError> {
        const OPERATION: &str = "find_decision";
        let find = self.load_decision(OPERATION, session.as_str(), decision_id, now);
        self.in_time(OPERATION, Box::pin(find)).await
    }

    async fn load_decision(
        &self,
        operation: &'static str,
        session: &str,
        decision_id: &str,
        now: Timestamp,
    ) -> Result<Option<DecisionRecord>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.tables.decisions)
            .set_key(Some(decision_key(session, decision_id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::new(operation, error))?;
        let Some(item) = found.item.filter(|item| !is_tally(item)) else {
            return Ok(None);
        };
        let decision: DecisionRecord = from_item(operation, item)?;
        Ok(Some(decision).filter(|decision| is_alive(decision.expires_at, now)))
    }

    /// Records what became of `decision`, as it was read. The first report of each outcome stays, and what repeats it
    /// changes nothing. `false`: the decision expired or was erased meanwhile, and nothing was stored.
    ///
    /// # Errors
    ///
    /// When the database does not take it.
    pub async fn record_outcome(
        &self,
        decision: &DecisionRecord,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "record_outcome";
        let record = async {
            let mut decision = decision.clone();
            // Whoever was first has reported one of four outcomes: this ends.
            while !decision.outcomes.contains_key(&outcome) {
                let mut actions = vec![self.put_outcome(OPERATION, &decision, outcome, now)?];
                actions.extend(self.note_outcome(OPERATION, &decision, outcome, now)?);
                if self.transact(OPERATION, &actions).await?.is_ok() {
                    break;
                }
                let (session, id) = (&decision.session, &decision.decision_id);
                let Some(found) = self.load_decision(OPERATION, session, id, now).await? else {
                    return Ok(false);
                };
                decision = found;
            }
            Ok(true)
        };
        self.in_time(OPERATION, Box::pin(record)).await
    }

    /// Adds an outcome to a decision that is there and has no others than those that were read. The whole map is
    /// written: a path into it exists in no decision that was stored without any outcome.
    fn put_outcome(
        &self,
        operation: &'static str,
        decision: &DecisionRecord,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let map = |outcomes: &BTreeMap<Outcome, String>| {
            let value: Result<AttributeValue, _> = serde_dynamo::to_attribute_value(outcomes);
            value.map_err(|error| StoreError::unreadable(operation, error))
        };
        let mut outcomes = decision.outcomes.clone();
        outcomes.insert(outcome, now.to_iso());
        let update = Update::builder()
            .table_name(&self.tables.decisions)
            .set_key(Some(decision_key(&decision.session, &decision.decision_id)))
            .update_expression("SET #outcomes = :outcomes")
            .expression_attribute_names("#outcomes", "outcomes")
            .expression_attribute_names("#expires_at", EXPIRES_AT)
            .expression_attribute_values(":outcomes", map(&outcomes)?)
            .expression_attribute_values(":now", number(now.as_secs()));
        // An item that is not there expires at no time.
        let update = if decision.outcomes.is_empty() {
            update.condition_expression("#expires_at > :now AND attribute_not_exists(#outcomes)")
        } else {
            update
                .condition_expression("#expires_at > :now AND #outcomes = :read")
                .expression_attribute_values(":read", map(&decision.outcomes)?)
        };
        let update = update
            .build()
            .map_err(|error| StoreError::unreadable(operation, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Notes in the tally what the policy has to know of an outcome, if anything.
    fn note_outcome(
        &self,
        operation: &'static str,
        decision: &DecisionRecord,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Option<TransactWriteItem>, StoreError> {
        let change = match outcome {
            Outcome::Shown | Outcome::Clicked => return Ok(None),
            Outcome::Dismissed => "dismissed_at = :at",
            Outcome::Converted => "converted_at = if_not_exists(converted_at, :at)",
        };
        let mut expression = format!(
            "SET {change}, #version = if_not_exists(#version, :zero) + :one, \
             #expires_at = if_not_exists(#expires_at, :expires_at)"
        );
        let mut update = Update::builder()
            .table_name(&self.tables.decisions)
            .set_key(Some(decision_key(&decision.session, TALLY)))
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_names("#expires_at", EXPIRES_AT)
            .expression_attribute_values(":at", number(now.as_millis()))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":expires_at", number(decision.expires_at));
        // What names no store is erased with the session alone; see `erase_decisions`.
        if let Some(store) = &decision.store_name {
            expression.push_str(", #store = :store");
            update = update
                .expression_attribute_names("#store", STORE_NAME)
                .expression_attribute_values(":store", AttributeValue::S(store.clone()));
        }
        let update = update
            .update_expression(expression)
            .build()
            .map_err(|error| StoreError::unreadable(operation, error))?;
        Ok(Some(TransactWriteItem::builder().update(update).build()))
    }
}

const VERSION: &str = "version";
const EXPIRES_AT: &str = "expires_at";

/// Whether an item of the table is a tally, and no decision.
pub(crate) fn is_tally(item: &Item) -> bool {
    let id = item.get(DECISION_ID).and_then(|id| id.as_s().ok());
    id.is_some_and(|id| id == TALLY)
}

fn decision_key(session: &str, decision_id: &str) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    Item::from([
        (SESSION.to_owned(), text(session)),
        (DECISION_ID.to_owned(), text(decision_id)),
    ])
}

fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn put(operation: &'static str, table: &str, item: Item) -> Result<TransactWriteItem, StoreError> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .build()
        .map_err(|error| StoreError::unreadable(operation, error))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

fn from_item<T: for<'de> Deserialize<'de>>(
    operation: &'static str,
    item: Item,
) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|error| StoreError::unreadable(operation, error))
}
