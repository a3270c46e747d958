//! Who may call: the credential of a request, and what its route asks for.

use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::{HeaderMap, Uri};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::ApiError;
use crate::config::{PublicIngest, Secret, TrustConfig};
use crate::routes::{Access, Route};

/// Lets a request pass or says why not.
pub(crate) fn authorize(
    config: &TrustConfig,
    route: &Route,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<(), ApiError> {
    if route.access == Access::Anyone {
        return Ok(());
    }
    // A credential that is present but wrong is refused, also where none is needed.
    if let Some(key) = presented_key(headers) {
        return if config
            .dev_api_key
            .as_ref()
            .is_some_and(|known| is_same(key, known))
        {
            Ok(())
        } else {
            Err(ApiError::Unauthorized)
        };
    }
    if has_signature(uri) {
        // A signature of Shopify's app proxy: without the app's secret none verifies.
        return Err(ApiError::Unauthorized);
    }
    let is_public = match route.access {
        Access::Anyone => true,
        Access::Tracker => config.public_ingest != PublicIngest::None,
        Access::Storefront => config.public_ingest == PublicIngest::All,
        Access::Read => false,
    };
    if !is_public {
        return Err(ApiError::Unauthorized);
    }
    match headers.get(ORIGIN) {
        Some(origin)
            if !origin
                .to_str()
                .is_ok_and(|origin| config.storefront_origins.allow(origin)) =>
        {
            Err(ApiError::Forbidden("This origin is not allowed"))
        }
        // Curl sends none, nor do the workers in which Shopify runs pixels.
        _ => Ok(()),
    }
}

fn presented_key(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes());
    }
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    // Another scheme than `Bearer` is a credential too, and none that verifies.
    Some(match value.split_at_checked("bearer ".len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii(),
        _ => b"",
    })
}

/// Compares in a time that tells nothing, not even the lengths: hashes are compared, not the keys.
fn is_same(presented: &[u8], known: &Secret) -> bool {
    Sha256::digest(presented)
        .ct_eq(&Sha256::digest(known.expose()))
        .into()
}

fn has_signature(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some("signature"))
    })
}
