//! What is counted, by small examples; and that the order of the facts is all the same.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::facts::{Identity, Outcomes};
use super::*;
use crate::Timestamp;
use crate::advice::Source;
use crate::advice::outcome::Outcome;

/// The facts of an example.
#[derive(Debug, Clone, Default)]
struct Example {
    events: Vec<CartFact<'static>>,
    generations: Vec<GenerationFact<'static>>,
    sessions: Vec<SessionFact<'static>>,
    decisions: Vec<DecisionFact<'static>>,
}

impl Example {
    /// The answer for the first two days of 2026, as JSON.
    fn analyze(&self) -> Value {
        self.analyze_with(&[])
    }

    fn analyze_with(&self, parameters: &[(&str, &str)]) -> Value {
        let text = |name: &str| {
            let found = parameters.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let query = AnalyticsQuery {
            store_name: Some("my-store".into()),
            start_date: Some("2026-01-01".into()),
            end_date: Some("2026-01-02".into()),
            timezone: text("timezone"),
            interval: text("interval"),
            top: text("top"),
        };
        let request = AnalyticsRequest::parse(&query, Timestamp::default()).unwrap();
        let facts = Facts {
            events: self.events.iter().copied(),
            generations: self.generations.iter().copied(),
            sessions: self.sessions.iter().copied(),
        };
        let ask_ai = count_decisions(&request, self.decisions.iter().copied());
        serde_json::to_value(analyze(&request, facts, ask_ai)).unwrap()
    }
}

const MORNING: &str = "2026-01-01T08:00:00.000Z";
const NOON: &str = "2026-01-01T12:00:00.000Z";
const NEXT_DAY: &str = "2026-01-02T08:00:00.000Z";

fn session(id: &'static str) -> Identity<'static> {
    Identity {
        session_id: Some(id),
        ..Identity::default()
    }
}

fn customer(id: &'static str) -> Identity<'static> {
    Identity {
        customer_id: Some(id),
        ..Identity::default()
    }
}

fn email(address: &'static str) -> Identity<'static> {
    Identity {
        customer_email: Some(address),
        ..Identity::default()
    }
}

fn image(key: &'static str, identity: Identity<'static>) -> Identity<'static> {
    Identity {
        image_key: Some(key),
        ..identity
    }
}

fn event(
    id: &'static str,
    created_at: &'static str,
    action_type: &'static str,
    product_id: Option<&'static str>,
    identity: Identity<'static>,
) -> CartFact<'static> {
    CartFact {
        id,
        created_at,
        action_type,
        product_id,
        product_title: None,
        identity,
    }
}

fn generation(id: &'static str, identity: Identity<'static>) -> GenerationFact<'static> {
    GenerationFact {
        id,
        created_at: MORNING,
        is_completed: true,
        product_id: None,
        identity,
    }
}

fn visit(session: &'static str, product_ids: &'static [String]) -> SessionFact<'static> {
    SessionFact {
        session,
        started_at: MORNING,
        checkout_at: None,
        product_ids,
    }
}

/// The visitors of each step.
fn visitors(steps: &Value) -> Vec<u64> {
    let names: Vec<_> = steps.as_array().unwrap().iter().collect();
    assert_eq!(
        names.iter().map(|step| &step["name"]).collect::<Vec<_>>(),
        ["session", "try_on", "add_to_cart", "checkout"]
    );
    names
        .iter()
        .map(|step| step["visitors"].as_u64().unwrap())
        .collect()
}

#[test]
fn without_facts_every_figure_is_zero_and_every_interval_is_there() {
    let steps = json!([
        { "name": "session", "visitors": 0 }, { "name": "try_on", "visitors": 0 },
        { "name": "add_to_cart", "visitors": 0 }, { "name": "checkout", "visitors": 0 },
    ]);
    let empty = json!({ "sessions": 0, "converted": 0, "conversionRate": null });
    let starts = ["2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"];
    assert_eq!(
        Example::default().analyze(),
        json!({
            "range": {
                "storeName": "my-store.myshopify.com", "start": starts[0], "end": "2026-01-02T23:59:59.999Z",
                "interval": "day", "timezone": "UTC",
            },
            "totals": { "events": 0, "byAction": {}, "customers": 0, "sessions": 0, "products": 0 },
            "series": starts.map(|start| json!({ "start": start, "events": 0, "byAction": {} })),
            "products": [], "customers": [],
            "funnel": {
                "steps": steps, "products": [],
                "series": starts.map(|start| json!({ "start": start, "steps": steps })),
            },
            "askAi": {
                "decisions": 0, "bySource": { "model": 0, "cache": 0, "rules": 0, "policy": 0 },
                "shown": 0, "dismissed": 0, "clicked": 0, "converted": 0,
                "treatment": empty, "holdout": empty, "lift": null,
            },
        })
    );
}

#[test]
fn a_visitor_is_a_session_else_a_customer_else_an_address_else_the_event() {
    let everything = Identity {
        session_id: Some("s-1"),
        customer_id: Some("7"),
        customer_email: Some("jane@example.com"),
        image_key: None,
    };
    let without_session = Identity {
        session_id: None,
        ..everything
    };
    let added = |id, identity| event(id, NOON, "add_to_cart", None, identity);
    let example = Example {
        events: vec![
            added("a", everything),
            added("b", session("s-1")),
            added("c", without_session),
            added("d", customer("7")),
            added("e", email("jane@example.com")),
            added("f", Identity::default()),
            added("g", Identity::default()),
            // Names that are alike, of different kinds.
            added("h", customer("s-1")),
        ],
        ..Example::default()
    };
    let answer = example.analyze();
    assert_eq!(visitors(&answer["funnel"]["steps"]), [6, 6, 6, 0]);
    // A customer is somebody else: by id, else by address.
    assert_eq!(answer["totals"]["customers"], 3);
    assert_eq!(answer["totals"]["sessions"], 1);
}

#[test]
fn who_names_nobody_is_whoever_made_the_image() {
    let nobody = Identity::default();
    let bought = |id, identity| event(id, NOON, "buy_now", None, identity);
    let example = Example {
        generations: vec![
            generation("g1", image("a", session("s-1"))),
            generation("g2", image("b", nobody)),
            generation("g3", image("d", nobody)),
        ],
        events: vec![
            // The image of a session, of a customer's event, of nobody at all; and no image.
            bought("e1", image("a", nobody)),
            bought("e2", image("b", nobody)),
            event(
                "e3",
                NOON,
                "remove_from_cart",
                None,
                image("b", customer("7")),
            ),
            bought("e4", image("c", nobody)),
            bought("e5", nobody),
            // Who names somebody is not led away by an image.
            bought("e6", image("a", session("s-2"))),
            bought("e7", image("d", nobody)),
        ],
        ..Example::default()
    };
    // s-1, customer 7, image c, e5, s-2 and image d.
    assert_eq!(
        visitors(&example.analyze()["funnel"]["steps"]),
        [6, 6, 6, 6]
    );
}

#[test]
fn an_image_of_several_is_the_first_ones() {
    let with_image = |id, at, identity| event(id, at, "add_to_cart", None, image("a", identity));
    let example = Example {
        events: vec![
            with_image("e2", NOON, session("s-2")),
            with_image("e1", NOON, session("s-1")),
            with_image("e3", NEXT_DAY, session("s-3")),
            event(
                "e4",
                NEXT_DAY,
                "buy_now",
                None,
                image("a", Identity::default()),
            ),
        ],
        sessions: vec![visit("s-1", &[])],
        ..Example::default()
    };
    let answer = example.analyze();
    assert_eq!(visitors(&answer["funnel"]["steps"]), [3, 3, 3, 1]);
    // It is s-1 who comes back on the next day.
    let mut other = example;
    other
        .events
        .push(event("e5", NEXT_DAY, "buy_now", None, session("s-1")));
    assert_eq!(visitors(&other.analyze()["funnel"]["steps"]), [3, 3, 3, 1]);
}

#[test]
fn a_step_counts_those_of_later_steps_and_each_interval_what_was_reached_in_it() {
    let example = Example {
        sessions: vec![
            visit("s-1", &[]),
            SessionFact {
                checkout_at: Some(NEXT_DAY),
                ..visit("s-2", &[])
            },
            // Began before the range.
            SessionFact {
                started_at: "2025-12-31T23:59:59.999Z",
                checkout_at: Some("2026-01-02T23:59:59.999Z"),
                ..visit("s-3", &[])
            },
            // Reached the checkout after it.
            SessionFact {
                checkout_at: Some("2026-01-03T00:00:00.000Z"),
                ..visit("s-4", &[])
            },
        ],
        generations: vec![
            generation("g1", session("s-1")),
            GenerationFact {
                is_completed: false,
                ..generation("g2", session("s-5"))
            },
        ],
        events: vec![
            event("e1", NEXT_DAY, "add_to_cart", None, session("s-1")),
            event("e2", NEXT_DAY, "checkout_started", None, session("s-6")),
            event("e3", NEXT_DAY, "wishlist:add", None, session("s-7")),
        ],
        ..Example::default()
    };
    let funnel = &example.analyze()["funnel"];
    assert_eq!(visitors(&funnel["steps"]), [5, 4, 4, 3]);
    assert_eq!(visitors(&funnel["series"][0]["steps"]), [3, 1, 0, 0]);
    assert_eq!(visitors(&funnel["series"][1]["steps"]), [4, 4, 4, 3]);
}

#[test]
fn the_funnel_of_a_product_begins_with_who_viewed_it() {
    let products: &'static [String] = Vec::leak(vec!["p1".into(), "p2".into(), "p1".into()]);
    let example = Example {
        sessions: vec![
            // A checkout in the session names no product.
            SessionFact {
                checkout_at: Some(NOON),
                ..visit("s-1", products)
            },
            visit("s-2", products),
            // Viewed it before the range.
            SessionFact {
                started_at: "2025-12-31T10:00:00.000Z",
                checkout_at: Some(NOON),
                ..visit("s-3", products)
            },
        ],
        generations: vec![GenerationFact {
            product_id: Some("p1"),
            ..generation("g1", session("s-2"))
        }],
        events: vec![
            event("e1", NOON, "add_to_cart", Some("p2"), session("s-1")),
            event("e2", NOON, "buy_now", Some("p3"), session("s-1")),
            event("e3", NOON, "remove_from_cart", Some("p4"), session("s-1")),
        ],
        ..Example::default()
    };
    let funnel = &example.analyze()["funnel"];
    let products = funnel["products"].as_array().unwrap();
    let listed: Vec<_> = products
        .iter()
        .map(|product| {
            (
                product["productId"].as_str().unwrap(),
                visitors(&product["steps"]),
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("p1", vec![2, 1, 0, 0]),
            ("p2", vec![2, 1, 1, 0]),
            ("p3", vec![1, 1, 1, 1]),
        ]
    );
}

#[test]
fn top_lists_are_ordered_by_count_and_then_by_id() {
    let of = |id, product, identity| event(id, NOON, "add_to_cart", Some(product), identity);
    let example = Example {
        events: vec![
            of("a", "p3", customer("9")),
            of("b", "p2", customer("8")),
            of("c", "p2", email("9@example.com")),
            of("d", "p1", email("8@example.com")),
            of("e", "p4", customer("9")),
        ],
        ..Example::default()
    };
    let answer = example.analyze_with(&[("top", "3")]);
    let of = |list: &str, field: &str| -> Vec<Value> {
        let entries = answer[list].as_array().unwrap().iter();
        entries.map(|entry| entry[field].clone()).collect()
    };
    assert_eq!(of("products", "productId"), ["p2", "p1", "p3"]);
    assert_eq!(
        of("customers", "customerId"),
        [json!("9"), json!("8"), json!(null)]
    );
    assert_eq!(of("customers", "events"), [2, 1, 1]);
    assert_eq!(answer["customers"][2]["customerEmail"], "8@example.com");
    assert_eq!(answer["totals"]["products"], 4);
    assert_eq!(answer["totals"]["customers"], 4);
}

#[test]
fn a_title_and_an_address_are_those_of_the_newest_event_that_has_one() {
    let titled = |id, at, title| CartFact {
        product_title: title,
        ..event(id, at, "buy_now", Some("p1"), customer("7"))
    };
    let addressed = |fact: CartFact<'static>, address| CartFact {
        identity: Identity {
            customer_email: Some(address),
            ..fact.identity
        },
        ..fact
    };
    let example = Example {
        events: vec![
            addressed(titled("b", NOON, Some("Zebra shirt")), "a@example.com"),
            addressed(titled("c", NOON, Some("Linen shirt")), "b@example.com"),
            addressed(titled("a", NOON, Some("Old shirt")), "c@example.com"),
            titled("d", NEXT_DAY, None),
        ],
        ..Example::default()
    };
    let answer = example.analyze();
    assert_eq!(
        answer["products"],
        json!([{ "productId": "p1", "productTitle": "Linen shirt", "events": 4, "byAction": { "buy_now": 4 } }])
    );
    assert_eq!(
        answer["customers"],
        json!([{ "customerId": "7", "customerEmail": "b@example.com", "events": 4 }])
    );
    assert_eq!(
        answer["funnel"]["products"][0]["productTitle"],
        "Linen shirt"
    );
}

#[test]
fn of_very_many_actions_the_most_frequent_are_named() {
    let names: Vec<&'static str> = (0..40)
        .map(|number| &*format!("own:{number:02}").leak())
        .collect();
    let mut example = Example::default();
    for (number, action) in names.iter().enumerate() {
        for repeat in 0..=number {
            let id = &*format!("{action} {repeat}").leak();
            example
                .events
                .push(event(id, NOON, action, Some("p1"), session("s-1")));
        }
    }
    let answer = example.analyze();
    assert_eq!(answer["totals"]["events"], 820);
    for breakdown in [
        &answer["totals"]["byAction"],
        &answer["series"][0]["byAction"],
        &answer["products"][0]["byAction"],
    ] {
        let named = breakdown.as_object().unwrap();
        assert_eq!(named.len(), 30);
        assert_eq!((named.get("own:09"), &named["own:10"]), (None, &json!(11)));
    }
}

fn decision(
    session: &'static str,
    source: Source,
    given_or_held_out: (bool, bool),
    outcomes: &[Outcome],
) -> DecisionFact<'static> {
    DecisionFact {
        session,
        created_at: NOON,
        source,
        shows_popup: given_or_held_out.0,
        is_control: given_or_held_out.1,
        outcomes: outcomes.iter().copied().collect(),
    }
}

#[test]
fn popups_are_held_against_the_sessions_that_were_shown_none() {
    use Outcome::{Clicked, Converted, Dismissed, Shown};
    let (given, held_out, neither) = ((true, false), (false, true), (false, false));
    let example = Example {
        decisions: vec![
            decision("s-1", Source::Model, given, &[Shown, Clicked, Converted]),
            decision("s-1", Source::Cache, given, &[Shown, Dismissed]),
            decision("s-2", Source::Rules, given, &[Shown]),
            // Bought later, after a decision that showed nothing.
            decision("s-2", Source::Policy, neither, &[Converted]),
            decision("s-3", Source::Rules, given, &[]),
            decision("s-4", Source::Policy, held_out, &[Converted]),
            decision("s-5", Source::Policy, held_out, &[]),
            decision("s-5", Source::Policy, held_out, &[]),
            decision("s-6", Source::Rules, neither, &[]),
            DecisionFact {
                created_at: "2025-12-31T10:00:00.000Z",
                ..decision("s-7", Source::Rules, given, &[Shown])
            },
        ],
        ..Example::default()
    };
    let mut ask_ai = example.analyze()["askAi"].clone();
    let lift = ask_ai["lift"].take();
    assert_eq!(
        ask_ai,
        json!({
            "decisions": 9, "bySource": { "model": 1, "cache": 1, "rules": 3, "policy": 4 },
            "shown": 3, "dismissed": 1, "clicked": 1, "converted": 3,
            "treatment": { "sessions": 3, "converted": 2, "conversionRate": 2.0 / 3.0 },
            "holdout": { "sessions": 2, "converted": 1, "conversionRate": 0.5 },
            "lift": null,
        })
    );
    assert_eq!(lift["confidence"], 0.95);
    assert_eq!(lift["difference"], 2.0 / 3.0 - 0.5);
    let (low, high) = (
        lift["low"].as_f64().unwrap(),
        lift["high"].as_f64().unwrap(),
    );
    assert!(
        -1.0 < low && low < 0.0 && 0.5 < high && high < 1.0,
        "{lift}"
    );
}

/// One of these, or nothing.
fn maybe(values: &'static [&'static str]) -> impl Strategy<Value = Option<&'static str>> {
    proptest::option::of(proptest::sample::select(values))
}

fn identity() -> impl Strategy<Value = Identity<'static>> {
    (
        maybe(&["s-1", "s-2", "s-3"]),
        maybe(&["7", "8"]),
        maybe(&["a@example.com", "b@example.com"]),
        maybe(&["i1", "i2", "i3"]),
    )
        .prop_map(
            |(session_id, customer_id, customer_email, image_key)| Identity {
                session_id,
                customer_id,
                customer_email,
                image_key,
            },
        )
}

/// A time around the range, often the same one.
fn time() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&[
        "2025-12-31T23:59:59.999Z",
        "2026-01-01T00:00:00.000Z",
        MORNING,
        NOON,
        "2026-01-01T23:59:59.999Z",
        NEXT_DAY,
        "2026-01-03T00:00:00.000Z",
    ])
}

fn example() -> impl Strategy<Value = Example> {
    const PRODUCTS: &[&str] = &["p1", "p2", "p3"];
    const ACTIONS: &[&str] = &["add_to_cart", "buy_now", "checkout_started", "own"];
    let event = (
        time(),
        proptest::sample::select(ACTIONS),
        maybe(PRODUCTS),
        maybe(&["Shirt", "Linen shirt"]),
        identity(),
    );
    let generation = (time(), any::<bool>(), maybe(PRODUCTS), identity());
    let session = (
        time(),
        proptest::option::of(time()),
        proptest::sample::subsequence(PRODUCTS.to_vec(), 0..=3),
    );
    let decision = (
        proptest::sample::select(&["s-1", "s-2", "s-3", "s-4"][..]),
        time(),
        proptest::sample::select(
            &[Source::Model, Source::Cache, Source::Rules, Source::Policy][..],
        ),
        any::<(bool, bool)>(),
        proptest::sample::subsequence(Outcome::ALL.to_vec(), 0..=4),
    );
    (
        proptest::collection::vec(event, 0..40),
        proptest::collection::vec(generation, 0..20),
        proptest::collection::vec(session, 0..6),
        proptest::collection::vec(decision, 0..20),
    )
        .prop_map(|(events, generations, sessions, decisions)| Example {
            events: events
                .into_iter()
                .zip(0_u64..)
                .map(
                    |((created_at, action_type, product_id, product_title, identity), number)| {
                        CartFact {
                            id: format!("cart-event-{number:03}").leak(),
                            created_at,
                            action_type,
                            product_id,
                            product_title,
                            identity,
                        }
                    },
                )
                .collect(),
            generations: generations
                .into_iter()
                .zip(0_u64..)
                .map(
                    |((created_at, is_completed, product_id, identity), number)| GenerationFact {
                        id: format!("image-generation-{number:03}").leak(),
                        created_at,
                        is_completed,
                        product_id,
                        identity,
                    },
                )
                .collect(),
            sessions: sessions
                .into_iter()
                .zip(1_u64..)
                .map(
                    |((started_at, checkout_at, products), number)| SessionFact {
                        session: format!("s-{number}").leak(),
                        started_at,
                        checkout_at,
                        product_ids: Vec::leak(products.into_iter().map(str::to_owned).collect()),
                    },
                )
                .collect(),
            decisions: decisions
                .into_iter()
                .map(
                    |(session, created_at, source, (shows_popup, is_control), outcomes)| {
                        DecisionFact {
                            session,
                            created_at,
                            source,
                            shows_popup,
                            is_control,
                            outcomes: outcomes.into_iter().collect(),
                        }
                    },
                )
                .collect(),
        })
}

/// An example, and the same facts in another order.
fn shuffled() -> impl Strategy<Value = (Example, Example)> {
    example().prop_flat_map(|example| {
        let other = (
            Just(example.events.clone()).prop_shuffle(),
            Just(example.generations.clone()).prop_shuffle(),
            Just(example.sessions.clone()).prop_shuffle(),
            Just(example.decisions.clone()).prop_shuffle(),
        );
        let other = other.prop_map(|(events, generations, sessions, decisions)| Example {
            events,
            generations,
            sessions,
            decisions,
        });
        (Just(example), other)
    })
}

proptest! {
    #[test]
    fn the_order_of_the_facts_does_not_matter((one, other) in shuffled()) {
        for parameters in [&[("top", "2")][..], &[("interval", "hour"), ("timezone", "Asia/Kolkata")]] {
            prop_assert_eq!(one.analyze_with(parameters), other.analyze_with(parameters));
        }
    }

    #[test]
    fn no_step_has_more_visitors_than_the_one_before(example in example()) {
        let answer = example.analyze();
        let funnel = &answer["funnel"];
        let parts = [&funnel["series"], &funnel["products"]];
        let parts = parts.iter().flat_map(|list| list.as_array().unwrap());
        for steps in parts.map(|part| &part["steps"]).chain([&funnel["steps"]]) {
            let visitors = visitors(steps);
            prop_assert!(visitors.is_sorted_by(|one, next| one >= next), "{:?}", visitors);
        }
        // What was counted in intervals is what was counted.
        let series = answer["series"].as_array().unwrap();
        let sum: u64 = series.iter().map(|interval| interval["events"].as_u64().unwrap()).sum();
        prop_assert_eq!(sum, answer["totals"]["events"].as_u64().unwrap());
    }
}

#[test]
fn a_set_of_outcomes_holds_what_was_put_in() {
    for outcome in Outcome::ALL {
        let set: Outcomes = [outcome].into_iter().collect();
        for other in Outcome::ALL {
            assert_eq!(set.contains(other), outcome == other);
        }
    }
}
