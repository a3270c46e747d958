//! A proxy in front of an engine that breaks on command.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::engine::listen;

/// How late an answer comes with [`Fault::Slow`].
const SLOWNESS: Duration = Duration::from_millis(150);

/// What the way to the database does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fault {
    /// It works.
    #[default]
    Pass,
    /// Nobody listens.
    Refuse,
    /// Connections are accepted and never answered.
    Hang,
    /// All works, but every answer comes late, though within the time of one attempt.
    Slow,
    /// Requests reach the database and take effect, and their answers are lost: the connection
    /// breaks instead. This is what makes a retry a repetition.
    LoseAnswer,
    /// All works but the first write: that takes effect and its answer is lost.
    LoseFirstWrite,
    /// The same for the first `BatchWriteItem`.
    LoseFirstBatch,
    /// All works, but of every `BatchWriteItem` only half of the items, rounded up, are written.
    LeaveHalf,
    /// All works, but of every `BatchWriteItem` nothing is written.
    LeaveAll,
    /// 400 `ProvisionedThroughputExceededException`.
    Throttle,
    /// 500 `InternalServerError`.
    InternalError,
}

/// A proxy on 127.0.0.1 whose [`Fault`] can be switched while it runs. Gone when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    endpoint_url: String,
    commands: mpsc::Sender<(Fault, oneshot::Sender<()>)>,
}

impl FaultProxy {
    /// Starts a proxy to `endpoint_url` (`http://HOST:PORT`), at first with [`Fault::Pass`].
    ///
    /// # Panics
    ///
    /// When the URL is another one or no port is free.
    #[expect(clippy::expect_used, reason = "a test without its proxy cannot go on")]
    pub async fn start(endpoint_url: &str) -> Self {
        let engine: SocketAddr = endpoint_url
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .parse()
            .expect("the endpoint is http://ADDRESS:PORT");
        // Bound and not listening, as long as the proxy lives: nobody else gets the port while the
        // proxy refuses connections.
        let reservation = TcpSocket::new_v4().expect("a socket");
        reservation.set_reuseaddr(true).expect("SO_REUSEADDR");
        reservation
            .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .expect("a free port");
        let address = reservation.local_addr().expect("a bound address");
        let (commands, inbox) = mpsc::channel(1);
        let listener = listen(address).expect("the reserved port");
        tokio::spawn(run(reservation, listener, address, engine, inbox));
        Self {
            endpoint_url: format!("http://{address}"),
            commands,
        }
    }

    /// `http://127.0.0.1:PORT`, for the code under test.
    #[must_use]
    pub fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    /// Switches over. All open connections are cut, so that the new fault holds for every request
    /// that comes after.
    pub async fn set(&self, fault: Fault) {
        let (done, when_done) = oneshot::channel();
        if self.commands.send((fault, done)).await.is_ok() {
            // An error means that the proxy's runtime is ending.
            let _ = when_done.await;
        }
    }
}

async fn run(
    _reservation: TcpSocket,
    listener: TcpListener,
    address: SocketAddr,
    engine: SocketAddr,
    mut inbox: mpsc::Receiver<(Fault, oneshot::Sender<()>)>,
) {
    let mut fault = Fault::Pass;
    let mut lost = Arc::new(AtomicBool::new(false));
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        let accept = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = inbox.recv() => {
                // The proxy was dropped.
                let Some((next, done)) = command else { return };
                fault = next;
                lost = Arc::new(AtomicBool::new(false));
                if fault == Fault::Refuse {
                    listener = None;
                } else if listener.is_none() {
                    match listen(address) {
                        Ok(again) => listener = Some(again),
                        Err(error) => tracing::error!(%error, "the proxy cannot listen again"),
                    }
                }
                connections.shutdown().await;
                // Nobody waits when the switching future was dropped.
                let _ = done.send(());
            }
            accepted = accept => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, engine, fault, Arc::clone(&lost)));
                }
                while connections.try_join_next().is_some() {}
            }
        }
    }
}

async fn serve(stream: TcpStream, engine: SocketAddr, fault: Fault, lost: Arc<AtomicBool>) {
    let result = match fault {
        Fault::Pass => pass(stream, engine).await,
        Fault::Slow => answer_late(stream, engine).await,
        Fault::LoseAnswer => lose_answer(stream, engine).await,
        Fault::LoseFirstWrite => lose_first(WRITES, stream, engine, &lost).await,
        Fault::LoseFirstBatch => lose_first(&[BATCH], stream, engine, &lost).await,
        Fault::LeaveHalf => write_part(stream, engine, |items| items.div_ceil(2)).await,
        Fault::LeaveAll => write_part(stream, engine, |_| 0).await,
        Fault::Throttle => {
            answer(
                stream,
                StatusCode::BAD_REQUEST,
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"The level of configured provisioned throughput for the table was exceeded."}"#,
            )
            .await
        }
        Fault::InternalError => {
            answer(
                stream,
                StatusCode::INTERNAL_SERVER_ERROR,
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"The request processing has failed because of an internal error."}"#,
            )
            .await
        }
        // Held open until the next switch; a refused connection may still have been waiting.
        Fault::Hang | Fault::Refuse => std::future::pending().await,
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a proxied connection ended early");
    }
}

async fn pass(mut stream: TcpStream, engine: SocketAddr) -> io::Result<()> {
    let mut onward = TcpStream::connect(engine).await?;
    onward.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut stream, &mut onward)
        .await
        .map(|_| ())
}

/// Passes on what goes to and fro, and holds each answer back for a while.
async fn answer_late(mut stream: TcpStream, engine: SocketAddr) -> io::Result<()> {
    let mut onward = TcpStream::connect(engine).await?;
    onward.set_nodelay(true)?;
    let (mut from, mut to) = stream.split();
    let (mut answers, mut requests) = onward.split();
    let (mut request, mut answer) = (vec![0_u8; 64 * 1024], vec![0_u8; 64 * 1024]);
    let mut is_asked = false;
    loop {
        tokio::select! {
            read = from.read(&mut request) => match read? {
                0 => return Ok(()),
                length => {
                    is_asked = true;
                    requests.write_all(&request[..length]).await?;
                }
            },
            read = answers.read(&mut answer) => match read? {
                0 => return Ok(()),
                length => {
                    if std::mem::take(&mut is_asked) {
                        tokio::time::sleep(SLOWNESS).await;
                    }
                    to.write_all(&answer[..length]).await?;
                }
            },
        }
    }
}

/// Hands the request on and breaks off at the first byte of the answer.
async fn lose_answer(mut stream: TcpStream, engine: SocketAddr) -> io::Result<()> {
    let mut onward = TcpStream::connect(engine).await?;
    onward.set_nodelay(true)?;
    let (mut from, _to) = stream.split();
    let (mut answers, mut requests) = onward.split();
    let mut chunk = [0_u8; 16 * 1024];
    loop {
        tokio::select! {
            read = from.read(&mut chunk) => match read? {
                0 => return Ok(()),
                length => requests.write_all(&chunk[..length]).await?,
            },
            answered = answers.read_u8() => return answered.map(|_| ()),
        }
    }
}

const WRITES: &[&str] = &[".PutItem", ".TransactWriteItems"];
const BATCH: &str = ".BatchWriteItem";

/// Passes on what goes to and fro, until the answer to one of these `operations` begins and none was `lost` before.
async fn lose_first(
    operations: &[&str],
    mut stream: TcpStream,
    engine: SocketAddr,
    lost: &AtomicBool,
) -> io::Result<()> {
    let mut onward = TcpStream::connect(engine).await?;
    onward.set_nodelay(true)?;
    let (mut from, mut to) = stream.split();
    let (mut answers, mut requests) = onward.split();
    let (mut request, mut answer) = ([0_u8; 16 * 1024], [0_u8; 16 * 1024]);
    let mut is_write = false;
    loop {
        tokio::select! {
            read = from.read(&mut request) => {
                let chunk = &request[..read?];
                if chunk.is_empty() {
                    return Ok(());
                }
                // A request's head arrives whole, and in it the operation's name.
                is_write |= operations.iter().any(|name| {
                    chunk.windows(name.len()).any(|window| window == name.as_bytes())
                });
                requests.write_all(chunk).await?;
            }
            read = answers.read(&mut answer) => {
                let chunk = &answer[..read?];
                if chunk.is_empty() || (is_write && !lost.swap(true, Ordering::SeqCst)) {
                    return Ok(());
                }
                to.write_all(chunk).await?;
            }
        }
    }
}

/// Passes requests on, those of `BatchWriteItem` with as many of their items as `part` makes of their number.
async fn write_part(
    stream: TcpStream,
    engine: SocketAddr,
    part: fn(usize) -> usize,
) -> io::Result<()> {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| async move {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let target = head.headers.get("x-amz-target");
        let is_batch = target.is_some_and(|target| target.as_bytes().ends_with(BATCH.as_bytes()));
        if !is_batch {
            return forward(engine, Request::from_parts(head, Body::from(body))).await;
        }
        let mut done: Value = serde_json::from_slice(&body)?;
        let mut left = done["RequestItems"].clone();
        for (table, items) in done["RequestItems"].as_object_mut().into_iter().flatten() {
            let count = items.as_array().map_or(0, Vec::len);
            if let (Some(items), Some(left)) = (items.as_array_mut(), left[table].as_array_mut()) {
                items.truncate(part(count));
                left.drain(..part(count));
            }
        }
        let keep_some = |tables: &mut Value| {
            if let Some(tables) = tables.as_object_mut() {
                tables.retain(|_, items| items != &json!([]));
            }
        };
        keep_some(&mut done["RequestItems"]);
        keep_some(&mut left);
        if done["RequestItems"] != json!({}) {
            head.headers.remove(CONTENT_LENGTH);
            let written = Request::from_parts(head, Body::from(done.to_string()));
            let answer = forward(engine, written).await?;
            if !answer.status().is_success() {
                return Ok(answer);
            }
        }
        let body = json!({ "UnprocessedItems": left }).to_string();
        let mut answer = Response::new(Body::from(body));
        answer.headers_mut().insert(CONTENT_TYPE, AMAZON_JSON);
        Ok(answer)
    });
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

/// The engine's answer.
async fn forward(engine: SocketAddr, request: Request<Body>) -> io::Result<Response<Body>> {
    let onward = TokioIo::new(TcpStream::connect(engine).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(onward)
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection);
    let answer = sender
        .send_request(request)
        .await
        .map_err(io::Error::other)?;
    Ok(answer.map(Body::new))
}

const AMAZON_JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");

async fn answer(stream: TcpStream, status: StatusCode, body: &'static str) -> io::Result<()> {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| async move {
        // What cannot be read is answered all the same.
        let _ = request.into_body().collect().await;
        let mut answer = Response::new(Body::from(body));
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, AMAZON_JSON);
        Ok::<_, Infallible>(answer)
    });
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}
