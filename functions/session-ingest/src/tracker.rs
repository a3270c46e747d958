//! `GET /tracker.js`, and the same at `TRACKER_PATH`.

use axum::http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE,
    ETAG, VARY,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use shoptrail_edge::{accept_encoding, etag};

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
        (status = 200, description = "The script; also at `TRACKER_PATH`", body = String, content_type = "text/javascript", example = "(()=>{…})();"),
        (status = 304, description = "The `ETag` of `If-None-Match` is still the script's"),
    ),
)]
pub(crate) async fn tracker(headers: HeaderMap) -> Response {
    let form = if accept_encoding::takes_gzip(&headers) {
        GZIP
    } else {
        PLAIN
    };
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
