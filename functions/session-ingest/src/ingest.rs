//! `POST /ingest`, and `POST /events`, as older scripts call it.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use serde::Serialize;
use shoptrail_domain::json;
use shoptrail_domain::limits::DROPPED_NAMED;
use shoptrail_domain::refusal::Refusal;
use shoptrail_domain::session::{Dropped, SessionMessage, SessionMessageBody};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, Refused, RequestContext, has_opted_out};
use shoptrail_storage::{Recorded, SessionMessageRecorded};
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
    #[schema(nullable = false, example = 120)]
    dropped_total: Option<usize>,
    /// Why the message was not stored although it was understood; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    data: Option<Refused>,
}

impl Ingested {
    fn stored(context: &RequestContext, recorded: SessionMessageRecorded) -> Self {
        let SessionMessageRecorded {
            saved,
            begun,
            mut dropped,
        } = recorded;
        if begun {
            context.note_session();
        }
        context.note_refusal(Refusal::Invalid, dropped.len() as u64);
        context.note_refusal(Refusal::Duplicate, u64::from(!saved));
        context.note_outcome(if saved { "saved" } else { "unchanged" });
        let dropped_total = (dropped.len() > DROPPED_NAMED).then_some(dropped.len());
        dropped.truncate(DROPPED_NAMED);
        Self {
            ok: true,
            saved,
            dropped,
            dropped_total,
            data: None,
        }
    }

    fn refused(context: &RequestContext, reason: Refusal) -> Self {
        context.note_refusal(reason, 1);
        context.note_outcome(reason.as_str());
        Self {
            ok: true,
            saved: false,
            dropped: Vec::new(),
            dropped_total: None,
            data: Some(Refused { refused: reason }),
        }
    }
}

/// Adds what happened to a session: a snapshot of it, or an envelope with what is new.
#[utoipa::path(
    post,
    path = "/ingest",
    tag = "Sessions",
    request_body(
        description = "A snapshot of the session, or an envelope around `state`; also as `text/plain`",
        content((SessionMessageBody = "application/json"), (SessionMessageBody = "text/plain")),
    ),
    security((), ("apiKey" = []), ("bearer" = []), ("appProxy" = [])),
    responses(
        (status = 200, description = "Taken; events that are malformed are named. Or refused, where the session was erased or the shopper does not consent", body = Ingested),
        (status = 400, description = "The message is malformed, or names no true session", body = ErrorBody),
        (status = 401, description = "No credential where one is needed, or one that does not verify", body = ErrorBody),
        (status = 403, description = "A credential for another store or scope, or an origin that is not allowed", body = ErrorBody),
        (status = 413, description = "The body is over 256 KiB", body = ErrorBody),
        (status = 415, description = "The body is neither JSON nor text", body = ErrorBody),
        (status = 429, description = "Too many requests of this client, this key or this store", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn ingest(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Ingested>, ApiError> {
    let now = app.clock.now();
    let body: SessionMessageBody = json::decode(&body)?;
    let mut message = SessionMessage::parse(body, now)?;
    if let Some(signed) = context.principal().signed_query() {
        message.bind_to(&signed.shop);
    }
    context.note_store(message.store_name());
    context.authorize_writing(message.store_name())?;
    if !message.has_consent() || has_opted_out(&headers) {
        return Ok(Json(Ingested::refused(&context, Refusal::NoConsent)));
    }
    context.admit(&app, message.store_name(), 1).await?;
    let (stores, days) = (
        context.principal().stores(),
        app.config.retention.session_days,
    );
    let recorded = app
        .store
        .record_session_message(&message, stores, now, days, || app.random.draw())
        .await?;
    Ok(Json(match recorded {
        Recorded::Stored(recorded) => Ingested::stored(&context, recorded),
        Recorded::Erased => Ingested::refused(&context, Refusal::Erased),
        Recorded::OtherStore => {
            return Err(ApiError::Forbidden("This session belongs to another store"));
        }
    }))
}

/// The same as `POST /ingest`.
#[utoipa::path(
    post,
    path = "/events",
    tag = "Sessions",
    request_body(
        description = "The same as of `POST /ingest`",
        content((SessionMessageBody = "application/json"), (SessionMessageBody = "text/plain")),
    ),
    security((), ("apiKey" = []), ("bearer" = []), ("appProxy" = [])),
    responses(
        (status = 200, description = "The same as of `POST /ingest`", body = Ingested),
        (status = 400, description = "The message is malformed, or names no true session", body = ErrorBody),
        (status = 401, description = "No credential where one is needed, or one that does not verify", body = ErrorBody),
        (status = 403, description = "A credential for another store or scope, or an origin that is not allowed", body = ErrorBody),
        (status = 413, description = "The body is over 256 KiB", body = ErrorBody),
        (status = 415, description = "The body is neither JSON nor text", body = ErrorBody),
        (status = 429, description = "Too many requests of this client, this key or this store", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
#[expect(
    dead_code,
    reason = "one handler serves both paths; this one only describes the second"
)]
pub(crate) fn events() {}
