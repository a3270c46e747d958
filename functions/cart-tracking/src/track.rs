//! `POST /api/cart-tracking/track`.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::{Extension, Json};
use serde::Serialize;
use shoptrail_domain::cart_event::{CartEvent, Sender, TrackCartEvent};
use shoptrail_domain::json;
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext, anonymize, client_address};
use shoptrail_storage::CartEventRecorded;
use utoipa::ToSchema;

/// The answer to a tracked event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CartEventTracked {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Cart event tracked successfully")]
    message: &'static str,
    data: TrackedEvent,
}

/// The stored event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrackedEvent {
    #[schema(example = "cart-event-1704067200000-a3f9k2m")]
    id: String,
    #[schema(example = "2024-01-01T12:00:00.000Z")]
    created_at: String,
    /// `true` where the same `eventId` had been stored before; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
}

impl From<CartEventRecorded> for CartEventTracked {
    fn from(recorded: CartEventRecorded) -> Self {
        let CartEventRecorded {
            id,
            created_at,
            duplicate,
        } = recorded;
        let data = TrackedEvent {
            id,
            created_at,
            duplicate: duplicate.then_some(true),
        };
        Self {
            status: "success",
            message: "Cart event tracked successfully",
            data,
        }
    }
}

/// Stores one cart event, once.
#[utoipa::path(
    post,
    path = "/api/cart-tracking/track",
    tag = "Cart tracking",
    request_body = TrackCartEvent,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same as `eventId`, where the body has none")),
    security((), ("apiKey" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Stored, now or before", body = CartEventTracked),
        (status = 400, description = "A field is missing or malformed", body = ErrorBody),
        (status = 401, description = "No credential where one is needed, or one that does not verify", body = ErrorBody),
        (status = 403, description = "An origin that is not allowed", body = ErrorBody),
        (status = 409, description = "The `eventId` was used for another event", body = ErrorBody),
        (status = 413, description = "The body is over 64 KiB", body = ErrorBody),
        (status = 415, description = "The body is no JSON by its type", body = ErrorBody),
        (status = 503, description = "The database is not available", body = ErrorBody),
    ),
)]
pub(crate) async fn track(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<CartEventTracked>, ApiError> {
    let wire: TrackCartEvent = json::decode(&body)?;
    let event = CartEvent::parse(&wire, sender(&app, &context, &headers))?;
    context.note_store(Some(&event.store_name));
    let retention_days = app.config.retention.event_days;
    let recorded = app
        .store
        .record_cart_event(&event, app.clock.now(), retention_days, || {
            app.random.draw()
        })
        .await?;
    context.note_outcome(if recorded.duplicate {
        "duplicate"
    } else {
        "stored"
    });
    Ok(Json(recorded.into()))
}

fn sender<'a>(app: &App, context: &RequestContext, headers: &'a HeaderMap) -> Sender<'a> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    };
    let address = client_address(headers, context.source_ip());
    Sender {
        user_agent: text(USER_AGENT.as_str()),
        signed: None,
        // A blank header is an absent one, as a blank field is.
        idempotency_key: text("idempotency-key").filter(|key| !key.trim().is_empty()),
        ip_address: if app.config.anonymize_ip {
            address.map(anonymize)
        } else {
            address
        },
    }
}
