//! The server process: which binaries, as whom, started and stopped by events and not by waiting.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};

/// What the server says once it takes connections.
const READY: &str = "database system is ready to accept connections";

/// The folder of `initdb` and `postgres`.
#[derive(Clone, Debug)]
pub struct Binaries {
    pub folder: PathBuf,
    pub major: u32,
}

impl Binaries {
    /// The newest installed.
    ///
    /// # Errors
    /// When there is none; the error names the Debian package.
    pub fn newest() -> Result<Self> {
        let versions =
            std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
        let debian = versions.map(|version| version.join("bin"));
        let on_path = Command::new("pg_config").arg("--bindir").output().ok();
        let on_path = on_path.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim().to_owned()));
        debian
            .chain(on_path)
            .filter_map(|folder| Self::of(&folder))
            .max_by_key(|binaries| binaries.major)
            .context("no PostgreSQL server binaries; on Debian: apt-get install postgresql")
    }

    fn of(folder: &Path) -> Option<Self> {
        if !folder.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
        // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let digits: String = text.split(' ').nth(2)?.chars().take_while(char::is_ascii_digit).collect();
        Some(Self { folder: folder.to_owned(), major: digits.parse().ok()? })
    }
}

/// As whom the server runs: root may not, so root lends it another user.
#[derive(Clone, Debug)]
pub struct ServerUser {
    lent: Option<(u32, u32)>,
}

impl ServerUser {
    /// # Errors
    /// When this is root and there is neither `postgres` nor `nobody`.
    pub fn of_this_process() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self { lent: None });
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Self { lent: Some((user.uid.as_raw(), user.gid.as_raw())) });
            }
        }
        bail!("this is root, and there is no user to run PostgreSQL as (postgres or nobody)")
    }

    /// Whoever this process is, root or not: for files that no server touches.
    pub(super) fn mine() -> Self {
        Self { lent: None }
    }

    /// User and group that files for the server must belong to, when they are not ours.
    #[must_use]
    pub fn lent(&self) -> Option<(u32, u32)> {
        self.lent
    }

    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.lent {
            command.uid(uid).gid(gid);
        }
        // A directory that the other user may not enter would stop it.
        command.current_dir("/").stdin(Stdio::null());
        command
    }
}

/// A running server and the thread that keeps its log.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    log: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(
        binaries: &Binaries,
        user: &ServerUser,
        data: &Path,
        settings: &[(String, String)],
        deadline: Duration,
    ) -> Result<Self> {
        let mut command = user.command(&binaries.folder.join("postgres"));
        command.arg("-D").arg(data).stdout(Stdio::null()).stderr(Stdio::piped());
        for (name, value) in settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // A signal to the test's group (Ctrl-C) is ours to handle, not the server's.
        command.process_group(0);
        let mut child = command.spawn().context("cannot run postgres")?;
        let stderr = child.stderr.take().context("a piped stderr")?;
        let log_path = data.join("server.log");
        let log = OpenOptions::new().create(true).append(true).open(&log_path).context("the server log")?;
        let (ready, is_ready) = mpsc::channel();
        let log = std::thread::spawn(move || keep_log(BufReader::new(stderr), log, &ready));
        let mut server = Self { child, log: Some(log) };
        if is_ready.recv_timeout(deadline).is_err() {
            let status = server.child.try_wait();
            let _ = server.stop(deadline);
            let log = std::fs::read_to_string(&log_path).unwrap_or_default();
            bail!("it is not ready (process: {status:?}); it said:\n{log}");
        }
        Ok(server)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without a checkpoint: the files are thrown away or recovered from.
    pub(super) fn stop(mut self, deadline: Duration) -> Result<()> {
        self.signal(Signal::SIGQUIT)?;
        // The log's end is the server's end: its processes hold the other side of the pipe.
        let (ended, has_ended) = mpsc::channel();
        let log = self.log.take();
        let waiter = std::thread::spawn(move || {
            if let Some(log) = log {
                let _ = log.join();
            }
            let _ = ended.send(());
        });
        if has_ended.recv_timeout(deadline).is_err() {
            self.signal(Signal::SIGKILL)?;
        }
        self.child.wait().context("the end of the server")?;
        let _ = waiter.join();
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).context("a process id")?;
        // Not waited for yet, so the number is still this child's.
        kill(Pid::from_raw(pid), signal).context("cannot signal the server")
    }
}

fn keep_log(lines: impl BufRead, mut log: File, ready: &mpsc::Sender<()>) {
    for line in lines.lines().map_while(std::result::Result::ok) {
        let _ = writeln!(log, "{line}");
        if line.contains(READY) {
            let _ = ready.send(());
        }
    }
}
