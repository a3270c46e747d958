//! The template's tables on a real engine.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{AttributeValue, KeySchemaElement, KeyType, TableDescription};
use shoptrail_local::engine::{Engine, EngineOptions};
use shoptrail_local::tables::{TablesError, ensure_tables};
use shoptrail_local::template::{EMBEDDED, Key, Projection, Table, Template};
use shoptrail_local::testing::TestDb;

fn tables() -> Vec<Table> {
    Template::parse(EMBEDDED, &BTreeMap::new()).unwrap().tables
}

fn key(schema: &[KeySchemaElement]) -> Key {
    let find = |kind: KeyType| {
        schema
            .iter()
            .find(|e| e.key_type == kind)
            .map(|e| e.attribute_name.clone())
    };
    Key {
        partition: find(KeyType::Hash).unwrap(),
        sort: find(KeyType::Range),
    }
}

async fn describe(client: &aws_sdk_dynamodb::Client, name: &str) -> TableDescription {
    client
        .describe_table()
        .table_name(name)
        .send()
        .await
        .unwrap()
        .table
        .unwrap()
}

#[tokio::test]
async fn every_table_and_index_is_created_as_declared() {
    let db = TestDb::start().await;
    let client = db.client();
    for table in tables() {
        let found = describe(&client, &table.name).await;
        assert_eq!(key(found.key_schema()), table.key, "{}", table.name);
        let indexes = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
        for index in &table.indexes {
            let found = found
                .global_secondary_indexes()
                .iter()
                .find(|found| found.index_name.as_deref() == Some(&index.name))
                .unwrap_or_else(|| panic!("{} exists", index.name));
            assert_eq!(key(found.key_schema()), index.key, "{}", index.name);
            let projection = found.projection.as_ref().unwrap();
            let kind = projection.projection_type.as_ref().unwrap().as_str();
            match &index.projection {
                Projection::All => assert_eq!(kind, "ALL", "{}", index.name),
                Projection::KeysOnly => assert_eq!(kind, "KEYS_ONLY", "{}", index.name),
                Projection::Include(names) => {
                    assert_eq!(kind, "INCLUDE", "{}", index.name);
                    assert_eq!(
                        indexes(projection.non_key_attributes()),
                        indexes(names),
                        "{}",
                        index.name
                    );
                }
            }
        }
        assert_eq!(
            found.global_secondary_indexes().len(),
            table.indexes.len(),
            "{}",
            table.name
        );
        let ttl = client
            .describe_time_to_live()
            .table_name(&table.name)
            .send()
            .await
            .unwrap()
            .time_to_live_description
            .unwrap();
        assert_eq!(ttl.attribute_name, table.ttl_attribute, "{}", table.name);
    }
}

#[tokio::test]
async fn a_second_start_changes_nothing() {
    let db = TestDb::start().await;
    let report = ensure_tables(&db.client(), &tables()).await.unwrap();
    assert_eq!(report, Default::default());
}

#[tokio::test]
async fn an_index_that_the_template_gained_is_added_and_filled() {
    let engine = Engine::start(EngineOptions::memory()).await.unwrap();
    let client = engine.client();
    let mut older = tables();
    let table = older
        .iter_mut()
        .find(|table| table.name == "cart_tracking_events")
        .unwrap();
    table
        .indexes
        .retain(|index| index.name != "idx_customer_id" && index.name != "idx_product_id");
    table.attributes.remove("customer_id");
    table.attributes.remove("product_id");
    ensure_tables(&client, &older).await.unwrap();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    client
        .put_item()
        .table_name("cart_tracking_events")
        .item("id", text("cart-event-1"))
        .item("customer_id", text("7"))
        .item("created_at", text("2026-11-21T00:00:00.000Z"))
        .send()
        .await
        .unwrap();

    let report = ensure_tables(&client, &tables()).await.unwrap();
    assert_eq!(
        report.indexes_added,
        [
            "cart_tracking_events/idx_product_id",
            "cart_tracking_events/idx_customer_id"
        ]
    );
    let found = client
        .query()
        .table_name("cart_tracking_events")
        .index_name("idx_customer_id")
        .key_condition_expression("customer_id = :id")
        .expression_attribute_values(":id", text("7"))
        .send()
        .await
        .unwrap();
    assert_eq!(found.count, 1);
    engine.stop().await;
}

#[tokio::test]
async fn an_index_that_holds_other_attributes_is_made_anew_out_of_its_table() {
    let engine = Engine::start(EngineOptions::memory()).await.unwrap();
    let client = engine.client();
    let mut older = tables();
    let mut tables_of_events = older.iter_mut();
    let table = tables_of_events
        .find(|table| table.name == "cart_tracking_events")
        .unwrap();
    for index in &mut table.indexes {
        match &mut index.projection {
            Projection::Include(names) if index.name == "idx_store_name" => {
                names.retain(|name| name != "image_key");
            }
            projection if index.name == "idx_store_created" => *projection = Projection::KeysOnly,
            _ => {}
        }
    }
    ensure_tables(&client, &older).await.unwrap();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    client
        .put_item()
        .table_name("cart_tracking_events")
        .item("id", text("cart-event-1"))
        .item("store_name", text("alpha.myshopify.com"))
        .item("image_key", text("0123"))
        .item("created_at", text("2026-11-21T00:00:00.000Z"))
        .send()
        .await
        .unwrap();
    let held = async || {
        let found = client
            .query()
            .table_name("cart_tracking_events")
            .index_name("idx_store_name")
            .key_condition_expression("store_name = :store")
            .expression_attribute_values(":store", text("alpha.myshopify.com"))
            .send()
            .await
            .unwrap();
        found.items()[0].get("image_key").cloned()
    };
    assert_eq!(held().await, None, "the older index does not hold it");

    let report = ensure_tables(&client, &tables()).await.unwrap();
    assert_eq!(
        report.indexes_rebuilt,
        [
            "cart_tracking_events/idx_store_name",
            "cart_tracking_events/idx_store_created"
        ]
    );
    assert_eq!((report.created, report.indexes_added), (vec![], vec![]));
    assert_eq!(held().await, Some(text("0123")));
    let again = ensure_tables(&client, &tables()).await.unwrap();
    assert_eq!(again, Default::default());
    engine.stop().await;
}

#[tokio::test]
async fn a_table_with_another_key_or_index_is_refused_by_name() {
    let engine = Engine::start(EngineOptions::memory()).await.unwrap();
    let client = engine.client();
    let all = tables();
    ensure_tables(&client, &all).await.unwrap();

    let mut other_key = all.clone();
    let table = other_key
        .iter_mut()
        .find(|table| table.name == "tracker_sessions")
        .unwrap();
    table.key.sort = None;
    let error = ensure_tables(&client, &other_key).await.unwrap_err();
    assert!(
        matches!(&error, TablesError::Differs { table, what } if table == "tracker_sessions" && what == "primary key"),
        "{error}"
    );

    let mut other_index = all.clone();
    let table = other_index
        .iter_mut()
        .find(|table| table.name == "cart_tracking_events")
        .unwrap();
    table.indexes[0].key.sort = None;
    let error = ensure_tables(&client, &other_index).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the table cart_tracking_events exists with another index idx_"),
        "{error}"
    );

    let mut other_ttl = all;
    other_ttl[0].ttl_attribute = Some("other".to_owned());
    let error = ensure_tables(&client, &other_ttl).await.unwrap_err();
    assert!(
        error.to_string().contains("another TTL attribute"),
        "{error}"
    );
    engine.stop().await;
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_named_in_the_error() {
    let engine = Engine::start(EngineOptions::memory()).await.unwrap();
    let client = engine.client();
    engine.stop().await;
    let error = ensure_tables(&client, &tables()).await.unwrap_err();
    assert!(
        error.to_string().ends_with("cannot be looked up"),
        "{error}"
    );
}
