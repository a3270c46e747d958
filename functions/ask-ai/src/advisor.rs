//! Whoever can be asked for advice on a session. The one trait of the house, because nobody here owns
//! the model.

use std::fmt;
use std::time::Duration;

use shoptrail_domain::Timestamp;
use shoptrail_domain::advice::{Advice, AdviceError};
use shoptrail_domain::session::SessionRecord;

/// Gives advice on a session, or says why not. An error is never the shopper's: the rules answer then.
#[async_trait::async_trait]
pub trait Advisor: Send + Sync {
    /// Advice on `record` as it stands at `now`, within `deadline`, which covers everything: looking up
    /// the host, connecting, asking, asking again in another way, and reading the answer.
    ///
    /// # Errors
    ///
    /// Whatever keeps the advisor from a valid advice in time.
    async fn advise(
        &self,
        record: &SessionRecord,
        now: Timestamp,
        deadline: Duration,
    ) -> Result<Advice, AdvisorError>;
}

/// Why there is no advice. Holds nothing that the model or its server wrote: that may repeat the prompt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdvisorError {
    /// The deadline passed before there was an answer.
    #[error("the model did not answer within {} ms", deadline.as_millis())]
    TimedOut {
        /// What was given to it.
        deadline: Duration,
    },
    /// The server said that there were too many requests or tokens (429).
    #[error("the model's server limits the rate")]
    RateLimited {
        /// When it wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// Not asked, because the server wanted to be left alone until later.
    #[error("the model's server is left alone for another {} ms, as it asked", remaining.as_millis())]
    Resting {
        /// How long still.
        remaining: Duration,
    },
    /// The server has no capacity left for this tier of service (Groq's own status 498).
    #[error("the model's server is over its capacity")]
    OverCapacity,
    /// The server failed (5xx).
    #[error("the model's server failed with status {status}")]
    ServerFailed {
        /// Its HTTP status.
        status: u16,
    },
    /// The server did not take the request: a wrong key, an unknown model, a request that it does not
    /// understand, or a redirection, which is not followed.
    #[error("the model's server refused the request with status {status}")]
    Refused {
        /// Its HTTP status.
        status: u16,
    },
    /// No connection, or one that broke.
    #[error("the model's server could not be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be built")]
    Client(#[source] reqwest::Error),
    /// The answer was larger than any honest one.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit that was passed.
        limit: usize,
    },
    /// The answer was no chat completion.
    #[error("the answer is no chat completion")]
    NotACompletion(#[source] JsonFault),
    /// A completion without any choice, or with blank content.
    #[error("the model answered nothing")]
    NoAnswer,
    /// The model ran into the limit of tokens (`finish_reason: length`).
    #[error("the model's answer was cut off at the limit of tokens")]
    Truncated,
    /// The model ended for another reason than having answered: a filter, a tool it wants called.
    #[error("the model declined to answer")]
    Declined,
    /// The server could not make the model keep to the schema (`json_validate_failed`).
    #[error("the model could not be held to the schema")]
    SchemaNotMet,
    /// What the model wrote is no JSON object with the seven fields.
    #[error("the model's answer does not have the seven fields")]
    Malformed(#[source] JsonFault),
    /// The seven fields are there, but they break a rule of the contract.
    #[error("the model's advice breaks a rule")]
    Invalid(#[source] AdviceError),
}

impl AdvisorError {
    /// A short name for logs and counters.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TimedOut { .. } => "timed_out",
            Self::RateLimited { .. } => "rate_limited",
            Self::Resting { .. } => "resting",
            Self::OverCapacity => "over_capacity",
            Self::ServerFailed { .. } => "server_failed",
            Self::Refused { .. } => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Client(_) => "client",
            Self::TooLarge { .. } => "too_large",
            Self::NotACompletion(_) => "not_a_completion",
            Self::NoAnswer => "no_answer",
            Self::Truncated => "truncated",
            Self::Declined => "declined",
            Self::SchemaNotMet => "schema_not_met",
            Self::Malformed(_) => "malformed",
            Self::Invalid(_) => "invalid",
        }
    }
}

/// Where and how a text was no JSON of the expected form. Made from `serde_json`'s error and kept in its
/// place, because that one repeats the value that it stumbled over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonFault {
    category: serde_json::error::Category,
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for JsonFault {
    fn from(error: serde_json::Error) -> Self {
        Self {
            category: error.classify(),
            line: error.line(),
            column: error.column(),
        }
    }
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use serde_json::error::Category;
        let what = match self.category {
            Category::Io => "could not be read",
            Category::Syntax => "is not JSON",
            Category::Data => "lacks a field or has one of a wrong type",
            Category::Eof => "ends too early",
        };
        write!(
            f,
            "the text {what} at line {}, column {}",
            self.line, self.column
        )
    }
}

impl std::error::Error for JsonFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_in_json_never_repeats_the_value() {
        let error = serde_json::from_str::<u8>("\"canary@example.com\"").unwrap_err();
        assert!(error.to_string().contains("canary"));
        let fault = JsonFault::from(error);
        assert_eq!(
            fault.to_string(),
            "the text lacks a field or has one of a wrong type at line 1, column 20"
        );
        assert!(!format!("{fault:?}").contains("canary"));
    }
}
