//! What every test here stands on: a client that reads no one's configuration, and the daemon and
//! database it talks to.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use blotter_testkit::daemon::{Daemon, Options};
use blotter_testkit::socket::{Answer, Connection};
use blotter_testkit::terminal::{Screen, Setup, Size, Terminal};
use blotter_testkit::{Cluster, book, programs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// What a client that has just begun says to a key that acts.
pub(crate) const CONNECTING: &str = "still connecting";
/// What an empty book says once the daemon has told that it is empty.
pub(crate) const EMPTY: &str = "No open positions";

/// Exit codes that the command line promises.
pub(crate) const DONE: i32 = 0;
pub(crate) const USAGE: i32 = 2;
pub(crate) const REFUSED: i32 = 3;
pub(crate) const CONFLICT: i32 = 4;
pub(crate) const UNREACHABLE: i32 = 5;

const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition that makes no sound is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A place where clients start: their configuration and the socket they look for.
pub(crate) struct Desk {
    folder: TempDir,
    socket: PathBuf,
}

impl Desk {
    /// With nobody behind the socket.
    pub(crate) fn alone() -> Self {
        let folder = tempfile::Builder::new().prefix("bc").tempdir_in("/tmp").unwrap();
        let socket = folder.path().join("blotterd.sock");
        Self::at(folder, socket)
    }

    fn at(folder: TempDir, socket: PathBuf) -> Self {
        fs::write(folder.path().join("client.toml"), "[client]\nsound = \"bell\"\n").unwrap();
        Self { folder, socket }
    }

    /// The client with these arguments, in a terminal yet to be described.
    pub(crate) fn client(&self, arguments: &[&str]) -> Setup {
        let setup = Setup::new(client()).arg("--config").arg(self.config());
        arguments.iter().fold(setup, |setup, argument| setup.arg(*argument)).env("BLOTTER_SOCKET", self.socket())
    }

    /// The client started by a shell script, where `$blotter` stands for it.
    pub(crate) fn script(&self, script: &str) -> Setup {
        let blotter = format!("{} --config {}", client(), self.config());
        let setup = Setup::new("/bin/sh").arg("-c").arg(script);
        setup.env("blotter", blotter).env("BLOTTER_SOCKET", self.socket())
    }

    /// Runs a command of the client without a terminal.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        Said::of(&self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// The same with something on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Whoever is refused for something else may have ended before it reads.
        match child.stdin.take().unwrap().write_all(input.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("{error}"),
            Ok(()) | Err(_) => {}
        }
        Said::of(&child.wait_with_output().unwrap())
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(client());
        command.arg("--config").arg(self.config()).args(arguments);
        command.env("BLOTTER_SOCKET", self.socket()).env("TERM", "xterm-256color");
        command
    }

    pub(crate) fn socket(&self) -> String {
        self.socket.display().to_string()
    }

    /// Where its configuration lies, and whatever else belongs to it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Another configuration than the usual one.
    pub(crate) fn configured(&self, text: &str) {
        fs::write(self.config(), text).unwrap();
    }

    fn config(&self) -> String {
        self.folder.path().join("client.toml").display().to_string()
    }
}

fn client() -> String {
    programs::path("blotter").unwrap().display().to_string()
}

/// What a command wrote and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// It ended with this code and said this, and nothing where the other half would be said.
#[track_caller]
pub(crate) fn ends_with(said: &Said, code: i32, words: &str) {
    assert_eq!(said.code, Some(code), "{said:?}");
    let (told, silent) = if code == DONE { (&said.out, &said.err) } else { (&said.err, &said.out) };
    assert!(told.contains(words), "no `{words}` in {said:?}");
    assert_eq!(silent, "", "{said:?}");
}

/// A desk with a daemon behind the socket, and a database behind the daemon.
pub(crate) struct Stage {
    runtime: tokio::runtime::Runtime,
    pub(crate) daemon: Daemon,
    pub(crate) cluster: Cluster,
    pub(crate) desk: Desk,
}

impl Stage {
    /// Everything is there, and nothing runs but the database.
    pub(crate) fn prepared() -> Self {
        Self::prepared_with(String::new(), Vec::new())
    }

    /// The same with more of a configuration and of an environment.
    pub(crate) fn prepared_with(config: String, mut environment: Vec<(String, String)>) -> Self {
        let cluster = Cluster::start().unwrap();
        environment.push(("DATABASE_URL".to_owned(), cluster.url()));
        let daemon = Daemon::prepare(Options { config, environment }).unwrap();
        let folder = tempfile::Builder::new().prefix("bc").tempdir_in("/tmp").unwrap();
        let desk = Desk::at(folder, daemon.socket());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, daemon, cluster, desk }
    }

    /// Runs a statement in the daemon's database as its user.
    pub(crate) fn sql(&self, statement: &str) {
        let done = async {
            let username = self.daemon.username().await?;
            let database = book::connect(self.cluster.socket_dir()).await?;
            let whoever = format!("SELECT set_config('app.username', '{username}', true)");
            database.batch_execute(&format!("BEGIN; {whoever}; {statement}; COMMIT")).await?;
            Ok::<_, Box<dyn std::error::Error>>(())
        };
        self.runtime.block_on(done).unwrap();
    }

    pub(crate) fn live() -> Self {
        let mut stage = Self::prepared();
        stage.start_daemon();
        stage
    }

    pub(crate) fn start_daemon(&mut self) {
        self.daemon.spawn().unwrap();
        self.runtime.block_on(self.daemon.wait_healthy()).unwrap();
    }

    /// A client that has loaded everything and hears what is new.
    pub(crate) fn screen(&self, size: Size) -> Terminal {
        let mut terminal = Terminal::start(&self.desk.client(&[]).size(size)).unwrap();
        terminal.wait_until("a live screen", is_live).unwrap();
        terminal
    }

    /// Asks the daemon without the client.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.runtime.block_on(async { Connection::open(&self.daemon.socket()).await?.get(path).await }).unwrap()
    }

    /// Writes protected positions straight into the database, before any client asks for them.
    pub(crate) fn write_open_trades(&mut self, count: i32) {
        let written = async {
            let username = self.daemon.username().await?;
            let mut database = book::connect(self.cluster.socket_dir()).await?;
            book::write_open_trades(&mut database, &username, count).await
        };
        self.runtime.block_on(written).unwrap();
    }

    /// Writes closed trades past the guards: mode, number before the first, and how many.
    pub(crate) fn write_closed_trades(&mut self, of_modes: &[(&str, i32, i32)]) {
        let written = async {
            let username = self.daemon.username().await?;
            let database = book::connect_as(self.cluster.socket_dir(), "postgres").await?;
            for (mode, first, count) in of_modes {
                book::write_closed_trades(&database, &username, mode, (*first, *count)).await?;
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        };
        self.runtime.block_on(written).unwrap();
    }

    /// Runs a statement in the daemon's database past every guard.
    pub(crate) fn as_administrator(&self, statement: &str) {
        let done = async {
            let database = book::connect_as(self.cluster.socket_dir(), "postgres").await?;
            database.batch_execute(&format!("SET session_replication_role = replica; {statement}")).await?;
            Ok::<_, Box<dyn std::error::Error>>(())
        };
        self.runtime.block_on(done).unwrap();
    }

    pub(crate) fn setting(&self, name: &str) -> String {
        let said = self.desk.run(&["settings", "get", name]);
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out.trim().to_owned()
    }

    pub(crate) fn set(&self, change: &str) {
        let said = self.desk.run(&["settings", "set", change]);
        assert_eq!(said.code, Some(0), "{said:?}");
    }
}

/// Everything was loaded, and nothing is on its way any more.
pub(crate) fn is_live(screen: &Screen) -> bool {
    let text = screen.contents();
    let is_loaded = text.contains("1 Open ") && text.contains("synced") && text.contains("q quit");
    is_loaded && !text.contains("Waiting for") && !text.contains('⟳')
}

/// Presses a key that acts, and waits for what it is for. A client that has just begun refuses what acts, says so, and
/// is asked again.
#[track_caller]
pub(crate) fn acts(terminal: &mut Terminal, key: &str, sign: &str) {
    loop {
        // What was said to another key is not about this one.
        wait_without(terminal, CONNECTING);
        terminal.type_keys(key).unwrap();
        let either = |screen: &Screen| [sign, CONNECTING].iter().any(|words| screen.contents().contains(words));
        terminal.wait_until(&format!("`{sign}` after {key:?}"), either).unwrap();
        if terminal.text().contains(sign) {
            return;
        }
    }
}

/// Waits until a screen no longer shows a text.
#[track_caller]
pub(crate) fn wait_without(terminal: &mut Terminal, text: &str) {
    terminal.wait_until(&format!("no `{text}` any more"), |screen| !screen.contents().contains(text)).unwrap();
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

/// Looks until there is something to find; until then `look` says what it saw instead.
#[track_caller]
pub(crate) fn settles<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < deadline, "waited for {what}\nbut there is\n{seen}"),
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
}
