//! What the template watches is what the functions write: its alarms and its dashboard against the metrics that the
//! handlers emit, and against those that AWS documents.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

mod alarms;
mod aws;
mod emitted;
mod template;

/// The stack's name in these tests.
const STACK: &str = "a-stack";
