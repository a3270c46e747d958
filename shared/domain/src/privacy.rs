//! Who is to be erased, and how.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::email::Email;
use crate::error::Problems;
use crate::identifier::{ExternalId, SessionRef};
use crate::schema::{EmailText, ErasureModeText, IdOrNumber, SessionText, StoreNameText};
use crate::wire::Scalar;
use crate::{ParseError, ParseErrors, Reason, StoreName};

/// The body of `DELETE /api/privacy/customers`, as it comes. At least one of `customerEmail`, `customerId` and
/// `sessionId` is needed.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({ "storeName": "my-store.myshopify.com", "customerEmail": "jane@example.com", "mode": "delete" }))]
pub struct EraseCustomer {
    /// The store.
    #[schema(value_type = StoreNameText, required = true)]
    #[serde(default)]
    pub store_name: Scalar,
    /// The customer's e-mail address.
    #[schema(value_type = Option<EmailText>)]
    #[serde(default)]
    pub customer_email: Scalar,
    /// The customer's id: a string or a whole number.
    #[schema(value_type = Option<IdOrNumber>)]
    #[serde(default)]
    pub customer_id: Scalar,
    /// A session.
    #[schema(value_type = Option<SessionText>)]
    #[serde(default)]
    pub session_id: Scalar,
    /// `delete` (default) or `anonymize`: events stay, without what tells whose they were.
    #[schema(value_type = Option<ErasureModeText>)]
    #[serde(default)]
    pub mode: Scalar,
}

/// What becomes of a person's events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ErasureMode {
    /// They go.
    #[default]
    Delete,
    /// They stay and are counted, but say no more whose they were.
    Anonymize,
}

/// A customer, by whatever is known of them; never nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_email: Option<Email>,
    /// The id that the shop gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<ExternalId>,
    /// One of the customer's sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionRef>,
}

/// A request to erase that keeps every rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// In this store alone.
    pub store_name: StoreName,
    /// Whom.
    pub person: Person,
    /// How.
    pub mode: ErasureMode,
}

impl Erasure {
    /// Validates and normalizes in one step.
    ///
    /// # Errors
    ///
    /// All fields that break a rule.
    pub fn parse(wire: &EraseCustomer) -> Result<Self, ParseErrors> {
        let mut problems = Problems::default();
        let store_name = problems.note(
            "storeName",
            StoreName::parse_optional(&wire.store_name)
                .and_then(|name| name.ok_or(Reason::Required)),
        );
        let customer_email =
            problems.note("customerEmail", Email::parse_optional(&wire.customer_email));
        let customer_id =
            problems.note("customerId", ExternalId::parse_optional(&wire.customer_id));
        let session_id = problems.note("sessionId", SessionRef::parse_optional(&wire.session_id));
        let mode = problems.note("mode", ErasureMode::parse(&wire.mode));
        let fields = [&wire.customer_email, &wire.customer_id, &wire.session_id];
        if fields.iter().all(|field| field.is_absent()) {
            problems.note("customerEmail", Err::<(), _>(Reason::NoPerson));
        }
        problems.into_result()?;
        Ok(Self {
            // A store that could not be read is among the problems above.
            store_name: store_name.ok_or_else(|| ParseError::new("storeName", Reason::Required))?,
            person: Person {
                customer_email: customer_email.flatten(),
                customer_id: customer_id.flatten(),
                session_id: session_id.flatten(),
            },
            mode: mode.unwrap_or_default(),
        })
    }
}

impl ErasureMode {
    fn parse(value: &Scalar) -> Result<Self, Reason> {
        match value.text()? {
            None => Ok(Self::default()),
            Some("delete") => Ok(Self::Delete),
            Some("anonymize") => Ok(Self::Anonymize),
            Some(_) => Err(Reason::NotAnErasureMode),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(body: &str) -> Vec<(String, Reason)> {
        let wire = crate::json::decode(body.as_bytes()).unwrap();
        Erasure::parse(&wire).map_or_else(
            |errors| {
                errors
                    .iter()
                    .map(|error| (error.field.to_string(), error.reason))
                    .collect()
            },
            |_| Vec::new(),
        )
    }

    #[test]
    fn a_person_is_named_by_at_least_one_field() {
        assert_eq!(
            problems(r#"{"storeName":"a","customerEmail":" ","mode":"purge"}"#),
            [
                ("mode".to_owned(), Reason::NotAnErasureMode),
                ("customerEmail".to_owned(), Reason::NoPerson)
            ]
        );
        assert_eq!(
            problems(r#"{"customerEmail":"nobody"}"#),
            [
                ("storeName".to_owned(), Reason::Required),
                ("customerEmail".to_owned(), Reason::NotAnEmail)
            ]
        );
        assert_eq!(
            problems(r#"{"storeName":"a","customerId":7,"mode":"anonymize"}"#),
            []
        );
    }
}
