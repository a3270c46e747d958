//! API Gateway's events through the real bootstrap: every `events/session-ingest-*.json`.

use serde_json::{Value, json};
use shoptrail_domain::Timestamp;
use shoptrail_domain::session::SessionId;
use shoptrail_local::testing::{
    Fault, FaultProxy, Function, TestDb, assert_log, record_key_of_events,
};
use shoptrail_storage::Store;

const FUNCTION: Function = Function {
    name: "session-ingest",
    bootstrap: env!("CARGO_BIN_EXE_session-ingest"),
};

#[tokio::test]
async fn every_event_is_answered_as_its_name_says() {
    let db = TestDb::start().await;
    FUNCTION.assert_events_cover_its_routes(db.template());
    record_key_of_events(&db).await;
    let host = FUNCTION.start(db.endpoint_url(), &[]).await;

    let mut answers = Vec::new();
    for event in FUNCTION.events() {
        let answer = event.replay(&host).await;
        answer.assert_as_named();
        insta::assert_json_snapshot!(answer.name(), answer.snapshot());
        answers.push(answer);
    }
    assert_log(&host, &answers.iter().collect::<Vec<_>>()).await;

    // The seed's snapshot is stored as it was sent.
    let sent = FUNCTION.event("ingest-snapshot-200").event["body"]
        .as_str()
        .unwrap()
        .to_owned();
    let sent: Value = serde_json::from_str(&sent).unwrap();
    let store = Store::connect(&db.store_config());
    let session = SessionId::parse(sent["session"].as_str().unwrap()).unwrap();
    let stored = store
        .find_session(&session, Timestamp::from_millis(0))
        .await
        .unwrap();
    let stored = serde_json::to_value(stored).unwrap();
    for field in ["session", "itemsInCart", "timeOnPage", "events"] {
        assert_eq!(stored[field], sent[field], "{field}");
    }
}

#[tokio::test]
async fn without_its_database_it_says_so_in_time() {
    let db = TestDb::start().await;
    FUNCTION
        .during_outages(&db, &[], async |host, fault| {
            for case in ["ingest-snapshot-200", "events-snapshot-200"] {
                let answer = FUNCTION.event(case).replay(host).await;
                match fault {
                    Fault::Pass => answer.assert_as_named(),
                    _ => answer.assert_unavailable(),
                }
            }
            let health = FUNCTION.event("health-200").replay(host).await;
            let (status, word) = if fault == Fault::Pass {
                (200, "healthy")
            } else {
                (503, "unhealthy")
            };
            assert_eq!(
                (health.status(), &health.json()["status"]),
                (status, &word.into())
            );
            assert!(health.is_in_time(), "{fault:?}");
            // It lives all the same, and tells what is wrong with a request.
            FUNCTION
                .event("healthz-200")
                .replay(host)
                .await
                .assert_as_named();
            FUNCTION
                .event("ingest-missing-session-400")
                .replay(host)
                .await
                .assert_as_named();
        })
        .await;
}

#[tokio::test]
async fn it_starts_without_its_database_and_recovers() {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    proxy.set(Fault::Hang).await;
    let host = FUNCTION.start(proxy.endpoint_url(), &[]).await;
    FUNCTION
        .event("healthz-200")
        .replay(&host)
        .await
        .assert_as_named();
    let health = FUNCTION.event("health-200").replay(&host).await;
    assert_eq!(health.status(), 503);
    assert_eq!(
        health.json(),
        json!({ "status": "unhealthy", "database": "unavailable", "version": env!("CARGO_PKG_VERSION") })
    );
    proxy.set(Fault::Pass).await;
    FUNCTION
        .event("health-200")
        .replay(&host)
        .await
        .assert_as_named();
}
