//! What is stored says when it expires, is not shown after that, and its table's TTL deletes it.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Request;
use serde_json::{Value, json};
use shoptrail_domain::access::Scope;
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::TestShop;

const STORE: &str = "my-store.myshopify.com";
const DAY: i64 = 24 * 3_600;
/// What does not age: keys and switches last until somebody changes them.
const LASTING: [&str; 2] = ["api_keys", "settings"];

/// Seconds from now until its items expire, for each table that has items.
async fn lifetimes(shop: &TestShop) -> BTreeMap<String, BTreeSet<i64>> {
    let mut lifetimes: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for table in &shop.db().template().tables {
        let items = shop.db().items(&table.name).await;
        for item in items {
            let Some(expires_at) = item.get("expires_at") else {
                assert!(
                    LASTING.contains(&table.name.as_str()),
                    "{}: {item:?}",
                    table.name
                );
                continue;
            };
            let expires_at: i64 = expires_at.as_n().unwrap().parse().unwrap();
            lifetimes
                .entry(table.name.clone())
                .or_default()
                .insert(expires_at - shop.now().as_secs());
        }
    }
    lifetimes
}

async fn fill(shop: &TestShop) {
    let event = json!({ "storeName": STORE, "eventId": "event-0001", "customerId": 7 });
    for _ in 0..2 {
        assert_eq!(
            shop.post("/api/cart-tracking/track", &event).await.status,
            200
        );
    }
    let message = json!({ "session": "s-1", "storeName": STORE, "itemsInCart": 1 });
    assert_eq!(shop.post("/ingest", &message).await.status, 200);
    assert_eq!(
        shop.post("/askai", &json!({ "session": "s-1" }))
            .await
            .status,
        200
    );
    shop.app().flush_refusals().await;
}

#[tokio::test]
async fn what_is_stored_expires_as_the_settings_say() {
    let settings = [
        ("EVENT_RETENTION_DAYS", "20"),
        ("SESSION_RETENTION_DAYS", "3"),
    ];
    for (settings, event_days, session_days) in [(&settings[..], 20, 3), (&[][..], 365, 90)] {
        let shop = TestShop::start(Deployment::Local, settings).await;
        fill(&shop).await;
        let lifetimes = lifetimes(&shop).await;
        let of = |table: &str| lifetimes[table].iter().copied().collect::<Vec<_>>();
        assert_eq!(of("cart_tracking_events"), [event_days * DAY]);
        assert_eq!(of("refusals"), [event_days * DAY]);
        assert_eq!(of("tracker_sessions"), [session_days * DAY]);
        assert_eq!(of("ask_ai_decisions"), [session_days * DAY]);
        assert!(
            of("rate_limits")
                .iter()
                .all(|seconds| (1..=3 * 3_600).contains(seconds))
        );
    }
}

#[tokio::test]
async fn every_table_has_a_ttl_on_what_its_items_say() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    for table in &shop.db().template().tables {
        assert_eq!(
            table.ttl_attribute.as_deref(),
            Some("expires_at"),
            "{}",
            table.name
        );
    }
}

#[tokio::test]
async fn what_has_expired_is_not_shown_though_it_is_still_there() {
    let settings = [
        ("SESSION_RETENTION_DAYS", "3"),
        ("EVENT_RETENTION_DAYS", "5"),
    ];
    let shop = TestShop::start(Deployment::Local, &settings).await;
    fill(&shop).await;
    let key = shop.create_key(&[Scope::Read], &["*"]).await;
    let get = async |path: &str| {
        let request = Request::get(path).header("x-api-key", key.expose());
        shop.send(request, &Value::Null).await
    };
    assert_eq!(get("/sessions/s-1").await.status, 200);
    shop.pass_seconds(3 * DAY);
    assert_eq!(get("/sessions/s-1").await.status, 404);
    assert_eq!(
        shop.post("/askai", &json!({ "session": "s-1" }))
            .await
            .status,
        404
    );
    let refusals = "/api/cart-tracking/refusals?storeName=my-store";
    assert_eq!(
        get(refusals).await.json["data"]["days"][0]["reasons"],
        json!({ "duplicate": 1 })
    );
    shop.pass_seconds(2 * DAY);
    assert_eq!(get(refusals).await.json["data"]["days"], json!([]));
    // An idempotency key that has expired is free again.
    let event = json!({ "storeName": STORE, "eventId": "event-0001", "customerId": 8 });
    let tracked = shop.post("/api/cart-tracking/track", &event).await;
    assert_eq!(
        (tracked.status, &tracked.json["data"]["duplicate"]),
        (200, &Value::Null)
    );
}

#[tokio::test]
async fn addresses_are_stored_cut_where_that_is_asked_for() {
    for (settings, address) in [
        (&[("ANONYMIZE_IP", "on")][..], "203.0.113.0"),
        (&[][..], "203.0.113.77"),
    ] {
        let shop = TestShop::start(Deployment::Local, settings).await;
        let request =
            Request::post("/api/cart-tracking/track").header("x-forwarded-for", "203.0.113.77");
        assert_eq!(
            shop.send(request, &json!({ "storeName": STORE }))
                .await
                .status,
            200
        );
        let items = shop.db().items("cart_tracking_events").await;
        assert_eq!(items[0]["ip_address"].as_s().unwrap(), address);
        // Whom a limit counts is no address either.
        let counted = shop.db().items("rate_limits").await;
        assert!(!counted.is_empty() && !format!("{counted:?}").contains("192.0.2"));
    }
}
