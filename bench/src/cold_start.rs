//! `bench cold-start`: how long a function takes to its first poll, and what its init and an invocation cost.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use clap::Args;
use serde_json::Value;
use shoptrail_local::tables::LOCAL_REGION;
use shoptrail_local::testing::{LambdaHost, TestDb};
use tokio::net::{TcpSocket, TcpStream};
use uuid::Uuid;

use crate::bootstrap::{Database, EMPTY, FUNCTIONS, Release, Watched, need_tool};
use crate::callgrind::Subject;
use crate::events;
use crate::failure::{BenchResult, Failure, io};
use crate::report::{Table, line, median, progress, ratio, thousands};
use crate::scratch::Scratch;

/// What to measure, and how often.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Starts of each function, for the time to the first poll
    #[arg(long, default_value_t = 21)]
    runs: usize,
    /// Invocations in the shorter counted run
    #[arg(long, default_value_t = 5)]
    few: usize,
    /// Invocations in the longer counted run
    #[arg(long, default_value_t = 25)]
    many: usize,
    /// Only the times: no valgrind
    #[arg(long)]
    no_callgrind: bool,
}

pub(crate) async fn run(release: &Release, options: &Options) -> BenchResult<()> {
    if !options.no_callgrind {
        need_tool("valgrind").await?;
    }
    let engine = TestDb::start().await;
    let database = Database::At(engine.endpoint_url().to_owned());
    times(release, &database, options.runs).await?;
    if !options.no_callgrind {
        let surroundings = Surroundings::new().await?;
        init(release, &database, &surroundings).await?;
        invocations(release, &database, options).await?;
    }
    Ok(())
}

/// Start to first poll, in turns, so that what else the machine does falls on all alike.
async fn times(release: &Release, database: &Database, runs: usize) -> BenchResult<()> {
    let names: Vec<&'static str> = [EMPTY].into_iter().chain(FUNCTIONS).collect();
    let mut taken = vec![Vec::with_capacity(runs); names.len()];
    // The first round reads the binaries from the disk and does not count.
    for round in 0..=runs {
        progress(&format!("start to first poll, round {round} of {runs}"));
        for (name, taken) in names.iter().zip(&mut taken) {
            let host = LambdaHost::start(database.command(&release.binary(name)?)).await;
            let elapsed = host
                .initialized()
                .await
                .map_err(|source| Failure::Function {
                    function: name,
                    source,
                })?;
            if round > 0 {
                taken.push(elapsed.as_secs_f64() * 1e3);
            }
        }
    }
    let empty = taken[0].clone();
    let table = Table::start(
        &format!("Start to first poll (median of {runs}, plain HTTP to the database)"),
        ["function", "ms", "fastest", "against empty"],
    );
    for (name, taken) in names.iter().zip(&taken) {
        let ratios: Vec<f64> = taken
            .iter()
            .zip(&empty)
            .map(|(own, empty)| own / empty)
            .collect();
        let fastest = taken.iter().copied().fold(f64::INFINITY, f64::min);
        table.row(&[
            (*name).to_owned(),
            format!("{:.1}", median(taken)),
            format!("{fastest:.1}"),
            format!("{:.2}x", median(&ratios)),
        ]);
    }
    Ok(())
}

/// Places at which no database answers.
struct Surroundings {
    /// A port that refuses connections, spoken to in plain.
    closed_http: Database,
    /// The same over TLS, with the system's trust store, as every endpoint of one's own.
    closed_https: Database,
    /// The region's endpoint over TLS, with Amazon's roots; here a port that refuses connections.
    in_region: Option<Database>,
    // Bound and not listening, so that nobody else gets the port.
    _reserved: TcpSocket,
    // Holds the hosts file.
    _folder: Scratch,
}

impl Surroundings {
    async fn new() -> BenchResult<Self> {
        let reserved = TcpSocket::new_v4().map_err(io("a socket"))?;
        reserved
            .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .map_err(io("a free port"))?;
        let closed = reserved.local_addr().map_err(io("a free port"))?;
        let folder = Scratch::new()?;
        let hosts = folder.path().join("hosts");
        std::fs::write(
            &hosts,
            format!("127.0.0.1 localhost dynamodb.{LOCAL_REGION}.amazonaws.com\n"),
        )
        .map_err(io("a hosts file"))?;
        let in_region = Database::InRegion { hosts };
        let can_be_led_here = in_region
            .command(Path::new("true"))
            .status()
            .await
            .is_ok_and(|status| status.success());
        let is_https_served_here = TcpStream::connect((Ipv4Addr::LOCALHOST, 443)).await.is_ok();
        Ok(Self {
            closed_http: Database::At(format!("http://{closed}")),
            closed_https: Database::At(format!("https://{closed}")),
            in_region: (can_be_led_here && !is_https_served_here).then_some(in_region),
            _reserved: reserved,
            _folder: folder,
        })
    }
}

async fn init(
    release: &Release,
    database: &Database,
    surroundings: &Surroundings,
) -> BenchResult<()> {
    let count = async |name: &'static str, database: &Database| {
        progress(&format!("instructions of init: {name}"));
        Subject {
            name,
            binary: &release.binary(name)?,
            database,
        }
        .init()
        .await
    };
    let empty = count(EMPTY, database).await?;
    let table = Table::start(
        "Init, in instructions",
        [
            "function",
            "plain HTTP",
            "against empty",
            "+ TLS client, Amazon's roots",
            "**with clients built**",
            "+ TLS client, system's roots",
        ],
    );
    let nothing = || "-".to_owned();
    table.row(&[
        EMPTY.to_owned(),
        thousands(empty),
        ratio(empty, empty),
        nothing(),
        nothing(),
        nothing(),
    ]);
    for name in FUNCTIONS {
        let plain = count(name, database).await?;
        let refused = count(name, &surroundings.closed_http).await?;
        let system = count(name, &surroundings.closed_https).await? - refused;
        let amazon = match &surroundings.in_region {
            Some(in_region) => Some(count(name, in_region).await? - refused),
            None => None,
        };
        table.row(&[
            name.to_owned(),
            thousands(plain),
            ratio(plain, empty),
            amazon.map_or_else(nothing, thousands),
            amazon.map_or_else(nothing, |amazon| ratio(plain + amazon, empty)),
            thousands(system),
        ]);
    }
    if surroundings.in_region.is_none() {
        line(
            "\nAmazon's roots were not measured: that needs `unshare` with a mount namespace, and a free port 443.",
        );
    }
    Ok(())
}

async fn invocations(release: &Release, database: &Database, options: &Options) -> BenchResult<()> {
    let table = Table::start(
        &format!(
            "One invocation, in instructions (({many} - {few}) / {})",
            options.many.saturating_sub(options.few),
            many = options.many,
            few = options.few
        ),
        ["request", "function", "empty", "against empty"],
    );
    let mut sessions = sessions(release, database, 2 * options.many)
        .await?
        .into_iter();
    for function in FUNCTIONS {
        for (kind, status) in [("rejected", 400), ("success", 200)] {
            progress(&format!(
                "instructions of an invocation: {function}, {kind}"
            ));
            let requests: Vec<Value> = (0..options.many)
                .map(|_| {
                    if status == 400 {
                        events::rejected(function)
                    } else {
                        events::success(function, &mut sessions)
                    }
                })
                .collect();
            let (own, empty) = (release.binary(function)?, release.binary(EMPTY)?);
            let own = Subject {
                name: function,
                binary: &own,
                database,
            }
            .per_invocation(&requests, options.few, status)
            .await?;
            let empty = Subject {
                name: EMPTY,
                binary: &empty,
                database,
            }
            .per_invocation(&requests, options.few, 200)
            .await?;
            table.row(&[
                format!("{function}, {kind}"),
                thousands(own),
                thousands(empty),
                ratio(own, empty),
            ]);
        }
    }
    Ok(())
}

/// Stores sessions for Ask AI to decide about.
pub(crate) async fn sessions(
    release: &Release,
    database: &Database,
    count: usize,
) -> BenchResult<Vec<String>> {
    const INGEST: &str = "session-ingest";
    let function = Watched::start(INGEST, database.command(&release.binary(INGEST)?)).await?;
    let mut sessions = Vec::with_capacity(count);
    for _ in 0..count {
        let session = Uuid::new_v4().to_string();
        function.invoke(&events::ingest(&session), 200).await?;
        sessions.push(session);
    }
    function.end().await?;
    Ok(sessions)
}
