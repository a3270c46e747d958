//! Tracking many events at once by HTTP: what each of them is told, and what is stored.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::http::Request;
use serde_json::{Value, json};
use shoptrail_domain::access::Scope;
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::{Fault, FaultProxy, TestAnswer, TestDb, TestShop};

const PATH: &str = "/api/cart-tracking/batch";
const STORE: &str = "my-store.myshopify.com";
const OTHER_STORE: &str = "other-store.myshopify.com";

/// The stored events, the products by their ids, without the records of their keys.
async fn stored(shop: &TestShop) -> BTreeMap<String, String> {
    let items = shop.db().items("cart_tracking_events").await.into_iter();
    let events = items.filter(|item| item.contains_key("store_name"));
    let texts = events.map(|item| {
        ["id", "product_id"].map(|name| {
            let text = item.get(name).and_then(|value| value.as_s().ok());
            text.cloned().unwrap_or_default()
        })
    });
    texts.map(|[id, product]| (id, product)).collect()
}

fn batch(events: impl IntoIterator<Item = Value>) -> Value {
    json!({ "events": events.into_iter().collect::<Vec<_>>() })
}

/// `count` events of my-store.
fn events(count: usize) -> Value {
    batch((0..count).map(|number| json!({ "storeName": STORE, "productId": number })))
}

fn results(answer: &TestAnswer) -> &[Value] {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json["data"]["results"].as_array().unwrap()
}

fn statuses(answer: &TestAnswer) -> Vec<&str> {
    let results = results(answer).iter();
    results
        .map(|result| result["status"].as_str().unwrap())
        .collect()
}

/// What the merchants of a store are told of.
async fn refusals(shop: &TestShop, store: &str) -> Value {
    shop.app().flush_refusals().await;
    let (first, last) = ("2000-01-01", "2100-01-01");
    let days = shop
        .app()
        .store
        .list_refusals(store, first, last, shop.now());
    let days = days.await.unwrap();
    days.first().map_or(Value::Null, |day| json!(day.reasons))
}

#[tokio::test]
async fn each_event_of_a_hundred_is_told_what_became_of_it() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let first = json!({ "storeName": STORE, "productId": "first", "eventId": "key-first" });
    shop.post("/api/cart-tracking/track", &first).await;
    let event = |number: usize| match number % 10 {
        0..=3 => json!({ "storeName": STORE, "productId": number }),
        4..=6 => {
            json!({ "storeName": STORE, "productId": number, "eventId": format!("key-{number:05}") })
        }
        7 => first.clone(),
        8 => json!({ "storeName": STORE, "productId": "other", "eventId": "key-first" }),
        _ if number == 9 => json!([STORE]),
        _ if number == 19 => json!({ "productId": number }),
        _ if number == 29 => json!({ "storeName": STORE, "consent": false }),
        _ => json!({ "storeName": STORE, "customerEmail": "nobody" }),
    };
    let answer = shop.post(PATH, &batch((0..100).map(event))).await;
    let stored = stored(&shop).await;
    let results = results(&answer);
    assert_eq!(results.len(), 100);
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result["index"], number);
        let id = result["id"].as_str();
        match number % 10 {
            0..=6 => {
                assert_eq!(result["status"], "ok", "{number}");
                assert_eq!(stored[id.unwrap()], number.to_string());
                assert_eq!(result["createdAt"], shop.now().to_iso());
            }
            7 => {
                assert_eq!(result["status"], "duplicate", "{number}");
                assert_eq!(stored[id.unwrap()], "first");
            }
            8 => assert_eq!(
                result,
                &json!({ "index": number, "status": "invalid",
                    "details": { "field": "eventId", "reason": "This eventId was used for another event" } })
            ),
            _ => {
                assert_eq!(id, None);
                let expected = match number {
                    9 => json!({ "field": "body", "reason": "Must be an object" }),
                    19 => json!({ "field": "storeName", "reason": "Field is required" }),
                    29 => {
                        assert_eq!(
                            result,
                            &json!({ "index": 29, "status": "refused", "refused": "no_consent" })
                        );
                        continue;
                    }
                    _ => json!({ "field": "customerEmail", "reason": "Must be an e-mail address" }),
                };
                assert_eq!(
                    (&result["status"], &result["details"]),
                    (&"invalid".into(), &expected)
                );
            }
        }
    }
    assert_eq!(stored.len(), 71);
    let data = &answer.json["data"];
    assert_eq!(
        (&data["accepted"], &data["rejected"]),
        (&80.into(), &20.into())
    );
    // The list and the event without a store are nobody's.
    let told = json!({ "duplicate": 10, "invalid": 17, "no_consent": 1 });
    assert_eq!(refusals(&shop, STORE).await, told);
}

#[tokio::test]
async fn what_cannot_be_read_costs_no_other() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let body = format!(
        r#"{{"events":[{{"storeName":"my-store"}},{{"storeName":"my-store","storeName":"a"}},{{"storeName":"my-store","x":{}{}}},null,{{"storeName":"my-store","productTitle":"half \ud83d"}}]}}"#,
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let request = Request::post(PATH).header("content-type", "text/plain");
    let answer = shop.answer(request.body(body.into()).unwrap()).await;
    let answer = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
    let answer: Value = serde_json::from_slice(&answer.unwrap()).unwrap();
    let results = answer["data"]["results"].as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, ["ok", "invalid", "invalid", "invalid", "ok"]);
    let reasons = results
        .iter()
        .filter_map(|result| result["details"]["reason"].as_str());
    assert!(reasons.eq([
        "Must not be given twice",
        "Body must not be nested deeper than 16 levels",
        "Must be an object"
    ]));
}

#[tokio::test]
async fn a_batch_holds_1_to_100_events() {
    let shop = TestShop::start(Deployment::Local, &[("RATE_LIMIT_PER_MINUTE", "0")]).await;
    assert_eq!(shop.post(PATH, &events(100)).await.status, 200);
    for wrong in [
        events(0),
        events(101),
        json!({}),
        json!({ "events": null }),
        json!({ "events": "x" }),
    ] {
        let refused = shop.post(PATH, &wrong).await;
        assert_eq!(
            (refused.status, &refused.json["details"]["field"]),
            (400, &"events".into()),
            "{refused:?}"
        );
    }
    assert_eq!(stored(&shop).await.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_batches_store_each_event_id_once() {
    let settings = [("RATE_LIMIT_PER_MINUTE", "0"), ("RATE_LIMIT_PER_HOUR", "0")];
    let shop = Arc::new(TestShop::start(Deployment::Local, &settings).await);
    let body = batch((0..30).map(|number| json!({ "storeName": STORE, "productId": number, "eventId": format!("key-{number:05}") })));
    let posts: Vec<_> = (0..4)
        .map(|post| {
            let (shop, body) = (Arc::clone(&shop), body.clone());
            let path = if post % 2 == 0 {
                PATH
            } else {
                "/cart-tracking/batch"
            };
            tokio::spawn(async move { shop.post(path, &body).await })
        })
        .collect();
    let (mut ids, mut firsts) = (BTreeSet::new(), 0);
    for post in posts {
        let answer = post.await.unwrap();
        assert_eq!(answer.json["data"]["accepted"], 30, "{answer:?}");
        firsts += statuses(&answer)
            .iter()
            .filter(|status| **status == "ok")
            .count();
        ids.extend(
            results(&answer)
                .iter()
                .map(|result| result["id"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!((ids.len(), firsts), (30, 30));
    assert_eq!(
        stored(&shop).await.into_keys().collect::<BTreeSet<_>>(),
        ids
    );
}

#[tokio::test]
async fn an_event_is_stored_when_and_only_when_it_was_told_so() {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let settings = [
        ("RATE_LIMIT_PER_MINUTE", "0"),
        ("RATE_LIMIT_PER_HOUR", "0"),
        ("STORE_RATE_LIMIT_PER_MINUTE", "0"),
    ];
    let endpoint = proxy.endpoint_url().to_owned();
    let shop = TestShop::start_at(db, &endpoint, Deployment::Local, &settings);
    let mut told = BTreeSet::new();
    for (round, fault) in [
        Fault::LeaveAll,
        Fault::LeaveHalf,
        Fault::LoseFirstBatch,
        Fault::LoseFirstWrite,
        Fault::Throttle,
        Fault::Refuse,
    ]
    .into_iter()
    .enumerate()
    {
        proxy.set(fault).await;
        let body = batch((0..40).map(|number| match number % 2 {
            0 => json!({ "storeName": STORE, "productId": number }),
            _ => json!({ "storeName": STORE, "productId": number, "eventId": format!("key-{round}-{number:05}") }),
        }));
        let answer = shop.post(PATH, &body).await;
        if matches!(fault, Fault::Throttle | Fault::Refuse) {
            assert_eq!((answer.status, answer.retry_after()), (503, 2), "{fault:?}");
        } else {
            let missing = if fault == Fault::LeaveAll {
                "retry"
            } else {
                "ok"
            };
            for (number, status) in statuses(&answer).iter().enumerate() {
                let expected = if number % 2 == 0 { missing } else { "ok" };
                assert_eq!(*status, expected, "{fault:?}");
            }
            let ids = results(&answer)
                .iter()
                .filter_map(|result| result["id"].as_str());
            told.extend(ids.map(str::to_owned));
        }
        assert_eq!(
            stored(&shop).await.into_keys().collect::<BTreeSet<_>>(),
            told,
            "{fault:?}"
        );
    }
    assert_eq!(told.len(), 20 + 3 * 40);
}

#[tokio::test]
async fn an_erased_customers_events_are_refused_and_no_other() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let key = shop.create_key(&[Scope::Erase], &[STORE]).await;
    let erase = Request::delete("/api/privacy/customers").header("x-api-key", key.expose());
    let person = json!({ "storeName": STORE, "customerEmail": "canary@example.com" });
    assert_eq!(shop.send(erase, &person).await.status, 200);
    let event = |email: &str, key: Value| json!({ "storeName": STORE, "customerEmail": email, "eventId": key });
    let answer = shop
        .post(
            PATH,
            &batch([
                event("Canary@Example.com", Value::Null),
                event("joe@example.com", Value::Null),
                event("canary@example.com", "key-12345".into()),
                event("joe@example.com", "key-12346".into()),
            ]),
        )
        .await;
    assert_eq!(statuses(&answer), ["refused", "ok", "refused", "ok"]);
    assert_eq!(
        results(&answer)[0],
        json!({ "index": 0, "status": "refused", "refused": "erased" })
    );
    let data = &answer.json["data"];
    assert_eq!(
        (&data["accepted"], &data["rejected"]),
        (&2.into(), &2.into())
    );
    assert_eq!(stored(&shop).await.len(), 2);
    assert_eq!(refusals(&shop, STORE).await, json!({ "erased": 2 }));
}

#[tokio::test]
async fn a_browser_that_objects_is_not_recorded_at_all() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let request = Request::post(PATH).header("sec-gpc", "1");
    let answer = shop.send(request, &events(3)).await;
    assert_eq!(statuses(&answer), ["refused"; 3]);
    assert_eq!(
        results(&answer)[2],
        json!({ "index": 2, "status": "refused", "refused": "no_consent" })
    );
    assert!(stored(&shop).await.is_empty());
}

#[tokio::test]
async fn a_batch_counts_its_events() {
    let settings = [
        ("RATE_LIMIT_PER_MINUTE", "10"),
        ("STORE_RATE_LIMIT_PER_MINUTE", "15"),
    ];
    let shop = TestShop::start(Deployment::Local, &settings).await;
    // Wrong and refused events are not counted, as they are not alone.
    let mut first = events(6);
    for wrong in [
        json!(7),
        json!({}),
        json!({ "storeName": STORE, "consent": false }),
    ] {
        first["events"].as_array_mut().unwrap().push(wrong);
    }
    assert_eq!(shop.post(PATH, &first).await.status, 200);
    let refused = shop.post(PATH, &events(5)).await;
    assert_eq!(refused.status, 429);
    assert!((1..=60).contains(&refused.retry_after()));
    assert_eq!(stored(&shop).await.len(), 6, "nothing of it is stored");
    assert_eq!(shop.post(PATH, &events(4)).await.status, 200);
    assert_eq!(
        shop.post("/api/cart-tracking/track", &json!({ "storeName": STORE }))
            .await
            .status,
        429
    );

    // The store's own ceiling, for whoever sends it, and no other store's.
    let from = |peer: [u8; 4], body: Value| {
        let shop = &shop;
        async move {
            shop.send_from(peer.into(), Request::post(PATH), &body)
                .await
                .status
        }
    };
    assert_eq!(from([192, 0, 2, 7], events(6)).await, 429);
    let mut of_both = events(3);
    of_both["events"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "storeName": OTHER_STORE }));
    assert_eq!(from([192, 0, 2, 8], of_both).await, 200);
    assert_eq!(stored(&shop).await.len(), 14);
    let told = refusals(&shop, STORE).await;
    assert_eq!(told, json!({ "no_consent": 1, "rate_limited": 5 + 1 + 6 }));
}

#[tokio::test]
async fn a_credential_covers_all_stores_of_a_batch_or_nothing_is_stored() {
    let shop = TestShop::start(Deployment::Lambda, &[]).await;
    let of_both = batch([
        json!({ "storeName": STORE }),
        json!({ "storeName": OTHER_STORE }),
    ]);
    let wrong_too = batch([
        json!({ "storeName": STORE }),
        json!({ "storeName": OTHER_STORE, "customerEmail": "nobody" }),
    ]);
    let send = async |stores: &[&str], body: &Value| {
        let key = shop.create_key(&[Scope::Write], stores).await;
        let request = Request::post(PATH).header("x-api-key", key.expose());
        shop.send(request, body).await.status
    };
    assert_eq!(send(&[STORE], &of_both).await, 403);
    assert_eq!(send(&[STORE], &wrong_too).await, 403);
    assert_eq!(shop.post(PATH, &of_both).await.status, 401);
    assert!(stored(&shop).await.is_empty());
    assert_eq!(send(&[STORE, OTHER_STORE], &of_both).await, 200);
    assert_eq!(send(&["*"], &of_both).await, 200);
    // Where no event names a store, the key is a right one all the same.
    assert_eq!(send(&[STORE], &batch([json!({}), json!(1)])).await, 200);
    assert_eq!(stored(&shop).await.len(), 4);
}

#[tokio::test]
async fn the_app_proxy_says_which_store_and_which_customer() {
    let shop = TestShop::start(Deployment::Lambda, &[]).await;
    let query = shop.signed_query(STORE, &[("logged_in_customer_id", "42")]);
    let path = format!("/cart-tracking/batch?{query}");
    let answer = shop
        .post(
            &path,
            &batch([
                json!({ "customerId": "7" }),
                json!({ "storeName": "my-store" }),
            ]),
        )
        .await;
    assert_eq!(statuses(&answer), ["ok", "ok"]);
    for item in shop.db().items("cart_tracking_events").await {
        assert_eq!(item["store_name"].as_s().unwrap(), STORE);
        assert_eq!(item["customer_id"].as_s().unwrap(), "42");
    }
    let other = batch([json!({}), json!({ "storeName": OTHER_STORE })]);
    assert_eq!(shop.post(&path, &other).await.status, 403);
    assert_eq!(stored(&shop).await.len(), 2);
}

#[tokio::test]
async fn a_key_in_the_header_is_not_all_events_key() {
    let shop = TestShop::start(Deployment::Local, &[]).await;
    let request = Request::post(PATH).header("idempotency-key", "key-12345");
    let answer = shop.send(request, &events(3)).await;
    assert_eq!(statuses(&answer), ["ok"; 3]);
    assert_eq!(stored(&shop).await.len(), 3);
}
