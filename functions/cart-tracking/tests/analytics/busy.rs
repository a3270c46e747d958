//! A shop in which a lot happened, by chance.

use serde_json::{Value, json};
use shoptrail_domain::Timestamp;
use shoptrail_domain::access::{ApiKey, Scope, Stores};
use shoptrail_domain::advice::outcome::Outcome;
use shoptrail_domain::advice::{Advice, Source};
use shoptrail_domain::cart_event::CartEvent;
use shoptrail_domain::image_generation::ImageGeneration;
use shoptrail_domain::sender::Sender;
use shoptrail_domain::session::SessionMessage;
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::TestShop;
use shoptrail_storage::{BatchOutcome, DecisionRecord};

use crate::facts::{Decision, Event, Generation, Identity, Message, Session, World, iso, millis};
use crate::questions::questions;
use crate::{A, ANALYTICS, B, NOW, PRODUCTS, get};

/// Between these, things happen.
const FIRST: &str = "2026-03-25T00:00:00Z";
const LAST: &str = "2026-04-07T11:00:00Z";

/// Chance that is always the same (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A moment: every third is at an edge of some interval, or a millisecond beside it.
    fn time(&mut self, edges: &[i64]) -> i64 {
        let (first, last) = (millis(FIRST), millis(LAST));
        if self.once_in(3) {
            let at = self.one(edges) + self.one(&[-1, 0, 1]);
            return at.clamp(first, last);
        }
        first + (self.roll() % (last - first) as u64) as i64
    }

    fn session(&mut self) -> String {
        format!("s-{}", self.below(60))
    }

    fn identity(&mut self) -> Identity {
        let mut identity = Identity::default();
        // With nothing at all, with one of them, or with several.
        if self.once_in(3) {
            identity.session = Some(self.session());
        }
        if self.once_in(3) {
            identity.customer = Some(self.below(12).to_string());
        }
        if self.once_in(3) {
            identity.email = Some(format!("c{}@example.com", self.below(12)));
        }
        if self.once_in(2) {
            identity.picture = Some(format!("https://img.example.com/{}.png", self.below(40)));
        }
        identity
    }
}

/// A shop in which a lot happened, in two stores.
pub(crate) struct Busy {
    pub(crate) shop: TestShop,
    pub(crate) key: ApiKey,
    pub(crate) world: World,
}

impl Busy {
    pub(crate) async fn start(seed: u64) -> Self {
        let shop = TestShop::start(Deployment::Local, &[]).await;
        let key = shop.create_key(&[Scope::Read], &["*"]).await;
        shop.pass_seconds((millis(NOW) - shop.now().as_millis()) / 1_000);
        assert_eq!(shop.now().to_iso(), NOW);
        let mut busy = Self {
            shop,
            key,
            world: World::default(),
        };
        let mut dice = Dice(seed);
        let edges: Vec<i64> = questions()
            .iter()
            .flat_map(|question| question.edges.clone())
            .collect();
        busy.track_events(&mut dice, &edges).await;
        busy.track_generations(&mut dice, &edges).await;
        busy.visit(&mut dice, &edges).await;
        busy.decide(&mut dice, &edges).await;
        busy
    }

    /// Days after which something expires: after a few days, or long after it is asked for.
    fn retention(dice: &mut Dice) -> u32 {
        if dice.once_in(6) { 3 } else { 60 }
    }

    async fn track_events(&mut self, dice: &mut Dice, edges: &[i64]) {
        for _ in 0..25 {
            let days = Self::retention(dice);
            let mut wanted = Vec::new();
            for _ in 0..20 {
                let identity = dice.identity();
                let at = dice.time(edges);
                wanted.push(Event {
                    id: String::new(),
                    at,
                    store: if dice.once_in(6) { B } else { A },
                    expires_at: at / 1_000 + i64::from(days) * 86_400,
                    action: dice.one(&[
                        "add_to_cart",
                        "add_to_cart",
                        "buy_now",
                        "remove_from_cart",
                        "checkout_started",
                        "wishlist:add",
                    ]),
                    product: (!dice.once_in(5)).then(|| dice.one(&PRODUCTS)),
                    title: (!dice.once_in(3))
                        .then(|| dice.one(&["Shirt", "Linen shirt", "Blouse"])),
                    identity,
                });
            }
            let parsed: Vec<_> = wanted
                .iter()
                .map(|event| {
                    let body = json!({
                        "storeName": event.store, "actionType": event.action, "productId": event.product,
                        "productTitle": event.title, "sessionId": event.identity.session,
                        "customerId": event.identity.customer, "customerEmail": event.identity.email,
                        "generatedImageUrl": event.identity.picture,
                        "eventId": format!("event-{:016x}", dice.roll()),
                    });
                    let wire = serde_json::from_value(body).unwrap();
                    let event_at = Timestamp::from_millis(event.at);
                    (CartEvent::parse(&wire, Sender::default()).unwrap(), event_at)
                })
                .collect();
            let ids = self.record(&parsed, days).await;
            // The same once more, an hour later, counts as nothing.
            let again: Vec<_> = parsed
                .iter()
                .take(5)
                .map(|(event, at)| (event.clone(), at.plus_millis(3_600_000)))
                .collect();
            assert_eq!(self.record(&again, days).await, ids[..5]);
            for (event, id) in wanted.into_iter().zip(ids) {
                self.world.events.push(Event { id, ..event });
            }
        }
    }

    async fn record(&self, events: &[(CartEvent, Timestamp)], days: u32) -> Vec<String> {
        let app = self.shop.app();
        let random = || app.random.draw();
        let outcomes = app.store.record_cart_events(events, days, random).await;
        outcomes.unwrap().into_iter().map(id_of).collect()
    }

    async fn track_generations(&mut self, dice: &mut Dice, edges: &[i64]) {
        for _ in 0..10 {
            let days = Self::retention(dice);
            let mut wanted = Vec::new();
            for _ in 0..20 {
                let identity = dice.identity();
                let at = dice.time(edges);
                wanted.push(Generation {
                    id: String::new(),
                    at,
                    store: if dice.once_in(6) { B } else { A },
                    expires_at: at / 1_000 + i64::from(days) * 86_400,
                    status: dice.one(&["completed", "completed", "completed", "failed", "pending"]),
                    product: (!dice.once_in(4)).then(|| dice.one(&PRODUCTS)),
                    identity,
                });
            }
            let parsed: Vec<_> = wanted
                .iter()
                .map(|generation| {
                    let body = json!({
                        "storeName": generation.store, "status": generation.status,
                        "productId": generation.product, "sessionId": generation.identity.session,
                        "customerId": generation.identity.customer,
                        "customerEmail": generation.identity.email,
                        "generatedImageUrl": generation.identity.picture,
                    });
                    let wire = serde_json::from_value(body).unwrap();
                    let parsed = ImageGeneration::parse(&wire, Sender::default()).unwrap();
                    (parsed, Timestamp::from_millis(generation.at))
                })
                .collect();
            let app = self.shop.app();
            let random = || app.random.draw();
            let outcomes = app
                .store
                .record_image_generations(&parsed, days, random)
                .await;
            let ids = outcomes.unwrap().into_iter().map(id_of);
            for (generation, id) in wanted.into_iter().zip(ids) {
                self.world.generations.push(Generation { id, ..generation });
            }
        }
    }

    async fn visit(&mut self, dice: &mut Dice, edges: &[i64]) {
        // More sessions than carts name, and fewer.
        for number in 0..50 {
            let mut at = dice.time(edges);
            // An expired one has ended long before.
            let is_expired = dice.once_in(6) && at < millis("2026-03-30T00:00:00Z");
            let mut messages = Vec::new();
            for _ in 0..1 + dice.below(4) {
                messages.push(Message {
                    at,
                    products: (0..dice.below(4)).map(|_| dice.one(&PRODUCTS)).collect(),
                    is_checkout: dice.once_in(4),
                });
                // To the edge of an interval, or somewhere within a day.
                let later: Vec<i64> = edges
                    .iter()
                    .copied()
                    .filter(|edge| (at..at + 86_400_000).contains(edge))
                    .collect();
                at = if later.is_empty() || dice.once_in(2) {
                    at + (dice.roll() % 20_000_000) as i64
                } else {
                    dice.one(&later)
                };
            }
            messages.retain(|message| message.at <= millis(LAST));
            self.world.sessions.push(Session {
                id: format!("s-{}", number * 2),
                store: if dice.once_in(6) { B } else { A },
                is_expired,
                messages,
            });
        }
        for session in &self.world.sessions {
            let days = if session.is_expired { 1 } else { 90 };
            for (number, message) in session.messages.iter().enumerate() {
                let at = Timestamp::from_millis(message.at);
                let mut events: Vec<_> = message
                    .products
                    .iter()
                    .map(|product| json!({ "type": "product_view", "ts": message.at, "productId": product }))
                    .collect();
                events.push(json!({ "type": "view", "ts": message.at, "number": number }));
                if message.is_checkout {
                    events.push(
                        json!({ "type": "checkout_started", "ts": message.at, "number": number }),
                    );
                }
                let body = json!({
                    "session": session.id, "storeName": session.store, "events": { "/": events },
                });
                let body = serde_json::from_value(body).unwrap();
                let parsed = SessionMessage::parse(body, at).unwrap();
                let app = self.shop.app();
                let stores = Stores::All;
                // Twice, a while apart, as a network may have it.
                for at in [at, at.plus_millis(60_000)] {
                    let random = || app.random.draw();
                    let recorded = app
                        .store
                        .record_session_message(&parsed, &stores, at, days, random)
                        .await;
                    recorded.unwrap();
                }
            }
        }
    }

    async fn decide(&mut self, dice: &mut Dice, edges: &[i64]) {
        let mut sessions = Vec::new();
        for number in 0..80 {
            let session = format!("s-{number}");
            // One popup each, so that the sessions' tallies are all the same; and other decisions.
            let store = if dice.once_in(6) { B } else { A };
            let is_held_out = dice.once_in(3);
            let mut records = Vec::new();
            for part in 0..1 + dice.below(3) {
                let at = dice.time(edges);
                let days = Self::retention(dice);
                let decision = Decision {
                    session: session.clone(),
                    at,
                    store,
                    expires_at: at / 1_000 + i64::from(days) * 86_400,
                    source: dice.one(&[
                        Source::Model,
                        Source::Cache,
                        Source::Rules,
                        Source::Policy,
                    ]),
                    shows_popup: !is_held_out && dice.once_in(2),
                    is_control: is_held_out && dice.once_in(2),
                    outcomes: Outcome::ALL
                        .into_iter()
                        .filter(|_| dice.once_in(3))
                        .collect(),
                };
                // A session that is held out may be one that would have been shown nothing.
                let suppressed = is_held_out && (decision.is_control || dice.once_in(2));
                records.push(DecisionRecord {
                    session: session.clone(),
                    decision_id: format!("00000000-0000-7000-8000-{number:06}{part:06}"),
                    session_version: 1,
                    store_name: Some(store.to_owned()),
                    source: decision.source,
                    advice: advice(decision.shows_popup),
                    suppressed: suppressed.then(|| advice(decision.is_control)),
                    asked: None,
                    failure: None,
                    outcomes: decision
                        .outcomes
                        .iter()
                        .map(|outcome| (*outcome, iso(at + 1_000)))
                        .collect(),
                    created_at: iso(at),
                    reusable_until: None,
                    expires_at: decision.expires_at,
                });
                self.world.decisions.push(decision);
            }
            sessions.push(records);
        }
        let store = &self.shop.app().store;
        for sessions in sessions.chunks(20) {
            store.record_first_decisions(sessions).await.unwrap();
        }
    }

    pub(crate) async fn ask(&self, query: &[(&str, &str)]) -> Value {
        let answer = get(&self.shop, &self.key, ANALYTICS, query).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["data"].clone()
    }
}

pub(crate) fn advice(show_popup: bool) -> Advice {
    let advice = json!({
        "show_popup": show_popup, "message": if show_popup { "Still looking?" } else { "" }, "reason": "A test",
        "category": "info", "trigger": "engagement", "confidence": 0.5, "delay_ms": 0,
    });
    serde_json::from_value(advice).unwrap()
}

pub(crate) fn id_of(outcome: BatchOutcome) -> String {
    match outcome {
        BatchOutcome::Recorded(recorded) => recorded.id,
        other => panic!("not stored: {other:?}"),
    }
}
