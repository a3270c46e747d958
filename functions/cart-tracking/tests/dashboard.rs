//! The dashboard's files, as the gateway in front serves them.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::io::Read as _;
use std::path::Path;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request};
use flate2::read::GzDecoder;
use shoptrail_edge::config::Deployment;
use shoptrail_edge::{App, Config};
use shoptrail_local::gateway::{Gateway, GatewayOptions};
use shoptrail_local::testing::TestDb;
use shoptrail_local::wiring::functions;
use shoptrail_storage::Store;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/dashboard");

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// A header that is there once, or an empty text.
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
    async fn start() -> Self {
        let db = TestDb::start().await;
        let config = Config::from_env(|_| None, Deployment::Lambda).unwrap();
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

fn get(path: &str, encoding: &str) -> Builder {
    Request::get(path).header("accept-encoding", encoding)
}

/// Every file of the folder, with the path under which it is served.
fn files() -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(Path::new(FOLDER)).unwrap();
    let files = entries.map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let path_served = match name.as_str() {
            "index.html" => "/dashboard".to_owned(),
            _ => format!("/dashboard/{name}"),
        };
        (path_served, std::fs::read(path).unwrap())
    });
    files.collect()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

#[tokio::test]
async fn every_file_is_served_as_it_stands_plain_and_compressed() {
    let served = Served::start().await;
    let files = files();
    assert!(files.len() > 20, "{}", files.len());
    for (path, content) in files {
        let plain = served.send(get(&path, "identity")).await;
        let gzip = served.send(get(&path, "gzip, deflate, br")).await;
        assert_eq!((plain.status, gzip.status), (200, 200), "{path}");
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        assert_eq!(gzip.header("content-encoding"), "gzip", "{path}");
        assert!(plain.body == content, "{path}");
        assert!(gunzip(&gzip.body) == content, "{path}");
        assert_ne!(plain.header("etag"), gzip.header("etag"), "{path}");
        for answer in [plain, gzip] {
            for (name, value) in [
                ("cache-control", "no-cache"),
                ("vary", "accept-encoding"),
                ("cross-origin-resource-policy", "same-origin"),
                ("x-content-type-options", "nosniff"),
                ("content-length", &answer.body.len().to_string()),
            ] {
                assert_eq!(answer.header(name), value, "{path}: {name}");
            }
            assert_ne!(answer.header("content-type"), "", "{path}");
        }
    }
}

#[tokio::test]
async fn who_has_a_file_is_told_so_without_it() {
    let served = Served::start().await;
    for path in ["/dashboard", "/dashboard/main.js", "/dashboard/chart.js"] {
        for encoding in ["identity", "gzip"] {
            let first = served.send(get(path, encoding)).await;
            let etag = first.header("etag");
            let again = served
                .send(get(path, encoding).header("if-none-match", etag))
                .await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
            for name in ["etag", "cache-control", "vary"] {
                assert_eq!(again.header(name), first.header(name), "{path}: {name}");
            }
            let other = served
                .send(get(path, encoding).header("if-none-match", "\"other\""))
                .await;
            assert_eq!(other.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn a_head_request_is_answered_like_a_get_without_the_body() {
    let served = Served::start().await;
    let whole = served.send(get("/dashboard", "gzip")).await;
    let request = Request::head("/dashboard").header("accept-encoding", "gzip");
    let head = served.send(request).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in [
        "etag",
        "content-length",
        "content-type",
        "content-security-policy",
    ] {
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }
}

#[tokio::test]
async fn the_page_runs_nothing_but_its_own_files() {
    let served = Served::start().await;
    let page = served.send(get("/dashboard", "identity")).await;
    let policy = page.header("content-security-policy");
    for directive in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(
            policy.split(';').any(|part| part.trim() == directive),
            "{directive} in {policy}"
        );
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn no_name_leads_out_of_the_folder() {
    let served = Served::start().await;
    for name in [
        "index.html",
        "nothing.js",
        "..",
        "%2e%2e",
        "..%2fdemo%2fshop.js",
        "..%2f..%2fCargo.toml",
        "main.js%00",
        "%ff",
        "Main.js",
    ] {
        let answer = served
            .send(get(&format!("/dashboard/{name}"), "gzip"))
            .await;
        assert_eq!(answer.status, 404, "{name}");
        assert_eq!(answer.header("content-type"), "application/json", "{name}");
    }
}
