//! The program itself, as systemd, a shell and a supervisor see it.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::daemon::{Client, Events};
use crate::support::{self, DEADLINE, TestDb};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A folder for a daemon: its data, its socket, its log. As root the database runs as another user,
/// who passes through.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("b.sock")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blotterd"));
        self.surround(&mut command);
        command
    }

    /// An environment that says nothing of whoever runs the tests.
    fn surround(&self, command: &mut Command) {
        let log = fs::File::create(self.path("log")).unwrap();
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.0.path())
            .env("BLOTTER_SOCKET", self.socket())
            .env("STATE_DIRECTORY", self.path("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

/// A program that ends with the test.
struct Running(Child);

impl Running {
    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.id()).unwrap())
    }

    fn ended(&mut self, home: &Home) -> ExitStatus {
        let mut status = None;
        wait_for("the daemon's end", home, || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Running {
    /// A daemon that is killed leaves its database running, so it is asked; it stops within a deadline of its own.
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = kill(self.pid(), Signal::SIGTERM);
        }
        let _ = self.0.wait();
    }
}

#[track_caller]
fn wait_for(what: &str, home: &Home, done: impl FnMut() -> bool) {
    support::wait_for(what, || format!("the log says:\n{}", home.log()), done);
}

fn answers(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}

fn output(home: &Home, arguments: &[&str], change: impl FnOnce(&mut Command)) -> (Output, String, String) {
    let mut command = home.command();
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    change(&mut command);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_signal_ends_it_in_good_order() {
    let db = TestDb::start().await;
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let home = Home::new();
        let mut daemon = Running(home.command().env("DATABASE_URL", db.cluster.url()).spawn().unwrap());
        wait_for("the socket", &home, || answers(&home.socket()));
        let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
        let mut stream = Events::open(&home.socket(), None).await;
        stream.until("hello").await;
        daemon.signal(signal);
        assert!(daemon.ended(&home).success(), "{signal}: {}", home.log());
        assert_eq!(stream.until("bye").await.0.data["reason"], "shutdown");
        assert!(!home.socket().exists());
    }
}

#[test]
fn the_private_database_the_lifeline_and_the_end_of_everything() {
    let home = Home::new();
    let mut command = home.command();
    command.args(["run", "--lifeline", "--ephemeral"]).stdin(Stdio::piped());
    let mut daemon = Running(command.spawn().unwrap());
    wait_for("the socket", &home, || answers(&home.socket()));
    let pid_file = home.path("data").join("data/postmaster.pid");
    let mut postgres = String::new();
    wait_for("the database", &home, || {
        let written = fs::read_to_string(&pid_file).unwrap_or_default();
        postgres = written.split_once('\n').map(|(pid, _)| pid.to_owned()).unwrap_or_default();
        !postgres.is_empty()
    });
    // Whoever held the other end is gone.
    drop(daemon.0.stdin.take());
    assert!(daemon.ended(&home).success(), "{}", home.log());
    assert!(!home.path("data").exists(), "the data is left behind");
    assert!(!home.socket().exists(), "the socket is left behind");
    assert!(!Path::new(&format!("/proc/{postgres}")).exists(), "PostgreSQL {postgres} is left behind");
}

#[test]
fn nobodys_data_is_removed_by_a_slip() {
    let home = Home::new();
    fs::create_dir(home.path("data")).unwrap();
    fs::write(home.path("data/precious"), "x").unwrap();
    let (output, _, err) = output(&home, &["run", "--ephemeral"], |_| {});
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("which is not empty"), "{err}");
    assert!(home.path("data/precious").exists());
}

#[test]
fn nobodys_folder_is_removed_around_the_data() {
    let home = Home::new();
    let around = home.path("data").parent().unwrap().to_owned();
    let arguments = ["run", "--lifeline", "--ephemeral", "--around", around.to_str().unwrap()];
    let (output, _, err) = output(&home, &arguments, |_| {});
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("no folder of ours that was made for"), "{err}");
    assert!(around.exists());
}

#[test]
fn what_a_killed_daemon_leaves_is_stopped_by_command() {
    let home = Home::new();
    let mut daemon = Running(home.command().spawn().unwrap());
    wait_for("the database", &home, || home.log().contains("the database is ready"));
    let (busy, _, err) = output(&home, &["postgres", "stop"], |_| {});
    assert_eq!(busy.status.code(), Some(1), "it was stopped under a running daemon: {err}");
    daemon.signal(Signal::SIGKILL);
    daemon.ended(&home);
    let (stopped, out, err) = output(&home, &["postgres", "stop"], |_| {});
    assert!(stopped.status.success(), "{err}");
    assert!(out.starts_with("PostgreSQL (process "), "{out}");
    let (_, out, _) = output(&home, &["postgres", "stop"], |_| {});
    assert!(out.starts_with("No PostgreSQL runs in"), "{out}");
    // The socket of the killed one is replaced, its database comes back.
    let (migrated, out, err) = output(&home, &["migrate"], |_| {});
    assert!(migrated.status.success() && out.starts_with("The database is at version"), "{out}{err}");
    let (doctor, out, err) = output(&home, &["doctor"], |_| {});
    assert!(doctor.status.success(), "{out}{err}");
    assert!(out.contains("database   ok"), "{out}");
    assert!(
        out.contains("prices of 50 positions take at most") && out.contains("backup     ok   nothing makes"),
        "{out}"
    );
    let (_, tasks, err) = output(&home, &["tasks"], |_| {});
    assert!(tasks.contains("snapshots ") && tasks.contains(" next 20") && tasks.lines().count() == 11, "{tasks}{err}");
    let (_, json, _) = output(&home, &["tasks", "--json"], |_| {});
    let names: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        names.len() == 11 && names.iter().all(|task| task["name"].is_string() && task["next_at"].is_string()),
        "{json}"
    );
    let range = ["forensics", "--from", "2026-11-01", "--to", "2026-11-30"];
    let (_, report, err) = output(&home, &range, |_| {});
    assert!(report.contains("0 trades examined, 0 with new figures"), "{report}{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_is_told_and_its_socket_is_taken() {
    let db = TestDb::start().await;
    let home = Home::new();
    let notify = UnixDatagram::bind(home.path("notify")).unwrap();
    notify.set_read_timeout(Some(DEADLINE)).unwrap();
    let listener = UnixListener::bind(home.path("passed.sock")).unwrap();
    // A shell puts the passed socket where the protocol has it, and keeps its own process id.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 WATCHDOG_PID=$$ exec \"$0\" run 3<&0 0</dev/null"]);
    command.arg(env!("CARGO_BIN_EXE_blotterd"));
    home.surround(&mut command);
    command
        .env("DATABASE_URL", db.cluster.url())
        .env("NOTIFY_SOCKET", home.path("notify"))
        .env("WATCHDOG_USEC", "900000")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)));
    let mut daemon = Running(command.spawn().unwrap());
    let hear = || {
        let mut buffer = [0; 512];
        let count = notify.recv(&mut buffer).unwrap_or_else(|error| panic!("{error}: {}", home.log()));
        String::from_utf8_lossy(&buffer[..count]).trim().to_owned()
    };
    assert_eq!(hear(), "READY=1");
    assert_eq!((hear(), hear()), ("WATCHDOG=1".to_owned(), "WATCHDOG=1".to_owned()));
    assert_eq!(Client::connect(&home.path("passed.sock")).await.get("/v1/version").await.status, 200);
    assert!(!home.socket().exists(), "it made a socket of its own");
    daemon.signal(Signal::SIGTERM);
    while hear() != "STOPPING=1" {}
    assert!(daemon.ended(&home).success(), "{}", home.log());
    assert!(home.path("passed.sock").exists(), "systemd's socket is not ours to remove");
}

#[test]
fn a_second_daemon_is_refused_in_one_line() {
    let home = Home::new();
    let _first = {
        let daemon = Running(home.command().spawn().unwrap());
        wait_for("the database", &home, || home.log().contains("the database is ready"));
        daemon
    };
    let other = Home::new();
    let (same_socket, _, err) = output(&other, &["run"], |command| {
        command.env("BLOTTER_SOCKET", home.socket());
    });
    assert_eq!(same_socket.status.code(), Some(1));
    assert_eq!(
        last_line(&err),
        format!(
            "another blotterd answers on {}: stop it first, or choose another path (daemon.socket)",
            home.socket().display()
        )
    );
    let (same_data, _, err) = output(&other, &["run"], |command| {
        command.env("STATE_DIRECTORY", home.path("data"));
    });
    assert_eq!(same_data.status.code(), Some(1));
    assert!(last_line(&err).starts_with("another blotterd (process "), "{err}");
    assert!(answers(&home.socket()), "the first one was disturbed");
}

/// A socket of somebody else's is nobody's to replace. Only root can become another user.
#[test]
fn a_socket_of_another_user_is_left_alone() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let home = Home::new();
    let program = home.path("blotterd");
    fs::copy(env!("CARGO_BIN_EXE_blotterd"), &program).unwrap();
    let folder = home.path("shared");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
    let socket = folder.join("b.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let mut command = Command::new(program);
    home.surround(&mut command);
    command.env("BLOTTER_SOCKET", &socket).env("STATE_DIRECTORY", folder.join("data"));
    std::os::unix::process::CommandExt::uid(&mut command, 65_534);
    std::os::unix::process::CommandExt::gid(&mut command, 65_534);
    let ended = command.status().unwrap();
    let log = home.log();
    assert_eq!(ended.code(), Some(1), "{log}");
    let sentence = format!("{} belongs to uid 0, not to us: choose another path (daemon.socket)", socket.display());
    assert_eq!(last_line(&log), sentence);
    assert!(socket.exists());
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

/// Everything is logged, and none of it is a secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_reaches_the_log_at_any_level() {
    const SECRET: &str = "hunter2secret";
    let db = TestDb::start().await;
    for format in ["text", "json"] {
        let home = Home::new();
        let url = db.cluster.url().replace("postgres@", &format!("postgres:{SECRET}@"));
        let mut command = home.command();
        command
            .args(["run", "--lifeline"])
            .env("DATABASE_URL", url)
            .env("ENCRYPTION_KEY", KEY)
            .env("BLOTTER_LOG_FILTER", "trace")
            .env("BLOTTER_LOG_FORMAT", format)
            .stdin(Stdio::piped());
        let mut daemon = Running(command.spawn().unwrap());
        wait_for("the socket", &home, || answers(&home.socket()));
        let mut client = Client::connect(&home.socket()).await;
        let mut looks = support::looks();
        let up = tokio::time::timeout(DEADLINE, async {
            while client.get("/v1/settings").await.status != 200 {
                looks.tick().await;
            }
        });
        up.await.unwrap_or_else(|_| panic!("the database did not come up: {}", home.log()));
        let headers =
            [("authorization", SECRET), ("cookie", SECRET), ("idempotency-key", SECRET), ("blotter-device", SECRET)];
        client.send("GET", &format!("/v1/trades?q={SECRET}"), &headers, "").await;
        client.send("GET", &format!("/v1/{SECRET}"), &headers, "").await;
        client.send("PUT", "/v1/settings", &headers, &format!("{{\"version\":1,\"token\":\"{SECRET}\"}}")).await;
        client.send("PUT", "/v1/settings", &headers, "{\"version\":1,\"max_positions\":2}").await;
        client.send("POST", "/v1/sync", &headers, SECRET).await;
        drop(daemon.0.stdin.take());
        assert!(daemon.ended(&home).success(), "{}", home.log());
        let log = home.log();
        for told in ["DEBUG", "a request was answered", "a request was refused", "/v1/trades"] {
            assert!(log.contains(told), "{format}: the log is not loud, {told} is not in it: {log:.2000}");
        }
        for secret in [SECRET, KEY] {
            let leaks: Vec<_> = log.lines().filter(|line| line.contains(secret)).collect();
            assert!(leaks.is_empty(), "{format}: {leaks:#?}");
        }
        let bytes = SECRET.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
        assert!(!log.contains(&bytes), "{format}: the secret is there as bytes");
    }
}

#[test]
fn ten_faults_are_ten_lines_and_nothing_else() {
    let home = Home::new();
    let file = home.path("config.toml");
    let text = "[daemon]\nsocket = 1\nstop_timeout_s = -1\n[limits]\nbody_bytes = 1\nconections = 2\nheader_bytes = \"x\"\n\
                [auth]\nallow_users = \"ann\"\n[log]\nfilter = \"\"\nformat = \"yaml\"\n[market]\nforce_open = 3\n[nonsense]\n";
    fs::write(&file, text).unwrap();
    for arguments in [vec!["check-config"], vec!["run"]] {
        let arguments: Vec<_> = [vec!["--config", file.to_str().unwrap()], arguments].concat();
        let (checked, out, err) = output(&home, &arguments, |command| {
            command.env("RUST_BACKTRACE", "1");
        });
        assert_eq!(checked.status.code(), Some(2));
        assert_eq!((out.as_str(), err.lines().count()), ("", 10), "{err}");
        assert!(err.contains("limits.conections: is no key; did you mean `limits.connections`?"), "{err}");
    }
    let (sound, out, err) = output(&home, &["check-config"], |command| {
        command.env_remove("BLOTTER_SOCKET").env("DATABASE_URL", "postgres://joe:hunter2@localhost/x?sslmode=disable");
    });
    assert!(sound.status.success(), "{err}");
    assert!(out.starts_with("The configuration is sound") && !out.contains("hunter2"), "{out}");
}

#[test]
fn the_command_line_tells_usage_from_failure() {
    let home = Home::new();
    let (wrong, _, _) = output(&home, &["dance"], |_| {});
    assert_eq!(wrong.status.code(), Some(2));
    let (failed, _, err) = output(&home, &["calendar", "--from", "1980-01-01", "--to", "1980-12-31"], |_| {});
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(err, "the trading calendar knows 1990 to 2040, not 1980\n");
    let (version, out, _) = output(&home, &["--version"], |_| {});
    assert!(version.status.success() && out.starts_with("blotterd "), "{out}");
    let (openapi, out, _) = output(&home, &["openapi"], |_| {});
    assert!(openapi.status.success() && out == blotter_daemon::api::openapi_document());
}

/// A terminal or a pipe that is gone ends the printing, not in a panic.
#[test]
fn a_reader_that_leaves_is_no_reason_to_panic() {
    let home = Home::new();
    let mut command = home.command();
    command.args(["calendar", "--from", "1990-01-01", "--to", "2040-12-31", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    wait_for("the end of the printing", &home, || child.try_wait().unwrap().is_some());
    assert!(!home.log().contains("panicked"), "{}", home.log());
}
