//! What a session tells about its shopper: the signals that the rules decide by and that the model is
//! shown.

use std::collections::BTreeMap;

use super::page::{Page, PageKind};
use crate::Timestamp;
use crate::session::SessionRecord;

/// A pause that ends a visit: the half hour after which analytics programs begin a new one.
pub const VISIT_GAP_MS: i64 = 30 * 60_000;

/// Signals of one session, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Engagement {
    /// Items in the cart: as the tracker says, else as the events of adding and removing add up.
    pub cart_items: u64,
    /// Milliseconds since the cart changed; `None` when nothing tells.
    pub cart_idle_ms: Option<i64>,
    /// Milliseconds spent on the page of the cart.
    pub cart_page_ms: u64,
    /// How far the shopper went towards an order.
    pub checkout: Checkout,
    /// All events of the session.
    pub events: u64,
    /// Milliseconds on all pages.
    pub total_ms: u64,
    /// Pages seen.
    pub pages: usize,
    /// Milliseconds per product, the longest first.
    pub product_dwell_ms: Vec<u64>,
    /// The shopper came back after a pause of half an hour or more, and the cart is from before it.
    pub returned_to_cart: bool,
    /// The page of the newest event, as the tracker names it; else the one with the most time.
    pub current_page: Option<String>,
}

/// How far a session went towards an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checkout {
    /// No sign of a checkout.
    #[default]
    NotSeen,
    /// A checkout was begun.
    Begun {
        /// Milliseconds since its newest sign; `None` when only the totals tell of it.
        idle_ms: Option<i64>,
    },
    /// An order was placed, and the cart has not changed since.
    Completed,
}

impl Checkout {
    /// The state's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSeen => "not_seen",
            Self::Begun { .. } => "begun",
            Self::Completed => "completed",
        }
    }
}

/// What an event's type says about the way to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    AddToCart,
    RemoveFromCart,
    CheckoutBegun,
    OrderPlaced,
}

impl Step {
    /// Trackers and Shopify's own pixel name the same thing differently.
    fn of(kind: &str) -> Option<Self> {
        match event_type(kind).as_str() {
            "add_to_cart" | "product_added_to_cart" | "cart_add" | "added_to_cart" => {
                Some(Self::AddToCart)
            }
            "remove_from_cart"
            | "product_removed_from_cart"
            | "cart_remove"
            | "removed_from_cart" => Some(Self::RemoveFromCart),
            "checkout"
            | "checkout_started"
            | "begin_checkout"
            | "checkout_begin"
            | "buy_now"
            | "checkout_contact_info_submitted"
            | "checkout_address_info_submitted"
            | "checkout_shipping_info_submitted"
            | "payment_info_submitted" => Some(Self::CheckoutBegun),
            "checkout_completed" | "purchase" | "order_placed" | "order_completed" => {
                Some(Self::OrderPlaced)
            }
            _ => None,
        }
    }
}

/// An event's type in one spelling: `Add to cart` and `add-to-cart` are `add_to_cart`.
#[must_use]
pub fn event_type(kind: &str) -> String {
    kind.trim()
        .chars()
        .map(|c| {
            if matches!(c, ' ' | '-' | '.' | ':') {
                '_'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}

/// The page of the newest event, as the tracker names it; else the one with the most time.
#[must_use]
pub fn current_page(record: &SessionRecord) -> Option<&str> {
    let mut newest: Option<(Timestamp, &str)> = None;
    for (name, events) in &record.events {
        for event in events {
            if newest.is_none_or(|(at, _)| at <= event.at) {
                newest = Some((event.at, name));
            }
        }
    }
    newest.map(|(_, name)| name).or_else(|| {
        let longest = record
            .time_on_page
            .iter()
            .max_by_key(|(_, millis)| **millis)?;
        Some(longest.0)
    })
}

/// Whether an order was placed in the session at any time, whatever became of the cart since.
#[must_use]
pub fn order_was_placed(record: &SessionRecord) -> bool {
    let places_an_order = |kind: &str| Step::of(kind) == Some(Step::OrderPlaced);
    let mut kinds = record.totals.by_type.keys();
    let mut pages = record.time_on_page.keys().chain(record.events.keys());
    kinds.any(|kind| places_an_order(kind))
        || pages.any(|page| Page::of(page).kind() == PageKind::ThankYou)
        // The totals name no more than so many types.
        || record.events.values().flatten().any(|event| places_an_order(&event.kind))
}

impl Engagement {
    /// Reads the signals off a session as it stands at `now`. Times in the future, which a wrong clock
    /// sends, count as now.
    #[must_use]
    pub fn of(record: &SessionRecord, now: Timestamp) -> Self {
        let pages: BTreeMap<&str, Page> = record
            .time_on_page
            .keys()
            .chain(record.events.keys())
            .map(|name| (name.as_str(), Page::of(name)))
            .collect();
        let kind_of = |name: &str| pages.get(name).map_or(PageKind::Other, Page::kind);
        let timeline = Timeline::of(record, kind_of);

        let mut product_dwell: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut total_ms, mut cart_page_ms) = (0_u64, 0_u64);
        let mut checkout_page_seen = false;
        for (name, millis) in &record.time_on_page {
            total_ms = total_ms.saturating_add(*millis);
            match kind_of(name) {
                PageKind::Cart => cart_page_ms = cart_page_ms.saturating_add(*millis),
                PageKind::Checkout => checkout_page_seen = true,
                _ => {}
            }
            if let Some(handle) = pages.get(name.as_str()).and_then(Page::product_handle) {
                let dwell = product_dwell.entry(handle).or_default();
                *dwell = dwell.saturating_add(*millis);
            }
        }
        let mut product_dwell_ms: Vec<u64> = product_dwell.into_values().collect();
        product_dwell_ms.sort_unstable_by(|a, b| b.cmp(a));

        let total_of = |step: Step| {
            record
                .totals
                .by_type
                .iter()
                .filter(|(kind, _)| Step::of(kind) == Some(step))
                .fold(0_u64, |sum, (_, count)| sum.saturating_add(*count))
        };
        let cart_items = record.items_in_cart.unwrap_or_else(|| {
            total_of(Step::AddToCart).saturating_sub(total_of(Step::RemoveFromCart))
        });
        let cart_changed_at = record.cart_changed_at.max(timeline.cart_changed_at);

        let checkout = match (timeline.order_placed_at, timeline.checkout_seen_at) {
            (Some(placed), seen)
                if cart_items == 0
                    || cart_changed_at
                        .max(seen)
                        .is_none_or(|later| later <= placed) =>
            {
                Checkout::Completed
            }
            (_, Some(seen)) => Checkout::Begun {
                idle_ms: Some(now.millis_since(seen)),
            },
            (_, None) if checkout_page_seen || total_of(Step::CheckoutBegun) > 0 => {
                Checkout::Begun { idle_ms: None }
            }
            (_, None) => Checkout::NotSeen,
        };

        Self {
            cart_items,
            cart_idle_ms: cart_changed_at.map(|changed| now.millis_since(changed)),
            cart_page_ms,
            checkout,
            events: record.totals.events,
            total_ms,
            pages: pages.len(),
            product_dwell_ms,
            returned_to_cart: cart_changed_at
                .zip(timeline.visit_began_at)
                .is_some_and(|(changed, began)| changed < began),
            current_page: current_page(record).map(str::to_owned),
        }
    }
}

/// What the events at hand tell by their times.
#[derive(Default)]
struct Timeline {
    cart_changed_at: Option<Timestamp>,
    checkout_seen_at: Option<Timestamp>,
    order_placed_at: Option<Timestamp>,
    /// The first event after the newest pause of half an hour; `None` without such a pause.
    visit_began_at: Option<Timestamp>,
}

impl Timeline {
    fn of(record: &SessionRecord, kind_of: impl Fn(&str) -> PageKind) -> Self {
        let mut timeline = Self::default();
        let mut times = Vec::new();
        for (name, events) in &record.events {
            let page = kind_of(name);
            for event in events {
                times.push(event.at);
                let step = Step::of(&event.kind);
                let at = Some(event.at);
                if matches!(step, Some(Step::AddToCart | Step::RemoveFromCart)) {
                    timeline.cart_changed_at = timeline.cart_changed_at.max(at);
                }
                if step == Some(Step::OrderPlaced) || page == PageKind::ThankYou {
                    timeline.order_placed_at = timeline.order_placed_at.max(at);
                } else if step == Some(Step::CheckoutBegun) || page == PageKind::Checkout {
                    timeline.checkout_seen_at = timeline.checkout_seen_at.max(at);
                }
            }
        }
        times.sort_unstable();
        timeline.visit_began_at = times.windows(2).rev().find_map(|pair| match pair {
            [before, after] if after.millis_since(*before) >= VISIT_GAP_MS => Some(*after),
            _ => None,
        });
        timeline
    }
}
