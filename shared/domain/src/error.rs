//! What was wrong with an input: the field and the rule it broke, never its value.

use std::borrow::Cow;
use std::fmt;

use crate::limits;

/// The rule that a field broke. Its text is meant for the client and holds nothing the client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing was sent, or only blanks.
    #[error("Field is required")]
    Required,
    /// Not a JSON string.
    #[error("Must be a string")]
    NotAString,
    /// Neither a string nor a whole number that fits 64 bits.
    #[error("Must be a string or a whole number")]
    NotAnIdentifier,
    /// Not a JSON object.
    #[error("Must be an object")]
    NotAnObject,
    /// Not a whole number of 0 or more.
    #[error("Must be a whole number of 0 or more")]
    NotAWholeNumber,
    /// Longer than the field's limit.
    #[error("Must be at most {max} characters")]
    TooLong {
        /// The limit, in characters.
        max: usize,
    },
    /// A control character where none may be.
    #[error("Must not contain control characters")]
    ControlCharacter,
    /// Not a `myshopify.com` domain and nothing that names one.
    #[error("Must be a Shopify store such as my-store.myshopify.com")]
    NotAStore,
    /// An own action with other characters than these.
    #[error("Must consist of a-z, 0-9, '_', ':', '.' and '-'")]
    NotAnActionType,
    /// No state that a generation can be in.
    #[error("Must be pending, processing, completed or failed")]
    NotAGenerationStatus,
    /// Not an e-mail address.
    #[error("Must be an e-mail address")]
    NotAnEmail,
    /// Not an absolute `http` or `https` URL.
    #[error("Must be an absolute http or https URL")]
    NotAUrl,
    /// A Shopify global id without an id.
    #[error("Must be an id or a Shopify global id such as gid://shopify/Product/123")]
    NotAGlobalId,
    /// Not an idempotency key.
    #[error("Must be {min} to {max} characters of A-Z, a-z, 0-9, '_' and '-'", min = limits::EVENT_ID_CHARS.start(), max = limits::EVENT_ID_CHARS.end())]
    NotAnEventId,
    /// Neither ISO 8601 nor whole milliseconds since 1970.
    #[error("Must be an ISO 8601 time or milliseconds since 1970")]
    NotATime,
    /// A session id with characters outside `[A-Za-z0-9_.:-]`.
    #[error("Must consist of A-Z, a-z, 0-9, '_', '.', ':' and '-'")]
    NotASessionId,
    /// What scripts send when they have no session: `null`, `undefined`, the nil UUID.
    #[error("Must be a real session id, not a placeholder")]
    Placeholder,
    /// The envelope and its state name two sessions.
    #[error("Must be the same in the message and in its state")]
    SessionMismatch,
    /// A decision's id that is no UUID.
    #[error("Must be the decisionId of an answer of Ask AI")]
    NotADecisionId,
    /// Nothing that can become of a popup.
    #[error("Must be shown, dismissed, clicked or converted")]
    NotAnOutcome,
    /// None of the fields that name a customer.
    #[error("One of customerEmail, customerId and sessionId is required")]
    NoPerson,
    /// More than one of the parameters that say whose journey it is.
    #[error("Only one of sessionId, customerId and customerEmail may be given")]
    SeveralPersons,
    /// No mode of erasing.
    #[error("Must be delete or anonymize")]
    NotAnErasureMode,
    /// Consent in a form that says neither yes nor no.
    #[error("Must be true or false, or an object whose analytics is")]
    NotAConsent,
    /// A day that is none.
    #[error("Must be a day such as 2026-01-31")]
    NotADay,
    /// The range's end lies before its start, or it is longer than it may be.
    #[error("Must be a range of at most {days} days, its end not before its start")]
    NotARange {
        /// The most days.
        days: u32,
    },
    /// Neither a day nor a point in time.
    #[error("Must be a day such as 2026-01-31 or an ISO 8601 time")]
    NotADayOrTime,
    /// No time zone that the IANA database has.
    #[error("Must be an IANA time zone such as Europe/Berlin")]
    NotATimeZone,
    /// The range's end lies before its start.
    #[error("Must not lie before startDate")]
    EndBeforeStart,
    /// Two spellings of one parameter that say different things.
    #[error("Must be the same as {from} where both are given")]
    Differs {
        /// The other spelling.
        from: &'static str,
    },
    /// Not a whole number, or one outside the parameter's range.
    #[error("Must be a whole number from {min} to {max}")]
    NotANumberFrom {
        /// The least.
        min: usize,
        /// The most.
        max: usize,
    },
    /// No direction of an order.
    #[error("Must be ASC or DESC")]
    NotADirection,
    /// Nothing that records are ordered by.
    #[error("Must be created_at, updated_at, action_type, product_id or variant_id")]
    NotAnOrder,
    /// No format that cart events are exported in.
    #[error("Must be csv, xlsx or ndjson")]
    NotAnExportFormat,
    /// Nothing that a range is divided into.
    #[error("Must be day or hour")]
    NotAnInterval,
    /// More lies in a range than one answer can count.
    #[error("More than {most} {what} lie in this range: shorten it")]
    TooManyInRange {
        /// What there is too much of, in the plural.
        what: &'static str,
        /// As many as can be counted.
        most: usize,
    },
    /// Nothing that image generations are ordered by.
    #[error("Must be created_at, updated_at, status, product_id or variant_id")]
    NotAGenerationOrder,
    /// More events are asked for than one answer can count.
    #[error("More than {most} events match: narrow the range or the filters")]
    TooManyEvents {
        /// As many as can be counted.
        most: usize,
    },
    /// All stores are asked for, in a range of which one answer cannot read every day.
    #[error("Needed for so long a range: name a store, or shorten the range")]
    TooLongForAllStores,
    /// No list of events, or one that holds none or too many.
    #[error("Must be a list of 1 to {max} events")]
    NotABatch {
        /// The most events.
        max: usize,
    },
    /// Another webhook than those that the body could be of.
    #[error("Must be customers/data_request, customers/redact or shop/redact, and fit the body")]
    NotATopic,
    /// A cursor that no page gave.
    #[error("Must be a cursor that an earlier page gave")]
    NotACursor,
    /// A cursor that no page of this very query gave: it was changed, or the query was.
    #[error("Must be the nextCursor of an earlier page of the same query, as it was given")]
    NotACursorOfThisQuery,
    /// The same key twice.
    #[error("Must not be given twice")]
    Duplicate,
    /// The body is not JSON.
    #[error("Body is not valid JSON")]
    NotJson,
    /// The body is empty.
    #[error("Body is required")]
    EmptyBody,
    /// Deeper than [`limits::JSON_DEPTH`].
    #[error("Body must not be nested deeper than {} levels", limits::JSON_DEPTH)]
    TooDeep,
}

/// One field and the rule that it broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ParseError {
    /// The field as the wire names it, or `body`.
    pub field: Cow<'static, str>,
    /// The rule.
    pub reason: Reason,
}

impl ParseError {
    /// An error of the field `field`.
    pub fn new(field: impl Into<Cow<'static, str>>, reason: Reason) -> Self {
        Self {
            field: field.into(),
            reason,
        }
    }

    /// An error of the body as a whole.
    #[must_use]
    pub fn body(reason: Reason) -> Self {
        Self::new("body", reason)
    }

    /// One sentence for a person.
    #[must_use]
    pub fn message(&self) -> String {
        match self.reason {
            Reason::Required => format!("{} is required", self.field),
            Reason::NotJson
            | Reason::EmptyBody
            | Reason::TooDeep
            | Reason::TooManyInRange { .. }
            | Reason::TooManyEvents { .. } => self.reason.to_string(),
            _ => format!("{} is not valid", self.field),
        }
    }
}

/// All that was wrong with an input; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseErrors {
    first: ParseError,
    rest: Vec<ParseError>,
}

impl ParseErrors {
    /// The first problem, in the order of the fields.
    #[must_use]
    pub fn first(&self) -> &ParseError {
        &self.first
    }

    /// Two parts of one input, or all that was wrong with either.
    ///
    /// # Errors
    ///
    /// The problems of the first part, then those of the second.
    pub fn both<A, B>(first: Result<A, Self>, second: Result<B, Self>) -> Result<(A, B), Self> {
        match (first, second) {
            (Ok(first), Ok(second)) => Ok((first, second)),
            (Err(mut errors), Err(others)) => {
                errors.rest.push(others.first);
                errors.rest.extend(others.rest);
                Err(errors)
            }
            (Err(errors), Ok(_)) | (Ok(_), Err(errors)) => Err(errors),
        }
    }

    /// All problems, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &ParseError> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

impl From<ParseError> for ParseErrors {
    fn from(first: ParseError) -> Self {
        Self {
            first,
            rest: Vec::new(),
        }
    }
}

impl fmt::Display for ParseErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.rest.is_empty() {
            Ok(())
        } else {
            write!(f, " (and {} more)", self.rest.len())
        }
    }
}

impl std::error::Error for ParseErrors {}

/// Gathers problems while a message is parsed, so that the client learns of all of them at once.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<ParseError>);

impl Problems {
    /// The value, or `None` with the problem noted.
    pub(crate) fn note<T>(&mut self, field: &'static str, parsed: Result<T, Reason>) -> Option<T> {
        parsed
            .map_err(|reason| self.0.push(ParseError::new(field, reason)))
            .ok()
    }

    /// `Ok` when nothing was noted.
    pub(crate) fn into_result(self) -> Result<(), ParseErrors> {
        let mut problems = self.0.into_iter();
        match problems.next() {
            None => Ok(()),
            Some(first) => Err(ParseErrors {
                first,
                rest: problems.collect(),
            }),
        }
    }
}
