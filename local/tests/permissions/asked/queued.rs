//! What the queue brings to its worker, in whatever write mode: what lies in it is written also after somebody has
//! switched back.

use serde_json::{Value, json};

use super::{Asked, STORE};

impl Asked {
    pub(super) async fn queued(&self) {
        let kinds = ["cart_event", "image_generation"];
        for kind in kinds {
            let plain: Vec<_> = (0..30).map(|number| record(kind, number)).collect();
            self.put(&plain);
            // Keys that are new, one of them twice.
            self.put(
                &[(30, "a"), (31, "b"), (32, "a")].map(|(number, key)| keyed(kind, number, key)),
            );
        }
        self.deliver().await;
        // The database does not say along with its refusal what a key was used for, so that it has to be asked.
        let recorder = &self.recorders["cart-writer"];
        recorder.withhold_items(true);
        for kind in kinds {
            // Keys that were used before, and one that was not.
            self.put(
                &[(33, "a"), (34, "c"), (35, "b")].map(|(number, key)| keyed(kind, number, key)),
            );
        }
        self.deliver().await;
        recorder.withhold_items(false);

        self.queue.put("what nobody can read");
        while self.queue.dead().is_empty() {
            let delivered = self.queue.deliver(self.shop.app_of("cart-writer")).await;
            assert_eq!(delivered, 0);
        }
    }

    /// Puts a message into the queue.
    fn put(&self, events: &[Value]) {
        let body = json!({ "version": 1, "events": events });
        self.queue.put(body.to_string());
    }
}

/// An event as it lies in the queue.
fn record(kind: &str, number: usize) -> Value {
    let mut record = json!({
        "id": format!("queued-{kind}-{number}"), "store_name": STORE, "created_bucket": "2026-11-21#1",
        "created_at": "2026-11-21T12:30:20.500Z", "updated_at": "2026-11-21T12:30:20.500Z",
        "expires_at": 1_900_000_000, "customer_email": "canary.queued@example.com",
    });
    match kind {
        "cart_event" => record["action_type"] = json!("buy_now"),
        _ => record["status"] = json!("completed"),
    }
    json!({ "kind": kind, "record": record })
}

fn keyed(kind: &str, number: usize, key: &str) -> Value {
    let mut event = record(kind, number);
    event["record"]["event_id"] = json!(format!("queued-{key}"));
    event["fingerprint"] = json!("a fingerprint");
    event
}
