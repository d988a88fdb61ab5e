//! A real `blotterd` in a folder of its own, with its private PostgreSQL, as a process.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::socket::{Answer, Connection, wait_until};
use crate::{process, programs};

/// How to start a daemon.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Lines of the config file beside those that say where things are.
    pub config: String,
    pub environment: Vec<(String, String)>,
}

/// A running daemon. Dropping it stops it and removes its folder.
#[derive(Debug)]
pub struct Daemon {
    child: Option<Child>,
    folder: TempDir,
    options: Options,
}

impl Daemon {
    /// Starts one and waits until it says that it and its database are well.
    ///
    /// # Errors
    /// When it does not come up; the error holds its log.
    pub async fn start(options: Options) -> Result<Self> {
        let mut daemon = Self::prepare(options)?;
        daemon.spawn()?;
        daemon.wait_healthy().await?;
        Ok(daemon)
    }

    /// Makes the folder and the config, and starts nothing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn prepare(options: Options) -> Result<Self> {
        // Short, because a socket path has at most 107 bytes; open to pass through, because a root
        // daemon runs its PostgreSQL as another user.
        let folder = tempfile::Builder::new().prefix("bl").tempdir_in("/tmp")?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
        let daemon = Self { child: None, folder, options };
        let places = format!(
            "[daemon]\nsocket = \"{}\"\ndata_dir = \"{}\"\n",
            daemon.socket().display(),
            daemon.data_dir().display()
        );
        fs::write(daemon.config_file(), places + &daemon.options.config)?;
        // There may be a secret in it.
        fs::set_permissions(daemon.config_file(), fs::Permissions::from_mode(0o600))?;
        Ok(daemon)
    }

    /// Starts the program in its folder, for the first time or again.
    ///
    /// # Errors
    /// When it is not built.
    pub fn spawn(&mut self) -> Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_file())?;
        let mut command = Command::new(programs::path("blotterd")?);
        command.arg("run").arg("--config").arg(self.config_file());
        for name in ["DATABASE_URL", "ENCRYPTION_KEY", "FORCE_MARKET_OPEN"] {
            command.env_remove(name);
        }
        command.envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::from(log.try_clone()?)).stderr(Stdio::from(log));
        self.child = Some(command.spawn().context("starting blotterd")?);
        Ok(())
    }

    /// Waits until the daemon and its database are well.
    ///
    /// # Errors
    /// When that takes too long; the error holds the log.
    pub async fn wait_healthy(&self) -> Result<Answer> {
        self.wait_health("a healthy database", |health| health.pointer("/database/state") == Some(&"ok".into())).await
    }

    /// Waits until `/v1/health` satisfies a condition.
    ///
    /// # Errors
    /// When that takes too long; the error holds the log.
    pub async fn wait_health(&self, what: &str, condition: impl Fn(&serde_json::Value) -> bool) -> Result<Answer> {
        wait_until(&self.socket(), "/v1/health", what, |answer| answer.json().is_ok_and(|health| condition(&health)))
            .await
            .with_context(|| format!("the log of blotterd:\n{}", self.log()))
    }

    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("s/blotterd.sock")
    }

    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("d")
    }

    /// Where its private PostgreSQL listens.
    #[must_use]
    pub fn postgres_socket_dir(&self) -> PathBuf {
        self.data_dir().join("run")
    }

    /// The user the daemon takes us for.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn username(&self) -> Result<String> {
        let version = Connection::open(&self.socket()).await?.get("/v1/version").await?.json()?;
        Ok(version.get("username").and_then(|name| name.as_str()).context("no username in /v1/version")?.to_owned())
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// Everything the daemon wrote.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// # Errors
    /// When it does not run.
    pub fn pid(&self) -> Result<u32> {
        self.child.as_ref().map(Child::id).context("the daemon is not running")
    }

    /// The pid of its PostgreSQL.
    ///
    /// # Errors
    /// When there is none.
    pub fn postgres_pid(&self) -> Result<u32> {
        let daemon = self.pid()?;
        process::descendants(daemon)
            .into_iter()
            .find(|pid| process::command_line(*pid).contains("postgres"))
            .context("the daemon has no PostgreSQL below it")
    }

    /// # Errors
    /// When it does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(self.pid()?.try_into()?), signal)?)
    }

    /// Kills it as a crash would and waits for the end of the process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the daemon is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Stops it as systemd would and waits for the end.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        let mut child = self.child.take().context("the daemon is not running")?;
        Ok(child.wait()?)
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Stops a PostgreSQL that a killed daemon left behind.
    fn stop_leftover(&self) -> Result<()> {
        let stopped = Command::new(programs::path("blotterd")?)
            .args(["postgres", "stop", "--config"])
            .arg(self.config_file())
            .stdin(Stdio::null())
            .output()?;
        ensure!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.is_some() {
            // A failed stop shows in the folder that cannot be removed.
            let _ = self.stop();
        }
        if self.data_dir().exists() {
            let _ = self.stop_leftover();
        }
    }
}
