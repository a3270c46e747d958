//! The Lambda function.

use std::process::ExitCode;

use shoptrail_storage::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    shoptrail_edge::lambda::run(cart_tracking::router, Table::CartEvents).await
}
