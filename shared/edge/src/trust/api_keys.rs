//! API keys: verified against their stored hashes, which are kept in memory for some seconds.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use shoptrail_domain::Timestamp;
use shoptrail_domain::access::{ApiKey, Scope, Stores};
use shoptrail_storage::{ApiKeyRecord, Store};

use crate::ApiError;

/// How long a record is believed, in ms: so long a revoked key may still open, and a new one with an id that was just
/// asked for may not yet.
const BELIEVED_MS: i64 = 10_000;
/// Records in memory; more keys than this are rare, and whoever makes ids up must not fill the memory.
const KEPT: usize = 1_000;

/// What a key that verified may do.
#[derive(Debug, Clone)]
pub(crate) struct VerifiedKey {
    /// `None` is the development key.
    pub(crate) id: Option<Arc<str>>,
    pub(crate) scopes: BTreeSet<Scope>,
    pub(crate) stores: Stores,
}

impl VerifiedKey {
    /// The local gateway's key: all scopes, all stores.
    pub(crate) fn of_development() -> Self {
        Self {
            id: None,
            scopes: BTreeSet::from(Scope::ALL),
            stores: Stores::All,
        }
    }
}

/// The keys of one process.
#[derive(Debug, Default)]
pub(crate) struct ApiKeys(Mutex<HashMap<String, Kept>>);

#[derive(Debug, Clone)]
struct Kept {
    record: Option<Arc<ApiKeyRecord>>,
    until: Timestamp,
}

impl ApiKeys {
    /// The key, if it is one of ours and not revoked.
    pub(crate) async fn verify(
        &self,
        store: &Store,
        presented: &[u8],
        now: Timestamp,
    ) -> Result<Option<VerifiedKey>, ApiError> {
        let key = std::str::from_utf8(presented).ok().and_then(ApiKey::parse);
        // Without a pepper no hash can be compared, so no key is one of ours.
        let (Some(key), Some(pepper)) = (key, store.pepper()) else {
            return Ok(None);
        };
        let record = match self.kept(key.id(), now) {
            Some(record) => record,
            None => {
                let record = store.find_api_key(key.id()).await?.map(Arc::new);
                self.keep(key.id(), record.clone(), now);
                record
            }
        };
        Ok(record
            .filter(|record| record.verifies(&key, pepper))
            .map(|record| VerifiedKey {
                id: Some(record.id.as_str().into()),
                scopes: record.scopes.clone(),
                stores: record.stores(),
            }))
    }

    fn kept(&self, id: &str, now: Timestamp) -> Option<Option<Arc<ApiKeyRecord>>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get(id).filter(|kept| now < kept.until)?;
        Some(kept.record.clone())
    }

    fn keep(&self, id: &str, record: Option<Arc<ApiKeyRecord>>, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT {
            all.retain(|_, kept| now < kept.until);
        }
        if all.len() < KEPT {
            let until = now.plus_millis(BELIEVED_MS);
            all.insert(id.to_owned(), Kept { record, until });
        }
    }
}
