//! The shop's policy, and what becomes of decisions, through the gateway on the real engine.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::Request;
use serde_json::{Value, json};
use shoptrail_domain::access::Scope;
use shoptrail_domain::advice::Source;
use shoptrail_domain::advice::outcome::Outcome;
use shoptrail_domain::session::SessionId;
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::TestShop;
use shoptrail_storage::{DecisionRecord, PrivacyJobStatus};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

const STORE: &str = "my-store.myshopify.com";
const OTHER_STORE: &str = "other-store.myshopify.com";
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
/// A decision that nobody made.
const UNKNOWN: &str = "019363a1-5e2a-7c4b-9d1e-3f5a7b9c1d2e";

/// A shop that holds nobody out, with these settings besides.
async fn shop(settings: &[(&str, &str)]) -> Shop {
    let mut all = vec![
        ("HOLDOUT_PERCENT", "0"),
        ("PUBLIC_INGEST", "all"),
        ("RATE_LIMIT_PER_MINUTE", "0"),
    ];
    all.splice(0..0, settings.iter().copied());
    Shop {
        shop: Arc::new(TestShop::start(Deployment::Lambda, &all).await),
        events: AtomicI64::new(0),
    }
}

struct Shop {
    shop: Arc<TestShop>,
    events: AtomicI64,
}

impl Shop {
    /// The session goes on: it has a cart that the rules would offer help with, and an event more than before.
    async fn browse(&self, session: &str) {
        self.visit(session, "/products/hat", "view").await;
    }

    async fn visit(&self, session: &str, page: &str, kind: &str) {
        let number = self.events.fetch_add(1, Ordering::SeqCst);
        let message = json!({
            "session": session, "storeName": STORE, "itemsInCart": 7,
            "events": { page: [{ "type": kind, "ts": 1_712_345_678_901 + number }] },
        });
        let stored = self.shop.post("/ingest", &message).await;
        assert_eq!(
            (stored.status, &stored.json["saved"]),
            (200, &json!(true)),
            "{stored:?}"
        );
    }

    async fn ask(&self, session: &str) -> Value {
        self.ask_with(json!({ "session": session })).await
    }

    async fn ask_with(&self, body: Value) -> Value {
        // Of two decisions within one millisecond, chance says which is the newer one.
        self.shop.pass_seconds(1);
        let answer = self.shop.post("/askai", &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            answer.json["decision"]["trigger"], answer.json["trigger"],
            "{answer:?}"
        );
        answer.json
    }

    /// What a shopper gets who goes on browsing: `popup`, or the rule that keeps it away.
    async fn browse_and_ask(&self, session: &str) -> String {
        self.browse(session).await;
        told(&self.ask(session).await)
    }

    async fn report(&self, session: &str, decision: &Value, outcome: &str) -> u16 {
        let body = json!({ "session": session, "decisionId": decision, "outcome": outcome });
        self.shop.post("/askai/outcome", &body).await.status
    }

    /// A popup that was given and dismissed.
    async fn dismiss_a_popup(&self, session: &str) {
        self.browse(session).await;
        let popup = self.ask(session).await;
        assert_eq!(told(&popup), "popup");
        let reported = self.report(session, &popup["decisionId"], "dismissed");
        assert_eq!(reported.await, 200);
    }

    /// The session's decisions, oldest first.
    async fn decisions(&self, session: &str) -> Vec<DecisionRecord> {
        let (store, session) = (&self.shop.app().store, SessionId::parse(session).unwrap());
        let listed = store.list_decisions(&session, 99, self.shop.now()).await;
        let mut decisions = listed.unwrap().decisions;
        decisions.reverse();
        decisions
    }

    async fn popups(&self, session: &str) -> usize {
        let decisions = self.decisions(session).await;
        decisions
            .iter()
            .filter(|decision| decision.advice.show_popup())
            .count()
    }

    /// Items of the table, tallies included.
    async fn items(&self) -> usize {
        self.shop.db().items("ask_ai_decisions").await.len()
    }
}

fn told(answer: &Value) -> String {
    let is_policy = answer["source"] == "policy";
    match answer["show_popup"].as_bool() {
        Some(true) => {
            assert!(!is_policy, "{answer}");
            "popup".to_owned()
        }
        _ => {
            assert!(is_policy, "{answer}");
            assert_eq!(
                (
                    &answer["message"],
                    &answer["category"],
                    &answer["confidence"],
                    &answer["delay_ms"]
                ),
                (&json!(""), &json!("none"), &json!(1.0), &json!(0)),
                "{answer}"
            );
            answer["trigger"].as_str().unwrap().to_owned()
        }
    }
}

#[tokio::test]
async fn a_session_gets_as_many_popups_as_it_may() {
    let shop = shop(&[]).await;
    let mut given = Vec::new();
    for _ in 0..4 {
        given.push(shop.browse_and_ask("s-1").await);
    }
    assert_eq!(given, ["popup", "popup", "session_limit", "session_limit"]);
    assert_eq!(shop.browse_and_ask("s-2").await, "popup", "another session");
}

#[tokio::test]
async fn a_popup_that_is_given_again_is_one() {
    let shop = shop(&[("POPUPS_PER_SESSION", "1"), ("POPUPS_PER_DAY", "1")]).await;
    shop.browse("s-1").await;
    let first = shop.ask("s-1").await;
    for _ in 0..3 {
        let again = shop.ask("s-1").await;
        assert_eq!(again["source"], "cache");
        assert_eq!(again["decisionId"], first["decisionId"]);
        assert_eq!(told(&again), "popup");
    }
    assert_eq!(shop.browse_and_ask("s-1").await, "session_limit");
}

#[tokio::test]
async fn a_limit_of_nothing_allows_nothing() {
    let shop = shop(&[("POPUPS_PER_SESSION", "0")]).await;
    assert_eq!(shop.browse_and_ask("s-1").await, "session_limit");
}

#[tokio::test]
async fn a_day_has_its_own_limit_until_midnight_utc() {
    let shop = shop(&[("POPUPS_PER_SESSION", "9"), ("POPUPS_PER_DAY", "1")]).await;
    assert_eq!(shop.browse_and_ask("s-1").await, "popup");
    assert_eq!(shop.browse_and_ask("s-1").await, "daily_limit");
    // It is 12:30:20.5 when a test begins, and each question takes a second.
    shop.shop.pass_seconds(11 * HOUR + 29 * MINUTE + 36);
    assert_eq!(shop.browse_and_ask("s-1").await, "daily_limit");
    assert!(shop.shop.now().to_iso().ends_with("T23:59:59.500Z"));
    assert_eq!(shop.browse_and_ask("s-1").await, "popup");
    assert_eq!(shop.browse_and_ask("s-1").await, "daily_limit");
}

#[tokio::test]
async fn the_day_counts_over_the_browsers_earlier_sessions() {
    let shop = shop(&[]).await;
    for session in ["s-1", "s-1", "s-2"] {
        assert_eq!(shop.browse_and_ask(session).await, "popup");
    }
    shop.browse("s-3").await;
    let with = |earlier: Value| json!({ "session": "s-3", "earlier": earlier });
    let both = shop.ask_with(with(json!(["s-2", "s-1"]))).await;
    assert_eq!(told(&both), "daily_limit");
    // Said of nobody else, and counted once each.
    let repeated = json!(["s-1", "s-1", "null", "s-3", "s-2"]);
    let some = shop.ask_with(with(json!(["unknown", 7, "s-1"]))).await;
    assert_eq!(told(&some), "popup");
    assert_eq!(
        told(&shop.ask_with(with(repeated)).await),
        "popup",
        "the last is the fifth"
    );
    assert_eq!(
        told(&shop.ask_with(with(json!(["s-1", "s-2"]))).await),
        "daily_limit"
    );
    shop.shop.pass_seconds(12 * HOUR);
    shop.browse("s-4").await;
    let body = json!({ "session": "s-4", "earlier": ["s-1", "s-2", "s-3"] });
    assert_eq!(told(&shop.ask_with(body).await), "popup", "the next day");
}

#[tokio::test]
async fn sessions_of_other_stores_are_none_of_the_browsers() {
    let shop = shop(&[("POPUPS_PER_DAY", "1")]).await;
    let theirs = json!({ "session": "theirs", "storeName": OTHER_STORE, "itemsInCart": 7, "events": { "/": [{ "type": "v", "ts": 1 }] } });
    assert_eq!(shop.shop.post("/ingest", &theirs).await.status, 200);
    assert_eq!(told(&shop.ask("theirs").await), "popup");
    shop.browse("s-1").await;
    let asked = json!({ "session": "s-1", "earlier": ["theirs"] });
    assert_eq!(told(&shop.ask_with(asked).await), "popup");
}

#[tokio::test]
async fn a_dismissal_is_followed_by_a_pause_also_in_the_next_session() {
    let shop = shop(&[]).await;
    shop.dismiss_a_popup("s-1").await;
    let dismissed = shop.shop.now();
    // Unchanged or not: what was dismissed is not given again.
    assert_eq!(told(&shop.ask("s-1").await), "cooldown");
    assert_eq!(shop.browse_and_ask("s-1").await, "cooldown");
    shop.browse("s-2").await;
    let next = json!({ "session": "s-2", "earlier": ["s-1"] });
    assert_eq!(told(&shop.ask_with(next).await), "cooldown");
    shop.shop.pass_seconds(30 * MINUTE - 5);
    assert_eq!(shop.browse_and_ask("s-1").await, "cooldown");
    assert_eq!(shop.browse_and_ask("s-1").await, "popup");
    let passed = shop.shop.now().millis_since(dismissed);
    assert_eq!(passed, 30 * MINUTE * 1_000);
}

#[tokio::test]
async fn what_keeps_a_popup_away_is_recorded_once_for_an_unchanged_session() {
    let shop = shop(&[]).await;
    shop.dismiss_a_popup("s-1").await;
    let first = shop.ask("s-1").await;
    let again = shop.ask("s-1").await;
    assert_eq!(
        (told(&first), &first["decisionId"]),
        (told(&again), &again["decisionId"])
    );
    assert_eq!(shop.decisions("s-1").await.len(), 2);
    // Another reason is another decision.
    let reported = shop.report("s-1", &first["decisionId"], "converted");
    assert_eq!(reported.await, 200);
    assert_eq!(told(&shop.ask("s-1").await), "converted");
    let decisions = shop.decisions("s-1").await;
    let sources: Vec<_> = decisions.iter().map(|decision| decision.source).collect();
    assert_eq!(sources, [Source::Rules, Source::Policy, Source::Policy]);
}

#[tokio::test]
async fn nothing_is_shown_after_a_conversion() {
    let shop = shop(&[]).await;
    shop.browse("reported").await;
    let popup = shop.ask("reported").await;
    let reported = shop.report("reported", &popup["decisionId"], "converted");
    assert_eq!(reported.await, 200);
    assert_eq!(told(&shop.ask("reported").await), "converted");

    assert_eq!(shop.browse_and_ask("ordered").await, "popup");
    shop.visit("ordered", "/checkouts/cn/1", "checkout_completed")
        .await;
    assert_eq!(told(&shop.ask("ordered").await), "converted");
    // A new cart changes nothing.
    shop.visit("ordered", "/products/hat", "add_to_cart").await;
    assert_eq!(told(&shop.ask("ordered").await), "converted");

    shop.visit("thanked", "/checkouts/cn/1/thank-you", "page_view")
        .await;
    shop.browse("thanked").await;
    assert_eq!(told(&shop.ask("thanked").await), "converted");
}

#[tokio::test]
async fn nothing_is_shown_on_a_page_of_the_checkout() {
    let shop = shop(&[]).await;
    shop.visit("s-1", "/checkouts/cn/1/information", "page_view")
        .await;
    assert_eq!(told(&shop.ask("s-1").await), "checkout");
    assert_eq!(shop.browse_and_ask("s-1").await, "popup");
}

#[tokio::test]
async fn who_is_held_out_stays_so_and_what_the_rules_would_have_shown_is_kept() {
    let shop = shop(&[("HOLDOUT_PERCENT", "50")]).await;
    let mut held_out = 0;
    for number in 0..24 {
        let session = format!("s-{number}");
        let first = shop.browse_and_ask(&session).await;
        assert!(["holdout", "popup"].contains(&first.as_str()), "{first}");
        assert_eq!(shop.browse_and_ask(&session).await, first);
        let is_held_out = first == "holdout";
        held_out += u32::from(is_held_out);
        let decisions = shop.decisions(&session).await;
        assert_eq!(decisions.len(), 2);
        for decision in decisions {
            assert_eq!(decision.source == Source::Policy, is_held_out);
            let suppressed = decision.suppressed.as_ref();
            assert_eq!(suppressed.is_some(), is_held_out, "{decision:?}");
            if let Some(suppressed) = suppressed {
                assert!(suppressed.show_popup());
                assert_eq!(suppressed.trigger(), "items_in_cart");
            }
        }
    }
    assert!((1..24).contains(&held_out), "{held_out}");
}

#[tokio::test]
async fn a_holdout_of_all_shows_nothing_and_one_of_nobody_keeps_nothing_away() {
    let all = shop(&[("HOLDOUT_PERCENT", "100")]).await;
    let nobody = shop(&[]).await;
    for number in 0..10 {
        let session = format!("s-{number}");
        assert_eq!(all.browse_and_ask(&session).await, "holdout");
        assert_eq!(nobody.browse_and_ask(&session).await, "popup");
    }
}

#[tokio::test]
async fn no_model_is_asked_where_the_policy_shows_nothing() {
    let model = MockServer::start().await;
    let advice = json!({ "show_popup": true, "message": "Any questions?", "reason": "r", "category": "info", "trigger": "t", "confidence": 0.5, "delay_ms": 0 });
    let completion = json!({ "choices": [{ "message": { "content": advice.to_string() }, "finish_reason": "stop" }] });
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(completion))
        .mount(&model)
        .await;
    let url = model.uri();
    let settings = [
        ("GROQ_API_KEY", "gsk_test"),
        ("GROQ_BASE_URL", url.as_str()),
    ];
    let asked = async || model.received_requests().await.unwrap().len();

    let open = shop(&settings).await;
    open.browse("s-1").await;
    assert_eq!(open.ask("s-1").await["source"], "model");
    assert_eq!(asked().await, 1);
    assert_eq!(open.browse_and_ask("s-1").await, "popup");
    assert_eq!(open.browse_and_ask("s-1").await, "session_limit");
    open.visit("s-2", "/checkout", "view").await;
    assert_eq!(told(&open.ask("s-2").await), "checkout");
    assert_eq!(asked().await, 2);

    let mut held_out = settings.to_vec();
    held_out.push(("HOLDOUT_PERCENT", "100"));
    let closed = shop(&held_out).await;
    assert_eq!(closed.browse_and_ask("s-1").await, "holdout");
    assert_eq!(asked().await, 2);
    let counters = closed.shop.db().items("rate_limits").await;
    assert!(
        !format!("{counters:?}").contains("model-calls"),
        "no call is reserved"
    );
}

#[tokio::test]
async fn parallel_questions_about_one_session_give_one_popup() {
    let shop = shop(&[("POPUPS_PER_SESSION", "2")]).await;
    for round in 1..=3 {
        shop.shop.pass_seconds(1);
        shop.browse("s-1").await;
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let shop = Arc::clone(&shop.shop);
            asking.spawn(async move {
                let answer = shop.post("/askai", &json!({ "session": "s-1" })).await;
                assert_eq!(answer.status, 200, "{answer:?}");
                answer.json
            });
        }
        let answers = asking.join_all().await;
        let all_are = |expected: &str| answers.iter().all(|answer| told(answer) == expected);
        if round <= 2 {
            assert!(all_are("popup"), "{answers:?}");
            let id = &answers[0]["decisionId"];
            assert!(answers.iter().all(|answer| answer["decisionId"] == *id));
        } else {
            assert!(all_are("session_limit"), "{answers:?}");
        }
        assert_eq!(shop.popups("s-1").await, round.min(2));
    }
}

#[tokio::test]
async fn the_last_place_is_given_once_also_while_the_session_goes_on() {
    let shop = Arc::new(shop(&[("POPUPS_PER_SESSION", "1")]).await);
    let mut asking = tokio::task::JoinSet::new();
    shop.browse("s-1").await;
    for _ in 0..8 {
        let shop = Arc::clone(&shop);
        asking.spawn(async move { shop.browse_and_ask("s-1").await });
    }
    asking.join_all().await;
    assert_eq!(shop.popups("s-1").await, 1);
}

#[tokio::test]
async fn outcomes_are_stored_with_their_decision_once() {
    let shop = shop(&[]).await;
    shop.browse("s-1").await;
    let id = shop.ask("s-1").await["decisionId"].clone();
    let first = shop.shop.now().to_iso();
    for outcome in ["shown", "shown", "clicked"] {
        assert_eq!(shop.report("s-1", &id, outcome).await, 200);
        shop.shop.pass_seconds(1);
    }
    assert_eq!(shop.report("s-1", &id, "shown").await, 200);
    let outcomes = &shop.decisions("s-1").await[0].outcomes;
    assert_eq!(outcomes[&Outcome::Shown], first);
    assert_eq!(outcomes.len(), 2);
}

#[tokio::test]
async fn an_outcome_may_come_as_text_as_beacons_send_it() {
    let shop = shop(&[]).await;
    shop.browse("s-1").await;
    let id = shop.ask("s-1").await["decisionId"].clone();
    let body = json!({ "session": "s-1", "decisionId": id, "outcome": "shown" });
    let request = Request::post("/askai/outcome")
        .header("content-type", "text/plain;charset=UTF-8")
        .body(body.to_string().into())
        .unwrap();
    assert_eq!(shop.shop.answer(request).await.status(), 200);
    assert_eq!(shop.decisions("s-1").await[0].outcomes.len(), 1);
}

#[tokio::test]
async fn an_outcome_of_an_unknown_or_expired_decision_is_not_found() {
    let shop = shop(&[("SESSION_RETENTION_DAYS", "1")]).await;
    assert_eq!(shop.report("s-1", &json!(UNKNOWN), "shown").await, 404);
    shop.browse("s-1").await;
    shop.browse("s-2").await;
    let id = shop.ask("s-1").await["decisionId"].clone();
    assert_eq!(shop.report("s-2", &id, "shown").await, 404);
    shop.shop.pass_seconds(24 * HOUR);
    assert_eq!(shop.report("s-1", &id, "shown").await, 404);
    assert_eq!(shop.items().await, 2, "the decision and its tally");
}

#[tokio::test]
async fn an_outcome_on_behalf_of_another_store_is_forbidden() {
    let shop = shop(&[]).await;
    shop.browse("s-1").await;
    let id = shop.ask("s-1").await["decisionId"].clone();
    let body = json!({ "session": "s-1", "decisionId": id, "outcome": "dismissed" });
    let signed = async |store: &str| {
        let query = shop.shop.signed_query(store, &[]);
        let path = format!("/askai/outcome?{query}");
        shop.shop.post(&path, &body).await.status
    };
    assert_eq!(signed(OTHER_STORE).await, 403);
    let key = shop.shop.create_key(&[Scope::Write], &[OTHER_STORE]).await;
    let request = Request::post("/askai/outcome").header("x-api-key", key.expose());
    assert_eq!(shop.shop.send(request, &body).await.status, 403);
    assert!(shop.decisions("s-1").await[0].outcomes.is_empty());
    assert_eq!(signed(STORE).await, 200);
}

#[tokio::test]
async fn an_erased_session_takes_no_outcome_and_leaves_no_decision() {
    let shop = shop(&[]).await;
    shop.dismiss_a_popup("s-1").await;
    let id = json!(shop.decisions("s-1").await[0].decision_id);
    assert_eq!(shop.items().await, 2);
    let key = shop.shop.create_key(&[Scope::Erase], &[STORE]).await;
    let request = Request::delete("/api/privacy/customers").header("x-api-key", key.expose());
    let erasure = json!({ "storeName": STORE, "sessionId": "s-1" });
    let erased = shop.shop.send(request, &erasure).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    let receipt = erased.json["data"]["receiptId"]
        .as_str()
        .unwrap()
        .to_owned();
    let store = &shop.shop.app().store;
    let passed = AtomicI64::new(0);
    let clock = || {
        let later = passed.fetch_add(3_000, Ordering::SeqCst);
        shop.shop.now().plus_millis(later)
    };
    let patience = std::time::Duration::from_secs(5);
    loop {
        let run = store.run_privacy_job(&receipt, &clock, &|| 7, patience);
        let job = run.await.unwrap().unwrap();
        if job.status == PrivacyJobStatus::Done {
            assert_eq!(job.erased.decisions, 1);
            break;
        }
    }
    assert_eq!(shop.items().await, 0);
    assert_eq!(shop.report("s-1", &id, "dismissed").await, 404);
    assert_eq!(shop.items().await, 0);
}
