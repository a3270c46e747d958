//! `POST /api/cart-tracking/track`.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::{Extension, Json};
use serde::Serialize;
use shoptrail_domain::cart_event::{CartEvent, Sender, Signed, TrackCartEvent};
use shoptrail_domain::refusal::Refusal;
use shoptrail_domain::wire::Scalar;
use shoptrail_domain::{StoreName, json};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{
    ApiError, App, Refused, RequestContext, anonymize, client_address, has_opted_out,
};
use shoptrail_storage::{CartEventRecorded, Recorded};
use utoipa::ToSchema;

/// The answer to a tracked event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CartEventTracked {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Cart event tracked successfully")]
    message: &'static str,
    data: Tracked,
}

/// What became of the event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Tracked {
    Stored(TrackedEvent),
    Refused(Refused),
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

impl CartEventTracked {
    fn stored(recorded: CartEventRecorded) -> Self {
        Self {
            status: "success",
            message: "Cart event tracked successfully",
            data: Tracked::Stored(TrackedEvent {
                id: recorded.id,
                created_at: recorded.created_at,
                duplicate: recorded.duplicate.then_some(true),
            }),
        }
    }

    fn refused(context: &RequestContext, reason: Refusal) -> Self {
        context.note_refusal(reason, 1);
        context.note_outcome(reason.as_str());
        Self {
            status: "success",
            message: "Cart event not stored",
            data: Tracked::Refused(Refused { refused: reason }),
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
    security((), ("apiKey" = []), ("bearer" = []), ("appProxy" = [])),
    responses(
        (status = 200, description = "Stored, now or before; or refused, where the shopper was erased or does not consent", body = CartEventTracked),
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
) -> Result<Json<CartEventTracked>, ApiError> {
    let wire: TrackCartEvent = json::decode(&body)?;
    // Also where the event is refused, its store is told so.
    let signed = context.principal().signed_query();
    context.note_store(
        named_store(&wire)
            .as_ref()
            .or(signed.map(|query| &query.shop)),
    );
    let event = CartEvent::parse(&wire, sender(&app, &context, &headers))?;
    context.authorize_writing(Some(&event.store_name))?;
    if !event.has_consent || has_opted_out(&headers) {
        return Ok(Json(CartEventTracked::refused(
            &context,
            Refusal::NoConsent,
        )));
    }
    context.admit(&app, Some(&event.store_name), 1).await?;
    let retention_days = app.config.retention.event_days;
    let recorded = app
        .store
        .record_cart_event(&event, app.clock.now(), retention_days, || {
            app.random.draw()
        })
        .await?;
    Ok(Json(match recorded {
        Recorded::Stored(recorded) if recorded.duplicate => {
            context.note_refusal(Refusal::Duplicate, 1);
            context.note_outcome("duplicate");
            CartEventTracked::stored(recorded)
        }
        Recorded::Stored(recorded) => {
            context.note_outcome("stored");
            CartEventTracked::stored(recorded)
        }
        Recorded::Erased => CartEventTracked::refused(&context, Refusal::Erased),
        // Cart events are bound to the store that they name.
        Recorded::OtherStore => return Err(ApiError::Internal("an event of two stores")),
    }))
}

fn named_store(wire: &TrackCartEvent) -> Option<StoreName> {
    match &wire.store_name {
        Scalar::Text(name) => StoreName::parse(name).ok(),
        _ => None,
    }
}

fn sender<'a>(app: &App, context: &'a RequestContext, headers: &'a HeaderMap) -> Sender<'a> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    };
    let address = client_address(headers, context.source_ip());
    Sender {
        user_agent: text(USER_AGENT.as_str()),
        signed: context.principal().signed_query().map(|query| Signed {
            store_name: &query.shop,
            customer_id: query.customer_id.as_ref(),
        }),
        // A blank header is an absent one, as a blank field is.
        idempotency_key: text("idempotency-key").filter(|key| !key.trim().is_empty()),
        ip_address: if app.config.anonymize_ip {
            address.map(anonymize)
        } else {
            address
        },
    }
}
