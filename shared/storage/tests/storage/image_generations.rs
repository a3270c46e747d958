//! Image generations are stored once, as cart events are, and found by every index.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shoptrail_domain::privacy::ErasureMode;
use shoptrail_domain::web_url::WebUrl;
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_local::testing::TestDb;
use shoptrail_storage::{Recorded, image_key, tables};

use crate::support::{
    DAYS, all_items, cart_event, erase, fifty_at_once, generate, image_generation, now, person,
    random, run_to_end, store, track,
};

const TABLE: &str = "image_generations";

/// The ids that an index has under a key.
async fn found(db: &TestDb, index: &str, attribute: &str, value: &str) -> Vec<String> {
    let query = db
        .client()
        .query()
        .table_name(TABLE)
        .index_name(index)
        .key_condition_expression("#key = :value")
        .expression_attribute_names("#key", attribute)
        .expression_attribute_values(":value", AttributeValue::S(value.into()));
    let items = query.send().await.unwrap().items.unwrap();
    let ids = items.iter().map(|item| item["id"].as_s().unwrap().clone());
    ids.collect()
}

#[tokio::test]
async fn a_generation_is_found_by_every_index() {
    let db = TestDb::start().await;
    let generation = image_generation(json!({
        "productId": 7, "variantId": 8, "customerId": "gid://shopify/Customer/9", "customerEmail": "Jane@example.com", "sessionId": "s-1",
        "generatedImageUrl": "https://img.example/1.png", "status": "pending", "eventId": "key-12345",
    }));
    let recorded = generate(&store(&db), &generation).await.unwrap();
    assert!(recorded.id.starts_with("image-generation-1750000000000-"));
    for (index, attribute, value) in [
        (
            tables::IDX_STORE_CREATED,
            "store_name",
            "my-store.myshopify.com",
        ),
        (
            tables::IDX_CUSTOMER_EMAIL,
            "customer_email",
            "jane@example.com",
        ),
        (tables::IDX_CUSTOMER_ID, "customer_id", "9"),
        (tables::IDX_SESSION_ID, "session_id", "s-1"),
    ] {
        assert_eq!(
            found(&db, index, attribute, value).await,
            [recorded.id.as_str()],
            "{index}"
        );
    }
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
    let mut item: Value = serde_dynamo::from_item(item).unwrap();
    let bucket = item["created_bucket"].take();
    let bucket = bucket.as_str().unwrap();
    assert!(bucket.starts_with("2025-06-15#"), "{bucket}");
    assert_eq!(
        found(&db, tables::IDX_CREATED_AT, "created_bucket", bucket).await,
        [recorded.id.as_str()]
    );
    assert_eq!(
        item,
        json!({
            "id": recorded.id, "store_name": "my-store.myshopify.com", "status": "pending", "product_id": "7", "variant_id": "8",
            "customer_id": "9", "customer_email": "jane@example.com", "session_id": "s-1",
            "generated_image_url": "https://img.example/1.png", "event_id": "key-12345",
            "image_key": "6ed785b7726e3f24b8dc47ac78360b47", "created_bucket": null,
            "created_at": now().to_iso(), "updated_at": now().to_iso(), "expires_at": now().plus_days(DAYS).as_secs(),
        }),
        "what is absent is no attribute"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_parallel_posts_of_one_key_are_one_generation() {
    let db = TestDb::start().await;
    let generation = image_generation(json!({ "eventId": "key-12345", "productId": "7" }));
    let post = |store| {
        let generation = generation.clone();
        async move { generate(&store, &generation).await }
    };
    let (ids, firsts) = fifty_at_once(&db, post).await;
    assert_eq!((ids, firsts), (1, 1));
    let stored = found(
        &db,
        tables::IDX_STORE_CREATED,
        "store_name",
        "my-store.myshopify.com",
    );
    assert_eq!(stored.await.len(), 1);
}

#[tokio::test]
async fn a_key_is_of_one_generation_and_of_one_store() {
    let db = TestDb::start().await;
    let store = store(&db);
    let pending = json!({ "eventId": "key-12345", "status": "pending" });
    let first = generate(&store, &image_generation(pending.clone()))
        .await
        .unwrap();
    let again = generate(&store, &image_generation(pending)).await.unwrap();
    assert_eq!((again.id, again.duplicate), (first.id.clone(), true));
    let completed = json!({ "eventId": "key-12345", "status": "completed" });
    let other = generate(&store, &image_generation(completed)).await;
    assert!(other.unwrap_err().is_conflict());
    let elsewhere = json!({ "storeName": "other", "eventId": "key-12345", "status": "completed" });
    let elsewhere = generate(&store, &image_generation(elsewhere))
        .await
        .unwrap();
    assert!(!elsewhere.duplicate);
    assert_ne!(elsewhere.id, first.id);
}

#[tokio::test]
async fn a_key_of_a_cart_event_is_free_for_a_generation() {
    let db = TestDb::start().await;
    let store = store(&db);
    let event = cart_event(json!({ "eventId": "key-12345", "productId": "7" }));
    let generation = image_generation(json!({ "eventId": "key-12345", "productId": "7" }));
    assert!(!track(&store, &event).await.unwrap().duplicate);
    assert!(!generate(&store, &generation).await.unwrap().duplicate);
    assert!(track(&store, &event).await.unwrap().duplicate);
    assert!(generate(&store, &generation).await.unwrap().duplicate);
}

#[tokio::test]
async fn an_id_that_is_taken_is_drawn_anew() {
    let db = TestDb::start().await;
    let store = store(&db);
    let at = Timestamp::from_millis(1);
    let mut ids = HashSet::new();
    for product in ["a", "b"] {
        let generation = image_generation(json!({ "productId": product }));
        let mut draws = [7_u128, 8].into_iter();
        let recorded = store
            .record_image_generation(&generation, at, DAYS, || draws.next().unwrap_or(9))
            .await;
        ids.insert(crate::support::stored(recorded.unwrap()).id);
    }
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn of_a_picture_that_was_made_anonymous_no_key_is_left() {
    let db = TestDb::start().await;
    let store = store(&db);
    let url = "https://img.example/1.png";
    let fields = json!({ "customerEmail": "jane@example.com", "generatedImageUrl": url });
    track(&store, &cart_event(fields.clone())).await.unwrap();
    generate(&store, &image_generation(fields)).await.unwrap();
    let of_store = StoreName::parse("my-store").unwrap();
    let key = image_key(&of_store, &WebUrl::parse(url).unwrap());
    // In both tables, and in the indexes that hold it.
    assert!(all_items(&db).await.matches(&key).count() >= 6);

    let jane = person(json!({ "customerEmail": "jane@example.com" }));
    erase(&store, "job", &jane, ErasureMode::Anonymize).await;
    run_to_end(&store, "job").await;
    assert_eq!(db.items(TABLE).await.len(), 1);
    let left = all_items(&db).await;
    assert!(
        !left.contains(&key) && !left.contains("image_key"),
        "{left}"
    );
}

#[tokio::test]
async fn an_erased_persons_generation_is_refused() {
    let db = TestDb::start().await;
    let store = store(&db);
    let whole =
        person(json!({ "customerEmail": "jane@example.com", "customerId": 9, "sessionId": "s 1" }));
    erase(&store, "job", &whole, ErasureMode::Delete).await;
    for is_done in [false, true] {
        for fields in [
            json!({ "customerEmail": "Jane@example.com" }),
            json!({ "customerId": 9, "eventId": "key-12345" }),
            json!({ "sessionId": "s 1", "customerEmail": "joe@example.com" }),
        ] {
            let generation = image_generation(fields.clone());
            let late = store
                .record_image_generation(&generation, now(), DAYS, random)
                .await;
            assert_eq!(late.unwrap(), Recorded::Erased, "{fields} {is_done}");
        }
        let elsewhere = json!({ "storeName": "other", "customerEmail": "jane@example.com" });
        generate(&store, &image_generation(elsewhere))
            .await
            .unwrap();
        run_to_end(&store, "job").await;
    }
}
