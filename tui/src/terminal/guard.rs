//! What was done to the terminal and how to undo it: one place, used by every way out.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::encode::ASK_BACKGROUND;

/// What is switched on besides the screen itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    pub mouse: bool,
    pub title: bool,
    /// The terminal is asked for its background and told to say when it changes.
    pub background: bool,
}

/// Alternate screen, cursor hidden, bracketed paste.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?2004h";
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const SCHEME_ON: &[u8] = b"\x1b[?2031h";
const TITLE_PUSH: &[u8] = b"\x1b[22;0t";

/// Ends whatever may have been cut off, then undoes all of it, in the reverse order.
const LEAVE: &[u8] = b"\x18\x1b[?2026l\x1b[?2031l\x1b[?1006l\x1b[?1000l\x1b[?2004l\x1b[0m\x1b[?25h\x1b[?1049l";
const TITLE_POP: &[u8] = b"\x1b[23;0t";

/// How long the way out may wait for a terminal that takes nothing.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(200);

/// The taken terminal. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct Guard {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    before: Mutex<Termios>,
    tty: Tty,
    extras: Extras,
}

/// The terminal's output, without blocking where it could be opened anew.
#[derive(Debug)]
pub struct Tty {
    file: File,
    gate: Arc<Mutex<Gate>>,
}

/// Frames are written from a thread of their own: whoever gives the terminal back shuts the gate
/// first, so that no frame, and no rest of one, is drawn over the user's own screen.
#[derive(Debug, Default)]
struct Gate {
    is_open: bool,
    /// How often the terminal was taken over: a frame belongs to one of these times.
    times_taken: u64,
}

/// The leave to write one frame, for as long as the terminal is not given back.
#[derive(Clone, Copy, Debug)]
pub struct Permit(Option<u64>);

impl Guard {
    /// Takes the terminal over: raw mode, alternate screen. A panic anywhere gives it back first.
    ///
    /// # Errors
    /// When standard input or output is not a terminal.
    pub fn take(extras: Extras) -> io::Result<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(io::Error::other("standard input and output must be a terminal"));
        }
        let before = Mutex::new(tcgetattr(io::stdin().as_fd())?);
        let state = Arc::new(State { before, tty: Tty::open()?, extras });
        state.enter()?;
        give_back_on_panic(&state);
        Ok(Self { state })
    }

    /// Another handle on the terminal's output.
    ///
    /// # Errors
    /// When it cannot be duplicated.
    pub fn tty(&self) -> io::Result<Tty> {
        self.state.tty.try_clone()
    }

    pub fn give_back(&self) {
        self.state.leave();
    }

    /// # Errors
    /// When the terminal cannot be set again.
    pub fn take_again(&self) -> io::Result<()> {
        self.state.enter()
    }

    /// The terminal is gone: there is nothing to give back.
    pub fn abandon(&self) {
        self.state.tty.shut_gate();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl State {
    fn enter(&self) -> io::Result<()> {
        let mut raw = self.settings_before();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, &raw)?;
        self.tty.open_gate();
        let mut bytes = ENTER.to_vec();
        if self.extras.title {
            bytes.extend_from_slice(TITLE_PUSH);
        }
        if self.extras.mouse {
            bytes.extend_from_slice(MOUSE_ON);
        }
        if self.extras.background {
            bytes.extend_from_slice(SCHEME_ON);
            bytes.extend_from_slice(ASK_BACKGROUND);
        }
        self.tty.write_within(&bytes, LEAVE_TIMEOUT);
        Ok(())
    }

    fn leave(&self) {
        if !self.tty.shut_gate() {
            return;
        }
        self.tty.write_within(LEAVE, LEAVE_TIMEOUT);
        if self.extras.title {
            self.tty.write_within(TITLE_POP, LEAVE_TIMEOUT);
        }
        // Nothing more can be done about a terminal that refuses its own settings.
        let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, &self.settings_before());
    }

    fn settings_before(&self) -> Termios {
        self.before.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The message of a panic belongs on the user's own screen, not on ours.
fn give_back_on_panic(state: &Arc<State>) {
    let state = Arc::downgrade(state);
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if let Some(state) = state.upgrade() {
            state.leave();
        }
        previous(info);
    }));
}

impl Tty {
    /// Opens the terminal behind standard output anew, so that not blocking is our affair alone;
    /// where that is not allowed, standard output is used as it is.
    fn open() -> io::Result<Self> {
        let reopened = nix::unistd::ttyname(io::stdout().as_fd()).map_err(io::Error::from).and_then(|path| {
            let flags = nix::fcntl::OFlag::O_NOCTTY | nix::fcntl::OFlag::O_NONBLOCK;
            OpenOptions::new().write(true).custom_flags(flags.bits()).open(path)
        });
        let file = match reopened {
            Ok(file) => file,
            Err(_) => File::from(io::stdout().as_fd().try_clone_to_owned()?),
        };
        Ok(Self { file, gate: Arc::default() })
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, gate: Arc::clone(&self.gate) })
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_gate(&self) {
        let mut gate = self.gate();
        *gate = Gate { is_open: true, times_taken: gate.times_taken + 1 };
    }

    /// Says whether it was open.
    fn shut_gate(&self) -> bool {
        std::mem::take(&mut self.gate().is_open)
    }

    /// Asks for leave to write a frame.
    #[must_use]
    pub fn permit(&self) -> Permit {
        let gate = self.gate();
        Permit(gate.is_open.then_some(gate.times_taken))
    }

    /// Writes of a frame what the terminal takes now; once the terminal was given back, the rest
    /// of the frame counts as written and is thrown away.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing, anything else when it is gone.
    pub fn write_frame(&self, permit: Permit, bytes: &[u8]) -> io::Result<usize> {
        let gate = self.gate();
        let holds = gate.is_open && permit.0 == Some(gate.times_taken);
        if holds { self.write(bytes) } else { Ok(bytes.len()) }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.file).write(bytes)
    }

    #[must_use]
    pub fn as_file(&self) -> &File {
        &self.file
    }

    /// Writes as much as goes out in time; a terminal that takes nothing is left as it is.
    fn write_within(&self, mut bytes: &[u8], limit: Duration) {
        let until = Instant::now() + limit;
        while !bytes.is_empty() {
            match self.write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = until.saturating_duration_since(Instant::now());
                    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
                    let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
                    if !matches!(poll(&mut fds, timeout), Ok(ready) if ready > 0) {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }
}
