//! Who was erased. A tombstone names nobody: its key is a keyed hash of what would have told whose something is.
//! As long as it holds, nothing of that person is stored, because every write that could bring the person back
//! is made in one transaction with a check that there is no tombstone.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem};
use serde::Serialize;
use shoptrail_domain::Timestamp;

use crate::tables::ID;
use crate::{Pepper, Store, StoreError, expires_at};

/// How long the tombstone of an e-mail address or of a customer's id holds: the horizon of late retries. Whoever
/// comes back after it is a new customer.
const PERSON_DAYS: u32 = 3;

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
}

impl Trace<'_> {
    fn kind(self) -> &'static str {
        match self {
            Self::Email { .. } => "email",
            Self::CustomerId { .. } => "customer",
            Self::CartSession { .. } => "session",
            Self::TrackerSession { .. } => "tracker-session",
        }
    }

    fn store(&self) -> Option<&str> {
        match self {
            Self::Email { store, .. }
            | Self::CustomerId { store, .. }
            | Self::CartSession { store, .. } => Some(store),
            Self::TrackerSession { .. } => None,
        }
    }

    /// The keyed hash that stands for it, in hex.
    pub(crate) fn hash(self, pepper: &Pepper) -> String {
        let hash = match self {
            Self::Email { store, email } => pepper.hash(&[self.kind(), store, email]),
            Self::CustomerId { store, id } => pepper.hash(&[self.kind(), store, id]),
            Self::CartSession { store, session } => pepper.hash(&[self.kind(), store, session]),
            Self::TrackerSession { session } => pepper.hash(&[self.kind(), session]),
        };
        hex::encode(hash)
    }

    fn tombstone_id(self, pepper: &Pepper) -> String {
        format!("tombstone#{}", self.hash(pepper))
    }

    /// When its tombstone ends. A person may come back; a session's id is never used again by an honest client, so
    /// that its tombstone stays as long as anything of it could.
    fn expires_at(self, now: Timestamp, session_days: u32) -> i64 {
        match self {
            Self::Email { .. } | Self::CustomerId { .. } => expires_at(now, PERSON_DAYS),
            Self::CartSession { .. } | Self::TrackerSession { .. } => expires_at(now, session_days),
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
    expires_at: i64,
}

impl Store {
    /// The pepper, without which nobody can be erased.
    pub(crate) fn needed_pepper(&self, operation: &'static str) -> Result<&Pepper, StoreError> {
        self.pepper()
            .ok_or_else(|| StoreError::no_pepper(operation))
    }

    /// The checks that no tombstone holds for any of `traces`. None without a pepper: then there are no tombstones.
    pub(crate) fn tombstone_checks(
        &self,
        operation: &'static str,
        traces: &[Trace<'_>],
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let Some(pepper) = self.pepper() else {
            return Ok(Vec::new());
        };
        let check = |trace: &Trace<'_>| {
            let check = ConditionCheck::builder()
                .table_name(&self.tables.erasures)
                .key(ID, AttributeValue::S(trace.tombstone_id(pepper)))
                // DynamoDB deletes late: a tombstone that has ended may still be there.
                .condition_expression("attribute_not_exists(id) OR expires_at <= :now")
                .expression_attribute_values(":now", AttributeValue::N(now.as_secs().to_string()))
                .build()?;
            Ok(TransactWriteItem::builder().condition_check(check).build())
        };
        let checks: Result<Vec<_>, BuildError> = traces.iter().map(check).collect();
        checks.map_err(|error| StoreError::unreadable(operation, error))
    }

    /// The write of a tombstone. That of a session holds for `session_days`.
    pub(crate) fn tombstone(
        &self,
        operation: &'static str,
        trace: Trace<'_>,
        now: Timestamp,
        session_days: u32,
    ) -> Result<TransactWriteItem, StoreError> {
        let tombstone = Tombstone {
            id: trace.tombstone_id(self.needed_pepper(operation)?),
            kind: trace.kind(),
            store_name: trace.store(),
            erased_at: now.to_iso(),
            expires_at: trace.expires_at(now, session_days),
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
