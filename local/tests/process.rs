//! The real binary, started and stopped as a person would.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shoptrail_local::engine::running_endpoint;
use shoptrail_local::tables::{client, local_store_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

mod support;
use support::{Gateway, command, killed_under_load, track};

/// Runs the binary to its end, which must come soon.
fn refusal(mut command: Command) -> (Output, String) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!output.status.success(), "it did not start");
    assert_eq!(complaint.lines().count(), 1, "one line: {complaint}");
    assert!(
        !complaint.contains("panicked") && !complaint.contains("{ "),
        "{complaint}"
    );
    (output, complaint)
}

/// Which of the events the folder's running engine holds.
async fn stored(folder: &Path, ids: &[String]) -> Vec<String> {
    let url = running_endpoint(&folder.join(".local"))
        .unwrap()
        .expect("the engine runs");
    let client = client(&local_store_config(&url, ""));
    let mut found = Vec::new();
    for id in ids {
        let request = client
            .get_item()
            .table_name("cart_tracking_events")
            .key("id", AttributeValue::S(id.clone()));
        if request.send().await.unwrap().item.is_some() {
            found.push(id.clone());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(command(folder.path(), &[]));
    for wanted in [
        "http://127.0.0.1:",
        "Demo shop  http://127.0.0.1:",
        "Dashboard  http://127.0.0.1:",
        "/docs",
        ".local/",
        "Ask AI    rules",
        "POST    /api/cart-tracking/track",
        "GET     /sessions/{session}",
        "curl -X POST",
        "  dev_",
    ] {
        assert!(
            gateway.welcome.contains(wanted),
            "{wanted} in {}",
            gateway.welcome
        );
    }
    assert_eq!(
        reqwest::get(format!("{}/healthz", gateway.url))
            .await
            .unwrap()
            .status(),
        200
    );
    let (_, shop) = gateway.welcome.split_once("Demo shop  ").unwrap();
    let shop = reqwest::get(shop.lines().next().unwrap()).await.unwrap();
    assert_eq!((shop.status().as_u16(), shop.url().path()), (200, "/demo/"));
    let (_, dashboard) = gateway.welcome.split_once("Dashboard  ").unwrap();
    let dashboard = dashboard.lines().next().unwrap();
    assert!(!dashboard.contains("dev_"), "the key stands in no address");
    let dashboard = reqwest::get(dashboard).await.unwrap();
    assert_eq!(
        (dashboard.status().as_u16(), dashboard.url().path()),
        (200, "/dashboard")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_curl_lines_work() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(command(folder.path(), &[]));
    let lines: Vec<&str> = gateway
        .welcome
        .lines()
        .filter(|line| line.trim_start().starts_with("curl "))
        .collect();
    assert_eq!(lines.len(), 3);
    if Command::new("curl").arg("--version").output().is_err() {
        return;
    }
    for line in lines {
        let output = Command::new("sh").args(["-c", line]).output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(
            answer["ok"] == true || answer["status"] == "success",
            "{line}: {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(command(folder.path(), &[]));
    let answered = killed_under_load(gateway).await;

    let gateway = Gateway::start(command(folder.path(), &[]));
    assert_eq!(stored(folder.path(), &answered).await.len(), answered.len());
    assert!(
        track(&gateway.url, "more").await.is_some(),
        "and it goes on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_a_request_finish_and_the_data_stays() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(command(folder.path(), &[]));
    let key = std::fs::read_to_string(folder.path().join(".local/dev-api-key")).unwrap();
    let body = json!({ "storeName": "demo.myshopify.com" }).to_string();
    let (first, second) = body.split_at(10);
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let head = format!(
        "POST /api/cart-tracking/track HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{first}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    gateway.signal("-TERM");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        TcpStream::connect(gateway.address()).await.is_err(),
        "it takes no more"
    );
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let body: Value = serde_json::from_str(answer.rsplit("\r\n\r\n").next().unwrap()).unwrap();
    let id = body["data"]["id"].as_str().unwrap().to_owned();
    assert!(gateway.ended().success());

    let gateway = Gateway::start(command(folder.path(), &[]));
    assert_eq!(stored(folder.path(), &[id]).await.len(), 1);
    assert!(gateway.welcome.contains(key.trim()), "the key is the same");
}

#[test]
fn an_interrupt_ends_it_well() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(command(folder.path(), &["--memory"]));
    gateway.signal("-INT");
    assert!(gateway.ended().success());
    assert!(
        !folder.path().join(".local").exists(),
        "--memory writes no file"
    );
}

#[test]
fn the_key_is_its_owners_alone_and_can_be_set() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    drop(Gateway::start(command(folder.path(), &[])));
    let file = folder.path().join(".local/dev-api-key");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let own = "a-key-of-my-own-1234";
    let mut with_key = command(folder.path(), &[]);
    with_key.env("DEV_API_KEY", own);
    assert!(Gateway::start(with_key).welcome.contains(own));

    let mut short = command(folder.path(), &["--port", "0"]);
    short.env("DEV_API_KEY", "short-secret");
    let (_, complaint) = refusal(short);
    assert!(
        complaint.contains("DEV_API_KEY must be 16 characters or more"),
        "{complaint}"
    );
    assert!(!complaint.contains("short-secret"));
}

#[test]
fn settings_come_from_the_env_file_where_the_environment_has_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join(".env"),
        "# ours\nDEV_API_KEY=from-the-file-123456\n",
    )
    .unwrap();
    let gateway = Gateway::start(command(folder.path(), &["--memory"]));
    assert!(gateway.welcome.contains("from-the-file-123456"));
    let mut with_key = command(folder.path(), &["--memory"]);
    with_key.env("DEV_API_KEY", "from-the-environment-1");
    assert!(
        Gateway::start(with_key)
            .welcome
            .contains("from-the-environment-1")
    );

    std::fs::write(
        folder.path().join(".env"),
        "GOOD=1\nSECRET='half a secret\n",
    )
    .unwrap();
    let (_, complaint) = refusal(command(folder.path(), &["--memory", "--port", "0"]));
    assert!(
        complaint.contains(".env is malformed in the setting after GOOD"),
        "{complaint}"
    );
    assert!(!complaint.contains("half a secret"));
}

#[test]
fn a_port_may_come_from_the_environment_and_a_taken_one_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let mut with_port = command(folder.path(), &[]);
    with_port.env("PORT", &port);
    let (_, complaint) = refusal(with_port);
    assert!(
        complaint.contains(&format!("port {port} of 127.0.0.1 is in use")),
        "{complaint}"
    );
    assert!(!folder.path().join(".local").exists(), "nothing was made");
}

#[test]
fn a_folder_in_use_or_out_of_reach_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let _running = Gateway::start(command(folder.path(), &[]));
    let (_, complaint) = refusal(command(folder.path(), &["--port", "0"]));
    assert!(
        complaint.contains(".local/ is in use by another running gateway"),
        "{complaint}"
    );

    std::fs::write(folder.path().join("file"), "").unwrap();
    let (_, complaint) = refusal(command(
        folder.path(),
        &["--port", "0", "--data", "file/data"],
    ));
    assert!(
        complaint.contains("the data folder file/data cannot be used"),
        "{complaint}"
    );
}

#[test]
fn a_broken_template_is_named_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("broken.yaml"),
        "Resources:\n  A: { Type: AWS::DynamoDB::Table }\n",
    )
    .unwrap();
    let with_template = |file: &str| {
        command(
            folder.path(),
            &["--memory", "--port", "0", "--template", file],
        )
    };
    let (_, complaint) = refusal(with_template("broken.yaml"));
    assert!(
        complaint.contains("the template lacks A.Properties"),
        "{complaint}"
    );
    std::fs::write(folder.path().join("no.yaml"), "Resources: [\n").unwrap();
    let (_, complaint) = refusal(with_template("no.yaml"));
    assert!(
        complaint.contains("the template is no valid YAML"),
        "{complaint}"
    );
    let (_, complaint) = refusal(with_template("missing.yaml"));
    assert!(
        complaint.contains("missing.yaml cannot be read"),
        "{complaint}"
    );
}

#[test]
fn a_host_a_database_or_a_setting_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (_, complaint) = refusal(command(folder.path(), &["--memory", "--host", "192.0.2.1"]));
    assert!(complaint.contains("192.0.2.1"), "{complaint}");
    let unused = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (_, complaint) = refusal(command(
        folder.path(),
        &["--port", "0", "--endpoint-url", &format!("http://{unused}")],
    ));
    assert!(
        complaint.contains("cannot be looked up: DynamoDB does not answer: "),
        "{complaint}"
    );
    let (_, complaint) = refusal(command(
        folder.path(),
        &["--endpoint-url", "localhost:8000"],
    ));
    assert!(
        complaint.contains("not an http or https URL"),
        "{complaint}"
    );
    let (_, complaint) = refusal(command(folder.path(), &["--prot", "1"]));
    assert!(
        complaint.contains("unexpected argument '--prot'"),
        "{complaint}"
    );
    let mut no_port = command(folder.path(), &["--memory"]);
    no_port.env("PORT", "http");
    let (_, complaint) = refusal(no_port);
    assert!(complaint.contains("PORT must be a port"), "{complaint}");
    let mut prefix = command(folder.path(), &["--memory", "--port", "0"]);
    prefix.env("TABLE_PREFIX", "a b");
    let (_, complaint) = refusal(prefix);
    assert!(
        complaint.contains("cannot be looked up: ValidationException: "),
        "{complaint}"
    );
    let mut wrong = command(folder.path(), &["--memory", "--port", "0"]);
    wrong.env("EVENT_RETENTION_DAYS", "many");
    let (_, complaint) = refusal(wrong);
    assert!(complaint.contains("EVENT_RETENTION_DAYS"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_dynamodb_can_stand_behind_it() {
    let db = shoptrail_local::testing::TestDb::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut with_prefix = command(folder.path(), &["--endpoint-url", db.endpoint_url()]);
    with_prefix.env("TABLE_PREFIX", "mine_");
    let gateway = Gateway::start(with_prefix);
    let id = track(&gateway.url, "1").await.unwrap();
    let item = db
        .client()
        .get_item()
        .table_name("mine_cart_tracking_events")
        .key("id", AttributeValue::S(id))
        .send()
        .await
        .unwrap()
        .item;
    assert!(item.is_some());
    assert!(!folder.path().join(".local/dynamodb.sqlite").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_parallel_posts_of_one_event_id_are_fifty_200s_and_one_event() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(command(folder.path(), &[]));
    let client = reqwest::Client::new();
    let posts: Vec<_> = (0..50)
        .map(|_| {
            let post = client
                .post(format!("{}/api/cart-tracking/track", gateway.url))
                .json(&json!({ "storeName": "demo", "productId": "7", "eventId": "one-event-1" }));
            tokio::spawn(async move {
                let answer = post.send().await.unwrap();
                assert_eq!(answer.status(), 200);
                answer.json::<Value>().await.unwrap()["data"].clone()
            })
        })
        .collect();
    let mut first = None;
    let mut duplicates = 0;
    for post in posts {
        let data = post.await.unwrap();
        duplicates += u32::from(data["duplicate"] == true);
        let (id, created_at) = (data["id"].clone(), data["createdAt"].clone());
        assert_eq!(
            *first.get_or_insert((id.clone(), created_at.clone())),
            (id, created_at)
        );
    }
    assert_eq!(duplicates, 49);
    let url = running_endpoint(&folder.path().join(".local"))
        .unwrap()
        .unwrap();
    let events = shoptrail_local::tables::client(&local_store_config(&url, ""))
        .scan()
        .table_name("cart_tracking_events")
        .index_name("idx_store_name");
    assert_eq!(events.send().await.unwrap().count, 1);
}
