//! What the routes that track something have in common: who sends it, whether it may be stored, and how that is
//! answered.

use axum::Json;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use serde::Serialize;
use shoptrail_domain::StoreName;
use shoptrail_domain::refusal::Refusal;
use shoptrail_domain::sender::{Sender, Signed};
use shoptrail_domain::wire::Scalar;
use shoptrail_edge::{
    ApiError, App, Refused, RequestContext, anonymize, client_address, has_opted_out,
};
use shoptrail_storage::{EventRecorded, Recorded};
use utoipa::ToSchema;

/// The answer to a tracked event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventTracked {
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
    #[schema(format = DateTime, example = "2024-01-01T12:00:00.000Z")]
    created_at: String,
    /// `true` where the same `eventId` had been stored before; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = true)]
    duplicate: Option<bool>,
}

/// How the answers about one kind of event are worded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) tracked: &'static str,
    pub(crate) not_stored: &'static str,
}

impl Kind {
    /// The answer to what the database made of an event.
    pub(crate) fn answer(
        self,
        context: &RequestContext,
        recorded: Recorded<EventRecorded>,
    ) -> Result<Json<EventTracked>, ApiError> {
        match recorded {
            Recorded::Stored(recorded) if recorded.duplicate => {
                context.note_refusal(Refusal::Duplicate, 1);
                context.note_outcome("duplicate");
                Ok(self.stored(recorded))
            }
            Recorded::Stored(recorded) => {
                context.note_outcome("stored");
                Ok(self.stored(recorded))
            }
            Recorded::Erased => Ok(self.refused(context, Refusal::Erased)),
            // Events are bound to the store that they name.
            Recorded::OtherStore => Err(ApiError::Internal("an event of two stores")),
        }
    }

    /// The answer where the shopper does not agree to being recorded.
    pub(crate) fn no_consent(self, context: &RequestContext) -> Json<EventTracked> {
        self.refused(context, Refusal::NoConsent)
    }

    fn stored(self, recorded: EventRecorded) -> Json<EventTracked> {
        Json(EventTracked {
            status: "success",
            message: self.tracked,
            data: Tracked::Stored(TrackedEvent {
                id: recorded.id,
                created_at: recorded.created_at,
                duplicate: recorded.duplicate.then_some(true),
            }),
        })
    }

    fn refused(self, context: &RequestContext, reason: Refusal) -> Json<EventTracked> {
        context.note_refusal(reason, 1);
        context.note_outcome(reason.as_str());
        Json(EventTracked {
            status: "success",
            message: self.not_stored,
            data: Tracked::Refused(Refused { refused: reason }),
        })
    }
}

/// Whether an event is taken now, and was not before.
pub(crate) fn is_new(recorded: &Recorded<EventRecorded>) -> bool {
    matches!(recorded, Recorded::Stored(recorded) if !recorded.duplicate)
}

/// The store that a body names, or else the signed one.
pub(crate) fn store_of(context: &RequestContext, named: &Scalar) -> Option<StoreName> {
    let named = match named {
        Scalar::Text(name) => StoreName::parse(name).ok(),
        _ => None,
    };
    let signed = context.principal().signed_query();
    named.or_else(|| signed.map(|query| query.shop.clone()))
}

/// Notes the store of a body, so that it is told of the event also where that is refused.
pub(crate) fn note_store(context: &RequestContext, named: &Scalar) {
    context.note_store(store_of(context, named).as_ref());
}

/// What the request tells of its sender.
pub(crate) fn sender<'a>(
    app: &App,
    context: &'a RequestContext,
    headers: &'a HeaderMap,
) -> Sender<'a> {
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

/// Whether an event of this store may be stored: `false` where the shopper does not agree to it.
///
/// # Errors
///
/// Where the credential does not cover the store, or the sender keeps no limit.
pub(crate) async fn admit(
    app: &App,
    context: &RequestContext,
    headers: &HeaderMap,
    store: &StoreName,
    has_consent: bool,
) -> Result<bool, ApiError> {
    context.authorize_writing(Some(store))?;
    if !has_consent || has_opted_out(headers) {
        return Ok(false);
    }
    context.admit(app, Some(store), 1).await?;
    Ok(true)
}
