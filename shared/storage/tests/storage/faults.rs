//! A database that is down, hangs, throttles, is at fault or loses its answers.

use std::time::{Duration, Instant};

use serde_json::json;
use shoptrail_local::testing::{Fault, FaultProxy, TestDb};
use shoptrail_storage::{Pepper, Store, StoreConfig, StoreError};

use crate::support::{
    cart_event, deliver, flush, message, now, record, session, store, track, try_deliver,
};

async fn proxied(db: &TestDb) -> (FaultProxy, Store) {
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let config = StoreConfig {
        endpoint_url: Some(proxy.endpoint_url().into()),
        ..db.store_config()
    };
    let pepper = Pepper::new("a pepper for the tests");
    (proxy, Store::connect(&config).with_pepper(pepper))
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
                    .list_decisions(&session(), 1, now())
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
        json!({ "productId": "c", "sessionId": "s-1", "customerEmail": "jane@example.com" }),
    ] {
        proxy.set(Fault::LoseFirstWrite).await;
        let recorded = track(&proxied, &cart_event(fields)).await.unwrap();
        assert!(
            !recorded.duplicate,
            "the retry of one request is no second event"
        );
    }
    let events = db
        .client()
        .scan()
        .table_name("cart_tracking_events")
        .index_name("idx_store_name");
    assert_eq!(events.send().await.unwrap().count, 3);

    // What such a message had to leave out is named all the same.
    proxy.set(Fault::LoseFirstWrite).await;
    let partly =
        message(&json!({ "session": "s-1", "events": { "/": [7, { "type": "v", "ts": 1 }] } }));
    let recorded = deliver(&proxied, &partly).await;
    assert!(recorded.saved);
    assert_eq!(recorded.dropped.len(), 1);

    // One message that changes the head alone, and one that moves entries into a segment.
    for (count, total) in [(3, 4), (300, 301)] {
        proxy.set(Fault::LoseFirstWrite).await;
        assert!(
            deliver(&proxied, &flush("/", 0, count)).await.saved,
            "it was this message that added it"
        );
        assert_eq!(record(&store(&db)).await["totals"]["events"], total);
    }
}
