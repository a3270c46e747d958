//! Why something was not stored, as merchants are told.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why something was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It broke a rule: a whole request, or one event of it.
    Invalid,
    /// There was too much of it.
    RateLimited,
    /// The shopper does not want it.
    NoConsent,
    /// It names somebody who was erased.
    Erased,
    /// It was there already.
    Duplicate,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Invalid,
        Self::RateLimited,
        Self::NoConsent,
        Self::Erased,
        Self::Duplicate,
    ];

    /// The reason's name, on the wire and in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::RateLimited => "rate_limited",
            Self::NoConsent => "no_consent",
            Self::Erased => "erased",
            Self::Duplicate => "duplicate",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
