//! The Lambda function that stores the events that the queue brings.

use std::process::ExitCode;

use shoptrail_storage::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let function = env!("CARGO_BIN_NAME");
    shoptrail_edge::lambda::run_events(function, cart_tracking::writer::handle, Table::CartEvents)
        .await
}
