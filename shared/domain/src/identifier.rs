//! Identifiers: those that clients send and those that the server makes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{EVENT_ID_CHARS, IDENTIFIER_CHARS};
use crate::wire::Scalar;
use crate::{Reason, Timestamp};

/// An id that somebody else assigned: of a product, a variant, a customer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExternalId(String);

impl ExternalId {
    /// Takes an id; `gid://shopify/Product/123` is `123`.
    ///
    /// # Errors
    ///
    /// [`Reason::TooLong`], [`Reason::ControlCharacter`] or [`Reason::NotAGlobalId`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let mut id = plain_id(text.trim())?;
        // A global id's own parameters (`?…`) are no part of the id.
        while let Some(rest) = id.strip_prefix("gid://shopify/") {
            let (_, tail) = rest.split_once('/').ok_or(Reason::NotAGlobalId)?;
            id = tail.split('?').next().unwrap_or_default().trim();
            if id.is_empty() {
                return Err(Reason::NotAGlobalId);
            }
        }
        Ok(Self(id.to_owned()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn parse_optional(value: &Scalar) -> Result<Option<Self>, Reason> {
        match value {
            Scalar::Whole(number) => Ok(Some(Self(number.to_string()))),
            other => other
                .text()
                .map_err(|_| Reason::NotAnIdentifier)?
                .map(Self::parse)
                .transpose(),
        }
    }
}

/// A session as a cart event names it: any text of at most 255 characters, since other widgets keep
/// sessions of their own kind. (Sessions of the tracker are [`crate::session::SessionId`]s.)
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionRef(String);

impl SessionRef {
    /// Takes the session's id as it stands.
    ///
    /// # Errors
    ///
    /// [`Reason::TooLong`] or [`Reason::ControlCharacter`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        plain_id(text.trim()).map(|id| Self(id.to_owned()))
    }

    /// The session's id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn parse_optional(value: &Scalar) -> Result<Option<Self>, Reason> {
        value.text()?.map(Self::parse).transpose()
    }
}

fn plain_id(text: &str) -> Result<&str, Reason> {
    if text.chars().count() > IDENTIFIER_CHARS {
        Err(Reason::TooLong {
            max: IDENTIFIER_CHARS,
        })
    } else if text.chars().any(char::is_control) {
        Err(Reason::ControlCharacter)
    } else {
        Ok(text)
    }
}

/// The client's idempotency key: the same one for the same store is the same event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(String);

impl EventId {
    /// Takes 8 to 64 characters of `[A-Za-z0-9_-]`.
    ///
    /// # Errors
    ///
    /// [`Reason::NotAnEventId`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        let valid = EVENT_ID_CHARS.contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(Reason::NotAnEventId)
        }
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn parse_optional(value: &Scalar) -> Result<Option<Self>, Reason> {
        value.text()?.map(Self::parse).transpose()
    }
}

/// The server's id of an event: `{kind}-{Unix ms, 13 digits}-{7 of [0-9a-z]}`. Sorts by time among its kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(String);

impl RecordId {
    /// The id of a cart event of the time `at`, with a tail drawn from `random`.
    #[must_use]
    pub fn of_cart_event(at: Timestamp, random: u128) -> Self {
        Self::new("cart-event", at, random)
    }

    /// The id of an image generation of the time `at`, with a tail drawn from `random`.
    #[must_use]
    pub fn of_image_generation(at: Timestamp, random: u128) -> Self {
        Self::new("image-generation", at, random)
    }

    fn new(kind: &str, at: Timestamp, random: u128) -> Self {
        const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let mut rest = random;
        let tail: String = std::iter::repeat_with(|| {
            let digit = DIGITS[(rest % 36) as usize];
            rest /= 36;
            char::from(digit)
        })
        .take(7)
        .collect();
        Self(format!("{kind}-{:013}-{tail}", at.as_millis()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_as_text() {
        let id = |value: Scalar| ExternalId::parse_optional(&value).map(|id| id.map(|id| id.0));
        let text = |text: &str| Scalar::Text(text.into());
        assert_eq!(id(Scalar::Whole(123)), Ok(Some("123".into())));
        assert_eq!(id(text(" 123 ")), Ok(Some("123".into())));
        assert_eq!(
            id(text("gid://shopify/Product/123")),
            Ok(Some("123".into()))
        );
        assert_eq!(
            id(text("gid://shopify/ProductVariant/9?inventory_id=1")),
            Ok(Some("9".into()))
        );
        assert_eq!(id(text("  ")), Ok(None));
        assert_eq!(id(Scalar::Absent), Ok(None));
        assert_eq!(id(Scalar::Number(1.0)), Err(Reason::NotAnIdentifier));
        assert_eq!(id(Scalar::Other), Err(Reason::NotAnIdentifier));
        assert_eq!(id(text("a\0b")), Err(Reason::ControlCharacter));
        assert_eq!(
            id(text("gid://shopify/Product/")),
            Err(Reason::NotAGlobalId)
        );
        assert_eq!(id(text("gid://shopify/Product")), Err(Reason::NotAGlobalId));
        assert_eq!(
            id(text(&"1".repeat(256))),
            Err(Reason::TooLong { max: 255 })
        );
    }

    #[test]
    fn server_ids_have_the_contracts_form() {
        let at = Timestamp::from_millis(1_704_067_200_000);
        let id = RecordId::of_cart_event(at, 0);
        assert_eq!(id.as_str(), "cart-event-1704067200000-0000000");
        let id = RecordId::of_image_generation(at, 35);
        assert_eq!(id.as_str(), "image-generation-1704067200000-z000000");
        assert_ne!(
            RecordId::of_cart_event(at, 1),
            RecordId::of_cart_event(at, 2)
        );
    }

    #[test]
    fn idempotency_keys_have_8_to_64_characters() {
        assert!(EventId::parse("abc-DEF_1").is_ok());
        for text in ["1234567", "a b c d e f", "äöüäöüäöü", &"a".repeat(65)] {
            assert_eq!(EventId::parse(text), Err(Reason::NotAnEventId), "{text}");
        }
    }
}
