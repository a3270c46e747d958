//! What a session did beside browsing is listed newest first, for one store alone.

use serde_json::json;
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_local::testing::TestDb;
use shoptrail_storage::{SessionActivity, Store};

use crate::support::{DAYS, cart_event, image_generation, now, random, store};

const SECOND: i64 = 1_000;

fn store_name(name: &str) -> StoreName {
    StoreName::parse(name).unwrap()
}

async fn track_at(store: &Store, fields: serde_json::Value, at: Timestamp) {
    let event = cart_event(fields);
    let recorded = store.record_cart_event(&event, at, DAYS, random).await;
    recorded.unwrap();
}

/// The product ids of the session's events in a store, as they are listed.
async fn listed(store: &Store, name: &str, limit: usize, now: Timestamp) -> Vec<String> {
    let of = SessionActivity {
        session: "s-1",
        store_name: &store_name(name),
        limit,
    };
    let events = store.list_cart_events_of_session(of, now).await.unwrap();
    let ids = events.into_iter().map(|event| event.product_id.unwrap());
    ids.collect()
}

#[tokio::test]
async fn the_newest_cart_events_of_a_session_come_first_and_whole() {
    let db = TestDb::start().await;
    let store = store(&db);
    for second in 0..5 {
        let fields = json!({ "productId": second, "sessionId": "s-1", "userAgent": "a browser" });
        track_at(&store, fields, now().plus_millis(second * SECOND)).await;
    }
    track_at(&store, json!({ "productId": 9, "sessionId": "s-2" }), now()).await;
    track_at(&store, json!({ "productId": 9 }), now()).await;
    assert_eq!(
        listed(&store, "my-store", 50, now()).await,
        ["4", "3", "2", "1", "0"]
    );
    assert_eq!(listed(&store, "my-store", 2, now()).await, ["4", "3"]);
    assert!(listed(&store, "my-store", 0, now()).await.is_empty());
    let of = SessionActivity {
        session: "s-1",
        store_name: &store_name("my-store"),
        limit: 1,
    };
    let newest = store.list_cart_events_of_session(of, now()).await.unwrap();
    assert_eq!(
        newest[0].user_agent.as_deref(),
        Some("a browser"),
        "which the index does not hold"
    );
}

#[tokio::test]
async fn another_stores_events_of_the_same_session_are_passed_over() {
    let db = TestDb::start().await;
    let store = store(&db);
    track_at(
        &store,
        json!({ "productId": "own", "sessionId": "s-1" }),
        now(),
    )
    .await;
    // More than a page of them, all of them newer.
    for second in 1..12 {
        let fields =
            json!({ "storeName": "other-store", "productId": "other", "sessionId": "s-1" });
        track_at(&store, fields, now().plus_millis(second * SECOND)).await;
    }
    assert_eq!(listed(&store, "my-store", 5, now()).await, ["own"]);
    assert_eq!(listed(&store, "other-store", 5, now()).await.len(), 5);
    assert!(listed(&store, "third-store", 5, now()).await.is_empty());
}

#[tokio::test]
async fn what_has_expired_is_not_listed() {
    let db = TestDb::start().await;
    let store = store(&db);
    track_at(&store, json!({ "productId": 1, "sessionId": "s-1" }), now()).await;
    let last = now().plus_days(DAYS).plus_millis(-SECOND);
    assert_eq!(listed(&store, "my-store", 5, last).await, ["1"]);
    let over = now().plus_days(DAYS);
    assert!(listed(&store, "my-store", 5, over).await.is_empty());
}

#[tokio::test]
async fn image_generations_of_a_session_are_listed_likewise() {
    let db = TestDb::start().await;
    let store = store(&db);
    for (second, name) in ["my-store", "my-store", "other-store"]
        .into_iter()
        .enumerate()
    {
        let fields = json!({ "storeName": name, "productId": second, "sessionId": "s-1" });
        let at = now().plus_millis(second as i64 * SECOND);
        let generation = image_generation(fields);
        let recorded = store.record_image_generation(&generation, at, DAYS, random);
        recorded.await.unwrap();
    }
    let of = SessionActivity {
        session: "s-1",
        store_name: &store_name("my-store"),
        limit: 50,
    };
    let listed = store.list_image_generations_of_session(of, now()).await;
    let listed = listed.unwrap();
    let products: Vec<_> = listed.iter().map(|one| one.product_id.as_deref()).collect();
    assert_eq!(products, [Some("1"), Some("0")]);
}
