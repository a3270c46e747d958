//! What was not stored, counted in memory and added up to the table every few seconds, so that a flood of refused
//! requests does not become a flood of writes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use shoptrail_domain::Timestamp;
use shoptrail_domain::refusal::Refusal;
use shoptrail_storage::{Store, StoreError};
use utoipa::ToSchema;

/// Stands for the sum over all stores, with what belongs to none of them.
pub const ALL_STORES: &str = "*";
/// The least time between two rounds of writes, in ms.
const EVERY_MS: i64 = 5_000;
/// Names in one round of writes; what belongs to further stores is in the sum alone. Who makes stores' names up must
/// not have a write for each.
const NAMES_AT_ONCE: usize = 20;
/// What a round of writes may take of the request at whose end it is made.
const PATIENCE: Duration = Duration::from_millis(600);

/// What an answer says of something that was understood and not stored, which is no error.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Refused {
    /// `erased`: it names somebody who was erased; `no_consent`: the shopper does not want it.
    #[schema(value_type = String, example = "no_consent")]
    pub refused: Refusal,
}

type Counts = BTreeMap<String, BTreeMap<Refusal, u64>>;

/// The refusals of one process that are not in the table yet.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    counts: Counts,
    written_at: Option<Timestamp>,
}

impl Refusals {
    /// Counts what was not stored, of a store or of none.
    pub fn note(&self, store: Option<&str>, reason: Refusal, count: u64) {
        if count == 0 {
            return;
        }
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        add(&mut waiting.counts, ALL_STORES, reason, count);
        if let Some(store) = store
            && (waiting.counts.len() < NAMES_AT_ONCE || waiting.counts.contains_key(store))
        {
            add(&mut waiting.counts, store, reason, count);
        }
    }

    /// Writes what was counted, if the last round lies some seconds back.
    pub async fn flush_if_due(&self, store: &Store, now: Timestamp, retention_days: u32) {
        self.flush_after(EVERY_MS, store, now, retention_days).await;
    }

    /// Writes what was counted, now.
    pub async fn flush(&self, store: &Store, now: Timestamp, retention_days: u32) {
        self.flush_after(0, store, now, retention_days).await;
    }

    async fn flush_after(&self, pause_ms: i64, store: &Store, now: Timestamp, retention_days: u32) {
        let Some(mut left) = self.take(pause_ms, now) else {
            return;
        };
        let write = async {
            while let Some((name, reasons)) = left.first_key_value() {
                store
                    .add_refusals(name, reasons, now, retention_days)
                    .await?;
                left.pop_first();
            }
            Ok::<_, StoreError>(())
        };
        // Within what is left of the request's own time for the database: an answer must not come late for this.
        let cause = match tokio::time::timeout(PATIENCE, write).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        tracing::warn!(cause, "refusals could not be counted yet");
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, reasons) in left {
            for (reason, count) in reasons {
                add(&mut waiting.counts, &name, reason, count);
            }
        }
    }

    /// What waits, where there is something and a round is due; the round counts as made.
    fn take(&self, pause_ms: i64, now: Timestamp) -> Option<Counts> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = waiting
            .written_at
            .is_none_or(|at| now.millis_since(at) >= pause_ms);
        if waiting.counts.is_empty() || !is_due {
            return None;
        }
        waiting.written_at = Some(now);
        Some(std::mem::take(&mut waiting.counts))
    }
}

fn add(counts: &mut Counts, store: &str, reason: Refusal, count: u64) {
    let reasons = counts.entry(store.to_owned()).or_default();
    let sum = reasons.entry(reason).or_default();
    *sum = sum.saturating_add(count);
}
