//! `GET /api/cart-tracking/events`: cart events, page after page.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use serde::Serialize;
use shoptrail_domain::ParseErrors;
use shoptrail_domain::event_filter::{EventFilter, EventFilterQuery, EventOwnerQuery};
use shoptrail_domain::paging::{CursorPage, CursorPageQuery};
use shoptrail_domain::schema::CursorText;
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, Cursors, RequestContext};
use shoptrail_storage::Position;
use utoipa::ToSchema;

use crate::shown::CartEventShown;

/// The answer with a page of cart events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventsListed {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Cart events listed")]
    message: &'static str,
    data: EventsPage,
}

/// A page of cart events: a full one, or the last.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CartEventsPage)]
pub(crate) struct EventsPage {
    records: Vec<CartEventShown>,
    /// Gives the next page; `null` at the end.
    #[schema(required = true, value_type = Option<CursorText>)]
    next_cursor: Option<String>,
}

/// Lists cart events by time, page after page: a page is full, or the last one. The cursor of a page goes on with the
/// same parameters, of which `limit` alone may change.
#[utoipa::path(
    get,
    path = "/api/cart-tracking/events",
    tag = "Reading",
    params(EventOwnerQuery, EventFilterQuery, CursorPageQuery),
    security(("apiKey" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "A page of events", body = EventsListed),
        (status = 400, description = "A parameter breaks its rule, or the cursor is of another query", body = ErrorBody),
        (status = 401, description = "No credential, or one that does not verify", body = ErrorBody),
        (status = 403, description = "No key with the scope `read`, or none for this store", body = ErrorBody),
        (status = 429, description = "Too many requests of this key", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn events(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    owner: Result<Query<EventOwnerQuery>, QueryRejection>,
    filter: Result<Query<EventFilterQuery>, QueryRejection>,
    page: Result<Query<CursorPageQuery>, QueryRejection>,
) -> Result<Json<EventsListed>, ApiError> {
    let (Query(owner), Query(filter), Query(page)) = (owner?, filter?, page?);
    let filter = EventFilter::parse(&owner, &filter, context.principal().stores());
    let (filter, page) = ParseErrors::both(filter, CursorPage::parse(&page))?;
    let fingerprint = filter.fingerprint();
    let query = ["events", &fingerprint, page.direction.as_str()];
    let cursors = Cursors::of(&app, &query)?;
    let after: Option<Position> = page
        .cursor
        .as_deref()
        .map(|cursor| cursors.open(cursor))
        .transpose()?;
    context.admit(&app, filter.store(), 1).await?;

    let (direction, limit, now) = (page.direction, page.limit, app.clock.now());
    let found = app
        .store
        .list_cart_events(&filter, direction, limit, after.as_ref(), now)
        .await?;
    let next_cursor = found
        .next
        .map(|position| cursors.seal(&position))
        .transpose()?;
    Ok(Json(EventsListed {
        status: "success",
        message: "Cart events listed",
        data: EventsPage {
            records: found.records.into_iter().map(Into::into).collect(),
            next_cursor,
        },
    }))
}
