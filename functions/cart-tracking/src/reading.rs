//! What the routes that read on numbered pages have in common: how all that matches is ordered, counted out in pages and
//! summed up.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use shoptrail_domain::event_filter::{Direction, EventFilter};
use shoptrail_domain::limits::EVENTS_COLLECTED;
use shoptrail_domain::paging::{GenerationOrderBy, NumberedPage, OrderBy};
use shoptrail_domain::{ParseError, Reason};
use shoptrail_edge::{ApiError, App};
use shoptrail_storage::{Collected, EventSummary, GenerationSummary, Store, SummaryFields, within};
use utoipa::ToSchema;

use crate::shown::CartEventShown;

/// One of the numbered pages of cart events, and all that it is a page of.
#[derive(Debug)]
pub(crate) struct Numbered {
    /// All events that match.
    pub(crate) events: Vec<EventSummary>,
    /// Those of the page.
    pub(crate) records: Vec<CartEventShown>,
    /// Which page it is.
    pub(crate) pagination: Pagination,
}

/// Which page it is, and of how many.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pagination {
    /// Records on all pages.
    #[schema(example = 120)]
    total: usize,
    #[schema(example = 2)]
    page: usize,
    #[schema(example = 50)]
    limit: usize,
    #[schema(example = 3)]
    total_pages: usize,
    #[schema(example = true)]
    has_next: bool,
    #[schema(example = true)]
    has_prev: bool,
}

impl Pagination {
    fn new(total: usize, page: usize, limit: usize) -> Self {
        let total_pages = total.div_ceil(limit);
        Self {
            total,
            page,
            limit,
            total_pages,
            has_next: page < total_pages,
            has_prev: page > 1 && total_pages > 0,
        }
    }
}

/// Something of which there are numbered pages, which are ordered by one of its fields.
pub(crate) trait Paged<O> {
    fn id(&self) -> &str;

    /// ISO 8601, UTC.
    fn created_at(&self) -> &str;

    /// What it is ordered by before its time and its id.
    fn field(&self, order_by: O) -> Option<&str>;
}

/// All that matches, in the order in which it is asked for, and a page of it.
#[derive(Debug)]
pub(crate) struct Ordered<S> {
    pub(crate) all: Vec<S>,
    pub(crate) page: std::ops::Range<usize>,
    pub(crate) pagination: Pagination,
}

impl<S> Ordered<S> {
    /// # Errors
    ///
    /// [`Reason::TooManyEvents`].
    pub(crate) fn new<O: Copy>(
        collected: Collected<S>,
        page: &NumberedPage<O>,
    ) -> Result<Self, ParseError>
    where
        S: Paged<O>,
    {
        let mut all = all_of(collected)?;
        sort(&mut all, page.order_by, page.direction);
        let first = (page.page - 1).saturating_mul(page.limit).min(all.len());
        let end = (first + page.limit).min(all.len());
        Ok(Self {
            pagination: Pagination::new(all.len(), page.page, page.limit),
            page: first..end,
            all,
        })
    }

    /// The ids of those of the page.
    pub(crate) fn ids<O>(&self) -> Vec<&str>
    where
        S: Paged<O>,
    {
        let page = self.all.get(self.page.clone()).unwrap_or_default();
        page.iter().map(S::id).collect()
    }
}

/// Reads one of the numbered pages of cart events.
///
/// # Errors
///
/// [`Reason::TooManyEvents`], or the database's.
pub(crate) async fn numbered(
    app: &App,
    filter: &EventFilter,
    page: &NumberedPage,
) -> Result<Numbered, ApiError> {
    within(Store::COLLECTION_TIMEOUT, read_numbered(app, filter, page)).await
}

async fn read_numbered(
    app: &App,
    filter: &EventFilter,
    page: &NumberedPage,
) -> Result<Numbered, ApiError> {
    let now = app.clock.now();
    let fields = match page.order_by {
        OrderBy::VariantId => SummaryFields::WithVariant,
        _ => SummaryFields::Common,
    };
    let collected = app
        .store
        .collect_cart_events(filter, fields, EVENTS_COLLECTED, now)
        .await?;
    let ordered = Ordered::new(collected, page)?;
    let records = app.store.find_cart_events(&ordered.ids(), now).await?;
    Ok(Numbered {
        records: records.into_iter().map(CartEventShown::from).collect(),
        pagination: ordered.pagination,
        events: ordered.all,
    })
}

/// Different customers among those who are named by id, or else by address.
pub(crate) fn customers<'a>(
    named: impl Iterator<Item = (&'a Option<String>, &'a Option<String>)>,
) -> usize {
    // An id that looks like an address is still another customer than one with that address.
    let customers = named.filter_map(|(id, email)| {
        let id = id.as_deref().map(|id| (true, id));
        id.or(email.as_deref().map(|email| (false, email)))
    });
    customers.collect::<HashSet<_>>().len()
}

/// Different ones of these.
pub(crate) fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> usize {
    values.collect::<HashSet<_>>().len()
}

/// How many there are of each.
pub(crate) fn breakdown<'a>(values: impl Iterator<Item = &'a str>) -> BTreeMap<String, usize> {
    let mut breakdown = BTreeMap::<&str, usize>::new();
    for value in values {
        *breakdown.entry(value).or_default() += 1;
    }
    let counts = breakdown.into_iter();
    counts
        .map(|(value, count)| (value.to_owned(), count))
        .collect()
}

/// All that was collected, or what the client may do where it is too much.
fn all_of<S>(collected: Collected<S>) -> Result<Vec<S>, ParseError> {
    match collected {
        Collected::All(all) => Ok(all),
        Collected::TooMany => {
            let reason = Reason::TooManyEvents {
                most: EVENTS_COLLECTED,
            };
            Err(ParseError::new("startDate", reason))
        }
    }
}

/// Sorts by the field, then by time, then by id. What has no such field is smaller than what has one.
fn sort<O: Copy, S: Paged<O>>(all: &mut [S], order_by: O, direction: Direction) {
    let ascending = |a: &S, b: &S| -> Ordering {
        a.field(order_by)
            .cmp(&b.field(order_by))
            .then_with(|| a.created_at().cmp(b.created_at()))
            .then_with(|| a.id().cmp(b.id()))
    };
    match direction {
        Direction::Ascending => all.sort_unstable_by(ascending),
        Direction::Descending => all.sort_unstable_by(|a, b| ascending(b, a)),
    }
}

impl Paged<OrderBy> for EventSummary {
    fn id(&self) -> &str {
        &self.id
    }

    fn created_at(&self) -> &str {
        &self.created_at
    }

    fn field(&self, order_by: OrderBy) -> Option<&str> {
        match order_by {
            OrderBy::CreatedAt => None,
            OrderBy::UpdatedAt => Some(self.updated_at()),
            OrderBy::ActionType => Some(&self.action_type),
            OrderBy::ProductId => self.product_id.as_deref(),
            OrderBy::VariantId => self.variant_id.as_deref(),
        }
    }
}

impl Paged<GenerationOrderBy> for GenerationSummary {
    fn id(&self) -> &str {
        &self.id
    }

    fn created_at(&self) -> &str {
        &self.created_at
    }

    fn field(&self, order_by: GenerationOrderBy) -> Option<&str> {
        match order_by {
            GenerationOrderBy::CreatedAt => None,
            GenerationOrderBy::UpdatedAt => Some(self.updated_at()),
            GenerationOrderBy::Status => Some(self.status.as_str()),
            GenerationOrderBy::ProductId => self.product_id.as_deref(),
            GenerationOrderBy::VariantId => self.variant_id.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, product_id: Option<&str>, created_at: &str) -> EventSummary {
        EventSummary {
            id: id.into(),
            store_name: "my-store.myshopify.com".into(),
            action_type: "add_to_cart".into(),
            product_id: product_id.map(Into::into),
            product_title: None,
            variant_id: None,
            image_key: None,
            customer_id: None,
            customer_email: None,
            session_id: None,
            created_at: created_at.into(),
        }
    }

    #[test]
    fn what_is_alike_stands_by_time_and_then_by_id() {
        let mut events = [
            event("e", Some("2"), "2026-01-01"),
            event("d", None, "2026-01-03"),
            event("c", Some("1"), "2026-01-02"),
            event("b", Some("1"), "2026-01-02"),
            event("a", Some("1"), "2026-01-04"),
        ];
        let mut sorted = |order_by, direction| {
            sort(&mut events, order_by, direction);
            let ids = events.iter().map(|event| event.id.as_str());
            ids.collect::<String>()
        };
        assert_eq!(sorted(OrderBy::ProductId, Direction::Ascending), "dbcae");
        assert_eq!(sorted(OrderBy::ProductId, Direction::Descending), "eacbd");
        assert_eq!(sorted(OrderBy::CreatedAt, Direction::Descending), "adcbe");
        assert_eq!(sorted(OrderBy::UpdatedAt, Direction::Ascending), "ebcda");
        assert_eq!(sorted(OrderBy::VariantId, Direction::Ascending), "ebcda");
    }

    #[test]
    fn of_too_many_events_the_client_is_told_what_to_do() {
        let error = all_of::<EventSummary>(Collected::TooMany).unwrap_err();
        assert_eq!(error.field, "startDate");
        assert_eq!(
            error.message(),
            "More than 100000 events match: narrow the range or the filters"
        );
        assert_eq!(
            all_of::<EventSummary>(Collected::All(Vec::new())),
            Ok(Vec::new())
        );
    }
}
