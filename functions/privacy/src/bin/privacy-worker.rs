//! The Lambda function that works on what requests have left to do.

use std::process::ExitCode;

use shoptrail_storage::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    shoptrail_edge::lambda::run_events(privacy::worker::handle, Table::CartEvents).await
}
