//! Many clients of an event stream in one process: each notes when an event has wholly arrived.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(20);

/// Attached clients. Dropping them hangs up.
#[derive(Debug)]
pub(crate) struct Readers {
    count: usize,
    arrivals: mpsc::UnboundedReceiver<(usize, Instant)>,
    _tasks: JoinSet<()>,
}

/// Which events count: comments, other events and HTTP framing do not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// How the line with the name begins.
    pub(crate) event: &'static [u8],
    /// What its data holds; empty for any.
    pub(crate) data: &'static [u8],
}

impl Wanted {
    const HEALTH: Self = Self { event: b"event: health", data: b"" };
}

impl Readers {
    /// Attaches `count` clients; each first says `hello` (an HTTP request, or nothing). News of the health count.
    pub(crate) async fn attach(socket: &Path, hello: &'static [u8], count: usize) -> Result<Self> {
        Self::attach_for(socket, hello, count, Wanted::HEALTH).await
    }

    /// The same for other events.
    pub(crate) async fn attach_for(socket: &Path, hello: &'static [u8], count: usize, wanted: Wanted) -> Result<Self> {
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for reader in 0..count {
            let mut stream = connect(socket).await?;
            stream.write_all(hello).await?;
            let arrived = arrived.clone();
            tasks.spawn(read(stream, Scanner::of(wanted), move |at| arrived.send((reader, at)).is_ok()));
        }
        Ok(Self { count, arrivals, _tasks: tasks })
    }

    /// Waits until every client has the next event and gives the moment of the last.
    pub(crate) async fn last_arrival(&mut self) -> Result<Instant> {
        let mut last = None;
        let mut have = HashSet::new();
        while have.len() < self.count {
            let next = tokio::time::timeout(PATIENCE, self.arrivals.recv()).await;
            let Ok(Some((reader, at))) = next else {
                bail!("only {} of {} clients have the event", have.len(), self.count)
            };
            if have.insert(reader) {
                last = last.max(Some(at));
            }
        }
        last.context("there are clients")
    }

    /// Lets go of what has come so far.
    pub(crate) fn forget(&mut self) {
        while self.arrivals.try_recv().is_ok() {}
    }
}

/// A client that attaches and never reads.
pub(crate) async fn stalled(socket: &Path, hello: &'static [u8]) -> Result<UnixStream> {
    let mut stream = connect(socket).await?;
    stream.write_all(hello).await?;
    Ok(stream)
}

async fn connect(socket: &Path) -> Result<UnixStream> {
    let path = PathBuf::from(socket);
    UnixStream::connect(&path).await.with_context(|| format!("connecting to {}", path.display()))
}

/// Until the stream ends, or nobody wants to hear of it.
async fn read(mut stream: UnixStream, mut scanner: Scanner, tell: impl Fn(Instant) -> bool) {
    let mut buffer = vec![0_u8; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let at = Instant::now();
        for _ in 0..scanner.events_in(buffer.get(..count).unwrap_or_default()) {
            if !tell(at) {
                return;
            }
        }
    }
}

/// Finds the ends of the events that are wanted.
#[derive(Debug)]
struct Scanner {
    wanted: Wanted,
    line: Vec<u8>,
    is_named: bool,
    is_wanted: bool,
}

impl Scanner {
    const fn of(wanted: Wanted) -> Self {
        Self { wanted, line: Vec::new(), is_named: false, is_wanted: false }
    }

    fn events_in(&mut self, bytes: &[u8]) -> usize {
        let mut events = 0;
        for &byte in bytes {
            if byte != b'\n' {
                // Of other lines no more than their beginning is needed.
                if self.is_named || self.line.len() < self.wanted.event.len() {
                    self.line.push(byte);
                }
                continue;
            }
            if self.line.is_empty() {
                events += usize::from(std::mem::take(&mut self.is_wanted));
                self.is_named = false;
            } else if self.line.starts_with(self.wanted.event) {
                self.is_named = true;
                self.is_wanted = self.wanted.data.is_empty();
            } else if self.is_named && !self.is_wanted {
                self.is_wanted = self.line.windows(self.wanted.data.len()).any(|part| part == self.wanted.data);
            }
            self.line.clear();
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_health_events_across_chunks() {
        let mut scanner = Scanner::of(Wanted::HEALTH);
        let stream = b"HTTP/1.1 200 OK\r\n\r\n20\r\nevent: hello\ndata: {}\n\n\r\n: beat\n\n1f\r\nevent: health\ndata: {}\n\n\r\n";
        let (head, tail) = stream.split_at(80);
        assert_eq!(scanner.events_in(head) + scanner.events_in(tail), 1);
    }

    #[test]
    fn counts_only_events_whose_data_holds_what_is_wanted() {
        let mut scanner = Scanner::of(Wanted { event: b"event: trade", data: b"CLOSED" });
        let others = b"event: trade\ndata: {\"status\":\"FILLED\"}\n\nevent: alarm\ndata: CLOSED\n\n";
        assert_eq!(scanner.events_in(others), 0);
        let (head, tail) = b"event: trade\ndata: {\"status\":\"CLOSED\"}\n\n".split_at(30);
        assert_eq!(scanner.events_in(head) + scanner.events_in(tail), 1);
    }
}
