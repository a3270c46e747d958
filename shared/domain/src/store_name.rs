//! The shop that an event belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Reason;
use crate::limits::STORE_NAME_CHARS;
use crate::wire::Scalar;

const SUFFIX: &str = ".myshopify.com";
const ADMIN: &str = "admin.shopify.com/store/";

/// A Shopify store's permanent domain: `^[a-z0-9][a-z0-9-]*\.myshopify\.com$`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StoreName(String);

impl StoreName {
    /// Takes a store as people and scripts write it: with scheme, path or query, in any case, by its
    /// bare name or by its address in Shopify's admin.
    ///
    /// # Errors
    ///
    /// [`Reason::Required`], [`Reason::TooLong`] or [`Reason::NotAStore`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return Err(Reason::Required);
        }
        let text = text
            .split_once("://")
            .map_or(text.as_str(), |(_, rest)| rest);
        let text = text.strip_prefix(ADMIN).unwrap_or(text);
        let host = text
            .split(['/', '?', '#'])
            .next()
            .unwrap_or_default()
            .trim_end_matches('.');
        let name = host.strip_suffix(SUFFIX).unwrap_or(host);
        // Only then: a long path must not make a store's name too long.
        if name.len() + SUFFIX.len() > STORE_NAME_CHARS {
            return Err(Reason::TooLong {
                max: STORE_NAME_CHARS,
            });
        }
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let valid = name.bytes().next().is_some_and(alphanumeric)
            && name.bytes().all(|byte| alphanumeric(byte) || byte == b'-');
        if valid {
            Ok(Self(format!("{name}{SUFFIX}")))
        } else {
            Err(Reason::NotAStore)
        }
    }

    /// The domain.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn parse_optional(value: &Scalar) -> Result<Option<Self>, Reason> {
        value.text()?.map(Self::parse).transpose()
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for StoreName {
    type Error = Reason;
    fn try_from(text: String) -> Result<Self, Reason> {
        Self::parse(&text)
    }
}

impl From<StoreName> for String {
    fn from(name: StoreName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_way_of_writing_a_store_is_one_store() {
        for text in [
            "my-store.myshopify.com",
            " My-Store.MyShopify.com ",
            "https://my-store.myshopify.com",
            "https://my-store.myshopify.com/",
            "http://my-store.myshopify.com/products/x?y=z#top",
            "my-store.myshopify.com.",
            "my-store.myshopify.com?x=1",
            "my-store",
            "my-store/",
            "https://admin.shopify.com/store/my-store",
            "admin.shopify.com/store/my-store/products?x=1",
        ] {
            assert_eq!(
                StoreName::parse(text).map(String::from),
                Ok("my-store.myshopify.com".into()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_store_is_refused() {
        for text in [
            "shop.example.com",
            "-shop",
            "my_store",
            "my store",
            ".myshopify.com",
            "myshopify.com",
            "a.b.myshopify.com",
            "user@my-store.myshopify.com",
            "my-store.myshopify.com:443",
            "my-store.myshopify.com.evil.example",
            "https://",
            "käse",
            "my-store\0",
            "admin.shopify.com/store/",
        ] {
            assert_eq!(StoreName::parse(text), Err(Reason::NotAStore), "{text}");
        }
        assert_eq!(StoreName::parse("  "), Err(Reason::Required));
        assert_eq!(
            StoreName::parse(&"a".repeat(242)),
            Err(Reason::TooLong { max: 255 })
        );
        assert_eq!(
            StoreName::parse(&"a".repeat(241)).map(|name| name.0.len()),
            Ok(255)
        );
    }

    proptest! {
        #[test]
        fn parsing_is_idempotent_and_never_panics(text in "\\PC*|[a-zA-Z0-9./:?-]{0,40}") {
            if let Ok(name) = StoreName::parse(&text) {
                prop_assert_eq!(StoreName::parse(name.as_str()), Ok(name.clone()));
                prop_assert!(name.as_str().len() <= STORE_NAME_CHARS);
            }
        }
    }
}
