//! What tells a daemon that an earlier one of its machine is dead: a lock that the kernel alone gives back, with the process
//! that held it.
//!
//! The file is known by the boot of the machine, its file system and its number there. While somebody has it open it keeps
//! that number, whatever becomes of its name: whoever holds the lock of a number knows that everybody who held it
//! before is gone. A copy of the folder, or another machine that shares it, has another number.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg, OFlag};
use ring::digest::{Context, SHA256};
use uuid::Uuid;

/// Another one after each start of the machine.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// The lock, as long as the process lives; or none, and then nothing is proved.
#[derive(Debug)]
pub struct Host(Option<Alive>);

#[derive(Debug)]
struct Alive {
    id: Uuid,
    _lock: Flock<File>,
}

impl Host {
    /// Takes the lock beside a daemon's socket. Without it leases of the dead are waited out: another daemon may still be
    /// about to end there, or the socket is somebody else's gift and its folder not ours.
    #[must_use]
    pub fn claim(socket: &Path) -> Self {
        match Alive::claim(socket) {
            Ok(alive) => Self(Some(alive)),
            Err(error) => {
                tracing::info!("after a crash this daemon waits for its own lease to run out: {error}");
                Self(None)
            }
        }
    }

    /// Under which name leases are taken.
    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        self.0.as_ref().map(|alive| alive.id)
    }
}

impl Alive {
    fn claim(socket: &Path) -> io::Result<Self> {
        let mut path = socket.as_os_str().to_owned();
        path.push(".alive");
        let mut how = OpenOptions::new();
        how.write(true).create(true).truncate(false).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
        let file = how.open(PathBuf::from(path))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| io::Error::from(errno))?;
        let about = lock.metadata()?;
        let mut digest = Context::new(&SHA256);
        digest.update(fs::read_to_string(BOOT)?.trim().as_bytes());
        digest.update(&about.dev().to_be_bytes());
        digest.update(&about.ino().to_be_bytes());
        let mut id = [0; 16];
        for (byte, digit) in id.iter_mut().zip(digest.finish().as_ref()) {
            *byte = *digit;
        }
        Ok(Self { id: Uuid::from_bytes(id), _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_name_and_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("d.sock");
        let first = Host::claim(&socket);
        let name = first.id();
        assert!(name.is_some());
        assert_eq!(Host::claim(&socket).id(), None, "while the first lives");
        let elsewhere = Host::claim(&folder.path().join("other.sock"));
        assert!(elsewhere.id().is_some() && elsewhere.id() != name);
        drop(first);
        assert_eq!(Host::claim(&socket).id(), name);
    }

    /// Somebody removes the file under a daemon that lives: the next one proves nothing about it.
    #[test]
    fn another_file_of_the_same_name_is_another_lock() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("d.sock");
        let first = Host::claim(&socket);
        fs::remove_file(folder.path().join("d.sock.alive")).unwrap();
        let second = Host::claim(&socket);
        assert!(second.id().is_some() && second.id() != first.id());
    }

    #[test]
    fn a_folder_that_is_not_there_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Host::claim(&folder.path().join("none/d.sock")).id(), None);
    }
}
