//! The Lambda function.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    shoptrail_edge::lambda::run(ask_ai::router).await
}
