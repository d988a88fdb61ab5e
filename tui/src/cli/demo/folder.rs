//! The folder that a demo lives in: `blotter-demo.XXXXXX` under the folder for temporary things.
//!
//! It is the daemon's data directory, marked as one that goes with the daemon, so that it goes even
//! when this process was killed; beside the data it holds the socket, the logs and a lock. The lock
//! is held as long as this process lives: a folder whose lock is free has lost its owner and may be
//! swept.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::{Uid, mkdtemp};

use super::processes;
use super::programs::{self, DATABASE, Introduced};

const PREFIX: &str = "blotter-demo.";
/// Before its lock is held a folder has another name, so that a sweep never takes it for a lost one.
const UNFINISHED: &str = ".blotter-demo.XXXXXX";

/// How long programs whose demo was killed may take to end by themselves, and then when asked.
const BY_THEMSELVES: Duration = Duration::from_secs(10);
const WHEN_ASKED: Duration = Duration::from_secs(10);
const WHEN_KILLED: Duration = Duration::from_secs(5);

/// The daemon removes a data directory that holds this, and no other that was not empty.
const EPHEMERAL: &str = ".ephemeral";
const LOCK: &str = "demo.lock";

/// A key as `blotterd vault keygen` prints it. It shows itself to no `Debug`.
pub(super) struct KeyText(pub(super) String);

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(…)")
    }
}

/// A demo's own folder; gone when this is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Held, never read.
    lock: File,
    /// What the daemon is told of the simulator.
    simulator: Option<Introduced>,
    /// The key that the daemon seals with; written anew with the folder.
    key: Option<KeyText>,
}

impl Folder {
    /// Makes one below `temp`, closed to other users. (As root, the daemon gives it to the user that
    /// the database runs as, and leaves it closed.)
    pub(super) fn make(temp: &Path) -> io::Result<Self> {
        let unfinished = mkdtemp(&temp.join(UNFINISHED))?;
        let lock = locked(&unfinished)?;
        let unique = unfinished.extension().and_then(|x| x.to_str()).unwrap_or_default();
        let path = temp.join(format!("{PREFIX}{unique}"));
        fs::rename(&unfinished, &path)?;
        let mut folder = Self { path, lock, simulator: None, key: None };
        folder.prepare()?;
        Ok(folder)
    }

    /// What a daemon must find, now and whenever it is started again: one that was told by somebody
    /// else to stop has removed everything.
    pub(super) fn prepare(&mut self) -> io::Result<()> {
        if !self.path.join(LOCK).exists() {
            DirBuilder::new().mode(0o700).recursive(true).create(&self.path)?;
            self.lock = locked(&self.path)?;
        }
        DirBuilder::new().mode(0o700).recursive(true).create(self.path.join("socket"))?;
        fs::write(self.path.join(EPHEMERAL), "")?;
        if let Some(key) = &self.key {
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            options.open(self.key_file())?.write_all(key.0.as_bytes())?;
        }
        let simulator = self.simulator.as_ref();
        fs::write(self.config(), programs::configuration(&self.socket(), &self.path, simulator))
    }

    /// From the daemon's next start on it finds the simulator there.
    pub(super) fn introduce_simulator(&mut self, address: &str, key: Option<KeyText>) -> io::Result<()> {
        let key_file = key.is_some().then(|| self.key_file());
        self.simulator = Some(Introduced { address: address.to_owned(), key_file });
        self.key = key;
        self.prepare()
    }

    fn key_file(&self) -> PathBuf {
        self.path.join("socket/vault.key")
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn socket(&self) -> PathBuf {
        // As root the folder itself belongs to the database's user, and no daemon puts its socket where
        // somebody else could replace it.
        self.path.join("socket/blotterd.sock")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    pub(super) fn simulator_state(&self) -> PathBuf {
        self.path.join("simulator.state")
    }

    pub(super) fn log(&self, program: &str) -> PathBuf {
        self.path.join(format!("{program}.log"))
    }
}

impl Drop for Folder {
    /// The programs have been stopped; whatever is left of them was not ours to wait for any longer.
    fn drop(&mut self) {
        end_all(&self.path, Duration::ZERO);
        // The daemon removes its part by itself; what cannot be removed now is swept by the next demo.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn locked(folder: &Path) -> io::Result<File> {
    let lock = File::create(folder.join(LOCK))?;
    lock.try_lock().map_err(io::Error::from)?;
    Ok(lock)
}

/// Ends and removes what killed demos of this user have left below `temp`; returns the folders.
pub(super) fn sweep(temp: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(temp) else { return Vec::new() };
    let lost = entries.flatten().map(|entry| entry.path()).filter(|path| is_lost(path));
    lost.filter(|path| {
        end_all(path, BY_THEMSELVES);
        // The daemon removes the folder too, and may have been first.
        fs::remove_dir_all(path).is_ok() || !path.exists()
    })
    .collect()
}

/// A demo's folder of this user whose owner is gone.
fn is_lost(path: &Path) -> bool {
    let is_named = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
    let us = Uid::effective();
    // As root the folder was given away; nobody else can give one to a stranger.
    let is_ours =
        || fs::symlink_metadata(path).is_ok_and(|it| it.is_dir() && (it.uid() == us.as_raw() || us.is_root()));
    let is_free = || match File::open(path.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    is_named && is_ours() && is_free()
}

/// Waits until the folder's processes have ended, asks those that have not, kills those that will not.
fn end_all(folder: &Path, by_themselves: Duration) {
    // A database without its daemon waits for nobody.
    let will_end = |found: &[processes::Found]| found.iter().any(|process| process.name != DATABASE);
    if will_end(&processes::inside(folder)) && gone_within(folder, by_themselves) {
        return;
    }
    processes::ask_to_end(&processes::inside(folder));
    if gone_within(folder, WHEN_ASKED) {
        return;
    }
    processes::kill_now(&processes::inside(folder));
    gone_within(folder, WHEN_KILLED);
}

fn gone_within(folder: &Path, limit: Duration) -> bool {
    const LOOK_EVERY: Duration = Duration::from_millis(20);
    let started = Instant::now();
    loop {
        if processes::inside(folder).is_empty() {
            return true;
        }
        if started.elapsed() >= limit {
            return false;
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_folder_is_closed_to_others_and_goes_with_its_owner() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::make(temp.path()).unwrap();
        let path = folder.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(sweep(temp.path()), [""; 0].map(PathBuf::from), "a folder with an owner is left alone");
        drop(folder);
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_was_removed_is_made_again() {
        let temp = tempfile::tempdir().unwrap();
        let mut folder = Folder::make(temp.path()).unwrap();
        fs::remove_dir_all(folder.path()).unwrap();
        folder.prepare().unwrap();
        assert!(folder.config().exists());
        assert_eq!(sweep(temp.path()).len(), 0, "it has an owner all the same");
        assert!(folder.config().exists());
    }

    #[test]
    fn a_lost_folder_is_swept_with_its_processes() {
        let temp = tempfile::tempdir().unwrap();
        let lost = temp.path().join("blotter-demo.lost");
        fs::create_dir(&lost).unwrap();
        fs::write(lost.join(LOCK), "").unwrap();
        let other = temp.path().join("somebody-else");
        fs::create_dir(&other).unwrap();
        fs::copy("/bin/cat", lost.join("blotterd")).unwrap();
        let mut child = Command::new(lost.join("blotterd")).current_dir(&lost).stdin(Stdio::piped()).spawn().unwrap();
        let lifeline = child.stdin.take();
        let reaper = std::thread::spawn(move || child.wait().unwrap());
        // Its owner is gone: the lifeline closes, and it ends by itself.
        drop(lifeline);

        assert_eq!(sweep(temp.path()), [lost]);
        assert!(reaper.join().unwrap().success(), "it was killed, though it was about to end");
        assert!(other.exists());
        assert_eq!(sweep(temp.path()).len(), 0, "the second sweep finds nothing");
    }

    #[test]
    fn a_process_that_does_not_listen_is_ended() {
        let temp = tempfile::tempdir().unwrap();
        let lost = temp.path().join("blotter-demo.lost");
        fs::create_dir(&lost).unwrap();
        fs::copy("/bin/cat", lost.join("blotterd")).unwrap();
        let mut child = Command::new(lost.join("blotterd")).current_dir(&lost).stdin(Stdio::piped()).spawn().unwrap();
        let lifeline = child.stdin.take();
        let reaper = std::thread::spawn(move || child.wait().unwrap());
        end_all(&lost, Duration::ZERO);
        assert!(!reaper.join().unwrap().success());
        drop(lifeline);
    }
}
