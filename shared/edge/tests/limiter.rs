//! The limiter on the real engine, with a table that works and one that fails.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_edge::{ApiError, Limiter, OnFailure, Requests};
use shoptrail_local::testing::{Fault, FaultProxy, TestDb};
use shoptrail_storage::{Pepper, Store, StoreConfig, WindowLimits};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const LIMITS: WindowLimits = WindowLimits {
    per_minute: 100,
    per_hour: 1_000,
};
const CLIENT: &str = "203.0.113.7";
/// Requests at the same time: fewer than would run into the limiter's time-out on a slow machine.
const AT_ONCE: usize = 20;

/// So many ms into an hour.
fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_750_000_000_000 / 3_600_000 * 3_600_000 + ms)
}

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

fn shop() -> StoreName {
    StoreName::parse("my-store").unwrap()
}

fn store(db: &TestDb) -> Store {
    Store::connect(&db.store_config())
}

async fn proxied(db: &TestDb) -> (FaultProxy, Store) {
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let store = Store::connect(&StoreConfig {
        endpoint_url: Some(proxy.endpoint_url().into()),
        ..db.store_config()
    });
    (proxy, store)
}

/// Requests that are refused when the table fails.
fn requests(count: u32, now: Timestamp) -> Requests {
    Requests {
        count,
        on_failure: OnFailure::Refuse,
        now,
    }
}

/// A process with its limiter.
#[derive(Clone)]
struct Process {
    limiter: Arc<Limiter>,
    store: Store,
}

impl Process {
    fn new(store: Store) -> Self {
        Self {
            limiter: Arc::new(Limiter::new()),
            store,
        }
    }

    async fn client(&self, text: &str, cost: u32, now: Timestamp) -> Result<(), ApiError> {
        self.client_or(text, cost, OnFailure::Refuse, now).await
    }

    async fn client_or(
        &self,
        text: &str,
        cost: u32,
        on_failure: OnFailure,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        self.limiter
            .count_client(
                &self.store,
                address(text),
                LIMITS,
                Requests {
                    count: cost,
                    on_failure,
                    now,
                },
            )
            .await
    }

    async fn shop(&self, cost: u32, per_minute: u32, now: Timestamp) -> Result<(), ApiError> {
        self.limiter
            .count_store(&self.store, &shop(), per_minute, requests(cost, now))
            .await
    }
}

/// How many of `requests`, made in parallel, pass. All others must be denied by a limit.
async fn passing<F, R>(requests: usize, request: F) -> usize
where
    F: Fn(usize) -> R,
    R: Future<Output = Result<(), ApiError>> + Send + 'static,
{
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for number in 0..requests {
        let (request, turns) = (request(number), Arc::clone(&turns));
        running.spawn(async move {
            let _turn = turns.acquire_owned().await.unwrap();
            request.await
        });
    }
    let answers = running.join_all().await;
    for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(matches!(error, ApiError::RateLimited { .. }), "{error}");
    }
    answers.iter().filter(|answer| answer.is_ok()).count()
}

fn retry_after(answer: Result<(), ApiError>) -> Option<u32> {
    match answer {
        Err(ApiError::RateLimited {
            retry_after_seconds,
        }) => Some(retry_after_seconds),
        _ => None,
    }
}

#[tokio::test]
async fn exactly_as_many_pass_over_all_processes() {
    let db = TestDb::start().await;
    let processes = [Process::new(store(&db)), Process::new(store(&db))];
    let passing = passing(240, |number| {
        let process = processes[number % 2].clone();
        async move { process.client(CLIENT, 1, at(17_250)).await }
    });
    assert_eq!(passing.await, 100);
    for process in &processes {
        let again = process.client(CLIENT, 1, at(17_250)).await;
        assert_eq!(retry_after(again), Some(43));
        assert!(process.client("203.0.113.8", 1, at(17_250)).await.is_ok());
        assert!(process.client(CLIENT, 1, at(60_000)).await.is_ok());
    }
}

#[tokio::test]
async fn a_network_of_ipv6_is_one_client() {
    let db = TestDb::start().await;
    let process = Process::new(store(&db));
    let count = |text: &'static str, cost| process.client(text, cost, at(0));
    assert!(count("2001:db8:1:2::1", 60).await.is_ok());
    assert_eq!(
        retry_after(count("2001:db8:1:2:ffff::1", 60).await),
        Some(60)
    );
    assert!(count("2001:db8:1:2:ffff::2", 40).await.is_ok());
    assert!(count("2001:db8:1:3::1", 60).await.is_ok());
    assert!(count("203.0.113.7", 60).await.is_ok());
    assert_eq!(retry_after(count("::ffff:203.0.113.7", 60).await), Some(60));
    assert!(count("203.0.113.8", 60).await.is_ok());
    for _ in 0..2 {
        let unknown =
            process
                .limiter
                .count_client(&process.store, None, LIMITS, requests(50, at(0)));
        assert!(unknown.await.is_ok());
    }
}

#[tokio::test]
async fn the_table_holds_no_address() {
    let db = TestDb::start().await;
    let pepper = Pepper::new("a pepper of some length");
    for store in [store(&db), store(&db).with_pepper(pepper)] {
        let process = Process::new(store);
        process.client(CLIENT, 1, at(0)).await.unwrap();
    }
    let items = db.client().scan().table_name("rate_limits").send().await;
    let items = items.unwrap().items.unwrap();
    assert_eq!(items.len(), 2, "the pepper makes another name");
    assert!(!format!("{items:?}").contains("203.0"));
}

#[tokio::test]
async fn a_key_has_a_limit_of_its_own() {
    let db = TestDb::start().await;
    let process = Process::new(store(&db));
    let key = |id, cost| {
        process
            .limiter
            .count_key(&process.store, id, 10, requests(cost, at(1_000)))
    };
    assert!(key("one", 10).await.is_ok());
    assert_eq!(retry_after(key("one", 1).await), Some(59));
    assert!(key("two", 1).await.is_ok());
}

#[tokio::test]
async fn a_stores_ceiling_holds_over_all_processes() {
    let db = TestDb::start().await;
    let processes = [Process::new(store(&db)), Process::new(store(&db))];
    // A low ceiling is exact.
    let exact = passing(120, |number| {
        let process = processes[number % 2].clone();
        async move { process.shop(1, 50, at(0)).await }
    });
    assert_eq!(exact.await, 50);

    // A high one is counted ahead, and what is left at its end one by one.
    let now = at(60_000);
    let mut passed = 0;
    for number in 0..1_500 {
        if processes[number % 2].shop(1, 1_000, now).await.is_ok() {
            passed += 1;
        }
    }
    assert_eq!(passed, 1_000);
    for process in &processes {
        assert_eq!(retry_after(process.shop(1, 1_000, now).await), Some(60));
        assert!(process.shop(1, 1_000, at(120_000)).await.is_ok());
    }
}

#[tokio::test]
async fn a_stores_requests_do_not_each_ask_the_table() {
    let db = TestDb::start().await;
    let (proxy, store) = proxied(&db).await;
    let process = Process::new(store);
    for _ in 0..128 {
        process.shop(1, 6_000, at(0)).await.unwrap();
    }
    // 64 were passed or counted ahead by leases that doubled, and then 60 by 60.
    proxy.set(Fault::Refuse).await;
    let mut ahead = 0;
    while process.shop(1, 6_000, at(0)).await.is_ok() {
        ahead += 1;
    }
    assert!((1..=60).contains(&ahead), "{ahead}");
}

/// Whoever asked the table now would be refused with 503, and not denied with 429.
#[tokio::test]
async fn a_flood_of_denied_requests_asks_the_table_nothing() {
    let db = TestDb::start().await;
    let (proxy, store) = proxied(&db).await;
    // Another process has used up what this one did not see.
    let other = Process::new(Store::connect(&db.store_config()));
    other.client(CLIENT, 100, at(0)).await.unwrap();
    other.shop(100, 100, at(0)).await.unwrap();
    let process = Process::new(store);
    assert_eq!(
        retry_after(process.client(CLIENT, 1, at(0)).await),
        Some(60)
    );
    assert_eq!(retry_after(process.shop(1, 100, at(0)).await), Some(60));
    proxy.set(Fault::Refuse).await;
    for ms in 0..1_000 {
        let denied = process.client(CLIENT, 1, at(ms * 59)).await;
        assert!(retry_after(denied).is_some());
        let denied = process.shop(1, 100, at(ms * 59)).await;
        assert!(retry_after(denied).is_some());
    }
    assert_eq!(
        retry_after(process.client(CLIENT, 1, at(59_001)).await),
        Some(1)
    );
    assert_unavailable(process.client(CLIENT, 1, at(60_000)).await);
    proxy.set(Fault::Pass).await;
    assert!(process.client(CLIENT, 1, at(60_000)).await.is_ok());
}

fn assert_unavailable(answer: Result<(), ApiError>) {
    let error = answer.unwrap_err();
    let answer = error.to_response("request-1", false);
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{error}");
    assert!(answer.headers().contains_key(RETRY_AFTER));
}

#[tokio::test]
async fn where_the_table_fails_the_process_counts_alone() {
    let db = TestDb::start().await;
    let (proxy, store) = proxied(&db).await;
    let process = Process::new(store);
    for _ in 0..10 {
        process.client(CLIENT, 1, at(0)).await.unwrap();
    }
    proxy.set(Fault::Hang).await;
    let started = Instant::now();
    let (mut passed, mut denied) = (0, 0);
    for _ in 0..200 {
        match process.client_or(CLIENT, 1, OnFailure::GoOn, at(0)).await {
            Ok(()) => passed += 1,
            Err(error) => denied += u32::from(matches!(error, ApiError::RateLimited { .. })),
        }
    }
    // What had passed before the table failed is still known.
    assert_eq!((passed, denied), (90, 110));
    // One request found out, and the others did not wait.
    let elapsed = started.elapsed();
    assert!(elapsed < Duration::from_millis(1_200), "{elapsed:?}");

    // Who must not go on is refused, and asks each time.
    let other = "203.0.113.8";
    assert_unavailable(process.client(other, 1, at(0)).await);
    proxy.set(Fault::Pass).await;
    assert!(process.client(other, 100, at(0)).await.is_ok());
    // Some seconds later the table is asked again.
    let (third, later) = ("203.0.113.9", at(5_000));
    let elsewhere = Process::new(Store::connect(&db.store_config()));
    elsewhere.client(third, 100, later).await.unwrap();
    let asked = process.client_or(third, 1, OnFailure::GoOn, later).await;
    assert_eq!(retry_after(asked), Some(55));
}

#[tokio::test]
async fn what_is_not_limited_is_not_asked_about() {
    let db = TestDb::start().await;
    let (proxy, store) = proxied(&db).await;
    proxy.set(Fault::Refuse).await;
    let (limiter, nine) = (Limiter::new(), requests(9, at(0)));
    let off = WindowLimits {
        per_minute: 0,
        per_hour: 0,
    };
    let client = limiter.count_client(&store, address(CLIENT), off, nine);
    assert!(client.await.is_ok());
    let key = limiter.count_key(&store, "k", 0, nine);
    assert!(key.await.is_ok());
    let shop = shop();
    let of_store = limiter.count_store(&store, &shop, 0, nine);
    assert!(of_store.await.is_ok());
    let free = limiter.count_client(&store, address(CLIENT), LIMITS, requests(0, at(0)));
    assert!(free.await.is_ok());
}
