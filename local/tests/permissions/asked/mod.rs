//! Asks each function everything that it can be asked, and tells what it asked of AWS in turn.

mod erasure;
mod queued;
mod reading;
mod sessions;
mod tracking;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::http::request::Builder;
use axum::http::{Method, Request};
use serde_json::Value;
use shoptrail_domain::access::{ApiKey, Scope};
use shoptrail_edge::config::Deployment;
use shoptrail_edge::routes::{self, Access, Match, ROUTES};
use shoptrail_local::testing::{Recorder, TestAnswer, TestDb, TestQueue, TestShop};
use shoptrail_storage::Table;

use crate::granted::Function;
use crate::permission::needed;
use crate::{Permission, Used};

const STORE: &str = "my-store.myshopify.com";

/// The functions, with the text of what each starts with: there it says which table it asks while it starts.
const MAINS: [(&str, &str); 6] = [
    (
        "ask-ai",
        include_str!("../../../../functions/ask-ai/src/main.rs"),
    ),
    (
        "cart-tracking",
        include_str!("../../../../functions/cart-tracking/src/main.rs"),
    ),
    (
        "cart-writer",
        include_str!("../../../../functions/cart-tracking/src/bin/cart-writer.rs"),
    ),
    (
        "privacy",
        include_str!("../../../../functions/privacy/src/main.rs"),
    ),
    (
        "privacy-worker",
        include_str!("../../../../functions/privacy/src/bin/privacy-worker.rs"),
    ),
    (
        "session-ingest",
        include_str!("../../../../functions/session-ingest/src/main.rs"),
    ),
];

/// The parameter `WriteMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteMode {
    Direct,
    Queue,
}

impl WriteMode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Queue => "queue",
        }
    }
}

/// A shop whose functions share nothing but the tables, each of them behind recorders.
struct Asked {
    shop: TestShop,
    queue: TestQueue,
    /// For all stores, with all scopes.
    key: ApiKey,
    recorders: BTreeMap<&'static str, Recorder>,
    queue_recorder: Recorder,
    /// The routes that were asked, each with whether it was answered with success.
    routes: Mutex<BTreeSet<(&'static str, &'static str, bool)>>,
}

/// All that the functions ask of AWS, in a deployment of this write mode.
pub(crate) async fn everything(mode: WriteMode, functions: &BTreeMap<String, Function>) -> Used {
    let asked = Asked::start(mode, functions).await;
    asked.warm_up().await;
    asked.sessions().await;
    asked.tracking(mode).await;
    asked.queued().await;
    asked.reading().await;
    asked.erasure().await;
    asked.assert_that_no_route_was_left_out();

    let mut used = Used::new();
    for (function, recorder) in &asked.recorders {
        let needed = recorder.take().iter().flat_map(needed).collect();
        used.insert((*function).to_owned(), needed);
    }
    // Of all functions, the one whose environment names the queue is led through this recorder.
    let sent: BTreeSet<Permission> = asked
        .queue_recorder
        .take()
        .iter()
        .flat_map(needed)
        .collect();
    assert_eq!(sent.is_empty(), mode == WriteMode::Direct);
    used.entry("cart-tracking".to_owned())
        .or_default()
        .extend(sent);
    used
}

impl Asked {
    async fn start(mode: WriteMode, functions: &BTreeMap<String, Function>) -> Self {
        let db = TestDb::start().await;
        let queue = TestQueue::start().await;
        let [_, (_, queue_url), _] = queue.settings();
        let queue_recorder = Recorder::start(queue_url).await;
        let (mut recorders, mut own_settings) = (BTreeMap::new(), BTreeMap::new());
        for (function, _) in MAINS {
            let recorder = Recorder::start(db.endpoint_url()).await;
            let mut own = vec![(
                "AWS_ENDPOINT_URL_DYNAMODB",
                recorder.endpoint_url().to_owned(),
            )];
            let queue = functions.get(function).and_then(|one| one.queue.as_ref());
            if let (Some(queue), WriteMode::Queue) = (queue, mode) {
                own.extend([
                    ("WRITE_MODE", mode.as_str().to_owned()),
                    (
                        "EVENT_QUEUE_URL",
                        format!("http://queue.example.com/{queue}"),
                    ),
                    (
                        "AWS_ENDPOINT_URL_SQS",
                        queue_recorder.endpoint_url().to_owned(),
                    ),
                ]);
            }
            recorders.insert(function, recorder);
            own_settings.insert(function, own);
        }
        let settings = [
            ("PUBLIC_INGEST", "all"),
            // Counted, and never reached.
            ("RATE_LIMIT_PER_MINUTE", "100000"),
            ("RATE_LIMIT_PER_HOUR", "100000"),
            ("HOLDOUT_PERCENT", "0"),
            // A model that is away: its call is taken out of the day's budget all the same.
            ("GROQ_API_KEY", "a-key-for-tests"),
            ("GROQ_BASE_URL", "http://127.0.0.1:9"),
        ];
        let shop = TestShop::start_each(db, Deployment::Lambda, &settings, &own_settings);
        let key = shop.create_key(&Scope::ALL, &["*"]).await;
        Self {
            shop,
            queue,
            key,
            recorders,
            queue_recorder,
            routes: Mutex::default(),
        }
    }

    /// What every function asks while it starts, beside its secrets.
    async fn warm_up(&self) {
        for (function, main) in MAINS {
            let table = match (
                main.contains("Table::CartEvents"),
                main.contains("Table::Sessions"),
            ) {
                (true, false) => Table::CartEvents,
                (false, true) => Table::Sessions,
                _ => panic!("{function} does not say which table it asks"),
            };
            let store = &self.shop.app_of(function).store;
            store.check(table).await.unwrap();
            store.find_disabled_groups().await.unwrap();
        }
    }

    /// Asks a route that needs no key.
    async fn post(&self, path: &str, body: &Value) -> TestAnswer {
        self.send(Request::post(path), body).await
    }

    /// Asks a route with the key.
    async fn get(&self, path: &str) -> u16 {
        let request = Request::get(path).header("x-api-key", self.key.expose());
        self.ask(request, &Value::Null).await.0
    }

    async fn send(&self, request: Builder, body: &Value) -> TestAnswer {
        let (status, json) = self.ask(request, body).await;
        TestAnswer {
            status,
            headers: Default::default(),
            json,
        }
    }

    /// Asks, and notes which route that was. Between two requests, what is remembered for seconds becomes old.
    async fn ask(&self, request: Builder, body: &Value) -> (u16, Value) {
        self.shop.pass_seconds(6);
        let body = match body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        let request = request.header("content-type", "application/json");
        let request = request.body(body).unwrap();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = self.shop.answer(request).await;
        let status = answer.status();
        if let Match::Found(route) = routes::find(&method, &path) {
            let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
            routes.insert((route.method, route.path, status.is_success()));
        }
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        assert!(status.as_u16() < 500, "{method} {path}: {status} {json}");
        (status.as_u16(), json)
    }

    /// Every route was answered with success, and refused whoever may be refused.
    fn assert_that_no_route_was_left_out(&self) {
        let asked = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = ROUTES.iter().flat_map(|route| {
            let refuses = (route.access != Access::Anyone).then_some(false);
            let answers = [Some(true), refuses].into_iter().flatten();
            answers.map(|success| (route.method, route.path, success))
        });
        let missing: Vec<_> = needed.filter(|one| !asked.contains(one)).collect();
        assert!(missing.is_empty(), "nobody asked {missing:?}");
    }

    /// Asks every route with a key that nobody made, and every route that anyone may ask.
    async fn ask_in_vain(&self) {
        for route in ROUTES {
            let path = route.path.replace("{session}", "s-1");
            let path = path.replace("{receiptId}", "r").replace("{requestId}", "r");
            let path = path
                .replace("{customerId}", "1")
                .replace("{storeName}", STORE);
            let file = if path.starts_with("/docs") {
                "swagger-ui.css"
            } else {
                "dashboard.css"
            };
            let path = path.replace("{file}", file);
            let method = Method::from_bytes(route.method.as_bytes()).unwrap();
            let nobody = ApiKey::new(1, [2, 3]);
            let request = Request::builder().method(method).uri(&path);
            let request = request.header("x-api-key", nobody.expose());
            let (status, _) = self.ask(request, &Value::Null).await;
            let is_open = route.access == Access::Anyone;
            assert_eq!(status < 300, is_open, "{path}: {status}");
        }
    }
}
