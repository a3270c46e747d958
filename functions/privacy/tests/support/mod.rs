//! The functions behind the gateway, with what privacy's tests ask of them.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::panic,
    clippy::unwrap_used,
    reason = "each test binary takes what it needs of it; clippy.toml lets tests fail so, but not their helpers"
)]

use std::collections::BTreeMap;

use axum::http::Request;
use axum::http::request::Builder;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use shoptrail_domain::access::ApiKey;
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::{SHOPIFY_API_SECRET, TestAnswer, TestDb, TestShop};

pub(crate) const STORE: &str = "my-store.myshopify.com";
pub(crate) const EMAIL: &str = "canary@example.com";
pub(crate) const CUSTOMER: &str = "7001002003";
/// The customer's session: a name that nothing else contains. "s-1" is also in "anonymous-1f3c…".
pub(crate) const SESSION: &str = "visit-of-jane";
/// What stays when the customer above goes.
pub(crate) const OTHER_EMAIL: &str = "canary.other@example.com";
const OTHER_SESSION: &str = "visit-of-other";
/// Every table that an event or a person could stand in.
const TABLES: [&str; 7] = [
    "cart_tracking_events",
    "image_generations",
    "tracker_sessions",
    "ask_ai_decisions",
    "erasures",
    "privacy_jobs",
    "refusals",
];

/// All functions, without limits per client.
pub(crate) async fn shop() -> TestShop {
    let unlimited = [("RATE_LIMIT_PER_MINUTE", "0"), ("RATE_LIMIT_PER_HOUR", "0")];
    TestShop::start(Deployment::Local, &unlimited).await
}

/// A request with a key.
pub(crate) fn with_key(request: Builder, key: &ApiKey) -> Builder {
    request.header("x-api-key", key.expose())
}

pub(crate) async fn get(shop: &TestShop, path: &str, key: &ApiKey) -> TestAnswer {
    shop.send(with_key(Request::get(path), key), &Value::Null)
        .await
}

pub(crate) async fn erase(shop: &TestShop, key: &ApiKey, body: &Value) -> TestAnswer {
    let request = with_key(Request::delete("/api/privacy/customers"), key);
    shop.send(request, body).await
}

/// Sends a webhook as Shopify does.
pub(crate) async fn webhook(shop: &TestShop, topic: &str, event: &str, body: &Value) -> TestAnswer {
    let request = Request::post("/webhooks/shopify")
        .header("x-shopify-topic", topic)
        .header("x-shopify-event-id", event)
        .header("x-shopify-hmac-sha256", signature(&body.to_string()));
    shop.send(request, body).await
}

/// Shopify's signature of a body.
pub(crate) fn signature(body: &str) -> String {
    let hmac = Hmac::<Sha256>::new_from_slice(SHOPIFY_API_SECRET.as_bytes()).unwrap();
    STANDARD.encode(hmac.chain_update(body).finalize().into_bytes())
}

/// The body of a webhook about the customer.
pub(crate) fn about_customer() -> Value {
    json!({
        "shop_id": 954_889, "shop_domain": STORE,
        "customer": { "id": 7_001_002_003_u64, "email": EMAIL, "phone": "555-625-1199" },
    })
}

/// Stores what the customer leaves in the shop, and something of another customer: two cart events each, one of them
/// with a key, and a session with a decision.
pub(crate) async fn visit(shop: &TestShop) {
    for (email, session) in [(EMAIL, SESSION), (OTHER_EMAIL, OTHER_SESSION)] {
        for event_id in [None, Some(format!("event-of-{session}"))] {
            let id = (email == EMAIL).then_some(CUSTOMER);
            let body = json!({
                "storeName": STORE, "customerEmail": email, "customerId": id, "sessionId": session,
                "customerFirstName": "Canary", "productId": "1", "eventId": event_id,
            });
            assert_eq!(
                shop.post("/api/cart-tracking/track", &body).await.status,
                200
            );
        }
        let body = json!({
            "session": session, "storeName": STORE, "itemsInCart": 1,
            "events": { "/": [{ "type": "view", "ts": 1_712_345_678_901_u64, "who": email }] },
        });
        assert_eq!(shop.post("/ingest", &body).await.status, 200);
        assert_eq!(
            shop.post("/askai", &json!({ "session": session }))
                .await
                .status,
            200
        );
    }
}

/// Works on open jobs until there are none.
pub(crate) async fn work_off(shop: &TestShop) {
    for _ in 0..50 {
        privacy::worker::work_off(shop.app()).await.unwrap();
        if shop
            .app()
            .store
            .list_open_privacy_jobs()
            .await
            .unwrap()
            .is_empty()
        {
            return;
        }
    }
    panic!("the jobs do not end");
}

/// How often each text stands in the tables, by table; where it does not, the table is left out.
pub(crate) async fn traces(db: &TestDb, text: &str) -> BTreeMap<&'static str, usize> {
    let mut found = BTreeMap::new();
    for table in TABLES {
        let items = db.items(table).await;
        let count = items
            .iter()
            .filter(|item| format!("{item:?}").contains(text))
            .count();
        if count > 0 {
            found.insert(table, count);
        }
    }
    found
}
