//! What a storefront tells of carts and pictures.

use axum::http::Request;
use serde_json::{Value, json};
use shoptrail_local::testing::QueueFault;

use super::sessions::{LARGE, SESSION};
use super::{Asked, STORE, WriteMode};

const TRACK: &str = "/api/cart-tracking/track";
const GENERATION: &str = "/api/image-generations/track";
const BATCH: &str = "/api/cart-tracking/batch";
/// Events that are told of several times at once: whether two of them meet in the database is chance.
const ROUNDS: usize = 10;
/// Customers by what they are found by, as they are erased later on, each by another way.
pub(super) const CUSTOMERS: [(&str, &str); 4] = [
    ("canary@example.com", "101"),
    ("canary.two@example.com", "102"),
    ("canary.three@example.com", "103"),
    ("canary.four@example.com", "104"),
];

impl Asked {
    pub(super) async fn tracking(&self, mode: WriteMode) {
        self.track("first").await;
        if mode == WriteMode::Queue {
            // The same keys once more, before anybody has written them.
            self.track("first").await;
            self.deliver().await;
            // What is stored now is known before it is handed over.
            self.track("first").await;
            // What the queue does not take is written directly, all of it or a part.
            for (fault, keys) in [
                (QueueFault::Refuse, "refused"),
                (QueueFault::TakeFirst, "partly"),
            ] {
                self.queue.set(fault);
                self.track(keys).await;
                self.track(keys).await;
            }
            self.queue.set(QueueFault::Pass);
            self.deliver().await;
        } else {
            self.track("first").await;
        }
        self.track_in_silence(mode).await;
        self.customers().await;
        if mode == WriteMode::Queue {
            self.deliver().await;
        }
    }

    /// Keys that were used before, where the database does not say along with its refusal what for, so that it has to
    /// be asked.
    async fn track_in_silence(&self, mode: WriteMode) {
        self.recorders["cart-tracking"].withhold_items(true);
        if mode == WriteMode::Queue {
            self.queue.set(QueueFault::Refuse);
        }
        for path in [TRACK, GENERATION] {
            for round in 0..ROUNDS {
                // At the same time: what is stored before is known before the queue is tried.
                let event = json!({ "storeName": STORE, "eventId": format!("at-once-{round}") });
                let post = || self.post(path, &event);
                let (one, two, three) = tokio::join!(post(), post(), post());
                assert_eq!([one.status, two.status, three.status], [200; 3]);
            }
        }
        self.track("silent").await;
        self.queue.set(QueueFault::Pass);
        self.recorders["cart-tracking"].withhold_items(false);
    }

    /// Hands what waits in the queue to the worker.
    pub(super) async fn deliver(&self) {
        let waiting = self.queue.bodies().len();
        let done = self.queue.deliver(self.shop.app_of("cart-writer")).await;
        assert_eq!(done, waiting);
    }

    /// Events of both kinds, with and without keys, alone and many at once; and what is refused.
    async fn track(&self, keys: &str) {
        let key = |number: usize| format!("key-{keys}-{number}");
        for path in [TRACK, GENERATION] {
            let plain = json!({ "storeName": STORE, "productId": "1", "sessionId": SESSION });
            assert_eq!(self.post(path, &plain).await.status, 200);
            let mut keyed = plain.clone();
            keyed["eventId"] = json!(key(0));
            assert_eq!(self.post(path, &keyed).await.status, 200);
            let mut other = keyed.clone();
            other["productId"] = json!("2");
            let status = self.post(path, &other).await.status;
            assert!(matches!(status, 200 | 409), "{status}");
            assert_eq!(
                self.post(path, &json!({ "storeName": "?" })).await.status,
                400
            );
            let query = self.shop.signed_query(STORE, &[]);
            let signed = format!("{}?{query}", path.trim_start_matches("/api"));
            assert_eq!(self.post(&signed, &json!({})).await.status, 200);
        }
        let events = (0..90).map(|number| {
            let event =
                json!({ "storeName": STORE, "productId": number.to_string(), "sessionId": LARGE });
            match number {
                // Keys of before and keys of its own, two of them for other events than their first ones.
                0..=60 => with(event, "eventId", &key(number % 59)),
                61 => with(event, "storeName", "?"),
                _ => event,
            }
        });
        let body = json!({ "events": events.collect::<Vec<_>>() });
        let answer = self.post(BATCH, &body).await;
        assert_eq!(answer.status, 200);
        let results = answer.json["data"]["results"].as_array().unwrap();
        assert!(
            results.iter().all(|one| one["status"] != "retry"),
            "{answer:?}"
        );
        assert_eq!(self.post(BATCH, &json!({ "events": [] })).await.status, 400);
        let refusing = Request::post(TRACK).header("sec-gpc", "1");
        assert_eq!(
            self.send(refusing, &json!({ "storeName": STORE }))
                .await
                .status,
            200
        );
    }

    /// What customers leave: an event and a picture, with and without a session.
    async fn customers(&self) {
        for (email, id) in CUSTOMERS {
            let session = format!("visit-of-{id}");
            self.visit(&session).await;
            assert_eq!(
                self.post("/askai", &json!({ "session": session }))
                    .await
                    .status,
                200
            );
            for (path, key) in [(TRACK, "cart"), (GENERATION, "image")] {
                let body = json!({
                    "storeName": STORE, "customerEmail": email, "customerId": id, "sessionId": session, "productId": "9",
                    "generatedImageUrl": format!("https://images.example.com/{id}.jpg"), "eventId": format!("{key}-of-{id}"),
                });
                assert_eq!(self.post(path, &body).await.status, 200);
                let by_session =
                    json!({ "storeName": STORE, "sessionId": session, "productId": "9" });
                assert_eq!(self.post(path, &by_session).await.status, 200);
            }
        }
    }
}

pub(super) fn with(mut body: Value, field: &str, value: &str) -> Value {
    body[field] = json!(value);
    body
}
