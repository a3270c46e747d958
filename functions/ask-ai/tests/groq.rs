//! The Groq client against an in-process server that does everything a model's server can do wrong.
//!
//! Set `SHOPTRAIL_TEST_OPENAI_URL` to the base URL of a real OpenAI-compatible server to ask that as
//! well; `real-model.sh` beside this file sets one up.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use ask_ai::advisor::{Advisor, AdvisorError};
use ask_ai::groq::{GroqAdvisor, GroqOptions};
use serde_json::{Value, json};
use shoptrail_domain::Timestamp;
use shoptrail_domain::advice::{Advice, AdviceError, Category};
use shoptrail_domain::session::{SessionEvent, SessionId, SessionRecord, Totals};
use shoptrail_edge::config::Secret;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const KEY: &str = "gsk_test-key";
const DEADLINE: Duration = Duration::from_secs(4);

/// Ten minutes ago three items went into the cart.
fn session() -> SessionRecord {
    let at = Timestamp::from_millis(now().as_millis() - 600_000);
    let event = SessionEvent {
        kind: "add_to_cart".into(),
        at,
        fields: serde_json::Map::new(),
    };
    SessionRecord {
        session: SessionId::parse("af4bac4d-077a-4756-91d0-fa2570fd206f").unwrap(),
        store_name: None,
        items_in_cart: Some(3),
        cart_changed_at: Some(at),
        time_on_page: BTreeMap::from([("/products/blue-hat".to_owned(), 95_000)]),
        events: BTreeMap::from([("/products/blue-hat".to_owned(), vec![event])]),
        totals: Totals {
            events: 1,
            by_type: BTreeMap::from([("add_to_cart".to_owned(), 1)]),
        },
        truncated: false,
        updated_at: at,
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

fn advisor(base_url: &str) -> GroqAdvisor {
    GroqAdvisor::new(GroqOptions {
        base_url: base_url.into(),
        model: "openai/gpt-oss-20b".into(),
        api_key: Secret::new(KEY),
    })
}

async fn ask(advisor: &GroqAdvisor) -> Result<Advice, AdvisorError> {
    advisor.advise(&session(), now(), DEADLINE).await
}

/// What a model writes, with `changes` over a sound advice.
fn content(changes: Value) -> String {
    let mut advice = json!({
        "show_popup": true, "message": "Your cart is still here. Any questions?", "reason": "Idle for ten minutes.",
        "category": "reminder", "trigger": "cart_idle", "confidence": 0.8, "delay_ms": 2000,
    });
    for (field, value) in changes.as_object().unwrap() {
        advice[field] = value.clone();
    }
    advice.to_string()
}

fn completion(content: &str, finish_reason: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "openai/gpt-oss-20b",
        "choices": [{ "index": 0, "finish_reason": finish_reason, "logprobs": null, "message": { "role": "assistant", "content": content } }],
        "usage": { "prompt_tokens": 900, "completion_tokens": 120, "total_tokens": 1020 },
    }))
}

fn error(status: u16, code: &str, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(
        json!({ "error": { "message": message, "type": "invalid_request_error", "code": code } }),
    )
}

/// A server that always answers the same.
async fn server(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/openai/v1/chat/completions"))
        .respond_with(answer)
        .mount(&server)
        .await;
    server
}

async fn answer_to(answer: ResponseTemplate) -> Result<Advice, AdvisorError> {
    let server = server(answer).await;
    ask(&advisor(&server.uri())).await
}

async fn bodies(server: &MockServer) -> Vec<Value> {
    server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(|request| request.body_json().unwrap())
        .collect()
}

#[tokio::test]
async fn a_sound_answer_becomes_advice() {
    let advice = answer_to(completion(&content(json!({})), "stop"))
        .await
        .unwrap();
    assert_eq!(advice.message(), "Your cart is still here. Any questions?");
    assert_eq!(
        (advice.category(), advice.trigger(), advice.delay_ms()),
        (Category::Reminder, "cart_idle", 2_000)
    );
}

#[tokio::test]
async fn the_request_is_exactly_what_groq_documents() {
    let server = server(completion(&content(json!({})), "stop")).await;
    ask(&advisor(&format!("{}/", server.uri()))).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].url.path(), "/openai/v1/chat/completions");
    assert_eq!(
        requests[0].headers["authorization"],
        format!("Bearer {KEY}")
    );
    assert_eq!(requests[0].headers["content-type"], "application/json");

    let mut body: Value = requests[0].body_json().unwrap();
    let messages = body["messages"].take();
    assert_eq!(messages.as_array().unwrap().len(), 2);
    assert_eq!(messages[0]["role"], "system");
    assert_eq!(messages[1]["role"], "user");
    assert!(
        messages[1]["content"]
            .as_str()
            .unwrap()
            .contains("\"items\":3")
    );
    assert_eq!(
        body,
        json!({
            "model": "openai/gpt-oss-20b", "messages": null, "max_completion_tokens": 1024, "temperature": 0.2,
            "reasoning_effort": "low", "include_reasoning": false,
            "response_format": { "type": "json_schema", "json_schema": { "name": "popup_advice", "strict": true, "schema": {
                "type": "object", "additionalProperties": false,
                "required": ["reason", "trigger", "category", "show_popup", "message", "confidence", "delay_ms"],
                "properties": {
                    "reason": { "type": "string" },
                    "trigger": { "type": "string", "enum": shoptrail_domain::advice::TRIGGERS },
                    "category": { "type": "string", "enum": ["discount", "bogo", "info", "reminder", "none"] },
                    "show_popup": { "type": "boolean" },
                    "message": { "type": "string" },
                    "confidence": { "type": "number" },
                    "delay_ms": { "type": "integer" },
                },
            } } },
        })
    );
}

#[tokio::test]
async fn the_static_text_comes_first_so_that_its_prefix_is_cached() {
    let server = server(completion(&content(json!({})), "stop")).await;
    let advisor = advisor(&server.uri());
    ask(&advisor).await.unwrap();
    let mut other = session();
    other.items_in_cart = Some(9);
    advisor.advise(&other, now(), DEADLINE).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let summary = |request: &Request| {
        String::from_utf8(request.body.clone())
            .unwrap()
            .find("Session summary")
            .unwrap()
    };
    assert_eq!(
        requests[0].body[..summary(&requests[0])],
        requests[1].body[..summary(&requests[1])]
    );
    assert_ne!(requests[0].body, requests[1].body);
}

#[tokio::test]
async fn after_a_429_the_server_is_left_alone_as_long_as_it_asked() {
    let server = server(
        error(429, "rate_limit_exceeded", "Rate limit reached").insert_header("retry-after", "30"),
    )
    .await;
    let advisor = advisor(&server.uri());
    let error = ask(&advisor).await.unwrap_err();
    assert!(
        matches!(error, AdvisorError::RateLimited { retry_after: Some(wait) } if wait == Duration::from_secs(30)),
        "{error:?}"
    );

    let error = advisor
        .advise(&session(), now().plus_millis(29_999), DEADLINE)
        .await
        .unwrap_err();
    assert!(
        matches!(error, AdvisorError::Resting { remaining } if remaining == Duration::from_millis(1)),
        "{error:?}"
    );
    assert_eq!(bodies(&server).await.len(), 1);

    advisor
        .advise(&session(), now().plus_millis(30_000), DEADLINE)
        .await
        .unwrap_err();
    assert_eq!(bodies(&server).await.len(), 2);
}

#[tokio::test]
async fn retry_after_is_read_in_every_form() {
    let date = "Fri, 15 Jan 2027 08:01:00 GMT"; // One minute after `now`.
    for (header, expected) in [
        ("2", Some(2_000)),
        ("7.5", Some(7_500)),
        (date, Some(60_000)),
        ("soon", None),
        ("-1", None),
        ("NaN", None),
        ("1e300", None),
    ] {
        let error =
            answer_to(error(429, "rate_limit_exceeded", "").insert_header("retry-after", header))
                .await
                .unwrap_err();
        let AdvisorError::RateLimited { retry_after } = error else {
            panic!("{header}: {error:?}")
        };
        assert_eq!(retry_after, expected.map(Duration::from_millis), "{header}");
    }
}

#[tokio::test]
async fn a_429_without_a_time_does_not_silence_the_advisor() {
    let server = server(error(429, "rate_limit_exceeded", "")).await;
    let advisor = advisor(&server.uri());
    for _ in 0..2 {
        assert!(matches!(
            ask(&advisor).await,
            Err(AdvisorError::RateLimited { retry_after: None })
        ));
    }
    assert_eq!(bodies(&server).await.len(), 2);
}

#[tokio::test]
async fn no_server_silences_the_advisor_for_longer_than_an_hour() {
    let server =
        server(error(429, "rate_limit_exceeded", "").insert_header("retry-after", "1000000")).await;
    let advisor = advisor(&server.uri());
    ask(&advisor).await.unwrap_err();
    advisor
        .advise(&session(), now().plus_millis(3_600_000), DEADLINE)
        .await
        .unwrap_err();
    assert_eq!(bodies(&server).await.len(), 2);
}

#[tokio::test]
async fn groqs_498_says_that_the_capacity_is_used_up() {
    let error = answer_to(error(
        498,
        "capacity_exceeded",
        "Flex tier capacity exceeded",
    ))
    .await
    .unwrap_err();
    assert!(matches!(error, AdvisorError::OverCapacity), "{error:?}");
}

#[tokio::test]
async fn a_server_that_fails_is_not_asked_again() {
    for status in [500, 502, 503, 504, 529] {
        let server =
            server(ResponseTemplate::new(status).set_body_string("<html>oops</html>")).await;
        let error = ask(&advisor(&server.uri())).await.unwrap_err();
        assert!(
            matches!(error, AdvisorError::ServerFailed { status: told } if told == status),
            "{error:?}"
        );
        assert_eq!(bodies_len(&server).await, 1);
    }
}

async fn bodies_len(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn a_503_with_a_time_is_left_alone_too() {
    let server = server(ResponseTemplate::new(503).insert_header("retry-after", "5")).await;
    let advisor = advisor(&server.uri());
    ask(&advisor).await.unwrap_err();
    assert!(matches!(
        ask(&advisor).await,
        Err(AdvisorError::Resting { .. })
    ));
}

#[tokio::test]
async fn a_refused_request_tells_its_status() {
    for status in [400, 401, 403, 404, 413, 422, 424] {
        let error = answer_to(error(status, "some_code", "No"))
            .await
            .unwrap_err();
        assert!(
            matches!(error, AdvisorError::Refused { status: told } if told == status),
            "{error:?}"
        );
    }
    let error = answer_to(ResponseTemplate::new(400).set_body_string("not JSON"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, AdvisorError::Refused { status: 400 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_redirection_is_not_followed_with_the_key() {
    let elsewhere = server(completion(&content(json!({})), "stop")).await;
    let to = format!("{}/openai/v1/chat/completions", elsewhere.uri());
    for status in [302, 307] {
        let error = answer_to(ResponseTemplate::new(status).insert_header("location", to.as_str()))
            .await
            .unwrap_err();
        assert!(
            matches!(error, AdvisorError::Refused { status: told } if told == status),
            "{error:?}"
        );
    }
    assert_eq!(bodies_len(&elsewhere).await, 0);
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_deadline_and_no_more() {
    let server =
        server(completion(&content(json!({})), "stop").set_delay(Duration::from_secs(30))).await;
    let begun = Instant::now();
    let deadline = Duration::from_millis(300);
    let error = advisor(&server.uri())
        .advise(&session(), now(), deadline)
        .await
        .unwrap_err();
    assert!(
        matches!(error, AdvisorError::TimedOut { deadline: told } if told == deadline),
        "{error:?}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

/// Speaks just enough HTTP to stop in the middle of an answer. Its threads end with the test's process.
fn serve_raw(answer: &'static [u8], then_close: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            std::thread::spawn(move || {
                let _ = socket.read(&mut [0; 64 * 1024]);
                let _ = socket.write_all(answer);
                if !then_close {
                    std::thread::sleep(Duration::from_secs(30));
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_body_that_never_ends_counts_against_the_same_deadline() {
    let url = serve_raw(
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"choi",
        false,
    );
    let begun = Instant::now();
    let error = advisor(&url)
        .advise(&session(), now(), Duration::from_millis(300))
        .await
        .unwrap_err();
    assert!(matches!(error, AdvisorError::TimedOut { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_with_its_source() {
    let url = serve_raw(
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"choi",
        true,
    );
    let error = ask(&advisor(&url)).await.unwrap_err();
    assert!(matches!(error, AdvisorError::Unreachable(_)), "{error:?}");
    assert!(error.source().is_some());
    // Port 9 of this host serves nothing.
    let error = ask(&advisor("http://127.0.0.1:9")).await.unwrap_err();
    assert!(matches!(error, AdvisorError::Unreachable(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("127.0.0.1:9/"), "{error:?}");
}

#[tokio::test]
async fn an_answer_cut_off_at_the_limit_of_tokens_is_an_error() {
    let cut = &content(json!({}))[..60];
    assert!(matches!(
        answer_to(completion(cut, "length")).await,
        Err(AdvisorError::Truncated)
    ));
    // Even one that happens to be whole: the model had more to say.
    assert!(matches!(
        answer_to(completion(&content(json!({})), "length")).await,
        Err(AdvisorError::Truncated)
    ));
}

#[tokio::test]
async fn a_model_that_ends_for_another_reason_declined() {
    for reason in ["content_filter", "tool_calls", "function_call"] {
        assert!(
            matches!(
                answer_to(completion(&content(json!({})), reason)).await,
                Err(AdvisorError::Declined)
            ),
            "{reason}"
        );
    }
    let refusal = json!({ "choices": [{ "finish_reason": "stop", "message": { "content": null, "refusal": "I cannot." } }] });
    assert!(matches!(
        answer_to(ResponseTemplate::new(200).set_body_json(refusal)).await,
        Err(AdvisorError::Declined)
    ));
}

#[tokio::test]
async fn json_validate_failed_is_an_error_and_no_reason_to_drop_the_schema() {
    let server = server(error(
        400,
        "json_validate_failed",
        "Failed to validate JSON for response_format. See 'failed_generation'.",
    ))
    .await;
    let advisor = advisor(&server.uri());
    for _ in 0..2 {
        assert!(matches!(
            ask(&advisor).await,
            Err(AdvisorError::SchemaNotMet)
        ));
    }
    let bodies = bodies(&server).await;
    assert_eq!(bodies.len(), 2);
    assert!(
        bodies
            .iter()
            .all(|body| body["response_format"]["type"] == "json_schema")
    );
}

/// Answers as a server does that refuses requests with the given word in them.
async fn server_without(words: &'static [(&'static str, &'static str)]) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(move |request: &Request| {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            match words.iter().find(|(word, _)| body.contains(word)) {
                Some((_, message)) => error(400, "invalid_request_error", message),
                None => completion(&content(json!({})), "stop"),
            }
        })
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn a_server_without_schemas_is_asked_for_any_json_object_and_not_asked_twice() {
    let server = server_without(&[(
        "json_schema",
        "This model does not support response format `json_schema`. See supported models.",
    )])
    .await;
    let advisor = advisor(&server.uri());
    ask(&advisor).await.unwrap();
    ask(&advisor).await.unwrap();
    let formats: Vec<Value> = bodies(&server)
        .await
        .iter()
        .map(|body| body["response_format"].clone())
        .collect();
    assert_eq!(formats.len(), 3);
    assert_eq!(formats[0]["type"], "json_schema");
    assert_eq!(
        formats[1..],
        [
            json!({ "type": "json_object" }),
            json!({ "type": "json_object" })
        ]
    );
    // Without a schema only the instructions name the fields, and the word that the mode demands.
    let instructions = bodies(&server).await[1]["messages"][0]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    for word in [
        "JSON",
        "show_popup",
        "message",
        "reason",
        "category",
        "trigger",
        "confidence",
        "delay_ms",
    ] {
        assert!(instructions.contains(word), "{word}");
    }
}

#[tokio::test]
async fn a_model_that_does_not_reason_is_asked_without_the_options_on_reasoning() {
    let server = server_without(&[
        (
            "json_schema",
            "'response_format.type' : value is not one of the allowed values",
        ),
        (
            "reasoning_effort",
            "`reasoning_effort` is not supported with this model",
        ),
    ])
    .await;
    let advisor = advisor(&server.uri());
    ask(&advisor).await.unwrap();
    ask(&advisor).await.unwrap();
    let bodies = bodies(&server).await;
    assert_eq!(bodies.len(), 4);
    for body in &bodies[2..] {
        assert_eq!(body["response_format"]["type"], "json_object");
        assert!(
            body.get("reasoning_effort").is_none() && body.get("include_reasoning").is_none(),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_server_that_refuses_everything_is_asked_no_more_than_thrice() {
    let server = server(error(
        400,
        "invalid_request_error",
        "response_format and reasoning_effort are wrong",
    ))
    .await;
    assert!(matches!(
        ask(&advisor(&server.uri())).await,
        Err(AdvisorError::Refused { status: 400 })
    ));
    assert_eq!(bodies(&server).await.len(), 3);
}

#[tokio::test]
async fn asking_again_in_another_way_counts_against_the_same_deadline() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(|request: &Request| {
            let slow = if String::from_utf8_lossy(&request.body).contains("json_schema") {
                error(400, "", "json_schema is not supported")
            } else {
                completion(&content(json!({})), "stop")
            };
            slow.set_delay(Duration::from_millis(350))
        })
        .mount(&server)
        .await;
    let error = advisor(&server.uri())
        .advise(&session(), now(), Duration::from_millis(500))
        .await
        .unwrap_err();
    assert!(matches!(error, AdvisorError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn advice_that_breaks_a_rule_is_an_error() {
    for (changes, expected) in [
        (
            json!({ "message": "<b>Sale!</b>" }),
            AdviceError::MessageHasHtml,
        ),
        (
            json!({ "message": "**Sale!**" }),
            AdviceError::MessageHasMarkdown,
        ),
        (
            json!({ "message": "Visit https://shop.example" }),
            AdviceError::MessageHasLink,
        ),
        (
            json!({ "message": "Write to jane@example.com" }),
            AdviceError::MessageHasEmail,
        ),
        (
            json!({ "message": "x".repeat(121) }),
            AdviceError::MessageTooLong,
        ),
        (json!({ "message": " " }), AdviceError::MessageMissing),
        (json!({ "category": "sale" }), AdviceError::UnknownCategory),
        (
            json!({ "confidence": 1.5 }),
            AdviceError::ConfidenceOutOfRange,
        ),
        (json!({ "delay_ms": 60_001 }), AdviceError::DelayOutOfRange),
        (json!({ "delay_ms": -1 }), AdviceError::DelayOutOfRange),
        (json!({ "reason": "" }), AdviceError::ReasonMissing),
        (
            json!({ "trigger": "items in the cart!" }),
            AdviceError::TriggerMalformed,
        ),
    ] {
        let error = answer_to(completion(&content(changes), "stop"))
            .await
            .unwrap_err();
        assert!(
            matches!(error, AdvisorError::Invalid(broken) if broken == expected),
            "{expected:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_no_json_of_ours_is_an_error() {
    let list = json!([true, "m", "r", "info", "t", 0.5, 0]).to_string();
    let fenced = format!("```json\n{}\n```", content(json!({})));
    let text = "I would show a popup to canary@example.com.";
    let typed = content(json!({ "show_popup": "canary@example.com" }));
    for content in [
        text,
        "{",
        "{}",
        "null",
        "\"text\"",
        &list,
        &fenced,
        &typed,
        &content(json!({ "message": null })),
    ] {
        let error = answer_to(completion(content, "stop")).await.unwrap_err();
        assert!(
            matches!(error, AdvisorError::Malformed(_)),
            "{content}: {error:?}"
        );
        let chain = format!("{error} {error:?} {}", error.source().unwrap());
        assert!(!chain.contains("canary"), "{chain}");
    }
}

#[tokio::test]
async fn an_answer_without_content_is_an_error() {
    for body in [
        json!({ "choices": [] }),
        json!({ "choices": [{ "finish_reason": "stop", "message": { "content": null } }] }),
        json!({ "choices": [{ "finish_reason": "stop", "message": {} }] }),
        json!({ "choices": [{ "message": { "content": "  \n" } }] }),
    ] {
        let error = answer_to(ResponseTemplate::new(200).set_body_json(&body))
            .await
            .unwrap_err();
        assert!(matches!(error, AdvisorError::NoAnswer), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_completion_is_an_error() {
    for body in [
        "",
        "<html></html>",
        "{}",
        "[]",
        "null",
        "{\"choices\":[{}]}",
        "{\"error\":{\"message\":\"canary\"}}",
        "\u{feff}",
    ] {
        let error = answer_to(ResponseTemplate::new(200).set_body_string(body))
            .await
            .unwrap_err();
        assert!(
            matches!(error, AdvisorError::NotACompletion(_)),
            "{body}: {error:?}"
        );
        assert!(!format!("{error:?}").contains("canary"));
    }
}

#[tokio::test]
async fn a_huge_answer_is_not_read_to_its_end() {
    let error = answer_to(completion(&"x".repeat(10_000_000), "stop"))
        .await
        .unwrap_err();
    assert!(matches!(error, AdvisorError::TooLarge { .. }), "{error:?}");
    // Nor one that does not say how long it is.
    static CHUNKED: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..20 {
            answer.extend_from_slice(format!("2000\r\n{}\r\n", "x".repeat(0x2000)).as_bytes());
        }
        answer
    });
    let error = ask(&advisor(&serve_raw(&CHUNKED, false)))
        .await
        .unwrap_err();
    assert!(matches!(error, AdvisorError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn the_key_is_never_printed() {
    let server = server(error(401, "invalid_api_key", "Invalid API Key")).await;
    let advisor = advisor(&server.uri());
    let error = ask(&advisor).await.unwrap_err();
    assert!(!format!("{advisor:?} {error:?} {error}").contains(KEY));
    // A key that no header can hold is an error before anything is sent.
    let broken = GroqOptions {
        base_url: server.uri(),
        model: "m".into(),
        api_key: Secret::new("two\nlines"),
    };
    let error = GroqAdvisor::new(broken)
        .advise(&session(), now(), DEADLINE)
        .await
        .unwrap_err();
    assert!(matches!(error, AdvisorError::Client(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("lines"));
}

#[tokio::test]
async fn every_error_has_a_name_of_its_own_for_the_log() {
    let names = [
        AdvisorError::NoAnswer.kind(),
        AdvisorError::Truncated.kind(),
        AdvisorError::OverCapacity.kind(),
    ];
    assert_eq!(names, ["no_answer", "truncated", "over_capacity"]);
}

/// A model without an accelerator, on a machine that compiles something meanwhile, takes its time.
const PATIENCE: Duration = Duration::from_secs(240);

/// Asks a real model on a real server. What it says is not judged, only that the client and the server
/// understand each other, and that what comes out is sound advice or an error that says why it is not.
#[tokio::test]
async fn a_real_server_answers_in_the_agreed_form() {
    #[expect(
        clippy::disallowed_methods,
        reason = "it says whether there is a server to test with"
    )]
    let Ok(url) = std::env::var("SHOPTRAIL_TEST_OPENAI_URL") else {
        eprintln!("skipped: SHOPTRAIL_TEST_OPENAI_URL is not set");
        return;
    };
    let advisor = advisor(&url);
    let mut taken = 0;
    for items in [1, 8] {
        let mut session = session();
        session.items_in_cart = Some(items);
        let begun = Instant::now();
        let answer = advisor.advise(&session, now(), PATIENCE).await;
        eprintln!("{items} items, {:?}: {answer:?}", begun.elapsed());
        match answer {
            Ok(_) => taken += 1,
            // The schema holds a model to the seven fields, but a small one breaks the rules on their
            // contents, or chatters on until its tokens are used up.
            Err(AdvisorError::Invalid(_) | AdvisorError::Truncated) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    eprintln!("{taken} of 2 answers were sound advice");
}
