//! How often who may call, what is switched off, what is not stored and where that is seen.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::net::IpAddr;

use axum::http::Request;
use axum::http::request::Builder;
use serde_json::{Value, json};
use shoptrail_domain::access::{ApiKey, Scope};
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::{Fault, FaultProxy, TestDb, TestShop};

const STORE: &str = "my-store.myshopify.com";

fn track() -> Builder {
    Request::post("/api/cart-tracking/track")
}

fn event() -> Value {
    json!({ "storeName": STORE })
}

fn peer(address: &str) -> IpAddr {
    address.parse().unwrap()
}

fn with_key(request: Builder, key: &ApiKey) -> Builder {
    request.header("x-api-key", key.expose())
}

#[tokio::test]
async fn of_200_parallel_requests_of_one_client_100_pass() {
    let shop = std::sync::Arc::new(TestShop::start(Deployment::Local, &[]).await);
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let shop = std::sync::Arc::clone(&shop);
        requests.spawn(async move { shop.send(track(), &event()).await });
    }
    let answers = requests.join_all().await;
    let (passed, denied): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((passed.len(), denied.len()), (100, 100));
    for answer in denied {
        assert_eq!(answer.status, 429);
        assert_eq!(answer.json["code"], "RATE_LIMITED");
        // The clock stands at 20.5 s past the minute.
        assert_eq!(answer.retry_after(), 40);
    }
    let stored = shop.db().items("cart_tracking_events").await;
    assert_eq!(stored.len(), 100);
    // Another client is not concerned, and this one may come back when it was told to.
    assert_eq!(
        shop.send_from(peer("192.0.2.2"), track(), &event())
            .await
            .status,
        200
    );
    shop.pass_seconds(39);
    assert_eq!(shop.send(track(), &event()).await.status, 429);
    shop.pass_seconds(1);
    assert_eq!(shop.send(track(), &event()).await.status, 200);
}

#[tokio::test]
async fn the_hours_limit_ends_with_the_hour() {
    let settings = [("RATE_LIMIT_PER_MINUTE", "0"), ("RATE_LIMIT_PER_HOUR", "3")];
    let shop = TestShop::start(Deployment::Local, &settings).await;
    for _ in 0..3 {
        assert_eq!(shop.send(track(), &event()).await.status, 200);
    }
    let denied = shop.send(track(), &event()).await;
    // The clock stands at 30:20.5 past the hour.
    assert_eq!((denied.status, denied.retry_after()), (429, 29 * 60 + 40));
    shop.pass_seconds(29 * 60 + 40);
    assert_eq!(shop.send(track(), &event()).await.status, 200);
}

#[tokio::test]
async fn what_a_client_writes_does_not_widen_its_limit() {
    let shop = TestShop::start(Deployment::Local, &[("RATE_LIMIT_PER_MINUTE", "5")]).await;
    let mut passed = 0;
    for number in 0..40 {
        let address = format!("203.0.113.{number}");
        let request = match number % 8 {
            0 => track().header("x-forwarded-for", &address),
            1 => track().header("x-real-ip", &address),
            2 => track().header("forwarded", format!("for={address}")),
            3 => track().header("x-forwarded-for", format!("{address}, 192.0.2.1")),
            4 => track()
                .header("x-forwarded-for", &address)
                .header("x-forwarded-for", "192.0.2.1"),
            5 => track().header("x-forwarded-for", format!("{address},,\u{e4},192.0.2.1")),
            6 => track().header("user-agent", format!("canary/{number}")),
            _ => track()
                .header("cf-connecting-ip", &address)
                .header("true-client-ip", &address),
        };
        passed += usize::from(shop.send(request, &event()).await.status == 200);
    }
    assert_eq!(passed, 5);
}

#[tokio::test]
async fn an_ipv6_subscriber_is_one_client() {
    let shop = TestShop::start(Deployment::Local, &[("RATE_LIMIT_PER_MINUTE", "2")]).await;
    let status = async |address: &str| {
        shop.send_from(peer(address), track(), &event())
            .await
            .status
    };
    assert_eq!(status("2001:db8:1:2::1").await, 200);
    assert_eq!(status("2001:db8:1:2:ffff::1").await, 200);
    assert_eq!(status("2001:db8:1:2:3:4:5:6").await, 429);
    assert_eq!(status("2001:db8:1:3::1").await, 200);
    assert_eq!(status("::ffff:192.0.2.7").await, 200);
    assert_eq!(status("192.0.2.7").await, 200);
    assert_eq!(status("::ffff:192.0.2.7").await, 429);
}

#[tokio::test]
async fn through_the_app_proxy_shoppers_are_counted_and_not_shopify() {
    let shop = TestShop::start(Deployment::Lambda, &[("RATE_LIMIT_PER_MINUTE", "2")]).await;
    let query = shop.signed_query(STORE, &[]);
    let status = async |forwarded: &str| {
        let request = Request::post(format!("/cart-tracking/track?{query}"))
            .header("x-forwarded-for", forwarded);
        shop.send(request, &event()).await.status
    };
    // What the shopper writes stands further left.
    assert_eq!(status("203.0.113.1").await, 200);
    assert_eq!(status("198.51.100.1, 203.0.113.1").await, 200);
    assert_eq!(status("198.51.100.2, 203.0.113.1").await, 429);
    assert_eq!(status("203.0.113.2").await, 200);
}

#[tokio::test]
async fn a_key_has_a_limit_of_its_own_and_the_development_key_none() {
    let dev_key = "canary-development-key";
    let settings = [
        ("RATE_LIMIT_PER_MINUTE", "1"),
        ("KEY_RATE_LIMIT_PER_MINUTE", "3"),
        ("DEV_API_KEY", dev_key),
    ];
    let shop = TestShop::start(Deployment::Local, &settings).await;
    let key = shop.create_key(&[Scope::Write], &[STORE]).await;
    for expected in [200, 200, 200, 429] {
        assert_eq!(
            shop.send(with_key(track(), &key), &event()).await.status,
            expected
        );
    }
    for _ in 0..10 {
        let request = track().header("x-api-key", dev_key);
        assert_eq!(shop.send(request, &event()).await.status, 200);
    }
    assert_eq!(shop.send(track(), &event()).await.status, 200);
}

#[tokio::test]
async fn a_stores_ceiling_holds_for_all_its_clients_together() {
    let settings = [("STORE_RATE_LIMIT_PER_MINUTE", "5")];
    let shop = TestShop::start(Deployment::Local, &settings).await;
    let mut passed = 0;
    for number in 0..20 {
        let client = peer(&format!("192.0.2.{number}"));
        passed += usize::from(shop.send_from(client, track(), &event()).await.status == 200);
    }
    assert_eq!(passed, 5);
    let other = json!({ "storeName": "other-store" });
    assert_eq!(shop.send(track(), &other).await.status, 200);
}

#[tokio::test]
async fn refused_requests_are_judged_before_they_are_counted() {
    let shop = TestShop::start(Deployment::Local, &[("RATE_LIMIT_PER_MINUTE", "1")]).await;
    for _ in 0..5 {
        assert_eq!(shop.send(track(), &json!({})).await.status, 400);
        assert_eq!(
            shop.send(track().header("x-api-key", "canary"), &event())
                .await
                .status,
            401
        );
    }
    assert_eq!(shop.send(track(), &event()).await.status, 200);
    assert_eq!(shop.send(track(), &json!({})).await.status, 400);
    assert_eq!(shop.send(track(), &event()).await.status, 429);
}

#[tokio::test]
async fn without_the_database_everything_says_so_in_time() {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let endpoint = proxy.endpoint_url().to_owned();
    let shop = TestShop::start_at(db, &endpoint, Deployment::Local, &[]);
    let key = shop.create_key(&Scope::ALL, &["*"]).await;
    for fault in [Fault::Hang, Fault::Refuse, Fault::Throttle] {
        // The second of them waits to be counted, and the next request tries to.
        for _ in 0..2 {
            assert_eq!(shop.send(track(), &json!({})).await.status, 400);
        }
        proxy.set(fault).await;
        shop.pass_seconds(60);
        for request in [
            track(),
            Request::post("/ingest"),
            Request::post("/askai"),
            with_key(Request::get("/api/cart-tracking/refusals"), &key),
        ] {
            let started = std::time::Instant::now();
            let body = json!({ "storeName": STORE, "session": "s-1" });
            let body = if request.method_ref().unwrap() == "GET" {
                Value::Null
            } else {
                body
            };
            let answer = shop.send(request, &body).await;
            assert_eq!(answer.status, 503, "{fault:?} {answer:?}");
            assert_eq!(answer.json["code"], "DATABASE_UNAVAILABLE");
            assert!(answer.retry_after() > 0);
            assert!(
                started.elapsed().as_secs() < 3,
                "{fault:?} {:?}",
                started.elapsed()
            );
        }
    }
    proxy.set(Fault::Pass).await;
    shop.pass_seconds(60);
    assert_eq!(shop.send(track(), &event()).await.status, 200);
}

#[tokio::test]
async fn without_the_table_of_limits_shoppers_are_recorded_and_others_wait() {
    let settings = [("RATE_LIMIT_PER_MINUTE", "2")];
    let shop = TestShop::start(Deployment::Local, &settings).await;
    let key = shop.create_key(&Scope::ALL, &["*"]).await;
    let message = json!({ "session": "s-1", "itemsInCart": 1 });
    assert_eq!(shop.post("/ingest", &message).await.status, 200);
    shop.db()
        .client()
        .delete_table()
        .table_name("rate_limits")
        .send()
        .await
        .unwrap();
    shop.pass_seconds(60);
    // This process counts on, with the same limits.
    for expected in [200, 200, 429] {
        assert_eq!(shop.send(track(), &event()).await.status, expected);
    }
    let other = peer("192.0.2.9");
    assert_eq!(
        shop.send_from(other, Request::post("/ingest"), &message)
            .await
            .status,
        200
    );
    let asked = shop
        .send_from(other, Request::post("/askai"), &json!({ "session": "s-1" }))
        .await;
    assert_eq!(asked.status, 503, "{asked:?}");
    let read = with_key(Request::get("/api/cart-tracking/refusals"), &key);
    assert_eq!(shop.send(read, &Value::Null).await.status, 503);
}

#[tokio::test]
async fn a_route_group_is_switched_off_and_on_while_it_runs() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let message = json!({ "session": "s-1", "itemsInCart": 1 });
    assert_eq!(shop.post("/ingest", &message).await.status, 200);
    shop.app()
        .store
        .put_switch("session-ingest", false)
        .await
        .unwrap();
    shop.pass_seconds(5);
    for path in ["/ingest", "/events"] {
        let answer = shop.post(path, &message).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.json["code"], "DISABLED");
        assert_eq!(answer.json["ok"], false);
        assert!(answer.retry_after() > 0);
    }
    assert_eq!(
        shop.post("/askai", &json!({ "session": "s-1" }))
            .await
            .status,
        200
    );
    assert_eq!(shop.send(track(), &event()).await.status, 200);
    assert_eq!(
        shop.send(Request::get("/healthz"), &Value::Null)
            .await
            .status,
        200
    );
    shop.app()
        .store
        .put_switch("session-ingest", true)
        .await
        .unwrap();
    shop.pass_seconds(5);
    assert_eq!(shop.post("/ingest", &message).await.status, 200);
}

#[tokio::test]
async fn every_group_of_routes_can_be_switched_off() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    for group in shoptrail_edge::routes::Group::ALL {
        shop.app()
            .store
            .put_switch(group.as_str(), false)
            .await
            .unwrap();
    }
    for route in shoptrail_edge::routes::ROUTES {
        let path = route.path.replace(['{', '}'], "");
        let request = Request::builder().method(route.method).uri(path);
        let answer = shop.send(request, &Value::Null).await;
        let is_service = route.group == shoptrail_edge::routes::Group::Service;
        assert_eq!(
            answer.json["code"] == "DISABLED",
            !is_service,
            "{}",
            route.path
        );
    }
}

#[tokio::test]
async fn without_consent_nothing_is_stored() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let message = |extra: Value| {
        let mut message = json!({ "session": "s-1", "itemsInCart": 1, "storeName": STORE });
        message
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        message
    };
    let envelope = json!({ "session": "s-1", "reason": "hide", "ts": 1, "state": { "consent": false, "itemsInCart": 1 } });
    for (request, body) in [
        (
            Request::post("/ingest").header("sec-gpc", "1"),
            message(json!({})),
        ),
        (
            Request::post("/events").header("sec-gpc", "1"),
            message(json!({})),
        ),
        (
            Request::post("/ingest"),
            message(json!({ "consent": false })),
        ),
        (
            Request::post("/ingest"),
            message(json!({ "consent": { "analytics": false } })),
        ),
        (Request::post("/ingest"), envelope),
    ] {
        let answer = shop.send(request, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json["saved"], false);
        assert_eq!(answer.json["data"], json!({ "refused": "no_consent" }));
    }
    for (request, body) in [
        (track().header("sec-gpc", "1"), event()),
        (track(), json!({ "storeName": STORE, "consent": false })),
    ] {
        let answer = shop.send(request, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json["data"], json!({ "refused": "no_consent" }));
    }
    for table in ["tracker_sessions", "cart_tracking_events", "rate_limits"] {
        let items = shop.db().items(table).await;
        assert_eq!(items.len(), 0, "{table}");
    }
    let unclear = shop
        .post("/ingest", &message(json!({ "consent": "perhaps" })))
        .await;
    assert_eq!(
        (unclear.status, &unclear.json["details"]["field"]),
        (400, &json!("consent"))
    );
    let given = message(json!({ "consent": true }));
    let given = shop
        .send(Request::post("/ingest").header("sec-gpc", "0"), &given)
        .await;
    assert_eq!(given.json["saved"], true);
}

#[tokio::test]
async fn what_was_not_stored_is_told_by_day_and_reason() {
    let settings = [("RATE_LIMIT_PER_MINUTE", "4")];
    let shop = TestShop::start(Deployment::Local, &settings).await;
    let key = shop.create_key(&[Scope::Read], &["*"]).await;
    let list = async |query: &str| {
        let request = Request::get(format!("/api/cart-tracking/refusals{query}"));
        shop.send(with_key(request, &key), &Value::Null).await.json["data"].clone()
    };
    assert_eq!(list("").await, json!({ "days": [] }));

    let repeated = json!({ "storeName": STORE, "eventId": "event-0001" });
    for _ in 0..3 {
        assert_eq!(shop.send(track(), &repeated).await.status, 200);
    }
    let invalid = json!({ "storeName": STORE, "productUrl": "nowhere" });
    assert_eq!(shop.send(track(), &invalid).await.status, 400);
    assert_eq!(
        shop.post("/ingest", &json!({ "storeName": STORE }))
            .await
            .status,
        400
    );
    let refused = json!({ "storeName": STORE, "consent": false });
    assert_eq!(shop.send(track(), &refused).await.status, 200);
    assert_eq!(shop.send(track(), &event()).await.status, 200);
    assert_eq!(shop.send(track(), &event()).await.status, 429);
    shop.app().flush_refusals().await;
    let expected = json!({ "day": "2026-11-21", "reasons": { "invalid": 1, "rate_limited": 1, "no_consent": 1, "duplicate": 2 } });
    assert_eq!(
        list("?storeName=my-store").await,
        json!({ "days": [expected] })
    );
    // The body without a session has no store that could be read of it.
    assert_eq!(list("").await["days"][0]["reasons"]["invalid"], 2);
    assert_eq!(list("?startDate=2026-11-22").await.get("days"), None);
    assert_eq!(list("?endDate=2026-11-20").await, json!({ "days": [] }));
}

#[tokio::test]
async fn a_refusal_through_the_app_proxy_is_told_to_the_store_that_signed() {
    let shop = TestShop::start(Deployment::Lambda, &[]).await;
    let query = shop.signed_query(STORE, &[]);
    let invalid = json!({ "productUrl": "nowhere" });
    let refused = shop
        .post(&format!("/cart-tracking/track?{query}"), &invalid)
        .await;
    assert_eq!(refused.status, 400);
    let day = shop
        .app()
        .store
        .list_refusals(STORE, "2026-11-21", "2026-11-21", shop.now());
    assert_eq!(day.await.unwrap().len(), 1);
}

#[tokio::test]
async fn refusals_are_written_at_most_every_few_seconds() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let stores = async || {
        let items = shop.db().items("refusals").await;
        let number = |item: &std::collections::HashMap<String, _>| -> u64 {
            let value: &aws_sdk_dynamodb::types::AttributeValue = &item["invalid"];
            value.as_n().unwrap().parse().unwrap()
        };
        let sum = items
            .iter()
            .find(|item| item["store_name"].as_s().unwrap() == "*");
        (items.len(), sum.map_or(0, number))
    };
    for number in 0..60 {
        let body = json!({ "storeName": format!("store-{number}"), "productUrl": "nowhere" });
        assert_eq!(shop.send(track(), &body).await.status, 400);
    }
    // The first one at once, and the others when some seconds have passed.
    assert_eq!(stores().await, (2, 1));
    shop.pass_seconds(5);
    assert_eq!(shop.send(track(), &json!({})).await.status, 400);
    let (items, sum) = stores().await;
    assert_eq!(sum, 61);
    assert!(
        items <= 21,
        "names that somebody makes up are not all written: {items}"
    );
}

#[tokio::test]
async fn past_its_budget_no_model_is_asked() {
    use wiremock::matchers::method;
    let model = wiremock::MockServer::start().await;
    let advice = json!({ "show_popup": false, "message": "", "reason": "r", "category": "none", "trigger": "t", "confidence": 0.5, "delay_ms": 0 });
    let answer = json!({ "choices": [{ "message": { "content": advice.to_string() }, "finish_reason": "stop" }] });
    wiremock::Mock::given(method("POST"))
        .respond_with(wiremock::ResponseTemplate::new(200).set_body_json(answer))
        .mount(&model)
        .await;
    let settings = [
        ("GROQ_API_KEY", "canary-model-key"),
        ("GROQ_BASE_URL", &model.uri()),
        ("ASK_AI_DAILY_CALLS", "3"),
        ("ASK_AI_DAILY_CALLS_PER_STORE", "2"),
    ];
    let shop = TestShop::start(Deployment::Local, &settings).await;
    let ask = async |session: &str, store: &str| {
        let message = json!({ "session": session, "storeName": store, "itemsInCart": 1 });
        assert_eq!(shop.post("/ingest", &message).await.status, 200);
        let answer = shop.post("/askai", &json!({ "session": session })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["source"].as_str().unwrap().to_owned()
    };
    let mut sources = Vec::new();
    for (session, store) in [
        ("a-1", "a"),
        ("a-2", "a"),
        ("a-3", "a"),
        ("b-1", "b"),
        ("b-2", "b"),
    ] {
        sources.push(ask(session, store).await);
    }
    assert_eq!(sources, ["model", "model", "rules", "model", "rules"]);
    assert_eq!(model.received_requests().await.unwrap().len(), 3);
    shop.pass_seconds(24 * 3600);
    assert_eq!(ask("a-4", "a").await, "model");
}
