//! The Lambda function that works on what requests have left to do.

use std::process::ExitCode;

use shoptrail_storage::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let function = env!("CARGO_BIN_NAME");
    shoptrail_edge::lambda::run_events(function, privacy::worker::handle, Table::CartEvents).await
}
