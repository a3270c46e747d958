//! Privacy: erasing customers, Shopify's compliance webhooks, and the worker that does what takes longer than an
//! answer may.

mod customers;
mod jobs;
mod requests;
mod webhooks;
pub mod worker;

use axum::Router;
use axum::routing::{delete, get, post};
use shoptrail_domain::schema::require_one_of;
use shoptrail_edge::{App, gate};
use utoipa::{Modify, OpenApi};

/// The function's routes.
pub fn router(app: App) -> Router {
    let handlers = Router::new()
        .route("/api/privacy/customers", delete(customers::erase))
        .route("/privacy/customers", delete(customers::erase))
        .route(
            "/api/privacy/customers/{receiptId}",
            get(customers::receipt),
        )
        .route("/privacy/customers/{receiptId}", get(customers::receipt))
        .route("/api/privacy/requests", get(requests::requests))
        .route("/privacy/requests", get(requests::requests))
        .route("/api/privacy/requests/{requestId}", get(requests::request))
        .route("/privacy/requests/{requestId}", get(requests::request))
        .route("/webhooks/shopify", post(webhooks::shopify));
    gate::gated(env!("CARGO_PKG_NAME"), handlers, app)
}

/// What names a customer.
struct NamesCustomer;

impl Modify for NamesCustomer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let fields = ["customerEmail", "customerId", "sessionId"];
        require_one_of(document, "EraseCustomer", &fields);
    }
}

/// The function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(modifiers(&NamesCustomer), paths(
    customers::erase,
    customers::receipt,
    requests::requests,
    requests::request,
    webhooks::shopify,
))]
pub struct Document;
