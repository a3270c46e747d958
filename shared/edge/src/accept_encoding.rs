//! Which encodings of a file a client takes (RFC 9110, 12.5.3).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;

/// Whether the client takes gzip: by its name, or where it is not named, by `*`.
#[must_use]
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    let (mut named, mut any) = (None, false);
    for item in items(headers) {
        let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
        let accepted = !is_zero(parameters);
        match coding.trim() {
            "*" => any = accepted,
            coding if coding.eq_ignore_ascii_case("gzip") => named = Some(accepted),
            _ => {}
        }
    }
    named.unwrap_or(any)
}

/// Whether the parameters are a `q` of 0, which refuses.
fn is_zero(parameters: &str) -> bool {
    parameters.split(';').any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        name.trim().eq_ignore_ascii_case("q") && value.trim().parse() == Ok(0.0)
    })
}

/// The members of the lists of `Accept-Encoding`.
fn items(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lists = headers.get_all(ACCEPT_ENCODING).into_iter();
    lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_ENCODING, axum::http::HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        let takes = |values: &[&'static str]| takes_gzip(&headers(values));
        for values in [
            &["gzip"][..],
            &["gzip, deflate, br, zstd"],
            &["br;q=1.0, GZIP ; q=0.5"],
            &["br", "gzip"],
            &["*"],
            &["identity, *;q=0.1"],
            &["gzip;q=0.001"],
            &["*;q=0, gzip"],
        ] {
            assert!(takes(values), "{values:?}");
        }
        for values in [
            &[][..],
            &[""],
            &["identity"],
            &["br, deflate"],
            &["gzip;q=0"],
            &["gzip; Q=0.000, br"],
            &["*, gzip;q=0"],
            &["gzip;q=0, *"],
            &["*;q=0"],
            &["xgzip"],
        ] {
            assert!(!takes(values), "{values:?}");
        }
    }
}
