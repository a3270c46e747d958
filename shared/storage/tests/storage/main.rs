//! The store on the real engine: real expressions, real indexes, real transactions.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

mod bulk;
mod cart_event_batches;
mod cart_events;
mod decision_reads;
mod decisions;
mod erasures;
mod event_reads;
mod faults;
mod generation_reads;
mod image_generations;
mod journey_reads;
mod privacy_jobs;
mod rate_limits;
mod replay;
mod session_activity;
mod session_reads;
mod sessions;
mod support;
