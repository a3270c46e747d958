//! Cart tracking: add-to-cart and buy-now events, stored once and indexed for the questions people ask; and the image
//! generations that go before them.

mod image_generations;
mod refusals;
mod track;
mod tracked;

use axum::Router;
use axum::routing::{get, post};
use shoptrail_edge::{App, gate};
use utoipa::OpenApi;

use self::image_generations::track_image_generation;

/// The function's routes.
pub fn router(app: App) -> Router {
    let handlers = Router::new()
        .route("/api/cart-tracking/track", post(track::track))
        .route("/cart-tracking/track", post(track::track))
        .route("/api/cart-tracking/refusals", get(refusals::refusals))
        .route("/cart-tracking/refusals", get(refusals::refusals))
        .route("/api/image-generations/track", post(track_image_generation))
        .route("/image-generations/track", post(track_image_generation));
    gate::gated(handlers, app)
}

/// The function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(
    track::track,
    refusals::refusals,
    image_generations::track_image_generation
))]
pub struct Document;
