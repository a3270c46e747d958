//! What is asked of a table, in the table's own terms.

use shoptrail_domain::access::Stores;
use shoptrail_domain::email::Email;
use shoptrail_domain::event_filter::EventFilter;
use shoptrail_domain::generation_filter::{GenerationFilter, GenerationUser};
use shoptrail_domain::identifier::{ExternalId, SessionRef};
use shoptrail_domain::{StoreName, Timestamp};

use super::index::{CART_EVENTS, IMAGE_GENERATIONS, Index, Source};

/// A filter of a table's events.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) source: &'static Source,
    /// What every event must be like. Without one of a store, all stores are asked for.
    pub(super) conditions: Vec<Condition>,
    /// The first moment.
    pub(super) from: Option<Timestamp>,
    /// The first moment that is too late.
    pub(super) until: Option<Timestamp>,
}

/// What an attribute must be: one of these values, which are sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) attribute: &'static str,
    pub(super) values: Vec<String>,
}

impl Question {
    /// Which partitions of an index are meant, if any.
    pub(super) fn partitions(&self, index: &Index) -> Option<&Condition> {
        let mut conditions = self.conditions.iter();
        conditions.find(|condition| condition.attribute == index.partition)
    }

    /// Whether no event can be like that, because one of the conditions names no value.
    pub(super) fn is_about_nothing(&self) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.any(|condition| condition.values.is_empty())
    }

    /// The index that has the fewest entries.
    pub(super) fn index(&self) -> &'static Index {
        let mut preferred = self.source.preferred.iter();
        preferred
            .find(|index| self.partitions(index).is_some())
            .unwrap_or(&self.source.by_day)
    }
}

impl From<&EventFilter> for Question {
    fn from(filter: &EventFilter) -> Self {
        let id = |id: &Option<ExternalId>| id.as_ref().map(|id| id.as_str().to_owned());
        let email = filter.customer_email.as_ref().map(Email::as_str);
        let session = filter.session_id.as_ref().map(SessionRef::as_str);
        let action = filter.action_type.as_ref().map(|action| action.as_str());
        let conditions = [
            of_stores(&filter.stores),
            one("product_id", id(&filter.product_id)),
            one("variant_id", id(&filter.variant_id)),
            one("customer_id", id(&filter.customer_id)),
            one("customer_email", email.map(str::to_owned)),
            one("session_id", session.map(str::to_owned)),
            one("action_type", action.map(str::to_owned)),
        ];
        Self {
            source: &CART_EVENTS,
            conditions: conditions.into_iter().flatten().collect(),
            from: filter.from,
            until: filter.until,
        }
    }
}

impl From<&GenerationFilter> for Question {
    fn from(filter: &GenerationFilter) -> Self {
        let user = filter.user.as_ref().and_then(|user| match user {
            GenerationUser::Id(id) => one("customer_id", Some(id.as_str().to_owned())),
            GenerationUser::Email(email) => one("customer_email", Some(email.as_str().to_owned())),
        });
        let status = filter.status.map(|status| status.as_str().to_owned());
        let conditions = [of_stores(&filter.stores), user, one("status", status)];
        Self {
            source: &IMAGE_GENERATIONS,
            conditions: conditions.into_iter().flatten().collect(),
            from: filter.from,
            until: filter.until,
        }
    }
}

fn of_stores(stores: &Stores) -> Option<Condition> {
    match stores {
        Stores::All => None,
        Stores::These(stores) => Some(Condition {
            attribute: "store_name",
            values: stores.iter().map(StoreName::to_string).collect(),
        }),
    }
}

fn one(attribute: &'static str, value: Option<String>) -> Option<Condition> {
    value.map(|value| Condition {
        attribute,
        values: vec![value],
    })
}
