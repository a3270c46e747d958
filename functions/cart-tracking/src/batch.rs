//! `POST /api/cart-tracking/batch`: many events at once, each with a result of its own.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use serde::Serialize;
use shoptrail_domain::cart_event::CartEvent;
use shoptrail_domain::cart_event_batch::TrackCartEvents;
use shoptrail_domain::refusal::Refusal;
use shoptrail_domain::sender::Sender;
use shoptrail_domain::{ParseErrors, StoreName};
use shoptrail_edge::error::{ErrorBody, FieldProblem};
use shoptrail_edge::{ApiError, App, RequestContext, has_opted_out};
use shoptrail_storage::{BatchOutcome, EventRecorded};
use utoipa::ToSchema;

use crate::tracked;

/// The answer to a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CartEventsTracked {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Cart events processed")]
    message: &'static str,
    data: BatchResults,
}

/// What became of the events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchResults {
    /// How many are stored, now or since before.
    #[schema(example = 1)]
    accepted: usize,
    /// How many are not.
    #[schema(example = 1)]
    rejected: usize,
    /// One for each event, in the order of the request.
    #[schema(example = json!([
        { "index": 0, "status": "ok", "id": "cart-event-1704067200000-a3f9k2m", "createdAt": "2024-01-01T12:00:00.000Z" },
        { "index": 1, "status": "invalid", "details": { "field": "storeName", "reason": "Field is required" } },
    ]))]
    results: Vec<BatchResult>,
}

/// What became of one event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchResult {
    /// The event's place in the request, from 0.
    index: usize,
    status: BatchStatus,
    /// Of an event that is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "cart-event-1704067200000-a3f9k2m")]
    id: Option<String>,
    /// Of an event that is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2024-01-01T12:00:00.000Z")]
    created_at: Option<String>,
    /// Of an `invalid` event: the first field that breaks a rule; `body` where the event itself cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    details: Option<FieldProblem>,
    /// Of a `refused` event: `erased` where it names somebody who was erased, `no_consent` where the shopper does not
    /// want it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "no_consent")]
    refused: Option<Refusal>,
}

/// `ok`: stored; `duplicate`: stored before, under the same `eventId`; `invalid`: breaks a rule, or its `eventId` was used
/// for another event; `refused`: must not be stored; `retry`: not known to be stored, send it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum BatchStatus {
    Ok,
    Duplicate,
    Invalid,
    Refused,
    Retry,
}

impl BatchResult {
    fn new(status: BatchStatus) -> Self {
        Self {
            index: 0,
            status,
            id: None,
            created_at: None,
            details: None,
            refused: None,
        }
    }

    fn invalid(details: FieldProblem) -> Self {
        Self {
            details: Some(details),
            ..Self::new(BatchStatus::Invalid)
        }
    }

    fn refused(reason: Refusal) -> Self {
        Self {
            refused: Some(reason),
            ..Self::new(BatchStatus::Refused)
        }
    }

    fn recorded(recorded: EventRecorded) -> Self {
        let status = if recorded.duplicate {
            BatchStatus::Duplicate
        } else {
            BatchStatus::Ok
        };
        Self {
            id: Some(recorded.id),
            created_at: Some(recorded.created_at),
            ..Self::new(status)
        }
    }

    fn of(outcome: BatchOutcome) -> Self {
        match outcome {
            BatchOutcome::Recorded(recorded) => Self::recorded(recorded),
            BatchOutcome::Erased => Self::refused(Refusal::Erased),
            BatchOutcome::Conflict => Self::invalid(FieldProblem {
                field: "eventId".to_owned(),
                reason: "This eventId was used for another event".to_owned(),
            }),
            BatchOutcome::Retry => Self::new(BatchStatus::Retry),
        }
    }

    /// What the merchant is told of it.
    fn refusal(&self) -> Option<Refusal> {
        match self.status {
            BatchStatus::Ok | BatchStatus::Retry => None,
            BatchStatus::Duplicate => Some(Refusal::Duplicate),
            BatchStatus::Invalid => Some(Refusal::Invalid),
            BatchStatus::Refused => self.refused,
        }
    }
}

/// An event of the request.
struct Received {
    /// The store that it names, or that the request is signed for.
    store: Option<StoreName>,
    /// The event, or what is to be answered without asking the database.
    event: Result<CartEvent, BatchResult>,
}

/// Stores up to 100 cart events, each once. One that is wrong costs no other.
///
/// The header `Idempotency-Key` is not looked at: each event has an `eventId` of its own, or none.
#[utoipa::path(
    post,
    path = "/api/cart-tracking/batch",
    tag = "Cart tracking",
    request_body = TrackCartEvents,
    security((), ("apiKey" = []), ("bearer" = []), ("appProxy" = [])),
    responses(
        (status = 200, description = "A result for each event, in the order of the request", body = CartEventsTracked),
        (status = 400, description = "The body is no JSON object with 1 to 100 `events`", body = ErrorBody),
        (status = 401, description = "No credential where one is needed, or one that does not verify", body = ErrorBody),
        (status = 403, description = "A credential that does not cover the store of every event, or an origin that is not allowed; nothing is stored", body = ErrorBody),
        (status = 413, description = "The body is over 256 KiB", body = ErrorBody),
        (status = 415, description = "The body is no JSON by its type", body = ErrorBody),
        (status = 429, description = "Too many events of this client, this key or a store; nothing is stored", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off; nothing is known to be stored", body = ErrorBody),
    ),
)]
pub(crate) async fn batch(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<CartEventsTracked>, ApiError> {
    let received = receive(&app, &context, &headers, &body)?;
    admit(&app, &context, &received).await?;

    let (stores, events): (Vec<_>, Vec<_>) = received
        .into_iter()
        .map(|received| (received.store, received.event))
        .unzip();
    let now = app.clock.now();
    let mut writes = Vec::with_capacity(events.len());
    let mut results: Vec<Option<BatchResult>> = Vec::with_capacity(events.len());
    for event in events {
        results.push(event.map(|event| writes.push((event, now))).err());
    }
    let days = app.config.retention.event_days;
    let recorded = app
        .store
        .take_cart_events(&writes, days, || app.random.draw())
        .await?;
    for ((event, _), outcome) in writes.iter().zip(&recorded) {
        if matches!(outcome, BatchOutcome::Recorded(recorded) if !recorded.duplicate) {
            context.note_cart_event(&app, &event.store_name, &event.action_type);
        }
    }
    let mut recorded = recorded.into_iter().map(BatchResult::of);
    // An outcome for each event that was written.
    let results = results
        .into_iter()
        .map(|result| result.or_else(|| recorded.next()))
        .collect::<Option<Vec<_>>>()
        .ok_or(ApiError::Internal("an event without an outcome"))?;
    Ok(answer(&app, &context, &stores, results))
}

/// Reads the events, and sees to it that the credential covers all stores that they name, those of wrong events
/// included.
fn receive(
    app: &App,
    context: &RequestContext,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<Received>, ApiError> {
    let sender = Sender {
        idempotency_key: None,
        ..tracked::sender(app, context, headers)
    };
    let has_opted_out = has_opted_out(headers);
    // Of a batch without any store, too, it has to be asked who sends it.
    context.authorize_writing(None)?;
    let mut received = Vec::new();
    for wire in TrackCartEvents::decode(body)? {
        let store = wire
            .as_ref()
            .ok()
            .and_then(|wire| tracked::store_of(context, &wire.store_name));
        context
            .authorize_writing(store.as_ref())
            .inspect_err(|_| context.note_store(store.as_ref()))?;
        let event = wire
            .map_err(ParseErrors::from)
            .and_then(|wire| CartEvent::parse(&wire, sender))
            .map_err(|errors| BatchResult::invalid(errors.first().into()))
            .and_then(|event| {
                if has_opted_out || !event.has_consent {
                    Err(BatchResult::refused(Refusal::NoConsent))
                } else {
                    Ok(event)
                }
            });
        received.push(Received { store, event });
    }
    let named = received.iter().find_map(|event| event.store.as_ref());
    context.note_store(first_store(&received).or(named));
    Ok(received)
}

/// The store of the first event that is to be stored.
fn first_store(received: &[Received]) -> Option<&StoreName> {
    let mut events = received
        .iter()
        .filter_map(|event| event.event.as_ref().ok());
    events.next().map(|event| &event.store_name)
}

/// Counts the events that are to be stored, as so many requests.
async fn admit(app: &App, context: &RequestContext, received: &[Received]) -> Result<(), ApiError> {
    let mut costs = BTreeMap::new();
    for event in received
        .iter()
        .filter_map(|event| event.event.as_ref().ok())
    {
        *costs.entry(&event.store_name).or_insert(0_u32) += 1;
    }
    let admitted = context.admit_batch(app, &costs).await;
    if matches!(admitted, Err(ApiError::RateLimited { .. })) {
        for (store, cost) in costs {
            // The gate counts one, for the request's store.
            let counted = u32::from(first_store(received) == Some(store));
            let rest = cost.saturating_sub(counted);
            context.note_refusals_of(app, Some(store), Refusal::RateLimited, rest.into());
        }
    }
    admitted
}

fn answer(
    app: &App,
    context: &RequestContext,
    stores: &[Option<StoreName>],
    mut results: Vec<BatchResult>,
) -> Json<CartEventsTracked> {
    let mut accepted = 0;
    for (index, (result, store)) in results.iter_mut().zip(stores).enumerate() {
        result.index = index;
        accepted += usize::from(result.id.is_some());
        if let Some(reason) = result.refusal() {
            // Each store is told of its own events.
            context.note_refusals_of(app, store.as_ref(), reason, 1);
        }
    }
    let rejected = results.len() - accepted;
    context.note_outcome(match (accepted, rejected) {
        (_, 0) => "stored",
        (0, _) => "not_stored",
        _ => "partly_stored",
    });
    Json(CartEventsTracked {
        status: "success",
        message: "Cart events processed",
        data: BatchResults {
            accepted,
            rejected,
            results,
        },
    })
}
