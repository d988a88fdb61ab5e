//! The socket in the file system.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener as StdListener;

use blotter_daemon::api::BoundSocket;
use tempfile::TempDir;

fn refusal(path: &std::path::Path) -> String {
    match BoundSocket::bind(path, None) {
        Ok(_) => panic!("{} was bound", path.display()),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn the_folder_and_the_socket_are_protected_and_removed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("run/b.sock");
    let bound = BoundSocket::bind(&path, None).unwrap();
    let mode = |path: &std::path::Path| fs::symlink_metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path), 0o660);
    let (_listener, file) = bound.into_parts();
    drop(file);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_the_first_is_not_disturbed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("b.sock");
    let first = BoundSocket::bind(&path, None).unwrap();
    let identity = fs::symlink_metadata(&path).unwrap().ino();
    assert!(refusal(&path).starts_with("another blotterd answers on"), "{}", refusal(&path));
    assert_eq!(fs::symlink_metadata(&path).unwrap().ino(), identity);
    drop(first);
    BoundSocket::bind(&path, None).unwrap();
}

#[tokio::test]
async fn a_socket_on_which_somebody_else_answers_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("b.sock");
    let other = StdListener::bind(&path).unwrap();
    assert!(refusal(&path).starts_with("another blotterd answers on"));
    // A daemon that was killed leaves a file on which nobody answers.
    drop(other);
    assert!(path.exists());
    BoundSocket::bind(&path, None).unwrap();
}

#[tokio::test]
async fn what_is_unfit_is_refused_with_a_sentence() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "precious").unwrap();
    assert!(refusal(&file).contains("is not a socket: remove it"), "{}", refusal(&file));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert!(refusal(&file.join("b.sock")).contains("is not a folder"), "{}", refusal(&file.join("b.sock")));

    let long = dir.path().join("x".repeat(120));
    assert!(refusal(&long).contains("and 107 fit"), "{}", refusal(&long));

    let open = dir.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(refusal(&open.join("b.sock")).contains("can be written by others"), "{}", refusal(&open.join("b.sock")));
    let link = dir.path().join("link");
    symlink(dir.path(), &link).unwrap();
    assert!(refusal(&link.join("b.sock")).contains("is a symbolic link"), "{}", refusal(&link.join("b.sock")));
    // A link in the socket's place is no socket, wherever it leads.
    let dangling = dir.path().join("dangling");
    symlink("/nowhere", &dangling).unwrap();
    assert!(refusal(&dangling).contains("is not a socket"), "{}", refusal(&dangling));

    let no_group = BoundSocket::bind(&dir.path().join("g.sock"), Some("no-such-group")).unwrap_err();
    assert!(no_group.to_string().contains("there is no group `no-such-group`"), "{no_group}");
}

/// Only root can make somebody else's things.
#[tokio::test]
async fn what_belongs_to_others_is_refused() {
    if !nix::unistd::Uid::effective().is_root() {
        let sentence = refusal(std::path::Path::new("/etc/blotterd-test.sock"));
        assert!(sentence.contains("cannot"), "{sentence}");
        return;
    }
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("theirs");
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::chown(&folder, Some(1), Some(1)).unwrap();
    assert!(refusal(&folder.join("b.sock")).contains("belongs to uid 1"), "{}", refusal(&folder.join("b.sock")));

    // As `$XDG_RUNTIME_DIR` of the user before, after `su`: its owner could put another folder there.
    let inner = folder.join("blotter/b.sock");
    let told = refusal(&inner);
    assert!(told.contains("theirs belongs to uid 1"), "{told}");
    let ours = folder.join("blotter");
    fs::set_permissions(&ours, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(fs::symlink_metadata(&ours).unwrap().uid(), 0, "the folder itself is ours, and that is not enough");
}
