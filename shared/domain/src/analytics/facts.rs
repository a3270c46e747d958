//! What analytics are counted from, borrowed from wherever it was read. Times are ISO 8601 as
//! [`Timestamp::to_iso`](crate::Timestamp::to_iso) writes them.

use crate::advice::Source;
use crate::advice::outcome::Outcome;

/// The facts of one store and one range of time: no fact twice, in any order.
#[derive(Debug, Clone)]
pub struct Facts<E, G, S> {
    /// Of [`CartFact`].
    pub events: E,
    /// Of [`GenerationFact`].
    pub generations: G,
    /// Of [`SessionFact`].
    pub sessions: S,
}

/// A cart event.
#[derive(Debug, Clone, Copy)]
pub struct CartFact<'a> {
    /// The event's id.
    pub id: &'a str,
    /// When it was stored.
    pub created_at: &'a str,
    /// What the shopper did.
    pub action_type: &'a str,
    /// The product.
    pub product_id: Option<&'a str>,
    /// What the product was called.
    pub product_title: Option<&'a str>,
    /// Whose event it is.
    pub identity: Identity<'a>,
}

/// An image generation.
#[derive(Debug, Clone, Copy)]
pub struct GenerationFact<'a> {
    /// The generation's id.
    pub id: &'a str,
    /// When it was stored.
    pub created_at: &'a str,
    /// Whether the shopper got an image.
    pub is_completed: bool,
    /// The product that was tried on.
    pub product_id: Option<&'a str>,
    /// Whose generation it is.
    pub identity: Identity<'a>,
}

/// What tells whose a fact is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Identity<'a> {
    /// The session.
    pub session_id: Option<&'a str>,
    /// The customer's id.
    pub customer_id: Option<&'a str>,
    /// The customer's address.
    pub customer_email: Option<&'a str>,
    /// The generated image: the same wherever the same image is named.
    pub image_key: Option<&'a str>,
}

/// A session that started, or first reached the checkout, in the range.
#[derive(Debug, Clone, Copy)]
pub struct SessionFact<'a> {
    /// The session's id.
    pub session: &'a str,
    /// When it started.
    pub started_at: &'a str,
    /// When it first reached the checkout.
    pub checkout_at: Option<&'a str>,
    /// The products that it viewed.
    pub product_ids: &'a [String],
}

/// A decision of Ask AI.
#[derive(Debug, Clone, Copy)]
pub struct DecisionFact<'a> {
    /// The session that it was made for.
    pub session: &'a str,
    /// When it was made.
    pub created_at: &'a str,
    /// Who made it.
    pub source: Source,
    /// Whether a popup was given.
    pub shows_popup: bool,
    /// Whether a popup was withheld because the session is held out.
    pub is_control: bool,
    /// What became of it.
    pub outcomes: Outcomes,
}

/// A set of outcomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes(u8);

impl Outcomes {
    /// Whether the outcome is in the set.
    #[must_use]
    pub fn contains(self, outcome: Outcome) -> bool {
        self.0 & Self::bit(outcome) != 0
    }

    fn bit(outcome: Outcome) -> u8 {
        1 << outcome as u8
    }
}

impl FromIterator<Outcome> for Outcomes {
    fn from_iter<I: IntoIterator<Item = Outcome>>(outcomes: I) -> Self {
        let bits = outcomes.into_iter().map(Self::bit);
        Self(bits.fold(0, |set, bit| set | bit))
    }
}
