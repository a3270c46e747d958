//! `GET /health` and `GET /healthz`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use shoptrail_edge::App;
use shoptrail_storage::Table;
use utoipa::ToSchema;

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `healthy` or `unhealthy`.
    #[schema(example = "healthy")]
    status: &'static str,
    /// `ok` or `unavailable`.
    #[schema(example = "ok")]
    database: &'static str,
    /// The version of the code.
    #[schema(example = "0.1.0")]
    version: &'static str,
}

/// That the process answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Liveness {
    /// `healthy`.
    #[schema(example = "healthy")]
    status: &'static str,
}

/// Whether the service can do its work: asks the database.
#[utoipa::path(
    get,
    path = "/health",
    tag = "Service",
    security(()),
    responses(
        (status = 200, description = "The database answers", body = Health),
        (status = 503, description = "The database does not answer", body = Health,
            example = json!({ "status": "unhealthy", "database": "unavailable", "version": "0.1.0" })),
    ),
)]
pub(crate) async fn health(State(app): State<App>) -> (StatusCode, Json<Health>) {
    let version = env!("CARGO_PKG_VERSION");
    match app.store.check(Table::Sessions).await {
        Ok(()) => (
            StatusCode::OK,
            Json(Health {
                status: "healthy",
                database: "ok",
                version,
            }),
        ),
        Err(error) => {
            tracing::warn!(cause = %error, "the database does not answer");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                Json(Health {
                    status: "unhealthy",
                    database: "unavailable",
                    version,
                }),
            )
        }
    }
}

/// Whether the process answers; asks nothing.
#[utoipa::path(get, path = "/healthz", tag = "Service", security(()), responses((status = 200, description = "It answers", body = Liveness)))]
pub(crate) async fn healthz() -> Json<Liveness> {
    Json(Liveness { status: "healthy" })
}
