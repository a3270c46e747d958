//! Cursors: where to go on reading, as clients hand it back. A client can neither read more with one than with the
//! query that it came from, nor make one up, for each is signed together with that query.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shoptrail_domain::{ParseError, Reason};
use shoptrail_storage::Pepper;
use subtle::ConstantTimeEq;

use crate::{ApiError, App};

/// The form of what is inside; cursors of another one are no cursors any more.
const VERSION: u8 = 1;
/// Bytes of the signature, which stands first.
const SIGNATURE_BYTES: usize = 32;
/// Several times what a time and an id take: a longer one need not be decoded.
const MOST_CHARS: usize = 1_024;

/// What a cursor holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<T> {
    v: u8,
    position: T,
}

/// The cursors of one query.
#[derive(Debug)]
pub struct Cursors<'a> {
    pepper: &'a Pepper,
    query: &'a [&'a str],
}

impl<'a> Cursors<'a> {
    /// The cursors of the query that these texts tell from every other one: the name of its route, what it asks for,
    /// and in which order.
    ///
    /// # Errors
    ///
    /// [`ApiError::Internal`] without a pepper. Then no API key verifies either.
    pub fn of(app: &'a App, query: &'a [&'a str]) -> Result<Self, ApiError> {
        let pepper = app.store.pepper();
        let pepper = pepper.ok_or(ApiError::Internal("no pepper to sign cursors with"))?;
        Ok(Self { pepper, query })
    }

    /// The cursor of a position.
    ///
    /// # Errors
    ///
    /// [`ApiError::Internal`] where the position cannot be written as JSON.
    pub fn seal<T: Serialize>(&self, position: &T) -> Result<String, ApiError> {
        let content = Content {
            v: VERSION,
            position,
        };
        let content = serde_json::to_string(&content)
            .map_err(|_| ApiError::Internal("a position that is no JSON"))?;
        let mut bytes = self.signature(&content).to_vec();
        bytes.extend(content.bytes());
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The position of a cursor that this query gave.
    ///
    /// # Errors
    ///
    /// [`Reason::NotACursorOfThisQuery`] of the field `cursor`.
    pub fn open<T: DeserializeOwned>(&self, cursor: &str) -> Result<T, ParseError> {
        self.position(cursor)
            .ok_or_else(|| ParseError::new("cursor", Reason::NotACursorOfThisQuery))
    }

    fn position<T: DeserializeOwned>(&self, cursor: &str) -> Option<T> {
        if cursor.len() > MOST_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (signature, content) = bytes.split_at_checked(SIGNATURE_BYTES)?;
        let content = std::str::from_utf8(content).ok()?;
        if !bool::from(signature.ct_eq(&self.signature(content))) {
            return None;
        }
        let content: Content<T> = serde_json::from_str(content).ok()?;
        (content.v == VERSION).then_some(content.position)
    }

    fn signature(&self, content: &str) -> [u8; SIGNATURE_BYTES] {
        // The first part keeps cursors apart from everything else that is hashed under the pepper.
        let parts: Vec<&str> = ["cursor", content]
            .into_iter()
            .chain(self.query.iter().copied())
            .collect();
        self.pepper.hash(&parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pepper() -> Pepper {
        Pepper::new("a-pepper-for-tests").unwrap()
    }

    #[test]
    fn a_cursor_is_of_its_query_alone() {
        let (pepper, position) = (pepper(), ("2026-11-21".to_owned(), 7));
        let of = |query| Cursors {
            pepper: &pepper,
            query,
        };
        let cursor = of(&["events", "a"]).seal(&position).unwrap();
        assert!(!cursor.contains(['+', '/', '=']), "{cursor}");
        let open = |query| of(query).open::<(String, u32)>(&cursor);
        assert_eq!(open(&["events", "a"]), Ok(position));
        for other in [
            &["events", "b"][..],
            &["export", "a"],
            &["events"],
            &["eventsa"],
        ] {
            let wrong = open(other).unwrap_err();
            assert_eq!(
                (&*wrong.field, wrong.reason),
                ("cursor", Reason::NotACursorOfThisQuery)
            );
        }
    }

    #[test]
    fn a_changed_cursor_is_none() {
        let (pepper, other) = (pepper(), Pepper::new("another-pepper-for-tests").unwrap());
        let of = |pepper| Cursors {
            pepper,
            query: &["events"],
        };
        let cursors = of(&pepper);
        let cursor = cursors.seal(&"position").unwrap();
        let is_open = |cursor: &str| cursors.open::<String>(cursor).is_ok();
        assert!(is_open(&cursor));
        for at in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(!is_open(&String::from_utf8(changed).unwrap()), "{at}");
            assert!(!is_open(&cursor[..at]), "{at}");
        }
        for wrong in [
            "%",
            "ä",
            "=",
            "AAAA",
            &format!("{cursor}="),
            &"A".repeat(10_000),
        ] {
            assert!(!is_open(wrong), "{wrong}");
        }
        assert!(of(&other).open::<String>(&cursor).is_err());
        assert!(
            cursors.open::<u32>(&cursor).is_err(),
            "another kind of position"
        );
    }
}
