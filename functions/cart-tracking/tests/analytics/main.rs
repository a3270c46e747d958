//! Analytics by HTTP: every figure against a naive recount of what was stored, and a shopper's way from the first look
//! to the checkout.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot ask or read an answer cannot go on"
)]

mod busy;
mod facts;
mod questions;
mod recount;

use axum::http::Request;
use serde_json::{Value, json};
use shoptrail_domain::access::{ApiKey, Scope};
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::{TestAnswer, TestShop};

use self::busy::Busy;
use self::questions::questions;
use self::recount::assert_is_recount;

const ANALYTICS: &str = "/api/cart-tracking/analytics";
const A: &str = "store-a.myshopify.com";
const B: &str = "store-b.myshopify.com";
/// When everything is asked.
const NOW: &str = "2026-04-07T12:00:00.500Z";
/// Some of which come more often than others; the last one sorts before the others.
const PRODUCTS: [&str; 7] = ["p1", "p1", "p1", "p2", "p2", "p3", "10"];
const STEPS: [&str; 4] = ["session", "try_on", "add_to_cart", "checkout"];

async fn get(shop: &TestShop, key: &ApiKey, path: &str, query: &[(&str, &str)]) -> TestAnswer {
    let mut query_string = url::form_urlencoded::Serializer::new(String::new());
    query_string.extend_pairs(query);
    let uri = format!("{path}?{}", query_string.finish());
    let request = Request::get(uri).header("x-api-key", key.expose());
    shop.send(request, &Value::Null).await
}

/// That the recount of a wide range has something of everything in it: a test of nothing would pass.
fn assert_has_something_of_everything(answer: &Value) {
    let steps = answer["funnel"]["steps"].as_array().unwrap();
    let visitors: Vec<_> = steps
        .iter()
        .map(|step| step["visitors"].as_u64().unwrap())
        .collect();
    assert!(
        visitors.is_sorted_by(|one, next| one > next),
        "{visitors:?}"
    );
    assert!(answer["askAi"]["lift"]["difference"].is_f64());
    assert!(answer["totals"]["events"].as_u64().unwrap() > 100);
    assert!(answer["customers"].as_array().unwrap().len() > 10);
    let ids = answer["customers"].as_array().unwrap().iter();
    let nameless = ids
        .filter(|customer| customer["customerId"].is_null())
        .count();
    assert!((1..24).contains(&nameless));
}

async fn every_figure_is_a_naive_recount(seed: u64) {
    let busy = Busy::start(seed).await;
    let mut wide = false;
    for question in questions() {
        for (top, asked) in [("3", 3), ("100", 100)] {
            let mut query = question.query.clone();
            query.extend([("storeName", "store-a"), ("top", top)]);
            let answer = busy.ask(&query).await;
            assert_is_recount(&answer, &busy.world, &question, asked);
            if question.query.is_empty() && asked == 100 {
                assert_has_something_of_everything(&answer);
                wide = true;
            }
        }
    }
    assert!(wide);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_is_a_naive_recount_of_what_was_stored() {
    every_figure_is_a_naive_recount(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_is_a_naive_recount_of_something_else() {
    every_figure_is_a_naive_recount(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_is_a_naive_recount_of_yet_something_else() {
    every_figure_is_a_naive_recount(20_260_407).await;
}

#[tokio::test]
async fn a_shoppers_way_is_counted_from_the_first_look_to_the_checkout() {
    let shop = TestShop::start(Deployment::Local, &[("HOLDOUT_PERCENT", "0")]).await;
    let key = shop.create_key(&[Scope::Read], &[A]).await;
    let picture = "https://img.example.com/1.png";
    let post = async |path: &str, body: Value| {
        let answer = shop.post(path, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        shop.pass_seconds(60);
        answer.json
    };
    let now = shop.now().as_millis();
    let looked = json!({
        "session": "s-1", "storeName": "store-a", "itemsInCart": 7, "events": { "/products/shirt": [
            { "type": "view", "ts": now }, { "type": "product_view", "ts": now, "productId": "7" },
        ] },
    });
    post("/ingest", looked.clone()).await;
    post("/ingest", looked).await;
    let advised = post("/askai", json!({ "session": "s-1" })).await;
    assert_eq!(advised["show_popup"], true, "{advised}");
    for outcome in ["shown", "clicked", "shown"] {
        let outcome = json!({
            "session": "s-1", "decisionId": advised["decisionId"], "outcome": outcome,
        });
        post("/askai/outcome", outcome).await;
    }
    let tried_on = json!({
        "storeName": "store-a", "sessionId": "s-1", "productId": "7", "generatedImageUrl": picture,
    });
    post("/api/image-generations/track", tried_on).await;
    // The widget knows the picture, and neither the session nor the customer.
    let added = json!({
        "storeName": "store-a", "productId": "7", "productTitle": "Linen shirt",
        "generatedImageUrl": picture, "eventId": "event-000000001",
    });
    post("/api/cart-tracking/track", added.clone()).await;
    post("/api/cart-tracking/track", added).await;
    let started = json!({
        "session": "s-1", "storeName": "store-a",
        "events": { "/checkout": [{ "type": "checkout_started", "ts": now + 300_000 }] },
    });
    post("/ingest", started).await;

    let query = [
        ("storeName", A),
        ("startDate", "2026-11-21"),
        ("endDate", "2026-11-21"),
    ];
    for path in [ANALYTICS, "/cart-tracking/analytics"] {
        let answer = get(&shop, &key, path, &query).await;
        assert_eq!(
            (answer.status, &answer.json["status"]),
            (200, &json!("success"))
        );
        assert_eq!(answer.json["message"], "Analytics computed");
        let steps = |visitors: [u64; 4]| -> Value {
            let steps = STEPS.iter().zip(visitors);
            steps
                .map(|(name, visitors)| json!({ "name": name, "visitors": visitors }))
                .collect()
        };
        let start = "2026-11-21T00:00:00.000Z";
        let group = |sessions, rate: Value| json!({ "sessions": sessions, "converted": 0, "conversionRate": rate });
        assert_eq!(
            answer.json["data"],
            json!({
                "range": {
                    "storeName": A, "start": start, "end": "2026-11-21T23:59:59.999Z", "interval": "day",
                    "timezone": "UTC",
                },
                "totals": { "events": 1, "byAction": { "add_to_cart": 1 }, "customers": 0, "sessions": 0, "products": 1 },
                "series": [{ "start": start, "events": 1, "byAction": { "add_to_cart": 1 } }],
                "products": [{ "productId": "7", "productTitle": "Linen shirt", "events": 1, "byAction": { "add_to_cart": 1 } }],
                "customers": [],
                "funnel": {
                    "steps": steps([1, 1, 1, 1]),
                    "series": [{ "start": start, "steps": steps([1, 1, 1, 1]) }],
                    "products": [{ "productId": "7", "productTitle": "Linen shirt", "steps": steps([1, 1, 1, 0]) }],
                },
                "askAi": {
                    "decisions": 1, "bySource": { "model": 0, "cache": 0, "rules": 1, "policy": 0 },
                    "shown": 1, "dismissed": 0, "clicked": 1, "converted": 0,
                    "treatment": group(1, json!(0.0)), "holdout": group(0, Value::Null), "lift": null,
                },
            })
        );
    }
}

#[tokio::test]
async fn a_session_that_is_held_out_is_what_popups_are_held_against() {
    let shop = TestShop::start(Deployment::Local, &[("HOLDOUT_PERCENT", "100")]).await;
    let key = shop.create_key(&[Scope::Read], &["*"]).await;
    let ts = shop.now().as_millis();
    for (session, items) in [("s-1", 7), ("s-2", 0)] {
        let body = json!({
            "session": session, "storeName": "store-a", "itemsInCart": items,
            "events": { "/": [{ "type": "view", "ts": ts }] },
        });
        assert_eq!(shop.post("/ingest", &body).await.status, 200);
        shop.pass_seconds(60);
        let advised = shop
            .post("/askai", &json!({ "session": session }))
            .await
            .json;
        assert_eq!(advised["trigger"], "holdout", "{advised}");
        let outcome = json!({
            "session": session, "decisionId": advised["decisionId"], "outcome": "converted",
        });
        assert_eq!(shop.post("/askai/outcome", &outcome).await.status, 200);
    }
    let answer = get(&shop, &key, ANALYTICS, &[("storeName", A)]).await;
    let ask_ai = &answer.json["data"]["askAi"];
    assert_eq!(ask_ai["bySource"]["policy"], 2);
    assert_eq!(ask_ai["converted"], 2);
    // Who would have been shown nothing is no one to compare with.
    let holdout = json!({ "sessions": 1, "converted": 1, "conversionRate": 1.0 });
    assert_eq!(ask_ai["holdout"], holdout, "{ask_ai}");
    assert_eq!(ask_ai["treatment"]["sessions"], 0);
}

#[tokio::test]
async fn a_key_sees_its_own_store_and_what_is_wrong_is_told() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let key = shop.create_key(&[Scope::Read], &[A]).await;
    let writing = shop.create_key(&[Scope::Write], &[A]).await;
    for (key, query, status) in [
        (&key, [("storeName", A)], 200),
        (&key, [("storeName", B)], 403),
        (&writing, [("storeName", A)], 403),
    ] {
        let answer = get(&shop, key, ANALYTICS, &query).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let without = shop.send(Request::get(ANALYTICS), &Value::Null).await;
    assert_eq!(without.status, 401);
    let fields = |answer: &TestAnswer| -> Vec<String> {
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (400, &json!("VALIDATION_ERROR"))
        );
        let errors = answer.json["errors"].as_array().unwrap().iter();
        errors
            .map(|error| error["field"].as_str().unwrap().to_owned())
            .collect()
    };
    let names = [
        "storeName",
        "startDate",
        "endDate",
        "timezone",
        "interval",
        "top",
    ];
    let mark = "Xq7'; DROP TABLE events; --\0";
    let wrong = names.map(|name| (name, mark));
    let answer = get(&shop, &key, ANALYTICS, &wrong).await;
    assert_eq!(fields(&answer), names);
    assert!(!answer.json.to_string().contains("Xq7"));
    let too_long = [
        ("storeName", A),
        ("startDate", "2024-01-01"),
        ("endDate", "2025-01-01"),
    ];
    assert_eq!(
        fields(&get(&shop, &key, ANALYTICS, &too_long).await),
        ["endDate"]
    );
    let twice = [("storeName", A), ("top", "1"), ("top", "2")];
    assert_eq!(
        fields(&get(&shop, &key, ANALYTICS, &twice).await),
        ["query"]
    );
    // A day that the zone left out: no intervals, and nothing in them.
    let skipped = [
        ("storeName", A),
        ("startDate", "2011-12-30"),
        ("endDate", "2011-12-30"),
        ("timezone", "Pacific/Apia"),
    ];
    let answer = get(&shop, &key, ANALYTICS, &skipped).await;
    assert_eq!(
        (answer.status, &answer.json["data"]["series"]),
        (200, &json!([])),
        "{answer:?}"
    );
}
