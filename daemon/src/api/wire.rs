//! What hyper does not do for us, between it and the socket.
//!
//! * A request's head has a deadline from its first byte; between requests a connection may idle.
//!   (hyper's own deadline runs while a connection idles, and would cut every quiet client.)
//! * What hyper answers by itself when it cannot read a request has no body; the client gets a
//!   problem document in its place.
//!
//! Both need to know where a connection is between two requests: the service and the body of its
//! answer say so through `Turn`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use blotter_shared::protocol::problem::{Problem, ProblemCode};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::problem::raw_response;

/// Longest that a connection may idle.
const IDLE: Duration = Duration::from_secs(600);

/// Whose turn it is on a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn(Arc<AtomicU8>);

/// Nobody has begun: the next bytes are the head of a request.
const WAITING: u8 = 0;
/// A request is being answered.
const ANSWERING: u8 = 1;
/// The answer is complete, but may not be written yet.
const WRITING: u8 = 2;

impl Turn {
    pub(super) fn request_came(&self) {
        self.0.store(ANSWERING, Ordering::Relaxed);
    }

    fn answer_ended(&self) {
        self.0.store(WRITING, Ordering::Relaxed);
    }

    fn written(&self) {
        let _ = self.0.compare_exchange(WRITING, WAITING, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn is(&self, turn: u8) -> bool {
        self.0.load(Ordering::Relaxed) == turn
    }
}

/// An answer's body that says when it ends.
#[derive(Debug)]
pub(super) struct TurnBody {
    body: axum::body::Body,
    turn: Turn,
}

impl TurnBody {
    pub(super) fn new(body: axum::body::Body, turn: Turn) -> Self {
        Self { body, turn }
    }
}

impl Body for TurnBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for TurnBody {
    fn drop(&mut self) {
        self.turn.answer_ended();
    }
}

/// The socket, watched.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    turn: Turn,
    head_limit: Duration,
    head_bytes: u32,
    deadline: Pin<Box<Sleep>>,
    head: Head,
}

/// How far the head of the next request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    NotBegun,
    Begun,
    /// Too late; nothing more is read.
    Late,
}

impl Wire {
    pub(super) fn new(stream: UnixStream, turn: Turn, head_limit: Duration, head_bytes: u32) -> Self {
        let deadline = Box::pin(sleep_until(Instant::now() + IDLE));
        Self { stream, turn, head_limit, head_bytes, deadline, head: Head::NotBegun }
    }

    /// Ends a wait that has lasted too long.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.turn.is(ANSWERING) {
            return Poll::Pending;
        }
        if self.turn.is(WRITING) && self.head == Head::Begun {
            // That head was in time, or nothing would be answered. How long its answer may take to leave is another matter.
            self.begin_to_idle();
        }
        std::task::ready!(self.deadline.as_mut().poll(context));
        if self.head == Head::Begun {
            let detail = format!("the head of a request may take {} s", self.head_limit.as_secs_f32());
            let limit = Some("limits.header_timeout_s".to_owned());
            self.say(&Problem { limit, ..Problem::new(ProblemCode::TimedOut, detail) });
        }
        self.head = Head::Late;
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// Notes what has come, and until when the rest must.
    fn note_read(&mut self) {
        match (self.turn.is(ANSWERING), self.head) {
            (true, _) => self.head = Head::NotBegun,
            (false, Head::NotBegun) => {
                self.head = Head::Begun;
                self.deadline.as_mut().reset(Instant::now() + self.head_limit);
            }
            (false, Head::Begun | Head::Late) => {}
        }
    }

    /// A new wait begins when an answer is out.
    fn note_written(&mut self) {
        if self.turn.is(WRITING) {
            self.turn.written();
            self.begin_to_idle();
        }
    }

    fn begin_to_idle(&mut self) {
        self.head = Head::NotBegun;
        self.deadline.as_mut().reset(Instant::now() + IDLE);
    }

    /// What hyper says by itself: an error where no request has come.
    fn own_words(&self, bytes: &[u8]) -> Option<Problem> {
        let hyper_speaks =
            self.turn.is(WAITING) && (bytes.starts_with(b"HTTP/1.1 4") || bytes.starts_with(b"HTTP/1.1 5"));
        if !hyper_speaks {
            return None;
        }
        let detail = match bytes.get(9..12) {
            Some(b"431") => {
                let detail = format!("the head of a request has at most {} bytes", self.head_bytes);
                let limit = Some("limits.header_bytes".to_owned());
                return Some(Problem { limit, ..Problem::new(ProblemCode::Malformed, detail) });
            }
            Some(b"414") => "the address is too long",
            Some(b"505") => "this is not HTTP/1.1",
            Some(_) | None => "this is not an HTTP/1.1 request",
        };
        Some(Problem::new(ProblemCode::Malformed, detail))
    }

    /// Says something in hyper's place. A client that cannot take a few hundred bytes goes without.
    fn say(&self, problem: &Problem) {
        let _ = self.stream.try_write(&raw_response(problem));
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                self.note_read();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.poll_deadline(context).map(Err),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(problem) = self.own_words(bytes) {
            self.say(&problem);
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(problem) = slices.first().and_then(|first| self.own_words(first)) {
            self.say(&problem);
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.note_written();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const HEAD: Duration = Duration::from_millis(20);

    /// A connection on which this has come, and its other end.
    async fn heard(bytes: &[u8]) -> (Wire, Turn, UnixStream) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let turn = Turn::default();
        let mut wire = Wire::new(ours, turn.clone(), HEAD, 1024);
        theirs.write_all(bytes).await.unwrap();
        assert_eq!(wire.read(&mut [0; 1024]).await.unwrap(), bytes.len());
        (wire, turn, theirs)
    }

    /// Looks for more, as hyper does while it writes.
    fn is_cut(wire: &mut Wire) -> bool {
        wire.read(&mut [0; 64]).now_or_never().is_some_and(|read| read.is_err())
    }

    #[tokio::test]
    async fn an_answer_outlasts_the_deadline_of_its_head() {
        let (mut wire, turn, _theirs) = heard(b"GET / HTTP/1.1\r\n\r\n").await;
        turn.request_came();
        // A head that began later and never ends is cut: by then the other's deadline is over, too.
        let (mut late, _, _drips) = heard(b"GET").await;
        assert_eq!(late.read(&mut [0; 64]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(!is_cut(&mut wire), "the database takes its time");
        turn.answer_ended();
        assert!(!is_cut(&mut wire), "it is more than the socket holds, and nobody takes it yet");
    }
}
