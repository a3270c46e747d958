//! The real binary, as a person runs it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shoptrail_domain::StoreName;
use shoptrail_domain::access::{ApiKey, Scope, Stores};
use shoptrail_domain::cart_event::CartEvent;
use shoptrail_domain::sender::Sender;
use shoptrail_edge::{Clock, Random};
use shoptrail_local::engine::{Engine, EngineOptions};
use shoptrail_local::tables::{client, local_store_config};
use shoptrail_local::testing::TestDb;
use shoptrail_storage::{ApiKeyRecord, Pepper, PrivacyJobStatus, Store, StoreConfig};
use tempfile::TempDir;
use wiremock::matchers::{body_partial_json, header};
use wiremock::{Mock, MockServer, ResponseTemplate};

const PEPPER: &str = "a pepper for the tests";

type Item = HashMap<String, AttributeValue>;

/// The binary in an empty environment and in `folder`, so that no setting of the developer's gets in.
fn admin(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoptrail-admin"));
    command
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .stdin(Stdio::null());
    command
}

/// What a command says that works.
fn said(mut command: Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let complaint = String::from_utf8(stderr).unwrap();
    assert_eq!((status.code(), complaint.as_str()), (Some(0), ""));
    String::from_utf8(stdout).unwrap()
}

/// The exit code of a command that does not work, and its one line.
fn refusal(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    assert_eq!(complaint.lines().count(), 1, "one line: {complaint}");
    assert!(complaint.starts_with("shoptrail-admin: "), "{complaint}");
    (output.status.code().unwrap(), complaint)
}

fn create<'a>(name: &'a str, stores: &'a str, scopes: &'a str) -> Vec<&'a str> {
    vec![
        "keys", "create", "--name", name, "--stores", stores, "--scopes", scopes,
    ]
}

/// The key that `keys create` printed.
fn key_of(said: &str) -> ApiKey {
    let line = said.lines().last().unwrap();
    ApiKey::parse(line).expect("the last line is a key")
}

fn new_key(folder: &TempDir, name: &str) -> ApiKey {
    key_of(&said(admin(folder, &create(name, "*", "read"))))
}

fn list(folder: &TempDir) -> String {
    said(admin(folder, &["keys", "list"]))
}

/// An engine on the folder that `shoptrail-admin` takes by default, as the gateway runs one.
async fn start_engine(folder: &TempDir) -> Engine {
    Engine::start(EngineOptions::folder(folder.path().join(".local")))
        .await
        .unwrap()
}

fn folders_pepper(folder: &TempDir) -> Pepper {
    let text = std::fs::read_to_string(folder.path().join(".local/hash-pepper")).unwrap();
    Pepper::new(text.trim()).unwrap()
}

async fn record(database: &StoreConfig, key: &ApiKey) -> ApiKeyRecord {
    let store = Store::connect(database);
    store.find_api_key(key.id()).await.unwrap().unwrap()
}

/// The part of a key that nobody may see.
fn secret(key: &ApiKey) -> &str {
    key.expose().rsplit('_').next().unwrap()
}

async fn table(client: &Client) -> String {
    let scan = client.scan().table_name("api_keys").send();
    format!("{:?}", scan.await.unwrap().items)
}

/// Whether a file of the folder holds the text.
fn is_in_files(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    })
}

#[tokio::test]
async fn a_key_is_shown_once_and_kept_as_a_hash() {
    let folder = tempfile::tempdir().unwrap();
    let created = said(admin(
        &folder,
        &create(
            " Käse & Söhne ",
            "My-Store, https://other.myshopify.com/",
            "read,write",
        ),
    ));
    let key = key_of(&created);
    assert!(
        created.starts_with(&format!(
            "Created the key {} (Käse & Söhne): read, write for my-store.myshopify.com, other.myshopify.com.\n",
            key.id()
        )),
        "{created}"
    );
    assert_eq!(created.matches(secret(&key)).count(), 1);

    let listed = list(&folder);
    let row = listed.lines().nth(1).unwrap();
    assert!(
        row.starts_with(&format!(
            "{}  Käse & Söhne  read,write  my-store.myshopify.com,other.myshopify.com  2",
            key.id()
        )) && row.ends_with("  -"),
        "{listed}"
    );
    assert!(!listed.contains(secret(&key)));
    assert!(!is_in_files(&folder.path().join(".local"), secret(&key)));

    let engine = start_engine(&folder).await;
    let record = record(&local_store_config(engine.endpoint_url(), ""), &key).await;
    assert!(record.verifies(&key, &folders_pepper(&folder)));
    assert!(!record.verifies(&ApiKey::new(1, [2, 3]), &folders_pepper(&folder)));
    assert_eq!(record.name, "Käse & Söhne");
    assert_eq!(record.scopes, [Scope::Read, Scope::Write].into());
    let store = |name| StoreName::parse(name).unwrap();
    assert_eq!(
        record.stores(),
        Stores::These([store("my-store"), store("other")].into())
    );
    let table = table(&engine.client()).await;
    assert!(table.contains(key.id()) && !table.contains(secret(&key)));
    engine.stop().await;
}

#[cfg(unix)]
#[test]
fn the_pepper_is_made_once_and_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    new_key(&folder, "one");
    let file = folder.path().join(".local/hash-pepper");
    let pepper = std::fs::read_to_string(&file).unwrap();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    new_key(&folder, "two");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), pepper);
}

#[tokio::test]
async fn it_works_beside_a_running_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start_engine(&folder).await;
    let key = new_key(&folder, "beside");
    let database = local_store_config(engine.endpoint_url(), "");
    let pepper = folders_pepper(&folder);
    assert!(record(&database, &key).await.verifies(&key, &pepper));
    said(admin(&folder, &["keys", "revoke", key.id()]));
    assert!(!record(&database, &key).await.verifies(&key, &pepper));
    assert!(list(&folder).contains("beside"));
    engine.stop().await;
    assert!(list(&folder).contains("beside"), "and after its end");
}

#[tokio::test]
async fn a_key_is_replaced_without_a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let old = new_key(&folder, "old");
    let new = new_key(&folder, "new");
    let verify = async |key: &ApiKey| {
        let engine = start_engine(&folder).await;
        let record = record(&local_store_config(engine.endpoint_url(), ""), key).await;
        engine.stop().await;
        record.verifies(key, &folders_pepper(&folder))
    };
    assert!(verify(&old).await && verify(&new).await);

    let revoked = said(admin(&folder, &["keys", "revoke", old.id()]));
    assert_eq!(
        revoked,
        format!(
            "Revoked the key {} (old): requests with it are refused within some seconds.\n",
            old.id()
        )
    );
    assert!(!verify(&old).await && verify(&new).await);
    let listed = list(&folder);
    let rows: Vec<&str> = listed.lines().skip(1).collect();
    assert!(
        rows[0].contains("old") && rows[0].ends_with('Z'),
        "{listed}"
    );
    assert!(
        rows[1].contains("new") && rows[1].ends_with("  -"),
        "{listed}"
    );

    // By the whole key, as whoever finds a leaked one has it.
    let again = said(admin(&folder, &["keys", "revoke", old.expose()]));
    assert!(again.contains("was revoked already, at 2"), "{again}");
    assert!(!again.contains(secret(&old)));
    assert_eq!(list(&folder), listed);
}

#[test]
fn an_id_that_is_none_is_named_and_a_key_never() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(&folder, "one");
    let (code, complaint) = refusal(admin(&folder, &["keys", "revoke", "0123456789abcdef"]));
    assert_eq!(code, 1);
    assert!(complaint.contains("no key 0123456789abcdef"), "{complaint}");
    let broken = format!("{}.", key.expose());
    let (code, complaint) = refusal(admin(&folder, &["keys", "revoke", &broken]));
    assert_eq!(code, 2);
    assert!(complaint.contains("an id is 16 characters"), "{complaint}");
    assert!(!complaint.contains(secret(&key)));
}

#[test]
fn commands_that_run_together_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for name in ["a-1", "a-2", "a-3", "a-4"] {
            let folder = &folder;
            scope.spawn(move || new_key(folder, name));
        }
    });
    assert_eq!(list(&folder).lines().count(), 5);
}

#[test]
fn a_key_that_cannot_be_read_is_named() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = admin(&folder, &create("lost", "*", "read"));
    command.stdout(std::fs::File::create("/dev/full").unwrap());
    let (code, complaint) = refusal(command);
    assert_eq!(code, 1);
    let listed = list(&folder);
    let id = listed.lines().nth(1).unwrap().split(' ').next().unwrap();
    assert!(
        complaint.contains(&format!(
            "the key {id} was made and cannot be shown; revoke it"
        )),
        "{complaint}"
    );
}

#[test]
fn wrong_options_of_a_key_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (name, stores, scopes, expected) in [
        ("a", "", "read", "the list has an empty entry"),
        ("a", "one,,two", "read", "the list has an empty entry"),
        ("a", "shop.example.com", "read", "Must be a Shopify store"),
        ("a", "one,*", "read", "* is all stores, and stands alone"),
        ("a", "*", "", "the list has an empty entry"),
        ("a", "*", "read,admin", "a scope is read, write or erase"),
        ("a", "*", "READ", "a scope is read, write or erase"),
        ("", "*", "read", "a key needs a name"),
        (" ", "*", "read", "a key needs a name"),
        ("a\n\nb", "*", "read", "no control characters"),
        ("a\u{202e}b", "*", "read", "no control characters"),
        (&"a".repeat(101), "*", "read", "100 characters at most"),
    ] {
        let (code, complaint) = refusal(admin(&folder, &create(name, stores, scopes)));
        assert_eq!(code, 2, "{complaint}");
        assert!(complaint.contains(expected), "{complaint}");
    }
    let (code, complaint) = refusal(admin(&folder, &["keys", "create", "--name", "a"]));
    assert_eq!(code, 2);
    assert!(
        complaint.contains("--stores <LIST> --scopes <LIST>"),
        "{complaint}"
    );
    assert!(!folder.path().join(".local").exists(), "nothing was made");
}

#[test]
fn wrong_places_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = |arguments: &[&str], expected: (i32, &str)| {
        let (code, complaint) = refusal(admin(&folder, arguments));
        assert_eq!(code, expected.0, "{complaint}");
        assert!(complaint.contains(expected.1), "{complaint}");
    };
    missing(&["keys", "list"], (1, "there is no data folder .local/"));
    missing(
        &["switches", "off", "read", "--data", "none"],
        (1, "there is no data folder none"),
    );
    missing(
        &["--data", "x", "keys", "list", "--aws"],
        (2, "exclude one another"),
    );
    missing(
        &[
            "keys",
            "list",
            "--aws",
            "--endpoint-url",
            "http://127.0.0.1:1",
        ],
        (2, "exclude one another"),
    );
    missing(
        &["keys", "list", "--pepper-secret", "x"],
        (2, "a folder keeps its own pepper"),
    );
    missing(
        &["keys", "list", "--endpoint-url", "127.0.0.1"],
        (2, "not an http or https URL"),
    );
    missing(
        &["keys", "list", "--endpoint-url", "http://127.0.0.1:1"],
        (1, "the keys cannot be read: "),
    );
    missing(&["keys", "list", "--aws"], (1, "AWS_REGION must be set"));
    missing(&["keys", "lost"], (2, "unrecognized subcommand 'lost'"));
    assert_eq!(
        folder.path().read_dir().unwrap().count(),
        0,
        "nothing was made"
    );

    std::fs::write(folder.path().join(".env"), "HASH_PEPPER=short\n").unwrap();
    let (code, complaint) = refusal(admin(&folder, &create("a", "*", "read")));
    assert_eq!(code, 1);
    assert!(
        complaint.contains("HASH_PEPPER must be 16 characters or more"),
        "{complaint}"
    );
    assert!(!complaint.contains("short"));
}

#[test]
fn help_is_help() {
    let folder = tempfile::tempdir().unwrap();
    let help = said(admin(&folder, &["--help"]));
    assert!(
        help.contains("keys create --name Dashboard --stores '*'"),
        "{help}"
    );
    let help = said(admin(&folder, &["keys", "create", "--help"]));
    assert!(
        help.contains("tail -n 1") && help.contains("--data <DIR>"),
        "{help}"
    );
    let output = admin(&folder, &["keys"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("revoke"));
}

#[test]
fn an_empty_list_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let listed = said(admin(&folder, &["keys", "list", "--data", "data"]));
    assert!(listed.starts_with("There are no keys yet; "), "{listed}");
    assert_eq!(listed.lines().count(), 1);
}

#[tokio::test]
async fn another_dynamodb_has_the_pepper_of_its_deployment() {
    let folder = tempfile::tempdir().unwrap();
    let db = TestDb::start().await;
    let arguments = [
        &create("by URL", "*", "read,write,erase")[..],
        &["--endpoint-url", db.endpoint_url()],
    ]
    .concat();
    let (code, complaint) = refusal(admin(&folder, &arguments));
    assert_eq!(code, 1);
    assert!(
        complaint.contains("set HASH_PEPPER") && complaint.contains("--pepper-secret ARN"),
        "{complaint}"
    );

    std::fs::write(
        folder.path().join(".env"),
        format!("HASH_PEPPER=\"{PEPPER}\"\n"),
    )
    .unwrap();
    let created = said(admin(&folder, &arguments));
    assert!(
        created.contains("read, write, erase for all stores."),
        "{created}"
    );
    let key = key_of(&created);
    let record = record(&db.store_config(), &key).await;
    assert!(record.verifies(&key, &Pepper::new(PEPPER).unwrap()));
    assert_eq!(record.stores(), Stores::All);
    assert!(!folder.path().join(".local").exists());

    let (code, complaint) = refusal(admin(
        &folder,
        &[
            "keys",
            "list",
            "--endpoint-url",
            db.endpoint_url(),
            "--table-prefix",
            "none-",
        ],
    ));
    assert_eq!(code, 1);
    assert!(
        complaint.contains("the keys cannot be read: "),
        "{complaint}"
    );
}

#[tokio::test]
async fn on_aws_the_pepper_is_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let db = TestDb::start().await;
    let aws = MockServer::start().await;
    Mock::given(header("x-amz-target", "secretsmanager.GetSecretValue"))
        .and(body_partial_json(json!({ "SecretId": "arn:pepper" })))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({
            "ARN": "arn:pepper", "Name": "pepper", "SecretString": format!("{PEPPER}\n"),
        })))
        .mount(&aws)
        .await;
    let on_aws = |more: &[&str]| {
        let mut command = admin(
            &folder,
            &[&create("a", "*", "read")[..], &["--aws"], more].concat(),
        );
        command
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "id")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_ENDPOINT_URL_DYNAMODB", db.endpoint_url())
            .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", aws.uri());
        command
    };
    let verify = async |key: &ApiKey| {
        let record = record(&db.store_config(), key).await;
        record.verifies(key, &Pepper::new(PEPPER).unwrap())
    };
    assert!(verify(&key_of(&said(on_aws(&["--pepper-secret", "arn:pepper"])))).await);
    // As in a function, the secret goes before a variable.
    let mut by_variable = on_aws(&[]);
    by_variable
        .env("HASH_PEPPER_ARN", "arn:pepper")
        .env("HASH_PEPPER", "another pepper, set for local use");
    assert!(verify(&key_of(&said(by_variable))).await);

    let (code, complaint) = refusal(on_aws(&["--pepper-secret", "arn:other"]));
    assert_eq!(code, 1);
    assert!(
        complaint.contains("the pepper's secret cannot be read: "),
        "{complaint}"
    );
}

fn event(fields: Value) -> CartEvent {
    let body = serde_json::to_vec(&fields).unwrap();
    CartEvent::parse(
        &shoptrail_domain::json::decode(&body).unwrap(),
        Sender::default(),
    )
    .unwrap()
}

/// Stores Jane's events, and one of somebody else; gives back Jane's as they are stored.
async fn seed(folder: &TempDir, database: &StoreConfig, client: &Client) -> Vec<Item> {
    let store = Store::connect(database).with_pepper(Some(folders_pepper(folder)));
    for fields in [
        json!({ "storeName": "my-store", "customerEmail": "jane@example.com", "eventId": "key-1-jane", "sessionId": "s-1" }),
        json!({ "storeName": "my-store", "customerId": 909, "userAgent": "canary-agent" }),
        json!({ "storeName": "my-store", "customerEmail": "joe@example.com" }),
    ] {
        let (clock, random) = (Clock::system(), Random::system());
        let event = event(fields);
        let recorded = store.record_cart_event(&event, clock.now(), 30, || random.draw());
        recorded.await.unwrap();
    }
    let mut items = events(client).await;
    items.retain(|item| !format!("{item:?}").contains("joe@example.com"));
    items
}

async fn events(client: &Client) -> Vec<Item> {
    let scan = client.scan().table_name("cart_tracking_events").send();
    scan.await.unwrap().items.unwrap()
}

const ERASE_JANE: [&str; 7] = [
    "erase",
    "--store",
    "My-Store",
    "--email",
    "Jane@example.com",
    "--customer",
    "909",
];

#[tokio::test]
async fn a_customer_is_erased_and_after_a_restore_again() {
    let folder = tempfile::tempdir().unwrap();
    new_key(&folder, "makes the folder");
    let nobody = said(admin(&folder, &["erasures", "replay"]));
    assert!(nobody.starts_with("There are no tombstones: "), "{nobody}");
    let engine = start_engine(&folder).await;
    let (client, database) = (
        engine.client(),
        local_store_config(engine.endpoint_url(), ""),
    );
    let backup = seed(&folder, &database, &client).await;
    assert_eq!(backup.len(), 3, "two events and the record of a key");

    let erased = said(admin(&folder, &ERASE_JANE));
    let (receipt, counts) = erased.split_once('\n').unwrap();
    let id = receipt.strip_prefix("Receipt ").unwrap();
    let id = id.strip_suffix(" for my-store.myshopify.com").unwrap();
    let expected = "\
cart events        2
image generations  0
sessions           0
decisions          0
other              1
";
    assert_eq!(counts, expected);
    let store = Store::connect(&database);
    let receipt = store.find_privacy_job(id, Clock::system().now()).await;
    let receipt = receipt.unwrap().unwrap();
    assert_eq!(
        (receipt.status, receipt.erased.cart_events),
        (PrivacyJobStatus::Done, 2)
    );
    let tombstones = client.scan().table_name("erasures").send().await.unwrap();
    let days = |item: &Item| {
        let until: i64 = item["holds_until"].as_n().unwrap().parse().unwrap();
        (until - Clock::system().now().as_secs() + 3_600) / (24 * 3_600)
    };
    let mut days: Vec<_> = tombstones.items().iter().map(days).collect();
    days.sort_unstable();
    assert_eq!(days, [3, 3, 365, 365], "sessions' by the retention");
    assert_eq!(events(&client).await.len(), 1);

    for item in backup {
        let put = client.put_item().table_name("cart_tracking_events");
        put.set_item(Some(item)).send().await.unwrap();
    }
    for (summary, counted) in [
        ("Tombstones: 4. Looked at: 3. Erased anew: 3.\n", expected),
        ("Tombstones: 4. Looked at: 1. Erased anew: 0.\n", ""),
    ] {
        let replayed = said(admin(&folder, &["erasures", "replay"]));
        assert!(replayed.starts_with(summary), "{replayed}");
        assert!(replayed.ends_with(counted), "{replayed}");
    }
    let left = format!("{:?}", events(&client).await);
    assert!(
        left.contains("joe@example.com") && !left.contains("jane"),
        "{left}"
    );
    engine.stop().await;
}

#[tokio::test]
async fn a_customers_events_may_stay_without_the_customer() {
    let folder = tempfile::tempdir().unwrap();
    new_key(&folder, "makes the folder");
    let engine = start_engine(&folder).await;
    let (client, database) = (
        engine.client(),
        local_store_config(engine.endpoint_url(), ""),
    );
    seed(&folder, &database, &client).await;
    let mut command = admin(&folder, &[&ERASE_JANE[..], &["--anonymize"]].concat());
    command.env("EVENT_RETENTION_DAYS", "400");
    let erased = said(command);
    assert!(erased.contains("cart events        2\n"), "{erased}");
    let left = events(&client).await;
    let printed = format!("{left:?}");
    assert_eq!(left.len(), 3);
    assert!(
        !printed.contains("jane") && !printed.contains("canary"),
        "{printed}"
    );
    engine.stop().await;
}

#[test]
fn whom_to_erase_is_told_by_the_rules_of_the_route() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (&["--email", "jane@example.com"][..], "--store <STORE>"),
        (
            &["--store", "my-store"],
            "one of --email, --customer and --session is required",
        ),
        (
            &["--store", "my-store", "--email", " "],
            "one of --email, --customer and --session",
        ),
        (
            &[
                "--store",
                "secret.example.com",
                "--email",
                "secret",
                "--session",
                "secret\u{7}",
            ],
            "--store: Must be a Shopify store such as my-store.myshopify.com; --email: Must be an e-mail address; --session: ",
        ),
    ] {
        let (code, complaint) = refusal(admin(&folder, &[&["erase"], arguments].concat()));
        assert_eq!(code, 2, "{complaint}");
        assert!(complaint.contains(expected), "{complaint}");
        assert!(!complaint.contains("secret"), "{complaint}");
    }
    // Nobody is erased in a folder that is not there yet.
    let (code, complaint) = refusal(admin(&folder, &ERASE_JANE));
    assert_eq!(code, 1);
    assert!(
        complaint.contains("there is no data folder .local/"),
        "{complaint}"
    );
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    let mut command = admin(&folder, &ERASE_JANE);
    command.args(["--endpoint-url", "http://127.0.0.1:1"]);
    let (code, complaint) = refusal(command);
    assert_eq!(code, 1);
    assert!(complaint.contains("set HASH_PEPPER"), "{complaint}");
    let mut command = admin(&folder, &["erasures", "replay"]);
    command
        .args(["--endpoint-url", "http://127.0.0.1:1"])
        .env("HASH_PEPPER", PEPPER);
    let (code, complaint) = refusal(command);
    assert_eq!(code, 1);
    assert!(complaint.contains("the replay broke off; "), "{complaint}");

    let help = said(admin(&folder, &["erase", "--help"]));
    assert!(
        help.contains("Ctrl-C") && help.contains("--anonymize"),
        "{help}"
    );
    let help = said(admin(&folder, &["erasures", "replay", "--help"]));
    assert!(help.contains("restored to an earlier time"), "{help}");
}

#[tokio::test]
async fn groups_are_switched_off_and_on() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start_engine(&folder).await;
    let switches = |arguments: &[&str]| said(admin(&folder, &[&["switches"], arguments].concat()));
    let on = "\
cart-tracking   on
session-ingest  on
ask-ai          on
read            on
privacy         on
";
    assert_eq!(switches(&["list"]), on);
    for _ in 0..2 {
        let off = switches(&["off", "ask-ai"]);
        assert!(
            off.starts_with("ask-ai is switched off: its routes answer 503 within"),
            "{off}"
        );
    }
    let store = Store::connect(&local_store_config(engine.endpoint_url(), ""));
    let disabled = store.find_disabled_groups().await.unwrap();
    assert_eq!(disabled, ["ask-ai".to_owned()].into());
    assert_eq!(
        switches(&["list"]),
        on.replace("ask-ai          on", "ask-ai          off")
    );
    for _ in 0..2 {
        assert!(switches(&["on", "ask-ai"]).starts_with("ask-ai is switched on: "));
    }
    assert_eq!(switches(&["list"]), on);

    for wrong in ["service", "everything", ""] {
        let (code, complaint) = refusal(admin(&folder, &["switches", "off", wrong]));
        assert_eq!(code, 2);
        assert!(
            complaint.contains("a route group is cart-tracking"),
            "{complaint}"
        );
    }
    engine.stop().await;
}

#[tokio::test]
async fn a_prefix_holds_for_a_folder_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut with_prefix = admin(&folder, &create("one", "*", "read"));
    with_prefix.env("TABLE_PREFIX", "mine_");
    said(with_prefix);
    let listed = said(admin(&folder, &["keys", "list", "--table-prefix", "mine_"]));
    assert!(listed.contains("one"));
    let engine = start_engine(&folder).await;
    let client = client(&local_store_config(engine.endpoint_url(), ""));
    let keys = client.scan().table_name("mine_api_keys").send().await;
    assert_eq!(keys.unwrap().count, 1);
    engine.stop().await;
}
