//! The command line: reads options and settings, starts everything in order, says what it serves,
//! and stops it in the opposite order.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use shoptrail_edge::App;
use shoptrail_edge::config::{Config, ConfigError, Deployment, Secret, process_env};
use shoptrail_edge::telemetry::{self, Format};
use shoptrail_storage::{Credentials, Store, StoreConfig};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::dev_key::{self, DevKeyError};
use crate::engine::{Engine, EngineError, EngineOptions, listen};
use crate::gateway::{Gateway, GatewayError, GatewayOptions};
use crate::tables::{LOCAL_REGION, TablesError, client, ensure_tables, local_store_config};
use crate::template::{EMBEDDED, RouteMatch, Template, TemplateError};

/// The parameter of the template that stands before every table's name.
const TABLE_PREFIX_PARAMETER: &str = "TablePrefix";
/// The port in both seeds' examples.
const DEFAULT_PORT: u16 = 8000;
/// The session of the tracker seed's examples.
const EXAMPLE_SESSION: &str = "af4bac4d-077a-4756-91d0-fa2570fd206f";

/// The Shoptrail backend on this computer: the routes of template.yaml on an embedded DynamoDB.
#[derive(Debug, Clone, Parser)]
#[command(name = "shoptrail-local", version)]
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
    /// Read this template in place of the built-in one
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
}

/// What the SDK takes for an endpoint; its own complaint is a page long.
fn endpoint_url(text: &str) -> Result<String, &'static str> {
    let is_url = text.parse::<axum::http::Uri>().is_ok_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some()
    });
    if is_url {
        Ok(text.to_owned())
    } else {
        Err("not an http or https URL")
    }
}

/// Why the gateway did not start. Each is one line for a person.
#[derive(Debug, Error)]
enum StartError {
    #[error(".env cannot be read")]
    EnvFile(#[source] io::Error),
    // dotenvy's own message repeats the line, which may be a secret.
    #[error(".env is malformed in the setting after {}", after.as_deref().unwrap_or("its beginning"))]
    EnvSyntax { after: Option<String> },
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
    DevKey(#[from] DevKeyError),
    #[error(transparent)]
    Tables(#[from] TablesError),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
}

/// Runs the gateway until it is told to stop. What `main` returns.
#[must_use]
pub fn main() -> ExitCode {
    // Before any thread is started, since it changes the environment.
    if let Err(error) = load_env_file(Path::new(".env")) {
        return fail(&error);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return answer_usage(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&StartError::Runtime(error)),
    };
    match runtime.block_on(run(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Help and version as clap writes them; a mistake as one line.
fn answer_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // The output may be closed.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let line = text
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ");
    complain(&format!("{line} (--help tells the options)"));
    ExitCode::from(2)
}

/// What went wrong, why, and the cause at the bottom of it, in one line. What lies between is how
/// the libraries are stacked.
fn fail(error: &StartError) -> ExitCode {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    let mut line = error.to_string();
    if let Some(first) = causes.first() {
        let _ = write!(line, ": {first}");
    }
    if let Some(last) = causes.last().filter(|last| !line.ends_with(last.as_str())) {
        let _ = write!(line, ": {last}");
    }
    complain(&line);
    ExitCode::FAILURE
}

fn complain(line: &str) {
    let line: String = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    // Nobody is left to hear of a closed error output.
    let _ = writeln!(io::stderr(), "shoptrail-local: {line}");
}

/// Puts the settings of a `.env` file into the environment, where they do not stand yet.
fn load_env_file(path: &Path) -> Result<(), StartError> {
    let settings = match dotenvy::from_path_iter(path) {
        Ok(settings) => settings,
        Err(dotenvy::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(dotenvy::Error::Io(error)) => return Err(StartError::EnvFile(error)),
        Err(_) => return Err(StartError::EnvSyntax { after: None }),
    };
    // Looked through first, because loading stops without saying where.
    let mut after = None;
    for setting in settings {
        match setting {
            Ok((name, _)) => after = Some(name),
            Err(dotenvy::Error::Io(error)) => return Err(StartError::EnvFile(error)),
            Err(_) => return Err(StartError::EnvSyntax { after }),
        }
    }
    dotenvy::from_path(path).map_err(|_| StartError::EnvSyntax { after: None })
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
    let table_prefix = template
        .parameters
        .get(TABLE_PREFIX_PARAMETER)
        .map(String::as_str)
        .unwrap_or_default();
    let database = match &engine {
        Some(engine) => local_store_config(engine.endpoint_url(), table_prefix),
        None => other_store_config(cli.endpoint_url.clone(), table_prefix),
    };
    let dev_key = config.trust.dev_api_key.as_ref().map(Secret::expose);
    let dev_key = dev_key::find_or_create(dev_key, folder)?;
    config.trust.dev_api_key = Some(Secret::new(dev_key.clone()));
    ensure_tables(&client(&database), &template.tables).await?;

    let ask_ai = match &config.groq.api_key {
        Some(_) => format!(
            "Groq, model {} at {}",
            config.groq.model, config.groq.base_url
        ),
        None => "rules (set GROQ_API_KEY to ask a model)".to_owned(),
    };
    let app = App::new(config, Store::connect(&database));
    let options = GatewayOptions {
        throttle: cli.throttle,
    };
    let gateway = Gateway::new(&template, &crate::wiring::functions(&app), options)?;
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
        template: &template,
    };
    say(&welcome.to_string());

    serve(gateway, listener).await;
    if let Some(engine) = engine {
        engine.stop().await;
    }
    Ok(())
}

fn read_template(cli: &Cli) -> Result<Template, StartError> {
    let mut overrides = BTreeMap::new();
    if let Some(prefix) = setting("TABLE_PREFIX") {
        overrides.insert(TABLE_PREFIX_PARAMETER.to_owned(), prefix);
    }
    let text = match &cli.template {
        None => EMBEDDED.to_owned(),
        Some(path) => std::fs::read_to_string(path).map_err(|source| StartError::TemplateFile {
            path: path.clone(),
            source,
        })?,
    };
    Ok(Template::parse(&text, &overrides)?)
}

/// A variable that says something: an empty one is an absent one, as for all settings.
fn setting(name: &str) -> Option<String> {
    process_env(name)
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
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

/// Another DynamoDB, with the environment's credentials, or made-up ones for an engine that checks none.
fn other_store_config(endpoint_url: Option<String>, table_prefix: &str) -> StoreConfig {
    let credentials = match (
        setting("AWS_ACCESS_KEY_ID"),
        setting("AWS_SECRET_ACCESS_KEY"),
    ) {
        (Some(access_key_id), Some(secret_access_key)) => Credentials {
            access_key_id,
            secret_access_key,
            session_token: setting("AWS_SESSION_TOKEN"),
        },
        _ => Credentials::for_local_engine(),
    };
    StoreConfig {
        endpoint_url,
        region: setting("AWS_REGION")
            .or_else(|| setting("AWS_DEFAULT_REGION"))
            .unwrap_or_else(|| LOCAL_REGION.to_owned()),
        credentials,
        table_prefix: table_prefix.to_owned(),
    }
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

/// Prints to a person, who may have closed the output.
fn say(text: &str) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes());
    let _ = output.flush();
}

/// What is printed at the start.
struct Welcome<'a> {
    address: SocketAddr,
    data: &'a str,
    database: &'a str,
    dev_key: &'a str,
    ask_ai: &'a str,
    throttle: bool,
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
