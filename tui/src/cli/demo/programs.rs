//! Which programs a demo runs and how each is called. The daemon's and the simulator's options are
//! named here and nowhere else.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::folder::Folder;
use super::{DemoError, Surroundings};

/// Where the programs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    pub daemon: PathBuf,
    /// Absent when it was not built.
    pub simulator: Option<PathBuf>,
}

impl Programs {
    /// The programs that lie beside this one.
    #[must_use]
    pub fn beside(client: &Path) -> Self {
        let here = client.parent().unwrap_or(Path::new("."));
        let simulator = here.join("tradier-sim");
        Self { daemon: here.join("blotterd"), simulator: simulator.is_file().then_some(simulator) }
    }

    pub(super) fn check(&self) -> Result<(), DemoError> {
        if self.daemon.is_file() { Ok(()) } else { Err(DemoError::NoProgram(self.daemon.clone())) }
    }
}

/// The names that people see, and that a program of ours goes by in the process table.
pub(super) const DAEMON: &str = "blotterd";
pub(super) const SIMULATOR: &str = "tradier-sim";
/// What the daemon runs.
pub(super) const DATABASE: &str = "postgres";

/// The daemon: its data and its socket in the demo's folder, which goes when it ends (`--ephemeral`);
/// ended when its standard input is (`--lifeline`).
pub(super) fn daemon(surroundings: &Surroundings, folder: &Folder) -> Command {
    let mut command = bare(&surroundings.programs.daemon, surroundings, folder);
    command.args(["run", "--lifeline", "--ephemeral", "--config"]).arg(folder.config());
    command
}

/// The daemon's configuration: named on its command line, so that nobody's own is read.
pub(super) fn configuration(socket: &Path, data: &Path, simulator: Option<&str>) -> String {
    let text = |path: &Path| toml::Value::String(path.to_string_lossy().into_owned());
    let broker = simulator.map(|address| {
        let url = toml::Value::String(format!("http://{address}/v1"));
        format!("\n[broker]\nsim_url = {url}\n")
    });
    format!("[daemon]\nsocket = {}\ndata_dir = {}\n{}", text(socket), text(data), broker.unwrap_or_default())
}

/// The simulator, on the port that it had before, or on a free one the first time.
pub(super) fn simulator(
    program: &Path,
    surroundings: &Surroundings,
    folder: &Folder,
    address: Option<&str>,
) -> Command {
    let mut command = bare(program, surroundings, folder);
    command.args(["--lifeline", "--listen", address.unwrap_or("127.0.0.1:0"), "--state"]).arg(folder.simulator_state());
    command
}

/// A program with an environment that says nothing of this user's settings. Its working folder is the
/// demo's, which is how a sweep knows it.
fn bare(program: &Path, surroundings: &Surroundings, folder: &Folder) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LANG", "C.UTF-8").current_dir(folder.path());
    if let Some(path) = &surroundings.path {
        command.env("PATH", path);
    }
    if let Some(home) = &surroundings.home {
        command.env("HOME", home);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_is_told_where_everything_is() {
        let told = |simulator| configuration(Path::new("/t/a.sock"), Path::new("/t"), simulator);
        assert_eq!(told(None), "[daemon]\nsocket = \"/t/a.sock\"\ndata_dir = \"/t\"\n");
        assert!(told(Some("127.0.0.1:40123")).ends_with("\n[broker]\nsim_url = \"http://127.0.0.1:40123/v1\"\n"));
    }

    #[test]
    fn programs_are_found_beside_the_client() {
        let here = tempfile::tempdir().unwrap();
        let client = here.path().join("blotter");
        let found = Programs::beside(&client);
        assert_eq!(found.simulator, None);
        let told = found.check().unwrap_err().to_string();
        assert!(told.contains("blotterd is not there"), "{told}");

        std::fs::write(here.path().join("blotterd"), "").unwrap();
        std::fs::write(here.path().join("tradier-sim"), "").unwrap();
        let found = Programs::beside(&client);
        assert!(found.check().is_ok());
        assert_eq!(found.simulator, Some(here.path().join("tradier-sim")));
    }
}
