//! Secrets come from Secrets Manager while the function starts, and stand nowhere else.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use serde_json::json;
use shoptrail_local::testing::{Function, TestDb};
use tokio::process::Command;
use wiremock::matchers::{body_partial_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const FUNCTION: Function = Function {
    name: "ask-ai",
    bootstrap: env!("CARGO_BIN_EXE_ask-ai"),
};
const SESSION: &str = "af4bac4d-077a-4756-91d0-fa2570fd206f";
const ARNS: [(&str, &str); 3] = [
    ("HASH_PEPPER_ARN", "arn:pepper"),
    ("SHOPIFY_API_SECRET_ARN", "arn:shopify"),
    ("GROQ_API_KEY_ARN", "arn:groq"),
];

/// Secrets Manager with these secrets.
async fn secrets_manager(secrets: &[(&str, &str)]) -> MockServer {
    let server = MockServer::start().await;
    for (id, value) in secrets {
        Mock::given(method("POST"))
            .and(header("x-amz-target", "secretsmanager.GetSecretValue"))
            .and(body_partial_json(json!({ "SecretId": id })))
            .respond_with(
                ResponseTemplate::new(200)
                    .set_body_json(json!({ "ARN": id, "Name": id, "SecretString": value })),
            )
            .mount(&server)
            .await;
    }
    server
}

#[tokio::test]
async fn a_function_fetches_its_secrets_and_tells_nobody() {
    let db = TestDb::start().await;
    let store = shoptrail_storage::Store::connect(&db.store_config());
    let body = json!({ "session": SESSION, "itemsInCart": 3 }).to_string();
    let now = shoptrail_domain::Timestamp::from_millis(1_800_000_000_000);
    let body = shoptrail_domain::json::decode(body.as_bytes()).unwrap();
    let message = shoptrail_domain::session::SessionMessage::parse(body, now).unwrap();
    let stores = shoptrail_domain::access::Stores::All;
    store
        .record_session_message(&message, &stores, now, 36_500, || 7)
        .await
        .unwrap();

    let model = MockServer::start().await;
    let advice = json!({ "show_popup": false, "message": "", "reason": "r", "category": "none", "trigger": "t", "confidence": 0.5, "delay_ms": 0 });
    Mock::given(path("/openai/v1/chat/completions"))
        .and(header("authorization", "Bearer canary-model-key"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({
            "choices": [{ "message": { "content": advice.to_string() }, "finish_reason": "stop" }],
        })))
        .mount(&model)
        .await;
    let secrets = secrets_manager(&[
        ("arn:pepper", "canary-canary-pepper"),
        ("arn:shopify", "canary-shopify"),
        ("arn:groq", "canary-model-key\n"),
    ])
    .await;
    let (secrets_url, model_url) = (secrets.uri(), model.uri());
    let mut settings = vec![
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets_url.as_str()),
        ("GROQ_BASE_URL", model_url.as_str()),
        ("LOG_LEVEL", "trace"),
    ];
    settings.extend(ARNS);
    let host = FUNCTION.start(db.endpoint_url(), &settings).await;
    let answer = FUNCTION.event("askai-plain-200").replay(&host).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.json()["source"], "model", "{}", host.log());
    assert_eq!(secrets.received_requests().await.unwrap().len(), 3);
    // The host searches the log for the canary when it ends.
}

/// The one line that a function ends with which does not start.
async fn complaint(secrets: &MockServer, arn: (&str, &str)) -> String {
    let db = TestDb::start().await;
    let mut command = Command::new(FUNCTION.bootstrap);
    command
        .env_clear()
        .env("AWS_ENDPOINT_URL_DYNAMODB", db.endpoint_url())
        .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets.uri())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
        .envs([arn]);
    let output = command.output().await.unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn without_a_secret_that_it_was_promised_a_function_does_not_start() {
    let secrets = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(
            ResponseTemplate::new(400).set_body_json(
                json!({ "__type": "ResourceNotFoundException", "message": "canary" }),
            ),
        )
        .mount(&secrets)
        .await;
    assert_eq!(
        complaint(&secrets, ARNS[2]).await,
        "the secret of GROQ_API_KEY_ARN cannot be read\n"
    );
}

#[tokio::test]
async fn with_a_pepper_that_hides_nothing_a_function_does_not_start() {
    let secrets = secrets_manager(&[("arn:pepper", "canary")]).await;
    assert_eq!(
        complaint(&secrets, ARNS[0]).await,
        "the setting HASH_PEPPER must be 16 characters or more\n"
    );
}
