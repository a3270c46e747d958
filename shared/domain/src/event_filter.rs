//! Which cart events a read route is asked for.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::access::Stores;
use crate::cart_event::ActionType;
use crate::date_bounds::DateBounds;
use crate::email::Email;
use crate::error::Problems;
use crate::event_fields::fingerprint;
use crate::identifier::{ExternalId, SessionRef};
use crate::schema::{
    ActionTypeText, DayOrTimeText, EmailText, IdText, SessionText, StoreNameText, TimeZoneText,
};
use crate::{ParseErrors, Reason, StoreName, Timestamp};

/// Whose events are asked for, as text.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub struct EventOwnerQuery {
    /// The store; without it all that the key may see.
    #[param(value_type = Option<StoreNameText>)]
    pub store_name: Option<String>,
    /// The customer's id, or a Shopify global id.
    #[param(value_type = Option<IdText>)]
    pub customer_id: Option<String>,
}

/// What else the events must be like, as text. Parameters that are empty are ignored.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub struct EventFilterQuery {
    /// The product's id, or a Shopify global id.
    #[param(value_type = Option<IdText>)]
    pub product_id: Option<String>,
    /// The variant's id, or a Shopify global id.
    #[param(value_type = Option<IdText>)]
    pub variant_id: Option<String>,
    /// The customer's e-mail address, in any case.
    #[param(value_type = Option<EmailText>)]
    pub customer_email: Option<String>,
    /// The session.
    #[param(value_type = Option<SessionText>)]
    pub session_id: Option<String>,
    /// Such as `add_to_cart`, `buy_now` or `remove_from_cart`.
    #[param(value_type = Option<ActionTypeText>)]
    pub action_type: Option<String>,
    /// The first day, `YYYY-MM-DD`, or the first moment, in ISO 8601. Without it everything that is kept; but for a key of
    /// all stores that names neither store, session, customer nor product, the 31 days before the end. With it such a
    /// key reads 397 days at the most, and is told to name a store where that takes too long.
    #[param(value_type = Option<DayOrTimeText>, example = "2026-01-01")]
    pub start_date: Option<String>,
    /// The last day, `YYYY-MM-DD`, or the last moment, in ISO 8601; both included.
    #[param(value_type = Option<DayOrTimeText>, example = "2026-01-31")]
    pub end_date: Option<String>,
    /// The IANA time zone of the days; without it UTC.
    #[param(value_type = Option<TimeZoneText>)]
    pub timezone: Option<String>,
}

/// Which cart events are asked for: those that are like everything that is named here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFilter {
    /// The stores: those that the request may see and asks for.
    pub stores: Stores,
    /// The product.
    pub product_id: Option<ExternalId>,
    /// The variant.
    pub variant_id: Option<ExternalId>,
    /// The customer.
    pub customer_id: Option<ExternalId>,
    /// The customer's address.
    pub customer_email: Option<Email>,
    /// The session.
    pub session_id: Option<SessionRef>,
    /// What the shopper did.
    pub action_type: Option<ActionType>,
    /// The first moment.
    pub from: Option<Timestamp>,
    /// The first moment that is too late.
    pub until: Option<Timestamp>,
}

impl EventFilter {
    /// Reads the filter of a request that may see the stores `visible`. A store that it names takes their place:
    /// whether the request may see that one is judged elsewhere.
    ///
    /// # Errors
    ///
    /// All parameters that break a rule.
    pub fn parse(
        owner: &EventOwnerQuery,
        query: &EventFilterQuery,
        visible: &Stores,
    ) -> Result<Self, ParseErrors> {
        let mut problems = Problems::default();
        let store = problems.parameter("storeName", owner.store_name.as_deref(), StoreName::parse);
        let product_id =
            problems.parameter("productId", query.product_id.as_deref(), ExternalId::parse);
        let variant_id =
            problems.parameter("variantId", query.variant_id.as_deref(), ExternalId::parse);
        let customer_id = problems.parameter(
            "customerId",
            owner.customer_id.as_deref(),
            ExternalId::parse,
        );
        let customer_email = problems.parameter(
            "customerEmail",
            query.customer_email.as_deref(),
            Email::parse,
        );
        let session_id =
            problems.parameter("sessionId", query.session_id.as_deref(), SessionRef::parse);
        let action_type = problems.parameter(
            "actionType",
            query.action_type.as_deref(),
            ActionType::parse,
        );
        let DateBounds { from, until } = DateBounds::parse(
            query.start_date.as_deref(),
            query.end_date.as_deref(),
            query.timezone.as_deref(),
            &mut problems,
        );
        problems.into_result()?;
        Ok(Self {
            stores: store.map_or_else(|| visible.clone(), Stores::one),
            product_id,
            variant_id,
            customer_id,
            customer_email,
            session_id,
            action_type,
            from,
            until,
        })
    }

    /// The store, where the filter is about a single one.
    #[must_use]
    pub fn store(&self) -> Option<&StoreName> {
        match &self.stores {
            Stores::These(stores) if stores.len() == 1 => stores.first(),
            _ => None,
        }
    }

    /// SHA-256, in hex, of all that the filter says: two filters that agree in it ask for the same.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let stores = match &self.stores {
            Stores::All => None,
            // No store's name has a comma.
            Stores::These(stores) => {
                let names: Vec<_> = stores.iter().map(StoreName::as_str).collect();
                Some(names.join(","))
            }
        };
        let until = self.until.map(Timestamp::to_iso);
        let said = [
            stores.as_deref(),
            self.product_id.as_ref().map(ExternalId::as_str),
            self.variant_id.as_ref().map(ExternalId::as_str),
            self.customer_id.as_ref().map(ExternalId::as_str),
            self.customer_email.as_ref().map(Email::as_str),
            self.session_id.as_ref().map(SessionRef::as_str),
            self.action_type.as_ref().map(ActionType::as_str),
            until.as_deref(),
        ];
        fingerprint(said, self.from)
    }
}

/// The order in which records are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, ToSchema)]
pub enum Direction {
    /// The smallest, or the oldest, first.
    #[schema(rename = "ASC")]
    Ascending,
    /// The greatest, or the newest, first.
    #[default]
    #[schema(rename = "DESC")]
    Descending,
}

impl Direction {
    /// Takes `ASC` or `DESC`, in any case.
    ///
    /// # Errors
    ///
    /// [`Reason::NotADirection`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        [Self::Ascending, Self::Descending]
            .into_iter()
            .find(|direction| direction.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or(Reason::NotADirection)
    }

    /// `ASC` or `DESC`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ascending => "ASC",
            Self::Descending => "DESC",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn of_store(name: &str) -> EventOwnerQuery {
        EventOwnerQuery {
            store_name: Some(name.into()),
            customer_id: None,
        }
    }

    #[test]
    fn a_store_that_is_named_takes_the_place_of_those_that_are_visible() {
        let store = |name| StoreName::parse(name).unwrap();
        let two = Stores::These(BTreeSet::from([store("a"), store("b")]));
        let parse = |owner: &EventOwnerQuery, visible: &Stores| {
            EventFilter::parse(owner, &EventFilterQuery::default(), visible).unwrap()
        };
        let named = parse(&of_store("https://B.myshopify.com/"), &two);
        assert_eq!(named.stores, Stores::one(store("b")));
        assert_eq!(named.store(), Some(&store("b")));
        for visible in [two, Stores::All] {
            let filter = parse(&of_store(" "), &visible);
            assert_eq!(filter.stores, visible);
            assert_eq!(filter.store(), None);
        }
    }

    #[test]
    fn filters_that_differ_in_anything_have_different_fingerprints() {
        let (one, same) = (Some("1".to_owned()), Some(" 1 ".to_owned()));
        let day = Some("2026-01-01".to_owned());
        let base = EventFilterQuery::default();
        let queries = [
            base.clone(),
            EventFilterQuery {
                product_id: one.clone(),
                ..base.clone()
            },
            EventFilterQuery {
                variant_id: one.clone(),
                ..base.clone()
            },
            EventFilterQuery {
                session_id: one.clone(),
                ..base.clone()
            },
            EventFilterQuery {
                action_type: one,
                ..base.clone()
            },
            EventFilterQuery {
                customer_email: Some("1@example.com".into()),
                ..base.clone()
            },
            EventFilterQuery {
                start_date: day.clone(),
                ..base.clone()
            },
            EventFilterQuery {
                end_date: day.clone(),
                ..base.clone()
            },
            EventFilterQuery {
                start_date: day,
                timezone: Some("Europe/Berlin".into()),
                ..base.clone()
            },
        ];
        let mut customer = of_store("a");
        customer.customer_id = Some("1".into());
        let owners = [
            EventOwnerQuery::default(),
            of_store("a"),
            of_store("b"),
            customer,
        ];
        let print = |owner: &EventOwnerQuery, query: &EventFilterQuery| {
            let filter = EventFilter::parse(owner, query, &Stores::All);
            filter.unwrap().fingerprint()
        };
        let prints: BTreeSet<_> = owners
            .iter()
            .flat_map(|owner| queries.iter().map(|query| print(owner, query)))
            .collect();
        assert_eq!(prints.len(), owners.len() * queries.len());
        let written_otherwise = EventFilterQuery {
            product_id: same,
            ..base
        };
        assert_eq!(
            print(&owners[1], &written_otherwise),
            print(&of_store("A.myshopify.com"), &queries[1])
        );
    }

    #[test]
    fn all_problems_of_two_parts_are_told_in_their_order() {
        let wrong = |field: &'static str| -> Result<(), ParseErrors> {
            Err(crate::ParseError::new(field, Reason::Required).into())
        };
        let errors = ParseErrors::both(
            ParseErrors::both(wrong("a"), wrong("b")),
            ParseErrors::both(Ok(()), wrong("c")),
        )
        .unwrap_err();
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_ref()).collect();
        assert_eq!(fields, ["a", "b", "c"]);
        assert_eq!(ParseErrors::both(Ok(1), Ok(2)), Ok((1, 2)));
    }
}
