//! API Gateway's events through the real bootstrap: every `events/privacy-*.json`. And those of the table's stream and
//! of the schedule through the worker's.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::time::Duration;

use serde_json::{Value, json};
use shoptrail_domain::email::Email;
use shoptrail_domain::privacy::{ErasureMode, Person};
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_local::testing::{
    Fault, Function, HASH_PEPPER, SHOPIFY_API_SECRET, TestDb, assert_log, emf, record_key_of_events,
};
use shoptrail_storage::{Pepper, PrivacyJobStatus, PrivacyTask, Store};

const FUNCTION: Function = Function {
    name: "privacy",
    bootstrap: env!("CARGO_BIN_EXE_privacy"),
};
const WORKER: Function = Function {
    name: "privacy-worker",
    bootstrap: env!("CARGO_BIN_EXE_privacy-worker"),
};
/// What the events' webhooks are signed with.
const SETTINGS: &[(&str, &str)] = &[("SHOPIFY_API_SECRET", SHOPIFY_API_SECRET)];
/// What the events ask for.
const RECEIPT: &str = "7e0c1f5a-9f5e-4c55-8d0c-0a6f3f0c1d01";
const OTHER_STORES_RECEIPT: &str = "7e0c1f5a-9f5e-4c55-8d0c-0a6f3f0c1d02";
const DATA_REQUEST: &str = "7e0c1f5a-9f5e-8c55-8d0c-0a6f3f0c1d03";

/// When the jobs were made that the tests begin with.
fn created() -> Timestamp {
    Timestamp::parse_iso("2026-11-21T12:00:00.000Z").unwrap()
}

fn store(db: &TestDb) -> Store {
    Store::connect(&db.store_config()).with_pepper(Pepper::new(HASH_PEPPER))
}

fn person(email: &str) -> Person {
    Person {
        customer_email: Some(Email::parse(email).unwrap()),
        customer_id: None,
        session_id: None,
    }
}

async fn create_job(store: &Store, id: &str, shop: &str, task: &PrivacyTask) {
    let shop = StoreName::parse(shop).unwrap();
    assert!(
        store
            .create_privacy_job(id, &shop, task, 365, created())
            .await
            .unwrap()
    );
}

/// Stores what the events ask for.
async fn prepare(db: &TestDb) {
    let store = store(db);
    let erase = PrivacyTask::EraseCustomer {
        person: person("canary.erased@example.com"),
        mode: ErasureMode::Delete,
    };
    // Of somebody else: an erasure takes what was gathered of its person.
    let export = PrivacyTask::ExportCustomer {
        person: person("canary.curious@example.com"),
    };
    create_job(&store, RECEIPT, "my-store", &erase).await;
    create_job(&store, OTHER_STORES_RECEIPT, "other-store", &erase).await;
    create_job(&store, DATA_REQUEST, "my-store", &export).await;
    // Long enough after that nobody has to wait for an index.
    let later = || created().plus_millis(60_000);
    for id in [RECEIPT, DATA_REQUEST] {
        let run = store.run_privacy_job(id, &later, &|| 1, Duration::from_secs(10));
        assert_eq!(run.await.unwrap().unwrap().status, PrivacyJobStatus::Done);
    }
}

#[tokio::test]
async fn every_event_is_answered_as_its_name_says() {
    let db = TestDb::start().await;
    FUNCTION.assert_events_cover_its_routes(db.template());
    record_key_of_events(&db).await;
    prepare(&db).await;
    let host = FUNCTION.start(db.endpoint_url(), SETTINGS).await;
    let mut answers = Vec::new();
    for event in FUNCTION.events() {
        let answer = event.replay(&host).await;
        answer.assert_as_named();
        // A new erasure's receipt has an id of its own.
        let is_new = answer.name().starts_with("privacy-erase-");
        let mut snapshot = answer.snapshot();
        if let (true, Some(id)) = (is_new, snapshot.pointer_mut("/body/data/receiptId")) {
            *id = "[UUID v4]".into();
        }
        insta::assert_json_snapshot!(answer.name(), snapshot);
        answers.push(answer);
    }
    assert_log(&host, &answers.iter().collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn without_its_database_it_says_so_in_time() {
    let db = TestDb::start().await;
    FUNCTION
        .during_outages(&db, SETTINGS, async |host, fault| {
            let answer = FUNCTION
                .event("webhook-customer-redact-200")
                .replay(host)
                .await;
            match fault {
                Fault::Pass => answer.assert_as_named(),
                _ => answer.assert_unavailable(),
            }
            // What is wrong with a request is told without the database.
            for case in ["webhook-forged-401", "webhook-other-topic-400"] {
                FUNCTION.event(case).replay(host).await.assert_as_named();
            }
        })
        .await;
}

/// A record of the table's stream, as Lambda hands it over.
fn changed(id: &str, item: &str) -> Value {
    json!({
        "eventID": "c4ca4238a0b923820dcc509a6f75849b", "eventName": "MODIFY", "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_262_400,
            "Keys": { "id": { "S": id }, "item": { "S": item } },
            "SequenceNumber": "4421584500000000017450439091", "SizeBytes": 26, "StreamViewType": "KEYS_ONLY",
        },
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/privacy_jobs/stream/2026-11-21T00:00:00.000",
    })
}

#[tokio::test]
async fn the_worker_does_what_the_stream_and_the_schedule_tell() {
    let db = TestDb::start().await;
    let store = store(&db);
    let erase = PrivacyTask::EraseCustomer {
        person: person("canary@example.com"),
        mode: ErasureMode::Delete,
    };
    for id in ["job-1", "job-2", "job-3"] {
        create_job(&store, id, "my-store", &erase).await;
    }
    let status = async |id: &str| {
        let job = store.find_privacy_job(id, created()).await.unwrap();
        job.unwrap().status
    };
    let worker = WORKER.start(db.endpoint_url(), SETTINGS).await;

    // Parts are none of its business, a job that is gone is nothing to do, and a job counts once.
    let records = [
        changed("job-2", "part#00#0000000000#00000"),
        changed("gone", "job"),
        changed("job-1", "job"),
        changed("job-1", "job"),
    ];
    worker.invoke(&json!({ "Records": records })).await.unwrap();
    assert_eq!(status("job-1").await, PrivacyJobStatus::Done);
    assert_eq!(status("job-2").await, PrivacyJobStatus::Running);

    let schedule = json!({
        "version": "0", "id": "89d1a02d-5ec7-412e-82f5-13505f849b41", "detail-type": "Scheduled Event",
        "source": "aws.events", "account": "123456789012", "time": "2026-11-21T12:05:00Z",
        "region": "us-east-1", "resources": ["arn:aws:events:us-east-1:123456789012:rule/open-jobs"], "detail": {},
    });
    worker.invoke(&schedule).await.unwrap();
    assert_eq!(status("job-2").await, PrivacyJobStatus::Done);
    assert_eq!(status("job-3").await, PrivacyJobStatus::Done);
    worker.invoke(&schedule).await.unwrap();

    // The last line may come after its invocation's end.
    let mut lines = Vec::new();
    for _ in 0..100 {
        let log = worker.log();
        let told = log.lines().filter(|line| line.starts_with("{\"_aws\""));
        lines = told
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .collect();
        if lines.len() == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in lines {
        assert!(!emf::metrics_of(&line).is_empty());
        assert_eq!(line["Function"], "privacy-worker", "{line}");
        assert_eq!(line["DatabaseErrors"], 0, "{line}");
        assert!(line["traceId"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn a_worker_without_its_database_fails_so_that_the_event_comes_again() {
    let db = TestDb::start().await;
    let store = store(&db);
    create_job(&store, "job-1", "my-store", &PrivacyTask::EraseShop).await;
    let event = json!({ "Records": [changed("job-1", "job")] });
    WORKER
        .during_outages(&db, SETTINGS, async |host, fault| {
            let worked = host.invoke(&event).await;
            assert_eq!(
                worked.is_ok(),
                fault == Fault::Pass,
                "{fault:?}: {worked:?}"
            );
            if fault != Fault::Pass {
                assert!(
                    host.log().contains("a privacy job is not done yet"),
                    "{}",
                    host.log()
                );
            }
        })
        .await;
}
