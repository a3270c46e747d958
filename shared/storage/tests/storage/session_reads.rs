//! What sessions have reached is counted as a naive recount over their messages counts it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use shoptrail_domain::access::Stores;
use shoptrail_domain::limits::PRODUCTS_PER_SESSION;
use shoptrail_domain::privacy::ErasureMode;
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_local::testing::{Recorder, TestDb, distinct};
use shoptrail_storage::{Collected, SessionSummary, Store, StoreConfig};

use crate::support::{
    DAYS, all_items, deliver, erase, message, my_store, now, person, random, run_to_end, store,
};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
/// When the sessions of these tests begin.
const START: i64 = 1_750_000_000_000;

/// One message on its way to the server.
#[derive(Debug, Clone)]
struct Delivery {
    /// ms after [`START`].
    at: i64,
    session: u8,
    store: Option<u8>,
    /// Types of events, with the product for product views.
    events: Vec<(&'static str, u8)>,
}

impl Delivery {
    fn at(&self) -> Timestamp {
        Timestamp::from_millis(START + self.at)
    }

    fn body(&self) -> Value {
        let event = |(place, (kind, product)): (usize, &(&str, u8))| json!({ "type": kind, "ts": place, "productId": product });
        let events: Vec<_> = self.events.iter().enumerate().map(event).collect();
        json!({ "session": format!("s-{}", self.session), "storeName": self.store.map(|store| format!("store-{store}")), "events": { "/": events } })
    }
}

fn any_delivery() -> impl Strategy<Value = Delivery> {
    let kind = prop_oneof![
        Just("product_view"),
        Just("page_view"),
        Just("checkout_started"),
        Just("add_to_cart")
    ];
    let events = proptest::collection::vec((kind, 0..12_u8), 0..4);
    let store = proptest::option::weighted(0.5, 0..2_u8);
    // Some sessions are visited again when they have long expired. Nothing happens within an hour of an expiry.
    let at = (0..3_i64, 0..6_i64).prop_map(|(visit, minute)| visit * 40 * DAY + minute * MINUTE);
    (at, 0..8_u8, store, events).prop_map(|(at, session, store, events)| Delivery {
        at,
        session,
        store,
        events,
    })
}

/// A session as a plain reading of the rules has it.
#[derive(Debug, Clone, Default)]
struct Counted {
    store: Option<u8>,
    last_at: i64,
    started_at: i64,
    checkout_at: Option<i64>,
    products: BTreeSet<u8>,
    events: BTreeSet<(usize, &'static str, u8)>,
}

impl Counted {
    fn add(&mut self, delivery: &Delivery) {
        self.last_at = delivery.at;
        self.store = self.store.or(delivery.store);
        for (place, (kind, product)) in delivery.events.iter().enumerate() {
            self.events.insert((place, kind, *product));
            if *kind == "checkout_started" {
                self.checkout_at.get_or_insert(delivery.at);
            }
            if *kind == "product_view" {
                self.products.insert(*product);
            }
        }
    }
}

fn counted(deliveries: &[Delivery]) -> BTreeMap<u8, Counted> {
    let mut sessions: BTreeMap<u8, Counted> = BTreeMap::new();
    for delivery in deliveries {
        let found = sessions.get(&delivery.session);
        let alive = found.filter(|found| delivery.at - found.last_at < i64::from(DAYS) * DAY);
        let before = alive.cloned().unwrap_or(Counted {
            started_at: delivery.at,
            ..Counted::default()
        });
        let mut after = before.clone();
        after.add(delivery);
        // What says nothing new begins no session and keeps none alive.
        if after.events != before.events || after.store != before.store {
            sessions.insert(delivery.session, after);
        }
    }
    sessions
}

/// The sessions of a store that are to be found, as they are to be found.
fn expected(
    sessions: &BTreeMap<u8, Counted>,
    store: u8,
    range: &Range<i64>,
    now: i64,
) -> Vec<SessionSummary> {
    let time = |at: i64| Timestamp::from_millis(START + at).to_iso();
    let mut expected: Vec<_> = sessions
        .iter()
        .filter(|(_, session)| session.store == Some(store))
        .filter(|(_, session)| now - session.last_at < i64::from(DAYS) * DAY)
        .filter(|(_, session)| {
            let checkout_at = session.checkout_at;
            range.contains(&session.started_at) || checkout_at.is_some_and(|at| range.contains(&at))
        })
        .map(|(name, session)| {
            let products = session.products.iter().map(u8::to_string);
            let mut product_ids: Vec<_> = products.collect();
            product_ids.sort_by_key(|id| (id.len(), id.clone()));
            SessionSummary {
                session: format!("s-{name}"),
                started_at: time(session.started_at),
                checkout_at: session.checkout_at.map(time),
                product_ids,
            }
        })
        .collect();
    expected.sort_by_key(|session| (session.started_at.clone(), session.session.clone()));
    expected
}

fn store_name(name: &str) -> StoreName {
    StoreName::parse(name).unwrap()
}

async fn deliver_at(store: &Store, body: &Value, at: Timestamp) {
    let message = message(body);
    let recorded = store.record_session_message(&message, &Stores::All, at, DAYS, random);
    recorded.await.unwrap();
}

async fn collect(
    store: &Store,
    name: &str,
    range: Range<Timestamp>,
    now: Timestamp,
) -> Vec<SessionSummary> {
    let name = store_name(name);
    let found = store.collect_sessions(&name, range, 1_000, now);
    let Collected::All(sessions) = found.await.unwrap() else {
        panic!("too many")
    };
    sessions
}

fn all_time() -> Range<Timestamp> {
    Timestamp::from_millis(0)..Timestamp::from_millis(i64::MAX)
}

#[test]
fn every_range_finds_what_a_naive_recount_finds() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let deliveries = proptest::collection::vec(any_delivery(), 1..60);
    TestRunner::new(Config::with_cases(16))
        .run(&deliveries, |mut deliveries| {
            deliveries.sort_by_key(|delivery| delivery.at);
            runtime.block_on(async {
                let db = TestDb::start().await;
                let store = store(&db);
                for delivery in &deliveries {
                    deliver_at(&store, &delivery.body(), delivery.at()).await;
                    // What is repeated changes nothing.
                    deliver_at(&store, &delivery.body(), delivery.at()).await;
                }
                let sessions = counted(&deliveries);
                for now in [DAY, 81 * DAY, 115 * DAY] {
                    for range in [
                        0..200 * DAY,
                        0..MINUTE,
                        MINUTE..2 * MINUTE,
                        3 * MINUTE..40 * DAY,
                        40 * DAY..40 * DAY,
                        40 * DAY..80 * DAY + 2 * MINUTE,
                        80 * DAY..80 * DAY + 1,
                    ] {
                        for number in 0..2 {
                            let time = |at: i64| Timestamp::from_millis(START + at);
                            let times = time(range.start)..time(range.end);
                            let name = format!("store-{number}");
                            let found = collect(&store, &name, times, time(now)).await;
                            let expected = expected(&sessions, number, &range, now);
                            prop_assert_eq!(found, expected, "{:?} at {}", range, now);
                        }
                    }
                }
                Ok(())
            })
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_race_each_other_lose_no_milestone() {
    let db = TestDb::start().await;
    let stores: Vec<_> = (0..4).map(|_| store(&db)).collect();
    let deliveries = (0..24).map(|number| {
        let kind = if number == 17 {
            "checkout_started"
        } else {
            "product_view"
        };
        let event = json!({ "type": kind, "ts": number, "productId": number });
        let body = json!({ "session": "s-1", "storeName": "my-store", "events": { "/": [event] } });
        let store = stores[number % 4].clone();
        tokio::spawn(async move {
            // The second time is a repetition.
            for _ in 0..2 {
                deliver_at(&store, &body, now().plus_millis(number as i64)).await;
            }
        })
    });
    for delivery in deliveries.collect::<Vec<_>>() {
        delivery.await.unwrap();
    }
    let found = collect(&stores[0], "my-store", all_time(), now()).await;
    let products = (0..24).filter(|number| *number != 17);
    let products: Vec<_> = products.map(|number| number.to_string()).collect();
    assert_eq!(found[0].product_ids, products);
    assert_eq!(
        found[0].checkout_at,
        Some(now().plus_millis(17).to_iso()),
        "it was sent at that time alone"
    );
    let first = now().to_iso()..=now().plus_millis(23).to_iso();
    assert!(first.contains(&found[0].started_at));
}

#[tokio::test]
async fn the_first_times_stay() {
    let db = TestDb::start().await;
    let store = store(&db);
    for (minute, kind) in ["v", "checkout_started", "checkout_started", "v"]
        .iter()
        .enumerate()
    {
        let body = json!({ "session": "s-1", "storeName": "my-store", "events": { "/": [{ "type": kind, "ts": minute }] } });
        deliver_at(&store, &body, now().plus_millis(minute as i64 * MINUTE)).await;
    }
    let found = collect(&store, "my-store", all_time(), now()).await;
    let checkout_at = now().plus_millis(MINUTE).to_iso();
    let expected = SessionSummary {
        session: "s-1".into(),
        started_at: now().to_iso(),
        checkout_at: Some(checkout_at),
        product_ids: Vec::new(),
    };
    assert_eq!(found, [expected]);
}

#[tokio::test]
async fn a_session_is_found_by_the_first_store_that_it_names() {
    let db = TestDb::start().await;
    let store = store(&db);
    for (number, name) in [None, Some("first"), Some("second")]
        .into_iter()
        .enumerate()
    {
        let body = json!({ "session": "s-1", "storeName": name, "events": { "/": [{ "type": "v", "ts": number }] } });
        deliver_at(&store, &body, now().plus_millis(number as i64)).await;
        let found = collect(&store, "first", all_time(), now()).await;
        let started: Vec<_> = found.iter().map(|session| &session.started_at).collect();
        let expected = now().to_iso();
        assert_eq!(started, [&expected][..usize::from(number > 0)]);
        assert!(
            collect(&store, "second", all_time(), now())
                .await
                .is_empty()
        );
    }
}

#[tokio::test]
async fn the_most_products_of_the_longest_names_fit_beside_the_largest_state() {
    let db = TestDb::start().await;
    let store = store(&db);
    // Four bytes each, and nothing that a compression finds.
    let mut noise = 1_u32;
    let mut noise = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from_u32(0x1_0000 + (noise >> 12))
            .filter(|one| !one.is_control())
            .unwrap_or('𝄞')
    };
    let mut name = |chars: usize| (0..chars).map(|_| noise()).collect::<String>();
    let product = |name: &mut dyn FnMut(usize) -> String, number: i64| json!({ "type": "product_view", "ts": number, "productId": name(255) });
    for number in 0..3 {
        let views: Vec<_> = (0..40)
            .map(|view| product(&mut name, number * 40 + view))
            .collect();
        let times: BTreeMap<_, _> = (0..40).map(|_| (name(1_024), 1)).collect();
        let body = json!({ "session": "s-1", "storeName": "my-store", "timeOnPage": times, "events": { "/": views } });
        deliver_at(&store, &body, now()).await;
    }
    let found = collect(&store, "my-store", all_time(), now()).await;
    assert_eq!(found[0].product_ids.len(), PRODUCTS_PER_SESSION);
    let heads = db.items("tracker_sessions").await;
    let parts = heads
        .iter()
        .filter(|item| item["item"].as_s().unwrap().starts_with("part#"));
    assert!(parts.count() > 0, "the state is larger than an item");
}

#[tokio::test]
async fn more_sessions_than_were_asked_for_are_too_many() {
    let db = TestDb::start().await;
    let store = store(&db);
    for number in 0..5 {
        let body = json!({ "session": format!("s-{number}"), "storeName": "my-store",
                           "events": { "/": [{ "type": "checkout_started", "ts": 1 }] } });
        deliver(&store, &message(&body)).await;
    }
    for (most, is_all) in [(5, true), (4, false), (0, false)] {
        // Both indexes name all five, which are five still.
        let name = my_store();
        let found = store.collect_sessions(&name, all_time(), most, now());
        let found = found.await.unwrap();
        assert_eq!(matches!(found, Collected::All(_)), is_all, "{most}");
    }
}

#[tokio::test]
async fn an_erased_session_leaves_no_milestone_behind() {
    let db = TestDb::start().await;
    let store = store(&db);
    let body = json!({ "session": "s-erased", "storeName": "my-store", "events": { "/": [
        { "type": "product_view", "ts": 1, "productId": "canary-product" }, { "type": "checkout_started", "ts": 2 }] } });
    deliver(&store, &message(&body)).await;
    assert!(all_items(&db).await.contains("canary-product"));
    let person = person(json!({ "sessionId": "s-erased" }));
    erase(&store, "job-1", &person, ErasureMode::Delete).await;
    run_to_end(&store, "job-1").await;
    assert!(!all_items(&db).await.contains("canary-product"));
    assert_eq!(collect(&store, "my-store", all_time(), now()).await, []);
    // Nor does a late repetition bring it back.
    deliver_at(&store, &body, now().plus_millis(MINUTE)).await;
    assert!(!all_items(&db).await.contains("canary-product"));
}

async fn recorded(db: &TestDb) -> (Recorder, Store) {
    let recorder = Recorder::start(db.endpoint_url()).await;
    let config = StoreConfig {
        endpoint_url: Some(recorder.endpoint_url().to_owned()),
        ..db.store_config()
    };
    (recorder, Store::connect(&config))
}

#[tokio::test]
async fn a_month_costs_what_it_holds_and_not_what_the_store_holds() {
    let db = TestDb::start().await;
    let (recorder, store) = recorded(&db).await;
    // Two sessions a day of four months; every second one reaches checkout.
    for number in 0..240_i64 {
        let kind = if number % 2 == 0 {
            "checkout_started"
        } else {
            "product_view"
        };
        let body = json!({ "session": format!("s-{number}"), "storeName": "my-store",
                           "events": { "/": [{ "type": kind, "ts": 1, "productId": number }] } });
        let at = Timestamp::from_millis(START - number * DAY / 2);
        let message = message(&body);
        let recorded = store.record_session_message(&message, &Stores::All, at, 365, random);
        recorded.await.unwrap();
    }
    recorder.take();
    let month = Timestamp::from_millis(START - 30 * DAY + 1)..Timestamp::from_millis(START + 1);
    assert_eq!(collect(&store, "my-store", month, now()).await.len(), 60);
    let requests = distinct(recorder.take());
    assert!(requests.iter().all(|request| request.operation == "Query"));
    let cost = |index: &str| {
        let of_index = requests.iter().filter(|request| request.index() == index);
        of_index.fold((0, 0, 0.0), |(count, scanned, units), request| {
            (count + 1, scanned + request.scanned, units + request.units)
        })
    };
    // An entry takes 150 bytes, and half a unit reads 4 KB: each piece of the range costs one request and half a unit.
    let (started, checkout) = (cost("idx_store_started"), cost("idx_store_checkout"));
    assert_eq!((started.0, started.1), (8, 60));
    assert_eq!((checkout.0, checkout.1), (8, 30));
    assert_eq!(started.0 + checkout.0, requests.len());
    assert!(
        started.2 <= 4.0 && checkout.2 <= 4.0,
        "{started:?} {checkout:?}"
    );
}

#[tokio::test]
async fn a_message_costs_one_read_and_one_write_and_the_indexes_change_for_milestones_alone() {
    let db = TestDb::start().await;
    let (recorder, store) = recorded(&db).await;
    let mut ts = 0;
    let mut send = async |kind: &str, product: Value, minutes: i64| {
        ts += 1;
        let event = json!({ "type": kind, "ts": ts, "productId": product });
        let body = json!({ "session": "s-1", "storeName": "my-store", "events": { "/": [event] } });
        recorder.take();
        deliver_at(&store, &body, now().plus_millis(minutes * MINUTE)).await;
        let requests = distinct(recorder.take());
        let operations: Vec<_> = requests
            .iter()
            .map(|request| request.operation.clone())
            .collect();
        let written = db.items("tracker_sessions").await.remove(0);
        let kept = ["started_at", "checkout_at", "product_ids", "expires_at"]
            .map(|name| written.get(name).cloned());
        (operations, kept)
    };
    send("page_view", Value::Null, 0).await;
    let (operations, first) = send("product_view", json!(7), 1).await;
    assert_eq!(operations, ["GetItem", "PutItem"]);
    for (kind, product, minutes) in [
        ("page_view", json!(8), 2),
        ("product_view", json!("gid://shopify/Product/7"), 3),
        ("product_view", Value::Null, 30),
        ("add_to_cart", json!(9), 59),
    ] {
        let (operations, kept) = send(kind, product, minutes).await;
        assert_eq!(operations, ["GetItem", "PutItem"]);
        assert_eq!(kept, first, "what stands in the indexes is as it was");
    }
    let (_, kept) = send("page_view", Value::Null, 60).await;
    assert_eq!(kept[..3], first[..3]);
    assert_ne!(kept[3], first[3], "the expiry is put off by the hour");
    let (_, kept) = send("checkout_started", Value::Null, 61).await;
    assert_eq!(kept[2], first[2]);
    assert_ne!(kept[1], first[1]);
}
