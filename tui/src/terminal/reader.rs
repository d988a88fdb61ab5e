//! The thread that listens. It sleeps in `poll`, which also tells at once when the terminal is gone
//! (an SSH connection that dropped while SIGHUP is ignored): it reports that and ends, where others
//! read the end of file for ever.

use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc::UnboundedSender;

use super::Report;
use crate::input::decode::Decoder;

const STACK_BYTES: usize = 128 * 1024;

/// Starts it. It ends when nobody listens to it or when the terminal is gone, at the latest with
/// the process.
///
/// # Errors
/// When the system has no thread to give.
pub fn start(reports: UnboundedSender<Report>) -> io::Result<()> {
    let builder = std::thread::Builder::new().name("tty-reader".to_owned()).stack_size(STACK_BYTES);
    builder.spawn(move || listen(&io::stdin(), &reports)).map(drop)
}

/// Reads until the end of the terminal.
pub fn listen(input: &impl AsFd, reports: &UnboundedSender<Report>) {
    let mut decoder = Decoder::default();
    let mut buffer = [0; 1024];
    loop {
        let events = match next_bytes(input, &decoder, &mut buffer) {
            Ok(Some(bytes)) => decoder.feed(bytes),
            Ok(None) => decoder.flush().into_iter().collect(),
            Err(_) => {
                let _ = reports.send(Report::Gone);
                return;
            }
        };
        for event in events {
            if reports.send(Report::Input(event)).is_err() {
                return;
            }
        }
    }
}

/// The next bytes; `None` when what is begun has waited long enough; an error when there is no
/// terminal any more.
fn next_bytes<'a>(input: &impl AsFd, decoder: &Decoder, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
    loop {
        let timeout = match decoder.patience() {
            Some(patience) => PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        let mut fds = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let [polled] = fds;
        let events = polled.revents().unwrap_or(PollFlags::empty());
        if !events.contains(PollFlags::POLLIN)
            && events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL)
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match nix::unistd::read(input.as_fd(), buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => return Ok(buffer.get(..count)),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::input::chord::{Chord, KeyCode};
    use crate::input::decode::TerminalEvent;

    /// A socket pair stands in for the terminal: it hangs up in the same way.
    #[test]
    fn keys_arrive_a_lone_escape_is_a_key_and_a_hang_up_ends_it() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (reports, mut received) = tokio::sync::mpsc::unbounded_channel();
        let thread = std::thread::spawn(move || listen(&theirs, &reports));
        (&ours).write_all(b"j\x1b]11;rgb:00/00/00\x1b\\").unwrap();
        let mut next = || received.blocking_recv();
        assert!(matches!(next(), Some(Report::Input(TerminalEvent::Key(chord))) if chord == Chord::char('j')));
        assert!(matches!(next(), Some(Report::Input(TerminalEvent::Background { .. }))));
        (&ours).write_all(b"\x1b").unwrap();
        assert!(matches!(next(), Some(Report::Input(TerminalEvent::Key(chord))) if chord.code == KeyCode::Esc));
        drop(ours);
        assert!(matches!(next(), Some(Report::Gone)));
        thread.join().unwrap();
    }
}
