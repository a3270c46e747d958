//! `bench cost`: what each operation costs of the database, in capacity units, by table and by index. All functions run
//! in this process behind the gateway, and their database is the engine, through a proxy that reads what each request
//! consumed. Units follow from items and projections alone, so that a debug build finds the same.

mod model;
mod printed;
mod sample;
mod shop;

use std::net::IpAddr;

use axum::http::Request;
use clap::Args;
use serde_json::{Value, json};

use self::model::ModelServer;
use self::printed::{Report, print_stored};
use self::sample::{STORE, cart_event, email, envelope, generation, image, session};
use self::shop::{Bench, NEXT_MINUTE_SECONDS, PAUSE_SECONDS, check};
use crate::capacity::{Cost, Units};
use crate::failure::{BenchResult, Failure};
use crate::report::progress;

/// The days over which the sample for reading is spread: analytics that are told no range look at 30.
const DAYS: usize = 29;

/// How much is read.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Cart events of the month that is read and counted; with a third as many sessions, a fifth as many image
    /// generations and a tenth as many decisions
    #[arg(long, default_value_t = 10_000)]
    events: usize,
}

pub(crate) async fn run(options: &Options) -> BenchResult<()> {
    let mut report = Report::default();
    let bench = Bench::start(&[]).await?;
    progress("cart events and image generations");
    let event = cart_events(&bench, &mut report).await?;
    let generation = generations(&bench, &mut report).await?;
    progress("sessions");
    let session = sessions(&bench, &mut report).await?;
    progress("decisions");
    let decision = decisions(&mut report).await?;
    progress("limits and refusals");
    limits(&mut report).await?;
    progress("an erasure");
    erasure(&mut report).await?;
    reads(options.events, &mut report).await?;
    report.print();
    for (title, cost) in [
        (
            "A typical cart event with eventId, and the record of its key",
            &event,
        ),
        ("An image generation", &generation),
        (
            "A session of ten messages, as its last message leaves it",
            &session,
        ),
        ("A decision of the model", &decision),
    ] {
        print_stored(&bench.shop.db().template().tables, title, cost);
    }
    Ok(())
}

const TRACK: &str = "/api/cart-tracking/track";
const TRACK_BATCH: &str = "/api/cart-tracking/batch";
const GENERATION: &str = "/api/image-generations/track";
const ASK_AI: &str = "/askai";

async fn cart_events(bench: &Bench, report: &mut Report) -> BenchResult<Cost> {
    let least = json!({ "storeName": STORE, "productId": 8_123_456_789_u64 });
    report.add(
        "cart event, product alone",
        bench.post_alone(TRACK, &least).await?,
    );
    let typical = bench.post_alone(TRACK, &cart_event(0)).await?;
    let mut of_try_on = cart_event(1);
    of_try_on["generatedImageUrl"] = json!(image(1));
    of_try_on["personImageUrl"] = json!("https://images.example.com/person/1.jpg");
    of_try_on["clothingImageUrl"] = json!("https://images.example.com/clothing/1.jpg");
    of_try_on["customerFirstName"] = json!("Jane");
    of_try_on["customerLastName"] = json!("Doe");
    let of_try_on = bench.post_alone(TRACK, &of_try_on).await?;
    let mut keyed = cart_event(2);
    keyed["eventId"] = json!("5e0d7f0a-5f1c-4a55-9c7e-0d1f3b6a2c11");
    let first = bench.post_alone(TRACK, &keyed).await?;
    let repeat = bench.post_alone(TRACK, &keyed).await?;
    let stored = items_of(&first, "cart_tracking_events");
    report.add("cart event, typical", typical);
    report.add("cart event of a try-on, with names and pictures", of_try_on);
    report.add("cart event, typical, with eventId", first);
    report.add("the same eventId again", repeat);
    for is_keyed in [false, true] {
        let events = (0..25).map(|number| {
            let mut event = cart_event(number);
            if is_keyed {
                event["eventId"] = json!(format!("batch-event-{number:06}"));
            }
            event
        });
        let body = json!({ "events": events.collect::<Vec<_>>() });
        let cost = bench.post_alone(TRACK_BATCH, &body).await?;
        let keys = if is_keyed { ", with eventIds" } else { "" };
        report.add_each(&format!("cart event in a batch of 25{keys}"), 25, cost);
    }
    let refused = json!({ "storeName": STORE, "productId": "1", "consent": false });
    report.add(
        "cart event without consent",
        bench.post_alone(TRACK, &refused).await?,
    );
    Ok(stored)
}

/// What of a cost was written to one table.
fn items_of(cost: &Cost, table: &str) -> Cost {
    let items = cost.items.iter().filter(|(name, _)| name == table);
    Cost {
        items: items.cloned().collect(),
        ..Cost::default()
    }
}

async fn generations(bench: &Bench, report: &mut Report) -> BenchResult<Cost> {
    let plain = bench.post_alone(GENERATION, &generation(0)).await?;
    let mut keyed = generation(1);
    keyed["eventId"] = json!("0b7a2f34-88d1-4b0e-8f7c-1f2e3d4c5b6a");
    let first = bench.post_alone(GENERATION, &keyed).await?;
    let stored = items_of(&plain, "image_generations");
    report.add("image generation", plain);
    report.add("image generation, with eventId", first);
    Ok(stored)
}

async fn sessions(bench: &Bench, report: &mut Report) -> BenchResult<Cost> {
    let mut all = Cost::default();
    let mut last = Cost::default();
    bench.settle(NEXT_MINUTE_SECONDS).await;
    for number in 0..10 {
        bench.settle(PAUSE_SECONDS).await;
        let body = envelope(bench.shop.now(), &session(0), number, 10);
        let (cost, _) = bench.post("/ingest", &body).await?;
        all.requests += cost.requests;
        all.refused += cost.refused;
        for (sum, one) in [
            (&mut all.reads, &cost.reads),
            (&mut all.writes, &cost.writes),
        ] {
            for (place, units) in one {
                *sum.entry(place.clone()).or_default() += units;
            }
        }
        last = items_of(&cost, "tracker_sessions");
        let name = match number {
            0 => "first message of a session, ten events",
            1 => "second message",
            9 => "tenth message",
            _ => continue,
        };
        report.add(name, cost);
    }
    report.add_each("message of ten, on average of the ten", 10, all);
    bench.settle(NEXT_MINUTE_SECONDS).await;
    let body = envelope(bench.shop.now(), &session(1), 0, 150);
    let (first, _) = bench.post("/ingest", &body).await?;
    let repeat = bench.post_alone("/ingest", &body).await?;
    report.add("first message, 150 events", first);
    report.add("the same message again", repeat);
    bench.settle(NEXT_MINUTE_SECONDS).await;
    let read = Request::get(format!("/sessions/{}", session(0)));
    let cost = bench.with("/sessions", read, &Value::Null).await?;
    report.add("GET /sessions/{session}, ten messages", cost);
    Ok(last)
}

async fn decisions(report: &mut Report) -> BenchResult<Cost> {
    let model = ModelServer::start().await?;
    let asked = [
        ("GROQ_API_KEY", "none"),
        ("GROQ_BASE_URL", model.url.as_str()),
    ];
    let held_out = [("HOLDOUT_PERCENT", "100")];
    let cases: [(&str, &[(&str, &str)]); 3] = [
        ("Ask AI, decided by the model", &asked),
        ("Ask AI, decided by the rules", &[]),
        ("Ask AI, held out by the policy", &held_out),
    ];
    let mut stored = Cost::default();
    for (name, settings) in cases {
        let bench = Bench::start(settings).await?;
        for number in 0..5 {
            bench.settle(PAUSE_SECONDS).await;
            let body = envelope(bench.shop.now(), &session(0), number, 10);
            bench.post("/ingest", &body).await?;
        }
        bench.settle(NEXT_MINUTE_SECONDS).await;
        let body = json!({ "session": session(0) });
        let (cost, answer) = bench.post(ASK_AI, &body).await?;
        let is_model = answer["source"] == "model";
        if is_model != (settings == asked) {
            return Err(Failure::Sample);
        }
        if is_model {
            stored = items_of(&cost, "ask_ai_decisions");
        }
        report.add(name, cost);
        if is_model {
            let cost = bench.post_alone(ASK_AI, &body).await?;
            report.add("Ask AI, the same session again (cache)", cost);
            for outcome in ["shown", "dismissed"] {
                let body = json!({ "session": session(0), "decisionId": answer["decisionId"], "outcome": outcome });
                let cost = bench.post_alone("/askai/outcome", &body).await?;
                report.add(&format!("outcome, {outcome}"), cost);
            }
        }
    }
    Ok(stored)
}

async fn limits(report: &mut Report) -> BenchResult<()> {
    // Many clients of one store, all in one minute and by one process: what its counter costs an event.
    let bench = Bench::start(&[]).await?;
    bench.settle(NEXT_MINUTE_SECONDS).await;
    for number in 0..200_u8 {
        let peer = IpAddr::from([198, 18, 0, number]);
        let answer = bench
            .shop
            .send_from(peer, Request::post(TRACK), &cart_event(number.into()))
            .await;
        check(TRACK, 200, answer.status)?;
    }
    report.add_each(
        "cart event, one of 200 in a minute of a process",
        200,
        bench.proxy.take(),
    );

    // One client beyond its limit.
    let bench = Bench::start(&[("RATE_LIMIT_PER_MINUTE", "1")]).await?;
    bench.post_alone(TRACK, &cart_event(0)).await?;
    let mut denied = Vec::new();
    for number in 0..2 {
        let answer = bench.shop.post(TRACK, &cart_event(number)).await;
        check(TRACK, 429, answer.status)?;
        denied.push(bench.proxy.take());
        // Its refusal is written down with those of the next requests.
    }
    for (name, cost) in [
        "refused with 429, with the refusals' counters",
        "refused with 429, further ones within 5 s",
    ]
    .into_iter()
    .zip(denied)
    {
        report.add(name, cost);
    }

    // What cannot be read, a hundred within 5 s, and the request that writes their sum down.
    let bench = Bench::start(&[]).await?;
    bench.settle(NEXT_MINUTE_SECONDS).await;
    let wrong = json!({ "storeName": STORE, "customerEmail": "nobody" });
    let mut first = Cost::default();
    for number in 0..100 {
        let answer = bench.shop.post(TRACK, &wrong).await;
        check(TRACK, 400, answer.status)?;
        if number == 0 {
            first = bench.proxy.take();
        }
    }
    report.add("refused with 400, with the refusals' counters", first);
    report.add_each(
        "refused with 400, further ones within 5 s",
        99,
        bench.proxy.take(),
    );

    // What a process reads for itself.
    bench.settle(0).await;
    bench.shop.pass_seconds(PAUSE_SECONDS);
    let request = bench.with_key(Request::get("/sessions/none"));
    bench.shop.send(request, &Value::Null).await;
    let cost = bench.proxy.take();
    let own = |units: &Units| {
        let kept = units
            .iter()
            .filter(|(place, _)| ["settings", "api_keys"].contains(&place.as_str()));
        kept.map(|(place, units)| (place.clone(), *units))
            .collect::<Units>()
    };
    let reads = own(&cost.reads);
    let cost = Cost {
        requests: u32::try_from(reads.len()).unwrap_or_default(),
        reads,
        ..Cost::default()
    };
    report.add(
        "what a process reads anew: switches (5 s), a key (10 s)",
        cost,
    );
    Ok(())
}

async fn erasure(report: &mut Report) -> BenchResult<()> {
    let bench = Bench::start(&[]).await?;
    for visit in 0..2 {
        for number in 0..3 {
            bench.settle(PAUSE_SECONDS).await;
            let body = envelope(bench.shop.now(), &session(visit), number, 10);
            bench.post("/ingest", &body).await?;
        }
        bench
            .post(ASK_AI, &json!({ "session": session(visit) }))
            .await?;
        for number in 0..5 {
            let mut event = cart_event(0);
            event["sessionId"] = json!(session(visit));
            event["eventId"] = json!(format!("event-{visit}-{number}-of-jane"));
            bench.post(TRACK, &event).await?;
        }
    }
    bench.post(GENERATION, &generation(0)).await?;
    bench.settle(NEXT_MINUTE_SECONDS).await;
    let path = "/api/privacy/customers";
    let body = json!({ "storeName": STORE, "customerEmail": email(0) });
    let cost = bench.with(path, Request::delete(path), &body).await?;
    report.add(
        "erasure of a customer: 10 events, 1 generation, 2 sessions, 2 decisions",
        cost,
    );
    Ok(())
}

async fn reads(events: usize, report: &mut Report) -> BenchResult<()> {
    let bench = Bench::start(&[("KEY_RATE_LIMIT_PER_MINUTE", "0")]).await?;
    progress(&format!(
        "storing {events} cart events, and what belongs to them"
    ));
    let seconds = i64::try_from(DAYS * 86_400 / events.max(1)).unwrap_or(i64::MAX);
    // Each at a time of its own: pages end between two times, and a batch has one.
    for number in 0..events {
        bench.shop.pass_seconds(seconds);
        let send = async |path, body: Value| bench.with(path, Request::post(path), &body).await;
        send(TRACK, cart_event(number)).await?;
        if number.is_multiple_of(3) {
            let body = envelope(bench.shop.now(), &session(number / 3), 0, 5);
            send("/ingest", body).await?;
        }
        if number.is_multiple_of(5) {
            send(GENERATION, generation(number)).await?;
        }
        if number.is_multiple_of(10) {
            send(ASK_AI, json!({ "session": session(number / 3) })).await?;
        }
    }
    progress("reading");
    let of_store = format!("?storeName={STORE}");
    let of_customer = format!("{of_store}&customerEmail={}", email(0));
    for (name, path, query) in [
        (
            "a page of /events, 50 of a store's",
            "/api/cart-tracking/events",
            of_store.clone(),
        ),
        (
            "a page of /all, 50 of a store's",
            "/api/cart-tracking/all",
            of_store.clone(),
        ),
        (
            "/all of one customer",
            "/api/cart-tracking/all",
            of_customer.clone(),
        ),
        (
            "/journey of one customer",
            "/api/cart-tracking/journey",
            of_customer,
        ),
        (
            "/analytics of 30 days",
            "/api/cart-tracking/analytics",
            of_store.clone(),
        ),
        (
            "a page of /image-generations/all",
            "/api/image-generations/all",
            of_store.clone(),
        ),
        (
            "/export, the first part as CSV",
            "/api/cart-tracking/export",
            of_store.clone(),
        ),
        ("/refusals", "/api/cart-tracking/refusals", of_store),
        ("/health", "/health", String::new()),
    ] {
        let cost = bench.get(path, &query).await?;
        report.add(&format!("{name} ({events} events stored)"), cost);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_index_of_a_cart_event_is_written_once() {
        let bench = Bench::start(&[]).await.unwrap();
        let cost = bench.post_alone(TRACK, &cart_event(0)).await.unwrap();
        let indexes: Vec<_> = cost
            .writes
            .iter()
            .filter(|(place, _)| place.starts_with("cart_tracking_events/"))
            .collect();
        // All of the template's but that of the pictures, for which there is none.
        let table = &bench.shop.db().template().tables;
        let table = table
            .iter()
            .find(|table| table.name == "cart_tracking_events");
        assert_eq!(indexes.len() + 1, table.unwrap().indexes.len());
        assert!(
            indexes.iter().all(|(_, units)| **units == 1.0),
            "{indexes:?}"
        );
    }
}
