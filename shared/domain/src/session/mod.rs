//! Browsing sessions: the messages that trackers send, and the one true record that they add up to.
//!
//! Whatever the network does to the messages of a session (repeats them, swaps them, delivers them at
//! the same time), the record comes out the same, because each of its parts is merged by an operation
//! that does not care about order or repetition:
//!
//! | part | operation |
//! |---|---|
//! | events | union of a set; an event's identity is a hash of its page, type, time, fields and ordinal |
//! | times of snapshots | maximum per page |
//! | times of envelopes | sum over a set of distinct envelopes |
//! | cart | the greatest stamp of (time, `seq`, count) |
//! | pages, event types, products | the first ones of a fixed order of names, so that a limit cuts the same ones off |

mod id;
mod message;
mod milestones;
mod name;
mod record;
mod state;

pub use id::SessionId;
pub use message::{DropReason, Dropped, SessionMessage, SessionMessageBody, StateBody};
pub use milestones::Milestones;
pub(crate) use milestones::{is_product_view, product_id};
pub use record::{SessionEvent, SessionRecord, Totals};
pub use state::{Entry, Merged, Segment, SegmentInfo, SessionState};
