//! What the shop sells, and how Shopify's Ajax API shows it:
//! <https://shopify.dev/docs/api/ajax/reference/product>.

use serde::Deserialize;
use serde_json::{Value, json};

/// Shopify's name for the variant of a product that has no variants.
const ONLY_VARIANT: &str = "Default Title";
/// What the variants differ in.
const OPTION: &str = "Size";
/// Who makes everything here.
pub(super) const VENDOR: &str = "Ostrey";

/// `catalogue.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Catalogue {
    products: Vec<Product>,
}

/// A product.
#[derive(Debug, Deserialize)]
pub(super) struct Product {
    pub(super) id: u64,
    pub(super) handle: String,
    pub(super) title: String,
    pub(super) description: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Cents.
    pub(super) price: u64,
    pub(super) variants: Vec<Variant>,
}

/// What is put into a cart.
#[derive(Debug, Deserialize)]
pub(super) struct Variant {
    pub(super) id: u64,
    pub(super) title: String,
    /// Cents.
    pub(super) price: u64,
    pub(super) available: bool,
}

impl Catalogue {
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    pub(super) fn product(&self, handle: &str) -> Option<&Product> {
        self.products
            .iter()
            .find(|product| product.handle == handle)
    }

    pub(super) fn product_of_id(&self, id: u64) -> Option<&Product> {
        self.products.iter().find(|product| product.id == id)
    }

    pub(super) fn variant(&self, id: u64) -> Option<(&Product, &Variant)> {
        self.products.iter().find_map(|product| {
            let variant = product.variants.iter().find(|variant| variant.id == id)?;
            Some((product, variant))
        })
    }
}

impl Product {
    pub(super) fn has_only_default_variant(&self) -> bool {
        matches!(self.variants.as_slice(), [only] if only.title == ONLY_VARIANT)
    }

    /// Its page.
    pub(super) fn url(&self) -> String {
        format!("/demo/products/{}", self.handle)
    }

    /// Its picture.
    pub(super) fn image(&self) -> String {
        format!("/demo/assets/products/{}.svg", self.handle)
    }

    /// What a variant is called in a cart, on an order and in an error.
    pub(super) fn full_title(&self, variant: &Variant) -> String {
        if self.has_only_default_variant() {
            self.title.clone()
        } else {
            format!("{} - {}", self.title, variant.title)
        }
    }

    /// As `/products/{handle}.js` answers.
    pub(super) fn to_json(&self) -> Value {
        let prices = || self.variants.iter().map(|variant| variant.price);
        let lowest = prices().min().unwrap_or(self.price);
        let highest = prices().max().unwrap_or(self.price);
        let values: Vec<&str> = self.variants.iter().map(|v| v.title.as_str()).collect();
        json!({
            "id": self.id,
            "title": self.title,
            "handle": self.handle,
            "description": self.description,
            "vendor": VENDOR,
            "type": self.kind,
            "tags": [],
            "price": lowest,
            "price_min": lowest,
            "price_max": highest,
            "price_varies": lowest != highest,
            "available": self.variants.iter().any(|variant| variant.available),
            "compare_at_price": null,
            "compare_at_price_min": 0,
            "compare_at_price_max": 0,
            "compare_at_price_varies": false,
            "variants": self.variants.iter().map(|v| self.variant_json(v)).collect::<Vec<_>>(),
            "images": [self.image()],
            "featured_image": self.image(),
            "options": [{ "name": OPTION, "position": 1, "values": values }],
            "url": self.url(),
        })
    }

    fn variant_json(&self, variant: &Variant) -> Value {
        let public_title = (!self.has_only_default_variant()).then_some(&variant.title);
        json!({
            "id": variant.id,
            "title": variant.title,
            "option1": variant.title,
            "option2": null,
            "option3": null,
            "options": [variant.title],
            "name": self.full_title(variant),
            "public_title": public_title,
            "sku": "",
            "barcode": null,
            "price": variant.price,
            "compare_at_price": null,
            "available": variant.available,
            "requires_shipping": true,
            "taxable": true,
            "weight": 0,
            "featured_image": null,
        })
    }

    /// A variant's option as a cart's line has it.
    pub(super) fn option_json(variant: &Variant) -> Value {
        json!([{ "name": OPTION, "value": variant.title }])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::demo::assets::{Assets, CATALOGUE};

    fn embedded() -> (Assets, Catalogue) {
        let assets = Assets::embedded();
        let catalogue = Catalogue::parse(assets.content(CATALOGUE).unwrap()).unwrap();
        (assets, catalogue)
    }

    #[test]
    fn every_product_has_a_picture_a_plain_handle_and_something_to_buy() {
        let (assets, catalogue) = embedded();
        assert!(catalogue.products.len() >= 12, "a dozen products");
        for product in &catalogue.products {
            let picture = format!("products/{}.svg", product.handle);
            assert!(assets.content(&picture).is_some(), "{picture}");
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(product.handle.bytes().all(plain), "{}", product.handle);
            assert!(!product.variants.is_empty(), "{}", product.handle);
            assert!(
                product
                    .variants
                    .iter()
                    .any(|variant| variant.price == product.price),
                "{} costs what one of its variants costs",
                product.handle
            );
        }
    }

    #[test]
    fn no_id_and_no_handle_is_there_twice() {
        let (_, catalogue) = embedded();
        let products = &catalogue.products;
        let handles: BTreeSet<_> = products.iter().map(|product| &product.handle).collect();
        assert_eq!(handles.len(), products.len());
        let variants = || products.iter().flat_map(|product| &product.variants);
        let ids: BTreeSet<_> = products
            .iter()
            .map(|product| product.id)
            .chain(variants().map(|variant| variant.id))
            .collect();
        assert_eq!(ids.len(), products.len() + variants().count());
    }
}
