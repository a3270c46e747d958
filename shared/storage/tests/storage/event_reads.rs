//! Cart events are found by every filter, whole and once, as a naive count over all of them finds them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use shoptrail_domain::access::Stores;
use shoptrail_domain::cart_event::ActionType;
use shoptrail_domain::email::Email;
use shoptrail_domain::event_filter::{Direction, EventFilter};
use shoptrail_domain::identifier::{ExternalId, SessionRef};
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_local::testing::{Fault, FaultProxy, Recorded, Recorder, TestDb};
use shoptrail_storage::{
    CartEventRecord, Collected, EventSummary, Position, Store, StoreConfig, StoreError,
    SummaryFields,
};

use crate::support::{now, store};

pub(crate) const DAY: i64 = 86_400_000;
const COUNT: u64 = 2_000;
const FIELDS: [SummaryFields; 3] = [
    SummaryFields::Common,
    SummaryFields::WithVariant,
    SummaryFields::ForAnalytics,
];
const DIRECTIONS: [Direction; 2] = [Direction::Ascending, Direction::Descending];

/// Numbers that look drawn, the same in every run.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// One of so many names, or none once in three times.
    pub(crate) fn maybe(&mut self, name: &str, count: u64) -> Option<String> {
        (self.below(3) > 0).then(|| format!("{name}{}", self.below(count)))
    }
}

/// An event of the time `millis`, of a store.
pub(crate) fn event(number: u64, store: &str, millis: i64) -> CartEventRecord {
    let created_at = Timestamp::from_millis(millis).to_iso();
    CartEventRecord {
        // The tails are in another order than the numbers.
        id: format!("cart-event-{millis:013}-{:07}", number * 7_919 % 9_999_991),
        store_name: format!("{store}.myshopify.com"),
        action_type: "add_to_cart".into(),
        product_id: None,
        product_title: Some("Linen shirt".into()),
        product_url: None,
        variant_id: None,
        customer_id: None,
        customer_email: None,
        customer_first_name: None,
        customer_last_name: None,
        generated_image_url: None,
        image_key: None,
        person_image_url: None,
        clothing_image_url: None,
        user_agent: None,
        ip_address: None,
        session_id: None,
        event_id: None,
        occurred_at: None,
        created_bucket: format!("{}#{}", &created_at["".len()..10], number % 8),
        updated_at: created_at.clone(),
        created_at,
        expires_at: now().plus_days(1).as_secs(),
    }
}

/// Events of five stores over a month, a few of them a year old, with many that share their millisecond and some that
/// have expired.
fn events() -> Vec<CartEventRecord> {
    let mut draw = Draw(1);
    let events = (0..COUNT).map(|number| {
        let store = ["alpha", "beta", "gamma", "delta", "epsilon"][draw.below(5) as usize];
        let age = match draw.below(20) {
            // One of a few moments.
            0..8 => draw.below(40) as i64 * (DAY / 2),
            8 => 300 * DAY + draw.below(90) as i64 * DAY,
            9 => 30 * DAY + draw.below(30 * DAY as u64) as i64,
            _ => draw.below(30 * DAY as u64) as i64,
        };
        let email = draw.maybe("customer", 12);
        let expires_at = match draw.below(12) {
            0 => now().as_secs() - draw.below(3) as i64,
            _ => now().as_secs() + 1 + draw.below(9) as i64,
        };
        CartEventRecord {
            action_type: ["add_to_cart", "add_to_cart", "buy_now", "shared"]
                [draw.below(4) as usize]
                .into(),
            product_id: draw.maybe("product", 6),
            variant_id: draw.maybe("variant", 3),
            customer_id: draw.maybe("id", 12),
            customer_email: email.map(|name| format!("{name}@example.com")),
            session_id: draw.maybe("session", 40),
            image_key: number
                .is_multiple_of(3)
                .then(|| format!("picture{}", number % 30)),
            expires_at,
            ..event(number, store, now().as_millis() - age)
        }
    });
    events.collect()
}

async fn put(db: &TestDb, events: &[CartEventRecord]) {
    let requests = events.iter().map(|event| {
        let item = serde_dynamo::to_item(event).unwrap();
        let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    });
    for batch in requests.collect::<Vec<_>>().chunks(25) {
        let write = db.client().batch_write_item();
        let write = write.request_items("cart_tracking_events", batch.to_vec());
        write.send().await.unwrap();
    }
}

fn none(stores: Stores) -> EventFilter {
    EventFilter {
        stores,
        product_id: None,
        variant_id: None,
        customer_id: None,
        customer_email: None,
        session_id: None,
        action_type: None,
        from: None,
        until: None,
    }
}

pub(crate) fn stores<'a>(names: impl IntoIterator<Item = &'a str>) -> Stores {
    let names = names
        .into_iter()
        .map(|name| StoreName::parse(name).unwrap());
    Stores::These(names.collect())
}

/// More stores than one `IN` takes.
pub(crate) fn many_stores() -> Stores {
    let Stores::These(mut many) = stores(["beta", "delta"]) else {
        panic!("stores are named");
    };
    many.extend((0..120).map(|number| StoreName::parse(&format!("other-{number}")).unwrap()));
    Stores::These(many)
}

/// All combinations of what a filter may name, so that an event like `like` is found by most.
fn filters(like: &CartEventRecord) -> Vec<EventFilter> {
    let all_stores = [
        Stores::All,
        stores([like.store_name.as_str()]),
        stores(["alpha", "beta", "gamma"]),
        many_stores(),
        stores([]),
    ];
    let id = |id: &Option<String>| ExternalId::parse(id.as_deref().unwrap()).unwrap();
    let mut filters = Vec::new();
    for stores in all_stores {
        for bits in 0..64_u32 {
            let has = |bit: u32| bits & 1 << bit != 0;
            filters.push(EventFilter {
                product_id: has(0).then(|| id(&like.product_id)),
                variant_id: has(1).then(|| id(&like.variant_id)),
                customer_id: has(2).then(|| id(&like.customer_id)),
                customer_email: has(3)
                    .then(|| Email::parse(like.customer_email.as_deref().unwrap()).unwrap()),
                session_id: has(4)
                    .then(|| SessionRef::parse(like.session_id.as_deref().unwrap()).unwrap()),
                action_type: has(5).then(|| ActionType::parse(&like.action_type).unwrap()),
                ..none(stores.clone())
            });
        }
    }
    filters
}

/// Whether the filter asks for the event: the definition, against which the store is held.
fn is_asked_for(filter: &EventFilter, event: &CartEventRecord, now: Timestamp) -> bool {
    let is = |asked: Option<&str>, is: Option<&str>| asked.is_none() || asked == is;
    let at = Timestamp::parse_iso(&event.created_at).unwrap();
    // All stores together are looked through for a month, unless the range has a start.
    let is_walk = filter.stores == Stores::All
        && filter.product_id.is_none()
        && filter.customer_id.is_none()
        && filter.customer_email.is_none()
        && filter.session_id.is_none();
    let last = filter.until.map_or(now, |until| until.plus_millis(-1));
    let is_too_old = is_walk && filter.from.is_none() && at < last.plus_millis(-31 * DAY);
    !is_too_old
        && filter
            .stores
            .contain(&StoreName::parse(&event.store_name).unwrap())
        && is(
            filter.product_id.as_ref().map(ExternalId::as_str),
            event.product_id.as_deref(),
        )
        && is(
            filter.variant_id.as_ref().map(ExternalId::as_str),
            event.variant_id.as_deref(),
        )
        && is(
            filter.customer_id.as_ref().map(ExternalId::as_str),
            event.customer_id.as_deref(),
        )
        && is(
            filter.customer_email.as_ref().map(Email::as_str),
            event.customer_email.as_deref(),
        )
        && is(
            filter.session_id.as_ref().map(SessionRef::as_str),
            event.session_id.as_deref(),
        )
        && is(
            filter.action_type.as_ref().map(ActionType::as_str),
            Some(&event.action_type),
        )
        && filter.from.is_none_or(|from| from <= at)
        && filter.until.is_none_or(|until| at < until)
        && event.expires_at > now.as_secs()
}

/// The ids that a filter asks for, in order.
fn expected(events: &[CartEventRecord], filter: &EventFilter, direction: Direction) -> Vec<String> {
    let asked = events
        .iter()
        .filter(|event| is_asked_for(filter, event, now()));
    let mut ids: Vec<_> = asked
        .map(|event| (&event.created_at, event.id.clone()))
        .collect();
    ids.sort();
    if direction == Direction::Descending {
        ids.reverse();
    }
    ids.into_iter().map(|(_, id)| id).collect()
}

/// What a read gives that has more time than an operation has: tests run beside each other, on an engine that is not
/// optimized.
pub(crate) async fn patiently<T>(read: impl AsyncFn() -> Result<T, StoreError>) -> T {
    for _ in 0..5 {
        match read().await {
            Err(error) if error.is_unavailable() => eprintln!("again: {error}"),
            read => return read.unwrap(),
        }
    }
    panic!("the engine is too slow for this");
}

/// All pages of a list, each of which must be full or the last.
async fn listed(
    store: &Store,
    filter: &EventFilter,
    direction: Direction,
    limit: usize,
) -> Vec<CartEventRecord> {
    let mut records = Vec::new();
    let mut after: Option<Position> = None;
    loop {
        let page = patiently(async || {
            store
                .list_cart_events(filter, direction, limit, after.as_ref(), now())
                .await
        });
        let page = page.await;
        assert!(page.records.len() <= limit);
        let is_full = page.records.len() == limit;
        records.extend(page.records);
        assert!(
            records.len() <= COUNT as usize,
            "nothing is repeated: {filter:?}"
        );
        match page.next {
            None => return records,
            Some(_) if !is_full => panic!("a page that is neither full nor the last: {filter:?}"),
            next => after = next,
        }
    }
}

fn ids(records: &[CartEventRecord]) -> Vec<String> {
    records.iter().map(|record| record.id.clone()).collect()
}

/// An event that names everything.
fn whole_event(events: &[CartEventRecord]) -> &CartEventRecord {
    let has_all = |event: &&CartEventRecord| {
        let named = [
            &event.product_id,
            &event.variant_id,
            &event.customer_id,
            &event.customer_email,
            &event.session_id,
        ];
        named.iter().all(|value| value.is_some()) && event.expires_at > now().as_secs()
    };
    events.iter().filter(has_all).nth(3).unwrap()
}

/// Days before now.
pub(crate) fn at(day: i64) -> Option<Timestamp> {
    Some(now().plus_millis(-day * DAY))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_combination_of_filters_finds_what_a_naive_count_finds() {
    let db = TestDb::start().await;
    let store = store(&db);
    let events = events();
    put(&db, &events).await;
    let by_id: BTreeMap<_, _> = events
        .iter()
        .map(|event| (event.id.as_str(), event))
        .collect();
    let like = whole_event(&events);
    let mut found = 0;
    for (number, filter) in filters(like).into_iter().enumerate() {
        // The number of a filter says which fields it has, so that all ranges meet all fields.
        let ranges = [
            (None, None),
            (at(20), at(4)),
            (at(9), None),
            (None, at(9)),
            (at(350), at(340)),
        ];
        let (from, until) = ranges[(number + number / 64) % ranges.len()];
        for direction in DIRECTIONS {
            let filter = EventFilter {
                from,
                until,
                ..filter.clone()
            };
            let expected = expected(&events, &filter, direction);
            // Few pages where a page costs hundreds of requests, and never many.
            let is_wide = filter.stores == Stores::All || filter.stores == many_stores();
            let most = if is_wide { 3 } else { 12 };
            let limits = [1, 7, 40, 100, 250];
            let is_enough = |limit: &&usize| expected.len() / **limit < most;
            let limit = limits.iter().find(is_enough).unwrap_or(&500);
            let listed = listed(&store, &filter, direction, *limit).await;
            assert_eq!(ids(&listed), expected, "{direction:?} {limit} {filter:?}");
            for record in &listed {
                assert_eq!(record, by_id[record.id.as_str()], "whole");
            }
            found += listed.len();
        }
        let filter = EventFilter {
            from,
            until,
            ..filter
        };
        for fields in FIELDS {
            let collected = patiently(async || {
                store
                    .collect_cart_events(&filter, fields, 3_000, now())
                    .await
            });
            let collected = collected.await;
            let Collected::All(collected) = collected else {
                panic!("too many: {filter:?}");
            };
            let expected = expected(&events, &filter, Direction::Ascending);
            let ids: Vec<_> = collected.iter().map(|summary| summary.id.clone()).collect();
            assert_eq!(ids, expected, "{fields:?} {filter:?}");
            for summary in &collected {
                assert_is_true(summary, by_id[summary.id.as_str()], fields);
            }
        }
    }
    assert!(found > 5_000, "the filters leave something: {found}");
}

/// A summary says what its event says.
fn assert_is_true(summary: &EventSummary, event: &CartEventRecord, fields: SummaryFields) {
    let mut expected = EventSummary {
        id: event.id.clone(),
        store_name: event.store_name.clone(),
        action_type: event.action_type.clone(),
        product_id: event.product_id.clone(),
        product_title: event.product_title.clone(),
        variant_id: event.variant_id.clone(),
        customer_id: event.customer_id.clone(),
        customer_email: event.customer_email.clone(),
        session_id: event.session_id.clone(),
        image_key: event.image_key.clone(),
        created_at: event.created_at.clone(),
    };
    // What was not asked for may be there all the same.
    if fields != SummaryFields::WithVariant && summary.variant_id.is_none() {
        expected.variant_id = None;
    }
    if fields != SummaryFields::ForAnalytics {
        let analytics = [&summary.product_title, &summary.image_key];
        let of_event = [&mut expected.product_title, &mut expected.image_key];
        for (summary, event) in analytics.into_iter().zip(of_event) {
            if summary.is_none() {
                *event = None;
            }
        }
    }
    if summary.customer_id.is_some() && summary.customer_email.is_none() {
        expected.customer_email = None;
    }
    assert_eq!(summary, &expected);
    assert_eq!(summary.updated_at(), event.updated_at);
}

#[tokio::test]
async fn events_of_one_millisecond_are_neither_lost_nor_repeated() {
    let db = TestDb::start().await;
    let store = store(&db);
    // Over two stores, so that the tie is within streams and between them; more than one request gives.
    let events: Vec<_> = (0..70)
        .map(|number| {
            event(
                number,
                ["alpha", "beta"][number as usize % 2],
                now().as_millis() - 5,
            )
        })
        .chain([
            event(100, "alpha", now().as_millis() - 4),
            event(101, "beta", now().as_millis() - 6),
        ])
        .collect();
    put(&db, &events).await;
    for (asked, limits) in [
        (Stores::All, &[9, 70, 71][..]),
        (stores(["alpha"]), &[1, 3, 34, 35, 36, 37]),
        (stores(["alpha", "beta"]), &[3, 70, 71, 72]),
    ] {
        let filter = none(asked);
        for direction in DIRECTIONS {
            for &limit in limits {
                let listed = listed(&store, &filter, direction, limit).await;
                assert_eq!(
                    ids(&listed),
                    expected(&events, &filter, direction),
                    "{limit}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_last_page_says_that_it_is_the_last() {
    let db = TestDb::start().await;
    let store = store(&db);
    let events: Vec<_> = (0..20)
        .map(|number| event(number, "alpha", now().as_millis() - number as i64))
        .collect();
    put(&db, &events).await;
    for filter in [none(stores(["alpha"])), none(Stores::All)] {
        let page = store.list_cart_events(&filter, Direction::Descending, 20, None, now());
        let page = page.await.unwrap();
        assert_eq!((page.records.len(), page.next), (20, None));
        let page = store.list_cart_events(&filter, Direction::Descending, 19, None, now());
        let page = page.await.unwrap();
        let last = page.records.last().unwrap();
        let position = Position {
            created_at: last.created_at.clone(),
            id: last.id.clone(),
        };
        assert_eq!((page.records.len(), page.next), (19, Some(position)));
    }
}

#[tokio::test]
async fn what_is_stored_or_erased_meanwhile_neither_repeats_nor_hides_others() {
    let db = TestDb::start().await;
    let store = store(&db);
    let base = now().as_millis() - 1_000;
    let first: Vec<_> = (0..60)
        .map(|number| {
            event(
                number,
                ["alpha", "beta"][number as usize % 2],
                base + number as i64 / 4,
            )
        })
        .collect();
    put(&db, &first).await;
    for asked in [Stores::All, stores(["alpha", "beta"])] {
        let filter = none(asked);
        for direction in DIRECTIONS {
            let (mut seen, mut after, mut arrived) = (Vec::new(), None, 200);
            loop {
                let page = store
                    .list_cart_events(&filter, direction, 7, after.as_ref(), now())
                    .await
                    .unwrap();
                seen.extend(ids(&page.records));
                let Some(next) = page.next else { break };
                // In the very milliseconds that are being read, before and behind, and at both ends; and what the
                // position names goes.
                let at = Timestamp::parse_iso(&next.created_at).unwrap().as_millis();
                let new = [at, at, at - 1, at + 1, base - 1, base + 500].map(|at| {
                    arrived += 1;
                    event(arrived, ["alpha", "beta"][arrived as usize % 2], at)
                });
                put(&db, &new).await;
                let gone = db.client().delete_item().table_name("cart_tracking_events");
                gone.key("id", AttributeValue::S(next.id.clone()))
                    .send()
                    .await
                    .unwrap();
                after = Some(next);
                if seen.len() > 150 {
                    break;
                }
            }
            let distinct: BTreeSet<_> = seen.iter().collect();
            assert_eq!(distinct.len(), seen.len(), "nothing is repeated");
            for event in &first {
                assert!(distinct.contains(&event.id), "{} is hidden", event.id);
            }
            // As it was.
            for item in db.items("cart_tracking_events").await {
                let gone = db.client().delete_item().table_name("cart_tracking_events");
                gone.key("id", item["id"].clone()).send().await.unwrap();
            }
            put(&db, &first).await;
        }
    }
}

#[tokio::test]
async fn an_event_that_expires_is_hidden_from_that_second_on() {
    let db = TestDb::start().await;
    let store = store(&db);
    let last = CartEventRecord {
        expires_at: now().as_secs(),
        session_id: Some("s-1".into()),
        ..event(1, "alpha", now().as_millis() - DAY)
    };
    put(&db, std::slice::from_ref(&last)).await;
    let before = now().plus_millis(-1_000);
    let session = EventFilter {
        session_id: Some(SessionRef::parse("s-1").unwrap()),
        ..none(Stores::All)
    };
    for (now, count) in [(before, 1), (now(), 0)] {
        for filter in [none(Stores::All), none(stores(["alpha"])), session.clone()] {
            let page = store
                .list_cart_events(&filter, Direction::Descending, 5, None, now)
                .await;
            assert_eq!(page.unwrap().records.len(), count);
            let collected = store
                .collect_cart_events(&filter, SummaryFields::Common, 5, now)
                .await;
            let Collected::All(collected) = collected.unwrap() else {
                panic!("one")
            };
            assert_eq!(collected.len(), count);
        }
        let found = store.find_cart_events(&[&last.id], now).await.unwrap();
        assert_eq!(found.len(), count);
    }
}

#[tokio::test]
async fn events_are_found_by_id_in_the_order_of_the_ids() {
    let db = TestDb::start().await;
    let store = store(&db);
    let events: Vec<_> = (0..250)
        .map(|number| event(number, "alpha", now().as_millis() - number as i64))
        .collect();
    put(&db, &events).await;
    let mut ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
    ids.sort_by_key(|id| id.bytes().rev().collect::<Vec<_>>());
    let mut asked = ids.clone();
    asked.insert(100, "cart-event-1750000000000-missing");
    asked.push(ids[0]);
    let found = store.find_cart_events(&asked, now()).await.unwrap();
    assert_eq!(
        found
            .iter()
            .map(|record| record.id.as_str())
            .collect::<Vec<_>>(),
        ids
    );
    assert_eq!(store.find_cart_events(&[], now()).await.unwrap(), []);
}

#[tokio::test]
async fn more_than_were_to_be_collected_are_too_many() {
    let db = TestDb::start().await;
    let store = store(&db);
    let events: Vec<_> = (0..30)
        .map(|number| CartEventRecord {
            variant_id: (number % 3 == 0).then(|| "v".into()),
            ..event(number, "alpha", now().as_millis() - number as i64)
        })
        .collect();
    put(&db, &events).await;
    for asked in [stores(["alpha"]), Stores::All] {
        let variant = EventFilter {
            variant_id: Some(ExternalId::parse("v").unwrap()),
            ..none(asked.clone())
        };
        for (filter, count) in [(none(asked), 30), (variant, 10)] {
            let at_most =
                |most| store.collect_cart_events(&filter, SummaryFields::Common, most, now());
            let Collected::All(all) = at_most(count).await.unwrap() else {
                panic!("{filter:?}")
            };
            assert_eq!(all.len(), count);
            assert_eq!(at_most(count - 1).await.unwrap(), Collected::TooMany);
        }
    }
}

#[tokio::test]
async fn the_largest_page_is_no_trouble_and_a_position_must_be_one() {
    let db = TestDb::start().await;
    let store = store(&db);
    put(&db, &[event(1, "alpha", now().as_millis())]).await;
    let filter = none(stores(["alpha"]));
    let page = store.list_cart_events(&filter, Direction::Descending, usize::MAX, None, now());
    assert_eq!(page.await.unwrap().records.len(), 1);
    let position = Position {
        created_at: "noon".into(),
        id: "x".into(),
    };
    let page = store.list_cart_events(&filter, Direction::Descending, 1, Some(&position), now());
    assert!(!page.await.unwrap_err().is_unavailable());
}

#[tokio::test]
async fn a_read_that_the_database_does_not_answer_is_unavailable_in_time() {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let config = StoreConfig {
        endpoint_url: Some(proxy.endpoint_url().into()),
        ..db.store_config()
    };
    let store = Store::connect(&config);
    for fault in [Fault::Hang, Fault::Throttle] {
        proxy.set(fault).await;
        let started = Instant::now();
        let filter = none(Stores::All);
        let (listed, collected, found) = tokio::join!(
            store.list_cart_events(&filter, Direction::Descending, 5, None, now()),
            store.collect_cart_events(&filter, SummaryFields::Common, 5, now()),
            store.find_cart_events(&["cart-event-1"], now()),
        );
        assert!(listed.unwrap_err().is_unavailable());
        assert!(collected.unwrap_err().is_unavailable());
        assert!(found.unwrap_err().is_unavailable());
        assert!(started.elapsed() < Duration::from_secs(4), "{fault:?}");
    }
}

#[tokio::test]
async fn more_days_of_all_stores_than_can_be_read_are_too_much_and_a_month_is_not() {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let config = StoreConfig {
        endpoint_url: Some(proxy.endpoint_url().into()),
        ..db.store_config()
    };
    let store = Store::connect(&config);
    let month = none(Stores::All);
    let year = EventFilter {
        from: Some(now().plus_millis(-365 * 86_400_000)),
        ..none(Stores::All)
    };
    let read = async |filter: &EventFilter| {
        let (listed, collected) = tokio::join!(
            store.list_cart_events(filter, Direction::Descending, 5, None, now()),
            store.collect_cart_events(filter, SummaryFields::Common, 5, now()),
        );
        [listed.map(|_| ()), collected.map(|_| ())]
    };
    proxy.set(Fault::Slow).await;
    for result in read(&month).await {
        // It ends in time, or on a machine that does much else it does not.
        assert!(!result.is_err_and(|error| error.is_too_much()));
    }
    for result in read(&year).await {
        let error = result.unwrap_err();
        assert!(error.is_too_much() && !error.is_unavailable(), "{error}");
    }
    // A database that is away is away, whatever it was asked for.
    proxy.set(Fault::Hang).await;
    for result in read(&year).await {
        let error = result.unwrap_err();
        assert!(error.is_unavailable() && !error.is_too_much(), "{error}");
    }
}

/// The index that answers a filter of these stores, by [`filters`]' numbering of what it names.
fn best_index(stores: &Stores, bits: usize) -> &'static str {
    let names = |bit: usize| bits & 1 << bit != 0;
    match stores {
        _ if names(4) => "idx_session_id",
        _ if names(3) => "idx_customer_email",
        _ if names(2) => "idx_customer_id",
        _ if names(0) => "idx_product_id",
        Stores::All => "idx_created_at",
        Stores::These(_) => "idx_store_created",
    }
}

pub(crate) async fn recorded(db: &TestDb) -> (Recorder, Store) {
    let recorder = Recorder::start(db.endpoint_url()).await;
    let config = StoreConfig {
        endpoint_url: Some(recorder.endpoint_url().to_owned()),
        ..db.store_config()
    };
    (recorder, Store::connect(&config))
}

/// How many requests of an operation there are.
pub(crate) fn count(requests: &[Recorded], operation: &str) -> usize {
    requests
        .iter()
        .filter(|request| request.operation == operation)
        .count()
}

#[tokio::test]
async fn every_combination_of_filters_is_answered_by_its_best_index_in_a_bounded_number_of_requests()
 {
    let db = TestDb::start().await;
    let (recorder, store) = recorded(&db).await;
    let events = events();
    put(&db, &events).await;
    let like = whole_event(&events);
    for (number, filter) in filters(like).into_iter().enumerate() {
        let (from, until) = (at(20), at(16));
        let filter = EventFilter {
            from,
            until,
            ..filter
        };
        recorder.take();
        patiently(async || {
            let direction = Direction::Descending;
            store
                .list_cart_events(&filter, direction, 50, None, now())
                .await
        })
        .await;
        let requests = recorder.take();
        let index = best_index(&filter.stores, number % 64);
        assert!(
            requests
                .iter()
                .all(|request| match request.operation.as_str() {
                    "Query" => request.index() == index,
                    operation => operation == "BatchGetItem",
                }),
            "{filter:?}"
        );
        let partitions = match (&filter.stores, index) {
            (Stores::These(stores), _) if stores.is_empty() => 0,
            // Shards of the days that the range touches.
            (_, "idx_created_at") => 5 * 8,
            (Stores::These(stores), "idx_store_created") => stores.len(),
            _ => 1,
        };
        // A partition is asked more than once where filters left too little.
        assert!(count(&requests, "Query") <= partitions * 4, "{filter:?}");
        assert!(count(&requests, "BatchGetItem") <= 10, "{filter:?}");
    }
}

#[tokio::test]
async fn a_page_costs_what_it_holds_and_not_what_its_partition_holds() {
    let db = TestDb::start().await;
    let (recorder, store) = recorded(&db).await;
    let events: Vec<_> = (0..2_000)
        .map(|number| CartEventRecord {
            product_id: Some("p-1".into()),
            customer_email: Some("jane@example.com".into()),
            customer_id: Some("909".into()),
            session_id: Some("s-1".into()),
            variant_id: Some("v-1".into()),
            ..event(number, "alpha", now().as_millis() - number as i64 * 60_000)
        })
        .collect();
    put(&db, &events).await;
    let id = |id| ExternalId::parse(id).unwrap();
    let alpha = none(stores(["alpha"]));
    let product = EventFilter {
        product_id: Some(id("p-1")),
        ..alpha.clone()
    };
    let variant = EventFilter {
        variant_id: Some(id("v-1")),
        ..product.clone()
    };
    let customer = EventFilter {
        customer_id: Some(id("909")),
        ..alpha.clone()
    };
    let email = EventFilter {
        customer_email: Some(Email::parse("jane@example.com").unwrap()),
        ..alpha.clone()
    };
    let session = EventFilter {
        session_id: Some(SessionRef::parse("s-1").unwrap()),
        ..alpha.clone()
    };
    // Which filter, and its queries, entries, records and capacity units at most: an entry of 300 bytes costs a
    // fourteenth of half a unit, and a record that is read consistently a whole one.
    let bounds = [
        (&alpha, 1, 53, 0, 5.0),
        (&product, 1, 53, 51, 55.0),
        (&customer, 1, 53, 51, 55.0),
        (&email, 1, 53, 51, 55.0),
        (&session, 1, 53, 51, 55.0),
        // The product's index does not tell the variant, so a whole request's records are looked at.
        (&variant, 1, 103, 100, 105.0),
    ];
    for (filter, queries, entries, records, units) in bounds {
        for direction in DIRECTIONS {
            for middle in [None, Some(&events[1_000])] {
                let after = middle.map(|event| Position {
                    created_at: event.created_at.clone(),
                    id: event.id.clone(),
                });
                recorder.take();
                let page = store
                    .list_cart_events(filter, direction, 50, after.as_ref(), now())
                    .await
                    .unwrap();
                assert_eq!(page.records.len(), 50);
                let requests = recorder.take();
                let keys = requests.iter().filter_map(|request| {
                    request.body["RequestItems"]["cart_tracking_events"]["Keys"].as_array()
                });
                let (scanned, cost) =
                    requests.iter().fold((0, 0.0), |(scanned, units), request| {
                        (scanned + request.scanned, units + request.units)
                    });
                let costs = (
                    count(&requests, "Query"),
                    scanned,
                    keys.map(Vec::len).sum::<usize>(),
                    cost,
                );
                // A position costs the one entry that it names.
                assert!(
                    costs.0 <= queries
                        && costs.1 <= entries
                        && costs.2 <= records
                        && costs.3 <= units
                        && cost > 0.0,
                    "{costs:?} {filter:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_store_is_collected_from_its_narrowest_index() {
    let db = TestDb::start().await;
    let (recorder, store) = recorded(&db).await;
    let events = events();
    put(&db, &events).await;
    let alpha = none(stores(["alpha"]));
    let variant = EventFilter {
        variant_id: Some(ExternalId::parse("variant1").unwrap()),
        ..alpha.clone()
    };
    let action = EventFilter {
        action_type: Some(ActionType::parse("buy_now").unwrap()),
        from: at(20),
        ..alpha.clone()
    };
    for (filter, fields, index) in [
        (&alpha, SummaryFields::Common, "idx_store_name"),
        (&action, SummaryFields::Common, "idx_store_name"),
        (&alpha, SummaryFields::ForAnalytics, "idx_store_name"),
        (&action, SummaryFields::ForAnalytics, "idx_store_name"),
        (&alpha, SummaryFields::WithVariant, "idx_store_created"),
        (&variant, SummaryFields::Common, "idx_store_created"),
    ] {
        recorder.take();
        let collected = store
            .collect_cart_events(filter, fields, 3_000, now())
            .await
            .unwrap();
        let Collected::All(collected) = collected else {
            panic!("too many")
        };
        assert_eq!(
            collected.len(),
            expected(&events, filter, Direction::Ascending).len()
        );
        let requests = recorder.take();
        assert!(
            requests
                .iter()
                .all(|request| request.operation == "Query" && request.index() == index),
            "{index}"
        );
        // One for each piece of its time.
        assert!(requests.len() <= 8, "{}", requests.len());
    }
}
