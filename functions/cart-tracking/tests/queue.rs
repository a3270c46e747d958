//! Events that go through the queue: what is answered is what is stored, whatever fails on the way.
#![expect(
    clippy::expect_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::Request;
use serde_json::{Value, json};
use shoptrail_domain::StoreName;
use shoptrail_domain::access::Scope;
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::{
    Fault, FaultProxy, Function, QueueFault, TestAnswer, TestDb, TestQueue, TestShop,
    record_key_of_events,
};
use shoptrail_storage::PrivacyTask;

const STORE: &str = "my-store.myshopify.com";
const TRACK: &str = "/api/cart-tracking/track";
const BATCH: &str = "/api/cart-tracking/batch";
const GENERATION: &str = "/api/image-generations/track";
/// Within this a client has its answer, whatever fails.
const ANSWER_TIME: Duration = Duration::from_secs(3);

const NO_LIMITS: [(&str, &str); 3] = [
    ("RATE_LIMIT_PER_MINUTE", "0"),
    ("RATE_LIMIT_PER_HOUR", "0"),
    ("STORE_RATE_LIMIT_PER_MINUTE", "0"),
];

/// A shop whose events go into a queue.
async fn start() -> (TestShop, TestQueue) {
    let queue = TestQueue::start().await;
    let shop = TestShop::start(Deployment::Local, &queue.settings()).await;
    (shop, queue)
}

/// The same, with a way to its database that breaks on command, and without limits.
async fn start_behind_a_proxy() -> (TestShop, TestQueue, FaultProxy) {
    let queue = TestQueue::start().await;
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let settings: Vec<_> = queue.settings().into_iter().chain(NO_LIMITS).collect();
    let shop = TestShop::start_at(db, proxy.endpoint_url(), Deployment::Local, &settings);
    (shop, queue, proxy)
}

/// The stored events and generations by id, without the records of keys.
async fn stored(shop: &TestShop) -> BTreeMap<String, HashMap<String, AttributeValue>> {
    let mut all = BTreeMap::new();
    for table in ["cart_tracking_events", "image_generations"] {
        for item in shop.db().items(table).await {
            let id = item["id"].as_s().expect("an id").clone();
            if !id.starts_with("idempotency#") {
                all.insert(id, item);
            }
        }
    }
    all
}

async fn stored_ids(shop: &TestShop) -> BTreeSet<String> {
    stored(shop).await.into_keys().collect()
}

fn id(answer: &TestAnswer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.json);
    let id = answer.json["data"]["id"].as_str();
    id.expect("an id in the answer").to_owned()
}

fn results(answer: &TestAnswer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.json);
    let results = answer.json["data"]["results"].as_array();
    results.expect("results").clone()
}

fn statuses(answer: &TestAnswer) -> Vec<String> {
    let text = |result: &Value| result["status"].as_str().expect("a status").to_owned();
    results(answer).iter().map(text).collect()
}

fn ids(answer: &TestAnswer) -> BTreeSet<String> {
    let results = results(answer);
    let ids = results.iter().filter_map(|result| result["id"].as_str());
    ids.map(str::to_owned).collect()
}

fn keyed(key: &str) -> Value {
    json!({ "storeName": STORE, "productId": "7", "eventId": key })
}

fn batch(events: impl IntoIterator<Item = Value>) -> Value {
    json!({ "events": events.into_iter().collect::<Vec<_>>() })
}

/// What the merchants of the store are told of.
async fn refusals(shop: &TestShop) -> Value {
    shop.app().flush_refusals().await;
    let (first, last) = ("2000-01-01", "2100-01-01");
    let days = shop
        .app()
        .store
        .list_refusals(STORE, first, last, shop.now());
    let days = days.await.expect("the refusals can be read");
    days.first().map_or(json!({}), |day| json!(day.reasons))
}

#[tokio::test]
async fn what_is_answered_is_what_is_stored_and_as_the_direct_way_stores_it() {
    let (shop, queue) = start().await;
    let direct = TestShop::start(Deployment::Local, &[]).await;
    let whole = json!({
        "storeName": STORE, "actionType": "buy_now", "productId": "1", "variantId": 2, "productTitle": "Hemd \u{ffff}ä\"",
        "customerId": "3", "customerEmail": "canary@example.com", "customerFirstName": "Canary", "customerLastName": "Doe",
        "productUrl": "https://shop.example.com/p", "generatedImageUrl": "https://shop.example.com/g.jpg",
        "personImageUrl": "https://shop.example.com/m.jpg", "clothingImageUrl": "https://shop.example.com/c.jpg",
        "sessionId": "session-1", "eventId": "key-12345", "occurredAt": "2026-11-21T12:00:00Z",
    });
    let generation = json!({
        "storeName": STORE, "productId": "1", "status": "failed", "customerEmail": "canary@example.com",
        "generatedImageUrl": "https://shop.example.com/g.jpg", "sessionId": "session-1", "eventId": "key-12345",
    });
    let requests = [
        (TRACK, whole.clone()),
        (TRACK, json!({ "storeName": STORE })),
        (GENERATION, generation),
        (GENERATION, json!({ "storeName": STORE })),
        (
            BATCH,
            batch([
                json!({ "storeName": STORE, "productId": "9" }),
                keyed("key-99999"),
            ]),
        ),
    ];
    let mut answered = BTreeMap::new();
    for (path, body) in &requests {
        let request = Request::post(*path)
            .header("user-agent", "Agent/1")
            .header("x-forwarded-for", "198.51.100.7");
        let answer = shop.send(request, body).await;
        let request = Request::post(*path)
            .header("user-agent", "Agent/1")
            .header("x-forwarded-for", "198.51.100.7");
        let as_ever = direct.send(request, body).await;
        let shape = |answer: &TestAnswer| {
            let text = answer.json.to_string();
            answered_ids(&answer.json)
                .into_iter()
                .fold(text, |text, (id, _)| text.replace(&id, "ID"))
        };
        assert_eq!(shape(&answer), shape(&as_ever));
        answered.extend(answered_ids(&answer.json));
    }
    assert!(
        stored(&shop).await.is_empty(),
        "nothing is written before the worker does"
    );
    assert_eq!(queue.deliver(shop.app()).await, requests.len());
    assert!(queue.bodies().is_empty());

    let found = stored(&shop).await;
    let created_at =
        |item: &HashMap<String, AttributeValue>| item["created_at"].as_s().expect("a time").clone();
    let told: BTreeMap<_, _> = found
        .iter()
        .map(|(id, item)| (id.clone(), created_at(item)))
        .collect();
    assert_eq!(told, answered);

    // But for what chance draws, the items are the same.
    let impersonal = |items: BTreeMap<String, HashMap<String, AttributeValue>>| {
        let mut texts: Vec<_> = items
            .into_values()
            .map(|mut item| {
                item.remove("id");
                item.remove("created_bucket").expect("a bucket");
                format!("{:?}", item.into_iter().collect::<BTreeMap<_, _>>())
            })
            .collect();
        texts.sort();
        texts
    };
    assert_eq!(impersonal(found), impersonal(stored(&direct).await));
}

/// The ids in an answer, with their times.
fn answered_ids(json: &Value) -> BTreeMap<String, String> {
    let data = &json["data"];
    let results = data["results"].as_array().map_or(&[][..], Vec::as_slice);
    let told = std::iter::once(data).chain(results).filter_map(|event| {
        Some((
            event["id"].as_str()?.to_owned(),
            event["createdAt"].as_str()?.to_owned(),
        ))
    });
    told.collect()
}

#[tokio::test]
async fn what_is_delivered_again_is_stored_once() {
    let (shop, queue) = start().await;
    let mut told = BTreeSet::new();
    told.insert(id(&shop.post(TRACK, &keyed("key-00001")).await));
    told.insert(id(&shop.post(TRACK, &json!({ "storeName": STORE })).await));
    told.insert(id(&shop.post(GENERATION, &keyed("key-00001")).await));
    let many = shop
        .post(
            BATCH,
            &batch((0..20).map(|n| keyed(&format!("key-1{n:04}")))),
        )
        .await;
    told.extend(ids(&many));
    // Twice within one batch of messages, and then in further ones, in another order.
    let bodies = queue.bodies();
    bodies.iter().for_each(|body| queue.put(body));
    assert_eq!(queue.deliver(shop.app()).await, 2 * bodies.len());
    let first = stored(&shop).await;
    for _ in 0..2 {
        bodies.iter().for_each(|body| queue.put(body));
        queue.reverse();
        assert_eq!(queue.deliver(shop.app()).await, bodies.len());
    }
    assert_eq!(stored_ids(&shop).await, told);
    assert_eq!(stored(&shop).await, first);
    assert_eq!(
        refusals(&shop).await,
        json!({}),
        "none of it is a duplicate"
    );
}

#[tokio::test]
async fn a_key_that_was_used_is_answered_as_ever() {
    let (shop, queue) = start().await;
    let first = shop.post(TRACK, &keyed("key-12345")).await;
    queue.deliver(shop.app()).await;
    let again = shop.post(TRACK, &keyed("key-12345")).await;
    let data = |answer: &TestAnswer, name: &str| answer.json["data"][name].clone();
    assert_eq!(id(&again), id(&first));
    assert_eq!(data(&again, "createdAt"), data(&first, "createdAt"));
    assert_eq!(data(&again, "duplicate"), true);
    let mut other = keyed("key-12345");
    other["productId"] = "8".into();
    assert_eq!(shop.post(TRACK, &other).await.status, 409);
    let mixed = batch([
        keyed("key-12345"),
        other,
        keyed("key-54321"),
        keyed("key-54321"),
    ]);
    let mixed = shop.post(BATCH, &mixed).await;
    assert_eq!(
        statuses(&mixed),
        ["duplicate", "invalid", "ok", "duplicate"]
    );
    assert_eq!(results(&mixed)[0]["id"], id(&first));
    assert_eq!(results(&mixed)[3]["id"], results(&mixed)[2]["id"]);
    assert_eq!(queue.bodies().len(), 1, "what is known goes into no queue");
    queue.deliver(shop.app()).await;
    assert_eq!(stored_ids(&shop).await.len(), 2);
}

#[tokio::test]
async fn of_two_that_race_through_the_queue_the_first_that_is_written_wins() {
    for is_reversed in [false, true] {
        let (shop, queue) = start().await;
        let one = id(&shop.post(TRACK, &keyed("key-12345")).await);
        let two = id(&shop.post(TRACK, &keyed("key-12345")).await);
        let mut other = keyed("key-12345");
        other["productId"] = "8".into();
        assert_ne!(one, two);
        if is_reversed {
            queue.reverse();
        }
        let kept = if is_reversed { &two } else { &one };
        assert_eq!(queue.deliver(shop.app()).await, 2);
        assert_eq!(stored_ids(&shop).await, BTreeSet::from([kept.clone()]));
        assert_eq!(id(&shop.post(TRACK, &keyed("key-12345")).await), *kept);
        assert_eq!(shop.post(TRACK, &other).await.status, 409);
        assert_eq!(refusals(&shop).await, json!({ "duplicate": 2 }));
    }
}

#[tokio::test]
async fn another_event_of_a_key_that_races_is_dropped_and_told_of() {
    let (shop, queue) = start().await;
    let one = id(&shop.post(TRACK, &keyed("key-12345")).await);
    let mut other = keyed("key-12345");
    other["productId"] = "8".into();
    id(&shop.post(TRACK, &other).await);
    assert_eq!(queue.deliver(shop.app()).await, 2);
    assert_eq!(stored_ids(&shop).await, BTreeSet::from([one]));
    assert_eq!(refusals(&shop).await, json!({ "invalid": 1 }));
}

#[tokio::test]
async fn what_the_queue_does_not_take_is_written_at_once_and_once() {
    let queue = TestQueue::start().await;
    let settings: Vec<_> = queue.settings().into_iter().chain(NO_LIMITS).collect();
    let shop = TestShop::start(Deployment::Local, &settings).await;
    let mut told = BTreeSet::new();
    for (round, fault) in [QueueFault::Refuse, QueueFault::Hang, QueueFault::LoseAnswer]
        .into_iter()
        .enumerate()
    {
        queue.set(fault);
        let key = |number: usize| format!("key-{round}-{number:05}");
        for (path, body) in [
            (TRACK, keyed(&key(0))),
            (TRACK, json!({ "storeName": STORE })),
            (GENERATION, keyed(&key(0))),
            (BATCH, batch((1..=60).map(|number| keyed(&key(number))))),
            (
                BATCH,
                batch((1..=60).map(|_| json!({ "storeName": STORE }))),
            ),
            (
                BATCH,
                batch([
                    keyed(&key(99)),
                    keyed(&key(99)),
                    json!({ "storeName": STORE }),
                ]),
            ),
        ] {
            let began = Instant::now();
            let answer = shop.post(path, &body).await;
            assert!(
                began.elapsed() < ANSWER_TIME,
                "{fault:?}: {:?}",
                began.elapsed()
            );
            assert_eq!(answer.status, 200, "{fault:?}");
            told.extend(answered_ids(&answer.json).into_keys());
            assert!(!answer.json.to_string().contains("retry"), "{fault:?}");
        }
        assert_eq!(stored_ids(&shop).await, told, "{fault:?}");
    }
    // Some of it was taken by the queue as well.
    let waiting = queue.bodies().len();
    assert!(waiting > 0);
    queue.set(QueueFault::Pass);
    assert_eq!(queue.deliver(shop.app()).await, waiting);
    assert_eq!(stored_ids(&shop).await, told);
    assert_eq!(refusals(&shop).await, json!({ "duplicate": 3 }));
}

#[tokio::test]
async fn where_nobody_listens_events_are_written_at_once() {
    let settings = [
        ("WRITE_MODE", "queue"),
        // Port 9 takes no connection.
        ("EVENT_QUEUE_URL", "http://127.0.0.1:9/1/events"),
        ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9"),
    ];
    let shop = TestShop::start(Deployment::Local, &settings).await;
    let told = id(&shop.post(TRACK, &keyed("key-12345")).await);
    assert_eq!(stored_ids(&shop).await, BTreeSet::from([told]));
}

#[tokio::test]
async fn messages_that_the_queue_leaves_are_sent_again_and_then_written() {
    let (shop, queue, proxy) = start_behind_a_proxy().await;
    queue.set(QueueFault::TakeFirst);
    // Of four messages the first request takes one, and the second one another.
    let event = |_| json!({ "storeName": STORE, "productTitle": "T".repeat(490) });
    let (body, agent) = (batch((0..100).map(event)), "A".repeat(1_024));
    let send = || shop.send(Request::post(BATCH).header("user-agent", &agent), &body);
    let answer = send().await;
    assert_eq!(statuses(&answer), vec!["ok"; 100]);
    let messages = queue.bodies().len();
    assert_eq!(messages, 2);
    let written = stored_ids(&shop).await;
    assert!(!written.is_empty() && written.len() < 100 && written.is_subset(&ids(&answer)));
    queue.deliver(shop.app()).await;
    assert_eq!(stored_ids(&shop).await, ids(&answer));

    // Where the rest cannot be written either, it is to be sent again, and nothing else is.
    proxy.set(Fault::Refuse).await;
    let answer = send().await;
    let retried = statuses(&answer)
        .iter()
        .filter(|status| *status == "retry")
        .count();
    let accepted = ids(&answer);
    assert!(retried > 0 && accepted.len() + retried == 100);
    proxy.set(Fault::Pass).await;
    let before = stored_ids(&shop).await;
    queue.deliver(shop.app()).await;
    let after: BTreeSet<_> = stored_ids(&shop)
        .await
        .difference(&before)
        .cloned()
        .collect();
    assert_eq!(after, accepted);
}

#[tokio::test]
async fn without_queue_and_database_it_says_so_in_time_and_keeps_nothing() {
    let (shop, queue, proxy) = start_behind_a_proxy().await;
    for (queue_fault, fault) in [
        (QueueFault::Refuse, Fault::Refuse),
        (QueueFault::Refuse, Fault::Throttle),
        (QueueFault::Hang, Fault::InternalError),
        (QueueFault::Hang, Fault::Hang),
    ] {
        queue.set(queue_fault);
        proxy.set(fault).await;
        for (path, body) in [
            (TRACK, keyed("key-12345")),
            (GENERATION, json!({ "storeName": STORE })),
            (
                BATCH,
                batch([keyed("key-12345"), json!({ "storeName": STORE })]),
            ),
        ] {
            let began = Instant::now();
            let answer = shop.post(path, &body).await;
            assert!(began.elapsed() < ANSWER_TIME, "{queue_fault:?} {fault:?}");
            let told = (answer.status, answer.retry_after());
            assert_eq!(told, (503, 2), "{queue_fault:?} {fault:?}");
            assert_eq!(answer.json["code"], "DATABASE_UNAVAILABLE");
        }
    }
    proxy.set(Fault::Pass).await;
    assert!(queue.bodies().is_empty() && stored(&shop).await.is_empty());
}

#[tokio::test]
async fn a_database_that_is_away_keeps_no_event_out_of_the_queue() {
    let (shop, queue, proxy) = start_behind_a_proxy().await;
    let mut told = BTreeSet::new();
    for fault in [
        Fault::Refuse,
        Fault::Hang,
        Fault::Throttle,
        Fault::InternalError,
    ] {
        proxy.set(fault).await;
        let began = Instant::now();
        let answer = shop.post(TRACK, &keyed(&format!("key-{fault:?}-1"))).await;
        assert!(began.elapsed() < ANSWER_TIME, "{fault:?}");
        told.insert(id(&answer));
        let answer = shop
            .post(
                BATCH,
                &batch([
                    json!({ "storeName": STORE }),
                    keyed(&format!("key-{fault:?}-2")),
                ]),
            )
            .await;
        assert_eq!(statuses(&answer), ["ok", "ok"], "{fault:?}");
        told.extend(ids(&answer));
        // Nor does it lose one in the worker.
        if fault != Fault::Hang {
            assert_eq!(queue.deliver(shop.app()).await, 0, "{fault:?}");
        }
    }
    proxy.set(Fault::Pass).await;
    assert!(stored(&shop).await.is_empty());
    assert_eq!(queue.deliver(shop.app()).await, 8);
    assert_eq!(stored_ids(&shop).await, told);
}

#[tokio::test]
async fn a_message_that_nobody_can_write_ends_among_the_dead_letters_and_costs_no_other() {
    let (shop, queue) = start().await;
    let mut told = BTreeSet::from([id(&shop.post(TRACK, &json!({ "storeName": STORE })).await)]);
    let good = queue.bodies().remove(0);
    // DynamoDB takes no empty key of an index.
    let unwritable = good
        .replace("\"store_name\"", "\"session_id\":\"\",\"store_name\"")
        .replace("cart-event-", "cart-event-9");
    assert_ne!(good, unwritable);
    for bad in ["no JSON", "{\"version\":7,\"events\":[]}", &unwritable] {
        queue.put(bad);
    }
    told.insert(id(&shop.post(TRACK, &json!({ "storeName": STORE })).await));
    assert_eq!(queue.deliver(shop.app()).await, 2);
    assert_eq!(stored_ids(&shop).await, told);
    for _ in 0..3 {
        assert_eq!(queue.deliver(shop.app()).await, 0);
        assert!(queue.dead().is_empty());
    }
    queue.deliver(shop.app()).await;
    assert_eq!(queue.dead().len(), 3);
    assert!(queue.bodies().is_empty());
    assert_eq!(stored_ids(&shop).await, told);
}

#[tokio::test]
async fn whoever_is_erased_while_an_event_waits_is_not_stored() {
    let (shop, queue) = start().await;
    let of = |email: &str| json!({ "storeName": STORE, "customerEmail": email });
    id(&shop.post(TRACK, &of("canary@example.com")).await);
    id(&shop.post(GENERATION, &of("canary@example.com")).await);
    let other = id(&shop.post(TRACK, &of("joe@example.com")).await);
    let key = shop.create_key(&[Scope::Erase], &[STORE]).await;
    let erase = Request::delete("/api/privacy/customers").header("x-api-key", key.expose());
    assert_eq!(
        shop.send(erase, &of("canary@example.com")).await.status,
        200
    );

    let refused = shop.post(TRACK, &of("canary@example.com")).await;
    assert_eq!(refused.json["data"], json!({ "refused": "erased" }));
    assert_eq!(queue.bodies().len(), 3, "who is erased goes into no queue");
    // The tombstone of a person holds for three days, for what comes then; for what is older it holds as long as it is kept.
    shop.pass_seconds(10 * 24 * 3_600);
    assert_eq!(queue.deliver(shop.app()).await, 3);
    assert_eq!(stored_ids(&shop).await, BTreeSet::from([other]));
    let again = id(&shop.post(TRACK, &of("canary@example.com")).await);
    queue.deliver(shop.app()).await;
    assert!(
        stored_ids(&shop).await.contains(&again),
        "later visits are new"
    );
}

#[tokio::test]
async fn the_events_of_a_store_that_is_erased_while_they_wait_are_not_stored() {
    let (shop, queue) = start().await;
    id(&shop.post(TRACK, &json!({ "storeName": STORE })).await);
    let other = id(&shop
        .post(TRACK, &json!({ "storeName": "other-store" }))
        .await);
    shop.pass_seconds(2);
    let store = StoreName::parse(STORE).unwrap();
    let job = shop.app().store.create_privacy_job(
        "a-job",
        &store,
        &PrivacyTask::EraseShop,
        90,
        shop.now(),
    );
    assert!(job.await.unwrap());
    shop.pass_seconds(2);
    let later = id(&shop.post(TRACK, &json!({ "storeName": STORE })).await);
    assert_eq!(queue.deliver(shop.app()).await, 3);
    assert_eq!(stored_ids(&shop).await, BTreeSet::from([other, later]));
}

#[tokio::test]
async fn a_batch_as_large_as_one_may_be_goes_through_whole() {
    let (shop, queue) = start().await;
    let event = |number: usize| {
        json!({
            "storeName": STORE, "eventId": format!("key-{number:05}"), "productTitle": "ä".repeat(500),
            "productUrl": format!("https://shop.example.com/{}", "p".repeat(1_350)),
        })
    };
    let body = batch((0..100).map(event));
    let bytes = body.to_string().len();
    assert!((245_000..=256 * 1024).contains(&bytes), "{bytes}");
    let request = Request::post(BATCH).header("user-agent", "ü".repeat(1_000));
    let answer = shop.send(request, &body).await;
    assert_eq!(statuses(&answer), vec!["ok"; 100]);
    assert!(queue.bodies().iter().all(|body| body.len() < 64 * 1024));
    assert!(queue.requests() > 1, "more than one request holds");
    let messages = queue.bodies().len();
    assert_eq!(queue.deliver(shop.app()).await, messages);
    assert_eq!(stored_ids(&shop).await, ids(&answer));
}

#[tokio::test]
async fn limits_and_credentials_are_as_ever() {
    let queue = TestQueue::start().await;
    let mut settings = queue.settings().to_vec();
    settings.push(("RATE_LIMIT_PER_MINUTE", "2"));
    let shop = TestShop::start(Deployment::Lambda, &settings).await;
    assert_eq!(shop.post(TRACK, &keyed("key-12345")).await.status, 401);
    let query = shop.signed_query(STORE, &[]);
    let path = format!("/cart-tracking/track?{query}");
    let other = json!({ "storeName": "other-store" });
    assert_eq!(shop.post(&path, &other).await.status, 403);
    let no_consent = json!({ "storeName": STORE, "consent": false });
    let refused = shop.post(&path, &no_consent).await;
    assert_eq!(refused.json["data"]["refused"], "no_consent");
    assert!(queue.bodies().is_empty());
    for status in [200, 200, 429] {
        assert_eq!(shop.post(&path, &json!({})).await.status, status);
    }
    assert_eq!(queue.bodies().len(), 2);
}

/// The function under test and its worker.
const TRACKER: Function = Function {
    name: "cart-tracking",
    bootstrap: env!("CARGO_BIN_EXE_cart-tracking"),
};
const WRITER: Function = Function {
    name: "cart-writer",
    bootstrap: env!("CARGO_BIN_EXE_cart-writer"),
};

#[tokio::test]
async fn the_functions_themselves_do_it() {
    let (db, queue) = (TestDb::start().await, TestQueue::start().await);
    record_key_of_events(&db).await;
    let mut settings = queue.settings().to_vec();
    settings.push(("PUBLIC_INGEST", "all"));
    let tracker = TRACKER.start(db.endpoint_url(), &settings).await;
    let writer = WRITER.start(db.endpoint_url(), &[]).await;
    assert_eq!(queue.requests(), 1, "its connection is open");
    let answer = TRACKER.event("track-success-200").replay(&tracker).await;
    answer.assert_as_named();
    let record = |id: &str, body: &str| {
        json!({
            "messageId": id, "receiptHandle": "handle", "body": body, "attributes": { "ApproximateReceiveCount": "1" },
            "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:events", "awsRegion": "us-east-1",
        })
    };
    let bodies = queue.bodies();
    assert_eq!(bodies.len(), 1);
    let event = json!({ "Records": [record("good", &bodies[0]), record("bad", "?")] });
    let told = writer.invoke(&event).await.unwrap();
    assert_eq!(
        told,
        json!({ "batchItemFailures": [{ "itemIdentifier": "bad" }] })
    );
    let items = db.items("cart_tracking_events").await;
    let stored: Vec<_> = items
        .iter()
        .map(|item| item["id"].as_s().unwrap().as_str())
        .collect();
    assert_eq!(stored, [answer.json()["data"]["id"].as_str().unwrap()]);
    let told = writer.invoke(&json!({ "Records": [] })).await.unwrap();
    assert_eq!(told, json!({ "batchItemFailures": [] }));
}
