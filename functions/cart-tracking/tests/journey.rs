//! Journeys by HTTP: everything that happened, in order of time, and nothing of another store or customer.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot ask or read an answer cannot go on"
)]

use axum::http::Request;
use serde_json::{Value, json};
use shoptrail_domain::access::{ApiKey, Scope};
use shoptrail_domain::limits::{JOURNEY_ITEMS, JOURNEY_SESSIONS};
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::{TestAnswer, TestShop};

const A: &str = "store-a.myshopify.com";
const B: &str = "store-b.myshopify.com";

/// A shop, and a key of store A.
struct Visited {
    shop: TestShop,
    key: ApiKey,
}

impl Visited {
    async fn start() -> Self {
        let shop = TestShop::start(Deployment::Local, &[("RATE_LIMIT_PER_MINUTE", "0")]).await;
        let key = shop.create_key(&[Scope::Read], &[A]).await;
        Self { shop, key }
    }

    /// Posts what must be taken, a second after what was posted before, and gives the answer.
    async fn post(&self, path: &str, body: Value) -> Value {
        self.shop.pass_seconds(1);
        let answer = self.shop.post(path, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json
    }

    /// Events of a page, each as many ms before now as its first value says.
    async fn browse(
        &self,
        session: &str,
        store: Option<&str>,
        page: &str,
        events: &[(i64, Value)],
    ) {
        let now = self.shop.now().as_millis() + 1_000;
        let events = events.iter().map(|(ago, event)| {
            let mut event = event.clone();
            event["ts"] = json!(now - ago);
            event
        });
        let events: Vec<_> = events.collect();
        let body = json!({ "session": session, "storeName": store, "events": { page: events } });
        self.post("/ingest", body).await;
    }

    async fn track(&self, fields: Value) -> String {
        let mut body = json!({ "storeName": A });
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let tracked = self.post("/api/cart-tracking/track", body).await;
        tracked["data"]["id"].as_str().unwrap().to_owned()
    }

    async fn get(&self, query: &[(&str, &str)]) -> TestAnswer {
        let mut query_string = url::form_urlencoded::Serializer::new(String::new());
        query_string.extend_pairs(query);
        let uri = format!("/api/cart-tracking/journey?{}", query_string.finish());
        let request = Request::get(uri).header("x-api-key", self.key.expose());
        self.shop.send(request, &Value::Null).await
    }

    /// The journey in store A of who is named by this parameter.
    async fn journey(&self, name: &str, value: &str) -> Value {
        let answer = self.get(&[("storeName", A), (name, value)]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["data"].clone()
    }
}

/// Of each item its kind and what tells it from others of its kind.
fn told(journey: &Value) -> Vec<String> {
    let items = journey["items"].as_array().unwrap().iter();
    let told = items.map(|item| {
        let kind = item["kind"].as_str().unwrap();
        let what = match kind {
            "cart" | "generation" => &item["productId"],
            "view" | "click" => &item["page"],
            "popup" => &item["source"],
            _ => &item["type"],
        };
        format!("{kind} {}", what.as_str().unwrap_or("-"))
    });
    told.collect()
}

#[tokio::test]
async fn every_kind_of_item_stands_in_order_of_time() {
    let visited = Visited::start().await;
    let began = visited.shop.now();
    visited
        .browse("s-1", Some(A), "/products/shirt", &[
            (0, json!({ "type": "page_view", "title": "Linen shirt", "url": "https://store-a.example/products/shirt" })),
            (0, json!({ "type": "product_view", "productId": 7, "handle": "shirt" })),
            (-200, json!({ "type": "click", "text": "Add to cart" })),
        ])
        .await;
    let generated = visited
        .post("/api/image-generations/track", json!({
            "storeName": A, "sessionId": "s-1", "productId": 7, "generatedImageUrl": "https://images.example.com/1.jpg" }))
        .await;
    let cart = visited
        .track(json!({ "sessionId": "s-1", "productId": 7, "productTitle": "Linen shirt", "variantId": 8, "customerEmail": "jane@example.com" }))
        .await;
    visited
        .browse(
            "s-1",
            Some(A),
            "/cart",
            &[
                (0, json!({ "type": "view" })),
                (-500, json!({ "type": "search", "query": "socks" })),
            ],
        )
        .await;
    visited
        .post(
            "/ingest",
            json!({ "session": "s-1", "itemsInCart": 3, "timeOnPage": { "/cart": 90_000 } }),
        )
        .await;
    let decided = visited.post("/askai", json!({ "session": "s-1" })).await;
    assert_eq!(decided["show_popup"], true, "{decided}");
    let decision = decided["decisionId"].as_str().unwrap();
    let outcome = json!({ "session": "s-1", "decisionId": decision, "outcome": "shown" });
    visited.post("/askai/outcome", outcome).await;

    let at = |ms: i64| began.plus_millis(ms).to_iso();
    let journey = visited.journey("sessionId", "s-1").await;
    assert_eq!(
        journey,
        json!({
            "startedAt": at(1_000), "endedAt": at(6_000), "durationMs": 5_000, "truncated": false, "sessions": ["s-1"],
            "items": [
                { "at": at(1_000), "kind": "view", "gapMs": 0, "sessionId": "s-1",
                  "page": "/products/shirt", "title": "Linen shirt", "productId": "7", "durationMs": 3_000 },
                { "at": at(1_200), "kind": "click", "gapMs": 200, "sessionId": "s-1",
                  "type": "click", "page": "/products/shirt", "text": "Add to cart" },
                { "at": at(2_000), "kind": "generation", "gapMs": 800, "sessionId": "s-1",
                  "id": generated["data"]["id"], "status": "completed", "productId": "7", "generatedImageUrl": "https://images.example.com/1.jpg" },
                { "at": at(3_000), "kind": "cart", "gapMs": 1_000, "sessionId": "s-1",
                  "id": cart, "actionType": "add_to_cart", "productId": "7", "productTitle": "Linen shirt", "variantId": "8" },
                { "at": at(4_000), "kind": "view", "gapMs": 1_000, "sessionId": "s-1",
                  "page": "/cart", "title": null, "productId": null, "durationMs": null },
                { "at": at(4_500), "kind": "event", "gapMs": 500, "sessionId": "s-1", "type": "search", "page": "/cart", "query": "socks" },
                { "at": at(6_000), "kind": "popup", "gapMs": 1_500, "sessionId": "s-1",
                  "decisionId": decision, "source": "rules", "category": decided["category"], "message": decided["message"],
                  "outcomes": { "shown": at(7_000) } },
            ],
        })
    );
    // By the address of the cart event, it is the same journey.
    assert_eq!(
        visited.journey("customerEmail", "Jane@Example.com").await,
        journey
    );
}

#[tokio::test]
async fn a_decision_without_a_popup_is_no_item() {
    let visited = Visited::start().await;
    visited
        .browse("s-1", Some(A), "/", &[(0, json!({ "type": "view" }))])
        .await;
    let decided = visited.post("/askai", json!({ "session": "s-1" })).await;
    assert_eq!(decided["show_popup"], false, "{decided}");
    assert_eq!(told(&visited.journey("sessionId", "s-1").await), ["view /"]);
}

#[tokio::test]
async fn of_nobody_known_there_is_an_empty_journey() {
    let visited = Visited::start().await;
    visited
        .track(json!({ "sessionId": "s-1", "customerId": 7 }))
        .await;
    for (name, value) in [
        ("sessionId", "s-2"),
        ("sessionId", "another widget's session"),
        ("customerId", "8"),
        ("customerEmail", "joe@example.com"),
    ] {
        assert_eq!(
            visited.journey(name, value).await,
            json!({ "startedAt": null, "endedAt": null, "durationMs": 0, "truncated": false, "sessions": [], "items": [] })
        );
    }
}

#[tokio::test]
async fn a_key_sees_journeys_of_its_own_stores_alone() {
    let visited = Visited::start().await;
    for query in [
        &[("storeName", B), ("sessionId", "s-1")][..],
        &[("storeName", B), ("customerId", "7")],
    ] {
        let answer = visited.get(query).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (403, &json!("FORBIDDEN"))
        );
    }
    let answer = visited.get(&[("sessionId", "s-1")]).await;
    assert_eq!(
        (answer.status, &answer.json["details"]["field"]),
        (400, &json!("storeName"))
    );
}

#[tokio::test]
async fn of_a_session_of_another_store_or_of_none_only_this_stores_events_are_shown() {
    let visited = Visited::start().await;
    for (session, store) in [("s-own", Some(A)), ("s-other", Some(B)), ("s-none", None)] {
        visited
            .browse(session, store, "/", &[(0, json!({ "type": "view" }))])
            .await;
        visited
            .post(
                "/ingest",
                json!({ "session": session, "itemsInCart": 3, "timeOnPage": { "/cart": 90_000 } }),
            )
            .await;
        let decided = visited.post("/askai", json!({ "session": session })).await;
        assert_eq!(decided["show_popup"], true, "{decided}");
        let journey = visited.journey("sessionId", session).await;
        let expected: &[&str] = if store == Some(A) {
            &["view /", "popup rules"]
        } else {
            &[]
        };
        assert_eq!(told(&journey), expected, "{session}");
        for (store, product) in [(A, 1), (B, 2)] {
            let fields = json!({ "storeName": store, "sessionId": session, "productId": product });
            visited.track(fields.clone()).await;
            visited.post("/api/image-generations/track", fields).await;
        }
        let journey = visited.journey("sessionId", session).await;
        let expected = [expected, &["cart 1", "generation 1"]].concat();
        assert_eq!(told(&journey), expected, "{session}");
        assert_eq!(journey["sessions"], json!([session]));
    }
}

#[tokio::test]
async fn a_customers_journey_is_that_of_the_sessions_that_the_customers_events_name() {
    let visited = Visited::start().await;
    let view = || [(0, json!({ "type": "view" }))];
    visited.browse("s-1", Some(A), "/first", &view()).await;
    // Not signed in yet.
    visited
        .track(json!({ "sessionId": "s-1", "productId": 1 }))
        .await;
    visited.track(json!({ "sessionId": "s-1", "productId": 2, "customerId": 7, "customerEmail": "jane@example.com" })).await;
    // Somebody else at the same browser.
    visited
        .track(json!({ "sessionId": "s-1", "productId": 3, "customerId": 8 }))
        .await;
    visited.browse("s-2", Some(A), "/second", &view()).await;
    visited
        .post(
            "/api/image-generations/track",
            json!({ "storeName": A, "sessionId": "s-2", "productId": 4, "customerId": 7 }),
        )
        .await;
    // In no session, in another store, and of a session that nothing of the customer's names.
    visited
        .track(json!({ "productId": 5, "customerId": 7 }))
        .await;
    visited
        .track(json!({ "storeName": B, "sessionId": "s-1", "productId": 6, "customerId": 7 }))
        .await;
    visited.browse("s-3", Some(A), "/third", &view()).await;

    let journey = visited
        .journey("customerId", "gid://shopify/Customer/7")
        .await;
    let all = [
        "view /first",
        "cart 1",
        "cart 2",
        "view /second",
        "generation 4",
        "cart 5",
    ];
    assert_eq!(told(&journey), all);
    assert_eq!(journey["sessions"], json!(["s-1", "s-2"]));
    assert_eq!(journey["items"][5]["sessionId"], Value::Null);
    // The address stands in one event alone, whose id tells whose the others of the session are.
    let journey = visited.journey("customerEmail", "jane@example.com").await;
    assert_eq!(told(&journey), ["view /first", "cart 1", "cart 2"]);
    assert_eq!(
        told(&visited.journey("customerId", "8").await),
        ["view /first", "cart 1", "cart 3"]
    );
}

#[tokio::test]
async fn of_a_customer_the_newest_sessions_are_shown() {
    let visited = Visited::start().await;
    for number in 0..=JOURNEY_SESSIONS {
        let fields =
            json!({ "sessionId": format!("s-{number}"), "productId": number, "customerId": 7 });
        visited.track(fields).await;
        let journey = visited.journey("customerId", "7").await;
        assert_eq!(journey["truncated"], number == JOURNEY_SESSIONS, "{number}");
    }
    let journey = visited.journey("customerId", "7").await;
    let expected: Vec<_> = (1..=JOURNEY_SESSIONS)
        .map(|number| format!("cart {number}"))
        .collect();
    assert_eq!(
        told(&journey),
        expected,
        "what lies in the oldest session is left out"
    );
}

#[tokio::test]
async fn of_a_long_session_the_newest_items_are_shown() {
    let visited = Visited::start().await;
    let mut sent = 0;
    while sent < JOURNEY_ITEMS as i64 {
        let events: Vec<_> = (sent..sent + 500)
            .map(|number| {
                (
                    5_000_000 - number,
                    json!({ "type": "scroll", "number": number }),
                )
            })
            .collect();
        visited.browse("s-1", Some(A), "/", &events).await;
        sent += 500;
    }
    let journey = visited.journey("sessionId", "s-1").await;
    assert_eq!(
        (told(&journey).len(), &journey["truncated"]),
        (JOURNEY_ITEMS, &json!(false))
    );
    visited
        .track(json!({ "sessionId": "s-1", "productId": "last" }))
        .await;
    let journey = visited.journey("sessionId", "s-1").await;
    let items = journey["items"].as_array().unwrap();
    assert_eq!(
        (items.len(), &journey["truncated"]),
        (JOURNEY_ITEMS, &json!(true))
    );
    assert_eq!(
        (&items[0]["number"], &items[0]["gapMs"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(items[JOURNEY_ITEMS - 1]["productId"], "last");
    assert_eq!(journey["startedAt"], items[0]["at"]);
}

#[tokio::test]
async fn what_a_shopper_wrote_is_plain_text() {
    let visited = Visited::start().await;
    let hostile = "</script><script>alert(1)</script>\u{2028}\"'=cmd|' /C calc'!A0";
    visited
        .browse("s-1", Some(A), hostile, &[
            (0, json!({ "type": "page_view", "title": hostile })),
            (-1, json!({ "type": hostile, "at": hostile, "kind": hostile, "sessionId": hostile, "__proto__": { "a": 1 }, "text": hostile })),
        ])
        .await;
    visited
        .track(json!({ "sessionId": "s-1", "productTitle": hostile, "productId": "<b>" }))
        .await;
    let answer = visited.get(&[("storeName", A), ("sessionId", "s-1")]).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    let items = &answer.json["data"]["items"];
    assert_eq!(
        (&items[0]["page"], &items[0]["title"]),
        (&json!(hostile), &json!(hostile))
    );
    let event = &items[1];
    assert_eq!(
        (&event["kind"], &event["sessionId"]),
        (&json!("event"), &json!("s-1"))
    );
    assert_eq!(
        (&event["type"], &event["text"]),
        (&json!(hostile), &json!(hostile))
    );
    assert_eq!(event["__proto__"], json!({ "a": 1 }));
    // A separator of lines is none of a title's characters, and the rest of it stays.
    let title = items[2]["productTitle"].as_str().unwrap();
    assert!(
        title.starts_with("</script><script>alert(1)</script>"),
        "{title}"
    );
    assert_eq!(items[2]["productId"], "<b>");
}
