//! The fields that several kinds of events have, each under the same rule wherever it stands.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::email::Email;
use crate::error::Problems;
use crate::identifier::{EventId, ExternalId, SessionRef};
use crate::sender::Sender;
use crate::web_url::WebUrl;
use crate::wire::Scalar;
use crate::{ParseError, ParseErrors, Reason, StoreName, Timestamp, consent, text};

/// Reads the fields of one body, in the order of the contract's table, and gathers what is wrong with them.
pub(crate) struct EventFields<'a> {
    sender: Sender<'a>,
    problems: Problems,
}

impl<'a> EventFields<'a> {
    pub(crate) fn new(sender: Sender<'a>) -> Self {
        Self {
            sender,
            problems: Problems::default(),
        }
    }

    /// The store that the body names, or else the one that Shopify signed.
    pub(crate) fn store_name(&mut self, value: &Scalar) -> Option<StoreName> {
        let signed = self.sender.signed;
        let named = StoreName::parse_optional(value).and_then(|name| {
            name.or_else(|| signed.map(|signed| signed.store_name.clone()))
                .ok_or(Reason::Required)
        });
        self.problems.note("storeName", named)
    }

    /// A name out of a list or of a form, which `parse` knows.
    pub(crate) fn named<T>(
        &mut self,
        field: &'static str,
        value: &Scalar,
        parse: impl FnOnce(&str) -> Result<T, Reason>,
    ) -> Option<T> {
        let parsed = value.text().and_then(|text| text.map(parse).transpose());
        self.note(field, parsed)
    }

    pub(crate) fn external_id(
        &mut self,
        field: &'static str,
        value: &Scalar,
    ) -> Option<ExternalId> {
        self.note(field, ExternalId::parse_optional(value))
    }

    /// The customer: where there is a signature, nobody but the one that it vouches for.
    pub(crate) fn customer_id(&mut self, value: &Scalar) -> Option<ExternalId> {
        let said = self.external_id("customerId", value);
        match self.sender.signed {
            Some(signed) => signed.customer_id.cloned(),
            None => said,
        }
    }

    pub(crate) fn customer_email(&mut self, value: &Scalar) -> Option<Email> {
        self.note("customerEmail", Email::parse_optional(value))
    }

    pub(crate) fn free_text(
        &mut self,
        field: &'static str,
        value: &Scalar,
        max_chars: usize,
    ) -> Option<String> {
        self.note(field, text::parse(value, max_chars))
    }

    pub(crate) fn url(&mut self, field: &'static str, value: &Scalar) -> Option<WebUrl> {
        self.note(field, WebUrl::parse_optional(value))
    }

    pub(crate) fn session_id(&mut self, value: &Scalar) -> Option<SessionRef> {
        self.note("sessionId", SessionRef::parse_optional(value))
    }

    /// The idempotency key, of the body or else of the header.
    pub(crate) fn event_id(&mut self, value: &Scalar) -> Option<EventId> {
        match (value.is_absent(), self.sender.idempotency_key) {
            (true, Some(key)) => self.note("Idempotency-Key", EventId::parse(key).map(Some)),
            _ => self.note("eventId", EventId::parse_optional(value)),
        }
    }

    pub(crate) fn time(&mut self, field: &'static str, value: &Scalar) -> Option<Timestamp> {
        self.note(field, Timestamp::parse(value))
    }

    /// Whether the shopper agrees to being recorded. What cannot be read is a problem, and no yes.
    pub(crate) fn consent(&mut self, value: &Value) -> bool {
        self.problems.note("consent", consent::parse(value)) == Some(true)
    }

    /// The store, if nothing was wrong.
    ///
    /// # Errors
    ///
    /// All fields that broke a rule, in the order in which they were read.
    pub(crate) fn finish(self, store_name: Option<StoreName>) -> Result<StoreName, ParseErrors> {
        self.problems.into_result()?;
        // A store that could not be read is among the problems.
        store_name.ok_or_else(|| ParseError::new("storeName", Reason::Required).into())
    }

    fn note<T>(&mut self, field: &'static str, parsed: Result<Option<T>, Reason>) -> Option<T> {
        self.problems.note(field, parsed).flatten()
    }
}

/// SHA-256, in hex, of what a client said: two requests of one idempotency key must agree in it.
pub(crate) fn fingerprint<'a>(
    said: impl IntoIterator<Item = Option<&'a str>>,
    occurred_at: Option<Timestamp>,
) -> String {
    let mut hash = Sha256::new();
    for part in said {
        // Each part with its length before it, so that no two lists of parts read the same.
        hash.update(
            part.map_or(u64::MAX, |part| part.len() as u64)
                .to_le_bytes(),
        );
        hash.update(part.unwrap_or_default());
    }
    hash.update(occurred_at.map_or(-1, Timestamp::as_millis).to_le_bytes());
    hash.finalize()
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
