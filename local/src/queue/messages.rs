//! The messages of the local queue: items of a table beside the template's, so that what was taken outlives the process.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, Delete, KeySchemaElement, KeyType, Put,
    ScalarAttributeType, TransactWriteItem,
};

use crate::tables::CallError;

/// The table's name behind the prefix. The template does not have it: on AWS the queue is SQS.
const TABLE: &str = "local_event_queue";
/// Partition key: [`WAITING`] or [`DEAD`].
const QUEUE: &str = "queue";
/// Sort key: the message's id, which begins with its time.
const ID: &str = "id";
const BODY: &str = "body";
const RECEIVES: &str = "receives";

const WAITING: &str = "waiting";
const DEAD: &str = "dead";

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: String,
    /// How often it was handed over.
    pub(super) receives: u32,
}

/// The table of messages.
#[derive(Debug, Clone)]
pub(super) struct Messages {
    client: Client,
    table: String,
}

type Item = HashMap<String, AttributeValue>;

impl Messages {
    /// Makes the table where it is not there yet.
    pub(super) async fn open(client: Client, table_prefix: &str) -> Result<Self, CallError> {
        let table = format!("{table_prefix}{TABLE}");
        let attribute = |name: &str| {
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build()
        };
        let key = |name: &str, kind| {
            KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(kind)
                .build()
        };
        let created = client
            .create_table()
            .table_name(&table)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute(QUEUE)?)
            .attribute_definitions(attribute(ID)?)
            .key_schema(key(QUEUE, KeyType::Hash)?)
            .key_schema(key(ID, KeyType::Range)?)
            .send()
            .await;
        match created {
            Err(error)
                if !error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_in_use_exception()) =>
            {
                Err(error.into())
            }
            _ => Ok(Self { client, table }),
        }
    }

    /// Keeps a message; once this has returned, it is on the disk.
    pub(super) async fn put(&self, id: &str, body: &str) -> Result<(), CallError> {
        let put = self.client.put_item().table_name(&self.table);
        put.set_item(Some(item(WAITING, id, body, 0)))
            .send()
            .await?;
        Ok(())
    }

    /// The oldest messages that wait, and are not among those that `is_hidden`, at most `count`.
    pub(super) async fn list(
        &self,
        count: usize,
        is_hidden: impl Fn(&str) -> bool,
    ) -> Result<Vec<Message>, CallError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#queue = :queue")
            .expression_attribute_names("#queue", QUEUE)
            .expression_attribute_values(":queue", text(WAITING))
            .consistent_read(true)
            .into_paginator()
            .send();
        let mut messages = Vec::new();
        while let Some(page) = pages.next().await {
            let found = page?.items.unwrap_or_default();
            let found = found.into_iter().filter_map(message);
            messages.extend(found.filter(|message| !is_hidden(&message.id)));
            if messages.len() >= count {
                break;
            }
        }
        messages.truncate(count);
        Ok(messages)
    }

    /// Counts that a message is handed over.
    pub(super) async fn count_receive(&self, message: &Message) -> Result<(), CallError> {
        let put = self.client.put_item().table_name(&self.table);
        let item = item(WAITING, &message.id, &message.body, message.receives + 1);
        put.set_item(Some(item)).send().await?;
        Ok(())
    }

    /// Forgets a message that is done.
    pub(super) async fn delete(&self, id: &str) -> Result<(), CallError> {
        let delete = self.client.delete_item().table_name(&self.table);
        delete.set_key(Some(key(WAITING, id))).send().await?;
        Ok(())
    }

    /// Lays a message among the dead letters.
    pub(super) async fn bury(&self, message: &Message) -> Result<(), CallError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item(
                DEAD,
                &message.id,
                &message.body,
                message.receives,
            )))
            .build()?;
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key(WAITING, &message.id)))
            .build()?;
        let write = self.client.transact_write_items();
        write
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().delete(delete).build())
            .send()
            .await?;
        Ok(())
    }

    /// How many dead letters there are.
    pub(super) async fn count_dead(&self) -> Result<usize, CallError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#queue = :queue")
            .expression_attribute_names("#queue", QUEUE)
            .expression_attribute_values(":queue", text(DEAD))
            .projection_expression(ID)
            .into_paginator()
            .send();
        let mut count = 0;
        while let Some(page) = pages.next().await {
            count += page?.items().len();
        }
        Ok(count)
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn key(queue: &str, id: &str) -> Item {
    Item::from([(QUEUE.to_owned(), text(queue)), (ID.to_owned(), text(id))])
}

fn item(queue: &str, id: &str, body: &str, receives: u32) -> Item {
    let mut item = key(queue, id);
    item.insert(BODY.to_owned(), text(body));
    item.insert(RECEIVES.to_owned(), AttributeValue::N(receives.to_string()));
    item
}

fn message(mut item: Item) -> Option<Message> {
    let mut take = |name: &str| match item.remove(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => Some(text),
        _ => None,
    };
    Some(Message {
        id: take(ID)?,
        body: take(BODY)?,
        receives: take(RECEIVES)?.parse().ok()?,
    })
}
