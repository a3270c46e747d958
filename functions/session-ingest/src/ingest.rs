//! `POST /ingest`, and `POST /events`, as older scripts call it.

use axum::body::Bytes;
use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use shoptrail_domain::json;
use shoptrail_domain::limits::DROPPED_NAMED;
use shoptrail_domain::session::{Dropped, SessionMessage, SessionMessageBody};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext};
use utoipa::ToSchema;

/// The answer to a message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ingested {
    /// `true`.
    #[schema(example = true)]
    ok: bool,
    /// Whether the message added anything; `false` for a repeat or a stale snapshot, which is no error.
    #[schema(example = true)]
    saved: bool,
    /// Events that were left out, the first 100 of them; absent where there were none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<Dropped>,
    /// How many events were left out; present where `dropped` does not name all.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped_total: Option<usize>,
}

/// Adds what happened to a session: a snapshot of it, or an envelope with what is new.
#[utoipa::path(
    post,
    path = "/ingest",
    tag = "Sessions",
    request_body(
        description = "A snapshot of the session, or an envelope around `state`; also as `text/plain`",
        content((SessionMessageBody = "application/json"), (String = "text/plain")),
    ),
    security((), ("apiKey" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Taken; events that are malformed are named", body = Ingested),
        (status = 400, description = "The message is malformed, or names no true session", body = ErrorBody),
        (status = 401, description = "No credential where one is needed, or one that does not verify", body = ErrorBody),
        (status = 403, description = "An origin that is not allowed", body = ErrorBody),
        (status = 413, description = "The body is over 256 KiB", body = ErrorBody),
        (status = 415, description = "The body is neither JSON nor text", body = ErrorBody),
        (status = 503, description = "The database is not available", body = ErrorBody),
    ),
)]
pub(crate) async fn ingest(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    body: Bytes,
) -> Result<Json<Ingested>, ApiError> {
    let now = app.clock.now();
    let body: SessionMessageBody = json::decode(&body)?;
    let message = SessionMessage::parse(body, now)?;
    context.note_store(message.store_name());
    let retention_days = app.config.retention.session_days;
    let recorded = app
        .store
        .record_session_message(&message, now, retention_days, || app.random.draw())
        .await?;
    context.note_outcome(if recorded.saved { "saved" } else { "unchanged" });
    let mut dropped = recorded.dropped;
    let dropped_total = (dropped.len() > DROPPED_NAMED).then_some(dropped.len());
    dropped.truncate(DROPPED_NAMED);
    Ok(Json(Ingested {
        ok: true,
        saved: recorded.saved,
        dropped,
        dropped_total,
    }))
}

/// The same as `POST /ingest`.
#[utoipa::path(
    post,
    path = "/events",
    tag = "Sessions",
    request_body(
        description = "The same as of `POST /ingest`",
        content((SessionMessageBody = "application/json"), (String = "text/plain")),
    ),
    security((), ("apiKey" = []), ("bearer" = [])),
    responses((status = 200, description = "The same as of `POST /ingest`", body = Ingested)),
)]
#[expect(
    dead_code,
    reason = "one handler serves both paths; this one only describes the second"
)]
pub(crate) fn events() {}
