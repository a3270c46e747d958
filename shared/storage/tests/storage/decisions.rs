//! Decisions are found while they live, their outcomes are kept once, and their tally counts what the policy asks for.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shoptrail_domain::advice::outcome::Outcome;
use shoptrail_domain::advice::policy::{PopupHistory, Suppression};
use shoptrail_domain::advice::{Advice, Source};
use shoptrail_domain::privacy::ErasureMode;
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_local::testing::TestDb;
use shoptrail_storage::{DecisionRecord, PopupTally, SessionDecisions, Store};

use crate::support::{
    JANES, decision, erase, jane, my_store, now, person, run_to_end, seed, session, store,
};

/// A decision to show nothing, for the same session.
fn silence(id: &str) -> DecisionRecord {
    DecisionRecord {
        source: Source::Policy,
        advice: Suppression::Holdout.advice(),
        ..decision(id)
    }
}

async fn list(store: &Store, limit: u16) -> SessionDecisions {
    store
        .list_decisions(&session(), limit, now())
        .await
        .unwrap()
}

async fn ids(store: &Store, limit: u16, now: Timestamp) -> String {
    let listed = store.list_decisions(&session(), limit, now).await.unwrap();
    let ids = listed.decisions.into_iter();
    ids.map(|decision| decision.decision_id).collect()
}

/// Records a decision by the tally as it is.
async fn record_next(store: &Store, decision: &DecisionRecord) {
    let tally = list(store, 1).await.tally;
    assert!(store.record_decision(decision, &tally).await.unwrap());
}

async fn history(store: &Store) -> PopupHistory {
    list(store, 1).await.tally.history(&[], None, now())
}

async fn report(store: &Store, id: &str, outcome: Outcome, now: Timestamp) -> bool {
    let found = store.find_decision(&session(), id, now).await.unwrap();
    let decision = found.expect("the decision is there");
    store.record_outcome(&decision, outcome, now).await.unwrap()
}

async fn outcomes(store: &Store, id: &str) -> BTreeMap<Outcome, String> {
    let found = store.find_decision(&session(), id, now()).await.unwrap();
    found.unwrap().outcomes
}

#[tokio::test]
async fn the_newest_decisions_are_listed_until_they_expire() {
    let db = TestDb::start().await;
    let store = store(&db);
    assert_eq!(list(&store, 9).await, SessionDecisions::default());
    for id in ["a", "c", "b"] {
        record_next(&store, &decision(id)).await;
    }
    assert_eq!(list(&store, 1).await.decisions, [decision("c")]);
    assert_eq!(ids(&store, 2, now()).await, "cb");
    assert_eq!(ids(&store, 9, now()).await, "cba");
    assert_eq!(ids(&store, 9, now().plus_days(1)).await, "");
}

#[tokio::test]
async fn as_many_are_listed_where_there_is_no_tally() {
    let db = TestDb::start().await;
    let store = store(&db);
    for id in ["a", "b", "c"] {
        record_next(&store, &silence(id)).await;
    }
    assert_eq!(ids(&store, 2, now()).await, "cb");
    assert_eq!(db.items("ask_ai_decisions").await.len(), 3);
}

#[test]
fn a_decision_holds_for_its_session_as_it_was() {
    assert!(decision("a").is_reusable(3, now()));
    assert!(!decision("a").is_reusable(4, now()));
    assert!(!decision("a").is_reusable(3, now().plus_millis(60_000)));
    assert!(
        DecisionRecord {
            reusable_until: None,
            ..decision("a")
        }
        .is_reusable(3, now().plus_days(9))
    );
}

#[tokio::test]
async fn popups_are_counted_and_silence_is_not_however_many_decisions_there_are() {
    let db = TestDb::start().await;
    let store = store(&db);
    record_next(&store, &decision("a0")).await;
    for number in 1..30 {
        record_next(&store, &silence(&format!("b{number:02}"))).await;
    }
    let popup = decision("c");
    record_next(&store, &popup).await;
    let tally = list(&store, 1).await.tally;
    let expected = PopupHistory {
        in_session: 2,
        today: 2,
        dismissed_at: None,
        has_converted: false,
    };
    assert_eq!(tally.history(&[], None, now()), expected);
    // What would be given again does not count against itself.
    let without = PopupHistory {
        in_session: 1,
        today: 1,
        ..expected
    };
    assert_eq!(tally.history(&[], Some(&popup), now()), without);
    assert_eq!(tally.history(&[], Some(&silence("d")), now()), expected);
    // On the next day, the session has been given as many.
    let tomorrow = PopupHistory {
        today: 0,
        ..expected
    };
    assert_eq!(
        tally.history(&[], None, now().plus_millis(86_399_999)),
        tomorrow
    );
}

#[tokio::test]
async fn a_new_day_begins_to_count_anew() {
    let db = TestDb::start().await;
    let store = store(&db);
    record_next(&store, &decision("a")).await;
    let (tomorrow, expires_at) = (now().plus_days(1), now().plus_days(9).as_secs());
    let later = DecisionRecord {
        created_at: tomorrow.to_iso(),
        expires_at,
        ..decision("b")
    };
    record_next(&store, &later).await;
    let listed = store.list_decisions(&session(), 1, tomorrow).await.unwrap();
    let found = listed.tally.history(&[], None, tomorrow);
    assert_eq!((found.in_session, found.today), (2, 1));
}

#[tokio::test]
async fn of_popups_that_were_judged_by_the_same_tally_one_is_stored() {
    let db = TestDb::start().await;
    let store = store(&db);
    for round in 0..3 {
        let tally = list(&store, 1).await.tally;
        let popups: Vec<_> = (0..8)
            .map(|number| decision(&format!("{round}{number}")))
            .collect();
        let mut racing = tokio::task::JoinSet::new();
        for popup in popups {
            let (store, tally) = (store.clone(), tally.clone());
            racing.spawn(async move { store.record_decision(&popup, &tally).await.unwrap() });
        }
        let recorded = racing.join_all().await;
        assert_eq!(recorded.iter().filter(|recorded| **recorded).count(), 1);
        assert_eq!(history(&store).await.in_session, round + 1);
    }
    assert_eq!(list(&store, 99).await.decisions.len(), 3);
}

#[tokio::test]
async fn a_dismissal_that_came_between_keeps_a_popup_away() {
    let db = TestDb::start().await;
    let store = store(&db);
    record_next(&store, &decision("a")).await;
    let tally = list(&store, 1).await.tally;
    assert!(report(&store, "a", Outcome::Dismissed, now()).await);
    let recorded = store.record_decision(&decision("b"), &tally).await;
    assert!(!recorded.unwrap());
    assert_eq!(ids(&store, 9, now()).await, "a");
    // Silence needs no place.
    assert!(store.record_decision(&silence("c"), &tally).await.unwrap());
}

#[tokio::test]
async fn the_first_report_of_an_outcome_stays() {
    let db = TestDb::start().await;
    let store = store(&db);
    record_next(&store, &decision("a")).await;
    let at = |minute: i64| now().plus_millis(minute * 60_000);
    for (minute, outcome) in [
        (1, Outcome::Shown),
        (2, Outcome::Dismissed),
        (3, Outcome::Shown),
        (4, Outcome::Dismissed),
        (5, Outcome::Converted),
        (6, Outcome::Converted),
    ] {
        assert!(report(&store, "a", outcome, at(minute)).await);
    }
    let expected = [
        (Outcome::Shown, at(1).to_iso()),
        (Outcome::Dismissed, at(2).to_iso()),
        (Outcome::Converted, at(5).to_iso()),
    ];
    assert_eq!(outcomes(&store, "a").await, BTreeMap::from(expected));
    let found = history(&store).await;
    assert_eq!(found.dismissed_at, Some(at(2)));
    assert!(found.has_converted);
    assert_eq!(found.in_session, 1);
}

#[tokio::test]
async fn reports_at_the_same_time_are_all_kept_and_of_each_one_time() {
    let db = TestDb::start().await;
    let store = store(&db);
    record_next(&store, &decision("a")).await;
    let mut racing = tokio::task::JoinSet::new();
    for number in 0..12 {
        let store = store.clone();
        let outcome = Outcome::ALL[number % 4];
        let at = now().plus_millis(number as i64);
        racing.spawn(async move {
            // All of them read the decision as it was without any outcome.
            let recorded = store.record_outcome(&decision("a"), outcome, at).await;
            assert!(recorded.unwrap());
        });
    }
    racing.join_all().await;
    assert_eq!(outcomes(&store, "a").await.len(), 4);
    let found = history(&store).await;
    let dismissed = outcomes(&store, "a").await[&Outcome::Dismissed].clone();
    assert_eq!(found.dismissed_at.unwrap().to_iso(), dismissed);
}

#[tokio::test]
async fn an_order_is_known_where_no_popup_was_given() {
    let db = TestDb::start().await;
    let store = store(&db);
    record_next(&store, &silence("a")).await;
    assert!(report(&store, "a", Outcome::Converted, now()).await);
    let expected = PopupHistory {
        has_converted: true,
        ..PopupHistory::default()
    };
    assert_eq!(history(&store).await, expected);
    // And a popup that was judged before is not given any more.
    let tally = PopupTally::default();
    assert!(!store.record_decision(&decision("b"), &tally).await.unwrap());
}

#[tokio::test]
async fn an_outcome_creates_no_decision() {
    let db = TestDb::start().await;
    let store = store(&db);
    let found = store.find_decision(&session(), "a", now()).await.unwrap();
    assert_eq!(found, None);
    for outcome in Outcome::ALL {
        let recorded = store.record_outcome(&decision("a"), outcome, now()).await;
        assert!(!recorded.unwrap());
    }
    assert_eq!(db.items("ask_ai_decisions").await, []);

    record_next(&store, &decision("a")).await;
    let expired = now().plus_days(1);
    let found = store.find_decision(&session(), "a", expired).await.unwrap();
    assert_eq!(found, None);
    for outcome in Outcome::ALL {
        let recorded = store.record_outcome(&decision("a"), outcome, expired).await;
        assert!(!recorded.unwrap());
    }
    assert_eq!(outcomes(&store, "a").await, BTreeMap::new());
}

#[tokio::test]
async fn a_tally_is_no_decision() {
    let db = TestDb::start().await;
    let store = store(&db);
    record_next(&store, &decision("a")).await;
    let items = db.items("ask_ai_decisions").await;
    assert_eq!(items.len(), 2);
    for item in items {
        let id = item["decision_id"].as_s().unwrap();
        let found = store.find_decision(&session(), id, now()).await.unwrap();
        assert_eq!(found.is_some(), id == "a", "{id}");
    }
}

/// As it was stored before there were outcomes and tallies.
fn old_item() -> Value {
    json!({
        "session": "s-1", "decision_id": "a", "session_version": 3, "source": "rules",
        "advice": { "show_popup": true, "message": "Free returns within 30 days.", "reason": "The cart is full.",
                    "category": "info", "trigger": "items_in_cart", "confidence": 0.92, "delay_ms": 2000 },
        "created_at": now().to_iso(), "reusable_until": now().plus_millis(60_000), "expires_at": now().plus_days(1).as_secs(),
    })
}

#[tokio::test]
async fn a_decision_from_before_outcomes_is_read_and_takes_them() {
    let db = TestDb::start().await;
    let store = store(&db);
    let item = serde_dynamo::to_item(old_item()).unwrap();
    let put = db.client().put_item().table_name("ask_ai_decisions");
    put.set_item(Some(item)).send().await.unwrap();
    let listed = list(&store, 9).await;
    assert_eq!(listed.decisions, [decision("a")]);
    assert_eq!(listed.tally, PopupTally::default());
    assert!(report(&store, "a", Outcome::Dismissed, now()).await);
    assert_eq!(outcomes(&store, "a").await.len(), 1);
    assert_eq!(history(&store).await.dismissed_at, Some(now()));
}

#[tokio::test]
async fn a_held_out_decision_keeps_what_the_rules_would_have_shown() {
    let db = TestDb::start().await;
    let store = store(&db);
    let advice: Advice = decision("a").advice;
    let held_out = DecisionRecord {
        suppressed: Some(advice.clone()),
        ..silence("a")
    };
    record_next(&store, &held_out).await;
    assert_eq!(list(&store, 1).await.decisions, [held_out]);
}

#[tokio::test]
async fn tallies_are_found_by_their_sessions_and_tell_their_store() {
    let db = TestDb::start().await;
    let store = store(&db);
    let bound = DecisionRecord {
        store_name: Some(my_store().to_string()),
        ..decision("a")
    };
    record_next(&store, &bound).await;
    let unknown = shoptrail_domain::session::SessionId::parse("s-2").unwrap();
    let sessions = [session(), unknown];
    let found = store.find_tallies(&sessions, now()).await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].is_of(Some(&my_store())));
    assert!(!found[0].is_of(None));
    assert!(!found[0].is_of(Some(&StoreName::parse("other-store").unwrap())));
    let own = PopupTally::default().history(&found, None, now());
    assert_eq!((own.in_session, own.today), (0, 1));
    // An expired one tells nothing.
    let later = store.find_tallies(&sessions, now().plus_days(1)).await;
    let later = PopupTally::default().history(&later.unwrap(), None, now());
    assert_eq!(later, PopupHistory::default());
}

/// The session's tally, as it lies in the table.
async fn put_tally(db: &TestDb, session: &str) {
    let item = json!({ "session": session, "decision_id": "tally", "version": 1, "store_name": my_store(), "expires_at": now().plus_days(9).as_secs() });
    let put = db.client().put_item().table_name("ask_ai_decisions");
    let item: std::collections::HashMap<String, AttributeValue> =
        serde_dynamo::to_item(item).unwrap();
    put.set_item(Some(item)).send().await.unwrap();
}

#[tokio::test]
async fn an_erasure_takes_the_tally_too_and_counts_decisions_alone() {
    let db = TestDb::start().await;
    seed(&db).await;
    // One that is alone, as an outcome leaves it that was reported while the decisions went.
    put_tally(&db, "a widget's session").await;
    erase(&store(&db), "job-1", &jane(), ErasureMode::Delete).await;
    let job = run_to_end(&store(&db), "job-1").await;
    assert_eq!(job.erased, JANES);
    let items = db.items("ask_ai_decisions").await;
    let sessions = items.iter().map(|item| item["session"].as_s().unwrap());
    assert_eq!(sessions.collect::<Vec<_>>(), ["tracked-2", "tracked-2"]);
}

/// An outcome that is reported while its decision goes may write the tally anew: it does not stay.
#[tokio::test(flavor = "multi_thread")]
async fn outcomes_during_an_erasure_leave_nothing_behind() {
    // Chance says what meets what: several rounds make it likely that an outcome comes between.
    for _ in 0..4 {
        report_during_an_erasure().await;
    }
}

async fn report_during_an_erasure() {
    let db = TestDb::start().await;
    let store = store(&db);
    let decisions: Vec<_> = (0..60)
        .map(|number| silence(&format!("{number:02}")))
        .collect();
    for decision in &decisions {
        record_next(&store, decision).await;
    }
    let named = person(json!({ "sessionId": "s-1" }));
    erase(&store, "job", &named, ErasureMode::Delete).await;
    let reporters = (0..4).map(|reporter| {
        let (store, mine) = (crate::support::store(&db), decisions.clone());
        tokio::spawn(async move {
            for decision in mine.iter().skip(reporter).step_by(4).rev() {
                let outcome = Outcome::ALL[1 + 2 * (reporter % 2)];
                let recorded = store.record_outcome(decision, outcome, now()).await;
                recorded.unwrap();
            }
        })
    });
    let reporters: Vec<_> = reporters.collect();
    let job = run_to_end(&store, "job").await;
    for reporter in reporters {
        reporter.await.unwrap();
    }
    assert_eq!(job.erased.decisions, 60);
    assert_eq!(db.items("ask_ai_decisions").await, []);
}
