//! The queue that events wait in with `WRITE_MODE=queue`, in place of SQS: an endpoint that takes messages and keeps them
//! in the database, and a task that hands them to the worker. What was taken outlives the process.

mod delivery;
mod endpoint;
mod messages;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use shoptrail_domain::Timestamp;
use shoptrail_edge::{App, Clock};
use shoptrail_storage::EventQueueConfig;
use thiserror::Error;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use self::delivery::Delivery;
use self::endpoint::Inbox;
use self::messages::Messages;
use crate::engine::listen_on_loopback;
use crate::tables::CallError;
use crate::template::Queue;

/// Why the queue did not start.
#[derive(Debug, Error)]
pub enum QueueError {
    /// The template has none.
    #[error(
        "WRITE_MODE is queue, and the template has no queue that a function is handed the messages of"
    )]
    NotInTemplate,
    /// Its table cannot be made or read.
    #[error("the table of the event queue cannot be used")]
    Table(#[source] CallError),
    /// No port is free.
    #[error("the event queue cannot be served")]
    Serve(#[source] io::Error),
}

/// A queue that takes messages.
#[derive(Debug)]
pub struct LocalQueue {
    messages: Messages,
    arrived: Arc<Notify>,
    queue: Queue,
    url: String,
    server: JoinHandle<()>,
}

/// A queue whose messages are handed to the worker.
#[derive(Debug)]
pub struct DeliveredQueue {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    server: JoinHandle<()>,
}

impl LocalQueue {
    /// Takes messages on a free port of 127.0.0.1, and keeps them in a table of its own.
    ///
    /// # Errors
    ///
    /// [`QueueError`].
    pub async fn start(
        client: Client,
        table_prefix: &str,
        queue: Option<Queue>,
    ) -> Result<Self, QueueError> {
        let queue = queue.ok_or(QueueError::NotInTemplate)?;
        let messages = Messages::open(client, table_prefix).await;
        let messages = messages.map_err(QueueError::Table)?;
        let dead = messages.count_dead().await.map_err(QueueError::Table)?;
        if dead > 0 {
            tracing::warn!(
                dead,
                "messages of the event queue lie among the dead letters"
            );
        }
        let listener = listen_on_loopback(0).map_err(QueueError::Serve)?;
        let address = listener.local_addr().map_err(QueueError::Serve)?;
        let arrived = Arc::new(Notify::new());
        let router = endpoint::router(Inbox {
            messages: messages.clone(),
            arrived: Arc::clone(&arrived),
            now: system_time,
        });
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the event queue is not served any more");
            }
        });
        Ok(Self {
            messages,
            arrived,
            queue,
            url: format!("http://{address}"),
            server,
        })
    }

    /// How events are handed over to it.
    #[must_use]
    pub fn config(&self) -> EventQueueConfig {
        EventQueueConfig {
            url: format!("{}/000000000000/events", self.url),
            endpoint_url: Some(self.url.clone()),
        }
    }

    /// Begins to hand the messages to the worker, which has `app`; those that an earlier process left are the first.
    #[must_use]
    pub fn deliver(self, app: App) -> DeliveredQueue {
        let (stop, stopping) = oneshot::channel();
        let delivery = Delivery {
            app,
            messages: self.messages,
            arrived: self.arrived,
            queue: self.queue,
            hidden: HashMap::new(),
        };
        DeliveredQueue {
            stop,
            task: tokio::spawn(delivery.run(stopping)),
            server: self.server,
        }
    }
}

impl DeliveredQueue {
    /// Lets the worker end what it was handed, and waits for that. The gateway in front must have ended before. What is
    /// left is delivered at the next start.
    pub async fn stop(self) {
        self.server.abort();
        let _ = self.stop.send(());
        if self.task.await.is_err() {
            tracing::warn!("the event queue ended before it was told to");
        }
    }
}

fn system_time() -> Timestamp {
    Clock::system().now()
}
