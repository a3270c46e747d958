//! What a session has reached, and when.
//!
//! A store is asked for its sessions by these, so they are kept beside the session's state and not in it. What a session
//! has reached is a union over what its messages say: it does not depend on their order or repetition. When it was
//! reached is the time of the server.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::SessionMessage;
use super::name::Name;
use crate::Timestamp;
use crate::identifier::ExternalId;
use crate::limits::PRODUCTS_PER_SESSION;

/// The type of the event that says that a checkout was begun.
const CHECKOUT_STARTED: &str = "checkout_started";
/// The types of the events that say that a product was looked at: the tracker's and that of Shopify's pixels.
const PRODUCT_VIEWS: [&str; 2] = ["product_view", "product_viewed"];

/// What one event says that a session has reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Milestone {
    Checkout,
    Product(Name),
}

impl Milestone {
    /// What an event of this type and with these fields says, as they were sent.
    pub(super) fn of(kind: &str, fields: &Map<String, Value>) -> Option<Self> {
        match kind {
            CHECKOUT_STARTED => Some(Self::Checkout),
            kind if is_product_view(kind) => product_id(fields).map(|id| Self::Product(Name(id))),
            _ => None,
        }
    }
}

/// Whether an event of this type says that a product was looked at.
pub(crate) fn is_product_view(kind: &str) -> bool {
    PRODUCT_VIEWS.contains(&kind)
}

/// The product that an event of a tracker names: a text or a whole number.
pub(crate) fn product_id(fields: &Map<String, Value>) -> Option<String> {
    let id = match fields.get("productId")? {
        Value::String(text) => ExternalId::parse(text).ok()?.as_str().to_owned(),
        Value::Number(number) => number.as_u64()?.to_string(),
        _ => return None,
    };
    (!id.is_empty()).then_some(id)
}

/// What a session has reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Milestones {
    started_at: Option<Timestamp>,
    checkout_at: Option<Timestamp>,
    product_ids: BTreeSet<Name>,
}

impl Milestones {
    /// What was reached before, as it was stored.
    #[must_use]
    pub fn new(
        started_at: Option<Timestamp>,
        checkout_at: Option<Timestamp>,
        product_ids: impl IntoIterator<Item = String>,
    ) -> Self {
        Self {
            started_at,
            checkout_at,
            product_ids: product_ids.into_iter().map(Name).collect(),
        }
    }

    /// When the session's first message arrived; `None` before that.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// When its first `checkout_started` arrived.
    #[must_use]
    pub fn checkout_at(&self) -> Option<Timestamp> {
        self.checkout_at
    }

    /// The products that were looked at: of more than [`PRODUCTS_PER_SESSION`] those with the shortest ids, and of these
    /// the least ones.
    pub fn product_ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.product_ids.iter().map(|id| id.0.as_str())
    }

    /// Adds what a message that arrived at `now` says. Whether that was anything new, its mere arrival aside: a message
    /// that says nothing begins no session. Events of pages for which the session has no room count as well: whether
    /// there is room depends on what else has come.
    pub fn reach(&mut self, message: &SessionMessage, now: Timestamp) -> bool {
        let mut changed = false;
        self.started_at.get_or_insert(now);
        for event in &message.events {
            changed |= match &event.milestone {
                None => false,
                Some(Milestone::Checkout) => {
                    let is_first = self.checkout_at.is_none();
                    self.checkout_at.get_or_insert(now);
                    is_first
                }
                Some(Milestone::Product(id)) => self.view(id),
            };
        }
        changed
    }

    fn view(&mut self, id: &Name) -> bool {
        let has_room = self.product_ids.len() < PRODUCTS_PER_SESSION
            || self.product_ids.last().is_some_and(|last| id < last);
        if !has_room || self.product_ids.contains(id) {
            return false;
        }
        self.product_ids.insert(id.clone());
        if self.product_ids.len() > PRODUCTS_PER_SESSION {
            self.product_ids.pop_last();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::limits::PAGES_PER_SESSION;
    use crate::session::SessionMessageBody;

    fn message(events: &Value) -> SessionMessage {
        let body = json!({ "session": "s-1", "events": events });
        let body: SessionMessageBody = crate::json::decode(body.to_string().as_bytes()).unwrap();
        SessionMessage::parse(body, Timestamp::default()).unwrap()
    }

    fn views(products: impl IntoIterator<Item = String>) -> SessionMessage {
        let views = products.into_iter();
        let views = views.map(|id| json!({ "type": "product_view", "ts": 1, "productId": id }));
        message(&json!({ "/": views.collect::<Vec<_>>() }))
    }

    fn products(milestones: &Milestones) -> Vec<&str> {
        milestones.product_ids().collect()
    }

    #[test]
    fn the_times_are_those_of_the_first_message_and_of_the_first_checkout() {
        let at = Timestamp::from_millis;
        let mut milestones = Milestones::default();
        assert!(
            !milestones.reach(&message(&json!({})), at(1)),
            "nothing was reached"
        );
        let checkout = message(&json!({ "/": [{ "type": "checkout_started", "ts": 9 }] }));
        assert!(milestones.reach(&checkout, at(2)));
        assert!(!milestones.reach(&checkout, at(3)));
        assert_eq!(
            (milestones.started_at(), milestones.checkout_at()),
            (Some(at(1)), Some(at(2)))
        );
    }

    #[test]
    fn pages_without_room_hide_no_milestone() {
        // Short names have room, and these have the longest.
        let pages = (0..=PAGES_PER_SESSION).map(|page| {
            let event =
                json!([{ "type": "product_view", "ts": 1, "productId": 1_000 + page % 50 }]);
            ("p".repeat(page + 1), event)
        });
        let mut milestones = Milestones::default();
        assert!(milestones.reach(&message(&pages.collect()), Timestamp::default()));
        assert_eq!(milestones.product_ids().len(), 50);
    }

    proptest! {
        #[test]
        fn the_same_hundred_products_are_kept_in_any_order_and_repetition(
            messages in proptest::collection::vec(proptest::collection::vec(0..400_u32, 0..60), 1..12),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..24),
        ) {
            let messages: Vec<_> = messages.iter().map(|ids| ids.iter().map(u32::to_string).collect::<Vec<_>>()).collect();
            let mut shuffled: Vec<_> = order.iter().map(|index| index.get(&messages)).collect();
            shuffled.extend(messages.iter().rev());
            let (mut one, mut other) = (Milestones::default(), Milestones::default());
            for ids in &messages {
                let _ = one.reach(&views(ids.clone()), Timestamp::default());
            }
            for ids in shuffled {
                // As if it were read from the database each time.
                let stored = products(&other).into_iter().map(str::to_owned).collect::<Vec<_>>();
                other = Milestones::new(other.started_at(), other.checkout_at(), stored);
                let _ = other.reach(&views(ids.clone()), Timestamp::default());
            }
            let mut expected: Vec<_> = messages.concat();
            expected.sort_by_key(|id| (id.len(), id.clone()));
            expected.dedup();
            expected.truncate(PRODUCTS_PER_SESSION);
            prop_assert_eq!(products(&one), expected);
            prop_assert_eq!(one, other);
        }
    }

    fn product(fields: &Value) -> Option<String> {
        product_id(fields.as_object().unwrap())
    }

    #[test]
    fn a_product_is_named_by_a_text_or_a_whole_number() {
        for id in [json!("123"), json!(123), json!("gid://shopify/Product/123")] {
            assert_eq!(product(&json!({ "productId": id })), Some("123".into()));
        }
        for id in [
            json!(null),
            json!(""),
            json!("  "),
            json!(-1),
            json!(1.5),
            json!(true),
            json!(["1"]),
            json!("a\u{0}b"),
            json!("gid://shopify/Product/"),
            json!("1".repeat(256)),
        ] {
            assert_eq!(product(&json!({ "productId": id })), None, "{id}");
        }
        assert_eq!(product(&json!({})), None);
    }

    #[test]
    fn only_checkouts_and_product_views_are_milestones() {
        let of = |kind| Milestone::of(kind, json!({ "productId": 7 }).as_object().unwrap());
        assert_eq!(of("checkout_started"), Some(Milestone::Checkout));
        let product = Milestone::Product(Name("7".into()));
        assert_eq!(of("product_view"), Some(product.clone()));
        assert_eq!(of("product_viewed"), Some(product));
        for kind in ["view", "page_view", "add_to_cart", "Checkout_started", ""] {
            assert_eq!(of(kind), None, "{kind}");
        }
    }
}
