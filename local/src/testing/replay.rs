//! Replays the whole API Gateway events of `events/` through a function's own bootstrap, and holds
//! the answers and the log against the contract.
//!
//! A file is `<function>-<case>-<status>.json`. The files of a function are replayed in the order of
//! their names on one database, so `…-200` may prepare what `…-repeat-200` finds.
//!
//! The functions' tests keep each answer as a snapshot. After a change that is wanted,
//! `INSTA_UPDATE=always cargo test --test lambda` writes them anew.
#![expect(
    clippy::expect_used,
    reason = "a test without its events or answers cannot go on"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Map, Value};
use shoptrail_domain::access::{ApiKey, Scope, Stores};
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_edge::routes::{self, Access, Match, ROUTES, Route};
use shoptrail_storage::{ApiKeyRecord, Pepper, Store};
use tokio::process::Command;

use super::audit::{CANARY, assert_log_is_impersonal};
use super::lambda::TRACE_ID;
use super::{Fault, FaultProxy, HASH_PEPPER, LambdaHost, TestDb, emf};
use crate::template::{RouteMatch, Template};

/// Where the storefronts of the events are; what the functions under test get as `ALLOWED_ORIGINS`.
const STOREFRONT_ORIGINS: &str = "https://shop.example.com";
/// From where the events call read routes; `ADMIN_ORIGINS`.
const ADMIN_ORIGINS: &str = "https://admin.example.com";
/// All that a request's log line may say; whatever else comes to it has to be thought about here.
const LOG_FIELDS: [&str; 14] = [
    "timestamp",
    "level",
    "target",
    "message",
    "request_id",
    "trace_id",
    "store",
    "method",
    "route",
    "status",
    "outcome",
    "error_code",
    "cause",
    "duration_us",
];
/// What each request's line of metrics has, and no other.
const MEASURED: &str = "\"Requests\":1";
/// The store of all events that name one.
const STORE: &str = "my-store.myshopify.com";
/// Within this a client is told that the database is away.
const ANSWER_TIME: Duration = Duration::from_secs(3);
/// Longer texts, which are files of their own, are not repeated in a snapshot.
const SNAPSHOT_BYTES: usize = 4 * 1024;

/// Stores the API key that the events carry: all scopes, for [`STORE`]. The function must have [`HASH_PEPPER`].
///
/// # Panics
///
/// When the database does not take it.
pub async fn record_key_of_events(db: &TestDb) {
    let pepper = Pepper::new(HASH_PEPPER).expect("the pepper is long enough");
    let store = StoreName::parse(STORE).expect("a store");
    let key = ApiKey::new(1, [2, 3]);
    let (scopes, stores) = (Scope::ALL.into_iter().collect(), Stores::one(store));
    let now = Timestamp::default();
    let record = ApiKeyRecord::new(&key, &pepper, "events".into(), scopes, &stores, now);
    let recorded = Store::connect(&db.store_config())
        .record_api_key(&record)
        .await;
    recorded.expect("the key is stored");
}

/// A function under test.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// The name of its binary, with which the names of its events begin.
    pub name: &'static str,
    /// Its binary: `env!("CARGO_BIN_EXE_…")`.
    pub bootstrap: &'static str,
}

/// One file of `events/`.
#[derive(Debug, Clone)]
pub struct SampleEvent {
    /// The file's name without `.json`.
    pub name: String,
    /// The status with which the name ends.
    pub status: u16,
    /// What it holds.
    pub event: Value,
}

/// What a function answered to an event.
#[derive(Debug)]
pub struct Answer {
    sample: SampleEvent,
    whole: Value,
    elapsed: Duration,
}

impl Function {
    /// Starts the function as Lambda would: with nothing in its environment but where the database is, the
    /// origins of the events, the pepper, and `settings`.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start(self, endpoint_url: &str, settings: &[(&str, &str)]) -> LambdaHost {
        let mut command = Command::new(self.bootstrap);
        command
            .env_clear()
            .env("AWS_ENDPOINT_URL_DYNAMODB", endpoint_url)
            .env("ALLOWED_ORIGINS", STOREFRONT_ORIGINS)
            .env("ADMIN_ORIGINS", ADMIN_ORIGINS)
            .env("HASH_PEPPER", HASH_PEPPER)
            .envs(settings.iter().copied());
        let host = LambdaHost::start(command).await;
        host.initialized().await.expect("the function starts");
        host
    }

    /// The function's events, by name.
    ///
    /// # Panics
    ///
    /// When a file is no event, or its name is not of the form `<function>-<case>-<status>.json`.
    #[must_use]
    pub fn events(self) -> Vec<SampleEvent> {
        let all = all_events();
        let own = all
            .into_iter()
            .filter(|sample| sample.name.starts_with(&format!("{}-", self.name)));
        let own: Vec<_> = own.collect();
        assert!(!own.is_empty(), "events/ holds events of {}", self.name);
        own
    }

    /// The function's event `<function>-<case>`, its status included.
    ///
    /// # Panics
    ///
    /// When there is no such file.
    #[must_use]
    pub fn event(self, case: &str) -> SampleEvent {
        let name = format!("{}-{case}", self.name);
        let found = self.events().into_iter().find(|sample| sample.name == name);
        found.unwrap_or_else(|| unexpected(&format!("there is no events/{name}.json")))
    }

    /// Holds the function's events against the template and the routes: each is one that API Gateway would
    /// give to this function, and each of its routes has at least one success and one failure.
    ///
    /// # Panics
    ///
    /// When one of this is not so.
    pub fn assert_events_cover_its_routes(self, template: &Template) {
        let keys: BTreeSet<String> = template
            .routes
            .iter()
            .filter(|route| route.function == self.name)
            .map(|route| match &route.matches {
                RouteMatch::Path { path, method } => {
                    format!("{} {path}", method.as_deref().unwrap_or("ANY"))
                }
                RouteMatch::Default => "$default".to_owned(),
            })
            .collect();
        for SampleEvent { name, .. } in all_events() {
            let is_of = |function: &str| name.starts_with(&format!("{function}-"));
            let is_tested = template.routes.iter().any(|route| is_of(&route.function));
            assert!(
                is_tested,
                "events/{name}.json is of no function, so that no test replays it"
            );
        }
        let events = self.events();
        for SampleEvent { name, event, .. } in &events {
            let key = event["routeKey"].as_str().unwrap_or_default();
            assert!(
                keys.contains(key),
                "{name}: the template leads {key} elsewhere"
            );
            assert_eq!(event["requestContext"]["routeKey"], key, "{name}");
        }

        let own = |route: &&Route| keys.contains(&format!("{} {}", route.method, route.path));
        assert!(
            ROUTES.iter().any(|route| own(&route)),
            "{} has routes",
            self.name
        );
        for route in ROUTES.iter().filter(own) {
            let key = format!("{} {}", route.method, route.path);
            let succeeds =
                |sample: &SampleEvent| sample.status < 400 && is_of(route, route_of(&sample.event));
            // A failure is whatever goes wrong on the path, a wrong method included: with most documents
            // nothing else can. Wrong methods are led to the function behind `$default`.
            let can_fail = route.access != Access::Anyone
                || route.path.contains('{')
                || keys.contains("$default");
            let fails = |sample: &SampleEvent| {
                sample.status >= 400
                    && is_of(route, routes::find(&method(route), path(&sample.event)))
            };
            assert!(
                events.iter().any(succeeds),
                "an event that succeeds on {key}"
            );
            assert!(
                !can_fail || events.iter().any(fails),
                "an event that fails on {key}"
            );
        }
    }

    /// Starts the function with its way to `db` working, and then lets the database refuse, hang,
    /// throttle, fail and lose its answers; `check` sees the function in each of these states, and once more
    /// when all is well again.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn during_outages(
        self,
        db: &TestDb,
        settings: &[(&str, &str)],
        check: impl AsyncFn(&LambdaHost, Fault),
    ) {
        let proxy = FaultProxy::start(db.endpoint_url()).await;
        let host = self.start(proxy.endpoint_url(), settings).await;
        let faults = [
            Fault::Refuse,
            Fault::Hang,
            Fault::Throttle,
            Fault::InternalError,
            Fault::LoseAnswer,
        ];
        for fault in faults.into_iter().chain([Fault::Pass]) {
            proxy.set(fault).await;
            check(&host, fault).await;
        }
        assert_log_is_impersonal(&host.log());
    }
}

impl SampleEvent {
    /// Hands the event to a function.
    ///
    /// # Panics
    ///
    /// When the function gives no answer.
    pub async fn replay(&self, host: &LambdaHost) -> Answer {
        let started = Instant::now();
        let whole = host.invoke(&self.event).await;
        let elapsed = started.elapsed();
        let whole = whole.unwrap_or_else(|failure| {
            unexpected(&format!("{}: {failure}\n{}", self.name, host.log()))
        });
        Answer {
            sample: self.clone(),
            whole,
            elapsed,
        }
    }

    fn request_id(&self) -> &str {
        self.event["requestContext"]["requestId"]
            .as_str()
            .expect("an event has a request id")
    }
}

impl Answer {
    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.sample.name
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.whole["statusCode"]
            .as_u64()
            .and_then(|status| status.try_into().ok())
            .unwrap_or(0)
    }

    /// A header, by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.whole["headers"][name].as_str()
    }

    /// The body; `""` where there is none.
    #[must_use]
    pub fn text(&self) -> &str {
        self.whole["body"].as_str().unwrap_or_default()
    }

    /// The body as JSON; `null` where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_default()
    }

    /// Whether it came within the time that a client waits.
    #[must_use]
    pub fn is_in_time(&self) -> bool {
        self.elapsed < ANSWER_TIME
    }

    /// Holds the answer against the event's name and the contract: status, content type, request id, the
    /// shape of an error.
    ///
    /// # Panics
    ///
    /// When something is not so.
    pub fn assert_as_named(&self) {
        let SampleEvent {
            name,
            status,
            event,
        } = &self.sample;
        assert_eq!(self.status(), *status, "{name}: {}", self.whole);
        assert_eq!(
            self.header("x-request-id"),
            Some(self.sample.request_id()),
            "{name}"
        );
        let is_head = event["requestContext"]["http"]["method"] == "HEAD";
        // Where it is absent, the gateway in front counts the bytes.
        if let Some(length) = self.header("content-length")
            && self.whole["isBase64Encoded"] == false
            && !is_head
        {
            assert_eq!(length, self.text().len().to_string(), "{name}");
        }
        let is_json = self.header("content-type") == Some("application/json");
        if [204, 304].contains(status) {
            assert_eq!(
                (self.text(), self.header("content-type")),
                ("", None),
                "{name}"
            );
        } else if *status >= 400 {
            assert!(is_json, "{name}: an error is JSON");
            self.assert_error();
        } else {
            assert!(
                self.header("content-type").is_some(),
                "{name}: a body has a content type"
            );
            assert_eq!(self.text().is_empty(), is_head, "{name}");
            assert!(
                !is_json || is_head || self.json().is_object(),
                "{name}: {}",
                self.text()
            );
        }
    }

    /// Holds the answer to a request that the database failed against the contract: 503, in time, with
    /// the time after which to try again.
    ///
    /// # Panics
    ///
    /// When something is not so.
    pub fn assert_unavailable(&self) {
        let name = self.name();
        assert_eq!(self.status(), 503, "{name}: {}", self.whole);
        assert!(
            self.is_in_time(),
            "{name}: answered after {:?}",
            self.elapsed
        );
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "{name}"
        );
        let retry_after = self
            .header("retry-after")
            .and_then(|seconds| seconds.parse().ok());
        assert!(
            matches!(retry_after, Some(1..=60)),
            "{name}: {}",
            self.whole
        );
        self.assert_error();
        assert_eq!(self.json()["code"], "DATABASE_UNAVAILABLE", "{name}");
    }

    /// The contract's one shape of an error.
    fn assert_error(&self) {
        let (name, event, body) = (self.name(), &self.sample.event, self.json());
        let (error, code) = match self.status() {
            400 => ("Validation Error", "VALIDATION_ERROR"),
            401 => ("Unauthorized", "UNAUTHORIZED"),
            403 => ("Forbidden", "FORBIDDEN"),
            404 => ("Not Found", "NOT_FOUND"),
            405 => ("Method Not Allowed", "METHOD_NOT_ALLOWED"),
            409 => ("Conflict", "IDEMPOTENCY_CONFLICT"),
            413 => ("Payload Too Large", "PAYLOAD_TOO_LARGE"),
            415 => ("Unsupported Media Type", "UNSUPPORTED_MEDIA_TYPE"),
            503 => ("Service Unavailable", "DATABASE_UNAVAILABLE"),
            status => unexpected(&format!("{name}: the contract knows no error {status}")),
        };
        assert_eq!(body["status"], "error", "{name}: {body}");
        assert_eq!(
            (&body["error"], &body["code"]),
            (&error.into(), &code.into()),
            "{name}"
        );
        assert!(
            body["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{name}: {body}"
        );
        assert_eq!(body["requestId"], self.sample.request_id(), "{name}");
        let mut keys = vec!["code", "error", "message", "requestId", "status"];
        if is_tracker_path(path(event)) {
            assert_eq!(body["ok"], false, "{name}: {body}");
            keys.push("ok");
        }
        if self.status() == 400 {
            let errors = body["errors"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            assert_eq!(Some(&body["details"]), errors.first(), "{name}: {body}");
            for problem in errors {
                let is_told =
                    |key: &str| problem[key].as_str().is_some_and(|text| !text.is_empty());
                assert!(is_told("field") && is_told("reason"), "{name}: {body}");
            }
            keys.extend(["details", "errors"]);
        }
        if self.status() == 405 {
            assert!(
                self.header("allow").is_some_and(|allow| !allow.is_empty()),
                "{name}: Allow"
            );
        }
        keys.sort_unstable();
        let mut told: Vec<_> = body.as_object().into_iter().flat_map(Map::keys).collect();
        told.sort_unstable();
        assert_eq!(told, keys, "{name}: {body}");
    }

    /// The whole answer for a snapshot: its body read where it is JSON, keys sorted, without the ids and
    /// times that differ from run to run (where they are well-formed).
    #[must_use]
    pub fn snapshot(&self) -> Value {
        let mut whole = self.whole.clone();
        if self.header("etag").is_some() && !self.text().is_empty() {
            // What has a tag is a file, which may change without the function.
            whole["body"] = "[file]".into();
        } else if self.text().len() > SNAPSHOT_BYTES {
            whole["body"] = format!("[more than {SNAPSHOT_BYTES} bytes]").into();
        } else if self.json().is_object() {
            whole["body"] = self.json();
        }
        redacted("", whole)
    }
}

/// Holds the log of a function against the events it answered: each is told in one line of JSON, with its
/// id, its trace, route and status, and in one of metrics, and nothing in the log is personal.
///
/// # Panics
///
/// When something is not so.
pub async fn assert_log(host: &LambdaHost, answers: &[&Answer]) {
    let log = whole_log(host, answers.len()).await;
    assert_log_is_impersonal(&log);
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| line.into()))
        .collect();
    let (metrics, lines): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line["_aws"].is_object());
    for line in &metrics {
        assert!(!emf::metrics_of(line).is_empty(), "{line}");
    }
    for line in &lines {
        let fields = line.as_object().into_iter().flat_map(Map::keys);
        let unknown: Vec<_> = fields
            .filter(|key| !LOG_FIELDS.contains(&key.as_str()))
            .collect();
        assert!(
            line.is_object() && unknown.is_empty(),
            "{unknown:?} in {line}"
        );
        let timestamp = line["timestamp"].as_str().unwrap_or_default();
        assert!(
            timestamp.starts_with("20") && timestamp.ends_with('Z'),
            "{line}"
        );
    }
    for answer in answers {
        let (name, event, request_id) = (
            answer.name(),
            &answer.sample.event,
            answer.sample.request_id(),
        );
        let told: Vec<_> = lines
            .iter()
            .filter(|line| line["request_id"] == request_id)
            .collect();
        assert_eq!(told.len(), 1, "{name} is told once: {told:?}");
        let line = told[0];
        assert_eq!(line["trace_id"], TRACE_ID, "{name}: {line}");
        let measured: Vec<_> = metrics
            .iter()
            .filter(|line| line["requestId"] == request_id && line["Requests"] == 1)
            .collect();
        assert_eq!(measured.len(), 1, "{name} is measured once: {measured:?}");
        assert_eq!(measured[0]["traceId"], TRACE_ID, "{name}");
        assert_eq!(
            measured[0]["ServerErrors"],
            u8::from(answer.status() >= 500),
            "{name}"
        );
        let route = match route_of(event) {
            Match::Found(route) => route.path,
            Match::OtherMethod { .. } if event["requestContext"]["http"]["method"] == "OPTIONS" => {
                "preflight"
            }
            Match::OtherMethod { .. } | Match::NotFound => "unknown",
        };
        assert_eq!(line["route"], route, "{name}: {line}");
        assert_eq!(line["status"], answer.status(), "{name}: {line}");
        assert_eq!(line["error_code"], answer.json()["code"], "{name}: {line}");
        for field in ["method", "outcome"] {
            assert!(line[field].is_string(), "{name}: {field} in {line}");
        }
        let names_a_store = event["body"]
            .as_str()
            .is_some_and(|body| body.contains("\"storeName\""));
        if names_a_store && answer.status() == 200 {
            assert_eq!(line["store"], STORE, "{name}: {line}");
        }
        assert!(line["duration_us"].is_u64(), "{name}: {line}");
    }
}

/// The log with as many lines of requests as there were: a line may come after its answer.
async fn whole_log(host: &LambdaHost, requests: usize) -> String {
    let started = Instant::now();
    loop {
        let log = host.log();
        let lines_with = |part| log.lines().filter(|line| line.contains(part)).count();
        let told = lines_with("\"request_id\"").min(lines_with(MEASURED));
        if told >= requests || started.elapsed() > ANSWER_TIME {
            return log;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every file of `events/`, by name.
fn all_events() -> Vec<SampleEvent> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "events"]
        .iter()
        .collect();
    let files = std::fs::read_dir(&folder).expect("events/ can be read");
    let mut events: Vec<_> = files
        .map(|file| {
            let path = file.expect("events/ can be read").path();
            let name = path
                .file_stem()
                .and_then(|name| name.to_str())
                .unwrap_or_default()
                .to_owned();
            let status = name
                .rsplit('-')
                .next()
                .and_then(|status| status.parse().ok());
            let event = std::fs::read(&path)
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok());
            let is_event = path
                .extension()
                .is_some_and(|extension| extension == "json")
                && status.is_some_and(|status| (200..600).contains(&status));
            assert!(
                is_event,
                "events/ holds <function>-<case>-<status>.json alone, but {path:?}"
            );
            SampleEvent {
                status: status.unwrap_or_default(),
                event: event.expect("an event is JSON"),
                name,
            }
        })
        .collect();
    events.sort_by(|a, b| a.name.cmp(&b.name));
    for SampleEvent { name, event, .. } in &events {
        assert_eq!(event["version"], "2.0", "{name} is an event of an HTTP API");
        assert!(
            event.to_string().to_lowercase().contains(CANARY),
            "{name} has something personal"
        );
    }
    events
}

fn path(event: &Value) -> &str {
    event["rawPath"].as_str().unwrap_or_default()
}

fn route_of(event: &Value) -> Match {
    let method = event["requestContext"]["http"]["method"]
        .as_str()
        .unwrap_or_default();
    routes::find(&method.parse().unwrap_or_default(), path(event))
}

fn method(route: &Route) -> Method {
    route.method.parse().unwrap_or_default()
}

fn is_of(route: &Route, found: Match) -> bool {
    matches!(found, Match::Found(found) if found == route)
}

/// Whether the contract wants `"ok": false` in the errors of a path: its own list, not the code's.
fn is_tracker_path(path: &str) -> bool {
    ["/ingest", "/events", "/askai", "/askai/outcome"].contains(&path)
        || path.starts_with("/sessions/")
}

#[expect(clippy::panic, reason = "what must not be ends the test")]
fn unexpected(what: &str) -> ! {
    panic!("{what}")
}

fn redacted(key: &str, value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            let redacted = fields.into_iter().map(|(key, value)| {
                let value = redacted(&key, value);
                (key, value)
            });
            Value::Object(redacted.collect())
        }
        Value::Array(list) => list.into_iter().map(|value| redacted(key, value)).collect(),
        Value::String(text) => match key {
            "id" if is_like(&text, "cart-event-0000000000000-zzzzzzz") => "[cart event id]".into(),
            "id" if is_like(&text, "image-generation-0000000000000-zzzzzzz") => {
                "[image generation id]".into()
            }
            "etag" if is_like(&text, "\"ffffffffffffffff\"") => "[ETag]".into(),
            "etag" if is_like(&text, "\"ffffffffffffffff-gzip\"") => "[ETag of the gzip]".into(),
            "createdAt" if is_like(&text, "0000-00-00T00:00:00.000Z") => "[time]".into(),
            "decisionId" if is_like(&text, "ffffffff-ffff-7fff-ffff-ffffffffffff") => {
                "[UUID v7]".into()
            }
            // Held against the body by `assert_as_named`.
            "content-length" => "[bytes]".into(),
            "version" if text == env!("CARGO_PKG_VERSION") => "[version]".into(),
            _ => text.into(),
        },
        Value::Number(_) if key == "updatedAt" => "[ms]".into(),
        other => other,
    }
}

/// Whether a text has the form of another: `0` stands for a digit, `f` for a hexadecimal one, `z` for a
/// digit or a small letter, anything else for itself.
fn is_like(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text
            .bytes()
            .zip(form.bytes())
            .all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                b'f' => byte.is_ascii_hexdigit(),
                b'z' => byte.is_ascii_digit() || byte.is_ascii_lowercase(),
                form => byte == form,
            })
}
