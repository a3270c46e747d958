//! A function's whole start: settings, log, database, Runtime API.

use std::fmt::Write as _;
use std::process::ExitCode;

use axum::Router;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, LambdaEvent, Service as _, lambda_runtime, service_fn};
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
    let adapter = Adapter::from(router(App::new(config, store)));
    let handler = service_fn(move |mut event: LambdaEvent<LambdaRequest>| {
        if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload {
            request.raw_query_string = request.raw_query_string.take().map(escape_query);
        }
        adapter.clone().call(event)
    });
    lambda_runtime::run(handler)
        .await
        .map_err(StartError::Runtime)
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
