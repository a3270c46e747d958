//! What a store has beside events and sessions: jobs, results of data requests, refusals.

use aws_sdk_dynamodb::types::AttributeValue;

use super::batch::{Key, Write, from_key, to_key};
use super::{OPERATION, Work, is_condition};
use crate::privacy_jobs::{JOB, JobRecord, PART, PrivacyJobKind, PrivacyJobStatus, job_key};
use crate::tables::{DAY, ID, JOB_ITEM, STORE_NAME};
use crate::{Erased, StoreError};

impl Work {
    /// Erases what the store's data requests have gathered of the person, a page of jobs at a time. A request that
    /// is running goes as a whole, so that it gathers no more.
    pub(super) async fn erase_data_requests(
        &self,
        from: Option<&Key>,
    ) -> Result<(Erased, Option<Key>), StoreError> {
        let (jobs, next) = self.jobs_before(from).await?;
        let is_about_them = |job: &JobRecord| {
            let mut hashes = job.person_hashes.iter();
            job.kind == PrivacyJobKind::ExportCustomer
                && hashes.any(|hash| self.person_hashes.contains(hash))
        };
        let mut other = 0;
        for job in jobs.iter().filter(|job| is_about_them(job)) {
            other += match job.status {
                PrivacyJobStatus::Running => self.erase_job(&job.id).await?,
                PrivacyJobStatus::Done => {
                    let parts = self.erase_job_items(&job.id, PART).await?;
                    self.forget_person(&job.id).await?;
                    parts
                }
            };
        }
        Ok((others(other), next))
    }

    /// Erases the store's jobs that are older than this one, with all that belongs to them: of two that erase the
    /// same store, one is left.
    pub(super) async fn erase_older_jobs(
        &self,
        from: Option<&Key>,
    ) -> Result<(Erased, Option<Key>), StoreError> {
        let (jobs, next) = self.jobs_before(from).await?;
        let own = (&self.created_at, &self.job_id);
        let mut other = 0;
        for job in jobs.iter().filter(|job| (&job.created_at, &job.id) < own) {
            other += self.erase_job(&job.id).await?;
        }
        Ok((others(other), next))
    }

    async fn jobs_before(
        &self,
        from: Option<&Key>,
    ) -> Result<(Vec<JobRecord>, Option<Key>), StoreError> {
        let from = from.map(from_key);
        let jobs = self
            .store
            .store_jobs(OPERATION, &self.store_name, from, true);
        let (jobs, next) = jobs.await?;
        Ok((jobs, next.map(to_key)))
    }

    /// Erases a job with everything that belongs to it; the job first, so that whoever works on it finds that it is
    /// gone.
    async fn erase_job(&self, id: &str) -> Result<u64, StoreError> {
        let table = &self.store.tables.privacy_jobs;
        let job = vec![Write::Delete(job_key(id, JOB))];
        self.store.batch_write(OPERATION, table, job).await?;
        Ok(1 + self.erase_job_items(id, "").await?)
    }

    /// Deletes the items of a job whose names begin with `prefix`, until there are none.
    async fn erase_job_items(&self, id: &str, prefix: &str) -> Result<u64, StoreError> {
        let mut erased = 0;
        loop {
            let mut query = self
                .store
                .client
                .query()
                .table_name(&self.store.tables.privacy_jobs)
                .key_condition_expression(if prefix.is_empty() {
                    "#id = :id"
                } else {
                    "#id = :id AND begins_with(#item, :prefix)"
                })
                .projection_expression("#id, #item")
                .expression_attribute_names("#id", ID)
                .expression_attribute_names("#item", JOB_ITEM)
                .expression_attribute_values(":id", AttributeValue::S(id.to_owned()))
                .consistent_read(true);
            if !prefix.is_empty() {
                let prefix = AttributeValue::S(prefix.to_owned());
                query = query.expression_attribute_values(":prefix", prefix);
            }
            let found = query.send().await;
            let found = found.map_err(|error| StoreError::new(OPERATION, error))?;
            let keys = found.items.unwrap_or_default();
            if keys.is_empty() {
                return Ok(erased);
            }
            erased += keys.len() as u64;
            let deletes = keys.into_iter().map(Write::Delete).collect();
            let table = &self.store.tables.privacy_jobs;
            self.store.batch_write(OPERATION, table, deletes).await?;
        }
    }

    /// Takes from a receipt what finds it by the person: it has nothing left to be erased.
    async fn forget_person(&self, id: &str) -> Result<(), StoreError> {
        let forgotten = self
            .store
            .client
            .update_item()
            .table_name(&self.store.tables.privacy_jobs)
            .set_key(Some(job_key(id, JOB)))
            .update_expression("REMOVE person_hashes")
            .condition_expression("attribute_exists(id)")
            .send()
            .await;
        match forgotten {
            Err(error) if !is_condition(&error) => Err(StoreError::new(OPERATION, error)),
            _ => Ok(()),
        }
    }

    /// Erases what is counted of the store's refusals.
    pub(super) async fn erase_refusals(&self) -> Result<Erased, StoreError> {
        let mut erased = 0;
        loop {
            let found = self
                .store
                .client
                .query()
                .table_name(&self.store.tables.refusals)
                .key_condition_expression("#store = :store")
                .projection_expression("#store, #day")
                .expression_attribute_names("#store", STORE_NAME)
                .expression_attribute_names("#day", DAY)
                .expression_attribute_values(
                    ":store",
                    AttributeValue::S(self.store_name.to_string()),
                )
                .consistent_read(true)
                .send()
                .await
                .map_err(|error| StoreError::new(OPERATION, error))?;
            let keys = found.items.unwrap_or_default();
            if keys.is_empty() {
                return Ok(others(erased));
            }
            erased += keys.len() as u64;
            let deletes = keys.into_iter().map(Write::Delete).collect();
            let table = &self.store.tables.refusals;
            self.store.batch_write(OPERATION, table, deletes).await?;
        }
    }
}

fn others(other: u64) -> Erased {
    Erased {
        other,
        ..Erased::default()
    }
}
