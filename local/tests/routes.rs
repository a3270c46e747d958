//! The template's routes in front of the real functions.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::Value;
use shoptrail_edge::config::Deployment;
use shoptrail_edge::{App, Config};
use shoptrail_local::gateway::{Gateway, GatewayOptions};
use shoptrail_local::template::RouteMatch;
use shoptrail_local::testing::TestDb;
use shoptrail_local::wiring::functions;
use shoptrail_storage::Store;

/// What a gateway answers to a request without a body, as JSON where it is JSON.
async fn answer(gateway: &Gateway, method: &str, path: &str) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap();
    let answer = gateway.answer([127, 0, 0, 1].into(), request).await;
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn gateway(db: &TestDb) -> Gateway {
    let config = Config::from_env(|_| None, Deployment::Local).unwrap();
    let app = App::new(config, Store::connect(&db.store_config()));
    Gateway::new(db.template(), &functions(&app), GatewayOptions::default()).unwrap()
}

#[tokio::test]
async fn every_route_leads_to_a_function_that_has_it() {
    let db = TestDb::start().await;
    let gateway = gateway(&db).await;
    for route in &db.template().routes {
        let RouteMatch::Path { path, method } = &route.matches else {
            continue;
        };
        let path = path.replace(['{', '}'], "");
        let (status, body) = answer(&gateway, method.as_deref().unwrap_or("GET"), &path).await;
        assert_ne!(status, 405, "{route:?}");
        assert_ne!(body["message"], "There is no such route", "{route:?}");
        assert!(status < 500, "{route:?}: {body}");
    }
}

#[tokio::test]
async fn what_no_route_matches_is_answered_in_the_contracts_shape() {
    let db = TestDb::start().await;
    let gateway = gateway(&db).await;
    let (status, body) = answer(&gateway, "GET", "/nothing").await;
    assert_eq!((status, &body["code"]), (404, &Value::from("NOT_FOUND")));
    // The function behind `$default` knows the paths of the others.
    let (status, body) = answer(&gateway, "GET", "/api/cart-tracking/track").await;
    assert_eq!(
        (status, &body["code"]),
        (405, &Value::from("METHOD_NOT_ALLOWED"))
    );
    let (status, body) = answer(&gateway, "PUT", "/askai").await;
    assert_eq!(
        (status, &body["code"], &body["ok"]),
        (405, &Value::from("METHOD_NOT_ALLOWED"), &Value::from(false))
    );
}
