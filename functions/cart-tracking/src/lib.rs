//! Cart tracking: add-to-cart and buy-now events, stored once and indexed for the questions people ask.

mod refusals;
mod track;

use axum::Router;
use axum::routing::{get, post};
use shoptrail_edge::{App, gate};
use utoipa::OpenApi;

/// The function's routes.
pub fn router(app: App) -> Router {
    let handlers = Router::new()
        .route("/api/cart-tracking/track", post(track::track))
        .route("/cart-tracking/track", post(track::track))
        .route("/api/cart-tracking/refusals", get(refusals::refusals))
        .route("/cart-tracking/refusals", get(refusals::refusals));
    gate::gated(handlers, app)
}

/// The function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(track::track, refusals::refusals))]
pub struct Document;
