//! Processes that live in a folder. A process is taken for one of a demo only when its name is one
//! that a demo starts and its working folder is the demo's or one of its arguments names it; a
//! process number alone proves nothing, because numbers are used again.
//!
//! The arguments count because the kernel hides the working folder of a process that hides its
//! memory, as the daemon does.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

use super::programs::{DAEMON, DATABASE, SIMULATOR};

/// A process of a demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) pid: Pid,
    pub(super) name: String,
    pub(super) parent: Pid,
}

/// The demo's processes in this folder, as far as this user may look.
pub(super) fn inside(folder: &Path) -> Vec<Found> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| found(&entry.path(), folder)).collect()
}

fn found(process: &Path, folder: &Path) -> Option<Found> {
    let pid = process.file_name()?.to_str()?.parse().ok()?;
    let name = fs::read_to_string(process.join("comm")).ok()?.trim_end().to_owned();
    let lives_here = match name.as_str() {
        DATABASE => works_in(process, folder),
        DAEMON | SIMULATOR => is_ours(process) && (works_in(process, folder) || is_told_of(process, folder)),
        _ => false,
    };
    lives_here.then_some(Found { pid: Pid::from_raw(pid), name, parent: parent_of(process)? })
}

fn works_in(process: &Path, folder: &Path) -> bool {
    let cwd = fs::read_link(process.join("cwd")).unwrap_or_default();
    // A folder that was removed under its process reads as `… (deleted)`; it is still the folder.
    let cwd = cwd.to_string_lossy();
    Path::new(cwd.trim_end_matches(" (deleted)")).starts_with(folder)
}

/// One of its arguments is a path in the folder.
fn is_told_of(process: &Path, folder: &Path) -> bool {
    let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
    arguments.split(|byte| *byte == 0).any(|argument| Path::new(OsStr::from_bytes(argument)).starts_with(folder))
}

/// Anybody may write our folder's name into their arguments.
fn is_ours(process: &Path) -> bool {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1)?.parse().ok());
    effective == Some(Uid::effective().as_raw())
}

/// The fourth field of `stat`; the second, the name, may hold anything, but ends with the last bracket.
fn parent_of(process: &Path) -> Option<Pid> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok().map(Pid::from_raw)
}

/// Asks each to end in the way that it understands best: PostgreSQL's INT is its fast, clean stop, and
/// only its first process is asked, which ends its children.
pub(super) fn ask_to_end(found: &[Found]) {
    let is_child = |process: &Found| found.iter().any(|other| other.pid == process.parent && other.name == DATABASE);
    for process in found.iter().filter(|process| !is_child(process)) {
        signal(process, if process.name == DATABASE { Signal::SIGINT } else { Signal::SIGTERM });
    }
}

pub(super) fn kill_now(found: &[Found]) {
    found.iter().for_each(|process| signal(process, Signal::SIGKILL));
}

fn signal(process: &Found, signal: Signal) {
    // It may have ended since we looked, which is what we wanted.
    let _ = kill(process.pid, signal);
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Another program under a name that a demo starts, waiting for its standard input to close.
    fn impostor(program: &Path, folder: &Path, argument: &str) -> std::process::Child {
        fs::copy("/bin/cat", program).unwrap();
        Command::new(program).args(["-", argument]).current_dir(folder).stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn only_our_names_in_our_folder_are_found() {
        let ours = tempfile::tempdir().unwrap();
        let theirs = tempfile::tempdir().unwrap();
        let config = ours.path().join("config.toml");
        let config = config.to_str().unwrap();
        let start = |name: &str, from: &Path, argument| impostor(&from.join(name), from, argument);
        let mut started = [
            start(DAEMON, ours.path(), ""),
            start(SIMULATOR, theirs.path(), config),
            start("editor", ours.path(), config),
            start(DAEMON, theirs.path(), "/elsewhere"),
            start(DATABASE, theirs.path(), config),
        ];
        let mut found: Vec<_> = inside(ours.path()).into_iter().map(|found| found.pid.as_raw()).collect();
        found.sort_unstable();
        let mut wanted = [0, 1].map(|at: usize| i32::try_from(started[at].id()).unwrap());
        wanted.sort_unstable();
        assert_eq!(found, wanted);
        for child in &mut started {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
