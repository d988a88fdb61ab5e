//! Folders and files that must be ours, or that somebody else may have had a hand in: found without
//! following a link, believed only after a look at what was opened, and changed through the
//! descriptor, so that nothing can be put in their place between the look and the deed.
//!
//! Why it matters: as root the daemon works beside a database server of another user, who owns the
//! data. A link that this user leaves where root is going to write would make root write elsewhere.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat};

/// Closed to everybody else.
const CLOSED_FOLDER: u32 = 0o700;
const CLOSED_FILE: u32 = 0o600;
/// For every opening: no link at the end, no waiting for the other end of a pipe.
const CAREFULLY: OFlag = OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC).union(OFlag::O_NOCTTY);

/// A user and a group that something is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOwner {
    pub uid: u32,
    pub gid: u32,
}

/// An open folder. What is done to it and in it happens to this one, whatever its name comes to mean.
#[derive(Debug)]
pub struct Folder(File);

impl Folder {
    /// # Errors
    /// When there is none, or a link or something else is in its place.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = CAREFULLY | OFlag::O_DIRECTORY;
        let opened = File::options().read(true).custom_flags(flags.bits()).open(path);
        // The kernel's word for a link where a folder was asked for is the one for "no folder".
        let is_link = || path.symlink_metadata().is_ok_and(|about| about.file_type().is_symlink());
        opened.map(Self).map_err(|error| if is_link() { a_link() } else { error })
    }

    /// Opens it; makes it first, closed to everybody else, when there is none.
    ///
    /// # Errors
    /// As [`Folder::open`], and when it cannot be made.
    pub fn make(path: &Path) -> io::Result<Self> {
        match DirBuilder::new().mode(CLOSED_FOLDER).create(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Self::open(path),
        }
    }

    /// As [`Folder::make`], for a folder of ours that stays closed to everybody else.
    ///
    /// # Errors
    /// As [`Folder::make`], and when it belongs to somebody else.
    pub fn make_private(path: &Path) -> io::Result<Self> {
        let folder = Self::make(path)?;
        must_be_ours(&folder.0)?;
        folder.protect(CLOSED_FOLDER)?;
        Ok(folder)
    }

    /// # Errors
    /// When the system does not say.
    pub fn owner(&self) -> io::Result<u32> {
        Ok(self.0.metadata()?.uid())
    }

    /// # Errors
    /// When it is not ours.
    pub fn protect(&self, mode: u32) -> io::Result<()> {
        self.0.set_permissions(Permissions::from_mode(mode))
    }

    /// # Errors
    /// When we may not.
    pub fn give(&self, to: NewOwner) -> io::Result<()> {
        give(&self.0, to)
    }

    /// Opens a file of ours to write at its end; makes it when there is none. It is closed to everybody
    /// else from then on.
    ///
    /// # Errors
    /// When a link or something else is in its place, or it is somebody else's too.
    pub fn append(&self, name: &str) -> io::Result<File> {
        let file = self.open_file(name, OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT)?;
        must_be_ours(&file)?;
        if file.metadata()?.nlink() != 1 {
            return Err(io::Error::other("has another name elsewhere (a hard link)"));
        }
        file.set_permissions(Permissions::from_mode(CLOSED_FILE))?;
        Ok(file)
    }

    /// What a file holds, if there is one; whoever it belongs to.
    ///
    /// # Errors
    /// When a link or something else is in its place, or it has more than `max` bytes.
    pub fn read(&self, name: &str, max: u64) -> io::Result<Option<String>> {
        let file = match self.open_file(name, OFlag::O_RDONLY) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut text = String::new();
        file.take(max.saturating_add(1)).read_to_string(&mut text)?;
        if u64::try_from(text.len()).is_ok_and(|length| length <= max) {
            return Ok(Some(text));
        }
        Err(io::Error::other(format!("has more than {max} bytes")))
    }

    /// Puts a new file, closed to everybody but its owner, in the place of whatever has this name.
    /// Whoever reads it meanwhile finds the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace(&self, name: &str, text: &str, owner: Option<NewOwner>) -> io::Result<()> {
        let new = format!("{name}.new");
        match unlinkat(&self.0, new.as_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut file = self.open_file(&new, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL)?;
        file.write_all(text.as_bytes())?;
        if let Some(owner) = owner {
            give(&file, owner)?;
        }
        Ok(renameat(&self.0, new.as_str(), &self.0, name)?)
    }

    /// # Errors
    /// When the disk says no.
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn open_file(&self, name: &str, how: OFlag) -> io::Result<File> {
        let opened: OwnedFd = openat(&self.0, name, how | CAREFULLY, Mode::from_bits_truncate(CLOSED_FILE))
            .map_err(|errno| if errno == Errno::ELOOP { a_link() } else { errno.into() })?;
        let file = File::from(opened);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("is not a file")) }
    }
}

fn a_link() -> io::Error {
    io::Error::other("is a symbolic link")
}

fn must_be_ours(file: &File) -> io::Result<()> {
    let owner = file.metadata()?.uid();
    if owner == Uid::effective().as_raw() { Ok(()) } else { Err(io::Error::other(format!("belongs to user {owner}"))) }
}

fn give(file: &File, to: NewOwner) -> io::Result<()> {
    Ok(fchown(file, Some(Uid::from_raw(to.uid)), Some(Gid::from_raw(to.gid)))?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn place() -> (tempfile::TempDir, Folder) {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::open(directory.path()).unwrap();
        (directory, folder)
    }

    fn told<T: std::fmt::Debug>(result: io::Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_file_that_is_replaced_is_whole_and_closed() {
        let (directory, folder) = place();
        let victim = directory.path().join("victim");
        fs::write(&victim, "untouched").unwrap();
        for name in ["a", "a.new"] {
            symlink(&victim, directory.path().join(name)).unwrap();
        }
        folder.replace("a", "text", None).unwrap();
        assert_eq!(folder.read("a", 4).unwrap().as_deref(), Some("text"));
        let about = fs::symlink_metadata(directory.path().join("a")).unwrap();
        assert!(about.is_file() && about.mode() & 0o777 == 0o600);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        assert!(!directory.path().join("a.new").exists());
    }

    #[test]
    fn what_is_read_is_a_file_of_a_size() {
        let (directory, folder) = place();
        assert_eq!(folder.read("none", 10).unwrap(), None);
        fs::write(directory.path().join("long"), "12345").unwrap();
        assert_eq!(told(folder.read("long", 4)), "has more than 4 bytes");
        symlink("long", directory.path().join("link")).unwrap();
        assert_eq!(told(folder.read("link", 10)), "is a symbolic link");
        nix::unistd::mkfifo(&directory.path().join("pipe"), Mode::S_IRWXU).unwrap();
        assert_eq!(told(folder.read("pipe", 10)), "is not a file");
    }

    #[test]
    fn what_is_appended_to_has_one_name_and_is_closed() {
        let (directory, folder) = place();
        let log = directory.path().join("log");
        fs::write(&log, "one ").unwrap();
        fs::set_permissions(&log, Permissions::from_mode(0o644)).unwrap();
        folder.append("log").unwrap().write_all(b"two").unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "one two");
        assert_eq!(fs::metadata(&log).unwrap().mode() & 0o777, 0o600);
        fs::hard_link(&log, directory.path().join("other")).unwrap();
        assert!(told(folder.append("log")).contains("hard link"));
        symlink("log", directory.path().join("link")).unwrap();
        assert_eq!(told(folder.append("link")), "is a symbolic link");
    }

    #[test]
    fn a_folder_is_no_link_and_is_made_closed() {
        let (directory, _) = place();
        let link = directory.path().join("link");
        symlink(directory.path(), &link).unwrap();
        assert_eq!(told(Folder::make(&link)), "is a symbolic link");
        let fresh = directory.path().join("fresh");
        Folder::make_private(&fresh).unwrap();
        assert_eq!(fs::metadata(&fresh).unwrap().mode() & 0o777, 0o700);
        if Uid::effective().is_root() {
            Folder::open(&fresh).unwrap().give(NewOwner { uid: 12345, gid: 12345 }).unwrap();
            assert_eq!(told(Folder::make_private(&fresh)), "belongs to user 12345");
        }
    }
}
