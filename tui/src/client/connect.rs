//! Where the daemon listens, and what is wrong when it cannot be reached, as sentences.

use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::net::UnixStream;

use crate::environment::Environment;

const SYSTEM_SOCKET: &str = "/run/blotter/blotterd.sock";
/// `sun_path` is 108 bytes with its final zero.
const PATH_MAX_BYTES: usize = 107;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConnectError {
    #[error(
        "{path} does not exist: the daemon is not running. Start it with `systemctl start blotterd`, or try `blotter demo`."
    )]
    Missing { path: String },
    #[error("Nobody listens on {path}: the daemon was stopped. Start it with `systemctl start blotterd`.")]
    NobodyListens { path: String },
    #[error("This user may not open {path}. Its folder and group say who may: `ls -l {path}`.")]
    Forbidden { path: String },
    #[error("{path} is not a socket.")]
    NotASocket { path: String },
    #[error(
        "{path} belongs to user {owner}, not to you: it could be anybody's. Remove its folder or name the right socket with --socket."
    )]
    NotOurs { path: String, owner: u32 },
    #[error(
        "The socket's path is {bytes} bytes long and the system takes {PATH_MAX_BYTES}: choose a shorter one with --socket. ({path})"
    )]
    TooLong { path: String, bytes: usize },
    #[error("{path} did not accept a connection within {} s.", CONNECT_TIMEOUT.as_secs())]
    TimedOut { path: String },
    #[error("{path}: {reason}")]
    Other { path: String, reason: String },
}

/// Where the daemon is looked for, and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub path: PathBuf,
    pub source: &'static str,
    /// In a place that nobody named, where somebody else may have been first: its owner is checked.
    pub is_shared_folder: bool,
    pub uid: u32,
}

/// Finds the socket: the option, the environment, the configuration, then the usual places.
#[must_use]
pub fn find(option: Option<&Path>, environment: &Environment, configured: Option<&Path>) -> Place {
    let place =
        |path: &Path, source| Place { path: path.to_owned(), source, is_shared_folder: false, uid: environment.uid };
    if let Some(path) = option {
        return place(path, "--socket");
    }
    if let Some(path) = environment.blotter_socket.as_deref() {
        return place(path, "BLOTTER_SOCKET");
    }
    if let Some(path) = configured {
        return place(path, "config.toml");
    }
    usual_place(Path::new(SYSTEM_SOCKET), environment)
}

fn usual_place(system: &Path, environment: &Environment) -> Place {
    let uid = environment.uid;
    if std::fs::symlink_metadata(system).is_ok() {
        return Place { path: system.to_owned(), source: "the system's place", is_shared_folder: false, uid };
    }
    if let Some(runtime) = &environment.xdg_runtime_dir {
        let path = runtime.join("blotter/blotterd.sock");
        // Who changes the user and keeps the environment looks into somebody else's folder.
        return Place { path, source: "XDG_RUNTIME_DIR", is_shared_folder: true, uid };
    }
    let path = PathBuf::from(format!("/tmp/blotter-{uid}/blotterd.sock"));
    Place { path, source: "the fallback under /tmp", is_shared_folder: true, uid }
}

/// Connects, or says in a sentence why not.
///
/// # Errors
/// One variant for each thing that the user can do something about.
pub async fn connect(place: &Place) -> Result<UnixStream, ConnectError> {
    let path = place.path.display().to_string();
    let bytes = place.path.as_os_str().len();
    if bytes > PATH_MAX_BYTES {
        return Err(ConnectError::TooLong { path, bytes });
    }
    check_owner(place)?;
    match tokio::time::timeout(CONNECT_TIMEOUT, UnixStream::connect(&place.path)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(explain(&place.path, &error)),
        Err(_) => Err(ConnectError::TimedOut { path }),
    }
}

/// Under `/tmp` anyone could have made the folder first and listen there in the daemon's name; and
/// whoever owns the folder around it could put another in its place.
fn check_owner(place: &Place) -> Result<(), ConnectError> {
    if !place.is_shared_folder {
        return Ok(());
    }
    let folder = place.path.parent().unwrap_or(&place.path);
    let around = folder.parent().unwrap_or(folder);
    for (path, trusted) in [(around, &[place.uid, 0][..]), (folder, &[place.uid][..])] {
        match std::fs::symlink_metadata(path) {
            Ok(metadata) if !trusted.contains(&metadata.uid()) => {
                return Err(ConnectError::NotOurs { path: path.display().to_string(), owner: metadata.uid() });
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

fn explain(path: &Path, error: &std::io::Error) -> ConnectError {
    let shown = path.display().to_string();
    let is_socket = std::fs::metadata(path).map(|metadata| metadata.file_type().is_socket());
    match (error.kind(), is_socket) {
        (_, Ok(false)) => ConnectError::NotASocket { path: shown },
        (ErrorKind::NotFound, _) => ConnectError::Missing { path: shown },
        (ErrorKind::ConnectionRefused, _) => ConnectError::NobodyListens { path: shown },
        (ErrorKind::PermissionDenied, _) => ConnectError::Forbidden { path: shown },
        _ => ConnectError::Other { path: shown, reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &Path) -> Place {
        Place { path: path.to_owned(), source: "test", is_shared_folder: false, uid: 0 }
    }

    #[test]
    fn the_option_wins_then_the_environment_then_the_file_then_the_usual_places() {
        let mut environment = Environment {
            blotter_socket: Some("/env".into()),
            xdg_runtime_dir: Some("/run/user/7".into()),
            uid: 7,
            ..Environment::default()
        };
        let found = |option: Option<&str>, environment: &Environment, configured: Option<&str>| {
            find(option.map(Path::new), environment, configured.map(Path::new)).path
        };
        assert_eq!(found(Some("/opt"), &environment, Some("/file")), Path::new("/opt"));
        assert_eq!(found(None, &environment, Some("/file")), Path::new("/env"));
        environment.blotter_socket = None;
        assert_eq!(found(None, &environment, Some("/file")), Path::new("/file"));
        let absent = Path::new("/nonexistent/blotterd.sock");
        let runtime = usual_place(absent, &environment);
        assert_eq!(runtime.path, Path::new("/run/user/7/blotter/blotterd.sock"));
        assert!(runtime.is_shared_folder, "its owner is looked at");
        environment.xdg_runtime_dir = None;
        let fallback = usual_place(absent, &environment);
        assert_eq!(fallback.path, Path::new("/tmp/blotter-7/blotterd.sock"));
        assert!(fallback.is_shared_folder);
        let present = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(usual_place(present.path(), &environment).path, present.path());
    }

    #[tokio::test]
    async fn every_way_to_fail_has_its_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let dead = folder.path().join("dead.sock");
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        let error = async |path: &Path| connect(&place(path)).await.unwrap_err();
        assert!(matches!(error(&folder.path().join("none")).await, ConnectError::Missing { .. }));
        assert!(matches!(error(&file).await, ConnectError::NotASocket { .. }));
        assert!(matches!(error(&dead).await, ConnectError::NobodyListens { .. }));
        let long = folder.path().join("x".repeat(120));
        assert!(matches!(error(&long).await, ConnectError::TooLong { .. }));
    }

    #[tokio::test]
    async fn a_strangers_folder_under_tmp_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let owner = std::fs::metadata(folder.path()).unwrap().uid();
        let path = folder.path().join("blotterd.sock");
        let shared = Place { is_shared_folder: true, uid: owner + 1, ..place(&path) };
        let shown = folder.path().display().to_string();
        assert_eq!(connect(&shared).await.unwrap_err(), ConnectError::NotOurs { path: shown, owner });
    }

    /// As after `su`, with the environment of the user before.
    #[tokio::test]
    async fn a_strangers_runtime_folder_is_refused() {
        let runtime = tempfile::tempdir().unwrap();
        let folder = runtime.path().join("blotter");
        std::fs::create_dir(&folder).unwrap();
        let _stranger = std::os::unix::net::UnixListener::bind(folder.join("blotterd.sock")).unwrap();
        let owner = std::fs::metadata(&folder).unwrap().uid();
        let mut environment =
            Environment { xdg_runtime_dir: Some(runtime.path().to_owned()), uid: owner, ..Environment::default() };
        let absent = Path::new("/nonexistent/blotterd.sock");
        connect(&usual_place(absent, &environment)).await.unwrap();
        environment.uid = owner + 1;
        let refused = connect(&usual_place(absent, &environment)).await.unwrap_err();
        assert!(matches!(refused, ConnectError::NotOurs { owner: found, .. } if found == owner), "{refused}");
    }
}
