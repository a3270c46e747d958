//! What the made-up shop sells. The first twelve are those of the demo shop, so that both show the same titles.

use fastrand::Rng;

/// A product.
#[derive(Debug)]
pub(super) struct Product {
    /// 1 to 24, from which its ids are made.
    number: u64,
    pub(super) handle: &'static str,
    pub(super) title: &'static str,
    /// How often it is looked at, beside the others.
    appeal: u32,
    /// Whether it can be tried on.
    pub(super) can_be_tried_on: bool,
    /// How many sizes or colours there are.
    variants: u64,
}

/// Shopify's ids begin somewhere; these begin where the demo shop's do.
const FIRST_PRODUCT: u64 = 8_100_000_000_000;
const FIRST_VARIANT: u64 = 4_100_000_000_000;

const fn product(
    number: u64,
    handle: &'static str,
    title: &'static str,
    appeal: u32,
    can_be_tried_on: bool,
    variants: u64,
) -> Product {
    Product {
        number,
        handle,
        title,
        appeal,
        can_be_tried_on,
        variants,
    }
}

pub(super) const PRODUCTS: [Product; 24] = [
    product(1, "linen-shirt", "Linen shirt", 100, true, 5),
    product(2, "breton-tee", "Breton tee", 72, true, 5),
    product(3, "fisherman-sweater", "Fisherman sweater", 64, true, 4),
    product(4, "chore-jacket", "Canvas chore jacket", 41, true, 4),
    product(5, "harbour-raincoat", "Harbour raincoat", 33, true, 3),
    product(6, "dune-dress", "Dune dress", 85, true, 4),
    product(7, "wide-trousers", "Wide-leg trousers", 47, true, 5),
    product(8, "watch-cap", "Ribbed watch cap", 28, true, 1),
    product(9, "wool-scarf", "Checked wool scarf", 22, true, 1),
    product(10, "canvas-tote", "Market tote", 36, false, 2),
    product(11, "canvas-high-tops", "Canvas high-tops", 53, false, 6),
    product(12, "wool-socks", "Ribbed wool socks", 18, false, 3),
    product(13, "poplin-shirt-dress", "Poplin shirt dress", 44, true, 4),
    product(14, "merino-cardigan", "Merino cardigan", 38, true, 4),
    product(15, "denim-overshirt", "Denim overshirt", 30, true, 4),
    product(16, "pleated-skirt", "Pleated midi skirt", 26, true, 5),
    product(17, "swim-shorts", "Swim shorts", 15, true, 4),
    product(18, "straw-hat", "Straw sun hat", 20, true, 2),
    product(19, "leather-belt", "Plaited leather belt", 12, false, 3),
    product(20, "slip-on-loafers", "Slip-on loafers", 24, false, 6),
    product(21, "quilted-vest", "Quilted vest", 17, true, 4),
    product(22, "silk-bandana", "Silk bandana", 10, false, 4),
    product(23, "beach-towel", "Woven beach towel", 8, false, 2),
    product(24, "enamel-mug", "Enamel mug", 5, false, 1),
];

/// A product, those of more appeal more often.
pub(super) fn draw(rng: &mut Rng) -> &'static Product {
    let all: u32 = PRODUCTS.iter().map(|product| product.appeal).sum();
    let mut left = rng.u32(0..all);
    let drawn = PRODUCTS.iter().find(|product| {
        let is_drawn = left < product.appeal;
        left = left.saturating_sub(product.appeal);
        is_drawn
    });
    drawn.unwrap_or(&PRODUCTS[0])
}

impl Product {
    /// Its id.
    pub(super) fn id(&self) -> String {
        (FIRST_PRODUCT + self.number).to_string()
    }

    /// The id of one of its variants. Those in the middle are worn by most.
    pub(super) fn draw_variant(&self, rng: &mut Rng) -> String {
        let draw = (rng.u64(0..self.variants) + rng.u64(0..self.variants)) / 2;
        (FIRST_VARIANT + self.number * 10 + draw + 1).to_string()
    }

    /// Its page's name, as the tracker names it.
    pub(super) fn page(&self) -> String {
        format!("/products/{}", self.handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn products_are_told_apart_by_every_name_that_they_have() {
        let names: BTreeSet<String> = PRODUCTS
            .iter()
            .flat_map(|product| [product.id(), product.page(), product.title.to_owned()])
            .collect();
        assert_eq!(names.len(), 3 * PRODUCTS.len());
    }

    #[test]
    fn a_variant_belongs_to_one_product_alone() {
        let mut rng = Rng::with_seed(1);
        let mut owners = BTreeMap::new();
        for product in PRODUCTS.iter().cycle().take(2_400) {
            let owner = owners.entry(product.draw_variant(&mut rng));
            assert_eq!(*owner.or_insert(product.number), product.number);
        }
    }

    #[test]
    fn what_appeals_more_is_drawn_more_often() {
        let mut rng = Rng::with_seed(1);
        let mut counts = BTreeMap::new();
        for _ in 0..10_000 {
            *counts.entry(draw(&mut rng).handle).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), PRODUCTS.len());
        assert!(counts["linen-shirt"] > counts["wool-scarf"]);
        assert!(counts["wool-scarf"] > counts["enamel-mug"]);
    }
}
