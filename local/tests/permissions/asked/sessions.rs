//! What a browser tells of sessions and asks about them.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Asked, STORE};

/// A session of this store.
pub(super) const SESSION: &str = "visit-of-jane";
/// A session with more events than are kept, and with more pages than fit into an item.
pub(super) const LARGE: &str = "visit-of-long";
/// Of one message: what fits into its 256 KiB, of each kind.
const EVENTS: u64 = 5_000;
const PAGES: u64 = 230;
/// When the events were, in ms since 1970.
const FIRST: u64 = 1_712_345_678_901;

impl Asked {
    pub(super) async fn sessions(&self) {
        self.ask_in_vain().await;
        self.visit(SESSION).await;
        let message = message(SESSION, json!({}));
        assert_eq!(self.post("/events", &message).await.status, 200);
        // Nothing new, and nothing that can be read.
        assert_eq!(self.post("/ingest", &message).await.json["saved"], false);
        assert_eq!(self.post("/ingest", &json!({})).await.status, 400);
        assert_eq!(self.post("/events", &json!({})).await.status, 400);
        self.grow().await;

        for session in [SESSION, LARGE] {
            assert_eq!(self.get(&format!("/sessions/{session}")).await, 200);
        }
        assert_eq!(self.get("/sessions/nobody").await, 404);
        self.decisions().await;
    }

    /// A session of the store with something in its cart.
    pub(super) async fn visit(&self, session: &str) {
        let events = json!({ "/products/hat": [
            { "type": "view", "ts": FIRST }, { "type": "checkout_started", "ts": FIRST + 1 } ] });
        let body =
            json!({ "session": session, "storeName": STORE, "itemsInCart": 7, "events": events });
        let answer = self.post("/ingest", &body).await;
        assert_eq!((answer.status, &answer.json["saved"]), (200, &json!(true)));
    }

    /// Makes the session as large as one can be: its events move into segments, the oldest of these lose their content,
    /// what was told before is recognized by what they keep, and its pages need further items, which change with it.
    async fn grow(&self) {
        let mut draw = Draw(7);
        for round in 0..5 {
            self.browse(LARGE, FIRST + round * EVENTS, EVENTS).await;
        }
        for _ in 0..2 {
            let pages = (0..PAGES).map(|_| (draw.text(), json!(1_000)));
            let pages: Map<String, Value> = pages.collect();
            let body = json!({ "session": LARGE, "storeName": STORE, "timeOnPage": pages });
            assert_eq!(self.post("/ingest", &body).await.json["saved"], true);
        }
        let repeated = message(
            LARGE,
            json!({ "/": [{ "type": "v", "ts": FIRST + 3 * EVENTS }] }),
        );
        assert_eq!(self.post("/ingest", &repeated).await.json["saved"], false);
        let more = message(LARGE, json!({ "/": [{ "type": "w", "ts": FIRST }] }));
        assert_eq!(self.post("/ingest", &more).await.json["saved"], true);
    }

    /// Tells of so many events of a session from this time on.
    pub(super) async fn browse(&self, session: &str, first: u64, count: u64) {
        let events = (first..first + count).map(|ts| json!({ "type": "v", "ts": ts }));
        let body = message(session, json!({ "/": events.collect::<Vec<_>>() }));
        assert_eq!(self.post("/ingest", &body).await.json["saved"], true);
    }

    async fn decisions(&self) {
        let ask = json!({ "session": SESSION, "earlier": [LARGE] });
        let decided = self.post("/askai", &ask).await;
        assert_eq!(decided.json["show_popup"], true, "{decided:?}");
        assert_eq!(self.post("/askai", &ask).await.json["source"], "cache");
        let large = self.post("/askai", &json!({ "session": LARGE })).await;
        assert_eq!(large.status, 200);
        assert_eq!(self.post("/askai", &json!({})).await.status, 400);
        assert_eq!(
            self.post("/askai", &json!({ "session": "nobody" }))
                .await
                .status,
            404
        );

        for outcome in ["shown", "shown", "dismissed", "clicked", "converted"] {
            let body = json!({ "session": SESSION, "decisionId": decided.json["decisionId"], "outcome": outcome });
            assert_eq!(self.post("/askai/outcome", &body).await.status, 200);
        }
        assert_eq!(self.post("/askai/outcome", &json!({})).await.status, 400);
        // The policy has a word to say now.
        assert_eq!(self.post("/askai", &ask).await.json["source"], "policy");
    }
}

fn message(session: &str, events: Value) -> Value {
    json!({ "session": session, "storeName": STORE, "events": events })
}

/// Texts that no compression makes small, the same in every run.
struct Draw(u64);

impl Draw {
    fn text(&mut self) -> String {
        let mut text = String::new();
        while text.len() < 1_000 {
            // Marsaglia's xorshift.
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            // Hangul: two bytes of chance in each three.
            for part in self.0.to_le_bytes().chunks(2) {
                let number = u32::from(part[0]) | u32::from(part[1]) << 8;
                let letter = char::from_u32(0xAC00 + number % 11_172);
                let _ = write!(text, "{}", letter.unwrap_or('-'));
            }
        }
        text
    }
}
