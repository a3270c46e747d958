//! Comma-separated values by RFC 4180: the lines end with CRLF.

use std::borrow::Cow;

use csv::{Terminator, WriterBuilder};

use super::WriteError;
use super::cells::{COLUMNS, cells};
use crate::shown::CartEventShown;

/// What a spreadsheet takes for the beginning of a formula, or skips before one.
const BEGINS_A_FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
/// Most rows are shorter; a longer one is written in several pieces.
const BUFFER_BYTES: usize = 1_024;

/// Appends the row of the columns' names, which are those of an event's fields.
///
/// # Errors
///
/// None that is to be expected: what a row is appended to has room.
pub fn append_csv_header(text: &mut Vec<u8>) -> Result<(), WriteError> {
    append(text, COLUMNS.map(Cow::Borrowed))
}

/// Appends an event's row. No cell of it is a formula: one that would begin like one begins with `'`.
///
/// # Errors
///
/// None that is to be expected: what a row is appended to has room.
pub fn append_csv_row(text: &mut Vec<u8>, event: &CartEventShown) -> Result<(), WriteError> {
    append(text, cells(event).map(defused))
}

fn defused(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(BEGINS_A_FORMULA) {
        format!("'{cell}").into()
    } else {
        cell.into()
    }
}

fn append(text: &mut Vec<u8>, cells: [Cow<'_, str>; COLUMNS.len()]) -> Result<(), WriteError> {
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .buffer_capacity(BUFFER_BYTES)
        .from_writer(text);
    writer.write_record(cells.iter().map(|cell| cell.as_bytes()))?;
    writer.flush().map_err(csv::Error::from)?;
    Ok(())
}
