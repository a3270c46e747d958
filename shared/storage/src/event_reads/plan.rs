//! How a question is answered: by which index, from which of its partitions, and what is left to be filtered.

use aws_sdk_dynamodb::types::AttributeValue;
use shoptrail_domain::Timestamp;
use shoptrail_domain::event_filter::Direction;

use super::index::{Index, Source};
use super::question::{Condition, Question};
use crate::is_alive;
use crate::privacy::{Item, text};
use crate::tables::CREATED_AT_SHARDS;

/// Days, counted back from the end of the range, in which all stores together are looked through where the range has no
/// start. The partitions of `idx_created_at` are eight a day, and each costs a request even where it is empty: those of
/// a month are asked well within the time of an operation, also by a Lambda of 256 MB, where little is stored.
const OPEN_DAYS: u32 = 31;
/// The same where the range has a start: a year, which is how long events are kept unless configured otherwise, and a
/// month. Where there is little in so long a range, it may take longer than an operation may.
const ALL_STORES_DAYS: u32 = 397;
/// How far the clock of another process may be ahead: events of its future are still found among all stores.
const CLOCK_SKEW_MS: i64 = 5 * 60_000;
/// Values of one `IN`, as DynamoDB allows.
const IN_VALUES: usize = 100;
/// Pieces into which the time of a store is cut to be collected: the pages of one partition come one after the other,
/// and those of pieces at the same time.
const PIECES: usize = 8;
const DAY_MS: i64 = 86_400_000;

/// What is read for a question.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) source: &'static Source,
    pub(super) index: &'static Index,
    /// One group after the other, in the direction of the page; those of one group hold events of the same times.
    pub(super) groups: Vec<Vec<Range>>,
    /// Of every event that is asked for.
    pub(super) conditions: Vec<Condition>,
    /// Whether the table has to be asked for the events whose ids the index gives.
    pub(super) needs_records: bool,
    /// The attributes of an entry that are of use; all where there are none here.
    pub(super) fields: Vec<&'static str>,
}

/// The part of a partition that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    /// The partition key's value.
    pub(super) partition: String,
    /// The least and the greatest value of the sort key.
    pub(super) between: [String; 2],
}

/// Milliseconds since 1970, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: i64,
    last: i64,
}

impl Plan {
    /// The plan for a page of whole records that begins at the time `at`, in this direction.
    pub(super) fn for_page(
        question: Question,
        direction: Direction,
        at: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let mut span = Span::of(&question);
        let asked = span;
        match (at, direction) {
            (Some(at), Direction::Descending) => span.last = span.last.min(at.as_millis()),
            (Some(at), Direction::Ascending) => span.first = span.first.max(at.as_millis()),
            (None, _) => {}
        }
        let index = question.index();
        let mut groups = groups(index, &question, span, asked, now);
        if direction == Direction::Descending {
            groups.reverse();
        }
        let fields = if index.is_whole() {
            Vec::new()
        } else {
            vec!["id", "created_at"]
        };
        Self {
            source: question.source,
            index,
            groups,
            conditions: question.conditions,
            needs_records: !index.is_whole(),
            fields,
        }
    }

    /// The plan for the summaries of all events, which have these attributes.
    pub(super) fn for_all(question: Question, attributes: &[&'static str], now: Timestamp) -> Self {
        let span = Span::of(&question);
        let suffices = |index: &Index| {
            // Where all events name a customer's id, nobody asks for the address.
            let is_needless =
                |field: &str| field == "customer_email" && index.partition == "customer_id";
            let is_held = |field: &str| index.holds(field) || is_needless(field);
            let mut conditions = question.conditions.iter();
            conditions.all(|condition| index.holds(condition.attribute))
                && attributes.iter().all(|field| is_held(field))
        };
        let mut index = question.index();
        let narrow = question.source.store_summaries;
        let narrow = narrow.filter(|narrow| narrow.partition == index.partition);
        if let Some(narrow) = narrow.filter(|narrow| suffices(narrow)) {
            index = narrow;
        }
        let mut groups = groups(index, &question, span, span, now);
        if index.partition == "store_name" {
            groups = cut(groups, index, span, now);
        }
        let needs_records = !suffices(index);
        let mut fields = vec!["id", "created_at"];
        if !needs_records {
            let needed = ["expires_at"].into_iter().chain(
                // What a condition is about is looked at once more.
                (question
                    .conditions
                    .iter()
                    .map(|condition| condition.attribute))
                .chain(attributes.iter().copied()),
            );
            for field in needed.filter(|field| index.holds(field)) {
                if !fields.contains(&field) {
                    fields.push(field);
                }
            }
            if index.holds_only(&fields) {
                // What names nothing gives everything, and costs the local engine a third less.
                fields.clear();
            }
        }
        Self {
            source: question.source,
            index,
            groups,
            conditions: question.conditions,
            needs_records,
            fields,
        }
    }

    /// Whether so many days of all stores are read that it may take longer than an operation may.
    pub(super) fn is_long(&self) -> bool {
        self.index.is_by_day() && self.groups.len() > OPEN_DAYS as usize + 1
    }

    /// What the index itself filters by.
    pub(super) fn in_query(&self) -> impl Iterator<Item = &Condition> {
        self.conditions
            .iter()
            .filter(|condition| self.is_in_query(condition))
    }

    fn is_in_query(&self, condition: &Condition) -> bool {
        condition.attribute != self.index.partition
            && self.index.holds(condition.attribute)
            && condition.values.len() <= IN_VALUES
    }

    fn is_in_key(&self, condition: &Condition) -> bool {
        condition.attribute == self.index.partition
    }

    /// Whether what the index gives may still be something else than what is asked for.
    pub(super) fn filters_records(&self) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.any(|condition| !self.is_in_query(condition) && !self.is_in_key(condition))
    }

    /// Whether an event is one of those that are asked for. (An index lags behind its table, so the table's record is
    /// held against everything.)
    pub(super) fn takes(&self, item: &Item, now: Timestamp) -> bool {
        let holds = |condition: &Condition| {
            let value = text(item, condition.attribute);
            value.is_some_and(|value| {
                let found = condition
                    .values
                    .binary_search_by(|one| one.as_str().cmp(value));
                found.is_ok()
            })
        };
        is_alive_item(item, now) && self.conditions.iter().all(holds)
    }
}

/// Whether the item is still to be seen; what never expires is none of ours.
pub(super) fn is_alive_item(item: &Item, now: Timestamp) -> bool {
    let expires = item.get("expires_at").and_then(|value| match value {
        AttributeValue::N(seconds) => seconds.parse().ok(),
        _ => None,
    });
    expires.is_some_and(|expires| is_alive(expires, now))
}

/// The parts of `index` that the question reaches, the oldest first. `asked` is what the question's own times span, of
/// which `span` may be a rest.
fn groups(
    index: &Index,
    question: &Question,
    span: Span,
    asked: Span,
    now: Timestamp,
) -> Vec<Vec<Range>> {
    if question.is_about_nothing() || span.is_empty() {
        return Vec::new();
    }
    if index.is_by_day() {
        return days(index, span, asked, now);
    }
    let ranges = question
        .partitions(index)
        .into_iter()
        .flat_map(|condition| {
            let values = condition.values.iter();
            values.map(|partition| Range {
                partition: partition.clone(),
                between: span.between(index),
            })
        });
    vec![ranges.collect()]
}

/// The buckets of each day.
fn days(index: &Index, span: Span, asked: Span, now: Timestamp) -> Vec<Vec<Range>> {
    let most_days = if asked.first == 0 {
        OPEN_DAYS
    } else {
        ALL_STORES_DAYS
    };
    let end = asked.last.min(now.as_millis());
    let span = Span {
        first: span.first.max(end - i64::from(most_days) * DAY_MS),
        last: span.last.min(now.as_millis() + CLOCK_SKEW_MS),
    };
    if span.is_empty() {
        return Vec::new();
    }
    let days = span.first / DAY_MS..=span.last / DAY_MS;
    let buckets = days.map(|day| {
        let day = Timestamp::from_millis(day * DAY_MS).day();
        let shards = (0..CREATED_AT_SHARDS).map(|shard| Range {
            partition: format!("{day}#{shard}"),
            between: span.between(index),
        });
        shards.collect()
    });
    buckets.collect()
}

/// The same ranges in pieces of time, all in one group. The pieces are those of the time in which there are most
/// likely events; what lies before and after belongs to the first and the last.
fn cut(groups: Vec<Vec<Range>>, index: &Index, span: Span, now: Timestamp) -> Vec<Vec<Range>> {
    let stores = groups.iter().map(Vec::len).sum::<usize>();
    let pieces = i64::try_from(PIECES / stores.max(1)).unwrap_or(1);
    let likely = Span {
        first: (now.as_millis() - i64::from(ALL_STORES_DAYS) * DAY_MS).max(span.first),
        last: now.as_millis().min(span.last),
    };
    if pieces < 2 || likely.last - likely.first < pieces {
        return groups;
    }
    let start = |piece: i64| match piece {
        0 => span.first,
        piece if piece == pieces => span.last + 1,
        piece => likely.first + (likely.last - likely.first) / pieces * piece,
    };
    let ranges = groups.into_iter().flatten().flat_map(|range| {
        (0..pieces).map(move |piece| {
            let span = Span {
                first: start(piece),
                last: start(piece + 1) - 1,
            };
            Range {
                partition: range.partition.clone(),
                between: span.between(index),
            }
        })
    });
    vec![ranges.collect()]
}

impl Span {
    fn of(question: &Question) -> Self {
        /// The last time that an id's 13 digits hold, in the year 2286.
        const LAST: i64 = 9_999_999_999_999;
        let until = question.until.map_or(i64::MAX, Timestamp::as_millis);
        Self {
            first: question.from.map_or(0, Timestamp::as_millis),
            last: LAST.min(until - 1),
        }
    }

    fn is_empty(self) -> bool {
        self.last < self.first
    }

    /// The values of an index's sort key.
    fn between(self, index: &Index) -> [String; 2] {
        let times = [self.first, self.last].map(Timestamp::from_millis);
        // Only cart events are found by their ids.
        if index.sort == "id" {
            let [first, last] = times.map(|time| format!("cart-event-{:013}", time.as_millis()));
            // `~` comes after everything that an id may end in.
            [first, format!("{last}-~")]
        } else {
            times.map(Timestamp::to_iso)
        }
    }
}

#[cfg(test)]
mod tests {
    use shoptrail_domain::StoreName;
    use shoptrail_domain::access::Stores;
    use shoptrail_domain::event_filter::EventFilter;

    use super::super::index::STORE_NAME;
    use super::super::summary::SummaryFields;
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse_iso("2026-03-01T00:02:00Z").unwrap()
    }

    fn filter(stores: Stores, from: Option<&str>, until: Option<&str>) -> EventFilter {
        let time = |text: Option<&str>| text.map(|text| Timestamp::parse_iso(text).unwrap());
        EventFilter {
            stores,
            product_id: None,
            variant_id: None,
            customer_id: None,
            customer_email: None,
            session_id: None,
            action_type: None,
            from: time(from),
            until: time(until),
        }
    }

    fn one_store() -> Stores {
        Stores::one(StoreName::parse("alpha").unwrap())
    }

    /// The days that a page of all stores goes through.
    fn days_of(from: Option<&str>, until: Option<&str>, direction: Direction) -> Vec<String> {
        let plan = Plan::for_page(
            (&filter(Stores::All, from, until)).into(),
            direction,
            None,
            now(),
        );
        let day = |group: &Vec<Range>| {
            assert_eq!(group.len() as u128, CREATED_AT_SHARDS);
            group[0].partition.replace("#0", "")
        };
        plan.groups.iter().map(day).collect()
    }

    #[test]
    fn the_days_of_all_stores_are_walked_in_order_and_are_bounded() {
        let days = days_of(None, None, Direction::Descending);
        assert_eq!(days.len(), 1 + OPEN_DAYS as usize);
        assert_eq!(
            (days[0].as_str(), days[31].as_str()),
            ("2026-03-01", "2026-01-29")
        );
        let day = |from, until, direction| days_of(from, until, direction).join(" ");
        assert_eq!(
            day(
                Some("2026-02-27T12:00:00Z"),
                Some("2026-03-01"),
                Direction::Ascending
            ),
            "2026-02-27 2026-02-28"
        );
        let all = days_of(Some("1971-01-01"), None, Direction::Ascending);
        assert_eq!(all.len(), 1 + ALL_STORES_DAYS as usize);
        assert_eq!(all.last().map(String::as_str), Some("2026-03-01"));
        // Of the future there is what clocks differ by.
        let near = Timestamp::parse_iso("2026-02-28T23:58:00Z").unwrap();
        let plan = Plan::for_page(
            (&filter(Stores::All, None, None)).into(),
            Direction::Descending,
            None,
            near,
        );
        assert_eq!(plan.groups[0][0].partition, "2026-03-01#0");
    }

    #[test]
    fn a_page_begins_where_the_last_one_ended() {
        let at = Timestamp::parse_iso("2026-02-10T12:00:00Z").unwrap();
        let whole = filter(one_store(), Some("2026-02-01"), Some("2026-03-01"));
        let between = |direction| {
            let plan = Plan::for_page((&whole).into(), direction, Some(at), now());
            plan.groups[0][0].between.join(" ")
        };
        assert_eq!(
            between(Direction::Descending),
            "2026-02-01T00:00:00.000Z 2026-02-10T12:00:00.000Z"
        );
        assert_eq!(
            between(Direction::Ascending),
            "2026-02-10T12:00:00.000Z 2026-02-28T23:59:59.999Z"
        );
        // The bound of a walk stays that of the filter.
        let plan = Plan::for_page(
            (&filter(Stores::All, None, None)).into(),
            Direction::Descending,
            Some(at),
            now(),
        );
        assert_eq!(plan.groups.last().unwrap()[0].partition, "2026-01-29#0");
    }

    #[test]
    fn a_range_without_time_and_no_stores_at_all_ask_nothing() {
        for (stores, from, until) in [
            (one_store(), Some("2026-02-02"), Some("2026-02-02")),
            (Stores::All, Some("2026-02-02"), Some("2026-02-01")),
            (one_store(), Some("9999-01-01"), None),
            (one_store(), None, Some("1970-01-01")),
            (Stores::These([].into()), None, None),
        ] {
            let filter = filter(stores, from, until);
            let page = Plan::for_page((&filter).into(), Direction::Descending, None, now());
            let all = Plan::for_all((&filter).into(), SummaryFields::Common.attributes(), now());
            let ranges = page.groups.iter().chain(&all.groups).flatten();
            assert_eq!(ranges.count(), 0, "{filter:?}");
        }
    }

    #[test]
    fn the_pieces_of_a_stores_time_hold_every_id_once() {
        for (from, until) in [
            (None, None),
            (Some("2026-02-01"), None),
            (None, Some("2026-02-01")),
            (Some("2026-02-28T23:59:59.990Z"), Some("2026-03-01")),
        ] {
            let filter = filter(one_store(), from, until);
            let plan = Plan::for_all((&filter).into(), SummaryFields::Common.attributes(), now());
            assert_eq!(plan.index, &STORE_NAME);
            let first = filter.from.map_or(0, Timestamp::as_millis);
            let last = filter
                .until
                .map_or(9_999_999_999_999, |until| until.as_millis() - 1);
            let edges = plan.groups.iter().flatten().flat_map(|range| {
                // An edge's milliseconds, and those beside it.
                let millis = |id: &str| id[11..24].parse::<i64>().unwrap();
                let [a, b] = &range.between;
                [millis(a) - 1, millis(a), millis(b), millis(b) + 1]
            });
            let times = edges.chain([first - 1, last + 1, now().as_millis()]);
            // What 13 digits hold.
            for at in times.filter(|at| (0..=9_999_999_999_999).contains(at)) {
                let ids = ["0000000", "zzzzzzz"].map(|tail| format!("cart-event-{at:013}-{tail}"));
                for id in ids {
                    let holds =
                        |range: &&Range| (&range.between[0]..=&range.between[1]).contains(&&id);
                    let count = plan.groups.iter().flatten().filter(holds).count();
                    let is_within = (first..=last).contains(&at);
                    assert_eq!(count, usize::from(is_within), "{id} {filter:?}");
                }
            }
        }
    }

    #[test]
    fn more_stores_than_one_expression_takes_are_filtered_afterwards() {
        let stores = |count: usize| {
            let names = (0..count).map(|number| StoreName::parse(&format!("s{number}")).unwrap());
            let session = shoptrail_domain::identifier::SessionRef::parse("s-1").unwrap();
            let filter = EventFilter {
                session_id: Some(session),
                ..filter(Stores::These(names.collect()), None, None)
            };
            let plan = Plan::for_page((&filter).into(), Direction::Descending, None, now());
            (plan.in_query().count(), plan.filters_records())
        };
        assert_eq!(stores(100), (1, false));
        assert_eq!(stores(101), (0, true));
    }
}
