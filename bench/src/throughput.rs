//! `bench throughput`: how much the local gateway takes, with every answered request on the disk.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::process::Command;
use uuid::Uuid;

use crate::bootstrap::{Release, need_tool};
use crate::events;
use crate::failure::{BenchResult, Failure, io};
use crate::gateway::Gateway;
use crate::report::{Table, median, progress, ratio};

/// Varies wrk's sessions and bodies.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wrk/requests.lua");
/// What wrk asks for, and how that is called in the result.
const LOADS: [(&str, &str); 4] = [
    ("healthz", "GET /healthz"),
    ("track", "POST /api/cart-tracking/track, with eventId"),
    ("ingest-new", "POST /ingest, 10 events, new sessions"),
    (
        "ingest-known",
        "POST /ingest, 10 events, 200 sessions that grow",
    ),
];
/// Events in a flush, as trackers send them.
const FLUSH: usize = 150;

/// How long and how hard.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds for each kind of request
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Connections that wrk holds open
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Threads of wrk; they take from the gateway's cores
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Events to which one session grows
    #[arg(long, default_value_t = 10_000)]
    events: usize,
    /// Sessions that grow, one after the other
    #[arg(long, default_value_t = 5)]
    sessions: usize,
}

pub(crate) async fn run(release: &Release, options: &Options) -> BenchResult<()> {
    need_tool("wrk").await?;
    loads(release, options).await?;
    growth(release, options).await
}

async fn loads(release: &Release, options: &Options) -> BenchResult<()> {
    let table = Table::start(
        &format!(
            "Requests per second ({} s each, {} connections, wrk with {} thread)",
            options.seconds, options.connections, options.threads
        ),
        [
            "request",
            "per second",
            "against /healthz",
            "median",
            "99 %",
            "not 2xx",
            "broken",
        ],
    );
    let mut against = None;
    for (load, name) in LOADS {
        progress(&format!("requests per second: {name}"));
        // A fresh gateway for each: no kind finds what another one stored.
        let gateway = Gateway::start(release).await?;
        wrk(&gateway, load, options, Duration::from_secs(1)).await?;
        let measured = wrk(
            &gateway,
            load,
            options,
            Duration::from_secs(options.seconds),
        )
        .await?;
        gateway.stop().await?;
        let healthz = *against.get_or_insert(measured.per_second);
        table.row(&[
            name.to_owned(),
            format!("{:.0}", measured.per_second),
            ratio(measured.per_second, healthz),
            format!("{:.1} ms", measured.median_ms),
            format!("{:.1} ms", measured.p99_ms),
            measured.refused.to_string(),
            measured.broken.to_string(),
        ]);
    }
    Ok(())
}

/// What wrk measured.
struct Measured {
    per_second: f64,
    refused: u64,
    broken: u64,
    median_ms: f64,
    p99_ms: f64,
}

async fn wrk(
    gateway: &Gateway,
    load: &str,
    options: &Options,
    time: Duration,
) -> BenchResult<Measured> {
    let (threads, connections) = (
        options.threads.max(1),
        options.connections.max(options.threads).max(1),
    );
    let output = Command::new("wrk")
        .args([
            "--threads",
            &threads.to_string(),
            "--connections",
            &connections.to_string(),
        ])
        .args([
            "--duration",
            &format!("{}s", time.as_secs()),
            "--timeout",
            "5s",
        ])
        .arg("--script")
        .arg(Path::new(SCRIPT))
        .arg(&gateway.url)
        .args(["--", load, &Uuid::new_v4().simple().to_string()])
        .kill_on_drop(true)
        .output()
        .await
        .map_err(io("wrk"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    measured(&text)
        .ok_or_else(|| Failure::Wrk(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// Reads what the script prints at its end: `RESULT requests µs status-errors socket-errors p50`, `P99 µs`.
fn measured(text: &str) -> Option<Measured> {
    let numbers = |name: &str| -> Option<Vec<u64>> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace()
            .map(|number| number.parse().ok())
            .collect()
    };
    let ([requests, micros, refused, broken, p50], [p99]) = (
        numbers("RESULT ")?.try_into().ok()?,
        numbers("P99 ")?.try_into().ok()?,
    );
    Some(Measured {
        per_second: requests as f64 / (micros.max(1) as f64 / 1e6),
        refused,
        broken,
        median_ms: p50 as f64 / 1e3,
        p99_ms: p99 as f64 / 1e3,
    })
}

/// One message after the other to one session: what a message costs, as the session grows.
async fn growth(release: &Release, options: &Options) -> BenchResult<()> {
    let gateway = Gateway::start(release).await?;
    let client = reqwest::Client::new();
    let steps = options.events.div_ceil(1_000).max(1);
    let mut taken = vec![Vec::new(); steps];
    for number in 0..options.sessions {
        progress(&format!(
            "a session that grows, {} of {}",
            number + 1,
            options.sessions
        ));
        let session = Uuid::new_v4().to_string();
        for first in (0..options.events).step_by(FLUSH) {
            let body =
                events::envelope(&session, first, FLUSH.min(options.events - first)).to_string();
            let request = client
                .post(format!("{}/ingest", gateway.url))
                .header("content-type", "text/plain")
                .body(body);
            let started = Instant::now();
            let answer = request.send().await?.error_for_status()?;
            answer.bytes().await?;
            taken[(first / 1_000).min(steps - 1)].push(started.elapsed().as_secs_f64() * 1e3);
        }
    }
    gateway.stop().await?;
    let table = Table::start(
        &format!(
            "One session, 0 to {} events, envelopes of {FLUSH} one after the other ({} sessions)",
            options.events, options.sessions
        ),
        [
            "events so far",
            "ms a message (median)",
            "slowest",
            "against the first thousand",
        ],
    );
    let first = median(&taken[0]);
    for (step, taken) in taken.iter().enumerate() {
        let slowest = taken.iter().copied().fold(0.0, f64::max);
        table.row(&[
            format!(
                "{} to {}",
                step * 1_000,
                ((step + 1) * 1_000).min(options.events)
            ),
            format!("{:.2}", median(taken)),
            format!("{slowest:.2}"),
            ratio(median(taken), first),
        ]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_prints_is_read() {
        let text = "Running 8s test\nRESULT 1000 2000000 3 4 1500\nP99 9000\n";
        let measured = measured(text).unwrap();
        assert_eq!(
            (measured.per_second, measured.refused, measured.broken),
            (500.0, 3, 4)
        );
        assert_eq!((measured.median_ms, measured.p99_ms), (1.5, 9.0));
        assert!(super::measured("Running 8s test\n").is_none());
    }
}
