//! The functions' routers on one store, by the names of their binaries.

use std::collections::BTreeMap;

use axum::Router;
use shoptrail_edge::App;

/// The routers that the template's routes lead to.
#[must_use]
pub fn functions(app: &App) -> BTreeMap<String, Router> {
    BTreeMap::from([
        (
            "cart-tracking".to_owned(),
            cart_tracking::router(app.clone()),
        ),
        (
            "session-ingest".to_owned(),
            session_ingest::router(app.clone()),
        ),
        ("ask-ai".to_owned(), ask_ai::router(app.clone())),
        ("privacy".to_owned(), privacy::router(app.clone())),
    ])
}
