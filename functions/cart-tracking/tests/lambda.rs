//! API Gateway's events through the real bootstrap: every `events/cart-tracking-*.json`.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::collections::BTreeSet;

use serde_json::Value;
use shoptrail_edge::App;
use shoptrail_edge::config::{Config, Deployment};
use shoptrail_local::testing::{
    Answer, Fault, Function, HASH_PEPPER, TestDb, TestQueue, assert_log, record_key_of_events,
};
use shoptrail_storage::Store;

const FUNCTION: Function = Function {
    name: "cart-tracking",
    bootstrap: env!("CARGO_BIN_EXE_cart-tracking"),
};

/// What lets a storefront track without a credential.
const PUBLIC: &[(&str, &str)] = &[("PUBLIC_INGEST", "all")];

#[tokio::test]
async fn every_event_is_answered_as_its_name_says() {
    replay_all(None).await;
}

#[tokio::test]
async fn every_event_is_answered_the_same_where_events_go_through_a_queue() {
    replay_all(Some(&TestQueue::start().await)).await;
}

/// Replays all events, and holds the answers against what is stored in the end. With a queue, the worker writes what an
/// event has put into it before the next one comes.
async fn replay_all(queue: Option<&TestQueue>) {
    let db = TestDb::start().await;
    FUNCTION.assert_events_cover_its_routes(db.template());
    record_key_of_events(&db).await;
    let settings = queue.map(TestQueue::settings).unwrap_or_default();
    let settings: Vec<_> = settings
        .into_iter()
        .filter(|(name, _)| !name.is_empty())
        .collect();
    // On AWS's defaults a cart event wants a credential.
    let strict = FUNCTION.start(db.endpoint_url(), &settings).await;
    let public = FUNCTION
        .start(db.endpoint_url(), &[PUBLIC, &settings].concat())
        .await;
    let pepper = |name: &str| (name == "HASH_PEPPER").then(|| HASH_PEPPER.to_owned());
    let config = Config::from_env(pepper, Deployment::Lambda).unwrap();
    let writer = App::new(config, Store::connect(&db.store_config()));

    // What was refused is listed before anything is: how much of it would be counted by then is a matter of time.
    let mut events = FUNCTION.events();
    events.sort_by_key(|event| !event.name.contains("-refusals-"));
    let mut answers = Vec::new();
    for event in events {
        let answer = event
            .replay(if event.status == 401 {
                &strict
            } else {
                &public
            })
            .await;
        answer.assert_as_named();
        insta::assert_json_snapshot!(answer.name(), answer.snapshot());
        answers.push(answer);
        if let Some(queue) = queue {
            queue.deliver(&writer).await;
            assert!(queue.bodies().is_empty(), "all of it is written");
        }
    }

    // Every answered 200 is there, once, and nothing else is.
    let answered: BTreeSet<String> = answers
        .iter()
        .filter(|answer| answer.status() == 200)
        .flat_map(|answer| ids(&answer.json()["data"]))
        .collect();
    let mut stored = BTreeSet::new();
    for (table, prefix) in [
        ("cart_tracking_events", "cart-event-"),
        ("image_generations", "image-generation-"),
    ] {
        let items = db.items(table).await;
        let ids = items.iter().map(|item| item["id"].as_s().unwrap().clone());
        stored.extend(ids.filter(|id| id.starts_with(prefix)));
    }
    assert_eq!(stored, answered);

    let (unauthorized, others): (Vec<&Answer>, Vec<&Answer>) =
        answers.iter().partition(|answer| answer.status() == 401);
    assert_log(&strict, &unauthorized).await;
    assert_log(&public, &others).await;
}

/// The ids of the event, or of the events of a batch, that an answer says is stored.
fn ids(data: &Value) -> Vec<String> {
    let results = data["results"].as_array().map_or(&[][..], Vec::as_slice);
    let told = std::iter::once(data).chain(results);
    told.filter_map(|event| Some(event["id"].as_str()?.to_owned()))
        .collect()
}

#[tokio::test]
async fn size_and_media_type_are_judged_before_the_credential() {
    let db = TestDb::start().await;
    let strict = FUNCTION.start(db.endpoint_url(), &[]).await;
    for case in ["track-too-large-413", "track-media-type-415"] {
        FUNCTION.event(case).replay(&strict).await.assert_as_named();
    }
    let unread = FUNCTION.event("track-not-json-400").replay(&strict).await;
    assert_eq!(unread.status(), 401, "a body is read after the credential");
}

#[tokio::test]
async fn a_wrong_credential_is_refused_even_where_none_is_needed() {
    let db = TestDb::start().await;
    let public = FUNCTION.start(db.endpoint_url(), PUBLIC).await;
    for case in [
        "track-wrong-key-401",
        "track-wrong-bearer-401",
        "track-app-proxy-signature-401",
    ] {
        FUNCTION.event(case).replay(&public).await.assert_as_named();
    }
}

#[tokio::test]
async fn a_repeat_is_answered_with_the_first_id_and_time() {
    let db = TestDb::start().await;
    let public = FUNCTION.start(db.endpoint_url(), PUBLIC).await;
    let first = FUNCTION
        .event("track-idempotent-200")
        .replay(&public)
        .await
        .json();
    let repeat = FUNCTION
        .event("track-idempotent-repeat-200")
        .replay(&public)
        .await
        .json();
    assert_eq!(first["data"]["id"], repeat["data"]["id"]);
    assert_eq!(first["data"]["createdAt"], repeat["data"]["createdAt"]);
    assert_eq!(
        (&first["data"]["duplicate"], &repeat["data"]["duplicate"]),
        (&().into(), &true.into())
    );
}

#[tokio::test]
async fn without_its_database_it_says_so_in_time() {
    let db = TestDb::start().await;
    FUNCTION
        .during_outages(&db, PUBLIC, async |host, fault| {
            for case in [
                "track-success-200",
                "track-idempotent-200",
                "batch-text-plain-200",
                "batch-repeat-200",
                "batch-mixed-200",
                "generation-success-200",
                "generation-idempotent-200",
            ] {
                let answer = FUNCTION.event(case).replay(host).await;
                match fault {
                    Fault::Pass => answer.assert_as_named(),
                    _ => answer.assert_unavailable(),
                }
            }
            // What is wrong with a request is told without the database.
            FUNCTION
                .event("track-missing-store-400")
                .replay(host)
                .await
                .assert_as_named();
        })
        .await;
}
