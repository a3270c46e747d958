//! The Lambda function.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    shoptrail_edge::lambda::run(cart_tracking::router).await
}
