//! A customer's e-mail address.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Reason;
use crate::limits::{EMAIL_CHARS, EMAIL_LOCAL_CHARS};
use crate::wire::Scalar;

/// An e-mail address in lower case. Prints as `j***@example.com`: the whole is had by
/// [`Email::as_str`] alone, so that it does not get into a log by accident.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// Takes `local@domain.tld`: a dot-atom (RFC 5322, 3.2.3, with the letters of RFC 6531) before
    /// the sign and a domain of two labels or more behind it. Quoted locals and address literals are
    /// valid mail, but no shop's checkout takes them.
    ///
    /// # Errors
    ///
    /// [`Reason::NotAnEmail`] or [`Reason::TooLong`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim().to_ascii_lowercase();
        if text.chars().count() > EMAIL_CHARS {
            return Err(Reason::TooLong { max: EMAIL_CHARS });
        }
        let (local, domain) = text.rsplit_once('@').ok_or(Reason::NotAnEmail)?;
        let local_is_valid =
            local.chars().count() <= EMAIL_LOCAL_CHARS && local.split('.').all(is_atom);
        let labels = domain.split('.').count();
        if local_is_valid && labels >= 2 && domain.split('.').all(is_label) {
            Ok(Self(text))
        } else {
            Err(Reason::NotAnEmail)
        }
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn parse_optional(value: &Scalar) -> Result<Option<Self>, Reason> {
        value.text()?.map(Self::parse).transpose()
    }
}

fn is_atom(atom: &str) -> bool {
    !atom.is_empty()
        && atom
            .chars()
            .all(|c| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c))
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|c| c.is_alphanumeric() || c == '-')
}

/// The text with every address in it, written plainly or for a URL, as `j***@example.com`: for what has to
/// be named to the client although it may hold a person's address.
pub(crate) fn mask_addresses(text: &str) -> String {
    let is_local = |c: char| c.is_alphanumeric() || ".!#$%&'*+=?^_`{|}~-".contains(c);
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, sign)) = ["@", "%40"]
        .iter()
        .filter_map(|sign| Some((rest.find(sign)?, *sign)))
        .min()
    {
        // What stands right before the sign, as far back as an address may reach.
        let local = rest[..at]
            .rfind(|c| !is_local(c) || "?&=".contains(c))
            .map_or(0, |end| {
                end + rest[end..].chars().next().map_or(0, char::len_utf8)
            });
        masked.push_str(&rest[..local]);
        masked.extend(rest[local..at].chars().next());
        if local < at {
            masked.push_str("***");
        }
        masked.push_str(sign);
        rest = &rest[at + sign.len()..];
    }
    masked + rest
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_addresses(&self.0))
    }
}

impl TryFrom<String> for Email {
    type Error = Reason;
    fn try_from(text: String) -> Result<Self, Reason> {
        Self::parse(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_in_lower_case() {
        for text in [
            "jane@example.com",
            " Jane.Doe+tag@Example.CO.UK ",
            "o'neil@example.com",
            "жанна@example.com",
            "a@xn--bcher-kva.example",
        ] {
            assert_eq!(
                Email::parse(text).map(String::from),
                Ok(text.trim().to_ascii_lowercase()),
                "{text}"
            );
        }
        assert_eq!(
            format!("{:?}", Email::parse("jane@example.com")),
            "Ok(j***@example.com)"
        );
    }

    #[test]
    fn addresses_within_a_text_are_masked() {
        for (text, masked) in [
            (
                "/account?email=jane.doe@example.com&x=1",
                "/account?email=j***@example.com&x=1",
            ),
            ("/a/jane%40example.com", "/a/j***%40example.com"),
            (
                "jane@example.com, Älla@example.com",
                "j***@example.com, Ä***@example.com",
            ),
            ("/@handle @", "/@handle @"),
            ("/products/x", "/products/x"),
        ] {
            assert_eq!(mask_addresses(text), masked);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "jane",
            "@example.com",
            "jane@",
            "jane@example",
            "ja ne@example.com",
            "jane@exa mple.com",
            "jane@@example.com",
            ".jane@example.com",
            "jane.@example.com",
            "ja..ne@example.com",
            "jane@.example.com",
            "jane@example..com",
            "jane@-example.com",
            "jane@example-.com",
            "jane@example.com.",
            "jane\0@example.com",
            "<jane@example.com>",
            "\"jane\"@example.com",
            "jane@[127.0.0.1]",
        ] {
            assert_eq!(Email::parse(text), Err(Reason::NotAnEmail), "{text}");
        }
        assert_eq!(
            Email::parse(&format!("{}@example.com", "a".repeat(65))),
            Err(Reason::NotAnEmail)
        );
        assert_eq!(
            Email::parse(&format!("a@{}.com", "a.".repeat(200))),
            Err(Reason::TooLong { max: 254 })
        );
    }
}
