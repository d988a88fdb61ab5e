//! The server's process: found by its pid file, believed by its working directory.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, interval, timeout_at};

use super::{LAST_RESORT, PrivateError};
use crate::ours::Folder;

/// Between two looks at a process that is not our child, and at a file.
const LOOK: Duration = Duration::from_millis(5);
/// Eight short lines.
const LONGEST_PID_FILE: u64 = 4096;

/// What the server writes into `postmaster.pid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    pub pid: i32,
    /// `ready` once it takes connections.
    pub status: String,
}

impl PidFile {
    pub(super) fn read(data: &Path) -> Option<Self> {
        let text = Folder::open(data).ok()?.read("postmaster.pid", LONGEST_PID_FILE).ok()??;
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        let status = lines.nth(6).unwrap_or_default().trim().to_owned();
        Some(Self { pid, status })
    }
}

/// The server that runs on this data now.
pub(super) fn running_in(data: &Path) -> Option<i32> {
    let pid = PidFile::read(data)?.pid;
    works_in(pid, data).then_some(pid)
}

/// Whether this process works in this directory. A recycled number does not; nor does a zombie,
/// which works nowhere.
pub(super) fn works_in(pid: i32, data: &Path) -> bool {
    let directory = fs::read_link(format!("/proc/{pid}/cwd"));
    directory.is_ok_and(|directory| data.canonicalize().is_ok_and(|data| data == directory))
}

/// Whether there is such a process at all, be it a zombie.
pub(super) fn is_there(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Any process of the cluster: sessions outlive a killed postmaster for a moment.
pub(super) fn anybody_in(data: &Path) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok());
    pids.into_iter().any(|pid| works_in(pid, data))
}

/// Waits until `done` says so; false at the deadline.
pub(super) async fn wait_until(deadline: Instant, mut done: impl FnMut() -> bool) -> bool {
    let mut look = interval(LOOK);
    timeout_at(deadline, async {
        while !done() {
            look.tick().await;
        }
    })
    .await
    .is_ok()
}

/// Ends the server: in good order (sessions are broken off, a checkpoint is written), and when the
/// deadline is near, at once.
pub(super) async fn end(pid: i32, data: &Path, deadline: Duration) -> Result<(), PrivateError> {
    let end = Instant::now() + deadline;
    let gone = || !works_in(pid, data);
    signal(pid, data, Signal::SIGINT);
    if wait_until(end - LAST_RESORT.min(deadline / 2), gone).await {
        return Ok(());
    }
    tracing::warn!(pid, "PostgreSQL takes long to stop; it is stopped without a checkpoint");
    signal(pid, data, Signal::SIGQUIT);
    if wait_until(end, gone).await { Ok(()) } else { Err(PrivateError::Stop { pid }) }
}

/// Makes it read its configuration again.
pub(super) fn reload(pid: i32, data: &Path) {
    signal(pid, data, Signal::SIGHUP);
}

fn signal(pid: i32, data: &Path, signal: Signal) {
    // Looked at just before: a number that became somebody else's is left alone.
    if works_in(pid, data)
        && let Err(error) = kill(Pid::from_raw(pid), signal)
    {
        tracing::warn!(pid, %signal, %error, "PostgreSQL could not be signalled");
    }
}
