//! The store on the real engine: real expressions, real indexes, real transactions.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

mod cart_events;
mod decisions;
mod faults;
mod sessions;
mod support;
