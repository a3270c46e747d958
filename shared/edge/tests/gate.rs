//! The net beneath the handlers: one that does not ask whose data it gives gives none.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use axum::body::Body;
use axum::http::Request;
use axum::routing::{get, post};
use axum::{Extension, Router};
use shoptrail_edge::config::Deployment;
use shoptrail_edge::{App, Config, RequestContext, gate};
use shoptrail_local::testing::TestDb;
use shoptrail_storage::Store;
use tower::ServiceExt as _;

async fn status(handlers: Router<App>, request: Request<Body>) -> u16 {
    let db = TestDb::start().await;
    let config = Config::from_env(|_| None, Deployment::Local).unwrap();
    let app = App::new(config, Store::connect(&db.store_config()));
    let answer = gate::gated("a-function", handlers, app)
        .oneshot(request)
        .await
        .unwrap();
    answer.status().as_u16()
}

fn ingest() -> Request<Body> {
    Request::post("/ingest").body(Body::from("{}")).unwrap()
}

#[tokio::test]
async fn a_success_of_a_handler_that_authorized_nobody_is_an_error() {
    let careless = Router::new().route("/ingest", post(|| async { "somebody's data" }));
    assert_eq!(status(careless, ingest()).await, 500);
}

#[tokio::test]
async fn a_handler_that_asks_is_let_answer() {
    let careful = |Extension(context): Extension<RequestContext>| async move {
        context.authorize_writing(None).map(|()| "fine")
    };
    assert_eq!(
        status(Router::new().route("/ingest", post(careful)), ingest()).await,
        200
    );
    // What everybody may call needs nobody to be asked.
    let open = Router::new().route("/healthz", get(|| async { "fine" }));
    let request = Request::get("/healthz").body(Body::empty()).unwrap();
    assert_eq!(status(open, request).await, 200);
}
