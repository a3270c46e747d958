//! `shoptrail-admin`: what is done to a deployment from a terminal, be it on AWS or in the local gateway's folder.
//! Each command has a module with its options, what it does and what it says.

mod cli;
mod demo_data;
mod erasures;
mod export;
mod keys;
mod place;
mod progress;
mod switches;

pub use cli::main;
