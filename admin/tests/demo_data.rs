//! `demo-data`, by the real binary as a person runs it.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output, Stdio};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::Value;
use shoptrail_edge::Clock;
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::{TestDb, TestShop};
use tempfile::TempDir;

const TABLES: [&str; 5] = [
    "cart_tracking_events",
    "image_generations",
    "tracker_sessions",
    "ask_ai_decisions",
    "refusals",
];
const KEY: &str = "a key for the tests of demo data";

/// The binary in an empty environment and in a folder of its own.
fn demo_data(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoptrail-admin"));
    command
        .args(["demo-data", "--store", "my-store"])
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .stdin(Stdio::null());
    command
}

/// What it says where it works.
fn said(mut command: Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let complaint = String::from_utf8(stderr).unwrap();
    assert_eq!((status.code(), complaint.as_str()), (Some(0), ""));
    String::from_utf8(stdout).unwrap()
}

/// How many of a thing it says that it has stored.
fn count(said: &str, of: &str) -> u64 {
    let line = said.lines().find_map(|line| line.strip_prefix(of));
    line.unwrap().trim().parse().unwrap()
}

/// What is in the tables: how many items of each.
async fn counts(db: &TestDb) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for table in TABLES {
        counts.insert(table, db.items(table).await.len());
    }
    counts
}

/// An answer of the shop's read routes.
async fn read(shop: &TestShop, path: &str) -> Value {
    let request = Request::get(path).header("x-api-key", KEY);
    let answer = shop.answer(request.body(Body::empty()).unwrap()).await;
    let status = answer.status();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let text = String::from_utf8_lossy(&body);
    assert_eq!(status, 200, "{path}: {text}");
    let mut json: Value = serde_json::from_str(&text).unwrap();
    json["data"].take()
}

fn visitors(funnel: &Value) -> Vec<u64> {
    let steps = funnel["steps"].as_array().unwrap().iter();
    steps
        .map(|step| step["visitors"].as_u64().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_is_stored_and_every_route_reads_it() {
    let (db, folder) = (TestDb::start().await, tempfile::tempdir().unwrap());
    let url = db.endpoint_url().to_owned();
    let arguments = ["--days", "5", "--events", "400", "--endpoint-url", &url];
    let said = said(demo_data(&folder, &arguments));
    assert_eq!(count(&said, "cart events"), 400);
    assert!(said.contains("/dashboard"), "{said}");

    let shop = TestShop::start_at(db, &url, Deployment::Local, &[("DEV_API_KEY", KEY)]);
    let behind = Clock::system().now().as_secs() - shop.now().as_secs();
    shop.pass_seconds(behind + 60);
    let store = "storeName=my-store";
    let all = read(&shop, &format!("/api/cart-tracking/all?{store}&limit=100")).await;
    assert_eq!(all["pagination"]["total"], 400);
    assert_eq!(all["summary"]["storesCount"], 1);
    let products = all["summary"]["productsCount"].as_u64().unwrap();
    assert!((15..=24).contains(&products), "{products} products");

    let images = read(&shop, &format!("/api/image-generations/all?{store}")).await;
    let generations = images["pagination"]["total"].as_u64().unwrap();
    assert_eq!(generations, count(&said, "image generations"));
    assert!(generations > 20, "{generations} generations");

    let analytics = read(&shop, &format!("/api/cart-tracking/analytics?{store}")).await;
    assert_eq!(analytics["totals"]["events"], 400);
    let funnel = visitors(&analytics["funnel"]);
    let is_narrowing = funnel.windows(2).all(|two| two[0] > two[1]);
    assert!(is_narrowing && funnel[3] > 0, "{funnel:?}");
    assert!(funnel[0] >= count(&said, "sessions"), "{funnel:?}");
    let ask_ai = &analytics["askAi"];
    assert_eq!(ask_ai["decisions"], count(&said, "decisions"));
    for source in ["model", "rules", "policy"] {
        assert!(ask_ai["bySource"][source].as_u64().unwrap() > 0, "{source}");
    }
    for group in ["treatment", "holdout"] {
        assert!(ask_ai[group]["sessions"].as_u64().unwrap() > 0, "{group}");
    }

    let refusals = read(&shop, &format!("/api/cart-tracking/refusals?{store}")).await;
    assert!(refusals.to_string().contains("no_consent"), "{refusals}");

    // A visit fits together: who put something into the cart has looked at it before.
    let records = all["records"].as_array().unwrap();
    let session = records[0]["sessionId"].as_str().unwrap();
    let journey = format!("/api/cart-tracking/journey?{store}&sessionId={session}");
    let journey = read(&shop, &journey).await;
    let items = journey["items"].as_array().unwrap();
    let mut seen = BTreeSet::new();
    let mut carts = 0;
    for item in items {
        match item["kind"].as_str().unwrap() {
            "view" | "event" => {
                seen.extend(item["productId"].as_str().map(str::to_owned));
            }
            "cart" => {
                let product = item["productId"].as_str().unwrap();
                assert!(seen.contains(product), "{product} before it was seen");
                carts += 1;
            }
            _ => {}
        }
    }
    assert!(carts > 0, "{journey}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_stores_nothing_twice_and_goes_on_where_it_ended() {
    let (db, folder) = (TestDb::start().await, tempfile::tempdir().unwrap());
    let url = db.endpoint_url().to_owned();
    let run = |events: &str, seed: &str| {
        let on = ["--endpoint-url", &url, "--events", events, "--seed", seed];
        said(demo_data(&folder, &on))
    };
    let first = run("60", "7");
    let stored = counts(&db).await;
    let again = run("60", "7");
    assert_eq!(counts(&db).await, stored);
    assert_eq!(count(&again, "cart events"), 0);
    assert!(
        again.contains("60 cart events were there already"),
        "{again}"
    );

    let more = run("100", "7");
    assert_eq!(count(&more, "cart events"), 40);
    let sum = |of| count(&first, of) + count(&more, of);

    // What came in two parts is what comes at once.
    let (other, whole) = (TestDb::start().await, tempfile::tempdir().unwrap());
    let url_of_other = other.endpoint_url().to_owned();
    let on = [
        "--endpoint-url",
        &url_of_other,
        "--events",
        "100",
        "--seed",
        "7",
    ];
    let whole = said(demo_data(&whole, &on));
    for of in [
        "cart events",
        "image generations",
        "sessions",
        "decisions",
        "refusals",
    ] {
        assert_eq!(sum(of), count(&whole, of), "{of}");
    }

    assert_eq!(count(&run("30", "8"), "cart events"), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_in_it_is_real() {
    let (db, folder) = (TestDb::start().await, tempfile::tempdir().unwrap());
    let on = ["--endpoint-url", db.endpoint_url(), "--events", "150"];
    said(demo_data(&folder, &on));
    let mut addresses = 0;
    for table in TABLES {
        let items = format!("{:?}", db.items(table).await);
        for (at, _) in items.match_indices('@') {
            assert!(items[at..].starts_with("@example.com"), "in {table}");
            addresses += 1;
        }
        for (at, found) in items.match_indices("ip_address\": S(\"") {
            let address = &items[at + found.len()..];
            let networks = ["192.0.2.", "198.51.100.", "203.0.113."];
            assert!(networks.iter().any(|network| address.starts_with(network)));
        }
    }
    assert!(addresses > 50, "{addresses} addresses");
}

#[test]
fn a_folder_is_made_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let said = said(demo_data(&folder, &["--events", "5", "--data", "demo"]));
    assert_eq!(count(&said, "cart events"), 5);
    assert!(folder.path().join("demo/dynamodb.sqlite").is_file());
}

#[test]
fn what_is_asked_for_wrongly_is_refused_in_one_line_before_anything_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, complaint) in [
        (
            ["--events", "0"].as_slice(),
            "--events must be 1 to 1000000",
        ),
        (&["--events", "1000001"], "--events must be 1 to 1000000"),
        (&["--days", "0"], "--days must be 1 to 90"),
        (&["--days", "91"], "--days must be 1 to 90"),
        (&["--aws"], "on this machine alone"),
        (
            &["--endpoint-url", "http://192.0.2.1:8000"],
            "on this machine alone",
        ),
        (
            &["--endpoint-url", "https://dynamodb.us-east-1.amazonaws.com"],
            "on this machine alone",
        ),
    ] {
        let output = demo_data(&folder, arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}
