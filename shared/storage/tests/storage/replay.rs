//! What a restore brings back is erased anew.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use serde_json::{Value, json};
use shoptrail_domain::access::Stores;
use shoptrail_domain::privacy::ErasureMode;
use shoptrail_local::testing::{Fault, FaultProxy, TestDb};
use shoptrail_storage::{Erased, PopupTally, Recorded, Replayed, Store, StoreConfig};

use crate::support::{
    DAYS, JANE, JANES, all_items, browse, cart_event, decide, decision, deliver, erase, flush,
    jane, now, person, put_many, random, run_to_end, seed, store, stored, track,
};

const TABLES: [&str; 4] = [
    "cart_tracking_events",
    "image_generations",
    "tracker_sessions",
    "ask_ai_decisions",
];

type Item = HashMap<String, AttributeValue>;

/// What a backup holds.
async fn back_up(db: &TestDb) -> Vec<(&'static str, Vec<Item>)> {
    let mut backup = Vec::new();
    for table in TABLES {
        backup.push((table, db.items(table).await));
    }
    backup
}

async fn put_back(db: &TestDb, table: &str, items: &[Item]) {
    let put = |item: &Item| {
        let put = PutRequest::builder().set_item(Some(item.clone()));
        let request = WriteRequest::builder().put_request(put.build().unwrap());
        request.build()
    };
    let requests: Vec<_> = items.iter().map(put).collect();
    for batch in requests.chunks(25) {
        let write = db.client().batch_write_item();
        let write = write.request_items(table, batch.to_vec());
        write.send().await.unwrap();
    }
}

async fn restore(db: &TestDb, backup: &[(&str, Vec<Item>)]) {
    for (table, items) in backup {
        put_back(db, table, items).await;
    }
}

async fn replay(store: &Store) -> Replayed {
    store.replay_erasures(&mut |_| {}).await.unwrap()
}

#[tokio::test]
async fn whoever_was_erased_is_gone_again() {
    for mode in [ErasureMode::Delete, ErasureMode::Anonymize] {
        let db = TestDb::start().await;
        let store = store(&db);
        seed(&db).await;
        let elsewhere = json!({ "storeName": "other", "customerEmail": JANE, "customerId": 909, "eventId": "key-other" });
        track(&store, &cart_event(elsewhere)).await.unwrap();
        let backup = back_up(&db).await;
        erase(&store, "job", &jane(), mode).await;
        run_to_end(&store, "job").await;
        let after = back_up(&db).await;
        restore(&db, &backup).await;
        assert!(all_items(&db).await.contains("canary-first"));

        let replayed = replay(&store).await;
        let expected = Replayed {
            // The address, the customer's id, and two names for each of the sessions that are the tracker's too.
            tombstones: 5,
            scanned: 7 + 4 + 2 + 2,
            erased: JANES,
        };
        assert_eq!(replayed, expected, "{mode:?}");
        let items = all_items(&db).await;
        for trace in [
            "\"tracked-1\"",
            "a widget's",
            "key-1-jane",
            "canary",
            "image-1",
        ] {
            assert!(!items.contains(trace), "{trace} is left in {items}");
        }
        for trace in ["joe@example.com", "tracked-2", "key-3-joe", "image-4"] {
            assert!(items.contains(trace), "{trace} is gone");
        }
        assert!(!db.items("cart_tracking_events").await.iter().any(|item| {
            let is_hers = item
                .get("customer_email")
                .is_some_and(|email| email.as_s().unwrap() == JANE);
            is_hers && item["store_name"].as_s().unwrap() == "my-store.myshopify.com"
        }));
        assert!(
            items.contains("key-other"),
            "another store's customer stays"
        );
        if mode == ErasureMode::Delete {
            assert_eq!(back_up(&db).await, after, "as before the restore");
        }
        assert_eq!(replay(&store).await.erased, Erased::default());
    }
}

#[tokio::test]
async fn what_a_customer_leaves_later_stays() {
    let db = TestDb::start().await;
    let store = store(&db);
    let visit = |session: &str| {
        cart_event(json!({ "customerEmail": JANE, "customerId": 909, "sessionId": session }))
    };
    track(&store, &visit("before")).await.unwrap();
    let backup = back_up(&db).await;
    erase(&store, "job", &jane(), ErasureMode::Delete).await;
    run_to_end(&store, "job").await;
    let later = now().plus_days(3);
    let back = visit("after");
    let recorded = store.record_cart_event(&back, later, DAYS, random).await;
    stored(recorded.unwrap());
    // A request that was on its way when the tombstone was written may bear a later time than the tombstone.
    let mut on_its_way = backup[0].1[0].clone();
    for (name, value) in [
        ("id", "cart-event-1750000002000-onitsway".to_owned()),
        ("created_at", now().plus_millis(2_000).to_iso()),
    ] {
        on_its_way.insert(name.to_owned(), AttributeValue::S(value));
    }
    on_its_way.remove("session_id");
    restore(&db, &backup).await;
    put_back(&db, "cart_tracking_events", &[on_its_way]).await;

    assert_eq!(replay(&store).await.erased.cart_events, 2);
    let left = db.items("cart_tracking_events").await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["session_id"].as_s().unwrap(), "after");
}

#[tokio::test]
async fn a_session_goes_without_its_head_and_decisions_without_their_session() {
    let db = TestDb::start().await;
    let store = store(&db);
    for start in (0..1_500).step_by(150) {
        deliver(&store, &flush("/", start, 150)).await;
    }
    let tally = PopupTally::default();
    store
        .record_decision(&decision("own"), &tally)
        .await
        .unwrap();
    decide(&db, "s-1", Some("other.myshopify.com")).await;
    browse(&db, "s-2", Value::Null).await;
    let backup = back_up(&db).await;
    let named = person(json!({ "sessionId": "s-1" }));
    erase(&store, "job", &named, ErasureMode::Delete).await;
    run_to_end(&store, "job").await;

    // A restore to a time in the middle of the erasure.
    let is_headless = |item: &&Item| item["item"].as_s().unwrap() != "head";
    let sessions: Vec<_> = backup[2].1.iter().filter(is_headless).cloned().collect();
    assert!(!sessions.is_empty());
    put_back(&db, "tracker_sessions", &sessions).await;
    let expected = |sessions, decisions| Erased {
        sessions,
        decisions,
        ..Erased::default()
    };
    assert_eq!(replay(&store).await.erased, expected(1, 0));
    // A restore of one table alone.
    put_back(&db, "ask_ai_decisions", &backup[3].1).await;
    assert_eq!(replay(&store).await.erased, expected(0, 1));
    restore(&db, &backup).await;
    assert_eq!(replay(&store).await.erased, expected(1, 1));
    assert_eq!(db.items("tracker_sessions").await.len(), 1);
    let decisions = db.items("ask_ai_decisions").await;
    assert_eq!(
        decisions.len(),
        2,
        "another store's decision, and the tally"
    );
    let recorded = store
        .record_session_message(&flush("/", 0, 3), &Stores::All, now(), DAYS, random)
        .await;
    assert_eq!(recorded.unwrap(), Recorded::Erased);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_tables_are_read_page_by_page() {
    let db = TestDb::start().await;
    put_many(&db, 2_500).await;
    let store = store(&db);
    let backup = back_up(&db).await;
    let person = person(json!({ "customerEmail": JANE }));
    erase(&store, "job", &person, ErasureMode::Delete).await;
    run_to_end(&store, "job").await;
    restore(&db, &backup).await;
    let mut heard = Vec::new();
    let replayed = store
        .replay_erasures(&mut |progress| heard.push(progress))
        .await
        .unwrap();
    assert_eq!(replayed.scanned, 2_500);
    assert_eq!(
        (replayed.erased.cart_events, replayed.erased.other),
        (2_475, 2_475)
    );
    let at_events = heard
        .iter()
        .filter(|progress| progress.table == "cart_tracking_events");
    let scanned: Vec<_> = at_events.map(|progress| progress.so_far.scanned).collect();
    assert!(scanned.len() >= 3 && scanned.is_sorted(), "{scanned:?}");
    assert_eq!(heard.last().unwrap().so_far, replayed);
    assert_eq!(db.items("cart_tracking_events").await.len(), 25);
}

#[tokio::test]
async fn a_database_that_is_away_for_a_moment_does_not_end_a_replay() {
    let db = TestDb::start().await;
    seed(&db).await;
    let backup = back_up(&db).await;
    erase(&store(&db), "job", &jane(), ErasureMode::Delete).await;
    run_to_end(&store(&db), "job").await;
    restore(&db, &backup).await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let config = StoreConfig {
        endpoint_url: Some(proxy.endpoint_url().into()),
        ..db.store_config()
    };
    let proxied = Store::connect(&config).with_pepper(store(&db).pepper().cloned());
    proxy.set(Fault::Throttle).await;
    let outage = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        proxy.set(Fault::LoseFirstWrite).await;
    };
    let (replayed, ()) = tokio::join!(replay(&proxied), outage);
    assert_eq!(replayed.erased, JANES);
    assert!(!all_items(&db).await.contains(JANE));
}

#[tokio::test]
async fn without_tombstones_there_is_nothing_to_replay() {
    let db = TestDb::start().await;
    seed(&db).await;
    assert_eq!(replay(&store(&db)).await, Replayed::default());
    let bare = Store::connect(&db.store_config());
    let error = bare.replay_erasures(&mut |_| {}).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "replay_erasures: there is no pepper to hash with"
    );
}

#[tokio::test]
async fn a_store_that_was_erased_is_gone_again_and_may_come_back() {
    let db = TestDb::start().await;
    let store = store(&db);
    // Events that name nobody, not even a session.
    for (name, key) in [("my-store", "key-mine-1"), ("other", "key-other")] {
        let event = cart_event(json!({ "storeName": name, "eventId": key }));
        track(&store, &event).await.unwrap();
    }
    let backup = back_up(&db).await;
    let shop = shoptrail_domain::StoreName::parse("my-store").unwrap();
    let erase = shoptrail_storage::PrivacyTask::EraseShop;
    let created = store.create_privacy_job("job", &shop, &erase, DAYS, now());
    assert!(created.await.unwrap());
    run_to_end(&store, "job").await;
    // The store installs the app again.
    let later = now().plus_days(1);
    let event = cart_event(json!({ "storeName": "my-store", "eventId": "key-mine-2" }));
    let back = store
        .record_cart_event(&event, later, 365, || 9)
        .await
        .unwrap();
    assert!(matches!(back, Recorded::Stored(_)));
    restore(&db, &backup).await;

    assert_eq!(replay(&store).await.erased.cart_events, 1);
    let items = all_items(&db).await;
    assert!(!items.contains("key-mine-1"), "{items}");
    assert!(items.contains("key-mine-2") && items.contains("key-other"));
}
