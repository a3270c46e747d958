//! From a session to a decision: the shop's policy first, then what was decided before, then the model, then the rules.

use std::time::Instant;

use shoptrail_domain::Timestamp;
use shoptrail_domain::advice::policy::Suppression;
use shoptrail_domain::advice::{Advice, Source, rules};
use shoptrail_domain::session::SessionRecord;
use shoptrail_edge::{ApiError, App, RequestContext};
use shoptrail_storage::{DecisionRecord, PopupTally, SessionDecisions, Store, within};

use crate::{Model, prompt};

/// Decisions that are read: only the newest one may be given again, and the tally tells of all others what the policy
/// has to know.
pub(crate) const NEWEST_DECISIONS: u16 = 1;
/// How long a decision holds that was made because the model failed, in ms.
const AFTER_FAILURE_MS: i64 = 60_000;

/// What is to be decided, and what is known for it.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) app: &'a App,
    pub(crate) context: &'a RequestContext,
    pub(crate) model: &'a Model,
    /// The session.
    pub(crate) record: &'a SessionRecord,
    /// Its version.
    pub(crate) version: u64,
    /// The tallies of the browser's earlier sessions in the same store.
    pub(crate) earlier: &'a [PopupTally],
    pub(crate) now: Timestamp,
    /// When the request came: the shopper waits since then.
    pub(crate) started: Instant,
}

/// A decision that is not stored yet.
struct Decision {
    advice: Advice,
    source: Source,
    suppressed: Option<Advice>,
    asked: Option<String>,
    failure: Option<&'static str>,
}

impl Question<'_> {
    /// The decision, stored, and where it comes from; `listed` is what was decided before.
    ///
    /// Whoever stores a popup says by which tally it was judged. If another popup, a dismissal or an order came between,
    /// it is judged anew by what there is now, and mostly the other popup is then given again. Each such round was won
    /// by something that happens to a session a few times only, so this ends.
    pub(crate) async fn answer(
        &self,
        mut listed: SessionDecisions,
    ) -> Result<(Source, DecisionRecord), ApiError> {
        let policy = &self.app.config.policy;
        let mut made = None;
        loop {
            let SessionDecisions { decisions, tally } = listed;
            let newest = decisions
                .into_iter()
                .next()
                .filter(|decision| decision.is_reusable(self.version, self.now));
            let (suppressing, again) = match newest {
                Some(newest) if newest.source == Source::Policy => (Some(newest), None),
                newest => (None, newest),
            };
            let history = tally.history(self.earlier, again.as_ref(), self.now);
            let decision = match (policy.judge(self.record, &history, self.now), again) {
                (Some(suppression), _) => {
                    let is_same =
                        |same: &DecisionRecord| same.advice.trigger() == suppression.as_str();
                    if let Some(same) = suppressing.filter(is_same) {
                        return Ok((Source::Policy, same));
                    }
                    self.to_record(self.suppressed_by(suppression))
                }
                (None, Some(again)) => return Ok((Source::Cache, again)),
                (None, None) => match made.take() {
                    Some(made) => made,
                    None => self.to_record(self.ask().await),
                },
            };
            // The model may have taken longer than the database would have.
            let record = self.app.store.record_decision(&decision, &tally);
            if within(Store::OPERATION_TIMEOUT, record).await? {
                return Ok((decision.source, decision));
            }
            made = Some(decision);
            let session = &self.record.session;
            let list = self
                .app
                .store
                .list_decisions(session, NEWEST_DECISIONS, self.now);
            listed = within(Store::OPERATION_TIMEOUT, list).await?;
        }
    }

    fn suppressed_by(&self, suppression: Suppression) -> Decision {
        let is_held_out = suppression == Suppression::Holdout;
        Decision {
            advice: suppression.advice(),
            source: Source::Policy,
            suppressed: is_held_out.then(|| rules::advise(self.record, self.now)),
            asked: None,
            failure: None,
        }
    }

    /// Asks the model, and the rules where there is none or where it fails.
    async fn ask(&self) -> Decision {
        let by_rules = |asked, failure| Decision {
            advice: rules::advise(self.record, self.now),
            source: Source::Rules,
            suppressed: None,
            asked,
            failure,
        };
        let Some(advisor) = &self.model.0 else {
            return by_rules(None, None);
        };
        if let Err(failure) = self.reserve_call().await {
            return by_rules(None, Some(failure));
        }
        let asked = Some(prompt::summary(self.record, self.now));
        // The deadline is the shopper's: what the database took is gone.
        let timeout = self.app.config.groq.timeout;
        let deadline = timeout.saturating_sub(self.started.elapsed());
        match advisor.advise(self.record, self.now, deadline).await {
            Ok(advice) => Decision {
                advice,
                source: Source::Model,
                suppressed: None,
                asked,
                failure: None,
            },
            Err(error) => {
                tracing::warn!(
                    failure = error.kind(),
                    "the model gave no advice; the rules decide"
                );
                by_rules(asked, Some(error.kind()))
            }
        }
    }

    /// Takes one call out of the day's budget, before it is made: whoever floods the route with sessions must not
    /// spend the merchant's money.
    async fn reserve_call(&self) -> Result<(), &'static str> {
        let (store, budget) = (self.record.store_name.as_ref(), &self.app.config.groq);
        let (per_store, in_all) = (budget.daily_calls_per_store, budget.daily_calls);
        let reserve = self
            .app
            .store
            .reserve_model_call(store, per_store, in_all, self.now);
        let reserved = reserve
            .await
            .inspect(|call| self.context.note_model_call(*call));
        match reserved.map(|call| call.is_reserved) {
            Ok(true) => Ok(()),
            Ok(false) => {
                tracing::warn!("the day's budget of model calls is used up; the rules decide");
                Err("budget")
            }
            Err(error) => {
                tracing::warn!(cause = %error, "no model call could be reserved; the rules decide");
                Err("budget_unknown")
            }
        }
    }

    fn to_record(self, decision: Decision) -> DecisionRecord {
        let (record, now) = (self.record, self.now);
        let retention_days = self.app.config.retention.session_days;
        DecisionRecord {
            session: record.session.to_string(),
            decision_id: decision_id(now, self.app.random.draw()),
            session_version: self.version,
            store_name: record.store_name.as_ref().map(ToString::to_string),
            source: decision.source,
            advice: decision.advice,
            suppressed: decision.suppressed,
            asked: decision.asked,
            failure: decision.failure.map(str::to_owned),
            outcomes: Default::default(),
            created_at: now.to_iso(),
            reusable_until: decision.failure.map(|_| now.plus_millis(AFTER_FAILURE_MS)),
            expires_at: now.plus_days(retention_days).as_secs(),
        }
    }
}

/// A UUID of version 7: decisions about a session sort by time.
fn decision_id(now: Timestamp, random: u128) -> String {
    let mut tail = [0; 10];
    tail.copy_from_slice(&random.to_le_bytes()[..10]);
    let millis = u64::try_from(now.as_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &tail)
        .into_uuid()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn decisions_sort_by_time() {
        let id = |millis| decision_id(Timestamp::from_millis(millis), 7);
        assert!(id(1_700_000_000_000) < id(1_700_000_000_001));
        assert_eq!(Uuid::parse_str(&id(1)).unwrap().get_version_num(), 7);
    }
}
