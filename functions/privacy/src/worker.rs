//! The worker: goes on with erasures and data requests until they are done.
//!
//! On AWS the stream of the jobs' table starts it for a new job, and for every step that a job has saved, so that a
//! job which needs longer than one invocation goes on with the next one. A schedule is the net beneath: it finds
//! whatever is still open. The local gateway asks from time to time instead.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use shoptrail_edge::{ApiError, App};
use shoptrail_storage::{PrivacyJob, PrivacyJobStatus, StoreError};
use tokio::time::Instant;

/// How long one invocation works. The function is stopped after 60 s, which leaves the last step its time.
const INVOCATION: Duration = Duration::from_secs(40);
/// How long a round of the local gateway works. It is short, so that new jobs do not wait long behind a large one.
const ROUND: Duration = Duration::from_secs(10);
/// The least that a job is given. It needs 3 s before it may trust the indexes, so less would be spent on waiting.
const LEAST: Duration = Duration::from_secs(4);
/// What the operations of the last step may take when the time is over, before they are given up: less than the job
/// stays leased, and little enough for an answer to get through in its time.
const LAST_STEP: Duration = Duration::from_secs(8);
/// The item of a job that is the job itself, and not what it has produced.
const JOB: &str = "job";

/// What starts the worker: a batch of the table's stream, or, without records, the schedule.
#[derive(Debug, Deserialize)]
pub struct WorkerEvent {
    #[serde(rename = "Records")]
    records: Option<Vec<StreamRecord>>,
}

/// A change of one item.
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
#[derive(Debug, Deserialize)]
struct StreamRecord {
    #[serde(default)]
    dynamodb: Change,
}

#[derive(Debug, Default, Deserialize)]
struct Change {
    #[serde(rename = "Keys", default)]
    keys: Keys,
}

#[derive(Debug, Default, Deserialize)]
struct Keys {
    #[serde(default)]
    id: Attribute,
    #[serde(default)]
    item: Attribute,
}

#[derive(Debug, Default, Deserialize)]
struct Attribute {
    #[serde(rename = "S")]
    text: Option<String>,
}

impl StreamRecord {
    /// The id of the job that changed.
    fn job(self) -> Option<String> {
        let Keys { id, item } = self.dynamodb.keys;
        id.text.filter(|_| item.text.as_deref() == Some(JOB))
    }
}

/// Works for one invocation on the jobs of a stream's batch, or on all that are open.
///
/// # Errors
///
/// The first that a job ended with, once all had their turn: the service then delivers the batch again.
pub async fn handle(app: App, event: WorkerEvent) -> Result<(), ApiError> {
    let worked = match event.records {
        Some(records) => {
            // A job saves many steps, and a batch may tell of several.
            let ids: BTreeSet<String> = records.into_iter().filter_map(StreamRecord::job).collect();
            work_on(&app, ids.into_iter().collect(), INVOCATION).await
        }
        None => work_on_open(&app, INVOCATION).await,
    };
    worked.map(|_| ()).map_err(|error| {
        tracing::error!(cause = %error, "a privacy job is not done yet");
        error.into()
    })
}

/// Works for a while on all jobs that are open, the oldest first, and says how many of them are done now.
///
/// # Errors
///
/// The first that a job ended with, once all had their turn.
pub async fn work_off(app: &App) -> Result<usize, StoreError> {
    work_on_open(app, ROUND).await
}

async fn work_on_open(app: &App, time: Duration) -> Result<usize, StoreError> {
    let ids = app.store.list_open_privacy_jobs().await?;
    work_on(app, ids, time).await
}

/// Works on these jobs, one after the other, and shares the time out among them. Those for which none is left wait for
/// the next turn.
async fn work_on(app: &App, ids: Vec<String>, time: Duration) -> Result<usize, StoreError> {
    let end = Instant::now() + time;
    let (mut done, mut failed) = (0, None);
    for (turn, id) in ids.iter().enumerate() {
        let waiting = u32::try_from(ids.len() - turn).unwrap_or(u32::MAX);
        let left = end.saturating_duration_since(Instant::now());
        if left < LEAST {
            break;
        }
        match run(app, id, (left / waiting).max(LEAST)).await {
            Ok(Some(job)) if job.status == PrivacyJobStatus::Done => done += 1,
            Ok(_) => {}
            // One job's failure must not keep the others waiting.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(done), Err)
}

/// Works on one job for as long as `patience` says, and says how far it is then; `None` where there is none.
pub(crate) async fn run(
    app: &App,
    id: &str,
    patience: Duration,
) -> Result<Option<PrivacyJob>, StoreError> {
    let (clock, random) = (|| app.clock.now(), || app.random.draw());
    let run = app.store.run_privacy_job(id, &clock, &random, patience);
    // This work is longer than what a request may otherwise ask of the database.
    shoptrail_storage::within(patience + LAST_STEP, Box::pin(run)).await
}
