//! Directories of running tests, and what is left of tests that were killed.
//!
//! Each directory says whose it is: the process id of the test and when that process started. A
//! directory whose owner is gone is removed, and a server that still runs in it is ended: only one
//! whose working directory is that data directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Short, because a socket's path may have 107 bytes. Memory first: a thousand small files are
/// copied there ten times as fast.
const ROOTS: [&str; 2] = ["/dev/shm", "/tmp"];
/// Free space without which a root is passed over.
const ENOUGH: u64 = 1 << 30;
const PREFIX: &str = "blotter-pg-";
const OWNER: &str = "owner";

/// A new directory with this process as its owner.
pub(super) fn claim_directory() -> Result<PathBuf> {
    let root = ROOTS.into_iter().find(|root| has_room(root)).unwrap_or("/tmp");
    let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(root).context("a temporary directory")?.keep();
    let me = std::process::id();
    let started = started_at(me).context("the start time of this process")?;
    fs::write(dir.join(OWNER), format!("{me} {started}"))?;
    Ok(dir)
}

/// Removes what killed tests left. What cannot be removed is left to the next sweep.
pub(super) fn sweep(deadline: Duration) {
    let entries = ROOTS.iter().flat_map(|root| fs::read_dir(root).into_iter().flatten().flatten());
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_orphan(&entry.path()) {
            end_server(&entry.path().join("data"), deadline);
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn has_room(root: &str) -> bool {
    let writable = nix::unistd::access(root, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK).is_ok();
    writable && nix::sys::statvfs::statvfs(root).is_ok_and(|fs| fs.blocks_available() * fs.fragment_size() > ENOUGH)
}

/// Whether the owner is known and gone. A directory without the file is being made right now.
fn is_orphan(dir: &Path) -> bool {
    let Ok(owner) = fs::read_to_string(dir.join(OWNER)) else { return false };
    let Some((pid, started)) = owner.split_once(' ') else { return false };
    let Ok(pid) = pid.parse() else { return false };
    started_at(pid).as_deref() != Some(started)
}

/// When a process started, in the kernel's ticks; `None` when there is no such process.
fn started_at(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold spaces; the start time is the 20th field after it.
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(19).map(str::to_owned)
}

fn end_server(data: &Path, deadline: Duration) {
    let Ok(pid_file) = fs::read_to_string(data.join("postmaster.pid")) else { return };
    let Some(pid) = pid_file.lines().next().and_then(|line| line.trim().parse::<i32>().ok()) else { return };
    if fs::read_link(format!("/proc/{pid}/cwd")).ok().as_deref() != Some(data) {
        return;
    }
    let _ = kill(Pid::from_raw(pid), Signal::SIGQUIT);
    // A process directory reports its end to nobody, so look again until the deadline.
    let steps = deadline.as_millis() / 10;
    for _ in 0..steps {
        if fs::read_link(format!("/proc/{pid}/cwd")).is_err() {
            return;
        }
        pause_a_moment();
    }
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

/// Ten milliseconds, as a poll that nothing ends.
fn pause_a_moment() {
    let mut nothing: [PollFd<'_>; 0] = [];
    let _ = poll(&mut nothing, PollTimeout::from(10_u8));
}
