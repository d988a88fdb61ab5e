//! Where demos are played: a folder, and what lives in it.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use blotter_testkit::terminal::{Setup, Terminal};
use blotter_testkit::{programs, socket};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// From a cold start, with a cluster to be made, on a busy machine: for longer than the demo itself waits.
const PATIENCE: Duration = Duration::from_secs(150);
/// How often a condition that makes no sound is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A folder that demos make theirs in.
pub(crate) struct Stage {
    pub(crate) temp: TempDir,
    programs: Programs,
}

/// Where the programs of a stage's demos lie.
enum Programs {
    AsBuilt,
    /// Links to them, and a simulator of the test's own.
    Own(TempDir),
}

impl Programs {
    fn client(&self) -> PathBuf {
        match self {
            Self::AsBuilt => programs::path("blotter").unwrap(),
            Self::Own(folder) => folder.path().join("blotter"),
        }
    }
}

/// A process that lives in a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) name: String,
    pub(crate) parent: i32,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let temp = tempfile::Builder::new().prefix("bd").tempdir_in("/tmp").unwrap();
        // As root the database runs as another user, who has to pass.
        fs::set_permissions(temp.path(), Permissions::from_mode(0o711)).unwrap();
        Self { temp, programs: Programs::AsBuilt }
    }

    /// With this script for a simulator.
    pub(crate) fn with_simulator(script: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for name in ["blotter", "blotterd"] {
            fs::hard_link(programs::path(name).unwrap(), folder.path().join(name)).unwrap();
        }
        let simulator = folder.path().join("tradier-sim");
        fs::write(&simulator, script).unwrap();
        fs::set_permissions(&simulator, Permissions::from_mode(0o755)).unwrap();
        let mut stage = Self::new();
        stage.programs = Programs::Own(folder);
        stage
    }

    /// `blotter demo` of this stage.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(self.programs.client());
        command.arg("demo").env("TMPDIR", self.temp.path());
        command
    }

    pub(crate) fn headless(&self) -> Headless {
        let mut child = self
            .command()
            .arg("--headless")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (first, line) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).map(|_| first.send(line))
        });
        match line.recv_timeout(PATIENCE) {
            Ok(line) if line.ends_with('\n') => Headless { socket: PathBuf::from(line.trim_end()), child },
            other => {
                // It has ended or is stuck; its own words say more than ours.
                let _ = child.kill();
                let mut said = String::new();
                child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                panic!("no socket in the first line ({other:?}); it said:\n{said}");
            }
        }
    }

    pub(crate) fn screen(&self) -> Terminal {
        let program = programs::path("blotter").unwrap();
        let setup = Setup::new(program.to_string_lossy()).arg("demo").env("TMPDIR", self.temp.path().to_string_lossy());
        // What is exported goes into the stage, too.
        let setup = setup.env("HOME", self.temp.path().to_string_lossy());
        let mut terminal = Terminal::start(&setup).unwrap();
        terminal.wait_for("1 Open").unwrap();
        terminal
    }

    /// Processes whose working folder is in this stage.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        entries.filter_map(|entry| process(&entry.path(), self.temp.path())).collect()
    }

    #[track_caller]
    pub(crate) fn the(&self, name: &str) -> Process {
        wait_for(&format!("one {name}"), || {
            let found: Vec<_> = self.processes().into_iter().filter(|process| process.name == name).collect();
            // Of a database's processes, the one that the others come from.
            found.iter().find(|one| !found.iter().any(|other| other.pid == one.parent)).cloned()
        })
    }

    #[track_caller]
    pub(crate) fn kill(&self, name: &str) -> Process {
        let process = self.the(name);
        kill(Pid::from_raw(process.pid), Signal::SIGKILL).unwrap();
        process
    }

    #[track_caller]
    pub(crate) fn nothing_is_left(&self) {
        wait_for("an empty stage", || if self.left().is_empty() { Some(()) } else { None });
    }

    pub(crate) fn left(&self) -> Vec<String> {
        let files = fs::read_dir(self.temp.path()).unwrap().map(|entry| entry.unwrap().path().display().to_string());
        files.chain(self.processes().iter().map(|process| format!("{process:?}"))).collect()
    }
}

impl Drop for Stage {
    /// A failed test leaves nothing either.
    fn drop(&mut self) {
        for process in self.processes() {
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
        }
    }
}

fn process(entry: &Path, stage: &Path) -> Option<Process> {
    let pid = entry.file_name()?.to_str()?.parse().ok()?;
    let cwd = fs::read_link(entry.join("cwd")).unwrap_or_default();
    let works_here = Path::new(cwd.to_string_lossy().trim_end_matches(" (deleted)")).starts_with(stage);
    // The daemon hides its memory, and with it its working folder, from everyone but root.
    let arguments = fs::read(entry.join("cmdline")).ok()?;
    let is_told = arguments.split(|byte| *byte == 0).any(|it| Path::new(OsStr::from_bytes(it)).starts_with(stage));
    let stat = fs::read_to_string(entry.join("stat")).ok()?;
    let (before, after) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let parent = after.split_whitespace().nth(1)?.parse().ok()?;
    (works_here || is_told).then_some(Process { pid, name, parent })
}

/// A demo without a terminal.
pub(crate) struct Headless {
    child: Child,
    pub(crate) socket: PathBuf,
}

impl Headless {
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    #[track_caller]
    pub(crate) fn ends(mut self) -> Option<i32> {
        wait_for("the end of the demo", || self.child.try_wait().unwrap()).code()
    }

    #[track_caller]
    pub(crate) fn stops(self) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.ends(), Some(0));
    }

    /// The daemon answers, and its database is well.
    #[track_caller]
    pub(crate) fn is_well(&self) {
        self.says("/v1/health", "/database/state", "ok");
    }

    /// Waits until the answer to `path` has `value` at `pointer`.
    #[track_caller]
    pub(crate) fn says(&self, path: &str, pointer: &str, value: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let what = format!("{pointer} of {path} to be {value}");
        let said = socket::wait_until(&self.socket, path, &what, |answer| {
            answer.json().is_ok_and(|said| said.pointer(pointer) == Some(&value.into()))
        });
        runtime.block_on(said).unwrap();
    }
}

impl Drop for Headless {
    /// A failed test leaves no demo that would start again what its stage ends.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
pub(crate) fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, look)
}

#[track_caller]
pub(crate) fn wait_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: it did not happen within {patience:?}");
        std::thread::park_timeout(LOOK_EVERY);
    }
}
