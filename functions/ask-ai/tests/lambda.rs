//! API Gateway's events through the real bootstrap: every `events/ask-ai-*.json`.

use std::collections::BTreeMap;

use shoptrail_domain::Timestamp;
use shoptrail_domain::access::Stores;
use shoptrail_domain::advice::Source;
use shoptrail_domain::advice::policy::Suppression;
use shoptrail_domain::json;
use shoptrail_domain::session::SessionMessage;
use shoptrail_local::testing::{Fault, Function, TestDb, assert_log, record_key_of_events};
use shoptrail_storage::{DecisionRecord, PopupTally, Recorded, Store};

const FUNCTION: Function = Function {
    name: "ask-ai",
    bootstrap: env!("CARGO_BIN_EXE_ask-ai"),
};

/// The session that most events ask about, as a tracker sent it.
const SESSION: &str = r#"{
    "session": "af4bac4d-077a-4756-91d0-fa2570fd206f",
    "itemsInCart": 7,
    "timeOnPage": { "/products/xyz": 123456, "/cart": 9876 },
    "events": {
        "/": [{ "type": "view", "ts": 1712345678901, "email": "canary@example.com" }],
        "/cart": [{ "type": "view", "ts": 1712345690000, "name": "Canary Canarysdottir" }]
    }
}"#;

/// A session on a page of the checkout.
const CHECKING_OUT: &str = r#"{
    "session": "c0ffee00-077a-4756-91d0-fa2570fd206f",
    "itemsInCart": 7,
    "events": { "/checkouts/cn/canary": [{ "type": "page_view", "ts": 1712345690000 }] }
}"#;
/// A session that belongs to the share which is held out, of 10 % as the settings are.
const HELD_OUT: &str = r#"{ "session": "401d0001-077a-4756-91d0-fa2570fd206f", "itemsInCart": 7 }"#;

/// A decision that the events report outcomes of.
fn decision(session: &str, id: &str, store_name: Option<&str>, now: Timestamp) -> DecisionRecord {
    DecisionRecord {
        session: session.into(),
        decision_id: id.into(),
        session_version: 1,
        store_name: store_name.map(Into::into),
        source: Source::Policy,
        advice: Suppression::Cooldown.advice(),
        suppressed: None,
        asked: None,
        failure: None,
        outcomes: BTreeMap::new(),
        created_at: now.to_iso(),
        // It is not the one that is given again.
        reusable_until: Some(now),
        expires_at: now.plus_days(36_500).as_secs(),
    }
}

#[expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]
async fn db_with_the_session() -> TestDb {
    let db = TestDb::start().await;
    let now = Timestamp::from_millis(1_712_345_695_000);
    let store = Store::connect(&db.store_config());
    for session in [SESSION, CHECKING_OUT, HELD_OUT] {
        let body = json::decode(session.as_bytes()).unwrap();
        let message = SessionMessage::parse(body, now).unwrap();
        // Kept for so long that it is still there.
        let recorded = store.record_session_message(&message, &Stores::All, now, 36_500, || 7);
        assert!(matches!(recorded.await.unwrap(), Recorded::Stored(recorded) if recorded.saved));
    }
    let other_store = Some("other-store.myshopify.com");
    for decision in [
        decision(
            "af4bac4d-077a-4756-91d0-fa2570fd206f",
            "019363a1-5e2a-7c4b-9d1e-3f5a7b9c1d2e",
            None,
            now,
        ),
        decision(
            "0ther000-077a-4756-91d0-fa2570fd206f",
            "019363a1-5e2a-7c4b-9d1e-3f5a7b9c1d2f",
            other_store,
            now,
        ),
    ] {
        let tally = PopupTally::default();
        assert!(store.record_decision(&decision, &tally).await.unwrap());
    }
    db
}

#[tokio::test]
async fn every_event_is_answered_as_its_name_says() {
    let db = db_with_the_session().await;
    FUNCTION.assert_events_cover_its_routes(db.template());
    record_key_of_events(&db).await;
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
            for case in ["askai-plain-200", "outcome-shown-200"] {
                let answer = FUNCTION.event(case).replay(host).await;
                match fault {
                    Fault::Pass => answer.assert_as_named(),
                    _ => answer.assert_unavailable(),
                }
            }
            // What is wrong with a request is told without the database.
            for case in ["askai-malformed-400", "outcome-every-field-wrong-400"] {
                FUNCTION.event(case).replay(host).await.assert_as_named();
            }
        })
        .await;
}
