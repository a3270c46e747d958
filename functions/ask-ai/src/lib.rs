//! Ask AI: a session becomes a structured popup decision, by the shop's policy, a model of Groq's or rules; and what
//! became of the decision is kept with it.

pub mod advisor;
mod askai;
mod decide;
pub mod groq;
mod outcome;
pub mod prompt;

use std::sync::Arc;

use axum::routing::post;
use axum::{Extension, Router};
use shoptrail_edge::{App, gate};
use utoipa::OpenApi;

use crate::advisor::Advisor;
use crate::groq::GroqAdvisor;

/// Who is asked; without a model the rules decide.
#[derive(Clone)]
pub(crate) struct Model(Option<Arc<dyn Advisor>>);

/// The function's routes, with the model that the settings name.
pub fn router(app: App) -> Router {
    let advisor =
        GroqAdvisor::from_config(&app.config.groq).map(|groq| Arc::new(groq) as Arc<dyn Advisor>);
    router_with(app, advisor)
}

/// The function's routes with an advisor of one's own.
pub fn router_with(app: App, advisor: Option<Arc<dyn Advisor>>) -> Router {
    let handlers = Router::new()
        .route("/askai", post(askai::askai))
        .route("/askai/outcome", post(outcome::outcome))
        .layer(Extension(Model(advisor)));
    gate::gated(env!("CARGO_PKG_NAME"), handlers, app)
}

/// The function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(askai::askai, outcome::outcome))]
pub struct Document;
