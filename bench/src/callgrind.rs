//! Instructions, counted by `valgrind --tool=callgrind`: the same from run to run, whatever else the machine does.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::bootstrap::{Database, Watched};
use crate::failure::{BenchResult, Failure};
use crate::scratch::Scratch;

/// How long the function may take, after its last answer, to poll again and to come to rest.
const REST: Duration = Duration::from_millis(1_500);

/// A function under callgrind.
pub(crate) struct Subject<'a> {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its release binary.
    pub(crate) binary: &'a Path,
    /// What it finds as its database.
    pub(crate) database: &'a Database,
}

impl Subject<'_> {
    /// Instructions from the start of the process until it has polled for an event: its init.
    pub(crate) async fn init(&self) -> BenchResult<f64> {
        self.count(&[], 0).await
    }

    /// Instructions of one invocation: the difference between few and many of them, divided.
    pub(crate) async fn per_invocation(
        &self,
        many: &[Value],
        few: usize,
        status: u64,
    ) -> BenchResult<f64> {
        let few = few.min(many.len());
        let (little, much) = (
            self.count(&many[..few], status).await?,
            self.count(many, status).await?,
        );
        Ok((much - little) / (many.len() - few).max(1) as f64)
    }

    async fn count(&self, events: &[Value], status: u64) -> BenchResult<f64> {
        let folder = Scratch::new()?;
        let out = folder.path().join("callgrind.out");
        let mut command = self.database.command(Path::new("valgrind"));
        let mut option = std::ffi::OsString::from("--callgrind-out-file=");
        option.push(&out);
        command
            .args(["--tool=callgrind", "--quiet"])
            .arg(option)
            .arg(self.binary);
        let function = Watched::start(self.name, command).await?;
        for event in events {
            function.invoke(event, status).await?;
        }
        tokio::time::sleep(REST).await;
        let log = function.host.log();
        function.end().await?;
        let counts = std::fs::read_to_string(&out).unwrap_or_default();
        total(&counts).ok_or(Failure::Callgrind(log))
    }
}

/// The line `totals: N`, or `summary: N` where there is none.
fn total(counts: &str) -> Option<f64> {
    let named = |name: &str| {
        counts
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    named("totals:").or_else(|| named("summary:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read() {
        assert_eq!(
            total("summary: 7\n\nfn=(1)\n1 2\ntotals: 12345\n"),
            Some(12345.0)
        );
        assert_eq!(total("summary: 7\n"), Some(7.0));
        assert_eq!(total(""), None);
    }
}
