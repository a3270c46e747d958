//! How an export is cut into parts that Lambda answers with.

use std::time::Duration;

use shoptrail_domain::Timestamp;
use shoptrail_domain::event_filter::{Direction, EventFilter};
use shoptrail_domain::export::ExportFormat;
use shoptrail_edge::{ApiError, App};
use shoptrail_storage::{EventsPage, Position, Store, StoreError, within};
use tokio::time::Instant;

use super::WriteError;
use super::cells::cells;
use super::csv::{append_csv_header, append_csv_row};
use super::ndjson::append_ndjson_line;
use super::xlsx::EventsWorkbook;
use crate::shown::CartEventShown;

/// Events that are read at once: they take a second at the most, also the largest ones, and one that is read for nothing
/// at the end of a part costs little.
const PAGE_EVENTS: usize = 250;
/// Bytes of a part of text. Lambda answers with 6 MB, and the contract promises this.
const TEXT_BYTES: usize = 5_000_000;
/// Bytes of a part of text as Lambda writes it, in JSON, which doubles quotation marks and line ends: 6 MB less the
/// answer's headers.
const TEXT_JSON_BYTES: usize = 6_000_000;
/// Bytes of a part that is no text to Lambda's runtime, as NDJSON is none. It is written in base64: a third more.
const BASE64_BYTES: usize = 4_000_000;
/// Rows of a workbook, which a Lambda of 256 MB builds in its memory, and within a second of its share of a processor:
/// a hundred thousand cells.
const WORKBOOK_ROWS: usize = 5_000;
/// What a cell takes in a workbook's archive besides its text: its place in the sheet. Twice of what was measured.
const WORKBOOK_CELL_BYTES: usize = 8;
/// What a workbook's archive holds besides its cells, twice of what was measured.
const WORKBOOK_BYTES: usize = 16_000;
/// No page is begun after this time. It may take what an operation may, which is 2.5 s, and then there are 2.5 s left to
/// write the answer before Lambda gives up.
const TIME: Duration = Duration::from_secs(5);

/// Which part.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) filter: &'a EventFilter,
    pub(super) format: ExportFormat,
    pub(super) direction: Direction,
    /// The part begins behind this one, or is the first.
    pub(super) after: Option<Position>,
}

/// A part.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) body: Vec<u8>,
    /// Behind which the next part begins; `None` where there is nothing more.
    pub(super) next: Option<Position>,
}

/// Reads a part. Where the database fails after some of it was read, that is the part.
pub(super) async fn read(app: &App, asked: Asked<'_>) -> Result<Part, ApiError> {
    let began = Instant::now();
    let now = app.clock.now();
    let mut rows = Rows::begin(asked.format, asked.after.is_none(), now)?;
    let mut after = asked.after.clone();
    loop {
        let page = match list(app, &asked, after.as_ref(), now).await {
            Ok(page) => page,
            Err(error) if rows.count() == 0 => return Err(error.into()),
            Err(error) => {
                // Nobody is answered with it: the next part begins where it failed.
                tracing::warn!(cause = %error, "a part of an export ends early");
                break;
            }
        };
        for record in page.records {
            let event = CartEventShown::from(record);
            if !rows.push(&event)? {
                return rows.into_part(after);
            }
            after = Some(Position {
                created_at: event.created_at,
                id: event.id,
            });
        }
        if page.next.is_none() {
            return rows.into_part(None);
        }
        if began.elapsed() >= TIME {
            break;
        }
    }
    rows.into_part(after)
}

/// A page, within a time of its own.
async fn list(
    app: &App,
    asked: &Asked<'_>,
    after: Option<&Position>,
    now: Timestamp,
) -> Result<EventsPage, StoreError> {
    let (filter, direction) = (asked.filter, asked.direction);
    let list = app
        .store
        .list_cart_events(filter, direction, PAGE_EVENTS, after, now);
    within(Store::OPERATION_TIMEOUT, list).await
}

/// The rows of a part, as many as it may have.
#[derive(Debug)]
enum Rows {
    Text {
        format: ExportFormat,
        text: Vec<u8>,
        /// Bytes of the text in Lambda's answer.
        weight: usize,
        count: usize,
    },
    Workbook {
        workbook: Box<EventsWorkbook>,
        /// Bytes that the workbook has at the most.
        weight: usize,
        count: usize,
    },
}

impl Rows {
    fn begin(format: ExportFormat, is_first: bool, now: Timestamp) -> Result<Self, WriteError> {
        let mut text = Vec::new();
        match format {
            ExportFormat::Xlsx => {
                return Ok(Self::Workbook {
                    workbook: EventsWorkbook::in_memory(now)?.into(),
                    weight: WORKBOOK_BYTES,
                    count: 0,
                });
            }
            // In the first part alone, so that parts can be appended to each other.
            ExportFormat::Csv if is_first => append_csv_header(&mut text)?,
            ExportFormat::Csv | ExportFormat::Ndjson => {}
        }
        Ok(Self::Text {
            weight: json_bytes(&text),
            format,
            text,
            count: 0,
        })
    }

    fn count(&self) -> usize {
        match self {
            Self::Text { count, .. } | Self::Workbook { count, .. } => *count,
        }
    }

    /// Appends the event's row, if there is still room for it. For the first one there always is.
    fn push(&mut self, event: &CartEventShown) -> Result<bool, WriteError> {
        match self {
            Self::Text {
                format,
                text,
                weight,
                count,
            } => {
                let begins = text.len();
                let (bytes, json) = match format {
                    ExportFormat::Csv => {
                        append_csv_row(text, event)?;
                        (TEXT_BYTES, TEXT_JSON_BYTES)
                    }
                    ExportFormat::Ndjson | ExportFormat::Xlsx => {
                        append_ndjson_line(text, event)?;
                        (BASE64_BYTES, usize::MAX)
                    }
                };
                let heavier = weight.saturating_add(json_bytes(&text[begins..]));
                if *count > 0 && (text.len() > bytes || heavier > json) {
                    text.truncate(begins);
                    return Ok(false);
                }
                (*weight, *count) = (heavier, *count + 1);
            }
            Self::Workbook {
                workbook,
                weight,
                count,
            } => {
                let heavier = weight.saturating_add(workbook_bytes(event));
                if *count > 0 && (*count >= WORKBOOK_ROWS || heavier > BASE64_BYTES) {
                    return Ok(false);
                }
                workbook.append(event)?;
                (*weight, *count) = (heavier, *count + 1);
            }
        }
        Ok(true)
    }

    fn into_part(self, next: Option<Position>) -> Result<Part, ApiError> {
        let body = match self {
            Self::Text { text, .. } => text,
            Self::Workbook { workbook, .. } => {
                let mut body = Vec::new();
                workbook.write_to(&mut body)?;
                body
            }
        };
        Ok(Part { body, next })
    }
}

/// The bytes of UTF-8 as a string of JSON.
fn json_bytes(text: &[u8]) -> usize {
    let written = text.iter().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    });
    written.sum()
}

/// The most that an event's row takes in a workbook's archive: its text as XML, as if it could not be compressed.
fn workbook_bytes(event: &CartEventShown) -> usize {
    let xml = |byte: u8| match byte {
        b'&' | b'<' | b'>' => 5,
        // `_x000D_`, which is also what an underscore may become.
        b'_' | 0..0x20 => 7,
        _ => 1,
    };
    let texts = cells(event).into_iter().filter(|cell| !cell.is_empty());
    texts
        .map(|cell| WORKBOOK_CELL_BYTES + cell.bytes().map(xml).sum::<usize>())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event with a text in every field that takes any.
    fn event(number: usize, mut text: impl FnMut() -> String) -> CartEventShown {
        let mut text = || Some(text());
        CartEventShown {
            id: format!("cart-event-{}-a3f9k2m", 1_704_110_400_000_usize + number),
            store_name: "my-store.myshopify.com".into(),
            action_type: "add_to_cart".into(),
            product_id: text(),
            product_title: text(),
            product_url: text(),
            variant_id: text(),
            customer_id: text(),
            customer_email: text(),
            customer_first_name: text(),
            customer_last_name: text(),
            generated_image_url: text(),
            person_image_url: text(),
            clothing_image_url: text(),
            user_agent: text(),
            ip_address: text(),
            session_id: text(),
            event_id: text(),
            occurred_at: text(),
            created_at: "2024-01-01T12:00:00.000Z".into(),
            updated_at: "2024-01-01T12:00:00.000Z".into(),
        }
    }

    /// Texts of characters that look random, of these.
    fn noise(characters: &str, length: usize) -> impl FnMut() -> String {
        let characters: Vec<char> = characters.chars().collect();
        let mut state = 1_u64;
        let mut draw = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            characters[(state >> 8) as usize % characters.len()]
        };
        move || (0..length).map(|_| draw()).collect()
    }

    /// A part that is as full as it may be, and its rows.
    fn full(format: ExportFormat, mut event: impl FnMut(usize) -> CartEventShown) -> (Rows, usize) {
        let mut rows = Rows::begin(format, true, Timestamp::default()).unwrap();
        let mut count = 0;
        while rows.push(&event(count)).unwrap() {
            count += 1;
        }
        (rows, count)
    }

    #[test]
    fn a_row_lies_in_its_events_fields() {
        let event = event(1, || "text".into());
        let json = serde_json::to_string(&event).unwrap();
        let expected: Vec<_> = super::super::cells::COLUMNS
            .into_iter()
            .zip(cells(&event))
            .map(|(name, cell)| format!("\"{name}\":\"{cell}\""))
            .collect();
        assert_eq!(json, format!("{{{}}}", expected.join(",")));
    }

    #[test]
    fn what_lambda_writes_of_a_csv_keeps_its_bound() {
        for text in ["\"\"\"", "=\\\r\n", "text"] {
            let (rows, _) = full(ExportFormat::Csv, |number| event(number, || text.into()));
            let body = rows.into_part(None).unwrap().body;
            let written = serde_json::to_string(std::str::from_utf8(&body).unwrap()).unwrap();
            assert!(body.len() <= 5_000_000 && written.len() <= 6_000_002);
            assert!(body.len() > 4_998_000 || written.len() > 5_998_000);
        }
    }

    #[test]
    fn a_part_of_ndjson_is_full_and_keeps_its_bound_in_base64() {
        let text = "x".repeat(50);
        let (rows, _) = full(ExportFormat::Ndjson, |number| {
            event(number, || text.clone())
        });
        let size = rows.into_part(None).unwrap().body.len();
        assert!((3_998_000..=4_000_000).contains(&size), "{size}");
    }

    #[test]
    fn a_workbook_weighs_no_more_than_it_is_counted() {
        let noises = [
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
                400,
            ),
            ("&<>xyz", 60),
            ("_x00", 90),
            (
                "日本語漢字仮名交文章東京都大阪府京都市名古屋札幌福岡仙台広島神戸横浜",
                80,
            ),
            ("0123456789", 3),
        ];
        for (characters, length) in noises {
            let mut text = noise(characters, length);
            let (rows, count) = full(ExportFormat::Xlsx, |number| event(number, &mut text));
            let Rows::Workbook { weight, .. } = &rows else {
                unreachable!("a workbook")
            };
            let weight = *weight;
            let size = rows.into_part(None).unwrap().body.len();
            assert!(
                size <= weight && weight <= BASE64_BYTES,
                "{characters}: {size} of {weight}"
            );
            assert!(count == WORKBOOK_ROWS || weight > BASE64_BYTES - 60_000);
        }
        let few = Rows::begin(ExportFormat::Xlsx, true, Timestamp::default()).unwrap();
        let size = few.into_part(None).unwrap().body.len();
        assert!(size * 2 <= WORKBOOK_BYTES, "{size}");
    }

    #[test]
    fn the_first_row_always_fits() {
        let huge = event(1, || "x".repeat(400_000));
        let mut rows = Rows::begin(ExportFormat::Ndjson, true, Timestamp::default()).unwrap();
        assert!(rows.push(&huge).unwrap());
        assert!(!rows.push(&huge).unwrap());
    }
}
