//! What handlers note of a request for its metrics.

use shoptrail_domain::StoreName;
use shoptrail_domain::advice::Source;
use shoptrail_domain::cart_event::ActionType;
use shoptrail_domain::refusal::Refusal;
use shoptrail_storage::ModelCall;

use super::OTHER;
use crate::{App, RequestContext};

/// The actions that are told apart; whatever else stores call theirs is counted as one.
const ACTIONS: [&str; 3] = ["add_to_cart", "buy_now", "remove_from_cart"];

/// What was noted of one request.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    pub(super) cart_events: Vec<CartEvents>,
    /// How many were refused, by the reason's place in [`Refusal::ALL`].
    pub(super) refusals: [u64; Refusal::ALL.len()],
    pub(super) decision: Option<Source>,
    pub(super) sessions: u64,
    pub(super) image_generations: u64,
    pub(super) model_calls: u64,
    pub(super) model_budget_used_percent: Option<u32>,
}

/// Cart events of one store and one action.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CartEvents {
    /// The store's place among those that are told apart.
    pub(super) store: Option<usize>,
    pub(super) action: &'static str,
    pub(super) count: u64,
}

impl Noted {
    pub(super) fn add_cart_event(&mut self, store: Option<usize>, action: &ActionType) {
        let own = ACTIONS.into_iter().find(|known| *known == action.as_str());
        let action = own.unwrap_or(OTHER);
        let mut events = self.cart_events.iter_mut();
        match events.find(|events| events.store == store && events.action == action) {
            Some(events) => events.count += 1,
            None => self.cart_events.push(CartEvents {
                store,
                action,
                count: 1,
            }),
        }
    }

    pub(crate) fn add_refusals(&mut self, reason: Refusal, count: u64) {
        let place = Refusal::ALL.iter().position(|known| *known == reason);
        if let Some(sum) = place.and_then(|place| self.refusals.get_mut(place)) {
            *sum = sum.saturating_add(count);
        }
    }

    pub(super) fn refused(&self) -> impl Iterator<Item = (Refusal, u64)> {
        let all = Refusal::ALL.into_iter().zip(self.refusals);
        all.filter(|(_, count)| *count > 0)
    }
}

impl RequestContext {
    /// Notes a cart event that was stored now, and not before.
    pub fn note_cart_event(&self, app: &App, store: &StoreName, action: &ActionType) {
        let store = app.config.metrics.stores.place(store);
        self.noted().add_cart_event(store, action);
    }

    /// Notes an image generation that was stored now, and not before.
    pub fn note_image_generation(&self) {
        self.noted().image_generations += 1;
    }

    /// Notes that the request began a session.
    pub fn note_session(&self) {
        self.noted().sessions += 1;
    }

    /// Notes where a decision comes from.
    pub fn note_decision(&self, source: Source) {
        self.noted().decision = Some(source);
    }

    /// Notes what became of a call of the model that was to be reserved.
    pub fn note_model_call(&self, call: ModelCall) {
        let mut noted = self.noted();
        noted.model_calls += u64::from(call.is_reserved);
        noted.model_budget_used_percent = Some(call.budget_used_percent);
    }

    /// Counts what was not stored of one of several stores that the request is about.
    pub fn note_refusals_of(
        &self,
        app: &App,
        store: Option<&StoreName>,
        reason: Refusal,
        count: u64,
    ) {
        app.refusals
            .note(store.map(StoreName::as_str), reason, count);
        self.noted().add_refusals(reason, count);
    }
}
