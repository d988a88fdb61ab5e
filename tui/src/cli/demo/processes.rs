//! Processes that live in a folder. A process is taken for one of a demo only when the kernel says
//! that its working folder is inside the demo's and its name is one that a demo starts; a process
//! number alone proves nothing, because numbers are used again.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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
    let is_ours = [DAEMON, SIMULATOR, DATABASE].contains(&name.as_str());
    // A folder that was removed under its process reads as `… (deleted)`; it is still the folder.
    let cwd = fs::read_link(process.join("cwd")).ok()?;
    let cwd = PathBuf::from(cwd.to_str()?.trim_end_matches(" (deleted)"));
    (is_ours && cwd.starts_with(folder)).then_some(Found { pid: Pid::from_raw(pid), name, parent: parent_of(process)? })
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
    fn impostor(folder: &Path, name: &str) -> std::process::Child {
        let program = folder.join(name);
        fs::copy("/bin/cat", &program).unwrap();
        Command::new(program).current_dir(folder).stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn only_our_names_in_our_folder_are_found() {
        let ours = tempfile::tempdir().unwrap();
        let theirs = tempfile::tempdir().unwrap();
        let mut started =
            [impostor(ours.path(), DAEMON), impostor(ours.path(), "editor"), impostor(theirs.path(), DAEMON)];
        let found: Vec<_> = inside(ours.path()).into_iter().map(|found| found.pid.as_raw()).collect();
        assert_eq!(found, [i32::try_from(started[0].id()).unwrap()]);
        for child in &mut started {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
