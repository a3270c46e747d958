//! Decisions are found while they live.

use shoptrail_local::testing::TestDb;
use shoptrail_storage::DecisionRecord;

use crate::support::{decision, now, session, store};

#[tokio::test]
async fn the_newest_decision_is_found_until_it_expires() {
    let db = TestDb::start().await;
    let store = store(&db);
    assert_eq!(
        store.find_latest_decision(&session(), now()).await.unwrap(),
        None
    );
    for id in ["a", "c", "b"] {
        store.record_decision(&decision(id)).await.unwrap();
    }
    assert_eq!(
        store.find_latest_decision(&session(), now()).await.unwrap(),
        Some(decision("c"))
    );
    assert_eq!(
        store
            .find_latest_decision(&session(), now().plus_days(1))
            .await
            .unwrap(),
        None
    );
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
