//! Image generations are found by every filter, as a naive count over all of them finds them, and so are the cart events
//! that came of each.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use serde::Serialize;
use serde_json::json;
use shoptrail_domain::access::Stores;
use shoptrail_domain::email::Email;
use shoptrail_domain::generation_filter::{GenerationFilter, GenerationUser};
use shoptrail_domain::identifier::ExternalId;
use shoptrail_domain::image_generation::GenerationStatus;
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_local::testing::{Recorded, TestDb};
use shoptrail_storage::{
    CartEventRecord, Collected, GenerationEvent, GenerationEvents, GenerationSummary,
    ImageGenerationRecord,
};

use crate::event_reads::{DAY, Draw, at, count, event, many_stores, patiently, recorded, stores};
use crate::support::{DAYS, generate, image_generation, now, random, store};

/// A generation of the time `millis`, of a store.
fn generation(number: u64, store: &str, millis: i64) -> ImageGenerationRecord {
    let created_at = Timestamp::from_millis(millis).to_iso();
    ImageGenerationRecord {
        id: format!(
            "image-generation-{millis:013}-{:07}",
            number * 7_919 % 9_999_991
        ),
        store_name: format!("{store}.myshopify.com"),
        status: GenerationStatus::Completed,
        product_id: None,
        variant_id: None,
        customer_id: None,
        customer_email: None,
        session_id: None,
        generated_image_url: None,
        image_key: None,
        person_image_url: None,
        clothing_image_url: None,
        event_id: None,
        created_bucket: format!("{}#{}", &created_at[..10], number % 8),
        updated_at: created_at.clone(),
        created_at,
        expires_at: now().plus_days(1).as_secs(),
    }
}

/// Generations of three stores over a month, a few of them a year old, and some that have expired.
fn generations() -> Vec<ImageGenerationRecord> {
    let mut draw = Draw(7);
    let generations = (0..800).map(|number| {
        let store = ["alpha", "beta", "gamma"][draw.below(3) as usize];
        let age = match draw.below(12) {
            0 => 300 * DAY + draw.below(90) as i64 * DAY,
            1..4 => draw.below(40) as i64 * (DAY / 2),
            _ => draw.below(30 * DAY as u64) as i64,
        };
        let email = draw.maybe("customer", 8);
        let expires_at = match draw.below(12) {
            0 => now().as_secs() - draw.below(3) as i64,
            _ => now().as_secs() + 1 + draw.below(9) as i64,
        };
        ImageGenerationRecord {
            status: GenerationStatus::ALL[draw.below(4) as usize],
            product_id: draw.maybe("product", 6),
            variant_id: draw.maybe("variant", 3),
            customer_id: draw.maybe("id", 8),
            customer_email: email.map(|name| format!("{name}@example.com")),
            session_id: draw.maybe("session", 40),
            image_key: draw.maybe("picture", 60),
            expires_at,
            ..generation(number, store, now().as_millis() - age)
        }
    });
    generations.collect()
}

async fn put<T: Serialize>(db: &TestDb, table: &str, records: &[T]) {
    let requests = records.iter().map(|record| {
        let item = serde_dynamo::to_item(record).unwrap();
        let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    });
    for batch in requests.collect::<Vec<_>>().chunks(25) {
        let write = db.client().batch_write_item();
        let write = write.request_items(table, batch.to_vec());
        write.send().await.unwrap();
    }
}

fn none(stores: Stores) -> GenerationFilter {
    GenerationFilter {
        stores,
        status: None,
        user: None,
        from: None,
        until: None,
    }
}

/// All combinations of what a filter may name.
fn filters() -> Vec<GenerationFilter> {
    let users = [
        None,
        Some(GenerationUser::Id(ExternalId::parse("id1").unwrap())),
        Some(GenerationUser::Email(
            Email::parse("customer1@example.com").unwrap(),
        )),
    ];
    let ranges = [
        (None, None),
        (at(20), at(4)),
        (at(9), None),
        (None, at(9)),
        (at(350), at(340)),
    ];
    let mut filters = Vec::new();
    for stores in [
        Stores::All,
        stores(["alpha"]),
        stores(["alpha", "beta"]),
        many_stores(),
        stores([]),
    ] {
        for user in &users {
            for status in [None, Some(GenerationStatus::Failed)] {
                for (from, until) in ranges {
                    // A month of all stores is hundreds of requests: once for each end will do.
                    if stores == Stores::All && user.is_none() && from.is_none() && status.is_some()
                    {
                        continue;
                    }
                    filters.push(GenerationFilter {
                        stores: stores.clone(),
                        status,
                        user: user.clone(),
                        from,
                        until,
                    });
                }
            }
        }
    }
    filters
}

/// Whether the filter asks for the generation: the definition, against which the store is held.
fn is_asked_for(filter: &GenerationFilter, generation: &ImageGenerationRecord) -> bool {
    let at = Timestamp::parse_iso(&generation.created_at).unwrap();
    // All stores together are looked through for a month, unless the range has a start.
    let is_walk = filter.stores == Stores::All && filter.user.is_none();
    let last = filter.until.map_or(now(), |until| until.plus_millis(-1));
    let is_too_old = is_walk && filter.from.is_none() && at < last.plus_millis(-31 * DAY);
    let is_users = match &filter.user {
        None => true,
        Some(GenerationUser::Id(id)) => generation.customer_id.as_deref() == Some(id.as_str()),
        Some(GenerationUser::Email(email)) => {
            generation.customer_email.as_deref() == Some(email.as_str())
        }
    };
    let store = StoreName::parse(&generation.store_name).unwrap();
    !is_too_old
        && is_users
        && filter.stores.contain(&store)
        && filter
            .status
            .is_none_or(|status| status == generation.status)
        && filter.from.is_none_or(|from| from <= at)
        && filter.until.is_none_or(|until| at < until)
        && generation.expires_at > now().as_secs()
}

/// How many different requests of an operation there are: one whose answer takes long is sent again.
fn different(requests: &[Recorded], operation: &str) -> usize {
    let requests = requests.iter();
    let requests = requests.filter(|request| request.operation == operation);
    let bodies: BTreeSet<_> = requests.map(|request| request.body.to_string()).collect();
    bodies.len()
}

fn summary(generation: &ImageGenerationRecord) -> GenerationSummary {
    let generation = generation.clone();
    GenerationSummary {
        id: generation.id,
        store_name: generation.store_name,
        status: generation.status,
        product_id: generation.product_id,
        variant_id: generation.variant_id,
        customer_id: generation.customer_id,
        customer_email: generation.customer_email,
        session_id: generation.session_id,
        image_key: generation.image_key,
        created_at: generation.created_at,
    }
}

fn all_of<T>(collected: Collected<T>) -> Vec<T> {
    match collected {
        Collected::All(all) => all,
        Collected::TooMany => panic!("too many"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_combination_of_filters_finds_what_a_naive_count_finds_by_its_best_index() {
    let db = TestDb::start().await;
    let (recorder, store) = recorded(&db).await;
    let generations = generations();
    put(&db, "image_generations", &generations).await;
    let mut found = 0;
    for filter in filters() {
        recorder.take();
        let collected =
            patiently(async || store.collect_image_generations(&filter, 3_000, now()).await);
        let collected = all_of(collected.await);
        let asked = generations.iter().filter(|one| is_asked_for(&filter, one));
        let mut expected: Vec<_> = asked.map(summary).collect();
        expected.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
        assert_eq!(collected, expected, "{filter:?}");
        found += collected.len();

        let requests = recorder.take();
        let index = match (&filter.user, &filter.stores) {
            (Some(GenerationUser::Id(_)), _) => "idx_customer_id",
            (Some(GenerationUser::Email(_)), _) => "idx_customer_email",
            (None, Stores::All) => "idx_created_at",
            (None, Stores::These(_)) => "idx_store_created",
        };
        let is_planned = requests
            .iter()
            .all(|request| match request.operation.as_str() {
                "Query" => request.index() == index,
                // The customers' indexes do not say how far a generation is; the others say all.
                operation => operation == "BatchGetItem" && filter.user.is_some(),
            });
        assert!(is_planned, "{filter:?}");
        let partitions = match (&filter.stores, index) {
            (Stores::These(stores), _) if stores.is_empty() => 0,
            // Eight shards of each day that is looked through, each of which is asked once.
            (_, "idx_created_at") => match (filter.from, filter.until) {
                (None, _) => 33 * 8,
                (Some(from), until) => {
                    let until = until.unwrap_or(now().plus_millis(DAY));
                    (2 + (until.as_millis() - from.as_millis()) / DAY) as usize * 8
                }
            },
            // A store's time is cut in pieces, of which there are eight in all.
            (Stores::These(stores), "idx_store_created") => stores.len().max(8),
            _ => 1,
        };
        let (queries, reads) = (
            different(&requests, "Query"),
            different(&requests, "BatchGetItem"),
        );
        assert!(
            queries <= partitions && reads <= 2,
            "{queries} {reads} {filter:?}"
        );
    }
    assert!(found > 5_000, "the filters leave something: {found}");
}

#[tokio::test]
async fn collecting_costs_what_the_index_holds_and_whole_records_of_a_user_alone() {
    let db = TestDb::start().await;
    let (recorder, store) = recorded(&db).await;
    let generations: Vec<_> = (0..1_000_u64)
        .map(|number| ImageGenerationRecord {
            customer_id: number.is_multiple_of(10).then(|| "909".into()),
            generated_image_url: Some("https://img.example/".repeat(20)),
            ..generation(
                number,
                ["alpha", "beta"][number as usize % 2],
                now().as_millis() - number as i64 * 60_000,
            )
        })
        .collect();
    put(&db, "image_generations", &generations).await;
    let user = GenerationFilter {
        user: Some(GenerationUser::Id(ExternalId::parse("909").unwrap())),
        ..none(stores(["alpha"]))
    };
    let failed = GenerationFilter {
        status: Some(GenerationStatus::Failed),
        ..none(stores(["alpha"]))
    };
    let since = GenerationFilter {
        from: at(1),
        ..none(Stores::All)
    };
    // Queries, entries, and units: half a one for 4 KB of entries, and one for each record that is read consistently. A
    // whole entry has some 900 bytes, a narrow one some 250.
    for (filter, results, queries, entries, units) in [
        (none(stores(["alpha"])), 500, 8, 500, 80.0),
        (failed, 0, 8, 500, 80.0),
        (since, 1_000, 3 * 8, 1_000, 60.0),
        (user, 100, 1, 100, 110.0),
    ] {
        let mut least = (usize::MAX, 0, 0.0);
        // An answer that takes long is asked for once more, which costs as well.
        for _ in 0..3 {
            let read = patiently(async || {
                recorder.take();
                store.collect_image_generations(&filter, 3_000, now()).await
            });
            assert_eq!(all_of(read.await).len(), results, "{filter:?}");
            let requests = recorder.take();
            let scanned: u64 = requests.iter().map(|request| request.scanned).sum();
            let cost: f64 = requests.iter().map(|request| request.units).sum();
            let costs = (count(&requests, "Query"), scanned, cost);
            if costs.0 < least.0 {
                least = costs;
            }
        }
        assert!(
            least.0 <= queries && least.1 <= entries && least.2 <= units && least.2 > 0.0,
            "{least:?} {filter:?}"
        );
    }
    let alpha = none(stores(["alpha"]));
    let few = store.collect_image_generations(&alpha, 499, now());
    assert_eq!(few.await.unwrap(), Collected::TooMany);
}

#[tokio::test]
async fn a_generation_that_was_recorded_is_found_among_all_stores_and_by_id() {
    let db = TestDb::start().await;
    let store = store(&db);
    let mut ids = Vec::new();
    for number in 0..30 {
        let fields = json!({ "storeName": format!("s{}", number % 3), "productId": number });
        let recorded = generate(&store, &image_generation(fields)).await.unwrap();
        ids.push(recorded.id);
    }
    let all_stores = GenerationFilter {
        from: at(1),
        ..none(Stores::All)
    };
    let found = patiently(async || {
        store
            .collect_image_generations(&all_stores, 100, now())
            .await
    });
    let found = all_of(found.await);
    let found: BTreeSet<_> = found.into_iter().map(|one| one.id).collect();
    assert_eq!(found, ids.iter().cloned().collect());
    let asked: Vec<&str> = ids.iter().rev().map(String::as_str).collect();
    let records = store.find_image_generations(&asked, now()).await.unwrap();
    let of_records: Vec<_> = records.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(of_records, asked);
    let shards: BTreeSet<_> = records.iter().map(|one| &one.created_bucket).collect();
    assert!(shards.len() > 3, "{shards:?}");
    let later = now().plus_days(DAYS);
    let expired = store.find_image_generations(&asked, later).await.unwrap();
    assert_eq!(expired, []);
}

#[tokio::test]
async fn one_picture_has_one_key_in_events_alone_in_batches_and_in_generations() {
    let db = TestDb::start().await;
    let store = store(&db);
    let url = "https://img.example/try-on/1.png";
    // printf 'my-store.myshopify.com\nhttps://img.example/try-on/1.png' | sha256sum | cut -c -32
    let key = "5dd96f399eab8b44dc92110600c69234";
    let fields = json!({ "generatedImageUrl": url });
    let of_picture = crate::support::cart_event(fields.clone());
    let without = crate::support::cart_event(json!({ "productId": 1 }));
    crate::support::track(&store, &of_picture).await.unwrap();
    let batch = [(of_picture, now()), (without, now())];
    let outcomes = store.record_cart_events(&batch, DAYS, random).await;
    assert_eq!(outcomes.unwrap().len(), 2);
    generate(&store, &image_generation(fields)).await.unwrap();
    let keys = async |table| {
        let items = db.items(table).await;
        let keys = items.iter().map(|item| item.get("image_key").cloned());
        let keys = keys.map(|key| key.map(|key| key.as_s().unwrap().clone()));
        let mut keys: Vec<_> = keys.collect();
        keys.sort();
        keys
    };
    let some = Some(key.to_owned());
    let of_events = keys("cart_tracking_events").await;
    assert_eq!(of_events, [None, some.clone(), some.clone()]);
    assert_eq!(keys("image_generations").await, [some]);
}

/// Cart events around the generations: with and without their pictures, of their sessions and customers.
fn cart_events() -> Vec<CartEventRecord> {
    let mut draw = Draw(11);
    let events = (0..1_500).map(|number| {
        let store = ["alpha", "beta", "gamma"][draw.below(3) as usize];
        let age = draw.below(31 * DAY as u64) as i64;
        let email = draw.maybe("customer", 8);
        CartEventRecord {
            action_type: ["add_to_cart", "buy_now"][draw.below(2) as usize].into(),
            product_id: draw.maybe("product", 6),
            customer_id: draw.maybe("id", 8),
            customer_email: email.map(|name| format!("{name}@example.com")),
            session_id: draw.maybe("session", 40),
            image_key: draw.maybe("picture", 60),
            expires_at: now().as_secs() + draw.below(9) as i64,
            ..event(number, store, now().as_millis() - age)
        }
    });
    events.collect()
}

/// Whether the event came of the generation: the definition, against which the store is held.
fn came_of(event: &CartEventRecord, generation: &ImageGenerationRecord) -> bool {
    let is_shoppers = if generation.session_id.is_some() {
        event.session_id == generation.session_id
    } else if generation.customer_id.is_some() {
        event.customer_id == generation.customer_id
    } else if generation.customer_email.is_some() {
        event.customer_email == generation.customer_email
    } else {
        false
    };
    let is_of_picture = event.image_key.is_some() && event.image_key == generation.image_key;
    let is_afterwards = event.image_key.is_none()
        && is_shoppers
        && generation.product_id.is_some()
        && event.product_id == generation.product_id
        && event.created_at >= generation.created_at;
    event.store_name == generation.store_name
        && event.expires_at > now().as_secs()
        && (is_of_picture || is_afterwards)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_events_of_a_generation_are_those_that_a_naive_count_finds() {
    let db = TestDb::start().await;
    let (recorder, store) = recorded(&db).await;
    let (generations, events) = (generations(), cart_events());
    put(&db, "cart_tracking_events", &events).await;
    let mut by_picture = 0;
    let mut by_shopper = BTreeMap::new();
    for page in generations[..400].chunks(100) {
        recorder.take();
        let found = patiently(async || {
            recorder.take();
            store.list_events_of_generations(page, now()).await
        });
        let found = found.await;
        assert_eq!(found.len(), page.len());
        for (generation, found) in page.iter().zip(found) {
            let mut expected: Vec<_> = events
                .iter()
                .filter(|event| came_of(event, generation))
                .collect();
            expected.sort_by_key(|event| (&event.created_at, &event.id));
            for event in &expected {
                by_picture += usize::from(event.image_key.is_some());
                if event.image_key.is_none() {
                    let by = [
                        &generation.session_id,
                        &generation.customer_id,
                        &generation.customer_email,
                    ];
                    let by = by.iter().position(|name| name.is_some());
                    *by_shopper.entry(by).or_insert(0) += 1;
                }
            }
            let expected = expected.into_iter().map(|event| GenerationEvent {
                created_at: event.created_at.clone(),
                id: event.id.clone(),
                action_type: event.action_type.clone(),
            });
            let expected = GenerationEvents {
                events: expected.collect(),
                is_truncated: false,
            };
            assert_eq!(found, expected, "{generation:?}");
        }
        // One request for each picture and each shopper, and none more: 60 pictures, 40 sessions, 8 ids, 8 addresses.
        let requests = recorder.take();
        let indexes: BTreeSet<_> = requests.iter().map(|request| request.index()).collect();
        let planned = [
            "idx_customer_email",
            "idx_customer_id",
            "idx_image_key",
            "idx_session_id",
        ];
        assert_eq!(indexes.into_iter().collect::<Vec<_>>(), planned);
        assert_eq!(count(&requests, "Query"), requests.len());
        let queries = different(&requests, "Query");
        assert!(queries <= 116, "{queries}");
        let units: f64 = requests.iter().map(|request| request.units).sum();
        assert!(units > 0.0 && units < 300.0, "{units}");
    }
    assert!(by_picture > 100, "{by_picture}");
    assert!((0..3).all(|by| by_shopper[&Some(by)] > 3), "{by_shopper:?}");
}

#[tokio::test]
async fn more_events_than_are_looked_at_are_told_of() {
    let db = TestDb::start().await;
    let (recorder, store) = recorded(&db).await;
    let events: Vec<_> = (0..1_200)
        .map(|number| CartEventRecord {
            image_key: (number < 1_001).then(|| "picture".into()),
            session_id: (number >= 1_001).then(|| "s-1".into()),
            product_id: Some("1".into()),
            ..event(number, "alpha", now().as_millis() + number as i64)
        })
        .collect();
    put(&db, "cart_tracking_events", &events).await;
    let base = generation(1, "alpha", now().as_millis());
    let popular = ImageGenerationRecord {
        image_key: Some("picture".into()),
        ..base.clone()
    };
    let of_session = ImageGenerationRecord {
        session_id: Some("s-1".into()),
        product_id: Some("1".into()),
        ..base
    };
    recorder.take();
    let found = store
        .list_events_of_generations(&[popular, of_session], now())
        .await
        .unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|found| (found.events.len(), found.is_truncated))
        .collect();
    assert_eq!(told, [(1_000, true), (199, false)]);
    let requests = recorder.take();
    let scanned: u64 = requests.iter().map(|request| request.scanned).sum();
    assert_eq!((different(&requests, "Query"), scanned), (2, 1_199));
    assert_eq!(found[0].events[0].id, events[0].id, "the oldest");
}
