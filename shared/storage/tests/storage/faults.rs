//! A database that is down, hangs, throttles, is at fault or loses its answers.

use std::time::{Duration, Instant};

use serde_json::json;
use shoptrail_local::testing::{Fault, FaultProxy, TestDb};
use shoptrail_storage::{Store, StoreConfig, StoreError};

use crate::support::{cart_event, deliver, flush, now, record, session, store, track, try_deliver};

async fn proxied(db: &TestDb) -> (FaultProxy, Store) {
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let config = StoreConfig {
        endpoint_url: Some(proxy.endpoint_url().into()),
        ..db.store_config()
    };
    (proxy, Store::connect(&config))
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_unavailable_in_time() {
    let db = TestDb::start().await;
    let (proxy, store) = proxied(&db).await;
    for fault in [
        Fault::Refuse,
        Fault::Hang,
        Fault::Throttle,
        Fault::InternalError,
    ] {
        proxy.set(fault).await;
        let started = Instant::now();
        let (plain, keyed, ingested, found, decided, checked) = tokio::join!(
            track_error(&store, json!({})),
            track_error(&store, json!({ "eventId": "key-12345" })),
            async { try_deliver(&store, &flush("/", 0, 1)).await.unwrap_err() },
            async { store.find_session(&session(), now()).await.unwrap_err() },
            async {
                store
                    .find_latest_decision(&session(), now())
                    .await
                    .unwrap_err()
            },
            async {
                store
                    .check(shoptrail_storage::Table::Sessions)
                    .await
                    .unwrap_err()
            },
        );
        for error in [plain, keyed, ingested, found, decided, checked] {
            assert!(error.is_unavailable(), "{fault:?}: {error}");
        }
        assert!(
            started.elapsed() < Duration::from_secs(3),
            "{fault:?} took {:?}",
            started.elapsed()
        );
    }
    proxy.set(Fault::Pass).await;
    assert!(
        deliver(&store, &flush("/", 0, 1)).await.saved,
        "it recovers"
    );
}

async fn track_error(store: &Store, fields: serde_json::Value) -> StoreError {
    track(store, &cart_event(fields)).await.unwrap_err()
}

#[tokio::test]
async fn an_error_tells_nothing_of_the_request() {
    let db = TestDb::start().await;
    let config = StoreConfig {
        table_prefix: "no-such-table-".into(),
        ..db.store_config()
    };
    let error = track_error(
        &Store::connect(&config),
        json!({ "customerEmail": "canary@example.com" }),
    )
    .await;
    assert!(!error.is_unavailable() && !error.is_conflict());
    assert_eq!(
        error.to_string(),
        "record_cart_event: the database refused the request"
    );
}

/// What is stored though its answer got lost is neither lost nor doubled by the retry.
#[tokio::test]
async fn a_lost_answer_doubles_nothing() {
    let db = TestDb::start().await;
    let (proxy, proxied) = proxied(&db).await;
    for fields in [
        json!({ "productId": "a" }),
        json!({ "productId": "b", "eventId": "key-12345" }),
    ] {
        proxy.set(Fault::LoseAnswer).await;
        let event = cart_event(fields);
        let tracked = tokio::spawn({
            let (store, event) = (proxied.clone(), event.clone());
            async move { track(&store, &event).await }
        });
        // The first attempt reaches the database in this time, a later one gets its answer.
        tokio::time::sleep(Duration::from_millis(10)).await;
        proxy.set(Fault::Pass).await;
        let recorded = tracked.await.unwrap().unwrap();
        assert!(
            !recorded.duplicate,
            "the retry of one request is no second event"
        );
    }
    let events = db
        .client()
        .scan()
        .table_name("cart_tracking_events")
        .index_name("idx_store_name")
        .send()
        .await
        .unwrap();
    assert_eq!(events.count, 2);

    proxy.set(Fault::LoseAnswer).await;
    // A failed read is tried again by itself; the write is what must not be doubled.
    let delivered = tokio::spawn({
        let store = proxied.clone();
        async move { try_deliver(&store, &flush("/", 0, 3)).await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    proxy.set(Fault::Pass).await;
    assert!(delivered.await.unwrap().unwrap().saved);
    assert_eq!(record(&store(&db)).await["totals"]["events"], 3);
}
