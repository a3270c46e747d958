//! Erasures and data requests as jobs: what was asked for, how far it is, and what came of it.
//!
//! | item of a job | holds |
//! |---|---|
//! | `job` | the job; once it is done, a receipt that says no more whom it was about |
//! | `session#…` | a session that still has to be visited; gone when it was |
//! | `part#…` | a part of what a data request produced |

use std::ops::AddAssign;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use serde::{Deserialize, Serialize};
use shoptrail_domain::privacy::{ErasureMode, Person};
use shoptrail_domain::{StoreName, Timestamp};

use crate::erasures::Trace;
use crate::privacy::{Item, Key};
use crate::tables::{ID, IDX_OPEN, IDX_STORE_NAME, JOB_ITEM, STORE_NAME};
use crate::transactions::is_refused;
use crate::{Pepper, Store, StoreError, blob, expires_at, is_alive};

/// The item of a job that is the job itself.
pub(crate) const JOB: &str = "job";
/// What the names of a data request's parts begin with.
pub(crate) const PART: &str = "part#";
/// The value of `open` while a job is not done.
const OPEN: &str = "open";
/// How long a receipt is kept: a year, the time for which a merchant may have to show what was done, and a month.
const RECEIPT_DAYS: u32 = 400;
/// How long the result of a data request is kept: the merchant has 30 days to hand it to the customer.
pub(crate) const RESULT_DAYS: u32 = 30;
/// Characters of records in one page of a result: a Lambda's answer is at most 6 MB, and JSON text within JSON text
/// is escaped.
const PAGE_BYTES: usize = 4_000_000;
/// Parts that one query reads: unpacked, they are at most half a page.
const PARTS_AT_ONCE: i32 = 6;
/// Keys in one `BatchGetItem`, as DynamoDB allows.
const JOBS_AT_ONCE: i32 = 100;

/// What is to be done about a person or a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivacyTask {
    /// Erases a person in one store.
    EraseCustomer {
        /// Whom.
        person: Person,
        /// What becomes of the events.
        mode: ErasureMode,
    },
    /// Erases everything of a store.
    EraseShop,
    /// Gathers everything that a store has of a person.
    ExportCustomer {
        /// Of whom.
        person: Person,
    },
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrivacyJobKind {
    /// Erases a person.
    EraseCustomer,
    /// Erases a store.
    EraseShop,
    /// Gathers what there is of a person.
    ExportCustomer,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrivacyJobStatus {
    /// There is more to do.
    Running,
    /// All is done.
    Done,
}

/// How much was erased, or made anonymous.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Cart events.
    pub cart_events: u64,
    /// Generated images.
    pub image_generations: u64,
    /// Sessions of the tracker.
    pub sessions: u64,
    /// Ask AI's decisions.
    pub decisions: u64,
    /// Idempotency records, results of data requests, receipts, days of refusals.
    pub other: u64,
}

impl AddAssign for Erased {
    fn add_assign(&mut self, more: Self) {
        self.cart_events += more.cart_events;
        self.image_generations += more.image_generations;
        self.sessions += more.sessions;
        self.decisions += more.decisions;
        self.other += more.other;
    }
}

/// A job, as its receipt shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivacyJob {
    /// Its id.
    pub id: String,
    /// The store that it is about.
    pub store_name: StoreName,
    /// What it does.
    pub kind: PrivacyJobKind,
    /// What becomes of a person's events; absent where none is erased.
    pub mode: Option<ErasureMode>,
    /// How far it is.
    pub status: PrivacyJobStatus,
    /// What it has erased so far.
    pub erased: Erased,
    /// ISO 8601, UTC.
    pub created_at: String,
    /// ISO 8601, UTC; absent while it runs.
    pub done_at: Option<String>,
}

/// A page of what a data request produced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedPage {
    /// Texts of JSON objects; `kind` says what each one is.
    pub records: Vec<String>,
    /// Gives the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// How far a job is: the stage, and how far it is in the stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The number of the stage.
    pub(crate) stage: usize,
    /// Pages of the stage that are done.
    pub(crate) page: u64,
    /// Where the stage's next page begins; absent at the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Key>,
    /// Passes over all sources that began when the indexes had settled.
    pub(crate) passes: u32,
    /// Whether the pass that runs has found anything.
    pub(crate) has_found: bool,
    /// When the job last wrote a tombstone, in ms since 1970.
    pub(crate) last_tombstone: Timestamp,
}

/// The item `job`. What is absent once the job is done would say whom it was about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    pub(crate) id: String,
    pub(crate) item: String,
    pub(crate) store_name: StoreName,
    pub(crate) kind: PrivacyJobKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<ErasureMode>,
    pub(crate) status: PrivacyJobStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) person: Option<Person>,
    /// Of a data request: keyed hashes by which an erasure of the same person finds it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) person_hashes: Vec<String>,
    /// What the names of anonymous sessions are made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) salt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<Position>,
    /// How long a session's tombstone holds.
    pub(crate) tombstone_days: u32,
    pub(crate) erased: Erased,
    pub(crate) created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_at: Option<String>,
    expires_at: i64,
}

impl JobRecord {
    fn new(
        id: &str,
        store: &StoreName,
        task: &PrivacyTask,
        tombstone_days: u32,
        now: Timestamp,
    ) -> Self {
        let (kind, mode, person) = match task.clone() {
            PrivacyTask::EraseCustomer { person, mode } => {
                (PrivacyJobKind::EraseCustomer, Some(mode), Some(person))
            }
            PrivacyTask::EraseShop => (PrivacyJobKind::EraseShop, None, None),
            PrivacyTask::ExportCustomer { person } => {
                (PrivacyJobKind::ExportCustomer, None, Some(person))
            }
        };
        Self {
            id: id.to_owned(),
            item: JOB.to_owned(),
            store_name: store.clone(),
            kind,
            mode,
            status: PrivacyJobStatus::Running,
            open: Some(OPEN.to_owned()),
            person,
            person_hashes: Vec::new(),
            salt: None,
            position: Some(Position {
                last_tombstone: now,
                ..Position::default()
            }),
            tombstone_days,
            erased: Erased::default(),
            created_at: now.to_iso(),
            done_at: None,
            expires_at: expires_at(now, RECEIPT_DAYS),
        }
    }

    /// What the erased counts are stored as.
    pub(crate) fn erased_attribute(
        operation: &'static str,
        erased: Erased,
    ) -> Result<AttributeValue, StoreError> {
        serde_dynamo::to_attribute_value(erased)
            .map_err(|error| StoreError::unreadable(operation, error))
    }

    pub(crate) fn from_item(operation: &'static str, item: Item) -> Result<Self, StoreError> {
        serde_dynamo::from_item(item).map_err(|error| StoreError::unreadable(operation, error))
    }
}

impl From<JobRecord> for PrivacyJob {
    fn from(record: JobRecord) -> Self {
        Self {
            erased: record.erased,
            id: record.id,
            store_name: record.store_name,
            kind: record.kind,
            mode: record.mode,
            status: record.status,
            created_at: record.created_at,
            done_at: record.done_at,
        }
    }
}

/// What tells that something is of this person, in this store.
pub(crate) fn traces<'a>(store: &'a StoreName, person: &'a Person) -> Vec<Trace<'a>> {
    let store = store.as_str();
    let email = person.customer_email.as_ref().map(|email| Trace::Email {
        store,
        email: email.as_str(),
    });
    let customer = person.customer_id.as_ref().map(|id| Trace::CustomerId {
        store,
        id: id.as_str(),
    });
    let session = person
        .session_id
        .as_ref()
        .map(|session| Trace::CartSession {
            store,
            session: session.as_str(),
        });
    [email, customer, session].into_iter().flatten().collect()
}

/// The keyed hashes that stand for a person.
pub(crate) fn person_hashes(pepper: &Pepper, store: &StoreName, person: &Person) -> Vec<String> {
    let traces = traces(store, person).into_iter();
    traces.map(|trace| trace.hash(pepper)).collect()
}

/// The key of an item of a job.
pub(crate) fn job_key(id: &str, item: &str) -> Item {
    Item::from([
        (ID.to_owned(), AttributeValue::S(id.to_owned())),
        (JOB_ITEM.to_owned(), AttributeValue::S(item.to_owned())),
    ])
}

impl Store {
    /// Takes a job on, for [`Store::run_privacy_job`] to do. From here on, nothing of a person who is to be erased
    /// is stored: the tombstones and the job are written in one transaction. The tombstones of sessions hold for
    /// `tombstone_days`, which is to be as long as anything is kept. `false` when there is a job of this id already.
    ///
    /// # Errors
    ///
    /// When the database may not have taken it, or where there is no pepper.
    pub async fn create_privacy_job(
        &self,
        id: &str,
        store: &StoreName,
        task: &PrivacyTask,
        tombstone_days: u32,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "create_privacy_job";
        let pepper = self.needed_pepper(OPERATION)?;
        let mut job = JobRecord::new(id, store, task, tombstone_days, now);
        let mut tombstones = Vec::new();
        match task {
            PrivacyTask::EraseCustomer { person, .. } => {
                for trace in traces(store, person) {
                    tombstones.push(self.tombstone(OPERATION, trace, now, tombstone_days)?);
                }
            }
            PrivacyTask::EraseShop => {
                let store = store.as_str();
                let trace = Trace::Shop { store };
                tombstones.push(self.tombstone(OPERATION, trace, now, tombstone_days)?);
            }
            PrivacyTask::ExportCustomer { person } => {
                job.person_hashes = person_hashes(pepper, store, person);
            }
        }
        let put = Put::builder()
            .table_name(&self.tables.privacy_jobs)
            .set_item(Some(to_item(OPERATION, &job)?))
            .condition_expression("attribute_not_exists(id)")
            .build()
            .map_err(|error| StoreError::unreadable(OPERATION, error))?;
        let mut actions = vec![TransactWriteItem::builder().put(put).build()];
        actions.append(&mut tombstones);
        let create = async {
            let created = self.transact(OPERATION, &actions).await?;
            Ok(!created.is_err_and(|reasons| reasons.first().is_some_and(is_refused)))
        };
        self.in_time(OPERATION, Box::pin(create)).await
    }

    /// A job, running or done.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or with an item that is none of ours.
    pub async fn find_privacy_job(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<PrivacyJob>, StoreError> {
        const OPERATION: &str = "find_privacy_job";
        let get = self
            .client
            .get_item()
            .table_name(&self.tables.privacy_jobs)
            .set_key(Some(job_key(id, JOB)))
            .consistent_read(true);
        let find = async {
            let found = get.send().await;
            let found = found.map_err(|error| StoreError::new(OPERATION, error))?;
            let job = found
                .item
                .map(|item| JobRecord::from_item(OPERATION, item))
                .transpose()?;
            Ok(job
                .filter(|job| is_alive(job.expires_at, now))
                .map(Into::into))
        };
        self.in_time(OPERATION, Box::pin(find)).await
    }

    /// The ids of all jobs that are not done, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn list_open_privacy_jobs(&self) -> Result<Vec<String>, StoreError> {
        const OPERATION: &str = "list_open_privacy_jobs";
        let mut pages = self
            .client
            .query()
            .table_name(&self.tables.privacy_jobs)
            .index_name(IDX_OPEN)
            .key_condition_expression("#open = :open")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":open", AttributeValue::S(OPEN.to_owned()))
            .into_paginator()
            .items()
            .send();
        let list = async {
            let mut ids = Vec::new();
            while let Some(item) = pages.next().await {
                let item = item.map_err(|error| StoreError::new(OPERATION, error))?;
                ids.extend(item.get(ID).and_then(|id| id.as_s().ok()).cloned());
            }
            Ok(ids)
        };
        self.in_time(OPERATION, Box::pin(list)).await
    }

    /// A store's data requests, running or done, the newest first, `limit` at most.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or with an item that is none of ours.
    pub async fn list_data_requests(
        &self,
        store: &StoreName,
        limit: i32,
        now: Timestamp,
    ) -> Result<Vec<PrivacyJob>, StoreError> {
        const OPERATION: &str = "list_data_requests";
        let limit = usize::try_from(limit).unwrap_or(0);
        let list = async {
            let mut requests: Vec<PrivacyJob> = Vec::new();
            let mut from = None;
            loop {
                let (jobs, next) = self.store_jobs(OPERATION, store, from, false).await?;
                let alive = jobs
                    .into_iter()
                    .filter(|job| job.kind == PrivacyJobKind::ExportCustomer)
                    .filter(|job| is_alive(job.expires_at, now));
                requests.extend(alive.map(PrivacyJob::from));
                from = next;
                if requests.len() >= limit || from.is_none() {
                    requests.truncate(limit);
                    return Ok(requests);
                }
            }
        };
        self.in_time(OPERATION, Box::pin(list)).await
    }

    /// A page of a store's jobs in the order of time, whole, and where the next page begins.
    pub(crate) async fn store_jobs(
        &self,
        operation: &'static str,
        store: &StoreName,
        from: Option<Item>,
        oldest_first: bool,
    ) -> Result<(Vec<JobRecord>, Option<Item>), StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.tables.privacy_jobs)
            .index_name(IDX_STORE_NAME)
            .key_condition_expression("#store = :store")
            .expression_attribute_names("#store", STORE_NAME)
            .expression_attribute_values(":store", AttributeValue::S(store.to_string()))
            .scan_index_forward(oldest_first)
            .limit(JOBS_AT_ONCE)
            .set_exclusive_start_key(from)
            .send()
            .await
            .map_err(|error| StoreError::new(operation, error))?;
        let key = |item: Item| {
            let is_key = |name: &String| name == ID || name == JOB_ITEM;
            item.into_iter().filter(|(name, _)| is_key(name)).collect()
        };
        let keys = page.items.unwrap_or_default().into_iter().map(key);
        let items = self
            .batch_read(operation, &self.tables.privacy_jobs, keys.collect())
            .await?;
        let jobs = items
            .into_iter()
            .map(|item| JobRecord::from_item(operation, item));
        let mut jobs = jobs.collect::<Result<Vec<_>, _>>()?;
        // A batch comes in no order.
        jobs.sort_by(|one, other| one.created_at.cmp(&other.created_at));
        if !oldest_first {
            jobs.reverse();
        }
        Ok((jobs, page.last_evaluated_key))
    }

    /// What a data request has produced, `cursor` being that of the page before. A job that is none, or whose result
    /// has expired, has produced nothing.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or with an item that is none of ours.
    pub async fn list_exported(
        &self,
        id: &str,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<ExportedPage, StoreError> {
        const OPERATION: &str = "list_exported";
        let list = async {
            let mut records = Vec::new();
            let mut bytes = 0;
            let mut last = cursor.map(str::to_owned);
            loop {
                let (parts, is_end) = self.parts(OPERATION, id, last.as_deref()).await?;
                for part in parts {
                    let (name, mut packed) = unpack(OPERATION, &part, now)?;
                    let more: usize = packed.iter().map(String::len).sum();
                    if bytes > 0 && bytes + more > PAGE_BYTES {
                        let next_cursor = last;
                        return Ok(ExportedPage {
                            records,
                            next_cursor,
                        });
                    }
                    bytes += more;
                    records.append(&mut packed);
                    last = Some(name);
                }
                if is_end {
                    return Ok(ExportedPage {
                        records,
                        next_cursor: None,
                    });
                }
            }
        };
        self.in_time(OPERATION, Box::pin(list)).await
    }

    /// The parts after `last`, some of them, and whether there are no more.
    async fn parts(
        &self,
        operation: &'static str,
        id: &str,
        last: Option<&str>,
    ) -> Result<(Vec<Item>, bool), StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.tables.privacy_jobs)
            .key_condition_expression("#id = :id AND begins_with(#item, :part)")
            .expression_attribute_names("#id", ID)
            .expression_attribute_names("#item", JOB_ITEM)
            .expression_attribute_values(":id", AttributeValue::S(id.to_owned()))
            .expression_attribute_values(":part", AttributeValue::S(PART.to_owned()))
            .set_exclusive_start_key(
                last.filter(|last| last.starts_with(PART))
                    .map(|last| job_key(id, last)),
            )
            .limit(PARTS_AT_ONCE)
            .send()
            .await
            .map_err(|error| StoreError::new(operation, error))?;
        let is_end = page.last_evaluated_key.is_none();
        Ok((page.items.unwrap_or_default(), is_end))
    }
}

/// The name of a part, and its records; none where it has expired.
fn unpack(
    operation: &'static str,
    part: &Item,
    now: Timestamp,
) -> Result<(String, Vec<String>), StoreError> {
    let name = part.get(JOB_ITEM).and_then(|name| name.as_s().ok());
    let body = part.get("body").and_then(|body| body.as_b().ok());
    let expires_at = part.get("expires_at").and_then(|at| at.as_n().ok());
    let (Some(name), Some(body)) = (name, body) else {
        return Err(StoreError::unreadable(operation, "a part without a body"));
    };
    let lives = expires_at
        .and_then(|at| at.parse().ok())
        .is_none_or(|at| is_alive(at, now));
    let records = if lives {
        blob::decode(body.as_ref()).map_err(|error| StoreError::unreadable(operation, error))?
    } else {
        Vec::new()
    };
    Ok((name.clone(), records))
}

pub(crate) fn to_item<T: Serialize>(
    operation: &'static str,
    record: &T,
) -> Result<Item, StoreError> {
    serde_dynamo::to_item(record).map_err(|error| StoreError::unreadable(operation, error))
}
