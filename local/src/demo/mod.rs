//! The demo shop: a small storefront at `/demo`, on the same origin as the API, in which anybody sees what the
//! backend is for.
//!
//! It belongs to the local gateway alone. `template.yaml` has no such route, so API Gateway does not serve it, and
//! nothing that is deployed holds its files. Its cart answers as Shopify's does, so that a script which works here
//! works in a theme; its state is a cookie, so that the server keeps none.

mod assets;
mod body;
mod cart;
mod cart_api;
mod cart_error;
mod catalogue;
mod pages;
mod panel;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::X_CONTENT_TYPE_OPTIONS;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use shoptrail_edge::App;
use thiserror::Error;

use assets::Assets;
use catalogue::Catalogue;

/// Where it is: below this path nothing reaches the template's routes.
pub const PATH: &str = "/demo";
/// The store that it is: its pages tell the tracker so.
pub const STORE_NAME: &str = "demo-shop.myshopify.com";
/// What a body of the cart may hold: every variant of the shop many times over.
const BODY_BYTES: usize = 64 * 1024;

/// Why there is no demo shop. Both are mistakes in the files that the binary was built from.
#[derive(Debug, Error)]
pub enum DemoError {
    /// A file that every page needs was not built in.
    #[error("the demo shop was built without its file {0}")]
    FileMissing(&'static str),
    /// The catalogue cannot be read.
    #[error("the demo shop's catalogue cannot be read")]
    Catalogue(#[source] serde_json::Error),
}

/// What all its handlers share.
#[derive(Debug)]
struct Shop {
    app: App,
    assets: Assets,
    catalogue: Catalogue,
    shell: &'static [u8],
}

/// Whether a request for this path is the demo shop's.
#[must_use]
pub fn owns(path: &str) -> bool {
    path.strip_prefix(PATH)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The demo shop, reading what the functions stored.
///
/// # Errors
///
/// [`DemoError`], when the binary was built from broken files.
pub fn router(app: App) -> Result<Router, DemoError> {
    let assets = Assets::embedded();
    let file = |name| assets.content(name).ok_or(DemoError::FileMissing(name));
    let shell = file(assets::SHELL)?;
    let catalogue = Catalogue::parse(file(assets::CATALOGUE)?).map_err(DemoError::Catalogue)?;
    let shop = Arc::new(Shop {
        app,
        assets,
        catalogue,
        shell,
    });
    Ok(Router::new()
        .route("/demo", get(pages::slash))
        .route("/demo/", get(pages::page))
        .route("/demo/collections/all", get(pages::page))
        .route("/demo/products/{handle}", get(pages::product))
        .route("/demo/search", get(pages::page))
        .route("/demo/cart", get(pages::page))
        .route("/demo/checkout", get(pages::page))
        .route("/demo/checkout/thank-you", get(pages::page))
        .route("/demo/assets/{*file}", get(assets::asset))
        .route("/demo/cart.js", get(cart_api::cart))
        .route("/demo/cart.json", get(cart_api::cart))
        .route("/demo/cart/add", post(cart_api::add))
        .route("/demo/cart/add.js", post(cart_api::add))
        .route("/demo/cart/change", post(cart_api::change))
        .route("/demo/cart/change.js", post(cart_api::change))
        .route("/demo/cart/update", post(cart_api::update))
        .route("/demo/cart/update.js", post(cart_api::update))
        .route("/demo/cart/clear", post(cart_api::clear))
        .route("/demo/cart/clear.js", post(cart_api::clear))
        .route("/demo/api/sessions/{session}", get(panel::session))
        .fallback(pages::not_found)
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(map_response(without_sniffing))
        .with_state(shop))
}

/// What an answer is, its `Content-Type` says.
async fn without_sniffing(mut answer: Response) -> Response {
    answer
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_demo_or_below_it_is_the_demo_shops() {
        for path in [
            "/demo",
            "/demo/",
            "/demo/cart.js",
            "/demo//",
            "/demo/../ingest",
        ] {
            assert!(owns(path), "{path}");
        }
        for path in [
            "/",
            "/demos",
            "/demo.js",
            "/Demo",
            "/%64emo",
            "//demo",
            "/ingest/demo",
        ] {
            assert!(!owns(path), "{path}");
        }
    }
}
