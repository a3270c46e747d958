//! `erase` and `erasures`: a customer is erased as `DELETE /api/privacy/customers` does it, and what a restore brought
//! back is erased anew.

use std::fmt;
use std::time::Duration;

use clap::{Args, Subcommand};
use shoptrail_domain::privacy::{EraseCustomer, Erasure};
use shoptrail_domain::wire::Scalar;
use shoptrail_domain::{ParseErrors, Reason};
use shoptrail_edge::config::{ConfigError, Deployment, process_env};
use shoptrail_edge::{Clock, Config, Random};
use shoptrail_local::command_line::say;
use shoptrail_storage::{
    Erased, PrivacyJob, PrivacyJobStatus, PrivacyTask, ReplayProgress, Replayed, Store, StoreError,
};
use thiserror::Error;
use tokio::time::Instant;
use uuid::Builder;

use crate::progress::Progress;

/// How long one turn at the job takes: after each of them the counts are shown, and no longer than this does a command
/// that is broken off keep others from the job.
const TURN: Duration = Duration::from_secs(3);
/// The pause before another look at a job that somebody else works on.
const PAUSE: Duration = Duration::from_millis(500);
/// Turns that may fail one after the other before the job is left to the worker: half a minute of a database that
/// does not answer.
const FAILURES: u32 = 10;

pub(crate) const ERASE_HELP: &str = "\
Cart events, generated images, sessions and decisions go, in this one store; the sessions are those that the customer's \
events name, and --session. Events that come late are refused from the beginning on. Name all that is known of the \
customer: events may hold the e-mail address alone, or the id alone.

It asks nothing, and takes some seconds at the least. Its first line is the receipt, by which \
GET /api/privacy/customers/{receiptId} shows how it went. Whatever ends the command before its time, Ctrl-C included, \
does not end the erasure: the deployment's worker goes on with it, or the local gateway when it runs next.

What is erased stays refused as long as anything is kept: with --aws, EVENT_RETENTION_DAYS and SESSION_RETENTION_DAYS \
are to be set as the deployment has them, if it does not have the defaults.";

const REPLAY_HELP: &str = "\
To be run when a table was restored to an earlier time, before the deployment uses it: the table then holds again who \
was erased since that time. Restore cart_tracking_events, image_generations, tracker_sessions and ask_ai_decisions in \
any combination, under the names that the deployment has for them, and leave erasures as it is: a restored one would \
have forgotten the erasures that are to be made anew. For that it is kept for 36 days; a restore goes back for 35.

It reads these tables as a whole, which takes minutes where they are large, and costs what reading them costs. It can \
be broken off and run again at any time; a second run finds nothing to erase. Events that an erasure had made anonymous \
come back as they were before it, and are deleted.";

/// Who is to be erased.
#[derive(Clone, Args)]
pub(crate) struct EraseCommand {
    /// The store, as my-store or my-store.myshopify.com
    #[arg(long)]
    store: String,
    /// The customer's e-mail address
    #[arg(long)]
    email: Option<String>,
    /// The customer's id
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// A session of the customer's
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Keep cart events and generated images, without what tells whose they were
    #[arg(long)]
    anonymize: bool,
}

/// It does not print, because it names somebody.
impl fmt::Debug for EraseCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EraseCommand(…)")
    }
}

impl EraseCommand {
    /// By the rules of `DELETE /api/privacy/customers`.
    pub(crate) fn parse(&self) -> Result<Erasure, EraseError> {
        let field = |text: &Option<String>| text.clone().map_or(Scalar::Absent, Scalar::Text);
        let mode = match self.anonymize {
            true => "anonymize",
            false => "delete",
        };
        let wire = EraseCustomer {
            store_name: Scalar::Text(self.store.clone()),
            customer_email: field(&self.email),
            customer_id: field(&self.customer),
            session_id: field(&self.session),
            mode: Scalar::Text(mode.to_owned()),
        };
        Erasure::parse(&wire).map_err(|errors| EraseError::Unfit(Unfit(errors)))
    }
}

/// What is wrong with the options, without what they are.
#[derive(Debug)]
pub(crate) struct Unfit(ParseErrors);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            let between = if number == 0 { "" } else { "; " };
            let option = match error.field.as_ref() {
                "storeName" => "--store",
                "customerId" => "--customer",
                "sessionId" => "--session",
                _ => "--email",
            };
            match error.reason {
                Reason::NoPerson => write!(
                    f,
                    "{between}one of --email, --customer and --session is required"
                )?,
                reason => write!(f, "{between}{option}: {reason}")?,
            }
        }
        Ok(())
    }
}

/// Why a customer was not erased, or not yet.
#[derive(Debug, Error)]
pub(crate) enum EraseError {
    #[error("{0}")]
    Unfit(Unfit),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the erasure cannot be taken on")]
    Create(#[source] StoreError),
    #[error("the erasure {id} was taken on, and is left to the deployment's worker")]
    Left {
        id: String,
        #[source]
        source: StoreError,
    },
    #[error("the erasure {id} is gone: its store was erased meanwhile, or another table was named")]
    Gone { id: String },
}

pub(crate) async fn erase(
    command: &EraseCommand,
    store: &Store,
    clock: &Clock,
    random: &Random,
) -> Result<(), EraseError> {
    let retention = Config::from_env(process_env, Deployment::Local)?.retention;
    let tombstone_days = retention.event_days.max(retention.session_days);
    let id = Builder::from_random_bytes(random.draw().to_be_bytes())
        .into_uuid()
        .to_string();
    let Erasure {
        store_name,
        person,
        mode,
    } = command.parse()?;
    let task = PrivacyTask::EraseCustomer { person, mode };
    // That there is a job of this id already is our own retry, whose first answer was lost.
    store
        .create_privacy_job(&id, &store_name, &task, tombstone_days, clock.now())
        .await
        .map_err(EraseError::Create)?;
    // At once, so that whoever breaks off can look for it.
    say(&format!("Receipt {id} for {store_name}\n"));
    let job = work_off(&id, store, clock, random).await?;
    say(&counts(job.erased));
    Ok(())
}

/// Works on the job until it is done, be it by this command or by another worker.
async fn work_off(
    id: &str,
    store: &Store,
    clock: &Clock,
    random: &Random,
) -> Result<PrivacyJob, EraseError> {
    let (tell, draw) = (|| clock.now(), || random.draw());
    let progress = Progress::of_unknown_length();
    let mut failures = 0;
    progress.show("Erasing: waiting for the indexes");
    loop {
        let began = Instant::now();
        match store.run_privacy_job(id, &tell, &draw, TURN).await {
            Ok(Some(job)) if job.status == PrivacyJobStatus::Done => return Ok(job),
            Ok(Some(job)) => {
                failures = 0;
                progress.show(format!("Erasing: {}", sum(job.erased)));
            }
            Ok(None) => return Err(EraseError::Gone { id: id.to_owned() }),
            Err(error) if error.is_unavailable() && failures < FAILURES => failures += 1,
            Err(source) => {
                let id = id.to_owned();
                return Err(EraseError::Left { id, source });
            }
        }
        if began.elapsed() < TURN {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ErasuresCommand {
    /// Erase anew what a restored table holds of those who were erased
    #[command(after_help = REPLAY_HELP)]
    Replay,
}

/// Why a replay did not come to its end.
#[derive(Debug, Error)]
#[error("the replay broke off; what it erased stays erased, run it again")]
pub(crate) struct ReplayError(#[source] StoreError);

pub(crate) async fn run(command: ErasuresCommand, store: &Store) -> Result<(), ReplayError> {
    let ErasuresCommand::Replay = command;
    let replayed = {
        let progress = Progress::of_unknown_length();
        let mut show = |ReplayProgress { table, so_far }: ReplayProgress| {
            progress.show(format!(
                "{table}: {} looked at, {} erased",
                so_far.scanned,
                sum(so_far.erased)
            ));
        };
        store.replay_erasures(&mut show).await
    };
    say(&summary(replayed.map_err(ReplayError)?));
    Ok(())
}

fn summary(replayed: Replayed) -> String {
    let Replayed {
        tombstones,
        scanned,
        erased,
    } = replayed;
    if tombstones == 0 {
        return "There are no tombstones: nobody was erased in the last 36 days, or the table erasures was restored as \
                well.\n"
            .to_owned();
    }
    format!(
        "Tombstones: {tombstones}. Looked at: {scanned}. Erased anew: {}.\n{}",
        sum(erased),
        counts(erased)
    )
}

fn sum(erased: Erased) -> u64 {
    let Erased {
        cart_events,
        image_generations,
        sessions,
        decisions,
        other,
    } = erased;
    cart_events + image_generations + sessions + decisions + other
}

/// One line for each kind of thing.
fn counts(erased: Erased) -> String {
    let Erased {
        cart_events,
        image_generations,
        sessions,
        decisions,
        other,
    } = erased;
    format!(
        "cart events        {cart_events}\n\
         image generations  {image_generations}\n\
         sessions           {sessions}\n\
         decisions          {decisions}\n\
         other              {other}\n"
    )
}
