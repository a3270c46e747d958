//! Lists the demo shop's files, so that the binary holds them all and needs no folder, and nobody keeps a list of them.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "how cargo talks to a build script"
    )]
    let (manifest, out) = (
        std::env::var("CARGO_MANIFEST_DIR")?,
        std::env::var("OUT_DIR")?,
    );
    let root = Path::new(&manifest).join("../web/demo").canonicalize()?;
    println!("cargo::rerun-if-changed=build.rs");
    // Of a folder cargo looks at all that is in it.
    println!("cargo::rerun-if-changed={}", root.display());

    let mut files = Vec::new();
    list(&root, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let name: Vec<_> = file
            .strip_prefix(&root)?
            .iter()
            .map(|part| part.to_string_lossy())
            .collect();
        // Debug writes a text as Rust reads it.
        writeln!(
            table,
            "    ({:?}, include_bytes!({:?})),",
            name.join("/"),
            file.display().to_string()
        )?;
    }
    table.push_str("]\n");
    std::fs::write(Path::new(&out).join("demo_files.rs"), table)?;
    Ok(())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What editors and file managers leave behind.
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
