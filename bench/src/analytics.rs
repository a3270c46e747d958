//! `bench analytics`: what a month of a store costs to be counted, in time, in memory and in requests.

use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};
use shoptrail_domain::access::{ApiKey, Scope, Stores};
use shoptrail_domain::advice::Source;
use shoptrail_domain::advice::outcome::Outcome;
use shoptrail_domain::cart_event::CartEvent;
use shoptrail_domain::image_generation::ImageGeneration;
use shoptrail_domain::sender::Sender;
use shoptrail_domain::session::SessionMessage;
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_edge::{Clock, Random};
use shoptrail_local::testing::TestDb;
use shoptrail_storage::{ApiKeyRecord, DecisionRecord, Pepper, Store};

use crate::bootstrap::{Database, Release, SETTINGS, Watched};
use crate::counting::CountingProxy;
use crate::events;
use crate::failure::{BenchResult, Failure};
use crate::report::{Table, median, megabytes, progress, ratio};
use crate::size::peak_memory;

const FUNCTION: &str = "cart-tracking";
const STORE: &str = "demo.myshopify.com";
/// The days of a request that says nothing, but for a few minutes: today is one of them.
const MONTH_MS: i64 = 29 * 86_400_000;
/// Longer than the range.
const RETENTION_DAYS: u32 = 90;
/// What is stored with one call: it has to end within the time of an operation.
const BATCH: usize = 100;
/// Products, of which the first ones are looked at most.
const PRODUCTS: usize = 200;

/// How much is counted.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Cart events in the range, for each measurement
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000])]
    events: Vec<usize>,
    /// Requests to each function; the first one finds no connections and is told apart
    #[arg(long, default_value_t = 5)]
    requests: usize,
    /// As many generations, sessions and decisions as events, of which one answer counts 66,666 at the most. Else a third as many
    /// sessions, a fifth as many generations and a tenth as many decisions
    #[arg(long)]
    full: bool,
}

/// One measurement.
struct Measured {
    first_ms: f64,
    median_ms: f64,
    init_bytes: u64,
    peak_bytes: u64,
    requests: u64,
    answered_bytes: u64,
    entries: Vec<Entries>,
}

/// An index, its entries of the store, and the read units that they cost.
type Entries = (&'static str, usize, f64);

/// What is read: tables and their indexes.
const INDEXES: [(&str, &str); 5] = [
    ("cart_tracking_events", "idx_store_name"),
    ("image_generations", "idx_store_created"),
    ("tracker_sessions", "idx_store_started"),
    ("tracker_sessions", "idx_store_checkout"),
    ("ask_ai_decisions", "idx_store_created"),
];

pub(crate) async fn run(release: &Release, options: &Options) -> BenchResult<()> {
    let of = if options.full { [1, 1, 1] } else { [3, 5, 10] };
    let table = Table::start(
        &format!(
            "Analytics of 30 days, with a session for {} events, a generation for {} and a decision for {}",
            of[0], of[1], of[2]
        ),
        [
            "cart events",
            "first answer",
            "median",
            "against the first line",
            "memory after init",
            "peak memory",
            "against the first line",
            "database requests",
            "read",
        ],
    );
    let mut first: Option<(f64, u64)> = None;
    let mut entries = Vec::new();
    for events in &options.events {
        let measured = measure(release, *events, of, options.requests.max(1)).await?;
        let (ms, bytes) = *first.get_or_insert((measured.median_ms, measured.peak_bytes));
        table.row(&[
            events.to_string(),
            format!("{:.0} ms", measured.first_ms),
            format!("{:.0} ms", measured.median_ms),
            ratio(measured.median_ms, ms),
            megabytes(measured.init_bytes),
            megabytes(measured.peak_bytes),
            ratio(measured.peak_bytes as f64, bytes as f64),
            measured.requests.to_string(),
            megabytes(measured.answered_bytes),
        ]);
        entries = measured.entries;
    }
    let table = Table::start(
        "Entries of the indexes that are read, by the engine's consumed capacity",
        ["index", "entries", "read units per 1,000", "bytes an entry"],
    );
    for (index, count, units) in entries {
        let thousands = count as f64 / 1e3;
        table.row(&[
            index.to_owned(),
            count.to_string(),
            format!("{:.1}", units / thousands),
            // Half a unit is 4 KB.
            format!("{:.0}", units * 8.192 / thousands),
        ]);
    }
    Ok(())
}

async fn measure(
    release: &Release,
    events: usize,
    [session, generation, decision]: [usize; 3],
    requests: usize,
) -> BenchResult<Measured> {
    let db = TestDb::start().await;
    let store = Store::connect(&db.store_config());
    let now = Clock::system().now();
    let counts = [
        events,
        events / generation,
        events / session,
        events / decision,
    ];
    fill(&store, now, counts).await?;
    let key = create_key(&store, now).await?;
    let proxy = CountingProxy::start(db.endpoint_url()).await?;
    let command = Database::At(proxy.url.clone()).command(&release.binary(FUNCTION)?);
    let function = Watched::start(FUNCTION, command).await?;
    let init_bytes = peak_memory(function.pid()?)?;
    let event = events::read(
        "/api/cart-tracking/analytics",
        &format!("storeName={STORE}"),
        key.expose(),
    );
    let mut taken = Vec::new();
    let mut used = (0, 0);
    for _ in 0..requests {
        proxy.take();
        let started = Instant::now();
        let answer = function.answer(&event, 200).await?;
        taken.push(started.elapsed().as_secs_f64() * 1e3);
        used = proxy.take();
        let body = answer["body"].as_str().unwrap_or_default();
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let counted = body["data"]["totals"]["events"].as_u64();
        if counted != Some(events as u64) {
            return Err(Failure::Counted);
        }
    }
    let peak_bytes = peak_memory(function.pid()?)?;
    function.end().await?;
    let entries = entries(&db).await?;
    let later = taken.get(1..).filter(|later| !later.is_empty());
    Ok(Measured {
        first_ms: taken[0],
        median_ms: median(later.unwrap_or(&taken)),
        init_bytes,
        peak_bytes,
        requests: used.0,
        answered_bytes: used.1,
        entries,
    })
}

/// Counts each index's entries of the store.
async fn entries(db: &TestDb) -> BenchResult<Vec<Entries>> {
    // Any item names the store.
    let events = db
        .client()
        .scan()
        .table_name(INDEXES[0].0)
        .limit(1)
        .send()
        .await;
    let event = events.ok().and_then(|page| page.items?.pop());
    let store = event.and_then(|mut event| event.remove("store_name"));
    let store = store.ok_or(Failure::Sample)?;
    let mut entries = Vec::new();
    for (table, index) in INDEXES {
        let (mut count, mut units, mut from) = (0, 0.0, None);
        loop {
            let page = db
                .client()
                .query()
                .table_name(table)
                .index_name(index)
                .key_condition_expression("store_name = :store")
                .expression_attribute_values(":store", store.clone())
                .select("COUNT".into())
                .return_consumed_capacity("TOTAL".into())
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(|_| Failure::Sample)?;
            count += usize::try_from(page.count).unwrap_or_default();
            let consumed = page.consumed_capacity.and_then(|it| it.capacity_units);
            units += consumed.unwrap_or_default();
            from = page.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        entries.push((index, count, units));
    }
    Ok(entries)
}

async fn create_key(store: &Store, now: Timestamp) -> BenchResult<ApiKey> {
    let random = Random::system();
    let key = ApiKey::new(random.draw() as u64, [random.draw(), random.draw()]);
    let peppers = SETTINGS.iter().filter(|(name, _)| *name == "HASH_PEPPER");
    let pepper = peppers.filter_map(|(_, pepper)| Pepper::new(pepper)).next();
    let pepper = pepper.ok_or(Failure::Sample)?;
    let scopes = [Scope::Read].into();
    let record = ApiKeyRecord::new(&key, &pepper, "bench".into(), scopes, &Stores::All, now);
    store.record_api_key(&record).await?;
    Ok(key)
}

/// Stores cart events, generations, sessions and decisions of the month before `now`, evenly.
async fn fill(store: &Store, now: Timestamp, counts: [usize; 4]) -> BenchResult<()> {
    let kinds = [
        ("cart events", Kind::Event),
        ("generations", Kind::Generation),
        ("sessions", Kind::Session),
        ("decisions", Kind::Decision),
    ];
    for ((name, kind), count) in kinds.into_iter().zip(counts) {
        progress(&format!("storing {count} {name}"));
        // One call after the other: the engine writes one item after the other.
        for first in (0..count).step_by(BATCH) {
            let sample = Sample { now, count };
            let numbers = first..count.min(first + BATCH);
            sample.write(store, kind, numbers).await?;
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Event,
    Generation,
    Session,
    Decision,
}

/// So many of something, over a month.
#[derive(Debug, Clone, Copy)]
struct Sample {
    now: Timestamp,
    count: usize,
}

impl Sample {
    fn at(self, number: usize) -> Timestamp {
        let share = MONTH_MS * number as i64 / self.count.max(1) as i64;
        self.now.plus_millis(share - MONTH_MS)
    }

    async fn write(
        self,
        store: &Store,
        kind: Kind,
        numbers: std::ops::Range<usize>,
    ) -> BenchResult<()> {
        let random = Random::system();
        let draw = || random.draw();
        match kind {
            Kind::Event => {
                let events = numbers.map(|number| Ok((event(number)?, self.at(number))));
                let events = events.collect::<BenchResult<Vec<_>>>()?;
                store
                    .record_cart_events(&events, RETENTION_DAYS, draw)
                    .await?;
            }
            Kind::Generation => {
                let generations = numbers.map(|number| Ok((generation(number)?, self.at(number))));
                let generations = generations.collect::<BenchResult<Vec<_>>>()?;
                store
                    .record_image_generations(&generations, RETENTION_DAYS, draw)
                    .await?;
            }
            Kind::Session => {
                let sessions = numbers.map(|number| {
                    let at = self.at(number);
                    Ok(vec![(message(number, at)?, at)])
                });
                let sessions = sessions.collect::<BenchResult<Vec<_>>>()?;
                store
                    .record_new_sessions(&sessions, RETENTION_DAYS, draw)
                    .await?;
            }
            Kind::Decision => {
                let decisions = numbers.map(|number| Ok(vec![decision(number, self.at(number))?]));
                let decisions = decisions.collect::<BenchResult<Vec<_>>>()?;
                store.record_first_decisions(&decisions).await?;
            }
        }
        Ok(())
    }
}

fn session(number: usize) -> String {
    format!("af4bac4d-077a-4756-91d0-{number:012x}")
}

/// A product: half of all are of the first few.
fn product(number: usize) -> usize {
    let spread = number.wrapping_mul(2_654_435_761) % (PRODUCTS * PRODUCTS);
    8_123_456_000 + spread.isqrt().abs_diff(PRODUCTS - 1)
}

fn event(number: usize) -> BenchResult<CartEvent> {
    let actions = [
        "add_to_cart",
        "add_to_cart",
        "add_to_cart",
        "remove_from_cart",
        "buy_now",
    ];
    let mut body = json!({
        "storeName": STORE, "actionType": actions[number % actions.len()], "productId": product(number),
        "productTitle": format!("Linen shirt no. {}, long sleeves", product(number) % 1_000),
        "variantId": 45_123_456_789_u64 + number as u64 % 1_000,
        "productUrl": format!("https://{STORE}/products/linen-shirt-{}", product(number)),
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    });
    // Some are known by their session, some by the customer or the picture alone.
    if number % 10 < 7 {
        body["sessionId"] = json!(session(number / 3));
    }
    if number.is_multiple_of(4) {
        body["customerId"] = json!(7_123_456_000_u64 + number as u64 / 8);
        body["customerEmail"] = json!(format!("shopper{}@example.com", number / 8));
    }
    if number.is_multiple_of(5) {
        body["generatedImageUrl"] = json!(image(number / 5));
    }
    let wire = serde_json::from_value(body).map_err(|_| Failure::Sample)?;
    CartEvent::parse(&wire, Sender::default()).map_err(|_| Failure::Sample)
}

fn image(number: usize) -> String {
    format!(
        "https://images.example.com/try-on/{number}.jpg?signature=0123456789abcdef0123456789abcdef"
    )
}

fn generation(number: usize) -> BenchResult<ImageGeneration> {
    let body = json!({
        "storeName": STORE, "productId": product(number * 5), "sessionId": session(number * 5 / 3),
        "generatedImageUrl": image(number), "personImageUrl": format!("https://images.example.com/person/{number}.jpg"),
        "status": if number.is_multiple_of(20) { "failed" } else { "completed" },
    });
    let wire = serde_json::from_value(body).map_err(|_| Failure::Sample)?;
    ImageGeneration::parse(&wire, Sender::default()).map_err(|_| Failure::Sample)
}

fn message(number: usize, at: Timestamp) -> BenchResult<SessionMessage> {
    let viewed = (0..1 + number % 4).map(|view| {
        json!({ "type": "product_view", "ts": at.as_millis(), "productId": product(number * 3 + view) })
    });
    let mut events: Vec<Value> = viewed.collect();
    if number.is_multiple_of(12) {
        events.push(json!({ "type": "checkout_started", "ts": at.as_millis() }));
    }
    let body = json!({
        "session": session(number), "storeName": STORE, "itemsInCart": number % 5, "events": { "/": events },
    });
    let body = serde_json::from_value(body).map_err(|_| Failure::Sample)?;
    SessionMessage::parse(body, at).map_err(|_| Failure::Sample)
}

fn decision(number: usize, at: Timestamp) -> BenchResult<DecisionRecord> {
    let is_held_out = number.is_multiple_of(10);
    let advice = |show_popup: bool| {
        let advice = json!({
            "show_popup": show_popup, "message": if show_popup { "Not quite sure yet? Just ask us." } else { "" },
            "reason": "The shopper has looked at the cart for a minute or more without going on to the checkout.",
            "category": if show_popup { "info" } else { "none" },
            "trigger": "cart_dwell", "confidence": 0.65, "delay_ms": 3_000,
        });
        serde_json::from_value(advice).map_err(|_| Failure::Sample)
    };
    let outcomes = [Outcome::Shown, Outcome::Clicked, Outcome::Converted];
    let outcomes = outcomes
        .into_iter()
        .take(if is_held_out { 0 } else { number % 4 });
    let store = StoreName::parse(STORE).map_err(|_| Failure::Sample)?;
    Ok(DecisionRecord {
        session: session(number),
        decision_id: format!("00000000-0000-7000-8000-{number:012x}"),
        session_version: 1,
        store_name: Some(store.to_string()),
        source: if is_held_out {
            Source::Policy
        } else {
            Source::Rules
        },
        advice: advice(!is_held_out)?,
        suppressed: is_held_out.then(|| advice(true)).transpose()?,
        asked: None,
        failure: None,
        outcomes: outcomes.map(|outcome| (outcome, at.to_iso())).collect(),
        created_at: at.to_iso(),
        reusable_until: None,
        expires_at: at.plus_days(RETENTION_DAYS).as_secs(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_keeps_every_rule() {
        let now = Clock::system().now();
        for number in 0..200 {
            event(number).unwrap();
            generation(number).unwrap();
            message(number, now).unwrap();
            decision(number, now).unwrap();
        }
        let sample = Sample { now, count: 200 };
        assert!(sample.at(0) >= now.plus_millis(-MONTH_MS) && sample.at(199) < now);
    }
}
