//! Shopify's compliance webhooks, from the delivery to what they bring about.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

mod support;

use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::{Value, json};
use shoptrail_domain::access::Scope;
use shoptrail_edge::App;
use shoptrail_edge::config::{Config, Deployment};
use shoptrail_local::testing::{HASH_PEPPER, TestShop};
use shoptrail_local::worker::Worker;
use shoptrail_storage::Store;
use tower::ServiceExt as _;

use support::{
    CUSTOMER, EMAIL, OTHER_EMAIL, SESSION, STORE, about_customer, get, shop, signature, traces,
    visit, webhook, work_off,
};

/// Sends these bytes to the function itself.
async fn deliver(shop: &TestShop, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let mut request = Request::post("/webhooks/shopify").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let answer = privacy::router(shop.app().clone())
        .oneshot(request)
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn the_published_webhook_is_accepted_and_a_forged_one_is_not() {
    const BODY: &str = r#"{"shop_id":954889,"shop_domain":"jsmith.myshopify.com"}"#;
    const SIGNATURE: (&str, &str) = (
        "x-shopify-hmac-sha256",
        "mf8rm2AdCdmT3NVOPEjMGgIfqm73lt7p7FqqDDvPDQk=",
    );
    const TOPIC: (&str, &str) = ("x-shopify-topic", "shop/redact");
    let shop = shop().await;
    let open = async || {
        shop.app()
            .store
            .list_open_privacy_jobs()
            .await
            .unwrap()
            .len()
    };
    for (headers, body) in [
        (vec![TOPIC], BODY),
        (vec![TOPIC, SIGNATURE], &BODY[1..]),
        (vec![TOPIC, SIGNATURE, SIGNATURE], BODY),
        (vec![TOPIC, ("x-shopify-hmac-sha256", "")], BODY),
        (
            vec![TOPIC, SIGNATURE],
            r#"{"shop_id":1,"shop_domain":"jsmith.myshopify.com"}"#,
        ),
    ] {
        assert_eq!(
            deliver(&shop, &headers, body).await.0,
            401,
            "{headers:?} {body}"
        );
    }
    assert_eq!(open().await, 0);

    let started = Instant::now();
    let (status, body) = deliver(&shop, &[TOPIC, SIGNATURE], BODY).await;
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "nobody waits for the work"
    );
    assert_eq!(
        (status, &body["message"]),
        (200, &"Webhook accepted".into())
    );
    // Without an id of the event, the same body is the same event.
    let (status, again) = deliver(&shop, &[TOPIC, SIGNATURE], BODY).await;
    assert_eq!(
        (status, &again["data"]),
        (
            200,
            &json!({ "jobId": body["data"]["jobId"], "duplicate": true })
        )
    );
    assert_eq!(open().await, 1);
}

#[tokio::test]
async fn another_topic_is_told_by_its_header() {
    let shop = shop().await;
    for topic in ["", "customers/update", "SHOP/REDACT"] {
        let answer = webhook(&shop, topic, "event-1", &about_customer()).await;
        let field = &answer.json["details"]["field"];
        assert_eq!(
            (answer.status, field),
            (400, &"X-Shopify-Topic".into()),
            "{topic}"
        );
    }
    let answer = webhook(
        &shop,
        "shop/redact",
        "event-1",
        &json!({ "shop_domain": "a shop" }),
    )
    .await;
    let field = &answer.json["details"]["field"];
    assert_eq!((answer.status, field), (400, &"shop_domain".into()));
}

#[tokio::test]
async fn a_redelivery_makes_nothing_new() {
    let shop = shop().await;
    let send = async |topic, event| webhook(&shop, topic, event, &about_customer()).await;
    let first = send("customers/redact", "event-1").await;
    assert_eq!(
        (first.status, &first.json["data"]["duplicate"]),
        (200, &Value::Null)
    );
    let again = send("customers/redact", "event-1").await;
    assert_eq!(
        (again.status, &again.json["data"]),
        (
            200,
            &json!({ "jobId": first.json["data"]["jobId"], "duplicate": true })
        )
    );
    work_off(&shop).await;
    let late = send("customers/redact", "event-1").await;
    assert_eq!(
        late.json["data"]["duplicate"], true,
        "also when the job is done"
    );
    let other = send("customers/redact", "event-2").await;
    assert_ne!(other.json["data"]["jobId"], first.json["data"]["jobId"]);
    let other = send("customers/data_request", "event-1").await;
    assert_eq!(other.json["data"]["duplicate"], Value::Null);
}

#[tokio::test]
async fn parallel_deliveries_make_one_job() {
    let shop = shop().await;
    let body = about_customer();
    let send = || webhook(&shop, "customers/redact", "event-1", &body);
    let (a, b, c, d) = tokio::join!(send(), send(), send(), send());
    let answers = [a, b, c, d];
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{answers:?}"
    );
    let is_new = |answer: &&shoptrail_local::testing::TestAnswer| {
        answer.json["data"]["duplicate"] == Value::Null
    };
    assert_eq!(answers.iter().filter(is_new).count(), 1, "{answers:?}");
    assert_eq!(
        shop.app()
            .store
            .list_open_privacy_jobs()
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_customer_is_erased_after_the_answer() {
    let shop = shop().await;
    visit(&shop).await;
    let answer = webhook(&shop, "customers/redact", "event-1", &about_customer()).await;
    let id = answer.json["data"]["jobId"].as_str().unwrap();
    let key = shop.create_key(&[Scope::Erase], &[STORE]).await;
    let path = format!("/api/privacy/customers/{id}");
    assert_eq!(
        get(&shop, &path, &key).await.json["data"]["status"],
        "running"
    );
    work_off(&shop).await;
    let receipt = get(&shop, &path, &key).await;
    assert_eq!(receipt.json["data"]["status"], "done");
    assert_eq!(receipt.json["data"]["erased"]["cartEvents"], 2);
    for trace in [EMAIL, CUSTOMER, SESSION] {
        assert!(traces(shop.db(), trace).await.is_empty(), "{trace}");
    }
    assert!(!traces(shop.db(), OTHER_EMAIL).await.is_empty());
}

#[tokio::test]
async fn a_customer_without_id_and_address_is_nobody() {
    let shop = shop().await;
    let body = json!({ "shop_domain": STORE, "customer": { "id": null, "phone": "555-625-1199" } });
    for topic in ["customers/redact", "customers/data_request"] {
        let answer = webhook(&shop, topic, "event-1", &body).await;
        assert_eq!((answer.status, &answer.json["data"]), (200, &json!({})));
    }
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
async fn a_data_request_is_fetched_with_a_key_that_reads() {
    let shop = shop().await;
    visit(&shop).await;
    let answer = webhook(
        &shop,
        "customers/data_request",
        "event-1",
        &about_customer(),
    )
    .await;
    let id = answer.json["data"]["jobId"].as_str().unwrap().to_owned();
    let path = format!("/api/privacy/requests/{id}");
    let key = shop.create_key(&[Scope::Read], &[STORE]).await;
    let running = get(&shop, &path, &key).await;
    let now = shop.now().to_iso();
    let request = json!({ "requestId": id, "storeName": STORE, "createdAt": now, "status": "running", "doneAt": null });
    let mut expected = request.clone();
    expected["records"] = json!([]);
    expected["nextCursor"] = Value::Null;
    assert_eq!((running.status, &running.json["data"]), (200, &expected));
    let list = get(&shop, "/api/privacy/requests?storeName=my-store", &key).await;
    assert_eq!(
        (list.status, &list.json["data"]),
        (200, &json!({ "requests": [request] }))
    );

    work_off(&shop).await;
    let done = get(&shop, &path, &key).await;
    assert_eq!(done.json["data"]["status"], "done");
    assert_eq!(done.json["data"]["doneAt"], now);
    let records = done.json["data"]["records"].as_array().unwrap();
    let count = |kind: &str| {
        records
            .iter()
            .filter(|record| record["kind"] == kind)
            .count()
    };
    let kinds = ["cart_event", "session", "session_event", "decision"].map(count);
    assert_eq!(kinds, [2, 1, 1, 1], "{records:?}");
    let events = records
        .iter()
        .filter(|record| record["kind"] == "cart_event");
    for event in events {
        assert_eq!(
            (&event["customerEmail"], &event["storeName"]),
            (&EMAIL.into(), &STORE.into())
        );
    }
    assert!(!done.json.to_string().contains(OTHER_EMAIL));
    // A data request erases nothing.
    assert!(!traces(shop.db(), EMAIL).await.is_empty());

    for (query, field) in [("cursor=job", "cursor"), ("cursor=0.1&cursor=0.2", "query")] {
        let wrong = get(&shop, &format!("{path}?{query}"), &key).await;
        assert_eq!(
            (wrong.status, &wrong.json["details"]["field"]),
            (400, &field.into())
        );
    }
    for query in [
        "",
        "?storeName=",
        "?storeName=my-store&limit=x",
        "?storeName=a&storeName=b",
    ] {
        let wrong = get(&shop, &format!("/api/privacy/requests{query}"), &key).await;
        assert_eq!(
            (wrong.status, &wrong.json["code"]),
            (400, &"VALIDATION_ERROR".into()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_data_request_is_for_its_stores_keys_that_read() {
    let shop = shop().await;
    let answer = webhook(
        &shop,
        "customers/data_request",
        "event-1",
        &about_customer(),
    )
    .await;
    let id = answer.json["data"]["jobId"].as_str().unwrap();
    let paths = [
        format!("/api/privacy/requests/{id}"),
        format!("/privacy/requests/{id}"),
        "/api/privacy/requests?storeName=my-store".to_owned(),
        "/privacy/requests?storeName=my-store".to_owned(),
    ];
    let reader = shop.create_key(&[Scope::Read], &["*"]).await;
    let other_store = shop.create_key(&Scope::ALL, &["other-store"]).await;
    let other_scope = shop
        .create_key(&[Scope::Write, Scope::Erase], &[STORE])
        .await;
    for path in &paths {
        assert_eq!(get(&shop, path, &reader).await.status, 200, "{path}");
        assert_eq!(get(&shop, path, &other_store).await.status, 403, "{path}");
        assert_eq!(get(&shop, path, &other_scope).await.status, 403, "{path}");
        assert_eq!(
            shop.send(Request::get(path), &Value::Null).await.status,
            401,
            "{path}"
        );
    }
    let erasure = webhook(&shop, "customers/redact", "event-1", &about_customer()).await;
    let erasure = erasure.json["data"]["jobId"].as_str().unwrap();
    for id in [erasure, "00000000-0000-4000-8000-000000000000", "request"] {
        let answer = get(&shop, &format!("/api/privacy/requests/{id}"), &reader).await;
        assert_eq!(answer.status, 404, "{id}");
    }
}

#[tokio::test]
async fn a_large_data_request_is_read_page_by_page() {
    let shop = shop().await;
    // 300 events with some 16 KB of links each are 5 MB, more than one page holds.
    let link = |number: usize| format!("https://images.example.com/{number}/{}", "a".repeat(4_000));
    for number in 0..300 {
        let mut body =
            json!({ "storeName": STORE, "customerId": CUSTOMER, "productTitle": "t".repeat(500) });
        for field in [
            "productUrl",
            "generatedImageUrl",
            "personImageUrl",
            "clothingImageUrl",
        ] {
            body[field] = link(number).into();
        }
        assert_eq!(
            shop.post("/api/cart-tracking/track", &body).await.status,
            200
        );
    }
    let answer = webhook(
        &shop,
        "customers/data_request",
        "event-1",
        &about_customer(),
    )
    .await;
    let id = answer.json["data"]["jobId"].as_str().unwrap().to_owned();
    work_off(&shop).await;
    let key = shop.create_key(&[Scope::Read], &[STORE]).await;
    let (mut ids, mut pages) = (std::collections::BTreeSet::new(), 0);
    let mut path = format!("/api/privacy/requests/{id}");
    loop {
        let page = get(&shop, &path, &key).await;
        assert!(page.status == 200 && page.json.to_string().len() < 6_000_000);
        pages += 1;
        let records = page.json["data"]["records"].as_array().unwrap();
        ids.extend(records.iter().map(|record| record["id"].to_string()));
        let Some(cursor) = page.json["data"]["nextCursor"].as_str() else {
            break;
        };
        assert!(!records.is_empty());
        path = format!("/api/privacy/requests/{id}?cursor={cursor}");
    }
    assert_eq!((ids.len(), pages), (300, 2));
}

#[tokio::test]
async fn a_shop_is_erased_whole_and_alone() {
    let shop = shop().await;
    visit(&shop).await;
    for number in 0..300 {
        let body = json!({ "storeName": STORE, "customerId": number, "sessionId": format!("many-{}", number % 40) });
        assert_eq!(
            shop.post("/api/cart-tracking/track", &body).await.status,
            200
        );
    }
    let body = json!({ "storeName": "other-store", "customerEmail": EMAIL });
    assert_eq!(
        shop.post("/api/cart-tracking/track", &body).await.status,
        200
    );
    let body = json!({ "shop_id": 954_889, "shop_domain": STORE });
    let answer = webhook(&shop, "shop/redact", "event-1", &body).await;
    work_off(&shop).await;

    let key = shop.create_key(&[Scope::Erase], &[STORE]).await;
    let id = answer.json["data"]["jobId"].as_str().unwrap();
    let receipt = get(&shop, &format!("/api/privacy/customers/{id}"), &key).await;
    assert_eq!(
        (receipt.status, &receipt.json["message"]),
        (200, &"Store erased".into())
    );
    let data = &receipt.json["data"];
    assert_eq!(
        (&data["status"], &data["mode"]),
        (&"done".into(), &Value::Null)
    );
    assert_eq!(data["erased"]["cartEvents"], 304, "{data}");
    let traces = traces(shop.db(), STORE).await;
    // Whoever asks later is told what was done; tombstones keep late retries away.
    assert!(
        traces
            .keys()
            .all(|table| ["erasures", "privacy_jobs"].contains(table)),
        "{traces:?}"
    );
    assert_eq!(traces["privacy_jobs"], 1);
    let left = support::traces(shop.db(), "other-store").await;
    assert_eq!(left["cart_tracking_events"], 1);
}

#[tokio::test]
async fn what_a_dead_process_left_is_done_by_the_next_ones_worker() {
    let shop = shop().await;
    visit(&shop).await;
    let answer = webhook(&shop, "customers/redact", "event-1", &about_customer()).await;
    let id = answer.json["data"]["jobId"].as_str().unwrap();
    assert!(
        !traces(shop.db(), EMAIL).await.is_empty(),
        "nobody has worked on it yet"
    );

    // Another process on the same data, with a clock that goes.
    let pepper = |name: &str| (name == "HASH_PEPPER").then(|| HASH_PEPPER.to_owned());
    let config = Config::from_env(pepper, Deployment::Local).unwrap();
    let next = App::new(config, Store::connect(&shop.db().store_config()));
    let worker = Worker::start(next.clone());
    let started = Instant::now();
    while !next
        .store
        .list_open_privacy_jobs()
        .await
        .unwrap()
        .is_empty()
    {
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "the worker found the job"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    worker.stop().await;
    let key = shop.create_key(&[Scope::Erase], &[STORE]).await;
    let receipt = get(&shop, &format!("/api/privacy/customers/{id}"), &key).await;
    assert_eq!(receipt.json["data"]["erased"]["cartEvents"], 2);
    assert!(traces(shop.db(), EMAIL).await.is_empty());
}

#[tokio::test]
async fn what_a_process_died_of_in_the_middle_is_done_later() {
    let shop = shop().await;
    visit(&shop).await;
    let answer = webhook(&shop, "customers/redact", "event-1", &about_customer()).await;
    let id = answer.json["data"]["jobId"].as_str().unwrap();
    // The work is cut off while it waits for the indexes, which is as good as any place to die.
    let work = privacy::worker::work_off(shop.app());
    assert!(
        tokio::time::timeout(Duration::from_millis(500), work)
            .await
            .is_err()
    );
    let is_open = async || {
        !shop
            .app()
            .store
            .list_open_privacy_jobs()
            .await
            .unwrap()
            .is_empty()
    };
    privacy::worker::work_off(shop.app()).await.unwrap();
    assert!(is_open().await, "the dead one's lease holds");
    shop.pass_seconds(60);
    work_off(&shop).await;
    let key = shop.create_key(&[Scope::Erase], &[STORE]).await;
    let receipt = get(&shop, &format!("/api/privacy/customers/{id}"), &key).await;
    assert_eq!(receipt.json["data"]["status"], "done");
    assert!(traces(shop.db(), EMAIL).await.is_empty());
}

#[test]
fn the_tests_sign_as_shopify_does() {
    let body = r#"{"shop_id":954889,"shop_domain":"jsmith.myshopify.com"}"#;
    assert_eq!(
        signature(body),
        "mf8rm2AdCdmT3NVOPEjMGgIfqm73lt7p7FqqDDvPDQk="
    );
}
