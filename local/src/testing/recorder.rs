//! A proxy that notes what is asked of a service of AWS's, and what it costs where that is the database.
#![expect(
    clippy::expect_used,
    reason = "a test without its recorder cannot go on"
)]

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::engine::listen_on_loopback;

/// What DynamoDB's operations are named under in a request's head.
const DYNAMODB: &str = "DynamoDB_20120810";

/// A request and what it took.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// What the operation belongs to, such as `DynamoDB_20120810`.
    pub service: String,
    /// Such as `Query`.
    pub operation: String,
    /// What was asked.
    pub body: Value,
    /// Items that were read in order to answer.
    pub scanned: u64,
    /// Capacity units.
    pub units: f64,
}

impl Recorded {
    /// The index that was asked; `-` where it was the table.
    #[must_use]
    pub fn index(&self) -> &str {
        self.body["IndexName"].as_str().unwrap_or("-")
    }
}

/// A proxy on 127.0.0.1. Gone when dropped.
#[derive(Debug)]
pub struct Recorder {
    endpoint_url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    requests: Mutex<Vec<Recorded>>,
    withholds_items: AtomicBool,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Recorder {
    /// Starts a proxy to `endpoint_url` (`http://HOST:PORT`), which speaks AWS's JSON protocol.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub async fn start(endpoint_url: &str) -> Self {
        let onward = endpoint_url.trim_start_matches("http://").to_owned();
        let listener = listen_on_loopback(0).expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::<Shared>::default();
        let accepting = tokio::spawn(accept(listener, onward, Arc::clone(&shared)));
        Self {
            endpoint_url: format!("http://{address}"),
            shared,
            accepting,
        }
    }

    /// `http://127.0.0.1:PORT`, for the code under test.
    #[must_use]
    pub fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    /// What was asked since the last call.
    pub fn take(&self) -> Vec<Recorded> {
        // Nothing is left half done under this lock.
        let requests = self.shared.requests.lock();
        std::mem::take(&mut requests.unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a transaction that is refused from now on is told without the items that stood in its way: not every
    /// engine sends them along.
    pub fn withhold_items(&self, withholds: bool) {
        self.shared
            .withholds_items
            .store(withholds, Ordering::SeqCst);
    }
}

/// Without what was asked once more because the answer took too long, as on a busy machine.
#[must_use]
pub fn distinct(mut requests: Vec<Recorded>) -> Vec<Recorded> {
    let mut seen = HashSet::new();
    requests.retain(|request| seen.insert(request.body.to_string()));
    requests
}

async fn accept(listener: TcpListener, onward: String, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (onward, shared) = (onward.clone(), Arc::clone(&shared));
        // What breaks off is the code's under test, which says so.
        tokio::spawn(async move { serve(stream, &onward, &shared).await });
    }
}

async fn serve(mut client: TcpStream, onward: &str, shared: &Shared) -> io::Result<()> {
    let mut onward = TcpStream::connect(onward).await?;
    onward.set_nodelay(true)?;
    client.set_nodelay(true)?;
    loop {
        let (head, body) = message(&mut client).await?;
        let mut body: Value = serde_json::from_slice(&body).expect("a request is JSON");
        let target = head.lines().find_map(|line| header(line, "x-amz-target"));
        let target = target.and_then(|target| target.split_once('.'));
        let (service, operation) = target.expect("every request names its operation");
        if service == DYNAMODB {
            body["ReturnConsumedCapacity"] = json!("TOTAL");
        }
        if shared.withholds_items.load(Ordering::SeqCst) {
            forgo_items(&mut body);
        }
        let asked = body.to_string();
        let lines: Vec<_> = head
            .lines()
            .filter(|line| !line.is_empty() && header(line, "content-length").is_none())
            .collect();
        let lines = lines.join("\r\n");
        let onward_head = format!("{lines}\r\ncontent-length: {}\r\n\r\n", asked.len());
        onward.write_all(onward_head.as_bytes()).await?;
        onward.write_all(asked.as_bytes()).await?;
        let (answer_head, answer) = message(&mut onward).await?;
        let told: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let costs = match &told["ConsumedCapacity"] {
            Value::Array(tables) => tables.as_slice(),
            one => std::slice::from_ref(one),
        };
        let units = costs
            .iter()
            .filter_map(|cost| cost["CapacityUnits"].as_f64());
        let request = Recorded {
            service: service.to_owned(),
            operation: operation.to_owned(),
            scanned: told["ScannedCount"].as_u64().unwrap_or_default(),
            units: units.sum(),
            body,
        };
        let requests = shared.requests.lock();
        requests
            .unwrap_or_else(PoisonError::into_inner)
            .push(request);
        client.write_all(answer_head.as_bytes()).await?;
        client.write_all(&answer).await?;
    }
}

/// Takes the wish out of a transaction to be told which items stood in its way.
fn forgo_items(body: &mut Value) {
    let actions = body["TransactItems"].as_array_mut().into_iter().flatten();
    for action in actions.flat_map(|item| item.as_object_mut().into_iter().flatten()) {
        if let Some(action) = action.1.as_object_mut() {
            action.remove("ReturnValuesOnConditionCheckFailure");
        }
    }
}

/// The head and the body of the next message; an error where the connection ends.
async fn message(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?;
    let length = head.lines().find_map(|line| header(line, "content-length"));
    let length = length.expect("every message tells its length");
    let length: usize = length.parse().map_err(io::Error::other)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((head, body))
}

fn header<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = line.split_once(':')?;
    found.eq_ignore_ascii_case(name).then(|| value.trim())
}
