//! `POST /api/image-generations/track`.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use shoptrail_domain::image_generation::{ImageGeneration, TrackImageGeneration};
use shoptrail_domain::json;
use shoptrail_domain::schema::EventIdText;
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext};

use crate::tracked::{self, EventTracked, Kind};

const KIND: Kind = Kind {
    tracked: "Image generation tracked successfully",
    not_stored: "Image generation not stored",
};

/// Stores what a try-on widget tells of a generation, once. Another status of the same generation is told with another
/// `eventId`, and stored beside what was told before.
#[utoipa::path(
    post,
    path = "/api/image-generations/track",
    tag = "Cart tracking",
    request_body = TrackImageGeneration,
    params(("Idempotency-Key" = Option<EventIdText>, Header, description = "The same as `eventId`, where the body has none")),
    security((), ("apiKey" = []), ("bearer" = []), ("appProxy" = [])),
    responses(
        (status = 200, description = "Stored, now or before; or refused, where the shopper was erased or does not consent", body = EventTracked,
            example = json!({ "status": "success", "message": "Image generation tracked successfully", "data": { "id": "image-generation-1704067200000-a3f9k2m", "createdAt": "2024-01-01T12:00:00.000Z" } })),
        (status = 400, description = "A field is missing or malformed", body = ErrorBody),
        (status = 401, description = "No credential where one is needed, or one that does not verify", body = ErrorBody),
        (status = 403, description = "A credential for another store or scope, or an origin that is not allowed", body = ErrorBody),
        (status = 409, description = "The `eventId` was used for another generation", body = ErrorBody),
        (status = 413, description = "The body is over 64 KiB", body = ErrorBody),
        (status = 415, description = "The body is no JSON by its type", body = ErrorBody),
        (status = 429, description = "Too many requests of this client, this key or this store", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn track_image_generation(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<EventTracked>, ApiError> {
    let wire: TrackImageGeneration = json::decode(&body)?;
    tracked::note_store(&context, &wire.store_name);
    let sender = tracked::sender(&app, &context, &headers);
    let generation = ImageGeneration::parse(&wire, sender)?;
    let (store, has_consent) = (&generation.store_name, generation.has_consent);
    if !tracked::admit(&app, &context, &headers, store, has_consent).await? {
        return Ok(KIND.no_consent(&context));
    }
    let (now, days) = (app.clock.now(), app.config.retention.event_days);
    let recorded = app
        .store
        .take_image_generation(&generation, now, days, || app.random.draw())
        .await?;
    if tracked::is_new(&recorded) {
        context.note_image_generation();
    }
    KIND.answer(&context, recorded)
}
