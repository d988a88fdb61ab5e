//! The terminal: taken over, written to once a frame, listened to, and given back.
//!
//! * Given back after every kind of end: quitting, an error, a panic, TERM, HUP, INT, QUIT and
//!   suspension all go through [`guard::Guard`], which undoes everything that was done.
//! * A frame is the difference to what is on the screen, wrapped in a synchronized update (DEC
//!   2026), and goes out in one write from a thread of its own. Nothing changed, nothing written.
//! * At most one frame is on its way: [`pacer`] holds the next one back until the last one was
//!   written and, where the terminal answers, shown. A slow link gets the newest state.
//! * A terminal that vanishes is noticed at once by the reader's `poll`, whatever signals are ignored.

pub mod encode;
pub mod guard;
pub mod hidden;
pub mod outside;
pub mod pacer;
pub mod reader;
pub mod writer;

use std::io;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use tokio::sync::mpsc::UnboundedSender;

use crate::clock::Now;
use crate::input::decode::TerminalEvent;
use crate::view::Drawing;
use guard::{Extras, Guard};
use pacer::Pacer;
use writer::Writer;

/// What the terminal's threads report.
#[derive(Debug)]
pub enum Report {
    Input(TerminalEvent),
    /// The frame on its way is written.
    Written,
    /// The terminal is gone.
    Gone,
}

/// The terminal that is taken over.
#[derive(Debug)]
pub struct Terminal {
    guard: Guard,
    writer: Writer,
    pacer: Pacer,
    shown: Buffer,
    cursor: Option<Position>,
    /// The next frame draws everything.
    is_forgotten: bool,
    /// Bytes that go out with the next frame: a bell, the clipboard, the title.
    extra: Vec<u8>,
}

impl Terminal {
    /// Takes the terminal over and starts to listen.
    ///
    /// # Errors
    /// When standard input or output is no terminal that can be set.
    pub fn open(extras: Extras, reports: UnboundedSender<Report>) -> io::Result<Self> {
        let guard = Guard::take(extras)?;
        let writer = Writer::start(guard.tty()?, reports.clone())?;
        reader::start(reports)?;
        Ok(Self {
            guard,
            writer,
            pacer: Pacer::default(),
            shown: Buffer::empty(Rect::ZERO),
            cursor: None,
            is_forgotten: true,
            extra: Vec::new(),
        })
    }

    /// Draws, when nothing is on its way; otherwise the caller comes back when it is through.
    pub fn draw(&mut self, now: Now, drawing: Drawing) {
        if !self.pacer.may_send(now.since_start) {
            return;
        }
        let mut bytes = std::mem::take(&mut self.extra);
        if self.is_forgotten || self.shown.area != drawing.buffer.area {
            self.shown = Buffer::empty(drawing.buffer.area);
            bytes.extend_from_slice(encode::CLEAR);
            self.is_forgotten = false;
        }
        let frame = encode::frame(&self.shown, &drawing, self.cursor);
        bytes.extend(frame);
        self.shown = drawing.buffer;
        self.cursor = drawing.cursor;
        self.send(now, bytes);
    }

    fn send(&mut self, now: Now, mut bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        if self.pacer.sends(now.since_start, bytes.len()) == pacer::Ask::Yes {
            bytes.extend_from_slice(encode::ASK_READY);
        }
        self.writer.send(bytes);
    }

    /// Sends bytes that draw nothing along with the next frame.
    pub fn add(&mut self, bytes: &[u8]) {
        self.extra.extend_from_slice(bytes);
    }

    /// Forgets what the screen shows, so that the next frame draws all of it.
    pub fn forget(&mut self) {
        self.is_forgotten = true;
    }

    /// The frame on its way was written.
    pub fn written(&mut self) {
        self.pacer.written();
    }

    /// The terminal has shown everything up to the question.
    pub fn ready(&mut self) {
        self.pacer.answered();
    }

    /// When a frame that is held back may go although no answer came.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        self.pacer.gives_up_at()
    }

    /// Whether the terminal still owes an answer, which would otherwise be typed into the shell.
    #[must_use]
    pub fn owes_answer(&self) -> bool {
        self.pacer.owes_answer()
    }

    /// Gives the terminal back, stops the process, and takes it over again when it is continued.
    ///
    /// # Errors
    /// When the terminal cannot be set again.
    pub fn suspend(&mut self, stop: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.guard.give_back();
        let stopped = stop();
        self.guard.take_again()?;
        self.pacer.starts_over();
        self.forget();
        stopped
    }

    /// Gives the terminal back for good.
    pub fn close(mut self) {
        self.writer.stop();
        self.guard.give_back();
    }

    /// The terminal is gone: nothing is written to it any more.
    pub fn abandon(mut self) {
        self.guard.abandon();
        self.writer.stop();
    }
}

/// The size of the terminal; 80x24 when it does not say.
#[must_use]
pub fn size() -> (u16, u16) {
    usable(crossterm::terminal::size().ok())
}

fn usable(told: Option<(u16, u16)>) -> (u16, u16) {
    told.filter(|(width, height)| *width > 0 && *height > 0).unwrap_or((80, 24))
}

#[cfg(test)]
mod tests {
    use super::usable;

    #[test]
    fn a_terminal_without_a_size_is_taken_for_the_usual_one() {
        for told in [None, Some((0, 0)), Some((0, 24)), Some((80, 0))] {
            assert_eq!(usable(told), (80, 24), "{told:?}");
        }
        assert_eq!(usable(Some((1, 1))), (1, 1), "a small one is one all the same");
    }
}
