//! Lists the demo shop's files, so that the binary holds them all and needs no folder, and nobody keeps a list of them.

#[path = "../shared/build/listing.rs"]
mod listing;

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

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
    println!("cargo::rerun-if-changed=../shared/build");
    // Of a folder cargo looks at all that is in it.
    println!("cargo::rerun-if-changed={}", root.display());

    let mut table = String::from("&[\n");
    for file in listing::files_in(&root)? {
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
