//! The Runtime API of Lambda: runs a function's bootstrap binary and hands it events.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::collections::HashMap;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use serde_json::Value;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot, watch};

use super::audit;
use crate::engine::listen_on_loopback;

/// The function's time-out, from which it reads how long it may take.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(30);
/// The trace that every invocation belongs to.
pub(super) const TRACE_ID: &str = "1-65000000-000000000000000000000000";
/// Lambda's cap for an answer is 6 MB.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// Why an invocation has no answer.
#[derive(Debug, Error)]
pub enum LambdaFailure {
    /// The function reported an error in place of an answer.
    #[error("the function reported an error: {0}")]
    Reported(Value),
    /// The function answered with something other than JSON.
    #[error("the function's answer is no JSON")]
    Answer(#[source] serde_json::Error),
    /// The bootstrap's process ended.
    #[error("the bootstrap ended ({0})")]
    Ended(String),
    /// No answer within the function's time-out.
    #[error("the function did not answer in time")]
    TimedOut,
}

/// A running bootstrap under a Runtime API on 127.0.0.1. The process is killed when this is dropped.
#[derive(Debug)]
pub struct LambdaHost {
    shared: Arc<Shared>,
    invocations: mpsc::UnboundedSender<Invocation>,
    state: watch::Receiver<BootstrapState>,
    runtime_api: String,
    // Dropping it ends the server and the process.
    _alive: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Shared {
    queue: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Result<Value, LambdaFailure>>>>,
    log: Mutex<String>,
    spawned: Instant,
    state: watch::Sender<BootstrapState>,
}

#[derive(Debug)]
struct Invocation {
    id: String,
    event: Value,
}

#[derive(Debug, Clone, Default)]
struct BootstrapState {
    first_poll: Option<Duration>,
    init_error: Option<Value>,
    exit: Option<ExitStatus>,
}

impl LambdaHost {
    /// Starts `command` (a bootstrap binary, perhaps under a tool such as valgrind) with the
    /// environment that Lambda gives it, the Runtime API's address included. Variables of the function's own are
    /// the caller's to set.
    ///
    /// # Panics
    ///
    /// When the process or the server cannot be started.
    #[expect(
        clippy::expect_used,
        reason = "a test without its function cannot go on"
    )]
    pub async fn start(mut command: Command) -> Self {
        let listener = listen_on_loopback(0).expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        command
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "shoptrail-test")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/shoptrail-test")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "test")
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_REGION", crate::tables::LOCAL_REGION)
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("_HANDLER", "bootstrap")
            .env("_X_AMZN_TRACE_ID", "")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);

        let (invocations, queue) = mpsc::unbounded_channel();
        let (state, watched) = watch::channel(BootstrapState::default());
        let spawned = Instant::now();
        let mut child = command.spawn().expect("the bootstrap can be run");
        let shared = Arc::new(Shared {
            queue: tokio::sync::Mutex::new(queue),
            waiting: Mutex::default(),
            log: Mutex::default(),
            spawned,
            state,
        });
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(record(stdout, Arc::clone(&shared)));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(record(stderr, Arc::clone(&shared)));
        }

        let (alive, mut dropped) = oneshot::channel::<()>();
        let server = axum::serve(listener, runtime_api(Arc::clone(&shared)));
        let for_watcher = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut server = std::pin::pin!(server.into_future());
            let mut exited = false;
            loop {
                tokio::select! {
                    _ = &mut dropped => return,
                    _ = &mut server => return,
                    status = child.wait(), if !exited => {
                        exited = true;
                        for_watcher.state.send_modify(|state| state.exit = status.ok());
                    }
                }
            }
        });
        Self {
            shared,
            invocations,
            state: watched,
            runtime_api: address.to_string(),
            _alive: alive,
        }
    }

    /// Hands the function one event and waits for what it makes of it. Events given at the same
    /// time are handled one after another, as by one Lambda instance.
    ///
    /// # Errors
    ///
    /// [`LambdaFailure`]: on AWS each of these is a 500 of API Gateway's, not an answer.
    pub async fn invoke(&self, event: &Value) -> Result<Value, LambdaFailure> {
        let id = uuid::Uuid::new_v4().to_string();
        let (answer, when_answered) = oneshot::channel();
        locked(&self.shared.waiting).insert(id.clone(), answer);
        // The receiver lives as long as the host.
        let _ = self.invocations.send(Invocation {
            id: id.clone(),
            event: event.clone(),
        });
        let mut state = self.state.clone();
        let ended = async {
            let failed =
                |state: &BootstrapState| state.exit.is_some() || state.init_error.is_some();
            state
                .wait_for(failed)
                .await
                .map(|state| state.clone())
                .unwrap_or_default()
        };
        let result = tokio::select! {
            answered = when_answered => {
                answered.unwrap_or_else(|_| Err(LambdaFailure::Ended("no answer".to_owned())))
            }
            state = ended => {
                Err(match (state.init_error, state.exit) {
                    (Some(error), _) => LambdaFailure::Reported(error),
                    (None, Some(exit)) => LambdaFailure::Ended(exit.to_string()),
                    (None, None) => LambdaFailure::Ended("the host is ending".to_owned()),
                })
            }
            () = tokio::time::sleep(FUNCTION_TIMEOUT) => Err(LambdaFailure::TimedOut),
        };
        locked(&self.shared.waiting).remove(&id);
        if let Ok(answer) = &result {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let path = format!("{} {}", text(&event["routeKey"]), text(&event["rawPath"]));
            let status = answer["statusCode"].as_u64().unwrap_or(0);
            let status = u16::try_from(status).unwrap_or(0);
            audit::assert_answer_is_impersonal(&path, status, &answer.to_string());
        }
        result
    }

    /// How long it took from the start of the process to its first poll for an event: its init.
    ///
    /// # Errors
    ///
    /// [`LambdaFailure`], when it failed to start.
    pub async fn initialized(&self) -> Result<Duration, LambdaFailure> {
        let mut state = self.state.clone();
        let ready = async {
            let decided = |state: &BootstrapState| {
                state.first_poll.is_some() || state.exit.is_some() || state.init_error.is_some()
            };
            state
                .wait_for(decided)
                .await
                .map(|state| state.clone())
                .unwrap_or_default()
        };
        let Ok(state) = tokio::time::timeout(FUNCTION_TIMEOUT, ready).await else {
            return Err(LambdaFailure::TimedOut);
        };
        match state {
            BootstrapState {
                first_poll: Some(elapsed),
                ..
            } => Ok(elapsed),
            BootstrapState {
                init_error: Some(error),
                ..
            } => Err(LambdaFailure::Reported(error)),
            BootstrapState { exit, .. } => Err(LambdaFailure::Ended(
                exit.map_or_else(|| "unknown".to_owned(), |exit| exit.to_string()),
            )),
        }
    }

    /// The Runtime API's address and port, as the process has it in `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn runtime_api(&self) -> &str {
        &self.runtime_api
    }

    /// What the function wrote to its output and its error output so far, line by line.
    #[must_use]
    pub fn log(&self) -> String {
        locked(&self.shared.log).clone()
    }
}

/// Whatever the test was about, its log is searched.
impl Drop for LambdaHost {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            audit::assert_log_is_impersonal(&self.log());
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn record(output: impl AsyncRead + Unpin, shared: Arc<Shared>) {
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line).await, Ok(length) if length > 0) {
        locked(&shared.log).push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
}

fn runtime_api(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route(
            "/2018-06-01/runtime/invocation/{id}/response",
            post(respond),
        )
        .route(
            "/2018-06-01/runtime/invocation/{id}/error",
            post(report_error),
        )
        .route("/2018-06-01/runtime/init/error", post(report_init_error))
        .layer(DefaultBodyLimit::max(MAX_ANSWER_BYTES))
        .with_state(shared)
}

async fn next(State(shared): State<Arc<Shared>>) -> Response<Body> {
    let elapsed = shared.spawned.elapsed();
    shared.state.send_if_modified(|state| {
        let first = state.first_poll.is_none();
        state.first_poll.get_or_insert(elapsed);
        first
    });
    let Some(invocation) = shared.queue.lock().await.recv().await else {
        // The host is gone, and with it the process in a moment.
        return std::future::pending().await;
    };
    let mut answer = Response::new(Body::from(invocation.event.to_string()));
    let headers = answer.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        // All values are ASCII of our own.
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    };
    set("content-type", "application/json");
    set("lambda-runtime-aws-request-id", &invocation.id);
    set("lambda-runtime-deadline-ms", &deadline_ms().to_string());
    set(
        "lambda-runtime-invoked-function-arn",
        "arn:aws:lambda:us-east-1:000000000000:function:shoptrail-test",
    );
    set(
        "lambda-runtime-trace-id",
        &format!("Root={TRACE_ID};Parent=0000000000000000;Sampled=0"),
    );
    answer
}

#[expect(
    clippy::disallowed_methods,
    reason = "Lambda's deadline is the wall clock's"
)]
fn deadline_ms() -> u128 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    (now + FUNCTION_TIMEOUT).as_millis()
}

async fn respond(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> StatusCode {
    finish(
        &shared,
        &id,
        serde_json::from_slice(&body).map_err(LambdaFailure::Answer),
    )
}

async fn report_error(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> StatusCode {
    finish(&shared, &id, Err(LambdaFailure::Reported(reported(&body))))
}

async fn report_init_error(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    shared
        .state
        .send_modify(|state| state.init_error = Some(reported(&body)));
    StatusCode::ACCEPTED
}

fn finish(shared: &Shared, id: &str, result: Result<Value, LambdaFailure>) -> StatusCode {
    match locked(&shared.waiting).remove(id) {
        Some(waiting) => {
            // Who asked may have given up.
            let _ = waiting.send(result);
            StatusCode::ACCEPTED
        }
        None => StatusCode::BAD_REQUEST,
    }
}

fn reported(body: &[u8]) -> Value {
    serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}
