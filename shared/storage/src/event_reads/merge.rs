//! All streams of a plan as one list in the order of time.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use shoptrail_domain::Timestamp;
use shoptrail_domain::event_filter::Direction;

use super::Position;
use super::plan::{Plan, Range};
use super::stream::{Entry, MOST_ENTRIES, Stream, order};
use crate::privacy::{Item, READS, in_parallel};
use crate::{Store, StoreError};

/// Requests on their way at the same time. The shards of four days, most of whose answers are empty or small.
pub(super) const READS_AT_ONCE: usize = 32;
/// The most groups that are begun together: where many days hold nothing, they are looked through faster and faster.
const MOST_GROUPS: usize = 32;
/// The least entries that a stream asks for: a request costs the same for one as for these.
const LEAST_ENTRIES: usize = 10;
/// What a stream gives less than it reads: the entry of the position behind which it begins, the one that tells whether
/// there is another page, and the one after that, without which it is not clear which of them comes first.
const SPARE_ENTRIES: usize = 3;

/// The entries that a plan leads to, in order, each once. Reads no more than is needed to tell what comes next.
pub(super) struct Merge {
    pub(super) reader: Arc<Reader>,
    direction: Direction,
    /// Entries that are wanted in all.
    wanted: usize,
    /// Not begun.
    groups: VecDeque<Vec<Range>>,
    /// How many groups to begin next.
    begin: usize,
    streams: Vec<Stream>,
    last: Option<Position>,
}

/// What every request of a read needs; shared by those that are on their way at the same time.
pub(super) struct Reader {
    pub(super) store: Store,
    pub(super) operation: &'static str,
    pub(super) plan: Plan,
    pub(super) after: Option<Position>,
    pub(super) now: Timestamp,
}

impl Reader {
    /// Reads the next page of a stream.
    pub(super) async fn read_page(&self, stream: &mut Stream) -> Result<(), StoreError> {
        let after = self.after.as_ref();
        stream
            .read(&self.store, self.operation, &self.plan, after, self.now)
            .await
    }

    /// Reads a page of each of these streams, to be kept by whoever asks.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        streams: Vec<Stream>,
    ) -> Result<Vec<(Stream, Vec<Item>)>, StoreError> {
        let reads = streams.into_iter().map(|mut stream| {
            let reader = Arc::clone(self);
            async move {
                let Self {
                    store,
                    operation,
                    plan,
                    now,
                    ..
                } = &*reader;
                let items = stream.fetch(store, operation, plan, *now).await?;
                Ok((stream, items))
            }
        });
        in_parallel(self.operation, READS_AT_ONCE, reads).await
    }

    /// Reads a page of each of these streams.
    pub(super) async fn read(
        self: &Arc<Self>,
        streams: Vec<Stream>,
    ) -> Result<Vec<Stream>, StoreError> {
        let reads = streams.into_iter().map(|mut stream| {
            let reader = Arc::clone(self);
            async move {
                reader.read_page(&mut stream).await?;
                Ok(stream)
            }
        });
        in_parallel(self.operation, READS_AT_ONCE, reads).await
    }
}

impl Merge {
    /// `page` says how many records are wanted.
    pub(super) fn new(
        reader: Arc<Reader>,
        direction: Direction,
        groups: Vec<Vec<Range>>,
        page: usize,
    ) -> Self {
        let wanted = if reader.plan.filters_records() {
            page.max(READS)
        } else {
            page
        };
        Self {
            reader,
            direction,
            wanted,
            groups: groups.into(),
            begin: 1,
            streams: Vec::new(),
            last: None,
        }
    }

    /// The next entries, `count` of them unless the list ends before.
    pub(super) async fn take(&mut self, count: usize) -> Result<Vec<Entry>, StoreError> {
        let mut taken = Vec::new();
        while taken.len() < count {
            self.clear_up().await?;
            let direction = self.direction;
            let heads = self
                .streams
                .iter_mut()
                .filter(|stream| stream.head().is_some());
            let first = heads.min_by(|a, b| match (a.head(), b.head()) {
                (Some(a), Some(b)) => order(direction, &a.at, &b.at),
                _ => Ordering::Equal,
            });
            let Some(entry) = first.and_then(Stream::pop) else {
                break;
            };
            // An entry that is replaced while its partition is read may be met twice.
            if self.last.as_ref() != Some(&entry.at) {
                self.last = Some(entry.at.clone());
                taken.push(entry);
            }
        }
        Ok(taken)
    }

    /// Reads until it is clear what comes first, and begins further groups where nothing is left.
    async fn clear_up(&mut self) -> Result<(), StoreError> {
        loop {
            self.streams
                .retain(|stream| stream.head().is_some() || stream.is_unclear());
            if self.streams.is_empty() {
                let count = self.begin.min(self.groups.len());
                if count == 0 {
                    return Ok(());
                }
                self.begin = (self.begin * 2).min(MOST_GROUPS);
                let ranges: Vec<_> = self.groups.drain(..count).flatten().collect();
                // Twice an equal share, since the streams are not equally long.
                let share = self.wanted.saturating_mul(2).div_ceil(ranges.len().max(1));
                let most = self.wanted.clamp(LEAST_ENTRIES, MOST_ENTRIES);
                let limit = share.clamp(LEAST_ENTRIES, most) + SPARE_ENTRIES;
                let new = |range| Stream::new(range, self.direction, Some(limit));
                self.streams = ranges.into_iter().map(new).collect();
            }
            let streams = std::mem::take(&mut self.streams);
            let (unclear, clear): (Vec<_>, Vec<_>) =
                streams.into_iter().partition(Stream::is_unclear);
            self.streams = clear;
            if unclear.is_empty() {
                return Ok(());
            }
            self.streams.extend(self.reader.read(unclear).await?);
        }
    }
}
