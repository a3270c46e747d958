//! The bench: what a cold start, an invocation and a byte of the functions cost against an empty one, and
//! how many requests the local gateway takes. Prints ratios, not verdicts; see README.md beside it.

mod analytics;
mod bootstrap;
mod callgrind;
mod capacity;
mod cold_start;
mod cost;
mod counting;
mod events;
mod failure;
mod gateway;
mod report;
mod scratch;
mod size;
mod throughput;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bootstrap::Release;
use crate::failure::BenchResult;

/// Measures Shoptrail: ratios on standard output, progress on standard error
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Cli {
    /// Take the release binaries as they are, without building them first
    #[arg(long, global = true)]
    no_build: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Start to first Runtime API poll, and instructions of init and per invocation (needs valgrind)
    ColdStart(cold_start::Options),
    /// Requests per second of the local gateway, and the cost as one session grows (needs wrk)
    Throughput(throughput::Options),
    /// Zip size of each function, and its memory after a number of invocations
    Size(size::Options),
    /// Time, memory and database requests of a store's analytics, as its events grow
    Analytics(analytics::Options),
    /// Capacity units of the database for each operation, by table and by index
    Cost(cost::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::progress(&format!("bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> BenchResult<()> {
    let release = Release::find()?;
    // What the database costs is measured in this process.
    if !cli.no_build && !matches!(cli.what, What::Cost(_)) {
        release.build().await?;
    }
    match cli.what {
        What::ColdStart(options) => cold_start::run(&release, &options).await,
        What::Throughput(options) => throughput::run(&release, &options).await,
        What::Size(options) => size::run(&release, &options).await,
        What::Analytics(options) => analytics::run(&release, &options).await,
        What::Cost(options) => cost::run(&options).await,
    }
}
