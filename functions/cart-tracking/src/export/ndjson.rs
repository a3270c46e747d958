//! JSON, one object a line: what a program reads without holding all of it.

use super::WriteError;
use crate::shown::CartEventShown;

/// Appends an event's line: the object that `GET /api/cart-tracking/events` shows.
///
/// # Errors
///
/// None that is to be expected: what a line is appended to has room.
pub fn append_ndjson_line(text: &mut Vec<u8>, event: &CartEventShown) -> Result<(), WriteError> {
    serde_json::to_writer(&mut *text, event)?;
    text.push(b'\n');
    Ok(())
}
