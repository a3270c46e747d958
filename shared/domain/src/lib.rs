//! The rules of Shoptrail: what a cart event, a session message and a popup advice must be, and how
//! they become what is stored. Pure: no async, no AWS, no HTTP, no clock and no randomness of its own.

pub mod access;
pub mod advice;
pub mod analytics;
pub mod cart_event;
pub mod cart_event_batch;
mod consent;
mod date_bounds;
pub mod day_range;
pub mod email;
pub mod error;
mod event_fields;
pub mod event_filter;
pub mod export;
pub mod generation_filter;
pub mod identifier;
pub mod image_generation;
pub mod journey;
pub mod json;
pub mod limits;
pub mod paging;
pub mod privacy;
pub mod query;
pub mod refusal;
pub mod schema;
pub mod sender;
pub mod session;
pub mod store_name;
pub mod text;
pub mod time;
pub mod web_url;
pub mod wire;

pub use error::{ParseError, ParseErrors, Reason};
pub use store_name::StoreName;
pub use time::Timestamp;
