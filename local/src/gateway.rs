//! API Gateway's part: takes connections, finds the route, throttles, and hands the request with
//! its caller to the function's router.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use governor::clock::Clock as _;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use shoptrail_edge::ApiError;
use shoptrail_edge::context::Caller;
use shoptrail_edge::error::{ErrorBody, FieldProblem};
use shoptrail_edge::routes::{self, Match};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::template::{RouteMatch, Template, Throttle};

/// API Gateway refuses larger requests; the functions' own caps are far below.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// How much of a body that is too large is read and thrown away, so that a client which writes
/// before it reads gets its 413 and not a broken pipe.
const MAX_DISCARDED_BYTES: usize = 4 * MAX_BODY_BYTES;
/// A request's head, and the quiet time between two requests on a connection.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// A request's body. API Gateway gives a whole exchange 30 s.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
/// What hyper may buffer of a head; API Gateway takes 10,240 bytes of headers.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// How long requests in flight may go on once the gateway is told to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// The pause after a failed accept: no file descriptors are left, and asking at once again only burns CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What differs between gateways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GatewayOptions {
    /// Whether the template's throttles act.
    pub throttle: bool,
    /// How many proxies stand in front. Each appends the address that it sees to `X-Forwarded-For`, so that many
    /// entries at its end are believed, and none of those that a client may have written before them.
    pub proxies: usize,
}

/// Why a gateway cannot be built from a template.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// A function that has routes is not among the routers.
    #[error(
        "the template's route {route} is for the function {function}, which this gateway does not have"
    )]
    UnknownFunction {
        /// The route key.
        route: String,
        /// The binary's name.
        function: String,
    },
    /// A path that cannot be matched.
    #[error("the template's route {route} has a path that cannot be served")]
    Path {
        /// The route key.
        route: String,
        /// What is wrong with it.
        #[source]
        source: matchit::InsertError,
    },
}

/// The routes of a template in front of the functions' routers.
#[derive(Debug)]
pub struct Gateway {
    /// By method, each with the `ANY` routes in it: what a path matches best is found in one look-up.
    methods: BTreeMap<String, Paths>,
    /// The `ANY` routes alone, for methods that no route names.
    any: Paths,
    default: Option<Arc<Target>>,
    demo: Option<Router>,
    proxies: usize,
}

/// The paths of one method. A path is looked for among the full ones first, as API Gateway does;
/// the router cannot hold `{thing}` and `{proxy+}` at one place.
#[derive(Debug, Default)]
struct Paths {
    full: matchit::Router<Arc<Target>>,
    greedy: matchit::Router<Arc<Target>>,
}

impl Paths {
    fn find(&self, path: &str) -> Option<&Arc<Target>> {
        let found = self.full.at(path).or_else(|_| self.greedy.at(path));
        found.ok().map(|found| found.value)
    }
}

/// Where a route leads.
#[derive(Debug)]
struct Target {
    router: Router,
    bucket: Bucket,
}

/// What [`Gateway::serve`] left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Connections that were cut because their request took too long to finish.
    pub cut: usize,
}

impl Gateway {
    /// Lays the template's routes over `functions`, which go by the names of their binaries.
    ///
    /// # Errors
    ///
    /// [`GatewayError`], naming the route.
    pub fn new(
        template: &Template,
        functions: &BTreeMap<String, Router>,
        options: GatewayOptions,
    ) -> Result<Self, GatewayError> {
        let mut default = None;
        let mut paths = Vec::new();
        for route in &template.routes {
            let key = route.matches.key();
            let router =
                functions
                    .get(&route.function)
                    .ok_or_else(|| GatewayError::UnknownFunction {
                        route: key.clone(),
                        function: route.function.clone(),
                    })?;
            let throttle = template
                .throttling
                .for_route(&key)
                .filter(|_| options.throttle);
            let target = Arc::new(Target {
                router: router.clone(),
                bucket: Bucket::new(throttle),
            });
            match &route.matches {
                RouteMatch::Default => default = Some(target),
                RouteMatch::Path { path, method } => {
                    paths.push((key, pattern(path), method.as_deref(), target));
                }
            }
        }

        let named: BTreeSet<&str> = paths
            .iter()
            .filter_map(|(_, _, method, _)| *method)
            .collect();
        let tree = |wanted: Option<&str>| {
            let mut tree = Paths::default();
            let mut taken = BTreeSet::new();
            // Routes of the very method first: on the same path they go before `ANY`.
            let own = paths
                .iter()
                .filter(|(_, _, method, _)| method.is_some() && *method == wanted);
            let any = paths.iter().filter(|(_, _, method, _)| method.is_none());
            for (key, pattern, method, target) in own.chain(any) {
                if !taken.insert(pattern) && method.is_none() {
                    continue;
                }
                let routes = if pattern.contains("{*") {
                    &mut tree.greedy
                } else {
                    &mut tree.full
                };
                routes
                    .insert(pattern, Arc::clone(target))
                    .map_err(|source| GatewayError::Path {
                        route: key.clone(),
                        source,
                    })?;
            }
            Ok::<_, GatewayError>(tree)
        };
        let methods = named
            .iter()
            .map(|method| Ok(((*method).to_owned(), tree(Some(method))?)))
            .collect::<Result<_, GatewayError>>()?;
        Ok(Self {
            methods,
            any: tree(None)?,
            default,
            demo: None,
            proxies: options.proxies,
        })
    }

    /// Serves the demo shop as well: whatever is `/demo` or below it reaches `router`, and no function. The template's
    /// throttles do not count it; API Gateway has no such route.
    #[must_use]
    pub fn with_demo(self, router: Router) -> Self {
        Self {
            demo: Some(router),
            ..self
        }
    }

    /// Answers one request of `peer`.
    ///
    /// The function runs to its end even when the client goes away meanwhile, as a Lambda does.
    pub async fn answer(&self, peer: IpAddr, request: Request<Body>) -> Response<Body> {
        let request_id = uuid::Uuid::new_v4().to_string();
        let is_tracker = match routes::find(request.method(), request.uri().path()) {
            Match::Found(route) | Match::OtherMethod { route, .. } => route.is_tracker(),
            Match::NotFound => false,
        };
        match self.pass_on(peer, request, &request_id).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.answer(&request_id, is_tracker),
        }
    }

    async fn pass_on(
        &self,
        peer: IpAddr,
        request: Request<Body>,
        request_id: &str,
    ) -> Result<Response<Body>, Refusal> {
        let router = self.route(request.method(), request.uri().path())?;
        let (mut head, body) = request.into_parts();
        let body = read_whole(&head.headers, body).await?;
        let peer = forward(&mut head.headers, peer.to_canonical(), self.proxies);
        head.extensions.insert(Caller {
            source_ip: Some(peer),
            request_id: Some(request_id.to_owned()),
        });
        let request = Request::from_parts(head, Body::from(body));
        match tokio::spawn(router.oneshot(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(never)) => match never {},
            Err(error) => {
                tracing::error!(request_id, %error, "a function failed");
                Err(Refusal::Failed)
            }
        }
    }

    /// Where a request leads, if its route's throttle lets it.
    fn route(&self, method: &Method, path: &str) -> Result<Router, Refusal> {
        if let Some(demo) = self.demo.as_ref().filter(|_| crate::demo::owns(path)) {
            return Ok(demo.clone());
        }
        let target = self.find(method, path).ok_or(Refusal::NotFound)?;
        target.bucket.take().map_err(Refusal::Throttled)?;
        Ok(target.router.clone())
    }

    fn find(&self, method: &Method, path: &str) -> Option<&Target> {
        self.methods
            .get(method.as_str())
            .unwrap_or(&self.any)
            .find(path)
            .or(self.default.as_ref())
            .map(Arc::as_ref)
    }

    /// Serves `listener` until `shutdown` resolves, then answers what is in flight, for ten seconds at most.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Served {
        let gateway = Arc::new(self);
        let (stop, _) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => accepted,
            };
            // Connections that have ended.
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, peer)) => {
                    let gateway = Arc::clone(&gateway);
                    connections.spawn(serve_connection(gateway, stream, peer, stop.subscribe()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // No more connections from here on; a client sees at once that nobody listens.
        drop(listener);
        stop.send_replace(true);
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_PATIENCE, ended).await.is_ok() {
            return Served { cut: 0 };
        }
        let cut = connections.len();
        connections.shutdown().await;
        Served { cut }
    }
}

async fn serve_connection(
    gateway: Arc<Gateway>,
    stream: TcpStream,
    peer: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        // It only costs some milliseconds.
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<_, Infallible>(gateway.answer(peer.ip(), request.map(Body::new)).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let stopping = async {
        // An error means that the gateway is gone, which comes to the same.
        let _ = stop.wait_for(|stopping| *stopping).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A client that went away or was too slow; nothing of ours.
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The path in the router's notation. Parameters are numbered, so that routes of different methods
/// may name theirs differently.
fn pattern(path: &str) -> String {
    let segments = path.split('/').enumerate().map(|(position, segment)| {
        match segment
            .strip_prefix('{')
            .and_then(|inner| inner.strip_suffix('}'))
        {
            Some(name) if name.ends_with('+') => format!("{{*p{position}}}"),
            Some(_) => format!("{{p{position}}}"),
            None => segment.to_owned(),
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Reads the body, as API Gateway does: a function gets whole requests only.
async fn read_whole(headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_DISCARDED_BYTES as u64) {
        return Err(Refusal::TooLarge);
    }
    tokio::time::timeout(BODY_PATIENCE, collect(body))
        .await
        .unwrap_or(Err(Refusal::TooSlow))
}

async fn collect(mut body: Body) -> Result<Bytes, Refusal> {
    let mut whole = Vec::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        // The client broke off or wrote no valid chunks; it will hardly read the answer.
        let frame = frame.map_err(|_| Refusal::BrokenBody)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length > MAX_DISCARDED_BYTES {
            return Err(Refusal::TooLarge);
        }
        if length > MAX_BODY_BYTES {
            whole = Vec::new();
            continue;
        }
        whole.extend_from_slice(&data);
    }
    if length > MAX_BODY_BYTES {
        Err(Refusal::TooLarge)
    } else {
        Ok(Bytes::from(whole))
    }
}

/// Appends the peer to `X-Forwarded-For`, like API Gateway: what stands left of the last address is the client's word.
/// With proxies in front, theirs are taken off again, and the last one left is the client's address, which is given.
fn forward(headers: &mut HeaderMap, peer: IpAddr, proxies: usize) -> IpAddr {
    let mut entries: Vec<Vec<u8>> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|entry| entry.trim_ascii().to_vec())
        .collect();
    entries.push(peer.to_string().into_bytes());
    let address =
        |entry: &[u8]| -> Option<IpAddr> { std::str::from_utf8(entry).ok()?.parse().ok() };
    let mut client = peer;
    for _ in 0..proxies {
        // A list that is shorter did not come through all proxies: what is left is believed, as far as it is addresses.
        let [.., before, _] = entries.as_slice() else {
            break;
        };
        let Some(before) = address(before) else { break };
        client = before.to_canonical();
        entries.pop();
    }
    // What were headers' values stay one with commas between them.
    if let Ok(value) = HeaderValue::from_bytes(&entries.join(&b", "[..])) {
        headers.insert(FORWARDED_FOR, value);
    }
    client
}

/// A route's tokens.
#[derive(Debug)]
enum Bucket {
    /// No throttle.
    Open,
    /// A throttle of 0: API Gateway lets nothing through.
    Closed,
    Limited(DefaultDirectRateLimiter),
}

impl Bucket {
    fn new(throttle: Option<Throttle>) -> Self {
        let Some(throttle) = throttle else {
            return Self::Open;
        };
        let quota = NonZeroU32::new(throttle.burst).and_then(|burst| {
            let period = Duration::try_from_secs_f64(throttle.rate_per_second.recip()).ok()?;
            // A period of nothing is no quota; a token a nanosecond is the same as no limit.
            Some(Quota::with_period(period.max(Duration::from_nanos(1)))?.allow_burst(burst))
        });
        quota.map_or(Self::Closed, |quota| {
            Self::Limited(RateLimiter::direct(quota))
        })
    }

    /// Takes a token, or says how long to wait for one.
    fn take(&self) -> Result<(), Duration> {
        match self {
            Self::Open => Ok(()),
            Self::Closed => Err(Duration::from_secs(60)),
            Self::Limited(limiter) => limiter
                .check()
                .map_err(|denied| denied.wait_time_from(limiter.clock().now())),
        }
    }
}

/// What the gateway itself answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    NotFound,
    BrokenBody,
    TooSlow,
    TooLarge,
    Throttled(Duration),
    Failed,
}

impl Refusal {
    fn answer(self, request_id: &str, is_tracker: bool) -> Response<Body> {
        let answer = match self {
            Self::NotFound => {
                ApiError::NotFound("There is no such route").to_response(request_id, is_tracker)
            }
            Self::TooLarge => ApiError::PayloadTooLarge {
                limit: MAX_BODY_BYTES,
            }
            .to_response(request_id, is_tracker),
            Self::Throttled(wait) => {
                // Whole seconds, rounded up: who comes back then finds a token.
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                let retry_after_seconds = u32::try_from(seconds.max(1)).unwrap_or(u32::MAX);
                ApiError::RateLimited {
                    retry_after_seconds,
                }
                .to_response(request_id, is_tracker)
            }
            Self::Failed => {
                ApiError::Internal("a function failed").to_response(request_id, is_tracker)
            }
            // These two come before any function, and only a server of sockets knows them.
            Self::BrokenBody => {
                let problem = FieldProblem {
                    field: "body".to_owned(),
                    reason: "Must arrive whole".to_owned(),
                };
                let body = ErrorBody {
                    ok: is_tracker.then_some(false),
                    status: "error",
                    error: "Validation Error",
                    message: "The body could not be read".to_owned(),
                    code: "VALIDATION_ERROR",
                    request_id: request_id.to_owned(),
                    details: Some(problem.clone()),
                    errors: Some(vec![problem]),
                };
                (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
            }
            Self::TooSlow => {
                let body = ErrorBody {
                    ok: is_tracker.then_some(false),
                    status: "error",
                    error: "Request Timeout",
                    message: "The body took too long to arrive".to_owned(),
                    code: "REQUEST_TIMEOUT",
                    request_id: request_id.to_owned(),
                    details: None,
                    errors: None,
                };
                (StatusCode::REQUEST_TIMEOUT, axum::Json(body)).into_response()
            }
        };
        // What a function answers, it logs itself.
        let status = answer.status().as_u16();
        tracing::info!(
            request_id,
            status,
            outcome = "refused",
            "answered by the gateway itself"
        );
        answer
    }
}
