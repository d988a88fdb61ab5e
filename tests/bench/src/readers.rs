//! Many clients of an event stream in one process: each notes when an event has wholly arrived.

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
    arrivals: mpsc::UnboundedReceiver<Instant>,
    _tasks: JoinSet<()>,
}

impl Readers {
    /// Attaches `count` clients; each first says `hello` (an HTTP request, or nothing).
    pub(crate) async fn attach(socket: &Path, hello: &'static [u8], count: usize) -> Result<Self> {
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let mut stream = connect(socket).await?;
            stream.write_all(hello).await?;
            tasks.spawn(read(stream, arrived.clone()));
        }
        Ok(Self { count, arrivals, _tasks: tasks })
    }

    /// Waits until every client has the next event and gives the moment of the last.
    pub(crate) async fn last_arrival(&mut self) -> Result<Instant> {
        let mut last = None;
        for had in 0..self.count {
            let next = tokio::time::timeout(PATIENCE, self.arrivals.recv()).await;
            let Ok(Some(at)) = next else { bail!("only {had} of {} clients have the event", self.count) };
            last = last.max(Some(at));
        }
        last.context("there are clients")
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

async fn read(mut stream: UnixStream, arrived: mpsc::UnboundedSender<Instant>) {
    let mut buffer = vec![0_u8; 16 * 1024];
    let mut scanner = Scanner::default();
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let at = Instant::now();
        for _ in 0..scanner.events_in(buffer.get(..count).unwrap_or_default()) {
            if arrived.send(at).is_err() {
                return;
            }
        }
    }
}

const HEALTH: &[u8] = b"event: health";

/// Finds the ends of `health` events; comments, other events and HTTP framing are none.
#[derive(Debug, Default)]
struct Scanner {
    line: Vec<u8>,
    is_health: bool,
}

impl Scanner {
    fn events_in(&mut self, bytes: &[u8]) -> usize {
        let mut events = 0;
        for &byte in bytes {
            if byte != b'\n' {
                // Longer than any prefix that matters: the rest of a line is not needed.
                if self.line.len() < HEALTH.len() {
                    self.line.push(byte);
                }
                continue;
            }
            if self.line.is_empty() {
                events += usize::from(std::mem::take(&mut self.is_health));
            } else if self.line.starts_with(HEALTH) {
                self.is_health = true;
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
        let mut scanner = Scanner::default();
        let stream = b"HTTP/1.1 200 OK\r\n\r\n20\r\nevent: hello\ndata: {}\n\n\r\n: beat\n\n1f\r\nevent: health\ndata: {}\n\n\r\n";
        let (head, tail) = stream.split_at(80);
        assert_eq!(scanner.events_in(head) + scanner.events_in(tail), 1);
    }
}
