//! The files of `web/demo`, held by the binary: it runs from any folder and on a host without a source tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use shoptrail_edge::etag::is_known;

use super::Shop;

/// The page that all the shop's paths answer with.
pub(super) const SHELL: &str = "shop.html";
/// What the shop sells.
pub(super) const CATALOGUE: &str = "catalogue.json";
/// By their paths in `web/demo`; the build script lists them.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/demo_files.rs"));
/// A browser asks each time whether a file is still the same: whoever builds anew sees it at once.
const CACHING: &str = "no-cache";

/// A file as it is served.
#[derive(Debug)]
struct Asset {
    content: &'static [u8],
    content_type: &'static str,
    etag: String,
}

/// The files by their paths.
#[derive(Debug)]
pub(super) struct Assets(BTreeMap<&'static str, Asset>);

impl Assets {
    pub(super) fn embedded() -> Self {
        let assets = FILES.iter().map(|&(name, content)| {
            let asset = Asset {
                content,
                content_type: content_type(name),
                etag: etag(content),
            };
            (name, asset)
        });
        Self(assets.collect())
    }

    pub(super) fn content(&self, name: &str) -> Option<&'static [u8]> {
        self.0.get(name).map(|asset| asset.content)
    }
}

/// `GET /demo/assets/{file}`. A file is found by its whole name or not at all: no path is ever put together.
pub(super) async fn asset(
    State(shop): State<Arc<Shop>>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    let name = path.as_ref().map_or("", |Path(name)| name.as_str());
    let Some(asset) = shop.assets.0.get(name).filter(|_| name != SHELL) else {
        return (StatusCode::NOT_FOUND, "There is no such file\n").into_response();
    };
    let fresh = [(ETAG, asset.etag.as_str()), (CACHE_CONTROL, CACHING)];
    if is_known(&headers, &asset.etag) {
        // The file's length: the router would say 0 of an answer without a body.
        let length = [(CONTENT_LENGTH, asset.content.len())];
        return (StatusCode::NOT_MODIFIED, fresh, length).into_response();
    }
    (fresh, [(CONTENT_TYPE, asset.content_type)], asset.content).into_response()
}

fn etag(content: &[u8]) -> String {
    // Half of it tells versions of a file apart.
    format!("\"{}\"", hex::encode(&Sha256::digest(content)[..16]))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_type_that_browsers_know() {
        for (name, asset) in &Assets::embedded().0 {
            assert_ne!(asset.content_type, "application/octet-stream", "{name}");
        }
    }
}
