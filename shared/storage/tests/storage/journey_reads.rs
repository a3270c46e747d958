//! A journey is read in a bounded number of requests, and holds nothing that has expired or was erased.

use serde_json::json;
use shoptrail_domain::identifier::{ExternalId, SessionRef};
use shoptrail_domain::journey::{JourneyOf, Traveller};
use shoptrail_domain::limits::{JOURNEY_ITEMS, JOURNEY_SESSIONS};
use shoptrail_domain::privacy::ErasureMode;
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_local::testing::{Recorder, TestDb, distinct};
use shoptrail_storage::{Moments, Store, StoreConfig};

use crate::support::{
    DAYS, browse, cart_event, decide, erase, generate, image_generation, jane, my_store, now,
    random, run_to_end, seed, store, track,
};

fn of_session(session: &str) -> JourneyOf {
    let session = SessionRef::parse(session).unwrap();
    JourneyOf {
        store: my_store(),
        traveller: Traveller::Session(session),
    }
}

fn of_customer(id: &str) -> JourneyOf {
    JourneyOf {
        traveller: Traveller::Customer(ExternalId::parse(id).unwrap()),
        ..of_session("-")
    }
}

async fn find(store: &Store, of: &JourneyOf, now: Timestamp) -> Moments {
    store.find_moments(of, now).await.unwrap()
}

#[tokio::test]
async fn what_has_expired_is_no_part_of_a_journey() {
    let db = TestDb::start().await;
    let store = store(&db);
    seed(&db).await;
    let of = of_session("tracked-1");
    // A view, a popup, two cart events and two generations; the popup lives for a day.
    let counts = [(0, 6), (1, 5), (DAYS, 0)];
    for (days, count) in counts {
        let found = find(&store, &of, now().plus_days(days)).await;
        assert_eq!((found.moments.len(), found.is_all), (count, true), "{days}");
    }
    assert_eq!(
        find(&store, &of_customer("909"), now().plus_days(DAYS))
            .await
            .moments,
        []
    );
}

#[tokio::test]
async fn an_erased_customer_has_no_journey() {
    let db = TestDb::start().await;
    let store = store(&db);
    seed(&db).await;
    let journeys = [
        of_customer("909"),
        of_session("tracked-1"),
        of_session("a widget's session"),
    ];
    for of in &journeys {
        assert!(!find(&store, of, now()).await.moments.is_empty());
    }
    erase(&store, "job-1", &jane(), ErasureMode::Delete).await;
    run_to_end(&store, "job-1").await;
    for of in &journeys {
        assert_eq!(find(&store, of, now()).await.moments, []);
    }
    assert!(
        !find(&store, &of_customer("8"), now())
            .await
            .moments
            .is_empty()
    );
}

async fn recorded(db: &TestDb) -> (Recorder, Store) {
    let recorder = Recorder::start(db.endpoint_url()).await;
    let config = StoreConfig {
        endpoint_url: Some(recorder.endpoint_url().to_owned()),
        ..db.store_config()
    };
    (recorder, Store::connect(&config))
}

#[tokio::test]
async fn a_customers_journey_takes_a_bounded_number_of_requests() {
    let db = TestDb::start().await;
    let (recorder, store) = recorded(&db).await;
    for number in 0..JOURNEY_SESSIONS + 10 {
        let session = format!("s-{number}");
        browse(&db, &session, json!("my-store")).await;
        decide(&db, &session, Some(my_store().as_str())).await;
        let fields = json!({ "sessionId": session, "customerId": 7, "productId": number });
        track(&store, &cart_event(fields.clone())).await.unwrap();
        generate(&store, &image_generation(fields)).await.unwrap();
    }
    let found = loop {
        recorder.take();
        // On a busy machine so many requests may take longer than an operation may.
        match store.find_moments(&of_customer("7"), now()).await {
            Err(error) if error.is_unavailable() => {}
            found => break found.unwrap(),
        }
    };
    assert_eq!(
        (found.moments.len(), found.is_all),
        (4 * JOURNEY_SESSIONS, false)
    );
    let requests = distinct(recorder.take());
    let count = |operation: &str| {
        let of_operation = requests
            .iter()
            .filter(|request| request.operation == operation);
        of_operation.count()
    };
    // The customer's events, generations and generations' records; and of each session its head, its decisions, its
    // events, its generations and their records.
    let expected = (
        JOURNEY_SESSIONS,
        2 + 3 * JOURNEY_SESSIONS,
        1 + JOURNEY_SESSIONS,
    );
    let asked = (count("GetItem"), count("Query"), count("BatchGetItem"));
    assert_eq!(asked, expected);
    assert_eq!(asked.0 + asked.1 + asked.2, requests.len());
    // A head that is read consistently costs one unit; so does a record, and each query half of one. An empty one as
    // well.
    let units: f64 = requests.iter().map(|request| request.units).sum();
    let records = (JOURNEY_SESSIONS + 10 + JOURNEY_SESSIONS) as f64;
    assert!(
        units <= asked.0 as f64 + asked.1 as f64 + records,
        "{units}"
    );
}

#[tokio::test]
async fn a_session_that_other_stores_flooded_is_read_to_a_bound() {
    let db = TestDb::start().await;
    let (recorder, store) = recorded(&db).await;
    let own = json!({ "sessionId": "s-1", "productId": "own" });
    track(&store, &cart_event(own)).await.unwrap();
    let other = json!({ "storeName": "other-store", "sessionId": "s-1" });
    let event = cart_event(other);
    // All of them newer, and more than a page may be: there is no end of these.
    let later = now().plus_millis(1_000);
    let events = vec![(event, later); 100];
    for _ in 0..25 {
        let outcomes = store.record_cart_events(&events, DAYS, random);
        outcomes.await.unwrap();
    }
    recorder.take();
    let found = find(&store, &of_session("s-1"), later).await;
    assert_eq!((found.moments.len(), found.is_all), (1, true));
    let requests = distinct(recorder.take());
    let pages = requests
        .iter()
        .filter(|request| request.index() == "idx_session_id");
    assert_eq!(
        pages.count(),
        3,
        "two of the cart events and one of the generations"
    );
    // So that one page is not enough.
    const { assert!(JOURNEY_ITEMS < 2_500) };
}

#[tokio::test]
async fn a_journey_in_a_store_shows_nothing_of_another() {
    let db = TestDb::start().await;
    let store = store(&db);
    seed(&db).await;
    let other = StoreName::parse("other-store").unwrap();
    for of in [of_customer("909"), of_session("tracked-1")] {
        let of = JourneyOf {
            store: other.clone(),
            ..of
        };
        assert_eq!(find(&store, &of, now()).await.moments, []);
    }
    // A session that is bound to no store has its events only.
    let found = find(&store, &of_session("tracked-2"), now()).await;
    assert_eq!(found.moments.len(), 1);
}
