//! API Gateway's events through the real bootstrap: every `events/ask-ai-*.json`.

use shoptrail_domain::Timestamp;
use shoptrail_domain::access::Stores;
use shoptrail_domain::json;
use shoptrail_domain::session::SessionMessage;
use shoptrail_local::testing::{Fault, Function, TestDb, assert_log};
use shoptrail_storage::{Recorded, Store};

const FUNCTION: Function = Function {
    name: "ask-ai",
    bootstrap: env!("CARGO_BIN_EXE_ask-ai"),
};

/// The session that the events ask about, as a tracker sent it.
const SESSION: &str = r#"{
    "session": "af4bac4d-077a-4756-91d0-fa2570fd206f",
    "itemsInCart": 7,
    "timeOnPage": { "/products/xyz": 123456, "/cart": 9876 },
    "events": {
        "/": [{ "type": "view", "ts": 1712345678901, "email": "canary@example.com" }],
        "/cart": [{ "type": "view", "ts": 1712345690000, "name": "Canary Canarysdottir" }]
    }
}"#;

#[expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]
async fn db_with_the_session() -> TestDb {
    let db = TestDb::start().await;
    let now = Timestamp::from_millis(1_712_345_695_000);
    let message = SessionMessage::parse(json::decode(SESSION.as_bytes()).unwrap(), now).unwrap();
    let store = Store::connect(&db.store_config());
    // Kept for so long that it is still there.
    let recorded = store.record_session_message(&message, &Stores::All, now, 36_500, || 7);
    assert!(matches!(recorded.await.unwrap(), Recorded::Stored(recorded) if recorded.saved));
    db
}

#[tokio::test]
async fn every_event_is_answered_as_its_name_says() {
    let db = db_with_the_session().await;
    FUNCTION.assert_events_cover_its_routes(db.template());
    // No model is set: the rules answer, and then the cache.
    let host = FUNCTION.start(db.endpoint_url(), &[]).await;

    let mut answers = Vec::new();
    for event in FUNCTION.events() {
        let answer = event.replay(&host).await;
        answer.assert_as_named();
        insta::assert_json_snapshot!(answer.name(), answer.snapshot());
        answers.push(answer);
    }
    assert_log(&host, &answers.iter().collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn without_its_database_it_says_so_in_time() {
    let db = db_with_the_session().await;
    FUNCTION
        .during_outages(&db, &[], async |host, fault| {
            let answer = FUNCTION.event("askai-plain-200").replay(host).await;
            match fault {
                Fault::Pass => answer.assert_as_named(),
                _ => answer.assert_unavailable(),
            }
            // What is wrong with a request is told without the database.
            FUNCTION
                .event("askai-malformed-400")
                .replay(host)
                .await
                .assert_as_named();
        })
        .await;
}
