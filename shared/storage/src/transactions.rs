//! Transactions, which end in one of two ways: done, or refused by a condition.

use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};

use crate::{Store, StoreError};

/// The longest pause before another attempt at a transaction that met another one on one of its items, in ms.
const CONFLICT_PAUSE_MS: u64 = 15;

/// Why a transaction was refused: one reason for each of its actions.
pub(crate) type Reasons = Vec<CancellationReason>;

impl Store {
    /// Writes all of `actions`, or says for each of them whether it stood in the way. Attempts that met another
    /// transaction are repeated until the caller's time is over.
    pub(crate) async fn transact(
        &self,
        operation: &'static str,
        actions: &[TransactWriteItem],
    ) -> Result<Result<(), Reasons>, StoreError> {
        loop {
            let Err(error) = self
                .client
                .transact_write_items()
                .set_transact_items(Some(actions.to_vec()))
                .send()
                .await
            else {
                return Ok(Ok(()));
            };
            let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
                error.as_service_error()
            else {
                return Err(StoreError::new(operation, error));
            };
            let reasons = canceled.cancellation_reasons();
            let any = |code| reasons.iter().any(|reason| has_code(reason, code));
            let met_another = any("TransactionConflict");
            // What the first action says counts before what the others say. As long as another transaction hides
            // it, the others' refusals are not the whole answer.
            if reasons.first().is_some_and(is_refused)
                || (!met_another && reasons.iter().any(is_refused))
            {
                return Ok(Err(reasons.to_vec()));
            }
            if met_another {
                tokio::time::sleep(Duration::from_millis(CONFLICT_PAUSE_MS)).await;
            } else if any("ThrottlingError") || any("ProvisionedThroughputExceeded") {
                return Err(StoreError::throttled(operation));
            } else {
                return Err(StoreError::new(operation, error));
            }
        }
    }
}

/// Whether the action's own condition did not hold.
pub(crate) fn is_refused(reason: &CancellationReason) -> bool {
    has_code(reason, "ConditionalCheckFailed")
}

pub(crate) fn has_code(reason: &CancellationReason, code: &str) -> bool {
    reason.code() == Some(code)
}
