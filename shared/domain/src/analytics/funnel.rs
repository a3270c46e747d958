//! The conversion funnel: how many visitors got how far.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::count::{Numbers, top};
use super::facts::SessionFact;
use super::intervals::Intervals;
use super::visitor::Visitor;

/// How many visitors got how far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Funnel {
    /// In the whole range, from the first step to the last.
    steps: Vec<FunnelStep>,
    /// In every interval of the range.
    series: Vec<FunnelInterval>,
    /// Of the products with the most visitors.
    products: Vec<FunnelOfProduct>,
}

/// How many visitors reached a step, or a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunnelStep {
    name: Step,
    #[schema(example = 80)]
    visitors: usize,
}

/// The funnel of one interval: what was reached within it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunnelInterval {
    /// The interval's first moment.
    #[schema(example = "2026-01-01T00:00:00.000Z")]
    start: String,
    steps: Vec<FunnelStep>,
}

/// The funnel of one product: what was reached with it. Its first step is a session that viewed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunnelOfProduct {
    #[schema(example = "8123456789")]
    product_id: String,
    /// What the newest cart event of the range that has a title calls it.
    #[schema(required = true, example = "Linen shirt")]
    product_title: Option<String>,
    steps: Vec<FunnelStep>,
}

/// A step of the funnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A session started.
    Session,
    /// An image generation was completed.
    TryOn,
    /// Something was put into the cart.
    AddToCart,
    /// Something was bought at once, or the checkout was started.
    Checkout,
}

impl Step {
    /// All of them, from the first to the last.
    pub const ALL: [Self; 4] = [Self::Session, Self::TryOn, Self::AddToCart, Self::Checkout];

    /// The step that a cart event's action reaches.
    pub(super) fn of_action(action: &str) -> Option<Self> {
        match action {
            "add_to_cart" => Some(Self::AddToCart),
            "buy_now" | "checkout_started" => Some(Self::Checkout),
            _ => None,
        }
    }
}

/// Visitors whose last step was each of [`Step::ALL`].
type LastSteps = [usize; Step::ALL.len()];

/// Those who got so far, or farther.
fn steps(last: LastSteps) -> Vec<FunnelStep> {
    let reached = |step: Step| Step::ALL.into_iter().filter(move |other| *other >= step);
    Step::ALL
        .into_iter()
        .map(|step| FunnelStep {
            name: step,
            visitors: reached(step).map(|step| last[step as usize]).sum(),
        })
        .collect()
}

/// The farthest step that was reached, by what it is about and by visitor.
type Farthest = HashMap<(u32, u32), Step>;

fn go_to(farthest: &mut Farthest, of: u32, visitor: u32, step: Step) {
    let reached = farthest.entry((of, visitor)).or_insert(step);
    *reached = step.max(*reached);
}

/// A funnel that is being counted.
#[derive(Debug, Default)]
pub(super) struct FunnelCount<'a> {
    visitors: Numbers<Visitor<'a>>,
    /// By the visitor's number.
    farthest: Vec<Step>,
    in_interval: Farthest,
    products: Numbers<&'a str>,
    with_product: Farthest,
    /// Sessions that viewed a product and did nothing else with it, by the product's number.
    only_viewed: HashMap<u32, usize>,
}

impl<'a> FunnelCount<'a> {
    /// A visitor reached a step in an interval, with a product or with none.
    pub(super) fn reach(
        &mut self,
        visitor: Visitor<'a>,
        step: Step,
        interval: u32,
        product_id: Option<&'a str>,
    ) {
        let visitor = self.visitors.of(visitor);
        match self.farthest.get_mut(visitor as usize) {
            Some(farthest) => *farthest = step.max(*farthest),
            None => self.farthest.push(step),
        }
        go_to(&mut self.in_interval, interval, visitor, step);
        if let Some(product_id) = product_id {
            let product = self.products.of(product_id);
            go_to(&mut self.with_product, product, visitor, step);
        }
    }

    /// A session started or reached the checkout. Each session comes once, and after everything else was reached: so
    /// what it viewed needs no place of its own where it is known already, and is a mere number where it is not.
    pub(super) fn visit(&mut self, session: &SessionFact<'a>, intervals: &Intervals) {
        let visitor = Visitor::Session(session.session);
        let checkout = session.checkout_at.and_then(|at| intervals.of(at));
        if let Some(interval) = checkout {
            // Which products were bought, the session does not tell.
            self.reach(visitor, Step::Checkout, interval, None);
        }
        let Some(interval) = intervals.of(session.started_at) else {
            return;
        };
        self.reach(visitor, Step::Session, interval, None);
        let visitor = self.visitors.of(visitor);
        let products = session.product_ids.iter();
        let mut viewed: Vec<u32> = products.map(|product| self.products.of(product)).collect();
        viewed.sort_unstable();
        viewed.dedup();
        viewed.retain(|product| !self.with_product.contains_key(&(*product, visitor)));
        for product in viewed {
            *self.only_viewed.entry(product).or_default() += 1;
        }
    }

    pub(super) fn finish(
        self,
        intervals: &Intervals,
        most: usize,
        title: impl Fn(&str) -> Option<String>,
    ) -> Funnel {
        let mut all = LastSteps::default();
        for step in &self.farthest {
            all[*step as usize] += 1;
        }
        let mut in_intervals = vec![LastSteps::default(); intervals.starts().len()];
        for ((interval, _), step) in &self.in_interval {
            in_intervals[*interval as usize][*step as usize] += 1;
        }
        let mut with_products = vec![LastSteps::default(); self.products.names().len()];
        for ((product, _), step) in &self.with_product {
            with_products[*product as usize][*step as usize] += 1;
        }
        for (product, sessions) in &self.only_viewed {
            with_products[*product as usize][Step::Session as usize] += sessions;
        }
        let products = self.products.names().iter().zip(&with_products);
        let visited = products.map(|(product, last)| ((*product, *last), last.iter().sum()));
        let products = top(visited, most)
            .into_iter()
            .map(|((product, last), _)| FunnelOfProduct {
                product_id: product.to_owned(),
                product_title: title(product),
                steps: steps(last),
            });
        let series = intervals.starts().iter().zip(in_intervals);
        Funnel {
            steps: steps(all),
            products: products.collect(),
            series: series
                .map(|(start, last)| FunnelInterval {
                    start: start.to_iso(),
                    steps: steps(last),
                })
                .collect(),
        }
    }
}
