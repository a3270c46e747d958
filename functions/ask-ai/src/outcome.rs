//! `POST /askai/outcome`.

use axum::body::Bytes;
use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use shoptrail_domain::advice::outcome::{OutcomeReport, ReportOutcome};
use shoptrail_domain::{StoreName, json};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext};
use utoipa::ToSchema;

const UNKNOWN: ApiError = ApiError::NotFound("There is no such decision");

/// The report is stored.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutcomeRecorded {
    #[schema(example = true)]
    ok: bool,
}

/// Keeps what became of a decision.
///
/// The first report of each outcome stays; repeats change nothing.
#[utoipa::path(
    post,
    path = "/askai/outcome",
    tag = "Ask AI",
    request_body(content((ReportOutcome = "application/json"), (ReportOutcome = "text/plain"))),
    security((), ("apiKey" = []), ("bearer" = []), ("appProxy" = [])),
    responses(
        (status = 200, description = "The outcome is stored, now or before", body = OutcomeRecorded),
        (status = 400, description = "The body is no JSON object, or breaks rules", body = ErrorBody),
        (status = 401, description = "No credential where one is needed, or one that does not verify", body = ErrorBody),
        (status = 403, description = "A credential for another store or scope, or an origin that is not allowed", body = ErrorBody),
        (status = 404, description = "There is no such decision about this session", body = ErrorBody),
        (status = 413, description = "The body is over 4 KiB", body = ErrorBody),
        (status = 415, description = "The body is neither JSON nor text", body = ErrorBody),
        (status = 429, description = "Too many requests of this client or this key", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn outcome(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    body: Bytes,
) -> Result<Json<OutcomeRecorded>, ApiError> {
    let now = app.clock.now();
    let report = OutcomeReport::parse(&json::decode::<ReportOutcome>(&body)?)?;
    context.limit(&app, None, 1).await?;
    let found = app
        .store
        .find_decision(&report.session, &report.decision_id, now)
        .await?;
    let decision = found.ok_or(UNKNOWN)?;
    // A name that we stored is one.
    let store = decision.store_name.as_deref().map(StoreName::parse);
    let store = store
        .transpose()
        .map_err(|_| ApiError::Internal("a decision names no store"))?;
    context.note_store(store.as_ref());
    context.authorize_writing(store.as_ref())?;
    if !app
        .store
        .record_outcome(&decision, report.outcome, now)
        .await?
    {
        return Err(UNKNOWN);
    }
    context.note_outcome(report.outcome.as_str());
    Ok(Json(OutcomeRecorded { ok: true }))
}
