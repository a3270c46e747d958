//! Temporary folders. Not `tempfile`: it would give a crate below the embedded engine another feature, and so
//! build the engine anew for every other command.

use std::fs;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::failure::{BenchResult, io};

/// A folder that is removed when this is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one in the system's folder for such.
    pub(crate) fn new() -> BenchResult<Self> {
        let path =
            std::env::temp_dir().join(format!("shoptrail-bench-{}", Uuid::new_v4().simple()));
        fs::create_dir(&path).map_err(io("a temporary folder"))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is the system's to clear away.
        let _ = fs::remove_dir_all(&self.0);
    }
}
