//! Ask AI's decisions: what was asked, what came back, what the shopper was shown.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use shoptrail_domain::Timestamp;
use shoptrail_domain::advice::{Advice, Source};
use shoptrail_domain::session::SessionId;

use crate::erasures::Trace;
use crate::tables::SESSION;
use crate::{Store, StoreError, is_alive};

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
    /// What the model was told of the session: a summary without personal data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// Why the model's answer could not be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
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
}

impl Store {
    /// Stores a decision; not that about a session that was erased while it was made.
    ///
    /// # Errors
    ///
    /// When the database does not take it.
    pub async fn record_decision(&self, decision: &DecisionRecord) -> Result<(), StoreError> {
        const OPERATION: &str = "record_decision";
        let item = serde_dynamo::to_item(decision)
            .map_err(|error| StoreError::unreadable(OPERATION, error))?;
        let trace = Trace::TrackerSession {
            session: &decision.session,
        };
        // Every tombstone holds at a time that cannot be read.
        let made_at = Timestamp::parse_iso(&decision.created_at).unwrap_or_default();
        let record = async {
            if self.is_erased(OPERATION, &[trace], made_at).await? {
                return Ok(());
            }
            let put = self
                .client
                .put_item()
                .table_name(&self.tables.decisions)
                .set_item(Some(item))
                .send()
                .await;
            put.map(|_| ())
                .map_err(|error| StoreError::new(OPERATION, error))
        };
        self.in_time(OPERATION, Box::pin(record)).await
    }

    /// The newest decision about a session.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or with an item that is none of ours.
    pub async fn find_latest_decision(
        &self,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<Option<DecisionRecord>, StoreError> {
        const OPERATION: &str = "find_latest_decision";
        self.in_time(
            OPERATION,
            Box::pin(async {
                let found = self
                    .client
                    .query()
                    .table_name(&self.tables.decisions)
                    .key_condition_expression("#session = :session")
                    .expression_attribute_names("#session", SESSION)
                    .expression_attribute_values(":session", AttributeValue::S(session.to_string()))
                    .scan_index_forward(false)
                    .limit(1)
                    .send()
                    .await
                    .map_err(|error| StoreError::new(OPERATION, error))?;
                let Some(item) = found.items.unwrap_or_default().pop() else {
                    return Ok(None);
                };
                let decision: DecisionRecord = serde_dynamo::from_item(item)
                    .map_err(|error| StoreError::unreadable(OPERATION, error))?;
                Ok(Some(decision).filter(|decision| is_alive(decision.expires_at, now)))
            }),
        )
        .await
    }
}
