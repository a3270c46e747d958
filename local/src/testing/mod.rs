//! What the other crates' tests and the bench need around the code under test: a real engine with
//! the template's tables, a proxy that breaks the way to it, and a Lambda Runtime API.
//!
//! Nothing here is used by the gateway itself. The helpers panic where a test could not go on.

pub mod audit;
mod db;
pub mod emf;
mod fault;
mod lambda;
mod queue;
mod recorder;
mod replay;
mod shop;

pub use db::TestDb;
pub use fault::{Fault, FaultProxy};
pub use lambda::{LambdaFailure, LambdaHost};
pub use queue::{QueueFault, TestQueue};
pub use recorder::{Recorded, Recorder, distinct};
pub use replay::{Answer, Function, SampleEvent, assert_log, record_key_of_events};
pub use shop::{HASH_PEPPER, SHOPIFY_API_SECRET, TestAnswer, TestShop};
