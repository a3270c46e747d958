//! What an API key may do: its form, its scopes and the stores that it may touch.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::StoreName;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// See what is stored.
    Read,
    /// Send events.
    Write,
    /// Erase customers.
    Erase,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Erase];

    /// `read`, `write` or `erase`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Erase => "erase",
        }
    }
}

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text.trim())
            .ok_or(NotAScope)
    }
}

/// A text that names no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope is read, write or erase")]
pub struct NotAScope;

/// The stores that a credential may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stores {
    /// Every store, and what is bound to none.
    All,
    /// These alone.
    These(BTreeSet<StoreName>),
}

impl Stores {
    /// One store.
    #[must_use]
    pub fn one(store: StoreName) -> Self {
        Self::These(BTreeSet::from([store]))
    }

    /// Whether `store` is among them.
    #[must_use]
    pub fn contain(&self, store: &StoreName) -> bool {
        match self {
            Self::All => true,
            Self::These(stores) => stores.contains(store),
        }
    }
}

/// An API key: `st_`, its id, and its secret. The id finds the key's record; the whole is what is hashed.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

const PREFIX: &str = "st_";
const ID_CHARS: usize = 16;
const SECRET_CHARS: usize = 64;

impl ApiKey {
    /// A new key from 64 random bits for its id and 256 for its secret.
    #[must_use]
    pub fn new(id: u64, secret: [u128; 2]) -> Self {
        Self(format!(
            "{PREFIX}{id:016x}_{:032x}{:032x}",
            secret[0], secret[1]
        ))
    }

    /// Takes a key as a request presents it; `None` where it cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_hex = |text: &str| {
            text.bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_key =
            id.len() == ID_CHARS && secret.len() == SECRET_CHARS && is_hex(id) && is_hex(secret);
        is_key.then(|| Self(text.to_owned()))
    }

    /// What names it: no secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0[PREFIX.len()..PREFIX.len() + ID_CHARS]
    }

    /// The whole key: a secret.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_id_and_prints_nothing_else() {
        let key = ApiKey::new(0x1234, [7, 8]);
        assert_eq!(ApiKey::parse(key.expose()), Some(key.clone()));
        assert_eq!(key.id(), "0000000000001234");
        assert_eq!(format!("{key:?}"), "ApiKey(0000000000001234)");
        for wrong in [
            "",
            "st_",
            "st_1_2",
            &key.expose()[1..],
            &format!("{}0", key.expose()),
            &key.expose().to_uppercase(),
        ] {
            assert_eq!(ApiKey::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn stores_contain_what_they_name() {
        let store = |name| StoreName::parse(name).unwrap();
        let one = Stores::one(store("a"));
        assert!(one.contain(&store("a")) && !one.contain(&store("b")));
        assert!(Stores::All.contain(&store("b")));
    }

    #[test]
    fn scopes_are_named() {
        assert_eq!("erase".parse(), Ok(Scope::Erase));
        assert_eq!("admin".parse::<Scope>(), Err(NotAScope));
    }
}
