//! The command line: reads options and settings, starts everything in order, says what it serves,
//! and stops it in the opposite order.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use shoptrail_edge::config::{Config, ConfigError, Deployment, Secret, WriteMode, process_env};
use shoptrail_edge::telemetry::{self, Format};
use shoptrail_edge::{App, event_queue};
use shoptrail_storage::Store;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::command_line::{
    EnvFileError, answer_usage, endpoint_url, fail, load_env_file, other_store_config, say, setting,
};
use crate::demo::{self, DemoError};
use crate::engine::{Engine, EngineError, EngineOptions, listen};
use crate::folder::{parse_template, table_prefix};
use crate::gateway::{Gateway, GatewayError, GatewayOptions};
use crate::kept_secret::{DEV_API_KEY, HASH_PEPPER, KeptSecretError};
use crate::queue::{LocalQueue, QueueError};
use crate::tables::{TablesError, client, ensure_tables, local_store_config};
use crate::template::{EMBEDDED, RouteMatch, Template, TemplateError};
use crate::worker::Worker;

/// What its complaints begin with.
const TOOL: &str = "shoptrail-local";
/// The port in both seeds' examples.
const DEFAULT_PORT: u16 = 8000;
/// The session of the tracker seed's examples.
const EXAMPLE_SESSION: &str = "af4bac4d-077a-4756-91d0-fa2570fd206f";

/// The Shoptrail backend on this computer: the routes of template.yaml on an embedded DynamoDB.
#[derive(Debug, Clone, Parser)]
#[command(name = TOOL, version)]
struct Cli {
    /// The port to serve on; 0 takes a free one [default: the variable PORT, else 8000]
    #[arg(long)]
    port: Option<u16>,
    /// The address to serve on; 0.0.0.0 lets other computers in
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The folder that keeps the data
    #[arg(long, value_name = "DIR", default_value = ".local/")]
    data: PathBuf,
    /// Keep the data in memory only, and write no file
    #[arg(long, conflicts_with = "endpoint_url")]
    memory: bool,
    /// Use another DynamoDB in place of the embedded one (region and credentials from AWS_REGION,
    /// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN)
    #[arg(long, value_name = "URL", value_parser = endpoint_url)]
    endpoint_url: Option<String>,
    /// Throttle the routes as the template says
    #[arg(long)]
    throttle: bool,
    /// How many proxies stand in front of this gateway: so many addresses at the end of X-Forwarded-For are believed
    #[arg(long, value_name = "N", default_value_t = 0)]
    proxies: usize,
    /// Read this template in place of the built-in one
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
}

/// Why the gateway did not start. Each is one line for a person.
#[derive(Debug, Error)]
enum StartError {
    #[error(transparent)]
    EnvFile(#[from] EnvFileError),
    #[error("the template {} cannot be read", path.display())]
    TemplateFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the setting PORT must be a port, 0 to 65535")]
    Port,
    #[error("the host {host} is unknown")]
    UnknownHost {
        host: String,
        #[source]
        source: io::Error,
    },
    #[error("port {} of {} is in use by another program; choose another one with --port", address.port(), address.ip())]
    PortTaken { address: SocketAddr },
    #[error("{address} cannot be served on")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    KeptSecret(#[from] KeptSecretError),
    #[error(transparent)]
    Tables(#[from] TablesError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
}

/// Runs the gateway until it is told to stop. What `main` returns.
#[must_use]
pub fn main() -> ExitCode {
    // Before any thread is started, since it changes the environment.
    if let Err(error) = load_env_file(Path::new(".env")) {
        return fail(TOOL, &error);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return answer_usage(TOOL, &error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(TOOL, &StartError::Runtime(error)),
    };
    match runtime.block_on(run(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(TOOL, &error),
    }
}

async fn run(cli: &Cli) -> Result<(), StartError> {
    let mut config = Config::from_env(process_env, Deployment::Local)?;
    telemetry::start(config.log_level, Format::Terminal);
    let template = read_template(cli)?;
    // Before the data is touched, so that a second start by mistake says what is wrong first.
    let (listener, address) = bind(&cli.host, port(cli)?)?;
    let folder = (!cli.memory).then_some(cli.data.as_path());

    let engine = match (&cli.endpoint_url, folder) {
        (Some(_), _) => None,
        (None, Some(folder)) => Some(Engine::start(EngineOptions::folder(folder)).await?),
        (None, None) => Some(Engine::start(EngineOptions::memory()).await?),
    };
    let table_prefix = table_prefix(&template);
    let database = match &engine {
        Some(engine) => local_store_config(engine.endpoint_url(), table_prefix),
        None => other_store_config(cli.endpoint_url.clone(), table_prefix),
    };
    let dev_key = config.trust.dev_api_key.as_ref().map(Secret::expose);
    let dev_key = DEV_API_KEY.find_or_create(dev_key.as_deref(), folder)?;
    config.trust.dev_api_key = Some(Secret::new(dev_key.clone()));
    let pepper = config.trust.hash_pepper.as_ref().map(Secret::expose);
    let pepper = HASH_PEPPER.find_or_create(pepper.as_deref(), folder)?;
    config.trust.hash_pepper = Some(Secret::new(pepper));
    ensure_tables(&client(&database), &template.tables).await?;

    let ask_ai = match &config.groq.api_key {
        Some(_) => format!(
            "Groq, model {} at {}",
            config.groq.model, config.groq.base_url
        ),
        None => "rules (set GROQ_API_KEY to ask a model)".to_owned(),
    };
    let queue = match config.write_mode {
        WriteMode::Direct => None,
        WriteMode::Queue => {
            Some(LocalQueue::start(client(&database), table_prefix, template.queue).await?)
        }
    };
    let handed_over = (queue.as_ref()).map(|queue| event_queue::connect(&database, queue.config()));
    let store = Store::connect(&database).with_event_queue(handed_over);
    let app = App::new(config, store);
    let options = GatewayOptions {
        throttle: cli.throttle,
        proxies: cli.proxies,
    };
    let gateway = Gateway::new(&template, &crate::wiring::functions(&app), options)?
        .with_demo(demo::router(app.clone())?);
    let data = match &engine {
        Some(_) if cli.memory => "in memory, gone at the end".to_owned(),
        Some(_) => cli.data.display().to_string(),
        None => "in another DynamoDB".to_owned(),
    };
    let welcome = Welcome {
        address,
        data: &data,
        database: database.endpoint_url.as_deref().unwrap_or_default(),
        dev_key: &dev_key,
        ask_ai: &ask_ai,
        throttle: cli.throttle,
        queues: queue.is_some(),
        template: &template,
    };
    say(&welcome.to_string());

    let queue = queue.map(|queue| queue.deliver(app.clone()));
    let worker = Worker::start(app);
    serve(gateway, listener).await;
    if let Some(queue) = queue {
        queue.stop().await;
    }
    worker.stop().await;
    if let Some(engine) = engine {
        engine.stop().await;
    }
    Ok(())
}

fn read_template(cli: &Cli) -> Result<Template, StartError> {
    let text = match &cli.template {
        None => EMBEDDED.to_owned(),
        Some(path) => std::fs::read_to_string(path).map_err(|source| StartError::TemplateFile {
            path: path.clone(),
            source,
        })?,
    };
    Ok(parse_template(&text, setting("TABLE_PREFIX"))?)
}

/// The option, else what a host of such processes sets, else the seeds' port.
fn port(cli: &Cli) -> Result<u16, StartError> {
    match (cli.port, setting("PORT")) {
        (Some(port), _) => Ok(port),
        (None, Some(text)) => text.parse().map_err(|_| StartError::Port),
        (None, None) => Ok(DEFAULT_PORT),
    }
}

fn bind(host: &str, port: u16) -> Result<(TcpListener, SocketAddr), StartError> {
    let address = (host, port)
        .to_socket_addrs()
        .and_then(|mut addresses| {
            addresses
                .next()
                .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        })
        .map_err(|source| StartError::UnknownHost {
            host: host.to_owned(),
            source,
        })?;
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortTaken { address },
        _ => StartError::Listen { address, source },
    };
    let listener = listen(address).map_err(failed)?;
    // Port 0 has become another one.
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Serves until the first signal, then lets requests finish; a second signal does not wait for them.
async fn serve(gateway: Gateway, listener: TcpListener) {
    let (stop, stopping) = oneshot::channel::<()>();
    let mut served = std::pin::pin!(gateway.serve(listener, async {
        // The sender lives until the signal.
        let _ = stopping.await;
    }));
    tokio::select! {
        _ = &mut served => return,
        () = stop_signal() => say("Stopping: requests in flight are answered first.\n"),
    }
    let _ = stop.send(());
    tokio::select! {
        served = &mut served => {
            if served.cut > 0 {
                tracing::warn!(connections = served.cut, "requests took too long to stop for");
            }
        }
        () = stop_signal() => {}
    }
}

/// Resolves at Ctrl-C, and at SIGTERM where there is such a thing.
async fn stop_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<Option<()>>();
    tokio::select! {
        () = interrupt => {}
        _ = terminate => {}
    }
}

/// What is printed at the start.
struct Welcome<'a> {
    address: SocketAddr,
    data: &'a str,
    database: &'a str,
    dev_key: &'a str,
    ask_ai: &'a str,
    throttle: bool,
    queues: bool,
    template: &'a Template,
}

impl std::fmt::Display for Welcome<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What listens on all addresses is called by one.
        let reachable = match self.address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => {
                SocketAddr::from((Ipv4Addr::LOCALHOST, self.address.port()))
            }
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
                SocketAddr::from((Ipv6Addr::LOCALHOST, self.address.port()))
            }
            _ => self.address,
        };
        let url = format!("http://{reachable}");
        writeln!(f, "Shoptrail {} serves {url}", env!("CARGO_PKG_VERSION"))?;
        writeln!(f)?;
        writeln!(f, "  Demo shop  {url}{}", demo::PATH)?;
        writeln!(f, "  Dashboard  {url}/dashboard?store={}", demo::STORE_NAME)?;
        writeln!(f)?;
        if reachable != self.address {
            writeln!(
                f,
                "  Address   {}, so other computers can reach it",
                self.address
            )?;
        }
        writeln!(f, "  Docs      {url}/docs")?;
        writeln!(f, "  Data      {}", self.data)?;
        writeln!(f, "  DynamoDB  {}", self.database)?;
        writeln!(
            f,
            "  API key   {}  (all scopes, all stores; this gateway only)",
            self.dev_key
        )?;
        writeln!(f, "  Ask AI    {}", self.ask_ai)?;
        if self.queues {
            writeln!(
                f,
                "  Events    go through a queue, which a worker writes them from"
            )?;
        }
        if self.throttle {
            writeln!(f, "  Throttles as in the template")?;
        }
        writeln!(f)?;
        let functions: BTreeSet<&str> = self
            .template
            .routes
            .iter()
            .map(|route| route.function.as_str())
            .collect();
        for function in functions {
            writeln!(f, "  {function}")?;
            for route in self
                .template
                .routes
                .iter()
                .filter(|route| route.function == function)
            {
                match &route.matches {
                    RouteMatch::Path { path, method } => {
                        writeln!(f, "    {:7} {path}", method.as_deref().unwrap_or("ANY"))?;
                    }
                    RouteMatch::Default => writeln!(f, "    and whatever no route matches")?,
                }
            }
        }
        writeln!(f)?;
        writeln!(f, "Try it:")?;
        writeln!(
            f,
            r#"  curl -X POST {url}/api/cart-tracking/track -H "Content-Type: application/json" --data '{{"storeName":"demo.myshopify.com","productId":"123","productTitle":"Linen shirt"}}'"#
        )?;
        writeln!(
            f,
            r##"  curl -X POST {url}/ingest -H "Content-Type: application/json" --data '{{"session":"{EXAMPLE_SESSION}","itemsInCart":7,"timeOnPage":{{"/products/xyz":123456,"/cart":9876}},"events":{{"/":[{{"type":"view","ts":1712345678901}},{{"type":"click","target":"#add-to-cart","ts":1712345680000}}],"/cart":[{{"type":"view","ts":1712345690000}}]}}}}'"##
        )?;
        writeln!(
            f,
            r#"  curl -X POST {url}/askai -H "Content-Type: text/plain" --data "{EXAMPLE_SESSION}""#
        )?;
        writeln!(f)?;
        writeln!(f, "Ctrl-C stops it.")
    }
}
