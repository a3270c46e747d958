//! A tracker's session id.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Reason;
use crate::limits::SESSION_ID_CHARS;

/// A session id: 1 to 128 characters of `[A-Za-z0-9_.:-]`, and not what scripts send when they have none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(String);

const PLACEHOLDERS: [&str; 4] = [
    "null",
    "undefined",
    "[object object]",
    "00000000-0000-0000-0000-000000000000",
];

impl SessionId {
    /// Takes a session id.
    ///
    /// # Errors
    ///
    /// [`Reason::Required`], [`Reason::Placeholder`], [`Reason::TooLong`] or [`Reason::NotASessionId`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Reason::Required);
        }
        if PLACEHOLDERS
            .iter()
            .any(|placeholder| text.eq_ignore_ascii_case(placeholder))
        {
            return Err(Reason::Placeholder);
        }
        if text.chars().count() > SESSION_ID_CHARS {
            return Err(Reason::TooLong {
                max: SESSION_ID_CHARS,
            });
        }
        if text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(Reason::NotASessionId)
        }
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_is_a_plain_word() {
        assert!(SessionId::parse("af4bac4d-077a-4756-91d0-fa2570fd206f").is_ok());
        assert!(SessionId::parse(" a:b.c_d-1 ").is_ok());
        assert_eq!(SessionId::parse(" "), Err(Reason::Required));
        for text in [
            "null",
            "Undefined",
            "[object Object]",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(SessionId::parse(text), Err(Reason::Placeholder), "{text}");
        }
        for text in ["a b", "a/b", "ä", "a\0b", "a@b"] {
            assert_eq!(SessionId::parse(text), Err(Reason::NotASessionId), "{text}");
        }
        assert_eq!(
            SessionId::parse(&"a".repeat(129)),
            Err(Reason::TooLong { max: 128 })
        );
    }
}
