//! A local gateway of the bench's own: a free port, a fresh folder.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::bootstrap::{GATEWAY, Release, SETTINGS};
use crate::failure::{BenchResult, Failure, io};
use crate::scratch::Scratch;

/// How long it may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running gateway. Killed when dropped.
pub(crate) struct Gateway {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    child: Child,
    // Kept open: the gateway may still want to say something.
    _output: Lines<BufReader<ChildStdout>>,
    // Its data, and its working folder, in which no `.env` lies.
    _folder: Scratch,
}

impl Gateway {
    /// Starts one, with its data on the disk.
    pub(crate) async fn start(release: &Release) -> BenchResult<Self> {
        let folder = Scratch::new()?;
        let mut child = Command::new(release.binary(GATEWAY)?)
            .args(["--port", "0", "--host", "127.0.0.1", "--data"])
            .arg(folder.path().join("data"))
            .current_dir(folder.path())
            .env_remove("GROQ_API_KEY")
            .envs(SETTINGS)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // It writes a line for each request, as it does in earnest; nobody reads them.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(io("the gateway"))?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| Failure::Gateway("no output".to_owned()))?;
        let mut output = BufReader::new(stdout).lines();
        let find_url = async {
            while let Ok(Some(line)) = output.next_line().await {
                if let Some((_, url)) = line.split_once(" serves ") {
                    return Some(url.trim().to_owned());
                }
            }
            None
        };
        let url = tokio::time::timeout(PATIENCE, find_url)
            .await
            .unwrap_or_default();
        let url = url.ok_or_else(|| Failure::Gateway("it names no address".to_owned()))?;
        Ok(Self {
            url,
            child,
            _output: output,
            _folder: folder,
        })
    }

    /// Stops it and removes its data.
    pub(crate) async fn stop(mut self) -> BenchResult<()> {
        if let Some(pid) = self.child.id() {
            Command::new("kill")
                .args(["-TERM", &pid.to_string()])
                .status()
                .await
                .map_err(io("kill"))?;
        }
        // What does not stop is killed when dropped.
        let _ = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        Ok(())
    }
}
