//! Packs the dashboard's files, and the library that draws its charts, into the function.

#[path = "../../shared/build/listing.rs"]
mod listing;
#[path = "../../shared/build/packing.rs"]
mod packing;

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rustlavel_chart::plugin::CHART_JS;

/// The dashboard's page, style and modules, each served as it stands.
const FOLDER: &str = "../../web/dashboard";
/// The name under which the page loads the charts' library.
const CHARTS: &str = "chart.js";

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "how cargo talks to a build script"
    )]
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../shared/build");
    // Of a folder cargo looks at all that is in it.
    println!("cargo::rerun-if-changed={FOLDER}");

    let mut table = String::from("&[\n");
    add(&mut table, &out, CHARTS, CHART_JS.as_bytes())?;
    for file in listing::files_in(Path::new(FOLDER))? {
        let name = file
            .strip_prefix(FOLDER)?
            .to_str()
            .filter(|name| *name != CHARTS && !name.contains(['/', '\\']))
            .ok_or_else(|| format!("{} cannot be served under its name", file.display()))?;
        add(&mut table, &out, name, &std::fs::read(&file)?)?;
    }
    table.push_str("]\n");
    std::fs::write(out.join("dashboard_files.rs"), table)?;
    Ok(())
}

/// Writes the file's packed form, and its line of the table.
fn add(table: &mut String, out: &Path, name: &str, content: &[u8]) -> Result<(), Box<dyn Error>> {
    let packed = out.join(format!("{name}.gz"));
    std::fs::write(&packed, packing::gzip(content)?)?;
    // Debug writes a text as Rust reads it.
    writeln!(
        table,
        "    File {{ name: {name:?}, tag: {:?}, gzip: include_bytes!({:?}) }},",
        packing::tag(content),
        packed.display().to_string()
    )?;
    Ok(())
}
