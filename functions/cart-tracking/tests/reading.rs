//! Reading cart events by HTTP: what the filters find, how pages follow each other, and who sees what.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot ask or read an answer cannot go on"
)]

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Request;
use serde_json::{Value, json};
use shoptrail_domain::access::{ApiKey, Scope};
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::{TestAnswer, TestShop};

const EVENTS: &str = "/api/cart-tracking/events";
const ALL: &str = "/api/cart-tracking/all";
const A: &str = "store-a.myshopify.com";
const B: &str = "store-b.myshopify.com";
const C: &str = "store-c.myshopify.com";
/// The days around the end of summer time in Berlin.
const BEGINNING: &str = "2026-10-24T20:30:00Z";
const STORED: usize = 72;
/// Leaves nothing out, but spares all stores together the look into every day of a year.
const SINCE: (&str, &str) = ("startDate", "2026-10-24");

/// A shop with an assortment of events, one an hour, in three stores; and keys.
struct Stocked {
    shop: TestShop,
    /// As `/events` gives them for all stores, the oldest first.
    events: Vec<Value>,
    /// For all stores.
    key: ApiKey,
}

impl Stocked {
    async fn start() -> Self {
        let shop = TestShop::start(Deployment::Local, &[]).await;
        let beginning = shoptrail_domain::Timestamp::parse_iso(BEGINNING).unwrap();
        shop.pass_seconds(beginning.as_secs() - shop.now().as_secs());
        for number in 0..STORED {
            // Numbers without a common divisor, so that every combination comes up.
            let of = |names: &[&'static str]| names[number % names.len()];
            let email = of(&[
                "Jane@Example.com",
                "joe@example.com",
                "",
                "",
                "ann@example.com",
            ]);
            let body = json!({
                "storeName": of(&[A, A, B, C]),
                "actionType": of(&["add_to_cart", "buy_now", "add_to_cart"]),
                "productId": of(&["p1", "p2", "p3", "", "p1", "p4", "p5"]),
                "productTitle": "Linen shirt",
                "variantId": of(&["v1", "v2", "v1", "", "v3"]),
                "customerId": of(&["7", "", "8", "7", "", "", "9"]),
                "customerEmail": email,
                "sessionId": of(&["s-1", "s-2", "s-3", "s-1", ""]),
            });
            let tracked = shop.post("/api/cart-tracking/track", &body).await;
            assert_eq!(tracked.status, 200, "{tracked:?}");
            shop.pass_seconds(3_600);
        }
        let key = shop.create_key(&[Scope::Read], &["*"]).await;
        let mut stocked = Self {
            shop,
            events: Vec::new(),
            key,
        };
        let answer = stocked
            .get(
                EVENTS,
                &[("orderDirection", "ASC"), ("limit", "100"), SINCE],
            )
            .await;
        stocked.events = records(&answer);
        assert_eq!(stocked.events.len(), STORED);
        stocked
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> TestAnswer {
        self.get_with(&self.key, path, query).await
    }

    async fn get_with(&self, key: &ApiKey, path: &str, query: &[(&str, &str)]) -> TestAnswer {
        let mut query_string = url::form_urlencoded::Serializer::new(String::new());
        query_string.extend_pairs(query);
        let uri = format!("{path}?{}", query_string.finish());
        let request = Request::get(uri).header("x-api-key", key.expose());
        self.shop.send(request, &Value::Null).await
    }

    /// The ids of the events that are like this, the newest first.
    fn ids(&self, is_like: impl Fn(&Value) -> bool) -> Vec<String> {
        let found = self.events.iter().rev().filter(|event| is_like(event));
        found.map(id).collect()
    }
}

/// Whether an event has the value of every parameter.
fn is_like(event: &Value, query: &[(&str, &str)]) -> bool {
    let mut filters = query.iter().filter(|parameter| **parameter != SINCE);
    filters.all(|(name, value)| event[*name] == *value)
}

fn id(record: &Value) -> String {
    record["id"].as_str().unwrap().to_owned()
}

fn records(answer: &TestAnswer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json["data"]["records"].as_array().unwrap().clone()
}

fn ids(answer: &TestAnswer) -> Vec<String> {
    records(answer).iter().map(id).collect()
}

fn problems(answer: &TestAnswer) -> Vec<&str> {
    assert_eq!(
        (answer.status, &answer.json["code"]),
        (400, &"VALIDATION_ERROR".into()),
        "{answer:?}"
    );
    let errors = answer.json["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_record_is_shown_whole_and_null_where_nothing_is() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let key = shop.create_key(&[Scope::Read], &[A]).await;
    let body = json!({
        "storeName": "store-a", "actionType": "buy_now", "productId": 7, "productTitle": "Linen shirt",
        "productUrl": "https://store-a.myshopify.com/products/linen-shirt", "variantId": "8",
        "customerId": "gid://shopify/Customer/9", "customerEmail": "Jane@Example.com", "customerFirstName": "Jane",
        "customerLastName": "Doe", "generatedImageUrl": "https://images.example.com/1.jpg",
        "personImageUrl": "https://images.example.com/2.jpg", "clothingImageUrl": "https://images.example.com/3.jpg",
        "userAgent": "Agent/1", "sessionId": "s-1", "eventId": "key-12345", "occurredAt": "2026-11-21T13:30:00+01:00",
    });
    let whole = shop.post("/api/cart-tracking/track", &body).await;
    shop.pass_seconds(1);
    let bare = Request::post("/api/cart-tracking/track");
    let bare = shop.send(bare, &json!({ "storeName": "store-a" })).await;
    let paths = [EVENTS, ALL, "/cart-tracking/events", "/cart-tracking/all"];
    for path in paths {
        let request = Request::get(path).header("x-api-key", key.expose());
        let answer = shop.send(request, &Value::Null).await;
        let expected = json!([
            {
                "id": bare.json["data"]["id"], "storeName": A, "actionType": "add_to_cart", "productId": null,
                "productTitle": null, "productUrl": null, "variantId": null, "customerId": null,
                "customerEmail": null, "customerFirstName": null, "customerLastName": null,
                "generatedImageUrl": null, "personImageUrl": null, "clothingImageUrl": null, "userAgent": null,
                "ipAddress": "192.0.2.1", "sessionId": null, "eventId": null, "occurredAt": null,
                "createdAt": "2026-11-21T12:30:21.500Z", "updatedAt": "2026-11-21T12:30:21.500Z",
            },
            {
                "id": whole.json["data"]["id"], "storeName": A, "actionType": "buy_now", "productId": "7",
                "productTitle": "Linen shirt", "productUrl": "https://store-a.myshopify.com/products/linen-shirt",
                "variantId": "8", "customerId": "9", "customerEmail": "jane@example.com",
                "customerFirstName": "Jane", "customerLastName": "Doe",
                "generatedImageUrl": "https://images.example.com/1.jpg",
                "personImageUrl": "https://images.example.com/2.jpg",
                "clothingImageUrl": "https://images.example.com/3.jpg", "userAgent": "Agent/1",
                "ipAddress": "192.0.2.1", "sessionId": "s-1", "eventId": "key-12345",
                "occurredAt": "2026-11-21T12:30:00.000Z", "createdAt": "2026-11-21T12:30:20.500Z",
                "updatedAt": "2026-11-21T12:30:20.500Z",
            },
        ]);
        assert_eq!(answer.json["data"]["records"], expected, "{path}");
    }
}

/// The wire's name of each filter, with values that some events have and one that none has.
const FILTERS: [(&str, [&str; 3]); 7] = [
    ("storeName", [A, B, "store-d.myshopify.com"]),
    ("actionType", ["add_to_cart", "buy_now", "wishlist:add"]),
    ("productId", ["p1", "p4", "p9"]),
    ("variantId", ["v1", "v3", "v9"]),
    ("customerId", ["7", "9", "10"]),
    (
        "customerEmail",
        ["jane@example.com", "ann@example.com", "nobody@example.com"],
    ),
    ("sessionId", ["s-1", "s-2", "s-9"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_filter_and_every_two_find_what_a_naive_look_finds() {
    let stocked = Stocked::start().await;
    let mut found_some = 0;
    let single = FILTERS
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| vec![(*name, *value)]));
    let pairs = FILTERS.iter().enumerate().flat_map(|(at, (name, values))| {
        FILTERS[at + 1..]
            .iter()
            .map(move |(other, others)| vec![(*name, values[0]), (*other, others[0])])
    });
    for query in single.chain(pairs) {
        let expected = stocked.ids(|event| is_like(event, &query));
        let whole: Vec<_> = query
            .iter()
            .copied()
            .chain([("limit", "100"), SINCE])
            .collect();
        let events = stocked.get(EVENTS, &whole).await;
        assert_eq!(ids(&events), expected, "{query:?}");
        assert_eq!(events.json["data"]["nextCursor"], Value::Null, "{query:?}");
        let all = stocked.get(ALL, &whole).await;
        assert_eq!(ids(&all), expected, "{query:?}");
        assert_eq!(
            all.json["data"]["summary"]["eventsCount"],
            expected.len(),
            "{query:?}"
        );
        found_some += usize::from(!expected.is_empty());
    }
    assert!(found_some > 30, "{found_some}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_together_finds_one_event_as_clients_write_it() {
    let stocked = Stocked::start().await;
    let one = &stocked.events[21];
    let email = one["customerEmail"]
        .as_str()
        .unwrap_or_default()
        .to_uppercase();
    let gid = |kind: &str, name: &str| {
        let id = one[name].as_str();
        id.map_or(String::new(), |id| format!("gid://shopify/{kind}/{id}"))
    };
    let (product, variant, customer) = (
        gid("Product", "productId"),
        gid("ProductVariant", "variantId"),
        gid("Customer", "customerId"),
    );
    let at = one["createdAt"].as_str().unwrap();
    let query = [
        ("storeName", " https://Store-A.myshopify.com/admin "),
        ("productId", &product),
        ("variantId", &variant),
        ("customerId", &customer),
        ("customerEmail", &email),
        ("sessionId", one["sessionId"].as_str().unwrap_or_default()),
        ("actionType", one["actionType"].as_str().unwrap()),
        ("startDate", at),
        ("endDate", at),
        ("timezone", "Europe/Berlin"),
        ("orderDirection", "asc"),
        ("limit", "1"),
        ("cursor", " "),
        ("unknown", "parameter"),
    ];
    assert_eq!(one["storeName"], A);
    let answer = stocked.get(EVENTS, &query).await;
    assert_eq!(records(&answer), std::slice::from_ref(one));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_to_the_end_and_hold_everything_once() {
    let stocked = Stocked::start().await;
    let filters: [&[(&str, &str)]; 4] = [
        &[SINCE],
        &[("storeName", A)],
        &[("actionType", "buy_now"), SINCE],
        &[("customerId", "7"), ("variantId", "v1")],
    ];
    for filter in filters {
        for direction in ["ASC", "DESC"] {
            let mut expected = stocked.ids(|event| is_like(event, filter));
            if direction == "ASC" {
                expected.reverse();
            }
            let (mut found, mut cursor) = (Vec::new(), String::new());
            for limit in [1, 7, 2, 100, 100].map(|limit: usize| limit.to_string()) {
                let mut query = filter.to_vec();
                query.extend([
                    ("orderDirection", direction),
                    ("limit", &limit),
                    ("cursor", &cursor),
                ]);
                let page = stocked.get(EVENTS, &query).await;
                let on_page = ids(&page);
                let next = page.json["data"]["nextCursor"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                assert!(
                    next.is_empty() || on_page.len().to_string() == limit,
                    "a page is full or the last"
                );
                found.extend(on_page);
                cursor = next;
                if cursor.is_empty() {
                    break;
                }
            }
            assert_eq!(found, expected, "{filter:?} {direction}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_of_its_own_query_and_key_alone() {
    let stocked = Stocked::start().await;
    let of_a = stocked.shop.create_key(&[Scope::Read], &[A]).await;
    let of_a_and_b = stocked.shop.create_key(&[Scope::Read], &[A, B]).await;
    let first = stocked
        .get(EVENTS, &[("storeName", A), ("limit", "3")])
        .await;
    let cursor = first.json["data"]["nextCursor"].as_str().unwrap();

    let same = [
        ("storeName", "store-a"),
        ("limit", "5"),
        ("orderDirection", "desc"),
        ("cursor", cursor),
    ];
    let (next, of_other_key) = (
        stocked.get(EVENTS, &same).await,
        stocked.get_with(&of_a, EVENTS, &same).await,
    );
    assert_eq!(
        ids(&next),
        stocked.ids(|event| event["storeName"] == A)[3..8]
    );
    assert_eq!(ids(&of_other_key), ids(&next), "what both may see");

    let other: [&[(&str, &str)]; 7] = [
        &[],
        &[("storeName", B)],
        &[("storeName", A), ("orderDirection", "ASC")],
        &[("storeName", A), ("productId", "p1")],
        &[("storeName", A), ("startDate", "2026-10-01")],
        &[("storeName", A), ("endDate", "2026-12-01")],
        &[("storeName", A), ("customerEmail", "jane@example.com")],
    ];
    for query in other {
        let mut query = query.to_vec();
        query.push(("cursor", cursor));
        let refused = stocked.get(EVENTS, &query).await;
        assert_eq!(problems(&refused), ["cursor"], "{query:?}");
    }
    let of_two = stocked
        .get_with(&of_a_and_b, EVENTS, &[("limit", "1")])
        .await;
    let of_two = of_two.json["data"]["nextCursor"].as_str().unwrap();
    for (key, status) in [(&of_a_and_b, 200), (&of_a, 400), (&stocked.key, 400)] {
        let answer = stocked.get_with(key, EVENTS, &[("cursor", of_two)]).await;
        assert_eq!(answer.status, status);
    }
    for at in [0, 20, 50, cursor.len() - 1] {
        let mut changed = cursor.to_owned();
        let other = if changed.as_bytes()[at] == b'x' {
            "y"
        } else {
            "x"
        };
        changed.replace_range(at..=at, other);
        let refused = stocked
            .get(EVENTS, &[("storeName", A), ("cursor", &changed)])
            .await;
        assert_eq!(problems(&refused), ["cursor"], "{at}");
    }
    for wrong in [
        "x",
        "AAAA",
        &cursor[..cursor.len() - 4],
        &format!("{cursor}AAAA"),
        &"A".repeat(10_000),
    ] {
        let refused = stocked
            .get(EVENTS, &[("storeName", A), ("cursor", wrong)])
            .await;
        assert_eq!(problems(&refused), ["cursor"]);
        let reason = &refused.json["details"]["reason"];
        assert_eq!(
            reason,
            "Must be the nextCursor of an earlier page of the same query, as it was given"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sees_its_stores_alone() {
    let stocked = Stocked::start().await;
    let key = stocked.shop.create_key(&[Scope::Read], &[A, C]).await;
    let of_two = stocked.ids(|event| event["storeName"] != B);
    let hundred = ("limit", "100");
    for path in [EVENTS, ALL] {
        let answer = stocked.get_with(&key, path, &[hundred]).await;
        assert_eq!(ids(&answer), of_two);
        for query in [
            ("productId", "p1"),
            ("customerId", "7"),
            ("sessionId", "s-1"),
            ("customerEmail", "joe@example.com"),
        ] {
            let answer = stocked.get_with(&key, path, &[query, hundred]).await;
            let is_like = |event: &Value| event["storeName"] != B && event[query.0] == query.1;
            assert_eq!(ids(&answer), stocked.ids(is_like), "{path} {query:?}");
        }
        let of_one = stocked
            .get_with(&key, path, &[("storeName", "store-c"), hundred])
            .await;
        assert_eq!(ids(&of_one), stocked.ids(|event| event["storeName"] == C));
        let foreign = stocked.get_with(&key, path, &[("storeName", B)]).await;
        assert_eq!(
            (foreign.status, &foreign.json["code"]),
            (403, &"FORBIDDEN".into())
        );
    }
    let summary = &stocked.get_with(&key, ALL, &[]).await.json["data"]["summary"];
    assert_eq!(
        (&summary["storesCount"], &summary["eventsCount"]),
        (&2.into(), &of_two.len().into())
    );
    let foreign = format!("/api/cart-tracking/customer/7/store/{B}");
    assert_eq!(stocked.get_with(&key, &foreign, &[]).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_those_of_the_time_zone() {
    let stocked = Stocked::start().await;
    for (zone, start, end, from, until) in [
        (
            "",
            "2026-10-25",
            "2026-10-25",
            "2026-10-25T00:00:00.000Z",
            "2026-10-26T00:00:00.000Z",
        ),
        (
            "UTC",
            "2026-10-25",
            "2026-10-26",
            "2026-10-25T00:00:00.000Z",
            "2026-10-27T00:00:00.000Z",
        ),
        // 25 hours.
        (
            "Europe/Berlin",
            "2026-10-25",
            "2026-10-25",
            "2026-10-24T22:00:00.000Z",
            "2026-10-25T23:00:00.000Z",
        ),
        (
            "Asia/Kathmandu",
            "2026-10-26",
            "2026-10-26",
            "2026-10-25T18:15:00.000Z",
            "2026-10-26T18:15:00.000Z",
        ),
        (
            "America/New_York",
            "2026-10-24T00:00:00Z",
            "2026-10-25",
            "",
            "2026-10-26T04:00:00.000Z",
        ),
        (
            "Europe/Berlin",
            "2026-10-26",
            "",
            "2026-10-25T23:00:00.000Z",
            "9",
        ),
        // Moments are moments in every zone, and the last one is included.
        (
            "Asia/Tokyo",
            "2026-10-25T01:30:00+01:00",
            "2026-10-25T02:30:00Z",
            "2026-10-25T00:30:00.000Z",
            "2026-10-25T02:30:00.001Z",
        ),
    ] {
        let query = [
            ("timezone", zone),
            ("startDate", start),
            ("endDate", end),
            ("limit", "100"),
        ];
        let expected = stocked.ids(|event| {
            let at = event["createdAt"].as_str().unwrap();
            from <= at && at < until
        });
        assert!(!expected.is_empty() && expected.len() < STORED, "{query:?}");
        assert_eq!(
            ids(&stocked.get(EVENTS, &query).await),
            expected,
            "{query:?}"
        );
        assert_eq!(ids(&stocked.get(ALL, &query).await), expected, "{query:?}");
    }
    let berlin = [
        ("timezone", "Europe/Berlin"),
        ("startDate", "2026-10-25"),
        ("endDate", "2026-10-25"),
    ];
    let hours = stocked.get(ALL, &berlin).await;
    assert_eq!(hours.json["data"]["summary"]["eventsCount"], 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbered_pages_are_sorted_by_any_field_and_hold_everything_once() {
    let stocked = Stocked::start().await;
    for (order_by, field) in [
        ("created_at", "createdAt"),
        ("updated_at", "updatedAt"),
        ("action_type", "actionType"),
        ("product_id", "productId"),
        ("variant_id", "variantId"),
    ] {
        for direction in ["ASC", "DESC"] {
            let mut expected: Vec<_> = stocked.events.iter().collect();
            expected.sort_by_key(|event| (event[field].as_str(), event["createdAt"].as_str()));
            if direction == "DESC" {
                expected.reverse();
            }
            let expected: Vec<_> = expected.into_iter().map(id).collect();
            let mut found = Vec::new();
            for number in 1..=4 {
                let page = number.to_string();
                let order = [("orderBy", order_by), ("orderDirection", direction)];
                let query = [order[0], order[1], ("page", &page), ("limit", "20"), SINCE];
                let answer = stocked.get(ALL, &query).await;
                let pagination = json!({
                    "total": STORED, "page": number, "limit": 20, "totalPages": 4,
                    "hasNext": number < 4, "hasPrev": number > 1,
                });
                assert_eq!(answer.json["data"]["pagination"], pagination);
                found.extend(ids(&answer));
            }
            assert_eq!(found, expected, "{order_by} {direction}");
        }
    }
    let past = stocked
        .get(ALL, &[("page", "5"), ("limit", "20"), SINCE])
        .await;
    assert_eq!(records(&past), [] as [Value; 0]);
    let pagination = &past.json["data"]["pagination"];
    assert_eq!(
        (
            &pagination["total"],
            &pagination["hasNext"],
            &pagination["hasPrev"]
        ),
        (&STORED.into(), &false.into(), &true.into())
    );
    assert_eq!(past.json["data"]["summary"]["eventsCount"], STORED);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_summary_is_a_naive_count_of_all_pages() {
    let stocked = Stocked::start().await;
    let filters: [&[(&str, &str)]; 4] = [
        &[SINCE],
        &[("storeName", A)],
        &[("productId", "p1")],
        &[("sessionId", "s-2")],
    ];
    for filter in filters {
        let events: Vec<_> = stocked
            .events
            .iter()
            .filter(|event| is_like(event, filter))
            .collect();
        let count = |name: &str| {
            let values = events.iter().filter_map(|event| event[name].as_str());
            values.collect::<BTreeSet<_>>().len()
        };
        let customers: BTreeSet<_> = events
            .iter()
            .filter_map(|event| {
                event["customerId"]
                    .as_str()
                    .or(event["customerEmail"].as_str())
            })
            .collect();
        let mut breakdown = BTreeMap::<_, usize>::new();
        for event in &events {
            *breakdown
                .entry(event["actionType"].as_str().unwrap())
                .or_default() += 1;
        }
        let mut query = filter.to_vec();
        query.push(("limit", "1"));
        let answer = stocked.get(ALL, &query).await;
        let expected = json!({
            "eventsCount": events.len(), "customersCount": customers.len(), "productsCount": count("productId"),
            "storesCount": count("storeName"), "actionTypeBreakdown": breakdown,
        });
        assert_eq!(answer.json["data"]["summary"], expected, "{filter:?}");
        assert!(!customers.is_empty() && breakdown.len() == 2, "{filter:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_events_are_those_of_one_store() {
    let stocked = Stocked::start().await;
    let expected = stocked.ids(|event| event["customerId"] == "7" && event["storeName"] == A);
    for path in [
        "/api/cart-tracking/customer/7/store/store-a.myshopify.com",
        "/cart-tracking/customer/7/store/Store-A",
        "/api/cart-tracking/customer/gid%3A%2F%2Fshopify%2FCustomer%2F7/store/%20store-a%20",
    ] {
        // Whom the path names, the query does not change.
        let answer = stocked
            .get(
                path,
                &[("limit", "100"), ("customerId", "8"), ("storeName", B)],
            )
            .await;
        assert_eq!(ids(&answer), expected, "{path}");
        let summary = json!({ "customerId": "7", "storeName": A, "eventsCount": expected.len() });
        assert_eq!(answer.json["data"]["summary"], summary, "{path}");
    }
    let path = "/api/cart-tracking/customer/7/store/store-a";
    let filtered = stocked
        .get(
            path,
            &[("actionType", "buy_now"), ("orderDirection", "ASC")],
        )
        .await;
    let mut bought = stocked.ids(|event| {
        event["customerId"] == "7" && event["storeName"] == A && event["actionType"] == "buy_now"
    });
    bought.reverse();
    assert_eq!(ids(&filtered), bought);
    let page = stocked.get(path, &[("page", "2"), ("limit", "4")]).await;
    assert_eq!(ids(&page), expected[4..8]);

    let nobody = stocked
        .get("/api/cart-tracking/customer/10/store/store-a", &[])
        .await;
    let empty = json!({
        "records": [],
        "pagination": { "total": 0, "page": 1, "limit": 50, "totalPages": 0, "hasNext": false, "hasPrev": false },
        "summary": { "customerId": "10", "storeName": A, "eventsCount": 0 },
    });
    assert_eq!(nobody.json["data"], empty);
    for (path, fields) in [
        (
            "/api/cart-tracking/customer/%00/store/nowhere.example.com",
            vec!["customerId", "storeName"],
        ),
        (
            "/api/cart-tracking/customer/%20/store/%20",
            vec!["customerId", "storeName"],
        ),
        (
            "/api/cart-tracking/customer/%FF/store/store-a",
            vec!["customerId", "storeName"],
        ),
    ] {
        assert_eq!(problems(&stocked.get(path, &[]).await), fields, "{path}");
    }
}

#[tokio::test]
async fn where_nothing_is_stored_there_is_an_empty_page() {
    let shop = TestShop::start(Deployment::Lambda, &[]).await;
    let key = shop.create_key(&[Scope::Read], &[A, B]).await;
    let get = async |path: &str| {
        let request = Request::get(path).header("x-api-key", key.expose());
        shop.send(request, &Value::Null).await
    };
    let events = get(EVENTS).await;
    assert_eq!(
        events.json["data"],
        json!({ "records": [], "nextCursor": null })
    );
    let all = get(ALL).await;
    let summary = json!({
        "eventsCount": 0, "customersCount": 0, "productsCount": 0, "storesCount": 0, "actionTypeBreakdown": {},
    });
    assert_eq!((all.status, &all.json["data"]["summary"]), (200, &summary));
    // A day that Samoa left out has no events, and is no mistake.
    let skipped = "?startDate=2011-12-30&endDate=2011-12-30&timezone=Pacific/Apia";
    for path in [EVENTS, ALL] {
        let answer = get(&format!("{path}{skipped}")).await;
        assert_eq!(records(&answer), [] as [Value; 0]);
    }
}

#[tokio::test]
async fn wrong_parameters_are_all_named_and_never_repeated() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let key = shop.create_key(&[Scope::Read], &[A]).await;
    let filters = [
        "storeName",
        "productId",
        "variantId",
        "customerId",
        "customerEmail",
        "sessionId",
        "actionType",
        "startDate",
        "endDate",
        "timezone",
    ];
    let mark = "Xq7'; DROP TABLE events; --";
    let long = mark.repeat(10_000 / mark.len() + 1);
    let hostile = [format!("{mark}\0"), format!("{mark}\u{1b}[31m\r\n")];
    let stocked = Stocked {
        shop,
        events: Vec::new(),
        key,
    };
    for (path, pages) in [
        (EVENTS, vec!["orderDirection", "limit"]),
        (ALL, vec!["page", "limit", "orderBy", "orderDirection"]),
    ] {
        let expected: Vec<_> = filters.iter().chain(&pages).copied().collect();
        for value in &hostile {
            let query: Vec<_> = expected
                .iter()
                .map(|name| (*name, value.as_str()))
                .collect();
            let answer = stocked.get(path, &query).await;
            assert_eq!(problems(&answer), expected, "{path}");
            assert!(!answer.json.to_string().contains("Xq7"), "{path}");
        }
        for name in expected {
            let answer = stocked.get(path, &[(name, &long)]).await;
            assert_eq!(problems(&answer), [name], "{path}");
            assert!(!answer.json.to_string().contains("Xq7"), "{path} {name}");
        }
        let twice = stocked.get(path, &[("limit", "1"), ("limit", "1")]).await;
        assert_eq!(problems(&twice), ["query"]);
        let reversed = [("startDate", "2026-10-26"), ("endDate", "2026-10-25")];
        assert_eq!(problems(&stocked.get(path, &reversed).await), ["endDate"]);
        // What may be in an id finds nothing, and does no harm.
        let harmless = stocked
            .get(path, &[("productId", mark), ("sessionId", mark)])
            .await;
        assert_eq!(records(&harmless), [] as [Value; 0]);
    }
    let cursor = stocked.get(EVENTS, &[("cursor", &hostile[0])]).await;
    assert_eq!(problems(&cursor), ["cursor"]);
    assert!(!cursor.json.to_string().contains("Xq7"));
}
