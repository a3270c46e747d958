//! The stored session and its merge.
//!
//! A session is kept in two kinds of parts, so that a message costs the same however long the session
//! already is: the [`SessionState`], small and rewritten by every message that adds something, which
//! holds the sums, the newest entries and a directory; and [`Segment`]s, into which the state's entries
//! are moved when they have become many. A segment does not change any more; a message needs to look
//! into one only where its own times reach into the segment's range.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use super::message::{CartStamp, Times};
use super::name::Name;
use super::{DropReason, Dropped, SessionEvent, SessionId, SessionMessage, SessionRecord, Totals};
use crate::limits::{
    EVENT_BYTES_PER_SESSION, EVENT_TYPES_PER_SESSION, EVENTS_PER_SESSION, PAGES_PER_SESSION,
    SAFE_INTEGER,
};
use crate::{StoreName, Timestamp};

/// Entries in the state from which on they are moved into a segment: with some 150 events a flush,
/// every second flush does so.
const SEAL_ENTRIES: usize = 256;
/// Bytes of content from which on they are moved, so that the state stays cheap to rewrite.
const SEAL_BYTES: usize = 32 * 1024;
/// Bytes of content in one segment; an item of the database holds 400 KB.
const SEGMENT_BYTES: usize = 256 * 1024;
/// Entries in one segment: their ids take 8 bytes each beside the content.
const SEGMENT_ENTRIES: usize = 4_096;
/// Segments that the directory lists, those without content included: some 100,000 events and more.
/// Older ones are forgotten, and with them what is as old as they are.
const SEGMENTS: usize = 512;
/// Segments retired by one message, so that its transaction stays small.
const RETIRED_AT_ONCE: usize = 20;

/// What is kept of one page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    /// The greatest time that a snapshot told, in ms.
    snapshot_ms: Option<u64>,
    /// The sum over envelopes, in ms.
    envelope_ms: Option<u64>,
    /// Distinct events by type, for the types that are named.
    by_type: BTreeMap<Name, u64>,
    /// Distinct events of further types.
    other_types: u64,
    /// Bytes of those events.
    bytes: u64,
}

impl Page {
    fn events(&self) -> u64 {
        self.by_type.values().sum::<u64>() + self.other_types
    }
}

/// One thing that happened once: an event, or an envelope that was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    at: Timestamp,
    id: u64,
    /// `None` for an envelope, of which only the identity is of use.
    event: Option<StoredEvent>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredEvent {
    page: String,
    kind: String,
    /// The text of a JSON object.
    fields: String,
}

impl Entry {
    /// The identity.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    fn bytes(&self) -> usize {
        self.event.as_ref().map_or(0, |event| {
            event.page.len() + event.kind.len() + event.fields.len()
        })
    }
}

/// Entries that were moved out of the state, to be stored under `number`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its number within the session.
    pub number: u64,
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Whether their content is to be stored; else only their identities are.
    pub has_content: bool,
}

/// What the directory knows of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentInfo {
    /// Its number within the session.
    pub number: u64,
    events: u64,
    bytes: u64,
    oldest: Timestamp,
    newest: Timestamp,
    /// Whether it still has its content; else only the identities are left.
    pub has_content: bool,
}

/// What must be done to stored segments after a merge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Whether the message added anything; if not, nothing needs to be stored.
    pub changed: bool,
    /// Events of the message that were left out.
    pub dropped: Vec<Dropped>,
    /// Segments to store.
    pub sealed: Vec<Segment>,
    /// Segments whose content is no longer shown: keep their identities alone.
    pub retired: Vec<u64>,
    /// Segments to delete.
    pub forgotten: Vec<u64>,
}

impl Merged {
    /// Late entries may be moved into a segment that is older than what is shown, or even than what is
    /// remembered. It is then stored as it ends up: every segment stands in one list only.
    fn settle(&mut self) {
        let Self {
            sealed,
            retired,
            forgotten,
            ..
        } = self;
        retired.retain(|number| !forgotten.contains(number));
        for segment in &mut *sealed {
            segment.has_content = !retired.contains(&segment.number);
        }
        let (gone, kept) = sealed
            .drain(..)
            .partition(|segment| forgotten.contains(&segment.number));
        *sealed = kept;
        let gone: Vec<Segment> = gone;
        forgotten.retain(|number| gone.iter().all(|segment| segment.number != *number));
        retired.retain(|number| sealed.iter().all(|segment| segment.number != *number));
    }
}

/// The part of a session that every message rewrites.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    store_name: Option<StoreName>,
    cart: Option<CartStamp>,
    pages: BTreeMap<Name, Page>,
    types: BTreeSet<Name>,
    recent: Vec<Entry>,
    segments: Vec<SegmentInfo>,
    next_segment: u64,
    /// Events and bytes of pages that lost their place: they lie in the segments still, but are not shown.
    displaced_events: u64,
    displaced_bytes: u64,
    /// Times up to this one are not remembered any more: what comes with one is not taken.
    forgotten_until: Option<Timestamp>,
    updated_at: Timestamp,
}

impl SessionState {
    /// The store that the session is bound to.
    #[must_use]
    pub fn store_name(&self) -> Option<&StoreName> {
        self.store_name.as_ref()
    }

    /// When a message last changed it.
    #[must_use]
    pub fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// The segments of the session, in no order.
    #[must_use]
    pub fn segments(&self) -> &[SegmentInfo] {
        &self.segments
    }

    /// The segments whose identities [`Self::merge`] needs for this message.
    #[must_use]
    pub fn overlapping(&self, message: &SessionMessage) -> Vec<u64> {
        if self.segments.is_empty() {
            return Vec::new();
        }
        let mut times: Vec<Timestamp> = message.events.iter().map(|event| event.at).collect();
        if let Times::Envelope { at, .. } = message.times {
            times.push(at);
        }
        times.sort_unstable();
        let reaches_into = |segment: &&SegmentInfo| {
            let first = times.partition_point(|at| *at < segment.oldest);
            times.get(first).is_some_and(|at| *at <= segment.newest)
        };
        self.segments
            .iter()
            .filter(reaches_into)
            .map(|segment| segment.number)
            .collect()
    }

    /// Adds a message that arrived at `now`. `known` holds the identities of the segments that
    /// [`Self::overlapping`] named.
    #[must_use]
    pub fn merge(
        &mut self,
        message: &SessionMessage,
        known: &HashSet<u64>,
        now: Timestamp,
    ) -> Merged {
        let mut merged = Merged {
            dropped: message.dropped.clone(),
            ..Merged::default()
        };
        merged.changed |= self.bind_store(message);
        merged.changed |= self.admit_pages(message);
        merged.changed |= self.admit_types(message);
        merged.changed |= self.add_entries(message, known, &mut merged.dropped);
        if message.cart > self.cart {
            self.cart = message.cart;
            merged.changed = true;
        }
        if merged.changed {
            self.updated_at = now;
            merged.sealed = self.seal();
            merged.retired = self.retire();
            merged.forgotten = self.forget();
            merged.settle();
        }
        merged
    }

    fn bind_store(&mut self, message: &SessionMessage) -> bool {
        if self.store_name.is_some() || message.store_name.is_none() {
            return false;
        }
        self.store_name.clone_from(&message.store_name);
        true
    }

    /// Gives every page of the message its place, as far as there are places.
    fn admit_pages(&mut self, message: &SessionMessage) -> bool {
        let mut changed = false;
        let pages = message
            .events
            .iter()
            .map(|event| &event.page)
            .chain(message.times.pages().keys());
        let mut last_seen = None;
        for page in pages {
            // Events come page by page.
            if last_seen.replace(page) == Some(page) {
                continue;
            }
            let name = Name(page.clone());
            let has_room = self.pages.len() < PAGES_PER_SESSION
                || self
                    .pages
                    .last_key_value()
                    .is_some_and(|(last, _)| name < *last);
            if has_room && !self.pages.contains_key(&name) {
                self.pages.insert(name, Page::default());
                changed = true;
                if self.pages.len() > PAGES_PER_SESSION
                    && let Some((_, displaced)) = self.pages.pop_last()
                {
                    self.displaced_events += displaced.events();
                    self.displaced_bytes += displaced.bytes;
                }
            }
        }
        changed
    }

    /// The same for the types of events, those of pages without a place included: else it would matter
    /// whether a page lost its place before or after a type was seen on it.
    fn admit_types(&mut self, message: &SessionMessage) -> bool {
        let mut changed = false;
        for event in &message.events {
            let name = Name(event.kind.clone());
            let has_room = self.types.len() < EVENT_TYPES_PER_SESSION
                || self.types.last().is_some_and(|last| name < *last);
            if has_room && self.types.insert(name) {
                changed = true;
                if self.types.len() > EVENT_TYPES_PER_SESSION
                    && let Some(displaced) = self.types.pop_last()
                {
                    for page in self.pages.values_mut() {
                        page.other_types += page.by_type.remove(&displaced).unwrap_or(0);
                    }
                }
            }
        }
        changed
    }

    /// Adds the events and times that were not there before.
    fn add_entries(
        &mut self,
        message: &SessionMessage,
        known: &HashSet<u64>,
        dropped: &mut Vec<Dropped>,
    ) -> bool {
        let mut changed = false;
        let mut recent: HashSet<u64> = self.recent.iter().map(|entry| entry.id).collect();
        let forgotten_until = self.forgotten_until;
        let mut is_new = |id: u64, at: Timestamp| {
            forgotten_until.is_none_or(|until| at > until)
                && !known.contains(&id)
                && recent.insert(id)
        };
        for event in &message.events {
            let Some(page) = self.pages.get_mut(&Name(event.page.clone())) else {
                dropped.push(Dropped::new(
                    &event.page,
                    Some(event.index),
                    DropReason::TooManyPages,
                ));
                continue;
            };
            if !is_new(event.id, event.at) {
                continue;
            }
            changed = true;
            let kind = Name(event.kind.clone());
            if self.types.contains(&kind) {
                *page.by_type.entry(kind).or_default() += 1;
            } else {
                page.other_types += 1;
            }
            let event_kept = StoredEvent {
                page: event.page.clone(),
                kind: event.kind.clone(),
                fields: event.fields.clone(),
            };
            let entry = Entry {
                at: event.at,
                id: event.id,
                event: Some(event_kept),
            };
            page.bytes += entry.bytes() as u64;
            self.recent.push(entry);
        }
        match &message.times {
            Times::Snapshot(times) => {
                for (name, time) in times {
                    if let Some(page) = self.pages.get_mut(&Name(name.clone()))
                        && page.snapshot_ms.is_none_or(|before| before < *time)
                    {
                        page.snapshot_ms = Some(*time);
                        changed = true;
                    }
                }
            }
            Times::Envelope { id, at, times } => {
                // An envelope without times may be counted any number of times.
                if times.values().any(|time| *time > 0) && is_new(*id, *at) {
                    changed = true;
                    self.recent.push(Entry {
                        at: *at,
                        id: *id,
                        event: None,
                    });
                    for (name, time) in times {
                        if let Some(page) = self.pages.get_mut(&Name(name.clone())) {
                            page.envelope_ms = Some(page.envelope_ms.unwrap_or(0) + time);
                        }
                    }
                } else {
                    for name in times.keys() {
                        if let Some(page) = self.pages.get_mut(&Name(name.clone())) {
                            changed |= page.envelope_ms.is_none();
                            page.envelope_ms.get_or_insert(0);
                        }
                    }
                }
            }
        }
        changed
    }

    /// Moves the entries into segments when they have become many.
    fn seal(&mut self) -> Vec<Segment> {
        let bytes: usize = self.recent.iter().map(Entry::bytes).sum();
        if self.recent.len() < SEAL_ENTRIES && bytes < SEAL_BYTES {
            return Vec::new();
        }
        let mut entries = std::mem::take(&mut self.recent);
        // In order of time, so that the ranges of several segments do not overlap.
        entries.sort_unstable_by_key(|entry| (entry.at, entry.id));
        let mut segments: Vec<Segment> = Vec::new();
        let mut segment_bytes = 0;
        for entry in entries {
            segment_bytes += entry.bytes();
            match segments.last_mut() {
                Some(segment)
                    if segment_bytes <= SEGMENT_BYTES
                        && segment.entries.len() < SEGMENT_ENTRIES =>
                {
                    segment.entries.push(entry)
                }
                _ => {
                    segment_bytes = entry.bytes();
                    segments.push(Segment {
                        number: self.next_segment,
                        entries: vec![entry],
                        has_content: true,
                    });
                    self.next_segment += 1;
                }
            }
        }
        self.segments.extend(segments.iter().map(SegmentInfo::of));
        segments
    }

    /// Takes the content from segments that lie before what is shown: there is enough that is newer
    /// than all of a segment. Where the ranges of segments overlap, that may leave more than is shown.
    fn retire(&mut self) -> Vec<u64> {
        let mut retired = Vec::new();
        while retired.len() < RETIRED_AT_ONCE {
            let with_content = || self.segments.iter().filter(|segment| segment.has_content);
            let Some(oldest) = with_content().map(|segment| segment.newest).min() else {
                break;
            };
            let newer = || with_content().filter(|segment| segment.oldest > oldest);
            let events: u64 = newer().map(|segment| segment.events).sum();
            let bytes: u64 = newer().map(|segment| segment.bytes).sum();
            let is_covered = events >= EVENTS_PER_SESSION as u64 + self.displaced_events
                || bytes >= EVENT_BYTES_PER_SESSION + self.displaced_bytes;
            if !is_covered {
                break;
            }
            for segment in self
                .segments
                .iter_mut()
                .filter(|segment| segment.has_content && segment.newest == oldest)
            {
                segment.has_content = false;
                retired.push(segment.number);
            }
        }
        retired
    }

    /// Takes the oldest segments out of a directory that is full.
    fn forget(&mut self) -> Vec<u64> {
        let mut forgotten = Vec::new();
        while self.segments.len() > SEGMENTS {
            let Some(oldest) =
                (0..self.segments.len()).min_by_key(|index| self.segments[*index].newest)
            else {
                break;
            };
            let segment = self.segments.swap_remove(oldest);
            self.forgotten_until = self.forgotten_until.max(Some(segment.newest));
            forgotten.push(segment.number);
        }
        forgotten
    }

    /// The newest segments that together with the state hold at least `events` events, where there are
    /// so many.
    #[must_use]
    pub fn newest_segments(&self, events: usize) -> Vec<u64> {
        let mut missing = events.saturating_sub(self.recent.len()) as u64;
        let mut segments: Vec<_> = self
            .segments
            .iter()
            .filter(|segment| segment.has_content)
            .collect();
        segments.sort_unstable_by_key(|segment| std::cmp::Reverse(segment.newest));
        let mut newest = Vec::new();
        for segment in segments {
            if missing == 0 {
                break;
            }
            missing = missing.saturating_sub(segment.events);
            newest.push(segment.number);
        }
        newest
    }

    /// The session as it is read, with the entries of its segments.
    #[must_use]
    pub fn into_record(self, session: SessionId, segments: Vec<Entry>) -> SessionRecord {
        let mut totals = Totals::default();
        let mut time_on_page = BTreeMap::new();
        for (name, page) in &self.pages {
            totals.events += page.events();
            for (kind, count) in &page.by_type {
                *totals.by_type.entry(kind.0.clone()).or_default() += count;
            }
            if page.snapshot_ms.is_some() || page.envelope_ms.is_some() {
                let time = page
                    .snapshot_ms
                    .unwrap_or(0)
                    .saturating_add(page.envelope_ms.unwrap_or(0));
                time_on_page.insert(name.0.clone(), time.min(SAFE_INTEGER));
            }
        }

        let mut entries: Vec<(Timestamp, u64, StoredEvent)> = self
            .recent
            .into_iter()
            .chain(segments)
            .filter_map(|entry| Some((entry.at, entry.id, entry.event?)))
            .filter(|(_, _, event)| self.pages.contains_key(&Name(event.page.clone())))
            .collect();
        entries.sort_unstable_by_key(|(at, id, _)| std::cmp::Reverse((*at, *id)));
        let mut bytes = 0;
        let shown = entries
            .iter()
            .take(EVENTS_PER_SESSION)
            .take_while(|(_, _, event)| {
                bytes += event.page.len() + event.kind.len() + event.fields.len();
                bytes as u64 <= EVENT_BYTES_PER_SESSION
            })
            .count();
        entries.truncate(shown);

        let mut events: BTreeMap<String, Vec<SessionEvent>> = BTreeMap::new();
        let mut cart_changed_at = None;
        for (at, _, event) in entries.into_iter().rev() {
            if event.kind.contains("cart") {
                cart_changed_at = Some(at);
            }
            let fields = serde_json::from_str(&event.fields).unwrap_or_default();
            events.entry(event.page).or_default().push(SessionEvent {
                kind: event.kind,
                at,
                fields,
            });
        }
        SessionRecord {
            session,
            store_name: self.store_name,
            items_in_cart: self.cart.map(|cart| cart.count),
            cart_changed_at,
            time_on_page,
            events,
            truncated: totals.events > shown as u64,
            totals,
            updated_at: self.updated_at,
        }
    }
}

impl SegmentInfo {
    fn of(segment: &Segment) -> Self {
        let times = || segment.entries.iter().map(|entry| entry.at);
        Self {
            number: segment.number,
            events: segment
                .entries
                .iter()
                .filter(|entry| entry.event.is_some())
                .count() as u64,
            bytes: segment
                .entries
                .iter()
                .map(|entry| entry.bytes() as u64)
                .sum(),
            oldest: times().min().unwrap_or_default(),
            newest: times().max().unwrap_or_default(),
            has_content: true,
        }
    }
}
