//! The tracker's script, as the gateway in front serves it.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::io::Read as _;
use std::path::Path;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request};
use base64::Engine as _;
use flate2::read::GzDecoder;
use shoptrail_edge::config::Deployment;
use shoptrail_edge::{App, Config};
use shoptrail_local::gateway::{Gateway, GatewayOptions};
use shoptrail_local::testing::{Function, TestDb};
use shoptrail_local::wiring::functions;
use shoptrail_storage::Store;

const PATH: &str = "/tracker.js";

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// A header that is there once.
    fn header(&self, name: &str) -> &str {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        assert!(values.len() <= 1, "{name} is there once: {values:?}");
        values.first().map_or("", |value| value.to_str().unwrap())
    }
}

struct Served {
    gateway: Gateway,
    // The engine ends with it.
    _db: TestDb,
}

impl Served {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let db = TestDb::start().await;
        let lookup = |name: &str| {
            let found = settings.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let config = Config::from_env(lookup, Deployment::Lambda).unwrap();
        let app = App::new(config, Store::connect(&db.store_config()));
        let gateway =
            Gateway::new(db.template(), &functions(&app), GatewayOptions::default()).unwrap();
        Self { gateway, _db: db }
    }

    async fn send(&self, request: Builder) -> Answer {
        let request = request.body(Body::empty()).unwrap();
        let answer = self.gateway.answer([192, 0, 2, 1].into(), request).await;
        let (head, body) = answer.into_parts();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: to_bytes(body, usize::MAX).await.unwrap(),
        }
    }
}

/// The committed script.
fn script() -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/tracker.js");
    std::fs::read(file).unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

#[tokio::test]
async fn the_committed_script_is_served_plain_and_compressed() {
    let served = Served::start(&[]).await;
    let from_a_shop = || Request::get(PATH).header("origin", "https://shop.example.com");
    let plain = served.send(from_a_shop()).await;
    let gzip = served
        .send(from_a_shop().header("accept-encoding", "gzip, deflate, br, zstd"))
        .await;
    assert_eq!((plain.status, gzip.status), (200, 200));
    assert_eq!(plain.body, script());
    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(gunzip(&gzip.body), script());
    assert_eq!(gzip.header("content-encoding"), "gzip");
    assert_ne!(plain.header("etag"), gzip.header("etag"));
    for answer in [plain, gzip] {
        for (name, value) in [
            ("content-type", "text/javascript; charset=utf-8"),
            (
                "cache-control",
                "public, max-age=3600, stale-while-revalidate=86400",
            ),
            ("vary", "accept-encoding"),
            ("access-control-allow-origin", "*"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("x-content-type-options", "nosniff"),
            ("content-length", &answer.body.len().to_string()),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
        let etag = answer.header("etag");
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    }
}

#[tokio::test]
async fn who_has_the_script_is_told_so_without_it() {
    let served = Served::start(&[]).await;
    for encoding in ["identity", "gzip"] {
        let request = || Request::get(PATH).header("accept-encoding", encoding);
        let whole = served.send(request()).await;
        let etag = whole.header("etag");
        for known in [etag, &format!("\"other\", W/{etag}"), "*"] {
            let answer = served.send(request().header("if-none-match", known)).await;
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}");
            for name in [
                "etag",
                "cache-control",
                "vary",
                "access-control-allow-origin",
                "cross-origin-resource-policy",
            ] {
                assert_eq!(answer.header(name), whole.header(name), "{name}");
            }
            for name in ["content-type", "content-encoding", "content-length"] {
                assert_eq!(answer.header(name), "", "{name}");
            }
        }
        let other = if encoding == "gzip" {
            "identity"
        } else {
            "gzip"
        };
        let changed = Request::get(PATH)
            .header("accept-encoding", other)
            .header("if-none-match", etag);
        assert_eq!(served.send(changed).await.status, 200, "another form");
    }
}

#[tokio::test]
async fn a_neutral_path_is_the_same_in_everything() {
    let served = Served::start(&[("TRACKER_PATH", "/assets/s.js")]).await;
    for method in ["GET", "HEAD", "POST", "OPTIONS", "PUT"] {
        let request = |path: &str| {
            Request::builder()
                .method(method)
                .uri(path)
                .header("origin", "https://shop.example.com")
                .header("access-control-request-method", "GET")
        };
        let (mut known, mut neutral) = (
            served.send(request(PATH)).await,
            served.send(request("/assets/s.js?v=1")).await,
        );
        assert_eq!(known.status, neutral.status, "{method}");
        for answer in [&mut known, &mut neutral] {
            assert!(answer.headers.remove("x-request-id").is_some());
        }
        assert_eq!(known.headers, neutral.headers, "{method}");
        match method {
            "GET" => assert_eq!(neutral.body, script()),
            "HEAD" => {
                assert_eq!((neutral.status, neutral.body.len()), (200, 0));
                assert_eq!(neutral.header("content-length"), script().len().to_string());
            }
            _ => {
                assert_eq!(neutral.status, 405, "{method}");
                assert_eq!(neutral.header("allow"), "GET, HEAD", "{method}");
            }
        }
    }
    for path in ["/assets/s.jsx", "/assets", "/s.js", "/assets/S.js"] {
        assert_eq!(served.send(Request::get(path)).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn without_a_neutral_path_there_is_none() {
    let served = Served::start(&[]).await;
    assert_eq!(served.send(Request::get(PATH)).await.status, 200);
    for path in ["/s.js", "/assets/s.js"] {
        assert_eq!(served.send(Request::get(path)).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_lambda_answers_both_forms_and_at_the_neutral_path() {
    const FUNCTION: Function = Function {
        name: "session-ingest",
        bootstrap: env!("CARGO_BIN_EXE_session-ingest"),
    };
    let db = TestDb::start().await;
    let settings = [("TRACKER_PATH", "/s.js")];
    let host = FUNCTION.start(db.endpoint_url(), &settings).await;
    let plain = FUNCTION.event("tracker-200");
    let mut neutral = plain.clone();
    // As API Gateway gives it to `$default`.
    neutral.event["rawPath"] = "/s.js".into();
    neutral.event["routeKey"] = "$default".into();
    neutral.event["requestContext"]["http"]["path"] = "/s.js".into();
    for event in [plain, neutral] {
        let answer = host.invoke(&event.event).await.unwrap();
        assert_eq!(
            (&answer["statusCode"], &answer["isBase64Encoded"]),
            (&200.into(), &false.into())
        );
        assert_eq!(answer["body"].as_str().unwrap().as_bytes(), script());
    }
    let gzip = FUNCTION.event("tracker-gzip-200");
    let gzip = host.invoke(&gzip.event).await.unwrap();
    assert_eq!(gzip["isBase64Encoded"], true);
    let body = base64::engine::general_purpose::STANDARD.decode(gzip["body"].as_str().unwrap());
    assert_eq!(gunzip(&body.unwrap()), script());
    let log = host.log();
    let told = log
        .lines()
        .filter(|line| line.contains("\"route\":\"/tracker.js\""));
    assert_eq!(told.count(), 3, "{log}");
}
