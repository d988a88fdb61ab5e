//! A real terminal for a real program: a pseudo-terminal with an emulator behind it.
//!
//! * Bytes are time-stamped when they are read and parsed afterwards, so the emulator's cost is
//!   in no measured latency.
//! * Waiting is for a condition, with a deadline; a failed wait says what was waited for and
//!   shows the last screen.
//! * The queries that a terminal answers are answered, unless the terminal is to be mute.

mod ear;

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::termios::{LocalFlags, tcgetattr};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
/// What the emulator shows.
pub use vt100::{MouseProtocolMode, Screen};

use ear::Ear;

/// How long a wait may take before it fails: on a machine that is ten times as slow as one thinks.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

impl Size {
    pub const WIDE: Self = Self { columns: 118, rows: 30 };
    pub const STANDARD: Self = Self { columns: 80, rows: 24 };
    pub const NARROW: Self = Self { columns: 44, rows: 30 };
    /// A serial line, or a terminal that was never told: no size at all.
    pub const UNKNOWN: Self = Self { columns: 0, rows: 0 };

    fn window(self) -> Winsize {
        Winsize { ws_row: self.rows, ws_col: self.columns, ws_xpixel: 0, ws_ypixel: 0 }
    }
}

/// Whether the terminal answers what it is asked (colours, cursor position, attributes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    Yes,
    Mute,
}

/// How fast the terminal takes what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Fast,
    /// So many bytes in a second, evenly.
    Slow {
        bytes_per_s: usize,
    },
}

/// What to run and in which terminal.
#[derive(Clone, Debug)]
pub struct Setup {
    pub program: String,
    pub arguments: Vec<String>,
    /// Added to an otherwise small, fixed environment.
    pub environment: Vec<(String, String)>,
    pub size: Size,
    pub answers: Answers,
    pub link: Link,
}

impl Setup {
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            size: Size::WIDE,
            answers: Answers::Yes,
            link: Link::Fast,
        }
    }

    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub fn size(mut self, size: Size) -> Self {
        self.size = size;
        self
    }

    #[must_use]
    pub fn answers(mut self, answers: Answers) -> Self {
        self.answers = answers;
        self
    }

    #[must_use]
    pub fn link(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    /// `setsid --ctty` makes the terminal on its standard input the controlling one and becomes
    /// the program: job control, hang-ups and Ctrl-C then work as for a shell's child.
    fn command(&self) -> Command {
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(&self.program).args(&self.arguments).env_clear();
        for name in ["PATH", "HOME", "USER", "LOGNAME"] {
            #[expect(clippy::disallowed_methods, reason = "the program under test needs the harness's own PATH")]
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// What a program said to its terminal beside drawing.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    pub bells: usize,
    /// OSC sequences that are neither title nor clipboard, as text: notifications among them.
    pub osc: Vec<String>,
    /// What was sent to the clipboard, base64 as it came.
    pub clipboard: Vec<String>,
    pub titles: Vec<String>,
}

impl vt100::Callbacks for Heard {
    fn audible_bell(&mut self, _: &mut Screen) {
        self.bells += 1;
    }

    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        self.titles.push(String::from_utf8_lossy(title).into_owned());
    }

    fn copy_to_clipboard(&mut self, _: &mut Screen, _: &[u8], data: &[u8]) {
        self.clipboard.push(String::from_utf8_lossy(data).into_owned());
    }

    fn unhandled_osc(&mut self, _: &mut Screen, parameters: &[&[u8]]) {
        self.osc.push(parameters.iter().map(|part| String::from_utf8_lossy(part)).collect::<Vec<_>>().join(";"));
    }
}

/// Bytes as they came, with the moment they came.
#[derive(Debug)]
struct Chunk {
    at: Instant,
    bytes: Vec<u8>,
}

#[derive(Debug, Default)]
struct Inbox {
    chunks: Vec<Chunk>,
    closed: bool,
}

/// What the reader thread and the waiting test share.
#[derive(Debug, Default)]
struct Line {
    inbox: Mutex<Inbox>,
    arrived: Condvar,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The terminal's end of the pair, with the thread that reads from it.
struct Master {
    side: Arc<OwnedFd>,
    reader: JoinHandle<()>,
    /// Dropping it tells the reader to let go.
    stop: OwnedFd,
}

/// The screen that these bytes draw.
///
/// # Errors
/// When the size is none.
pub fn drawn(bytes: &str, size: Size) -> Result<Screen> {
    let mut parser = emulator(size)?;
    parser.process(bytes.as_bytes());
    Ok(parser.screen().clone())
}

/// A program in its terminal. Dropping it kills the program.
pub struct Terminal {
    child: Child,
    master: Option<Master>,
    line: Arc<Line>,
    parser: vt100::Parser<Heard>,
    parsed_chunks: usize,
    bytes_seen: u64,
    started: Instant,
    first_byte: Option<Instant>,
    first_paint: Option<Instant>,
    last_bytes: Option<Instant>,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").field("pid", &self.child.id()).field("bytes", &self.bytes_seen).finish()
    }
}

impl Terminal {
    /// # Errors
    /// When no pseudo-terminal can be had or the program cannot be started.
    pub fn start(setup: &Setup) -> Result<Self> {
        let (master, slave) = pair(setup.size).context("no pseudo-terminal")?;
        let (watch, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let line = Arc::new(Line::default());
        let side = Arc::new(master);
        let (inbox, read_side) = (Arc::clone(&line), Arc::clone(&side));
        let mut ear = Ear::new(setup.answers, setup.link);
        let reader = std::thread::Builder::new()
            .name("terminal".to_owned())
            .spawn(move || ear.listen(&read_side, &watch, &inbox))?;
        let mut command = setup.command();
        command
            .stdin(Stdio::from(slave.try_clone()?))
            .stdout(Stdio::from(slave.try_clone()?))
            .stderr(Stdio::from(slave));
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("starting {}", setup.program))?;
        // The command holds the program's side open; with it gone, the end of the program is the
        // end of its output.
        drop(command);
        Ok(Self {
            child,
            master: Some(Master { side, reader, stop }),
            line,
            parser: emulator(setup.size)?,
            parsed_chunks: 0,
            bytes_seen: 0,
            started,
            first_byte: None,
            first_paint: None,
            last_bytes: None,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types text or raw key sequences.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn type_keys(&mut self, keys: &str) -> Result<Instant> {
        let master = self.master.as_ref().context("the terminal was hung up")?;
        let at = Instant::now();
        write_all(&master.side, keys.as_bytes())?;
        Ok(at)
    }

    /// # Errors
    /// When the kernel refuses the size.
    pub fn resize(&mut self, size: Size) -> Result<()> {
        let master = self.master.as_ref().context("the terminal was hung up")?;
        tcsetwinsize(&master.side, size.window())?;
        let (rows, columns) = checked(size)?;
        self.parser.screen_mut().set_size(rows, columns);
        Ok(())
    }

    /// Takes the terminal away, as a dropped connection does.
    pub fn hang_up(&mut self) {
        if let Some(Master { side, reader, stop }) = self.master.take() {
            drop(stop);
            // A reader that panicked has let go as well.
            let _ = reader.join();
            drop(side);
        }
    }

    /// Reads what has come and gives the screen as text.
    pub fn text(&mut self) -> String {
        self.parse_new();
        self.parser.screen().contents()
    }

    pub fn screen(&mut self) -> &Screen {
        self.parse_new();
        self.parser.screen()
    }

    pub fn heard(&mut self) -> &Heard {
        self.parse_new();
        self.parser.callbacks()
    }

    /// Bytes that the program has written so far.
    pub fn bytes(&mut self) -> u64 {
        self.parse_new();
        self.bytes_seen
    }

    /// Everything that the program has written so far, as it came.
    pub fn output(&self) -> Vec<u8> {
        self.line.lock().chunks.iter().flat_map(|chunk| chunk.bytes.iter().copied()).collect()
    }

    /// From the start of the program to its first byte.
    pub fn first_byte_after(&mut self) -> Option<Duration> {
        self.parse_new();
        self.first_byte.map(|at| at - self.started)
    }

    /// From the start of the program to the first read after which the screen was not blank.
    pub fn first_paint_after(&mut self) -> Option<Duration> {
        self.parse_new();
        self.first_paint.map(|at| at - self.started)
    }

    /// The moment of the newest bytes.
    pub fn last_bytes_at(&mut self) -> Option<Instant> {
        self.parse_new();
        self.last_bytes
    }

    /// Waits until the screen satisfies a condition.
    ///
    /// # Errors
    /// When it does not within `PATIENCE`, with the last screen.
    pub fn wait_until(&mut self, what: &str, condition: impl Fn(&Screen) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.parse_new();
            if condition(self.parser.screen()) {
                return Ok(());
            }
            if !self.wait_for_bytes(deadline) {
                bail!("waited for {what}; the last screen was:\n{}", frame(&self.parser.screen().contents()));
            }
        }
    }

    /// Waits until the screen shows a text, or has shown it since the last look: a message that stays for seconds
    /// is seen by whoever was busy elsewhere meanwhile.
    ///
    /// # Errors
    /// When it does not within `PATIENCE`.
    pub fn wait_for(&mut self, text: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.parser.screen().contents().contains(text) {
            if self.parse_one().is_none() && !self.wait_for_bytes(deadline) {
                bail!("waited for `{text}`; the last screen was:\n{}", frame(&self.parser.screen().contents()));
            }
        }
        Ok(())
    }

    /// Types keys and gives the time to the first read that changed the screen.
    ///
    /// # Errors
    /// When nothing changes within `PATIENCE`.
    pub fn time_to_paint(&mut self, keys: &str) -> Result<Duration> {
        self.parse_new();
        let before = self.parser.screen().state_formatted();
        let typed = self.type_keys(keys)?;
        let deadline = typed + PATIENCE;
        loop {
            let mut painted = None;
            while painted.is_none() {
                let Some(at) = self.parse_one() else { break };
                if self.parser.screen().state_formatted() != before {
                    painted = Some(at);
                }
            }
            if let Some(at) = painted {
                return Ok(at.saturating_duration_since(typed));
            }
            if !self.wait_for_bytes(deadline) {
                bail!("key {keys:?} changed nothing; the screen is:\n{}", frame(&self.parser.screen().contents()));
            }
        }
    }

    /// Waits for the program to end.
    ///
    /// # Errors
    /// When it is still there after `PATIENCE`.
    pub fn wait_exit(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.drain_until_closed(deadline);
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(anyhow!("the program did not end; its screen:\n{}", frame(&self.text())));
            }
            // The end of a process makes no sound here: ask again shortly.
            self.pause(Duration::from_millis(2));
        }
    }

    /// Whether the terminal echoes and edits lines, as a shell expects to find it.
    pub fn is_cooked(&self) -> Option<bool> {
        let modes = tcgetattr(&self.master.as_ref()?.side).ok()?.local_flags;
        Some(modes.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG))
    }

    /// Waits for new bytes, or the deadline; `false` when there will be none.
    fn wait_for_bytes(&self, deadline: Instant) -> bool {
        let mut inbox = self.line.lock();
        while inbox.chunks.len() <= self.parsed_chunks {
            let left = deadline.saturating_duration_since(Instant::now());
            if inbox.closed || left.is_zero() {
                return false;
            }
            inbox = self.line.arrived.wait_timeout(inbox, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn pause(&self, time: Duration) {
        let inbox = self.line.lock();
        drop(self.line.arrived.wait_timeout(inbox, time));
    }

    fn drain_until_closed(&mut self, deadline: Instant) {
        let mut inbox = self.line.lock();
        while !inbox.closed && Instant::now() < deadline {
            inbox = self
                .line
                .arrived
                .wait_timeout(inbox, Duration::from_millis(50))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        drop(inbox);
        self.parse_new();
    }

    fn parse_new(&mut self) {
        while self.parse_one().is_some() {}
    }

    /// Feeds the oldest unparsed chunk to the emulator and says when it came.
    fn parse_one(&mut self) -> Option<Instant> {
        let line = Arc::clone(&self.line);
        let inbox = line.lock();
        let chunk = inbox.chunks.get(self.parsed_chunks)?;
        self.parsed_chunks += 1;
        self.bytes_seen += chunk.bytes.len() as u64;
        self.parser.process(&chunk.bytes);
        self.first_byte.get_or_insert(chunk.at);
        self.last_bytes = Some(chunk.at);
        if self.first_paint.is_none() && !self.parser.screen().contents().trim().is_empty() {
            self.first_paint = Some(chunk.at);
        }
        Some(chunk.at)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // Best effort: it may end in this very moment.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Rows and columns of the emulator behind a terminal; one that says nothing of its size has those of old.
fn checked(size: Size) -> Result<(std::num::NonZeroU16, std::num::NonZeroU16)> {
    let size = if size == Size::UNKNOWN { Size::STANDARD } else { size };
    let rows = size.rows.try_into().context("a terminal has rows")?;
    let columns = size.columns.try_into().context("a terminal has columns")?;
    Ok((rows, columns))
}

fn emulator(size: Size) -> Result<vt100::Parser<Heard>> {
    let (rows, columns) = checked(size)?;
    Ok(vt100::Parser::new_with_callbacks(rows, columns, 0, Heard::default()))
}

/// Both ends of a new pseudo-terminal: the terminal's and the program's.
fn pair(size: Size) -> Result<(OwnedFd, OwnedFd)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    tcsetwinsize(&master, size.window())?;
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, OFlags::NOCTTY.bits().cast_signed());
    let slave = options.open(name.to_str().context("the terminal has a plain name")?)?;
    Ok((master, slave.into()))
}

fn write_all(side: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&side, bytes))?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// A screen in a box, so that blank lines and edges show in a failure.
fn frame(screen: &str) -> String {
    let lines: Vec<String> = screen.lines().map(|line| format!("│{line}")).collect();
    format!("┌────\n{}\n└────", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Terminal {
        Terminal::start(&Setup::new("/bin/sh").arg("-c").arg(script)).unwrap()
    }

    #[test]
    fn shows_what_the_program_wrote_and_how_it_ended() {
        let mut terminal = shell("printf 'hello\\a'; read line; printf \"got $line\"; exit 3");
        terminal.wait_for("hello").unwrap();
        assert_eq!(terminal.heard().bells, 1);
        terminal.type_keys("you\r").unwrap();
        assert_eq!(terminal.wait_exit().unwrap().code(), Some(3));
        assert!(terminal.text().contains("got you"));
    }

    #[test]
    fn a_failed_wait_shows_the_screen() {
        let mut terminal = shell("printf 'only this'");
        let error = terminal.wait_for("something else").unwrap_err().to_string();
        assert!(error.contains("something else") && error.contains("only this"), "{error}");
    }

    #[test]
    fn what_was_shown_while_nobody_looked_is_seen() {
        let screens = "printf '\\033[2J\\033[Hfor a moment'; read line; printf '\\033[2J\\033[Hlater'; read line";
        let mut terminal = shell(&format!("printf ready; read line; {screens}"));
        terminal.wait_for("ready").unwrap();
        for words in ["moment", "later"] {
            terminal.type_keys("\r").unwrap();
            let deadline = Instant::now() + PATIENCE;
            while !String::from_utf8_lossy(&terminal.output()).contains(words) && Instant::now() < deadline {
                terminal.pause(Duration::from_millis(2));
            }
        }
        terminal.wait_for("for a moment").unwrap();
        terminal.wait_for("later").unwrap();
        assert!(!terminal.text().contains("moment"), "{}", terminal.text());
    }

    #[test]
    fn a_slow_terminal_takes_as_much_as_it_says() {
        let script = "i=0; while [ $i -lt 512 ]; do printf 0123456789abcdef; i=$((i+1)); done; printf end";
        let setup = Setup::new("/bin/sh").arg("-c").arg(script).link(Link::Slow { bytes_per_s: 8192 });
        let mut terminal = Terminal::start(&setup).unwrap();
        terminal.wait_for("end").unwrap();
        let took = terminal.last_bytes_at().unwrap() - terminal.started;
        assert!(took >= Duration::from_millis(900), "8 KiB came within {took:?}");
    }

    #[test]
    fn a_hung_up_terminal_ends_the_program() {
        let mut terminal = shell("printf ready; read line");
        terminal.wait_for("ready").unwrap();
        terminal.hang_up();
        terminal.wait_exit().unwrap();
    }
}
