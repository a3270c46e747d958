//! What the tests share.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use serde_json::{Value, json};
use shoptrail_domain::access::Stores;
use shoptrail_domain::advice::{Advice, ProposedAdvice, Source};
use shoptrail_domain::cart_event::CartEvent;
use shoptrail_domain::image_generation::ImageGeneration;
use shoptrail_domain::privacy::{EraseCustomer, Erasure, ErasureMode, Person};
use shoptrail_domain::sender::Sender;
use shoptrail_domain::session::{SessionId, SessionMessage};
use shoptrail_domain::{StoreName, Timestamp, json as body};
use shoptrail_local::testing::TestDb;
use shoptrail_storage::{
    DecisionRecord, Erased, EventRecorded, Pepper, PrivacyJob, PrivacyJobStatus, PrivacyTask,
    Recorded, SessionMessageRecorded, Store, StoreError,
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

pub(crate) async fn track(store: &Store, event: &CartEvent) -> Result<EventRecorded, StoreError> {
    let recorded = store.record_cart_event(event, now(), DAYS, random).await?;
    Ok(stored(recorded))
}

/// An image generation with these fields besides its store.
pub(crate) fn image_generation(fields: Value) -> ImageGeneration {
    let mut generation = json!({ "storeName": "my-store" });
    generation
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let wire = body::decode(generation.to_string().as_bytes()).unwrap();
    ImageGeneration::parse(&wire, Sender::default()).unwrap()
}

pub(crate) async fn generate(
    store: &Store,
    generation: &ImageGeneration,
) -> Result<EventRecorded, StoreError> {
    let recorded = store
        .record_image_generation(generation, now(), DAYS, random)
        .await?;
    Ok(stored(recorded))
}

/// Posts fifty times at once through five stores, and counts the different ids and times that came back, and the
/// posts that were told to be the first.
pub(crate) async fn fifty_at_once<F>(db: &TestDb, post: impl Fn(Store) -> F) -> (usize, usize)
where
    F: Future<Output = Result<EventRecorded, StoreError>> + Send + 'static,
{
    let stores: Vec<_> = (0..5).map(|_| store(db)).collect();
    let posts: Vec<_> = (0..50)
        .map(|number| tokio::spawn(post(stores[number % 5].clone())))
        .collect();
    let mut ids = HashSet::new();
    let mut firsts = 0;
    for post in posts {
        let recorded = post.await.unwrap().unwrap();
        firsts += usize::from(!recorded.duplicate);
        ids.insert((recorded.id, recorded.created_at));
    }
    (ids.len(), firsts)
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
        suppressed: None,
        asked: None,
        failure: None,
        outcomes: BTreeMap::new(),
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

/// Her address.
pub(crate) const JANE: &str = "jane@example.com";

/// The store that the tests are about.
pub(crate) fn my_store() -> StoreName {
    StoreName::parse("my-store").unwrap()
}

/// The person that the tests are about.
pub(crate) fn jane() -> Person {
    person(json!({ "customerEmail": JANE, "customerId": 909 }))
}

/// A message of the tracker's session `session`, which it binds to `store`.
pub(crate) async fn browse(db: &TestDb, session: &str, store_name: Value) {
    let message = message(
        &json!({ "session": session, "storeName": store_name, "itemsInCart": 2, "timeOnPage": { "/cart": 5 },
                 "events": { "/cart": [{ "type": "view", "ts": 1_700_000_000_000_i64 }] } }),
    );
    deliver(&store(db), &message).await;
}

/// A decision about `session`, of a store or of none.
pub(crate) async fn decide(db: &TestDb, session: &str, store_name: Option<&str>) {
    let decision = DecisionRecord {
        session: session.into(),
        store_name: store_name.map(Into::into),
        ..decision("d-1")
    };
    let (store, id) = (store(db), SessionId::parse(session).unwrap());
    let tally = store.list_decisions(&id, 1, now()).await.unwrap().tally;
    assert!(store.record_decision(&decision, &tally).await.unwrap());
}

/// An item about a generated image of `my-store` with these attributes, larger than one that was parsed can be.
pub(crate) async fn put_image(db: &TestDb, id: &str, fields: Value) {
    let mut image = json!({
        "id": id, "store_name": my_store(), "status": "completed", "created_at": now().to_iso(),
        "updated_at": now().to_iso(), "expires_at": now().plus_days(DAYS).as_secs(),
        "person_image_url": "https://img.example/canary-person.png",
    });
    let fields = fields.as_object().unwrap().clone();
    image.as_object_mut().unwrap().extend(fields);
    let put = db.client().put_item().table_name("image_generations");
    let item = serde_dynamo::to_item(image).unwrap();
    put.set_item(Some(item)).send().await.unwrap();
}

/// Everything that a person can leave in a store, in all of the ways in which it is found, and somebody else's.
pub(crate) async fn seed(db: &TestDb) {
    let store = store(db);
    for fields in [
        json!({ "customerEmail": JANE, "customerId": 909, "sessionId": "tracked-1", "eventId": "key-1-jane", "userAgent": "canary-agent",
                "customerFirstName": "canary-first", "customerLastName": "canary-last", "personImageUrl": "https://img.example/canary-person.png" }),
        json!({ "customerId": 909, "sessionId": "a widget's session" }),
        json!({ "customerEmail": JANE }),
        json!({ "sessionId": "tracked-1", "eventId": "key-2-jane" }),
        json!({ "sessionId": "a widget's session" }),
        json!({ "customerEmail": "joe@example.com", "customerId": 8, "sessionId": "tracked-2", "eventId": "key-3-joe" }),
    ] {
        track(&store, &cart_event(fields)).await.unwrap();
    }
    browse(db, "tracked-1", json!("my-store")).await;
    browse(db, "tracked-2", Value::Null).await;
    decide(db, "tracked-1", Some(my_store().as_str())).await;
    decide(db, "tracked-2", None).await;
    for fields in [
        json!({ "productId": "image-1", "customerEmail": JANE, "sessionId": "tracked-1", "eventId": "key-4-jane",
                "personImageUrl": "https://img.example/canary-person.png" }),
        json!({ "productId": "image-2", "customerId": 909, "generatedImageUrl": "https://img.example/canary-tried-on.png" }),
        json!({ "productId": "image-3", "sessionId": "tracked-1", "clothingImageUrl": "https://img.example/canary-shirt.png" }),
        json!({ "productId": "image-4", "customerId": 8, "personImageUrl": "https://img.example/joe.png" }),
    ] {
        generate(&store, &image_generation(fields)).await.unwrap();
    }
}

/// What there is to be erased of what [`seed`] left.
pub(crate) const JANES: Erased = Erased {
    cart_events: 5,
    image_generations: 3,
    sessions: 1,
    decisions: 1,
    other: 3,
};

/// `count` events of Jane's, ten in each session, and one of somebody else among every hundred.
pub(crate) async fn put_many(db: &TestDb, count: usize) {
    let client = db.client();
    let requests = (0..count).map(|number| {
        let somebody = if number % 100 == 99 { "joe@example.com" } else { JANE };
        let event = json!({
            "id": format!("cart-event-1700000000000-{number:07}"), "store_name": my_store(), "action_type": "add_to_cart",
            "customer_email": somebody, "session_id": format!("many-{}-{}", number / 10, somebody.len()), "event_id": format!("key-{number:07}"),
            "created_at": now().to_iso(), "updated_at": now().to_iso(), "created_bucket": "2025-06-15#1",
            "expires_at": now().plus_days(DAYS).as_secs(),
        });
        let put = PutRequest::builder().set_item(Some(serde_dynamo::to_item(event).unwrap()));
        WriteRequest::builder().put_request(put.build().unwrap()).build()
    });
    for batch in requests.collect::<Vec<_>>().chunks(25) {
        let write = client.batch_write_item();
        let write = write.request_items("cart_tracking_events", batch.to_vec());
        write.send().await.unwrap();
    }
}
