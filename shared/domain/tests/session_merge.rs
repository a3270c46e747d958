//! The five guarantees of a session's record, on the pure merge: messages permuted and repeated give the
//! same record. (The same over the database and under concurrency is tested with the storage crate.)
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use shoptrail_domain::session::{
    DropReason, Entry, Merged, SessionId, SessionMessage, SessionMessageBody, SessionRecord,
    SessionState,
};
use shoptrail_domain::{ParseErrors, Reason, Timestamp, json as body};

static NOW: std::sync::LazyLock<Timestamp> =
    std::sync::LazyLock::new(|| Timestamp::from_millis(1_750_000_000_000));

/// A session with its segments at hand.
#[derive(Default)]
struct Session {
    state: SessionState,
    segments: HashMap<u64, Vec<Entry>>,
}

impl Session {
    fn deliver(&mut self, message: &SessionMessage) -> Merged {
        let known: HashSet<u64> = self
            .state
            .overlapping(message)
            .iter()
            .flat_map(|number| &self.segments[number])
            .map(Entry::id)
            .collect();
        let merged = self.state.merge(message, &known, *NOW);
        let written = merged.sealed.iter().map(|segment| segment.number);
        let mut touched: Vec<u64> = written
            .chain(merged.retired.iter().copied())
            .chain(merged.forgotten.iter().copied())
            .collect();
        touched.sort_unstable();
        touched.dedup();
        let all = merged.sealed.len() + merged.retired.len() + merged.forgotten.len();
        assert_eq!(touched.len(), all, "one write for each segment");
        for segment in &merged.sealed {
            self.segments
                .insert(segment.number, segment.entries.clone());
        }
        for number in &merged.forgotten {
            self.segments.remove(number);
        }
        merged
    }

    fn of<'a>(messages: impl IntoIterator<Item = &'a SessionMessage>) -> Self {
        let mut session = Self::default();
        messages.into_iter().for_each(|message| {
            session.deliver(message);
        });
        session
    }

    fn record(&self) -> SessionRecord {
        let shown = self
            .state
            .segments()
            .iter()
            .filter(|segment| segment.has_content);
        let entries = shown
            .flat_map(|segment| self.segments[&segment.number].clone())
            .collect();
        self.state
            .clone()
            .into_record(SessionId::parse("s-1").unwrap(), entries)
    }

    fn json(&self) -> Value {
        serde_json::to_value(self.record()).unwrap()
    }
}

fn parse(message: &Value) -> Result<SessionMessage, ParseErrors> {
    let body: SessionMessageBody = body::decode(message.to_string().as_bytes())?;
    SessionMessage::parse(body, *NOW)
}

fn message(message: Value) -> SessionMessage {
    parse(&message).unwrap()
}

#[test]
fn the_seeds_snapshot_becomes_the_seeds_record() {
    let session = Session::of([&message(json!({
        "session": "s-1", "itemsInCart": 7, "timeOnPage": { "/products/xyz": 123_456, "/cart": 9_876 },
        "events": {
            "/": [{ "type": "view", "ts": 1_712_345_678_901_i64 }, { "type": "click", "target": "#add-to-cart", "ts": 1_712_345_680_000_i64 }],
            "/cart": [{ "type": "view", "ts": 1_712_345_690_000_i64 }],
        },
    }))]);
    assert_eq!(
        session.json(),
        json!({
            "session": "s-1", "storeName": null, "itemsInCart": 7, "timeOnPage": { "/products/xyz": 123_456, "/cart": 9_876 },
            "events": {
                "/": [{ "type": "view", "ts": 1_712_345_678_901_i64 }, { "type": "click", "target": "#add-to-cart", "ts": 1_712_345_680_000_i64 }],
                "/cart": [{ "type": "view", "ts": 1_712_345_690_000_i64 }],
            },
            "totals": { "events": 3, "byType": { "view": 2, "click": 1 } }, "truncated": false, "updatedAt": NOW.as_millis(),
        })
    );
}

#[test]
fn a_deployed_trackers_envelope_is_read() {
    let session = Session::of([&message(json!({
        "reason": "threshold_150", "ts": 1_712_345_680, "session": "s-1",
        "state": { "session": "s-1", "itemsoncart": 2, "timeonpage": { "Home:/": 1_200.9 },
                   "events": { "Home:/": [{ "type": "page_view", "ts": 1_712_345_678, "url": "https://example.com/", "page": "Home:/" }] } },
    }))]);
    let record = session.json();
    assert_eq!(record["itemsInCart"], 2);
    assert_eq!(record["timeOnPage"], json!({ "Home:/": 1_200 }));
    assert_eq!(
        record["events"],
        json!({ "Home:/": [{ "type": "page_view", "ts": 1_712_345_678_000_i64, "url": "https://example.com/", "page": "Home:/" }] })
    );
}

#[test]
fn a_field_of_an_envelope_is_given_once_under_one_name() {
    for state in [
        r#"{ "events": {}, "events": {} }"#,
        r#"{ "session": "s-1", "session": "s-1" }"#,
        r#"{ "itemsInCart": 1, "itemsoncart": 2 }"#,
        r#"{ "timeOnPage": {}, "timeonpage": {} }"#,
        r#"{ "events": { "/": [], "/": [] } }"#,
    ] {
        let text = format!(r#"{{ "session": "s-1", "state": {state} }}"#);
        let read = body::decode::<SessionMessageBody>(text.as_bytes());
        assert_eq!(read.unwrap_err().reason, Reason::Duplicate, "{state}");
    }
}

#[test]
fn a_repeat_and_a_stale_snapshot_add_nothing() {
    let early = message(
        json!({ "session": "s-1", "timeOnPage": { "/": 5 }, "events": { "/": [{ "type": "a", "ts": 1 }] } }),
    );
    let late = message(
        json!({ "session": "s-1", "timeOnPage": { "/": 9 }, "events": { "/": [{ "type": "a", "ts": 1 }, { "type": "b", "ts": 2 }] } }),
    );
    let mut session = Session::default();
    assert!(session.deliver(&late).changed);
    assert!(!session.deliver(&late).changed);
    assert!(!session.deliver(&early).changed);
    assert_eq!(session.record().time_on_page["/"], 9);
}

#[test]
fn times_of_snapshots_are_maxima_and_times_of_envelopes_are_sums_over_distinct_ones() {
    let snapshot = |time: i64| message(json!({ "session": "s-1", "timeOnPage": { "/": time } }));
    let envelope = |reason: &str, ts: i64| {
        message(
            json!({ "session": "s-1", "reason": reason, "ts": ts, "state": { "timeonpage": { "/": 10 } } }),
        )
    };
    let session = Session::of([
        &snapshot(5),
        &snapshot(3),
        &envelope("a", 1),
        &envelope("a", 1),
        &envelope("a", 2),
        &envelope("b", 1),
        &snapshot(-7),
    ]);
    assert_eq!(session.record().time_on_page["/"], 5 + 3 * 10);
}

#[test]
fn envelopes_are_the_same_as_json_values() {
    let parsed = |text: &str| {
        let body: SessionMessageBody = body::decode(text.as_bytes()).unwrap();
        SessionMessage::parse(body, *NOW).unwrap()
    };
    let mut session = Session::default();
    assert!(session.deliver(&parsed(r#"{"session":"s-1","reason":"r","ts":1,"state":{"timeonpage":{"a":1,"b":2},"x":{"p":1,"q":2}}}"#)).changed);
    for same in [
        r#"{"state":{"x":{"q":2,"p":1},"timeonpage":{"b":2,"a":1}},"ts":1,"reason":"r","session":"s-1"}"#,
        r#"{"session":"s-1","reason":"r","ts":1.0,"state":{"timeonpage":{"a":1.0,"b":2e0},"x":{"p":1,"q":2}}}"#,
        r#"{"sentAt":1712345678901,"session":"s-1","reason":"r","ts":1,"state":{"timeonpage":{"a":1,"b":2},"x":{"p":1,"q":2}}}"#,
    ] {
        assert!(!session.deliver(&parsed(same)).changed, "{same}");
    }
    let other = r#"{"session":"s-1","reason":"r","ts":1,"state":{"timeonpage":{"a":1,"b":2},"x":{"p":1,"q":3}}}"#;
    assert!(session.deliver(&parsed(other)).changed);
}

#[test]
fn the_latest_cart_wins_by_its_own_time() {
    let cart = |fields: Value| {
        let mut body = json!({ "session": "s-1" });
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        message(body)
    };
    let messages = [
        cart(json!({ "itemsInCart": 1, "sentAt": "2024-01-01T00:00:01Z" })),
        cart(json!({ "itemsInCart": 2, "ts": 1_704_067_202 })),
        cart(
            json!({ "itemsInCart": 3, "events": { "/": [{ "type": "v", "ts": 1_704_067_203_000_i64 }] } }),
        ),
        cart(json!({ "itemsInCart": 9, "ts": 1_704_067_203, "seq": 0 })),
        cart(json!({ "itemsInCart": 4, "ts": 1_704_067_203, "seq": 1 })),
        cart(json!({ "itemsInCart": 5, "ts": 1_704_067_203, "seq": 1 })),
        cart(json!({ "itemsInCart": "many", "ts": 1_704_067_209 })),
    ];
    for (last, expected) in [1, 2, 3, 9, 4, 5, 5].into_iter().enumerate() {
        assert_eq!(
            Session::of(&messages[..=last]).record().items_in_cart,
            Some(expected)
        );
        assert_eq!(
            Session::of(messages[..=last].iter().rev())
                .record()
                .items_in_cart,
            Some(expected)
        );
    }
}

#[test]
fn equal_events_of_one_message_count_each_and_over_messages_once() {
    let twice = message(
        json!({ "session": "s-1", "events": { "/": [{ "type": "tap", "ts": 1 }, { "type": "tap", "ts": 1 }] } }),
    );
    let thrice = message(
        json!({ "session": "s-1", "events": { "/": [{ "type": "tap", "ts": 1 }, { "type": "tap", "ts": 1 }, { "type": "tap", "ts": 1.0 }] } }),
    );
    assert_eq!(Session::of([&twice, &twice]).record().totals.events, 2);
    assert_eq!(Session::of([&twice, &thrice]).record().totals.events, 3);
    assert_eq!(Session::of([&thrice, &twice]).record().totals.events, 3);
}

#[test]
fn what_is_wrong_in_one_event_costs_that_event() {
    let long = "x".repeat(2_000);
    let fat: serde_json::Map<_, _> = (0..20)
        .map(|key| (format!("k{key}"), json!("y".repeat(1_000))))
        .collect();
    let mut too_large = json!({ "type": "fat", "ts": 1 });
    too_large.as_object_mut().unwrap().extend(fat);
    let message = message(json!({ "session": "s-1", "events": {
        "/": [7, { "ts": 1 }, { "type": 1, "ts": 1 }, { "type": "a" }, { "type": "a", "ts": "1" }, { "type": "a", "ts": 1e300 }, too_large,
              { "type": "ok", "ts": 1, "nested": { "text": long } }],
        "/no-list": { "type": "a", "ts": 1 },
    } }));
    let mut session = Session::default();
    let merged = session.deliver(&message);
    let dropped: Vec<_> = merged
        .dropped
        .iter()
        .map(|drop| (drop.page.as_str(), drop.index, drop.reason))
        .collect();
    assert_eq!(
        dropped,
        [
            ("/", Some(0), DropReason::NotAnObject),
            ("/", Some(1), DropReason::NoType),
            ("/", Some(2), DropReason::NoType),
            ("/", Some(3), DropReason::NoTime),
            ("/", Some(4), DropReason::NoTime),
            ("/", Some(5), DropReason::TimeOutOfRange),
            ("/", Some(6), DropReason::TooLarge),
            ("/no-list", None, DropReason::PageNotAList),
        ]
    );
    assert_eq!(
        session.json()["events"],
        json!({ "/": [{ "type": "ok", "ts": 1_000, "nested": { "text": "x".repeat(1_024) } }] })
    );
}

#[test]
fn a_message_without_a_true_session_is_refused() {
    let reason = |body: Value| parse(&body).unwrap_err().first().reason;
    assert_eq!(reason(json!({})), Reason::Required);
    assert_eq!(
        reason(json!({ "session": "undefined" })),
        Reason::Placeholder
    );
    assert_eq!(reason(json!({ "session": 7 })), Reason::NotAString);
    assert_eq!(
        reason(json!({ "session": "a", "state": { "session": "b" } })),
        Reason::SessionMismatch
    );
    assert_eq!(
        reason(json!({ "session": "a", "state": [] })),
        Reason::NotAnObject
    );
    assert_eq!(
        reason(json!({ "session": "a", "events": [] })),
        Reason::NotAnObject
    );
    assert_eq!(
        reason(json!({ "session": "a", "timeOnPage": 7 })),
        Reason::NotAnObject
    );
    assert_eq!(
        reason(json!({ "session": "a", "storeName": "shop.example.com" })),
        Reason::NotAStore
    );
    assert!(parse(&json!({ "state": { "session": "a" } })).is_ok());
    let twice = r#"{"session":"a","events":{"/":[],"/":[]}}"#;
    assert_eq!(
        body::decode::<SessionMessageBody>(twice.as_bytes())
            .unwrap_err()
            .reason,
        Reason::Duplicate
    );
    let two_names = r#"{"session":"a","timeOnPage":{},"timeonpage":{}}"#;
    assert_eq!(
        body::decode::<SessionMessageBody>(two_names.as_bytes())
            .unwrap_err()
            .reason,
        Reason::Duplicate
    );
}

#[test]
fn the_newest_ten_thousand_events_stay_and_the_totals_count_all() {
    // 12,600 events in 84 messages, half of which come late.
    let messages: Vec<_> = (0..84)
        .map(|flush| {
            let events: Vec<_> = (0..150).map(|event| json!({ "type": format!("t{}", event % 3), "ts": 1_700_000_000_000_i64 + (flush * 150 + event) * 10 })).collect();
            message(json!({ "session": "s-1", "events": { "/": events } }))
        })
        .collect();
    let forward = Session::of(&messages);
    let record = forward.record();
    assert_eq!(record.totals.events, 12_600);
    assert_eq!(record.totals.by_type["t0"], 4_200);
    assert!(record.truncated);
    assert_eq!(record.events["/"].len(), 10_000);
    assert_eq!(
        record.events["/"][0].at.as_millis(),
        1_700_000_000_000 + 2_600 * 10
    );
    assert!(
        forward
            .state
            .segments()
            .iter()
            .any(|segment| !segment.has_content),
        "old segments are retired"
    );
    let shuffled = messages
        .iter()
        .step_by(2)
        .chain(messages.iter().skip(1).step_by(2))
        .chain(&messages);
    assert_eq!(Session::of(shuffled).json(), forward.json());
    assert_eq!(Session::of(messages.iter().rev()).json(), forward.json());
}

#[test]
fn the_same_five_hundred_pages_stay_in_any_order() {
    let page = |page: usize| {
        message(
            json!({ "session": "s-1", "timeOnPage": { format!("/p/{page}"): 5 }, "events": { format!("/p/{page}"): [{ "type": format!("t{page}"), "ts": page }] } }),
        )
    };
    let messages: Vec<_> = (0..600).map(page).collect();
    let mut forward = Session::default();
    for (number, message) in messages.iter().enumerate() {
        let dropped = forward.deliver(message).dropped;
        assert_eq!(
            dropped
                .iter()
                .any(|drop| drop.reason == DropReason::TooManyPages),
            number >= 500,
            "{number}"
        );
    }
    let record = forward.record();
    assert_eq!(
        (
            record.events.len(),
            record.time_on_page.len(),
            record.totals.events
        ),
        (500, 500, 500)
    );
    assert_eq!(record.totals.by_type.len(), 100);
    assert_eq!(Session::of(messages.iter().rev()).json(), forward.json());
}

#[test]
fn a_session_too_large_for_an_answer_shows_its_newest_events() {
    let fat = "z".repeat(1_000);
    let messages: Vec<_> = (0..60)
        .map(|flush| {
            let events: Vec<_> = (0..10)
                .map(|event| json!({ "type": "fat", "ts": 1_700_000_000_000_i64 + flush * 10 + event, "a": fat, "b": fat, "c": fat, "d": fat, "e": fat, "f": fat, "g": fat, "h": fat, "i": fat, "j": fat }))
                .collect();
            message(json!({ "session": "s-1", "events": { "/": events } }))
        })
        .collect();
    let forward = Session::of(&messages);
    let record = forward.record();
    assert_eq!(record.totals.events, 600);
    assert!(record.truncated);
    assert!(serde_json::to_vec(&record).unwrap().len() < 5_500_000);
    assert_eq!(Session::of(messages.iter().rev()).json(), forward.json());
}

/// Messages that meet: few pages, few times, few carts, so that repeats and overlaps abound; some are
/// long enough that segments are sealed.
fn any_message() -> impl Strategy<Value = Value> {
    let event = (0..4_u8, 0..900_i64, 0..3_u8).prop_map(|(kind, ts, x)| json!({ "type": format!("k{kind}"), "ts": 1_700_000_000_000_i64 + ts, "x": x }));
    let pages =
        proptest::collection::btree_map("/[a-c]", proptest::collection::vec(event, 0..90), 0..3);
    let times = proptest::collection::btree_map("/[a-c]", -5..50_i64, 0..3);
    (pages, times, proptest::option::of(0..4_u8), proptest::option::of(0..3_u8), 0..4_i64, any::<bool>()).prop_map(
        |(events, times, cart, seq, ts, is_envelope)| {
            let ts = 1_700_000_000 + ts;
            if is_envelope {
                json!({ "session": "s-1", "reason": "r", "ts": ts, "seq": seq, "state": { "events": events, "timeonpage": times, "itemsoncart": cart } })
            } else {
                json!({ "session": "s-1", "ts": ts, "seq": seq, "events": events, "timeOnPage": times, "itemsInCart": cart })
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn order_and_repetition_do_not_matter(
        messages in proptest::collection::vec(any_message(), 1..12),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..24),
    ) {
        let messages: Vec<_> = messages.into_iter().map(message).collect();
        let once = Session::of(&messages);
        // Any of them, in any order, and then all of them backwards: each at least once.
        let again = Session::of(order.iter().map(|index| index.get(&messages)).chain(messages.iter().rev()));
        prop_assert_eq!(once.json(), again.json());
        // What was delivered adds nothing.
        let mut again = again;
        for message in &messages {
            prop_assert!(!again.deliver(message).changed);
        }
    }

    #[test]
    fn parsing_never_panics(bytes in "[\\[\\]{}\":,0-9a-z]{0,80}", value in any::<f64>(), text in ".*") {
        for body in [bytes, json!({ "session": text, "events": { text.clone(): [{ "type": text, "ts": value }] }, "timeOnPage": { "/": value } }).to_string()] {
            if let Ok(body) = body::decode::<SessionMessageBody>(body.as_bytes()) {
                let _ = SessionMessage::parse(body, *NOW);
            }
        }
    }
}
