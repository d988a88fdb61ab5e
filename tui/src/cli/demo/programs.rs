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

/// The daemon: its data, which goes when it ends (`--ephemeral`), and its socket in the demo's folder,
/// which goes too when the demo has ended without it (`--around`); ended when its standard input is
/// (`--lifeline`).
pub(super) fn daemon(surroundings: &Surroundings, folder: &Folder) -> Command {
    let mut command = bare(&surroundings.programs.daemon, surroundings, folder);
    command.args(["run", "--lifeline", "--ephemeral", "--around"]).arg(folder.path());
    command.arg("--config").arg(folder.config());
    command
}

/// `blotterd vault keygen`: prints the key that the demo's tokens are sealed with.
pub(super) fn keygen(surroundings: &Surroundings, folder: &Folder) -> Command {
    let mut command = bare(&surroundings.programs.daemon, surroundings, folder);
    command.args(["vault", "keygen", "--config"]).arg(folder.config());
    command
}

/// `blotterd demo-history`: some months of closed trades, beside the running daemon.
pub(super) fn history(surroundings: &Surroundings, folder: &Folder) -> Command {
    let mut command = bare(&surroundings.programs.daemon, surroundings, folder);
    command.args(["demo-history", super::account::NUMBER, "--config"]).arg(folder.config());
    command
}

/// What the daemon is told of the simulator: where it listens, and the key for its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Introduced {
    pub(super) address: String,
    /// Absent when no key could be made: there is a broker then, and no account.
    pub(super) key_file: Option<PathBuf>,
}

/// The daemon's configuration: named on its command line, so that nobody's own is read.
pub(super) fn configuration(socket: &Path, data: &Path, simulator: Option<&Introduced>) -> String {
    let text = |path: &Path| toml::Value::String(path.to_string_lossy().into_owned());
    let broker = simulator.map(|Introduced { address, key_file }| {
        let url = toml::Value::String(format!("http://{address}/v1"));
        let vault = key_file.as_deref().map(|file| format!("\n[vault]\nkey_file = {}\n", text(file)));
        format!("\n[broker]\nsim_url = {url}\nsim_time = true\n{}", vault.unwrap_or_default())
    });
    format!("[daemon]\nsocket = {}\ndata_dir = {}\n{}", text(socket), text(data), broker.unwrap_or_default())
}

/// A session in full swing at any hour: a bracket vanishes, another one reaches its target.
const SCENARIO: &str = "demo";

/// The simulator, on the port that it had before, or on a free one the first time.
pub(super) fn simulator(
    program: &Path,
    surroundings: &Surroundings,
    folder: &Folder,
    address: Option<&str>,
) -> Command {
    let mut command = bare(program, surroundings, folder);
    command
        .args(["--lifeline", "--listen", address.unwrap_or("127.0.0.1:0"), "--scenario", SCENARIO, "--state"])
        .arg(folder.simulator_state());
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
        let told = |simulator: Option<&_>| configuration(Path::new("/t/a.sock"), Path::new("/t"), simulator);
        assert_eq!(told(None), "[daemon]\nsocket = \"/t/a.sock\"\ndata_dir = \"/t\"\n");
        let simulator = Introduced { address: "127.0.0.1:40123".to_owned(), key_file: None };
        let broker = "\n[broker]\nsim_url = \"http://127.0.0.1:40123/v1\"\nsim_time = true\n";
        assert!(told(Some(&simulator)).ends_with(broker));
        let with_key = Introduced { key_file: Some("/t/vault.key".into()), ..simulator };
        assert!(told(Some(&with_key)).ends_with(&format!("{broker}\n[vault]\nkey_file = \"/t/vault.key\"\n")));
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
