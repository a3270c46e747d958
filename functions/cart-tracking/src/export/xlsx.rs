//! A workbook of Excel's. Every cell is text, so that ids keep their digits and nothing is a formula.

use std::fmt;
use std::io::Write;
use std::path::Path;

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook};
use shoptrail_domain::Timestamp;

use super::WriteError;
use super::cells::{COLUMNS, cells};
use crate::shown::CartEventShown;

/// Rows of a sheet, its header included, as Excel has them.
pub const SHEET_ROWS: u32 = 1_048_576;
/// The widths of the columns, in characters: those of ids and times fit their content, those of texts without a bound
/// show where they begin.
const WIDTHS: [u8; COLUMNS.len()] = [
    34, 30, 14, 18, 32, 40, 18, 18, 30, 18, 18, 40, 40, 40, 30, 18, 38, 38, 26, 26, 26,
];

/// Cart events as a workbook: one sheet, or several where the rows do not fit into one.
pub struct EventsWorkbook {
    workbook: Workbook,
    is_kept_in_files: bool,
    sheet_rows: u32,
    /// Rows of the last sheet, its header included.
    rows: u32,
}

impl fmt::Debug for EventsWorkbook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows;
        write!(f, "EventsWorkbook({rows} rows in the last sheet)")
    }
}

impl EventsWorkbook {
    /// A workbook that is kept in memory until it is written.
    ///
    /// # Errors
    ///
    /// None that is to be expected.
    pub fn in_memory(now: Timestamp) -> Result<Self, WriteError> {
        Self::begin(Workbook::new(), false, SHEET_ROWS, now)
    }

    /// A workbook of any size, whose rows are kept in nameless files in `folder` until it is written; in the system's
    /// folder for such files where none is named. A sheet has `sheet_rows`, of which there are [`SHEET_ROWS`] at most.
    ///
    /// # Errors
    ///
    /// When there can be no file.
    pub fn in_files(
        folder: Option<&Path>,
        sheet_rows: u32,
        now: Timestamp,
    ) -> Result<Self, WriteError> {
        let mut workbook = Workbook::new();
        // What an archive needs that may be larger than 4 GiB.
        workbook.use_zip_large_file(true);
        if let Some(folder) = folder {
            workbook.set_tempdir(folder)?;
        }
        Self::begin(workbook, true, sheet_rows, now)
    }

    fn begin(
        mut workbook: Workbook,
        is_kept_in_files: bool,
        sheet_rows: u32,
        now: Timestamp,
    ) -> Result<Self, WriteError> {
        // Else it would be what the system's clock says.
        let created = ExcelDateTime::from_timestamp(now.as_secs())?;
        workbook.set_properties(&DocProperties::new().set_creation_datetime(&created));
        let mut begun = Self {
            workbook,
            is_kept_in_files,
            sheet_rows: sheet_rows.min(SHEET_ROWS),
            rows: 0,
        };
        begun.begin_sheet()?;
        Ok(begun)
    }

    fn begin_sheet(&mut self) -> Result<(), WriteError> {
        let number = self.workbook.worksheets().len() + 1;
        let sheet = if self.is_kept_in_files {
            self.workbook.add_worksheet_with_constant_memory()?
        } else {
            self.workbook.add_worksheet()
        };
        sheet.set_name(match number {
            1 => "Cart events".to_owned(),
            number => format!("Cart events {number}"),
        })?;
        sheet.set_freeze_panes(1, 0)?;
        let bold = Format::new().set_bold();
        for ((column, name), width) in (0..).zip(COLUMNS).zip(WIDTHS) {
            sheet.set_column_width(column, width)?;
            sheet.write_string_with_format(0, column, name, &bold)?;
        }
        self.rows = 1;
        Ok(())
    }

    /// Appends an event's row.
    ///
    /// # Errors
    ///
    /// When a file cannot be written, or with a text of more than 32,767 characters, which no event has.
    pub fn append(&mut self, event: &CartEventShown) -> Result<(), WriteError> {
        if self.rows >= self.sheet_rows {
            self.begin_sheet()?;
        }
        let last = self.workbook.worksheets().len().saturating_sub(1);
        let sheet = self.workbook.worksheet_from_index(last)?;
        for (column, cell) in (0..).zip(cells(event)) {
            if !cell.is_empty() {
                sheet.write_string(self.rows, column, cell)?;
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Writes the whole workbook. There is nothing to be appended any more.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write_to(mut self, writer: impl Write + Send) -> Result<(), WriteError> {
        Ok(self.workbook.save_to_writer(writer)?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use calamine::{Reader as _, Xlsx};
    use shoptrail_storage::CartEventRecord;

    use super::*;

    fn event(id: &str) -> CartEventShown {
        let record = serde_json::json!({
            "id": id, "store_name": "my-store.myshopify.com", "action_type": "add_to_cart",
            "created_at": "2024-01-01T12:00:00.000Z", "updated_at": "2024-01-01T12:00:00.000Z",
            "created_bucket": "2024-01-01#0", "expires_at": 1_735_646_400,
        });
        let record: CartEventRecord = serde_json::from_value(record).unwrap();
        record.into()
    }

    /// The ids of each sheet, below its header.
    fn ids(workbook: EventsWorkbook) -> Vec<(String, Vec<String>)> {
        let mut body = Vec::new();
        workbook.write_to(&mut body).unwrap();
        let mut read: Xlsx<_> = Xlsx::new(Cursor::new(body)).unwrap();
        let sheets = read.worksheets().into_iter();
        let sheets = sheets.map(|(name, range)| {
            let ids = range.rows().map(|row| row[0].to_string());
            (name, ids.collect())
        });
        sheets.collect()
    }

    #[test]
    fn what_does_not_fit_into_a_sheet_begins_another() {
        let now = Timestamp::default();
        let mut workbook = EventsWorkbook::in_files(None, 3, now).unwrap();
        for id in ["a", "b", "c", "d", "e"] {
            workbook.append(&event(id)).unwrap();
        }
        let sheet = |name: &str, ids: &[&str]| {
            let ids = ["id"].iter().chain(ids).map(|id| (*id).to_owned());
            (name.to_owned(), ids.collect::<Vec<_>>())
        };
        let expected = [
            sheet("Cart events", &["a", "b"]),
            sheet("Cart events 2", &["c", "d"]),
            sheet("Cart events 3", &["e"]),
        ];
        assert_eq!(ids(workbook), expected);
        let full = [sheet("Cart events", &["a"])];
        let mut workbook = EventsWorkbook::in_memory(now).unwrap();
        workbook.append(&event("a")).unwrap();
        assert_eq!(ids(workbook), full);
    }

    #[test]
    fn the_same_events_make_the_same_workbook() {
        let written = || {
            let mut workbook = EventsWorkbook::in_memory(Timestamp::default()).unwrap();
            workbook.append(&event("a")).unwrap();
            let mut body = Vec::new();
            workbook.write_to(&mut body).unwrap();
            body
        };
        assert_eq!(written(), written());
    }
}
