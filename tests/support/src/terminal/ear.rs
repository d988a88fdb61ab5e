//! The terminal's side that reads: as fast as its link, and with the answers that a terminal gives.

use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Answers, Chunk, Line, Link, write_all};

/// Between two reads of a slow terminal.
const SLOW_TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000_000 / SLOW_TICKS_PER_S };
const SLOW_TICKS_PER_S: i64 = 32;

/// Reads what the program writes, and answers what it asks.
pub(super) struct Ear {
    answers: Answers,
    link: Link,
    /// The end of what was read: a question may come in two parts.
    carry: Vec<u8>,
}

impl Ear {
    pub(super) fn new(answers: Answers, link: Link) -> Self {
        Self { answers, link, carry: Vec::new() }
    }

    /// Reads until the program's side is closed or `watch` is hung up.
    pub(super) fn listen(&mut self, side: &OwnedFd, watch: &OwnedFd, line: &Line) {
        let mut buffer = vec![0_u8; self.mouthful()];
        while may_read(side, watch) {
            let Ok(count @ 1..) = rustix::io::retry_on_intr(|| rustix::io::read(side, &mut *buffer)) else { break };
            let at = Instant::now();
            let bytes = buffer.get(..count).unwrap_or_default().to_vec();
            let reply = self.reply(&bytes);
            line.lock().chunks.push(Chunk { at, bytes });
            line.arrived.notify_all();
            // A program that asked and left does not need the answer.
            let _ = write_all(side, &reply);
            if self.link != Link::Fast && is_hung_up(watch) {
                break;
            }
        }
        line.lock().closed = true;
        line.arrived.notify_all();
    }

    /// Most bytes of one read.
    fn mouthful(&self) -> usize {
        match self.link {
            Link::Fast => 64 * 1024,
            Link::Slow { bytes_per_s } => (bytes_per_s / usize::try_from(SLOW_TICKS_PER_S).unwrap_or(1)).max(1),
        }
    }

    fn reply(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.answers == Answers::Mute {
            return Vec::new();
        }
        let mut known = std::mem::take(&mut self.carry);
        known.extend_from_slice(bytes);
        let (reply, end) = answers_to(&known);
        let rest = known.len().saturating_sub(LONGEST_QUERY - 1).max(end);
        self.carry = known.get(rest..).unwrap_or_default().to_vec();
        reply
    }
}

/// Lets a tick of a slow terminal pass; says whether the terminal was taken away meanwhile.
fn is_hung_up(watch: &OwnedFd) -> bool {
    let mut ends = [PollFd::new(watch, PollFlags::IN)];
    let polled = rustix::io::retry_on_intr(|| poll(&mut ends, Some(&SLOW_TICK)));
    polled.is_err() || ends.first().is_some_and(|end| !end.revents().is_empty())
}

fn may_read(side: &OwnedFd, watch: &OwnedFd) -> bool {
    let mut ends = [PollFd::new(side, PollFlags::IN), PollFd::new(watch, PollFlags::IN)];
    match rustix::io::retry_on_intr(|| poll(&mut ends, None)) {
        Ok(_) => ends.last().is_some_and(|stop| stop.revents().is_empty()),
        Err(_) => false,
    }
}

/// The queries that a terminal knows, with the answers of a dark xterm.
const QUERIES: [(&[u8], &[u8]); 6] = [
    (b"\x1b]10;?", b"\x1b]10;rgb:d0d0/d0d0/d0d0\x1b\\"),
    (b"\x1b]11;?", b"\x1b]11;rgb:1010/1010/1010\x1b\\"),
    (b"\x1b[?u", b"\x1b[?0u"),
    (b"\x1b[5n", b"\x1b[0n"),
    (b"\x1b[6n", b"\x1b[1;1R"),
    (b"\x1b[c", b"\x1b[?62;22c"),
];
const LONGEST_QUERY: usize = 6;

/// What is answered to the queries in `bytes`, in the order of the list, and where the last one ends.
fn answers_to(bytes: &[u8]) -> (Vec<u8>, usize) {
    let (mut reply, mut end) = (Vec::new(), 0);
    for (query, answer) in QUERIES {
        let Some(at) = bytes.windows(query.len()).rposition(|window| window == query) else { continue };
        reply.extend_from_slice(answer);
        end = end.max(at + query.len());
    }
    (reply, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_answered_unless_the_terminal_is_mute() {
        assert_eq!(answers_to(b"abc\x1b]11;?\x07"), (b"\x1b]11;rgb:1010/1010/1010\x1b\\".to_vec(), 9));
        assert_eq!(answers_to(b"nothing asked"), (Vec::new(), 0));
        assert!(QUERIES.iter().all(|(query, _)| query.len() <= LONGEST_QUERY));
    }

    #[test]
    fn a_query_in_two_parts_is_answered_once() {
        let mut ear = Ear::new(Answers::Yes, Link::Fast);
        assert_eq!(ear.reply(b"some text\x1b[5"), b"");
        assert_eq!(ear.reply(b"n"), b"\x1b[0n");
        assert_eq!(ear.reply(b"more"), b"");
        let mut mute = Ear::new(Answers::Mute, Link::Fast);
        assert_eq!(mute.reply(b"\x1b[5n"), b"");
    }
}
