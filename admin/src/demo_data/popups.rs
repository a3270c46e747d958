//! What Ask AI decides in a visit, by the same policy and the same rules as in the shop. The model's part is played here:
//! it shows a popup where the rules would, in words of its own. So whether a session was shown one or held out is chance
//! alone, and the two are comparable.

use std::collections::BTreeMap;

use fastrand::Rng;
use shoptrail_domain::Timestamp;
use shoptrail_domain::advice::outcome::Outcome;
use shoptrail_domain::advice::policy::{Policy, PopupHistory, Suppression};
use shoptrail_domain::advice::{Advice, Category, ProposedAdvice, Source, rules};
use shoptrail_domain::session::SessionRecord;
use shoptrail_storage::DecisionRecord;
use uuid::Builder;

use super::chance::happens;
use super::visit::VisitError;

/// The policy of a deployment, which holds out a tenth.
const POLICY: Policy = Policy {
    holdout_percent: 10,
    popups_per_session: 2,
    popups_per_day: 3,
    cooldown_minutes: 30,
};
/// Of a thousand decisions, how many the model makes.
const BY_MODEL: u32 = 600;
/// Of a thousand decisions of the rules, how many are theirs because the model failed.
const AFTER_FAILURE: u32 = 120;
/// For how long such a decision holds, in ms.
const AFTER_FAILURE_MS: i64 = 60_000;
/// Of a thousand popups, how many are seen, and of those how many lead to a click or are closed.
const SHOWN: u32 = 965;
const CLICKED: u32 = 150;
const DISMISSED: u32 = 430;
/// The longest that a popup is looked at before it is clicked or closed, in ms.
const LOOKED_AT_MS: i64 = 9_000;

/// What the model says where a popup is to remind of something, and where it is to help.
const REMINDERS: [&str; 3] = [
    "Your picks are still here. Shall we take you to your cart?",
    "Good choice! Everything in your cart is ready when you are.",
    "Still thinking it over? Your cart is kept for you.",
];
const OFFERS: [&str; 4] = [
    "Not sure about the size? Ask us, we know every seam.",
    "Torn between a few? We are happy to help you choose.",
    "Questions about the fabric or the fit? Just ask.",
    "Curious how it looks on you? Try it on right here.",
];

/// What was decided in a visit so far.
#[derive(Debug, Default)]
pub(super) struct Popups {
    decisions: Vec<DecisionRecord>,
    history: PopupHistory,
}

impl Popups {
    /// Ask AI is asked about the session as it is stored at `now`.
    pub(super) fn ask(
        &mut self,
        session: &SessionRecord,
        version: u64,
        now: Timestamp,
        session_days: u32,
        rng: &mut Rng,
    ) -> Result<(), VisitError> {
        let mut decision = DecisionRecord {
            session: session.session.to_string(),
            decision_id: decision_id(now, rng),
            session_version: version,
            store_name: session.store_name.as_ref().map(ToString::to_string),
            source: Source::Rules,
            advice: rules::advise(session, now),
            suppressed: None,
            asked: None,
            failure: None,
            outcomes: BTreeMap::new(),
            created_at: now.to_iso(),
            reusable_until: None,
            expires_at: now.plus_days(session_days).as_secs(),
        };
        if let Some(suppression) = POLICY.judge(session, &self.history, now) {
            decision.source = Source::Policy;
            let advice = std::mem::replace(&mut decision.advice, suppression.advice());
            decision.suppressed = (suppression == Suppression::Holdout).then_some(advice);
        } else {
            if happens(rng, BY_MODEL) {
                decision.source = Source::Model;
                decision.advice = by_model(&decision.advice, rng)?;
                decision.asked = Some(ask_ai::prompt::summary(session, now));
            } else if happens(rng, AFTER_FAILURE) {
                decision.asked = Some(ask_ai::prompt::summary(session, now));
                decision.failure = Some("timeout".to_owned());
                decision.reusable_until = Some(now.plus_millis(AFTER_FAILURE_MS));
            }
            if decision.advice.show_popup() {
                self.show(&mut decision, now, rng);
            }
        }
        self.decisions.push(decision);
        Ok(())
    }

    fn show(&mut self, popup: &mut DecisionRecord, now: Timestamp, rng: &mut Rng) {
        self.history.in_session += 1;
        self.history.today += 1;
        if !happens(rng, SHOWN) {
            return;
        }
        let shown_at = now.plus_millis(i64::from(popup.advice.delay_ms()) + rng.i64(80..600));
        let reacted_at = shown_at.plus_millis(rng.i64(1_500..LOOKED_AT_MS));
        popup.outcomes.insert(Outcome::Shown, shown_at.to_iso());
        if happens(rng, CLICKED) {
            popup.outcomes.insert(Outcome::Clicked, reacted_at.to_iso());
        } else if happens(rng, DISMISSED) {
            popup
                .outcomes
                .insert(Outcome::Dismissed, reacted_at.to_iso());
            self.history.dismissed_at = Some(reacted_at);
        }
    }

    /// The shopper has ordered: that is what the newest popup has led to, or what came without the one that was held
    /// back.
    pub(super) fn convert(&mut self, now: Timestamp) {
        self.history.has_converted = true;
        let counts = |decision: &&mut DecisionRecord| {
            decision.outcomes.contains_key(&Outcome::Shown) || is_control(decision)
        };
        if let Some(decision) = self.decisions.iter_mut().rev().find(counts) {
            decision.outcomes.insert(Outcome::Converted, now.to_iso());
        }
    }

    /// Whether the shopper has seen a popup.
    pub(super) fn were_seen(&self) -> bool {
        self.decisions
            .iter()
            .any(|decision| decision.outcomes.contains_key(&Outcome::Shown))
    }

    /// The longest that a popup takes: until it comes, and then until something is done about it.
    pub(super) fn longest_ms(&self) -> i64 {
        let newest = self.decisions.last();
        let delay = newest.map_or(0, |decision| decision.advice.delay_ms());
        i64::from(delay) + 600 + LOOKED_AT_MS
    }

    pub(super) fn into_decisions(self) -> Vec<DecisionRecord> {
        self.decisions
    }
}

/// Whether a popup was held back.
fn is_control(decision: &DecisionRecord) -> bool {
    decision.suppressed.as_ref().is_some_and(Advice::show_popup)
}

/// The model's words for what the rules advise.
fn by_model(rules: &Advice, rng: &mut Rng) -> Result<Advice, VisitError> {
    let message = match (rules.show_popup(), rules.category()) {
        (false, _) => "",
        (true, Category::Reminder) => REMINDERS[rng.usize(0..REMINDERS.len())],
        (true, _) => OFFERS[rng.usize(0..OFFERS.len())],
    };
    Ok(Advice::parse(ProposedAdvice {
        show_popup: rules.show_popup(),
        message: message.to_owned(),
        reason: rules.reason().to_owned(),
        category: rules.category().as_str().to_owned(),
        trigger: rules.trigger().to_owned(),
        confidence: f64::from(rng.u32(55..96)) / 100.0,
        delay_ms: f64::from(rng.u32(2..6) * 1_000),
    })?)
}

/// A UUID of version 7, as decisions have.
fn decision_id(now: Timestamp, rng: &mut Rng) -> String {
    let millis = u64::try_from(now.as_millis()).unwrap_or_default();
    let mut tail = [0; 10];
    rng.fill(&mut tail);
    let builder = Builder::from_unix_timestamp_millis(millis, &tail);
    builder.into_uuid().to_string()
}
