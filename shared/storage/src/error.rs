//! What went wrong with the database, as far as the rest of the code needs to know.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// An operation on the database that failed. Its text names the operation and the kind of fault alone:
/// what the database said about it may hold values of the request.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {kind}")]
pub struct StoreError {
    operation: &'static str,
    kind: Kind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("the idempotency key was used for another event")]
    Conflict,
    #[error("the database did not answer in time")]
    TooSlow,
    #[error("more was to be read than the time allows")]
    TooMuch,
    #[error("the database was not reached")]
    Unreachable,
    #[error("the database is throttling or at fault")]
    Throttled,
    #[error("the database refused the request")]
    Refused,
    #[error("a stored item could not be read")]
    Unreadable,
    #[error("the limits could not be counted")]
    Uncounted,
    #[error("there is no pepper to hash with")]
    NoPepper,
    #[error("another worker has taken the job over, or it is gone")]
    LeaseLost,
}

impl StoreError {
    /// Whether the same key was used for something else.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.kind == Kind::Conflict
    }

    /// Whether trying again later may help.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self.kind,
            Kind::TooSlow | Kind::Unreachable | Kind::Throttled | Kind::Uncounted
        )
    }

    /// Whether the database is to blame, and neither what it was asked nor who else asked at the same time.
    pub(crate) fn is_databases(&self) -> bool {
        match self.kind {
            Kind::TooSlow
            | Kind::Unreachable
            | Kind::Throttled
            | Kind::Refused
            | Kind::Unreadable
            | Kind::Uncounted => true,
            Kind::Conflict | Kind::TooMuch | Kind::NoPepper | Kind::LeaseLost => false,
        }
    }

    /// Whether so many days of all stores were to be read that the time was over before the end, which no other try
    /// changes.
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        self.kind == Kind::TooMuch
    }

    /// The same failure of an operation that asks for so much that it may take longer than its time, however fast the
    /// database is.
    pub(crate) fn of_much(self) -> Self {
        // What the database itself was too slow for has a source.
        let is_over = self.kind == Kind::TooSlow && self.source.is_none();
        Self {
            kind: if is_over { Kind::TooMuch } else { self.kind },
            ..self
        }
    }

    /// The same failure where it only kept something from being counted: whatever it was, nothing was done yet, and
    /// trying again later may help.
    #[must_use]
    pub fn uncounted(self) -> Self {
        Self {
            operation: self.operation,
            kind: Kind::Uncounted,
            source: Some(Box::new(self)),
        }
    }

    pub(crate) fn new<E>(operation: &'static str, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let kind = match &error {
            SdkError::TimeoutError(_) => Kind::TooSlow,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Kind::TooSlow,
            SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => Kind::Unreachable,
            SdkError::ServiceError(service) if service.raw().status().is_server_error() => {
                Kind::Throttled
            }
            SdkError::ServiceError(service) if service.err().code().is_some_and(is_transient) => {
                Kind::Throttled
            }
            _ => Kind::Refused,
        };
        Self {
            operation,
            kind,
            source: Some(Box::new(error)),
        }
    }

    pub(crate) fn conflict(operation: &'static str) -> Self {
        Self {
            operation,
            kind: Kind::Conflict,
            source: None,
        }
    }

    pub(crate) fn too_slow(operation: &'static str) -> Self {
        Self {
            operation,
            kind: Kind::TooSlow,
            source: None,
        }
    }

    pub(crate) fn throttled(operation: &'static str) -> Self {
        Self {
            operation,
            kind: Kind::Throttled,
            source: None,
        }
    }

    /// Whether the job that was worked on is no longer this worker's.
    pub(crate) fn is_lease_lost(&self) -> bool {
        self.kind == Kind::LeaseLost
    }

    pub(crate) fn lease_lost(operation: &'static str) -> Self {
        Self {
            operation,
            kind: Kind::LeaseLost,
            source: None,
        }
    }

    pub(crate) fn no_pepper(operation: &'static str) -> Self {
        Self {
            operation,
            kind: Kind::NoPepper,
            source: None,
        }
    }

    pub(crate) fn unreadable(
        operation: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            operation,
            kind: Kind::Unreadable,
            source: Some(source.into()),
        }
    }
}

/// Codes of DynamoDB that say: later.
fn is_transient(code: &str) -> bool {
    matches!(
        code,
        "InternalServerError"
            | "LimitExceededException"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "ServiceUnavailable"
            | "Throttling"
            | "ThrottlingException"
            | "TransactionConflictException"
            | "TransactionInProgressException"
    )
}
