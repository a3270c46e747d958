//! Erasures and data requests, on the real tables and indexes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shoptrail_domain::Timestamp;
use shoptrail_domain::privacy::ErasureMode;
use shoptrail_domain::refusal::Refusal;
use shoptrail_local::testing::{Fault, FaultProxy, TestDb};
use shoptrail_storage::{
    Erased, PrivacyJobKind, PrivacyJobStatus, PrivacyTask, Store, StoreConfig,
};

use crate::support::{
    DAYS, JANE, JANES, all_items, browse, cart_event, create, decide, erase, jane, my_store, now,
    person, put_image, put_many, random, run_to_end, seed, store, track,
};

#[tokio::test]
async fn an_erased_customer_is_in_no_table_and_no_index() {
    let db = TestDb::start().await;
    seed(&db).await;
    let store = store(&db);
    erase(&store, "job", &jane(), ErasureMode::Delete).await;
    assert_eq!(store.list_open_privacy_jobs().await.unwrap(), ["job"]);
    let job = run_to_end(&store, "job").await;
    assert_eq!(job.erased, JANES);
    assert_eq!(
        (job.kind, job.mode, job.done_at.is_some()),
        (
            PrivacyJobKind::EraseCustomer,
            Some(ErasureMode::Delete),
            true
        )
    );
    let items = all_items(&db).await;
    for trace in [
        JANE,
        "\"909\"",
        "tracked-1",
        "a widget's",
        "jane",
        "canary",
        "image-1",
    ] {
        assert!(!items.contains(trace), "{trace} is left in {items}");
    }
    for trace in ["joe@example.com", "tracked-2", "key-3-joe", "image-4"] {
        assert!(items.contains(trace), "{trace} is gone");
    }
    assert!(store.list_open_privacy_jobs().await.unwrap().is_empty());
    // A worker that is called once more finds nothing to do.
    assert_eq!(run_to_end(&store, "job").await, job);
}

#[tokio::test]
async fn anonymous_events_are_counted_and_say_no_more_whose_they_were() {
    /// How many events there are of each store, day and session, the sessions' names left out.
    async fn groups(db: &TestDb) -> Vec<(String, usize)> {
        let mut groups = BTreeMap::<_, usize>::new();
        for table in ["cart_tracking_events", "image_generations"] {
            let found = db.client().scan().table_name(table).send().await.unwrap();
            for item in found.items.unwrap() {
                let text = |name| {
                    item.get(name)
                        .map(|value: &AttributeValue| value.as_s().unwrap().clone())
                };
                let Some(store) = text("store_name") else {
                    continue;
                };
                let day = text("created_at").unwrap()[..10].to_owned();
                *groups
                    .entry((table, store + &day, text("session_id")))
                    .or_default() += 1;
            }
        }
        let groups = groups.into_iter().map(|((table, store, session), count)| {
            (format!("{table} {store} {}", session.is_some()), count)
        });
        let mut groups: Vec<_> = groups.collect();
        groups.sort();
        groups
    }
    let db = TestDb::start().await;
    seed(&db).await;
    let before = groups(&db).await;
    erase(&store(&db), "job", &jane(), ErasureMode::Anonymize).await;
    let job = run_to_end(&store(&db), "job").await;
    assert_eq!(job.erased, JANES);
    assert_eq!(groups(&db).await, before);
    let items = all_items(&db).await;
    for trace in [
        JANE,
        "\"909\"",
        "tracked-1",
        "a widget's",
        "jane",
        "canary",
        "salt",
    ] {
        assert!(!items.contains(trace), "{trace} is left in {items}");
    }
}

#[tokio::test]
async fn a_person_is_erased_in_one_store_alone() {
    let db = TestDb::start().await;
    let store = store(&db);
    for name in ["my-store", "other"] {
        let event = json!({ "storeName": name, "customerEmail": JANE, "customerId": 909, "sessionId": "shared" });
        track(&store, &cart_event(event)).await.unwrap();
    }
    browse(&db, "shared", json!("other")).await;
    decide(&db, "shared", Some("other.myshopify.com")).await;
    let mut whole = jane();
    whole.session_id = person(json!({ "sessionId": "shared" })).session_id;
    erase(&store, "job", &whole, ErasureMode::Delete).await;
    let job = run_to_end(&store, "job").await;
    assert_eq!(
        job.erased,
        Erased {
            cart_events: 1,
            ..Erased::default()
        },
        "the session and its decisions are the other store's"
    );
    let events = db.client().scan().table_name("cart_tracking_events");
    let events = events.send().await.unwrap().items.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(
        events[0]["store_name"].as_s().unwrap(),
        "other.myshopify.com"
    );
    // The other store's session goes on.
    browse(&db, "shared", json!("other")).await;
    let session = shoptrail_domain::session::SessionId::parse("shared").unwrap();
    assert!(store.find_session(&session, now()).await.unwrap().is_some());
    let listed = store.list_decisions(&session, 9, now()).await.unwrap();
    assert_eq!(listed.decisions.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_events_are_erased_in_several_runs_and_counted_exactly() {
    let db = TestDb::start().await;
    put_many(&db, 10_100).await;
    let store = store(&db);
    erase(
        &store,
        "job",
        &person(json!({ "customerEmail": JANE })),
        ErasureMode::Delete,
    )
    .await;
    let began = Instant::now();
    let clock = || now().plus_millis(i64::try_from(began.elapsed().as_millis()).unwrap());
    let mut runs = 0;
    let job = loop {
        runs += 1;
        let run = store.run_privacy_job("job", &clock, &random, Duration::from_secs(2));
        let job = run.await.unwrap().unwrap();
        if job.status == PrivacyJobStatus::Done {
            break job;
        }
    };
    assert!(runs > 1);
    assert_eq!((job.erased.cart_events, job.erased.other), (9_999, 9_999));
    let left = db.client().scan().table_name("cart_tracking_events");
    assert_eq!(left.send().await.unwrap().count, 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_breaks_off_is_taken_up_again() {
    let db = TestDb::start().await;
    put_many(&db, 1_000).await;
    let store = store(&db);
    erase(
        &store,
        "job",
        &person(json!({ "customerEmail": JANE })),
        ErasureMode::Delete,
    )
    .await;
    let clock = || now();
    let run = store.run_privacy_job("job", &clock, &random, Duration::from_secs(9));
    assert!(
        tokio::time::timeout(Duration::from_millis(150), run)
            .await
            .is_err()
    );
    // As long as the lease holds, nobody else takes the job.
    let run = store.run_privacy_job("job", &clock, &random, Duration::from_secs(9));
    let held = run.await.unwrap().unwrap();
    assert_eq!(held.status, PrivacyJobStatus::Running);
    let after = AtomicI64::new(0);
    let clock = || now().plus_millis(60_000 + after.fetch_add(3_000, Ordering::Relaxed));
    // Without any patience, every run takes one step.
    let mut runs = 0;
    loop {
        let run = store.run_privacy_job("job", &clock, &random, Duration::ZERO);
        runs += 1;
        if run.await.unwrap().unwrap().status == PrivacyJobStatus::Done {
            break;
        }
    }
    assert!(runs > 5, "{runs}");
    let items = all_items(&db).await;
    assert!(!items.contains(JANE) && items.contains("joe@example.com"));
}

/// An erasure whose database is away, and then loses an answer in every run, one step each: it is done all the same,
/// and counts nothing twice.
#[tokio::test]
async fn faults_neither_end_an_erasure_nor_count_twice() {
    let db = TestDb::start().await;
    seed(&db).await;
    erase(&store(&db), "job", &jane(), ErasureMode::Delete).await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let config = StoreConfig {
        endpoint_url: Some(proxy.endpoint_url().into()),
        ..db.store_config()
    };
    let pepper = store(&db).pepper().cloned();
    let proxied = Store::connect(&config).with_pepper(pepper);
    let passed = AtomicI64::new(3_000);
    let clock = || now().plus_millis(passed.fetch_add(3_000, Ordering::Relaxed));
    proxy.set(Fault::Throttle).await;
    let run = proxied.run_privacy_job("job", &clock, &random, Duration::ZERO);
    assert!(run.await.unwrap_err().is_unavailable());
    let job = loop {
        proxy.set(Fault::LoseFirstWrite).await;
        let run = proxied.run_privacy_job("job", &clock, &random, Duration::ZERO);
        let job = run.await.unwrap().unwrap();
        if job.status == PrivacyJobStatus::Done {
            break job;
        }
    };
    assert_eq!(job.erased, JANES);
    assert!(!all_items(&db).await.contains(JANE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_deleted_while_it_runs_ends() {
    let db = TestDb::start().await;
    put_many(&db, 1_000).await;
    let store = store(&db);
    let task = PrivacyTask::ExportCustomer { person: jane() };
    create(&store, "request", &task, now()).await;
    let worker = store.clone();
    let run = tokio::spawn(async move {
        let clock = || now();
        let run = worker.run_privacy_job("request", &clock, &random, Duration::from_secs(9));
        run.await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(150)).await;
    erase(&store, "job", &jane(), ErasureMode::Delete).await;
    run_to_end(&store, "job").await;
    assert!(run.await.unwrap().is_none(), "it was not done before");
    let items = all_items(&db).await;
    assert!(!items.contains(JANE) && !items.contains("part#"));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_during_an_erasure_leave_nothing_behind() {
    let db = TestDb::start().await;
    let writers: Vec<_> = (0..6)
        .map(|writer| {
            let store = store(&db);
            tokio::spawn(async move {
                for number in 0..60 {
                    let mut event = json!({ "eventId": format!("key-{writer}-{number:05}") });
                    let (name, value) = [
                        ("customerEmail", JANE),
                        ("customerId", "909"),
                        ("sessionId", "shared"),
                    ][number % 3];
                    event[name] = json!(value);
                    let event = cart_event(event);
                    store
                        .record_cart_event(&event, now(), DAYS, random)
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let store = store(&db);
    let mut whole = jane();
    whole.session_id = person(json!({ "sessionId": "shared" })).session_id;
    erase(&store, "job", &whole, ErasureMode::Delete).await;
    run_to_end(&store, "job").await;
    for writer in writers {
        writer.await.unwrap();
    }
    let left = db.client().scan().table_name("cart_tracking_events");
    assert_eq!(left.send().await.unwrap().count, 0);
}

#[tokio::test]
async fn a_shop_is_erased_with_all_that_belongs_to_it() {
    let db = TestDb::start().await;
    seed(&db).await;
    let store = store(&db);
    browse(&db, "bound-only", json!("my-store")).await;
    let elsewhere = json!({ "storeName": "other", "customerEmail": "ann@example.com", "sessionId": "tracked-3" });
    track(&store, &cart_event(elsewhere)).await.unwrap();
    browse(&db, "tracked-3", json!("other")).await;
    let refusals = [(Refusal::Invalid, 3)].into();
    for name in [my_store().as_str(), "other.myshopify.com"] {
        store
            .add_refusals(name, &refusals, now(), DAYS)
            .await
            .unwrap();
    }
    let task = PrivacyTask::ExportCustomer { person: jane() };
    create(&store, "request", &task, now()).await;
    run_to_end(&store, "request").await;
    erase(&store, "unfinished", &jane(), ErasureMode::Delete).await;

    create(
        &store,
        "shop",
        &PrivacyTask::EraseShop,
        now().plus_millis(1),
    )
    .await;
    let job = run_to_end(&store, "shop").await;
    let Erased {
        cart_events,
        image_generations,
        sessions,
        decisions,
        other,
    } = job.erased;
    assert_eq!(
        (cart_events, image_generations, sessions, decisions),
        (6, 4, 3, 2)
    );
    assert!(
        other >= 7,
        "4 keys, a request with its parts, an erasure and a day: {other}"
    );
    let items = all_items(&db).await;
    for trace in [
        JANE,
        "joe@example.com",
        "tracked-1",
        "tracked-2",
        "bound-only",
        "request",
        "unfinished",
    ] {
        assert!(!items.contains(trace), "{trace} is left in {items}");
    }
    assert_eq!(
        items.matches("my-store").count(),
        items.matches("\"my-store.myshopify.com\"").count()
    );
    for trace in ["ann@example.com", "tracked-3"] {
        assert!(items.contains(trace), "{trace} is gone");
    }
    let refused = |name: &'static str| store.list_refusals(name, "2000-01-01", "2100-01-01", now());
    assert!(refused("my-store.myshopify.com").await.unwrap().is_empty());
    assert_eq!(refused("other.myshopify.com").await.unwrap().len(), 1);
}

async fn exported(store: &Store, id: &str) -> Vec<Value> {
    let (mut records, mut cursor) = (Vec::new(), None);
    loop {
        let page = store
            .list_exported(id, cursor.as_deref(), now())
            .await
            .unwrap();
        records.extend(
            page.records
                .iter()
                .map(|record| serde_json::from_str::<Value>(record).unwrap()),
        );
        cursor = page.next_cursor;
        if cursor.is_none() {
            return records;
        }
    }
}

#[tokio::test]
async fn a_data_request_gathers_everything_once() {
    let db = TestDb::start().await;
    seed(&db).await;
    let store = store(&db);
    let before = all_items(&db).await;
    create(
        &store,
        "request",
        &PrivacyTask::ExportCustomer { person: jane() },
        now(),
    )
    .await;
    let job = run_to_end(&store, "request").await;
    assert_eq!(
        (job.kind, job.erased),
        (PrivacyJobKind::ExportCustomer, Erased::default())
    );
    let records = exported(&store, "request").await;
    let mut kinds = BTreeMap::<_, usize>::new();
    for record in &records {
        *kinds.entry(record["kind"].as_str().unwrap()).or_default() += 1;
    }
    let expected = [
        ("cart_event", 5),
        ("decision", 1),
        ("image_generation", 3),
        ("session", 1),
        ("session_event", 1),
    ];
    assert_eq!(kinds, expected.into());
    let find = |kind: &str| {
        records
            .iter()
            .find(|record| record["kind"] == kind)
            .unwrap()
    };
    let (session, event) = (find("session"), find("session_event"));
    assert_eq!(
        (
            &session["session"],
            &session["itemsInCart"],
            &session["timeOnPage"]["/cart"]
        ),
        (&json!("tracked-1"), &json!(2), &json!(5))
    );
    assert_eq!(
        (&event["page"], &event["event"]["type"]),
        (&json!("/cart"), &json!("view"))
    );
    assert!(
        records
            .iter()
            .any(|record| record["customerFirstName"] == "canary-first"
                && record["createdAt"] == now().to_iso())
    );

    // It erases nothing, and the receipt does not say whom it was about.
    let after = all_items(&db).await;
    assert_eq!(after.matches(JANE).count(), before.matches(JANE).count());
    let listed = store
        .list_data_requests(&my_store(), 10, now())
        .await
        .unwrap();
    assert_eq!(listed, [job]);
    let later = now().plus_days(31);
    let page = store.list_exported("request", None, later).await.unwrap();
    assert!(page.records.is_empty() && page.next_cursor.is_none());
}

#[tokio::test]
async fn a_large_result_comes_in_pages_and_in_runs_without_patience() {
    let db = TestDb::start().await;
    put_many(&db, 1_000).await;
    let store = store(&db);
    let filler = "x".repeat(60_000);
    for number in 0..120 {
        put_image(
            &db,
            &format!("image-{number:03}"),
            json!({ "customer_email": JANE, "status": filler }),
        )
        .await;
    }
    let task = PrivacyTask::ExportCustomer { person: jane() };
    create(&store, "request", &task, now()).await;
    while {
        let clock = || now();
        let run = store.run_privacy_job("request", &clock, &random, Duration::ZERO);
        run.await.unwrap().unwrap().status == PrivacyJobStatus::Running
    } {}
    let first = store.list_exported("request", None, now()).await.unwrap();
    let bytes: usize = first.records.iter().map(String::len).sum();
    assert!(bytes <= 4_000_000 && first.next_cursor.is_some(), "{bytes}");
    let mut ids: Vec<_> = exported(&store, "request")
        .await
        .iter()
        .map(|record| record["id"].to_string())
        .collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((all, ids.len()), (990 + 120, 990 + 120));
}

#[tokio::test]
async fn an_erasure_takes_what_data_requests_have_gathered() {
    let db = TestDb::start().await;
    seed(&db).await;
    let store = store(&db);
    let by_id = person(json!({ "customerId": 909 }));
    let joe = person(json!({ "customerId": 8 }));
    for (id, person) in [("done", by_id.clone()), ("joe", joe)] {
        create(&store, id, &PrivacyTask::ExportCustomer { person }, now()).await;
        run_to_end(&store, id).await;
    }
    create(
        &store,
        "unfinished",
        &PrivacyTask::ExportCustomer { person: by_id },
        now(),
    )
    .await;
    assert!(!exported(&store, "done").await.is_empty());
    erase(&store, "job", &jane(), ErasureMode::Delete).await;
    run_to_end(&store, "job").await;
    assert!(exported(&store, "done").await.is_empty());
    assert!(!exported(&store, "joe").await.is_empty());
    assert!(
        store
            .find_privacy_job("unfinished", now())
            .await
            .unwrap()
            .is_none()
    );
    let listed = store
        .list_data_requests(&my_store(), 10, now())
        .await
        .unwrap();
    assert_eq!(listed.len(), 2, "the receipts stay");
    assert_eq!(
        store
            .list_data_requests(&my_store(), 1, now())
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_job_is_taken_on_once() {
    let db = TestDb::start().await;
    let store = store(&db);
    let task = PrivacyTask::EraseCustomer {
        person: jane(),
        mode: ErasureMode::Delete,
    };
    let create = |now: Timestamp| {
        let (store, task) = (store.clone(), task.clone());
        async move {
            store
                .create_privacy_job("job", &my_store(), &task, DAYS, now)
                .await
                .unwrap()
        }
    };
    assert!(create(now()).await);
    assert!(!create(now().plus_millis(5)).await);
    run_to_end(&store, "job").await;
    assert!(!create(now()).await, "not even when it is done");
    assert!(
        store
            .find_privacy_job("none", now())
            .await
            .unwrap()
            .is_none()
    );
    let clock = || now();
    let run = store.run_privacy_job("none", &clock, &random, Duration::ZERO);
    assert!(run.await.unwrap().is_none());
    let receipt = store
        .find_privacy_job("job", now().plus_days(399))
        .await
        .unwrap();
    assert_eq!(receipt.unwrap().created_at, now().to_iso());
    assert!(
        store
            .find_privacy_job("job", now().plus_days(401))
            .await
            .unwrap()
            .is_none()
    );
}
