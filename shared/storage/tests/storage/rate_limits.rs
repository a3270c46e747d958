//! Limits are exact, whoever counts at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_local::testing::{Fault, FaultProxy, TestDb};
use shoptrail_storage::{Counted, Store, StoreConfig, WindowLimits};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::store;

const LIMITS: WindowLimits = WindowLimits {
    per_minute: 100,
    per_hour: 1_000,
};
/// Requests at the same time: with all of them at once, those behind would run into the limiter's time-out on a slow
/// machine, which is not what is tested.
const AT_ONCE: usize = 20;

/// So many ms into an hour.
fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_750_000_000_000 / 3_600_000 * 3_600_000 + ms)
}

fn denied(retry_after_seconds: u32, is_exhausted: bool) -> Counted {
    Counted::No {
        retry_after_seconds,
        is_exhausted,
    }
}

async fn count(store: &Store, client: &str, cost: u32, now: Timestamp) -> Counted {
    store.count_client(client, cost, LIMITS, now).await.unwrap()
}

/// How many of `requests`, made in parallel, are answered with `true`.
async fn passing<F, R>(requests: usize, request: F) -> usize
where
    F: Fn(usize) -> R,
    R: Future<Output = bool> + Send + 'static,
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
    answers.into_iter().filter(|passes| *passes).count()
}

async fn passing_clients(store: &Store, requests: usize, cost: u32, now: Timestamp) -> usize {
    passing(requests, |_| {
        let store = store.clone();
        async move { count(&store, "c", cost, now).await == Counted::Yes }
    })
    .await
}

#[tokio::test]
async fn exactly_as_many_pass_as_may() {
    let db = TestDb::start().await;
    let store = store(&db);
    assert_eq!(passing_clients(&store, 200, 1, at(17_250)).await, 100);
    assert_eq!(count(&store, "c", 1, at(17_250)).await, denied(43, true));
    assert_eq!(count(&store, "c", 1, at(59_999)).await, denied(1, true));
    assert_eq!(count(&store, "other", 1, at(17_250)).await, Counted::Yes);
    assert_eq!(passing_clients(&store, 120, 1, at(60_000)).await, 100);
}

#[tokio::test]
async fn the_hours_limit_holds_over_its_minutes() {
    let db = TestDb::start().await;
    let store = store(&db);
    for minute in 0..9 {
        assert_eq!(
            count(&store, "c", 100, at(minute * 60_000)).await,
            Counted::Yes
        );
    }
    let tenth = at(9 * 60_000);
    assert_eq!(count(&store, "c", 95, tenth).await, Counted::Yes);
    let eleventh = at(10 * 60_000 + 500);
    assert_eq!(count(&store, "c", 6, eleventh).await, denied(3_000, false));
    assert_eq!(count(&store, "c", 5, eleventh).await, Counted::Yes);
    assert_eq!(count(&store, "c", 1, eleventh).await, denied(3_000, true));
    assert_eq!(count(&store, "c", 1, at(3_599_999)).await, denied(1, true));
    assert_eq!(count(&store, "c", 1, at(3_600_000)).await, Counted::Yes);
}

#[tokio::test]
async fn a_batch_counts_what_it_holds() {
    let db = TestDb::start().await;
    let store = store(&db);
    assert_eq!(passing_clients(&store, 10, 30, at(0)).await, 3);
    assert_eq!(count(&store, "c", 11, at(0)).await, denied(60, false));
    assert_eq!(count(&store, "c", 10, at(0)).await, Counted::Yes);
    assert_eq!(count(&store, "c", 101, at(0)).await, denied(60, false));
    assert_eq!(count(&store, "c", 1_001, at(0)).await, denied(3_600, false));
    assert_eq!(count(&store, "c", 0, at(0)).await, Counted::Yes);
}

#[tokio::test]
async fn a_client_has_one_item_an_hour_that_expires() {
    let db = TestDb::start().await;
    let store = store(&db);
    for ms in [0, 1, 60_000, 3_599_999] {
        count(&store, "c", 2, at(ms)).await;
    }
    let items = db.client().scan().table_name("rate_limits").send().await;
    let items = items.unwrap().items.unwrap();
    assert_eq!(items.len(), 1);
    let hour = at(0).as_secs() / 3_600;
    let number = |number: i64| Some(AttributeValue::N(number.to_string()));
    let of = |attribute: &str| items[0].get(attribute).cloned();
    assert_eq!(
        of("counted"),
        Some(AttributeValue::S(format!("client#c#{hour}")))
    );
    assert_eq!(of("hour"), number(8));
    assert_eq!(
        (of("m00"), of("m01"), of("m59")),
        (number(4), number(2), number(2))
    );
    assert_eq!(of("expires_at"), number((hour + 2) * 3_600));
}

#[tokio::test]
async fn a_limit_per_minute_counts_alone() {
    let db = TestDb::start().await;
    let store = store(&db);
    let passing = passing(60, |_| {
        let store = store.clone();
        async move { store.count_minute("key#k", 1, 30, at(500)).await.unwrap() == Counted::Yes }
    });
    assert_eq!(passing.await, 30);
    let count = |who, ms| store.count_minute(who, 1, 30, at(ms));
    assert_eq!(count("key#k", 500).await.unwrap(), denied(60, true));
    assert_eq!(count("key#other", 500).await.unwrap(), Counted::Yes);
    assert_eq!(count("store#k", 500).await.unwrap(), Counted::Yes);
    assert_eq!(count("key#k", 60_000).await.unwrap(), Counted::Yes);
}

fn shop(name: &str) -> StoreName {
    StoreName::parse(name).unwrap()
}

/// How many of `calls` of a store, asked for in parallel, are reserved.
async fn reserved(store: &Store, shop: Option<StoreName>, calls: usize, now: Timestamp) -> usize {
    passing(calls, |_| {
        let (store, shop) = (store.clone(), shop.clone());
        async move {
            store
                .reserve_model_call(shop.as_ref(), 20, 50, now)
                .await
                .unwrap()
                .is_reserved
        }
    })
    .await
}

#[tokio::test]
async fn the_models_budgets_are_exact() {
    let db = TestDb::start().await;
    let store = store(&db);
    assert_eq!(reserved(&store, Some(shop("a")), 60, at(0)).await, 20);
    let (b, none) = tokio::join!(
        reserved(&store, Some(shop("b")), 30, at(0)),
        reserved(&store, None, 30, at(0))
    );
    // Of the 50 of all, 30 were left: what store a was denied did not count against the others.
    assert_eq!(b + none, 30);
    assert!(b <= 20 && none <= 20, "{b} and {none}");
    assert_eq!(reserved(&store, Some(shop("c")), 1, at(0)).await, 0);
    let tomorrow = at(0).plus_days(1);
    assert_eq!(reserved(&store, Some(shop("a")), 30, tomorrow).await, 20);
}

#[tokio::test]
async fn what_needs_no_counting_is_not_asked_and_what_fails_fails_soon() {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let store = Store::connect(&StoreConfig {
        endpoint_url: Some(proxy.endpoint_url().into()),
        ..db.store_config()
    });
    for fault in [Fault::Refuse, Fault::Hang] {
        proxy.set(fault).await;
        let started = Instant::now();
        let (client, key, call) = tokio::join!(
            store.count_client("c", 1, LIMITS, at(0)),
            store.count_minute("key#k", 1, 30, at(0)),
            store.reserve_model_call(None, 20, 50, at(0)),
        );
        for error in [client.unwrap_err(), key.unwrap_err(), call.unwrap_err()] {
            assert!(error.is_unavailable(), "{fault:?}: {error}");
        }
        let elapsed = started.elapsed();
        assert!(
            elapsed < Duration::from_millis(1_200),
            "{fault:?}: {elapsed:?}"
        );
    }
    let off = WindowLimits {
        per_minute: 0,
        per_hour: 0,
    };
    let unlimited = store.count_client("c", 1, off, at(0)).await;
    assert_eq!(unlimited.unwrap(), Counted::Yes);
    let unlimited = store.count_minute("key#k", 1, 0, at(0)).await;
    assert_eq!(unlimited.unwrap(), Counted::Yes);
    for (per_store, in_all) in [(0, 50), (20, 0)] {
        let call = store.reserve_model_call(None, per_store, in_all, at(0));
        let call = call.await.unwrap();
        assert_eq!((call.is_reserved, call.budget_used_percent), (false, 0));
    }
}

#[tokio::test]
async fn a_call_tells_how_much_of_the_nearer_budget_is_used() {
    let db = TestDb::start().await;
    let (store, shop) = (store(&db), shop("my-store"));
    let mut told = Vec::new();
    for (shop, per_store, in_all) in [
        (Some(&shop), 4, 100),
        (Some(&shop), 4, 100),
        (None, 100, 3),
        (None, 100, 3),
    ] {
        let call = store.reserve_model_call(shop, per_store, in_all, at(0));
        let call = call.await.unwrap();
        told.push((call.is_reserved, call.budget_used_percent));
    }
    assert_eq!(told, [(true, 25), (true, 50), (true, 100), (false, 100)]);
}

#[tokio::test]
async fn a_lost_answer_lets_nothing_more_pass() {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let proxied = Store::connect(&StoreConfig {
        endpoint_url: Some(proxy.endpoint_url().into()),
        ..db.store_config()
    });
    proxy.set(Fault::LoseAnswer).await;
    assert!(proxied.count_client("c", 10, LIMITS, at(0)).await.is_err());
    assert!(passing_clients(&store(&db), 200, 1, at(0)).await <= 90);
}
