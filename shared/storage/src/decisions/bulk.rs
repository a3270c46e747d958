//! The decisions about many sessions at once, as the local gateway's sample data has them. What is stored of each session
//! is what [`Store::record_decision`] and [`Store::record_outcome`] would have stored one after the other.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use shoptrail_domain::Timestamp;
use shoptrail_domain::advice::outcome::Outcome;

use super::{DecisionRecord, PopupTally, TALLY, VERSION, decision_key, put};
use crate::erasures::Trace;
use crate::privacy_jobs::to_item;
use crate::transactions::is_refused;
use crate::{Store, StoreError};

const OPERATION: &str = "record_first_decisions";
/// Actions of one transaction, of which DynamoDB takes 100: a few are left, so that a session's decisions, of which the
/// policy allows few, and its tally go together.
const TRANSACTION_ACTIONS: usize = 80;

impl Store {
    /// Stores the decisions about sessions that have none yet, the oldest first, each with what became of it, and each
    /// session's tally. A session that has decisions already keeps them, and gets none of these. Those about a session
    /// that was erased are not stored. How many decisions were stored.
    ///
    /// All of it ends within [`Store::OPERATION_TIMEOUT`], so that some hundreds of sessions fit into one call.
    ///
    /// # Errors
    ///
    /// When the database does not take all of them.
    pub async fn record_first_decisions(
        &self,
        sessions: &[Vec<DecisionRecord>],
    ) -> Result<usize, StoreError> {
        let traces: Vec<_> = sessions.iter().map(|session| trace_of(session)).collect();
        let look = self.erased_among(OPERATION, &traces);
        let erased = self.in_time(OPERATION, Box::pin(look)).await?;
        let alive = sessions.iter().zip(erased);
        let alive = alive.filter(|(_, is_erased)| !is_erased);
        let mut waiting: Vec<&[DecisionRecord]> =
            alive.map(|(session, _)| session.as_slice()).collect();
        let mut stored = 0;
        while !waiting.is_empty() {
            let mut actions = Vec::new();
            // Of each session in the transaction: how many actions it has, and how many decisions.
            let mut parts = Vec::new();
            for session in &waiting {
                let own = self.first_decisions(session)?;
                if !parts.is_empty() && actions.len() + own.len() > TRANSACTION_ACTIONS {
                    break;
                }
                parts.push((own.len(), session.len()));
                actions.extend(own);
            }
            let rest = waiting.split_off(parts.len());
            let write = self.write_first_decisions(actions, parts);
            stored += self.in_time(OPERATION, Box::pin(write)).await?;
            waiting = rest;
        }
        Ok(stored)
    }

    /// The writes of one session: its decisions and its tally, which is written also where it counts nothing, since it
    /// is what tells that the session has decisions.
    fn first_decisions(
        &self,
        session: &[DecisionRecord],
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut actions = Vec::with_capacity(session.len() + 1);
        for decision in session {
            let item = to_item(OPERATION, decision)?;
            actions.push(put(OPERATION, &self.tables.decisions, item)?);
        }
        if let Some(first) = session.first() {
            let mut item = to_item(OPERATION, &PopupTally::of(session))?;
            item.extend(decision_key(&first.session, TALLY));
            let put = Put::builder()
                .table_name(&self.tables.decisions)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(#version)")
                .expression_attribute_names("#version", VERSION)
                .build()
                .map_err(|error| StoreError::unreadable(OPERATION, error))?;
            actions.push(TransactWriteItem::builder().put(put).build());
        }
        Ok(actions)
    }

    /// Writes the sessions of which `parts` tells how many actions and decisions each has. How many decisions were
    /// stored.
    async fn write_first_decisions(
        &self,
        mut actions: Vec<TransactWriteItem>,
        mut parts: Vec<(usize, usize)>,
    ) -> Result<usize, StoreError> {
        while !actions.is_empty() {
            let Err(reasons) = self.transact(OPERATION, &actions).await? else {
                return Ok(parts.iter().map(|(_, decisions)| decisions).sum());
            };
            let tried = parts;
            let count = tried.len();
            let mut all = actions.into_iter().zip(reasons);
            (actions, parts) = (Vec::new(), Vec::new());
            for part in tried {
                let own: Vec<_> = all.by_ref().take(part.0).collect();
                if !own.iter().any(|(_, reason)| is_refused(reason)) {
                    actions.extend(own.into_iter().map(|(action, _)| action));
                    parts.push(part);
                }
            }
            if parts.len() == count {
                return Err(StoreError::throttled(OPERATION));
            }
        }
        Ok(0)
    }
}

impl PopupTally {
    /// What the decisions about one session add up to, with what became of them.
    fn of(decisions: &[DecisionRecord]) -> Self {
        let mut tally = Self {
            version: 1,
            ..Self::default()
        };
        for decision in decisions {
            if decision.advice.show_popup() {
                tally = tally.with(decision);
            }
            tally.expires_at = tally.expires_at.max(decision.expires_at);
            tally.store_name.clone_from(&decision.store_name);
            for (outcome, at) in &decision.outcomes {
                let at = Timestamp::parse_iso(at).ok();
                match outcome {
                    Outcome::Shown | Outcome::Clicked => continue,
                    Outcome::Dismissed => tally.dismissed_at = tally.dismissed_at.max(at),
                    Outcome::Converted => tally.converted_at = tally.converted_at.or(at),
                }
                tally.version += 1;
            }
        }
        tally
    }
}

fn trace_of(session: &[DecisionRecord]) -> (Vec<Trace<'_>>, Timestamp) {
    let first = session.first();
    let trace = first.map(|first| Trace::TrackerSession {
        session: &first.session,
    });
    let at = first.and_then(|first| Timestamp::parse_iso(&first.created_at).ok());
    (trace.into_iter().collect(), at.unwrap_or_default())
}
