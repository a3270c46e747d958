//! `GET /dashboard`: a page on which merchants see what is collected. It holds no data; what it shows it asks the read
//! routes for, with the key that is typed into it.

use std::io::Read as _;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    REFERRER_POLICY, VARY, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, accept_encoding, etag};

/// A file of the dashboard. The binary holds it compressed alone, since a zip has little room; those few who take no
/// gzip wait a millisecond.
struct File {
    name: &'static str,
    /// Tells this version of the content from any other.
    tag: &'static str,
    gzip: &'static [u8],
}

/// The files of `web/dashboard` and the charts' library; the build script lists them.
const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/dashboard_files.rs"));
/// The page.
const PAGE: &str = "index.html";
/// The charts' library.
const CHARTS: &str = "chart.js";

/// Modules of two versions do not understand each other, so a browser asks each time whether a file is still the same.
const CACHED: &str = "no-cache";
/// The charts' library changes with its own versions alone, and is nine tenths of what is loaded: a day.
const CHARTS_CACHED: &str = "public, max-age=86400";

/// The page runs its own files and nothing else, talks to its own origin alone, and is shown in no other page. No text
/// becomes markup or a script by any way that browsers have.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");

/// The dashboard. The page is open to all; its data needs a key with the scope `read`, which is typed into it.
#[utoipa::path(
    get,
    path = "/dashboard",
    tag = "Service",
    security(()),
    responses(
        (status = 200, description = "A page", body = String, content_type = "text/html", example = "<!DOCTYPE html>…"),
        (status = 304, description = "The `ETag` of `If-None-Match` is still the page's"),
    ),
)]
pub(crate) async fn dashboard(headers: HeaderMap) -> Result<Response, ApiError> {
    let protection = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    ];
    Ok((protection, serve(&headers, PAGE)?).into_response())
}

/// What the dashboard consists of.
#[utoipa::path(
    get,
    path = "/dashboard/{file}",
    tag = "Service",
    params(("file" = String, Path, description = "A file of the page", example = "dashboard.css")),
    security(()),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/css", example = json!("body { … }")),
            (String = "text/javascript", example = json!("import … from …;")),
            (String = "image/svg+xml", example = json!("<svg …>…</svg>")),
        )),
        (status = 304, description = "The `ETag` of `If-None-Match` is still the file's"),
        (status = 404, description = "There is no such file", body = ErrorBody),
    ),
)]
pub(crate) async fn dashboard_file(
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let name = path.as_ref().map_or("", |Path(name)| name.as_str());
    if name == PAGE {
        // Served in one place alone, where its policy is.
        return Err(ApiError::NotFound("There is no such file"));
    }
    serve(&headers, name)
}

/// Answers with a file. It is found by its whole name or not at all: no path is ever put together.
fn serve(headers: &HeaderMap, name: &str) -> Result<Response, ApiError> {
    let file = FILES
        .iter()
        .find(|file| file.name == name)
        .ok_or(ApiError::NotFound("There is no such file"))?;
    let takes_gzip = accept_encoding::takes_gzip(headers);
    // A strong ETag is of the bytes that are sent, so each form has its own.
    let form = if takes_gzip { "-gzip" } else { "" };
    let etag = format!("\"{}{form}\"", file.tag);
    let caching = if name == CHARTS {
        CHARTS_CACHED
    } else {
        CACHED
    };
    // The same with and without the file, so that a cache can renew what it keeps.
    let about = [
        (ETAG, etag.as_str()),
        (CACHE_CONTROL, caching),
        (VARY, ACCEPT_ENCODING.as_str()),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    ];
    if etag::is_known(headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    let content_type = [(CONTENT_TYPE, content_type(name))];
    if takes_gzip {
        let encoding = [(CONTENT_ENCODING, "gzip")];
        return Ok((about, content_type, encoding, file.gzip).into_response());
    }
    Ok((about, content_type, inflate(file.gzip)?).into_response())
}

fn inflate(gzip: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut content = Vec::new();
    GzDecoder::new(gzip)
        .read_to_end(&mut content)
        .map_err(|_| ApiError::Internal("a file of the dashboard is damaged"))?;
    Ok(content)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_type_that_browsers_know() {
        for file in FILES {
            let kind = content_type(file.name);
            assert_ne!(kind, "application/octet-stream", "{}", file.name);
        }
    }

    #[test]
    fn the_page_and_the_charts_are_among_the_files() {
        for wanted in [PAGE, CHARTS] {
            assert!(FILES.iter().any(|file| file.name == wanted), "{wanted}");
        }
    }
}
