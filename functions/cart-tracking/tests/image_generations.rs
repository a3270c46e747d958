//! Tracking image generations by HTTP: what is stored, what is refused, and what becomes of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::Request;
use serde_json::{Value, json};
use shoptrail_domain::access::Scope;
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::TestShop;

const PATH: &str = "/api/image-generations/track";
const STORE: &str = "my-store.myshopify.com";

/// The stored generations, without the records of their keys.
async fn stored(shop: &TestShop) -> Vec<Value> {
    let items = shop.db().items("image_generations").await;
    let items = items.into_iter().map(|item| {
        let fields = item.into_iter().map(|(name, value)| {
            let text = value.as_s().cloned().unwrap_or_default();
            (name, Value::from(text))
        });
        Value::Object(fields.collect())
    });
    items
        .filter(|item| item["store_name"].is_string())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_repeats_are_one_generation() {
    let shop = Arc::new(TestShop::start(Deployment::Local, &[]).await);
    let body = json!({ "storeName": "my-store", "productId": 7, "eventId": "key-12345" });
    let posts: Vec<_> = (0..20)
        .map(|post| {
            let (shop, body) = (Arc::clone(&shop), body.clone());
            let path = if post % 2 == 0 {
                PATH
            } else {
                "/image-generations/track"
            };
            tokio::spawn(async move { shop.post(path, &body).await })
        })
        .collect();
    let (mut ids, mut firsts) = (BTreeSet::new(), 0);
    for post in posts {
        let answer = post.await.unwrap();
        assert_eq!(
            (answer.status, &answer.json["message"]),
            (200, &"Image generation tracked successfully".into())
        );
        firsts += u32::from(answer.json["data"]["duplicate"] != true);
        ids.insert(answer.json["data"]["id"].as_str().unwrap().to_owned());
    }
    assert_eq!((ids.len(), firsts), (1, 1));
    let stored = stored(&shop).await;
    assert_eq!(stored.len(), 1);
    assert_eq!(
        Some(stored[0]["id"].as_str().unwrap()),
        ids.first().map(String::as_str)
    );

    let other = json!({ "storeName": "my-store", "productId": 8, "eventId": "key-12345" });
    let conflict = shop.post(PATH, &other).await;
    assert_eq!(
        (conflict.status, &conflict.json["code"]),
        (409, &"IDEMPOTENCY_CONFLICT".into())
    );
}

#[tokio::test]
async fn a_status_is_completed_unless_it_is_another() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    for (status, expected) in [
        (Value::Null, "completed"),
        ("failed".into(), "failed"),
        ("pending".into(), "pending"),
        ("processing".into(), "processing"),
    ] {
        let answer = shop
            .post(PATH, &json!({ "storeName": "my-store", "status": status }))
            .await;
        let id = &answer.json["data"]["id"];
        let stored = stored(&shop).await;
        let record = stored.iter().find(|record| record["id"] == *id).unwrap();
        assert_eq!(record["status"], expected);
    }
    let wrong = json!({ "storeName": "my-store", "status": "canary" });
    let wrong = shop.post(PATH, &wrong).await;
    assert_eq!(
        (wrong.status, &wrong.json["details"]["field"]),
        (400, &"status".into())
    );
    assert_eq!(stored(&shop).await.len(), 4);
}

#[tokio::test]
async fn an_erased_customers_generations_go_and_do_not_come_back() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let body = json!({
        "storeName": "my-store", "customerEmail": "Canary@Example.com", "sessionId": "s-1", "eventId": "key-12345",
        "personImageUrl": "https://images.example.com/canary.jpg",
    });
    let tracked = shop.post(PATH, &body).await;
    assert_eq!(tracked.status, 200, "{tracked:?}");
    let somebody_else = json!({ "storeName": "my-store", "customerEmail": "joe@example.com" });
    shop.post(PATH, &somebody_else).await;

    let key = shop.create_key(&[Scope::Erase], &[STORE]).await;
    let erase = Request::delete("/api/privacy/customers").header("x-api-key", key.expose());
    let person = json!({ "storeName": STORE, "customerEmail": "canary@example.com" });
    let erased = shop.send(erase, &person).await;
    assert_eq!(
        erased.json["data"]["erased"],
        json!({ "cartEvents": 0, "imageGenerations": 1, "sessions": 0, "decisions": 0, "other": 1 }),
        "{erased:?}"
    );
    let left = stored(&shop).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["customer_email"], "joe@example.com");

    let late = shop.post(PATH, &body).await;
    assert_eq!(
        (late.status, &late.json["message"], &late.json["data"]),
        (
            200,
            &"Image generation not stored".into(),
            &json!({ "refused": "erased" })
        )
    );
    assert_eq!(shop.db().items("image_generations").await.len(), 1);
}

#[tokio::test]
async fn without_consent_nothing_is_stored_and_the_store_is_told() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let body = json!({ "storeName": "my-store", "consent": { "analytics": false } });
    let by_body = shop.post(PATH, &body).await;
    let request = Request::post(PATH).header("sec-gpc", "1");
    let by_header = shop
        .send(request, &json!({ "storeName": "my-store" }))
        .await;
    for answer in [by_body, by_header] {
        assert_eq!(
            (answer.status, &answer.json["data"]),
            (200, &json!({ "refused": "no_consent" }))
        );
    }
    assert!(stored(&shop).await.is_empty());
    shop.app().flush_refusals().await;
    let now = shop.now();
    let days = shop
        .app()
        .store
        .list_refusals(STORE, "2000-01-01", "2100-01-01", now);
    let reasons: Vec<u64> = days.await.unwrap()[0].reasons.values().copied().collect();
    assert_eq!(reasons, [2]);
}

#[tokio::test]
async fn the_app_proxy_says_which_store_and_which_customer() {
    let shop = TestShop::start(Deployment::Lambda, &[]).await;
    let query = shop.signed_query(STORE, &[("logged_in_customer_id", "42")]);
    let body = json!({ "customerId": "7", "productId": 1 });
    let tracked = shop
        .post(&format!("/image-generations/track?{query}"), &body)
        .await;
    assert_eq!(tracked.status, 200, "{tracked:?}");
    let stored = stored(&shop).await;
    assert_eq!(
        (&stored[0]["store_name"], &stored[0]["customer_id"]),
        (&STORE.into(), &"42".into())
    );
    let unsigned = shop.post(PATH, &json!({ "storeName": STORE })).await;
    assert_eq!(unsigned.status, 401);
}
