//! `POST /askai`.

use std::time::Instant;

use axum::body::Bytes;
use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use shoptrail_domain::advice::{Advice, Source, rules};
use shoptrail_domain::session::{SessionId, SessionRecord};
use shoptrail_domain::wire::Scalar;
use shoptrail_domain::{ParseError, Reason, Timestamp, json};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext};
use shoptrail_storage::{DecisionRecord, RecentSession, Store, within};
use utoipa::ToSchema;

use crate::{Model, prompt};

/// Events that a decision looks at: more than a shopper makes in the minutes that matter.
const NEWEST_EVENTS: usize = 200;
/// How long a decision holds that was made because the model failed, in ms.
const AFTER_FAILURE_MS: i64 = 60_000;

/// The body, where it is JSON.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AskAi {
    /// The session to decide about.
    #[serde(default)]
    #[schema(value_type = String)]
    session: Scalar,
}

/// A decision: its seven fields at the top, and again under `decision`, where deployed trackers read them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Decided {
    #[schema(example = true)]
    ok: bool,
    #[schema(value_type = String)]
    session: SessionId,
    #[serde(flatten)]
    advice: Advice,
    decision: Advice,
    #[serde(rename = "decisionId")]
    decision_id: String,
    source: Source,
}

/// Decides whether to show this shopper a popup, and which.
#[utoipa::path(
    post,
    path = "/askai",
    tag = "Ask AI",
    request_body(
        description = "The session's id, plain or as JSON",
        content((String = "text/plain", example = json!("af4bac4d-077a-4756-91d0-fa2570fd206f")), (AskAi = "application/json")),
    ),
    security((), ("apiKey" = []), ("bearer" = []), ("appProxy" = [])),
    responses(
        (status = 200, description = "A decision", body = Decided),
        (status = 400, description = "No session's id, or none that can be one", body = ErrorBody),
        (status = 401, description = "No credential where one is needed, or one that does not verify", body = ErrorBody),
        (status = 403, description = "A credential for another store or scope, or an origin that is not allowed", body = ErrorBody),
        (status = 404, description = "There is no such session", body = ErrorBody),
        (status = 413, description = "The body is over 4 KiB", body = ErrorBody),
        (status = 415, description = "The body is neither JSON nor text", body = ErrorBody),
        (status = 429, description = "Too many requests of this client or this key", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn askai(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    Extension(model): Extension<Model>,
    body: Bytes,
) -> Result<Json<Decided>, ApiError> {
    let started = Instant::now();
    let now = app.clock.now();
    let session = parse_session(&body)?;
    context.limit(&app, None, 1).await?;
    let (recent, latest) = tokio::try_join!(
        app.store.find_recent_session(&session, NEWEST_EVENTS, now),
        app.store.find_latest_decision(&session, now)
    )?;
    let RecentSession { record, version } =
        recent.ok_or(ApiError::NotFound("There is no such session"))?;
    context.note_store(record.store_name.as_ref());
    context.authorize_writing(record.store_name.as_ref())?;

    let (source, decision) = match latest.filter(|decision| decision.is_reusable(version, now)) {
        Some(decision) => (Source::Cache, decision),
        None => {
            let decided = decide(&app, &model, &record, now, started).await;
            let decision = decided.into_record(&app, &record, version, now);
            // The model may have taken longer than the database would have.
            let record = app.store.record_decision(&decision);
            within(Store::OPERATION_TIMEOUT, record).await?;
            (decision.source, decision)
        }
    };
    context.note_outcome(source.as_str());
    let DecisionRecord {
        decision_id,
        advice,
        ..
    } = decision;
    Ok(Json(Decided {
        ok: true,
        session,
        advice: advice.clone(),
        decision: advice,
        decision_id,
        source,
    }))
}

fn parse_session(body: &[u8]) -> Result<SessionId, ParseError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| ParseError::new("session", Reason::NotASessionId))?
        .trim();
    if text.is_empty() {
        return Err(ParseError::body(Reason::EmptyBody));
    }
    let session = if text.starts_with('{') {
        match json::decode::<AskAi>(body)?.session {
            Scalar::Text(session) => SessionId::parse(&session),
            Scalar::Absent => Err(Reason::Required),
            _ => Err(Reason::NotAString),
        }
    } else {
        SessionId::parse(text)
    };
    session.map_err(|reason| ParseError::new("session", reason))
}

/// A decision that is not stored yet.
struct Decision {
    advice: Advice,
    source: Source,
    asked: Option<String>,
    failure: Option<&'static str>,
}

/// Asks the model, and the rules where there is none or where it fails.
async fn decide(
    app: &App,
    model: &Model,
    record: &SessionRecord,
    now: Timestamp,
    started: Instant,
) -> Decision {
    let by_rules = |asked, failure| Decision {
        advice: rules::advise(record, now),
        source: Source::Rules,
        asked,
        failure,
    };
    let Some(advisor) = &model.0 else {
        return by_rules(None, None);
    };
    if let Err(failure) = reserve_call(app, record, now).await {
        return by_rules(None, Some(failure));
    }
    let asked = Some(prompt::summary(record, now));
    // The deadline is the shopper's: what the database took is gone.
    let deadline = app.config.groq.timeout.saturating_sub(started.elapsed());
    match advisor.advise(record, now, deadline).await {
        Ok(advice) => Decision {
            advice,
            source: Source::Model,
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

/// Takes one call out of the day's budget, before it is made: whoever floods the route with sessions must not spend
/// the merchant's money.
async fn reserve_call(
    app: &App,
    record: &SessionRecord,
    now: Timestamp,
) -> Result<(), &'static str> {
    let (store, budget) = (record.store_name.as_ref(), &app.config.groq);
    let reserved = app
        .store
        .reserve_model_call(store, budget.daily_calls_per_store, budget.daily_calls, now)
        .await;
    match reserved {
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

impl Decision {
    fn into_record(
        self,
        app: &App,
        record: &SessionRecord,
        version: u64,
        now: Timestamp,
    ) -> DecisionRecord {
        let retention_days = app.config.retention.session_days;
        DecisionRecord {
            session: record.session.to_string(),
            decision_id: decision_id(now, app.random.draw()),
            session_version: version,
            store_name: record.store_name.as_ref().map(ToString::to_string),
            source: self.source,
            advice: self.advice,
            asked: self.asked,
            failure: self.failure.map(str::to_owned),
            created_at: now.to_iso(),
            reusable_until: self.failure.map(|_| now.plus_millis(AFTER_FAILURE_MS)),
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
    fn a_session_is_named_plainly_or_as_json() {
        let session = |body: &str| {
            parse_session(body.as_bytes())
                .map(|session| session.to_string())
                .map_err(|error| (error.field.into_owned(), error.reason))
        };
        assert_eq!(session(" s-1\n"), Ok("s-1".into()));
        assert_eq!(session(r#"{ "session": "s-1" }"#), Ok("s-1".into()));
        assert_eq!(session(" "), Err(("body".into(), Reason::EmptyBody)));
        assert_eq!(session("{}"), Err(("session".into(), Reason::Required)));
        assert_eq!(session("{"), Err(("body".into(), Reason::NotJson)));
        assert_eq!(
            session(r#"{"session":7}"#),
            Err(("session".into(), Reason::NotAString))
        );
        assert_eq!(
            session("undefined"),
            Err(("session".into(), Reason::Placeholder))
        );
        assert_eq!(
            session("a b"),
            Err(("session".into(), Reason::NotASessionId))
        );
    }

    #[test]
    fn decisions_sort_by_time() {
        let id = |millis| decision_id(Timestamp::from_millis(millis), 7);
        assert!(id(1_700_000_000_000) < id(1_700_000_000_001));
        assert_eq!(Uuid::parse_str(&id(1)).unwrap().get_version_num(), 7);
    }
}
