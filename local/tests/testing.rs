//! The helpers that other crates' tests rely on.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shoptrail_local::tables::{client, local_store_config};
use shoptrail_local::testing::{Fault, FaultProxy, LambdaFailure, LambdaHost, TestDb};
use tokio::process::Command;

/// A client that tries once and does not wait long.
fn impatient(endpoint_url: &str) -> Client {
    let config = client(&local_store_config(endpoint_url, ""))
        .config()
        .to_builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .operation_timeout(Duration::from_millis(300))
                .build(),
        )
        .build();
    Client::from_conf(config)
}

async fn put(client: &Client, id: &str) -> Result<(), String> {
    client
        .put_item()
        .table_name("cart_tracking_events")
        .item("id", AttributeValue::S(id.to_owned()))
        .send()
        .await
        .map(|_| ())
        .map_err(|error| error.code().unwrap_or("no answer").to_owned())
}

#[tokio::test]
async fn the_proxy_breaks_as_told_and_heals() {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let client = impatient(proxy.endpoint_url());
    assert_eq!(put(&client, "a").await, Ok(()));

    proxy.set(Fault::Throttle).await;
    assert_eq!(
        put(&client, "b").await.unwrap_err(),
        "ProvisionedThroughputExceededException"
    );
    proxy.set(Fault::InternalError).await;
    assert_eq!(put(&client, "b").await.unwrap_err(), "InternalServerError");
    proxy.set(Fault::Refuse).await;
    let start = Instant::now();
    assert_eq!(put(&client, "b").await.unwrap_err(), "no answer");
    assert!(
        start.elapsed() < Duration::from_millis(250),
        "refused at once"
    );
    proxy.set(Fault::Hang).await;
    let start = Instant::now();
    assert_eq!(put(&client, "b").await.unwrap_err(), "no answer");
    assert!(
        start.elapsed() >= Duration::from_millis(250),
        "waited in vain"
    );

    proxy.set(Fault::LoseAnswer).await;
    assert_eq!(put(&client, "lost").await.unwrap_err(), "no answer");
    proxy.set(Fault::Pass).await;
    assert_eq!(put(&client, "c").await, Ok(()));
    let mut ids: Vec<_> = db
        .client()
        .scan()
        .table_name("cart_tracking_events")
        .send()
        .await
        .unwrap()
        .items
        .unwrap()
        .into_iter()
        .map(|item| item["id"].as_s().unwrap().clone())
        .collect();
    ids.sort();
    assert_eq!(
        ids,
        ["a", "c", "lost"],
        "what was not answered took effect, what was refused did not"
    );
}

/// A process that does nothing: the test speaks to the Runtime API in its place.
#[cfg(unix)]
fn idle_process(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[cfg(unix)]
#[tokio::test]
async fn the_runtime_api_hands_out_events_and_takes_answers() {
    let host = LambdaHost::start(idle_process("echo to the log; sleep 60")).await;
    let api = format!("http://{}/2018-06-01/runtime", host.runtime_api());
    let runtime = tokio::spawn(async move {
        let http = reqwest::Client::new();
        loop {
            let next = http
                .get(format!("{api}/invocation/next"))
                .send()
                .await
                .unwrap();
            let id = next.headers()["lambda-runtime-aws-request-id"]
                .to_str()
                .unwrap()
                .to_owned();
            assert!(next.headers().contains_key("lambda-runtime-deadline-ms"));
            let event: serde_json::Value = next.json().await.unwrap();
            let (what, body) = if event["fail"] == true {
                (
                    "error",
                    json!({ "errorMessage": "told to", "errorType": "Test" }),
                )
            } else {
                ("response", json!({ "echo": event }))
            };
            http.post(format!("{api}/invocation/{id}/{what}"))
                .json(&body)
                .send()
                .await
                .unwrap();
        }
    });
    host.initialized().await.unwrap();
    let (one, two) = (json!({ "n": 1 }), json!({ "n": 2 }));
    let (first, second) = tokio::join!(host.invoke(&one), host.invoke(&two));
    assert_eq!(first.unwrap(), json!({ "echo": { "n": 1 } }));
    assert_eq!(second.unwrap(), json!({ "echo": { "n": 2 } }));
    let failure = host.invoke(&json!({ "fail": true })).await.unwrap_err();
    assert!(matches!(&failure, LambdaFailure::Reported(error) if error["errorType"] == "Test"));
    assert_eq!(host.log(), "to the log\n");
    runtime.abort();
}

#[cfg(unix)]
#[tokio::test]
async fn a_bootstrap_that_ends_is_no_hang() {
    let host = LambdaHost::start(idle_process("exit 3")).await;
    let failure = host.invoke(&json!({})).await.unwrap_err();
    assert!(
        matches!(&failure, LambdaFailure::Ended(how) if how.contains('3')),
        "{failure}"
    );
    assert!(matches!(
        host.initialized().await.unwrap_err(),
        LambdaFailure::Ended(_)
    ));
}
