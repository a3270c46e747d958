//! A session's record over the engine: whatever the order, the repetition and the concurrency.

use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use shoptrail_domain::access::Stores;
use shoptrail_domain::session::SessionMessage;
use shoptrail_local::testing::TestDb;
use shoptrail_storage::Store;

use crate::support::{DAYS, deliver, flush, message, now, random, record, session, store, stored};

const TABLE: &str = "tracker_sessions";

/// Delivers all messages at the same time, through stores that know nothing of each other.
async fn deliver_at_once(stores: &[Store], messages: &[SessionMessage]) {
    let deliveries: Vec<_> = messages
        .iter()
        .enumerate()
        .map(|(number, message)| {
            let (store, message) = (stores[number % stores.len()].clone(), message.clone());
            tokio::spawn(async move { deliver(&store, &message).await })
        })
        .collect();
    for delivery in deliveries {
        delivery.await.unwrap();
    }
}

fn any_message() -> impl Strategy<Value = Value> {
    let event = (0..4_u8, 0..900_i64).prop_map(
        |(kind, ts)| json!({ "type": format!("k{kind}"), "ts": 1_700_000_000_000_i64 + ts }),
    );
    let pages =
        proptest::collection::btree_map("/[a-c]", proptest::collection::vec(event, 0..150), 0..3);
    let times = proptest::collection::btree_map("/[a-c]", 0..50_i64, 0..3);
    (pages, times, 0..4_u8, 0..4_i64, any::<bool>()).prop_map(|(events, times, cart, ts, is_envelope)| {
        if is_envelope {
            json!({ "session": "s-1", "reason": "r", "ts": 1_700_000_000 + ts, "state": { "events": events, "timeonpage": times, "itemsoncart": cart } })
        } else {
            json!({ "session": "s-1", "ts": 1_700_000_000 + ts, "events": events, "timeOnPage": times, "itemsInCart": cart })
        }
    })
}

#[test]
fn permuted_repeated_and_concurrent_messages_make_the_same_record() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(Config::with_cases(24));
    let strategy = (
        proptest::collection::vec(any_message(), 1..10),
        proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
    );
    runner
        .run(&strategy, |(messages, repeats)| {
            let messages: Vec<_> = messages.iter().map(message).collect();
            let mut shuffled: Vec<_> = repeats
                .iter()
                .map(|index| index.get(&messages).clone())
                .collect();
            shuffled.extend(messages.iter().rev().cloned());
            runtime.block_on(async {
                let (in_order, at_once) = (TestDb::start().await, TestDb::start().await);
                for message in &messages {
                    deliver(&store(&in_order), message).await;
                }
                deliver_at_once(
                    &[store(&at_once), store(&at_once), store(&at_once)],
                    &shuffled,
                )
                .await;
                prop_assert_eq!(
                    record(&store(&in_order)).await,
                    record(&store(&at_once)).await
                );
                Ok(())
            })
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_delivered_fifty_times_at_once_is_saved_once() {
    let db = TestDb::start().await;
    let stores: Vec<_> = (0..5).map(|_| store(&db)).collect();
    let deliveries: Vec<_> = (0..50)
        .map(|number| {
            let store = stores[number % 5].clone();
            tokio::spawn(async move { deliver(&store, &flush("/", 0, 20)).await.saved })
        })
        .collect();
    let mut saved = 0;
    for delivery in deliveries {
        saved += u32::from(delivery.await.unwrap());
    }
    assert_eq!(saved, 1);
    assert_eq!(record(&stores[0]).await["totals"]["events"], 20);
}

#[tokio::test]
async fn a_long_session_is_split_and_read_whole() {
    let db = TestDb::start().await;
    let store = store(&db);
    for start in (0..12_000).step_by(150) {
        assert!(deliver(&store, &flush("/", start, 150)).await.saved);
    }
    let record = record(&store).await;
    assert_eq!(record["totals"]["events"], 12_000);
    assert_eq!(record["truncated"], true);
    let events = record["events"]["/"].as_array().unwrap();
    assert_eq!(events.len(), 10_000);
    assert_eq!(
        (&events[0]["n"], &events[9_999]["n"]),
        (&json!(2_000), &json!(11_999))
    );

    // What was sent before adds nothing, not even where its content is no longer kept.
    for start in [0, 150, 6_000, 11_850] {
        assert!(
            !deliver(&store, &flush("/", start, 150)).await.saved,
            "{start}"
        );
    }

    let items = db
        .client()
        .scan()
        .table_name(TABLE)
        .send()
        .await
        .unwrap()
        .items
        .unwrap();
    assert!(items.len() > 20, "{} items", items.len());
    let stripped = items
        .iter()
        .filter(|item| item.contains_key("ids") && !item.contains_key("body"))
        .count();
    assert!(
        stripped > 0,
        "segments that are not shown keep their identities alone"
    );
    let recent = store
        .find_recent_session(&session(), 200, now())
        .await
        .unwrap()
        .unwrap();
    let shown: usize = recent.record.events.values().map(Vec::len).sum();
    assert!((200..600).contains(&shown), "{shown} events for Ask AI");
    assert_eq!(recent.record.totals.events, 12_000);
}

/// What comes late is moved into segments that are not shown from the beginning.
#[tokio::test]
async fn a_long_session_told_backwards_is_the_same() {
    let (forwards, backwards) = (TestDb::start().await, TestDb::start().await);
    let starts: Vec<_> = (0..12_000).step_by(600).collect();
    for start in &starts {
        assert!(
            deliver(&store(&forwards), &flush("/", *start, 600))
                .await
                .saved
        );
    }
    for start in starts.iter().rev() {
        assert!(
            deliver(&store(&backwards), &flush("/", *start, 600))
                .await
                .saved
        );
    }
    assert_eq!(
        record(&store(&forwards)).await,
        record(&store(&backwards)).await
    );
    assert!(!deliver(&store(&backwards), &flush("/", 0, 600)).await.saved);
}

/// Page names that no compression shortens: the state alone is larger than an item may be.
#[tokio::test]
async fn a_state_larger_than_an_item_is_split_and_read_whole() {
    let db = TestDb::start().await;
    let store = store(&db);
    let mut noise = 1_u64;
    let mut name = |page: usize| {
        let letters = std::iter::repeat_with(|| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + ((noise >> 33) % 90) as u8)
        });
        format!("{page:03}{}", letters.take(1_021).collect::<String>())
    };
    let names: Vec<_> = (0..500).map(&mut name).collect();
    for pages in names.chunks(100) {
        let times: serde_json::Map<_, _> =
            pages.iter().map(|page| (page.clone(), json!(1))).collect();
        assert!(
            deliver(
                &store,
                &message(&json!({ "session": "s-1", "timeOnPage": times }))
            )
            .await
            .saved
        );
    }
    let items = db
        .client()
        .scan()
        .table_name(TABLE)
        .send()
        .await
        .unwrap()
        .items
        .unwrap();
    let size = |item: &std::collections::HashMap<String, AttributeValue>| {
        item.values()
            .map(|value| value.as_b().map_or(0, |bytes| bytes.as_ref().len()))
            .sum::<usize>()
    };
    assert_eq!(
        items.len(),
        2,
        "the head and the rest of it, and no parts of older versions"
    );
    assert!(items.iter().all(|item| size(item) < 400_000));
    assert_eq!(
        record(&store).await["timeOnPage"]
            .as_object()
            .unwrap()
            .len(),
        500
    );
    assert!(
        !deliver(
            &store,
            &message(&json!({ "session": "s-1", "timeOnPage": { names[7].clone(): 1 } }))
        )
        .await
        .saved
    );
    assert!(
        deliver(
            &store,
            &message(&json!({ "session": "s-1", "timeOnPage": { names[7].clone(): 2 } }))
        )
        .await
        .saved
    );
    assert_eq!(record(&store).await["timeOnPage"][&names[7]], 2);
}

#[tokio::test]
async fn a_session_that_has_expired_is_gone_and_may_begin_anew() {
    let db = TestDb::start().await;
    let store = store(&db);
    for start in (0..600).step_by(150) {
        deliver(&store, &flush("/", start, 150)).await;
    }
    let later = now().plus_days(DAYS);
    assert!(
        store
            .find_session(&session(), later)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .find_recent_session(&session(), 9, later)
            .await
            .unwrap()
            .is_none()
    );
    let anew = store
        .record_session_message(&flush("/", 0, 2), &Stores::All, later, DAYS, random)
        .await
        .map(stored)
        .unwrap();
    assert!(anew.saved);
    let record = store
        .find_session(&session(), later)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((record.totals.events, record.events["/"].len()), (2, 2));
}

#[tokio::test]
async fn the_first_store_stays() {
    let db = TestDb::start().await;
    let store = store(&db);
    let named = |name: Value, ts: i64| {
        message(
            &json!({ "session": "s-1", "storeName": name, "events": { "/": [{ "type": "v", "ts": ts }] } }),
        )
    };
    deliver(&store, &named(Value::Null, 1)).await;
    assert_eq!(record(&store).await["storeName"], Value::Null);
    deliver(&store, &named(json!("first"), 2)).await;
    deliver(&store, &named(json!("second"), 3)).await;
    assert_eq!(record(&store).await["storeName"], "first.myshopify.com");
    assert!(
        store
            .find_session(
                &shoptrail_domain::session::SessionId::parse("s-2").unwrap(),
                now()
            )
            .await
            .unwrap()
            .is_none()
    );
}
