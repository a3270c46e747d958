//! Metrics, in CloudWatch's embedded metric format: what a request came to, as a line of JSON on standard output, out of
//! which CloudWatch Logs makes metrics. So a metric costs no call.
//!
//! There is one line for each request, and for each event of a function that no request calls. A line can tell one
//! value of each dimension; what has several (a batch of events of several stores) takes another line for each further
//! one. Every dimension's values are a closed set: stores that the settings do not name are counted as one, and so are
//! actions that a store made up. The request's id and its trace are in the lines as well, though not as dimensions.

mod line;
mod noted;
mod settings;

use std::io::{self, Write as _};
use std::time::Duration;

use shoptrail_domain::Timestamp;
use shoptrail_storage::Operations;

use crate::{ApiError, App};

pub use line::NAMESPACE;
pub(crate) use noted::Noted;
pub use settings::{MOST_STORES, MetricsConfig, NamedStores, Output};

/// Values of dimensions that stand for all the others.
const OTHER: &str = "other";

/// What a request came to, or an event of a function that no request calls.
#[derive(Debug)]
pub(crate) struct Measured<'a> {
    /// The function's name.
    pub(crate) function: &'static str,
    pub(crate) at: Timestamp,
    pub(crate) request_id: &'a str,
    pub(crate) trace_id: Option<&'a str>,
    /// Whether it was answered with a fault of ours.
    pub(crate) has_failed: bool,
    /// Whether a limit forbade it; of an event none can.
    pub(crate) is_rate_limited: Option<bool>,
    pub(crate) latency: Duration,
    /// What it asked of the database.
    pub(crate) operations: Operations,
    pub(crate) noted: Noted,
}

/// An event of a function that no request calls.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// The function's name.
    pub function: &'static str,
    /// The invocation's id.
    pub request_id: &'a str,
    /// What X-Ray calls it: the whole header, or its root alone.
    pub trace: Option<&'a str>,
}

impl Invocation<'_> {
    /// Does the work of the event, and writes what it came to.
    ///
    /// # Errors
    ///
    /// Those of the work.
    pub async fn measure<T>(
        self,
        app: &App,
        work: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let measured = async {
            let started = tokio::time::Instant::now();
            let result = work.await;
            write(
                &app.config.metrics,
                Measured {
                    function: self.function,
                    at: app.clock.now(),
                    request_id: self.request_id,
                    trace_id: self.trace.and_then(crate::trace::root),
                    has_failed: result.is_err(),
                    is_rate_limited: None,
                    latency: started.elapsed(),
                    operations: shoptrail_storage::operations(),
                    noted: Noted::default(),
                },
            );
            result
        };
        shoptrail_storage::tallied(measured).await
    }
}

/// Writes what a request came to, if metrics are on.
pub(crate) fn write(config: &MetricsConfig, measured: Measured<'_>) {
    if !config.is_on {
        return;
    }
    let lines = line::lines(config, &measured);
    match &config.output {
        // A closed output loses metrics, which must not fail the request. One write, so that no other line comes between.
        Output::Stdout => drop(io::stdout().lock().write_all(&lines)),
        Output::To(receiver) => {
            // Nobody listens any more.
            let _ = receiver.send(String::from_utf8_lossy(&lines).into_owned());
        }
    }
}
