//! What a person and Shopify ask of what is stored, and the worker that does it.

use std::time::Duration;

use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use privacy::worker::{self, WorkerEvent};
use serde_json::{Value, json};
use sha2::Sha256;
use shoptrail_domain::StoreName;
use shoptrail_domain::privacy::ErasureMode;
use shoptrail_local::testing::SHOPIFY_API_SECRET;
use shoptrail_storage::{PrivacyJobStatus, PrivacyTask};

use super::sessions::LARGE;
use super::tracking::CUSTOMERS;
use super::{Asked, STORE};

const CUSTOMER: &str = "/api/privacy/customers";
/// Turns of a worker that has no time: each takes one step.
const TURNS: usize = 300;
/// How long the tombstones of these tests hold.
const TOMBSTONE_DAYS: u32 = 90;

impl Asked {
    pub(super) async fn erasure(&self) {
        let [(first, _), (second, _), (third, third_id), (fourth, _)] = CUSTOMERS;
        // What there is of them is gathered first, so that there is something to take from the results.
        let requested = self
            .webhook("customers/data_request", "r-1", &about(first))
            .await;
        self.webhook("customers/data_request", "r-2", &about(third))
            .await;
        self.session_request().await;
        self.work().await;
        let job = requested["data"]["jobId"].as_str().unwrap();
        for path in [format!("/{job}"), format!("?storeName={STORE}")] {
            assert_eq!(self.get(&format!("/api/privacy/requests{path}")).await, 200);
        }

        let body = json!({ "storeName": STORE, "customerEmail": first, "sessionId": LARGE });
        let receipt = self.erase(&body).await;
        assert_eq!(self.get(&format!("{CUSTOMER}/{receipt}")).await, 200);
        let body = json!({ "storeName": STORE, "customerEmail": second, "customerId": "102", "mode": "anonymize" });
        self.erase(&body).await;
        self.late(first).await;

        self.webhook("customers/redact", "e-1", &about_id(third, third_id))
            .await;
        self.webhook("customers/redact", "e-1", &about_id(third, third_id))
            .await;
        self.work().await;
        for function in ["privacy", "privacy-worker"] {
            self.erase_without_time(function, fourth).await;
        }
        // With a segment.
        self.browse("visit-of-many", 1_712_345_678_901, 2_000).await;
        self.webhook("shop/redact", "s-1", &json!({ "shop_domain": STORE }))
            .await;
        self.work().await;
    }

    async fn erase(&self, body: &Value) -> String {
        let request = Request::delete(CUSTOMER).header("x-api-key", self.key.expose());
        let answer = self.send(request, body).await;
        let data = &answer.json["data"];
        assert_eq!(
            (answer.status, &data["status"]),
            (200, &json!("done")),
            "{answer:?}"
        );
        data["receiptId"].as_str().unwrap().to_owned()
    }

    /// What comes too late of somebody who is gone.
    async fn late(&self, email: &str) {
        let event = json!({ "storeName": STORE, "customerEmail": email });
        for path in ["/api/cart-tracking/track", "/api/image-generations/track"] {
            let answer = self.post(path, &event).await;
            assert_eq!(answer.json["data"], json!({ "refused": "erased" }));
        }
        let session = json!({ "session": LARGE, "itemsInCart": 1 });
        let answer = self.post("/ingest", &session).await;
        assert_eq!(answer.json["data"], json!({ "refused": "erased" }));
    }

    /// A data request about somebody whose session is a large one.
    async fn session_request(&self) {
        let event = json!({ "storeName": STORE, "customerEmail": "canary.long@example.com", "sessionId": LARGE });
        assert_eq!(
            self.post("/api/cart-tracking/track", &event).await.status,
            200
        );
        self.deliver().await;
        self.webhook(
            "customers/data_request",
            "r-3",
            &about("canary.long@example.com"),
        )
        .await;
    }

    async fn webhook(&self, topic: &str, event: &str, body: &Value) -> Value {
        let hmac = Hmac::<Sha256>::new_from_slice(SHOPIFY_API_SECRET.as_bytes()).unwrap();
        let signature = hmac.chain_update(body.to_string()).finalize().into_bytes();
        let request = Request::post("/webhooks/shopify")
            .header("x-shopify-topic", topic)
            .header("x-shopify-event-id", event)
            .header("x-shopify-hmac-sha256", STANDARD.encode(signature));
        let answer = self.send(request, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json
    }

    /// Works on what is open, as the stream and the schedule have it.
    async fn work(&self) {
        let app = self.shop.app_of("privacy-worker");
        let open = self.shop.app().store.list_open_privacy_jobs();
        for job in open.await.unwrap() {
            let keys = json!({ "id": { "S": job }, "item": { "S": "job" } });
            let records = json!({ "Records": [{ "dynamodb": { "Keys": keys } }] });
            let event: WorkerEvent = serde_json::from_value(records).unwrap();
            self.shop.pass_seconds(60);
            worker::handle(app.clone(), event).await.unwrap();
        }
        let scheduled: WorkerEvent = serde_json::from_value(json!({})).unwrap();
        worker::handle(app.clone(), scheduled).await.unwrap();
        let open = self.shop.app().store.list_open_privacy_jobs();
        assert!(open.await.unwrap().is_empty());
    }

    /// An erasure whose time is over after each step, so that it is kept how far it is within a session.
    async fn erase_without_time(&self, function: &str, email: &str) {
        let app = self.shop.app_of(function);
        let session = format!("visit-of-{function}");
        self.visit(&session).await;
        for path in ["/api/cart-tracking/track", "/api/image-generations/track"] {
            let event = json!({ "storeName": STORE, "customerEmail": email, "sessionId": session });
            assert_eq!(self.post(path, &event).await.status, 200);
        }
        self.deliver().await;
        let person = serde_json::from_value(json!({ "customer_email": email })).unwrap();
        let task = PrivacyTask::EraseCustomer {
            person,
            mode: ErasureMode::Delete,
        };
        let (id, store) = (
            format!("job-of-{function}"),
            StoreName::parse(STORE).unwrap(),
        );
        let (clock, random) = (|| app.clock.now(), || app.random.draw());
        let created = app
            .store
            .create_privacy_job(&id, &store, &task, TOMBSTONE_DAYS, clock());
        assert!(created.await.unwrap());
        for _ in 0..TURNS {
            self.shop.pass_seconds(60);
            let run = app
                .store
                .run_privacy_job(&id, &clock, &random, Duration::ZERO);
            if run.await.unwrap().unwrap().status == PrivacyJobStatus::Done {
                return;
            }
        }
        panic!("the erasure does not end");
    }
}

fn about(email: &str) -> Value {
    json!({ "shop_domain": STORE, "customer": { "email": email } })
}

fn about_id(email: &str, id: &str) -> Value {
    json!({ "shop_domain": STORE, "customer": { "email": email, "id": id } })
}
