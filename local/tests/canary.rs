//! Personal data goes into the database and nowhere else: not into an answer, not into a log line.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::process::Stdio;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

mod support;
use support::{Gateway, command};

const EMAIL: &str = "canary.bird@example.com";
const NAME: &str = "Canarina";
const LAST_NAME: &str = "Featherstone";
const MARKS: [&str; 4] = ["canary.bird", "Canarina", "Featherstone", "203.0.113.77"];

const FIELDS: [&str; 17] = [
    "storeName",
    "actionType",
    "productId",
    "productTitle",
    "productUrl",
    "variantId",
    "customerId",
    "customerEmail",
    "customerFirstName",
    "customerLastName",
    "generatedImageUrl",
    "personImageUrl",
    "clothingImageUrl",
    "userAgent",
    "sessionId",
    "eventId",
    "occurredAt",
];

const GENERATION_FIELDS: [&str; 11] = [
    "storeName",
    "generatedImageUrl",
    "personImageUrl",
    "clothingImageUrl",
    "status",
    "productId",
    "variantId",
    "customerId",
    "customerEmail",
    "sessionId",
    "eventId",
];

/// What a person's data may come as: right for some fields and wrong for others.
fn disguises() -> Vec<Value> {
    vec![
        json!(EMAIL),
        json!(format!("{NAME} {LAST_NAME}")),
        json!(format!("{NAME}\u{0}\r\n{LAST_NAME} <{EMAIL}>")),
        json!(format!("https://example.com/{NAME}?email={EMAIL}")),
        json!([EMAIL, NAME]),
        json!({ EMAIL: NAME }),
        json!(EMAIL.repeat(300)),
    ]
}

fn bodies() -> Vec<(&'static str, String)> {
    let mut bodies = Vec::new();
    for field in FIELDS {
        for value in disguises() {
            let mut event = json!({ "storeName": "my-store", "eventId": format!("key-{field}-1") });
            event[field] = value.clone();
            bodies.push(("/api/cart-tracking/track", event.to_string()));
            let events = json!({ "events": [event, value, { "storeName": "my-store" }] });
            bodies.push(("/api/cart-tracking/batch", events.to_string()));
        }
    }
    for field in GENERATION_FIELDS {
        for value in disguises() {
            let mut generation = json!({ "storeName": "my-store" });
            generation[field] = value;
            bodies.push(("/api/image-generations/track", generation.to_string()));
        }
    }
    for value in disguises() {
        bodies.push((
            "/api/cart-tracking/batch",
            json!({ "events": value }).to_string(),
        ));
        let event =
            json!({ "type": value, "ts": value, "field": value, "text": { "deep": [value] } });
        for field in [
            "session",
            "storeName",
            "seq",
            "sentAt",
            "reason",
            "ts",
            "itemsInCart",
            "timeOnPage",
            "events",
            "state",
        ] {
            let mut message = json!({ "session": "canary-1", "events": { "/": [event, { "type": "v", "ts": 1, "email": value }] } });
            message[field] = value.clone();
            bodies.push(("/ingest", message.to_string()));
        }
        bodies.push(("/askai", value.to_string()));
        bodies.push(("/askai", json!({ "session": value }).to_string()));
        let earlier = json!({ "session": "canary-1", "earlier": [value, value] });
        bodies.push(("/askai", earlier.to_string()));
        for field in ["session", "decisionId", "outcome"] {
            let mut report = json!({ "session": "canary-1", "decisionId": "019363a1-5e2a-7c4b-9d1e-3f5a7b9c1d2e", "outcome": "shown" });
            report[field] = value.clone();
            bodies.push(("/askai/outcome", report.to_string()));
        }
    }
    for path in [
        "/api/cart-tracking/track",
        "/api/cart-tracking/batch",
        "/api/image-generations/track",
        "/ingest",
        "/askai",
        "/askai/outcome",
    ] {
        bodies.push((path, format!("{{\"customerEmail\": \"{EMAIL}\", {NAME}")));
        bodies.push((path, format!("[\"{EMAIL}\"]")));
        bodies.push((path, format!("{{\"storeName\": 1{EMAIL}}}")));
    }
    bodies
}

/// A request with the canary in every header as well.
fn disguised(request: RequestBuilder) -> RequestBuilder {
    request
        .header("user-agent", format!("{NAME}/1.0 ({EMAIL})"))
        .header("referer", format!("https://example.com/?email={EMAIL}"))
        .header("x-forwarded-for", "203.0.113.77")
        .header("cookie", format!("name={NAME}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_data_is_in_no_answer_and_in_no_log_line() {
    let folder = tempfile::tempdir().unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut command = command(folder.path(), &["--memory"]);
    // Every body is to be looked at, and not refused for their number.
    command
        .env("LOG_LEVEL", "trace")
        .env("RATE_LIMIT_PER_MINUTE", "0")
        .stderr(Stdio::from(log));
    let gateway = Gateway::start_logging(command);
    let client = Client::new();
    let (mut accepted, mut refused) = (0, 0);
    for (path, body) in bodies() {
        let request = client
            .post(format!("{}{path}?email={EMAIL}", gateway.url))
            .header("content-type", "application/json");
        let answer = disguised(request).body(body.clone()).send().await.unwrap();
        let status = answer.status();
        let headers = format!("{:?}", answer.headers());
        let text = answer.text().await.unwrap();
        assert!(!status.is_server_error(), "{path} {status}: {text}");
        *(if status.is_success() {
            &mut accepted
        } else {
            &mut refused
        }) += 1;
        for mark in MARKS {
            assert!(
                !text.contains(mark) && !headers.contains(mark),
                "{path} {status}: {text}\nfor {body}"
            );
        }
    }
    for path in [
        format!("/sessions/{EMAIL}"),
        format!("/api/cart-tracking/events?customerEmail={EMAIL}"),
        format!("/api/cart-tracking/analytics?storeName={EMAIL}&timezone={NAME}"),
        format!("/api/cart-tracking/export?customerEmail={EMAIL}&format={NAME}"),
        format!("/api/cart-tracking/journey?storeName={NAME}&customerEmail={EMAIL}"),
        format!("/api/image-generations/all?user={EMAIL}&status={NAME}"),
        format!("/api/cart-tracking/customer/{EMAIL}/store/my-store"),
        format!("/{NAME}"),
        format!("/docs/{NAME}"),
        format!("/dashboard/{NAME}"),
    ] {
        let answer = disguised(client.get(format!("{}{path}", gateway.url)))
            .header("x-api-key", EMAIL)
            .send()
            .await
            .unwrap();
        let text = answer.text().await.unwrap();
        assert!(
            MARKS.iter().all(|mark| !text.contains(mark)),
            "{path}: {text}"
        );
    }
    assert!(
        accepted > 20 && refused > 100,
        "{accepted} accepted, {refused} refused"
    );
    drop(gateway);

    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(
        log.lines().count() > accepted + refused,
        "one line for each request: {}",
        log.lines().count()
    );
    for line in log.lines() {
        assert!(MARKS.iter().all(|mark| !line.contains(mark)), "{line}");
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["timestamp"].is_string(), "{line}");
    }
}
