//! The naive recount: loops over all that happened, for every figure anew.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shoptrail_domain::advice::outcome::Outcome;

use crate::facts::{Decision, Event, Generation, Identity, Session, World, iso, millis};
use crate::questions::Question;
use crate::{A, NOW, PRODUCTS, STEPS};

/// Holds an answer against the recount.
pub(crate) fn assert_is_recount(answer: &Value, world: &World, question: &Question, top: usize) {
    let recount = Recount::of(world, &question.edges);
    let what = format!("{:?}", question.query);
    let range = json!({
        "storeName": A, "start": iso(question.edges[0]), "end": iso(question.edges.last().unwrap() - 1),
        "interval": question.interval, "timezone": question.timezone,
    });
    assert_eq!(answer["range"], range, "{what}");
    assert_eq!(answer["totals"], recount.totals(), "{what}");
    assert_eq!(answer["series"], recount.series(), "{what}");
    assert_eq!(answer["products"], recount.products(top), "{what}");
    assert_eq!(answer["customers"], recount.customers(top), "{what}");
    assert_eq!(answer["funnel"], recount.funnel(top), "{what}");
    let (mut ask_ai, lift) = recount.ask_ai();
    let mut answered = answer["askAi"].clone();
    let answered_lift = answered["lift"].take();
    for group in ["treatment", "holdout"] {
        // A reader of JSON may be wrong in the seventeenth digit.
        let [one, other] =
            [&mut answered, &mut ask_ai].map(|part| part[group]["conversionRate"].take());
        match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => assert!((one - other).abs() < 1e-15, "{what}"),
            (one, other) => assert_eq!(one, other, "{what}"),
        }
    }
    assert_eq!(answered, ask_ai, "{what}");
    match lift {
        None => assert_eq!(answered_lift, Value::Null, "{what}"),
        Some(lift) => {
            assert_eq!(answered_lift["confidence"], 0.95);
            for (name, expected) in ["difference", "low", "high"].into_iter().zip(lift) {
                let found = answered_lift[name].as_f64().unwrap();
                assert!(
                    (found - expected).abs() < 1e-9,
                    "{what}: {answered_lift} {lift:?}"
                );
            }
        }
    }
    let fields: BTreeSet<_> = answer
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let known = [
        "range",
        "totals",
        "series",
        "products",
        "customers",
        "funnel",
        "askAi",
    ];
    assert_eq!(fields, BTreeSet::from(known));
}

/// What lies in the store and the range, and has not expired.
struct Recount<'a> {
    events: Vec<&'a Event>,
    generations: Vec<&'a Generation>,
    /// Whose each event or generation is, by its id.
    visitors: BTreeMap<&'a str, String>,
    sessions: Vec<&'a Session>,
    decisions: Vec<&'a Decision>,
    /// The last moments of the intervals lie before these.
    edges: &'a [i64],
}

impl<'a> Recount<'a> {
    fn of(world: &'a World, edges: &'a [i64]) -> Self {
        let now = millis(NOW) / 1_000;
        let (from, until) = (edges[0], *edges.last().unwrap());
        let is_within = |at: i64| from <= at && at < until;
        let mut found = Self {
            events: Vec::new(),
            generations: Vec::new(),
            visitors: BTreeMap::new(),
            sessions: Vec::new(),
            decisions: Vec::new(),
            edges,
        };
        for event in &world.events {
            if event.store == A && event.expires_at > now && is_within(event.at) {
                found.events.push(event);
            }
        }
        for generation in &world.generations {
            if generation.store == A && generation.expires_at > now && is_within(generation.at) {
                found.generations.push(generation);
            }
        }
        for session in &world.sessions {
            if session.store == A && !session.is_expired && !session.messages.is_empty() {
                found.sessions.push(session);
            }
        }
        for decision in &world.decisions {
            if decision.store == A && decision.expires_at > now && is_within(decision.at) {
                found.decisions.push(decision);
            }
        }
        let events = found
            .events
            .iter()
            .map(|event| (&*event.id, &event.identity));
        let generations = found
            .generations
            .iter()
            .map(|one| (&*one.id, &one.identity));
        let all = events.chain(generations);
        let visitors = all.map(|(id, identity)| (id, found.visitor(id, identity)));
        found.visitors = visitors.collect();
        found
    }

    /// Who that is, told by a text.
    fn visitor(&self, id: &str, identity: &Identity) -> String {
        if let Some(name) = own_name(identity) {
            return name;
        }
        let Some(picture) = &identity.picture else {
            return format!("only {id}");
        };
        let mut known: Vec<(i64, &str, String)> = Vec::new();
        for event in &self.events {
            if event.identity.picture.as_ref() == Some(picture) {
                known.extend(own_name(&event.identity).map(|name| (event.at, &*event.id, name)));
            }
        }
        for generation in &self.generations {
            if generation.identity.picture.as_ref() == Some(picture) {
                let name = own_name(&generation.identity);
                known.extend(name.map(|name| (generation.at, &*generation.id, name)));
            }
        }
        known.sort();
        match known.first() {
            Some((_, _, name)) => name.clone(),
            None => format!("whose picture is {picture}"),
        }
    }

    /// Everybody who reached each step in a span of time, with a product or with any.
    fn reached(&self, from: i64, until: i64, product: Option<&str>) -> [BTreeSet<String>; 4] {
        let mut steps: [BTreeSet<String>; 4] = Default::default();
        let is_within = |at: i64| from <= at && at < until;
        let is_it = |of: Option<&str>| product.is_none() || product == of;
        for event in &self.events {
            if is_within(event.at) && is_it(event.product) {
                let visitor = self.visitors[&*event.id].clone();
                match event.action {
                    "add_to_cart" => steps[2].insert(visitor),
                    "buy_now" | "checkout_started" => steps[3].insert(visitor),
                    _ => false,
                };
            }
        }
        for generation in &self.generations {
            if generation.status == "completed"
                && is_within(generation.at)
                && is_it(generation.product)
            {
                steps[1].insert(self.visitors[&*generation.id].clone());
            }
        }
        for session in &self.sessions {
            let visitor = format!("session {}", session.id);
            let viewed = |product: &str| {
                let mut messages = session.messages.iter();
                messages.any(|message| message.products.contains(&product))
            };
            if is_within(session.messages[0].at) && product.is_none_or(viewed) {
                steps[0].insert(visitor.clone());
            }
            let checkout = session.messages.iter().find(|message| message.is_checkout);
            if product.is_none() && checkout.is_some_and(|message| is_within(message.at)) {
                steps[3].insert(visitor);
            }
        }
        // Who reached a later step counts for the earlier ones.
        for step in [2, 1, 0] {
            let later = steps[step + 1].clone();
            steps[step].extend(later);
        }
        steps
    }

    fn steps(&self, from: i64, until: i64, product: Option<&str>) -> Value {
        let reached = self.reached(from, until, product);
        let steps = STEPS.iter().zip(reached);
        steps
            .map(|(name, visitors)| json!({ "name": name, "visitors": visitors.len() }))
            .collect()
    }

    fn by_action(events: &[&&Event]) -> Value {
        let mut counts = BTreeMap::<&str, u64>::new();
        for event in events {
            *counts.entry(event.action).or_default() += 1;
        }
        json!(counts)
    }

    fn title(&self, product: &str) -> Option<&str> {
        let mut newest: Option<&Event> = None;
        for event in &self.events {
            let is_newer =
                newest.is_none_or(|newest| (newest.at, &newest.id) < (event.at, &event.id));
            if event.product == Some(product) && event.title.is_some() && is_newer {
                newest = Some(event);
            }
        }
        newest?.title
    }

    fn totals(&self) -> Value {
        let all: Vec<_> = self.events.iter().collect();
        let mut customers = BTreeSet::new();
        let mut sessions = BTreeSet::new();
        let mut products = BTreeSet::new();
        for event in &self.events {
            customers.extend(customer(&event.identity));
            sessions.extend(&event.identity.session);
            products.extend(event.product);
        }
        json!({
            "events": all.len(), "byAction": Self::by_action(&all), "customers": customers.len(),
            "sessions": sessions.len(), "products": products.len(),
        })
    }

    fn series(&self) -> Value {
        let spans = self.edges.windows(2);
        spans
            .map(|span| {
                let within = |event: &&&Event| span[0] <= event.at && event.at < span[1];
                let events: Vec<_> = self.events.iter().filter(within).collect();
                let by_action = Self::by_action(&events);
                json!({ "start": iso(span[0]), "events": events.len(), "byAction": by_action })
            })
            .collect()
    }

    fn products(&self, top: usize) -> Value {
        let names: BTreeSet<&str> = self
            .events
            .iter()
            .filter_map(|event| event.product)
            .collect();
        let mut listed = Vec::new();
        for name in names {
            let of = |event: &&&Event| event.product == Some(name);
            let events: Vec<_> = self.events.iter().filter(of).collect();
            let product = json!({
                "productId": name, "productTitle": self.title(name), "events": events.len(),
                "byAction": Self::by_action(&events),
            });
            listed.push((-(events.len() as i64), product));
        }
        // A stable sort: those of one count stay by name.
        listed.sort_by_key(|(count, _)| *count);
        listed
            .into_iter()
            .take(top)
            .map(|(_, product)| product)
            .collect()
    }

    fn customers(&self, top: usize) -> Value {
        let names: BTreeSet<_> = self
            .events
            .iter()
            .filter_map(|event| customer(&event.identity))
            .collect();
        let mut listed = Vec::new();
        for name in names {
            let mut events: Vec<_> = self.events.clone();
            events.retain(|event| customer(&event.identity).as_ref() == Some(&name));
            let count = events.len();
            events.retain(|event| event.identity.email.is_some());
            events.sort_by_key(|event| (event.at, event.id.clone()));
            let email = events.last().and_then(|event| event.identity.email.clone());
            let id = (name.0 == 0).then_some(name.1);
            let customer = json!({ "customerId": id, "customerEmail": email, "events": count });
            listed.push((-(count as i64), customer));
        }
        listed.sort_by_key(|(count, _)| *count);
        listed
            .into_iter()
            .take(top)
            .map(|(_, customer)| customer)
            .collect()
    }

    fn funnel(&self, top: usize) -> Value {
        let (from, until) = (self.edges[0], *self.edges.last().unwrap());
        let series: Value = self
            .edges
            .windows(2)
            .map(|span| {
                let steps = self.steps(span[0], span[1], None);
                json!({ "start": iso(span[0]), "steps": steps })
            })
            .collect();
        let names: BTreeSet<&str> = PRODUCTS.into_iter().collect();
        let mut products = Vec::new();
        for name in names {
            let visitors = self.reached(from, until, Some(name))[0].len() as i64;
            let steps = self.steps(from, until, Some(name));
            let product =
                json!({ "productId": name, "productTitle": self.title(name), "steps": steps });
            products.push((-visitors, product));
        }
        products.retain(|(visitors, _)| *visitors < 0);
        products.sort_by_key(|(visitors, _)| *visitors);
        let products: Value = products
            .into_iter()
            .take(top)
            .map(|(_, product)| product)
            .collect();
        json!({ "steps": self.steps(from, until, None), "series": series, "products": products })
    }

    /// All but the lift, and that.
    fn ask_ai(&self) -> (Value, Option<[f64; 3]>) {
        let source = |name: &str| {
            let decisions = self.decisions.iter();
            decisions
                .filter(|decision| decision.source.as_str() == name)
                .count()
        };
        let outcome = |outcome: Outcome| {
            let decisions = self.decisions.iter();
            decisions
                .filter(|decision| decision.outcomes.contains(&outcome))
                .count()
        };
        let group = |is_in: &dyn Fn(&Decision) -> bool| {
            let mut sessions = BTreeSet::new();
            let mut converted = BTreeSet::new();
            for decision in &self.decisions {
                if is_in(decision) {
                    sessions.insert(&decision.session);
                }
            }
            for decision in &self.decisions {
                if sessions.contains(&decision.session)
                    && decision.outcomes.contains(&Outcome::Converted)
                {
                    converted.insert(&decision.session);
                }
            }
            (converted.len(), sessions.len())
        };
        let shown = |(converted, sessions): (usize, usize)| {
            let rate = (sessions > 0).then(|| converted as f64 / sessions as f64);
            json!({ "sessions": sessions, "converted": converted, "conversionRate": rate })
        };
        let treatment = group(&|decision| decision.shows_popup);
        let holdout = group(&|decision| decision.is_control);
        let ask_ai = json!({
            "decisions": self.decisions.len(),
            "bySource": {
                "model": source("model"), "cache": source("cache"), "rules": source("rules"),
                "policy": source("policy"),
            },
            "shown": outcome(Outcome::Shown), "dismissed": outcome(Outcome::Dismissed),
            "clicked": outcome(Outcome::Clicked), "converted": outcome(Outcome::Converted),
            "treatment": shown(treatment), "holdout": shown(holdout), "lift": null,
        });
        let is_empty = treatment.1 == 0 || holdout.1 == 0;
        (ask_ai, (!is_empty).then(|| lift(treatment, holdout)))
    }
}

/// What something itself says about who it is of.
fn own_name(identity: &Identity) -> Option<String> {
    if let Some(session) = &identity.session {
        Some(format!("session {session}"))
    } else if let Some(customer) = &identity.customer {
        Some(format!("customer {customer}"))
    } else {
        let email = identity.email.as_ref();
        email.map(|email| format!("address {email}"))
    }
}

/// A customer by id, and after those a customer by address.
fn customer(identity: &Identity) -> Option<(u8, String)> {
    match (&identity.customer, &identity.email) {
        (Some(id), _) => Some((0, id.clone())),
        (None, Some(email)) => Some((1, email.clone())),
        (None, None) => None,
    }
}

/// The difference, and the ends of its interval: each end is where a true rate would lie 1.96 of its own standard
/// deviations away from the rate that was seen. Found by halving, in place of the formula.
fn lift(treatment: (usize, usize), holdout: (usize, usize)) -> [f64; 3] {
    let limits = |(converted, sessions): (usize, usize)| {
        let (seen, sessions) = (converted as f64 / sessions as f64, sessions as f64);
        let is_beyond = |rate: f64| {
            let deviation = (rate * (1.0 - rate) / sessions).sqrt();
            (rate - seen).abs() > 1.959_963_984_540_054 * deviation
        };
        let between = |mut beyond: f64, mut within: f64| {
            for _ in 0..200 {
                let middle = f64::midpoint(beyond, within);
                if is_beyond(middle) {
                    beyond = middle;
                } else {
                    within = middle;
                }
            }
            within
        };
        (seen, between(0.0, seen), between(1.0, seen))
    };
    let (seen, low, high) = limits(treatment);
    let (other, other_low, other_high) = limits(holdout);
    let difference = seen - other;
    let below = ((seen - low).powi(2) + (other_high - other).powi(2)).sqrt();
    let above = ((high - seen).powi(2) + (other - other_low).powi(2)).sqrt();
    [difference, difference - below, difference + above]
}
