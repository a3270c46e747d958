//! A proxy in front of the engine that notes what is asked of the database, and what it costs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request to the database and what it took.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// Such as `Query`.
    pub(crate) operation: String,
    pub(crate) body: Value,
    /// Items that were read in order to answer.
    pub(crate) scanned: u64,
    /// Capacity units.
    pub(crate) units: f64,
}

impl Recorded {
    pub(crate) fn index(&self) -> &str {
        self.body["IndexName"].as_str().unwrap_or("-")
    }
}

/// A proxy on 127.0.0.1.
pub(crate) struct Recorder {
    pub(crate) endpoint_url: String,
    requests: Arc<Mutex<Vec<Recorded>>>,
}

impl Recorder {
    pub(crate) async fn start(endpoint_url: &str) -> Self {
        let engine = endpoint_url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint_url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Recorded>>>::default();
        let noted = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, engine.clone(), Arc::clone(&noted)));
            }
        });
        Self {
            endpoint_url,
            requests,
        }
    }

    /// What was asked since the last call.
    pub(crate) fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

/// Without what was asked once more because the answer took too long, as on a busy machine.
pub(crate) fn distinct(mut requests: Vec<Recorded>) -> Vec<Recorded> {
    let mut seen = HashSet::new();
    requests.retain(|request| seen.insert(request.body.to_string()));
    requests
}

async fn serve(mut client: TcpStream, engine: String, noted: Arc<Mutex<Vec<Recorded>>>) {
    let mut onward = TcpStream::connect(engine).await.unwrap();
    onward.set_nodelay(true).unwrap();
    client.set_nodelay(true).unwrap();
    while let Some((head, body)) = message(&mut client).await {
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        body["ReturnConsumedCapacity"] = json!("TOTAL");
        let asked = body.to_string();
        let lines: Vec<_> = head
            .lines()
            .filter(|line| !line.is_empty() && header(line, "content-length").is_none())
            .collect();
        let head = format!(
            "{}\r\ncontent-length: {}\r\n\r\n",
            lines.join("\r\n"),
            asked.len()
        );
        onward.write_all(head.as_bytes()).await.unwrap();
        onward.write_all(asked.as_bytes()).await.unwrap();
        let Some((answer_head, answer)) = message(&mut onward).await else {
            return;
        };
        let told: Value = serde_json::from_slice(&answer).unwrap();
        let target = head.lines().find_map(|line| header(line, "x-amz-target"));
        let operation = target.unwrap().split('.').next_back().unwrap().to_owned();
        let costs = match &told["ConsumedCapacity"] {
            Value::Array(tables) => tables.clone(),
            one => vec![one.clone()],
        };
        let units = costs
            .iter()
            .filter_map(|cost| cost["CapacityUnits"].as_f64());
        noted.lock().unwrap().push(Recorded {
            operation,
            body,
            scanned: told["ScannedCount"].as_u64().unwrap_or_default(),
            units: units.sum(),
        });
        if client.write_all(answer_head.as_bytes()).await.is_err()
            || client.write_all(&answer).await.is_err()
        {
            return;
        }
    }
}

/// The head and the body of the next message; `None` where the connection ends.
async fn message(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| header(line, "content-length"));
    let length: usize = length
        .expect("every message tells its length")
        .parse()
        .unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

fn header<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = line.split_once(':')?;
    found.eq_ignore_ascii_case(name).then(|| value.trim())
}
