//! What became of Ask AI's decisions, and what popups brought against those who were shown none.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use utoipa::ToSchema;

use super::facts::DecisionFact;
use super::newcombe::{self, Group};
use crate::advice::Source;
use crate::advice::outcome::Outcome;

/// What became of Ask AI's decisions.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AskAiFigures)]
pub struct AskAi {
    #[schema(example = 50)]
    decisions: usize,
    /// Decisions by who made them.
    #[schema(example = json!({ "model": 20, "cache": 0, "rules": 25, "policy": 5 }))]
    by_source: BTreeMap<&'static str, usize>,
    /// Decisions whose popup was seen.
    #[schema(example = 20)]
    shown: usize,
    /// Decisions whose popup was closed.
    #[schema(example = 9)]
    dismissed: usize,
    /// Decisions whose popup was followed.
    #[schema(example = 4)]
    clicked: usize,
    /// Decisions after which the shopper bought.
    #[schema(example = 3)]
    converted: usize,
    /// Sessions that were given a popup.
    treatment: ConversionOfGroup,
    /// Sessions that were held out when they would have been asked about.
    holdout: ConversionOfGroup,
    /// How much higher the conversion rate is with popups; `null` where one of the groups is empty.
    #[schema(required = true)]
    lift: Option<Lift>,
}

/// How many sessions of a group bought.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({ "sessions": 40, "converted": 6, "conversionRate": 0.15 }))]
pub struct ConversionOfGroup {
    sessions: usize,
    /// Those with a decision in the range after which the shopper bought.
    converted: usize,
    /// The share of the converted; `null` where there is no session.
    #[schema(required = true, minimum = 0, maximum = 1)]
    conversion_rate: Option<f64>,
}

/// A difference of two conversion rates, treatment less holdout, with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({ "difference": 0.05, "low": -0.12, "high": 0.2, "confidence": 0.95 }))]
pub struct Lift {
    #[schema(minimum = -1, maximum = 1)]
    difference: f64,
    /// The interval's lower end: above 0, popups bring something.
    #[schema(minimum = -1, maximum = 1)]
    low: f64,
    /// The interval's upper end: below 0, popups do harm.
    #[schema(minimum = -1, maximum = 1)]
    high: f64,
    confidence: f64,
}

/// What is known of a session's decisions.
#[derive(Debug, Default)]
struct Known {
    was_given_popup: bool,
    was_held_out: bool,
    has_converted: bool,
}

/// A count of decisions that is under way.
#[derive(Debug, Default)]
pub(super) struct DecisionCount<'a> {
    decisions: usize,
    by_source: [usize; SOURCES.len()],
    outcomes: [usize; Outcome::ALL.len()],
    sessions: HashMap<&'a str, Known>,
}

const SOURCES: [Source; 4] = [Source::Model, Source::Cache, Source::Rules, Source::Policy];

impl<'a> DecisionCount<'a> {
    pub(super) fn add(&mut self, decision: &DecisionFact<'a>) {
        self.decisions += 1;
        for (source, count) in SOURCES.iter().zip(&mut self.by_source) {
            *count += usize::from(*source == decision.source);
        }
        for (outcome, count) in Outcome::ALL.into_iter().zip(&mut self.outcomes) {
            *count += usize::from(decision.outcomes.contains(outcome));
        }
        let known = self.sessions.entry(decision.session).or_default();
        known.was_given_popup |= decision.shows_popup;
        known.was_held_out |= decision.is_control;
        known.has_converted |= decision.outcomes.contains(Outcome::Converted);
    }

    pub(super) fn finish(self) -> AskAi {
        let group = |is_in: fn(&Known) -> bool| {
            let group = self.sessions.values().filter(|known| is_in(known));
            let (sessions, converted) = group.fold((0, 0), |(sessions, converted), known| {
                (sessions + 1, converted + usize::from(known.has_converted))
            });
            Group {
                size: sessions,
                successes: converted,
            }
        };
        let treatment = group(|known| known.was_given_popup);
        let holdout = group(|known| known.was_held_out);
        let [shown, dismissed, clicked, converted] = self.outcomes;
        AskAi {
            decisions: self.decisions,
            by_source: SOURCES
                .iter()
                .map(|source| source.as_str())
                .zip(self.by_source)
                .collect(),
            shown,
            dismissed,
            clicked,
            converted,
            treatment: treatment.into(),
            holdout: holdout.into(),
            lift: newcombe::difference(treatment, holdout).map(|difference| Lift {
                difference: difference.difference,
                low: difference.low,
                high: difference.high,
                confidence: newcombe::CONFIDENCE,
            }),
        }
    }
}

impl From<Group> for ConversionOfGroup {
    fn from(group: Group) -> Self {
        Self {
            sessions: group.size,
            converted: group.successes,
            conversion_rate: group.rate(),
        }
    }
}
