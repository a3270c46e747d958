//! The shop's pages. All are one shell, which its script fills by the path.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::Shop;
use super::cart_error::CartError;

/// Everything comes from this gateway, and nothing stands inline but pictures in style sheets. The tracker's popup
/// builds its style sheet by script, which is no inline style.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// `GET /demo`: relative links need the slash.
pub(super) async fn slash(uri: Uri) -> impl IntoResponse {
    let query = uri.query().map(|query| format!("?{query}"));
    let location = format!("/demo/{}", query.unwrap_or_default());
    (StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)])
}

/// The pages of fixed paths.
pub(super) async fn page(State(shop): State<Arc<Shop>>) -> Response {
    shell(&shop, StatusCode::OK)
}

/// `GET /demo/products/{handle}`, and with `.js` at the end the product as Shopify's Ajax API has it.
pub(super) async fn product(
    State(shop): State<Arc<Shop>>,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    let name = path.as_ref().map_or("", |Path(name)| name.as_str());
    match name.strip_suffix(".js") {
        _ if shop.catalogue.product(name).is_some() => shell(&shop, StatusCode::OK),
        None => shell(&shop, StatusCode::NOT_FOUND),
        Some(handle) => match shop.catalogue.product(handle) {
            Some(product) => Json(product.to_json()).into_response(),
            None => CartError::UnknownProduct.into_response(),
        },
    }
}

/// What is no page of the shop.
pub(super) async fn not_found(State(shop): State<Arc<Shop>>) -> Response {
    shell(&shop, StatusCode::NOT_FOUND)
}

fn shell(shop: &Shop, status: StatusCode) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-cache"),
    ];
    (status, headers, shop.shell).into_response()
}
