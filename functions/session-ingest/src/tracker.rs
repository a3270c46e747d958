//! `GET /tracker.js`, and the same at `TRACKER_PATH`.

use axum::http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE,
    ETAG, VARY,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use shoptrail_edge::etag;

/// One form of the script.
struct Form {
    etag: &'static str,
    encoding: Option<&'static str>,
    content: &'static [u8],
}

/// As it is.
const PLAIN: Form = Form {
    etag: concat!("\"", env!("TRACKER_HASH"), "\""),
    encoding: None,
    content: include_bytes!("../../../web/tracker.js"),
};
/// Compressed by the build script. A strong ETag is of the bytes that are sent, so it has another one.
const GZIP: Form = Form {
    etag: concat!("\"", env!("TRACKER_HASH"), "-gzip\""),
    encoding: Some("gzip"),
    content: include_bytes!(concat!(env!("OUT_DIR"), "/tracker.js.gz")),
};

/// An hour, after which a browser asks whether there is a new one; for a day it need not wait for the answer.
const CACHED: &str = "public, max-age=3600, stale-while-revalidate=86400";
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// The tracker's script, for storefronts.
#[utoipa::path(
    get,
    path = "/tracker.js",
    tag = "Service",
    security(()),
    responses(
        (status = 200, description = "The script; also at `TRACKER_PATH`", content_type = "text/javascript"),
        (status = 304, description = "The `ETag` of `If-None-Match` is still the script's"),
    ),
)]
pub(crate) async fn tracker(headers: HeaderMap) -> Response {
    let form = if accepts_gzip(&headers) { GZIP } else { PLAIN };
    // The same with and without the script, so that a cache can renew what it keeps.
    let about = [
        (ETAG, form.etag),
        (CACHE_CONTROL, CACHED),
        (VARY, ACCEPT_ENCODING.as_str()),
        // Pages of any shop load it, those included that ask for CORS or isolate themselves.
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"),
    ];
    if etag::is_known(&headers, form.etag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let content_type = [(CONTENT_TYPE, "text/javascript; charset=utf-8")];
    let encoding = form.encoding.map(|encoding| [(CONTENT_ENCODING, encoding)]);
    (about, content_type, encoding, form.content).into_response()
}

/// Whether the client takes gzip (RFC 9110, 12.5.3): by its name, or where it is not named, by `*`.
fn accepts_gzip(headers: &HeaderMap) -> bool {
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
        let takes = |values: &[&'static str]| accepts_gzip(&headers(values));
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
