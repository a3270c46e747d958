//! Who may call: every route of the OpenAPI document with every kind of credential, and Shopify's app proxy.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::path::Path;

use axum::http::Request;
use axum::http::request::Builder;
use serde_json::{Value, json};
use shoptrail_domain::access::{ApiKey, Scope};
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::TestShop;

const STORE: &str = "my-store.myshopify.com";
const OTHER_STORE: &str = "other-store.myshopify.com";
const SESSION: &str = "af4bac4d-077a-4756-91d0-fa2570fd206f";

/// An operation of the OpenAPI document.
#[derive(Debug)]
struct Operation {
    method: String,
    path: String,
    /// Whether it can be called without a credential.
    is_open: bool,
    /// Whether it looks at keys.
    takes_keys: bool,
}

fn operations() -> Vec<Operation> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let document: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let security = operation["security"].as_array().unwrap();
            assert!(
                !security.is_empty(),
                "{method} {path} declares its security"
            );
            operations.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                is_open: security.contains(&json!({})),
                takes_keys: security.iter().any(|kind| kind.get("apiKey").is_some()),
            });
        }
    }
    assert!(operations.len() > 10);
    operations
}

/// What is stored for the requests below to find.
#[derive(Debug)]
struct Stored {
    receipt: String,
    request: String,
    decision: String,
}

async fn store(shop: &TestShop) -> Stored {
    let key = shop.create_key(&Scope::ALL, &["*"]).await;
    let message = json!({ "session": SESSION, "storeName": STORE, "events": { "/": [{ "type": "view", "ts": 1_712_345_678_901_u64 }] } });
    let stored = shop
        .send(with_key(Request::post("/ingest"), &key), &message)
        .await;
    assert_eq!(stored.status, 200, "{stored:?}");
    let decided = shop
        .send(
            with_key(Request::post("/askai"), &key),
            &json!({ "session": SESSION }),
        )
        .await;
    assert_eq!(decided.status, 200, "{decided:?}");
    let erasure = json!({ "storeName": STORE, "customerEmail": "canary.erased@example.com" });
    let erased = shop
        .send(
            with_key(Request::delete("/api/privacy/customers"), &key),
            &erasure,
        )
        .await;
    assert_eq!(erased.status, 200, "{erased:?}");
    let person = shoptrail_domain::privacy::Person {
        customer_email: None,
        customer_id: Some(shoptrail_domain::identifier::ExternalId::parse("7").unwrap()),
        session_id: None,
    };
    let request = "00000000-0000-4000-8000-000000000007".to_owned();
    let store = shoptrail_domain::StoreName::parse(STORE).unwrap();
    let task = shoptrail_storage::PrivacyTask::ExportCustomer { person };
    let created = shop
        .app()
        .store
        .create_privacy_job(&request, &store, &task, 1, shop.now())
        .await;
    assert!(created.unwrap());
    Stored {
        receipt: erased.json["data"]["receiptId"]
            .as_str()
            .unwrap()
            .to_owned(),
        request,
        decision: decided.json["decisionId"].as_str().unwrap().to_owned(),
    }
}

/// A request of this operation about [`STORE`], which succeeds with the right credential.
fn request(operation: &Operation, stored: &Stored) -> (Builder, Value) {
    let path = operation
        .path
        .replace("{session}", SESSION)
        .replace("{receiptId}", &stored.receipt)
        .replace("{requestId}", &stored.request)
        .replace("{customerId}", "7")
        .replace("{storeName}", STORE)
        .replace("/dashboard/{file}", "/dashboard/main.js")
        .replace("{file}", "start.js");
    let (query, body) = match operation.path.as_str() {
        "/api/cart-tracking/track" | "/api/image-generations/track" => {
            ("", json!({ "storeName": STORE }))
        }
        "/api/cart-tracking/batch" => ("", json!({ "events": [{ "storeName": STORE }] })),
        "/ingest" | "/events" => ("", json!({ "session": "s-walk", "storeName": STORE })),
        "/askai" => ("", json!({ "session": SESSION })),
        "/askai/outcome" => (
            "",
            json!({ "session": SESSION, "decisionId": stored.decision, "outcome": "shown" }),
        ),
        "/api/privacy/customers" => {
            let body = json!({ "storeName": STORE, "sessionId": "nobodys" });
            (
                "",
                if operation.method == "DELETE" {
                    body
                } else {
                    Value::Null
                },
            )
        }
        "/api/cart-tracking/events"
        | "/api/cart-tracking/all"
        | "/api/cart-tracking/analytics"
        | "/api/cart-tracking/export"
        | "/api/cart-tracking/refusals"
        | "/api/image-generations/all"
        | "/api/privacy/requests" => ("?storeName=my-store", Value::Null),
        "/api/cart-tracking/journey" => ("?storeName=my-store&sessionId=s-walk", Value::Null),
        _ => ("", Value::Null),
    };
    let request = Request::builder()
        .method(operation.method.as_str())
        .uri(format!("{path}{query}"));
    (request, body)
}

fn with_key(request: Builder, key: &ApiKey) -> Builder {
    request.header("x-api-key", key.expose())
}

#[tokio::test]
async fn every_route_asks_for_its_key_scope_and_store() {
    let shop = TestShop::start(Deployment::Lambda, &[("PUBLIC_INGEST", "none")]).await;
    let stored = store(&shop).await;
    let everything = shop.create_key(&Scope::ALL, &[STORE]).await;
    let of_other_store = shop.create_key(&Scope::ALL, &[OTHER_STORE]).await;
    let mut with_scope = Vec::new();
    for scope in Scope::ALL {
        with_scope.push((scope, shop.create_key(&[scope], &[STORE]).await));
    }
    let unknown = ApiKey::new(1, [2, 3]);
    let mut wrong_secret = everything.expose().to_owned();
    let last = if wrong_secret.ends_with('0') {
        "1"
    } else {
        "0"
    };
    wrong_secret.replace_range(wrong_secret.len() - 1.., last);

    for operation in operations() {
        let name = format!("{} {}", operation.method, operation.path);
        let ask = async |edit: &dyn Fn(Builder) -> Builder| {
            let (request, body) = request(&operation, &stored);
            shop.send(edit(request), &body).await.status
        };
        if operation.path == "/webhooks/shopify" {
            assert_eq!(ask(&|request| request).await, 401, "{name}");
            assert_eq!(
                ask(&|request| with_key(request, &everything)).await,
                401,
                "{name}"
            );
            continue;
        }
        if !operation.takes_keys {
            // Health and documents look at no credential.
            assert!(operation.is_open, "{name}");
            assert_eq!(
                ask(&|request| request.header("x-api-key", "canary")).await,
                200,
                "{name}"
            );
            continue;
        }
        assert_eq!(ask(&|request| request).await, 401, "no key: {name}");
        for wrong in ["canary", "", unknown.expose(), &wrong_secret] {
            let status = ask(&|request| request.header("x-api-key", wrong)).await;
            assert_eq!(status, 401, "a wrong key: {name}");
            let bearer = format!("Bearer {wrong}");
            let status = ask(&|request| request.header("authorization", &bearer)).await;
            assert_eq!(status, 401, "a wrong bearer: {name}");
        }
        assert_eq!(
            ask(&|request| with_key(request, &of_other_store)).await,
            403,
            "a key of another store: {name}"
        );
        let mut sufficient = 0;
        for (scope, key) in &with_scope {
            let status = ask(&|request| with_key(request, key)).await;
            assert!(status == 200 || status == 403, "{scope:?} {status}: {name}");
            sufficient += usize::from(status == 200);
        }
        assert_eq!(sufficient, 1, "one scope opens {name}");
        let bearer = format!("bearer {}", everything.expose());
        let status = ask(&|request| request.header("authorization", &bearer)).await;
        assert_eq!(status, 200, "the right key: {name}");
    }
}

#[tokio::test]
async fn what_is_public_refuses_wrong_credentials_all_the_same() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let stored = store(&shop).await;
    for operation in operations() {
        let name = format!("{} {}", operation.method, operation.path);
        let (asked, body) = request(&operation, &stored);
        let status = shop.send(asked, &body).await.status;
        assert_eq!(status == 200, operation.is_open, "{name}: {status}");
        if operation.is_open && operation.takes_keys {
            let (asked, body) = request(&operation, &stored);
            let status = shop
                .send(asked.header("x-api-key", "canary"), &body)
                .await
                .status;
            assert_eq!(status, 401, "{name}");
            let (asked, body) = request(&operation, &stored);
            let uri = format!("{}?signature=00", asked.uri_ref().unwrap());
            let status = shop.send(asked.uri(uri), &body).await.status;
            assert_eq!(status, 401, "{name}");
        }
    }
}

#[tokio::test]
async fn a_key_is_valid_until_it_is_revoked_and_two_are_valid_at_once() {
    let shop = TestShop::start(Deployment::Lambda, &[]).await;
    let status = async |key: &ApiKey| {
        let request = with_key(Request::get("/api/cart-tracking/refusals"), key);
        shop.send(request, &Value::Null).await.status
    };
    let old = shop.create_key(&[Scope::Read], &[STORE]).await;
    assert_eq!(status(&old).await, 200);
    let new = shop.create_key(&[Scope::Read], &[STORE]).await;
    assert_eq!((status(&old).await, status(&new).await), (200, 200));
    let revoked = shop.app().store.revoke_api_key(old.id(), shop.now()).await;
    assert!(revoked.unwrap());
    // What a process remembers of a key, it believes for some seconds.
    shop.pass_seconds(10);
    assert_eq!((status(&old).await, status(&new).await), (401, 200));
}

#[tokio::test]
async fn the_table_holds_no_key() {
    let shop = TestShop::start(Deployment::Lambda, &[]).await;
    let key = shop.create_key(&[Scope::Read], &[STORE]).await;
    let items = shop.db().items("api_keys").await;
    let text = format!("{:?}", items);
    assert!(text.contains(key.id()));
    let secret = key.expose().rsplit('_').next().unwrap();
    assert!(!text.contains(secret) && !text.contains(key.expose()));
}

#[tokio::test]
async fn a_key_lists_its_own_stores_alone() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let invalid = |store: &str| json!({ "storeName": store, "customerEmail": "nobody" });
    for (store, count) in [(STORE, 1), (OTHER_STORE, 2)] {
        for _ in 0..count {
            assert_eq!(
                shop.post("/api/cart-tracking/track", &invalid(store))
                    .await
                    .status,
                400
            );
        }
    }
    shop.app().flush_refusals().await;
    let count = async |stores: &[&str], query: &str| {
        let key = shop.create_key(&[Scope::Read], stores).await;
        let request = Request::get(format!("/api/cart-tracking/refusals{query}"));
        let answer = shop.send(with_key(request, &key), &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["data"]["days"][0]["reasons"]["invalid"].clone()
    };
    assert_eq!(count(&[STORE], "").await, 1);
    assert_eq!(count(&[OTHER_STORE], "").await, 2);
    assert_eq!(count(&[STORE, OTHER_STORE], "").await, 3);
    assert_eq!(count(&["*"], "").await, 3);
    assert_eq!(count(&["*"], "?storeName=my-store").await, 1);
}

#[tokio::test]
async fn a_session_of_no_store_is_seen_by_keys_of_all_stores_alone() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    assert_eq!(
        shop.post("/ingest", &json!({ "session": "s-1", "itemsInCart": 1 }))
            .await
            .status,
        200
    );
    let status = async |stores: &[&str]| {
        let key = shop.create_key(&[Scope::Read], stores).await;
        shop.send(with_key(Request::get("/sessions/s-1"), &key), &Value::Null)
            .await
            .status
    };
    assert_eq!((status(&["*"]).await, status(&[STORE]).await), (200, 403));
}

#[tokio::test]
async fn a_session_takes_no_message_on_behalf_of_another_store() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let mine = json!({ "session": "s-1", "storeName": STORE, "itemsInCart": 1 });
    assert_eq!(shop.post("/ingest", &mine).await.status, 200);
    let theirs = json!({ "session": "s-1", "itemsInCart": 9, "sentAt": 4_000_000_000_000_u64 });
    let key = shop.create_key(&[Scope::Write], &[OTHER_STORE]).await;
    let refused = shop
        .send(with_key(Request::post("/ingest"), &key), &theirs)
        .await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let query = shop.signed_query(OTHER_STORE, &[]);
    let refused = shop.post(&format!("/ingest?{query}"), &theirs).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let asked = shop
        .post(&format!("/askai?{query}"), &json!({ "session": "s-1" }))
        .await;
    assert_eq!(asked.status, 403, "{asked:?}");
    let decided = shop.post("/askai", &json!({ "session": "s-1" })).await;
    let outcome = json!({ "session": "s-1", "decisionId": decided.json["decisionId"], "outcome": "dismissed" });
    let refused = shop
        .post(&format!("/askai/outcome?{query}"), &outcome)
        .await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let key = shop.create_key(&[Scope::Read], &["*"]).await;
    let session = shop
        .send(with_key(Request::get("/sessions/s-1"), &key), &Value::Null)
        .await;
    assert_eq!(session.json["itemsInCart"], 1);
}

#[tokio::test]
async fn the_app_proxy_says_which_store_and_which_customer() {
    let shop = TestShop::start(Deployment::Lambda, &[]).await;
    let query = shop.signed_query(STORE, &[("logged_in_customer_id", "42")]);
    let path = format!("/cart-tracking/track?{query}");
    let body = json!({ "customerId": "7", "productId": 1 });
    let tracked = shop.post(&path, &body).await;
    assert_eq!(tracked.status, 200, "{tracked:?}");
    let items = shop.db().items("cart_tracking_events").await;
    let event = &items[0];
    assert_eq!(event["store_name"].as_s().unwrap(), STORE);
    assert_eq!(event["customer_id"].as_s().unwrap(), "42");
    assert!(!event.contains_key("customer_email"));

    // Nobody is logged in: then the body names nobody either.
    let query = shop.signed_query(STORE, &[("logged_in_customer_id", "")]);
    let tracked = shop
        .post(&format!("/cart-tracking/track?{query}"), &body)
        .await;
    let id = tracked.json["data"]["id"].as_str().unwrap().to_owned();
    let items = shop.db().items("cart_tracking_events").await;
    let anonymous = items
        .iter()
        .find(|item| item["id"].as_s() == Ok(&id))
        .unwrap();
    assert!(!anonymous.contains_key("customer_id"));

    // The body may repeat the store, and may not name another.
    let repeated = shop.post(&path, &json!({ "storeName": "my-store" })).await;
    assert_eq!(repeated.status, 200);
    let other = shop.post(&path, &json!({ "storeName": OTHER_STORE })).await;
    assert_eq!(other.status, 403, "{other:?}");
    let other = json!({ "session": "s-1", "storeName": OTHER_STORE });
    assert_eq!(
        shop.post(&format!("/ingest?{query}"), &other).await.status,
        403
    );
}

#[tokio::test]
async fn a_session_through_the_app_proxy_belongs_to_its_store() {
    let shop = TestShop::start(Deployment::Lambda, &[("PUBLIC_INGEST", "none")]).await;
    let query = shop.signed_query(STORE, &[]);
    let message = json!({ "session": "s-1", "itemsInCart": 1 });
    assert_eq!(
        shop.post(&format!("/ingest?{query}"), &message)
            .await
            .status,
        200
    );
    let key = shop.create_key(&[Scope::Read], &[STORE]).await;
    let session = shop
        .send(with_key(Request::get("/sessions/s-1"), &key), &Value::Null)
        .await;
    assert_eq!(session.status, 200, "{session:?}");
    assert_eq!(session.json["storeName"], STORE);
}

#[tokio::test]
async fn a_signature_that_is_old_changed_or_doubled_is_refused() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let query = shop.signed_query(STORE, &[]);
    let status = async |query: &str| {
        let path = format!("/api/cart-tracking/track?{query}");
        shop.post(&path, &json!({ "productId": 1 })).await.status
    };
    assert_eq!(status(&query).await, 200);
    assert_eq!(status(&query.replace("my-store", "your-store")).await, 401);
    assert_eq!(status(&format!("{query}&more=1")).await, 401);
    for name in ["shop", "timestamp", "signature"] {
        let pair = query
            .split('&')
            .find(|pair| pair.starts_with(name))
            .unwrap();
        assert_eq!(
            status(&format!("{query}&{pair}")).await,
            401,
            "{name} twice"
        );
    }
    // A signature opens no admin route, a right one no more than a wrong one.
    let read = |query: &str| Request::get(format!("/api/cart-tracking/refusals?{query}"));
    assert_eq!(shop.send(read(&query), &Value::Null).await.status, 401);
    shop.pass_seconds(90);
    assert_eq!(status(&query).await, 200);
    shop.pass_seconds(1);
    assert_eq!(status(&query).await, 401);
}
