//! What a page's name tells, and what of it may be told.
//!
//! Trackers name pages in their own ways: a path (`/products/xyz`), a label and a path (`Home:/`), a
//! whole URL, or a mere label. The names are a shopper's and may hold anything, an e-mail address in a
//! query or in a path included.

use std::borrow::Cow;

/// Bytes of a path as it is told: enough for a collection and a product's handle.
pub const PATH_BYTES: usize = 48;
/// What stands for a part that is not told.
pub const MASK: &str = "*";
/// Digits in one part of a path from which on it may be a phone number, an order or a customer.
const DIGITS_MASKED: usize = 7;
/// Letters of one word from which on it is no word: the longest in a product's handle are compounds.
const WORD_CHARS: usize = 24;
/// Letters and digits mixed in one word, from which on it is rather a token than a model's number.
const MIXED_WORD_CHARS: usize = 12;
/// Labels without a path that are told as they are.
const LABELS: [&str; 9] = [
    "home",
    "index",
    "product",
    "collection",
    "cart",
    "checkout",
    "search",
    "landing",
    "blog",
];
/// How often a name is decoded: `%2540` is an `@` that was encoded twice.
const DECODINGS: usize = 3;

/// What kind of page a shopper sees, by the path that Shopify gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageKind {
    /// The front page.
    Home,
    /// One product.
    Product,
    /// A list of products.
    Collection,
    /// The cart.
    Cart,
    /// The checkout.
    Checkout,
    /// The page after an order.
    ThankYou,
    /// Search results.
    Search,
    /// A text page or a blog.
    Content,
    /// The customer's own pages.
    Account,
    /// Anything else.
    Other,
}

impl PageKind {
    /// The kind's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Product => "product",
            Self::Collection => "collection",
            Self::Cart => "cart",
            Self::Checkout => "checkout",
            Self::ThankYou => "thank_you",
            Self::Search => "search",
            Self::Content => "content",
            Self::Account => "account",
            Self::Other => "other",
        }
    }
}

/// A page's path, decoded, without scheme, host, label, query and fragment. Still a shopper's: only
/// [`Page::masked_path`] may leave the house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    segments: Vec<String>,
    /// A label without any path, such as `Home`.
    is_label: bool,
}

impl Page {
    /// Takes a page's name as a tracker sent it. Takes any text.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let decoded = decode(name);
        let name = decoded.trim();
        // After a scheme stands a host, and a host may hold a user's name.
        let (path, is_label) = match name.split_once("//") {
            Some((before, rest)) if !before.contains(['/', '?', '#']) => {
                (rest.find('/').map_or("", |slash| &rest[slash..]), false)
            }
            _ => match name.find(['/', '?', '#']) {
                Some(start) => (&name[start..], false),
                None => (name, !name.is_empty()),
            },
        };
        let path = path.split(['?', '#', '&', ';']).next().unwrap_or_default();
        let segments = path
            .split(['/', '\\'])
            .map(str::trim)
            .filter(|segment| !segment.is_empty())
            .map(str::to_owned)
            .collect();
        Self { segments, is_label }
    }

    /// What kind of page it is.
    #[must_use]
    pub fn kind(&self) -> PageKind {
        let mut kind = PageKind::Other;
        if self.segments.is_empty() {
            return PageKind::Home;
        }
        for (index, segment) in self.segments.iter().enumerate() {
            let segment = segment.to_ascii_lowercase();
            let has_more = index + 1 < self.segments.len();
            kind = match segment.as_str() {
                "thank_you" | "thank-you" | "order-confirmation" => return PageKind::ThankYou,
                "account" | "orders" => return PageKind::Account,
                "products" | "product" if has_more => PageKind::Product,
                "checkout" | "checkouts" => PageKind::Checkout,
                "cart" if kind == PageKind::Other => PageKind::Cart,
                "search" if kind == PageKind::Other => PageKind::Search,
                "collections" | "collection" | "products" if kind == PageKind::Other => {
                    PageKind::Collection
                }
                "pages" | "blogs" | "policies" if kind == PageKind::Other => PageKind::Content,
                "home" | "index" if !has_more && kind == PageKind::Other => PageKind::Home,
                // `/en` and `/en-us` are the front page in another language.
                locale if index == 0 && !has_more && is_locale(locale) => PageKind::Home,
                _ => kind,
            };
        }
        kind
    }

    /// What tells two products apart, whatever collection or language they were opened in.
    #[must_use]
    pub fn product_handle(&self) -> Option<&str> {
        self.segments.get(self.products()? + 1).map(String::as_str)
    }

    /// Where the part is that announces a product.
    fn products(&self) -> Option<usize> {
        self.segments
            .iter()
            .position(|segment| matches!(segment.as_str(), "products" | "product"))
    }

    /// The path as it may be told to a third party: at most [`PATH_BYTES`] long, of letters, digits and
    /// `/-_.*~` alone, with `*` for every part that looks like an address, a number of a person or an
    /// order, or a token, and for all below the pages that belong to one customer.
    #[must_use]
    pub fn masked_path(&self) -> String {
        // A label may be a page's title, and a title may greet somebody by name: only the usual ones are told.
        if self.is_label {
            let label = self.segments.first().map_or("", String::as_str);
            return LABELS
                .iter()
                .find(|told| label.eq_ignore_ascii_case(told))
                .map_or(MASK, |told| *told)
                .to_owned();
        }
        // The collection and the language in which a product was found are left out for its sake.
        let start = match self.kind() {
            PageKind::Product => self.products().unwrap_or(0),
            _ => 0,
        };
        let mut path = String::new();
        let mut is_customers = false;
        for segment in self.segments.iter().skip(start) {
            let told = if is_customers { MASK } else { masked(segment) };
            let room = PATH_BYTES.saturating_sub(path.len() + 1);
            if told.len() > room {
                // It consists of words, else it were masked; as many are told as there is room for.
                let ends = told.match_indices(['-', '_']).map(|(end, _)| end);
                if let Some(end) = ends.take_while(|end| *end <= room).last()
                    && end > 0
                {
                    path.push('/');
                    path.push_str(&told[..end]);
                }
                break;
            }
            path.push('/');
            path.push_str(told);
            is_customers = is_customers
                || matches!(
                    segment.to_ascii_lowercase().as_str(),
                    "account"
                        | "orders"
                        | "customers"
                        | "customer"
                        | "checkout"
                        | "checkouts"
                        | "invoices"
                        | "u"
                        | "user"
                        | "users"
                        | "profile"
                );
        }
        if path.is_empty() {
            "/".to_owned()
        } else {
            path
        }
    }
}

/// Whether a word on its own, such as an event's type or the id of a button, may be told.
#[must_use]
pub fn is_private(word: &str) -> bool {
    let digits = word.chars().filter(|c| c.is_numeric()).count();
    digits >= DIGITS_MASKED
        || word.contains(['@', '%', '=', '＠', ' '])
        || word.split(['-', '_', '.', '~', ':']).any(is_opaque)
}

fn masked(segment: &str) -> &str {
    let is_told = segment
        .chars()
        .all(|c| c.is_alphanumeric() || "-_.~".contains(c));
    if is_told && !is_private(segment) {
        segment
    } else {
        MASK
    }
}

/// A word that no person would write: too long, or letters and digits or cases mixed at length.
fn is_opaque(word: &str) -> bool {
    let chars = word.chars().count();
    let has_digit = word.chars().any(char::is_numeric);
    let has_letter = word.chars().any(char::is_alphabetic);
    let changes_case = word
        .chars()
        .zip(word.chars().skip(1))
        .any(|(a, b)| a.is_lowercase() && b.is_uppercase());
    chars > WORD_CHARS || (chars >= MIXED_WORD_CHARS && ((has_digit && has_letter) || changes_case))
}

fn is_locale(segment: &str) -> bool {
    let mut parts = segment.split(['-', '_']);
    let is_pair =
        |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    parts.next().is_some_and(is_pair) && parts.next().is_none_or(is_pair) && parts.next().is_none()
}

/// Decodes `%40` and the like until nothing changes. What is still encoded after that is masked.
fn decode(name: &str) -> Cow<'_, str> {
    let mut decoded = Cow::Borrowed(name);
    for _ in 0..DECODINGS {
        if !decoded.contains('%') {
            break;
        }
        decoded = Cow::Owned(decode_once(&decoded));
    }
    decoded
}

fn decode_once(name: &str) -> String {
    let bytes = name.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    let hex = |at: usize| {
        bytes
            .get(at)
            .and_then(|byte| char::from(*byte).to_digit(16))
    };
    while let Some(byte) = bytes.get(index) {
        match (byte, hex(index + 1), hex(index + 2)) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits fit one byte.
                out.push((high * 16 + low) as u8);
                index += 3;
            }
            _ => {
                out.push(*byte);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pages_are_told_apart_by_their_paths() {
        for (name, kind, masked) in [
            ("/", PageKind::Home, "/"),
            ("Home:/", PageKind::Home, "/"),
            ("/en-us", PageKind::Home, "/en-us"),
            ("https://shop.example", PageKind::Home, "/"),
            ("https://shop.example/?x=1", PageKind::Home, "/"),
            (
                "/products/blue-linen-shirt",
                PageKind::Product,
                "/products/blue-linen-shirt",
            ),
            (
                "Product:/products/xyz?variant=41234567890",
                PageKind::Product,
                "/products/xyz",
            ),
            (
                "/collections/summer/products/hat",
                PageKind::Product,
                "/products/hat",
            ),
            (
                "/de/collections/neu/products/blaue-h%C3%BCte",
                PageKind::Product,
                "/products/blaue-hüte",
            ),
            (
                "/products/mens-organic-cotton-crew-neck-t-shirt-navy-blue",
                PageKind::Product,
                "/products/mens-organic-cotton-crew-neck-t-shirt",
            ),
            ("/account/products/hat", PageKind::Account, "/account/*/*"),
            ("/collections/all", PageKind::Collection, "/collections/all"),
            ("/products", PageKind::Collection, "/products"),
            ("/cart", PageKind::Cart, "/cart"),
            ("/fr/cart/", PageKind::Cart, "/fr/cart"),
            (
                "/checkouts/cn/Z2NwLXVzLWVhc3Qx/information",
                PageKind::Checkout,
                "/checkouts/*/*/*",
            ),
            (
                "/checkouts/cn/abc/thank-you",
                PageKind::ThankYou,
                "/checkouts/*/*/*",
            ),
            ("/search?q=jane@example.com", PageKind::Search, "/search"),
            ("/pages/size-guide", PageKind::Content, "/pages/size-guide"),
            ("/account/orders/1a2b", PageKind::Account, "/account/*/*"),
            ("Jane's wish list", PageKind::Other, "*"),
            ("Landing", PageKind::Other, "landing"),
            ("Jane", PageKind::Other, "*"),
            ("", PageKind::Home, "/"),
            ("home", PageKind::Home, "home"),
            ("/lookbook", PageKind::Other, "/lookbook"),
        ] {
            let page = Page::of(name);
            assert_eq!(page.kind(), kind, "{name}");
            assert_eq!(page.masked_path(), masked, "{name}");
        }
    }

    #[test]
    fn one_product_is_the_same_in_every_collection_and_language() {
        for name in [
            "/products/hat",
            "/collections/summer/products/hat?variant=1",
            "/en-us/products/hat",
            "Hat:/products/hat#reviews",
        ] {
            assert_eq!(Page::of(name).product_handle(), Some("hat"), "{name}");
        }
        assert_eq!(Page::of("/products").product_handle(), None);
    }

    #[test]
    fn what_may_be_a_persons_is_masked() {
        for name in [
            "/u/jane@example.com",
            "/welcome/jane@example.com",
            "/welcome/jane%40example.com",
            "/welcome/jane%2540example.com",
            "/welcome/jane%252540example.com",
            "/welcome/%6Aane%40example%2Ecom",
            "https://jane:secret@shop.example/welcome",
            "//jane@shop.example/welcome",
            "/welcome?email=jane",
            "/welcome%3Femail=jane",
            "/welcome;jane",
            "/welcome&name=jane",
            "/welcome#jane",
            "/account/jane",
            "/customers/jane",
            "/welcome/name=jane",
            "Welcome back, jane",
            "jane@example.com",
            "/welcome/hello jane",
            "/welcome/jane\u{200b}@example.com",
        ] {
            assert!(
                !Page::of(name).masked_path().contains("jane"),
                "{name}: {}",
                Page::of(name).masked_path()
            );
        }
        for name in [
            "/track/15551234567",
            "/track/555-123-4567",
            "/r/550e8400-e29b-41d4-a716-446655440000",
            "/r/eyJhbGciOiJIUzI1NiJ9",
            "/r/deadbeefdeadbeefdeadbeefdeadbeef",
        ] {
            assert!(
                Page::of(name).masked_path().ends_with("/*"),
                "{name}: {}",
                Page::of(name).masked_path()
            );
        }
    }

    proptest! {
        #[test]
        fn any_name_becomes_a_short_path_of_harmless_characters(name in prop_oneof![".*", "[a-zA-Z0-9/:?#@%._=-]{0,300}"]) {
            let page = Page::of(&name);
            let _ = page.kind();
            let masked = page.masked_path();
            prop_assert!(masked.len() <= PATH_BYTES);
            prop_assert!(!masked.is_empty());
            prop_assert!(masked.chars().all(|c| c.is_alphanumeric() || "/-_.*~".contains(c)), "{}", masked);
        }

        #[test]
        fn no_address_survives(local in "[a-z]{6,12}", domain in "[a-z]{6,12}", before in "(/[a-z]{1,8}){0,3}", query: bool) {
            let name = if query { format!("{before}?e={local}@{domain}.com") } else { format!("{before}/{local}@{domain}.com") };
            let masked = Page::of(&name).masked_path();
            prop_assert!(!masked.contains(&local) || before.contains(&local));
            prop_assert!(!masked.contains(&domain) || before.contains(&domain));
        }
    }
}
