//! The local gateway: the routes of `template.yaml`, served on an embedded DynamoDB-compatible
//! engine with the tables of `template.yaml`; beside them, the demo shop. Never deployed.
//!
//! The other crates' tests take the engine and what stands around it from [`testing`].

pub mod cli;
pub mod command_line;
pub mod demo;
pub mod engine;
pub mod folder;
pub mod gateway;
pub mod kept_secret;
pub mod queue;
pub mod tables;
pub mod template;
pub mod testing;
pub mod wiring;
pub mod worker;
