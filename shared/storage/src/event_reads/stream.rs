//! The entries of one range of an index, page by page.

use std::cmp::Ordering;
use std::collections::VecDeque;

use aws_sdk_dynamodb::types::AttributeValue;
use shoptrail_domain::Timestamp;
use shoptrail_domain::event_filter::Direction;

use super::Position;
use super::plan::{Plan, Range};
use crate::privacy::{Item, text};
use crate::tables::ID;
use crate::{Store, StoreError};

/// Entries of one request at most, where less than all of them are wanted: with filters that leave one of ten, a page
/// of 100. An entry has at most some 20 KB, and DynamoDB ends a page at 1 MB itself.
pub(super) const MOST_ENTRIES: usize = 1_000;
/// How much more each further request of a stream asks for: a filter that leaves little is felt after one or two.
const GROWTH: usize = 4;

/// Reads one range lazily, in one direction.
#[derive(Debug)]
pub(super) struct Stream {
    range: Range,
    direction: Direction,
    /// Entries that were read and not taken, in order.
    entries: VecDeque<Entry>,
    next: Next,
    /// Entries to ask for next; as many as the database gives where there is no number.
    limit: Option<usize>,
}

#[derive(Debug)]
enum Next {
    /// The next page begins behind this key, or where the range does.
    Page(Option<Item>),
    End,
}

/// An entry of an index.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: Position,
    pub(super) item: Item,
}

/// The order of two positions on the way in a direction.
pub(super) fn order(direction: Direction, a: &Position, b: &Position) -> Ordering {
    let order = (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id));
    match direction {
        Direction::Ascending => order,
        Direction::Descending => order.reverse(),
    }
}

impl Stream {
    pub(super) fn new(range: Range, direction: Direction, limit: Option<usize>) -> Self {
        Self {
            range,
            direction,
            entries: VecDeque::new(),
            next: Next::Page(None),
            limit,
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        matches!(self.next, Next::End)
    }

    /// The first entry, if no other entry of the range can come before it: an index tells the time and not the order
    /// of what has the same time, so the last time that was read may not be complete.
    pub(super) fn head(&self) -> Option<&Entry> {
        let head = self.entries.front()?;
        let is_complete =
            self.is_at_end() || self.entries.back()?.at.created_at != head.at.created_at;
        is_complete.then_some(head)
    }

    /// Whether something has to be read before it can be said what comes first.
    pub(super) fn is_unclear(&self) -> bool {
        !self.is_at_end() && self.head().is_none()
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.entries.pop_front()
    }

    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.entries.into_iter()
    }

    /// Reads one page, and of it keeps what comes strictly after `after`.
    pub(super) async fn read(
        &mut self,
        store: &Store,
        operation: &'static str,
        plan: &Plan,
        after: Option<&Position>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let items = self.fetch(store, operation, plan, now).await?;
        let direction = self.direction;
        let is_behind = |entry: &Entry| {
            after.is_none_or(|after| order(direction, &entry.at, after) == Ordering::Greater)
        };
        let entries = items.into_iter().filter_map(Entry::new);
        self.entries.extend(entries.filter(is_behind));
        let entries = self.entries.make_contiguous();
        entries.sort_by(|a, b| order(direction, &a.at, &b.at));
        Ok(())
    }

    /// Reads one page, of which nothing is kept; at the end there is nothing on it.
    pub(super) async fn fetch(
        &mut self,
        store: &Store,
        operation: &'static str,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<Vec<Item>, StoreError> {
        let Next::Page(from) = &mut self.next else {
            return Ok(Vec::new());
        };
        let from = from.take();
        let [first, last] = self.range.between.clone();
        let mut query = store
            .client
            .query()
            .table_name(store.event_table(plan.source.table))
            .index_name(plan.index.name)
            .key_condition_expression("#partition = :partition AND #sort BETWEEN :first AND :last")
            .expression_attribute_names("#partition", plan.index.partition)
            .expression_attribute_names("#sort", plan.index.sort)
            .expression_attribute_values(":partition", string(&self.range.partition))
            .expression_attribute_values(":first", AttributeValue::S(first))
            .expression_attribute_values(":last", AttributeValue::S(last))
            .expression_attribute_names("#expires", "expires_at")
            .expression_attribute_values(":now", AttributeValue::N(now.as_secs().to_string()))
            .scan_index_forward(self.direction == Direction::Ascending)
            .set_exclusive_start_key(from)
            .set_limit(self.limit.and_then(|limit| i32::try_from(limit).ok()));
        let mut filter = "#expires > :now".to_owned();
        for (number, condition) in plan.in_query().enumerate() {
            query = query.expression_attribute_names(format!("#c{number}"), condition.attribute);
            let mut names = Vec::with_capacity(condition.values.len());
            for (place, value) in condition.values.iter().enumerate() {
                let name = format!(":c{number}_{place}");
                query = query.expression_attribute_values(&name, string(value));
                names.push(name);
            }
            filter.push_str(&format!(" AND #c{number} IN ({})", names.join(", ")));
        }
        if !plan.fields.is_empty() {
            let mut names = Vec::with_capacity(plan.fields.len());
            for (number, field) in plan.fields.iter().enumerate() {
                let name = format!("#f{number}");
                query = query.expression_attribute_names(&name, *field);
                names.push(name);
            }
            query = query.projection_expression(names.join(", "));
        }
        let page = query
            .filter_expression(filter)
            .send()
            .await
            .map_err(|error| StoreError::new(operation, error))?;
        self.next = match page.last_evaluated_key {
            Some(key) => Next::Page(Some(key)),
            None => Next::End,
        };
        self.limit = self.limit.map(|limit| (limit * GROWTH).min(MOST_ENTRIES));
        Ok(page.items.unwrap_or_default())
    }
}

impl Entry {
    /// `None` for an item without its keys, which no index gives.
    pub(super) fn new(item: Item) -> Option<Self> {
        let at = Position {
            created_at: text(&item, "created_at")?.to_owned(),
            id: text(&item, ID)?.to_owned(),
        };
        Some(Self { at, item })
    }
}

fn string(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(next: Next, entries: &[(&str, &str)]) -> Stream {
        let range = Range {
            partition: "alpha".into(),
            between: ["0".into(), "9".into()],
        };
        let entries = entries.iter().map(|(created_at, id)| Entry {
            at: Position {
                created_at: (*created_at).into(),
                id: (*id).into(),
            },
            item: Item::new(),
        });
        Stream {
            entries: entries.collect(),
            next,
            ..Stream::new(range, Direction::Ascending, None)
        }
    }

    #[test]
    fn an_entry_waits_until_all_of_its_millisecond_have_been_read() {
        let more = || Next::Page(None);
        // DynamoDB does not say in which order entries of one time come: a lesser id may follow.
        assert!(stream(more(), &[("1", "b"), ("1", "c")]).head().is_none());
        assert!(stream(more(), &[("1", "b"), ("1", "c")]).is_unclear());
        assert!(stream(more(), &[]).is_unclear());
        let clear = stream(more(), &[("1", "b"), ("2", "a")]);
        assert_eq!(clear.head().unwrap().at.id, "b");
        let ended = stream(Next::End, &[("1", "b"), ("1", "c")]);
        assert_eq!(ended.head().unwrap().at.id, "b");
        assert!(!stream(Next::End, &[]).is_unclear());
    }

    #[test]
    fn positions_are_ordered_by_time_and_then_by_id() {
        let at = |created_at: &str, id: &str| Position {
            created_at: created_at.into(),
            id: id.into(),
        };
        let (first, second, third) = (at("1", "b"), at("2", "a"), at("2", "b"));
        for (a, b) in [(&first, &second), (&second, &third), (&first, &third)] {
            assert_eq!(order(Direction::Ascending, a, b), Ordering::Less);
            assert_eq!(order(Direction::Descending, a, b), Ordering::Greater);
        }
    }
}
