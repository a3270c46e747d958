//! A store's decisions are counted as a naive count over all of them counts them.

use std::collections::BTreeMap;
use std::ops::Range;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use serde_json::json;
use shoptrail_domain::Timestamp;
use shoptrail_domain::advice::Source;
use shoptrail_domain::advice::outcome::Outcome;
use shoptrail_domain::advice::policy::Suppression;
use shoptrail_domain::session::SessionId;
use shoptrail_local::testing::{Recorder, TestDb, distinct};
use shoptrail_storage::{Collected, DecisionRecord, DecisionSummary, Store, StoreConfig};

use crate::support::{decide, decision, my_store, now, store};

const HOUR: i64 = 3_600_000;
const OUTCOMES: [Outcome; 4] = [
    Outcome::Shown,
    Outcome::Dismissed,
    Outcome::Clicked,
    Outcome::Converted,
];

/// Decisions of every kind, one every other hour before now, of two stores and of none.
fn decisions() -> Vec<DecisionRecord> {
    let kinds = (0..300_i64).map(|number| {
        let shown = decision("");
        let silence = Suppression::Holdout.advice();
        let (advice, suppressed) = match number % 4 {
            0 => (silence.clone(), Some(shown.advice.clone())),
            1 => (silence.clone(), Some(silence)),
            2 => (silence, None),
            _ => (shown.advice.clone(), None),
        };
        let outcomes = OUTCOMES
            .iter()
            .enumerate()
            .filter(|(place, _)| number >> place & 4 > 0);
        DecisionRecord {
            session: format!("s-{}", number % 40),
            decision_id: format!("{:08}-decision", 1_000 - number),
            store_name: match number % 5 {
                0 => None,
                1 => Some("other-store.myshopify.com".into()),
                _ => Some(my_store().to_string()),
            },
            source: [Source::Model, Source::Cache, Source::Rules, Source::Policy]
                [number as usize % 4],
            advice,
            suppressed,
            outcomes: outcomes
                .map(|(_, outcome)| (*outcome, now().to_iso()))
                .collect(),
            created_at: now().plus_millis(-2 * HOUR * (number / 2)).to_iso(),
            expires_at: now().as_secs() + if number % 7 == 0 { 0 } else { 1 },
            ..shown
        }
    });
    kinds.collect()
}

async fn put(db: &TestDb, decisions: &[DecisionRecord]) {
    let requests = decisions.iter().map(|decision| {
        let put = PutRequest::builder().set_item(Some(serde_dynamo::to_item(decision).unwrap()));
        WriteRequest::builder()
            .put_request(put.build().unwrap())
            .build()
    });
    for batch in requests.collect::<Vec<_>>().chunks(25) {
        let write = db.client().batch_write_item();
        let write = write.request_items("ask_ai_decisions", batch.to_vec());
        write.send().await.unwrap();
    }
}

fn expected(decisions: &[DecisionRecord], range: &Range<Timestamp>) -> Vec<DecisionSummary> {
    let times = range.start.to_iso()..range.end.to_iso();
    let store = my_store().to_string();
    let mut expected: Vec<_> = decisions
        .iter()
        .filter(|decision| decision.store_name.as_ref() == Some(&store))
        .filter(|decision| times.contains(&decision.created_at))
        .filter(|decision| decision.expires_at > now().as_secs())
        .map(|decision| DecisionSummary {
            session: decision.session.clone(),
            decision_id: decision.decision_id.clone(),
            created_at: decision.created_at.clone(),
            source: decision.source,
            shows_popup: decision.advice.show_popup(),
            is_control: decision
                .suppressed
                .as_ref()
                .is_some_and(|advice| advice.show_popup()),
            outcomes: decision.outcomes.clone(),
        })
        .collect();
    expected.sort_by_key(|decision| (decision.created_at.clone(), decision.session.clone()));
    expected
}

async fn collect(
    store: &Store,
    range: Range<Timestamp>,
    most: usize,
) -> Option<Vec<DecisionSummary>> {
    match store
        .collect_decisions(&my_store(), range, most, now())
        .await
        .unwrap()
    {
        Collected::All(decisions) => Some(decisions),
        Collected::TooMany => None,
    }
}

fn hours(range: Range<i64>) -> Range<Timestamp> {
    now().plus_millis(range.start * HOUR)..now().plus_millis(range.end * HOUR)
}

#[tokio::test]
async fn every_range_finds_what_a_naive_count_finds() {
    let db = TestDb::start().await;
    let store = store(&db);
    let decisions = decisions();
    put(&db, &decisions).await;
    for (range, is_any) in [
        (-500..1, true),
        (-500..0, true),
        (-100..-20, true),
        (-104..-103, true),
        (-99..-98, false),
        (-20..-20, false),
        (1..500, false),
    ] {
        let range = hours(range);
        let expected = expected(&decisions, &range);
        assert_eq!(expected.is_empty(), !is_any, "{range:?}");
        let found = collect(&store, range.clone(), expected.len()).await;
        assert_eq!(found, Some(expected.clone()), "{range:?}");
        if is_any {
            assert_eq!(collect(&store, range, expected.len() - 1).await, None);
        }
    }
    let all = expected(&decisions, &hours(-500..1));
    let count = |is: fn(&DecisionSummary) -> bool| all.iter().filter(|one| is(one)).count();
    assert!(count(|one| one.shows_popup) > 0 && count(|one| one.is_control) > 0);
    assert_eq!(count(|one| one.shows_popup && one.is_control), 0);
    assert!(count(|one| one.outcomes.len() == 4) > 0);
}

#[tokio::test]
async fn a_decision_is_found_with_its_outcome_and_a_tally_is_none() {
    let db = TestDb::start().await;
    let store = store(&db);
    decide(&db, "s-1", Some(my_store().as_str())).await;
    let id = SessionId::parse("s-1").unwrap();
    let decision = store
        .find_decision(&id, "d-1", now())
        .await
        .unwrap()
        .unwrap();
    assert!(
        store
            .record_outcome(&decision, Outcome::Converted, now())
            .await
            .unwrap()
    );
    assert_eq!(
        db.items("ask_ai_decisions").await.len(),
        2,
        "with its tally"
    );
    let found = collect(&store, hours(-1..1), 10).await.unwrap();
    let outcomes = BTreeMap::from([(Outcome::Converted, now().to_iso())]);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].outcomes.clone(), found[0].shows_popup),
        (outcomes, true)
    );
}

#[tokio::test]
async fn a_range_is_read_from_its_index_and_costs_what_it_holds() {
    let db = TestDb::start().await;
    let decisions = decisions();
    put(&db, &decisions).await;
    let recorder = Recorder::start(db.endpoint_url()).await;
    let config = StoreConfig {
        endpoint_url: Some(recorder.endpoint_url().to_owned()),
        ..db.store_config()
    };
    let range = hours(-48..0);
    let found = collect(&Store::connect(&config), range.clone(), 1_000).await;
    assert!(!found.unwrap().is_empty());
    let requests = distinct(recorder.take());
    assert!(requests.iter().all(|request| {
        (request.operation.as_str(), request.index()) == ("Query", "idx_store_created")
    }));
    // Those that have expired are read as well.
    let store = json!(my_store());
    let (first, end) = (range.start.to_iso(), range.end.to_iso());
    let in_range = decisions.iter().filter(|decision| {
        json!(decision.store_name) == store && (&first..&end).contains(&&decision.created_at)
    });
    let scanned: u64 = requests.iter().map(|request| request.scanned).sum();
    assert_eq!(scanned, in_range.count() as u64);
    // Eight pieces of some 2 KB.
    let units: f64 = requests.iter().map(|request| request.units).sum();
    assert_eq!(requests.len(), 8);
    assert!(units <= 8.0, "{units}");
}
