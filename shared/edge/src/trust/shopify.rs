//! Shopify's two signatures: of a query, by its app proxy, and of a body, by its webhooks. Both are HMAC-SHA256 under
//! the app's secret.
//!
//! <https://shopify.dev/docs/apps/build/online-store/app-proxies/authenticate-app-proxies>
//! <https://shopify.dev/docs/apps/build/webhooks/subscribe/https#step-2-validate-the-origin-of-your-webhook-to-ensure-its-coming-from-shopify>

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use shoptrail_domain::access::Stores;
use shoptrail_domain::identifier::ExternalId;
use shoptrail_domain::{StoreName, Timestamp};

use super::SignedQuery;
use crate::config::Secret;

/// How far a signature's time may lie from ours, before or after, in seconds.
const WINDOW_SECONDS: i64 = 90;
/// What may stand in a query once only: with two values it would say two things, and the signature covers both.
const SINGLE: [&str; 4] = ["signature", "shop", "timestamp", "logged_in_customer_id"];

/// Whether a query claims to be signed by Shopify's app proxy.
pub(super) fn has_signature(query: &str) -> bool {
    pairs(query).any(|(name, _)| name == "signature")
}

/// What a signed query vouches for; `None` where its signature does not verify.
///
/// Shopify signs the pairs `name=value`, sorted and set one after the other without a sign between them. So one signed
/// text can be cut into pairs in several ways, and whoever visits a shop chooses a part of that text (though its
/// signature goes from Shopify to us alone). What is read of it is therefore taken in its exact form alone, and a name
/// with `=` in it is none: then no cut but Shopify's own makes sense.
pub(super) fn verify_query(
    secret: Option<&Secret>,
    query: &str,
    now: Timestamp,
) -> Option<SignedQuery> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs(query) {
        values.entry(name).or_default().push(value);
    }
    let is_repeated = |name: &&str| values.get(*name).is_some_and(|values| values.len() > 1);
    if SINGLE.iter().any(is_repeated) || values.keys().any(|name| name.contains('=')) {
        return None;
    }
    let signature = values.remove("signature")?.pop()?;
    values.remove("hmac");
    let mut signed: Vec<String> = values
        .iter()
        .map(|(name, values)| format!("{name}={}", values.join(",")))
        .collect();
    signed.sort_unstable();
    // Lower-case hex, as Shopify writes it: another spelling is another text.
    let signature = Some(signature)
        .filter(|text| !text.bytes().any(|byte| byte.is_ascii_uppercase()))
        .and_then(|text| hex::decode(text).ok())?;
    if !is_signed(secret?, signed.concat().as_bytes(), &signature) {
        return None;
    }

    let single = |name: &str| values.get(name)?.first().map(String::as_str);
    let is_number =
        |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: i64 = single("timestamp").filter(is_number)?.parse().ok()?;
    if seconds.abs_diff(now.as_secs()) > WINDOW_SECONDS.unsigned_abs() {
        return None;
    }
    let shop = single("shop")?;
    // Not what a person may write for a store's name: the name itself.
    let name = StoreName::parse(shop)
        .ok()
        .filter(|name| name.as_str() == shop)?;
    let customer_id = match single("logged_in_customer_id") {
        None | Some("") => None,
        Some(id) => Some(
            Some(id)
                .filter(is_number)
                .and_then(|id| ExternalId::parse(id).ok())?,
        ),
    };
    Some(SignedQuery {
        stores: Stores::one(name.clone()),
        shop: name,
        customer_id,
    })
}

/// Whether a webhook's body is signed: `X-Shopify-Hmac-Sha256` is the base64 of the signature.
pub(super) fn is_webhook_signed(secret: Option<&Secret>, headers: &HeaderMap, body: &[u8]) -> bool {
    let mut signatures = headers.get_all("x-shopify-hmac-sha256").iter();
    let (Some(secret), Some(signature), None) = (secret, signatures.next(), signatures.next())
    else {
        return false;
    };
    STANDARD
        .decode(signature.as_bytes())
        .is_ok_and(|signature| is_signed(secret, body, &signature))
}

/// Compares in constant time.
fn is_signed(secret: &Secret, text: &[u8], signature: &[u8]) -> bool {
    // HMAC takes a key of any length.
    Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .is_ok_and(|hmac| hmac.chain_update(text).verify_slice(signature).is_ok())
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The query of Shopify's published example; its secret is `hush`.
    const PUBLISHED: &str = "extra=1&extra=2&shop=shop-name.myshopify.com&logged_in_customer_id=1\
        &path_prefix=%2Fapps%2Fawesome_reviews&timestamp=1317327555\
        &signature=4c68c8624d737112c91818c11017d24d334b524cb5c2b8ba08daa056f7395ddb";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn verify(query: &str) -> Option<SignedQuery> {
        verify_query(Some(&Secret::new("hush")), query, at(1_317_327_555))
    }

    /// A query with these pairs, signed as Shopify would sign it.
    fn sign(pairs: &[(&str, &str)]) -> String {
        let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in pairs {
            values.entry(name).or_default().push(value);
        }
        let mut texts: Vec<_> = values
            .iter()
            .map(|(name, values)| format!("{name}={}", values.join(",")))
            .collect();
        texts.sort();
        let hmac = Hmac::<Sha256>::new_from_slice(b"hush").unwrap();
        let signature = hmac.chain_update(texts.concat()).finalize().into_bytes();
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .append_pair("signature", &hex::encode(signature))
            .finish()
    }

    #[test]
    fn the_published_example_verifies() {
        let query = verify(PUBLISHED).unwrap();
        assert_eq!(query.shop.as_str(), "shop-name.myshopify.com");
        assert_eq!(query.customer_id.unwrap().as_str(), "1");
        assert!(has_signature(PUBLISHED));
    }

    #[test]
    fn a_signature_holds_for_90_seconds() {
        let secret = Secret::new("hush");
        for (seconds, holds) in [(-91, false), (-90, true), (90, true), (91, false)] {
            let found = verify_query(Some(&secret), PUBLISHED, at(1_317_327_555 + seconds));
            assert_eq!(found.is_some(), holds, "{seconds}");
        }
        assert!(verify_query(None, PUBLISHED, at(1_317_327_555)).is_none());
        assert!(verify_query(Some(&Secret::new("hash")), PUBLISHED, at(1_317_327_555)).is_none());
    }

    #[test]
    fn a_changed_query_does_not_verify() {
        for (from, to) in [
            ("shop-name", "shop-nome"),
            ("extra=2", "extra=3"),
            ("extra=1&", ""),
            ("timestamp=1317327555", "timestamp=1317327556"),
            ("logged_in_customer_id=1", "logged_in_customer_id=2"),
            ("signature=4", "signature=5"),
            ("signature=4c68c862", "signature=4C68C862"),
            ("5ddb", "5d"),
            ("&path_prefix", "&more=1&path_prefix"),
        ] {
            assert!(PUBLISHED.contains(from));
            assert!(verify(&PUBLISHED.replace(from, to)).is_none(), "{from}");
        }
        // `hmac` is not signed, and where the pairs stand does not count.
        assert!(verify(&format!("hmac=anything&{PUBLISHED}")).is_some());
    }

    #[test]
    fn what_must_be_single_is_refused_twice() {
        let once = [("shop", "a.myshopify.com"), ("timestamp", "1317327555")];
        assert!(verify(&sign(&once)).is_some());
        for twice in [
            ("shop", "a.myshopify.com"),
            ("timestamp", "1317327555"),
            ("signature", "00"),
        ] {
            let query = format!("{}&{}={}", sign(&once), twice.0, twice.1);
            assert!(verify(&query).is_none(), "{}", twice.0);
            let signed = sign(&[once[0], once[1], twice]);
            assert!(verify(&signed).is_none(), "{}", twice.0);
        }
    }

    #[test]
    fn a_signed_text_cannot_be_cut_otherwise() {
        let time = ("timestamp", "1317327555");
        // What a visitor's own parameter puts into the signed text, and how it might be read then.
        let forged = [
            // shop=evil… with the rest as a path behind it.
            sign(&[
                ("a", "1"),
                ("shop", "victim.myshopify.com/shop=own.myshopify.com"),
                time,
            ]),
            sign(&[("shop", "https://victim.myshopify.com"), time]),
            sign(&[("shop", "VICTIM.myshopify.com"), time]),
            sign(&[
                ("logged_in_customer_id", "42logged_in_customer_id="),
                ("shop", "own.myshopify.com"),
                time,
            ]),
            sign(&[
                ("logged_in_customer_id", "42"),
                ("logged_in_customer_id=path_prefix", "/apps/x"),
                ("shop", "own.myshopify.com"),
                time,
            ]),
            sign(&[
                ("shop", "own.myshopify.com"),
                ("timestamp", "9999999999timestamp=1317327555"),
            ]),
            sign(&[("shop", "own.myshopify.com"), ("timestamp", "+1317327555")]),
            sign(&[("shop", "own.myshopify.com")]),
            sign(&[time]),
        ];
        for query in forged {
            assert!(verify(&query).is_none(), "{query}");
        }
    }

    #[test]
    fn a_webhooks_body_is_signed_as_published() {
        let body = br#"{"shop_id":954889,"shop_domain":"jsmith.myshopify.com"}"#;
        let secret = Secret::new("hush");
        let signed = |signature: &str, body: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert("x-shopify-hmac-sha256", signature.parse().unwrap());
            is_webhook_signed(Some(&secret), &headers, body)
        };
        const SIGNATURE: &str = "mf8rm2AdCdmT3NVOPEjMGgIfqm73lt7p7FqqDDvPDQk=";
        assert!(signed(SIGNATURE, body));
        assert!(!signed(SIGNATURE, &body[1..]));
        assert!(!signed("", body));
        assert!(!signed("mf8r", body));
        assert!(!is_webhook_signed(Some(&secret), &HeaderMap::new(), body));
        let mut headers = HeaderMap::new();
        headers.insert("x-shopify-hmac-sha256", SIGNATURE.parse().unwrap());
        assert!(!is_webhook_signed(None, &headers, body));
    }
}
