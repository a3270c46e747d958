//! One visit: what somebody looks at, tries on, puts into the cart and buys, and what is told of it. All parts of it name
//! the same session and the same products.

use std::borrow::Cow;

use fastrand::Rng;
use serde_json::json;
use shoptrail_domain::advice::AdviceError;
use shoptrail_domain::cart_event::{CartEvent, TrackCartEvent};
use shoptrail_domain::identifier::ExternalId;
use shoptrail_domain::image_generation::{GenerationStatus, ImageGeneration, TrackImageGeneration};
use shoptrail_domain::refusal::Refusal;
use shoptrail_domain::sender::Sender;
use shoptrail_domain::session::SessionId;
use shoptrail_domain::wire::Scalar;
use shoptrail_domain::{ParseErrors, Reason, StoreName, Timestamp};
use shoptrail_storage::{DecisionRecord, NewSession};
use thiserror::Error;

use super::catalogue::{self, Product};
use super::chance::{Purpose, happens, rng_of, uuid};
use super::day_curve::DayCurve;
use super::popups::Popups;
use super::shoppers::Shopper;
use super::walk::Walk;

// Of a thousand each: a shop in which more is tried on and bought than in most, so that there is something to see.
const FILLS_A_CART: u32 = 420;
const LEAVES_AT_ONCE: u32 = 380;
const LOOKS_AT_ONE_MORE: u32 = 640;
const TRIES_ON_WITH_A_CART: u32 = 110;
const TRIES_ON: u32 = 70;
const BUYS_WHAT_WAS_TRIED_ON: u32 = 450;
const ADDS: u32 = 850;
const ADDS_ANOTHER_VARIANT: u32 = 160;
const BUYS_NOW: u32 = 40;
const REMOVES: u32 = 240;
const ASKED_WITH_A_CART: u32 = 600;
const ASKED: u32 = 250;
const ASKED_AGAIN: u32 = 250;
const CHECKS_OUT: u32 = 360;
const ORDERS: u32 = 560;
/// By how much a popup that was seen raises both of the former.
const CHECKS_OUT_AFTER_A_POPUP: u32 = 90;
const ORDERS_AFTER_A_POPUP: u32 = 90;
const GENERATION_FAILS: u32 = 70;
const GENERATION_HANGS: u32 = 40;
const COMES_WITHOUT_CONSENT: u32 = 45;
const IS_REPEATED: u32 = 22;
const SENDS_NONSENSE: u32 = 9;
const FLOODS: u32 = 2;

/// Products that one visit looks at: what fits 40 minutes.
const MOST_PRODUCTS: u32 = 9;
/// Visits that are recorded whole. Of those after them there are their cart events and pictures alone, as of shoppers in
/// whose browser no tracker runs: sessions take half of the command's time, and more of them show nothing new.
const VISITS_RECORDED: u64 = 12_000;

const SEARCHES: [&str; 6] = ["linen", "dress", "jacket", "blue", "wool", "gift"];
const COLLECTIONS: [(&str, &str); 4] = [
    ("/collections/new", "New in"),
    ("/collections/tops", "Shirts & knits"),
    ("/collections/jackets", "Jackets"),
    ("/collections/sale", "Last sizes"),
];

/// Why a visit could not be made: what it says breaks a rule of the contract.
#[derive(Debug, Error)]
pub(crate) enum VisitError {
    #[error(transparent)]
    Fields(#[from] ParseErrors),
    #[error(transparent)]
    Id(#[from] Reason),
    #[error(transparent)]
    Advice(#[from] AdviceError),
    #[error("a message is not of the tracker's form")]
    Message(#[from] serde_json::Error),
}

/// What all visits have in common.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) seed: u64,
    pub(super) store: StoreName,
    pub(super) curve: DayCurve,
    /// For how long decisions are kept.
    pub(super) session_days: u32,
}

/// What a visit leaves behind.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) start: Timestamp,
    /// Empty where the visit is not recorded.
    pub(super) session: NewSession,
    pub(super) cart_events: Vec<(CartEvent, Timestamp)>,
    pub(super) generations: Vec<(ImageGeneration, Timestamp)>,
    /// The oldest first.
    pub(super) decisions: Vec<DecisionRecord>,
    /// What was not stored.
    pub(super) refusals: Vec<(Refusal, u64)>,
}

/// A visit under way.
struct Visitor<'a> {
    rng: Rng,
    shopper: &'a Shopper,
    walk: Walk,
    popups: Popups,
    /// Whether the tracker tells of it.
    is_recorded: bool,
    session_days: u32,
    /// What was put into the cart and stands in it.
    cart: Vec<InCart>,
    cart_events: Vec<(CartEvent, Timestamp)>,
    generations: Vec<(ImageGeneration, Timestamp)>,
    wants_a_cart: bool,
}

struct InCart {
    product: &'static Product,
    variant: String,
}

impl Setting {
    /// The visit of this number. When it takes place is drawn before all else, so that all else is the same whenever
    /// the command is run.
    pub(super) fn visit(&self, number: u64, shopper: &Shopper) -> Result<Visit, VisitError> {
        let mut rng = rng_of(self.seed, Purpose::Visit, number);
        let start = self.curve.at(rng.f64());
        let session = SessionId::parse(&uuid(&mut rng))?;
        let events_id = format!("{:08x}", rng.u32(..));
        let wants_a_cart = happens(&mut rng, FILLS_A_CART);
        let mut visitor = Visitor {
            rng,
            shopper,
            walk: Walk::new(session, self.store.clone(), start, events_id),
            is_recorded: number < VISITS_RECORDED,
            popups: Popups::default(),
            session_days: self.session_days,
            cart: Vec::new(),
            cart_events: Vec::new(),
            generations: Vec::new(),
            wants_a_cart,
        };
        visitor.go()?;
        let refusals = visitor.refusals();
        Ok(Visit {
            start,
            session: visitor.walk.into_messages(),
            cart_events: visitor.cart_events,
            generations: visitor.generations,
            decisions: visitor.popups.into_decisions(),
            refusals,
        })
    }
}

impl Visitor<'_> {
    fn go(&mut self) -> Result<(), VisitError> {
        self.land();
        self.walk.stay(self.rng.i64(4_000..14_000));
        // The tracker's first message comes soon; the visit begins with it.
        self.send("interval")?;
        let mut looks = match (self.wants_a_cart, self.chance(LEAVES_AT_ONCE)) {
            (true, _) => 3,
            (false, true) => 0,
            (false, false) => 1,
        };
        while looks > 0 && looks < MOST_PRODUCTS && self.chance(LOOKS_AT_ONE_MORE) {
            looks += 1;
        }
        for _ in 0..looks {
            if self.look_at_a_product()? {
                return self.check_out();
            }
        }
        if !self.cart.is_empty() {
            self.look_at_the_cart()?;
        }
        let asked = match self.cart.is_empty() {
            true if looks < 2 => 0,
            true => ASKED,
            false => ASKED_WITH_A_CART,
        };
        if self.chance(asked) {
            self.ask()?;
            if self.chance(ASKED_AGAIN) {
                self.look_at_a_collection();
                self.ask()?;
            }
        }
        let was_moved = self.popups.were_seen();
        let checks_out = CHECKS_OUT
            + if was_moved {
                CHECKS_OUT_AFTER_A_POPUP
            } else {
                0
            };
        if !self.cart.is_empty() && self.chance(checks_out) {
            return self.check_out();
        }
        self.send("pagehide")
    }

    fn send(&mut self, reason: &str) -> Result<(), VisitError> {
        if self.is_recorded {
            self.walk.send(reason)?;
        }
        Ok(())
    }

    fn chance(&mut self, of_thousand: u32) -> bool {
        happens(&mut self.rng, of_thousand)
    }

    /// How long a page is looked at, in ms: mostly half a minute, now and then some minutes.
    fn dwell(&mut self) -> i64 {
        let ms = self.rng.i64(6_000..45_000);
        if self.chance(150) { ms * 4 } else { ms }
    }

    fn land(&mut self) {
        if self.chance(600) {
            self.walk.view("/", "Home");
        } else {
            self.look_at_a_collection();
        }
    }

    fn look_at_a_collection(&mut self) {
        let (page, title) = COLLECTIONS[self.rng.usize(0..COLLECTIONS.len())];
        self.walk.view(page, title);
        self.walk.stay(self.rng.i64(3_000..25_000));
    }

    /// Whether the product was bought at once.
    fn look_at_a_product(&mut self) -> Result<bool, VisitError> {
        if self.chance(120) {
            let query = SEARCHES[self.rng.usize(0..SEARCHES.len())];
            self.walk.view("/search", "Search");
            self.walk.record("search", json!({ "query": query }));
            self.walk.stay(self.rng.i64(2_000..12_000));
        } else if self.chance(250) {
            self.look_at_a_collection();
        }
        let product = catalogue::draw(&mut self.rng);
        let variant = product.draw_variant(&mut self.rng);
        let (page, title) = (product.page(), product.title);
        self.walk.view(&page, title);
        self.walk.record(
            "product_view",
            json!({ "productId": product.id(), "variantId": variant, "title": title, "handle": product.handle }),
        );
        let dwell = self.dwell();
        self.walk.stay(dwell);
        if self.chance(350) {
            let click = json!({ "tag": "a", "text": "Size and fit", "target": "a.size-guide" });
            self.walk.record("click", click);
            self.walk.stay(self.rng.i64(3_000..20_000));
        }
        let tries_on = match self.wants_a_cart {
            true => TRIES_ON_WITH_A_CART,
            false => TRIES_ON,
        };
        let mut image = None;
        if product.can_be_tried_on && self.chance(tries_on) {
            image = self.try_on(product, &variant)?;
            self.wants_a_cart |= image.is_some() && self.chance(BUYS_WHAT_WAS_TRIED_ON);
        }
        if !self.wants_a_cart || !self.chance(ADDS) {
            return Ok(false);
        }
        if self.cart.is_empty() && self.chance(BUYS_NOW) {
            self.put_into_the_cart("buy_now", product, variant, image)?;
            return Ok(true);
        }
        self.put_into_the_cart("add_to_cart", product, variant, image)?;
        if self.chance(ADDS_ANOTHER_VARIANT) {
            let variant = product.draw_variant(&mut self.rng);
            self.walk.stay(self.rng.i64(3_000..15_000));
            self.put_into_the_cart("add_to_cart", product, variant, None)?;
        }
        Ok(false)
    }

    /// The address of the picture, if there is one.
    fn try_on(
        &mut self,
        product: &'static Product,
        variant: &str,
    ) -> Result<Option<String>, VisitError> {
        let click = json!({ "tag": "button", "text": "Try it on", "target": "button.try-on" });
        self.walk.record("click", click);
        self.walk.stay(self.rng.i64(6_000..25_000));
        let status = match self.rng.u32(0..1_000) {
            draw if draw < GENERATION_FAILS => GenerationStatus::Failed,
            draw if draw < GENERATION_FAILS + GENERATION_HANGS => GenerationStatus::Processing,
            _ => GenerationStatus::Completed,
        };
        let id = uuid(&mut self.rng);
        let image = (status == GenerationStatus::Completed)
            .then(|| format!("https://images.example.com/try-on/{id}.jpg"));
        let wire = TrackImageGeneration {
            store_name: text(self.walk.store().as_str()),
            generated_image_url: image.clone().map_or(Scalar::Absent, text),
            person_image_url: text(format!("https://images.example.com/person/{id}.jpg")),
            clothing_image_url: text(format!(
                "https://images.example.com/products/{}.jpg",
                product.handle
            )),
            status: text(status.as_str()),
            product_id: text(product.id()),
            variant_id: text(variant),
            customer_id: id_of(self.shopper.customer_id.as_ref()),
            customer_email: self.email(),
            session_id: text(self.walk.session().as_str()),
            event_id: text(id),
            ..TrackImageGeneration::default()
        };
        let generation = ImageGeneration::parse(&wire, Sender::default())?;
        self.generations.push((generation, self.walk.now()));
        self.walk.stay(self.rng.i64(4_000..20_000));
        Ok(image)
    }

    fn put_into_the_cart(
        &mut self,
        action: &'static str,
        product: &'static Product,
        variant: String,
        image: Option<String>,
    ) -> Result<(), VisitError> {
        let item = InCart { product, variant };
        self.tell_of_the_cart(action, &item, image)?;
        self.cart.push(item);
        self.walk.set_items(self.walk.items() + 1);
        self.walk.stay(self.rng.i64(1_500..8_000));
        Ok(())
    }

    /// To the tracker and to the cart's own route, as the tracker does it.
    fn tell_of_the_cart(
        &mut self,
        action: &'static str,
        item: &InCart,
        image: Option<String>,
    ) -> Result<(), VisitError> {
        let InCart { product, variant } = item;
        let fields =
            json!({ "productId": product.id(), "variantId": variant, "title": product.title });
        self.walk.record(action, fields);
        let wire = TrackCartEvent {
            store_name: text(self.walk.store().as_str()),
            action_type: text(action),
            product_id: text(product.id()),
            product_title: text(product.title),
            product_url: text(self.walk.url(&product.page())),
            variant_id: text(variant.as_str()),
            customer_id: id_of(self.shopper.customer_id.as_ref()),
            customer_email: self.email(),
            generated_image_url: image.map_or(Scalar::Absent, text),
            user_agent: text(self.shopper.user_agent),
            session_id: text(self.walk.session().as_str()),
            event_id: text(uuid(&mut self.rng)),
            ..TrackCartEvent::default()
        };
        let sender = Sender {
            ip_address: Some(self.shopper.ip_address),
            ..Sender::default()
        };
        let event = CartEvent::parse(&wire, sender)?;
        self.cart_events.push((event, self.walk.now()));
        Ok(())
    }

    fn email(&self) -> Scalar {
        let email = self.shopper.customer_email.as_ref();
        email.map_or(Scalar::Absent, |email| text(email.as_str()))
    }

    fn look_at_the_cart(&mut self) -> Result<(), VisitError> {
        self.walk.view("/cart", "Your cart");
        let dwell = self.dwell();
        self.walk.stay(dwell);
        if self.chance(REMOVES) {
            let index = self.rng.usize(0..self.cart.len());
            let item = self.cart.swap_remove(index);
            self.tell_of_the_cart("remove_from_cart", &item, None)?;
            self.walk.set_items(self.walk.items().saturating_sub(1));
        }
        self.walk.stay(self.rng.i64(2_000..60_000));
        Ok(())
    }

    fn ask(&mut self) -> Result<(), VisitError> {
        if !self.is_recorded {
            return Ok(());
        }
        self.send("ask")?;
        let (session, version, now) = (self.walk.stored(), self.walk.version(), self.walk.now());
        self.popups
            .ask(&session, version, now, self.session_days, &mut self.rng)?;
        self.walk.stay(self.popups.longest_ms());
        Ok(())
    }

    fn check_out(&mut self) -> Result<(), VisitError> {
        self.walk.view("/checkouts/cn", "Checkout");
        let items = self.walk.items();
        self.walk
            .record("checkout_started", json!({ "quantity": items }));
        self.walk.stay(self.rng.i64(25_000..160_000));
        let was_moved = self.popups.were_seen();
        let orders = ORDERS + if was_moved { ORDERS_AFTER_A_POPUP } else { 0 };
        if self.chance(orders) {
            self.walk.view("/checkouts/cn/thank-you", "Thank you");
            self.walk
                .record("checkout_completed", json!({ "quantity": items }));
            self.walk.set_items(0);
            self.popups.convert(self.walk.now());
            if self.chance(ASKED_AGAIN) {
                return self.ask();
            }
        }
        self.send("pagehide")
    }

    /// What came with this visit and was not stored.
    fn refusals(&mut self) -> Vec<(Refusal, u64)> {
        let kinds = [
            (Refusal::NoConsent, COMES_WITHOUT_CONSENT, 1..6),
            (Refusal::Duplicate, IS_REPEATED, 1..4),
            (Refusal::Invalid, SENDS_NONSENSE, 1..8),
            (Refusal::RateLimited, FLOODS, 5..60),
        ];
        let mut refusals = Vec::new();
        for (reason, of_thousand, counts) in kinds {
            if self.chance(of_thousand) {
                refusals.push((reason, self.rng.u64(counts)));
            }
        }
        refusals
    }
}

fn text<'a>(text: impl Into<Cow<'a, str>>) -> Scalar {
    Scalar::Text(text.into().into_owned())
}

fn id_of(id: Option<&ExternalId>) -> Scalar {
    id.map_or(Scalar::Absent, |id| text(id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo_data::shoppers::Shoppers;
    use crate::demo_data::walk::LONGEST_VISIT_MS;
    use shoptrail_domain::advice::outcome::Outcome;
    use std::collections::BTreeSet;
    use std::sync::LazyLock;

    const VISITS: u64 = 3_000;
    /// Made once for all tests that look at many.
    static SOME: LazyLock<Vec<Visit>> = LazyLock::new(|| visits(1, VISITS, now()));

    fn now() -> Timestamp {
        Timestamp::parse_iso("2024-01-14T21:00:00Z").unwrap()
    }

    fn visits(seed: u64, count: u64, now: Timestamp) -> Vec<Visit> {
        let setting = Setting {
            seed,
            store: StoreName::parse("my-store").unwrap(),
            curve: DayCurve::new(7, now.plus_millis(-LONGEST_VISIT_MS)),
            session_days: 90,
        };
        let mut shoppers = Shoppers::new(seed);
        let visit = |number| setting.visit(number, &shoppers.draw().unwrap()).unwrap();
        (0..count).map(visit).collect()
    }

    fn converted(decision: &DecisionRecord) -> bool {
        decision.outcomes.contains_key(&Outcome::Converted)
    }

    #[test]
    fn the_same_seed_makes_the_same_visits_and_another_one_makes_others() {
        let print = |visits: &[Visit]| format!("{visits:?}");
        let some = print(&visits(1, 50, now()));
        assert_eq!(print(&visits(1, 50, now())), some);
        assert_ne!(print(&visits(2, 50, now())), some);
    }

    #[test]
    fn a_later_run_differs_in_its_times_alone() {
        let later = visits(1, 200, now().plus_millis(40 * 3_600_000 + 123_456));
        for (one, other) in visits(1, 200, now()).iter().zip(&later) {
            let events = |visit: &Visit| -> Vec<CartEvent> {
                let events = visit.cart_events.iter();
                events.map(|(event, _)| event.clone()).collect()
            };
            assert_eq!(events(one), events(other));
            assert_eq!(one.session.len(), other.session.len());
            assert_eq!(one.decisions.len(), other.decisions.len());
            assert_eq!(one.refusals, other.refusals);
        }
    }

    #[test]
    fn nothing_happens_after_now_or_before_the_first_day() {
        let first = Timestamp::parse_iso("2024-01-08").unwrap();
        for visit in SOME.iter() {
            let messages = visit.session.iter().map(|(_, at)| *at);
            let events = visit.cart_events.iter().map(|(_, at)| *at);
            let generations = visit.generations.iter().map(|(_, at)| *at);
            let times: Vec<_> = messages.chain(events).chain(generations).collect();
            assert!(times.iter().all(|at| (first..=now()).contains(at)));
        }
    }

    #[test]
    fn all_parts_of_a_visit_name_one_session_that_no_other_visit_has() {
        let mut sessions = BTreeSet::new();
        for visit in SOME.iter() {
            let session = visit.session[0].0.session().as_str();
            assert!(sessions.insert(session));
            let messages = visit
                .session
                .iter()
                .map(|(message, _)| message.session().as_str());
            let events = visit.cart_events.iter().map(|(event, _)| &event.session_id);
            let generations = visit.generations.iter().map(|(image, _)| &image.session_id);
            let of_events = events.chain(generations).flatten().map(|id| id.as_str());
            let decisions = visit
                .decisions
                .iter()
                .map(|decision| decision.session.as_str());
            let mut named = messages.chain(of_events).chain(decisions);
            assert!(named.all(|named| named == session));
        }
    }

    #[test]
    fn there_is_about_one_visit_for_two_cart_events_and_all_kinds_of_things_happen() {
        let visits = &*SOME;
        let events: Vec<_> = visits.iter().flat_map(|visit| &visit.cart_events).collect();
        let share = events.len() as f64 / VISITS as f64;
        assert!((1.6..2.4).contains(&share), "{share} events in a visit");
        let actions: BTreeSet<_> = events
            .iter()
            .map(|(event, _)| event.action_type.as_str())
            .collect();
        assert_eq!(
            actions,
            ["add_to_cart", "buy_now", "remove_from_cart"].into()
        );
        let images = visits.iter().flat_map(|visit| &visit.generations);
        let statuses: BTreeSet<_> = images.map(|(image, _)| image.status.as_str()).collect();
        assert_eq!(statuses, ["completed", "failed", "processing"].into());
        let refusals = visits.iter().flat_map(|visit| &visit.refusals);
        let reasons: BTreeSet<_> = refusals.map(|(reason, _)| reason.as_str()).collect();
        let all = ["duplicate", "invalid", "no_consent", "rate_limited"];
        assert_eq!(reasons, all.into());
    }

    #[test]
    fn what_was_bought_was_looked_at_in_the_same_visit() {
        for visit in SOME.iter().take(500) {
            let said = format!("{:?}", visit.session);
            for (event, _) in &visit.cart_events {
                let product = event.product_id.as_ref().unwrap().as_str();
                assert!(said.contains(product), "{product}");
            }
        }
    }

    #[test]
    fn of_late_visits_there_is_what_the_cart_tells_alone() {
        let setting = Setting {
            seed: 1,
            store: StoreName::parse("my-store").unwrap(),
            curve: DayCurve::new(7, now()),
            session_days: 90,
        };
        let shopper = Shoppers::new(1).draw().unwrap();
        let mut events = 0;
        for number in VISITS_RECORDED..VISITS_RECORDED + 50 {
            let visit = setting.visit(number, &shopper).unwrap();
            assert!(visit.session.is_empty() && visit.decisions.is_empty());
            events += visit.cart_events.len();
        }
        assert!(events > 0);
    }

    #[test]
    fn a_tenth_is_held_out_and_popups_are_worth_something() {
        let visits = visits(1, 8_000, now());
        let rate = |holds: &dyn Fn(&DecisionRecord) -> bool| {
            let decisions = visits.iter().map(|visit| &visit.decisions);
            let group: Vec<_> = decisions.filter(|of| of.iter().any(holds)).collect();
            let orders = group.iter().filter(|of| of.iter().any(converted)).count();
            (group.len(), orders as f64 / group.len() as f64)
        };
        let (treated, with) = rate(&|decision| decision.advice.show_popup());
        let is_control = |decision: &DecisionRecord| {
            let suppressed = decision.suppressed.as_ref();
            suppressed.is_some_and(|advice| advice.show_popup())
        };
        let (held_out, without) = rate(&is_control);
        let share = held_out as f64 / (treated + held_out) as f64;
        assert!((0.06..0.14).contains(&share), "{share} are held out");
        assert!(with > without, "{with} with popups, {without} without");
        assert!((0.03..0.5).contains(&without), "{without} without popups");
    }
}
