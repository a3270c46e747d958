//! The local queue: what it took is delivered, whatever ends in between, and what cannot be written is kept.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use serde_norway::Value as Yaml;
use shoptrail_edge::App;
use shoptrail_edge::config::{Config, Deployment};
use shoptrail_local::engine::running_endpoint;
use shoptrail_local::queue::LocalQueue;
use shoptrail_local::tables::{client, local_store_config};
use shoptrail_local::template::{EMBEDDED, Queue, Template};
use shoptrail_local::testing::TestDb;
use shoptrail_storage::Store;

mod support;
use support::{Gateway, command, killed_under_load, track};

/// How long the queue may take to deliver what it holds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The ids of a table of the folder's running engine.
async fn ids(folder: &Path, table: &str) -> Vec<String> {
    let url = running_endpoint(&folder.join(".local")).unwrap();
    let client = client(&local_store_config(&url.expect("the engine runs"), ""));
    let pages = client.scan().table_name(table).into_paginator();
    let items = pages.items().send().collect::<Result<Vec<_>, _>>().await;
    let id = |item: std::collections::HashMap<String, _>| -> String {
        let id: &aws_sdk_dynamodb::types::AttributeValue = &item["id"];
        id.as_s().unwrap().clone()
    };
    let mut ids: Vec<_> = items.unwrap().into_iter().map(id).collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = command(folder.path(), &[]);
        command.env("WRITE_MODE", "queue");
        Gateway::start(command)
    };
    let gateway = start();
    assert!(
        gateway.welcome.contains("through a queue"),
        "{}",
        gateway.welcome
    );
    let answered = killed_under_load(gateway).await;

    let gateway = start();
    let began = Instant::now();
    while !ids(folder.path(), "local_event_queue").await.is_empty() {
        assert!(began.elapsed() < PATIENCE, "the queue is delivered");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let stored = ids(folder.path(), "cart_tracking_events").await;
    let missing = answered
        .iter()
        .filter(|id| stored.binary_search(id).is_err());
    assert_eq!(missing.count(), 0, "of {}", answered.len());
    assert!(
        track(&gateway.url, "more").await.is_some(),
        "and it goes on"
    );
    gateway.signal("-TERM");
    assert!(gateway.ended().success());
}

#[tokio::test]
async fn what_nobody_can_read_lies_among_the_dead_letters_and_costs_no_other() {
    let db = TestDb::start().await;
    let settings = Queue {
        batch_size: 2,
        visibility_seconds: 0,
        max_receives: 3,
    };
    let queue = LocalQueue::start(db.client(), "", Some(settings))
        .await
        .unwrap();
    let config = queue.config();
    let url = config.endpoint_url.unwrap();
    let event = json!({ "version": 1, "events": [{ "kind": "cart_event", "record": {
        "id": "cart-event-1", "store_name": "s.myshopify.com", "action_type": "buy_now", "created_bucket": "2026-11-21#1",
        "created_at": "2026-11-21T12:30:20.500Z", "updated_at": "2026-11-21T12:30:20.500Z", "expires_at": 1_900_000_000,
    } }] });
    let entry = |id: &str, body: &str| json!({ "Id": id, "MessageBody": body });
    let entries = [
        entry("a", "?"),
        entry("b", &event.to_string()),
        entry("c", "{}"),
    ];
    let send = async |target: &str, body: Value| {
        let request = reqwest::Client::new()
            .post(&url)
            .header("x-amz-target", target);
        let answer = request.body(body.to_string()).send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    };
    let batch = "AmazonSQS.SendMessageBatch";
    let (status, answer) = send(batch, json!({ "QueueUrl": config.url, "Entries": entries })).await;
    assert_eq!(status, 200);
    let taken: Vec<_> = answer["Successful"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["Id"])
        .collect();
    assert_eq!(
        (taken, &answer["Failed"]),
        (vec![&json!("a"), &json!("b"), &json!("c")], &json!([]))
    );
    let (status, answer) = send("AmazonSQS.SendMessage", json!({ "MessageBody": "!" })).await;
    assert!(status == 200 && answer["MessageId"].is_string());
    for (target, body) in [
        (batch, json!({ "Entries": [] })),
        (batch, json!({ "Entries": vec![entry("a", "?"); 11] })),
        (
            batch,
            json!({ "Entries": [entry("a", &"?".repeat(256 * 1024 + 1))] }),
        ),
        (batch, json!([])),
        ("AmazonSQS.ReceiveMessage", json!({})),
    ] {
        assert_eq!(send(target, body).await.0, 400);
    }

    let config = Config::from_env(|_| None, Deployment::Local).unwrap();
    let app = App::new(config, Store::connect(&db.store_config()));
    let delivered = queue.deliver(app);
    let began = Instant::now();
    loop {
        let items = db.items("local_event_queue").await;
        let dead = items
            .iter()
            .filter(|item| item["queue"].as_s().unwrap() == "dead");
        if (dead.count(), items.len()) == (3, 3) {
            assert!(
                items
                    .iter()
                    .all(|item| item["receives"].as_n().unwrap() == "3")
            );
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{items:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    delivered.stop().await;
    let stored = db.items("cart_tracking_events").await;
    assert_eq!(stored.len(), 1);
    // What is dead stays so.
    let again = LocalQueue::start(db.client(), "", Some(settings)).await;
    assert!(again.is_ok());
    assert_eq!(db.items("local_event_queue").await.len(), 3);
}

#[test]
fn the_queue_is_the_templates() {
    let template = Template::parse(EMBEDDED, &BTreeMap::new()).unwrap();
    let queue = template.queue.unwrap();
    assert_eq!((queue.batch_size, queue.max_receives), (10, 5));
    let elsewhere = EMBEDDED.replace(
        "EventSourceArn: !GetAtt EventQueue.Arn",
        "EventSourceArn: !GetAtt Other.Arn",
    );
    let complaint = Template::parse(&elsewhere, &BTreeMap::new()).unwrap_err();
    assert_eq!(
        complaint.to_string(),
        "the template's EventQueueToWriter names no queue of the template"
    );
    let without = "Resources: {}";
    assert_eq!(
        Template::parse(without, &BTreeMap::new()).unwrap().queue,
        None
    );
}

#[test]
fn the_queues_settings_fit_each_other_and_their_worker() {
    let template: Yaml = serde_norway::from_str(EMBEDDED).unwrap();
    let properties = |resource: &str| template["Resources"][resource]["Properties"].clone();
    let (queue, dead) = (properties("EventQueue"), properties("EventDeadLetterQueue"));
    let number = |holder: &Yaml, name: &str| holder[name].as_u64().expect("a number");
    let timeout = number(&properties("CartWriterFunction"), "Timeout");
    // Lambda's own advice: less, and a message is delivered again while it is worked on.
    assert!(number(&queue, "VisibilityTimeout") >= 6 * timeout);
    const DAY: u64 = 24 * 3_600;
    let (waits, lies) = (
        number(&queue, "MessageRetentionPeriod"),
        number(&dead, "MessageRetentionPeriod"),
    );
    assert!(waits >= 4 * DAY && lies == 14 * DAY);
    // Tombstones are kept for 36 days: what is moved back on its last day finds them still.
    assert!(2 * waits + lies < 36 * DAY);
    for queue in [&queue, &dead] {
        assert_eq!(queue["SqsManagedSseEnabled"], Yaml::Bool(true));
    }
    let mapping = properties("EventQueueToWriter");
    assert_eq!(
        mapping["FunctionResponseTypes"][0],
        "ReportBatchItemFailures"
    );
    assert!(number(&mapping["ScalingConfig"], "MaximumConcurrency") >= 2);
}
