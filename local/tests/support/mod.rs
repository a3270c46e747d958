//! The real binary, started and stopped as a person would.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test binary takes what it needs of it"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use shoptrail_local::testing::audit::assert_log_is_impersonal;

/// The binary in an empty environment and in `folder`, so that no setting of the developer's gets in; without limits,
/// since a test is one client.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoptrail-local"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("RATE_LIMIT_PER_MINUTE", "0")
        .env("RATE_LIMIT_PER_HOUR", "0")
        .stdin(Stdio::null());
    command
}

/// Sends an event of this product, and gives the id that it was answered with, if it was.
pub(crate) async fn track(url: &str, product: &str) -> Option<String> {
    let request = reqwest::Client::new()
        .post(format!("{url}/api/cart-tracking/track"))
        .json(&json!({ "storeName": "demo.myshopify.com", "productId": product }));
    let answer = request.send().await.ok()?;
    if answer.status() != 200 {
        return None;
    }
    let answer: Value = answer.json().await.ok()?;
    answer["data"]["id"].as_str().map(str::to_owned)
}

/// Kills the gateway while events are sent to it, and gives the ids of those that it had answered.
pub(crate) async fn killed_under_load(gateway: Gateway) -> Vec<String> {
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let url = gateway.url.clone();
            tokio::spawn(async move {
                let mut ids = Vec::new();
                while let Some(id) = track(&url, &format!("{sender}-{}", ids.len())).await {
                    ids.push(id);
                }
                ids
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    gateway.signal("-KILL");
    let mut answered = Vec::new();
    for sender in senders {
        answered.extend(sender.await.unwrap());
    }
    assert!(answered.len() > 8, "there was load: {}", answered.len());
    assert!(!gateway.ended().success());
    answered
}

/// The running binary; ended when dropped.
pub(crate) struct Gateway {
    pub(crate) child: Child,
    output: BufReader<ChildStdout>,
    pub(crate) url: String,
    pub(crate) welcome: String,
    log: Option<tempfile::NamedTempFile>,
}

impl Gateway {
    /// Starts the binary on a free port and waits until it says what it serves. Its log is searched for what is
    /// personal when it ends.
    pub(crate) fn start(mut command: Command) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        command.stderr(Stdio::from(log.reopen().unwrap()));
        let mut gateway = Self::start_logging(command);
        gateway.log = Some(log);
        gateway
    }

    /// The same, with the log going where the command says.
    pub(crate) fn start_logging(mut command: Command) -> Self {
        let mut child = command
            .args(["--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut welcome = String::new();
        while !welcome.contains("Ctrl-C") {
            assert!(
                output.read_line(&mut welcome).unwrap() > 0,
                "it started: {welcome}"
            );
        }
        let url = welcome
            .lines()
            .next()
            .unwrap()
            .split_once("serves ")
            .unwrap()
            .1
            .to_owned();
        Self {
            child,
            output,
            url,
            welcome,
            log: None,
        }
    }

    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for the end after a signal.
    pub(crate) fn ended(mut self) -> std::process::ExitStatus {
        // A full pipe must not hold it.
        self.output.read_to_string(&mut String::new()).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let (Some(log), false) = (&self.log, std::thread::panicking()) {
            assert_log_is_impersonal(&std::fs::read_to_string(log.path()).unwrap());
        }
    }
}
