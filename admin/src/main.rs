//! The tool's binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    shoptrail_admin::main()
}
