//! `GET /api/cart-tracking/journey`: what a session or a customer did, one thing after the other.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use serde::Serialize;
use shoptrail_domain::Timestamp;
use shoptrail_domain::journey::{Journey, JourneyItem, JourneyOf, JourneyQuery};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext};
use utoipa::ToSchema;

/// The answer with a journey.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JourneyFound {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Journey found")]
    message: &'static str,
    data: JourneyShown,
}

/// A journey. One of which nothing is known has no items.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "startedAt": "2026-11-21T12:00:00.000Z", "endedAt": "2026-11-21T12:01:05.000Z", "durationMs": 65_000, "truncated": false,
    "sessions": ["af4bac4d-077a-4756-91d0-fa2570fd206f"],
    "items": [
        { "at": "2026-11-21T12:00:00.000Z", "kind": "view", "gapMs": 0, "sessionId": "af4bac4d-077a-4756-91d0-fa2570fd206f",
          "page": "/products/linen-shirt", "title": "Linen shirt", "productId": "8123456789", "durationMs": null },
        { "at": "2026-11-21T12:01:05.000Z", "kind": "cart", "gapMs": 65_000, "sessionId": "af4bac4d-077a-4756-91d0-fa2570fd206f",
          "id": "cart-event-1795262465000-a3f9k2m", "actionType": "add_to_cart", "productId": "8123456789",
          "productTitle": "Linen shirt", "variantId": "44123456789" },
    ],
}))]
pub(crate) struct JourneyShown {
    /// When its first item happened: ISO 8601, UTC; `null` without items.
    #[schema(required = true)]
    started_at: Option<String>,
    /// When its last item happened.
    #[schema(required = true)]
    ended_at: Option<String>,
    /// Milliseconds from the first item to the last.
    duration_ms: i64,
    /// Whether there is more than is shown: the newest 2,000 items of the newest 20 sessions are, if they fit into 2.5 MB.
    truncated: bool,
    /// The sessions that items belong to, in the order of their first items.
    sessions: Vec<String>,
    /// The oldest first.
    items: Vec<JourneyItem>,
}

impl From<Journey> for JourneyShown {
    fn from(journey: Journey) -> Self {
        Self {
            started_at: journey.started_at().map(Timestamp::to_iso),
            ended_at: journey.ended_at().map(Timestamp::to_iso),
            duration_ms: journey.duration_ms(),
            truncated: journey.truncated,
            sessions: journey.sessions,
            items: journey.items,
        }
    }
}

/// Shows what a session or a customer did in a store, in order of time: views, clicks and other events of the sessions
/// that are bound to the store, image generations, cart events and popups. Browsing has the time of the browser's
/// clock, all else that of the server's. A customer's sessions are those that the customer's cart events and image
/// generations name.
#[utoipa::path(
    get,
    path = "/api/cart-tracking/journey",
    tag = "Reading",
    params(JourneyQuery),
    security(("apiKey" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The journey", body = JourneyFound),
        (status = 400, description = "A parameter is missing or breaks its rule", body = ErrorBody),
        (status = 401, description = "No credential, or one that does not verify", body = ErrorBody),
        (status = 403, description = "No key with the scope `read`, or none for this store", body = ErrorBody),
        (status = 429, description = "Too many requests of this key", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn journey(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    query: Result<Query<JourneyQuery>, QueryRejection>,
) -> Result<Json<JourneyFound>, ApiError> {
    let Query(query) = query?;
    let of = JourneyOf::parse(&query)?;
    context.admit(&app, Some(&of.store), 1).await?;

    let found = app.store.find_moments(&of, app.clock.now()).await?;
    let journey = Journey::assemble(found.moments, !found.is_all);
    Ok(Json(JourneyFound {
        status: "success",
        message: "Journey found",
        data: journey.into(),
    }))
}
