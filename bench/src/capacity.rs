//! A way to the database that notes what each request costs, in capacity units, by table and by index.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use shoptrail_local::template::{Index, Projection, Table};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::failure::{BenchResult, io as at};

/// A head longer than this is none of the SDK's or the engine's.
const HEAD_BYTES: usize = 64 * 1024;
/// The operations that read; all others that cost something write.
const READING: [&str; 5] = [
    "BatchGetItem",
    "GetItem",
    "Query",
    "Scan",
    "TransactGetItems",
];

/// Capacity units by place: a table, or `table/index`.
pub(crate) type Units = BTreeMap<String, f64>;

/// What some requests cost together.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    /// Requests; what the SDK sent again is not counted.
    pub(crate) requests: u32,
    /// Those among them that were answered with an error, such as a condition that did not hold. The engine names no
    /// units for these.
    pub(crate) refused: u32,
    /// Units of reading.
    pub(crate) reads: Units,
    /// Units of writing.
    pub(crate) writes: Units,
    /// Items that were written whole, each with its table.
    pub(crate) items: Vec<(String, Value)>,
}

impl Cost {
    /// Adds what one request cost.
    fn add(&mut self, operation: &str, asked: &Value, answer: &Value) {
        self.requests += 1;
        self.refused += u32::from(!answer["__type"].is_null());
        let units = if READING.contains(&operation) {
            &mut self.reads
        } else {
            &mut self.writes
        };
        let costs = match &answer["ConsumedCapacity"] {
            Value::Array(tables) => tables.as_slice(),
            one => std::slice::from_ref(one),
        };
        for cost in costs {
            let Some(table) = cost["TableName"].as_str() else {
                continue;
            };
            let mut note = |place: String, cost: &Value| {
                if let Some(count) = cost["CapacityUnits"].as_f64().filter(|count| *count > 0.0) {
                    *units.entry(place).or_default() += count;
                }
            };
            note(table.to_owned(), &cost["Table"]);
            for (index, cost) in cost["GlobalSecondaryIndexes"]
                .as_object()
                .into_iter()
                .flatten()
            {
                note(format!("{table}/{index}"), cost);
            }
        }
        self.items.extend(written(asked));
    }
}

/// The items that a request writes whole.
fn written(asked: &Value) -> Vec<(String, Value)> {
    let mut items = Vec::new();
    let mut add = |table: &Value, item: &Value| {
        if let (Some(table), true) = (table.as_str(), item.is_object()) {
            items.push((table.to_owned(), item.clone()));
        }
    };
    add(&asked["TableName"], &asked["Item"]);
    for action in asked["TransactItems"].as_array().into_iter().flatten() {
        add(&action["Put"]["TableName"], &action["Put"]["Item"]);
    }
    for (table, writes) in asked["RequestItems"].as_object().into_iter().flatten() {
        for write in writes.as_array().into_iter().flatten() {
            add(&json!(table), &write["PutRequest"]["Item"]);
        }
    }
    items
}

/// The bytes of an item's entry in an index; `None` where it has none.
pub(crate) fn entry_bytes(item: &Value, table: &Table, index: &Index) -> Option<usize> {
    let keys = |key: &shoptrail_local::template::Key| {
        [Some(key.partition.clone()), key.sort.clone()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
    };
    let own = keys(&index.key);
    if own.iter().any(|name| item[name.as_str()].is_null()) {
        return None;
    }
    let included = |name: &String| match &index.projection {
        Projection::All => true,
        Projection::KeysOnly => false,
        Projection::Include(names) => names.contains(name),
    };
    let of_table = keys(&table.key);
    let attributes = item.as_object()?.iter();
    let kept = attributes
        .filter(|(name, _)| included(name) || own.contains(name) || of_table.contains(name));
    Some(
        kept.map(|(name, value)| name.len() + value_bytes(value))
            .sum(),
    )
}

/// The bytes of an item, as DynamoDB counts them.
pub(crate) fn item_bytes(item: &Value) -> usize {
    let attributes = item.as_object().into_iter().flatten();
    attributes
        .map(|(name, value)| name.len() + value_bytes(value))
        .sum()
}

/// The bytes of a typed value. A number takes one for two digits and one more; a list and a map take three, and one for
/// each thing in it.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
fn value_bytes(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|typed| typed.iter().next()) else {
        return 0;
    };
    let text = |value: &Value| value.as_str().map_or(0, str::len);
    let number = |value: &Value| text(value).div_ceil(2) + 1;
    let binary = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        text.trim_end_matches('=').len() * 3 / 4
    };
    let each = |size: &dyn Fn(&Value) -> usize| -> usize {
        value.as_array().into_iter().flatten().map(size).sum()
    };
    match kind.as_str() {
        "S" => text(value),
        "N" => number(value),
        "B" => binary(value),
        "SS" => each(&text),
        "NS" => each(&number),
        "BS" => each(&binary),
        "L" => 3 + each(&|value: &Value| value_bytes(value) + 1),
        "M" => {
            let entries = value.as_object().into_iter().flatten();
            3 + entries
                .map(|(name, value)| name.len() + value_bytes(value) + 1)
                .sum::<usize>()
        }
        _ => 1,
    }
}

/// A proxy on 127.0.0.1; gone when dropped.
pub(crate) struct CapacityProxy {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    cost: Arc<Mutex<Cost>>,
    accepting: JoinHandle<()>,
}

impl CapacityProxy {
    /// A proxy to `http://ADDRESS:PORT`.
    pub(crate) async fn start(endpoint_url: &str) -> BenchResult<Self> {
        let engine = endpoint_url
            .trim_start_matches("http://")
            .trim_end_matches('/');
        let engine = engine.to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(at("a free port"))?;
        let own = listener.local_addr().map_err(at("a free port"))?;
        let cost = Arc::<Mutex<Cost>>::default();
        let noted = Arc::clone(&cost);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (engine, noted) = (engine.clone(), Arc::clone(&noted));
                // What breaks off is the store's, which says so.
                tokio::spawn(async move { pass(stream, &engine, &noted).await });
            }
        });
        Ok(Self {
            url: format!("http://{own}"),
            cost,
            accepting,
        })
    }

    /// What was spent since this was last asked.
    pub(crate) fn take(&self) -> Cost {
        std::mem::take(&mut self.cost.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for CapacityProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(mut client: TcpStream, engine: &str, noted: &Mutex<Cost>) -> io::Result<()> {
    let mut onward = TcpStream::connect(engine).await?;
    onward.set_nodelay(true)?;
    client.set_nodelay(true)?;
    loop {
        let (head, body) = message(&mut client).await?;
        let mut asked: Value = serde_json::from_slice(&body)?;
        asked["ReturnConsumedCapacity"] = json!("INDEXES");
        let body = asked.to_string();
        let kept: Vec<_> = head
            .lines()
            .filter(|line| !line.is_empty() && header(line, "content-length").is_none())
            .collect();
        let length = body.len();
        let sent = format!(
            "{}\r\ncontent-length: {length}\r\n\r\n{body}",
            kept.join("\r\n")
        );
        onward.write_all(sent.as_bytes()).await?;
        let (answer_head, answer) = message(&mut onward).await?;
        let find = |name: &str| head.lines().find_map(|line| header(line, name));
        // A request that is sent once more, since the machine was busy, is none of the operation's.
        if find("amz-sdk-request").is_none_or(|attempt| attempt.contains("attempt=1")) {
            let told = serde_json::from_slice(&answer)?;
            let operation = find("x-amz-target").and_then(|target| target.split('.').next_back());
            noted.lock().unwrap_or_else(PoisonError::into_inner).add(
                operation.unwrap_or_default(),
                &asked,
                &told,
            );
        }
        client.write_all(answer_head.as_bytes()).await?;
        client.write_all(&answer).await?;
    }
}

/// The head and the body of the next message.
pub(crate) async fn message(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).map_err(|_| io::ErrorKind::InvalidData)?;
    let length = head.lines().find_map(|line| header(line, "content-length"));
    let length = length.map_or(Ok(0), str::parse);
    let mut body = vec![0; length.map_err(|_| io::ErrorKind::InvalidData)?];
    stream.read_exact(&mut body).await?;
    Ok((head, body))
}

fn header<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = line.split_once(':')?;
    found.eq_ignore_ascii_case(name).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_as_large_as_dynamodb_counts_it() {
        let item = json!({
            "id": { "S": "cart-event-1" }, "at": { "N": "1795262400" }, "on": { "BOOL": true },
            "b": { "B": "AAECAw==" }, "l": { "L": [{ "S": "ab" }] }, "m": { "M": { "k": { "N": "7" } } },
        });
        // Names and values: 14, 2 + 6, 2 + 1, 1 + 4, 1 + 3 + 3, 1 + 3 + 1 + 2 + 1.
        assert_eq!(item_bytes(&item), 14 + 8 + 3 + 5 + 7 + 8);
    }

    #[test]
    fn what_a_request_costs_is_told_by_table_and_index() {
        let mut cost = Cost::default();
        let asked = json!({ "TransactItems": [
            { "Put": { "TableName": "events", "Item": { "id": { "S": "a" } } } },
            { "ConditionCheck": { "TableName": "events", "Key": { "id": { "S": "b" } } } },
        ] });
        let told = json!({ "ConsumedCapacity": [{
            "TableName": "events", "CapacityUnits": 5.0, "Table": { "CapacityUnits": 4.0 },
            "GlobalSecondaryIndexes": { "idx_a": { "CapacityUnits": 1.0 } },
        }] });
        cost.add("TransactWriteItems", &asked, &told);
        let refused = json!({ "__type": "com.amazonaws#ConditionalCheckFailedException" });
        cost.add("PutItem", &json!({ "TableName": "events" }), &refused);
        assert_eq!((cost.requests, cost.refused, cost.items.len()), (2, 1, 1));
        let writes = [("events".to_owned(), 4.0), ("events/idx_a".to_owned(), 1.0)];
        assert_eq!(cost.writes, writes.into());
        assert!(cost.reads.is_empty());
    }
}
