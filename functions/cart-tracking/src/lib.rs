//! Cart tracking: add-to-cart and buy-now events, stored once and indexed for the questions people ask.

mod track;

use axum::Router;
use axum::routing::post;
use shoptrail_edge::{App, gate};
use utoipa::OpenApi;

/// The function's routes.
pub fn router(app: App) -> Router {
    let handlers = Router::new()
        .route("/api/cart-tracking/track", post(track::track))
        .route("/cart-tracking/track", post(track::track));
    gate::gated(handlers, app)
}

/// The function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(track::track))]
pub struct Document;
