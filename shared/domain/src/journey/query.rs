//! Whose journey is asked for.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::email::Email;
use crate::error::Problems;
use crate::identifier::{ExternalId, SessionRef};
use crate::schema::{EmailText, IdText, SessionText, StoreNameText};
use crate::{ParseError, ParseErrors, Reason, StoreName};

/// Whose journey to show, as text. Exactly one of `sessionId`, `customerId` and `customerEmail` is needed; parameters
/// that are empty are ignored.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub struct JourneyQuery {
    /// The store.
    #[param(value_type = StoreNameText, required = true)]
    pub store_name: Option<String>,
    /// The session.
    #[param(value_type = Option<SessionText>)]
    pub session_id: Option<String>,
    /// The customer's id, or a Shopify global id.
    #[param(value_type = Option<IdText>, example = "7123456789")]
    pub customer_id: Option<String>,
    /// The customer's e-mail address, in any case.
    #[param(value_type = Option<EmailText>)]
    pub customer_email: Option<String>,
}

/// Whose journey it is, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JourneyOf {
    /// The store.
    pub store: StoreName,
    /// Who.
    pub traveller: Traveller,
}

/// Who is on a journey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Traveller {
    /// One session.
    Session(SessionRef),
    /// A customer, by id.
    Customer(ExternalId),
    /// A customer, by e-mail address.
    Email(Email),
}

impl JourneyOf {
    /// Validates and normalizes in one step.
    ///
    /// # Errors
    ///
    /// All parameters that break a rule.
    pub fn parse(query: &JourneyQuery) -> Result<Self, ParseErrors> {
        let mut problems = Problems::default();
        let store = crate::query::given(query.store_name.as_deref()).ok_or(Reason::Required);
        let store = problems.note("storeName", store.and_then(StoreName::parse));
        let parameters = [&query.session_id, &query.customer_id, &query.customer_email];
        let named = parameters
            .iter()
            .filter(|text| crate::query::given(text.as_deref()).is_some())
            .count();
        let session = query.session_id.as_deref();
        let session = problems.parameter("sessionId", session, SessionRef::parse);
        let customer = query.customer_id.as_deref();
        let customer = problems.parameter("customerId", customer, ExternalId::parse);
        let email = query.customer_email.as_deref();
        let email = problems.parameter("customerEmail", email, Email::parse);
        match named {
            0 => problems.note("sessionId", Err::<(), _>(Reason::NoPerson)),
            1 => None,
            _ => problems.note("sessionId", Err(Reason::SeveralPersons)),
        };
        problems.into_result()?;
        let traveller = session
            .map(Traveller::Session)
            .or(customer.map(Traveller::Customer))
            .or(email.map(Traveller::Email));
        // What could not be read is among the problems above.
        let missing = |field: &'static str| ParseError::new(field, Reason::Required);
        Ok(Self {
            store: store.ok_or_else(|| missing("storeName"))?,
            traveller: traveller.ok_or_else(|| missing("sessionId"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(store: &str, [session, customer, email]: [&str; 3]) -> Result<JourneyOf, Vec<String>> {
        let query = JourneyQuery {
            store_name: Some(store.into()),
            session_id: Some(session.into()),
            customer_id: Some(customer.into()),
            customer_email: Some(email.into()),
        };
        let problem = |error: &ParseError| format!("{}: {:?}", error.field, error.reason);
        JourneyOf::parse(&query).map_err(|errors| errors.iter().map(problem).collect())
    }

    #[test]
    fn a_journey_is_that_of_one_session_or_customer() {
        let of = |person| parse("my-store", person).map(|of| of.traveller);
        let session = Traveller::Session(SessionRef::parse("a widget's session").unwrap());
        assert_eq!(of([" a widget's session ", "", " "]), Ok(session));
        let customer = Traveller::Customer(ExternalId::parse("7").unwrap());
        assert_eq!(of(["", "gid://shopify/Customer/7", ""]), Ok(customer));
        let email = Traveller::Email(Email::parse("jane@example.com").unwrap());
        assert_eq!(of(["", "", "Jane@Example.com"]), Ok(email));
    }

    #[test]
    fn what_is_missing_wrong_or_too_much_is_named() {
        let problems = |store, person| parse(store, person).unwrap_err();
        assert_eq!(
            problems("", ["", "", ""]),
            ["storeName: Required", "sessionId: NoPerson"]
        );
        assert_eq!(
            problems("not a store", ["", "", "jane"]),
            ["storeName: NotAStore", "customerEmail: NotAnEmail"]
        );
        assert_eq!(
            problems("my-store", ["s-1", "7", ""]),
            ["sessionId: SeveralPersons"]
        );
    }
}
