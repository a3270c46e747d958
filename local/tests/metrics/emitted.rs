//! What the handlers emit, and that all that is watched of it is among it.

use std::collections::BTreeMap;

use axum::http::Request;
use axum::http::request::Builder;
use serde_json::{Value, json};
use shoptrail_domain::access::{ApiKey, Scope};
use shoptrail_edge::config::Deployment;
use shoptrail_edge::metrics::{Invocation, NAMESPACE};
use shoptrail_local::testing::emf::{self, Metric};
use shoptrail_local::testing::{Fault, FaultProxy, TestDb, TestShop};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::STACK;
use crate::template::{Source, Watched};

const STORE: &str = "my-store.myshopify.com";
const TRACK: &str = "/api/cart-tracking/track";
const RECEIPT: &str = "/api/privacy/customers/00000000-0000-4000-8000-000000000007";

/// What every shop here has.
const SETTINGS: [(&str, &str); 5] = [
    ("STACK_NAME", STACK),
    ("METRIC_STORES", "my-store"),
    ("PUBLIC_INGEST", "all"),
    ("HOLDOUT_PERCENT", "0"),
    ("LOG_LEVEL", "info"),
];

fn settings<'a>(own: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    own.iter().copied().chain(SETTINGS).collect()
}

async fn shop(own: &[(&str, &str)]) -> TestShop {
    TestShop::start(Deployment::Lambda, &settings(own)).await
}

fn with_key(request: Builder, key: &ApiKey) -> Builder {
    request.header("x-api-key", key.expose())
}

fn message(session: &str, number: i64) -> Value {
    json!({
        "session": session, "storeName": STORE, "itemsInCart": 7,
        "events": { "/products/hat": [{ "type": "view", "ts": 1_712_345_678_901 + number }] },
    })
}

/// What the lines say, added up by identity.
fn summed(lines: &str) -> BTreeMap<Watched, f64> {
    let mut sums = BTreeMap::new();
    for metric in emf::metrics(lines) {
        let sum = metric.sum();
        *sums.entry(identity(metric)).or_default() += sum;
    }
    sums
}

fn identity(metric: Metric) -> Watched {
    Watched {
        namespace: metric.namespace,
        name: metric.name,
        dimensions: metric.dimensions,
    }
}

fn of(name: &str, dimensions: &[(&str, &str)]) -> Watched {
    let all = dimensions.iter().chain(&[("Stack", STACK)]);
    Watched {
        namespace: NAMESPACE.into(),
        name: name.into(),
        dimensions: all
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect(),
    }
}

/// A model that always has the same advice.
async fn model() -> MockServer {
    let model = MockServer::start().await;
    let advice = json!({
        "show_popup": true, "message": "Any questions?", "reason": "r", "category": "info", "trigger": "t",
        "confidence": 0.5, "delay_ms": 0,
    });
    let completion = json!({
        "choices": [{ "message": { "content": advice.to_string() }, "finish_reason": "stop" }],
    });
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(completion))
        .mount(&model)
        .await;
    model
}

async fn post(shop: &TestShop, path: &str, body: Value) -> Value {
    let answer = shop.post(path, &body).await;
    assert_eq!(answer.status, 200, "{path} {answer:?}");
    answer.json
}

/// A shop in which all goes well, and what is not stored is so for every reason.
async fn a_good_day() -> String {
    let model = model().await;
    let url = model.uri();
    let shop = shop(&[
        ("GROQ_API_KEY", "gsk_test"),
        ("GROQ_BASE_URL", &url),
        ("ASK_AI_DAILY_CALLS", "2"),
    ])
    .await;
    let key = shop.create_key(&Scope::ALL, &["*"]).await;
    for action in ["add_to_cart", "buy_now", "remove_from_cart", "tried_on"] {
        post(
            &shop,
            TRACK,
            json!({ "storeName": STORE, "actionType": action }),
        )
        .await;
    }
    post(
        &shop,
        "/api/image-generations/track",
        json!({ "storeName": STORE }),
    )
    .await;
    let erasure = json!({ "storeName": STORE, "customerEmail": "joe.erased@example.com" });
    let erase = with_key(Request::delete("/api/privacy/customers"), &key);
    assert_eq!(shop.send(erase, &erasure).await.status, 200);
    for event in [
        json!({ "storeName": STORE, "eventId": "key-0001" }),
        json!({ "storeName": STORE, "eventId": "key-0001" }),
        json!({ "storeName": STORE, "consent": false }),
        erasure,
    ] {
        post(&shop, TRACK, event).await;
    }
    assert_eq!(shop.post(TRACK, &json!({})).await.status, 400);

    let mut sources = Vec::new();
    for (session, number) in [("s-1", 0), ("s-1", 0), ("s-2", 1), ("s-3", 2)] {
        post(&shop, "/ingest", message(session, number)).await;
        shop.pass_seconds(1);
        let decided = post(&shop, "/askai", json!({ "session": session })).await;
        sources.push(decided["source"].as_str().unwrap().to_owned());
    }
    let checkout = json!({ "session": "s-4", "events": { "/checkout": [{ "type": "view", "ts": 1_712_345_678_901_u64 }] } });
    post(&shop, "/ingest", checkout).await;
    let decided = post(&shop, "/askai", json!({ "session": "s-4" })).await;
    sources.push(decided["source"].as_str().unwrap().to_owned());
    assert_eq!(sources, ["model", "cache", "model", "rules", "policy"]);
    shop.metric_lines()
}

/// A shop with limits of one request, and a second one.
async fn a_crowd() -> String {
    let limits = [
        ("RATE_LIMIT_PER_MINUTE", "1"),
        ("KEY_RATE_LIMIT_PER_MINUTE", "1"),
    ];
    let shop = shop(&limits).await;
    let key = shop.create_key(&Scope::ALL, &["*"]).await;
    post(&shop, TRACK, json!({ "storeName": STORE })).await;
    for (path, body) in [
        (TRACK, json!({ "storeName": STORE })),
        ("/ingest", message("s-1", 0)),
        ("/askai", json!({ "session": "s-1" })),
    ] {
        assert_eq!(shop.post(path, &body).await.status, 429, "{path}");
    }
    let mut answers = Vec::new();
    for _ in 0..2 {
        let request = with_key(Request::get(RECEIPT), &key);
        answers.push(shop.send(request, &Value::Null).await.status);
    }
    assert_eq!(answers, [404, 429]);
    shop.metric_lines()
}

/// A shop whose database fails, with the workers on it.
async fn a_bad_day() -> String {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let url = proxy.endpoint_url().to_owned();
    let shop = TestShop::start_at(db, &url, Deployment::Lambda, &settings(&[]));
    let key = shop.create_key(&Scope::ALL, &["*"]).await;
    proxy.set(Fault::Refuse).await;
    for (path, body) in [
        (TRACK, json!({ "storeName": STORE })),
        ("/ingest", message("s-1", 0)),
        ("/askai", json!({ "session": "s-1" })),
    ] {
        assert_eq!(shop.post(path, &body).await.status, 503, "{path}");
    }
    let request = with_key(Request::get(RECEIPT), &key);
    assert_eq!(shop.send(request, &Value::Null).await.status, 503);

    let app = shop.app();
    let invocation = |function| Invocation {
        function,
        request_id: "an-invocation",
        trace: None,
    };
    let schedule = serde_json::from_value(json!({})).unwrap();
    let work = privacy::worker::handle(app.clone(), schedule);
    let worked = invocation("privacy-worker").measure(app, work).await;
    assert!(worked.is_err());
    // What was refused before, it cannot count in the database either.
    app.refusals
        .note(None, shoptrail_domain::refusal::Refusal::Invalid, 1);
    let work = cart_tracking::writer::handle(
        app.clone(),
        cart_tracking::writer::QueueEvent::new(Vec::new()),
    );
    invocation("cart-writer").measure(app, work).await.unwrap();
    shop.metric_lines()
}

#[tokio::test]
async fn all_that_is_watched_of_ours_is_emitted() {
    let (good, crowd, bad) = tokio::join!(a_good_day(), a_crowd(), a_bad_day());
    let emitted = summed(&[good, crowd, bad].concat());
    let source = Source::read();
    let (shown, searched) = source.shown();
    let is_ours = |metric: &&Watched| metric.namespace == NAMESPACE;
    let alarms = source.alarms();
    let alarming = alarms.iter().flat_map(|alarm| alarm.metrics.values());
    let mut count = 0;
    for metric in alarming.filter(is_ours) {
        let sum = emitted.get(metric).copied();
        assert!(
            sum.is_some_and(|sum| sum > 0.0),
            "{metric:?}: {sum:?} of {emitted:#?}"
        );
        count += 1;
    }
    assert!(count > 15, "{count}");
    for metric in shown.iter().filter(is_ours) {
        assert!(emitted.contains_key(metric), "{metric:?} of {emitted:#?}");
    }
    for search in searched
        .iter()
        .filter(|search| search.namespace == NAMESPACE)
    {
        assert!(
            emitted.keys().any(|metric| search.finds(metric)),
            "{search:?}"
        );
    }
    // And nothing is written for nobody to look at.
    for metric in emitted.keys() {
        let is_shown = shown.contains(metric) || searched.iter().any(|search| search.finds(metric));
        assert!(is_shown, "{metric:?} is on the dashboard");
    }
}

#[tokio::test]
async fn what_happened_is_counted_once() {
    let emitted = summed(&a_good_day().await);
    let sum = |metric: &Watched| emitted.get(metric).copied().unwrap_or_default();
    let events = |action| of("CartEvents", &[("Store", STORE), ("Action", action)]);
    for (action, count) in [("add_to_cart", 2.0), ("buy_now", 1.0), ("other", 1.0)] {
        assert_eq!(sum(&events(action)), count, "{action}");
    }
    for (name, count) in [
        ("Sessions", 4.0),
        ("ImageGenerations", 1.0),
        ("ModelCalls", 2.0),
    ] {
        assert_eq!(sum(&of(name, &[])), count, "{name}");
    }
    for (source, count) in [
        ("model", 2.0),
        ("cache", 1.0),
        ("rules", 1.0),
        ("policy", 1.0),
    ] {
        assert_eq!(
            sum(&of("Decisions", &[("Source", source)])),
            count,
            "{source}"
        );
    }
    for (reason, count) in [("no_consent", 1.0), ("erased", 1.0), ("invalid", 1.0)] {
        assert_eq!(
            sum(&of("Refusals", &[("Reason", reason)])),
            count,
            "{reason}"
        );
    }
    let used = emf::metrics(&a_good_day().await)
        .into_iter()
        .filter(|metric| metric.name == "ModelBudgetUsed")
        .map(|metric| metric.sum());
    assert_eq!(used.collect::<Vec<_>>(), [50.0, 100.0, 100.0]);
    let function = of("ServerErrors", &[("Function", "cart-tracking")]);
    assert_eq!(emitted.get(&function), Some(&0.0));
}

#[tokio::test]
async fn a_batch_is_counted_by_store_and_action() {
    let shop = shop(&[]).await;
    let event = |store: &str, action: &str| json!({ "storeName": store, "actionType": action });
    let keyed = json!({ "storeName": "my-store", "eventId": "key-0001" });
    let events = json!({ "events": [
        event("my-store", "buy_now"), event("other-store", "buy_now"), event("third-store", "buy_now"),
        event("my-store", "buy_now"), keyed, keyed, json!({}),
    ] });
    post(&shop, "/api/cart-tracking/batch", events).await;
    let emitted = summed(&shop.metric_lines());
    let sum = |metric: Watched| emitted.get(&metric).copied().unwrap_or_default();
    let events = |store, action| sum(of("CartEvents", &[("Store", store), ("Action", action)]));
    assert_eq!(events(STORE, "buy_now"), 2.0);
    assert_eq!(events("other", "buy_now"), 2.0);
    assert_eq!(events(STORE, "add_to_cart"), 1.0);
    for reason in ["duplicate", "invalid"] {
        assert_eq!(sum(of("Refusals", &[("Reason", reason)])), 1.0, "{reason}");
    }
    assert_eq!(sum(of("Requests", &[("Function", "cart-tracking")])), 1.0);
}

#[tokio::test]
async fn a_failure_that_no_client_sees_is_counted() {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let url = proxy.endpoint_url().to_owned();
    let shop = TestShop::start_at(db, &url, Deployment::Lambda, &settings(&[]));
    proxy.set(Fault::Refuse).await;
    // The switches cannot be read, and what is refused cannot be counted; neither is the client's concern.
    let message = json!({ "session": "s-1", "consent": false });
    post(&shop, "/ingest", message).await;
    let emitted = summed(&shop.metric_lines());
    let of_function = |name| of(name, &[("Function", "session-ingest")]);
    assert_eq!(emitted.get(&of_function("ServerErrors")), Some(&0.0));
    assert_eq!(emitted.get(&of_function("DatabaseErrors")), Some(&2.0));
}

#[tokio::test]
async fn a_batch_that_dynamodb_leaves_undone_is_a_failure_of_the_database() {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let url = proxy.endpoint_url().to_owned();
    let shop = TestShop::start_at(db, &url, Deployment::Lambda, &settings(&[]));
    proxy.set(Fault::LeaveAll).await;
    let events = json!({ "events": [{ "storeName": STORE }] });
    let answer = shop.post("/api/cart-tracking/batch", &events).await;
    assert_eq!(answer.status, 503);
    let emitted = summed(&shop.metric_lines());
    let failures = of("DatabaseErrors", &[("Function", "cart-tracking")]);
    assert_eq!(emitted.get(&failures), Some(&1.0));
}

#[tokio::test]
async fn metrics_are_off_where_nobody_asked_for_them() {
    let local = TestShop::start(Deployment::Local, &[]).await;
    let asked = TestShop::start(Deployment::Local, &[("METRICS", "on")]).await;
    let not_wanted = shop(&[("METRICS", "off")]).await;
    let mut written = Vec::new();
    for shop in [&local, &asked, &not_wanted] {
        post(shop, TRACK, json!({ "storeName": STORE })).await;
        written.push(shop.metric_lines().lines().count());
    }
    assert_eq!(written, [0, 1, 0]);
}
