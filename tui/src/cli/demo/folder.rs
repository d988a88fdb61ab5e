//! The folder that a demo lives in: `blotter-demo.XXXXXX` under the folder for temporary things.
//!
//! ```text
//! demo.lock     held as long as this process lives: a folder whose lock is free has lost its owner
//!               and may be swept
//! .ephemeral    says to the daemon that the folder was made for it alone: it removes the folder
//!               when this process was killed
//! own/          the socket, the key, the configuration, the logs: closed to everybody else
//! data/         the daemon's data directory; goes with the daemon and comes with the next
//! ```
//!
//! The folder lies where everybody may make folders. So it is made once and never again, nothing in it
//! is found through a link, and another user's is neither swept nor opened any further.

use std::fmt;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
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

/// The daemon removes a folder that holds this, and no other that it did not make.
const MARK: &str = ".ephemeral";
const LOCK: &str = "demo.lock";
const OWN: &str = "own";
const DATA: &str = "data";

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
    /// The folder itself, whatever has its name by now.
    itself: File,
    /// Held, never read.
    _lock: File,
    /// What the daemon is told of the simulator.
    simulator: Option<Introduced>,
    /// The key that the daemon seals with.
    key: Option<KeyText>,
}

impl Folder {
    /// Makes one below `temp`. Other users may neither look into it nor change it; root lets them pass
    /// through, because its daemon's database is another user's and lies inside.
    pub(super) fn make(temp: &Path) -> io::Result<Self> {
        let unfinished = mkdtemp(&temp.join(UNFINISHED))?;
        let itself = our_folder(&unfinished)?;
        let lock = locked(&unfinished)?;
        create(&unfinished.join(MARK))?;
        DirBuilder::new().mode(0o700).create(unfinished.join(OWN))?;
        itself.set_permissions(Permissions::from_mode(if Uid::effective().is_root() { 0o711 } else { 0o700 }))?;
        let unique = unfinished.extension().and_then(|x| x.to_str()).unwrap_or_default();
        let path = temp.join(format!("{PREFIX}{unique}"));
        fs::rename(&unfinished, &path)?;
        let folder = Self { path, itself, _lock: lock, simulator: None, key: None };
        folder.prepare()?;
        Ok(folder)
    }

    /// What a daemon must find, now and whenever it is started again. A folder that has gone is not made
    /// again: by now its name may be somebody else's.
    pub(super) fn prepare(&self) -> io::Result<()> {
        self.must_be_there()?;
        if let Some(key) = &self.key {
            create(&self.key_file())?.write_all(key.0.as_bytes())?;
        }
        let text = programs::configuration(&self.socket(), &self.path.join(DATA), self.simulator.as_ref());
        create(&self.config())?.write_all(text.as_bytes())
    }

    /// Whether its name still leads to the folder that was made.
    pub(super) fn must_be_there(&self) -> io::Result<()> {
        let made = self.itself.metadata()?;
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == (made.dev(), made.ino())) {
            return Ok(());
        }
        let gone = format!("{} was removed by somebody else", self.path.display());
        Err(io::Error::new(io::ErrorKind::NotFound, gone))
    }

    /// From the daemon's next start on it finds the simulator there.
    pub(super) fn introduce_simulator(&mut self, address: &str, key: Option<KeyText>) -> io::Result<()> {
        let key_file = key.is_some().then(|| self.key_file());
        self.simulator = Some(Introduced { address: address.to_owned(), key_file });
        self.key = key;
        self.prepare()
    }

    fn own(&self, name: &str) -> PathBuf {
        self.path.join(OWN).join(name)
    }

    fn key_file(&self) -> PathBuf {
        self.own("vault.key")
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.own("blotterd.sock")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.own("config.toml")
    }

    pub(super) fn simulator_state(&self) -> PathBuf {
        self.own("simulator.state")
    }

    /// What the simulator prints.
    pub(super) fn simulator_out(&self) -> PathBuf {
        self.own("simulator.out")
    }

    pub(super) fn log(&self, program: &str) -> PathBuf {
        self.own(&format!("{program}.log"))
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

/// For every opening in a folder that others can reach: no link at the end, no waiting for the other
/// end of a pipe.
const CAREFULLY: i32 = OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK).bits();

/// A new or an emptied file, closed to everybody else.
fn create(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(0o600).custom_flags(CAREFULLY).open(path)
}

fn locked(folder: &Path) -> io::Result<File> {
    let lock = create(&folder.join(LOCK))?;
    lock.try_lock().map_err(io::Error::from)?;
    Ok(lock)
}

/// Opens a folder that belongs to this user; as root, too, because what root is to remove nobody else
/// may have made.
fn our_folder(path: &Path) -> io::Result<File> {
    let flags = CAREFULLY | OFlag::O_DIRECTORY.bits();
    let folder = File::options().read(true).custom_flags(flags).open(path)?;
    let owner = folder.metadata()?.uid();
    if owner == Uid::effective().as_raw() { Ok(folder) } else { Err(io::ErrorKind::PermissionDenied.into()) }
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
    let is_free = || match File::options().read(true).custom_flags(CAREFULLY).open(path.join(LOCK)) {
        Ok(lock) => lock.metadata().is_ok_and(|about| about.is_file()) && lock.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    is_named && our_folder(path).is_ok() && is_free()
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
    use std::os::unix::fs::symlink;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_folder_is_closed_to_others_and_goes_with_its_owner() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::make(temp.path()).unwrap();
        let path = folder.path().to_owned();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), if Uid::effective().is_root() { 0o711 } else { 0o700 });
        assert_eq!(mode(&path.join(OWN)), 0o700);
        assert_eq!(sweep(temp.path()), [""; 0].map(PathBuf::from), "a folder with an owner is left alone");
        drop(folder);
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    /// Its name is free by then, and whoever takes it must not be given the key or choose the programs.
    #[test]
    fn a_folder_that_was_removed_is_not_made_again() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::make(temp.path()).unwrap();
        let path = folder.path().to_owned();
        fs::remove_dir_all(&path).unwrap();
        let told = folder.prepare().unwrap_err().to_string();
        assert!(told.contains("was removed by somebody else"), "{told}");
        assert!(!path.exists());

        fs::create_dir_all(path.join(OWN)).unwrap();
        assert!(folder.prepare().is_err(), "another folder of its name is not the same");
        assert_eq!(fs::read_dir(path.join(OWN)).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_found_through_a_link() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::make(temp.path()).unwrap();
        let victim = temp.path().join("victim");
        fs::write(&victim, "untouched").unwrap();
        fs::remove_file(folder.config()).unwrap();
        symlink(&victim, folder.config()).unwrap();
        assert!(folder.prepare().is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    }

    /// Folders and locks that somebody else prepared for a sweep by root, or by a namesake.
    #[test]
    fn a_sweep_keeps_its_hands_off_what_is_not_a_demos() {
        let temp = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), temp.path().join("blotter-demo.link")).unwrap();
        let piped = temp.path().join("blotter-demo.pipe");
        fs::create_dir(&piped).unwrap();
        nix::unistd::mkfifo(&piped.join(LOCK), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let linked = temp.path().join("blotter-demo.lock");
        fs::create_dir(&linked).unwrap();
        symlink("/dev/null", linked.join(LOCK)).unwrap();
        if Uid::effective().is_root() {
            let theirs = temp.path().join("blotter-demo.theirs");
            fs::create_dir(&theirs).unwrap();
            std::os::unix::fs::chown(&theirs, Some(12345), None).unwrap();
        }
        let before = fs::read_dir(temp.path()).unwrap().count();
        assert_eq!(sweep(temp.path()), [""; 0].map(PathBuf::from));
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), before);
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
