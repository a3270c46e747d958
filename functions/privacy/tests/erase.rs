//! Erasing a customer by HTTP, from the request to the receipt.

mod support;

use axum::http::Request;
use serde_json::{Value, json};
use shoptrail_domain::access::Scope;
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::{Fault, FaultProxy, TestDb, TestShop};

use support::{
    CUSTOMER, EMAIL, OTHER_EMAIL, SESSION, STORE, erase, get, shop, traces, visit, webhook,
    with_key, work_off,
};

#[tokio::test]
async fn an_erased_customer_is_in_no_table_and_does_not_come_back() {
    let shop = shop().await;
    let key = shop.create_key(&[Scope::Erase], &[STORE]).await;
    visit(&shop).await;
    let body = json!({ "storeName": STORE, "customerEmail": "Canary@Example.com" });
    let answer = erase(&shop, &key, &body).await;
    assert_eq!(
        (answer.status, &answer.json["message"]),
        (200, &"Customer erased".into()),
        "{answer:?}"
    );
    let data = &answer.json["data"];
    assert_eq!(data["status"], "done");
    assert_eq!(
        data["erased"],
        json!({ "cartEvents": 2, "imageGenerations": 0, "sessions": 1, "decisions": 1, "other": 1 })
    );
    for trace in [EMAIL, CUSTOMER, SESSION] {
        assert!(traces(shop.db(), trace).await.is_empty(), "{trace}");
    }
    assert_eq!(
        traces(shop.db(), OTHER_EMAIL).await["cart_tracking_events"],
        2
    );

    // A late retry is answered and not stored.
    let late = json!({ "storeName": STORE, "customerEmail": EMAIL, "productId": "1" });
    let refused = shop.post("/api/cart-tracking/track", &late).await;
    assert_eq!(
        (refused.status, &refused.json["data"]),
        (200, &json!({ "refused": "erased" }))
    );
    let refused = shop
        .post("/ingest", &json!({ "session": SESSION, "itemsInCart": 1 }))
        .await;
    assert_eq!(
        (refused.status, &refused.json["data"]),
        (200, &json!({ "refused": "erased" }))
    );

    // The receipt shows the same, and when it was.
    let id = data["receiptId"].as_str().unwrap();
    for path in ["/api/privacy/customers", "/privacy/customers"] {
        let receipt = get(&shop, &format!("{path}/{id}"), &key).await;
        assert_eq!(receipt.status, 200);
        let now = shop.now().to_iso();
        assert_eq!(
            receipt.json["data"],
            json!({
                "receiptId": id, "status": "done", "erased": data["erased"], "mode": "delete",
                "createdAt": now, "doneAt": now,
            })
        );
    }
}

#[tokio::test]
async fn anonymous_events_are_still_counted() {
    let shop = shop().await;
    let key = shop.create_key(&[Scope::Erase], &["*"]).await;
    visit(&shop).await;
    let body = json!({ "storeName": STORE, "customerId": 7_001_002_003_u64, "mode": "anonymize" });
    let answer = erase(&shop, &key, &body).await;
    assert_eq!(answer.json["data"]["erased"]["cartEvents"], 2, "{answer:?}");
    for trace in [EMAIL, CUSTOMER, SESSION] {
        assert!(traces(shop.db(), trace).await.is_empty(), "{trace}");
    }
    assert_eq!(
        traces(shop.db(), "product_id").await["cart_tracking_events"],
        4
    );
}

#[tokio::test]
async fn a_body_that_names_nobody_is_told_so() {
    let shop = shop().await;
    let key = shop.create_key(&[Scope::Erase], &["*"]).await;
    let answer = erase(&shop, &key, &json!({ "storeName": STORE, "mode": "purge" })).await;
    assert_eq!(answer.status, 400);
    let errors = answer.json["errors"].as_array().unwrap().iter();
    let fields: Vec<_> = errors.map(|error| &error["field"]).collect();
    assert_eq!(fields, ["mode", "customerEmail"]);
    assert!(
        shop.app()
            .store
            .list_open_privacy_jobs()
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn only_a_key_with_the_scope_and_the_store_may_erase() {
    let shop = shop().await;
    let key = shop.create_key(&[Scope::Erase], &[STORE]).await;
    let body = json!({ "storeName": STORE, "customerEmail": EMAIL });
    let receipt = erase(&shop, &key, &body).await.json["data"]["receiptId"].clone();
    let receipt = format!("/api/privacy/customers/{}", receipt.as_str().unwrap());

    let reader = shop.create_key(&[Scope::Read, Scope::Write], &["*"]).await;
    let other = shop.create_key(&Scope::ALL, &["other-store"]).await;
    for key in [&reader, &other] {
        assert_eq!(erase(&shop, key, &body).await.status, 403);
        assert_eq!(get(&shop, &receipt, key).await.status, 403);
    }
    let nobody = shop
        .send(Request::delete("/api/privacy/customers"), &body)
        .await;
    assert_eq!(nobody.status, 401);
    assert_eq!(
        shop.send(Request::get(&receipt), &Value::Null).await.status,
        401
    );
}

#[tokio::test]
async fn what_is_no_receipt_is_not_found() {
    let shop = shop().await;
    let key = shop.create_key(&[Scope::Erase], &["*"]).await;
    let request = webhook(
        &shop,
        "customers/data_request",
        "event-1",
        &support::about_customer(),
    )
    .await;
    let request = request.json["data"]["jobId"].as_str().unwrap().to_owned();
    for id in [
        request.as_str(),
        &request.to_uppercase(),
        &request.replace('-', ""),
        "00000000-0000-4000-8000-000000000000",
        "receipt",
        "%ff",
        "..",
    ] {
        let answer = get(&shop, &format!("/api/privacy/customers/{id}"), &key).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (404, &"NOT_FOUND".into()),
            "{id}"
        );
    }
}

#[tokio::test]
async fn an_erasure_that_lost_its_database_is_answered_with_its_receipt_and_ends_later() {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let shop = TestShop::start_at(db, proxy.endpoint_url(), Deployment::Local, &[]);
    let key = shop.create_key(&[Scope::Erase], &["*"]).await;
    visit(&shop).await;
    let body = json!({ "storeName": STORE, "customerEmail": EMAIL });
    let away = async {
        // The erasure waits for the indexes by now.
        tokio::time::sleep(std::time::Duration::from_millis(1_000)).await;
        proxy.set(Fault::Refuse).await;
    };
    let (answer, ()) = tokio::join!(erase(&shop, &key, &body), away);
    assert_eq!(
        (answer.status, &answer.json["message"]),
        (200, &"Erasure is under way".into()),
        "{answer:?}"
    );
    assert_eq!(answer.json["data"]["status"], "running");
    let path = format!(
        "/api/privacy/customers/{}",
        answer.json["data"]["receiptId"].as_str().unwrap()
    );

    let unavailable = erase(&shop, &key, &body).await;
    assert_eq!(unavailable.status, 503);
    proxy.set(Fault::Pass).await;
    assert_eq!(
        get(&shop, &path, &key).await.json["data"]["status"],
        "running"
    );
    // Its worker could not say that it leaves it.
    shop.pass_seconds(60);
    work_off(&shop).await;
    let receipt = get(&shop, &path, &key).await;
    assert_eq!(receipt.json["data"]["status"], "done");
    assert_eq!(receipt.json["data"]["erased"]["cartEvents"], 2);
    assert!(traces(shop.db(), EMAIL).await.is_empty());
}

#[tokio::test]
async fn a_key_may_be_a_bearer_token_and_the_path_may_lack_api() {
    let shop = shop().await;
    let key = shop.create_key(&[Scope::Erase], &[STORE]).await;
    let request = Request::delete("/privacy/customers")
        .header("authorization", format!("Bearer {}", key.expose()));
    let body = json!({ "storeName": STORE, "sessionId": SESSION });
    assert_eq!(shop.send(request, &body).await.status, 200);
    let both = with_key(Request::delete("/privacy/customers?signature=00"), &key);
    assert_eq!(shop.send(both, &body).await.status, 401);
}
