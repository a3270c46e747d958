//! What every request passes: it is judged in the contract's order (route and method, switch, size, media type,
//! credential), handed to its handler, answered in the one error shape, and logged once.

use std::any::Any;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, Limited};
use shoptrail_domain::refusal::Refusal;
use shoptrail_storage::Store;
use tower::Layer as _;
use tower_http::catch_panic::CatchPanicLayer;

use crate::context::{Caller, RequestContext};
use crate::cors::{Origins, preflight_headers};
use crate::metrics::{self, Measured};
use crate::routes::{self, Access, Group, Match, Route};
use crate::trust::{self, Presented};
use crate::{ApiError, App, Config, trace};

/// A function's handlers behind the gate. Its metrics bear its name.
pub fn gated(function: &'static str, handlers: Router<App>, app: App) -> Router {
    let handlers = handlers
        .fallback(|| async { ApiError::NotFound(NO_ROUTE) })
        .layer(CatchPanicLayer::custom(answer_panic))
        .with_state(app.clone());
    // Around the router and not within it: a router adds headers of its own to what its routes answer.
    Router::new().fallback_service(from_fn_with_state((app, function), pass).layer(handlers))
}

const NO_ROUTE: &str = "There is no such route";

async fn pass(
    State((app, function)): State<(App, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let passed = pass_in_time(app, function, request, next);
    // All that a request asks of the database ends within this time, not each part of it.
    let passed = shoptrail_storage::within(Store::OPERATION_TIMEOUT, passed);
    shoptrail_storage::tallied(passed).await
}

async fn pass_in_time(app: App, function: &'static str, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let origin = request.headers().get(ORIGIN).cloned();
    let found = routes::find(&method, known_path(&app.config, request.uri().path()));
    let group = match &found {
        Match::Found(route) => route.group,
        Match::OtherMethod { .. } | Match::NotFound => Group::Service,
    };
    let trace_id = trace::of(request.headers());
    let context = RequestContext::new(Caller::of(&request), trace_id, group);

    // What the path is of, whatever the method: it says who may read the answer and how an error looks.
    let known = match &found {
        Match::Found(route) | Match::OtherMethod { route, .. } => Some(*route),
        Match::NotFound => None,
    };
    let origins = known.and_then(|route| origins_for(&app.config, route));
    let (route, answer) = match found {
        Match::Found(route) => {
            let answer = match judge(&app, &context, route, request).await {
                Ok(mut request) => {
                    request.extensions_mut().insert(context.clone());
                    let answer = next.run(request).await;
                    // No answer of a handler that did not ask whose data it is.
                    if needs_authorization(route) && is_success(&answer) && !context.is_authorized()
                    {
                        ApiError::Internal("a handler authorized nobody").into_response()
                    } else {
                        answer
                    }
                }
                Err(error) => error.into_response(),
            };
            (route.path, answer)
        }
        Match::OtherMethod { allow, .. } => match (&origin, origins) {
            (Some(origin), Some(origins)) if method == Method::OPTIONS => {
                ("preflight", answer_preflight(&allow, origins, origin))
            }
            _ => (
                "unknown",
                ApiError::MethodNotAllowed { allow }.into_response(),
            ),
        },
        Match::NotFound => ("unknown", ApiError::NotFound(NO_ROUTE).into_response()),
    };

    let error = answer.extensions().get::<ApiError>().cloned();
    let mut answer = match &error {
        Some(error) => {
            error.to_response(context.request_id(), known.is_some_and(Route::is_tracker))
        }
        None => answer,
    };
    if let Some(origins) = origins {
        origins.allow_reading(origin.as_ref(), answer.headers_mut());
    }
    answer.headers_mut().extend(
        HeaderValue::from_str(context.request_id())
            .ok()
            .map(|id| (X_REQUEST_ID, id)),
    );
    answer.headers_mut().insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    if answer.status() == StatusCode::NOT_MODIFIED {
        // The router says 0, which would be the length of the whole.
        answer.headers_mut().remove(CONTENT_LENGTH);
    }
    let status = answer.status();
    let latency = started.elapsed();
    log(&context, &method, route, status, error.as_ref(), latency);
    count_refusals(&app, &context, error.as_ref()).await;
    let mut operations = shoptrail_storage::operations();
    // Where each operation ended well, and yet DynamoDB left part of a batch undone again and again.
    if matches!(&error, Some(ApiError::Store(error)) if error.is_unavailable()) {
        operations.failures = operations.failures.max(1);
    }
    let measured = Measured {
        function,
        at: app.clock.now(),
        request_id: context.request_id(),
        trace_id: context.trace_id(),
        has_failed: status.is_server_error(),
        is_rate_limited: Some(status == StatusCode::TOO_MANY_REQUESTS),
        latency,
        operations,
        noted: std::mem::take(&mut *context.noted()),
    };
    metrics::write(&app.config.metrics, measured);
    answer
}

/// The path of the table of routes that a path stands for.
fn known_path<'a>(config: &Config, path: &'a str) -> &'a str {
    match &config.tracker_path {
        Some(other) if other.as_str() == path => routes::TRACKER,
        _ => path,
    }
}

/// Counts what was not stored, and writes the counts down if that is due. At the end of a request, since a Lambda does
/// nothing between two.
async fn count_refusals(app: &App, context: &RequestContext, error: Option<&ApiError>) {
    let refused = match error {
        _ if !matches!(context.group(), Group::CartTracking | Group::SessionIngest) => None,
        Some(
            ApiError::Invalid(_)
            | ApiError::PayloadTooLarge { .. }
            | ApiError::UnsupportedMediaType,
        ) => Some(Refusal::Invalid),
        Some(ApiError::RateLimited { .. }) => Some(Refusal::RateLimited),
        _ => None,
    };
    let noted = context.take_refusals();
    for (reason, count) in refused.map(|reason| (reason, 1)).into_iter().chain(noted) {
        app.refusals.note(context.store(), reason, count);
        context.noted().add_refusals(reason, count);
    }
    let days = app.config.retention.event_days;
    app.refusals
        .flush_if_due(&app.store, app.clock.now(), days)
        .await;
}

fn needs_authorization(route: &Route) -> bool {
    match route.access {
        Access::Tracker | Access::Storefront | Access::Key(_) => true,
        Access::Anyone | Access::Webhook => false,
    }
}

fn is_success(answer: &Response) -> bool {
    answer.status().is_success() && answer.extensions().get::<ApiError>().is_none()
}

const X_REQUEST_ID: axum::http::HeaderName = axum::http::HeaderName::from_static("x-request-id");

/// Whether the route is switched on, then size, media type and credential, in this order. The body is read here, up
/// to its cap.
async fn judge(
    app: &App,
    context: &RequestContext,
    route: &Route,
    request: Request,
) -> Result<Request, ApiError> {
    let now = app.clock.now();
    if app.switches.is_disabled(route.group, &app.store, now).await {
        return Err(ApiError::Disabled);
    }
    let (parts, body) = request.into_parts();
    let limit = route.body_bytes;
    if body.size_hint().lower() > limit as u64 {
        return Err(ApiError::PayloadTooLarge { limit });
    }
    let body = if body.is_end_stream() {
        Bytes::new()
    } else {
        // A body that breaks off is a client that went away; what it is told does not matter.
        Limited::new(body, limit)
            .collect()
            .await
            .map_err(|_| ApiError::PayloadTooLarge { limit })?
            .to_bytes()
    };
    if route.method != "GET" && !is_supported(&parts.headers, route) {
        return Err(ApiError::UnsupportedMediaType);
    }
    let presented = Presented {
        headers: &parts.headers,
        uri: &parts.uri,
        body: &body,
    };
    let principal = trust::authorize(app, route, presented, now).await?;
    let address = trust::limited_address(&principal, &parts.headers, context.source_ip());
    context.note_sender(principal, address);
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// JSON, and on the storefront's routes also `text/plain` (what `sendBeacon` sends) or no type at all.
fn is_supported(headers: &HeaderMap, route: &Route) -> bool {
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        return false;
    }
    let is_storefront = matches!(route.access, Access::Storefront | Access::Tracker);
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return is_storefront;
    };
    let media_type = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match media_type.as_str() {
        "application/json" => true,
        "text/plain" | "" => is_storefront,
        other => other.starts_with("application/") && other.ends_with("+json"),
    }
}

/// The origins whose pages may read a route's answers.
fn origins_for<'a>(config: &'a Config, route: &Route) -> Option<&'a Origins> {
    match route.access {
        Access::Tracker | Access::Storefront => Some(&config.trust.storefront_origins),
        Access::Key(_) => Some(&config.trust.admin_origins),
        Access::Anyone | Access::Webhook => None,
    }
}

fn answer_preflight(methods: &str, origins: &Origins, origin: &HeaderValue) -> Response {
    if origin.to_str().is_ok_and(|origin| origins.allow(origin)) {
        (StatusCode::NO_CONTENT, preflight_headers(methods)).into_response()
    } else {
        ApiError::Forbidden("This origin is not allowed").into_response()
    }
}

/// What a panic said may hold anything; it goes nowhere.
fn answer_panic(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::Internal("a handler panicked").into_response()
}

/// One line for each request. No header, body, query or address; the route is the pattern, not the path.
fn log(
    context: &RequestContext,
    method: &Method,
    route: &str,
    status: StatusCode,
    error: Option<&ApiError>,
    latency: Duration,
) {
    let duration_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    let method = if routes::ROUTES
        .iter()
        .any(|route| route.method == method.as_str())
    {
        method.as_str()
    } else {
        "other"
    };
    let (store, outcome) = (context.store(), context.outcome());
    let code = error.map(ApiError::code);
    let cause = error
        .filter(|_| status.is_server_error())
        .map(tracing::field::display);
    let status = status.as_u16();
    let (request_id, trace_id) = (context.request_id(), context.trace_id());
    if status >= 500 {
        tracing::error!(
            request_id,
            trace_id,
            store,
            method,
            route,
            status,
            outcome = "failed",
            error_code = code,
            cause,
            duration_us
        );
    } else {
        let outcome = outcome.unwrap_or(if code.is_some() {
            "refused"
        } else {
            "answered"
        });
        tracing::info!(
            request_id,
            trace_id,
            store,
            method,
            route,
            status,
            outcome,
            error_code = code,
            duration_us
        );
    }
}
