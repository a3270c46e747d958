//! Where an export goes: a file that is there whole or not at all, or the standard output.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cart_tracking::export::EventsWorkbook;
use tempfile::NamedTempFile;
use thiserror::Error;

use super::ExportError;

/// Why there is no output. None of them says what was asked for.
#[derive(Debug, Error)]
pub(crate) enum OutputError {
    #[error("there is a file of this name already: --force replaces it")]
    Exists,
    #[error("what has this name is no file, and is not replaced")]
    NoFile,
    #[error("there can be no file of this name")]
    Place(#[source] io::Error),
    #[error("the file cannot be written")]
    Write(#[source] io::Error),
}

/// Ends what is being written.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The output. Where it is dropped before it is finished, there is no file.
#[derive(Debug)]
pub(super) struct Output {
    sink: Sink,
    stop: Stop,
}

#[derive(Debug)]
enum Sink {
    Standard(io::Stdout),
    File {
        /// Beside the target, so that it can be renamed; gone when dropped.
        temporary: NamedTempFile,
        target: PathBuf,
        replaces: bool,
    },
}

impl Output {
    /// `-` is the standard output. What has the file's name already is replaced if it may be, and if it is a file.
    pub(super) fn open(path: &Path, may_replace: bool) -> Result<Self, OutputError> {
        let stop = Stop::default();
        if path == Path::new("-") {
            let sink = Sink::Standard(io::stdout());
            return Ok(Self { sink, stop });
        }
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => return Err(OutputError::NoFile),
            Ok(_) if !may_replace => return Err(OutputError::Exists),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(OutputError::Place(error)),
        }
        let temporary = tempfile::Builder::new()
            .prefix(".shoptrail-export-")
            .tempfile_in(folder_of(path))
            .map_err(OutputError::Place)?;
        let sink = Sink::File {
            temporary,
            target: path.to_owned(),
            replaces: may_replace,
        };
        Ok(Self { sink, stop })
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self.sink, Sink::File { .. })
    }

    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// The file's folder.
    pub(super) fn folder(&self) -> Option<&Path> {
        match &self.sink {
            Sink::Standard(_) => None,
            Sink::File { target, .. } => Some(folder_of(target)),
        }
    }

    pub(super) fn write(&mut self, text: &[u8]) -> Result<(), OutputError> {
        self.write_all(text).map_err(OutputError::Write)
    }

    /// Writes the workbook, which may take a while, and finishes.
    pub(super) async fn write_workbook(self, workbook: EventsWorkbook) -> Result<(), ExportError> {
        let mut output = self;
        // Beside the runtime, which listens for the signal to break off meanwhile.
        let written = tokio::task::spawn_blocking(move || {
            let mut buffered = BufWriter::new(&mut output);
            workbook.write_to(&mut buffered)?;
            buffered.flush().map_err(OutputError::Write)?;
            drop(buffered);
            output.finish()?;
            Ok(())
        });
        let ended = |error| OutputError::Write(io::Error::other(error));
        written.await.map_err(ended)?
    }

    /// Makes the file what it is to be.
    pub(super) fn finish(self) -> Result<(), OutputError> {
        let (temporary, target, replaces) = match self.sink {
            Sink::Standard(mut output) => return output.flush().map_err(OutputError::Write),
            Sink::File {
                temporary,
                target,
                replaces,
            } => (temporary, target, replaces),
        };
        // A name that a power failure leaves without its content would be a half file.
        temporary.as_file().sync_all().map_err(OutputError::Write)?;
        let named = if replaces {
            temporary.persist(target)
        } else {
            temporary.persist_noclobber(target)
        };
        match named {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(OutputError::Exists)
            }
            Err(error) => Err(OutputError::Write(error.error)),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.0.load(Ordering::Relaxed) {
            return Err(io::Error::other("broken off"));
        }
        match &mut self.sink {
            Sink::Standard(output) => output.write(bytes),
            Sink::File { temporary, .. } => temporary.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Standard(output) => output.flush(),
            Sink::File { temporary, .. } => temporary.flush(),
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
