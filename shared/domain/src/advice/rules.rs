//! The advisor that needs no model: what an attentive shop assistant would do with what the session shows.
//!
//! It promises nothing. A shop's discounts, returns and delivery times are unknown here, so no rule
//! speaks of them: a message is a reminder or an offer of help, and is true in any shop. Whoever is
//! about to pay, has just paid, or is still choosing is left in peace.

use super::engagement::{Checkout, Engagement};
use super::{Advice, Category};
use crate::Timestamp;
use crate::session::SessionRecord;

/// A checkout with a sign of life within this time is under way: typing an address and a card takes
/// about two minutes, and nothing may come between.
pub const CHECKOUT_ACTIVE_MS: i64 = 2 * 60_000;
/// A cart that changed within this time is still being filled.
pub const CART_ACTIVE_MS: i64 = 30_000;
/// A cart that did not change for this long is forgotten or doubted.
pub const CART_IDLE_MS: i64 = 5 * 60_000;
/// From this many items on an order is worth an offer of help.
pub const LARGE_CART_ITEMS: u64 = 5;
/// Whoever looks at the cart's page for so long has a question.
pub const CART_DWELL_MS: u64 = 60_000;
/// Whoever looks at one product for so long is interested: three times the half minute of a usual view.
pub const PRODUCT_DWELL_MS: u64 = 90_000;
/// A product that was looked at for at least so long is being compared, not passed by.
pub const COMPARED_DWELL_MS: u64 = 15_000;
/// From this many such products on it is a comparison.
pub const COMPARED_PRODUCTS: usize = 3;
/// Time and events from which on somebody without a cart is looking for something.
pub const ENGAGED_MS: u64 = 3 * 60_000;
/// See [`ENGAGED_MS`]; a page that was merely left open has time but no events.
pub const ENGAGED_EVENTS: u64 = 20;
/// Counts above this are not told: no shopper counts them, and a tracker may send anything.
const ITEMS_TOLD: u64 = 99;

/// What the session calls for at `now`. Always the same for the same session and time.
#[must_use]
pub fn advise(record: &SessionRecord, now: Timestamp) -> Advice {
    let engagement = Engagement::of(record, now);
    if engagement.cart_items > 0 {
        with_cart(&engagement)
    } else {
        without_cart(&engagement)
    }
}

fn with_cart(engagement: &Engagement) -> Advice {
    let items = Items(engagement.cart_items);
    // An unknown age is that of a cart which the tracker reported without telling when: not a new one.
    let idle_ms = engagement.cart_idle_ms.unwrap_or(CART_ACTIVE_MS);
    match engagement.checkout {
        Checkout::Completed => return after_the_order(),
        Checkout::Begun {
            idle_ms: Some(idle_ms),
        } if idle_ms < CHECKOUT_ACTIVE_MS => return in_the_checkout(),
        Checkout::Begun { .. } => {
            return popup(Popup {
                category: Category::Reminder,
                trigger: "checkout_abandoned",
                message: format!(
                    "You were almost done! {} still in your cart, ready when you are.",
                    items.are()
                ),
                reason: format!(
                    "The shopper began the checkout and left it with {items} in the cart; a reminder makes it easy to go on."
                ),
                confidence: 0.85,
                delay_ms: 2_000,
            });
        }
        Checkout::NotSeen => {}
    }
    if idle_ms < CART_ACTIVE_MS {
        return silence(
            "cart_active",
            "The cart changed less than half a minute ago: the shopper is still choosing, and a popup would interrupt.".to_owned(),
            0.8,
        );
    }
    if engagement.returned_to_cart {
        return popup(Popup {
            category: Category::Reminder,
            trigger: "returning_shopper",
            message: format!("Welcome back! {} still in your cart.", items.are()),
            reason: format!(
                "The shopper came back after half an hour or more to a cart with {items} from the earlier visit."
            ),
            confidence: 0.8,
            delay_ms: 3_000,
        });
    }
    if engagement.cart_items >= LARGE_CART_ITEMS {
        return popup(Popup {
            category: Category::Info,
            trigger: "items_in_cart",
            message: format!(
                "You have {items} in your cart. Any questions before you check out? We are happy to help."
            ),
            reason: format!(
                "The cart holds {items} and no checkout was begun: for an order of this size an offer of help may settle it."
            ),
            confidence: 0.8,
            delay_ms: 2_000,
        });
    }
    if idle_ms >= CART_IDLE_MS {
        return popup(Popup {
            category: Category::Reminder,
            trigger: "cart_idle",
            message: format!(
                "{} waiting in your cart. Ready to check out, or still looking around?",
                items.are()
            ),
            reason: format!(
                "The cart with {items} has not changed for {} and no checkout was begun.",
                minutes(idle_ms)
            ),
            confidence: 0.75,
            delay_ms: 2_000,
        });
    }
    if engagement.cart_page_ms >= CART_DWELL_MS {
        return popup(Popup {
            category: Category::Info,
            trigger: "cart_dwell",
            message: "Not quite sure yet? If you have a question about your order, just ask us.".to_owned(),
            reason: "The shopper has looked at the cart for a minute or more without going on to the checkout.".to_owned(),
            confidence: 0.65,
            delay_ms: 3_000,
        });
    }
    silence(
        "items_in_cart",
        format!(
            "The cart holds {items} and the shopper goes on browsing: nothing calls for a popup yet."
        ),
        0.6,
    )
}

fn without_cart(engagement: &Engagement) -> Advice {
    match engagement.checkout {
        Checkout::Completed => return after_the_order(),
        // A direct purchase (`buy_now`) leads to the checkout past the cart.
        Checkout::Begun {
            idle_ms: Some(idle_ms),
        } if idle_ms < CHECKOUT_ACTIVE_MS => return in_the_checkout(),
        Checkout::Begun { .. } | Checkout::NotSeen => {}
    }
    let compared = engagement
        .product_dwell_ms
        .iter()
        .filter(|dwell| **dwell >= COMPARED_DWELL_MS)
        .count();
    if compared >= COMPARED_PRODUCTS {
        return popup(Popup {
            category: Category::Info,
            trigger: "product_comparison",
            message:
                "Comparing a few favorites? Add them to your cart to keep them all in one place."
                    .to_owned(),
            reason: format!(
                "The shopper has looked closely at {} products and put none into the cart.",
                told(compared as u64)
            ),
            confidence: 0.65,
            delay_ms: 4_000,
        });
    }
    if engagement
        .product_dwell_ms
        .first()
        .is_some_and(|dwell| *dwell >= PRODUCT_DWELL_MS)
    {
        return popup(Popup {
            category: Category::Info,
            trigger: "product_dwell",
            message: "Like what you see? If you have a question about this product, we are happy to help.".to_owned(),
            reason: "The shopper has looked at one product for a minute and a half or more without adding it to the cart.".to_owned(),
            confidence: 0.7,
            delay_ms: 3_000,
        });
    }
    if engagement.total_ms >= ENGAGED_MS && engagement.events >= ENGAGED_EVENTS {
        return popup(Popup {
            category: Category::Info,
            trigger: "engagement",
            message:
                "Looking for something special? Try the search, or ask us: we are happy to help."
                    .to_owned(),
            reason: format!(
                "The shopper has been browsing for {} with {} events, an empty cart and no product held in view.",
                minutes(i64::try_from(engagement.total_ms).unwrap_or(i64::MAX)),
                told(engagement.events)
            ),
            confidence: 0.55,
            delay_ms: 5_000,
        });
    }
    silence(
        "engagement",
        "Too little has happened in this session to tell what would help the shopper.".to_owned(),
        0.6,
    )
}

fn after_the_order() -> Advice {
    silence(
        "order_completed",
        "The shopper has placed an order, and the cart has not changed since.".to_owned(),
        0.95,
    )
}

fn in_the_checkout() -> Advice {
    silence(
        "checkout_active",
        "The shopper is in the checkout: nothing may come between.".to_owned(),
        0.95,
    )
}

/// What a rule decides. The fields go into an [`Advice`] as they are: that every rule keeps the
/// contract's limits, whatever the session, is tested below.
struct Popup {
    category: Category,
    trigger: &'static str,
    message: String,
    reason: String,
    confidence: f64,
    delay_ms: u32,
}

fn popup(popup: Popup) -> Advice {
    Advice {
        show_popup: true,
        message: popup.message,
        reason: popup.reason,
        category: popup.category,
        trigger: popup.trigger.to_owned(),
        confidence: popup.confidence,
        delay_ms: popup.delay_ms,
    }
}

fn silence(trigger: &'static str, reason: String, confidence: f64) -> Advice {
    Advice {
        show_popup: false,
        message: String::new(),
        reason,
        category: Category::None,
        trigger: trigger.to_owned(),
        confidence,
        delay_ms: 0,
    }
}

/// A count of items in words: `1 item`, `7 items`, `more than 99 items`.
struct Items(u64);

impl Items {
    /// With its verb, at the beginning of a sentence: `1 item is`, `7 items are`.
    fn are(&self) -> String {
        let verb = if self.0 == 1 { "is" } else { "are" };
        let counted = self.to_string();
        let mut characters = counted.chars();
        let first = characters.next().map(|c| c.to_ascii_uppercase());
        format!(
            "{}{} {verb}",
            first.map(String::from).unwrap_or_default(),
            characters.as_str()
        )
    }
}

impl std::fmt::Display for Items {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let noun = if self.0 == 1 { "item" } else { "items" };
        write!(f, "{} {noun}", told(self.0))
    }
}

fn told(count: u64) -> String {
    if count > ITEMS_TOLD {
        format!("more than {ITEMS_TOLD}")
    } else {
        count.to_string()
    }
}

/// A time in words, in minutes, hours or days, rounded down.
fn minutes(millis: i64) -> String {
    let minutes = millis / 60_000;
    match minutes {
        ..120 => format!("{minutes} minutes"),
        120..2_880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice::{MESSAGE_CHARS, TRIGGERS};
    use crate::session::{SessionEvent, SessionId, Totals};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const NOW: i64 = 1_800_000_000_000;
    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;

    /// A session in few words; `ago` is milliseconds before [`NOW`].
    struct Session(SessionRecord);

    fn session() -> Session {
        Session(SessionRecord {
            session: SessionId::parse("af4bac4d-077a-4756-91d0-fa2570fd206f").unwrap(),
            store_name: None,
            items_in_cart: None,
            cart_changed_at: None,
            time_on_page: BTreeMap::new(),
            events: BTreeMap::new(),
            totals: Totals::default(),
            truncated: false,
            updated_at: Timestamp::from_millis(NOW),
        })
    }

    impl Session {
        fn cart(mut self, items: u64) -> Self {
            self.0.items_in_cart = Some(items);
            self
        }

        fn changed(mut self, ago: i64) -> Self {
            self.0.cart_changed_at = Some(Timestamp::from_millis(NOW - ago));
            self
        }

        fn spent(mut self, page: &str, millis: i64) -> Self {
            self.0.time_on_page.insert(page.into(), millis as u64);
            self
        }

        fn event(mut self, page: &str, kind: &str, ago: i64) -> Self {
            let at = Timestamp::from_millis(NOW - ago);
            self.0
                .events
                .entry(page.into())
                .or_default()
                .push(SessionEvent {
                    kind: kind.into(),
                    at,
                    fields: serde_json::Map::new(),
                });
            self.counted(kind, 1)
        }

        fn counted(mut self, kind: &str, count: u64) -> Self {
            self.0.totals.events += count;
            *self.0.totals.by_type.entry(kind.into()).or_default() += count;
            self
        }
    }

    #[test]
    fn each_situation_has_its_own_advice() {
        let cases: Vec<(&str, Session, bool, Category, &str)> = vec![
            (
                "an empty session",
                session(),
                false,
                Category::None,
                "engagement",
            ),
            (
                "a glance",
                session().spent("/", 10 * SECOND).event("/", "view", SECOND),
                false,
                Category::None,
                "engagement",
            ),
            (
                "a page left open",
                session().spent("/", HOUR).event("/", "view", SECOND),
                false,
                Category::None,
                "engagement",
            ),
            (
                "a long search",
                session()
                    .spent("/", 2 * MINUTE)
                    .spent("/collections/all", MINUTE)
                    .counted("view", 20),
                true,
                Category::Info,
                "engagement",
            ),
            (
                "one product for long",
                session().spent("/products/hat", 90 * SECOND),
                true,
                Category::Info,
                "product_dwell",
            ),
            (
                "one product in two places",
                session()
                    .spent("/products/hat", 50 * SECOND)
                    .spent("/collections/all/products/hat?variant=1", 50 * SECOND),
                true,
                Category::Info,
                "product_dwell",
            ),
            (
                "three products compared",
                session()
                    .spent("/products/a", 15 * SECOND)
                    .spent("/products/b", 200 * SECOND)
                    .spent("/products/c", 20 * SECOND),
                true,
                Category::Info,
                "product_comparison",
            ),
            (
                "a cart just filled",
                session().cart(2).changed(10 * SECOND),
                false,
                Category::None,
                "cart_active",
            ),
            (
                "a large cart being filled",
                session().cart(9).changed(29 * SECOND),
                false,
                Category::None,
                "cart_active",
            ),
            (
                "a small cart while browsing",
                session().cart(2).changed(MINUTE),
                false,
                Category::None,
                "items_in_cart",
            ),
            (
                "a small cart of unknown age",
                session().cart(2),
                false,
                Category::None,
                "items_in_cart",
            ),
            (
                "a large cart",
                session().cart(5).changed(30 * SECOND),
                true,
                Category::Info,
                "items_in_cart",
            ),
            (
                "a large cart of unknown age",
                session().cart(7),
                true,
                Category::Info,
                "items_in_cart",
            ),
            (
                "a doubt on the cart's page",
                session()
                    .cart(1)
                    .changed(90 * SECOND)
                    .spent("/cart", MINUTE),
                true,
                Category::Info,
                "cart_dwell",
            ),
            (
                "an idle cart",
                session().cart(1).changed(5 * MINUTE),
                true,
                Category::Reminder,
                "cart_idle",
            ),
            (
                "a cart known by its events",
                session().event("/", "add_to_cart", 6 * MINUTE),
                true,
                Category::Reminder,
                "cart_idle",
            ),
            (
                "a cart emptied again",
                session().event("/", "add_to_cart", 6 * MINUTE).event(
                    "/",
                    "remove_from_cart",
                    5 * MINUTE,
                ),
                false,
                Category::None,
                "engagement",
            ),
            (
                "a return to a cart",
                session()
                    .cart(3)
                    .changed(2 * HOUR)
                    .event("/", "view", 2 * HOUR)
                    .event("/", "view", SECOND),
                true,
                Category::Reminder,
                "returning_shopper",
            ),
            (
                "a long visit without a pause",
                session()
                    .cart(3)
                    .changed(40 * MINUTE)
                    .event("/", "view", 40 * MINUTE)
                    .event("/", "view", 20 * MINUTE)
                    .event("/", "view", SECOND),
                true,
                Category::Reminder,
                "cart_idle",
            ),
            (
                "in the checkout",
                session().cart(3).changed(9 * MINUTE).event(
                    "/checkouts/cn/1/information",
                    "page_view",
                    30 * SECOND,
                ),
                false,
                Category::None,
                "checkout_active",
            ),
            (
                "in the checkout past the cart",
                session().event("/products/hat", "buy_now", MINUTE),
                false,
                Category::None,
                "checkout_active",
            ),
            (
                "a checkout left",
                session()
                    .cart(3)
                    .changed(9 * MINUTE)
                    .event("/", "checkout_started", 8 * MINUTE),
                true,
                Category::Reminder,
                "checkout_abandoned",
            ),
            (
                "a checkout that only the totals know",
                session().cart(3).counted("begin-checkout", 1),
                true,
                Category::Reminder,
                "checkout_abandoned",
            ),
            (
                "a checkout that only the times know",
                session().cart(3).spent("/checkout", MINUTE),
                true,
                Category::Reminder,
                "checkout_abandoned",
            ),
            (
                "an order",
                session()
                    .cart(0)
                    .event("/", "checkout_started", 8 * MINUTE)
                    .event("/", "checkout_completed", 5 * MINUTE)
                    .spent("/products/hat", HOUR),
                false,
                Category::None,
                "order_completed",
            ),
            (
                "an order, told by its page, before the cart's count follows",
                session().cart(3).changed(9 * MINUTE).event(
                    "/checkouts/cn/1/thank-you",
                    "page_view",
                    MINUTE,
                ),
                false,
                Category::None,
                "order_completed",
            ),
            (
                "a new cart after an order",
                session()
                    .cart(1)
                    .changed(6 * MINUTE)
                    .event("/", "purchase", 20 * MINUTE),
                true,
                Category::Reminder,
                "cart_idle",
            ),
        ];
        for (name, session, show_popup, category, trigger) in cases {
            let advice = advise(&session.0, Timestamp::from_millis(NOW));
            assert_eq!(
                (advice.show_popup(), advice.category(), advice.trigger()),
                (show_popup, category, trigger),
                "{name}: {advice:?}"
            );
        }
    }

    #[test]
    fn the_seeds_shopper_gets_what_the_seed_shows() {
        let seed = session()
            .cart(7)
            .spent("/products/xyz", 123_456)
            .spent("/cart", 9_876)
            .event("/", "view", 20 * MINUTE)
            .event("/", "click", 19 * MINUTE)
            .event("/cart", "view", 18 * MINUTE);
        let advice = advise(&seed.0, Timestamp::from_millis(NOW));
        assert_eq!(
            (
                advice.show_popup(),
                advice.category(),
                advice.trigger(),
                advice.delay_ms()
            ),
            (true, Category::Info, "items_in_cart", 2_000)
        );
        assert_eq!(
            advice.message(),
            "You have 7 items in your cart. Any questions before you check out? We are happy to help."
        );
    }

    #[test]
    fn counts_are_told_in_good_english() {
        for (items, told) in [
            (1, "1 item is"),
            (2, "2 items are"),
            (99, "99 items are"),
            (100, "More than 99 items are"),
            (u64::MAX, "More than 99 items are"),
        ] {
            let advice = advise(
                &session().cart(items).counted("checkout_started", 1).0,
                Timestamp::from_millis(NOW),
            );
            assert_eq!(
                advice.message(),
                format!("You were almost done! {told} still in your cart, ready when you are.")
            );
        }
        assert_eq!(
            (minutes(5 * MINUTE), minutes(3 * HOUR), minutes(100 * HOUR)),
            ("5 minutes".into(), "3 hours".into(), "4 days".into())
        );
    }

    #[test]
    fn a_clock_that_runs_ahead_is_taken_for_now() {
        let advice = advise(
            &session().cart(9).changed(-HOUR).0,
            Timestamp::from_millis(NOW),
        );
        assert_eq!(advice.trigger(), "cart_active");
    }

    /// Whatever a tracker may have sent, with names and types that the rules look at.
    fn any_session() -> impl Strategy<Value = SessionRecord> {
        let page = prop_oneof![
            Just("/".to_owned()),
            Just("/cart".to_owned()),
            Just("/checkout".to_owned()),
            "/products/[a-c]",
            ".{0,20}",
        ];
        let kind = prop_oneof![
            Just("view".to_owned()),
            Just("add_to_cart".to_owned()),
            Just("checkout_started".to_owned()),
            Just("purchase".to_owned()),
            ".{0,10}"
        ];
        let time = prop_oneof![NOW - 3 * HOUR..NOW + HOUR, any::<i64>()];
        (
            proptest::option::of(prop_oneof![0..10_u64, any::<u64>()]),
            proptest::option::of(time.clone()),
            proptest::collection::btree_map(
                page.clone(),
                prop_oneof![0..200_000_u64, any::<u64>()],
                0..8,
            ),
            proptest::collection::vec((page, kind, time), 0..30),
        )
            .prop_map(|(items, changed, spent, events)| {
                let mut built = session();
                built.0.items_in_cart = items;
                built.0.cart_changed_at = changed.map(Timestamp::from_millis);
                built.0.time_on_page = spent;
                for (page, kind, at) in events {
                    built = built.event(&page, &kind, NOW.saturating_sub(at));
                }
                built.0
            })
    }

    proptest! {
        #[test]
        fn any_session_gets_advice_that_the_contract_allows(record in any_session()) {
            let now = Timestamp::from_millis(NOW);
            let advice = advise(&record, now);
            prop_assert_eq!(&advise(&record, now), &advice);
            prop_assert!(TRIGGERS.contains(&advice.trigger()));
            prop_assert!(advice.message().chars().count() <= MESSAGE_CHARS);
            prop_assert_eq!(advice.show_popup(), advice.category() != Category::None);
            // The rules build their advice directly; it must pass the same gate as a model's.
            let again: Advice = serde_json::from_str(&serde_json::to_string(&advice).unwrap()).unwrap();
            prop_assert_eq!(again, advice);
        }
    }
}
