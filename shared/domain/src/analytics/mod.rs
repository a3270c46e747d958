//! What a store's cart events, image generations, sessions and popup decisions of a range of time amount to: totals,
//! a course over time, top lists, the conversion funnel, and what Ask AI brought.
//!
//! All figures are exact. They are counted out of borrowed [`facts`], each list of which is gone through once or twice
//! and never copied; what is counted is kept under numbers in place of names. The order of the facts does not matter:
//! every list of the answer has a total order. `docs/ANALYTICS.md` defines each figure.

mod ask_ai;
mod count;
pub mod facts;
mod funnel;
mod intervals;
mod newcombe;
mod query;
mod top;
mod totals;
mod visitor;

use serde::Serialize;
use utoipa::ToSchema;

pub use self::ask_ai::{AskAi, ConversionOfGroup, Lift};
use self::facts::{CartFact, DecisionFact, Facts, GenerationFact, SessionFact};
pub use self::funnel::{Funnel, FunnelInterval, FunnelOfProduct, FunnelStep, Step};
pub use self::intervals::{Interval, Intervals};
pub use self::query::{AnalyticsQuery, AnalyticsRequest};
pub use self::top::{TopCustomer, TopProduct};
pub use self::totals::{IntervalTotals, Totals};

/// What a store's shoppers did in a range of time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Analytics {
    range: AnalyticsRange,
    totals: Totals,
    /// Every interval of the range, in order of time, also those without events.
    series: Vec<IntervalTotals>,
    /// The products with the most events.
    products: Vec<TopProduct>,
    /// The customers with the most events.
    customers: Vec<TopCustomer>,
    funnel: Funnel,
    ask_ai: AskAi,
}

/// What the figures are about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalyticsRange {
    #[schema(example = "my-store.myshopify.com")]
    store_name: String,
    /// The first moment.
    #[schema(example = "2026-01-01T00:00:00.000Z")]
    start: String,
    /// The last moment, which is included.
    #[schema(example = "2026-01-30T23:59:59.999Z")]
    end: String,
    interval: Interval,
    /// Whose days and hours the intervals are.
    #[schema(example = "UTC")]
    timezone: String,
}

impl AnalyticsRange {
    fn of(request: &AnalyticsRequest) -> Self {
        Self {
            store_name: request.store.to_string(),
            start: request.intervals.from().to_iso(),
            end: request.intervals.until().plus_millis(-1).to_iso(),
            interval: request.interval,
            timezone: request.timezone.clone(),
        }
    }
}

/// Counts what became of the decisions of a request's store and range. What lies outside the range is not counted.
#[must_use]
pub fn count_decisions<'a>(
    request: &AnalyticsRequest,
    decisions: impl Iterator<Item = DecisionFact<'a>>,
) -> AskAi {
    let mut count = ask_ai::DecisionCount::default();
    for decision in decisions {
        if request.intervals.of(decision.created_at).is_some() {
            count.add(&decision);
        }
    }
    count.finish()
}

/// Counts the facts of a request's store and range. What lies outside the range is not counted. The decisions are
/// counted for themselves, by [`count_decisions`]: nothing else needs them, so they need not be held in memory meanwhile.
#[must_use]
pub fn analyze<'a, E, G, S>(
    request: &AnalyticsRequest,
    facts: Facts<E, G, S>,
    ask_ai: AskAi,
) -> Analytics
where
    E: Iterator<Item = CartFact<'a>> + Clone,
    G: Iterator<Item = GenerationFact<'a>> + Clone,
    S: Iterator<Item = SessionFact<'a>>,
{
    let intervals = &request.intervals;
    let visitors = visitor::Visitors::of(facts.events.clone(), facts.generations.clone());
    let mut totals = totals::EventCount::default();
    let mut customers = top::CustomerCount::default();
    let mut funnel = funnel::FunnelCount::default();
    for event in facts.events {
        let Some(interval) = intervals.of(event.created_at) else {
            continue;
        };
        totals.add(&event, interval);
        customers.add(&event);
        if let Some(step) = Step::of_action(event.action_type) {
            let visitor = visitors.of_event(&event);
            funnel.reach(visitor, step, interval, event.product_id);
        }
    }
    for generation in facts.generations.filter(|one| one.is_completed) {
        if let Some(interval) = intervals.of(generation.created_at) {
            let visitor = visitors.of_generation(&generation);
            funnel.reach(visitor, Step::TryOn, interval, generation.product_id);
        }
    }
    // After all others: what a session viewed is held against what was done with it.
    for session in facts.sessions {
        funnel.visit(&session, intervals);
    }
    Analytics {
        range: AnalyticsRange::of(request),
        series: totals.series(intervals),
        products: totals.products(request.top),
        funnel: funnel.finish(intervals, request.top, |product| totals.title(product)),
        totals: totals.finish(customers.len()),
        customers: customers.finish(request.top),
        ask_ai,
    }
}

#[cfg(test)]
mod tests;
