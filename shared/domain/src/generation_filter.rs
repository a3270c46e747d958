//! Which image generations a read route is asked for.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::access::Stores;
use crate::date_bounds::DateBounds;
use crate::email::Email;
use crate::error::Problems;
use crate::identifier::ExternalId;
use crate::image_generation::GenerationStatus;
use crate::query::given;
use crate::schema::{DayOrTimeText, StoreNameText, TimeZoneText, UserText};
use crate::{ParseErrors, Reason, StoreName, Timestamp};

/// What the generations must be like, as text. Parameters that are empty are ignored. Deployed clients write the range
/// in either of two ways.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub struct GenerationFilterQuery {
    /// The store; without it all that the key may see.
    #[param(value_type = Option<StoreNameText>)]
    pub store_name: Option<String>,
    /// `pending`, `processing`, `completed` or `failed`.
    #[param(value_type = Option<GenerationStatus>, inline)]
    pub status: Option<String>,
    /// The customer's id, a Shopify global id, or the customer's e-mail address in any case.
    #[param(value_type = Option<UserText>)]
    pub user: Option<String>,
    /// The first day, `YYYY-MM-DD`, or the first moment, in ISO 8601. Without it everything that is kept; but for a key of
    /// all stores that names neither store nor user, the 31 days before the end. With it such a
    /// key reads 397 days at the most, and is told to name a store where that takes too long.
    #[param(value_type = Option<DayOrTimeText>, example = "2026-01-01")]
    pub start_date: Option<String>,
    /// The same as `startDate`; where both are given they must say the same.
    #[serde(rename = "start_date")]
    #[param(rename = "start_date", value_type = Option<DayOrTimeText>, example = "2026-01-01")]
    pub start_date_in_snake_case: Option<String>,
    /// The last day, `YYYY-MM-DD`, or the last moment, in ISO 8601; both included.
    #[param(value_type = Option<DayOrTimeText>, example = "2026-01-31")]
    pub end_date: Option<String>,
    /// The same as `endDate`; where both are given they must say the same.
    #[serde(rename = "end_date")]
    #[param(rename = "end_date", value_type = Option<DayOrTimeText>, example = "2026-01-31")]
    pub end_date_in_snake_case: Option<String>,
    /// The IANA time zone of the days; without it UTC.
    #[param(value_type = Option<TimeZoneText>)]
    pub timezone: Option<String>,
}

/// Which image generations are asked for: those that are like everything that is named here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationFilter {
    /// The stores: those that the request may see and asks for.
    pub stores: Stores,
    /// How far they are.
    pub status: Option<GenerationStatus>,
    /// Whose they are.
    pub user: Option<GenerationUser>,
    /// The first moment.
    pub from: Option<Timestamp>,
    /// The first moment that is too late.
    pub until: Option<Timestamp>,
}

/// The customer for whom a picture was generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GenerationUser {
    /// By id.
    Id(ExternalId),
    /// By address.
    Email(Email),
}

impl GenerationUser {
    /// Takes an e-mail address where there is an `@`, which no id of Shopify's has, and else an id.
    ///
    /// # Errors
    ///
    /// The rules of [`Email::parse`] and of [`ExternalId::parse`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        if text.contains('@') {
            Email::parse(text).map(Self::Email)
        } else {
            ExternalId::parse(text).map(Self::Id)
        }
    }
}

impl GenerationFilter {
    /// Reads the filter of a request that may see the stores `visible`. A store that it names takes their place:
    /// whether the request may see that one is judged elsewhere.
    ///
    /// # Errors
    ///
    /// All parameters that break a rule.
    pub fn parse(query: &GenerationFilterQuery, visible: &Stores) -> Result<Self, ParseErrors> {
        let mut problems = Problems::default();
        let store = problems.parameter("storeName", query.store_name.as_deref(), StoreName::parse);
        let status = problems.parameter("status", query.status.as_deref(), GenerationStatus::parse);
        let user = problems.parameter("user", query.user.as_deref(), GenerationUser::parse);
        let start = either(
            ["startDate", "start_date"],
            [&query.start_date, &query.start_date_in_snake_case],
            &mut problems,
        );
        let end = either(
            ["endDate", "end_date"],
            [&query.end_date, &query.end_date_in_snake_case],
            &mut problems,
        );
        let DateBounds { from, until } =
            DateBounds::parse(start, end, query.timezone.as_deref(), &mut problems);
        problems.into_result()?;
        Ok(Self {
            stores: store.map_or_else(|| visible.clone(), Stores::one),
            status,
            user,
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
}

/// A parameter that has two names. What differs is a problem of the second one, since nobody knows which is meant.
fn either<'a>(
    names: [&'static str; 2],
    values: [&'a Option<String>; 2],
    problems: &mut Problems,
) -> Option<&'a str> {
    match values.map(|value| given(value.as_deref())) {
        [Some(first), Some(second)] if first != second => {
            let [same_as, name] = names;
            problems.note::<()>(name, Err(Reason::Differs { from: same_as }));
            Some(first)
        }
        [first, second] => first.or(second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: GenerationFilterQuery) -> Result<GenerationFilter, Vec<(String, Reason)>> {
        GenerationFilter::parse(&query, &Stores::All).map_err(|errors| {
            let told = errors.iter();
            told.map(|error| (error.field.to_string(), error.reason))
                .collect()
        })
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn what_is_not_said_is_not_asked_for() {
        let nothing = GenerationFilter {
            stores: Stores::All,
            status: None,
            user: None,
            from: None,
            until: None,
        };
        assert_eq!(parse(GenerationFilterQuery::default()), Ok(nothing.clone()));
        let blank = GenerationFilterQuery {
            store_name: text(" "),
            user: text(""),
            start_date: text(" "),
            start_date_in_snake_case: text(""),
            ..GenerationFilterQuery::default()
        };
        assert_eq!(parse(blank), Ok(nothing));
    }

    #[test]
    fn a_user_is_a_customers_id_or_address() {
        let user = |name: &str| {
            let query = GenerationFilterQuery {
                user: text(name),
                ..GenerationFilterQuery::default()
            };
            parse(query).map(|filter| filter.user)
        };
        let id = GenerationUser::Id(ExternalId::parse("7").unwrap());
        assert_eq!(user("gid://shopify/Customer/7"), Ok(Some(id)));
        let email = GenerationUser::Email(Email::parse("jane@example.com").unwrap());
        assert_eq!(user(" Jane@Example.com "), Ok(Some(email)));
        let wrong = Err(vec![("user".into(), Reason::NotAnEmail)]);
        assert_eq!(user("jane@"), wrong);
    }

    #[test]
    fn both_spellings_of_a_date_are_taken_and_must_agree() {
        let dates = |camel: [&str; 2], snake: [&str; 2]| {
            let query = GenerationFilterQuery {
                start_date: text(camel[0]),
                end_date: text(camel[1]),
                start_date_in_snake_case: text(snake[0]),
                end_date_in_snake_case: text(snake[1]),
                timezone: text("Europe/Berlin"),
                ..GenerationFilterQuery::default()
            };
            parse(query).map(|filter| (filter.from, filter.until))
        };
        let january = dates(["2026-01-01", "2026-01-31"], ["", ""]).unwrap();
        let first = Timestamp::parse_iso("2025-12-31T23:00:00Z").unwrap();
        assert_eq!(january.0, Some(first));
        for same in [
            dates(["", ""], ["2026-01-01", "2026-01-31"]),
            dates(["2026-01-01", ""], ["", "2026-01-31"]),
            dates(["2026-01-01", "2026-01-31"], [" 2026-01-01", "2026-01-31 "]),
        ] {
            assert_eq!(same, Ok(january));
        }
        let differs = |name: &str, from| (name.to_owned(), Reason::Differs { from });
        assert_eq!(
            dates(["2026-01-01", "2026-01-31"], ["2026-01-02", "2026-01-30"]),
            Err(vec![
                differs("start_date", "startDate"),
                differs("end_date", "endDate")
            ])
        );
    }

    #[test]
    fn everything_wrong_is_told() {
        let query = GenerationFilterQuery {
            store_name: text("not a store"),
            status: text("done"),
            user: text("gid://shopify/Customer/"),
            start_date_in_snake_case: text("soon"),
            timezone: text("Europe/Atlantis"),
            ..GenerationFilterQuery::default()
        };
        let told: Vec<_> = parse(query)
            .unwrap_err()
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(
            told,
            ["storeName", "status", "user", "startDate", "timezone"]
        );
    }
}
