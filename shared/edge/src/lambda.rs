//! A function's whole start: settings, log, database, Runtime API.

use std::process::ExitCode;

use axum::Router;
use shoptrail_storage::{Store, Table};

use crate::App;
use crate::config::{self, Config, ConfigError, Deployment};
use crate::telemetry::{self, Format};

/// Serves a function's router to the Lambda runtime until the environment ends. `table` is one that the
/// function may read. What keeps it from starting stands in one line on standard error.
pub async fn run(router: impl FnOnce(App) -> Router, table: Table) -> ExitCode {
    match serve(router, table).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(router: impl FnOnce(App) -> Router, table: Table) -> Result<(), StartError> {
    let config = Config::from_env(config::process_env, Deployment::Lambda)?;
    telemetry::start(config.log_level, Format::Json);
    let store = Store::connect(&config::store_from_env(config::process_env)?);
    // Opens the connection now, while a Lambda has a full processor. When it fails, the first request
    // tries again and answers for it.
    if let Err(error) = store.check(table).await {
        tracing::warn!(cause = %error, "the database does not answer yet");
    }
    lambda_http::run(router(App::new(config, store)))
        .await
        .map_err(StartError::Runtime)
}

/// Why a function does not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The Runtime API.
    #[error("the Lambda Runtime API does not answer")]
    Runtime(#[source] lambda_http::Error),
}
