//! The socket in the file system: made safely, taken over from nobody alive, removed at the end.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::{Gid, Group, Uid, chown};
use thiserror::Error;
use tokio::net::{UnixListener, UnixSocket};

/// Longest path that fits into a socket's address.
const PATH_MAX: usize = 107;
/// How many connections may wait to be accepted.
const BACKLOG: u32 = 4096;

/// Why there is no socket. Each is a sentence that says what to do.
#[derive(Debug, Error)]
pub enum ListenerError {
    #[error("the socket path {} has {length} bytes, and {PATH_MAX} fit: choose a shorter one (daemon.socket)", path.display())]
    TooLong { path: PathBuf, length: usize },
    #[error("the socket path {} names no file in a folder: choose another (daemon.socket)", path.display())]
    NoFolder { path: PathBuf },
    #[error("{} is not a socket: remove it or choose another path (daemon.socket)", path.display())]
    NotASocket { path: PathBuf },
    #[error("{} belongs to uid {owner}, not to us: choose another path (daemon.socket)", path.display())]
    NotOurs { path: PathBuf, owner: u32 },
    #[error("the folder {} {why}: nobody else may be able to replace the socket in it", path.display())]
    UnsafeFolder { path: PathBuf, why: String },
    #[error("another blotterd answers on {}: stop it first, or choose another path (daemon.socket)", path.display())]
    InUse { path: PathBuf },
    #[error("there is no group `{name}` on this machine (daemon.socket_group)")]
    NoGroup { name: String },
    #[error("we may not give the socket to group `{name}` (daemon.socket_group): {source}")]
    GroupRefused { name: String, source: Errno },
    #[error("the socket that systemd passed cannot be used: {0}")]
    Activation(String),
    #[error("{doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

/// A socket that clients can connect to.
#[derive(Debug)]
pub struct BoundSocket {
    listener: UnixListener,
    file: Option<SocketFile>,
}

/// Our socket in the file system; dropping it removes the file, if it is still ours.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    _lock: Flock<File>,
}

impl BoundSocket {
    /// Takes the socket that systemd passed, if it passed one.
    ///
    /// # Errors
    /// When it passed something else, or several.
    pub fn activated() -> Result<Option<Self>, ListenerError> {
        let broken = |error: io::Error| ListenerError::Activation(error.to_string());
        let mut passed = listenfd::ListenFd::from_env();
        match passed.len() {
            0 => Ok(None),
            1 => {
                let listener = passed.take_unix_listener(0).map_err(broken)?;
                let listener = listener.ok_or_else(|| ListenerError::Activation("it was taken before".to_owned()))?;
                listener.set_nonblocking(true).map_err(broken)?;
                Ok(Some(Self { listener: UnixListener::from_std(listener).map_err(broken)?, file: None }))
            }
            several => Err(ListenerError::Activation(format!("there are {several}, one is expected"))),
        }
    }

    /// Makes a socket at `path`, for the group's members too if one is named.
    ///
    /// # Errors
    /// When the path is unfit, somebody answers there, or the file system says no.
    pub fn bind(path: &Path, group: Option<&str>) -> Result<Self, ListenerError> {
        let length = path.as_os_str().len();
        if length > PATH_MAX {
            return Err(ListenerError::TooLong { path: path.to_owned(), length });
        }
        let group = group.map(find_group).transpose()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && path.file_name().is_some());
        let folder = folder.ok_or_else(|| ListenerError::NoFolder { path: path.to_owned() })?;
        prepare_folder(folder, group.as_ref())?;
        let lock = lock(path)?;
        clear(path)?;
        let listener = listen(path, group.as_ref())?;
        let about = fs::symlink_metadata(path).map_err(io_error("cannot look at", path))?;
        let file = SocketFile { path: path.to_owned(), identity: (about.dev(), about.ino()), _lock: lock };
        Ok(Self { listener, file: Some(file) })
    }

    /// The listener, and what keeps its file.
    #[must_use]
    pub fn into_parts(self) -> (UnixListener, Option<SocketFile>) {
        (self.listener, self.file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|about| (about.dev(), about.ino()) == self.identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!("the socket {} cannot be removed: {error}", self.path.display());
        }
    }
}

/// The group's name and number.
type NamedGroup = (String, Gid);

fn find_group(name: &str) -> Result<NamedGroup, ListenerError> {
    let found = Group::from_name(name).ok().flatten();
    let group = found.ok_or_else(|| ListenerError::NoGroup { name: name.to_owned() })?;
    Ok((group.name, group.gid))
}

/// Makes the folder if need be, and refuses one in which somebody else could put a socket of theirs
/// in our place.
fn prepare_folder(folder: &Path, group: Option<&NamedGroup>) -> Result<(), ListenerError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {
            let mode = if group.is_some() { 0o750 } else { 0o700 };
            fs::set_permissions(folder, Permissions::from_mode(mode)).map_err(io_error("cannot protect", folder))?;
            give(folder, group)?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io_error("cannot make the folder", folder)(error)),
    }
    check_around(folder)?;
    let about = fs::symlink_metadata(folder).map_err(io_error("cannot look at", folder))?;
    let refuse = |why: &str| ListenerError::UnsafeFolder { path: folder.to_owned(), why: why.to_owned() };
    if about.file_type().is_symlink() {
        return Err(refuse("is a symbolic link"));
    }
    if !about.is_dir() {
        return Err(refuse("is not a folder"));
    }
    let sticky = about.mode() & 0o1000 != 0;
    let owner_is_safe = about.uid() == Uid::effective().as_raw() || about.uid() == 0;
    match (owner_is_safe, about.mode() & 0o022 != 0, sticky) {
        (false, _, _) => Err(refuse(&format!("belongs to uid {}", about.uid()))),
        (true, true, false) => Err(refuse(&format!("can be written by others (mode {:o})", about.mode() & 0o7777))),
        (true, false, _) | (true, true, true) => Ok(()),
    }
}

/// Whoever owns the folder around it can put another folder in its place.
fn check_around(folder: &Path) -> Result<(), ListenerError> {
    let Some(around) = folder.parent().filter(|around| !around.as_os_str().is_empty()) else { return Ok(()) };
    let about = fs::metadata(around).map_err(io_error("cannot look at", around))?;
    let why = match (about.uid(), about.mode()) {
        (owner, _) if owner != Uid::effective().as_raw() && owner != 0 => format!("belongs to uid {owner}"),
        (_, mode) if mode & 0o022 != 0 && mode & 0o1000 == 0 => {
            format!("can be written by others (mode {:o})", mode & 0o7777)
        }
        _ => return Ok(()),
    };
    Err(ListenerError::UnsafeFolder { path: around.to_owned(), why })
}

/// One daemon per path, also while both are only starting. The lock file stays: removing it would
/// let two daemons hold two files of one name.
fn lock(path: &Path) -> Result<Flock<File>, ListenerError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(&lock_path)
        .map_err(io_error("cannot open the lock", &lock_path))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
        if errno == Errno::EWOULDBLOCK {
            return ListenerError::InUse { path: path.to_owned() };
        }
        io_error("cannot lock", &lock_path)(errno.into())
    })
}

/// Removes what an earlier daemon left behind, and nothing else.
fn clear(path: &Path) -> Result<(), ListenerError> {
    let about = match fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("cannot look at", path)(error)),
    };
    if !about.file_type().is_socket() {
        return Err(ListenerError::NotASocket { path: path.to_owned() });
    }
    let us = Uid::effective().as_raw();
    if about.uid() != us && us != 0 {
        return Err(ListenerError::NotOurs { path: path.to_owned(), owner: about.uid() });
    }
    match StdStream::connect(path) {
        Ok(_) => Err(ListenerError::InUse { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(io_error("cannot remove the old socket", path))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // A queue that is full has somebody behind it.
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ListenerError::InUse { path: path.to_owned() }),
        Err(error) => Err(io_error("cannot tell whether anybody answers on", path)(error)),
    }
}

/// Nobody can connect before the socket listens, and by then it is protected.
fn listen(path: &Path, group: Option<&NamedGroup>) -> Result<UnixListener, ListenerError> {
    let socket = UnixSocket::new_stream().map_err(io_error("cannot make a socket for", path))?;
    socket.bind(path).map_err(io_error("cannot bind", path))?;
    fs::set_permissions(path, Permissions::from_mode(0o660)).map_err(io_error("cannot protect", path))?;
    give(path, group)?;
    socket.listen(BACKLOG).map_err(io_error("cannot listen on", path))
}

fn give(path: &Path, group: Option<&NamedGroup>) -> Result<(), ListenerError> {
    let Some((name, gid)) = group else { return Ok(()) };
    chown(path, None, Some(*gid)).map_err(|source| ListenerError::GroupRefused { name: name.clone(), source })
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ListenerError + use<> {
    let path = path.to_owned();
    move |source| ListenerError::Io { doing, path, source }
}
