//! Whether a client has a file already (RFC 9110, 13.1.2).

use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;

/// Whether the request's `If-None-Match` names this `ETag`, quotes included, by the weak comparison: proxies that
/// compress weaken a tag, which changes nothing for a `GET`.
#[must_use]
pub fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).iter();
    lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_tag_is_known_alone_weak_or_in_a_list() {
        let is_known = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_NONE_MATCH, HeaderValue::from_static(value));
            }
            is_known(&headers, "\"ab12\"")
        };
        for values in [
            &["\"ab12\""][..],
            &["W/\"ab12\""],
            &["\"x\", W/\"y\" ,\"ab12\""],
            &["\"x\"", "\"ab12\""],
            &["*"],
        ] {
            assert!(is_known(values), "{values:?}");
        }
        for values in [
            &[][..],
            &[""],
            &["ab12"],
            &["\"ab12-gzip\""],
            &["w/\"ab12\""],
            &["\"AB12\""],
        ] {
            assert!(!is_known(values), "{values:?}");
        }
    }
}
