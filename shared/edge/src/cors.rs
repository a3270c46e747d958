//! Which origins may call from a browser, and the headers that tell the browser so.

use std::str::FromStr;

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use axum::http::{HeaderMap, HeaderValue};

/// A list of origins: exact ones, and such with one `*` for a subdomain of any depth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Any,
    Exact(String),
    /// `https://*.myshopify.com` as its two sides.
    Subdomain {
        scheme: String,
        domain: String,
    },
}

impl Origins {
    /// Every origin.
    #[must_use]
    pub fn any() -> Self {
        Self(vec![Pattern::Any])
    }

    /// No origin.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Whether `origin`, as a browser sends it, is on the list.
    #[must_use]
    pub fn allow(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        self.0.iter().any(|pattern| match pattern {
            Pattern::Any => true,
            Pattern::Exact(allowed) => origin == *allowed,
            Pattern::Subdomain { scheme, domain } => origin
                .strip_prefix(scheme.as_str())
                .and_then(|host| host.strip_suffix(domain.as_str()))
                .is_some_and(|label| {
                    !label.is_empty()
                        && label
                            .bytes()
                            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
                }),
        })
    }

    /// Lets the browser at `origin` read the answer, if it is on the list. An origin is echoed only when it
    /// is listed, and credentials are never allowed: no route uses cookies.
    pub(crate) fn allow_reading(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let any = self.0.contains(&Pattern::Any);
        if !any {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) =
            origin.filter(|origin| origin.to_str().is_ok_and(|origin| self.allow(origin)))
        else {
            return;
        };
        let allowed = if any {
            HeaderValue::from_static("*")
        } else {
            origin.clone()
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Retry-After, X-Next-Cursor, X-Request-Id"),
        );
    }
}

/// The answer to a preflight for a path with these methods.
pub(crate) fn preflight_headers(methods: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(methods) = HeaderValue::from_str(methods) {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type, Idempotency-Key, X-Api-Key"),
    );
    // Two hours are the most that Chromium takes.
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    headers
}

impl FromStr for Origins {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let origins = text
            .split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty());
        origins.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Pattern {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let text = text.to_ascii_lowercase();
        let text = text.strip_suffix('/').unwrap_or(&text);
        let (scheme, host) = text.split_once("://").ok_or(())?;
        let is_host = |host: &str| {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b))
        };
        if scheme != "http" && scheme != "https" {
            return Err(());
        }
        match host.strip_prefix("*.") {
            Some(domain) if is_host(domain) => Ok(Self::Subdomain {
                scheme: format!("{scheme}://"),
                domain: format!(".{domain}"),
            }),
            None if is_host(host) => Ok(Self::Exact(format!("{scheme}://{host}"))),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact_or_subdomains() {
        let origins: Origins =
            "https://shop.example.com/, https://*.myshopify.com ,http://127.0.0.1:3000"
                .parse()
                .unwrap();
        for origin in [
            "https://shop.example.com",
            "HTTPS://Shop.Example.com",
            "https://my-store.myshopify.com",
            "http://127.0.0.1:3000",
        ] {
            assert!(origins.allow(origin), "{origin}");
        }
        for origin in [
            "http://shop.example.com",
            "https://shop.example.com.evil.example",
            "https://shop.example.com:8443",
            "https://myshopify.com",
            "https://.myshopify.com",
            "https://evil.example/.myshopify.com",
            "https://evil.example#.myshopify.com",
            "https://evilmyshopify.com",
            "http://my-store.myshopify.com",
            "null",
            "",
        ] {
            assert!(!origins.allow(origin), "{origin}");
        }
        for text in [
            "shop.example.com",
            "ftp://x",
            "https://",
            "https://*",
            "https://*.",
            "https://a.*.b",
            "https://a b",
        ] {
            assert!(text.parse::<Origins>().is_err(), "{text}");
        }
    }
}
