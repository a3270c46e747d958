//! What the routes that read cart events have in common: whose events a request may see, and how pages with numbers
//! are counted out.

use std::cmp::Ordering;

use serde::Serialize;
use shoptrail_domain::event_filter::{Direction, EventFilter};
use shoptrail_domain::limits::EVENTS_COLLECTED;
use shoptrail_domain::paging::{NumberedPage, OrderBy};
use shoptrail_domain::{ParseError, Reason};
use shoptrail_edge::{ApiError, App};
use shoptrail_storage::{Collected, EventSummary, SummaryFields};
use utoipa::ToSchema;

use crate::shown::CartEventShown;

/// One of the numbered pages, and all that it is a page of.
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
    /// Events on all pages.
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
    fn new(total: usize, page: &NumberedPage) -> Self {
        let total_pages = total.div_ceil(page.limit);
        Self {
            total,
            page: page.page,
            limit: page.limit,
            total_pages,
            has_next: page.page < total_pages,
            has_prev: page.page > 1 && total_pages > 0,
        }
    }
}

/// Reads one of the numbered pages.
///
/// # Errors
///
/// [`Reason::TooManyEvents`], or the database's.
pub(crate) async fn numbered(
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
    let mut events = all_of(collected)?;
    sort(&mut events, page.order_by, page.direction);
    let ids: Vec<&str> = events
        .iter()
        .skip((page.page - 1).saturating_mul(page.limit))
        .take(page.limit)
        .map(|event| event.id.as_str())
        .collect();
    let records = app.store.find_cart_events(&ids, now).await?;
    let records = records.into_iter().map(CartEventShown::from).collect();
    Ok(Numbered {
        pagination: Pagination::new(events.len(), page),
        records,
        events,
    })
}

/// The events, or what the client may do where they are too many.
fn all_of(collected: Collected) -> Result<Vec<EventSummary>, ParseError> {
    match collected {
        Collected::All(events) => Ok(events),
        Collected::TooMany => {
            let reason = Reason::TooManyEvents {
                most: EVENTS_COLLECTED,
            };
            Err(ParseError::new("startDate", reason))
        }
    }
}

/// Sorts by the field, then by time, then by id. What has no such field is smaller than what has one.
fn sort(events: &mut [EventSummary], order_by: OrderBy, direction: Direction) {
    let ascending = |a: &EventSummary, b: &EventSummary| -> Ordering {
        field(a, order_by)
            .cmp(&field(b, order_by))
            .then_with(|| a.created_at.cmp(&b.created_at))
            .then_with(|| a.id.cmp(&b.id))
    };
    match direction {
        Direction::Ascending => events.sort_unstable_by(ascending),
        Direction::Descending => events.sort_unstable_by(|a, b| ascending(b, a)),
    }
}

fn field(event: &EventSummary, order_by: OrderBy) -> Option<&str> {
    match order_by {
        OrderBy::CreatedAt => None,
        OrderBy::UpdatedAt => Some(event.updated_at()),
        OrderBy::ActionType => Some(&event.action_type),
        OrderBy::ProductId => event.product_id.as_deref(),
        OrderBy::VariantId => event.variant_id.as_deref(),
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
            variant_id: None,
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
        let error = all_of(Collected::TooMany).unwrap_err();
        assert_eq!(error.field, "startDate");
        assert_eq!(
            error.message(),
            "More than 100000 events match: narrow the range or the filters"
        );
        assert_eq!(all_of(Collected::All(Vec::new())), Ok(Vec::new()));
    }
}
