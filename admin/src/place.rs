//! Where a command works: the local gateway's folder, a DynamoDB at a URL, or AWS. And under which pepper.

use std::path::PathBuf;

use clap::Args;
use shoptrail_edge::config::{ConfigError, process_env, store_from_env};
use shoptrail_local::command_line::{endpoint_url, other_store_config, setting};
use shoptrail_local::folder::{DataFolder, FolderError, FolderOptions};
use shoptrail_storage::{Pepper, SecretStore, Store, StoreConfig, StoreError};
use thiserror::Error;
use url::{Host, Url};

/// The local gateway's own default.
const DEFAULT_FOLDER: &str = ".local/";

/// The options of all commands. What excludes what is looked at in [`Place::open`]: clap does not see it where one
/// option stands before the command and the other one behind it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Where (the settings come from the environment or from .env)")]
pub(crate) struct PlaceOptions {
    /// The local gateway's folder, also while the gateway runs on it [default: .local/]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A DynamoDB at this URL
    #[arg(long, global = true, value_name = "URL", value_parser = endpoint_url)]
    endpoint_url: Option<String>,
    /// DynamoDB on AWS, with AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN
    #[arg(long, global = true)]
    aws: bool,
    /// What stands before the tables' names [default: the variable TABLE_PREFIX]
    #[arg(long, global = true, value_name = "PREFIX")]
    table_prefix: Option<String>,
    /// The secret in AWS Secrets Manager that holds the pepper, for keys and erasures with --aws or --endpoint-url
    /// [default: the variable HASH_PEPPER_ARN, else the variable HASH_PEPPER is the pepper]
    #[arg(long, global = true, value_name = "ARN")]
    pepper_secret: Option<String>,
}

/// Why a place cannot be worked at.
#[derive(Debug, Error)]
pub(crate) enum PlaceError {
    #[error("--data, --endpoint-url and --aws exclude one another")]
    Ambiguous,
    #[error("--pepper-secret goes with --aws or --endpoint-url; a folder keeps its own pepper")]
    FoldersPepper,
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(
        "keys and erased customers are kept as hashes under the deployment's pepper: set HASH_PEPPER to it, or name its \
         secret in AWS Secrets Manager with --pepper-secret ARN or HASH_PEPPER_ARN"
    )]
    NoPepper,
    #[error("the pepper's secret cannot be read")]
    PepperSecret(#[source] StoreError),
    #[error("the pepper in {place} must be 16 characters or more")]
    UnfitPepper { place: &'static str },
    #[error(
        "demo data goes to a database on this machine alone, a folder (--data) or a loopback address (--endpoint-url), \
         never to a deployment"
    )]
    NotOnThisMachine,
}

/// What a command needs of its place besides the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing.
    Tables,
    /// The pepper, for hashes of what is there.
    Pepper,
    /// The pepper, for the first thing that a new folder may hold; the folder is made where there is none.
    PepperOfNew,
    /// Nothing, but a place on this machine; the folder is made where there is none.
    TablesOnThisMachine,
}

/// An open place. To be closed with [`Place::close`].
#[derive(Debug)]
pub(crate) enum Place {
    Folder(DataFolder),
    Tables(Store),
}

impl Place {
    /// Opens what the options name.
    pub(crate) async fn open(options: PlaceOptions, needs: Needs) -> Result<Self, PlaceError> {
        let PlaceOptions {
            data,
            endpoint_url,
            aws,
            table_prefix,
            pepper_secret,
        } = options;
        let is_elsewhere = aws || endpoint_url.as_deref().is_some_and(|url| !is_loopback(url));
        if needs == Needs::TablesOnThisMachine && is_elsewhere {
            return Err(PlaceError::NotOnThisMachine);
        }
        let table_prefix = table_prefix.or_else(|| setting("TABLE_PREFIX"));
        let config = match (data, endpoint_url, aws) {
            (data, None, false) => {
                if pepper_secret.is_some() {
                    return Err(PlaceError::FoldersPepper);
                }
                let folder = data.unwrap_or_else(|| PathBuf::from(DEFAULT_FOLDER));
                let options = FolderOptions {
                    table_prefix,
                    pepper: setting("HASH_PEPPER"),
                    create: matches!(needs, Needs::PepperOfNew | Needs::TablesOnThisMachine),
                };
                return Ok(Self::Folder(DataFolder::open(&folder, options).await?));
            }
            (None, Some(url), false) => {
                other_store_config(Some(url), &table_prefix.unwrap_or_default())
            }
            (None, None, true) => {
                let config = store_from_env(process_env)?;
                StoreConfig {
                    table_prefix: table_prefix.unwrap_or_default(),
                    ..config
                }
            }
            _ => return Err(PlaceError::Ambiguous),
        };
        let pepper = match needs {
            Needs::Tables | Needs::TablesOnThisMachine => None,
            Needs::Pepper | Needs::PepperOfNew => Some(find_pepper(&config, pepper_secret).await?),
        };
        Ok(Self::Tables(Store::connect(&config).with_pepper(pepper)))
    }

    pub(crate) fn store(&self) -> &Store {
        match self {
            Self::Folder(folder) => folder.store(),
            Self::Tables(store) => store,
        }
    }

    pub(crate) async fn close(self) {
        match self {
            Self::Folder(folder) => folder.close().await,
            Self::Tables(_) => {}
        }
    }
}

/// Whether a URL leads to this machine, by its address or as `localhost`.
fn is_loopback(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    })
}

/// The deployment's pepper, looked for in the functions' order: a secret goes before a variable.
async fn find_pepper(config: &StoreConfig, secret: Option<String>) -> Result<Pepper, PlaceError> {
    let (text, place) = match secret.or_else(|| setting("HASH_PEPPER_ARN")) {
        Some(id) => {
            let endpoint =
                setting("AWS_ENDPOINT_URL_SECRETS_MANAGER").or_else(|| setting("AWS_ENDPOINT_URL"));
            let secrets = SecretStore::connect(config, endpoint);
            let text = secrets
                .find_secret(&id)
                .await
                .map_err(PlaceError::PepperSecret)?;
            (text, "its secret")
        }
        None => {
            let text = setting("HASH_PEPPER").ok_or(PlaceError::NoPepper)?;
            (text, "HASH_PEPPER")
        }
    };
    // Trimmed as the functions do: the hash must be the same.
    Pepper::new(text.trim()).ok_or(PlaceError::UnfitPepper { place })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_address_is_one_of_this_machine() {
        for url in [
            "http://127.0.0.1:8001",
            "http://127.9.9.9",
            "http://localhost:8000/",
            "http://LOCALHOST",
            "https://[::1]:8000",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "https://dynamodb.eu-central-1.amazonaws.com",
            "http://10.0.0.1:8000",
            "http://127.0.0.1@db.example.com/",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://0.0.0.0:8000",
            "nonsense",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
