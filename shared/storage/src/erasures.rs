//! Who was erased. A tombstone names nobody: its key is a keyed hash of what would have told whose something is.
//! As long as it holds, nothing of that person is stored, because whatever could bring the person back is held against
//! the tombstones first. It stays for longer than it may hold, so that
//! after a restore of a table [`Store::replay_erasures`] can erase anew what came back.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use serde::Serialize;
use shoptrail_domain::Timestamp;

use crate::privacy::{READS, key_of, text};
use crate::tables::ID;
use crate::{Pepper, Store, StoreError, expires_at};

/// How long the tombstone of an e-mail address or of a customer's id holds: the horizon of late retries. Whoever
/// comes back after it is a new customer.
const PERSON_DAYS: u32 = 3;
/// How long a tombstone is kept at the least, whether it holds or not: DynamoDB restores a table to any time of the
/// last 35 days, and whoever does so on the last of them needs a day more to erase anew what came back.
const REPLAY_DAYS: u32 = 36;

/// What became of something that was to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded<T> {
    /// It is stored.
    Stored(T),
    /// It names somebody who was erased; nothing was stored.
    Erased,
    /// Its session is bound to a store that the sender may not touch; nothing was stored.
    OtherStore,
}

/// What the ids of tombstones begin with; a hash in hex follows.
const TOMBSTONE: &str = "tombstone#";

/// A keyed hash that stands for a person or a session.
pub(crate) type Digest = [u8; 32];

/// The hash in the id of a tombstone.
pub(crate) fn digest_of(tombstone_id: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    let hash = tombstone_id.strip_prefix(TOMBSTONE)?;
    hex::decode_to_slice(hash, &mut digest).ok()?;
    Some(digest)
}

/// What tells whose something is. It does not print, because it holds what may stand in no log.
#[derive(Clone, Copy)]
pub(crate) enum Trace<'a> {
    /// An e-mail address, of a store's customer.
    Email { store: &'a str, email: &'a str },
    /// A customer's id, in a store.
    CustomerId { store: &'a str, id: &'a str },
    /// A session as a store's cart events name it.
    CartSession { store: &'a str, session: &'a str },
    /// A tracker's session. Its messages may name no store.
    TrackerSession { session: &'a str },
    /// A store, whole. Its tombstone keeps nothing away, since a store may come back; it is there for a replay.
    Shop { store: &'a str },
}

impl Trace<'_> {
    fn kind(self) -> &'static str {
        match self {
            Self::Email { .. } => "email",
            Self::CustomerId { .. } => "customer",
            Self::CartSession { .. } => "session",
            Self::TrackerSession { .. } => "tracker-session",
            Self::Shop { .. } => "shop",
        }
    }

    fn store(&self) -> Option<&str> {
        match self {
            Self::Email { store, .. }
            | Self::CustomerId { store, .. }
            | Self::CartSession { store, .. }
            | Self::Shop { store } => Some(store),
            Self::TrackerSession { .. } => None,
        }
    }

    /// The keyed hash that stands for it.
    pub(crate) fn digest(self, pepper: &Pepper) -> Digest {
        match self {
            Self::Email { store, email } => pepper.hash(&[self.kind(), store, email]),
            Self::CustomerId { store, id } => pepper.hash(&[self.kind(), store, id]),
            Self::CartSession { store, session } => pepper.hash(&[self.kind(), store, session]),
            Self::TrackerSession { session } => pepper.hash(&[self.kind(), session]),
            Self::Shop { store } => pepper.hash(&[self.kind(), store]),
        }
    }

    /// The keyed hash, in hex.
    pub(crate) fn hash(self, pepper: &Pepper) -> String {
        hex::encode(self.digest(pepper))
    }

    fn tombstone_id(self, pepper: &Pepper) -> String {
        format!("{TOMBSTONE}{}", self.hash(pepper))
    }

    /// When its tombstone stops holding, in seconds since 1970. A person may come back; a session's id is never used
    /// again by an honest client, so that its tombstone holds as long as anything of it could be kept.
    fn holds_until(self, now: Timestamp, session_days: u32) -> i64 {
        match self {
            Self::Email { .. } | Self::CustomerId { .. } => expires_at(now, PERSON_DAYS),
            Self::CartSession { .. } | Self::TrackerSession { .. } => expires_at(now, session_days),
            Self::Shop { .. } => now.as_secs(),
        }
    }
}

/// An item of `erasures`. It is whole, so that after a restore whatever hashes alike can be erased anew.
#[derive(Serialize)]
struct Tombstone<'a> {
    id: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    store_name: Option<&'a str>,
    erased_at: String,
    /// Seconds since 1970: from then on it stops nothing any more. A time of its own, because TTL deletes by
    /// `expires_at`, and a tombstone has to be there for a replay when it holds no more.
    holds_until: i64,
    expires_at: i64,
}

impl Store {
    /// The pepper, without which nobody can be erased.
    pub(crate) fn needed_pepper(&self, operation: &'static str) -> Result<&Pepper, StoreError> {
        self.pepper()
            .ok_or_else(|| StoreError::no_pepper(operation))
    }

    /// Whether a tombstone holds for one of `traces`. Never without a pepper: then there are no tombstones.
    ///
    /// It is read before the write and not checked by it. A transaction with checks would cost four times as much,
    /// and two that check the same tombstone would stand in each other's way, as all events of a widget would that has
    /// one session for everybody. What is written after an erasure began, by a request that had looked before, is
    /// found by the erasure's last pass: see `SETTLE` there.
    pub(crate) async fn is_erased(
        &self,
        operation: &'static str,
        traces: &[Trace<'_>],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let erased = self
            .erased_among(operation, &[(traces.to_vec(), now)])
            .await?;
        Ok(erased.contains(&true))
    }

    /// The same for many at once, each with its own time, in as few reads as they need.
    pub(crate) async fn erased_among(
        &self,
        operation: &'static str,
        people: &[(Vec<Trace<'_>>, Timestamp)],
    ) -> Result<Vec<bool>, StoreError> {
        let Some(pepper) = self.pepper() else {
            return Ok(vec![false; people.len()]);
        };
        let ids: Vec<Vec<String>> = people
            .iter()
            .map(|(traces, _)| {
                let ids = traces.iter().map(|trace| trace.tombstone_id(pepper));
                ids.collect()
            })
            .collect();
        let distinct: BTreeSet<&str> = ids.iter().flatten().map(String::as_str).collect();
        let distinct: Vec<_> = distinct.into_iter().collect();
        let mut tombstones = HashMap::new();
        for ids in distinct.chunks(READS) {
            let keys = ids.iter().map(|id| key_of(ID, id)).collect();
            let table = &self.tables.erasures;
            let found = self.batch_read(operation, table, keys).await?;
            tombstones.extend(found.into_iter().filter_map(|tombstone| {
                let until = number(&tombstone, "holds_until");
                Some((text(&tombstone, ID)?.to_owned(), until))
            }));
        }
        // One that has ended stays for a replay, and DynamoDB deletes late.
        let holds = |id: &String, now: Timestamp| {
            let until = tombstones.get(id);
            until.is_some_and(|until| until.is_none_or(|until| until > now.as_secs()))
        };
        let judged = ids.iter().zip(people);
        Ok(judged
            .map(|(ids, (_, now))| ids.iter().any(|id| holds(id, *now)))
            .collect())
    }

    /// The write of a tombstone. That of a session holds for `session_days`.
    pub(crate) fn tombstone(
        &self,
        operation: &'static str,
        trace: Trace<'_>,
        now: Timestamp,
        session_days: u32,
    ) -> Result<TransactWriteItem, StoreError> {
        let holds_until = trace.holds_until(now, session_days);
        let tombstone = Tombstone {
            id: trace.tombstone_id(self.needed_pepper(operation)?),
            kind: trace.kind(),
            store_name: trace.store(),
            erased_at: now.to_iso(),
            holds_until,
            expires_at: holds_until.max(expires_at(now, REPLAY_DAYS)),
        };
        let item = serde_dynamo::to_item(&tombstone)
            .map_err(|error| StoreError::unreadable(operation, error))?;
        let put = Put::builder()
            .table_name(&self.tables.erasures)
            .set_item(Some(item))
            .build()
            .map_err(|error| StoreError::unreadable(operation, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

fn number(item: &HashMap<String, AttributeValue>, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}
