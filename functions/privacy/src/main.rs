//! The Lambda function that answers requests.

use std::process::ExitCode;

use shoptrail_storage::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    shoptrail_edge::lambda::run(privacy::router, Table::CartEvents).await
}
