//! The embedded DynamoDB-compatible engine, served on the loopback interface for this process and,
//! through the data folder's `endpoint` file, for a command-line tool beside it.

use std::cell::RefCell;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use dynoxide::{Database, DynoxideError};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tracing::subscriber::{DefaultGuard, NoSubscriber};

use crate::tables::{client, local_store_config};

/// The database within the data folder; SQLite keeps two more files beside it while it runs.
const DATABASE_FILE: &str = "dynamodb.sqlite";
/// Locked as long as an engine has the folder open. The kernel drops the lock with the process,
/// so a crash leaves no lock behind.
const LOCK_FILE: &str = "lock";
/// Holds the running engine's URL.
const ENDPOINT_FILE: &str = "endpoint";
/// How long [`Engine::stop`] lets a running database request finish; it takes milliseconds.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Requests to the database take turns at one lock, so a second thread is for reading and writing
/// the wire while the first waits for the disk, and a third would have nothing to do.
const ENGINE_THREADS: usize = 2;
/// Connections that wait to be accepted; the system caps it.
const BACKLOG: u32 = 1024;

/// Where an engine keeps its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineStorage {
    /// In memory: gone with the engine.
    Memory,
    /// In this folder, which is made if need be.
    Folder(PathBuf),
}

/// How to start an [`Engine`].
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Where the data is kept.
    pub storage: EngineStorage,
    /// How often expired items are deleted; `None`: never. Real DynamoDB takes days, and reads
    /// look past expired items anyway, so this only frees the disk.
    pub sweep_every: Option<Duration>,
}

impl EngineOptions {
    /// An engine in memory that deletes nothing on its own.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            storage: EngineStorage::Memory,
            sweep_every: None,
        }
    }

    /// An engine on a folder, swept once a minute.
    #[must_use]
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self {
            storage: EngineStorage::Folder(path.into()),
            sweep_every: Some(Duration::from_secs(60)),
        }
    }
}

/// Why an engine did not start.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The folder or a file in it can not be made, read or written.
    #[error("the data folder {} cannot be used", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another gateway has the folder open.
    #[error("the data folder {} is in use by another running gateway", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// SQLite or the engine refuses the database.
    #[error("the database {} cannot be opened", path.display())]
    Open {
        /// The database file, or `:memory:`.
        path: PathBuf,
        /// What the engine said.
        #[source]
        source: DynoxideError,
    },
    /// No port or no thread is to be had.
    #[error("the embedded database cannot be served")]
    Serve(#[source] io::Error),
    /// The engine's thread ended while it started.
    #[error("the embedded database ended while it started")]
    Ended,
}

/// A running engine. Dropping it ends it too, only without waiting.
#[derive(Debug)]
pub struct Engine {
    endpoint_url: String,
    stop: Option<oneshot::Sender<()>>,
    stopped: Option<oneshot::Receiver<()>>,
}

impl Engine {
    /// Opens the data and serves it on a free port of 127.0.0.1.
    ///
    /// The engine runs on threads of its own: it works synchronously, a write waits for the disk,
    /// and the caller's threads are to go on with other requests meanwhile.
    ///
    /// # Errors
    ///
    /// [`EngineError`].
    pub async fn start(options: EngineOptions) -> Result<Self, EngineError> {
        let (started, when_started) = oneshot::channel();
        let (stop, when_stop) = oneshot::channel();
        let (done, stopped) = oneshot::channel();
        std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || {
                run(&options, started, when_stop);
                // Nobody waits when the engine was dropped.
                let _ = done.send(());
            })
            .map_err(EngineError::Serve)?;
        let endpoint_url = when_started.await.map_err(|_| EngineError::Ended)??;
        Ok(Self {
            endpoint_url,
            stop: Some(stop),
            stopped: Some(stopped),
        })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    /// A client of this engine.
    #[must_use]
    pub fn client(&self) -> Client {
        client(&local_store_config(&self.endpoint_url, ""))
    }

    /// Lets running requests finish, closes the database and gives the folder free.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if let Some(stopped) = self.stopped.take() {
            // An error means that the thread is gone, which is what we wait for.
            let _ = stopped.await;
        }
    }
}

/// The endpoint of the engine that has `folder` open right now, for tools that want to reach it.
///
/// `None` when no engine runs there; an `endpoint` file that a crash left behind does not count,
/// since nobody holds the lock any more.
///
/// # Errors
///
/// When the lock or the file can not be read.
pub fn running_endpoint(folder: &Path) -> io::Result<Option<String>> {
    let lock = match File::open(folder.join(LOCK_FILE)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            match std::fs::read_to_string(folder.join(ENDPOINT_FILE)) {
                Ok(text) => Ok(Some(text.trim().to_owned()).filter(|url| !url.is_empty())),
                // It has the lock and is still starting.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Makes the data folder, readable by its owner alone: what shoppers send lies in it.
///
/// # Errors
///
/// [`EngineError::Folder`].
pub fn create_folder(path: &Path) -> Result<(), EngineError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| EngineError::Folder {
        path: path.to_owned(),
        source,
    })
}

/// The open data folder: its lock, and its endpoint file as long as the engine answers.
struct OpenFolder {
    path: PathBuf,
    // Held for its lock.
    _lock: File,
}

impl OpenFolder {
    fn open(path: &Path) -> Result<Self, EngineError> {
        create_folder(path)?;
        let failed = |source| EngineError::Folder {
            path: path.to_owned(),
            source,
        };
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(EngineError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let folder = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        // A crash may have left one.
        folder.forget_endpoint();
        Ok(folder)
    }

    fn tell_endpoint(&self, url: &str) -> io::Result<()> {
        // Renamed into place, so that nobody reads half a URL.
        let draft = self.path.join(format!("{ENDPOINT_FILE}.new"));
        std::fs::write(&draft, format!("{url}\n"))?;
        std::fs::rename(draft, self.path.join(ENDPOINT_FILE))
    }

    fn forget_endpoint(&self) {
        // A file that stays is recognised as stale by the lock.
        let _ = std::fs::remove_file(self.path.join(ENDPOINT_FILE));
    }
}

/// The engine's thread: everything from opening the database to closing it.
fn run(
    options: &EngineOptions,
    started: oneshot::Sender<Result<String, EngineError>>,
    when_stop: oneshot::Receiver<()>,
) {
    let (runtime, opened) = match open(options) {
        Ok(opened) => opened,
        Err(error) => {
            // The caller may have gone away; then nobody needs the answer.
            let _ = started.send(Err(error));
            return;
        }
    };
    let Opened {
        listener,
        url,
        database,
        folder,
    } = opened;
    let (end_sweeper, sweeper_ends) = mpsc::channel::<()>();
    let sweeper = options.sweep_every.and_then(|every| {
        let database = database.clone();
        std::thread::Builder::new()
            .name("engine-sweeper".to_owned())
            .spawn(move || {
                while sweeper_ends.recv_timeout(every) == Err(mpsc::RecvTimeoutError::Timeout) {
                    match database.sweep_ttl() {
                        Ok(0) => {}
                        Ok(count) => tracing::debug!(count, "expired items deleted"),
                        Err(error) => tracing::warn!(%error, "expired items could not be deleted"),
                    }
                }
            })
            .inspect_err(|error| tracing::warn!(%error, "expired items will not be deleted"))
            .ok()
    });

    let (stopping, when_stopping) = oneshot::channel::<()>();
    let served = runtime.spawn(dynoxide::server::serve_with_shutdown(
        listener,
        database,
        async move {
            // Whether the engine was stopped or dropped is the same to us.
            let _ = when_stop.await;
            let _ = stopping.send(());
        },
    ));
    let abandoned = started.send(Ok(url)).is_err();
    if !abandoned {
        runtime.block_on(async {
            let _ = when_stopping.await;
            // A client that sent half a request must not hold the shutdown.
            match tokio::time::timeout(STOP_PATIENCE, served).await {
                Ok(Ok(Err(error))) => tracing::error!(error, "the embedded database failed"),
                Ok(Err(error)) => tracing::error!(%error, "the embedded database failed"),
                Ok(Ok(Ok(()))) | Err(_) => {}
            }
        });
    }
    if let Some(folder) = &folder {
        folder.forget_endpoint();
    }
    drop(end_sweeper);
    if let Some(sweeper) = sweeper {
        // It ends within a page of its sweep; a panic there has been reported already.
        let _ = sweeper.join();
    }
    // The connections' clones of the database go with the runtime; the last one closes SQLite,
    // and only then may another gateway have the folder.
    runtime.shutdown_timeout(STOP_PATIENCE);
    drop(folder);
}

thread_local! {
    static SILENCE: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

/// The engine warns of every answer that is an error: each condition that does not hold, each
/// look-up of a table before it is made. To us these are answers like others, and what is a
/// failure is logged where it is answered.
fn silence() {
    let guard = tracing::subscriber::set_default(NoSubscriber::new());
    SILENCE.with_borrow_mut(|silence| *silence = Some(guard));
}

struct Opened {
    listener: TcpListener,
    url: String,
    database: Database,
    folder: Option<OpenFolder>,
}

fn open(options: &EngineOptions) -> Result<(tokio::runtime::Runtime, Opened), EngineError> {
    let (database, folder) = match &options.storage {
        EngineStorage::Memory => {
            let database = Database::memory().map_err(|source| EngineError::Open {
                path: PathBuf::from(":memory:"),
                source,
            })?;
            (database, None)
        }
        EngineStorage::Folder(path) => {
            let folder = OpenFolder::open(path)?;
            let file = path.join(DATABASE_FILE);
            let database = Database::new(&file.to_string_lossy())
                .map_err(|source| EngineError::Open { path: file, source })?;
            (database, Some(folder))
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(ENGINE_THREADS)
        .thread_name("engine-worker")
        .on_thread_start(silence)
        .enable_all()
        .build()
        .map_err(EngineError::Serve)?;
    let listener = runtime
        .block_on(async { listen_on_loopback(0) })
        .map_err(EngineError::Serve)?;
    let url = format!(
        "http://{}",
        listener.local_addr().map_err(EngineError::Serve)?
    );
    if let Some(folder) = &folder {
        folder
            .tell_endpoint(&url)
            .map_err(|source| EngineError::Folder {
                path: folder.path.clone(),
                source,
            })?;
    }
    Ok((
        runtime,
        Opened {
            listener,
            url,
            database,
            folder,
        },
    ))
}

/// Listens on 127.0.0.1; port 0 is a free one. Must be called within a runtime.
pub(crate) fn listen_on_loopback(port: u16) -> io::Result<TcpListener> {
    listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// Listens on an address, which accepted connections inherit TCP_NODELAY from.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A port that an ended gateway's connections still linger on is free for us.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    // Small answers go out at once. Linux hands the option on to accepted connections, and the
    // engine's own server does not set it.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
