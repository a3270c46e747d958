//! `GET /api/cart-tracking/all`: cart events on numbered pages, with a summary of all of them.

use std::collections::BTreeMap;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use serde::Serialize;
use shoptrail_domain::ParseErrors;
use shoptrail_domain::event_filter::{EventFilter, EventFilterQuery, EventOwnerQuery};
use shoptrail_domain::paging::{NumberedPage, NumberedPageQuery};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext};
use shoptrail_storage::EventSummary;
use utoipa::ToSchema;

use crate::reading::{self, Pagination};
use crate::shown::CartEventShown;

/// The answer with a numbered page of cart events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AllListed {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Cart events listed")]
    message: &'static str,
    data: AllPage,
}

/// A page of cart events, and what there is on all pages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AllPage {
    records: Vec<CartEventShown>,
    pagination: Pagination,
    summary: AllSummary,
}

/// What there is on all pages together.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AllSummary {
    #[schema(example = 120)]
    events_count: usize,
    /// Different customers: by id, or else by e-mail address.
    #[schema(example = 31)]
    customers_count: usize,
    #[schema(example = 12)]
    products_count: usize,
    #[schema(example = 1)]
    stores_count: usize,
    /// Events by what the shopper did.
    #[schema(example = json!({ "add_to_cart": 100, "buy_now": 20 }))]
    action_type_breakdown: BTreeMap<String, usize>,
}

impl AllSummary {
    fn of(events: &[EventSummary]) -> Self {
        let customers = events
            .iter()
            .map(|event| (&event.customer_id, &event.customer_email));
        let products = events
            .iter()
            .filter_map(|event| event.product_id.as_deref());
        let stores = events.iter().map(|event| event.store_name.as_str());
        let actions = events.iter().map(|event| event.action_type.as_str());
        Self {
            events_count: events.len(),
            customers_count: reading::customers(customers),
            products_count: reading::distinct(products),
            stores_count: reading::distinct(stores),
            action_type_breakdown: reading::breakdown(actions),
        }
    }
}

/// Lists cart events on numbered pages, with a summary of all of them. More than 100,000 events are not counted: the
/// range has to be narrowed, or `/api/cart-tracking/events` to be read.
#[utoipa::path(
    get,
    path = "/api/cart-tracking/all",
    tag = "Reading",
    params(EventOwnerQuery, EventFilterQuery, NumberedPageQuery),
    security(("apiKey" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The page", body = AllListed),
        (status = 400, description = "A parameter breaks its rule, or too many events match", body = ErrorBody),
        (status = 401, description = "No credential, or one that does not verify", body = ErrorBody),
        (status = 403, description = "No key with the scope `read`, or none for this store", body = ErrorBody),
        (status = 429, description = "Too many requests of this key", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn all(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    owner: Result<Query<EventOwnerQuery>, QueryRejection>,
    filter: Result<Query<EventFilterQuery>, QueryRejection>,
    page: Result<Query<NumberedPageQuery>, QueryRejection>,
) -> Result<Json<AllListed>, ApiError> {
    let (Query(owner), Query(filter), Query(page)) = (owner?, filter?, page?);
    let filter = EventFilter::parse(&owner, &filter, context.principal().stores());
    let (filter, page) = ParseErrors::both(filter, NumberedPage::parse(&page))?;
    context.admit(&app, filter.store(), 1).await?;
    let found = reading::numbered(&app, &filter, &page).await?;
    Ok(Json(AllListed {
        status: "success",
        message: "Cart events listed",
        data: AllPage {
            summary: AllSummary::of(&found.events),
            records: found.records,
            pagination: found.pagination,
        },
    }))
}
