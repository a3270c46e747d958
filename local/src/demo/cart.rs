//! A cart: variants and how many of each, kept in a cookie, and shown as Shopify's Ajax API shows one:
//! <https://shopify.dev/docs/api/ajax/reference/cart>.
//!
//! Line item properties, notes, attributes and discounts are not kept: the demo shop has none of them.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use serde_json::{Value, json};

use super::cart_error::CartError;
use super::catalogue::{Catalogue, Product, VENDOR, Variant};

/// The cookie that holds it: `variant:quantity` pairs with dots between them.
const COOKIE_NAME: &str = "demo_cart";
/// How long a browser keeps it: two weeks, as Shopify keeps carts.
const COOKIE_SECONDS: u32 = 14 * 24 * 3_600;
/// How many of one variant a cart takes: the shop's whole stock of it. Two digits, which any page has room for.
const MOST_OF_A_VARIANT: u32 = 99;
/// All prices are in it.
const CURRENCY: &str = "EUR";

/// A cart whose variants all exist, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cart {
    /// The one that was added last comes first, as in Shopify's carts.
    lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    variant_id: u64,
    /// 1 to [`MOST_OF_A_VARIANT`].
    quantity: u32,
}

impl Cart {
    /// The cart of a request. The cookie is the client's, who may write anything into it: what is no line of this
    /// shop is passed over, and too many of something become as many as there are.
    pub(super) fn of(headers: &HeaderMap, catalogue: &Catalogue) -> Self {
        let cookies = headers.get_all(COOKIE).iter();
        let kept = cookies
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == COOKIE_NAME);
        let mut cart = Self::default();
        for pair in kept.map_or("", |(_, value)| value).split('.') {
            let Some(line) = Line::parse(pair) else {
                continue;
            };
            if catalogue.variant(line.variant_id).is_some() && cart.quantity(line.variant_id) == 0 {
                cart.lines.push(line);
            }
        }
        cart
    }

    /// The `Set-Cookie` that keeps it. Below the shop alone, and out of reach for scripts. Not `Secure`, since the
    /// gateway speaks plain HTTP.
    pub(super) fn cookie(&self) -> String {
        let pairs = self.lines.iter();
        let pairs = pairs.map(|line| format!("{}:{}", line.variant_id, line.quantity));
        let value = pairs.collect::<Vec<_>>().join(".");
        let seconds = if value.is_empty() { 0 } else { COOKIE_SECONDS };
        format!("{COOKIE_NAME}={value}; Path=/demo; Max-Age={seconds}; HttpOnly; SameSite=Lax")
    }

    /// How many of a variant it holds.
    pub(super) fn quantity(&self, variant_id: u64) -> u32 {
        let mut lines = self.lines.iter();
        lines
            .find(|line| line.variant_id == variant_id)
            .map_or(0, |line| line.quantity)
    }

    /// The variant of a line, counted from 1.
    pub(super) fn variant_of_line(&self, line: usize) -> Option<u64> {
        let line = self.lines.get(line.checked_sub(1)?)?;
        Some(line.variant_id)
    }

    /// Makes it hold so many of a variant; none of it for 0.
    ///
    /// # Errors
    ///
    /// [`CartError::UnknownVariant`]; [`CartError::SoldOut`] or [`CartError::TooMany`] where it would hold more than
    /// before.
    pub(super) fn set(
        &mut self,
        catalogue: &Catalogue,
        variant_id: u64,
        quantity: u32,
    ) -> Result<(), CartError> {
        let found = catalogue.variant(variant_id);
        let (product, variant) = found.ok_or(CartError::UnknownVariant)?;
        if quantity > self.quantity(variant_id) {
            if !variant.available {
                return Err(CartError::SoldOut(product.full_title(variant)));
            }
            if quantity > MOST_OF_A_VARIANT {
                return Err(CartError::TooMany(product.full_title(variant)));
            }
        }
        let mut lines = self.lines.iter();
        let place = lines.position(|line| line.variant_id == variant_id);
        let line = Line {
            variant_id,
            quantity,
        };
        match (place, quantity) {
            (Some(place), 0) => drop(self.lines.remove(place)),
            (Some(place), _) => self.lines[place] = line,
            (None, 0) => {}
            (None, _) => self.lines.insert(0, line),
        }
        Ok(())
    }

    /// As `/cart.js` answers.
    pub(super) fn to_json(&self, catalogue: &Catalogue) -> Value {
        let lines = || {
            let lines = self.lines.iter();
            lines.filter_map(|line| Some((catalogue.variant(line.variant_id)?, line.quantity)))
        };
        let items = lines().map(|((product, variant), quantity)| item(product, variant, quantity));
        let total: u64 = lines()
            .map(|((_, variant), quantity)| line_price(variant, quantity))
            .sum();
        let count: u64 = lines().map(|(_, quantity)| u64::from(quantity)).sum();
        json!({
            // Nothing is kept here, so all carts go by one name.
            "token": "demo",
            "note": null,
            "attributes": {},
            "original_total_price": total,
            "total_price": total,
            "total_discount": 0,
            "total_weight": 0,
            "item_count": count,
            "items": items.collect::<Vec<_>>(),
            "requires_shipping": count > 0,
            "currency": CURRENCY,
            "items_subtotal_price": total,
            "cart_level_discount_applications": [],
        })
    }

    /// The line of a variant, as `/cart/add.js` answers.
    pub(super) fn item_json(&self, catalogue: &Catalogue, variant_id: u64) -> Value {
        catalogue
            .variant(variant_id)
            .map_or(Value::Null, |(product, variant)| {
                item(product, variant, self.quantity(variant_id))
            })
    }
}

impl Line {
    fn parse(pair: &str) -> Option<Self> {
        let (variant_id, quantity) = pair.split_once(':')?;
        let quantity: u32 = quantity.parse().ok()?;
        (quantity > 0).then_some(Self {
            variant_id: variant_id.parse().ok()?,
            quantity: quantity.min(MOST_OF_A_VARIANT),
        })
    }
}

/// What a line is called beside its variant's id. Shopify's ends in a hash of what makes two lines of one variant; here
/// there is never a second.
pub(super) fn key(variant_id: u64) -> String {
    format!("{variant_id}:{variant_id:x}")
}

/// Cents.
fn line_price(variant: &Variant, quantity: u32) -> u64 {
    variant.price.saturating_mul(u64::from(quantity))
}

fn item(product: &Product, variant: &Variant, quantity: u32) -> Value {
    let line_price = line_price(variant, quantity);
    let title = product.full_title(variant);
    let variant_title = (!product.has_only_default_variant()).then_some(&variant.title);
    json!({
        "id": variant.id,
        "variant_id": variant.id,
        "product_id": product.id,
        "key": key(variant.id),
        "title": title,
        "product_title": product.title,
        "variant_title": variant_title,
        "product_description": product.description,
        "product_type": product.kind,
        "product_has_only_default_variant": product.has_only_default_variant(),
        "options_with_values": Product::option_json(variant),
        "variant_options": [variant.title],
        "handle": product.handle,
        "url": format!("{}?variant={}", product.url(), variant.id),
        "image": product.image(),
        "featured_image": { "url": product.image(), "alt": product.title },
        "vendor": VENDOR,
        "sku": "",
        "quantity": quantity,
        "properties": {},
        "price": variant.price,
        "original_price": variant.price,
        "discounted_price": variant.price,
        "final_price": variant.price,
        "line_price": line_price,
        "original_line_price": line_price,
        "final_line_price": line_price,
        "total_discount": 0,
        "discounts": [],
        "line_level_discount_allocations": [],
        "grams": 0,
        "gift_card": false,
        "taxable": true,
        "requires_shipping": true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::parse(
            br#"{ "products": [ { "id": 1, "handle": "hat", "title": "Hat", "description": "", "type": "Hats", "price": 500, "variants": [
                { "id": 11, "title": "S", "price": 500, "available": true },
                { "id": 12, "title": "M", "price": 700, "available": true },
                { "id": 13, "title": "L", "price": 700, "available": false } ] } ] }"#,
        )
        .unwrap()
    }

    fn cart_of(cookie: &str) -> Cart {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, cookie.parse().unwrap());
        Cart::of(&headers, &catalogue())
    }

    #[test]
    fn what_the_cookie_keeps_comes_back() {
        let mut cart = Cart::default();
        cart.set(&catalogue(), 11, 2).unwrap();
        cart.set(&catalogue(), 12, 1).unwrap();
        let cookie = cart.cookie();
        let (pair, rest) = cookie.split_once("; ").unwrap();
        assert_eq!(pair, "demo_cart=12:1.11:2");
        assert!(
            rest.contains("HttpOnly")
                && rest.contains("SameSite=Lax")
                && rest.contains("Path=/demo")
        );
        assert_eq!(cart_of(pair), cart);
        assert_eq!(cart_of(&format!("a=b; {pair}; c=d")), cart);
        assert!(Cart::default().cookie().contains("Max-Age=0"));
    }

    #[test]
    fn a_cookie_that_somebody_wrote_becomes_a_cart_that_could_be() {
        for (cookie, quantities) in [
            ("demo_cart=11:100000", [99, 0]),
            ("demo_cart=11:1.11:5", [1, 0]),
            ("demo_cart=11:0.12:-1", [0, 0]),
            ("demo_cart=99:1.12:3", [0, 3]),
            ("demo_cart=11:99999999999999999999.x:y.12:1", [0, 1]),
            ("demo_cart=<script>alert(1)</script>", [0, 0]),
            ("demo_cart=....::::", [0, 0]),
            ("demo_cart", [0, 0]),
        ] {
            let cart = cart_of(cookie);
            assert_eq!(
                [cart.quantity(11), cart.quantity(12)],
                quantities,
                "{cookie}"
            );
        }
    }

    #[test]
    fn no_more_is_sold_than_there_is_but_less_is_always_taken() {
        let catalogue = catalogue();
        let mut cart = Cart::default();
        assert_eq!(
            cart.set(&catalogue, 11, 100),
            Err(CartError::TooMany("Hat - S".into()))
        );
        assert_eq!(
            cart.set(&catalogue, 13, 1),
            Err(CartError::SoldOut("Hat - L".into()))
        );
        assert_eq!(cart.set(&catalogue, 99, 1), Err(CartError::UnknownVariant));
        assert_eq!(cart, Cart::default());
        // Put in before it was sold out.
        let mut cart = cart_of("demo_cart=13:3");
        assert_eq!(cart.set(&catalogue, 13, 2), Ok(()));
        assert_eq!(cart.set(&catalogue, 13, 0), Ok(()));
        assert_eq!(cart, Cart::default());
    }

    #[test]
    fn sums_are_those_of_the_lines() {
        let json = cart_of("demo_cart=11:2.12:3").to_json(&catalogue());
        assert_eq!(json["total_price"], 2 * 500 + 3 * 700);
        assert_eq!(json["item_count"], 5);
        assert_eq!(json["items"][1]["line_price"], 2_100);
        assert_eq!(json["items"][1]["title"], "Hat - M");
        assert_eq!(json["items"][1]["url"], "/demo/products/hat?variant=12");
    }
}
