//! What the tests share.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use shoptrail_domain::access::Stores;
use shoptrail_domain::advice::{Advice, ProposedAdvice, Source};
use shoptrail_domain::cart_event::{CartEvent, Sender};
use shoptrail_domain::privacy::{EraseCustomer, Erasure, ErasureMode, Person};
use shoptrail_domain::session::{SessionId, SessionMessage};
use shoptrail_domain::{StoreName, Timestamp, json as body};
use shoptrail_local::testing::TestDb;
use shoptrail_storage::{
    CartEventRecorded, DecisionRecord, Pepper, PrivacyJob, PrivacyJobStatus, PrivacyTask, Recorded,
    SessionMessageRecorded, Store, StoreError,
};

/// The retention that tests write with.
pub(crate) const DAYS: u32 = 30;

/// The time at which tests happen.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_750_000_000_000)
}

/// Numbers that differ, the same in every run.
pub(crate) fn random() -> u128 {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    u128::from(
        DRAWN
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15),
    )
}

/// A store of its own: as much apart from the others as another Lambda's is.
pub(crate) fn store(db: &TestDb) -> Store {
    Store::connect(&db.store_config()).with_pepper(Pepper::new("a pepper for the tests"))
}

pub(crate) fn session() -> SessionId {
    SessionId::parse("s-1").unwrap()
}

pub(crate) fn message(message: &Value) -> SessionMessage {
    let body = body::decode(message.to_string().as_bytes()).unwrap();
    SessionMessage::parse(body, now()).unwrap()
}

pub(crate) async fn deliver(store: &Store, message: &SessionMessage) -> SessionMessageRecorded {
    try_deliver(store, message).await.unwrap()
}

pub(crate) async fn try_deliver(
    store: &Store,
    message: &SessionMessage,
) -> Result<SessionMessageRecorded, StoreError> {
    let recorded = store
        .record_session_message(message, &Stores::All, now(), DAYS, random)
        .await?;
    Ok(stored(recorded))
}

/// What was stored, where something was to be.
pub(crate) fn stored<T: std::fmt::Debug>(recorded: Recorded<T>) -> T {
    let Recorded::Stored(stored) = recorded else {
        panic!("{recorded:?}");
    };
    stored
}

/// The session as `GET /sessions/{session}` would answer it.
pub(crate) async fn record(store: &Store) -> Value {
    let record = store
        .find_session(&session(), now())
        .await
        .unwrap()
        .expect("the session is stored");
    serde_json::to_value(record).unwrap()
}

/// `count` events of the page `page`, 10 ms apart from `start` on.
pub(crate) fn flush(page: &str, start: i64, count: i64) -> SessionMessage {
    let events: Vec<_> = (0..count).map(|event| json!({ "type": "click", "ts": 1_700_000_000_000 + (start + event) * 10, "n": start + event })).collect();
    message(&json!({ "session": "s-1", "events": { page: events } }))
}

/// A cart event with these fields besides its store.
pub(crate) fn cart_event(fields: Value) -> CartEvent {
    let mut event = json!({ "storeName": "my-store" });
    event
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    CartEvent::parse(
        &body::decode(event.to_string().as_bytes()).unwrap(),
        Sender::default(),
    )
    .unwrap()
}

pub(crate) async fn track(
    store: &Store,
    event: &CartEvent,
) -> Result<CartEventRecorded, StoreError> {
    let recorded = store.record_cart_event(event, now(), DAYS, random).await?;
    Ok(stored(recorded))
}

/// A decision about [`session`] that lives for a day.
pub(crate) fn decision(id: &str) -> DecisionRecord {
    let proposed = ProposedAdvice {
        show_popup: true,
        message: "Free returns within 30 days.".into(),
        reason: "The cart is full.".into(),
        category: "info".into(),
        trigger: "items_in_cart".into(),
        confidence: 0.92,
        delay_ms: 2_000.0,
    };
    DecisionRecord {
        session: "s-1".into(),
        decision_id: id.into(),
        session_version: 3,
        store_name: None,
        source: Source::Rules,
        advice: Advice::parse(proposed).unwrap(),
        asked: None,
        failure: None,
        created_at: now().to_iso(),
        reusable_until: Some(now().plus_millis(60_000)),
        expires_at: now().plus_days(1).as_secs(),
    }
}

/// A person, as `DELETE /api/privacy/customers` would name one.
pub(crate) fn person(fields: Value) -> Person {
    let mut wire = json!({ "storeName": "my-store" });
    let fields = fields.as_object().unwrap().clone();
    wire.as_object_mut().unwrap().extend(fields);
    let wire: EraseCustomer = body::decode(wire.to_string().as_bytes()).unwrap();
    Erasure::parse(&wire).unwrap().person
}

/// Takes a job of `my-store` on.
pub(crate) async fn create(store: &Store, id: &str, task: &PrivacyTask, now: Timestamp) {
    let name = StoreName::parse("my-store").unwrap();
    let created = store.create_privacy_job(id, &name, task, DAYS, now).await;
    assert!(created.unwrap());
}

/// Takes on that a person is erased.
pub(crate) async fn erase(store: &Store, id: &str, person: &Person, mode: ErasureMode) {
    let person = person.clone();
    create(
        store,
        id,
        &PrivacyTask::EraseCustomer { person, mode },
        now(),
    )
    .await;
}

/// Works on a job until it is done, with a clock that is in a hurry: nothing waits for the indexes.
pub(crate) async fn run_to_end(store: &Store, id: &str) -> PrivacyJob {
    let passed = AtomicI64::new(3_000);
    let clock = || now().plus_millis(passed.fetch_add(3_000, Ordering::Relaxed));
    loop {
        let run = store.run_privacy_job(id, &clock, &random, Duration::from_secs(5));
        let job = run.await.unwrap().unwrap();
        if job.status == PrivacyJobStatus::Done {
            return job;
        }
    }
}

/// Every item of every table and of every index of it, printed.
pub(crate) async fn all_items(db: &TestDb) -> String {
    let client = db.client();
    let mut printed = String::new();
    for table in &db.template().tables {
        let indexes = table.indexes.iter().map(|index| Some(index.name.clone()));
        for index in std::iter::once(None).chain(indexes) {
            let scan = client.scan().table_name(&table.name).set_index_name(index);
            let mut items = scan.into_paginator().items().send();
            while let Some(item) = items.next().await {
                printed.push_str(&format!("{:?}\n", item.unwrap()));
            }
        }
    }
    printed
}
