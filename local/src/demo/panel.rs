//! `GET /demo/api/sessions/{session}`: what the backend has of a session, for the panel at the side of the shop.
//!
//! No key is asked, since the shop's page is open to anybody and a key in it would be anybody's. So it tells nothing
//! but what belongs to the demo: sessions of its own store, in which nobody is a customer. A session of another store, or
//! of none, is answered like one that does not exist, and so is all else that was stored for another store under the same
//! session's id. Other sites' pages cannot read it: no origin is allowed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shoptrail_domain::advice::outcome::Outcome;
use shoptrail_domain::advice::policy::{Policy, Suppression};
use shoptrail_domain::advice::{Advice, Source, rules};
use shoptrail_domain::image_generation::GenerationStatus;
use shoptrail_domain::session::{SessionId, SessionRecord};
use shoptrail_domain::{ParseError, Reason, StoreName, Timestamp};
use shoptrail_edge::ApiError;
use shoptrail_edge::context::Caller;
use shoptrail_storage::{
    CartEventRecord, DecisionRecord, ImageGenerationRecord, RecentSession, SessionActivity,
    SessionDecisions,
};

use super::catalogue::Catalogue;
use super::{STORE_NAME, Shop};

/// Cart events, and image generations, that the panel has room for.
const MOST_EVENTS: usize = 50;
/// Decisions that the panel has room for.
const MOST_DECISIONS: u16 = 20;

/// The answer.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Panel {
    /// As `GET /sessions/{session}` answers.
    session: Option<SessionRecord>,
    /// Newest first.
    cart_events: Vec<CartEventShown>,
    /// Newest first.
    generations: Vec<GenerationShown>,
    /// Newest first.
    decisions: Vec<DecisionShown>,
    /// What Ask AI would say now; absent without a session.
    preview: Option<Advice>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CartEventShown {
    id: String,
    action_type: String,
    product_id: Option<String>,
    product_title: Option<String>,
    variant_id: Option<String>,
    created_at: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationShown {
    id: String,
    status: GenerationStatus,
    /// The catalogue's, by the product's id, which is what is stored.
    product_title: Option<String>,
    created_at: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DecisionShown {
    decision_id: String,
    source: Source,
    created_at: String,
    #[serde(flatten)]
    advice: Advice,
    outcomes: BTreeMap<Outcome, String>,
}

pub(super) async fn session(
    State(shop): State<Arc<Shop>>,
    caller: Option<Extension<Caller>>,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    match panel(&shop, path).await {
        Ok(panel) => ([(CACHE_CONTROL, "no-store")], Json(panel)).into_response(),
        Err(error) => {
            let request_id = caller.and_then(|Extension(caller)| caller.request_id);
            let request_id = request_id.unwrap_or_default();
            let answer = error.to_response(&request_id, false);
            if answer.status().is_server_error() {
                tracing::error!(
                    request_id,
                    cause = %error,
                    "the demo shop's panel could not be read"
                );
            }
            answer
        }
    }
}

async fn panel(shop: &Shop, path: Result<Path<String>, PathRejection>) -> Result<Panel, ApiError> {
    let session = path
        .map_err(|_| Reason::NotASessionId)
        .and_then(|Path(session)| SessionId::parse(&session))
        .map_err(|reason| ParseError::new("session", reason))?;
    let own = StoreName::parse(STORE_NAME).map_err(|_| ApiError::Internal("no store's name"))?;
    let (store, now) = (&shop.app.store, shop.app.clock.now());
    let activity = SessionActivity {
        session: session.as_str(),
        store_name: &own,
        limit: MOST_EVENTS,
    };
    let (recent, cart_events, generations, mut decided) = tokio::try_join!(
        // All of it, with the version that decisions are made about.
        store.find_recent_session(&session, usize::MAX, now),
        store.list_cart_events_of_session(activity, now),
        store.list_image_generations_of_session(activity, now),
        store.list_decisions(&session, MOST_DECISIONS, now),
    )?;
    let is_another = |recent: &RecentSession| recent.record.store_name.as_ref() != Some(&own);
    if recent.as_ref().is_some_and(is_another) {
        return Ok(Panel::default());
    }
    decided
        .decisions
        .retain(|decision| decision.store_name.as_deref() == Some(STORE_NAME));
    let policy = &shop.app.config.policy;
    let preview = recent
        .as_ref()
        .map(|recent| preview(policy, recent, &decided, now));
    let generations = generations.into_iter();
    Ok(Panel {
        session: recent.map(|recent| recent.record),
        cart_events: cart_events.into_iter().map(CartEventShown::of).collect(),
        generations: generations
            .map(|generation| GenerationShown::of(generation, &shop.catalogue))
            .collect(),
        decisions: decided
            .decisions
            .into_iter()
            .map(DecisionShown::of)
            .collect(),
        preview,
    })
}

/// What Ask AI would say now, in its own order: the policy, else the last decision while it holds, else the rules.
/// Nothing is stored and no model is asked, so where one is set, its words may be others. Of the browser's earlier
/// sessions, which count for the day's popups, only the browser knows.
fn preview(
    policy: &Policy,
    recent: &RecentSession,
    listed: &SessionDecisions,
    now: Timestamp,
) -> Advice {
    let RecentSession { record, version } = recent;
    let last = listed.decisions.first();
    let again =
        last.filter(|last| last.source != Source::Policy && last.is_reusable(*version, now));
    let history = listed.tally.history(&[], again, now);
    let suppressed = policy.judge(record, &history, now).map(Suppression::advice);
    suppressed
        .or_else(|| again.map(|decision| decision.advice.clone()))
        .unwrap_or_else(|| rules::advise(record, now))
}

impl CartEventShown {
    fn of(event: CartEventRecord) -> Self {
        Self {
            id: event.id,
            action_type: event.action_type,
            product_id: event.product_id,
            product_title: event.product_title,
            variant_id: event.variant_id,
            created_at: event.created_at,
        }
    }
}

impl GenerationShown {
    fn of(generation: ImageGenerationRecord, catalogue: &Catalogue) -> Self {
        let product_id = generation.product_id.and_then(|id| id.parse().ok());
        let product = product_id.and_then(|id| catalogue.product_of_id(id));
        Self {
            id: generation.id,
            status: generation.status,
            product_title: product.map(|product| product.title.clone()),
            created_at: generation.created_at,
        }
    }
}

impl DecisionShown {
    fn of(decision: DecisionRecord) -> Self {
        Self {
            decision_id: decision.decision_id,
            source: decision.source,
            created_at: decision.created_at,
            advice: decision.advice,
            outcomes: decision.outcomes,
        }
    }
}
