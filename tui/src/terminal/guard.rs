//! What was done to the terminal and how to undo it: one place, used by every way out.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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
    is_taken: AtomicBool,
}

/// The terminal's output, without blocking where it could be opened anew.
#[derive(Debug)]
pub struct Tty {
    file: File,
}

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
        let state = Arc::new(State { before, tty: Tty::open()?, extras, is_taken: AtomicBool::new(false) });
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
        self.state.is_taken.store(false, Ordering::SeqCst);
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
        self.is_taken.store(true, Ordering::SeqCst);
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
        if !self.is_taken.swap(false, Ordering::SeqCst) {
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
        Ok(Self { file })
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()? })
    }

    /// Writes what the terminal takes now.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing, anything else when it is gone.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
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
