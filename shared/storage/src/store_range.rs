//! What an index holds of one store between two times, read in pieces at the same time: the pages of one partition come
//! one after the other, and those of its pieces side by side.

use std::ops::Range;

use aws_sdk_dynamodb::types::AttributeValue;
use shoptrail_domain::{StoreName, Timestamp};

use crate::privacy::{Item, in_parallel};
use crate::tables::STORE_NAME;
use crate::{Store, StoreError};

/// Pieces into which a range is cut: as many requests are on their way at the same time.
const PIECES: i64 = 8;
/// The pieces are those of this much time before now, where there is most likely something: a year, which is longer than
/// sessions and decisions are kept unless configured otherwise, and a month. What lies before belongs to the first piece.
const LIKELY_DAYS: i64 = 397;
const DAY_MS: i64 = 86_400_000;

/// An index whose partition key is `store_name` and whose sort key is a time, ISO 8601.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeIndex {
    /// The index's name.
    pub(crate) name: &'static str,
    /// Its sort key.
    pub(crate) sort: &'static str,
    /// The paths of an entry that are of use, each with names of its own steps: `advice.show_popup`.
    pub(crate) fields: &'static [&'static str],
}

/// What to read.
#[derive(Debug, Clone)]
pub(crate) struct StoreRange<'a> {
    pub(crate) table: &'a str,
    pub(crate) index: TimeIndex,
    pub(crate) store: &'a StoreName,
    /// From the start on, and before the end.
    pub(crate) times: Range<Timestamp>,
}

/// A piece of the range, as far as it was read.
#[derive(Debug)]
struct Piece {
    /// The least and the greatest value of the sort key.
    between: [String; 2],
    next: Option<Item>,
    items: Vec<Item>,
    is_at_end: bool,
}

impl Store {
    /// Hands every entry of a range that has not expired to `take`, in no order, page by page, until `take` wants no
    /// more. Whether all of them were handed over. An entry that is replaced while its partition is read may come
    /// twice.
    pub(crate) async fn read_store_range(
        &self,
        operation: &'static str,
        range: &StoreRange<'_>,
        now: Timestamp,
        mut take: impl FnMut(Item) -> Result<bool, StoreError> + Send,
    ) -> Result<bool, StoreError> {
        let mut pieces: Vec<Piece> = cut(&range.times, now).map(Piece::new).collect();
        while !pieces.is_empty() {
            let reads = pieces.drain(..).map(|piece| {
                let (store, index) = (self.clone(), range.index);
                let (table, name) = (range.table.to_owned(), range.store.clone());
                async move {
                    store
                        .read_piece(operation, &table, index, &name, piece, now)
                        .await
                }
            });
            let width = usize::try_from(PIECES).unwrap_or(1);
            for mut piece in in_parallel(operation, width, reads).await? {
                for item in std::mem::take(&mut piece.items) {
                    if !take(item)? {
                        return Ok(false);
                    }
                }
                if !piece.is_at_end {
                    pieces.push(piece);
                }
            }
        }
        Ok(true)
    }

    async fn read_piece(
        &self,
        operation: &'static str,
        table: &str,
        index: TimeIndex,
        name: &StoreName,
        mut piece: Piece,
        now: Timestamp,
    ) -> Result<Piece, StoreError> {
        let [first, last] = piece.between.clone();
        let text = |text: String| AttributeValue::S(text);
        let mut query = self
            .client
            .query()
            .table_name(table)
            .index_name(index.name)
            .key_condition_expression("#store = :store AND #sort BETWEEN :first AND :last")
            .filter_expression("#expires > :now")
            .expression_attribute_names("#store", STORE_NAME)
            .expression_attribute_names("#sort", index.sort)
            .expression_attribute_names("#expires", "expires_at")
            .expression_attribute_values(":store", text(name.to_string()))
            .expression_attribute_values(":first", text(first))
            .expression_attribute_values(":last", text(last))
            .expression_attribute_values(":now", AttributeValue::N(now.as_secs().to_string()))
            .set_exclusive_start_key(piece.next.take());
        let mut paths = Vec::with_capacity(index.fields.len());
        let mut steps = 0;
        for field in index.fields {
            let mut path = String::new();
            for step in field.split('.') {
                let alias = format!("#f{steps}");
                steps += 1;
                query = query.expression_attribute_names(&alias, step);
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&alias);
            }
            paths.push(path);
        }
        let page = query
            .projection_expression(paths.join(", "))
            .send()
            .await
            .map_err(|error| StoreError::new(operation, error))?;
        piece.items = page.items.unwrap_or_default();
        piece.next = page.last_evaluated_key;
        piece.is_at_end = piece.next.is_none();
        Ok(piece)
    }
}

impl Piece {
    fn new(between: [String; 2]) -> Self {
        Self {
            between,
            next: None,
            items: Vec::new(),
            is_at_end: false,
        }
    }
}

/// The pieces of a range, each with its first and its last millisecond; none for a range without time.
fn cut(times: &Range<Timestamp>, now: Timestamp) -> impl Iterator<Item = [String; 2]> + use<> {
    let (first, end) = (times.start.as_millis(), times.end.as_millis());
    let likely = Range {
        start: (now.as_millis() - LIKELY_DAYS * DAY_MS).max(first),
        end: end.min(now.as_millis()),
    };
    let length = likely.end - likely.start;
    let pieces = match length {
        _ if end <= first => 0,
        length if length < PIECES => 1,
        _ => PIECES,
    };
    let start = move |piece: i64| match piece {
        0 => first,
        piece if piece == pieces => end,
        piece => likely.start + length / pieces * piece,
    };
    (0..pieces).map(move |piece| {
        [start(piece), start(piece + 1) - 1].map(|millis| Timestamp::from_millis(millis).to_iso())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(first: i64, end: i64, now: i64) -> Vec<[i64; 2]> {
        let at = Timestamp::from_millis;
        let millis = |iso: String| Timestamp::parse_iso(&iso).unwrap().as_millis();
        let cut = cut(&(at(first)..at(end)), at(now));
        cut.map(|between| between.map(millis)).collect()
    }

    #[test]
    fn the_pieces_of_a_range_hold_every_millisecond_once() {
        let now = 1_750_000_000_000;
        let year_9999 = 253_370_764_800_000;
        for (first, end) in [
            (0, year_9999),
            (now - 30 * DAY_MS, now),
            (now - 30 * DAY_MS, now + 30 * DAY_MS),
            (now - 9, now),
            (now - 3, now),
            (now + 5, now + 6),
            (0, 1),
        ] {
            let pieces = pieces(first, end, now);
            assert_eq!(pieces.first().map(|piece| piece[0]), Some(first));
            assert_eq!(pieces.last().map(|piece| piece[1]), Some(end - 1));
            assert!(pieces.iter().all(|[a, b]| a <= b), "{pieces:?}");
            let gapless = pieces.windows(2).all(|two| two[0][1] + 1 == two[1][0]);
            assert!(gapless, "{pieces:?}");
        }
    }

    #[test]
    fn a_month_is_read_in_pieces_and_no_time_not_at_all() {
        let now = 1_750_000_000_000;
        assert_eq!(pieces(now - 30 * DAY_MS, now, now).len(), 8);
        assert_eq!(pieces(now, now, now), Vec::<[i64; 2]>::new());
        assert_eq!(pieces(now, now - 1, now), Vec::<[i64; 2]>::new());
        // Sixty years of which one is likely are not cut into pieces of seven years.
        let pieces = pieces(0, now, now);
        assert!(pieces[1][0] >= now - LIKELY_DAYS * DAY_MS);
    }
}
