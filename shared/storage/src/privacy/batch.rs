//! Many items at once.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest,
};
use tokio::task::JoinSet;

use super::Item;
use crate::{Store, StoreError, tally};

/// Writes in one `BatchWriteItem`, as DynamoDB allows.
pub(crate) const WRITES: usize = 25;
/// Keys in one `BatchGetItem`, as DynamoDB allows.
pub(crate) const READS: usize = 100;
/// Requests on their way at the same time: enough to fill the time that each of them waits, few enough that a table
/// on demand, and the shop's own traffic on it, does not feel them.
pub(crate) const WIDTH: usize = 8;
/// The pause before what a batch left undone is tried again.
const UNDONE_PAUSE: Duration = Duration::from_millis(50);

/// One write of a batch.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    Put(Item),
    /// Deletes the item of this key.
    Delete(Item),
}

impl Write {
    fn request(self) -> Result<WriteRequest, aws_sdk_dynamodb::error::BuildError> {
        let request = WriteRequest::builder();
        Ok(match self {
            Self::Put(item) => {
                let put = PutRequest::builder().set_item(Some(item)).build()?;
                request.put_request(put).build()
            }
            Self::Delete(key) => {
                let delete = DeleteRequest::builder().set_key(Some(key)).build()?;
                request.delete_request(delete).build()
            }
        })
    }
}

impl Store {
    /// The items of these keys, at most [`READS`], as they are now; those that are not there are left out.
    pub(crate) async fn batch_read(
        &self,
        operation: &'static str,
        table: &str,
        keys: Vec<Item>,
    ) -> Result<Vec<Item>, StoreError> {
        let read = async {
            let mut found = Vec::with_capacity(keys.len());
            let mut missing = keys;
            while !missing.is_empty() {
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(missing))
                    .consistent_read(true)
                    .build()
                    .map_err(|error| StoreError::unreadable(operation, error))?;
                let answer = self
                    .client
                    .batch_get_item()
                    .request_items(table, request)
                    .send()
                    .await
                    .map_err(|error| StoreError::new(operation, error))?;
                found.extend(answer.responses.unwrap_or_default().into_values().flatten());
                let undone = answer.unprocessed_keys.unwrap_or_default().into_values();
                missing = undone.flat_map(|rest| rest.keys).collect();
                if !missing.is_empty() {
                    tokio::time::sleep(UNDONE_PAUSE).await;
                }
            }
            Ok(found)
        };
        self.in_time(operation, Box::pin(read)).await
    }

    /// Makes all of these writes, however many. No two may be of one key.
    pub(crate) async fn batch_write(
        &self,
        operation: &'static str,
        table: &str,
        writes: Vec<Write>,
    ) -> Result<(), StoreError> {
        let requests: Result<Vec<_>, _> = writes.into_iter().map(Write::request).collect();
        let requests = requests.map_err(|error| StoreError::unreadable(operation, error))?;
        let batches = requests.chunks(WRITES).map(|batch| {
            let (store, table, batch) = (self.clone(), table.to_owned(), batch.to_vec());
            async move { store.write_one_batch(operation, &table, batch).await }
        });
        in_parallel(operation, WIDTH, batches).await.map(|_| ())
    }

    async fn write_one_batch(
        &self,
        operation: &'static str,
        table: &str,
        batch: Vec<WriteRequest>,
    ) -> Result<(), StoreError> {
        let write = async {
            let mut undone = batch;
            loop {
                let answer = self
                    .client
                    .batch_write_item()
                    .request_items(table, undone)
                    .send()
                    .await
                    .map_err(|error| StoreError::new(operation, error))?;
                let rest = answer.unprocessed_items.unwrap_or_default();
                undone = rest.into_values().flatten().collect();
                if undone.is_empty() {
                    return Ok(());
                }
                tokio::time::sleep(UNDONE_PAUSE).await;
            }
        };
        self.in_time(operation, Box::pin(write)).await
    }
}

/// Does all of `work`, at most `width` at a time, in no order. The first error ends it.
pub(crate) async fn in_parallel<T: Send + 'static>(
    operation: &'static str,
    width: usize,
    work: impl Iterator<Item = impl Future<Output = Result<T, StoreError>> + Send + 'static>,
) -> Result<Vec<T>, StoreError> {
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    let mut work = work.into_iter();
    loop {
        while running.len() < width
            && let Some(more) = work.next()
        {
            running.spawn(tally::carried(more));
        }
        match running.join_next().await {
            None => return Ok(done),
            Some(Ok(result)) => done.push(result?),
            Some(Err(error)) => return Err(StoreError::unreadable(operation, error)),
        }
    }
}

/// Those of `keys` that differ, by the one attribute `name`.
pub(super) fn distinct(keys: Vec<Item>, name: &str) -> Vec<Item> {
    let mut seen = HashSet::new();
    keys.into_iter()
        .filter(|key| {
            let value = key.get(name).and_then(|value| value.as_s().ok());
            value.is_none_or(|value| seen.insert(value.clone()))
        })
        .collect()
}

/// A key of one attribute.
pub(crate) fn key_of(name: &str, value: &str) -> Item {
    Item::from([(name.to_owned(), AttributeValue::S(value.to_owned()))])
}

pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .map(String::as_str)
}

/// Where a page begins, as it is stored: all keys of our tables and indexes are texts.
pub(crate) type Key = std::collections::BTreeMap<String, String>;

pub(super) fn to_key(item: Item) -> Key {
    let texts = item.into_iter().filter_map(|(name, value)| match value {
        AttributeValue::S(value) => Some((name, value)),
        _ => None,
    });
    texts.collect()
}

pub(super) fn from_key(key: &Key) -> Item {
    let values = key
        .iter()
        .map(|(name, value)| (name.clone(), AttributeValue::S(value.clone())));
    values.collect()
}
