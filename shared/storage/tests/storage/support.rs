//! What the tests share.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use shoptrail_domain::cart_event::{CartEvent, Sender};
use shoptrail_domain::session::{SessionId, SessionMessage};
use shoptrail_domain::{Timestamp, json as body};
use shoptrail_local::testing::TestDb;
use shoptrail_storage::{CartEventRecorded, SessionMessageRecorded, Store, StoreError};

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
    Store::connect(&db.store_config())
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
    store
        .record_session_message(message, now(), DAYS, random)
        .await
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
    store.record_cart_event(event, now(), DAYS, random).await
}
