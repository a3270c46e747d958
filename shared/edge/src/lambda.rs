//! A function's whole start: settings, log, database, Runtime API.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, LambdaEvent, Service as _, lambda_runtime, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shoptrail_storage::{Store, Table};

use crate::config::{self, Config, ConfigError, Deployment};
use crate::metrics::Invocation;
use crate::secrets::{SecretError, Secrets};
use crate::telemetry::{self, Format};
use crate::{ApiError, App, Clock, event_queue};

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
    let started = start(table).await?;
    let adapter = Adapter::from(router(started.app.clone()));
    let handler = service_fn(move |mut event: LambdaEvent<LambdaRequest>| {
        if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload {
            request.raw_query_string = request.raw_query_string.take().map(escape_query);
        }
        let (mut adapter, started) = (adapter.clone(), started.clone());
        async move {
            started.refresh_secrets().await;
            adapter.call(event).await
        }
    });
    lambda_runtime::run(handler)
        .await
        .map_err(StartError::Runtime)
}

/// Hands every event to `work` until the environment ends: for a function that no HTTP request calls, whose metrics bear
/// its name. The service is given what `work` answers; an error makes it deliver the event again.
pub async fn run_events<E, A, W, F>(function: &'static str, work: W, table: Table) -> ExitCode
where
    E: DeserializeOwned + Send + 'static,
    A: Serialize,
    W: Fn(App, E) -> F,
    F: Future<Output = Result<A, ApiError>>,
{
    let served = async {
        let started = start(table).await?;
        let handler = service_fn(|event: LambdaEvent<E>| {
            let (started, work) = (started.clone(), &work);
            async move {
                started.refresh_secrets().await;
                let invocation = Invocation {
                    function,
                    request_id: &event.context.request_id,
                    trace: event.context.xray_trace_id.as_deref(),
                };
                let work = work(started.app.clone(), event.payload);
                let worked = invocation.measure(&started.app, work).await;
                worked.map_err(lambda_http::Error::from)
            }
        });
        lambda_runtime::run(handler)
            .await
            .map_err(StartError::Runtime)
    };
    match served.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A function that is ready for its first event.
#[derive(Debug, Clone)]
struct Started {
    app: App,
    secrets: Option<Arc<Secrets>>,
}

impl Started {
    async fn refresh_secrets(&self) {
        if let Some(secrets) = &self.secrets {
            secrets
                .refresh(&self.app.config, self.app.clock.now())
                .await;
        }
    }
}

/// What a function does before its first event: settings, log, secrets, database.
async fn start(table: Table) -> Result<Started, StartError> {
    let mut config = Config::from_env(config::process_env, Deployment::Lambda)?;
    telemetry::start(config.log_level, Format::Json);
    let database = config::store_from_env(config::process_env)?;
    let clock = Clock::system();
    let secrets = Secrets::from_env(config::process_env, &database, clock.now());
    let event_queue = config::event_queue_from_env(config::process_env, config.write_mode)?;
    let event_queue = event_queue.map(|queue| event_queue::connect(&database, queue));
    let store = Store::connect(&database).with_event_queue(event_queue.clone());
    let queue_opened = async {
        if let Some(queue) = &event_queue {
            queue.open().await;
        }
    };
    let fetched = async {
        match &secrets {
            Some(secrets) => secrets.fetch_into(&mut config).await,
            None => Ok(()),
        }
    };
    // Opens the connections now, while a Lambda has a full processor. When it fails, the first request
    // tries again and answers for it.
    let (fetched, checked, ()) = tokio::join!(fetched, store.check(table), queue_opened);
    fetched?;
    config.check_pepper()?;
    if let Err(error) = checked {
        tracing::warn!(cause = %error, "the database does not answer yet");
    }
    let app = App::with_clock(config, store, clock);
    app.refresh_switches().await;
    Ok(Started {
        app,
        secrets: secrets.map(Arc::new),
    })
}

/// A query with the characters escaped that no URI may hold: `lambda_http` panics at them.
fn escape_query(query: String) -> String {
    let is_allowed = |byte: &u8| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(byte);
    if query.as_bytes().iter().all(is_allowed) {
        return query;
    }
    query.bytes().fold(String::new(), |mut escaped, byte| {
        if is_allowed(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

/// Why a function does not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The Runtime API.
    #[error("the Lambda Runtime API does not answer")]
    Runtime(#[source] lambda_http::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_made_one_that_a_uri_may_hold() {
        assert_eq!(escape_query("a=1&b=%20+x".into()), "a=1&b=%20+x");
        assert_eq!(
            escape_query("a=<b> \"ä\"".into()),
            "a=%3Cb%3E%20%22%C3%A4%22"
        );
    }
}
