//! The advisor that asks a model: Groq's API, or any server that speaks OpenAI's chat completions.
//!
//! One request gives one advice, or an error. Nothing is repeated because it failed: the rules are a
//! better answer than a late one. What is repeated, within the same deadline, is a request that the
//! server did not understand: without the strict schema, or without the options on reasoning, where it
//! refuses these. What it refused once it is not asked again.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shoptrail_domain::Timestamp;
use shoptrail_domain::advice::{Advice, Category, ProposedAdvice, TRIGGERS};
use shoptrail_domain::session::SessionRecord;
use shoptrail_edge::config::{GroqConfig, Secret};

use crate::advisor::{Advisor, AdvisorError};
use crate::prompt::Prompt;

/// Below the base URL; Groq serves OpenAI's API under its own prefix.
const PATH: &str = "/openai/v1/chat/completions";
/// Tokens of the answer, its hidden reasoning included: the seven fields take about 150, the rest is room to think.
const MAX_COMPLETION_TOKENS: u32 = 1_024;
/// Close to always the same answer, with a little room for other words.
const TEMPERATURE: f64 = 0.2;
/// Bytes of an answer: eight times what 1,024 tokens and all that surrounds them come to.
const ANSWER_BYTES: usize = 64 * 1024;
/// The longest that a server is left alone: a longer wish is a day's limit, which may be raised meanwhile.
const LONGEST_REST: Duration = Duration::from_secs(60 * 60);
/// Groq's own status for a tier of service without capacity left.
const STATUS_OVER_CAPACITY: u16 = 498;

/// Which server and model to ask, and with which key.
#[derive(Debug, Clone)]
pub struct GroqOptions {
    /// The server, without the API's path: `https://api.groq.com`.
    pub base_url: String,
    /// The model's id: `openai/gpt-oss-20b`.
    pub model: String,
    /// The key, sent as a bearer token.
    pub api_key: Secret,
}

/// Asks a model over HTTP. Keep one per process: it holds the connection and what it learnt of the server.
#[derive(Debug)]
pub struct GroqAdvisor {
    options: GroqOptions,
    /// Built on the first call: loading the root certificates is most of a cold start.
    client: OnceLock<Client>,
    /// Milliseconds since 1970 until which the server wants to be left alone; 0 when it does not.
    rests_until_ms: AtomicI64,
    refuses_schema: AtomicBool,
    refuses_reasoning: AtomicBool,
}

impl GroqAdvisor {
    /// An advisor that has not connected yet.
    #[must_use]
    pub fn new(options: GroqOptions) -> Self {
        Self {
            options,
            client: OnceLock::new(),
            rests_until_ms: AtomicI64::new(0),
            refuses_schema: AtomicBool::new(false),
            refuses_reasoning: AtomicBool::new(false),
        }
    }

    /// The advisor that the settings name; `None` without a key, when the rules answer.
    #[must_use]
    pub fn from_config(config: &GroqConfig) -> Option<Self> {
        let api_key = config.api_key.clone()?;
        Some(Self::new(GroqOptions {
            base_url: config.base_url.clone(),
            model: config.model.clone(),
            api_key,
        }))
    }

    fn client(&self) -> Result<&Client, AdvisorError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::builder()
            // The key goes to the configured server and to no other.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(AdvisorError::Client)?;
        // Two first calls at once build two clients; the first one stays.
        Ok(self.client.get_or_init(|| client))
    }

    fn check_rest(&self, now: Timestamp) -> Result<(), AdvisorError> {
        let until = self.rests_until_ms.load(Ordering::Relaxed);
        match u64::try_from(until.saturating_sub(now.as_millis())) {
            Ok(remaining) if remaining > 0 => Err(AdvisorError::Resting {
                remaining: Duration::from_millis(remaining),
            }),
            _ => Ok(()),
        }
    }

    async fn ask(&self, prompt: &Prompt, now: Timestamp) -> Result<Advice, AdvisorError> {
        // Each turn but the last finds out one of the two options, so there are at most three.
        loop {
            let dialect = Dialect {
                schema: !self.refuses_schema.load(Ordering::Relaxed),
                reasoning: !self.refuses_reasoning.load(Ordering::Relaxed),
            };
            let response = self.send(prompt, dialect).await?;
            match judge(response, dialect, now).await {
                Reply::Completion(body) => return read_advice(&body),
                Reply::Unsupported(option) => {
                    tracing::info!(
                        ask_ai.option = option.as_str(),
                        "the model's server refuses an option; asking without it from now on"
                    );
                    match option {
                        Unsupported::Schema => self.refuses_schema.store(true, Ordering::Relaxed),
                        Unsupported::Reasoning => {
                            self.refuses_reasoning.store(true, Ordering::Relaxed)
                        }
                    }
                }
                Reply::Failed { error, rest } => {
                    if let Some(rest) = rest {
                        let millis =
                            i64::try_from(rest.min(LONGEST_REST).as_millis()).unwrap_or(i64::MAX);
                        self.rests_until_ms
                            .fetch_max(now.plus_millis(millis).as_millis(), Ordering::Relaxed);
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn send(&self, prompt: &Prompt, dialect: Dialect) -> Result<Response, AdvisorError> {
        let url = format!("{}{PATH}", self.options.base_url.trim_end_matches('/'));
        let request = ChatRequest::new(&self.options.model, prompt, dialect);
        let sent = self
            .client()?
            .post(url)
            .bearer_auth(self.options.api_key.expose())
            .json(&request)
            .send()
            .await;
        sent.map_err(|error| {
            if error.is_builder() {
                AdvisorError::Client(error)
            } else {
                unreachable_server(error)
            }
        })
    }
}

#[async_trait::async_trait]
impl Advisor for GroqAdvisor {
    async fn advise(
        &self,
        record: &SessionRecord,
        now: Timestamp,
        deadline: Duration,
    ) -> Result<Advice, AdvisorError> {
        self.check_rest(now)?;
        let prompt = Prompt::of(record, now);
        tokio::time::timeout(deadline, self.ask(&prompt, now))
            .await
            .map_err(|_| AdvisorError::TimedOut { deadline })?
    }
}

/// The options that not every server and model takes.
#[derive(Clone, Copy)]
struct Dialect {
    schema: bool,
    reasoning: bool,
}

#[derive(Clone, Copy)]
enum Unsupported {
    Schema,
    Reasoning,
}

impl Unsupported {
    fn as_str(self) -> &'static str {
        match self {
            Self::Schema => "json_schema",
            Self::Reasoning => "reasoning",
        }
    }
}

/// What a response comes to.
enum Reply {
    Completion(Vec<u8>),
    Unsupported(Unsupported),
    Failed {
        error: AdvisorError,
        rest: Option<Duration>,
    },
}

impl Reply {
    fn failed(error: AdvisorError) -> Self {
        Self::Failed { error, rest: None }
    }
}

async fn judge(response: Response, dialect: Dialect, now: Timestamp) -> Reply {
    let status = response.status();
    let rest = retry_after(response.headers(), now);
    match status.as_u16() {
        200..=299 => match read_body(response).await {
            Ok(body) => Reply::Completion(body),
            Err(error) => Reply::failed(error),
        },
        429 => Reply::Failed {
            error: AdvisorError::RateLimited { retry_after: rest },
            rest,
        },
        STATUS_OVER_CAPACITY => Reply::Failed {
            error: AdvisorError::OverCapacity,
            rest,
        },
        500.. => Reply::Failed {
            error: AdvisorError::ServerFailed {
                status: status.as_u16(),
            },
            rest,
        },
        400 | 422 => match read_body(response).await {
            Ok(body) => judge_refusal(&body, status, dialect),
            Err(_) => refused(status),
        },
        _ => refused(status),
    }
}

fn refused(status: StatusCode) -> Reply {
    Reply::failed(AdvisorError::Refused {
        status: status.as_u16(),
    })
}

/// Servers do not agree on a code for an option that they lack, but their messages name the option.
fn judge_refusal(body: &[u8], status: StatusCode, dialect: Dialect) -> Reply {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = body.get("error").unwrap_or(&body);
    let text = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or_default();
    if text("code") == "json_validate_failed" {
        return Reply::failed(AdvisorError::SchemaNotMet);
    }
    let said = format!("{} {}", text("message"), text("param")).to_ascii_lowercase();
    let names = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if dialect.schema
        && names(&[
            "response_format",
            "response format",
            "json_schema",
            "json schema",
        ])
    {
        Reply::Unsupported(Unsupported::Schema)
    } else if dialect.reasoning && names(&["reasoning"]) {
        Reply::Unsupported(Unsupported::Reasoning)
    } else {
        refused(status)
    }
}

/// `Retry-After` as seconds, whole or not, or as a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => {
            let at = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
            let millis = at.as_millisecond().saturating_sub(now.as_millis());
            Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
        }
    }
}

async fn read_body(mut response: Response) -> Result<Vec<u8>, AdvisorError> {
    let too_large = AdvisorError::TooLarge {
        limit: ANSWER_BYTES,
    };
    if response
        .content_length()
        .is_some_and(|length| length > ANSWER_BYTES as u64)
    {
        return Err(too_large);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable_server)? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The URL is ours and known, and may hold a password.
fn unreachable_server(error: reqwest::Error) -> AdvisorError {
    AdvisorError::Unreachable(error.without_url())
}

fn read_advice(body: &[u8]) -> Result<Advice, AdvisorError> {
    let completion: ChatCompletion =
        serde_json::from_slice(body).map_err(|error| AdvisorError::NotACompletion(error.into()))?;
    let choice = completion
        .choices
        .into_iter()
        .next()
        .ok_or(AdvisorError::NoAnswer)?;
    match choice.finish_reason.as_deref() {
        Some("length") => return Err(AdvisorError::Truncated),
        Some("stop") | None => {}
        Some(_) => return Err(AdvisorError::Declined),
    }
    let content = choice.message.content.unwrap_or_default();
    if content.trim().is_empty() {
        return Err(if choice.message.refusal.is_some() {
            AdvisorError::Declined
        } else {
            AdvisorError::NoAnswer
        });
    }
    let malformed = |error: serde_json::Error| AdvisorError::Malformed(error.into());
    // By way of an object, because serde takes a list of seven values for the struct as well.
    let object: Map<String, Value> = serde_json::from_str(&content).map_err(malformed)?;
    let proposed: ProposedAdvice =
        serde_json::from_value(Value::Object(object)).map_err(malformed)?;
    Advice::parse(proposed).map_err(AdvisorError::Invalid)
}

#[derive(Deserialize)]
struct ChatCompletion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    finish_reason: Option<String>,
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Serialize)]
struct ChatRequest<'a> {
    model: &'a str,
    messages: [ChatMessage<'a>; 2],
    response_format: ResponseFormat,
    max_completion_tokens: u32,
    temperature: f64,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
}

impl<'a> ChatRequest<'a> {
    fn new(model: &'a str, prompt: &'a Prompt, dialect: Dialect) -> Self {
        Self {
            model,
            messages: [
                ChatMessage {
                    role: "system",
                    content: prompt.instructions,
                },
                ChatMessage {
                    role: "user",
                    content: &prompt.summary,
                },
            ],
            response_format: if dialect.schema {
                let schema = NamedSchema {
                    name: "popup_advice",
                    strict: true,
                    schema: AdviceSchema::new(),
                };
                ResponseFormat::JsonSchema {
                    json_schema: Box::new(schema),
                }
            } else {
                ResponseFormat::JsonObject
            },
            max_completion_tokens: MAX_COMPLETION_TOKENS,
            temperature: TEMPERATURE,
            reasoning: dialect.reasoning.then_some(Reasoning {
                reasoning_effort: "low",
                include_reasoning: false,
            }),
        }
    }
}

#[derive(Serialize)]
struct ChatMessage<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct Reasoning {
    reasoning_effort: &'static str,
    include_reasoning: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat {
    JsonSchema { json_schema: Box<NamedSchema> },
    JsonObject,
}

#[derive(Serialize)]
struct NamedSchema {
    name: &'static str,
    strict: bool,
    schema: AdviceSchema,
}

/// The seven fields for constrained decoding, which knows types and enumerations but no lengths and
/// ranges: Groq refuses `maxLength` and the like. [`Advice::parse`] sees to those.
#[derive(Serialize)]
struct AdviceSchema {
    #[serde(rename = "type")]
    kind: &'static str,
    properties: AdviceProperties,
    required: [&'static str; 7],
    #[serde(rename = "additionalProperties")]
    additional_properties: bool,
}

/// In the order in which the model writes them: why comes before what, so that it decides by its reason.
#[derive(Serialize)]
struct AdviceProperties {
    reason: Property,
    trigger: Property,
    category: Property,
    show_popup: Property,
    message: Property,
    confidence: Property,
    delay_ms: Property,
}

#[derive(Serialize)]
struct Property {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty")]
    one_of: Vec<&'static str>,
}

impl Property {
    fn any(kind: &'static str) -> Self {
        Self {
            kind,
            one_of: Vec::new(),
        }
    }

    fn one_of(names: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            kind: "string",
            one_of: names.into_iter().collect(),
        }
    }
}

impl AdviceSchema {
    fn new() -> Self {
        Self {
            kind: "object",
            properties: AdviceProperties {
                reason: Property::any("string"),
                trigger: Property::one_of(TRIGGERS),
                category: Property::one_of(Category::ALL.map(Category::as_str)),
                show_popup: Property::any("boolean"),
                message: Property::any("string"),
                confidence: Property::any("number"),
                delay_ms: Property::any("integer"),
            },
            required: [
                "reason",
                "trigger",
                "category",
                "show_popup",
                "message",
                "confidence",
                "delay_ms",
            ],
            additional_properties: false,
        }
    }
}
