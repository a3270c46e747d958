//! What the command-line tools of this repository have in common: how they read settings, and how they speak.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use shoptrail_edge::config::process_env;
use shoptrail_storage::{Credentials, StoreConfig};
use thiserror::Error;

use crate::tables::LOCAL_REGION;

/// Why a `.env` file cannot be used.
#[derive(Debug, Error)]
pub enum EnvFileError {
    /// The system does not let us.
    #[error(".env cannot be read")]
    Unreadable(#[source] io::Error),
    /// It is malformed. dotenvy's own message repeats the line, which may be a secret.
    #[error(".env is malformed in the setting after {}", after.as_deref().unwrap_or("its beginning"))]
    Malformed {
        /// The last setting that was understood.
        after: Option<String>,
    },
}

/// Puts the settings of a `.env` file into the environment, where they do not stand yet. To be called before any
/// thread is started, since it changes the environment.
///
/// # Errors
///
/// [`EnvFileError`]; a file that is not there is none.
pub fn load_env_file(path: &Path) -> Result<(), EnvFileError> {
    let settings = match dotenvy::from_path_iter(path) {
        Ok(settings) => settings,
        Err(dotenvy::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(dotenvy::Error::Io(error)) => return Err(EnvFileError::Unreadable(error)),
        Err(_) => return Err(EnvFileError::Malformed { after: None }),
    };
    // Looked through first, because loading stops without saying where.
    let mut after = None;
    for setting in settings {
        match setting {
            Ok((name, _)) => after = Some(name),
            Err(dotenvy::Error::Io(error)) => return Err(EnvFileError::Unreadable(error)),
            Err(_) => return Err(EnvFileError::Malformed { after }),
        }
    }
    dotenvy::from_path(path).map_err(|_| EnvFileError::Malformed { after: None })
}

/// A variable that says something: an empty one is an absent one, as for all settings.
#[must_use]
pub fn setting(name: &str) -> Option<String> {
    process_env(name)
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// What the SDK takes for an endpoint; its own complaint is a page long.
///
/// # Errors
///
/// When it is not one, in words that fit behind the option's name.
pub fn endpoint_url(text: &str) -> Result<String, &'static str> {
    let is_url = text.parse::<axum::http::Uri>().is_ok_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some()
    });
    if is_url {
        Ok(text.to_owned())
    } else {
        Err("not an http or https URL")
    }
}

/// Another DynamoDB, with the environment's credentials, or made-up ones for an engine that checks none.
#[must_use]
pub fn other_store_config(endpoint_url: Option<String>, table_prefix: &str) -> StoreConfig {
    let credentials = match (
        setting("AWS_ACCESS_KEY_ID"),
        setting("AWS_SECRET_ACCESS_KEY"),
    ) {
        (Some(access_key_id), Some(secret_access_key)) => Credentials {
            access_key_id,
            secret_access_key,
            session_token: setting("AWS_SESSION_TOKEN"),
        },
        _ => Credentials::for_local_engine(),
    };
    StoreConfig {
        endpoint_url,
        region: setting("AWS_REGION")
            .or_else(|| setting("AWS_DEFAULT_REGION"))
            .unwrap_or_else(|| LOCAL_REGION.to_owned()),
        credentials,
        table_prefix: table_prefix.to_owned(),
    }
}

/// Prints to a person, who may have closed the output.
pub fn say(text: &str) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes());
    let _ = output.flush();
}

/// Help and version as clap writes them; a mistake as one line.
#[must_use]
pub fn answer_usage(tool: &str, error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // The output may be closed.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(2);
    }
    let text = error.to_string();
    // What follows is the same for every mistake.
    let text = text
        .split("\n\nUsage:")
        .next()
        .and_then(|text| text.split("\n\nFor more information").next())
        .unwrap_or_default();
    let paragraphs: Vec<String> = text
        .trim_start_matches("error: ")
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    complain(
        tool,
        &format!("{} (--help tells the options)", paragraphs.join("; ")),
    );
    ExitCode::from(2)
}

/// What went wrong, why, and the cause at the bottom of it, in one line. What lies between is how
/// the libraries are stacked.
#[must_use]
pub fn fail(tool: &str, error: &dyn Error) -> ExitCode {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    let mut line = error.to_string();
    if let Some(first) = causes.first() {
        let _ = write!(line, ": {first}");
    }
    if let Some(last) = causes.last().filter(|last| !line.ends_with(last.as_str())) {
        let _ = write!(line, ": {last}");
    }
    complain(tool, &line);
    ExitCode::FAILURE
}

/// Writes one line to the error output.
pub fn complain(tool: &str, line: &str) {
    let line: String = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    // Nobody is left to hear of a closed error output.
    let _ = writeln!(io::stderr(), "{tool}: {line}");
}
