//! Reading image generations by HTTP: what the filters find, what came of each in the cart, and who sees what.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot ask or read an answer cannot go on"
)]

use axum::http::Request;
use serde_json::{Value, json};
use shoptrail_domain::access::{ApiKey, Scope};
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::{TestAnswer, TestShop};

const PATH: &str = "/api/image-generations/all";
const A: &str = "store-a.myshopify.com";
const B: &str = "store-b.myshopify.com";

async fn get(shop: &TestShop, key: &ApiKey, path: &str, query: &[(&str, &str)]) -> TestAnswer {
    let mut query_string = url::form_urlencoded::Serializer::new(String::new());
    query_string.extend_pairs(query);
    let uri = format!("{path}?{}", query_string.finish());
    let request = Request::get(uri).header("x-api-key", key.expose());
    shop.send(request, &Value::Null).await
}

/// Posts one body, and returns its id and its time.
async fn post(shop: &TestShop, path: &str, body: &Value) -> (String, String) {
    let answer = shop.post(path, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = |name: &str| answer.json["data"][name].as_str().unwrap().to_owned();
    (text("id"), text("createdAt"))
}

async fn generate(shop: &TestShop, body: Value) -> String {
    let (id, _) = post(shop, "/api/image-generations/track", &body).await;
    shop.pass_seconds(60);
    id
}

async fn add_to_cart(shop: &TestShop, body: Value) -> (String, String) {
    let added = post(shop, "/api/cart-tracking/track", &body).await;
    shop.pass_seconds(60);
    added
}

fn records(answer: &TestAnswer) -> &[Value] {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json["data"]["records"].as_array().unwrap()
}

fn ids(answer: &TestAnswer) -> Vec<&str> {
    let ids = records(answer).iter();
    ids.map(|record| record["id"].as_str().unwrap()).collect()
}

fn problems(answer: &TestAnswer) -> Vec<&str> {
    assert_eq!(answer.status, 400, "{answer:?}");
    let errors = answer.json["errors"].as_array().unwrap().iter();
    errors
        .map(|error| error["field"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_record_is_shown_whole_and_null_where_nothing_is() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let key = shop.create_key(&[Scope::Read], &[A]).await;
    let whole = generate(
        &shop,
        json!({
            "storeName": "store-a", "status": "failed", "productId": 7, "variantId": "8",
            "customerId": "gid://shopify/Customer/9", "customerEmail": "Jane@Example.com", "sessionId": "s-1",
            "generatedImageUrl": "https://images.example.com/1.jpg", "personImageUrl": "https://images.example.com/2.jpg",
            "clothingImageUrl": "https://images.example.com/3.jpg", "eventId": "key-12345",
        }),
    )
    .await;
    let bare = generate(&shop, json!({ "storeName": "store-a" })).await;
    let nothing = json!({
        "hasCartEvents": false, "totalEvents": 0, "firstEventAt": null, "lastEventAt": null, "actionTypes": [],
        "actionTypeCounts": {}, "events": [], "truncated": false,
    });
    for path in [PATH, "/image-generations/all"] {
        let answer = get(&shop, &key, path, &[]).await;
        assert_eq!(answer.json["status"], "success");
        let expected = json!({
            "records": [
                {
                    "id": bare, "storeName": A, "status": "completed", "productId": null, "variantId": null,
                    "customerId": null, "customerEmail": null, "sessionId": null, "generatedImageUrl": null,
                    "personImageUrl": null, "clothingImageUrl": null, "eventId": null,
                    "createdAt": "2026-11-21T12:31:20.500Z", "updatedAt": "2026-11-21T12:31:20.500Z",
                    "addToCartInfo": nothing,
                },
                {
                    "id": whole, "storeName": A, "status": "failed", "productId": "7", "variantId": "8",
                    "customerId": "9", "customerEmail": "jane@example.com", "sessionId": "s-1",
                    "generatedImageUrl": "https://images.example.com/1.jpg",
                    "personImageUrl": "https://images.example.com/2.jpg",
                    "clothingImageUrl": "https://images.example.com/3.jpg", "eventId": "key-12345",
                    "createdAt": "2026-11-21T12:30:20.500Z", "updatedAt": "2026-11-21T12:30:20.500Z",
                    "addToCartInfo": nothing,
                },
            ],
            "pagination": { "total": 2, "page": 1, "limit": 50, "totalPages": 1, "hasNext": false, "hasPrev": false },
            "summary": {
                "generationsCount": 2, "customersCount": 1, "productsCount": 1,
                "statusBreakdown": { "completed": 1, "failed": 1 },
            },
        });
        assert_eq!(answer.json["data"], expected, "{path}");
    }
}

#[tokio::test]
async fn what_came_of_a_generation_is_known_by_its_picture_or_by_its_shopper() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let key = shop.create_key(&[Scope::Read], &[A]).await;
    let (picture, other) = (
        "https://images.example.com/1.jpg",
        "https://images.example.com/2.jpg",
    );
    let early = json!({ "storeName": A, "sessionId": "s-1", "productId": "1" });
    add_to_cart(&shop, early).await;
    let by_session = json!({
        "storeName": A, "sessionId": "s-1", "customerId": "7", "productId": "1", "generatedImageUrl": picture,
    });
    let by_session = generate(&shop, by_session).await;
    let by_customer = json!({ "storeName": A, "customerId": "7", "customerEmail": "jane@example.com", "productId": "1" });
    let by_customer = generate(&shop, by_customer).await;
    let by_email = json!({ "storeName": A, "customerEmail": "jane@example.com", "productId": "1" });
    let by_email = generate(&shop, by_email).await;
    let of_nobody = generate(&shop, json!({ "storeName": A, "productId": "1" })).await;

    let of_picture = json!({ "storeName": A, "generatedImageUrl": picture, "productId": "5", "actionType": "buy_now" });
    let of_picture = add_to_cart(&shop, of_picture).await;
    let of_session = json!({ "storeName": A, "sessionId": "s-1", "productId": "1" });
    let of_session = add_to_cart(&shop, of_session).await;
    let of_customer = json!({ "storeName": A, "customerId": "7", "productId": "1" });
    let of_customer = add_to_cart(&shop, of_customer).await;
    let of_email = json!({ "storeName": A, "customerEmail": "Jane@example.com", "productId": "1" });
    let of_email = add_to_cart(&shop, of_email).await;
    for nobodys in [
        json!({ "storeName": A, "sessionId": "s-1", "productId": "2" }),
        json!({ "storeName": A, "sessionId": "s-1", "productId": "1", "generatedImageUrl": other }),
        json!({ "storeName": B, "sessionId": "s-1", "productId": "1" }),
        json!({ "storeName": B, "generatedImageUrl": picture }),
        json!({ "storeName": A, "productId": "1" }),
    ] {
        add_to_cart(&shop, nobodys).await;
    }

    let answer = get(&shop, &key, PATH, &[("orderDirection", "ASC")]).await;
    assert_eq!(
        ids(&answer),
        [&by_session, &by_customer, &by_email, &of_nobody]
    );
    let info = |place: usize| &records(&answer)[place]["addToCartInfo"];
    let expected = json!({
        "hasCartEvents": true, "totalEvents": 2, "firstEventAt": of_picture.1, "lastEventAt": of_session.1,
        "actionTypes": ["add_to_cart", "buy_now"], "actionTypeCounts": { "add_to_cart": 1, "buy_now": 1 },
        "events": [
            { "cartEventId": of_picture.0, "actionType": "buy_now", "addedAt": of_picture.1 },
            { "cartEventId": of_session.0, "actionType": "add_to_cart", "addedAt": of_session.1 },
        ],
        "truncated": false,
    });
    assert_eq!(*info(0), expected);
    assert_eq!(info(1)["events"][0]["cartEventId"], of_customer.0);
    assert_eq!(info(2)["events"][0]["cartEventId"], of_email.0);
    let totals = [0, 1, 2, 3].map(|place| info(place)["totalEvents"].as_u64().unwrap());
    assert_eq!(totals, [2, 1, 1, 0]);
}

/// A shop with generations of two stores, one a minute.
async fn stocked() -> (TestShop, Vec<Value>) {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let mut bodies = Vec::new();
    for number in 0..24 {
        let of = |names: &[&'static str]| names[number % names.len()];
        let mut body = json!({
            "storeName": of(&[A, A, B]),
            "status": of(&["completed", "failed", "completed", "pending", "processing"]),
            "productId": of(&["p1", "p2", ""]),
            "variantId": of(&["v1", "", "v2", "v3"]),
            "customerId": of(&["7", "", "8"]),
            "customerEmail": of(&["jane@example.com", "", "joe@example.com", "ann@example.com"]),
        });
        body["id"] = generate(&shop, body.clone()).await.into();
        bodies.push(body);
    }
    (shop, bodies)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_filter_and_every_two_find_what_a_naive_look_finds() {
    let (shop, bodies) = stocked().await;
    let key = shop.create_key(&[Scope::Read], &["*"]).await;
    let stores = [None, Some(A), Some(B)];
    let statuses = [None, Some("completed"), Some("failed")];
    let users = [None, Some("7"), Some("JANE@example.com"), Some("nobody")];
    let mut found = 0;
    for (store, status, user) in stores.iter().flat_map(|store| {
        let pairs = statuses
            .iter()
            .flat_map(|status| users.iter().map(move |user| (status, user)));
        pairs.map(move |(status, user)| (store, status, user))
    }) {
        let is = |asked: &Option<&str>, value: &Value| asked.is_none_or(|asked| value == asked);
        let is_users = |body: &Value| {
            user.is_none_or(|user| {
                body["customerId"] == user || body["customerEmail"] == user.to_lowercase()
            })
        };
        let expected = bodies.iter().rev().filter(|body| {
            is(store, &body["storeName"]) && is(status, &body["status"]) && is_users(body)
        });
        let expected: Vec<_> = expected.map(|body| body["id"].as_str().unwrap()).collect();
        let query = [
            ("storeName", store.unwrap_or_default()),
            ("status", status.unwrap_or_default()),
            ("user", user.unwrap_or_default()),
            ("start_date", "2026-11-21"),
        ];
        let answer = get(&shop, &key, PATH, &query).await;
        assert_eq!(ids(&answer), expected, "{query:?}");
        let summary = &answer.json["data"]["summary"];
        assert_eq!(summary["generationsCount"], expected.len(), "{query:?}");
        found += expected.len();
    }
    assert!(found > 100, "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_spellings_of_a_date_are_understood_and_days_are_those_of_the_zone() {
    let (shop, bodies) = stocked().await;
    let key = shop.create_key(&[Scope::Read], &[A, B]).await;
    let count = async |query: &[(&str, &str)]| {
        let answer = get(&shop, &key, PATH, query).await;
        answer.json["data"]["pagination"]["total"].clone()
    };
    let all = bodies.len();
    for (query, total) in [
        (
            [("startDate", "2026-11-21"), ("endDate", "2026-11-21")],
            all,
        ),
        (
            [("start_date", "2026-11-21"), ("end_date", "2026-11-21")],
            all,
        ),
        (
            [("startDate", "2026-11-21"), ("start_date", " 2026-11-21")],
            all,
        ),
        ([("start_date", "2026-11-22"), ("endDate", "2026-11-30")], 0),
        // It is 12:30 in Greenwich, and past midnight in Auckland.
        (
            [
                ("start_date", "2026-11-22"),
                ("timezone", "Pacific/Auckland"),
            ],
            all,
        ),
        (
            [("end_date", "2026-11-21"), ("timezone", "Pacific/Auckland")],
            0,
        ),
        // The generations of the first two minutes.
        (
            [("end_date", "2026-11-21T12:31:20.500Z"), ("timezone", "")],
            2,
        ),
    ] {
        assert_eq!(count(&query).await, total, "{query:?}");
    }
    let query = [
        ("startDate", "2026-11-21"),
        ("start_date", "2026-11-20"),
        ("endDate", "2026-11-22"),
        ("end_date", "2026-11-23"),
    ];
    let answer = get(&shop, &key, PATH, &query).await;
    assert_eq!(problems(&answer), ["start_date", "end_date"]);
    assert_eq!(
        answer.json["details"]["reason"],
        "Must be the same as startDate where both are given"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_in_the_order_that_is_asked_for_and_hold_everything_once() {
    let (shop, bodies) = stocked().await;
    let key = shop.create_key(&[Scope::Read], &[A, B]).await;
    for (order_by, field) in [
        ("created_at", None),
        ("updated_at", None),
        ("status", Some("status")),
        ("product_id", Some("productId")),
        ("variant_id", Some("variantId")),
    ] {
        for direction in ["ASC", "desc"] {
            let mut sorted: Vec<_> = bodies.iter().collect();
            // What is stored first has the smaller time.
            sorted.sort_by_key(|body| field.map(|field| body[field].as_str().unwrap()));
            if direction == "desc" {
                sorted.reverse();
            }
            let expected: Vec<_> = sorted
                .iter()
                .map(|body| body["id"].as_str().unwrap())
                .collect();
            for page in 1..=4_usize {
                let number = page.to_string();
                let query = [
                    ("page", number.as_str()),
                    ("limit", "10"),
                    ("orderBy", order_by),
                    ("orderDirection", direction),
                ];
                let answer = get(&shop, &key, PATH, &query).await;
                let start = ((page - 1) * 10).min(expected.len());
                let end = (start + 10).min(expected.len());
                assert_eq!(ids(&answer), expected[start..end], "{query:?}");
                let pagination = json!({
                    "total": 24, "page": page, "limit": 10, "totalPages": 3, "hasNext": page < 3, "hasPrev": page > 1,
                });
                assert_eq!(answer.json["data"]["pagination"], pagination);
            }
        }
    }
    let answer = get(&shop, &key, PATH, &[("orderBy", "action_type")]).await;
    assert_eq!(problems(&answer), ["orderBy"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sees_its_stores_alone() {
    let (shop, bodies) = stocked().await;
    let of_b = shop.create_key(&[Scope::Read], &[B]).await;
    let answer = get(&shop, &of_b, PATH, &[("limit", "100")]).await;
    let bs = bodies.iter().rev().filter(|body| body["storeName"] == B);
    let bs: Vec<_> = bs.map(|body| body["id"].as_str().unwrap()).collect();
    assert_eq!(ids(&answer), bs);
    let by_user = get(&shop, &of_b, PATH, &[("user", "7")]).await;
    assert!(records(&by_user).iter().all(|one| one["storeName"] == B));
    let other = get(&shop, &of_b, PATH, &[("storeName", A)]).await;
    assert_eq!(other.status, 403);
    let writer = shop.create_key(&[Scope::Write], &[B]).await;
    assert_eq!(get(&shop, &writer, PATH, &[]).await.status, 403);
    let nobody = shop.send(Request::get(PATH), &Value::Null).await;
    assert_eq!(nobody.status, 401);
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let key = shop.create_key(&[Scope::Read], &["*"]).await;
    let query = [
        ("storeName", "no store"),
        ("status", "done"),
        ("user", "jane@"),
        ("startDate", "2026-02-30"),
        ("end_date", "soon"),
        ("timezone", "Europe/Atlantis"),
        ("page", "0"),
        ("limit", "101"),
        ("orderBy", "id"),
        ("orderDirection", "up"),
    ];
    let answer = get(&shop, &key, PATH, &query).await;
    assert_eq!(
        problems(&answer),
        [
            "storeName",
            "status",
            "user",
            "startDate",
            "endDate",
            "timezone",
            "page",
            "limit",
            "orderBy",
            "orderDirection"
        ]
    );
}

#[tokio::test]
async fn what_has_expired_is_not_listed() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let key = shop.create_key(&[Scope::Read], &[A]).await;
    let picture = "https://images.example.com/1.jpg";
    let body = json!({ "storeName": A, "customerEmail": "jane@example.com", "generatedImageUrl": picture });
    generate(&shop, body.clone()).await;
    add_to_cart(&shop, body).await;
    let answer = get(&shop, &key, PATH, &[]).await;
    assert_eq!(records(&answer)[0]["addToCartInfo"]["totalEvents"], 1);
    shop.pass_seconds(366 * 86_400);
    let answer = get(&shop, &key, PATH, &[]).await;
    assert_eq!(records(&answer), [] as [Value; 0]);
    assert_eq!(answer.json["data"]["summary"]["statusBreakdown"], json!({}));
}
