//! Who may call: the credential of a request, what its route asks for, and the stores that it opens.

mod api_keys;
mod shopify;

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::{HeaderMap, Uri};
use sha2::{Digest, Sha256};
use shoptrail_domain::access::Stores;
use shoptrail_domain::identifier::ExternalId;
use shoptrail_domain::{StoreName, Timestamp};
use subtle::ConstantTimeEq;

pub(crate) use self::api_keys::ApiKeys;
use crate::config::{PublicIngest, TrustConfig};
use crate::routes::{Access, Route};
use crate::{ApiError, App};

/// On whose behalf a request comes.
#[derive(Debug, Clone)]
pub enum Principal {
    /// Nobody says: a route that anyone may call.
    Public,
    /// Whoever holds an API key.
    Key {
        /// Names the key; `None` is the development key, which is not limited.
        id: Option<Arc<str>>,
        /// The stores that it may touch.
        stores: Stores,
    },
    /// A shopper, through Shopify's app proxy.
    AppProxy(SignedQuery),
    /// Shopify itself.
    Shopify,
}

/// What Shopify's app proxy vouches for.
#[derive(Debug, Clone)]
pub struct SignedQuery {
    /// The store.
    pub shop: StoreName,
    /// The customer who is logged in.
    pub customer_id: Option<ExternalId>,
    /// [`Self::shop`] as what the request may touch.
    stores: Stores,
}

impl Principal {
    /// The stores that the request may touch.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        match self {
            Self::Public | Self::Shopify => &Stores::All,
            Self::Key { stores, .. } => stores,
            Self::AppProxy(query) => &query.stores,
        }
    }

    /// What Shopify's app proxy vouches for, where the request came through it.
    #[must_use]
    pub fn signed_query(&self) -> Option<&SignedQuery> {
        match self {
            Self::AppProxy(query) => Some(query),
            _ => None,
        }
    }
}

/// The parts of a request that tell who calls.
pub(crate) struct Presented<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) uri: &'a Uri,
    pub(crate) body: &'a [u8],
}

/// Lets a request pass and says on whose behalf it comes, or says why not.
pub(crate) async fn authorize(
    app: &App,
    route: &Route,
    presented: Presented<'_>,
    now: Timestamp,
) -> Result<Principal, ApiError> {
    let Presented { headers, uri, body } = presented;
    let secret = app.config.trust.shopify_api_secret.as_ref();
    let needed = match route.access {
        Access::Anyone => return Ok(Principal::Public),
        Access::Webhook => {
            return if shopify::is_webhook_signed(secret, headers, body) {
                Ok(Principal::Shopify)
            } else {
                Err(ApiError::Unauthorized)
            };
        }
        Access::Tracker | Access::Storefront | Access::Key(_) => route.access.scope(),
    };
    // A credential that is present but wrong is refused, also where none is needed, and also beside a right one.
    let signed = match uri.query().filter(|query| shopify::has_signature(query)) {
        Some(query) => {
            Some(shopify::verify_query(secret, query, now).ok_or(ApiError::Unauthorized)?)
        }
        None => None,
    };
    let key = match presented_key(headers) {
        Some(key) => Some(verify_key(app, key, now).await?),
        None => None,
    };
    let is_storefront = !matches!(route.access, Access::Key(_));
    if let (Some(query), true) = (signed, is_storefront) {
        return Ok(Principal::AppProxy(query));
    }
    match key {
        Some(key) if needed.is_none_or(|scope| key.scopes.contains(&scope)) => Ok(Principal::Key {
            id: key.id,
            stores: key.stores,
        }),
        Some(_) => Err(ApiError::Forbidden("This key does not have the scope")),
        None if is_public(&app.config.trust, route) => {
            check_origin(&app.config.trust, headers).map(|()| Principal::Public)
        }
        None => Err(ApiError::Unauthorized),
    }
}

fn is_public(config: &TrustConfig, route: &Route) -> bool {
    match route.access {
        Access::Tracker => config.public_ingest != PublicIngest::None,
        Access::Storefront => config.public_ingest == PublicIngest::All,
        Access::Anyone | Access::Key(_) | Access::Webhook => false,
    }
}

fn check_origin(config: &TrustConfig, headers: &HeaderMap) -> Result<(), ApiError> {
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

async fn verify_key(
    app: &App,
    presented: &[u8],
    now: Timestamp,
) -> Result<api_keys::VerifiedKey, ApiError> {
    let dev_key = app.config.trust.dev_api_key.as_ref();
    if dev_key.is_some_and(|known| is_same(presented, known.expose().as_bytes())) {
        return Ok(api_keys::VerifiedKey::of_development());
    }
    app.api_keys
        .verify(&app.store, presented, now)
        .await?
        .ok_or(ApiError::Unauthorized)
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
fn is_same(presented: &[u8], known: &[u8]) -> bool {
    Sha256::digest(presented)
        .ct_eq(&Sha256::digest(known))
        .into()
}

/// Whom a request is counted for: the address of the connection, as the gateway itself saw it. Through Shopify's app
/// proxy that is one of Shopify's, and the shopper's is the one that stands left of it in `X-Forwarded-For`: Shopify
/// wrote it, behind whatever the shopper had put there.
pub(crate) fn limited_address(
    principal: &Principal,
    headers: &HeaderMap,
    source_ip: Option<IpAddr>,
) -> Option<IpAddr> {
    if principal.signed_query().is_none() {
        return source_ip;
    }
    let mut list = crate::address::forwarded_for(headers).rev();
    let appended = list.next().flatten().map(|address| address.to_canonical());
    if appended.is_none() || appended != source_ip.map(|address| address.to_canonical()) {
        return source_ip;
    }
    list.next().flatten().or(source_ip)
}
