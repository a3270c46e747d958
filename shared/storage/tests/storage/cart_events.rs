//! Cart events are stored once and found by every index.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shoptrail_domain::Timestamp;
use shoptrail_local::testing::TestDb;
use shoptrail_storage::tables;

use crate::support::{DAYS, cart_event, fifty_at_once, now, random, store, stored, track};

const TABLE: &str = "cart_tracking_events";

#[tokio::test]
async fn an_event_is_found_by_every_index() {
    let db = TestDb::start().await;
    let event = cart_event(json!({
        "productId": 7, "customerId": "gid://shopify/Customer/9", "customerEmail": "Jane@example.com", "sessionId": "s-1", "productTitle": "Shirt",
    }));
    let recorded = track(&store(&db), &event).await.unwrap();
    assert!(!recorded.duplicate);
    assert_eq!(recorded.created_at, now().to_iso());

    let item = db
        .client()
        .get_item()
        .table_name(TABLE)
        .key("id", AttributeValue::S(recorded.id.clone()))
        .send()
        .await
        .unwrap()
        .item
        .unwrap();
    let bucket = item["created_bucket"].as_s().unwrap();
    assert!(bucket.starts_with("2025-06-15#"), "{bucket}");
    assert!(
        !item.contains_key("variant_id"),
        "what is absent is no attribute"
    );
    for (index, attribute, value) in [
        (
            tables::IDX_STORE_NAME,
            "store_name",
            "my-store.myshopify.com",
        ),
        (
            tables::IDX_STORE_CREATED,
            "store_name",
            "my-store.myshopify.com",
        ),
        (tables::IDX_CREATED_AT, "created_bucket", bucket),
        (
            tables::IDX_CUSTOMER_EMAIL,
            "customer_email",
            "jane@example.com",
        ),
        (tables::IDX_CUSTOMER_ID, "customer_id", "9"),
        (tables::IDX_PRODUCT_ID, "product_id", "7"),
        (tables::IDX_SESSION_ID, "session_id", "s-1"),
    ] {
        let query = db
            .client()
            .query()
            .table_name(TABLE)
            .index_name(index)
            .key_condition_expression("#key = :value");
        let query = query
            .expression_attribute_names("#key", attribute)
            .expression_attribute_values(":value", AttributeValue::S(value.into()));
        let found = query.send().await.unwrap().items.unwrap();
        assert_eq!(found.len(), 1, "{index}");
        assert_eq!(found[0]["id"].as_s().unwrap(), &recorded.id, "{index}");
    }
}

#[tokio::test]
async fn an_idempotency_record_is_in_no_index() {
    let db = TestDb::start().await;
    track(&store(&db), &cart_event(json!({ "eventId": "key-12345" })))
        .await
        .unwrap();
    let items = db
        .client()
        .scan()
        .table_name(TABLE)
        .send()
        .await
        .unwrap()
        .items
        .unwrap();
    assert_eq!(items.len(), 2, "the event and the record of its key");
    for index in [
        tables::IDX_STORE_NAME,
        tables::IDX_STORE_CREATED,
        tables::IDX_CREATED_AT,
    ] {
        let indexed = db
            .client()
            .scan()
            .table_name(TABLE)
            .index_name(index)
            .send()
            .await
            .unwrap()
            .items
            .unwrap();
        assert_eq!(indexed.len(), 1, "{index}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_parallel_posts_of_one_key_are_one_event() {
    let db = TestDb::start().await;
    let event = cart_event(json!({ "eventId": "key-12345", "productId": "7" }));
    let post = |store| {
        let event = event.clone();
        async move { track(&store, &event).await }
    };
    let (ids, firsts) = fifty_at_once(&db, post).await;
    assert_eq!((ids, firsts), (1, 1));
    let events = db
        .client()
        .scan()
        .table_name(TABLE)
        .index_name(tables::IDX_STORE_NAME)
        .send()
        .await
        .unwrap();
    assert_eq!(events.count, 1);
}

#[tokio::test]
async fn a_key_is_of_one_event_and_of_one_store() {
    let db = TestDb::start().await;
    let store = store(&db);
    let first = track(
        &store,
        &cart_event(json!({ "eventId": "key-12345", "productId": "7" })),
    )
    .await
    .unwrap();
    let other = track(
        &store,
        &cart_event(json!({ "eventId": "key-12345", "productId": "8" })),
    )
    .await
    .unwrap_err();
    assert!(other.is_conflict() && !other.is_unavailable());
    let elsewhere = track(
        &store,
        &cart_event(json!({ "storeName": "other", "eventId": "key-12345", "productId": "8" })),
    )
    .await
    .unwrap();
    assert!(!elsewhere.duplicate);
    assert_ne!(elsewhere.id, first.id);
}

#[tokio::test]
async fn a_key_that_has_expired_is_free_again() {
    let db = TestDb::start().await;
    let store = store(&db);
    let event = cart_event(json!({ "eventId": "key-12345" }));
    let first = track(&store, &event).await.unwrap();
    let later = |days| now().plus_days(days);
    let before = store
        .record_cart_event(&event, later(DAYS - 1), DAYS, random)
        .await
        .map(stored)
        .unwrap();
    assert_eq!((before.id, before.duplicate), (first.id.clone(), true));
    let after = store
        .record_cart_event(&event, later(DAYS), DAYS, random)
        .await
        .map(stored)
        .unwrap();
    assert!(!after.duplicate);
    assert_ne!(after.id, first.id);
}

#[tokio::test]
async fn a_key_that_was_stored_before_there_were_generations_is_known() {
    let db = TestDb::start().await;
    let event = cart_event(json!({ "eventId": "key-12345" }));
    let record = json!({
        "id": "idempotency#my-store.myshopify.com#key-12345", "cart_event_id": "the first", "recorded_at": now().to_iso(),
        "fingerprint": event.fingerprint, "expires_at": now().plus_days(1).as_secs(),
    });
    let item = serde_dynamo::to_item(record).unwrap();
    let put = db
        .client()
        .put_item()
        .table_name(TABLE)
        .set_item(Some(item));
    put.send().await.unwrap();
    let repeat = track(&store(&db), &event).await.unwrap();
    assert_eq!((repeat.id.as_str(), repeat.duplicate), ("the first", true));
}

#[tokio::test]
async fn an_id_that_is_taken_is_drawn_anew() {
    let db = TestDb::start().await;
    let store = store(&db);
    for fields in [
        json!({ "productId": "a" }),
        json!({ "productId": "b", "eventId": "key-12345" }),
    ] {
        let event = cart_event(fields);
        let mut draws = [7_u128, 7, 8].into_iter();
        let first = store
            .record_cart_event(
                &cart_event(json!({})),
                Timestamp::from_millis(1),
                DAYS,
                || 7,
            )
            .await
            .map(stored);
        let second = store
            .record_cart_event(&event, Timestamp::from_millis(1), DAYS, || {
                draws.next().unwrap_or(9)
            })
            .await
            .map(stored)
            .unwrap();
        if let Ok(first) = first {
            assert_ne!(second.id, first.id);
        }
        assert!(!second.duplicate);
    }
    let events = db
        .client()
        .scan()
        .table_name(TABLE)
        .index_name(tables::IDX_STORE_NAME)
        .send()
        .await
        .unwrap();
    assert_eq!(events.count, 3);
}
