//! What the local queue says to whoever sends: `SendMessageBatch` of SQS's JSON protocol, and `SendMessage`.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;
use shoptrail_domain::Timestamp;
use tokio::sync::Notify;
use uuid::Uuid;

use super::messages::Messages;
use crate::tables::CallError;

/// SQS takes 256 KiB of messages; escaped in JSON they may be six times as long.
const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;
/// Messages of one request, and the bytes of them, as SQS takes them.
const MAX_MESSAGES: usize = 10;
const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// What requests share.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) messages: Messages,
    /// Told of every message, so that it need not wait for the next look.
    pub(super) arrived: Arc<Notify>,
    pub(super) now: fn() -> Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessage {
    message_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessageBatch {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: String,
    message_body: String,
}

pub(super) fn router(inbox: Inbox) -> Router {
    Router::new()
        .route("/", post(answer))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Arc::new(inbox))
}

async fn answer(State(inbox): State<Arc<Inbox>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok());
    match target {
        Some("AmazonSQS.SendMessageBatch") => match serde_json::from_slice(&body) {
            Ok(batch) => take_batch(&inbox, batch).await,
            Err(_) => refuse("InvalidParameterValue"),
        },
        Some("AmazonSQS.SendMessage") => match serde_json::from_slice(&body) {
            Ok(SendMessage { message_body }) => match inbox.take(&message_body).await {
                Ok(id) => axum::Json(json!({ "MessageId": id })).into_response(),
                Err(error) => fail(&error),
            },
            Err(_) => refuse("InvalidParameterValue"),
        },
        _ => refuse("UnsupportedOperation"),
    }
}

async fn take_batch(inbox: &Inbox, batch: SendMessageBatch) -> Response {
    let bytes: usize = batch
        .entries
        .iter()
        .map(|entry| entry.message_body.len())
        .sum();
    if batch.entries.is_empty() || batch.entries.len() > MAX_MESSAGES {
        return refuse("TooManyEntriesInBatchRequest");
    }
    if bytes > MAX_MESSAGE_BYTES {
        return refuse("BatchRequestTooLong");
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for Entry { id, message_body } in batch.entries {
        match inbox.take(&message_body).await {
            Ok(message_id) => successful.push(json!({ "Id": id, "MessageId": message_id })),
            Err(error) => {
                tracing::warn!(cause = %error, "the queue could not keep a message");
                failed.push(json!({ "Id": id, "Code": "InternalError", "SenderFault": false }));
            }
        }
    }
    axum::Json(json!({ "Successful": successful, "Failed": failed })).into_response()
}

impl Inbox {
    /// Keeps a message, and gives its id.
    async fn take(&self, body: &str) -> Result<String, CallError> {
        let id = format!("{:013}-{}", (self.now)().as_millis(), Uuid::new_v4());
        self.messages.put(&id, body).await?;
        self.arrived.notify_one();
        Ok(id)
    }
}

fn refuse(code: &str) -> Response {
    let body = json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": "refused" });
    (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
}

fn fail(error: &CallError) -> Response {
    tracing::warn!(cause = %error, "the queue could not keep a message");
    let body = json!({ "__type": "com.amazonaws.sqs#InternalError", "message": "failed" });
    (StatusCode::INTERNAL_SERVER_ERROR, axum::Json(body)).into_response()
}
