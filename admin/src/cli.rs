//! The command line: options and settings, the database that they name, the command on it.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use shoptrail_edge::{Clock, Random};
use shoptrail_local::command_line::{EnvFileError, answer_usage, complain, fail, load_env_file};
use thiserror::Error;

use crate::demo_data::{self, DemoDataCommand, DemoDataError};
use crate::erasures::{self, EraseCommand, EraseError, ErasuresCommand, ReplayError};
use crate::export::{self, ExportCommand, ExportError};
use crate::keys::{self, KeysCommand, KeysError};
use crate::place::{Needs, Place, PlaceError, PlaceOptions};
use crate::switches::{self, SwitchesCommand, SwitchesError};

/// What its complaints begin with.
const TOOL: &str = "shoptrail-admin";

const EXAMPLES: &str = "\
Examples:
  A key for reading all stores of the local gateway, whether it runs or not:
    shoptrail-admin keys create --name Dashboard --stores '*' --scopes read
  A key for one store on AWS, with its pepper in Secrets Manager:
    shoptrail-admin keys create --name Importer --stores my-store --scopes write \\
      --aws --table-prefix prod- --pepper-secret arn:aws:secretsmanager:…
  Replace a key without a pause: create the new one, put it to use, then revoke the old one:
    shoptrail-admin keys list
    shoptrail-admin keys revoke 0123456789abcdef
  Stop asking the model, without a deployment:
    shoptrail-admin switches off ask-ai
  Erase a customer:
    shoptrail-admin erase --store my-store --email jane@example.com --customer 7001
  Erase anew what a restore has brought back:
    shoptrail-admin erasures replay
  Export what happened in a month:
    shoptrail-admin export --store my-store --start-date 2026-01-01 --end-date 2026-01-31 --output january.xlsx
  Fill the local gateway's folder with made-up traffic, for the dashboard:
    shoptrail-admin demo-data --store my-store";

/// API keys, switches, erasures and exports of a Shoptrail deployment, on AWS or in the local gateway's folder.
#[derive(Debug, Clone, Parser)]
#[command(name = TOOL, version, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    place: PlaceOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Create, list and revoke API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Switch groups of routes off and on while everything runs
    #[command(subcommand)]
    Switches(SwitchesCommand),
    /// Erase a customer in one store, and wait until it is done
    #[command(after_help = erasures::ERASE_HELP)]
    Erase(EraseCommand),
    /// Erase anew what a restore has brought back
    #[command(subcommand)]
    Erasures(ErasuresCommand),
    /// Write a store's cart events into a file
    #[command(after_help = export::HELP)]
    Export(ExportCommand),
    /// Fill a local database with made-up traffic, for the dashboard
    #[command(after_help = demo_data::HELP)]
    DemoData(DemoDataCommand),
}

impl Command {
    fn needs(&self) -> Needs {
        match self {
            Self::Keys(KeysCommand::Create(_)) => Needs::PepperOfNew,
            Self::Keys(_) | Self::Switches(_) | Self::Export(_) => Needs::Tables,
            Self::Erase(_) | Self::Erasures(_) => Needs::Pepper,
            Self::DemoData(_) => Needs::TablesOnThisMachine,
        }
    }
}

/// Why a command came to nothing. Each is one line for a person.
#[derive(Debug, Error)]
enum AdminError {
    #[error(transparent)]
    EnvFile(#[from] EnvFileError),
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Switches(#[from] SwitchesError),
    #[error(transparent)]
    Erase(#[from] EraseError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    DemoData(#[from] DemoDataError),
}

/// Runs one command. What `main` returns.
#[must_use]
pub fn main() -> ExitCode {
    // Before any thread is started, since it changes the environment.
    if let Err(error) = load_env_file(Path::new(".env")) {
        return fail(TOOL, &AdminError::EnvFile(error));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return answer_usage(TOOL, &error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(TOOL, &AdminError::Runtime(error)),
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(
            error @ (AdminError::Place(
                PlaceError::Ambiguous | PlaceError::FoldersPepper | PlaceError::NotOnThisMachine,
            )
            | AdminError::DemoData(DemoDataError::Events | DemoDataError::Days { .. })
            | AdminError::Keys(KeysError::NotAnId)
            | AdminError::Erase(EraseError::Unfit(_))
            | AdminError::Export(ExportError::Unfit(_))),
        ) => {
            complain(TOOL, &format!("{error} (--help tells the options)"));
            ExitCode::from(2)
        }
        Err(error) => fail(TOOL, &error),
    }
}

async fn run(cli: Cli) -> Result<(), AdminError> {
    // Before anything is opened, as clap looks at the other commands' options.
    if let Command::Erase(command) = &cli.command {
        command.parse()?;
    }
    if let Command::Export(command) = &cli.command {
        command.check()?;
    }
    if let Command::DemoData(command) = &cli.command {
        command.check()?;
    }
    let place = Place::open(cli.place, cli.command.needs()).await?;
    let done = match cli.command {
        Command::Keys(command) => keys::run(command, place.store(), &Clock::system())
            .await
            .map_err(AdminError::from),
        Command::Switches(command) => switches::run(command, place.store())
            .await
            .map_err(AdminError::from),
        Command::Erase(command) => {
            let (clock, random) = (Clock::system(), Random::system());
            erasures::erase(&command, place.store(), &clock, &random)
                .await
                .map_err(AdminError::from)
        }
        Command::Erasures(command) => erasures::run(command, place.store())
            .await
            .map_err(AdminError::from),
        Command::Export(command) => export::run(&command, place.store(), &Clock::system())
            .await
            .map_err(AdminError::from),
        Command::DemoData(command) => demo_data::run(command, place.store(), &Clock::system())
            .await
            .map_err(AdminError::from),
    };
    // Also after a failure, so that the engine has closed its files before the process ends.
    place.close().await;
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_options_are_consistent() {
        Cli::command().debug_assert();
    }
}
