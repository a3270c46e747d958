//! A DynamoDB for one test.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use shoptrail_storage::StoreConfig;

use crate::engine::{Engine, EngineOptions};
use crate::tables::{ensure_tables, local_store_config};
use crate::template::{EMBEDDED, Template};

/// An engine in memory with all tables of the template, for one test alone; gone when dropped.
#[derive(Debug)]
pub struct TestDb {
    engine: Engine,
    template: Template,
}

impl TestDb {
    /// Starts the engine and creates the tables.
    ///
    /// # Panics
    ///
    /// When it cannot: a test without its database cannot go on.
    #[expect(
        clippy::expect_used,
        reason = "a test without its database cannot go on"
    )]
    pub async fn start() -> Self {
        let template =
            Template::parse(EMBEDDED, &BTreeMap::new()).expect("template.yaml is readable");
        let engine = Engine::start(EngineOptions::memory())
            .await
            .expect("an engine in memory starts");
        ensure_tables(&engine.client(), &template.tables)
            .await
            .expect("the template's tables can be created");
        Self { engine, template }
    }

    /// `http://127.0.0.1:PORT`, for the code under test.
    #[must_use]
    pub fn endpoint_url(&self) -> &str {
        self.engine.endpoint_url()
    }

    /// How `shoptrail_storage::Store::connect` reaches it.
    #[must_use]
    pub fn store_config(&self) -> StoreConfig {
        local_store_config(self.endpoint_url(), "")
    }

    /// A client for looking behind the code under test.
    #[must_use]
    pub fn client(&self) -> Client {
        self.engine.client()
    }

    /// All items of a table.
    ///
    /// # Panics
    ///
    /// When the table cannot be read.
    #[expect(clippy::expect_used, reason = "a test that cannot look cannot go on")]
    pub async fn items(&self, table: &str) -> Vec<HashMap<String, AttributeValue>> {
        let pages = self.client().scan().table_name(table).into_paginator();
        let items = pages.items().send().collect::<Result<Vec<_>, _>>().await;
        items.expect("the table can be read")
    }

    /// The template whose tables these are.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.template
    }
}
