//! How many cart events there were: in all, over time, and of each product.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use utoipa::ToSchema;

use super::count::{ByAction, Numbers, add_one, top};
use super::facts::CartFact;
use super::intervals::Intervals;
use super::top::TopProduct;

/// Actions that are named in breakdowns, the most frequent ones. A shop has a handful; but anybody may invent names of
/// 100 characters, and so many of them in every hour of a month still fit into an answer of a Lambda, which is at most
/// 6 MB.
const ACTIONS_NAMED: usize = 30;

/// How much there was in the range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AnalyticsTotals)]
pub struct Totals {
    /// Cart events.
    #[schema(example = 120)]
    events: usize,
    /// Cart events by what the shopper did. The 30 most frequent actions of the range are named, here and below;
    /// others are counted in `events` alone.
    #[schema(example = json!({ "add_to_cart": 100, "buy_now": 20 }))]
    by_action: BTreeMap<String, usize>,
    /// Different customers of cart events: by id, or else by e-mail address.
    #[schema(example = 31)]
    customers: usize,
    /// Different sessions that cart events name.
    #[schema(example = 80)]
    sessions: usize,
    /// Different products of cart events.
    #[schema(example = 12)]
    products: usize,
}

/// How many cart events there were in one interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntervalTotals {
    /// The interval's first moment; it ends where the next one starts.
    #[schema(example = "2026-01-01T00:00:00.000Z")]
    start: String,
    #[schema(example = 4)]
    events: usize,
    #[schema(example = json!({ "add_to_cart": 4 }))]
    by_action: BTreeMap<String, usize>,
}

/// A count of cart events that is under way.
#[derive(Debug, Default)]
pub(super) struct EventCount<'a> {
    events: usize,
    actions: Numbers<&'a str>,
    of_actions: Vec<usize>,
    of_intervals: Vec<usize>,
    interval_actions: ByAction,
    products: Numbers<&'a str>,
    of_products: Vec<usize>,
    product_actions: ByAction,
    titles: HashMap<&'a str, Title<'a>>,
    sessions: HashSet<&'a str>,
}

/// What a product was called by the event of this time and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Title<'a> {
    created_at: &'a str,
    id: &'a str,
    title: &'a str,
}

impl<'a> EventCount<'a> {
    pub(super) fn add(&mut self, event: &CartFact<'a>, interval: u32) {
        self.events += 1;
        let action = self.actions.of(event.action_type);
        add_one(&mut self.of_actions, action);
        add_one(&mut self.of_intervals, interval);
        self.interval_actions.add_one(interval, action);
        self.sessions.extend(event.identity.session_id);
        let Some(product_id) = event.product_id else {
            return;
        };
        let product = self.products.of(product_id);
        add_one(&mut self.of_products, product);
        self.product_actions.add_one(product, action);
        if let Some(title) = event.product_title {
            let title = Title {
                created_at: event.created_at,
                id: event.id,
                title,
            };
            let newest = self.titles.entry(product_id).or_insert(title);
            *newest = title.max(*newest);
        }
    }

    /// What the newest event with a title calls the product.
    pub(super) fn title(&self, product_id: &str) -> Option<String> {
        let newest = self.titles.get(product_id)?;
        Some(newest.title.to_owned())
    }

    pub(super) fn series(&self, intervals: &Intervals) -> Vec<IntervalTotals> {
        let numbers = 0..intervals.starts().len() as u32;
        let mut by_action = self
            .interval_actions
            .of_each(numbers.clone(), &self.named_actions());
        let each = numbers.zip(intervals.starts());
        each.map(|(number, start)| IntervalTotals {
            start: start.to_iso(),
            events: self
                .of_intervals
                .get(number as usize)
                .copied()
                .unwrap_or_default(),
            by_action: by_action.remove(&number).unwrap_or_default(),
        })
        .collect()
    }

    pub(super) fn products(&self, most: usize) -> Vec<TopProduct> {
        let products = self.products.names().iter().copied();
        let listed = top(products.zip(self.of_products.iter().copied()), most);
        let number = |product_id| self.products.find(product_id);
        let numbers = listed
            .iter()
            .filter_map(|(product_id, _)| number(*product_id));
        let mut by_action = self.product_actions.of_each(numbers, &self.named_actions());
        let products = listed.into_iter().map(|(product_id, events)| TopProduct {
            product_id: product_id.to_owned(),
            product_title: self.title(product_id),
            events,
            by_action: number(product_id)
                .and_then(|number| by_action.remove(&number))
                .unwrap_or_default(),
        });
        products.collect()
    }

    pub(super) fn finish(self, customers: usize) -> Totals {
        let named = self.named_actions();
        let by_action = named.into_iter().map(|(action, name)| {
            let count = self.of_actions.get(action as usize).copied();
            (name.to_owned(), count.unwrap_or_default())
        });
        Totals {
            events: self.events,
            by_action: by_action.collect(),
            customers,
            sessions: self.sessions.len(),
            products: self.products.names().len(),
        }
    }

    /// The most frequent actions, by their numbers.
    fn named_actions(&self) -> HashMap<u32, &'a str> {
        let actions = self.actions.names().iter().copied();
        let named = top(actions.zip(self.of_actions.iter().copied()), ACTIONS_NAMED);
        let numbered = named
            .into_iter()
            .filter_map(|(name, _)| Some((self.actions.find(name)?, name)));
        numbered.collect()
    }
}
