//! Hands the messages of the local queue to the worker, as Lambda's service does with SQS: some at once, each hidden
//! meanwhile, those that failed again later, and those that fail too often to the dead letters.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cart_tracking::writer::{self, QueueEvent, QueueRecord};
use shoptrail_edge::App;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::messages::{Message, Messages};
use crate::tables::CallError;
use crate::template::Queue;

/// How often the queue is looked at where nothing arrives: for messages that are no longer hidden.
const EVERY: Duration = Duration::from_secs(1);
/// The pause after the queue could not be read: trying it at once again would only do the same.
const PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Delivery {
    pub(super) app: App,
    pub(super) messages: Messages,
    pub(super) arrived: Arc<Notify>,
    pub(super) queue: Queue,
    /// Until when a message that was handed over is hidden. In memory alone: whoever had it handed over is this process,
    /// and ends with it.
    pub(super) hidden: HashMap<String, Instant>,
}

impl Delivery {
    /// Delivers until it is told to stop; what is being delivered then is ended first.
    pub(super) async fn run(mut self, mut stopping: oneshot::Receiver<()>) {
        loop {
            let pause = match self.deliver().await {
                // There may be more.
                Ok(true) => Duration::ZERO,
                Ok(false) => EVERY,
                Err(error) => {
                    tracing::warn!(cause = %error, "the event queue cannot be read");
                    PAUSE
                }
            };
            tokio::select! {
                biased;
                _ = &mut stopping => return,
                () = tokio::time::sleep(pause) => {}
                () = self.arrived.notified(), if pause == EVERY => {}
            }
        }
    }

    /// Hands one batch over; says whether there was one.
    async fn deliver(&mut self) -> Result<bool, CallError> {
        let now = Instant::now();
        self.hidden.retain(|_, until| *until > now);
        let hidden = &self.hidden;
        let is_hidden = |id: &str| hidden.contains_key(id);
        let found = self.messages.list(self.queue.batch_size, is_hidden).await?;
        let was_any = !found.is_empty();
        let mut batch = Vec::with_capacity(found.len());
        for message in found {
            if message.receives >= self.queue.max_receives {
                self.bury(&message).await?;
                continue;
            }
            self.messages.count_receive(&message).await?;
            let until = now + Duration::from_secs(self.queue.visibility_seconds);
            self.hidden.insert(message.id.clone(), until);
            batch.push(message);
        }
        if batch.is_empty() {
            return Ok(was_any);
        }
        let ids: Vec<String> = batch.iter().map(|message| message.id.clone()).collect();
        let records = batch.into_iter().map(|message| QueueRecord {
            message_id: message.id,
            body: message.body,
        });
        let event = QueueEvent::new(records.collect());
        // On a task of its own: a panic there is that of a function, and the messages come again.
        let handled = tokio::spawn(writer::handle(self.app.clone(), event)).await;
        let Ok(Ok(answer)) = handled else {
            tracing::error!("the worker of the event queue failed");
            return Ok(true);
        };
        for id in ids.iter().filter(|id| !answer.has_failed(id)) {
            self.messages.delete(id).await?;
            self.hidden.remove(id);
        }
        Ok(true)
    }

    async fn bury(&self, message: &Message) -> Result<(), CallError> {
        self.messages.bury(message).await?;
        let message_id = message.id.as_str();
        tracing::error!(
            message_id,
            deliveries = message.receives,
            "a message of the event queue lies among the dead letters now"
        );
        Ok(())
    }
}
