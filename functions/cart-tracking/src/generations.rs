//! `GET /api/image-generations/all`: image generations on numbered pages, with what came of each in the cart and a summary
//! of all of them.

use std::collections::BTreeMap;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use serde::Serialize;
use shoptrail_domain::ParseErrors;
use shoptrail_domain::generation_filter::{GenerationFilter, GenerationFilterQuery};
use shoptrail_domain::image_generation::GenerationStatus;
use shoptrail_domain::limits::EVENTS_COLLECTED;
use shoptrail_domain::paging::{GenerationOrderBy, GenerationPageQuery, NumberedPage};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext};
use shoptrail_storage::{
    GenerationEvent, GenerationEvents, GenerationSummary, ImageGenerationRecord, Store, within,
};
use utoipa::ToSchema;

use crate::reading::{self, Ordered, Pagination};

/// Events that a generation lists, the oldest of them: a page of 100 generations with 100 events each is 1.5 MB, of the
/// 6 MB that a Lambda may answer with.
const EVENTS_LISTED: usize = 100;

/// The answer with a numbered page of image generations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GenerationsListed {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Image generations listed")]
    message: &'static str,
    data: GenerationsPage,
}

/// A page of image generations, and what there is on all pages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GenerationsPage {
    records: Vec<GenerationShown>,
    pagination: Pagination,
    summary: GenerationsSummary,
}

/// An image generation, whole; what is absent is `null`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GenerationShown {
    /// The generation's id.
    #[schema(example = "image-generation-1704067200000-a3f9k2m")]
    id: String,
    #[schema(example = "my-store.myshopify.com")]
    store_name: String,
    #[schema(inline)]
    status: GenerationStatus,
    #[schema(required = true, example = "8123456789")]
    product_id: Option<String>,
    #[schema(required = true, example = "44123456789")]
    variant_id: Option<String>,
    #[schema(required = true, example = "7123456789")]
    customer_id: Option<String>,
    #[schema(required = true, example = "jane@example.com")]
    customer_email: Option<String>,
    #[schema(required = true, example = "af4bac4d-077a-4756-91d0-fa2570fd206f")]
    session_id: Option<String>,
    #[schema(required = true, example = "https://images.example.com/try-on/1.jpg")]
    generated_image_url: Option<String>,
    #[schema(required = true, example = "https://images.example.com/person/1.jpg")]
    person_image_url: Option<String>,
    #[schema(required = true, example = "https://images.example.com/shirt.jpg")]
    clothing_image_url: Option<String>,
    /// The idempotency key.
    #[schema(required = true, example = "b0f3c0de-0002")]
    event_id: Option<String>,
    /// When it was stored.
    #[schema(example = "2024-01-01T12:00:00.000Z")]
    created_at: String,
    #[schema(example = "2024-01-01T12:00:00.000Z")]
    updated_at: String,
    add_to_cart_info: AddToCartInfo,
}

/// What came of a generation in the cart: the store's cart events that name its picture; and of those that name no
/// picture, the ones that the same session (else the same customer id, else the same e-mail address) did with the same
/// product from then on.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AddToCartInfo {
    #[schema(example = true)]
    has_cart_events: bool,
    /// Exact, unless `truncated`.
    #[schema(example = 2)]
    total_events: usize,
    #[schema(required = true, example = "2024-01-01T12:05:00.000Z")]
    first_event_at: Option<String>,
    #[schema(required = true, example = "2024-01-01T12:09:00.000Z")]
    last_event_at: Option<String>,
    /// In order of the alphabet.
    #[schema(example = json!(["add_to_cart", "buy_now"]))]
    action_types: Vec<String>,
    #[schema(example = json!({ "add_to_cart": 1, "buy_now": 1 }))]
    action_type_counts: BTreeMap<String, usize>,
    /// The oldest 100 of them, the first one first.
    events: Vec<AddedToCart>,
    /// Whether there may be more than were counted: of a picture and of a shopper 1,000 events each are looked at.
    #[schema(example = false)]
    truncated: bool,
}

/// A cart event that came of a generation.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AddedToCart {
    #[schema(example = "cart-event-1704067500000-b4g8l3n")]
    cart_event_id: String,
    #[schema(example = "add_to_cart")]
    action_type: String,
    #[schema(example = "2024-01-01T12:05:00.000Z")]
    added_at: String,
}

/// What there is on all pages together.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GenerationsSummary {
    #[schema(example = 120)]
    generations_count: usize,
    /// Different customers: by id, or else by e-mail address.
    #[schema(example = 31)]
    customers_count: usize,
    #[schema(example = 12)]
    products_count: usize,
    /// Generations by how far they are.
    #[schema(example = json!({ "completed": 110, "failed": 10 }))]
    status_breakdown: BTreeMap<String, usize>,
}

impl GenerationsSummary {
    fn of(generations: &[GenerationSummary]) -> Self {
        let all = generations.iter();
        Self {
            generations_count: generations.len(),
            customers_count: reading::customers(
                all.clone()
                    .map(|one| (&one.customer_id, &one.customer_email)),
            ),
            products_count: reading::distinct(
                all.clone().filter_map(|one| one.product_id.as_deref()),
            ),
            status_breakdown: reading::breakdown(all.map(|one| one.status.as_str())),
        }
    }
}

impl From<GenerationEvents> for AddToCartInfo {
    fn from(found: GenerationEvents) -> Self {
        let events = found.events;
        let counts = reading::breakdown(events.iter().map(|event| event.action_type.as_str()));
        Self {
            has_cart_events: !events.is_empty(),
            total_events: events.len(),
            first_event_at: events.first().map(|event| event.created_at.clone()),
            last_event_at: events.last().map(|event| event.created_at.clone()),
            action_types: counts.keys().cloned().collect(),
            action_type_counts: counts,
            truncated: found.is_truncated,
            events: events
                .into_iter()
                .take(EVENTS_LISTED)
                .map(AddedToCart::from)
                .collect(),
        }
    }
}

impl From<GenerationEvent> for AddedToCart {
    fn from(event: GenerationEvent) -> Self {
        Self {
            cart_event_id: event.id,
            action_type: event.action_type,
            added_at: event.created_at,
        }
    }
}

impl GenerationShown {
    fn new(record: ImageGenerationRecord, events: GenerationEvents) -> Self {
        Self {
            id: record.id,
            store_name: record.store_name,
            status: record.status,
            product_id: record.product_id,
            variant_id: record.variant_id,
            customer_id: record.customer_id,
            customer_email: record.customer_email,
            session_id: record.session_id,
            generated_image_url: record.generated_image_url,
            person_image_url: record.person_image_url,
            clothing_image_url: record.clothing_image_url,
            event_id: record.event_id,
            created_at: record.created_at,
            updated_at: record.updated_at,
            add_to_cart_info: events.into(),
        }
    }
}

/// Lists image generations on numbered pages, with the cart events that came of each and a summary of all of them. More
/// than 100,000 generations are not counted: the range has to be narrowed.
#[utoipa::path(
    get,
    path = "/api/image-generations/all",
    tag = "Reading",
    params(GenerationFilterQuery, GenerationPageQuery),
    security(("apiKey" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The page", body = GenerationsListed),
        (status = 400, description = "A parameter breaks its rule, or too many generations match", body = ErrorBody),
        (status = 401, description = "No credential, or one that does not verify", body = ErrorBody),
        (status = 403, description = "No key with the scope `read`, or none for this store", body = ErrorBody),
        (status = 429, description = "Too many requests of this key", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn generations(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    filter: Result<Query<GenerationFilterQuery>, QueryRejection>,
    page: Result<Query<GenerationPageQuery>, QueryRejection>,
) -> Result<Json<GenerationsListed>, ApiError> {
    let (Query(filter), Query(page)) = (filter?, page?);
    let filter = GenerationFilter::parse(&filter, context.principal().stores());
    let (filter, page) = ParseErrors::both(filter, NumberedPage::parse_of_generations(&page))?;
    context.admit(&app, filter.store(), 1).await?;
    Ok(Json(GenerationsListed {
        status: "success",
        message: "Image generations listed",
        data: within(Store::COLLECTION_TIMEOUT, read_page(&app, &filter, &page)).await?,
    }))
}

async fn read_page(
    app: &App,
    filter: &GenerationFilter,
    page: &NumberedPage<GenerationOrderBy>,
) -> Result<GenerationsPage, ApiError> {
    let (store, now) = (&app.store, app.clock.now());
    let collected = store
        .collect_image_generations(filter, EVENTS_COLLECTED, now)
        .await?;
    let ordered = Ordered::new(collected, page)?;
    let records = store.find_image_generations(&ordered.ids(), now).await?;
    let events = store.list_events_of_generations(&records, now).await?;
    let records = records.into_iter().zip(events);
    Ok(GenerationsPage {
        records: records
            .map(|(record, events)| GenerationShown::new(record, events))
            .collect(),
        pagination: ordered.pagination,
        summary: GenerationsSummary::of(&ordered.all),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_lists_the_oldest_events_and_counts_all() {
        let event = |number: usize| GenerationEvent {
            created_at: format!("2026-01-01T00:00:00.{number:03}Z"),
            id: number.to_string(),
            action_type: if number.is_multiple_of(3) {
                "buy_now"
            } else {
                "add_to_cart"
            }
            .into(),
        };
        let info = AddToCartInfo::from(GenerationEvents {
            events: (0..120).map(event).collect(),
            is_truncated: false,
        });
        assert_eq!((info.total_events, info.events.len()), (120, 100));
        assert_eq!(info.events[99].cart_event_id, "99");
        assert_eq!(info.action_types, ["add_to_cart", "buy_now"]);
        assert_eq!(info.action_type_counts["buy_now"], 40);
        let last = info.last_event_at.as_deref();
        assert_eq!(last, Some("2026-01-01T00:00:00.119Z"));
        let none = AddToCartInfo::from(GenerationEvents::default());
        assert_eq!(none, AddToCartInfo::default());
    }
}
