//! All functions behind the gateway, in this process, on a clock that the test sets.
#![expect(
    clippy::expect_used,
    reason = "a test that cannot ask or read an answer cannot go on"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, Response};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use shoptrail_domain::access::{ApiKey, Scope, Stores};
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_edge::config::{Deployment, event_queue_from_env};
use shoptrail_edge::metrics::Output;
use shoptrail_edge::{App, Clock, Config, event_queue};
use shoptrail_storage::{ApiKeyRecord, Store};

use super::{TestDb, audit};
use crate::demo;
use crate::gateway::{Gateway, GatewayOptions};
use crate::wiring::functions;

/// What API keys and erased persons are hashed with.
pub const HASH_PEPPER: &str = "a-pepper-for-tests";
/// What Shopify signs with; the secret of its published examples.
pub const SHOPIFY_API_SECRET: &str = "hush";
/// Where requests come from when a test does not say.
const PEER: [u8; 4] = [192, 0, 2, 1];
/// When it is when a test does not say: in the middle of an hour and of a minute.
const NOW: &str = "2026-11-21T12:30:20.500Z";

/// All functions behind the gateway on a database of their own.
#[derive(Debug)]
pub struct TestShop {
    db: TestDb,
    app: App,
    own_apps: BTreeMap<String, App>,
    gateway: Gateway,
    now: Arc<AtomicI64>,
    metrics: Mutex<Receiver<String>>,
}

/// Whatever the test was about, what was logged is searched.
impl Drop for TestShop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            audit::assert_own_log_is_impersonal();
            audit::assert_log_is_impersonal(&self.metric_lines());
        }
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct TestAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body where it is JSON, else `null`.
    pub json: Value,
}

impl TestAnswer {
    /// Seconds after which to try again; 0 where the answer does not say.
    #[must_use]
    pub fn retry_after(&self) -> u64 {
        let header = self.headers.get("retry-after");
        let text = header.and_then(|value| value.to_str().ok());
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

impl TestShop {
    /// Starts it with these settings, beside the secrets above.
    ///
    /// # Panics
    ///
    /// When a setting is malformed.
    pub async fn start(deployment: Deployment, settings: &[(&str, &str)]) -> Self {
        let db = TestDb::start().await;
        let endpoint = db.endpoint_url().to_owned();
        Self::start_at(db, &endpoint, deployment, settings)
    }

    /// The same, reaching its database through another endpoint, such as that of a proxy.
    ///
    /// # Panics
    ///
    /// When a setting is malformed.
    #[must_use]
    pub fn start_at(
        db: TestDb,
        endpoint_url: &str,
        deployment: Deployment,
        settings: &[(&str, &str)],
    ) -> Self {
        let way = [("AWS_ENDPOINT_URL_DYNAMODB", endpoint_url)];
        let settings: Vec<_> = way.iter().chain(settings).copied().collect();
        Self::start_each(db, deployment, &settings, &BTreeMap::new())
    }

    /// The same where functions, by the names of their binaries, have settings of their own that come before the
    /// others: each of these then shares nothing but the tables with the rest, as on AWS. `AWS_ENDPOINT_URL_DYNAMODB`
    /// among the settings is another way to the database.
    ///
    /// # Panics
    ///
    /// When a setting is malformed.
    #[must_use]
    pub fn start_each(
        db: TestDb,
        deployment: Deployment,
        settings: &[(&str, &str)],
        own_settings: &BTreeMap<&str, Vec<(&str, String)>>,
    ) -> Self {
        audit::watch_own_log();
        let (lines, metrics) = mpsc::channel();
        let now = Timestamp::parse_iso(NOW).expect("the time is one");
        let now = Arc::new(AtomicI64::new(now.as_millis()));
        let start = |own: &[(&str, String)]| {
            let lookup = |name: &str| {
                let known = [
                    ("HASH_PEPPER", HASH_PEPPER),
                    ("SHOPIFY_API_SECRET", SHOPIFY_API_SECRET),
                ];
                let own = own.iter().map(|(name, value)| (*name, value.as_str()));
                let mut all = own.chain(settings.iter().copied()).chain(known);
                all.find(|(key, _)| *key == name)
                    .map(|(_, value)| value.to_owned())
            };
            let mut config =
                Config::from_env(lookup, deployment).expect("the settings are well formed");
            config.metrics.output = Output::To(lines.clone());
            let clock = {
                let now = Arc::clone(&now);
                Clock::new(move || Timestamp::from_millis(now.load(Ordering::SeqCst)))
            };
            let mut database = db.store_config();
            database.endpoint_url = lookup("AWS_ENDPOINT_URL_DYNAMODB").or(database.endpoint_url);
            let queue = event_queue_from_env(lookup, config.write_mode);
            let queue = queue.expect("the settings name a queue where there is one");
            let queue = queue.map(|queue| event_queue::connect(&database, queue));
            let store = Store::connect(&database).with_event_queue(queue);
            App::with_clock(config, store, clock)
        };
        let app = start(&[]);
        let own_apps: BTreeMap<String, App> = own_settings
            .iter()
            .map(|(function, own)| ((*function).to_owned(), start(own)))
            .collect();
        let mut routers = functions(&app);
        for (function, router) in &mut routers {
            let own = own_apps.get(function).map(functions);
            if let Some(own) = own.and_then(|mut own| own.remove(function)) {
                *router = own;
            }
        }
        let gateway = Gateway::new(db.template(), &routers, GatewayOptions::default())
            .expect("the template's routes can be served")
            .with_demo(demo::router(app.clone()).expect("the demo shop's files are whole"));
        Self {
            db,
            app,
            own_apps,
            gateway,
            now,
            metrics: Mutex::new(metrics),
        }
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &TestDb {
        &self.db
    }

    /// What the functions share.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// What a function has for itself; what the functions share where it has no settings of its own.
    #[must_use]
    pub fn app_of(&self, function: &str) -> &App {
        self.own_apps.get(function).unwrap_or(&self.app)
    }

    /// The lines of metrics that were written since this was asked last.
    #[must_use]
    pub fn metric_lines(&self) -> String {
        // Nothing is left half done under this lock.
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.try_iter().collect()
    }

    /// The time that the functions see.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    /// Lets time pass.
    pub fn pass_seconds(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    /// Makes an API key.
    ///
    /// # Panics
    ///
    /// When the database does not take it.
    pub async fn create_key(&self, scopes: &[Scope], stores: &[&str]) -> ApiKey {
        let random = self.app.random.draw();
        let key = ApiKey::new(random as u64, [random, self.app.random.draw()]);
        let stores = if stores == ["*"] {
            Stores::All
        } else {
            let names = stores.iter().map(|name| StoreName::parse(name));
            Stores::These(names.collect::<Result<_, _>>().expect("stores are named"))
        };
        let scopes: BTreeSet<Scope> = scopes.iter().copied().collect();
        let pepper = self.app.store.pepper().expect("there is a pepper");
        let record = ApiKeyRecord::new(&key, pepper, "a test".into(), scopes, &stores, self.now());
        self.app
            .store
            .record_api_key(&record)
            .await
            .expect("the key is stored");
        key
    }

    /// A query that Shopify's app proxy has signed now, with these pairs in it.
    ///
    /// # Panics
    ///
    /// Never: HMAC takes a key of any length.
    #[must_use]
    pub fn signed_query(&self, shop: &str, pairs: &[(&str, &str)]) -> String {
        let timestamp = self.now().as_secs().to_string();
        let own = [
            ("shop", shop),
            ("path_prefix", "/apps/shoptrail"),
            ("timestamp", &timestamp),
        ];
        let pairs: Vec<_> = own.iter().chain(pairs).collect();
        let mut texts: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        texts.sort();
        let hmac = Hmac::<Sha256>::new_from_slice(SHOPIFY_API_SECRET.as_bytes());
        let hmac = hmac.expect("a key of any length will do");
        let signature = hmac.chain_update(texts.concat()).finalize().into_bytes();
        let encode = |text: &str| text.replace('/', "%2F");
        let mut query: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        query.push(format!("signature={}", hex::encode(signature)));
        query.join("&")
    }

    /// Posts JSON, without more.
    pub async fn post(&self, path: &str, body: &Value) -> TestAnswer {
        self.send(Request::post(path), body).await
    }

    /// Sends a request with JSON from [`PEER`].
    pub async fn send(&self, request: Builder, body: &Value) -> TestAnswer {
        self.send_from(PEER.into(), request, body).await
    }

    /// Sends a request as it stands from [`PEER`], and gives its answer as it comes.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        self.gateway.answer(PEER.into(), request).await
    }

    /// Sends a request with JSON.
    ///
    /// # Panics
    ///
    /// When the request is malformed, or something personal comes back.
    pub async fn send_from(&self, peer: IpAddr, request: Builder, body: &Value) -> TestAnswer {
        let body = match body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        let request = request
            .header("content-type", "application/json")
            .body(body)
            .expect("the request is well formed");
        let place = format!("{} {}", request.method(), request.uri().path());
        let answer = self.gateway.answer(peer, request).await;
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a whole answer");
        let answer = TestAnswer {
            status: head.status.as_u16(),
            json: serde_json::from_slice(&body).unwrap_or_default(),
            headers: head.headers,
        };
        audit::assert_answer_is_impersonal(&place, answer.status, &String::from_utf8_lossy(&body));
        answer
    }
}
