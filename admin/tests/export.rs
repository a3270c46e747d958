//! `export`, by the real binary as a person runs it.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::collections::HashMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use calamine::{Data, Reader as _, Xlsx};
use serde_json::Value;
use shoptrail_domain::Timestamp;
use shoptrail_local::testing::{Fault, FaultProxy, TestDb};
use tempfile::TempDir;

const STORE: &str = "my-store.myshopify.com";
/// More than two pages.
const STORED: usize = 1_203;
/// Noon of a day, in milliseconds since 1970. Events follow each other by a minute.
const BEGINNING: i64 = 1_767_268_800_000;
const MINUTE: i64 = 60_000;

/// A database with events, and a folder for files.
struct Place {
    db: TestDb,
    folder: TempDir,
}

impl Place {
    async fn start() -> Self {
        let place = Self {
            db: TestDb::start().await,
            folder: tempfile::tempdir().unwrap(),
        };
        let numbers: Vec<_> = (0..STORED).collect();
        for some in numbers.chunks(25) {
            let puts = some.iter().map(|number| {
                let put = PutRequest::builder().set_item(Some(item(*number))).build();
                WriteRequest::builder().put_request(put.unwrap()).build()
            });
            let client = place.db.client();
            let write = client.batch_write_item();
            let write = write.request_items("cart_tracking_events", puts.collect());
            write.send().await.unwrap();
        }
        place
    }

    /// The binary in an empty environment, on this database.
    fn export(&self, arguments: &[&str]) -> Command {
        self.export_from(self.db.endpoint_url(), arguments)
    }

    fn export_from(&self, endpoint_url: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shoptrail-admin"));
        command
            .args([
                "export",
                "--store",
                "my-store",
                "--endpoint-url",
                endpoint_url,
            ])
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name)).unwrap()
    }

    /// The names of all files.
    fn files(&self) -> Vec<String> {
        names_in(self.folder.path())
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn item(number: usize) -> HashMap<String, AttributeValue> {
    let at = BEGINNING + MINUTE * i64::try_from(number).unwrap();
    let iso = Timestamp::from_millis(at).to_iso();
    let title = match number % 3 {
        0 => "=1+1",
        1 => "Linen shirt, \"white\"\nnew",
        _ => "日本語",
    };
    let id = id(number);
    let product = number.to_string();
    let fields = [
        ("id", id.as_str()),
        ("store_name", STORE),
        ("created_bucket", "2026-01-01#0"),
        (
            "action_type",
            if number.is_multiple_of(2) {
                "add_to_cart"
            } else {
                "buy_now"
            },
        ),
        ("product_id", &product),
        ("product_title", title),
        ("created_at", &iso),
        ("updated_at", &iso),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
    let mut item = HashMap::from(fields);
    let late = AttributeValue::N("4000000000".into());
    item.insert("expires_at".into(), late);
    item
}

fn id(number: usize) -> String {
    let at = BEGINNING + MINUTE * i64::try_from(number).unwrap();
    format!("cart-event-{at}-a3f9k2m")
}

/// The ids of these events.
fn ids(numbers: impl Iterator<Item = usize>) -> Vec<String> {
    numbers.map(id).collect()
}

/// What a command says that works.
fn said(mut command: Command) -> Vec<u8> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let complaint = String::from_utf8(stderr).unwrap();
    // The error output is no terminal, so that no progress is shown on it.
    assert_eq!((status.code(), complaint.as_str()), (Some(0), ""));
    stdout
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

/// The ids and titles of a table's rows, below a header that names the columns.
fn columns(rows: Vec<Vec<String>>) -> (Vec<String>, Vec<String>) {
    let (header, rows) = rows.split_first().unwrap();
    let column = |name: &str| {
        let at = header.iter().position(|column| column == name).unwrap();
        rows.iter().map(|row| row[at].clone()).collect()
    };
    (column("id"), column("productTitle"))
}

fn csv_rows(body: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(body);
    let rows = reader.records().map(Result::unwrap);
    rows.map(|row| row.iter().map(str::to_owned).collect())
        .collect()
}

fn xlsx_rows(body: Vec<u8>) -> Vec<Vec<String>> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(body)).unwrap();
    assert_eq!(workbook.sheet_names(), ["Cart events"]);
    let range = workbook.worksheet_range("Cart events").unwrap();
    let text = |cell: &Data| cell.to_string();
    range
        .rows()
        .map(|row| row.iter().map(text).collect())
        .collect()
}

fn ndjson_columns(body: &[u8]) -> (Vec<String>, Vec<String>) {
    let text = std::str::from_utf8(body).unwrap();
    let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let texts = |record: Value| {
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        (text("id"), text("productTitle"))
    };
    records.map(texts).unzip()
}

fn titles(numbers: impl Iterator<Item = usize>, first: &str) -> Vec<String> {
    let titles = [first, "Linen shirt, \"white\"\nnew", "日本語"];
    numbers
        .map(|number| titles[number % 3].to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_each_format_holds_the_whole_range() {
    let place = Place::start().await;
    for name in ["events.csv", "events.XLSX", "events.ndjson"] {
        let told = said(place.export(&["--output", name]));
        assert_eq!(String::from_utf8(told).unwrap(), "Exported 1203 events\n");
    }
    let newest_first = || (0..STORED).rev();
    let plain = (ids(newest_first()), titles(newest_first(), "=1+1"));
    let defused = (ids(newest_first()), titles(newest_first(), "'=1+1"));
    assert_eq!(columns(csv_rows(&place.file("events.csv"))), defused);
    assert_eq!(columns(xlsx_rows(place.file("events.XLSX"))), plain);
    assert_eq!(ndjson_columns(&place.file("events.ndjson")), plain);
    assert_eq!(
        place.files(),
        ["events.XLSX", "events.csv", "events.ndjson"]
    );

    said(place.export(&["-o", "events", "--format", "NDJSON", "--oldest-first"]));
    assert_eq!(ndjson_columns(&place.file("events")).0, ids(0..STORED));
    said(place.export(&["-o", "no-ending"]));
    assert_eq!(place.file("no-ending"), place.file("events.csv"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_output_gets_the_events_and_nothing_else() {
    let place = Place::start().await;
    said(place.export(&["--output", "events.csv"]));
    assert_eq!(
        said(place.export(&["--output", "-"])),
        place.file("events.csv")
    );
    let workbook = said(place.export(&["--output", "-", "--format", "xlsx"]));
    assert_eq!(xlsx_rows(workbook).len(), STORED + 1);
    assert_eq!(place.files(), ["events.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_options_say_which_events() {
    let place = Place::start().await;
    let exported = |options: &[&str]| {
        let fixed = ["--output", "-", "--format", "ndjson", "--oldest-first"];
        let options: Vec<_> = fixed.iter().chain(options).copied().collect();
        ndjson_columns(&said(place.export(&options))).0
    };
    assert_eq!(exported(&["--product", "17"]), [id(17)]);
    assert_eq!(exported(&["--customer", "7"]), [""; 0]);
    let bought = (0..STORED).filter(|number| number % 2 == 1);
    assert_eq!(exported(&["--action", "buy_now"]), ids(bought));
    // Noon in UTC is 21:00 in Tokyo, where the day ends 180 minutes later.
    let days = ["--end-date", "2026-01-01", "--timezone", "Asia/Tokyo"];
    assert_eq!(exported(&days), ids(0..180));
    let moments = [
        "--start-date",
        "2026-01-01T12:01:00Z",
        "--end-date",
        "2026-01-01T12:02:00Z",
    ];
    assert_eq!(exported(&moments), ids(1..3));
    let mut other = place.export(&["--output", "-"]);
    other.args(["--store", "other"]);
    assert_eq!(refusal(other).0, 2, "an option is given once");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_options_are_told_at_once_and_not_repeated() {
    let place = Place::start().await;
    for (options, told) in [
        (
            &["--format", "canary"][..],
            "--format: Must be csv, xlsx or ndjson",
        ),
        (&["--start-date", "canary"], "--start-date: Must be a day"),
        (
            &["--timezone", "canary"],
            "--timezone: Must be an IANA time zone",
        ),
        (&["--email", "canary"], "--email: Must be an e-mail address"),
        (
            &["--start-date", "2026-02-01", "--end-date", "2026-01-01"],
            "--end-date: Must not lie before --start-date",
        ),
    ] {
        let (code, complaint) = refusal(place.export(&[&["-o", "x.csv"], options].concat()));
        assert_eq!(code, 2, "{complaint}");
        assert!(complaint.contains(told), "{complaint}");
        assert!(!complaint.contains("canary"), "{complaint}");
    }
    let mut blank = Command::new(env!("CARGO_BIN_EXE_shoptrail-admin"));
    blank
        .args(["export", "--store", " ", "-o", "x.csv"])
        .env_clear();
    blank.current_dir(place.folder.path());
    let (code, complaint) = refusal(blank);
    assert!(
        code == 2 && complaint.contains("--store: Field is required"),
        "{complaint}"
    );
    assert_eq!(place.files(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_replaced_when_that_is_wanted_and_only_then() {
    let place = Place::start().await;
    let file = place.folder.path().join("events.csv");
    fs::write(&file, "mine").unwrap();
    let (code, complaint) = refusal(place.export(&["-o", "events.csv"]));
    assert!(code == 1 && complaint.contains("--force"), "{complaint}");
    assert_eq!(place.file("events.csv"), b"mine");
    said(place.export(&["-o", "events.csv", "--force"]));
    assert_eq!(csv_rows(&place.file("events.csv")).len(), STORED + 1);

    fs::create_dir(place.folder.path().join("folder")).unwrap();
    let (code, complaint) = refusal(place.export(&["-o", "folder", "--force"]));
    assert!(code == 1 && complaint.contains("is no file"), "{complaint}");
    let (code, _) = refusal(place.export(&["-o", "missing/events.csv"]));
    assert_eq!(code, 1);
    assert_eq!(place.files(), ["events.csv", "folder"]);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::start().await;
    said(place.export(&["-o", "events.csv"]));
    let metadata = fs::metadata(place.folder.path().join("events.csv")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_to_the_end_is_no_file() {
    let place = Place::start().await;
    fs::write(place.folder.path().join("kept.csv"), "mine").unwrap();
    let update = place
        .db
        .client()
        .update_item()
        .table_name("cart_tracking_events");
    update
        .key("id", AttributeValue::S(id(100)))
        .update_expression("SET product_title = :wrong")
        .expression_attribute_values(":wrong", AttributeValue::Bool(true))
        .send()
        .await
        .unwrap();
    for format in ["csv", "xlsx", "ndjson"] {
        let (code, complaint) =
            refusal(place.export(&["-o", "kept.csv", "--force", "--format", format]));
        assert_eq!(code, 1);
        assert!(complaint.contains("cannot be read"), "{complaint}");
    }
    assert_eq!(
        (place.files(), place.file("kept.csv")),
        (vec!["kept.csv".to_owned()], b"mine".to_vec())
    );
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn whoever_breaks_off_finds_what_was_there() {
    let place = Place::start().await;
    let proxy = FaultProxy::start(place.db.endpoint_url()).await;
    fs::write(place.folder.path().join("kept.csv"), "mine").unwrap();
    for (signal, format) in [("INT", "csv"), ("TERM", "xlsx")] {
        // It waits for an answer that does not come.
        proxy.set(Fault::Hang).await;
        let arguments = ["-o", "kept.csv", "--force", "--format", format];
        let mut command = place.export_from(proxy.endpoint_url(), &arguments);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let began = Instant::now();
        // The file under its other name.
        while place.files().len() < 2 {
            assert!(began.elapsed() < Duration::from_secs(20), "it begins");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let kill = Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let ended = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
        let ended = ended.await.unwrap();
        let complaint = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{complaint}");
        assert!(complaint.contains("broken off"), "{complaint}");
        assert_eq!(
            (place.files(), place.file("kept.csv")),
            (vec!["kept.csv".to_owned()], b"mine".to_vec())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_for_a_while_costs_nothing() {
    let place = Place::start().await;
    let proxy = FaultProxy::start(place.db.endpoint_url()).await;
    proxy.set(Fault::InternalError).await;
    let mut command = place.export_from(proxy.endpoint_url(), &["-o", "events.ndjson"]);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    proxy.set(Fault::Pass).await;
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
    assert!(ended.await.unwrap().success());
    assert_eq!(
        ndjson_columns(&place.file("events.ndjson")).0,
        ids((0..STORED).rev())
    );
}
