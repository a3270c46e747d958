//! The local gateway's data folder, opened by a command-line tool: through the gateway while one runs on it, else
//! with an engine of the tool's own.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shoptrail_storage::{Pepper, Store};
use thiserror::Error;
use tokio::time::Instant;

use crate::engine::{
    Engine, EngineError, EngineOptions, EngineStorage, create_folder, running_endpoint,
};
use crate::kept_secret::{HASH_PEPPER, KeptSecretError};
use crate::tables::{TablesError, client, ensure_tables, local_store_config};
use crate::template::{EMBEDDED, Template, TemplateError};

/// The parameter of the template that stands before every table's name.
const TABLE_PREFIX_PARAMETER: &str = "TablePrefix";
/// Locked by a tool that runs an engine of its own, so that the next one waits for its end instead of talking to an
/// engine that is about to stop.
const TOOL_LOCK_FILE: &str = "tool-lock";
/// How long a tool waits for another one, or for a gateway that is starting or stopping.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// How to open a [`DataFolder`].
#[derive(Debug, Clone, Default)]
pub struct FolderOptions {
    /// What stands before the tables' names: `TABLE_PREFIX`.
    pub table_prefix: Option<String>,
    /// `HASH_PEPPER`; without it the folder's own holds.
    pub pepper: Option<String>,
    /// Whether to make the folder where there is none.
    pub create: bool,
}

/// Why a data folder was not opened. Each is one line for a person.
#[derive(Debug, Error)]
pub enum FolderError {
    /// There is none.
    #[error("there is no data folder {}; `cargo run` makes one, --data names another one", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// A file in it cannot be read or written.
    #[error("the data folder {} cannot be used", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another tool did not end.
    #[error("the data folder {} is in use by another tool", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The engine did not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There is no pepper.
    #[error(transparent)]
    Pepper(#[from] KeptSecretError),
    /// The built-in template does not take the prefix.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The tables are not as they should be.
    #[error(transparent)]
    Tables(#[from] TablesError),
}

/// An open data folder. To be closed with [`DataFolder::close`].
#[derive(Debug)]
pub struct DataFolder {
    store: Store,
    // The engine goes first: only then may the next tool have its turn.
    engine: Option<Engine>,
    _turn: Option<File>,
}

impl DataFolder {
    /// Opens a folder: through the gateway that runs on it, or with an engine for the duration.
    ///
    /// # Errors
    ///
    /// [`FolderError`].
    pub async fn open(path: &Path, options: FolderOptions) -> Result<Self, FolderError> {
        let template = parse_template(EMBEDDED, options.table_prefix)?;
        if options.create {
            create_folder(path)?;
        } else if !path.is_dir() {
            return Err(FolderError::Missing {
                path: path.to_owned(),
            });
        }
        let pepper = HASH_PEPPER.find_or_create(options.pepper.as_deref(), Some(path))?;
        let Reached {
            endpoint_url,
            engine,
            turn,
        } = reach(path).await?;
        let database = local_store_config(&endpoint_url, table_prefix(&template));
        // Also where a gateway runs: one that is just starting may not have made them yet.
        ensure_tables(&client(&database), &template.tables).await?;
        Ok(Self {
            store: Store::connect(&database).with_pepper(Pepper::new(&pepper)),
            engine,
            _turn: turn,
        })
    }

    /// The folder's database, which keeps its hashes under the folder's pepper.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Lets the engine end well, where it is the tool's own.
    pub async fn close(self) {
        if let Some(engine) = self.engine {
            engine.stop().await;
        }
    }
}

struct Reached {
    endpoint_url: String,
    engine: Option<Engine>,
    turn: Option<File>,
}

async fn reach(path: &Path) -> Result<Reached, FolderError> {
    let unusable = |source| FolderError::Unusable {
        path: path.to_owned(),
        source,
    };
    let turn = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join(TOOL_LOCK_FILE))
        .map_err(unusable)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match turn.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                tokio::time::sleep(POLL).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
    }
    loop {
        // No tool runs an engine now, so this one is a gateway's.
        if let Some(endpoint_url) = running_endpoint(path).map_err(unusable)? {
            return Ok(Reached {
                endpoint_url,
                engine: None,
                turn: None,
            });
        }
        let options = EngineOptions {
            storage: EngineStorage::Folder(path.to_owned()),
            // A tool is done before there is much to sweep.
            sweep_every: None,
        };
        match Engine::start(options).await {
            Ok(engine) => {
                return Ok(Reached {
                    endpoint_url: engine.endpoint_url().to_owned(),
                    engine: Some(engine),
                    turn: Some(turn),
                });
            }
            // A gateway has it that is just starting, or stopping.
            Err(EngineError::InUse { .. }) if Instant::now() < until => {
                tokio::time::sleep(POLL).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads a template, with its tables under a prefix of one's own.
pub(crate) fn parse_template(
    text: &str,
    table_prefix: Option<String>,
) -> Result<Template, TemplateError> {
    let overrides = table_prefix.map(|prefix| (TABLE_PREFIX_PARAMETER.to_owned(), prefix));
    Template::parse(text, &BTreeMap::from_iter(overrides))
}

/// What stands before the names of the template's tables.
pub(crate) fn table_prefix(template: &Template) -> &str {
    template
        .parameters
        .get(TABLE_PREFIX_PARAMETER)
        .map_or("", String::as_str)
}
