//! The thread that writes: one frame, one `write`. It may be told to stop while a terminal takes
//! nothing, so that quitting never waits for a slow link.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc::UnboundedSender;

use super::Report;
use super::guard::Tty;

/// The thread's handle.
#[derive(Debug)]
pub struct Writer {
    frames: Option<Sender<Vec<u8>>>,
    /// Closing it wakes a thread that waits for the terminal.
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

const STACK_BYTES: usize = 128 * 1024;

impl Writer {
    /// # Errors
    /// When the system has no thread or pipe to give.
    pub fn start(tty: Tty, reports: UnboundedSender<Report>) -> io::Result<Self> {
        let (frames, received) = channel();
        let (stopped, stop) = nix::unistd::pipe()?;
        let thread = std::thread::Builder::new()
            .name("tty-writer".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || write_frames(&tty, &received, &stopped, &reports))?;
        Ok(Self { frames: Some(frames), stop: Some(stop), thread: Some(thread) })
    }

    /// Hands a frame over. The pacer sees to it that the last one is through.
    pub fn send(&self, frame: Vec<u8>) {
        if let Some(frames) = &self.frames {
            let _ = frames.send(frame);
        }
    }

    /// Ends the thread; a frame that the terminal does not take is cut off.
    pub fn stop(&mut self) {
        self.frames = None;
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_frames(tty: &Tty, frames: &Receiver<Vec<u8>>, stopped: &OwnedFd, reports: &UnboundedSender<Report>) {
    while let Ok(frame) = frames.recv() {
        let report = match write_all(tty, &frame, stopped) {
            Ok(()) => Report::Written,
            Err(_) => Report::Gone,
        };
        let is_over = matches!(report, Report::Gone);
        if reports.send(report).is_err() || is_over {
            return;
        }
    }
}

fn write_all(tty: &Tty, mut bytes: &[u8], stopped: &OwnedFd) -> io::Result<()> {
    while !bytes.is_empty() {
        match tty.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for_room(tty, stopped)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wait_for_room(tty: &Tty, stopped: &OwnedFd) -> io::Result<()> {
    let mut fds =
        [PollFd::new(tty.as_file().as_fd(), PollFlags::POLLOUT), PollFd::new(stopped.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let [_, stop] = fds;
    let is_stopped = stop.revents().is_some_and(|events| !events.is_empty());
    if is_stopped { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
}
