//! The release binaries, and how a function is run and ended.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use shoptrail_local::testing::LambdaHost;
use tokio::process::Command;

use crate::failure::{BenchResult, Failure, io};
use crate::report::progress;
use crate::scratch::Scratch;

/// The function that the others are measured against.
pub(crate) const EMPTY: &str = "empty";
/// The functions.
pub(crate) const FUNCTIONS: [&str; 3] = ["cart-tracking", "session-ingest", "ask-ai"];
/// The local gateway.
pub(crate) const GATEWAY: &str = "shoptrail-local";

/// How long a function under a tool may take to end.
const END_PATIENCE: Duration = Duration::from_secs(20);

/// The folder of the release binaries.
pub(crate) struct Release {
    target: PathBuf,
}

impl Release {
    /// Beside the bench's own binary, of whatever profile that is.
    pub(crate) fn find() -> BenchResult<Self> {
        let own = std::env::current_exe().map_err(io("the bench's own binary"))?;
        let target = own
            .parent()
            .and_then(Path::parent)
            .ok_or_else(|| Failure::NoBinary(own.clone()))?;
        Ok(Self {
            target: target.to_owned(),
        })
    }

    /// Builds all binaries.
    pub(crate) async fn build(&self) -> BenchResult<()> {
        progress("building the release binaries (minutes, when something changed)");
        let mut cargo = Command::new("cargo");
        cargo.args([
            "build",
            "--release",
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"),
            "--target-dir",
        ]);
        cargo.arg(&self.target);
        // Binaries alone, as in `cargo run`: with a library among them cargo would compile every dependency anew,
        // since fat LTO of a binary needs them in another form.
        for name in FUNCTIONS.into_iter().chain([EMPTY, GATEWAY]) {
            cargo.args(["--package", name, "--bin", name]);
        }
        let status = cargo.status().await.map_err(io("cargo"))?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::Build)
        }
    }

    /// The path of a binary.
    pub(crate) fn binary(&self, name: &str) -> BenchResult<PathBuf> {
        let path = self.target.join("release").join(name);
        if path.is_file() {
            Ok(path)
        } else {
            Err(Failure::NoBinary(path))
        }
    }
}

/// Whether a tool is there.
pub(crate) async fn need_tool(tool: &'static str) -> BenchResult<()> {
    let found = Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    found.map(|_| ()).map_err(|_| Failure::NoTool(tool))
}

/// What a function finds as its database.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// At this URL.
    At(String),
    /// In the region, over TLS. Run in a mount namespace in which `/etc/hosts` sends the region's endpoint to
    /// this computer, where nobody listens: nothing leaves it.
    InRegion { hosts: PathBuf },
}

/// The load comes from one client and is for one store, which would be refused after a hundred requests. With the
/// pepper, events are held against who was erased, as they are on AWS; without a holdout, each decision is one by the rules.
pub(crate) const SETTINGS: [(&str, &str); 5] = [
    ("HASH_PEPPER", "a-pepper-for-the-bench"),
    ("HOLDOUT_PERCENT", "0"),
    ("RATE_LIMIT_PER_MINUTE", "0"),
    ("RATE_LIMIT_PER_HOUR", "0"),
    ("STORE_RATE_LIMIT_PER_MINUTE", "0"),
];

impl Database {
    /// A command that runs `program` before this database.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = match self {
            Self::At(_) => Command::new(program),
            Self::InRegion { hosts } => {
                let mut command = Command::new("unshare");
                command.args([
                    "--map-root-user",
                    "--mount",
                    "sh",
                    "-c",
                    r#"mount --bind "$0" /etc/hosts && exec "$@""#,
                ]);
                command.arg(hosts).arg(program);
                command
            }
        };
        command
            .env_remove("AWS_ENDPOINT_URL")
            .env_remove("AWS_ENDPOINT_URL_DYNAMODB");
        if let Self::At(url) = self {
            command.env("AWS_ENDPOINT_URL", url);
        }
        // The cart routes take no unsigned request on AWS by default.
        command.env("PUBLIC_INGEST", "all").envs(SETTINGS);
        command
    }
}

/// A function whose process is known, so that it can be asked to end and looked at.
pub(crate) struct Watched {
    /// The function's Runtime API.
    pub(crate) host: LambdaHost,
    name: &'static str,
    pid_file: PathBuf,
    // Holds the pid's file.
    _folder: Scratch,
}

impl Watched {
    /// Starts `command`, and waits for its first poll.
    pub(crate) async fn start(name: &'static str, command: Command) -> BenchResult<Self> {
        let folder = Scratch::new()?;
        let pid_file = folder.path().join("pid");
        let inner = command.as_std();
        let mut outer = Command::new("sh");
        outer
            .args(["-c", r#"echo $$ >"$0" && exec "$@""#])
            .arg(&pid_file)
            .arg(inner.get_program())
            .args(inner.get_args());
        for (key, value) in inner.get_envs() {
            match value {
                Some(value) => outer.env(key, value),
                None => outer.env_remove(key),
            };
        }
        let host = LambdaHost::start(outer).await;
        host.initialized()
            .await
            .map_err(|source| Failure::Function {
                function: name,
                source,
            })?;
        Ok(Self {
            host,
            name,
            pid_file,
            _folder: folder,
        })
    }

    /// Hands the function an event, and checks the answer's status.
    pub(crate) async fn invoke(&self, event: &Value, expected: u64) -> BenchResult<()> {
        self.answer(event, expected).await.map(|_| ())
    }

    /// The same, for the whole answer.
    pub(crate) async fn answer(&self, event: &Value, expected: u64) -> BenchResult<Value> {
        let answer = self
            .host
            .invoke(event)
            .await
            .map_err(|source| Failure::Function {
                function: self.name,
                source,
            })?;
        let found = answer["statusCode"].as_u64().unwrap_or_default();
        if found == expected {
            Ok(answer)
        } else {
            Err(Failure::Answer {
                function: self.name,
                expected,
                found,
            })
        }
    }

    /// The process's number.
    pub(crate) fn pid(&self) -> BenchResult<u32> {
        let text = std::fs::read_to_string(&self.pid_file).map_err(io("the function's pid"))?;
        text.trim()
            .parse()
            .map_err(|_| Failure::Callgrind("no pid".to_owned()))
    }

    /// Ends the process with SIGTERM, so that a tool around it can write down what it counted.
    pub(crate) async fn end(self) -> BenchResult<()> {
        let pid = self.pid()?;
        Command::new("kill")
            .args(["-TERM", &pid.to_string()])
            .status()
            .await
            .map_err(io("kill"))?;
        let status = PathBuf::from(format!("/proc/{pid}/stat"));
        let gone = async {
            // A zombie has ended, too.
            while std::fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z ")) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // Dropping the host kills what is left.
        let _ = tokio::time::timeout(END_PATIENCE, gone).await;
        Ok(())
    }
}
