//! For build scripts: the files of a folder, so that nobody keeps a list of them. Scripts include this file by its path.

use std::error::Error;
use std::path::{Path, PathBuf};

/// All files below a folder, in the order of their names.
pub(crate) fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    add_files_in(folder, &mut files)?;
    files.sort();
    Ok(files)
}

fn add_files_in(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What editors and file managers leave behind.
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        if path.is_dir() {
            add_files_in(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
