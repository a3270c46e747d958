//! The cart's routes, as Shopify's Ajax API has them: <https://shopify.dev/docs/api/ajax/reference/cart>.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::header::{ACCEPT, CACHE_CONTROL, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::cart::{Cart, key};
use super::cart_error::CartError;
use super::{Shop, body};

/// Where a form leads that says nothing else.
const CART_PAGE: &str = "/demo/cart";
/// What a `return_to` may hold.
const RETURN_TO_BYTES: usize = 1_024;

/// `GET /cart.js`.
pub(super) async fn cart(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Response {
    let cart = Cart::of(&headers, &shop.catalogue);
    let no_store = [(CACHE_CONTROL, "no-store")];
    (no_store, Json(cart.to_json(&shop.catalogue))).into_response()
}

/// `POST /cart/add.js`: `{ id, quantity }` answers the line, `{ items: [ … ] }` the lines. All are added, or none.
pub(super) async fn add(
    State(shop): State<Arc<Shop>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, CartError> {
    let fields = body::read(&headers, body)?;
    let mut cart = Cart::of(&headers, &shop.catalogue);
    let mut put = |wanted: &Map<String, Value>| {
        let variant_id = wanted.get("id").ok_or(CartError::Parameter("id"))?;
        let variant_id = parse_variant(variant_id).ok_or(CartError::UnknownVariant)?;
        let quantity = wanted.get("quantity").map_or(Some(1), parse_number);
        let quantity = quantity.filter(|quantity| *quantity > 0);
        let quantity = quantity.ok_or(CartError::Parameter("quantity"))?;
        let sum = cart.quantity(variant_id).saturating_add(quantity);
        cart.set(&shop.catalogue, variant_id, sum)?;
        Ok(variant_id)
    };
    let added = match fields.get("items") {
        None => {
            let variant_id = put(&fields)?;
            cart.item_json(&shop.catalogue, variant_id)
        }
        Some(items) => {
            let items = list(items).ok_or(CartError::Parameter("items"))?;
            let put = |item: &Value| put(item.as_object().ok_or(CartError::Parameter("items"))?);
            let ids = items.into_iter().map(put).collect::<Result<Vec<_>, _>>()?;
            let lines = ids.iter().map(|id| cart.item_json(&shop.catalogue, *id));
            json!({ "items": lines.collect::<Vec<_>>() })
        }
    };
    Ok(answer(&cart, added, &uri, &headers, &fields))
}

/// `POST /cart/change.js`: one line, by its variant's id, its key or its place, gets another quantity.
pub(super) async fn change(
    State(shop): State<Arc<Shop>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, CartError> {
    let fields = body::read(&headers, body)?;
    let mut cart = Cart::of(&headers, &shop.catalogue);
    let variant_id = match (fields.get("id"), fields.get("line")) {
        (Some(id), _) => parse_variant(id).filter(|id| cart.quantity(*id) > 0),
        (None, Some(line)) => {
            parse_number(line).and_then(|line| cart.variant_of_line(line as usize))
        }
        (None, None) => None,
    };
    let variant_id = variant_id.ok_or(CartError::NoSuchLine)?;
    let quantity = fields.get("quantity").and_then(parse_number);
    let quantity = quantity.ok_or(CartError::Parameter("quantity"))?;
    cart.set(&shop.catalogue, variant_id, quantity)?;
    Ok(whole(&shop, &cart, &uri, &headers, &fields))
}

/// `POST /cart/update.js`: `updates` are quantities by variant or key, of what is not in the cart yet as well, or a
/// list of them in the order of the lines. All are made, or none.
pub(super) async fn update(
    State(shop): State<Arc<Shop>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, CartError> {
    let fields = body::read(&headers, body)?;
    let before = Cart::of(&headers, &shop.catalogue);
    let mut cart = before.clone();
    let invalid = || CartError::Parameter("updates");
    let updates: Vec<(Option<u64>, &Value)> = match fields.get("updates") {
        // A note or attributes alone.
        None => Vec::new(),
        Some(Value::Array(quantities)) => {
            let lines = quantities.iter().enumerate();
            lines
                .map(|(place, quantity)| (before.variant_of_line(place + 1), quantity))
                .collect()
        }
        Some(Value::Object(quantities)) => {
            let variants = quantities.iter();
            variants
                .map(|(id, quantity)| (variant_of_key(id), quantity))
                .collect()
        }
        Some(_) => return Err(invalid()),
    };
    for (variant_id, quantity) in updates {
        let variant_id = variant_id.ok_or(CartError::UnknownVariant)?;
        let quantity = parse_number(quantity).ok_or_else(invalid)?;
        cart.set(&shop.catalogue, variant_id, quantity)?;
    }
    Ok(whole(&shop, &cart, &uri, &headers, &fields))
}

/// `POST /cart/clear.js`.
pub(super) async fn clear(State(shop): State<Arc<Shop>>, uri: Uri, headers: HeaderMap) -> Response {
    whole(&shop, &Cart::default(), &uri, &headers, &Map::new())
}

fn whole(
    shop: &Shop,
    cart: &Cart,
    uri: &Uri,
    headers: &HeaderMap,
    fields: &Map<String, Value>,
) -> Response {
    answer(cart, cart.to_json(&shop.catalogue), uri, headers, fields)
}

/// A script gets JSON; a form without a script leads to the next page.
fn answer(
    cart: &Cart,
    json: Value,
    uri: &Uri,
    headers: &HeaderMap,
    fields: &Map<String, Value>,
) -> Response {
    let kept = [
        (SET_COOKIE, cart.cookie()),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    if is_script(uri, headers) {
        return (kept, Json(json)).into_response();
    }
    let wanted = fields.get("return_to").and_then(Value::as_str);
    let location = wanted.filter(|path| is_own_page(path)).unwrap_or(CART_PAGE);
    (StatusCode::FOUND, kept, [(LOCATION, location)]).into_response()
}

/// Shopify tells scripts by the `.js`, or by what they say that they take.
fn is_script(uri: &Uri, headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let takes = |kind| accept.is_some_and(|accept| accept.contains(kind));
    uri.path().ends_with(".js")
        || body::is_json(headers)
        || headers.contains_key("x-requested-with")
        || takes("json")
        || takes("javascript")
}

/// Whether it is safe to be led there: a path below `/demo/`, which no browser reads as another host or climbs out of.
fn is_own_page(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>".contains(&byte);
    let before_query = path.split(['?', '#']).next().unwrap_or_default();
    let dots = ["..", ".%2e", "%2e.", "%2e%2e"];
    path.starts_with("/demo/")
        && path.len() <= RETURN_TO_BYTES
        && path.bytes().all(plain)
        && !before_query
            .split('/')
            .any(|segment| dots.contains(&segment.to_ascii_lowercase().as_str()))
}

/// Scripts send numbers, forms send texts.
fn parse_number(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => u32::try_from(number.as_u64()?).ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A variant by its id or by the key of its line.
fn parse_variant(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => variant_of_key(text),
        _ => None,
    }
}

fn variant_of_key(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.split_once(':') {
        None => text.parse().ok(),
        Some((id, _)) => id.parse().ok().filter(|id| text == key(*id)),
    }
}

/// A list, which in a form is one of numbered fields: `items[0][id]=…`.
fn list(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Array(items) => Some(items.iter().collect()),
        Value::Object(numbered) => {
            let items = numbered.iter();
            let items = items.map(|(place, item)| Some((place.parse::<u32>().ok()?, item)));
            let mut items = items.collect::<Option<Vec<_>>>()?;
            items.sort_by_key(|(place, _)| *place);
            Some(items.into_iter().map(|(_, item)| item).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_to_pages_of_the_shop_alone() {
        for path in [
            "/demo/",
            "/demo/checkout",
            "/demo/products/hat?variant=1#top",
        ] {
            assert!(is_own_page(path), "{path}");
        }
        for path in [
            "",
            "/demo",
            "/checkout",
            "//evil.example",
            "https://evil.example/demo/",
            "/demo/../ingest",
            "/demo/%2E%2e/ingest",
            "/demo/.%2E",
            "/demo/\\evil.example",
            "/demo/\r\nSet-Cookie: a=b",
            "/demo/ü",
        ] {
            assert!(!is_own_page(path), "{path}");
        }
        assert!(!is_own_page(&format!(
            "/demo/{}",
            "a".repeat(RETURN_TO_BYTES)
        )));
    }
}
