//! Whoever was erased is not brought back.

use serde_json::{Value, json};
use shoptrail_domain::access::Stores;
use shoptrail_domain::privacy::ErasureMode;
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_local::testing::TestDb;
use shoptrail_storage::{EventRecorded, PopupTally, PrivacyTask, Recorded, Store};

use crate::support::{
    DAYS, all_items, cart_event, decision, deliver, erase, flush, message, now, person, random,
    run_to_end, store, stored,
};

async fn try_track(store: &Store, fields: Value, now: Timestamp) -> Recorded<EventRecorded> {
    let event = cart_event(fields);
    let recorded = store.record_cart_event(&event, now, DAYS, random).await;
    recorded.unwrap()
}

async fn try_deliver(store: &Store, stores: &Stores) -> Recorded<bool> {
    let flush = flush("/", 0, 3);
    let recorded = store
        .record_session_message(&flush, stores, now(), DAYS, random)
        .await;
    match recorded.unwrap() {
        Recorded::Stored(recorded) => Recorded::Stored(recorded.saved),
        Recorded::Erased => Recorded::Erased,
        Recorded::OtherStore => Recorded::OtherStore,
    }
}

#[tokio::test]
async fn late_retries_of_an_erased_person_are_refused() {
    let db = TestDb::start().await;
    let store = store(&db);
    let whole =
        person(json!({ "customerEmail": "jane@example.com", "customerId": 9, "sessionId": "s 1" }));
    erase(&store, "job", &whole, ErasureMode::Delete).await;
    // From the moment on at which the job is taken on, and after it.
    for is_done in [false, true] {
        for fields in [
            json!({ "customerEmail": "Jane@example.com" }),
            json!({ "customerId": "gid://shopify/Customer/9", "eventId": "key-12345" }),
            json!({ "sessionId": "s 1", "customerEmail": "joe@example.com" }),
        ] {
            let late = try_track(&store, fields.clone(), now()).await;
            assert_eq!(late, Recorded::Erased, "{fields} {is_done}");
        }
        for fields in [
            json!({}),
            json!({ "customerEmail": "joe@example.com", "customerId": 8, "sessionId": "s 2" }),
            json!({ "storeName": "other", "customerEmail": "jane@example.com", "customerId": 9, "sessionId": "s 1" }),
        ] {
            stored(try_track(&store, fields, now()).await);
        }
        run_to_end(&store, "job").await;
    }
    // The customer may come back after three days; the session's id may not.
    let later = now().plus_days(3);
    stored(
        try_track(
            &store,
            json!({ "customerEmail": "jane@example.com" }),
            later,
        )
        .await,
    );
    let late = try_track(&store, json!({ "sessionId": "s 1" }), later).await;
    assert_eq!(late, Recorded::Erased);
    let later = now().plus_days(DAYS).plus_millis(10 * 60_000);
    stored(try_track(&store, json!({ "sessionId": "s 1" }), later).await);
}

#[tokio::test]
async fn a_persons_tombstone_stays_when_it_holds_no_more() {
    let db = TestDb::start().await;
    let store = store(&db);
    let whole = person(json!({ "customerEmail": "jane@example.com", "sessionId": "s 1" }));
    erase(&store, "job", &whole, ErasureMode::Delete).await;
    let jane = || json!({ "customerEmail": "jane@example.com" });
    let end = now().plus_days(3);
    let late = try_track(&store, jane(), end.plus_millis(-1_000)).await;
    assert_eq!(late, Recorded::Erased);
    stored(try_track(&store, jane(), end).await);

    let seconds = |days| now().plus_days(days).as_secs();
    let tombstones = async || {
        let tombstones = db.items("erasures").await.into_iter().map(|item| {
            let seconds = |name: &str| item[name].as_n().unwrap().parse::<i64>().unwrap();
            (
                item["kind"].as_s().unwrap().clone(),
                seconds("holds_until"),
                seconds("expires_at"),
            )
        });
        let mut tombstones: Vec<_> = tombstones.collect();
        tombstones.sort();
        tombstones
    };
    let email = ("email".to_owned(), seconds(3), seconds(36));
    let session = ("session".to_owned(), seconds(DAYS), seconds(36));
    assert_eq!(tombstones().await, [email.clone(), session]);
    // One that holds for longer stays for longer.
    let name = StoreName::parse("my-store").unwrap();
    let task = PrivacyTask::EraseCustomer {
        person: whole,
        mode: ErasureMode::Delete,
    };
    let again = store.create_privacy_job("again", &name, &task, 365, now());
    assert!(again.await.unwrap());
    let session = ("session".to_owned(), seconds(365), seconds(365));
    assert_eq!(tombstones().await, [email, session]);
}

#[tokio::test]
async fn a_repeat_is_refused_as_soon_as_its_person_is_being_erased() {
    let db = TestDb::start().await;
    let store = store(&db);
    let fields = || json!({ "eventId": "key-12345", "customerEmail": "jane@example.com" });
    stored(try_track(&store, fields(), now()).await);
    assert!(stored(try_track(&store, fields(), now()).await).duplicate);
    let jane = person(json!({ "customerEmail": "jane@example.com" }));
    erase(&store, "job", &jane, ErasureMode::Delete).await;
    assert_eq!(try_track(&store, fields(), now()).await, Recorded::Erased);
    run_to_end(&store, "job").await;
    assert_eq!(try_track(&store, fields(), now()).await, Recorded::Erased);
}

#[tokio::test]
async fn an_erased_tracker_session_takes_no_message() {
    let db = TestDb::start().await;
    let store = store(&db);
    assert_eq!(
        try_deliver(&store, &Stores::All).await,
        Recorded::Stored(true)
    );
    let named = person(json!({ "sessionId": "s-1" }));
    erase(&store, "job", &named, ErasureMode::Delete).await;
    run_to_end(&store, "job").await;
    assert_eq!(try_deliver(&store, &Stores::All).await, Recorded::Erased);
    let tally = PopupTally::default();
    store
        .record_decision(&decision("late"), &tally)
        .await
        .unwrap();
    let items = all_items(&db).await;
    assert!(!items.contains("\"s-1\""), "{items}");
}

/// The first messages of a session and its erasure, again and again: after it, nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn messages_during_an_erasure_leave_nothing_behind() {
    let db = TestDb::start().await;
    let store = store(&db);
    for start in (0..1_500).step_by(150) {
        deliver(&store, &flush("/", start, 150)).await;
    }
    let named = person(json!({ "sessionId": "s-1" }));
    erase(&store, "job", &named, ErasureMode::Delete).await;
    let writers = (0..4).map(|writer| {
        let store = crate::support::store(&db);
        tokio::spawn(async move {
            for number in 0..30 {
                let flush = flush("/", 2_000 + writer * 10_000 + number * 150, 150);
                let recorded =
                    store.record_session_message(&flush, &Stores::All, now(), DAYS, random);
                recorded.await.unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    run_to_end(&store, "job").await;
    for writer in writers {
        writer.await.unwrap();
    }
    let items = all_items(&db).await;
    assert!(!items.contains("\"s-1\""), "{items}");
}

#[tokio::test]
async fn a_session_of_another_store_takes_no_message() {
    let db = TestDb::start().await;
    let store = store(&db);
    let one = |name| Stores::one(StoreName::parse(name).unwrap());
    assert_eq!(
        try_deliver(&store, &one("first")).await,
        Recorded::Stored(true)
    );
    deliver(
        &store,
        &message(&json!({ "session": "s-1", "storeName": "first", "events": { "/": [{ "type": "v", "ts": 1 }] } })),
    )
    .await;
    assert_eq!(
        try_deliver(&store, &one("second")).await,
        Recorded::OtherStore
    );
    assert_eq!(
        try_deliver(&store, &one("first")).await,
        Recorded::Stored(false)
    );
}

#[tokio::test]
async fn an_event_that_names_nobody_needs_no_tombstones() {
    let db = TestDb::start().await;
    let delete = db.client().delete_table().table_name("erasures");
    delete.send().await.unwrap();
    let store = store(&db);
    stored(try_track(&store, json!({ "productId": "7" }), now()).await);
    let named = cart_event(json!({ "customerId": "7" }));
    let recorded = store.record_cart_event(&named, now(), DAYS, random);
    assert!(recorded.await.is_err());
}

#[tokio::test]
async fn nobody_is_erased_without_a_pepper() {
    let db = TestDb::start().await;
    let store = Store::connect(&db.store_config());
    let task = PrivacyTask::EraseShop;
    let name = StoreName::parse("my-store").unwrap();
    let refused = store.create_privacy_job("job", &name, &task, DAYS, now());
    let error = refused.await.unwrap_err();
    assert!(!error.is_unavailable() && !error.is_conflict());
    assert_eq!(
        error.to_string(),
        "create_privacy_job: there is no pepper to hash with"
    );
    let clock = || now();
    let run = store.run_privacy_job("job", &clock, &random, std::time::Duration::ZERO);
    assert!(run.await.is_err());
    stored(try_track(&store, json!({ "customerId": "7" }), now()).await);
}
