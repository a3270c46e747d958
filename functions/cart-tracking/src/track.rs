//! `POST /api/cart-tracking/track`.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use shoptrail_domain::cart_event::{CartEvent, TrackCartEvent};
use shoptrail_domain::json;
use shoptrail_domain::schema::EventIdText;
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext};

use crate::tracked::{self, EventTracked, Kind};

const KIND: Kind = Kind {
    tracked: "Cart event tracked successfully",
    not_stored: "Cart event not stored",
};

/// Stores one cart event, once.
#[utoipa::path(
    post,
    path = "/api/cart-tracking/track",
    tag = "Cart tracking",
    request_body = TrackCartEvent,
    params(("Idempotency-Key" = Option<EventIdText>, Header, description = "The same as `eventId`, where the body has none")),
    security((), ("apiKey" = []), ("bearer" = []), ("appProxy" = [])),
    responses(
        (status = 200, description = "Stored, now or before; or refused, where the shopper was erased or does not consent", body = EventTracked),
        (status = 400, description = "A field is missing or malformed", body = ErrorBody),
        (status = 401, description = "No credential where one is needed, or one that does not verify", body = ErrorBody),
        (status = 403, description = "A credential for another store or scope, or an origin that is not allowed", body = ErrorBody),
        (status = 409, description = "The `eventId` was used for another event", body = ErrorBody),
        (status = 413, description = "The body is over 64 KiB", body = ErrorBody),
        (status = 415, description = "The body is no JSON by its type", body = ErrorBody),
        (status = 429, description = "Too many requests of this client, this key or this store", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn track(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<EventTracked>, ApiError> {
    let wire: TrackCartEvent = json::decode(&body)?;
    tracked::note_store(&context, &wire.store_name);
    let event = CartEvent::parse(&wire, tracked::sender(&app, &context, &headers))?;
    let (store, has_consent) = (&event.store_name, event.has_consent);
    if !tracked::admit(&app, &context, &headers, store, has_consent).await? {
        return Ok(KIND.no_consent(&context));
    }
    let days = app.config.retention.event_days;
    let recorded = app
        .store
        .take_cart_event(&event, app.clock.now(), days, || app.random.draw())
        .await?;
    if tracked::is_new(&recorded) {
        context.note_cart_event(&app, store, &event.action_type);
    }
    KIND.answer(&context, recorded)
}
