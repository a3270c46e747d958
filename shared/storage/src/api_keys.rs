//! API keys: a keyed hash of each, and what it may do.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use shoptrail_domain::access::{ApiKey, Scope, Stores};
use shoptrail_domain::{StoreName, Timestamp};

use crate::tables::ID;
use crate::{Pepper, Store, StoreError};

/// Stands for every store in a record.
const ALL_STORES: &str = "*";

/// An item of `api_keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRecord {
    /// Names the key; stands in it.
    pub id: String,
    /// HMAC-SHA256 of the key under the pepper, in hex.
    pub hash: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// The stores that it may touch; `*` for all.
    pub stores: BTreeSet<String>,
    /// ISO 8601, UTC.
    pub created_at: String,
    /// ISO 8601, UTC; absent as long as the key is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
}

impl ApiKeyRecord {
    /// The record of a new key.
    #[must_use]
    pub fn new(
        key: &ApiKey,
        pepper: &Pepper,
        name: String,
        scopes: BTreeSet<Scope>,
        stores: &Stores,
        now: Timestamp,
    ) -> Self {
        Self {
            id: key.id().to_owned(),
            hash: hash(key, pepper),
            name,
            scopes,
            stores: match stores {
                Stores::All => BTreeSet::from([ALL_STORES.to_owned()]),
                Stores::These(stores) => stores.iter().map(ToString::to_string).collect(),
            },
            created_at: now.to_iso(),
            revoked_at: None,
        }
    }

    /// Whether `key` is the key of this record, and not revoked. Takes the same time whatever the hashes hold.
    #[must_use]
    pub fn verifies(&self, key: &ApiKey, pepper: &Pepper) -> bool {
        use subtle::ConstantTimeEq as _;
        let is_same: bool = hash(key, pepper)
            .as_bytes()
            .ct_eq(self.hash.as_bytes())
            .into();
        is_same && self.revoked_at.is_none()
    }

    /// The stores that it may touch. What cannot be read opens nothing.
    #[must_use]
    pub fn stores(&self) -> Stores {
        if self.stores.contains(ALL_STORES) {
            return Stores::All;
        }
        let names = self
            .stores
            .iter()
            .filter_map(|name| StoreName::parse(name).ok());
        Stores::These(names.collect())
    }
}

fn hash(key: &ApiKey, pepper: &Pepper) -> String {
    hex::encode(pepper.hash(&["api-key", key.expose()]))
}

impl Store {
    /// Stores a new key.
    ///
    /// # Errors
    ///
    /// When the database does not take it, or has a key of this id.
    pub async fn record_api_key(&self, key: &ApiKeyRecord) -> Result<(), StoreError> {
        const OPERATION: &str = "record_api_key";
        let item =
            serde_dynamo::to_item(key).map_err(|error| StoreError::unreadable(OPERATION, error))?;
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.api_keys)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(id)");
        let put = async {
            put.send()
                .await
                .map(|_| ())
                .map_err(|error| StoreError::new(OPERATION, error))
        };
        self.in_time(OPERATION, Box::pin(put)).await
    }

    /// The key of this id, revoked or not.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or with an item that is none of ours.
    pub async fn find_api_key(&self, id: &str) -> Result<Option<ApiKeyRecord>, StoreError> {
        const OPERATION: &str = "find_api_key";
        let get = self
            .client
            .get_item()
            .table_name(&self.tables.api_keys)
            .key(ID, AttributeValue::S(id.to_owned()))
            .consistent_read(true);
        let found = async {
            let found = get.send().await;
            let found = found.map_err(|error| StoreError::new(OPERATION, error))?;
            let item = found.item.map(serde_dynamo::from_item).transpose();
            item.map_err(|error| StoreError::unreadable(OPERATION, error))
        };
        self.in_time(OPERATION, Box::pin(found)).await
    }

    /// All keys, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or with an item that is none of ours.
    pub async fn list_api_keys(&self) -> Result<Vec<ApiKeyRecord>, StoreError> {
        const OPERATION: &str = "list_api_keys";
        let list = async {
            // A handful of items, listed by a person: the one scan there is.
            let mut keys: Vec<ApiKeyRecord> = Vec::new();
            let mut pages = self
                .client
                .scan()
                .table_name(&self.tables.api_keys)
                .into_paginator()
                .items()
                .send();
            while let Some(item) = pages.next().await {
                let item = item.map_err(|error| StoreError::new(OPERATION, error))?;
                let key = serde_dynamo::from_item(item)
                    .map_err(|error| StoreError::unreadable(OPERATION, error))?;
                keys.push(key);
            }
            keys.sort_by(|one, other| one.created_at.cmp(&other.created_at));
            Ok(keys)
        };
        self.in_time(OPERATION, Box::pin(list)).await
    }

    /// Revokes a key; `false` where there is none of this id. A key that is revoked already stays so.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn revoke_api_key(&self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        const OPERATION: &str = "revoke_api_key";
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.api_keys)
            .key(ID, AttributeValue::S(id.to_owned()))
            .update_expression("SET revoked_at = if_not_exists(revoked_at, :now)")
            .condition_expression("attribute_exists(id)")
            .expression_attribute_values(":now", AttributeValue::S(now.to_iso()));
        let revoke = async {
            match update.send().await {
                Ok(_) => Ok(true),
                Err(SdkError::ServiceError(error))
                    if matches!(
                        error.err(),
                        UpdateItemError::ConditionalCheckFailedException(_)
                    ) =>
                {
                    Ok(false)
                }
                Err(error) => Err(StoreError::new(OPERATION, error)),
            }
        };
        self.in_time(OPERATION, Box::pin(revoke)).await
    }
}
