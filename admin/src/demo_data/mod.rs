//! `demo-data`: fills a local database with plausible traffic, so that the dashboard is worth looking at.
//!
//! | module | |
//! |---|---|
//! | `chance` | chance that can be repeated |
//! | `catalogue` | what is sold |
//! | `day_curve` | when shoppers come |
//! | `shoppers` | who comes, and comes again |
//! | `visit` | what somebody does in one visit |
//! | `walk` | how the tracker tells it |
//! | `popups` | what Ask AI decides meanwhile |
//! | `writing` | how it is stored |

mod catalogue;
mod chance;
mod day_curve;
mod popups;
mod shoppers;
mod visit;
mod walk;
mod writing;

use std::ops::RangeInclusive;

use clap::Args;
use shoptrail_domain::{Reason, StoreName};
use shoptrail_edge::config::{ConfigError, Deployment, process_env};
use shoptrail_edge::{Clock, Config};
use shoptrail_local::command_line::say;
use shoptrail_storage::{Store, StoreError, Table};
use thiserror::Error;

use self::chance::seed_of;
use self::day_curve::DayCurve;
use self::visit::{Setting, VisitError};
use self::walk::LONGEST_VISIT_MS;
use self::writing::Written;

/// More than a year of a small shop, and more than ten times what the analytics of one range count.
const MOST_EVENTS: u64 = 1_000_000;

pub(crate) const HELP: &str = "\
What it makes: visits with their page views, clicks and searches, pictures of try-ons, cart events, checkouts, Ask AI's \
decisions (a tenth of the sessions is held out) with what became of them, and refusals by reason. There is about one \
session for two cart events, and no more than 12,000 of them: of the visits after these there are the cart events and the \
pictures alone, so that the command stays quick. All parts of a visit name the same session and the same products. Nobody is real: \
customers are at example.com, addresses are those of documentation.

It goes to a local database alone: a data folder, also while the gateway runs on it, or a DynamoDB on this machine \
(--endpoint-url http://127.0.0.1:…). --aws is refused.

The same seed makes the same visits in the same store. What is there already is recognized and not stored twice: so a \
run that was broken off (Ctrl-C is safe at any time) goes on when it is started again, and one with more --events adds \
the rest. Another seed adds other visits. The times are those of the first run.

Examples:
  A month for the dashboard:
    shoptrail-admin demo-data --store my-store
  Little, and quickly:
    shoptrail-admin demo-data --store my-store --days 7 --events 2000
  More on top of it:
    shoptrail-admin demo-data --store my-store --days 7 --events 2000 --seed 2
  To be rid of it: remove the data folder, or use one of its own:
    shoptrail-admin demo-data --store my-store --data demo/ && cargo run -- --data demo/";

/// How much of what is to be made up.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoDataCommand {
    /// The store, as my-store or my-store.myshopify.com
    #[arg(long, value_parser = parse_store)]
    store: StoreName,
    /// The last so many days, today included (UTC); no more than anything is kept
    #[arg(long, default_value_t = 30, value_name = "N")]
    days: u32,
    /// Cart events, 1 to 1000000; all else in proportion
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    events: u64,
    /// Which visits are made
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

fn parse_store(text: &str) -> Result<StoreName, Reason> {
    StoreName::parse(text)
}

/// Why there is no demo data, or not all of it.
#[derive(Debug, Error)]
pub(crate) enum DemoDataError {
    #[error("--events must be 1 to {MOST_EVENTS}")]
    Events,
    #[error(
        "--days must be 1 to {most}: what is older is not kept (EVENT_RETENTION_DAYS and SESSION_RETENTION_DAYS)"
    )]
    Days { most: u32 },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("there is no database with the tables there")]
    NoTables(#[source] StoreError),
    #[error("a made-up visit breaks a rule")]
    Visit(#[source] VisitError),
    #[error("the database did not take it all; the same command goes on with it")]
    Store(#[source] StoreError),
    #[error("the database is too busy to take it all; the same command goes on with it")]
    Busy,
    #[error("a part of the work broke off")]
    Broken,
}

impl DemoDataCommand {
    /// Looks at what clap does not: to be called before anything is opened.
    pub(crate) fn check(&self) -> Result<(), DemoDataError> {
        within(1..=MOST_EVENTS, self.events).ok_or(DemoDataError::Events)?;
        let most = most_days()?;
        within(1..=u64::from(most), u64::from(self.days)).ok_or(DemoDataError::Days { most })
    }
}

fn within(range: RangeInclusive<u64>, number: u64) -> Option<()> {
    range.contains(&number).then_some(())
}

/// Days for which all parts of a visit are kept.
fn most_days() -> Result<u32, ConfigError> {
    let retention = Config::from_env(process_env, Deployment::Local)?.retention;
    Ok(retention.event_days.min(retention.session_days))
}

pub(crate) async fn run(
    command: DemoDataCommand,
    store: &Store,
    clock: &Clock,
) -> Result<(), DemoDataError> {
    let retention = Config::from_env(process_env, Deployment::Local)?.retention;
    for table in [Table::CartEvents, Table::Sessions] {
        let check = store.check(table).await;
        check.map_err(DemoDataError::NoTables)?;
    }
    let DemoDataCommand {
        store: name,
        days,
        events,
        seed,
    } = command;
    // Nothing happens after now: the last visit begins so early that it has ended.
    let end = clock.now().plus_millis(-LONGEST_VISIT_MS);
    let setting = Setting {
        seed: seed_of(seed, name.as_str()),
        store: name,
        curve: DayCurve::new(days, end),
        session_days: retention.session_days,
    };
    let stop = async {
        // Where nobody can say that it should stop, nobody does.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let written = writing::write(store, &setting, events, retention, stop).await?;
    say(&summary(&written, &setting.store, days));
    Ok(())
}

fn summary(written: &Written, store: &StoreName, days: u32) -> String {
    let Written {
        cart_events,
        generations,
        sessions,
        decisions,
        refusals,
        known,
        is_stopped,
    } = written;
    let mut summary = format!(
        "Demo data for {store}, {days} days:\n\
         cart events        {cart_events}\n\
         image generations  {generations}\n\
         sessions           {sessions}\n\
         decisions          {decisions}\n\
         refusals           {refusals}\n"
    );
    if *known > 0 {
        summary.push_str(&format!(
            "{known} cart events were there already; another --seed adds others.\n"
        ));
    }
    summary.push_str(match is_stopped {
        true => "Stopped before its time: the same command goes on with it.\n",
        false => {
            "Next: `cargo run`, then open http://127.0.0.1:8000/dashboard with the key that it prints.\n"
        }
    });
    summary
}
