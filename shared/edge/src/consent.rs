//! Whether a browser objects to being recorded.

use axum::http::HeaderMap;

/// Whether the request carries the signal of Global Privacy Control: `Sec-GPC: 1`.
/// <https://www.w3.org/TR/gpc/>
#[must_use]
pub fn has_opted_out(headers: &HeaderMap) -> bool {
    headers
        .get_all("sec-gpc")
        .iter()
        .any(|value| value.as_bytes().trim_ascii() == b"1")
}
