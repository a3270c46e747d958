//! `GET /sessions/{session}`.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use shoptrail_domain::schema::TrackerSession;
use shoptrail_domain::session::{SessionId, SessionRecord};
use shoptrail_domain::{ParseError, Reason};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext};

/// One session as it is stored.
#[utoipa::path(
    get,
    path = "/sessions/{session}",
    tag = "Sessions",
    params(("session" = TrackerSession, Path, description = "The session's id")),
    security(("apiKey" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The session", body = SessionRecord),
        (status = 400, description = "No session has such an id", body = ErrorBody),
        (status = 401, description = "No credential, or one that does not verify", body = ErrorBody),
        (status = 403, description = "A key without the scope `read`, or for other stores", body = ErrorBody),
        (status = 404, description = "There is no such session", body = ErrorBody),
        (status = 429, description = "Too many requests of this key", body = ErrorBody),
        (status = 503, description = "The database is not available", body = ErrorBody),
    ),
)]
pub(crate) async fn session(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<SessionRecord>, ApiError> {
    // A path that is no UTF-8 is no session's either.
    let session = path
        .map_err(|_| Reason::NotASessionId)
        .and_then(|Path(session)| SessionId::parse(&session))
        .map_err(|reason| ParseError::new("session", reason))?;
    context.limit(&app, None, 1).await?;
    let found = app.store.find_session(&session, app.clock.now()).await?;
    let record = found.ok_or(ApiError::NotFound("There is no such session"))?;
    context.note_store(record.store_name.as_ref());
    context.authorize_reading(record.store_name.as_ref())?;
    Ok(Json(record))
}
