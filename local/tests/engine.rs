//! The embedded engine's life: what it keeps, whom it lets in, what it leaves behind.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use shoptrail_local::engine::{
    Engine, EngineError, EngineOptions, EngineStorage, running_endpoint,
};
use shoptrail_local::tables::{client, ensure_tables, local_store_config};
use shoptrail_local::template::{EMBEDDED, Template};

fn template() -> Template {
    Template::parse(EMBEDDED, &Default::default()).unwrap()
}

async fn put(client: &Client, id: &str, expires_at: Option<i64>) {
    let mut request = client
        .put_item()
        .table_name("cart_tracking_events")
        .item("id", AttributeValue::S(id.to_owned()));
    if let Some(at) = expires_at {
        request = request.item("expires_at", AttributeValue::N(at.to_string()));
    }
    request.send().await.unwrap();
}

async fn exists(client: &Client, id: &str) -> bool {
    let request = client
        .get_item()
        .table_name("cart_tracking_events")
        .key("id", AttributeValue::S(id.to_owned()));
    request.send().await.unwrap().item.is_some()
}

#[tokio::test]
async fn data_is_kept_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(EngineOptions::folder(folder.path()))
        .await
        .unwrap();
    ensure_tables(&engine.client(), &template().tables)
        .await
        .unwrap();
    put(&engine.client(), "kept", None).await;
    engine.stop().await;

    let engine = Engine::start(EngineOptions::folder(folder.path()))
        .await
        .unwrap();
    let report = ensure_tables(&engine.client(), &template().tables)
        .await
        .unwrap();
    assert_eq!(report, Default::default(), "the tables are still there");
    assert!(exists(&engine.client(), "kept").await);
    engine.stop().await;
}

#[tokio::test]
async fn engines_in_memory_know_nothing_of_each_other() {
    let one = Engine::start(EngineOptions::memory()).await.unwrap();
    let other = Engine::start(EngineOptions::memory()).await.unwrap();
    ensure_tables(&one.client(), &template().tables)
        .await
        .unwrap();
    ensure_tables(&other.client(), &template().tables)
        .await
        .unwrap();
    put(&one.client(), "mine", None).await;
    assert!(!exists(&other.client(), "mine").await);
}

#[tokio::test]
async fn a_folder_belongs_to_one_engine_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(EngineOptions::folder(folder.path()))
        .await
        .unwrap();
    let error = Engine::start(EngineOptions::folder(folder.path()))
        .await
        .unwrap_err();
    assert!(matches!(error, EngineError::InUse { .. }), "{error}");
    // The refused start took nothing from the running one.
    assert_eq!(
        running_endpoint(folder.path()).unwrap().as_deref(),
        Some(engine.endpoint_url())
    );
    engine.stop().await;
    Engine::start(EngineOptions::folder(folder.path()))
        .await
        .unwrap()
        .stop()
        .await;
}

#[tokio::test]
async fn the_endpoint_is_told_while_the_engine_runs_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(running_endpoint(folder.path()).unwrap(), None);
    let engine = Engine::start(EngineOptions::folder(folder.path()))
        .await
        .unwrap();
    let url = running_endpoint(folder.path()).unwrap().unwrap();
    assert_eq!(url, engine.endpoint_url());
    client(&local_store_config(&url, ""))
        .list_tables()
        .send()
        .await
        .unwrap();
    engine.stop().await;
    assert_eq!(running_endpoint(folder.path()).unwrap(), None);
    assert!(!folder.path().join("endpoint").exists());
}

#[tokio::test]
async fn an_endpoint_that_a_crash_left_behind_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lock"), "").unwrap();
    std::fs::write(folder.path().join("endpoint"), "http://127.0.0.1:1\n").unwrap();
    assert_eq!(running_endpoint(folder.path()).unwrap(), None);
    let engine = Engine::start(EngineOptions::folder(folder.path()))
        .await
        .unwrap();
    assert_eq!(
        running_endpoint(folder.path()).unwrap().as_deref(),
        Some(engine.endpoint_url())
    );
}

#[tokio::test]
async fn a_dropped_engine_gives_its_folder_free() {
    let folder = tempfile::tempdir().unwrap();
    drop(
        Engine::start(EngineOptions::folder(folder.path()))
            .await
            .unwrap(),
    );
    let free = async {
        while Engine::start(EngineOptions::folder(folder.path()))
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), free)
        .await
        .unwrap();
}

#[tokio::test]
async fn expired_items_are_swept() {
    let mut options = EngineOptions::memory();
    options.sweep_every = Some(Duration::from_millis(50));
    let engine = Engine::start(options).await.unwrap();
    let client = engine.client();
    ensure_tables(&client, &template().tables).await.unwrap();
    put(&client, "expired", Some(1_000_000_000)).await;
    put(&client, "alive", Some(9_000_000_000)).await;
    let swept = async {
        while exists(&client, "expired").await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), swept)
        .await
        .unwrap();
    assert!(exists(&client, "alive").await);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_and_a_file_that_is_no_database_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "text").unwrap();
    let error = Engine::start(EngineOptions::folder(file.join("below")))
        .await
        .unwrap_err();
    assert!(matches!(error, EngineError::Folder { .. }), "{error}");

    std::fs::write(
        folder.path().join("dynamodb.sqlite"),
        "no database".repeat(100),
    )
    .unwrap();
    let error = Engine::start(EngineOptions {
        storage: EngineStorage::Folder(folder.path().to_owned()),
        sweep_every: None,
    })
    .await
    .unwrap_err();
    assert!(matches!(error, EngineError::Open { .. }), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    Engine::start(EngineOptions::folder(&folder))
        .await
        .unwrap()
        .stop()
        .await;
    assert_eq!(
        std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
}
