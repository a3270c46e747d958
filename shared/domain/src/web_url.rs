//! Addresses of products and pictures.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::Reason;
use crate::limits::URL_CHARS;
use crate::wire::Scalar;

/// An absolute `http` or `https` URL, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebUrl(String);

impl WebUrl {
    /// Takes what the URL standard reads as an absolute `http` or `https` URL, without the blanks and
    /// control characters that its readers forgive.
    ///
    /// # Errors
    ///
    /// [`Reason::NotAUrl`] or [`Reason::TooLong`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        if text.chars().count() > URL_CHARS {
            return Err(Reason::TooLong { max: URL_CHARS });
        }
        if text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || c == '\\')
        {
            return Err(Reason::NotAUrl);
        }
        // The standard also reads `http:host` and `https:///host`, which no one means.
        let (scheme, rest) = text.split_once("://").ok_or(Reason::NotAUrl)?;
        let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        if !is_web || rest.starts_with('/') {
            return Err(Reason::NotAUrl);
        }
        Url::parse(text)
            .map(|_| Self(text.to_owned()))
            .map_err(|_| Reason::NotAUrl)
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn parse_optional(value: &Scalar) -> Result<Option<Self>, Reason> {
        value.text()?.map(Self::parse).transpose()
    }
}

impl TryFrom<String> for WebUrl {
    type Error = Reason;
    fn try_from(text: String) -> Result<Self, Reason> {
        Self::parse(&text)
    }
}

impl From<WebUrl> for String {
    fn from(url: WebUrl) -> Self {
        url.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_web_urls_are_kept_as_sent() {
        for text in [
            "https://example.com",
            "HTTP://Example.com/A?b=c#d",
            "https://cdn.example.com/käse.png",
            "http://127.0.0.1:8000/x",
            "https://[::1]/",
        ] {
            assert_eq!(WebUrl::parse(text).map(String::from), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_web_url_is_refused() {
        for text in [
            "example.com",
            "/products/x",
            "//example.com",
            "ftp://example.com",
            "javascript://alert(1)",
            "data:image/png;base64,AA",
            "http:example.com",
            "https:///example.com",
            "https://",
            "https://exa mple.com",
            "https://example.com/a\nb",
            "https:\\\\example.com",
            "https://example.com:99999/",
        ] {
            assert_eq!(WebUrl::parse(text), Err(Reason::NotAUrl), "{text}");
        }
        let long = format!("https://example.com/{}", "a".repeat(4_077));
        assert_eq!(WebUrl::parse(&long), Err(Reason::TooLong { max: 4_096 }));
        assert!(WebUrl::parse(&long[..4_096]).is_ok());
    }
}
