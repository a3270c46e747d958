//! Session ingest: batches of browsing events become one true record per session. Also what the
//! service says of itself: health, the OpenAPI document and its page. And the tracker's script.

mod document;
mod health;
mod ingest;
mod session;
mod tracker;

use axum::Router;
use axum::routing::{get, post};
use shoptrail_domain::schema::require_one_of;
use shoptrail_edge::{App, gate, routes};
use utoipa::{Modify, OpenApi};

/// The function's routes.
pub fn router(app: App) -> Router {
    let mut handlers = Router::new()
        .route("/ingest", post(ingest::ingest))
        .route("/events", post(ingest::ingest))
        .route("/sessions/{session}", get(session::session))
        .route("/health", get(health::health))
        .route("/healthz", get(health::healthz))
        .route("/openapi.json", get(document::openapi_json))
        .route("/docs", get(document::docs))
        .route("/docs/{file}", get(document::docs_file))
        .route(routes::TRACKER, get(tracker::tracker));
    if let Some(path) = &app.config.tracker_path {
        handlers = handlers.route(path.as_str(), get(tracker::tracker));
    }
    gate::gated(env!("CARGO_PKG_NAME"), handlers, app)
}

/// A message names its session, if only in its state.
struct NamesSession;

impl Modify for NamesSession {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        require_one_of(document, "SessionMessageBody", &["session", "state"]);
    }
}

/// The function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(modifiers(&NamesSession), paths(
    ingest::ingest,
    ingest::events,
    session::session,
    health::health,
    health::healthz,
    document::openapi_json,
    document::docs,
    document::docs_file,
    tracker::tracker,
))]
pub struct Document;
