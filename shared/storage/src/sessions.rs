//! Sessions, split over the items of one partition:
//!
//! | item | holds |
//! |---|---|
//! | `head` | the session's state, rewritten by every message that adds something, under a version that only one writer can raise |
//! | `part#…` | the rest of a state that is too large for one item |
//! | `segment#…` | entries moved out of the state: their identities and, compressed, their content |
//!
//! What the session has reached lies in attributes of the head beside the state, by which a store's sessions are found.
//!
//! A message costs one read and one write, whatever the session already holds; and where its times
//! reach into segments, one more read for each hundred of these, of which there are at most 512.

mod bulk;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use shoptrail_domain::Timestamp;
use shoptrail_domain::access::Stores;
use shoptrail_domain::session::{
    Dropped, Entry, Merged, Milestones, Segment, SessionId, SessionMessage, SessionRecord,
    SessionState,
};

use crate::erasures::Trace;
use crate::tables::{SESSION, SESSION_ITEM};
use crate::transactions::has_code;
use crate::{Recorded, Store, StoreError, blob, expires_at, is_alive};

pub use bulk::NewSession;

pub(crate) const HEAD: &str = "head";
const STARTED_AT: &str = "started_at";
const CHECKOUT_AT: &str = "checkout_at";
const PRODUCT_IDS: &str = "product_ids";
/// Bytes of state in one item: an item holds 400 KB, its other attributes and their names included, of which the products
/// of a session may take 100.
const PART_BYTES: usize = 290 * 1024;
/// Seconds by which a message that comes soon after another does not put the session's expiry off: it stands in the
/// indexes, each of which would cost a further write.
const EXPIRY_STEP: i64 = 3_600;
/// Keys in one `BatchGetItem`, as DynamoDB allows.
const BATCH: usize = 100;
/// The longest pause before a message that lost a race is merged anew, in ms.
const CONFLICT_PAUSE_MS: u64 = 40;

type Item = HashMap<String, AttributeValue>;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionMessageRecorded {
    /// Whether it added anything.
    pub saved: bool,
    /// Whether it began the session.
    pub begun: bool,
    /// Its events that were left out.
    pub dropped: Vec<Dropped>,
}

/// A session with its newest events only.
#[derive(Debug, Clone, PartialEq)]
pub struct RecentSession {
    /// The session.
    pub record: SessionRecord,
    /// Grows with every change.
    pub version: u64,
}

/// A session's head as it was read.
#[derive(Debug, Default)]
struct Head {
    state: SessionState,
    milestones: Milestones,
    /// Whether there is one that has not expired.
    is_alive: bool,
    /// 0 where there is no head yet; that of an expired one goes on.
    version: u64,
    /// Names the write that made this version.
    written_by: String,
    parts: usize,
    expires_at: i64,
}

impl Store {
    /// Adds a message to its session. A session that was erased, or is bound to a store that is not among
    /// `stores`, takes none.
    ///
    /// # Errors
    ///
    /// [`StoreError::is_unavailable`] when the message may not have been stored.
    pub async fn record_session_message(
        &self,
        message: &SessionMessage,
        stores: &Stores,
        now: Timestamp,
        retention_days: u32,
        mut random: impl FnMut() -> u128 + Send,
    ) -> Result<Recorded<SessionMessageRecorded>, StoreError> {
        const OPERATION: &str = "record_session_message";
        let session = message.session();
        self.in_time(
            OPERATION,
            Box::pin(async {
                let _turn = self.session_locks[lock_of(session)].lock().await;
                let write = format!("{:016x}", random() as u64);
                let mut head = self.load_head(OPERATION, session, now).await?;
                let mut dropped = Vec::new();
                let mut begun = false;
                loop {
                    if head.written_by == write {
                        // An attempt of ours was stored, though its answer got lost.
                        return Ok(Recorded::Stored(SessionMessageRecorded {
                            saved: true,
                            begun,
                            dropped,
                        }));
                    }
                    let bound_to = head.state.store_name();
                    if bound_to.is_some_and(|store| !stores.contain(store)) {
                        return Ok(Recorded::OtherStore);
                    }
                    // Erasing deletes the head, so that only a session without one can be an erased one.
                    let trace = Trace::TrackerSession {
                        session: session.as_str(),
                    };
                    if head.version == 0 && self.is_erased(OPERATION, &[trace], now).await? {
                        return Ok(Recorded::Erased);
                    }
                    let overlapping = head.state.overlapping(message);
                    let known = self
                        .find_segment_ids(OPERATION, session, &overlapping, now)
                        .await?;
                    let mut state = std::mem::take(&mut head.state);
                    let mut milestones = std::mem::take(&mut head.milestones);
                    let merged = state.merge(message, &known, now);
                    let is_new = milestones.reach(message, now);
                    if !merged.changed && !is_new {
                        return Ok(Recorded::Stored(SessionMessageRecorded {
                            saved: false,
                            begun: false,
                            dropped: merged.dropped,
                        }));
                    }
                    let change = Change {
                        state,
                        milestones,
                        merged,
                    };
                    let expires_at = expires_at(now, retention_days);
                    let items = self.encode(session, &change, &head, &write, expires_at)?;
                    dropped = change.merged.dropped;
                    begun = !head.is_alive;
                    match self.replace_head(OPERATION, items, head.version).await? {
                        Replaced::Yes => {
                            return Ok(Recorded::Stored(SessionMessageRecorded {
                                saved: true,
                                begun,
                                dropped,
                            }));
                        }
                        Replaced::Raced(current) => {
                            tokio::time::sleep(Duration::from_millis(
                                random() as u64 % CONFLICT_PAUSE_MS,
                            ))
                            .await;
                            head = match current {
                                Some(item) if !item.contains_key("parts") => {
                                    decode_head(OPERATION, item, Vec::new(), now)?
                                }
                                _ => self.load_head(OPERATION, session, now).await?,
                            };
                        }
                    }
                }
            }),
        )
        .await
    }

    /// A whole session.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or with an item that is none of ours.
    pub async fn find_session(
        &self,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<Option<SessionRecord>, StoreError> {
        const OPERATION: &str = "find_session";
        self.in_time(
            OPERATION,
            Box::pin(async {
                let head = self.load_head(OPERATION, session, now).await?;
                if !head.is_alive {
                    return Ok(None);
                }
                let segments: Vec<u64> = head
                    .state
                    .segments()
                    .iter()
                    .filter(|segment| segment.has_content)
                    .map(|segment| segment.number)
                    .collect();
                let entries = self
                    .find_segment_entries(OPERATION, session, &segments, now)
                    .await?;
                Ok(Some(head.state.into_record(session.clone(), entries)))
            }),
        )
        .await
    }

    /// A session with at least its `events` newest events, where it has so many.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or with an item that is none of ours.
    pub async fn find_recent_session(
        &self,
        session: &SessionId,
        events: usize,
        now: Timestamp,
    ) -> Result<Option<RecentSession>, StoreError> {
        const OPERATION: &str = "find_recent_session";
        self.in_time(
            OPERATION,
            Box::pin(async {
                let head = self.load_head(OPERATION, session, now).await?;
                if !head.is_alive {
                    return Ok(None);
                }
                let entries = self
                    .find_segment_entries(
                        OPERATION,
                        session,
                        &head.state.newest_segments(events),
                        now,
                    )
                    .await?;
                Ok(Some(RecentSession {
                    record: head.state.into_record(session.clone(), entries),
                    version: head.version,
                }))
            }),
        )
        .await
    }

    /// The session's head; an empty one of version 0 where there is none, and an empty one of the same
    /// version where it has expired.
    async fn load_head(
        &self,
        operation: &'static str,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<Head, StoreError> {
        loop {
            let found = self
                .client
                .get_item()
                .table_name(&self.tables.sessions)
                .set_key(Some(key(session, HEAD.to_owned())))
                .consistent_read(true)
                .send()
                .await
                .map_err(|error| StoreError::new(operation, error))?;
            let Some(item) = found.item else {
                return Ok(Head::default());
            };
            let count = number(&item, "parts").unwrap_or(0) as usize;
            let version = number(&item, "version").unwrap_or(0);
            let mut parts = Vec::new();
            if count > 0 {
                let keys = (0..count).map(|part| part_name(version, part)).collect();
                let mut items = self.batch_get(operation, session, keys, "body").await?;
                items.sort_unstable_by(|one, other| {
                    text(one, SESSION_ITEM).cmp(&text(other, SESSION_ITEM))
                });
                parts = items;
            }
            // A writer may have replaced the parts since the head was read: then there is a newer head.
            if parts.len() == count {
                return decode_head(operation, item, parts, now);
            }
        }
    }

    /// The identities in the segments of these numbers.
    async fn find_segment_ids(
        &self,
        operation: &'static str,
        session: &SessionId,
        segments: &[u64],
        now: Timestamp,
    ) -> Result<HashSet<u64>, StoreError> {
        let ids = self
            .find_in_segments(operation, session, segments, "ids", now)
            .await?;
        let ids = ids.iter().flat_map(|ids| ids.chunks_exact(8));
        Ok(ids
            .filter_map(|id| id.try_into().ok())
            .map(u64::from_le_bytes)
            .collect())
    }

    /// The entries in the segments of these numbers.
    async fn find_segment_entries(
        &self,
        operation: &'static str,
        session: &SessionId,
        segments: &[u64],
        now: Timestamp,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        for body in self
            .find_in_segments(operation, session, segments, "body", now)
            .await?
        {
            let mut decoded =
                blob::decode(&body).map_err(|error| StoreError::unreadable(operation, error))?;
            entries.append(&mut decoded);
        }
        Ok(entries)
    }

    /// One binary attribute of the segments of these numbers, of those that have it and have not expired.
    async fn find_in_segments(
        &self,
        operation: &'static str,
        session: &SessionId,
        segments: &[u64],
        attribute: &str,
        now: Timestamp,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let names = segments
            .iter()
            .map(|number| segment_name(*number))
            .collect();
        let attributes = format!("{attribute}, expires_at");
        let items = self
            .batch_get(operation, session, names, &attributes)
            .await?;
        let alive = items.iter().filter(|item| item_is_alive(item, now));
        Ok(alive
            .filter_map(|item| bytes(item, attribute))
            .map(<[u8]>::to_vec)
            .collect())
    }

    /// Items of the session by their names; those that are not there are left out.
    async fn batch_get(
        &self,
        operation: &'static str,
        session: &SessionId,
        names: Vec<String>,
        attributes: &str,
    ) -> Result<Vec<Item>, StoreError> {
        let mut found = Vec::with_capacity(names.len());
        for names in names.chunks(BATCH) {
            let keys = names
                .iter()
                .map(|name| key(session, name.clone()))
                .collect();
            let mut missing = vec![keys];
            while let Some(keys) = missing.pop() {
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(keys))
                    .projection_expression(format!("#item, {attributes}"))
                    .expression_attribute_names("#item", SESSION_ITEM)
                    .consistent_read(true)
                    .build()
                    .map_err(|error| StoreError::unreadable(operation, error))?;
                let answer = self
                    .client
                    .batch_get_item()
                    .request_items(&self.tables.sessions, request)
                    .send()
                    .await
                    .map_err(|error| StoreError::new(operation, error))?;
                found.extend(answer.responses.unwrap_or_default().into_values().flatten());
                let unprocessed = answer.unprocessed_keys.unwrap_or_default();
                if !unprocessed.is_empty() {
                    // The answer is full, at 16 MB, or the table is throttling, and then a pause helps.
                    tokio::time::sleep(Duration::from_millis(CONFLICT_PAUSE_MS)).await;
                }
                missing.extend(unprocessed.into_values().map(|rest| rest.keys));
            }
        }
        Ok(found)
    }

    /// All that a change of the session writes, the head first.
    fn encode(
        &self,
        session: &SessionId,
        change: &Change,
        before: &Head,
        write: &str,
        expires_at: i64,
    ) -> Result<Writes, StoreError> {
        const OPERATION: &str = "encode_session";
        let Change {
            state,
            milestones,
            merged,
        } = change;
        let version = before.version + 1;
        let body = blob::encode(state).map_err(|error| StoreError::unreadable(OPERATION, error))?;
        let mut chunks = body.chunks(PART_BYTES);
        let is_soon = (before.expires_at..before.expires_at + EXPIRY_STEP).contains(&expires_at);
        let expires_at = if before.is_alive && is_soon {
            before.expires_at
        } else {
            expires_at
        };
        let expires = AttributeValue::N(expires_at.to_string());

        let mut head = key(session, HEAD.to_owned());
        head.insert("version".into(), AttributeValue::N(version.to_string()));
        head.insert("written_by".into(), AttributeValue::S(write.to_owned()));
        head.insert(
            "updated_at".into(),
            AttributeValue::N(state.updated_at().as_millis().to_string()),
        );
        head.insert("expires_at".into(), expires.clone());
        head.insert("body".into(), binary(chunks.next().unwrap_or_default()));
        if let Some(store) = state.store_name() {
            head.insert("store_name".into(), AttributeValue::S(store.to_string()));
        }
        let times = [
            (STARTED_AT, milestones.started_at()),
            (CHECKOUT_AT, milestones.checkout_at()),
        ];
        for (name, time) in times {
            if let Some(time) = time {
                head.insert(name.into(), AttributeValue::S(time.to_iso()));
            }
        }
        if milestones.product_ids().len() > 0 {
            let ids = milestones.product_ids();
            let ids = ids.map(|id| AttributeValue::S(id.to_owned()));
            head.insert(PRODUCT_IDS.into(), AttributeValue::L(ids.collect()));
        }

        let mut put = Vec::new();
        for (part, chunk) in chunks.enumerate() {
            let mut item = key(session, part_name(version, part));
            item.insert("body".into(), binary(chunk));
            item.insert("expires_at".into(), expires.clone());
            put.push(item);
        }
        if !put.is_empty() {
            head.insert("parts".into(), AttributeValue::N(put.len().to_string()));
        }
        for Segment {
            number,
            entries,
            has_content,
        } in &merged.sealed
        {
            let ids: Vec<u8> = entries
                .iter()
                .flat_map(|entry| entry.id().to_le_bytes())
                .collect();
            let mut item = key(session, segment_name(*number));
            item.insert("ids".into(), binary(&ids));
            item.insert("expires_at".into(), expires.clone());
            if *has_content {
                let body = blob::encode(entries)
                    .map_err(|error| StoreError::unreadable(OPERATION, error))?;
                item.insert("body".into(), binary(&body));
            }
            put.push(item);
        }
        let old_parts = (0..before.parts).map(|part| part_name(before.version, part));
        let forgotten = merged.forgotten.iter().map(|number| segment_name(*number));
        Ok(Writes {
            head,
            put,
            expires,
            strip: merged
                .retired
                .iter()
                .map(|number| key(session, segment_name(*number)))
                .collect(),
            delete: old_parts
                .chain(forgotten)
                .map(|name| key(session, name))
                .collect(),
        })
    }

    /// Writes a change if the head is still of the version that it was made from: all of it, or nothing.
    async fn replace_head(
        &self,
        operation: &'static str,
        writes: Writes,
        version: u64,
    ) -> Result<Replaced, StoreError> {
        let condition = if version == 0 {
            "attribute_not_exists(version)"
        } else {
            "version = :version"
        };
        let expected = (version > 0).then(|| {
            HashMap::from([(
                ":version".to_owned(),
                AttributeValue::N(version.to_string()),
            )])
        });
        let Writes {
            head,
            put,
            strip,
            delete,
            expires,
        } = writes;
        if put.is_empty() && strip.is_empty() && delete.is_empty() {
            let put = self
                .client
                .put_item()
                .table_name(&self.tables.sessions)
                .set_item(Some(head))
                .condition_expression(condition)
                .set_expression_attribute_values(expected)
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .send()
                .await;
            let Err(error) = put else {
                return Ok(Replaced::Yes);
            };
            return match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(found)) => {
                    Ok(Replaced::Raced(found.item.clone()))
                }
                Some(PutItemError::TransactionConflictException(_)) => Ok(Replaced::Raced(None)),
                _ => Err(StoreError::new(operation, error)),
            };
        }
        let table = &self.tables.sessions;
        let build = |error| StoreError::unreadable(operation, error);
        let head = Put::builder()
            .table_name(table)
            .set_item(Some(head))
            .condition_expression(condition);
        let head = head
            .set_expression_attribute_values(expected)
            .build()
            .map_err(build)?;
        let mut actions = vec![TransactWriteItem::builder().put(head).build()];
        for item in put {
            let put = Put::builder()
                .table_name(table)
                .set_item(Some(item))
                .build()
                .map_err(build)?;
            actions.push(TransactWriteItem::builder().put(put).build());
        }
        for key in strip {
            let strip = Update::builder()
                .table_name(table)
                .set_key(Some(key))
                // The time as well: where TTL has taken the item, the update makes it anew.
                .update_expression("REMOVE body SET expires_at = :expires_at")
                .expression_attribute_values(":expires_at", expires.clone())
                .build()
                .map_err(build)?;
            actions.push(TransactWriteItem::builder().update(strip).build());
        }
        for key in delete {
            let delete = Delete::builder()
                .table_name(table)
                .set_key(Some(key))
                .build()
                .map_err(build)?;
            actions.push(TransactWriteItem::builder().delete(delete).build());
        }
        let Err(error) = self
            .client
            .transact_write_items()
            .set_transact_items(Some(actions))
            .send()
            .await
        else {
            return Ok(Replaced::Yes);
        };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                let reasons = canceled.cancellation_reasons();
                let any = |code| reasons.iter().any(|reason| has_code(reason, code));
                if any("ConditionalCheckFailed") || any("TransactionConflict") {
                    Ok(Replaced::Raced(None))
                } else if any("ThrottlingError") || any("ProvisionedThroughputExceeded") {
                    Err(StoreError::throttled(operation))
                } else {
                    Err(StoreError::new(operation, error))
                }
            }
            _ => Err(StoreError::new(operation, error)),
        }
    }
}

/// A session as a message leaves it.
#[derive(Debug)]
struct Change {
    state: SessionState,
    milestones: Milestones,
    merged: Merged,
}

/// What one change writes, in one transaction.
#[derive(Debug)]
struct Writes {
    head: Item,
    put: Vec<Item>,
    /// Keys of segments that lose their content.
    strip: Vec<Item>,
    delete: Vec<Item>,
    /// When all of it expires.
    expires: AttributeValue,
}

enum Replaced {
    Yes,
    /// Another writer was quicker; with the head that it left, where the database told.
    Raced(Option<Item>),
}

fn lock_of(session: &SessionId) -> usize {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    session.hash(&mut hasher);
    hasher.finish() as usize % crate::SESSION_LOCKS
}

fn decode_head(
    operation: &'static str,
    mut item: Item,
    parts: Vec<Item>,
    now: Timestamp,
) -> Result<Head, StoreError> {
    let version = number(&item, "version").unwrap_or(0);
    let written_by = text(&item, "written_by").unwrap_or_default().to_owned();
    let is_alive = item_is_alive(&item, now);
    let mut head = Head {
        is_alive,
        version,
        written_by,
        parts: parts.len(),
        expires_at: number(&item, "expires_at").map_or(0, |seconds| seconds as i64),
        ..Head::default()
    };
    if is_alive {
        let mut body = bytes(&item, "body").unwrap_or_default().to_vec();
        for part in &parts {
            body.extend_from_slice(bytes(part, "body").unwrap_or_default());
        }
        head.state =
            blob::decode(&body).map_err(|error| StoreError::unreadable(operation, error))?;
        head.milestones = decode_milestones(&mut item, &head.state);
    }
    Ok(head)
}

fn decode_milestones(item: &mut Item, state: &SessionState) -> Milestones {
    let time = |name| Timestamp::parse_iso(text(item, name)?).ok();
    let (started_at, checkout_at) = (time(STARTED_AT), time(CHECKOUT_AT));
    let ids = match item.remove(PRODUCT_IDS) {
        Some(AttributeValue::L(ids)) => ids,
        _ => Vec::new(),
    };
    let ids = ids.into_iter().filter_map(|id| match id {
        AttributeValue::S(id) => Some(id),
        _ => None,
    });
    // A head of before there were milestones was first made when it was last changed, or earlier.
    let started_at = started_at.unwrap_or_else(|| state.updated_at());
    Milestones::new(Some(started_at), checkout_at, ids)
}

fn key(session: &SessionId, item: String) -> Item {
    HashMap::from([
        (SESSION.to_owned(), AttributeValue::S(session.to_string())),
        (SESSION_ITEM.to_owned(), AttributeValue::S(item)),
    ])
}

fn part_name(version: u64, part: usize) -> String {
    format!("part#{version:010}#{part:02}")
}

fn segment_name(number: u64) -> String {
    format!("segment#{number:010}")
}

fn binary(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

fn bytes<'a>(item: &'a Item, name: &str) -> Option<&'a [u8]> {
    item.get(name)
        .and_then(|value| value.as_b().ok())
        .map(AsRef::as_ref)
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .map(String::as_str)
}

fn number(item: &Item, name: &str) -> Option<u64> {
    item.get(name)
        .and_then(|value| value.as_n().ok())
        .and_then(|number| number.parse().ok())
}

fn item_is_alive(item: &Item, now: Timestamp) -> bool {
    number(item, "expires_at").is_none_or(|expires_at| is_alive(expires_at as i64, now))
}
