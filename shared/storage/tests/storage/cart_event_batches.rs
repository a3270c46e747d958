//! Many events at once: each is stored once, and each is told what became of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shoptrail_domain::Timestamp;
use shoptrail_domain::cart_event::CartEvent;
use shoptrail_domain::privacy::ErasureMode;
use shoptrail_local::testing::{Fault, FaultProxy, TestDb};
use shoptrail_storage::{BatchOutcome, EventRecorded, Pepper, Store, StoreConfig};

use crate::support::{DAYS, JANE, cart_event, erase, jane, now, random, run_to_end, store, track};

const TABLE: &str = "cart_tracking_events";

fn batch(events: impl IntoIterator<Item = Value>) -> Vec<(CartEvent, Timestamp)> {
    let events = events.into_iter().map(|fields| (cart_event(fields), now()));
    events.collect()
}

async fn record(store: &Store, events: &[(CartEvent, Timestamp)]) -> Vec<BatchOutcome> {
    let outcomes = store.record_cart_events(events, DAYS, random).await;
    let outcomes = outcomes.unwrap();
    assert_eq!(outcomes.len(), events.len());
    outcomes
}

fn recorded(outcome: &BatchOutcome) -> &EventRecorded {
    let BatchOutcome::Recorded(recorded) = outcome else {
        panic!("{outcome:?}");
    };
    recorded
}

/// The ids of all stored events with their products, without the records of their keys.
async fn stored(db: &TestDb) -> BTreeMap<String, String> {
    let items = db.items(TABLE).await.into_iter();
    let events = items.filter(|item| item.contains_key("store_name"));
    let text = |item: &std::collections::HashMap<_, aws_sdk_dynamodb::types::AttributeValue>,
                name: &str| {
        item.get(name)
            .map(|value| value.as_s().unwrap().clone())
            .unwrap_or_default()
    };
    events
        .map(|item| (text(&item, "id"), text(&item, "product_id")))
        .collect()
}

async fn proxied(db: &TestDb) -> (FaultProxy, Store) {
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let config = StoreConfig {
        endpoint_url: Some(proxy.endpoint_url().into()),
        ..db.store_config()
    };
    let pepper = Pepper::new("a pepper for the tests");
    (proxy, Store::connect(&config).with_pepper(pepper))
}

/// `count` events, every other one with a key.
fn mixed(count: usize) -> Vec<(CartEvent, Timestamp)> {
    batch((0..count).map(|number| {
        let mut event = json!({ "productId": number, "sessionId": format!("s-{number}") });
        if number % 2 == 1 {
            event["eventId"] = format!("key-{number:05}").into();
        }
        event
    }))
}

#[tokio::test]
async fn a_hundred_events_are_stored_in_their_order() {
    let db = TestDb::start().await;
    let events = mixed(100);
    let outcomes = record(&store(&db), &events).await;
    let stored = stored(&db).await;
    assert_eq!(stored.len(), 100);
    for (number, outcome) in outcomes.iter().enumerate() {
        let recorded = recorded(outcome);
        assert!(!recorded.duplicate);
        assert_eq!(recorded.created_at, now().to_iso());
        assert_eq!(stored[&recorded.id], number.to_string());
    }
    let keys = db.items(TABLE).await.len() - stored.len();
    assert_eq!(keys, 50, "one record for each key");
}

#[tokio::test]
async fn an_event_of_a_batch_is_what_it_is_alone() {
    let fields = json!({ "productId": 7, "customerId": 9, "customerEmail": JANE, "sessionId": "s-1", "productTitle": "Shirt" });
    for fields in [fields.clone(), {
        let mut keyed = fields;
        keyed["eventId"] = "key-12345".into();
        keyed
    }] {
        let event = cart_event(fields);
        let (alone, db) = (TestDb::start().await, TestDb::start().await);
        let (one, all) = (store(&alone), store(&db));
        let one = one.record_cart_event(&event, now(), DAYS, || 42);
        one.await.unwrap();
        let batch = [(event, now())];
        let all = all.record_cart_events(&batch, DAYS, || 42);
        all.await.unwrap();
        for item in alone.items(TABLE).await {
            assert!(db.items(TABLE).await.contains(&item), "{item:?}");
        }
    }
}

#[tokio::test]
async fn events_are_as_of_their_own_times() {
    let db = TestDb::start().await;
    let earlier = Timestamp::from_millis(1_700_000_000_000);
    let events = [
        (cart_event(json!({})), earlier),
        (cart_event(json!({ "eventId": "key-12345" })), earlier),
        (cart_event(json!({})), now()),
    ];
    let outcomes = record(&store(&db), &events).await;
    let times = outcomes.iter().map(|outcome| &recorded(outcome).created_at);
    assert!(times.eq([&earlier.to_iso(), &earlier.to_iso(), &now().to_iso()]));
    for item in db.items(TABLE).await {
        let is_earlier = item["id"].as_s().unwrap().contains("1700000000000")
            || item.contains_key("fingerprint");
        let at = if is_earlier { earlier } else { now() };
        let expires_at = at.plus_days(DAYS).as_secs().to_string();
        assert_eq!(item["expires_at"].as_n().unwrap(), &expires_at);
    }
}

#[tokio::test]
async fn no_two_events_of_a_batch_share_an_id() {
    let db = TestDb::start().await;
    let mut drawn = 0_u128;
    let twice = || {
        drawn += 1;
        drawn / 2
    };
    let events = mixed(40);
    let outcomes = store(&db).record_cart_events(&events, DAYS, twice).await;
    let outcomes = outcomes.unwrap();
    let ids: HashSet<_> = outcomes
        .iter()
        .map(|outcome| &recorded(outcome).id)
        .collect();
    assert_eq!((ids.len(), stored(&db).await.len()), (40, 40));

    let store = store(&db);
    let stuck = store.record_cart_events(&events[..3], DAYS, || 7_777);
    let stuck = stuck.await.unwrap();
    assert!(!recorded(&stuck[0]).duplicate);
    assert_eq!(stuck[1..], [BatchOutcome::Retry, BatchOutcome::Retry]);
    assert_eq!(stored(&db).await.len(), 41);
}

#[tokio::test]
async fn the_first_event_of_a_key_wins() {
    let db = TestDb::start().await;
    let event = |key: &str, product: u32| json!({ "eventId": key, "productId": product });
    let before = track(&store(&db), &cart_event(event("key-before", 1))).await;
    let before = before.unwrap();
    let events = batch([
        event("key-new-1", 1),
        event("key-before", 2),
        event("key-new-1", 1),
        event("key-before", 1),
        event("key-new-1", 2),
        event("key-new-2", 3),
    ]);
    let outcomes = record(&store(&db), &events).await;
    assert!(!recorded(&outcomes[0]).duplicate);
    assert_eq!(outcomes[1], BatchOutcome::Conflict);
    let repeat = EventRecorded {
        duplicate: true,
        ..recorded(&outcomes[0]).clone()
    };
    assert_eq!(recorded(&outcomes[2]), &repeat);
    let repeat = EventRecorded {
        duplicate: true,
        ..before
    };
    assert_eq!(recorded(&outcomes[3]), &repeat);
    assert_eq!(outcomes[4], BatchOutcome::Conflict);
    assert!(!recorded(&outcomes[5]).duplicate, "it is not held up");
    assert_eq!(stored(&db).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_batches_store_each_key_once() {
    let db = TestDb::start().await;
    let events = batch(
        (0..60).map(|number| json!({ "productId": number, "eventId": format!("key-{number:05}") })),
    );
    let posts: Vec<_> = (0..4)
        .map(|number| {
            let (store, mut events) = (store(&db), events.clone());
            // Not all in one order, so that their transactions meet halfway.
            events.rotate_left(number * 13);
            tokio::spawn(async move {
                let outcomes = record(&store, &events).await;
                let names = events.into_iter().map(|(event, _)| event.product_id);
                names.zip(outcomes).collect::<Vec<_>>()
            })
        })
        .collect();
    let (mut ids, mut firsts) = (BTreeSet::new(), 0);
    for post in posts {
        for (product, outcome) in post.await.unwrap() {
            let recorded = recorded(&outcome);
            firsts += usize::from(!recorded.duplicate);
            ids.insert((product.unwrap().as_str().to_owned(), recorded.id.clone()));
        }
    }
    assert_eq!((ids.len(), firsts), (60, 60));
    assert_eq!(stored(&db).await.len(), 60);
}

#[tokio::test]
async fn only_the_erased_are_left_out() {
    let db = TestDb::start().await;
    erase(&store(&db), "job", &jane(), ErasureMode::Delete).await;
    run_to_end(&store(&db), "job").await;
    // More traces than one read takes.
    let mut events: Vec<_> = (0..100)
        .map(|number| json!({ "customerEmail": format!("nobody-{number}@example.com"), "customerId": format!("c-{number}"), "sessionId": format!("s-{number}") }))
        .collect();
    events[20]["customerEmail"] = JANE.into();
    events[70]["customerId"] = 909.into();
    events[70]["eventId"] = "key-12345".into();
    events[71]["eventId"] = "key-12345".into();
    let outcomes = record(&store(&db), &batch(events)).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            20 | 70 => assert_eq!(outcome, &BatchOutcome::Erased, "{number}"),
            _ => assert!(!recorded(outcome).duplicate, "{number}"),
        }
    }
    assert_eq!(stored(&db).await.len(), 98);
}

#[tokio::test]
async fn what_a_batch_left_out_is_put_again() {
    let db = TestDb::start().await;
    let (proxy, proxied) = proxied(&db).await;
    proxy.set(Fault::LeaveHalf).await;
    let outcomes = record(&proxied, &mixed(60)).await;
    let told: BTreeSet<_> = outcomes
        .iter()
        .map(|outcome| recorded(outcome).id.clone())
        .collect();
    assert_eq!(stored(&db).await.into_keys().collect::<BTreeSet<_>>(), told);
    assert_eq!(told.len(), 60);
}

#[tokio::test]
async fn what_is_left_out_to_the_end_is_to_be_sent_again() {
    let db = TestDb::start().await;
    let (proxy, proxied) = proxied(&db).await;
    proxy.set(Fault::LeaveAll).await;
    let started = Instant::now();
    let outcomes = record(&proxied, &mixed(60)).await;
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    for (number, outcome) in outcomes.iter().enumerate() {
        match number % 2 {
            0 => assert_eq!(outcome, &BatchOutcome::Retry),
            _ => assert!(!recorded(outcome).duplicate, "it goes another way"),
        }
    }
    assert_eq!(stored(&db).await.len(), 30);

    // Where nothing at all is known to be stored, the batch as a whole has failed.
    let plain = batch([json!({}), json!({})]);
    let failed = proxied.record_cart_events(&plain, DAYS, random).await;
    assert!(failed.unwrap_err().is_unavailable());
    assert_eq!(stored(&db).await.len(), 30);
}

#[tokio::test]
async fn a_lost_answer_doubles_nothing() {
    let db = TestDb::start().await;
    let (proxy, proxied) = proxied(&db).await;
    for (round, fault) in [Fault::LoseFirstBatch, Fault::LoseFirstWrite]
        .into_iter()
        .enumerate()
    {
        proxy.set(fault).await;
        let events = batch((0..40).map(|number| match number % 2 {
            0 => json!({ "productId": number }),
            _ => json!({ "productId": number, "eventId": format!("key-{round}-{number:05}") }),
        }));
        let outcomes = record(&proxied, &events).await;
        for outcome in &outcomes {
            let duplicate = recorded(outcome).duplicate;
            assert!(!duplicate, "the retry of one request is no second event");
        }
        assert_eq!(stored(&db).await.len(), (round + 1) * 40);
    }
}

#[tokio::test]
async fn a_database_that_fails_is_told_of_in_time() {
    let db = TestDb::start().await;
    let (proxy, proxied) = proxied(&db).await;
    let events = mixed(60);
    for fault in [
        Fault::Refuse,
        Fault::Hang,
        Fault::Throttle,
        Fault::InternalError,
        Fault::LoseAnswer,
    ] {
        proxy.set(fault).await;
        for events in [&events[..], &batch((0..40).map(|_| json!({})))] {
            let started = Instant::now();
            let failed = proxied.record_cart_events(events, DAYS, random).await;
            assert!(failed.unwrap_err().is_unavailable(), "{fault:?}");
            assert!(started.elapsed() < Duration::from_secs(3), "{fault:?}");
        }
    }
    proxy.set(Fault::Pass).await;
    for outcome in record(&proxied, &events).await {
        recorded(&outcome);
    }
}
