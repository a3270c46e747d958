//! A queue that speaks SQS's protocol, keeps its messages in memory, and breaks on command.
#![expect(clippy::expect_used, reason = "a test without its queue cannot go on")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use cart_tracking::writer::{self, QueueEvent, QueueRecord};
use serde_json::{Value, json};
use shoptrail_edge::App;
use tokio::task::JoinHandle;

use crate::engine::listen_on_loopback;

/// How many messages the worker is handed at once.
const BATCH: usize = 10;
/// After so many deliveries a message lies among the dead letters.
const DELIVERIES: u32 = 5;
/// What SQS takes in one message and in one request.
const MAX_BYTES: usize = 256 * 1024;

/// What the queue does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QueueFault {
    /// It works.
    #[default]
    Pass,
    /// It says no to every request.
    Refuse,
    /// It never answers.
    Hang,
    /// It takes messages and never answers.
    LoseAnswer,
    /// Of every request it takes the first message alone.
    TakeFirst,
}

/// A queue on 127.0.0.1. Gone when dropped.
#[derive(Debug)]
pub struct TestQueue {
    shared: Arc<Mutex<Shared>>,
    url: String,
    server: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    fault: QueueFault,
    sent: u64,
    waiting: Vec<Waiting>,
    dead: Vec<String>,
}

#[derive(Debug, Clone)]
struct Waiting {
    id: String,
    body: String,
    deliveries: u32,
}

impl Drop for TestQueue {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl TestQueue {
    /// Starts an empty queue.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub async fn start() -> Self {
        let listener = listen_on_loopback(0).expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::<Mutex<Shared>>::default();
        let router = Router::new()
            .route("/", post(answer))
            .layer(DefaultBodyLimit::max(8 * MAX_BYTES))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("the queue is served");
        });
        Self {
            shared,
            url: format!("http://{address}"),
            server,
        }
    }

    /// The settings with which events go into this queue.
    #[must_use]
    pub fn settings(&self) -> [(&str, &str); 3] {
        [
            ("WRITE_MODE", "queue"),
            ("EVENT_QUEUE_URL", &self.url),
            ("AWS_ENDPOINT_URL_SQS", &self.url),
        ]
    }

    /// Switches over.
    pub fn set(&self, fault: QueueFault) {
        self.locked().fault = fault;
    }

    /// The bodies of the messages that wait, in the order in which they came.
    #[must_use]
    pub fn bodies(&self) -> Vec<String> {
        let shared = self.locked();
        let bodies = shared.waiting.iter().map(|message| message.body.clone());
        bodies.collect()
    }

    /// How many requests have reached the queue.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.locked().sent
    }

    /// Puts a message into the queue.
    pub fn put(&self, body: impl Into<String>) {
        self.locked().keep(body.into());
    }

    /// Puts the messages that wait into the opposite order.
    pub fn reverse(&self) {
        self.locked().waiting.reverse();
    }

    /// The bodies of the dead letters.
    #[must_use]
    pub fn dead(&self) -> Vec<String> {
        self.locked().dead.clone()
    }

    /// Hands every message that waits to the worker once, and says how many it has done. Those that failed wait again,
    /// unless they have failed too often.
    ///
    /// # Panics
    ///
    /// When the worker fails as a whole.
    pub async fn deliver(&self, app: &App) -> usize {
        let waiting = std::mem::take(&mut self.locked().waiting);
        let mut done = 0;
        for batch in waiting.chunks(BATCH) {
            let records = batch.iter().map(|message| QueueRecord {
                message_id: message.id.clone(),
                body: message.body.clone(),
            });
            let event = QueueEvent::new(records.collect());
            let answer = writer::handle(app.clone(), event).await;
            let answer = answer.expect("the worker answers");
            let mut shared = self.locked();
            for message in batch {
                let deliveries = message.deliveries + 1;
                if !answer.has_failed(&message.id) {
                    done += 1;
                } else if deliveries == DELIVERIES {
                    shared.dead.push(message.body.clone());
                } else {
                    shared.waiting.push(Waiting {
                        deliveries,
                        ..message.clone()
                    });
                }
            }
        }
        done
    }

    fn locked(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // Nothing is left half done under this lock.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn keep(&mut self, body: String) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        self.waiting.push(Waiting {
            id: id.clone(),
            body,
            deliveries: 0,
        });
        id
    }
}

async fn answer(State(shared): State<Arc<Mutex<Shared>>>, body: Bytes) -> Response {
    let fault = {
        let mut shared = lock(&shared);
        shared.sent += 1;
        shared.fault
    };
    let refused = || {
        let body = json!({ "__type": "com.amazonaws.sqs#AccessDeniedException" });
        (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
    };
    match fault {
        QueueFault::Refuse => return refused(),
        QueueFault::Hang => std::future::pending().await,
        QueueFault::Pass | QueueFault::LoseAnswer | QueueFault::TakeFirst => {}
    }
    let request: Value = serde_json::from_slice(&body).expect("a request is JSON");
    let entries = request["Entries"].as_array().cloned().unwrap_or_default();
    let text = |entry: &Value, name: &str| entry[name].as_str().expect("a text").to_owned();
    let bodies = entries.iter().map(|entry| text(entry, "MessageBody"));
    let bytes: usize = bodies.map(|body| body.len()).sum();
    if entries.is_empty() || entries.len() > 10 || bytes > MAX_BYTES {
        return refused();
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (place, entry) in entries.iter().enumerate() {
        let id = text(entry, "Id");
        if fault == QueueFault::TakeFirst && place > 0 {
            failed.push(json!({ "Id": id, "Code": "InternalError", "SenderFault": false }));
        } else {
            let message = lock(&shared).keep(text(entry, "MessageBody"));
            successful.push(json!({ "Id": id, "MessageId": message, "MD5OfMessageBody": "" }));
        }
    }
    if fault == QueueFault::LoseAnswer {
        std::future::pending::<()>().await;
    }
    axum::Json(json!({ "Successful": successful, "Failed": failed })).into_response()
}
