//! `POST /askai`.

use std::time::Instant;

use axum::body::Bytes;
use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shoptrail_domain::advice::{Advice, Source};
use shoptrail_domain::schema::TrackerSession;
use shoptrail_domain::session::SessionId;
use shoptrail_domain::wire::Scalar;
use shoptrail_domain::{ParseError, Reason, json};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext};
use shoptrail_storage::{DecisionRecord, RecentSession};
use utoipa::ToSchema;

use crate::Model;
use crate::decide::{NEWEST_DECISIONS, Question};

/// Events that a decision looks at: more than a shopper makes in the minutes that matter.
const NEWEST_EVENTS: usize = 200;
/// Earlier sessions that are looked at: a shopper who comes back five times in a day has seen what there is to see.
const EARLIER_SESSIONS: usize = 4;

/// The body, where it is JSON.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({ "session": "af4bac4d-077a-4756-91d0-fa2570fd206f", "earlier": ["0f9a3f4e-6e0f-4f3c-8d53-0a4b1f0f8a52"] }))]
pub(crate) struct AskAi {
    /// The session to decide about.
    #[serde(default)]
    #[schema(value_type = TrackerSession, required = true)]
    session: Scalar,
    /// A list of this browser's earlier sessions of today, at most 4: the popups that they were given count to the day. What is
    /// no session's id is ignored.
    #[serde(default)]
    #[schema(value_type = Value, required = false, example = json!(["0f9a3f4e-6e0f-4f3c-8d53-0a4b1f0f8a52"]))]
    earlier: Value,
}

/// What is asked, in either form.
#[derive(Debug, PartialEq)]
struct Asked {
    session: SessionId,
    earlier: Vec<SessionId>,
}

/// A decision: its seven fields at the top, and again under `decision`, where deployed trackers read them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Decided {
    #[schema(example = true)]
    ok: bool,
    #[schema(value_type = TrackerSession)]
    session: SessionId,
    #[serde(flatten)]
    advice: Advice,
    decision: Advice,
    #[serde(rename = "decisionId")]
    #[schema(format = "uuid", example = "019363a1-5e2a-7c4b-9d1e-3f5a7b9c1d2e")]
    decision_id: String,
    source: Source,
}

/// Decides whether to show this shopper a popup, and which.
///
/// Where the shop's policy allows none, `source` is `policy` and `trigger` the rule: `converted`, `checkout`, `cooldown`, `session_limit`, `daily_limit` or `holdout`.
#[utoipa::path(
    post,
    path = "/askai",
    tag = "Ask AI",
    request_body(
        description = "The session's id, plain or as JSON",
        content((TrackerSession = "text/plain"), (AskAi = "application/json")),
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
    let Asked { session, earlier } = parse(&body)?;
    context.limit(&app, None, 1).await?;
    let (recent, listed, mut earlier) = tokio::try_join!(
        app.store.find_recent_session(&session, NEWEST_EVENTS, now),
        app.store.list_decisions(&session, NEWEST_DECISIONS, now),
        app.store.find_tallies(&earlier, now),
    )?;
    let RecentSession { record, version } =
        recent.ok_or(ApiError::NotFound("There is no such session"))?;
    context.note_store(record.store_name.as_ref());
    context.authorize_writing(record.store_name.as_ref())?;

    // Whoever asks may name any session: those of other stores are none of this browser's.
    earlier.retain(|tally| tally.is_of(record.store_name.as_ref()));
    let question = Question {
        app: &app,
        context: &context,
        model: &model,
        record: &record,
        version,
        earlier: &earlier,
        now,
        started,
    };
    let (source, decision) = question.answer(listed).await?;
    context.note_outcome(source.as_str());
    context.note_decision(source);
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

fn parse(body: &[u8]) -> Result<Asked, ParseError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| ParseError::new("session", Reason::NotASessionId))?
        .trim();
    if text.is_empty() {
        return Err(ParseError::body(Reason::EmptyBody));
    }
    let (session, earlier) = if text.starts_with('{') {
        let asked: AskAi = json::decode(body)?;
        let session = match asked.session {
            Scalar::Text(session) => SessionId::parse(&session),
            Scalar::Absent => Err(Reason::Required),
            _ => Err(Reason::NotAString),
        };
        (session, asked.earlier)
    } else {
        (SessionId::parse(text), Value::Null)
    };
    let session = session.map_err(|reason| ParseError::new("session", reason))?;
    let earlier = parse_earlier(&earlier, &session);
    Ok(Asked { session, earlier })
}

/// A list that cannot be read costs nobody an answer: then nothing is known of earlier sessions.
fn parse_earlier(earlier: &Value, session: &SessionId) -> Vec<SessionId> {
    let listed = earlier.as_array().into_iter().flatten();
    let mut sessions = Vec::new();
    for id in listed.take(EARLIER_SESSIONS).filter_map(Value::as_str) {
        if let Ok(id) = SessionId::parse(id)
            && id != *session
            && !sessions.contains(&id)
        {
            sessions.push(id);
        }
    }
    sessions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_plainly_or_as_json() {
        let session = |body: &str| {
            parse(body.as_bytes())
                .map(|asked| asked.session.to_string())
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
    fn earlier_sessions_are_named_in_json_and_what_is_none_is_ignored() {
        let earlier = |earlier: &str| {
            let body = format!(r#"{{ "session": "s-1", "earlier": {earlier} }}"#);
            let asked = parse(body.as_bytes()).unwrap();
            let earlier = asked.earlier.iter().map(ToString::to_string);
            earlier.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(earlier(r#"["a", "b"]"#), "a b");
        assert_eq!(earlier(r#"["a", "a", "s-1", "b"]"#), "a b");
        assert_eq!(earlier(r#"["null", "a b", 7, "b"]"#), "b");
        assert_eq!(earlier(r#"["a", "b", "c", "d", "e"]"#), "a b c d");
        for other in ["null", "7", "\"a\"", "{}", "[]", "[[\"a\"], {}]"] {
            assert_eq!(earlier(other), "", "{other}");
        }
        assert_eq!(parse(b"s-1").unwrap().earlier, []);
    }
}
