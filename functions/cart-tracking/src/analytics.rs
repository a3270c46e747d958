//! `GET /api/cart-tracking/analytics`: what a store's shoppers did in a range of time, counted.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use serde::Serialize;
use shoptrail_domain::access::Stores;
use shoptrail_domain::analytics::facts::{
    CartFact, DecisionFact, Facts, GenerationFact, Identity, SessionFact,
};
use shoptrail_domain::analytics::{
    Analytics, AnalyticsQuery, AnalyticsRequest, analyze, count_decisions,
};
use shoptrail_domain::event_filter::EventFilter;
use shoptrail_domain::generation_filter::GenerationFilter;
use shoptrail_domain::image_generation::GenerationStatus;
use shoptrail_domain::limits::{EVENTS_COLLECTED, FACTS_HELD};
use shoptrail_domain::{ParseError, Reason};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext};
use shoptrail_storage::{
    Collected, DecisionSummary, EventSummary, GenerationSummary, SessionSummary, Store,
    SummaryFields, within,
};
use utoipa::ToSchema;

/// The answer with a store's analytics.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnalyticsComputed {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Analytics computed")]
    message: &'static str,
    data: Analytics,
}

/// Counts what a store's shoppers did in a range of days: cart events over time, by product and by customer, the
/// conversion funnel, and what Ask AI's popups brought. All figures are exact. A range in which there are more than
/// 100,000 cart events, image generations, sessions or decisions, or more than 200,000 of the first three together, is not
/// counted: it has to be shortened.
#[utoipa::path(
    get,
    path = "/api/cart-tracking/analytics",
    tag = "Reading",
    params(AnalyticsQuery),
    security(("apiKey" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The figures", body = AnalyticsComputed),
        (status = 400, description = "A parameter breaks its rule, or there is too much in the range", body = ErrorBody),
        (status = 401, description = "No credential, or one that does not verify", body = ErrorBody),
        (status = 403, description = "No key with the scope `read`, or none for this store", body = ErrorBody),
        (status = 429, description = "Too many requests of this key", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn analytics(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    query: Result<Query<AnalyticsQuery>, QueryRejection>,
) -> Result<Json<AnalyticsComputed>, ApiError> {
    let Query(query) = query?;
    let request = AnalyticsRequest::parse(&query, app.clock.now())?;
    context.admit(&app, Some(&request.store), 1).await?;
    Ok(Json(AnalyticsComputed {
        status: "success",
        message: "Analytics computed",
        data: within(Store::COLLECTION_TIMEOUT, compute(&app, &request)).await?,
    }))
}

/// Reads all that the figures are counted from, and counts it.
///
/// The four kinds are read one after the other, and the largest last. Each is read in eight pieces at once, which is
/// what keeps the database and the processor busy; four times as many pages, which become several times as large once
/// they are read, would not fit into a Lambda of 256 MB. Decisions are gone before the rest comes.
async fn compute(app: &App, request: &AnalyticsRequest) -> Result<Analytics, ApiError> {
    let (store, now) = (&request.store, app.clock.now());
    let (from, until) = (request.intervals.from(), request.intervals.until());
    let ask_ai = {
        let most = Most::beside(0);
        let decisions = app.store.collect_decisions(store, from..until, most.0, now);
        let decisions = most.all_of(decisions.await?, "decisions")?;
        count_decisions(request, decisions.iter().map(decision_fact))
    };
    let most = Most::beside(0);
    let sessions = app.store.collect_sessions(store, from..until, most.0, now);
    let sessions = most.all_of(sessions.await?, "sessions")?;
    let most = Most::beside(sessions.len());
    let filter = generations_of(request);
    let generations = app.store.collect_image_generations(&filter, most.0, now);
    let generations = most.all_of(generations.await?, "image generations")?;
    let most = Most::beside(sessions.len() + generations.len());
    let (filter, fields) = (events_of(request), SummaryFields::ForAnalytics);
    let events = app.store.collect_cart_events(&filter, fields, most.0, now);
    let events = most.all_of(events.await?, "cart events")?;
    let facts = Facts {
        events: events.iter().map(cart_fact),
        generations: generations.iter().map(generation_fact),
        sessions: sessions.iter().map(session_fact),
    };
    Ok(analyze(request, facts, ask_ai))
}

/// The most of one kind that is read.
#[derive(Debug, Clone, Copy)]
struct Most(usize);

impl Most {
    /// Where so many of other kinds are held already.
    fn beside(held: usize) -> Self {
        Self(EVENTS_COLLECTED.min(FACTS_HELD.saturating_sub(held)))
    }

    /// All of them, or what the client may do where they are too many.
    fn all_of<T>(self, collected: Collected<T>, what: &'static str) -> Result<Vec<T>, ParseError> {
        let (what, most) = match collected {
            Collected::All(all) => return Ok(all),
            Collected::TooMany if self.0 < EVENTS_COLLECTED => (TOGETHER, FACTS_HELD),
            Collected::TooMany => (what, EVENTS_COLLECTED),
        };
        let reason = Reason::TooManyInRange { what, most };
        Err(ParseError::new("startDate", reason))
    }
}

/// What is held at the same time.
const TOGETHER: &str = "sessions, image generations and cart events together";

fn events_of(request: &AnalyticsRequest) -> EventFilter {
    EventFilter {
        stores: Stores::one(request.store.clone()),
        product_id: None,
        variant_id: None,
        customer_id: None,
        customer_email: None,
        session_id: None,
        action_type: None,
        from: Some(request.intervals.from()),
        until: Some(request.intervals.until()),
    }
}

fn generations_of(request: &AnalyticsRequest) -> GenerationFilter {
    GenerationFilter {
        stores: Stores::one(request.store.clone()),
        status: None,
        user: None,
        from: Some(request.intervals.from()),
        until: Some(request.intervals.until()),
    }
}

fn cart_fact(event: &EventSummary) -> CartFact<'_> {
    CartFact {
        id: &event.id,
        created_at: &event.created_at,
        action_type: &event.action_type,
        product_id: event.product_id.as_deref(),
        product_title: event.product_title.as_deref(),
        identity: Identity {
            session_id: event.session_id.as_deref(),
            customer_id: event.customer_id.as_deref(),
            customer_email: event.customer_email.as_deref(),
            image_key: event.image_key.as_deref(),
        },
    }
}

fn generation_fact(generation: &GenerationSummary) -> GenerationFact<'_> {
    GenerationFact {
        id: &generation.id,
        created_at: &generation.created_at,
        is_completed: generation.status == GenerationStatus::Completed,
        product_id: generation.product_id.as_deref(),
        identity: Identity {
            session_id: generation.session_id.as_deref(),
            customer_id: generation.customer_id.as_deref(),
            customer_email: generation.customer_email.as_deref(),
            image_key: generation.image_key.as_deref(),
        },
    }
}

fn session_fact(session: &SessionSummary) -> SessionFact<'_> {
    SessionFact {
        session: &session.session,
        started_at: &session.started_at,
        checkout_at: session.checkout_at.as_deref(),
        product_ids: &session.product_ids,
    }
}

fn decision_fact(decision: &DecisionSummary) -> DecisionFact<'_> {
    DecisionFact {
        session: &decision.session,
        created_at: &decision.created_at,
        source: decision.source,
        shows_popup: decision.shows_popup,
        is_control: decision.is_control,
        outcomes: decision.outcomes.keys().copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_there_is_too_much_the_client_is_told_with_what_to_do() {
        let refused = |most: Most| {
            let error = most
                .all_of::<()>(Collected::TooMany, "cart events")
                .unwrap_err();
            assert_eq!(error.field, "startDate");
            error.message()
        };
        assert_eq!(
            refused(Most::beside(100_000)),
            "More than 100000 cart events lie in this range: shorten it"
        );
        let together = "More than 200000 sessions, image generations and cart events together lie in \
                        this range: shorten it";
        assert_eq!(refused(Most::beside(100_001)), together);
        let all = Most::beside(0).all_of(Collected::All(vec![1]), "sessions");
        assert_eq!(all, Ok(vec![1]));
    }

    #[test]
    fn of_all_kinds_together_no_more_is_read_than_a_lambda_holds() {
        let read = |held| Most::beside(held).0;
        assert_eq!([read(0), read(100_000)], [100_000, 100_000]);
        assert_eq!([read(150_000), read(200_000)], [50_000, 0]);
    }
}
