//! `GET /api/cart-tracking/customer/{customerId}/store/{storeName}`: one customer's cart events.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use serde::Serialize;
use shoptrail_domain::access::Stores;
use shoptrail_domain::event_filter::{EventFilter, EventFilterQuery, EventOwnerQuery};
use shoptrail_domain::identifier::ExternalId;
use shoptrail_domain::paging::{NumberedPage, NumberedPageQuery};
use shoptrail_domain::schema::{IdText, StoreNameText};
use shoptrail_domain::{ParseError, ParseErrors, Reason, StoreName};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext, given};
use utoipa::ToSchema;

use crate::reading::{self, Pagination};
use crate::shown::CartEventShown;

/// The answer with a numbered page of a customer's cart events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CustomerListed {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Customer's cart events listed")]
    message: &'static str,
    data: CustomerPage,
}

/// A page of a customer's cart events, and how many there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CustomerPage {
    records: Vec<CartEventShown>,
    pagination: Pagination,
    summary: CustomerSummary,
}

/// Whose events they are, and how many there are on all pages.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CustomerSummary {
    #[schema(example = "7123456789")]
    customer_id: String,
    #[schema(example = "my-store.myshopify.com")]
    store_name: String,
    #[schema(example = 4)]
    events_count: usize,
}

/// Lists one customer's cart events in one store, on numbered pages.
#[utoipa::path(
    get,
    path = "/api/cart-tracking/customer/{customerId}/store/{storeName}",
    tag = "Reading",
    params(
        ("customerId" = IdText, Path, description = "The customer's id", example = "7123456789"),
        ("storeName" = StoreNameText, Path, description = "The store", example = "my-store.myshopify.com"),
        EventFilterQuery,
        NumberedPageQuery,
    ),
    security(("apiKey" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The page; an empty one of a customer who did nothing", body = CustomerListed),
        (status = 400, description = "A parameter breaks its rule, or too many events match", body = ErrorBody),
        (status = 401, description = "No credential, or one that does not verify", body = ErrorBody),
        (status = 403, description = "No key with the scope `read`, or none for this store", body = ErrorBody),
        (status = 429, description = "Too many requests of this key", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn customer(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    path: Result<Path<(String, String)>, PathRejection>,
    filter: Result<Query<EventFilterQuery>, QueryRejection>,
    page: Result<Query<NumberedPageQuery>, QueryRejection>,
) -> Result<Json<CustomerListed>, ApiError> {
    let (Query(filter), Query(page)) = (filter?, page?);
    // A path that is no UTF-8 names nobody.
    let (customer, store) = path.map_or_else(|_| <_>::default(), |Path(names)| names);
    let named = ParseErrors::both(
        named("customerId", &customer, ExternalId::parse),
        named("storeName", &store, StoreName::parse),
    );
    let owner = EventOwnerQuery::default();
    let filter = EventFilter::parse(&owner, &filter, context.principal().stores());
    let asked = ParseErrors::both(filter, NumberedPage::parse(&page));
    let ((customer, store), (filter, page)) = ParseErrors::both(named, asked)?;
    context.admit(&app, Some(&store), 1).await?;
    let filter = EventFilter {
        customer_id: Some(customer.clone()),
        stores: Stores::one(store.clone()),
        ..filter
    };
    let found = reading::numbered(&app, &filter, &page).await?;
    Ok(Json(CustomerListed {
        status: "success",
        message: "Customer's cart events listed",
        data: CustomerPage {
            summary: CustomerSummary {
                customer_id: customer.as_str().to_owned(),
                store_name: store.to_string(),
                events_count: found.events.len(),
            },
            records: found.records,
            pagination: found.pagination,
        },
    }))
}

/// What a segment of the path names.
fn named<T>(
    field: &'static str,
    segment: &str,
    parse: impl FnOnce(&str) -> Result<T, Reason>,
) -> Result<T, ParseErrors> {
    let text = given(Some(segment)).ok_or(Reason::Required);
    let parsed = text.and_then(parse);
    parsed.map_err(|reason| ParseError::new(field, reason).into())
}
