//! Makes the template's tables on a DynamoDB: the embedded engine's, or one at `--endpoint-url`.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction,
    DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndex, GlobalSecondaryIndexDescription,
    GlobalSecondaryIndexUpdate, IndexStatus, KeySchemaElement, KeyType,
    Projection as SdkProjection, ProjectionType, ScalarAttributeType, TableDescription,
    TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use shoptrail_storage::StoreConfig;
use thiserror::Error;

use crate::template::{AttributeType, Index, Key, Projection, Table};

/// How long a real DynamoDB may take to make a table or to fill an index of a small one.
const READY_PATIENCE: Duration = Duration::from_secs(120);
/// An endpoint that accepts connections and says nothing must not hold the start; making a table is
/// the slowest of calls.
const CALL_PATIENCE: Duration = Duration::from_secs(20);
/// The embedded engine is ready at once, so this is never waited for there.
const READY_POLL: Duration = Duration::from_millis(500);

/// The region that the embedded engine reports.
pub const LOCAL_REGION: &str = "us-east-1";

/// How to reach an engine that looks at no credentials, such as the embedded one.
#[must_use]
pub fn local_store_config(endpoint_url: &str, table_prefix: &str) -> StoreConfig {
    StoreConfig {
        endpoint_url: Some(endpoint_url.to_owned()),
        region: LOCAL_REGION.to_owned(),
        credentials: shoptrail_storage::Credentials::for_local_engine(),
        table_prefix: table_prefix.to_owned(),
    }
}

/// A client for making tables, and for looking at them in tests. Requests are served through
/// `shoptrail_storage`, whose time-outs are shorter.
#[must_use]
pub fn client(store: &StoreConfig) -> Client {
    let shoptrail_storage::Credentials {
        access_key_id,
        secret_access_key,
        session_token,
    } = store.credentials.clone();
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(store.region.clone()))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_timeout(CALL_PATIENCE)
                .build(),
        )
        .credentials_provider(Credentials::new(
            access_key_id,
            secret_access_key,
            session_token,
            None,
            "shoptrail-local",
        ));
    if let Some(url) = &store.endpoint_url {
        config = config.endpoint_url(url);
        if url.starts_with("http://") {
            // Without TLS there are no root certificates to load, which is most of a client's cost.
            config = config.http_client(aws_smithy_http_client::Builder::new().build_http());
        }
    }
    Client::from_conf(config.build())
}

/// Why the tables are not as the template declares them. Each names the table.
#[derive(Debug, Error)]
pub enum TablesError {
    /// DynamoDB refused, or was not to be reached.
    #[error("the table {table} cannot be {action}")]
    Failed {
        /// The table's name.
        table: String,
        /// What was tried: `looked up`, `created`…
        action: &'static str,
        /// Why.
        #[source]
        source: CallError,
    },
    /// The table exists with something that cannot be changed.
    #[error(
        "the table {table} exists with another {what} than the template declares; \
         choose another data folder or table prefix, or remove the table"
    )]
    Differs {
        /// The table's name.
        table: String,
        /// What is different: `primary key`, `index idx_…`…
        what: String,
    },
    /// The table or an index was not ready in time.
    #[error("the table {table} was not ready within {} s", READY_PATIENCE.as_secs())]
    NotReady {
        /// The table's name.
        table: String,
    },
}

/// Why a call of DynamoDB's API came to nothing.
#[derive(Debug, Error)]
pub enum CallError {
    /// It said no. Its answers name tables and rules, never data.
    #[error("{code}: {message}")]
    Refused {
        /// The kind of error, such as `AccessDeniedException`.
        code: String,
        /// What it says of it.
        message: String,
    },
    /// No answer came.
    #[error("DynamoDB does not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The request cannot be put together.
    #[error("the declaration is incomplete")]
    Incomplete(#[from] BuildError),
}

impl<E> From<SdkError<E>> for CallError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E>) -> Self {
        match error.as_service_error() {
            Some(refusal) => Self::Refused {
                code: refusal.code().unwrap_or("refused").to_owned(),
                message: refusal.message().unwrap_or("without a reason").to_owned(),
            },
            None => Self::Unreachable(Box::new(error)),
        }
    }
}

/// What [`ensure_tables`] did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct TablesReport {
    /// Names of the tables that were created.
    pub created: Vec<String>,
    /// Indexes added to tables that existed, as `TABLE/INDEX`.
    pub indexes_added: Vec<String>,
    /// Indexes made anew because they held other attributes than declared, as `TABLE/INDEX`.
    pub indexes_rebuilt: Vec<String>,
}

/// Creates the tables that are missing, with their indexes and TTL, and adds missing indexes to
/// those that exist. An index that holds other attributes than declared is made anew: DynamoDB cannot
/// change one, and it has nothing that the table does not have. Nothing else is ever removed: an index or
/// table that the template does not declare stays.
///
/// # Errors
///
/// [`TablesError`], at the first table that cannot be brought in line.
pub async fn ensure_tables(client: &Client, tables: &[Table]) -> Result<TablesReport, TablesError> {
    let mut report = TablesReport::default();
    for table in tables {
        match describe(client, table).await? {
            None => {
                if create(client, table).await? {
                    report.created.push(table.name.clone());
                }
                wait_until_ready(client, table).await?;
            }
            Some(existing) => {
                compare(table, &existing)?;
                for index in outdated_indexes(table, &existing) {
                    // A stop in between leaves the index missing, and the next start adds it.
                    delete_index(client, table, index).await?;
                    wait_until_gone(client, table, index).await?;
                    add_index(client, table, index).await?;
                    wait_until_ready(client, table).await?;
                    report
                        .indexes_rebuilt
                        .push(format!("{}/{}", table.name, index.name));
                }
                for index in missing_indexes(table, &existing) {
                    add_index(client, table, index).await?;
                    wait_until_ready(client, table).await?;
                    report
                        .indexes_added
                        .push(format!("{}/{}", table.name, index.name));
                }
            }
        }
        ensure_ttl(client, table).await?;
    }
    Ok(report)
}

async fn describe(client: &Client, table: &Table) -> Result<Option<TableDescription>, TablesError> {
    match client.describe_table().table_name(&table.name).send().await {
        Ok(answer) => Ok(answer.table),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(DescribeTableError::is_resource_not_found_exception) =>
        {
            Ok(None)
        }
        Err(error) => Err(failed(table, "looked up", error)),
    }
}

/// Whether this call made the table: another gateway may have done so in the same moment.
async fn create(client: &Client, table: &Table) -> Result<bool, TablesError> {
    let unbuildable = |error: BuildError| failed(table, "created", error);
    let mut request = client
        .create_table()
        .table_name(&table.name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(key_schema(&table.key).map_err(unbuildable)?))
        .set_attribute_definitions(Some(attribute_definitions(table).map_err(unbuildable)?));
    for index in &table.indexes {
        request = request.global_secondary_indexes(
            GlobalSecondaryIndex::builder()
                .index_name(&index.name)
                .set_key_schema(Some(key_schema(&index.key).map_err(unbuildable)?))
                .projection(projection(&index.projection))
                .build()
                .map_err(unbuildable)?,
        );
    }
    match request.send().await {
        Ok(_) => Ok(true),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(CreateTableError::is_resource_in_use_exception) =>
        {
            Ok(false)
        }
        Err(error) => Err(failed(table, "created", error)),
    }
}

/// Adds one index: DynamoDB takes them one at a time.
async fn add_index(client: &Client, table: &Table, index: &Index) -> Result<(), TablesError> {
    let unbuildable = |error: BuildError| failed(table, "given a new index", error);
    let action = CreateGlobalSecondaryIndexAction::builder()
        .index_name(&index.name)
        .set_key_schema(Some(key_schema(&index.key).map_err(unbuildable)?))
        .projection(projection(&index.projection))
        .build()
        .map_err(unbuildable)?;
    // Only the attributes that this index needs: definitions without a key are refused.
    let mut request = client
        .update_table()
        .table_name(&table.name)
        .global_secondary_index_updates(
            GlobalSecondaryIndexUpdate::builder().create(action).build(),
        );
    for name in std::iter::once(&index.key.partition).chain(&index.key.sort) {
        if let Some(kind) = table.attributes.get(name) {
            request = request
                .attribute_definitions(attribute_definition(name, *kind).map_err(unbuildable)?);
        }
    }
    request
        .send()
        .await
        .map_err(|error| failed(table, "given a new index", error))?;
    Ok(())
}

async fn delete_index(client: &Client, table: &Table, index: &Index) -> Result<(), TablesError> {
    let action = DeleteGlobalSecondaryIndexAction::builder()
        .index_name(&index.name)
        .build()
        .map_err(|error| failed(table, "freed of an old index", error))?;
    client
        .update_table()
        .table_name(&table.name)
        .global_secondary_index_updates(
            GlobalSecondaryIndexUpdate::builder().delete(action).build(),
        )
        .send()
        .await
        .map_err(|error| failed(table, "freed of an old index", error))?;
    Ok(())
}

async fn ensure_ttl(client: &Client, table: &Table) -> Result<(), TablesError> {
    let Some(attribute) = &table.ttl_attribute else {
        return Ok(());
    };
    let current = client
        .describe_time_to_live()
        .table_name(&table.name)
        .send()
        .await
        .map_err(|error| failed(table, "looked up", error))?
        .time_to_live_description;
    if let Some(current) = current
        && matches!(
            current.time_to_live_status,
            Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
        )
    {
        if current.attribute_name.as_deref() == Some(attribute) {
            return Ok(());
        }
        return Err(differs(table, "TTL attribute".to_owned()));
    }
    let specification = TimeToLiveSpecification::builder()
        .attribute_name(attribute)
        .enabled(true)
        .build()
        .map_err(|error| failed(table, "given its TTL", error))?;
    client
        .update_time_to_live()
        .table_name(&table.name)
        .time_to_live_specification(specification)
        .send()
        .await
        .map_err(|error| failed(table, "given its TTL", error))?;
    Ok(())
}

async fn wait_until_ready(client: &Client, table: &Table) -> Result<(), TablesError> {
    wait_until(client, table, |found| {
        let mut indexes = found.global_secondary_indexes().iter();
        indexes.all(|index| index.index_status == Some(IndexStatus::Active))
    })
    .await
}

async fn wait_until_gone(client: &Client, table: &Table, index: &Index) -> Result<(), TablesError> {
    wait_until(client, table, |found| found_index(found, index).is_none()).await
}

/// Waits until the table is active and like this.
async fn wait_until(
    client: &Client,
    table: &Table,
    is_ready: impl Fn(&TableDescription) -> bool,
) -> Result<(), TablesError> {
    let ready = async {
        loop {
            if let Some(description) = describe(client, table).await?
                && description.table_status == Some(TableStatus::Active)
                && is_ready(&description)
            {
                return Ok(());
            }
            tokio::time::sleep(READY_POLL).await;
        }
    };
    tokio::time::timeout(READY_PATIENCE, ready)
        .await
        .map_err(|_| TablesError::NotReady {
            table: table.name.clone(),
        })?
}

/// Checks what cannot be changed in a table that exists.
fn compare(table: &Table, existing: &TableDescription) -> Result<(), TablesError> {
    if !same_key(&table.key, existing.key_schema()) {
        return Err(differs(table, "primary key".to_owned()));
    }
    for definition in existing.attribute_definitions() {
        if let Some(kind) = table.attributes.get(&definition.attribute_name)
            && scalar(*kind) != definition.attribute_type
        {
            return Err(differs(
                table,
                format!("type of {}", definition.attribute_name),
            ));
        }
    }
    for index in &table.indexes {
        let found = found_index(existing, index);
        if found.is_some_and(|found| !same_key(&index.key, found.key_schema())) {
            return Err(differs(table, format!("index {}", index.name)));
        }
    }
    Ok(())
}

fn missing_indexes<'a>(
    table: &'a Table,
    existing: &'a TableDescription,
) -> impl Iterator<Item = &'a Index> {
    let indexes = table.indexes.iter();
    indexes.filter(|index| found_index(existing, index).is_none())
}

/// Those that hold other attributes than declared.
fn outdated_indexes<'a>(
    table: &'a Table,
    existing: &'a TableDescription,
) -> impl Iterator<Item = &'a Index> {
    table.indexes.iter().filter(|index| {
        found_index(existing, index).is_some_and(|found| {
            let projection = found.projection.as_ref();
            !projection.is_some_and(|found| same_projection(&index.projection, found))
        })
    })
}

fn found_index<'a>(
    existing: &'a TableDescription,
    index: &Index,
) -> Option<&'a GlobalSecondaryIndexDescription> {
    let mut indexes = existing.global_secondary_indexes().iter();
    indexes.find(|found| found.index_name.as_deref() == Some(&index.name))
}

fn same_key(key: &Key, schema: &[KeySchemaElement]) -> bool {
    let part = |kind: KeyType| {
        schema
            .iter()
            .find(|element| element.key_type == kind)
            .map(|element| element.attribute_name.as_str())
    };
    part(KeyType::Hash) == Some(&key.partition) && part(KeyType::Range) == key.sort.as_deref()
}

fn same_projection(declared: &Projection, found: &SdkProjection) -> bool {
    match declared {
        Projection::All => found.projection_type == Some(ProjectionType::All),
        Projection::KeysOnly => found.projection_type == Some(ProjectionType::KeysOnly),
        Projection::Include(names) => {
            let mut declared: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut found_names: Vec<&str> = found
                .non_key_attributes()
                .iter()
                .map(String::as_str)
                .collect();
            declared.sort_unstable();
            found_names.sort_unstable();
            found.projection_type == Some(ProjectionType::Include) && declared == found_names
        }
    }
}

fn key_schema(key: &Key) -> Result<Vec<KeySchemaElement>, BuildError> {
    let mut elements = vec![
        KeySchemaElement::builder()
            .attribute_name(&key.partition)
            .key_type(KeyType::Hash)
            .build()?,
    ];
    if let Some(sort) = &key.sort {
        elements.push(
            KeySchemaElement::builder()
                .attribute_name(sort)
                .key_type(KeyType::Range)
                .build()?,
        );
    }
    Ok(elements)
}

fn attribute_definitions(table: &Table) -> Result<Vec<AttributeDefinition>, BuildError> {
    table
        .attributes
        .iter()
        .map(|(name, kind)| attribute_definition(name, *kind))
        .collect()
}

fn attribute_definition(
    name: &str,
    kind: AttributeType,
) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(scalar(kind))
        .build()
}

fn scalar(kind: AttributeType) -> ScalarAttributeType {
    match kind {
        AttributeType::String => ScalarAttributeType::S,
        AttributeType::Number => ScalarAttributeType::N,
        AttributeType::Binary => ScalarAttributeType::B,
    }
}

fn projection(declared: &Projection) -> SdkProjection {
    match declared {
        Projection::All => SdkProjection::builder().projection_type(ProjectionType::All),
        Projection::KeysOnly => SdkProjection::builder().projection_type(ProjectionType::KeysOnly),
        Projection::Include(names) => SdkProjection::builder()
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(names.clone())),
    }
    .build()
}

fn failed(table: &Table, action: &'static str, source: impl Into<CallError>) -> TablesError {
    TablesError::Failed {
        table: table.name.clone(),
        action,
        source: source.into(),
    }
}

fn differs(table: &Table, what: String) -> TablesError {
    TablesError::Differs {
        table: table.name.clone(),
        what,
    }
}
