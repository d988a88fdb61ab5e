//! The paths that depend on who runs the daemon, and on what.

use std::path::{Path, PathBuf};

use super::{Config, Environment};

/// Where things are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    pub socket: PathBuf,
    pub data_dir: PathBuf,
}

/// The folder that packages and systemd make for the socket.
const RUN_DIR: &str = "/run/blotter";

impl Places {
    /// Works them out for a user. `is_ours` says whether a folder is there and belongs to them.
    #[must_use]
    pub fn find(config: &Config, environment: &Environment, uid: u32, is_ours: impl Fn(&Path) -> bool) -> Self {
        let socket =
            config.daemon.socket.clone().unwrap_or_else(|| socket_dir(environment, uid, is_ours).join("blotterd.sock"));
        let data_dir = config.daemon.data_dir.clone().unwrap_or_else(|| data_dir(environment, uid));
        Self { socket, data_dir }
    }
}

/// The order in which clients look, too.
fn socket_dir(environment: &Environment, uid: u32, is_ours: impl Fn(&Path) -> bool) -> PathBuf {
    if is_ours(Path::new(RUN_DIR)) {
        return PathBuf::from(RUN_DIR);
    }
    match environment.get("XDG_RUNTIME_DIR") {
        Some(runtime) => Path::new(runtime).join("blotter"),
        None => PathBuf::from(format!("/tmp/blotter-{uid}")),
    }
}

fn data_dir(environment: &Environment, uid: u32) -> PathBuf {
    // systemd gives a list with colons when a unit has several.
    if let Some(state) = environment.get("STATE_DIRECTORY").and_then(|list| list.split(':').next()) {
        return PathBuf::from(state);
    }
    // Root's home is closed to the unprivileged user that the private database runs as.
    if uid == 0 {
        return PathBuf::from("/var/lib/blotter");
    }
    if let Some(data) = environment.get("XDG_DATA_HOME") {
        return Path::new(data).join("blotter");
    }
    match environment.get("HOME") {
        Some(home) => Path::new(home).join(".local/share/blotter"),
        None => PathBuf::from(format!("/var/tmp/blotter-{uid}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(environment: &Environment, uid: u32, ours: bool) -> (String, String) {
        let places = Places::find(&Config::defaults(), environment, uid, |_| ours);
        (places.socket.display().to_string(), places.data_dir.display().to_string())
    }

    #[test]
    fn the_places_follow_the_user_and_the_service_manager() {
        let of = |socket: &str, data: &str| (socket.to_owned(), data.to_owned());
        let user = Environment::from([("HOME", "/home/ann"), ("XDG_RUNTIME_DIR", "/run/user/1000")]);
        assert_eq!(
            find(&user, 1000, false),
            of("/run/user/1000/blotter/blotterd.sock", "/home/ann/.local/share/blotter")
        );
        assert_eq!(find(&user, 1000, true).0, "/run/blotter/blotterd.sock");
        assert_eq!(find(&Environment::from([]), 7, false), of("/tmp/blotter-7/blotterd.sock", "/var/tmp/blotter-7"));
        assert_eq!(find(&Environment::from([("HOME", "/root")]), 0, false).1, "/var/lib/blotter");
        let service = Environment::from([("STATE_DIRECTORY", "/var/lib/blotter:/var/lib/other")]);
        assert_eq!(find(&service, 33, false).1, "/var/lib/blotter");
    }
}
