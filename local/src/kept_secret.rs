//! Secrets that the local gateway makes for itself, once per data folder, and keeps there: the development key
//! and the pepper.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use shoptrail_storage::Pepper;
use thiserror::Error;

use crate::engine::{EngineError, create_folder};

/// Shorter keys can be guessed over a network.
const MIN_CHARACTERS: usize = 16;
/// How often, and how long apart, a file is looked at that another process has made and not written yet.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(25);

/// One API key with all scopes for all stores, for the local gateway alone: `DEV_API_KEY`.
pub const DEV_API_KEY: KeptSecret = KeptSecret {
    name: "development key",
    variable: "DEV_API_KEY",
    file: "dev-api-key",
    // The key goes into a header.
    is_fit: |key| key.len() >= MIN_CHARACTERS && key.bytes().all(|byte| byte.is_ascii_graphic()),
    expected: "at least 16 visible ASCII characters",
    unfit_file: "does not hold a key; remove it to get a new one",
    fresh: || format!("dev_{}", uuid::Uuid::new_v4().simple()),
};

/// Under which API keys and erased persons are hashed: `HASH_PEPPER`.
pub const HASH_PEPPER: KeptSecret = KeptSecret {
    name: "pepper",
    variable: "HASH_PEPPER",
    file: "hash-pepper",
    is_fit: |secret| Pepper::new(secret).is_some(),
    expected: "16 characters or more",
    unfit_file: "does not hold a pepper; restore it, or remove it to get a new one, under which no API key made so \
                 far is valid",
    // A UUID holds 122 random bits, and this one is a key of HMAC-SHA256.
    fresh: || {
        let half = || uuid::Uuid::new_v4().simple();
        format!("{}{}", half(), half())
    },
};

/// A secret that stands in a variable, or else in a file of the data folder.
#[derive(Debug)]
pub struct KeptSecret {
    name: &'static str,
    variable: &'static str,
    file: &'static str,
    is_fit: fn(&str) -> bool,
    expected: &'static str,
    unfit_file: &'static str,
    fresh: fn() -> String,
}

/// Why there is no secret. Never repeats it.
#[derive(Debug, Error)]
pub enum KeptSecretError {
    /// The variable holds something unfit.
    #[error("{variable} must be {expected}")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// What it must hold.
        expected: &'static str,
    },
    /// The file holds something unfit.
    #[error("{} {unfit_file}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        unfit_file: &'static str,
    },
    /// The file cannot be read or written.
    #[error("the {name} {} cannot be read or written", path.display())]
    Io {
        /// What the file is to hold.
        name: &'static str,
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

impl KeptSecret {
    /// What the variable holds, else what the folder keeps; it is made there when it is first asked for. Without a
    /// folder (`--memory`) it is a new one each time.
    ///
    /// # Errors
    ///
    /// [`KeptSecretError`].
    pub fn find_or_create(
        &self,
        variable: Option<&str>,
        folder: Option<&Path>,
    ) -> Result<String, KeptSecretError> {
        if let Some(secret) = variable {
            return if (self.is_fit)(secret) {
                Ok(secret.to_owned())
            } else {
                Err(KeptSecretError::Variable {
                    variable: self.variable,
                    expected: self.expected,
                })
            };
        }
        let Some(folder) = folder else {
            return Ok((self.fresh)());
        };
        create_folder(folder)?;
        let path = folder.join(self.file);
        let secret = match self.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(&path),
            made => made,
        };
        match secret {
            Ok(secret) if (self.is_fit)(&secret) => Ok(secret),
            Ok(_) => Err(KeptSecretError::File {
                path,
                unfit_file: self.unfit_file,
            }),
            Err(source) => Err(KeptSecretError::Io {
                name: self.name,
                path,
                source,
            }),
        }
    }

    /// Makes the file, for its owner's eyes alone.
    fn create(&self, path: &Path) -> io::Result<String> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let secret = (self.fresh)();
        // In one piece, so that nobody reads a half; and on the disk before anything depends on it.
        let written = file
            .write_all(format!("{secret}\n").as_bytes())
            .and_then(|()| file.sync_all());
        if let Err(error) = written {
            // What is left would look like a file that somebody spoiled.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        Ok(secret)
    }
}

/// What the file holds. An empty one is being written at this moment, by a gateway or a tool that started together
/// with this one.
fn read(path: &Path) -> io::Result<String> {
    for _ in 0..LOOKS {
        let text = std::fs::read_to_string(path)?;
        if !text.trim().is_empty() {
            return Ok(text.trim().to_owned());
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_kept_and_what_is_set_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        for secret in [DEV_API_KEY, HASH_PEPPER] {
            let find = |variable| {
                secret
                    .find_or_create(variable, Some(folder.path()))
                    .unwrap()
            };
            let made = find(None);
            assert_eq!(find(None), made);
            assert_eq!(find(Some("another-of-my-own")), "another-of-my-own");
            assert_eq!(find(None), made);
            let fresh = || secret.find_or_create(None, None).unwrap();
            assert_ne!(fresh(), fresh());
        }
    }

    #[test]
    fn processes_that_start_together_have_the_same_one() {
        let folder = tempfile::tempdir().unwrap();
        let all: Vec<_> = std::thread::scope(|scope| {
            let find = || {
                HASH_PEPPER
                    .find_or_create(None, Some(folder.path()))
                    .unwrap()
            };
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(find)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(all.iter().all(|secret| *secret == all[0]));
    }

    #[cfg(unix)]
    #[test]
    fn the_files_are_their_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        for secret in [DEV_API_KEY, HASH_PEPPER] {
            secret.find_or_create(None, Some(folder.path())).unwrap();
            let file = folder.path().join(secret.file);
            let mode = std::fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn what_is_unfit_is_named_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        for (secret, expected) in [
            (DEV_API_KEY, "does not hold a key; remove it"),
            (HASH_PEPPER, "does not hold a pepper; restore it"),
        ] {
            for text in ["short", ""] {
                std::fs::write(folder.path().join(secret.file), text).unwrap();
                let error = secret
                    .find_or_create(None, Some(folder.path()))
                    .unwrap_err();
                assert!(error.to_string().contains(expected), "{error}");
                assert!(!error.to_string().contains("short"), "{error}");
            }
            let error = secret.find_or_create(Some("short"), None).unwrap_err();
            assert!(error.to_string().starts_with(secret.variable), "{error}");
            assert!(!error.to_string().contains("short"), "{error}");
        }
    }
}
