//! The work on a privacy job: in stages, each of them in small steps, and each step saved, so that whoever goes on
//! begins where the last one ended. What is erased is not found again, and so nothing needs to be remembered of it.

mod batch;
mod events;
mod export;
mod requests;
mod sessions;
mod stages;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, ReturnValue, TransactWriteItem};
use shoptrail_domain::privacy::{ErasureMode, Person};
use shoptrail_domain::{StoreName, Timestamp};
use tokio::time::Instant;

pub(crate) use batch::{Key, READS, WIDTH, WRITES, Write, in_parallel, key_of, text};
pub(crate) use events::{EventTable, deletion};
pub(crate) use sessions::session_key;

use self::stages::{Stage, stages};
use crate::privacy_jobs::{
    JOB, JobRecord, Position, PrivacyJobKind, PrivacyJobStatus, job_key, person_hashes,
};
use crate::{Erased, Pepper, PrivacyJob, Store, StoreError};

const OPERATION: &str = "run_privacy_job";
/// How long after a tombstone was written something may still turn up that it should have kept away: a request that
/// had looked before ends within [`Store::OPERATION_TIMEOUT`], and then an index may lag behind its table, for which
/// DynamoDB promises nothing and usually takes milliseconds.
const SETTLE: Duration = Store::OPERATION_TIMEOUT.saturating_add(Duration::from_millis(500));
/// How much longer than the patience the last step may take. A step takes well below a second, unless the database is
/// slow; what it has done by then stays done.
const STEP_MARGIN: Duration = Duration::from_secs(5);
/// How much longer than its patience a worker holds a job: its last step has to end and to be saved.
const LEASE_MARGIN: Duration = Duration::from_secs(10);

pub(crate) type Item = std::collections::HashMap<String, AttributeValue>;

/// What every step of a job's work needs; shared by those that run at the same time.
pub(super) struct Work {
    store: Store,
    job_id: String,
    created_at: String,
    /// Names this run in the lease.
    me: String,
    store_name: StoreName,
    mode: ErasureMode,
    person: Option<Person>,
    /// The keyed hashes that stand for the person.
    person_hashes: Vec<String>,
    pepper: Pepper,
    salt: String,
    tombstone_days: u32,
    /// When this run is to end.
    ends: Instant,
}

/// One worker's turn at a job.
struct Run<'a> {
    work: Arc<Work>,
    kind: PrivacyJobKind,
    stages: Vec<Stage>,
    position: Position,
    erased: Erased,
    clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    created_at: Timestamp,
    began: Instant,
    /// When this run last wrote a tombstone, or else when it began.
    last_tombstone: Instant,
}

/// What a step came to.
enum Step {
    /// Something was done, and the position moved.
    Done,
    /// The indexes have not settled yet.
    Wait(Duration),
    /// There is nothing left to do.
    End,
}

impl Store {
    /// Works on a job for about `patience`, one step at the least, and gives its state afterwards; `None` where there
    /// is no such job. A job that another worker holds is left alone and given as it is. Erasing waits for the
    /// indexes to settle, some 3 s after the job was created and again after its sessions were closed.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or where there is no pepper. What was done stays done, and another run
    /// goes on from there.
    pub async fn run_privacy_job(
        &self,
        id: &str,
        clock: &(dyn Fn() -> Timestamp + Send + Sync),
        random: &(dyn Fn() -> u128 + Send + Sync),
        patience: Duration,
    ) -> Result<Option<PrivacyJob>, StoreError> {
        let began = Instant::now();
        let pepper = self.needed_pepper(OPERATION)?.clone();
        let me = format!("{:032x}", random());
        let salt = format!("{:032x}", random());
        let lease = self.take_lease(id, &me, &salt, clock(), patience);
        let Some(mut job) = self.in_time(OPERATION, Box::pin(lease)).await? else {
            return self.find_privacy_job(id, clock()).await;
        };
        let person_hashes = job
            .person
            .as_ref()
            .map(|person| person_hashes(&pepper, &job.store_name, person));
        let work = Work {
            store: self.clone(),
            job_id: job.id.clone(),
            created_at: job.created_at.clone(),
            me,
            store_name: job.store_name.clone(),
            mode: job.mode.unwrap_or_default(),
            person: job.person.take(),
            person_hashes: person_hashes.unwrap_or_default(),
            pepper,
            salt: job.salt.take().unwrap_or(salt),
            tombstone_days: job.tombstone_days,
            ends: began + patience,
        };
        let mut run = Run {
            stages: stages(job.kind, &work.store_name, work.person.as_ref()),
            work: Arc::new(work),
            kind: job.kind,
            position: job.position.take().unwrap_or_default(),
            erased: job.erased,
            clock,
            created_at: Timestamp::parse_iso(&job.created_at).unwrap_or_default(),
            began,
            last_tombstone: began,
        };
        match run.go().await {
            Ok(()) => self.find_privacy_job(id, clock()).await,
            Err(error) if error.is_lease_lost() => self.find_privacy_job(id, clock()).await,
            Err(error) => {
                // If this fails as well, the lease ends by itself.
                let _ = run.save(false, true).await;
                Err(error)
            }
        }
    }

    /// The job, if it is running and nobody else works on it.
    async fn take_lease(
        &self,
        id: &str,
        me: &str,
        salt: &str,
        now: Timestamp,
        patience: Duration,
    ) -> Result<Option<JobRecord>, StoreError> {
        let millis = i64::try_from((patience + LEASE_MARGIN).as_millis()).unwrap_or(i64::MAX);
        let number = |millis: i64| AttributeValue::N(millis.to_string());
        let taken = self
            .client
            .update_item()
            .table_name(&self.tables.privacy_jobs)
            .set_key(Some(job_key(id, JOB)))
            .update_expression(
                "SET leased_by = :me, leased_until = :until, salt = if_not_exists(salt, :salt)",
            )
            // Our own lease is an attempt of ours whose answer got lost.
            .condition_expression(
                "#status = :running AND \
                 (attribute_not_exists(leased_until) OR leased_until <= :now OR leased_by = :me)",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":me", AttributeValue::S(me.to_owned()))
            .expression_attribute_values(":salt", AttributeValue::S(salt.to_owned()))
            .expression_attribute_values(":until", number(now.plus_millis(millis).as_millis()))
            .expression_attribute_values(":now", number(now.as_millis()))
            .expression_attribute_values(":running", status(PrivacyJobStatus::Running))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match taken {
            Ok(taken) => taken
                .attributes
                .map(|item| JobRecord::from_item(OPERATION, item))
                .transpose(),
            Err(error) if is_condition(&error) => Ok(None),
            Err(error) => Err(StoreError::new(OPERATION, error)),
        }
    }
}

impl Run<'_> {
    /// Takes steps until the patience is over or all is done.
    async fn go(&mut self) -> Result<(), StoreError> {
        self.begin();
        loop {
            let last = self.work.ends + STEP_MARGIN;
            let step = tokio::time::timeout_at(last, self.step()).await;
            let is_over = match step.map_err(|_| StoreError::too_slow(OPERATION))?? {
                Step::End => return self.save(true, true).await,
                Step::Done => Instant::now() >= self.work.ends,
                Step::Wait(time) => {
                    let left = self.work.ends.saturating_duration_since(Instant::now());
                    tokio::time::sleep(time.min(left)).await;
                    if time <= left {
                        continue;
                    }
                    true
                }
            };
            self.save(false, is_over).await?;
            if is_over {
                return Ok(());
            }
        }
    }

    /// A job that nobody took on at once has nothing to wait for any more.
    fn begin(&mut self) {
        let untouched = self.position.stage == 0 && self.position.key.is_none();
        if untouched && self.position.passes == 0 && self.settles_in(self.created_at).is_zero() {
            self.position.passes = 1;
        }
    }

    /// How long it takes until the indexes show everything that was written before `time`. A clock that stands still
    /// does not stop the job: the time that passes while it runs counts as well.
    fn settles_in(&self, time: Timestamp) -> Duration {
        let millis = (self.clock)().millis_since(time).unsigned_abs();
        let passed = Duration::from_millis(millis).max(self.began.elapsed());
        SETTLE.saturating_sub(passed)
    }

    /// The same for what named the sessions that were closed.
    fn sessions_settle_in(&self) -> Duration {
        let millis = (self.clock)().millis_since(self.position.last_tombstone);
        let passed =
            Duration::from_millis(millis.unsigned_abs()).max(self.last_tombstone.elapsed());
        SETTLE.saturating_sub(passed)
    }

    /// Saves how far the job is, if it is still ours. Sums, and not what is to be added to them: a request that is
    /// repeated because its answer got lost must not count twice.
    async fn save(&self, is_done: bool, release: bool) -> Result<(), StoreError> {
        let save = self.try_save(is_done, release);
        self.work.store.in_time(OPERATION, Box::pin(save)).await
    }

    async fn try_save(&self, is_done: bool, release: bool) -> Result<(), StoreError> {
        let mut update = self
            .work
            .store
            .client
            .update_item()
            .table_name(&self.work.store.tables.privacy_jobs)
            .set_key(Some(job_key(&self.work.job_id, JOB)))
            .condition_expression("leased_by = :me")
            .expression_attribute_values(":me", AttributeValue::S(self.work.me.clone()))
            .expression_attribute_values(
                ":erased",
                JobRecord::erased_attribute(OPERATION, self.erased)?,
            );
        if is_done {
            // What is left is a receipt, which says no more whom it was about.
            update = update
                .update_expression(
                    "SET erased = :erased, #status = :done, done_at = :now \
                     REMOVE #open, #position, person, salt, leased_by, leased_until",
                )
                .expression_attribute_names("#status", "status")
                .expression_attribute_names("#open", "open")
                .expression_attribute_values(":done", status(PrivacyJobStatus::Done))
                .expression_attribute_values(":now", AttributeValue::S((self.clock)().to_iso()));
        } else {
            let position = serde_dynamo::to_attribute_value(&self.position)
                .map_err(|error| StoreError::unreadable(OPERATION, error))?;
            update = update
                .update_expression(if release {
                    "SET erased = :erased, #position = :position REMOVE leased_by, leased_until"
                } else {
                    "SET erased = :erased, #position = :position"
                })
                .expression_attribute_values(":position", position);
        }
        let update = update.expression_attribute_names("#position", "position");
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_condition(&error) => Err(StoreError::lease_lost(OPERATION)),
            Err(error) => Err(StoreError::new(OPERATION, error)),
        }
    }
}

impl Work {
    /// The check that the job is still ours.
    fn lease_check(&self) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.store.tables.privacy_jobs)
            .set_key(Some(job_key(&self.job_id, JOB)))
            .condition_expression("leased_by = :me")
            .expression_attribute_values(":me", AttributeValue::S(self.me.clone()))
            .build()
            .map_err(|error| StoreError::unreadable(OPERATION, error))?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// Writes what only the job's worker may write: without it, a job that was deleted meanwhile would leave
    /// something behind.
    async fn transact_leased(&self, actions: &[TransactWriteItem]) -> Result<(), StoreError> {
        let write = async {
            let written = self.store.transact(OPERATION, actions).await?;
            written.map_err(|_| StoreError::lease_lost(OPERATION))
        };
        self.store.in_time(OPERATION, Box::pin(write)).await
    }
}

fn status(status: PrivacyJobStatus) -> AttributeValue {
    let name = match status {
        PrivacyJobStatus::Running => "running",
        PrivacyJobStatus::Done => "done",
    };
    AttributeValue::S(name.to_owned())
}

fn is_condition<R>(error: &SdkError<UpdateItemError, R>) -> bool {
    matches!(
        error.as_service_error(),
        Some(UpdateItemError::ConditionalCheckFailedException(_))
    )
}
