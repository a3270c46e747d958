//! What many sessions, decisions and generations leave at once is what they leave one after the other.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shoptrail_domain::access::Stores;
use shoptrail_domain::advice::Source;
use shoptrail_domain::advice::outcome::Outcome;
use shoptrail_domain::advice::policy::Suppression;
use shoptrail_local::testing::TestDb;
use shoptrail_storage::{DecisionRecord, NewSession, Recorded, Store};

use crate::support::{DAYS, decision, message, now, random, record, session, store};

type Item = HashMap<String, AttributeValue>;

/// A session's two messages, of which the later one comes to the checkout; `events` page views stand in the first.
fn two_messages(events: usize) -> NewSession {
    let views = (0..events).map(|number| {
        let title = format!("{number} {}", "x".repeat(60));
        json!({ "type": "page_view", "ts": 1_749_999_990_000_i64 + number as i64, "title": title })
    });
    let view = json!({ "type": "product_view", "ts": 1_749_999_995_000_i64, "productId": "7" });
    let checkout = json!({ "type": "checkout_started", "ts": 1_749_999_999_000_i64 });
    let first = json!({ "session": "s-1", "storeName": "my-store", "reason": "a", "ts": 1_749_999_996_000_i64, "state": {
        "timeOnPage": { "/": 500 }, "events": { "/": views.collect::<Vec<_>>(), "/products/7": [view] } } });
    let second = json!({ "session": "s-1", "storeName": "my-store", "reason": "b", "ts": 1_749_999_999_500_i64, "state": {
        "itemsInCart": 2, "timeOnPage": { "/": 700 }, "events": { "/checkouts/1": [checkout] } } });
    let earlier = now().plus_millis(-4_000);
    vec![(message(&first), earlier), (message(&second), now())]
}

async fn one_after_the_other(store: &Store, session: &NewSession) {
    for (message, at) in session {
        let recorded = store.record_session_message(message, &Stores::All, *at, DAYS, random);
        assert!(matches!(recorded.await.unwrap(), Recorded::Stored(_)));
    }
}

async fn at_once(store: &Store, sessions: &[NewSession]) -> Vec<Recorded<bool>> {
    let recorded = store.record_new_sessions(sessions, DAYS, random).await;
    recorded.unwrap()
}

/// The items of a table, without what names the write.
async fn items(db: &TestDb, table: &str) -> Vec<Item> {
    let mut items = db.items(table).await;
    for item in &mut items {
        item.remove("written_by");
    }
    items
}

#[tokio::test]
async fn a_new_session_is_stored_as_its_messages_one_after_the_other_are() {
    let (one, other) = (TestDb::start().await, TestDb::start().await);
    let session = two_messages(3);
    one_after_the_other(&store(&one), &session).await;
    let outcomes = at_once(&store(&other), &[session]).await;
    assert_eq!(outcomes, [Recorded::Stored(true)]);
    let (one, other) = (
        items(&one, "tracker_sessions").await,
        items(&other, "tracker_sessions").await,
    );
    assert_eq!(one, other);
    assert!(one[0].contains_key("checkout_at"), "{one:?}");
}

#[tokio::test]
async fn a_session_that_is_large_is_stored_as_well() {
    let (one, other) = (TestDb::start().await, TestDb::start().await);
    let session = two_messages(600);
    one_after_the_other(&store(&one), &session).await;
    at_once(&store(&other), &[session]).await;
    assert_eq!(record(&store(&one)).await, record(&store(&other)).await);
}

#[tokio::test]
async fn a_session_that_is_there_stays_as_it_is_and_costs_no_other() {
    let db = TestDb::start().await;
    let store = store(&db);
    let there = vec![(
        message(&json!({ "session": "s-1", "itemsInCart": 9 })),
        now(),
    )];
    one_after_the_other(&store, &there).await;
    let before = record(&store).await;
    let other = message(&json!({ "session": "s-2", "itemsInCart": 1 }));
    let sessions = [two_messages(3), vec![(other, now())]];
    let first = at_once(&store, &sessions).await;
    assert_eq!(first, [Recorded::Stored(false), Recorded::Stored(true)]);
    assert_eq!(record(&store).await, before);
    let again = at_once(&store, &sessions).await;
    assert_eq!(again, [Recorded::Stored(false), Recorded::Stored(false)]);
}

/// A popup that was closed, and what the policy then decided.
fn dismissed_and_suppressed() -> Vec<DecisionRecord> {
    let popup = decision("1");
    assert!(popup.advice.show_popup());
    let outcomes = [Outcome::Shown, Outcome::Dismissed, Outcome::Converted];
    let suppressed = DecisionRecord {
        source: Source::Policy,
        advice: Suppression::Cooldown.advice(),
        ..decision("2")
    };
    let outcomes = outcomes.map(|outcome| (outcome, now().to_iso()));
    vec![
        DecisionRecord {
            outcomes: outcomes.into(),
            ..popup
        },
        suppressed,
    ]
}

#[tokio::test]
async fn first_decisions_count_as_those_that_were_made_one_after_the_other() {
    let (one, other) = (TestDb::start().await, TestDb::start().await);
    let (one, other) = (store(&one), store(&other));
    let decisions = dismissed_and_suppressed();
    for decision in &decisions {
        let tally = one
            .list_decisions(&session(), 1, now())
            .await
            .unwrap()
            .tally;
        let bare = DecisionRecord {
            outcomes: Default::default(),
            ..decision.clone()
        };
        assert!(one.record_decision(&bare, &tally).await.unwrap());
        for outcome in decision.outcomes.keys() {
            let id = &decision.decision_id;
            let found = one.find_decision(&session(), id, now()).await.unwrap();
            let told = one.record_outcome(&found.unwrap(), *outcome, now()).await;
            assert!(told.unwrap());
        }
    }
    let stored = other.record_first_decisions(&[decisions]).await.unwrap();
    assert_eq!(stored, 2);

    let listed = one.list_decisions(&session(), 9, now()).await.unwrap();
    let listed_at_once = other.list_decisions(&session(), 9, now()).await.unwrap();
    assert_eq!(listed.decisions, listed_at_once.decisions);
    let history = listed.tally.history(&[], None, now());
    assert_eq!(history, listed_at_once.tally.history(&[], None, now()));
    assert!(history.has_converted && history.dismissed_at.is_some() && history.in_session == 1);
}

#[tokio::test]
async fn a_session_that_has_decisions_gets_no_first_ones() {
    let db = TestDb::start().await;
    let store = store(&db);
    let decisions = [dismissed_and_suppressed()];
    assert_eq!(store.record_first_decisions(&decisions).await.unwrap(), 2);
    let before = items(&db, "ask_ai_decisions").await;
    assert_eq!(store.record_first_decisions(&decisions).await.unwrap(), 0);
    let mut others = dismissed_and_suppressed();
    for decision in &mut others {
        decision.session = "s-2".into();
    }
    let both = [dismissed_and_suppressed(), others];
    assert_eq!(store.record_first_decisions(&both).await.unwrap(), 2);
    let after = items(&db, "ask_ai_decisions").await;
    assert!(before.iter().all(|item| after.contains(item)));
    // Two decisions and a tally more.
    assert_eq!(after.len(), before.len() + 3);
}
