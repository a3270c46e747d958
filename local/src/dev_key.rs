//! The development key: one API key with all scopes for all stores, for the local gateway alone.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::engine::{EngineError, create_folder};

/// Shorter keys can be guessed over a network.
const MIN_CHARACTERS: usize = 16;
/// The key's file in the data folder.
const KEY_FILE: &str = "dev-api-key";

/// Why there is no development key.
#[derive(Debug, Error)]
pub enum DevKeyError {
    /// The variable holds something unfit.
    #[error("DEV_API_KEY must be at least {MIN_CHARACTERS} visible ASCII characters")]
    Variable,
    /// The file holds something unfit.
    #[error("{} does not hold a key; remove it to get a new one", path.display())]
    File {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("the development key {} cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder cannot be made.
    #[error(transparent)]
    Folder(#[from] EngineError),
}

/// The key of `DEV_API_KEY`, else the one in the folder, which is made there on the first start.
/// Without a folder (`--memory`) it is a new one each time.
///
/// # Errors
///
/// [`DevKeyError`], which never repeats the key.
pub fn find_or_create(
    variable: Option<&str>,
    folder: Option<&Path>,
) -> Result<String, DevKeyError> {
    if let Some(key) = variable {
        return if is_fit(key) {
            Ok(key.to_owned())
        } else {
            Err(DevKeyError::Variable)
        };
    }
    let fresh = || format!("dev_{}", uuid::Uuid::new_v4().simple());
    let Some(folder) = folder else {
        return Ok(fresh());
    };
    create_folder(folder)?;
    let path = folder.join(KEY_FILE);
    let failed = |source| DevKeyError::Io {
        path: path.clone(),
        source,
    };

    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(mut file) => {
            let key = fresh();
            writeln!(file, "{key}").map_err(failed)?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let text = std::fs::read_to_string(&path).map_err(failed)?;
            let key = text.trim();
            if is_fit(key) {
                Ok(key.to_owned())
            } else {
                Err(DevKeyError::File { path })
            }
        }
        Err(error) => Err(failed(error)),
    }
}

/// Fit for a header, and long enough.
fn is_fit(key: &str) -> bool {
    key.len() >= MIN_CHARACTERS && key.bytes().all(|byte| byte.is_ascii_graphic())
}
