//! The local gateway's binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    shoptrail_local::cli::main()
}
