//! Cart tracking: add-to-cart and buy-now events, stored once and indexed for the questions people ask; and the image
//! generations that go before them.

mod all;
mod analytics;
mod batch;
mod customer;
mod dashboard;
mod events;
pub mod export;
mod generations;
mod image_generations;
mod journey;
mod reading;
mod refusals;
mod shown;
mod track;
mod tracked;
pub mod writer;

use axum::Router;
use axum::routing::{get, post};
use shoptrail_edge::{App, gate};
use utoipa::OpenApi;

use self::image_generations::track_image_generation;

const CUSTOMER: &str = "/cart-tracking/customer/{customerId}/store/{storeName}";

/// The function's routes.
pub fn router(app: App) -> Router {
    let handlers = Router::new()
        .route("/api/cart-tracking/track", post(track::track))
        .route("/cart-tracking/track", post(track::track))
        .route("/api/cart-tracking/batch", post(batch::batch))
        .route("/cart-tracking/batch", post(batch::batch))
        .route("/api/cart-tracking/events", get(events::events))
        .route("/cart-tracking/events", get(events::events))
        .route("/api/cart-tracking/all", get(all::all))
        .route("/cart-tracking/all", get(all::all))
        .route(&format!("/api{CUSTOMER}"), get(customer::customer))
        .route(CUSTOMER, get(customer::customer))
        .route("/api/cart-tracking/analytics", get(analytics::analytics))
        .route("/cart-tracking/analytics", get(analytics::analytics))
        .route("/api/cart-tracking/journey", get(journey::journey))
        .route("/cart-tracking/journey", get(journey::journey))
        .route("/api/cart-tracking/export", get(export::export))
        .route("/cart-tracking/export", get(export::export))
        .route("/api/cart-tracking/refusals", get(refusals::refusals))
        .route("/cart-tracking/refusals", get(refusals::refusals))
        .route("/api/image-generations/track", post(track_image_generation))
        .route("/image-generations/track", post(track_image_generation))
        .route("/api/image-generations/all", get(generations::generations))
        .route("/image-generations/all", get(generations::generations))
        .route("/dashboard", get(dashboard::dashboard))
        .route("/dashboard/{file}", get(dashboard::dashboard_file));
    gate::gated(env!("CARGO_PKG_NAME"), handlers, app)
}

/// The function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(
    track::track,
    batch::batch,
    events::events,
    all::all,
    customer::customer,
    analytics::analytics,
    journey::journey,
    export::export,
    refusals::refusals,
    image_generations::track_image_generation,
    generations::generations,
    dashboard::dashboard,
    dashboard::dashboard_file
))]
pub struct Document;
