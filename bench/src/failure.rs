//! Why a measurement has no result.

use std::io;
use std::path::PathBuf;

use shoptrail_local::testing::LambdaFailure;
use thiserror::Error;

/// What every step of the bench returns.
pub(crate) type BenchResult<T> = Result<T, Failure>;

/// Why a measurement has no result.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// A file or a process.
    #[error("{what}: {source}")]
    Io {
        what: &'static str,
        source: io::Error,
    },
    /// `cargo build` failed, and said why.
    #[error("the release binaries cannot be built")]
    Build,
    /// A binary is not there.
    #[error("{} is missing; run without --no-build", .0.display())]
    NoBinary(PathBuf),
    /// A tool is not installed.
    #[error("{0} is missing; install the Debian package {0}")]
    NoTool(&'static str),
    /// The function did not start, or did not answer.
    #[error("{function}: {source}")]
    Function {
        function: &'static str,
        source: LambdaFailure,
    },
    /// The function answered something else than the measurement is about.
    #[error("{function} answered {found} where {expected} was expected")]
    Answer {
        function: &'static str,
        expected: u64,
        found: u64,
    },
    /// The system tells nothing of the process.
    #[error("the system does not tell how much memory a function takes; this needs Linux")]
    NoMemory,
    /// valgrind left no total.
    #[error("callgrind counted nothing: {0}")]
    Callgrind(String),
    /// The gateway did not start.
    #[error("the local gateway does not start: {0}")]
    Gateway(String),
    /// wrk printed no result.
    #[error("wrk printed no result: {0}")]
    Wrk(String),
    /// A sample of data is no valid one, or could not be stored whole.
    #[error("the sample data cannot be made")]
    Sample,
    /// The figures are not those of what was stored.
    #[error("what was counted is not what was stored")]
    Counted,
    /// The engine did not take the sample data.
    #[error("the engine does not take the sample data")]
    Store(#[from] shoptrail_storage::StoreError),
    /// The gateway refused a request or broke off.
    #[error("the local gateway does not answer")]
    Http(#[from] reqwest::Error),
}

/// Names what an I/O error happened to.
pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Failure {
    move |source| Failure::Io { what, source }
}
