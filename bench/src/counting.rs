//! A way to the database that counts what goes over it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::failure::{BenchResult, Failure, io as at};

/// What every request of the SDK begins with.
const REQUEST: &[u8] = b"POST / HTTP/1.1\r\n";

/// A proxy on 127.0.0.1; gone when dropped.
pub(crate) struct CountingProxy {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    counts: Arc<Counts>,
    accepting: JoinHandle<()>,
}

/// What went over it so far.
#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    answered_bytes: AtomicU64,
}

impl CountingProxy {
    /// A proxy to `http://ADDRESS:PORT`.
    pub(crate) async fn start(endpoint_url: &str) -> BenchResult<Self> {
        let address = endpoint_url.trim_start_matches("http://");
        let engine: SocketAddr = address
            .trim_end_matches('/')
            .parse()
            .map_err(|_| Failure::Gateway("its database has no address".to_owned()))?;
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(at("a free port"))?;
        let own = listener.local_addr().map_err(at("a free port"))?;
        let counts = Arc::new(Counts::default());
        let accepting = tokio::spawn(accept(listener, engine, Arc::clone(&counts)));
        Ok(Self {
            url: format!("http://{own}"),
            counts,
            accepting,
        })
    }

    /// Requests, and bytes of answers, since this was last asked.
    pub(crate) fn take(&self) -> (u64, u64) {
        let take = |count: &AtomicU64| count.swap(0, Ordering::SeqCst);
        (
            take(&self.counts.requests),
            take(&self.counts.answered_bytes),
        )
    }
}

impl Drop for CountingProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, engine: SocketAddr, counts: Arc<Counts>) {
    while let Ok((stream, _)) = listener.accept().await {
        let counts = Arc::clone(&counts);
        // What breaks off is the function's, which says so.
        tokio::spawn(async move { pass(stream, engine, &counts).await });
    }
}

async fn pass(stream: TcpStream, engine: SocketAddr, counts: &Counts) -> io::Result<()> {
    let onward = TcpStream::connect(engine).await?;
    stream.set_nodelay(true)?;
    onward.set_nodelay(true)?;
    let ((from, to), (answers, requests)) = (stream.into_split(), onward.into_split());
    let asked = copy(from, requests, requests_counter(counts));
    let answered = copy(answers, to, |bytes: &[u8]| {
        let length = bytes.len() as u64;
        counts.answered_bytes.fetch_add(length, Ordering::SeqCst);
    });
    tokio::try_join!(asked, answered).map(|_| ())
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut look: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut chunk = vec![0_u8; 64 * 1024];
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        look(&chunk[..length]);
        to.write_all(&chunk[..length]).await?;
    }
}

/// Counts the requests in a stream that comes in pieces.
fn requests_counter(counts: &Counts) -> impl FnMut(&[u8]) {
    let mut tail = Vec::new();
    move |bytes| {
        tail.extend_from_slice(bytes);
        let found = tail
            .windows(REQUEST.len())
            .filter(|window| *window == REQUEST);
        counts
            .requests
            .fetch_add(found.count() as u64, Ordering::SeqCst);
        // The beginning of a request that goes on in the next piece.
        let kept = tail.len().min(REQUEST.len() - 1);
        tail.drain(..tail.len() - kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_however_they_are_cut() {
        let stream = [REQUEST, b"host: a\r\n\r\n{}", REQUEST, b"host: a\r\n\r\n{}"].concat();
        for size in 1..stream.len() {
            let counts = Counts::default();
            let mut look = requests_counter(&counts);
            for piece in stream.chunks(size) {
                look(piece);
            }
            assert_eq!(counts.requests.load(Ordering::SeqCst), 2, "{size}");
        }
    }
}
