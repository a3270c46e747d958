//! `bench size`: what a function weighs in a deployment package and in memory.

use std::io::{self as std_io, Write};
use std::path::Path;

use clap::Args;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use shoptrail_local::testing::TestDb;

use crate::bootstrap::{Database, EMPTY, FUNCTIONS, Release, Watched};
use crate::cold_start::sessions;
use crate::events;
use crate::failure::{BenchResult, Failure, io};
use crate::report::{Table, megabytes, progress, ratio};

/// What a zip file with the one entry `bootstrap` holds beside the compressed bytes: a local header, an
/// entry of the directory and its end, with the name twice.
const ZIP_BYTES: u64 = 30 + 46 + 22 + 2 * 9;

/// How much to ask before looking at the memory.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Invocations, half of them successes, half of them rejected
    #[arg(long, default_value_t = 50)]
    invocations: usize,
}

pub(crate) async fn run(release: &Release, options: &Options) -> BenchResult<()> {
    let engine = TestDb::start().await;
    let database = Database::At(engine.endpoint_url().to_owned());
    let mut known = sessions(release, &database, options.invocations)
        .await?
        .into_iter();
    let table = Table::start(
        &format!(
            "Size and memory (peak after {} invocations)",
            options.invocations
        ),
        [
            "function",
            "binary",
            "zip",
            "zip against empty",
            "memory after init",
            "peak memory",
            "peak against empty",
        ],
    );
    let mut against = None;
    for name in [EMPTY].into_iter().chain(FUNCTIONS) {
        progress(&format!("size and memory: {name}"));
        let binary = release.binary(name)?;
        let bytes = std::fs::metadata(&binary).map_err(io("a binary"))?.len();
        let zip = zip_bytes(&binary)?;
        let function = Watched::start(name, database.command(&binary)).await?;
        let after_init = peak_memory(function.pid()?)?;
        for number in 0..options.invocations {
            let (event, status) = match (name, number % 2) {
                (EMPTY, _) => (events::rejected(FUNCTIONS[0]), 200),
                (_, 0) => (events::success(name, &mut known), 200),
                _ => (events::rejected(name), 400),
            };
            function.invoke(&event, status).await?;
        }
        let peak = peak_memory(function.pid()?)?;
        function.end().await?;
        let (empty_zip, empty_peak) = *against.get_or_insert((zip, peak));
        table.row(&[
            name.to_owned(),
            megabytes(bytes),
            megabytes(zip),
            ratio(zip as f64, empty_zip as f64),
            megabytes(after_init),
            megabytes(peak),
            ratio(peak as f64, empty_peak as f64),
        ]);
    }
    Ok(())
}

/// The size of a zip file that holds this binary alone, compressed as `cargo lambda` and SAM do.
fn zip_bytes(binary: &Path) -> BenchResult<u64> {
    let bytes = std::fs::read(binary).map_err(io("a binary"))?;
    let mut encoder = DeflateEncoder::new(Counted(0), Compression::default());
    let compressed = encoder
        .write_all(&bytes)
        .and_then(|()| encoder.finish())
        .map_err(io("compressing"))?;
    Ok(compressed.0 + ZIP_BYTES)
}

/// Counts what is written.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std_io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std_io::Result<()> {
        Ok(())
    }
}

/// The most memory that a process has had so far, in bytes.
pub(crate) fn peak_memory(pid: u32) -> BenchResult<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(io("the function's memory"))?;
    let peak = status.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?
            .trim()
            .strip_suffix(" kB")?
            .trim()
            .parse::<u64>()
            .ok()
    });
    peak.map(|kilobytes| kilobytes * 1024)
        .ok_or(Failure::NoMemory)
}
