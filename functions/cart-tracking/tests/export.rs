//! Exporting cart events by HTTP: what independent readers find in each format, how parts follow each other, and what
//! becomes of it when something fails.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot ask or read an answer cannot go on"
)]

use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use calamine::{Data, Reader as _, Xlsx};
use serde_json::{Map, Value, json};
use shoptrail_domain::access::{ApiKey, Scope};
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::{Fault, FaultProxy, TestAnswer, TestDb, TestShop};

const EXPORT: &str = "/api/cart-tracking/export";
const EVENTS: &str = "/api/cart-tracking/events";
const A: &str = "store-a.myshopify.com";
const B: &str = "store-b.myshopify.com";
const FORMATS: [&str; 3] = ["csv", "xlsx", "ndjson"];
/// The contract's columns, in its order.
const COLUMNS: [&str; 21] = [
    "id",
    "storeName",
    "actionType",
    "productId",
    "productTitle",
    "productUrl",
    "variantId",
    "customerId",
    "customerEmail",
    "customerFirstName",
    "customerLastName",
    "generatedImageUrl",
    "personImageUrl",
    "clothingImageUrl",
    "userAgent",
    "ipAddress",
    "sessionId",
    "eventId",
    "occurredAt",
    "createdAt",
    "updatedAt",
];
/// How often something is asked for or stored that a slow engine did not get done in time.
const TRIES: usize = 5;
/// So many events at once are no shopper's.
const NO_LIMITS: [(&str, &str); 4] = [
    ("RATE_LIMIT_PER_MINUTE", "0"),
    ("RATE_LIMIT_PER_HOUR", "0"),
    ("STORE_RATE_LIMIT_PER_MINUTE", "0"),
    ("ADMIN_ORIGINS", "https://admin.example.com"),
];
/// Texts that a shopper can send and that mean something to a spreadsheet, to CSV, to JSON or to XML.
const HOSTILE: [&str; 16] = [
    "=HYPERLINK(\"https://example.com\",\"click\")",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "'=already quoted",
    "a, b; c",
    "\"quoted\" and \"\"",
    "\"",
    "<b>&amp; &lt; ]]></b>",
    "00123",
    "1e5",
    "TRUE",
    "8123456789012345678",
    "2026-01-01",
    "日本語 Ünïcödé 🧥 \u{05d0}\u{05d1}",
    "_x0041_ _x000D_ \\n {}",
];
/// Texts that no shopper can send, since control characters are removed, but that a table may hold.
const STORED: [&str; 5] = [
    "joined 👩\u{200d}🦰 \u{202e}",
    "\ttab first",
    "\rreturn first",
    "line\nbreak, and\r\nanother",
    "back\\slash\t\"x\"",
];

static NEXT_EVENT_ID: AtomicUsize = AtomicUsize::new(0);

/// A shop with a key that reads all stores.
struct Exporter {
    shop: TestShop,
    key: ApiKey,
}

/// An answer of the route.
#[derive(Debug)]
struct Exported {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Exported {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn next(&self) -> Option<String> {
        self.header("x-next-cursor").map(str::to_owned)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Exporter {
    async fn start() -> Self {
        Self::of(TestShop::start(Deployment::Local, &NO_LIMITS).await).await
    }

    async fn of(shop: TestShop) -> Self {
        let key = shop.create_key(&[Scope::Read], &["*"]).await;
        Self { shop, key }
    }

    fn request(&self, path: &str, query: &[(&str, &str)]) -> Request<Body> {
        let mut query_string = url::form_urlencoded::Serializer::new(String::new());
        query_string.extend_pairs(query);
        Request::get(format!("{path}?{}", query_string.finish()))
            .header("x-api-key", self.key.expose())
            .header("origin", "https://admin.example.com")
            .body(Body::empty())
            .unwrap()
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Exported {
        let answer = self.shop.answer(self.request(path, query)).await;
        let (head, body) = answer.into_parts();
        Exported {
            status: head.status.as_u16(),
            headers: head.headers,
            body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
        }
    }

    /// Asks again where the database was too slow, as it may be on a machine that does much else.
    async fn get_patiently(&self, path: &str, query: &[(&str, &str)]) -> Exported {
        for _ in 1..TRIES {
            let answer = self.get(path, query).await;
            if answer.status != 503 {
                return answer;
            }
        }
        self.get(path, query).await
    }

    async fn export(&self, query: &[(&str, &str)]) -> Exported {
        self.get_patiently(EXPORT, query).await
    }

    /// One part, which there is, and the cursor of the next one.
    async fn part(&self, query: &[(&str, &str)], cursor: Option<&str>) -> Exported {
        let cursor = cursor.map(|cursor| ("cursor", cursor));
        let query: Vec<_> = query.iter().copied().chain(cursor).collect();
        let part = self.export(&query).await;
        assert_eq!(part.status, 200, "{:?}", part.headers);
        part
    }

    /// All parts, after one another.
    async fn parts(&self, query: &[(&str, &str)], from: Option<String>) -> Vec<Exported> {
        let (mut parts, mut cursor) = (Vec::new(), from);
        loop {
            let part = self.part(query, cursor.as_deref()).await;
            cursor = part.next();
            parts.push(part);
            if cursor.is_none() {
                return parts;
            }
        }
    }

    /// What `/events` gives, page after page.
    async fn events(&self, query: &[(&str, &str)]) -> Vec<Value> {
        let (mut events, mut cursor) = (Vec::new(), String::new());
        loop {
            let query: Vec<_> = query
                .iter()
                .copied()
                .filter(|(name, _)| *name != "format")
                .chain([("limit", "100"), ("cursor", &cursor)])
                .collect();
            let page = self.get_patiently(EVENTS, &query).await.json();
            events.extend(page["data"]["records"].as_array().unwrap().clone());
            match page["data"]["nextCursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => return events,
            }
        }
    }

    /// Stores the events, each once however often it has to be tried.
    async fn track(&self, mut events: Vec<Value>) {
        for event in &mut events {
            if event["eventId"].is_null() {
                let number = NEXT_EVENT_ID.fetch_add(1, Ordering::Relaxed);
                event["eventId"] = format!("event-{number:08}").into();
            }
        }
        for _ in 0..TRIES {
            let body = json!({ "events": events });
            let answer: TestAnswer = self.shop.post("/api/cart-tracking/batch", &body).await;
            let results = answer.json["data"]["results"].as_array();
            let results = results.unwrap_or_else(|| unexpected(&format!("{answer:?}")));
            let is_left = |result: &&Value| result["status"] == "retry";
            let left = results.iter().filter(is_left).map(|result| {
                let index = result["index"].as_u64().unwrap();
                events[usize::try_from(index).unwrap()].clone()
            });
            events = left.collect();
            self.shop.pass_seconds(1);
            if events.is_empty() {
                return;
            }
        }
        unexpected("the events are not stored");
    }

    /// Events that say little.
    async fn track_small(&self, store: &str, count: usize) {
        let numbers: Vec<_> = (0..count).collect();
        for some in numbers.chunks(100) {
            let event = |number: &usize| json!({ "storeName": store, "productId": number });
            self.track(some.iter().map(event).collect()).await;
        }
    }

    /// Events that are as large as they may be, and of which little can be compressed away.
    async fn track_large(&self, count: usize) {
        let mut noise = Noise(1);
        let numbers: Vec<_> = (0..count).collect();
        for some in numbers.chunks(14) {
            let mut url = || format!("https://example.com/{}", noise.text(4_096 - 20));
            let events = some.iter().map(|number| {
                json!({
                    "storeName": A, "productId": number, "productTitle": "\"".repeat(500), "productUrl": url(),
                    "generatedImageUrl": url(), "personImageUrl": url(), "clothingImageUrl": url(),
                })
            });
            self.track(events.collect()).await;
        }
    }
}

/// Characters that look random, the same ones in every run.
struct Noise(u64);

impl Noise {
    fn text(&mut self, length: usize) -> String {
        let characters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789&_";
        let mut draw = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            char::from(characters[usize::try_from(self.0 % 64).unwrap()])
        };
        (0..length).map(|_| draw()).collect()
    }
}

/// The records of a part, as the format's reader finds them. What is empty in a table is `null`.
fn read(format: &str, part: &Exported, is_first: bool) -> Vec<Value> {
    match format {
        "csv" => read_csv(&part.body, is_first),
        "xlsx" => read_xlsx(&part.body),
        _ => read_ndjson(&part.body),
    }
}

fn record<'a>(cells: impl Iterator<Item = &'a str>) -> Value {
    let cell = |text: &str| match text {
        "" => Value::Null,
        text => text.into(),
    };
    let fields = COLUMNS.map(str::to_owned).into_iter().zip(cells.map(cell));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn read_csv(body: &[u8], has_header: bool) -> Vec<Value> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(has_header)
        .from_reader(body);
    if has_header {
        assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
    }
    let rows = reader.records().map(Result::unwrap);
    rows.map(|row| {
        assert_eq!(row.len(), COLUMNS.len());
        record(row.iter())
    })
    .collect()
}

fn read_xlsx(body: &[u8]) -> Vec<Value> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(body)).unwrap();
    assert_eq!(workbook.sheet_names(), ["Cart events"]);
    let formulas = workbook.worksheet_formula("Cart events").unwrap();
    assert_eq!(formulas.used_cells().count(), 0, "formulas");
    let range = workbook.worksheet_range("Cart events").unwrap();
    assert_eq!(range.start(), Some((0, 0)));
    let mut rows = range.rows().map(|row| {
        let cells = row.iter().map(|cell| match cell {
            Data::String(text) => text.as_str(),
            Data::Empty => "",
            other => unexpected(&format!("a cell that is no text: {other:?}")),
        });
        cells.collect::<Vec<_>>()
    });
    assert_eq!(rows.next().unwrap(), COLUMNS);
    rows.map(|row| record(row.into_iter())).collect()
}

fn read_ndjson(body: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(body).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let lines = text.lines();
    lines
        .map(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            assert_eq!(record.as_object().unwrap().len(), COLUMNS.len());
            record
        })
        .collect()
}

#[expect(clippy::panic, reason = "what must not be ends the test")]
fn unexpected(what: &str) -> ! {
    panic!("{what}")
}

/// A record as the format shows it.
fn shown(format: &str, record: &Value) -> Value {
    let mut record = record.clone();
    for (_, value) in record.as_object_mut().unwrap() {
        if let Some(text) = value.as_str()
            && format == "csv"
            && ["=", "+", "-", "@", "\t", "\r"]
                .iter()
                .any(|beginning| text.starts_with(beginning))
        {
            *value = format!("'{text}").into();
        }
    }
    record
}

fn all_shown(format: &str, records: &[Value]) -> Vec<Value> {
    let records = records.iter().map(|record| shown(format, record));
    records.collect()
}

fn read_all(format: &str, parts: &[Exported]) -> Vec<Value> {
    let parts = parts.iter().enumerate();
    let read = parts.flat_map(|(number, part)| read(format, part, number == 0));
    read.collect()
}

/// Events whose every text is hostile, also such as only the table holds.
async fn store_hostile(exporter: &Exporter) {
    let events = HOSTILE.iter().enumerate().map(|(number, text)| {
        json!({
            "storeName": if number.is_multiple_of(3) { B } else { A }, "productTitle": text, "customerFirstName": text,
            "customerLastName": format!("x{text}"), "userAgent": text, "eventId": format!("-hostile-{number}"),
            "productId": number, "actionType": if number.is_multiple_of(2) { "buy_now" } else { "add_to_cart" },
            "customerEmail": "+jane@example.com",
        })
    });
    exporter.track(events.collect()).await;
    let client = exporter.shop.db().client();
    let items = exporter.shop.db().items("cart_tracking_events").await;
    let is_event = |item: &&_| -> bool {
        let item: &std::collections::HashMap<String, AttributeValue> = item;
        item.contains_key("product_title")
    };
    for (item, text) in items.iter().filter(is_event).zip(STORED) {
        let mut item = item.clone();
        let id = format!("{}-stored", item["id"].as_s().unwrap());
        item.insert("id".into(), AttributeValue::S(id));
        for attribute in ["product_title", "customer_first_name"] {
            item.insert(attribute.into(), AttributeValue::S(text.into()));
        }
        let put = client.put_item().table_name("cart_tracking_events");
        put.set_item(Some(item)).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_read_back_is_what_events_lists() {
    let exporter = Exporter::start().await;
    store_hostile(&exporter).await;
    let queries: [&[(&str, &str)]; 5] = [
        &[("startDate", "2026-11-20")],
        &[("storeName", A)],
        &[("storeName", "store-b"), ("orderDirection", "asc")],
        &[
            ("actionType", "buy_now"),
            ("storeName", A),
            ("endDate", "2026-12-01"),
            ("timezone", "Asia/Tokyo"),
        ],
        &[("customerEmail", "+Jane@example.com"), ("productId", "6")],
    ];
    for query in queries {
        let expected = exporter.events(query).await;
        assert!(!expected.is_empty());
        for format in FORMATS {
            let query: Vec<_> = query.iter().copied().chain([("format", format)]).collect();
            let parts = exporter.parts(&query, None).await;
            assert_eq!(parts.len(), 1);
            let found = read(format, &parts[0], true);
            assert_eq!(found, all_shown(format, &expected), "{query:?}");
        }
    }
    let whole = exporter.events(queries[0]).await;
    let titles: Vec<_> = whole
        .iter()
        .map(|event| event["productTitle"].as_str())
        .collect();
    for text in STORED.iter().chain(&HOSTILE) {
        assert!(titles.contains(&Some(text)), "{text:?} is among them");
    }
    assert_eq!(whole.len(), STORED.len() + HOSTILE.len());
}

#[tokio::test]
async fn no_cell_of_a_csv_is_a_formula_and_its_lines_are_rfc_4180s() {
    let exporter = Exporter::start().await;
    store_hostile(&exporter).await;
    let part = exporter.export(&[("startDate", "2026-11-20")]).await;
    let text = String::from_utf8(part.body).unwrap();
    assert!(
        text.starts_with(&format!("{}\r\n", COLUMNS.join(","))),
        "{text}"
    );
    assert!(text.ends_with("\r\n"));
    for raw in [
        ",\"'=HYPERLINK(\"\"https://example.com\"\",\"\"click\"\")\",",
        ",'+1+1,",
        ",'-2+3,",
        ",'@SUM(A1),",
        ",'+jane@example.com,",
        ",'-hostile-0,",
        ",'\ttab first,",
        ",\"'\rreturn first\",",
        ",\"line\nbreak, and\r\nanother\",",
        ",\"a, b; c\",",
        ",\"\"\"\",",
        ",'=already quoted,",
        ",00123,",
    ] {
        assert!(text.contains(raw), "{raw:?} in {text}");
    }
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    for cell in reader.records().flat_map(|row| {
        let row = row.unwrap();
        row.iter().map(str::to_owned).collect::<Vec<_>>()
    }) {
        assert!(
            !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
            "{cell:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_says_what_it_is_and_what_its_file_is_called() {
    let exporter = Exporter::start().await;
    let types = [
        "text/csv; charset=utf-8; header=present",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/x-ndjson; charset=utf-8",
    ];
    for (format, media_type) in FORMATS.into_iter().zip(types) {
        let query = [
            ("storeName", " My-Store "),
            ("startDate", "2026-01-01"),
            ("endDate", "2026-01-31T23:00:00Z"),
            ("format", &format.to_uppercase()),
        ];
        let part = exporter.export(&query).await;
        assert_eq!(part.status, 200);
        assert_eq!(part.header("content-type"), Some(media_type));
        let disposition = format!(
            "attachment; filename=\"cart-events-my-store-2026-01-01-to-2026-01-31.{format}\""
        );
        assert_eq!(part.header("content-disposition"), Some(&*disposition));
        assert_eq!(part.header("cache-control"), Some("no-store"));
        assert_eq!(part.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(part.header("x-next-cursor"), None);
        let origin = part.header("access-control-allow-origin");
        assert_eq!(origin, Some("https://admin.example.com"));
        let exposed = part.header("access-control-expose-headers").unwrap();
        assert!(
            exposed.split(", ").any(|name| name == "X-Next-Cursor"),
            "{exposed}"
        );
    }
}

#[tokio::test]
async fn of_no_events_there_is_the_header_alone() {
    let exporter = Exporter::start().await;
    let query = |format| [("storeName", A), ("format", format)];
    let csv = exporter.export(&query("csv")).await;
    assert_eq!(
        String::from_utf8(csv.body).unwrap(),
        format!("{}\r\n", COLUMNS.join(","))
    );
    let ndjson = exporter.export(&query("ndjson")).await;
    assert_eq!((ndjson.status, ndjson.body.as_slice()), (200, &b""[..]));
    let xlsx = exporter.export(&query("xlsx")).await;
    assert_eq!(read_xlsx(&xlsx.body), [] as [Value; 0]);
    for part in [csv.headers, ndjson.headers, xlsx.headers] {
        assert!(!part.contains_key("x-next-cursor"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_keep_their_bound_and_make_up_the_whole_also_while_events_are_added() {
    let exporter = Exporter::start().await;
    exporter.track_large(330).await;
    // The oldest first.
    let mut stored = exporter
        .events(&[("storeName", A), ("orderDirection", "ASC")])
        .await;
    assert_eq!(stored.len(), 330);
    for (format, most, direction) in [
        ("csv", 5_000_000, "DESC"),
        ("csv", 5_000_000, "ASC"),
        ("ndjson", 4_000_000, "ASC"),
        ("xlsx", 4_000_000, "DESC"),
    ] {
        let query = [
            ("storeName", A),
            ("format", format),
            ("orderDirection", direction),
        ];
        let first = exporter.part(&query, None).await;
        let cursor = first.next().unwrap();
        let mut expected: Vec<_> = stored.iter().rev().cloned().collect();
        // What is stored meanwhile is newer than all that was there.
        let since = exporter.shop.now().to_iso();
        exporter.track_small(A, 3).await;
        let added = [query[0], ("startDate", &since), ("orderDirection", "ASC")];
        stored.extend(exporter.events(&added).await);
        if direction == "ASC" {
            expected.clone_from(&stored);
        }
        let mut parts = vec![first];
        parts.extend(exporter.parts(&query, Some(cursor)).await);
        let found = read_all(format, &parts);
        let ids = |records: &[Value]| -> Vec<String> {
            let ids = records.iter().map(|record| record["id"].to_string());
            ids.collect()
        };
        assert_eq!(ids(&found), ids(&expected), "{format} {direction}");
        assert!(
            found == all_shown(format, &expected),
            "{format} {direction}"
        );

        for (number, part) in (1..).zip(&parts) {
            // As Lambda writes it: the answer to an invocation may have 6 MB.
            let written = match format {
                "csv" => serde_json::to_string(std::str::from_utf8(&part.body).unwrap())
                    .unwrap()
                    .len(),
                _ => part.body.len().div_ceil(3) * 4,
            };
            assert!(
                part.body.len() <= most && written <= 6_000_000,
                "{format} {number}: {written}"
            );
            let ending = match number {
                1 => format!("cart-events-store-a.{format}\""),
                _ => format!("cart-events-store-a-part-{number}.{format}\""),
            };
            let disposition = part.header("content-disposition").unwrap();
            assert!(disposition.ends_with(&ending), "{disposition}");
        }
        if format == "csv" {
            let header = |part: &Exported| part.header("content-type").unwrap().to_owned();
            assert!(header(&parts[0]).ends_with("header=present"));
            assert!(header(&parts[1]).ends_with("header=absent"));
            let whole: Vec<u8> = parts.iter().flat_map(|part| part.body.clone()).collect();
            assert_eq!(
                read_csv(&whole, true).len(),
                expected.len(),
                "parts can be appended to each other"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_where_it_was_cut_off() {
    let exporter = Exporter::start().await;
    exporter.track_large(320).await;
    let query = [("storeName", A)];
    let expected = exporter.events(&query).await;
    let first = exporter.part(&query, None).await;
    let cursor = first.next().unwrap();
    for patience in [0, 5, 20, 80] {
        let request = exporter.request(EXPORT, &[("storeName", A), ("cursor", &cursor)]);
        // Whether it was answered by then or not, nobody reads it.
        let _ = tokio::time::timeout(
            Duration::from_millis(patience),
            exporter.shop.answer(request),
        )
        .await;
    }
    let mut parts = vec![first];
    parts.extend(exporter.parts(&query, Some(cursor)).await);
    let found = read_all("csv", &parts);
    assert!(found == all_shown("csv", &expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_of_its_own_query_order_and_format_alone() {
    let exporter = Exporter::start().await;
    exporter.track_large(310).await;
    let first = exporter.part(&[("storeName", A)], None).await;
    let cursor = first.next().unwrap();
    let of_events = exporter
        .get_patiently(EVENTS, &[("storeName", A), ("limit", "1")])
        .await
        .json();
    let of_events = of_events["data"]["nextCursor"].as_str().unwrap();

    let same = [
        ("storeName", "store-a"),
        ("format", "CSV"),
        ("orderDirection", "desc"),
        ("cursor", &cursor),
    ];
    assert_eq!(exporter.export(&same).await.status, 200);
    let changed = format!("{}x", &cursor[..cursor.len() - 1]);
    let others: [&[(&str, &str)]; 9] = [
        &[("cursor", &cursor)],
        &[("storeName", B), ("cursor", &cursor)],
        &[("storeName", A), ("format", "ndjson"), ("cursor", &cursor)],
        &[("storeName", A), ("format", "xlsx"), ("cursor", &cursor)],
        &[
            ("storeName", A),
            ("orderDirection", "ASC"),
            ("cursor", &cursor),
        ],
        &[
            ("storeName", A),
            ("startDate", "2026-01-01"),
            ("cursor", &cursor),
        ],
        &[("storeName", A), ("cursor", of_events)],
        &[("storeName", A), ("cursor", &changed)],
        &[("storeName", A), ("cursor", "x")],
    ];
    for query in others {
        let refused = exporter.export(query).await;
        assert_eq!(refused.status, 400, "{query:?}");
        assert_eq!(refused.json()["details"]["field"], "cursor", "{query:?}");
    }
    let refused = exporter.shop.answer(exporter.request(EVENTS, &same)).await;
    assert_eq!(
        refused.status(),
        400,
        "nor does the cursor of an export go on in a list"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_slow_database_ends_in_time_and_the_next_one_goes_on() {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let shop = TestShop::start_at(db, proxy.endpoint_url(), Deployment::Local, &NO_LIMITS);
    let exporter = Exporter::of(shop).await;
    exporter.track_small(A, 10_000).await;
    let query = [("storeName", A), ("format", "ndjson")];
    proxy.set(Fault::Slow).await;
    let began = Instant::now();
    let first = exporter.get(EXPORT, &query).await;
    let elapsed = began.elapsed();
    assert_eq!(first.status, 200);
    // A page may take 2.5 s, and none is begun after 5 s; a Lambda is ended after 10 s.
    assert!(elapsed < Duration::from_secs(8), "{elapsed:?}");
    let cursor = first.next().unwrap();
    proxy.set(Fault::Pass).await;
    let mut parts = vec![first];
    assert!((250..10_000).contains(&read_ndjson(&parts[0].body).len()));
    parts.extend(exporter.parts(&query, Some(cursor)).await);
    assert_eq!(read_all("ndjson", &parts).len(), 10_000);
}

#[tokio::test]
async fn a_key_exports_its_own_stores_alone() {
    let mut exporter = Exporter::start().await;
    exporter.track_small(A, 3).await;
    exporter.track_small(B, 2).await;
    exporter.key = exporter.shop.create_key(&[Scope::Read], &[B]).await;
    let own = exporter.export(&[("format", "ndjson")]).await;
    let stores: Vec<_> = read_ndjson(&own.body)
        .iter()
        .map(|event| event["storeName"].clone())
        .collect();
    assert_eq!(stores, [B, B]);
    assert_eq!(exporter.export(&[("storeName", A)]).await.status, 403);
    exporter.key = exporter
        .shop
        .create_key(&[Scope::Write, Scope::Erase], &["*"])
        .await;
    assert_eq!(exporter.export(&[("storeName", A)]).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_the_database_failed_is_not_lost() {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let shop = TestShop::start_at(db, proxy.endpoint_url(), Deployment::Local, &NO_LIMITS);
    let exporter = Exporter::of(shop).await;
    exporter.track_small(A, 2_000).await;
    let query = [("storeName", A), ("format", "ndjson")];
    let expected = exporter.events(&query).await;

    proxy.set(Fault::Refuse).await;
    assert_eq!(exporter.get(EXPORT, &query).await.status, 503);
    proxy.set(Fault::Pass).await;

    let mut cut_off = 0;
    // Where in the part the database fails differs from run to run; what is asserted does not.
    for patience in (10..).step_by(20).take(60) {
        let fail = async {
            tokio::time::sleep(Duration::from_millis(patience)).await;
            proxy.set(Fault::Refuse).await;
        };
        let (part, ()) = tokio::join!(exporter.get(EXPORT, &query), fail);
        proxy.set(Fault::Pass).await;
        if part.status == 503 {
            assert!(!part.headers.contains_key("x-next-cursor"));
            continue;
        }
        assert_eq!(part.status, 200);
        let next = part.next();
        let mut parts = vec![part];
        if let Some(cursor) = next {
            cut_off += 1;
            assert!(read_ndjson(&parts[0].body).len() < expected.len());
            parts.extend(exporter.parts(&query, Some(cursor)).await);
        }
        assert!(
            read_all("ndjson", &parts) == expected,
            "after {patience} ms"
        );
        if cut_off == 2 {
            return;
        }
    }
    unexpected("no part was cut off");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_ends_a_part_before_it() {
    let exporter = Exporter::start().await;
    exporter.track_small(A, 600).await;
    let query = [("storeName", A), ("orderDirection", "ASC")];
    let expected = exporter.events(&query).await;
    let id = expected[550]["id"].as_str().unwrap();
    let update = exporter.shop.db().client().update_item();
    update
        .table_name("cart_tracking_events")
        .key("id", AttributeValue::S(id.into()))
        .update_expression("SET product_title = :wrong")
        .expression_attribute_values(":wrong", AttributeValue::Bool(true))
        .send()
        .await
        .unwrap();
    let mut found = Vec::new();
    let mut cursor = String::new();
    let failed = loop {
        let part = exporter
            .export(&[query[0], query[1], ("cursor", &cursor)])
            .await;
        if part.status != 200 {
            break part;
        }
        found.extend(read_csv(&part.body, cursor.is_empty()));
        cursor = part.next().unwrap();
    };
    assert_eq!(found, expected[..500], "whole pages");
    let told = (failed.status, &failed.json()["code"]);
    assert_eq!(told, (500, &"DATABASE_ERROR".into()));
}
