//! API Gateway's part, in front of functions that only tell what reached them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Request;
use axum::{Json, Router};
use serde_json::{Value, json};
use shoptrail_edge::context::Caller;
use shoptrail_local::gateway::{Gateway, GatewayOptions, Served};
use shoptrail_local::template::Template;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const TEMPLATE: &str = r#"
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefaultRouteSettings: { ThrottlingRateLimit: 0.05, ThrottlingBurstLimit: 2 }
      RouteSettings:
        POST /closed: { ThrottlingRateLimit: 0, ThrottlingBurstLimit: 0 }
        POST /ingest: { ThrottlingRateLimit: 0.2, ThrottlingBurstLimit: 3 }
  First:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: first } }
    Properties:
      Events:
        A: { Type: HttpApi, Properties: { Method: POST, Path: /ingest } }
        B: { Type: HttpApi, Properties: { Method: GET, Path: "/sessions/{session}" } }
        C: { Type: HttpApi, Properties: { Method: POST, Path: /closed } }
        D: { Type: HttpApi, Properties: { Method: ANY, Path: "/any/{proxy+}" } }
        E: { Type: HttpApi, Properties: { Method: GET, Path: "/any/{thing}" } }
        F: { Type: HttpApi, Properties: { Method: GET, Path: /slow } }
        G: { Type: HttpApi, Properties: { Method: GET, Path: /panic } }
  Second:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: second } }
    Properties:
      Events:
        A: { Type: HttpApi, Properties: { Method: DELETE, Path: "/sessions/{id}" } }
        B: { Type: HttpApi, Properties: { Method: GET, Path: "/any/{other}/deep" } }
        C: { Type: HttpApi, Properties: { Method: ANY, Path: $default } }
"#;

/// A function that answers with what it got.
fn echo(name: &'static str) -> Router {
    Router::new().fallback(move |request: Request| async move {
        if request.uri().path() == "/slow" {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        if request.uri().path() == "/panic" {
            panic!("as the test wants it");
        }
        let caller = request.extensions().get::<Caller>().cloned();
        let forwarded: Vec<String> = request
            .headers()
            .get_all("x-forwarded-for")
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect();
        let (method, path) = (request.method().to_string(), request.uri().to_string());
        let body: Bytes = axum::body::to_bytes(request.into_body(), usize::MAX)
            .await
            .unwrap();
        Json(json!({
            "function": name,
            "method": method,
            "path": path,
            "forwarded": forwarded,
            "sourceIp": caller.as_ref().and_then(|c| c.source_ip).map(|ip| ip.to_string()),
            "requestId": caller.and_then(|c| c.request_id),
            "length": body.len(),
        }))
    })
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Served>,
}

impl Running {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn start(options: GatewayOptions) -> Running {
    let template = Template::parse(TEMPLATE, &BTreeMap::new()).unwrap();
    let functions = BTreeMap::from(["first", "second"].map(|name| (name.to_owned(), echo(name))));
    let gateway = Gateway::new(&template, &functions, options).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = oneshot::channel::<()>();
    let served = tokio::spawn(gateway.serve(listener, async {
        let _ = stopping.await;
    }));
    Running {
        address,
        stop,
        served,
    }
}

async fn get(url: String) -> Value {
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_request_reaches_the_function_of_its_route() {
    let gateway = start(GatewayOptions::default()).await;
    let http = reqwest::Client::new();
    for (method, path, function) in [
        ("POST", "/ingest", "first"),
        ("GET", "/ingest", "second"),
        ("OPTIONS", "/ingest", "second"),
        ("POST", "/ingest/", "second"),
        ("GET", "/sessions/abc", "first"),
        ("DELETE", "/sessions/abc", "second"),
        ("GET", "/sessions/abc/def", "second"),
        ("PUT", "/any/a/b", "first"),
        ("GET", "/any/a/b", "first"),
        ("GET", "/any/a/deep", "second"),
        ("PUT", "/any/a/deep", "first"),
        ("GET", "/nothing?a=1", "second"),
        ("GET", "//", "second"),
    ] {
        let answer: Value = http
            .request(method.parse().unwrap(), gateway.url(path))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(answer["function"], function, "{method} {path}");
        assert_eq!(answer["method"], method);
        assert_eq!(answer["path"], path);
    }
}

#[tokio::test]
async fn a_function_learns_who_called() {
    let gateway = start(GatewayOptions::default()).await;
    let one = get(gateway.url("/sessions/a")).await;
    assert_eq!(one["sourceIp"], "127.0.0.1");
    assert_eq!(one["forwarded"], json!(["127.0.0.1"]));
    let other = get(gateway.url("/sessions/a")).await;
    assert!(one["requestId"].as_str().unwrap().len() >= 16);
    assert_ne!(one["requestId"], other["requestId"]);
}

#[tokio::test]
async fn the_peer_is_appended_to_what_the_client_claims() {
    let gateway = start(GatewayOptions::default()).await;
    let answer: Value = reqwest::Client::new()
        .get(gateway.url("/sessions/a"))
        .header("x-forwarded-for", "203.0.113.7, 198.51.100.1")
        .header("x-forwarded-for", "192.0.2.2")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        answer["forwarded"],
        json!(["203.0.113.7, 198.51.100.1, 192.0.2.2, 127.0.0.1"])
    );
    assert_eq!(answer["sourceIp"], "127.0.0.1");
}

#[tokio::test]
async fn behind_proxies_the_client_is_the_one_that_they_saw() {
    for (proxies, claimed, client, forwarded) in [
        (
            1,
            "203.0.113.7, 198.51.100.1",
            "198.51.100.1",
            "203.0.113.7, 198.51.100.1",
        ),
        (2, "203.0.113.7, 198.51.100.1", "203.0.113.7", "203.0.113.7"),
        (3, "203.0.113.7, 198.51.100.1", "203.0.113.7", "203.0.113.7"),
        (
            2,
            "unknown, 198.51.100.1",
            "198.51.100.1",
            "unknown, 198.51.100.1",
        ),
        (1, "nobody", "127.0.0.1", "nobody, 127.0.0.1"),
    ] {
        let options = GatewayOptions {
            proxies,
            ..GatewayOptions::default()
        };
        let gateway = start(options).await;
        let request = reqwest::Client::new()
            .get(gateway.url("/sessions/a"))
            .header("x-forwarded-for", claimed);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["sourceIp"], client, "{proxies} {claimed}");
        assert_eq!(
            answer["forwarded"],
            json!([forwarded]),
            "{proxies} {claimed}"
        );
    }
}

#[tokio::test]
async fn each_route_has_its_own_bucket_when_throttling_is_on() {
    let gateway = start(GatewayOptions {
        throttle: true,
        ..GatewayOptions::default()
    })
    .await;
    let http = reqwest::Client::new();
    for _ in 0..3 {
        assert_eq!(
            http.post(gateway.url("/ingest"))
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
    }
    let refused = http.post(gateway.url("/ingest")).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    // A token every five seconds.
    let wait: u64 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=5).contains(&wait), "{wait}");
    let mut body: Value = refused.json().await.unwrap();
    assert!(body["requestId"].take().as_str().unwrap().len() >= 16);
    assert_eq!(
        body,
        json!({
            "ok": false,
            "status": "error",
            "error": "Too Many Requests",
            "message": "Too many requests",
            "code": "RATE_LIMITED",
            "requestId": null,
        })
    );
    // Other routes have tokens left, whatever their settings.
    for _ in 0..2 {
        assert_eq!(
            http.get(gateway.url("/elsewhere"))
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
    }
    assert_eq!(
        http.get(gateway.url("/elsewhere"))
            .send()
            .await
            .unwrap()
            .status(),
        429
    );
    assert_eq!(
        http.get(gateway.url("/sessions/a"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        http.post(gateway.url("/closed"))
            .send()
            .await
            .unwrap()
            .status(),
        429
    );
}

#[tokio::test]
async fn without_throttling_nothing_is_refused() {
    let gateway = start(GatewayOptions::default()).await;
    for _ in 0..20 {
        assert_eq!(
            reqwest::get(gateway.url("/elsewhere"))
                .await
                .unwrap()
                .status(),
            200
        );
    }
}

#[tokio::test]
async fn a_body_over_ten_megabytes_is_refused_and_the_answer_arrives() {
    let gateway = start(GatewayOptions::default()).await;
    let http = reqwest::Client::new();
    let most = 10 * 1024 * 1024;
    let answer: Value = http
        .post(gateway.url("/ingest"))
        .body(vec![b' '; most])
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(answer["length"], most);
    let refused = http
        .post(gateway.url("/ingest"))
        .body(vec![b' '; most + 1])
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 413);
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["code"], "PAYLOAD_TOO_LARGE");
    assert_eq!(body["ok"], false);
}

#[tokio::test]
async fn a_function_that_panics_is_a_500_and_no_end() {
    let gateway = start(GatewayOptions::default()).await;
    let failed = reqwest::get(gateway.url("/panic")).await.unwrap();
    assert_eq!(failed.status(), 500);
    let body: Value = failed.json().await.unwrap();
    assert_eq!(body["code"], "SERVER_ERROR");
    assert!(!body.to_string().contains("as the test wants it"));
    assert_eq!(
        reqwest::get(gateway.url("/healthz"))
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let gateway = start(GatewayOptions::default()).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    for _ in 0..3 {
        stream
            .write_all(b"GET /sessions/a HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn on_stopping_requests_in_flight_are_answered_and_new_ones_refused() {
    let gateway = start(GatewayOptions::default()).await;
    // Three kinds of connections at the end: one in a request, one between two, one that never spoke.
    let slow = tokio::spawn(reqwest::get(gateway.url("/slow")));
    let mut idle = TcpStream::connect(gateway.address).await.unwrap();
    idle.write_all(b"GET /sessions/a HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = vec![0; 4096];
    assert!(idle.read(&mut answer).await.unwrap() > 0);
    let _silent = TcpStream::connect(gateway.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;

    gateway.stop.send(()).unwrap();
    assert_eq!(
        idle.read(&mut answer).await.unwrap(),
        0,
        "an idle connection is closed"
    );
    assert!(
        TcpStream::connect(gateway.address).await.is_err(),
        "nobody listens"
    );
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    let served = tokio::time::timeout(Duration::from_secs(2), gateway.served)
        .await
        .unwrap();
    assert_eq!(served.unwrap(), Served { cut: 0 });
}

#[tokio::test]
async fn a_client_that_never_finishes_does_not_hold_the_end() {
    let gateway = start(GatewayOptions::default()).await;
    let mut stuck = TcpStream::connect(gateway.address).await.unwrap();
    stuck
        .write_all(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    gateway.stop.send(()).unwrap();
    let served = tokio::time::timeout(Duration::from_secs(12), gateway.served)
        .await
        .unwrap();
    assert_eq!(served.unwrap(), Served { cut: 1 });
}

#[test]
fn a_template_that_does_not_fit_the_functions_is_refused() {
    let template = Template::parse(TEMPLATE, &BTreeMap::new()).unwrap();
    let functions = BTreeMap::from([("first".to_owned(), echo("first"))]);
    let error = Gateway::new(&template, &functions, GatewayOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the template's route GET /any/{other}/deep is for the function second, which this gateway does not have"
    );
}
