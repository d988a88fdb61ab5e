//! The bounded store between the hub and one client.
//!
//! The hub never waits: when the store is full, what is in it is thrown away and the client is told
//! to load everything again, as the last thing it hears.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use blotter_shared::protocol::events::{ByeReason, ReloadReason};

use super::frame::Frame;

/// What a frame costs on top of its bytes.
const OVERHEAD: usize = 64;

#[derive(Debug)]
pub(super) struct Queue {
    capacity: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    frames: VecDeque<Frame>,
    bytes: usize,
    ended: bool,
    waker: Option<Waker>,
}

/// What became of something that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Stored,
    /// It did not fit: the stream ends, and the client is told why.
    Overflowed,
    /// The stream is over.
    Ended,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, inner: Mutex::default() }
    }

    pub(super) fn push(&self, frames: &[Frame]) -> Pushed {
        let mut inner = self.lock();
        if inner.ended {
            return Pushed::Ended;
        }
        let size: usize = frames.iter().map(cost).sum();
        let pushed = if inner.bytes + size > self.capacity {
            inner.end_with([Frame::reload(ReloadReason::TooSlow), Frame::bye(ByeReason::TooSlow)]);
            Pushed::Overflowed
        } else {
            inner.bytes += size;
            inner.frames.extend(frames.iter().cloned());
            Pushed::Stored
        };
        wake(inner);
        pushed
    }

    /// A sign of life, for a client that has nothing waiting.
    pub(super) fn push_if_empty(&self, frame: &Frame) {
        let mut inner = self.lock();
        if inner.ended || !inner.frames.is_empty() {
            return;
        }
        inner.bytes += cost(frame);
        inner.frames.push_back(frame.clone());
        wake(inner);
    }

    /// Ends the stream after what is waiting, with the reason as its last event.
    pub(super) fn end(&self, reason: ByeReason) {
        let mut inner = self.lock();
        if !inner.ended {
            inner.ended = true;
            inner.frames.push_back(Frame::bye(reason));
        }
        wake(inner);
    }

    /// The next frame; `None` at the end of the stream.
    pub(super) fn poll_pop(&self, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        let mut inner = self.lock();
        match inner.frames.pop_front() {
            Some(frame) => {
                inner.bytes = inner.bytes.saturating_sub(cost(&frame));
                Poll::Ready(Some(frame))
            }
            None if inner.ended => Poll::Ready(None),
            None => {
                inner.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn end_with(&mut self, last: [Frame; 2]) {
        self.ended = true;
        self.bytes = 0;
        self.frames = last.into();
    }
}

fn cost(frame: &Frame) -> usize {
    frame.bytes.len() + OVERHEAD
}

/// Wakes the reader after the lock is gone, so that it does not run into it.
fn wake(mut inner: MutexGuard<'_, Inner>) {
    let waker = inner.waker.take();
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::frame::Mark;
    use super::*;

    fn frame(seq: i64, size: usize) -> Frame {
        Frame { mark: Mark::Numbered(seq), bytes: Bytes::from(vec![b'x'; size]) }
    }

    async fn drain(queue: &Queue) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(frame) = std::future::poll_fn(|context| queue.poll_pop(context)).await {
            texts.push(String::from_utf8_lossy(&frame.bytes).into_owned());
        }
        texts
    }

    #[tokio::test]
    async fn a_full_queue_lets_go_of_everything_and_says_so() {
        let queue = Queue::new(1000);
        assert_eq!(queue.push(&[frame(1, 400), frame(2, 400)]), Pushed::Stored);
        assert_eq!(queue.push(&[frame(3, 400)]), Pushed::Overflowed);
        assert_eq!(queue.push(&[frame(4, 1)]), Pushed::Ended);
        assert_eq!(
            drain(&queue).await,
            ["event: reload\ndata: {\"reason\":\"too_slow\"}\n\n", "event: bye\ndata: {\"reason\":\"too_slow\"}\n\n"]
        );
    }

    #[tokio::test]
    async fn room_is_given_back_by_reading() {
        let queue = Queue::new(1000);
        for seq in 0..100 {
            assert_eq!(queue.push(&[frame(seq, 800)]), Pushed::Stored, "{seq}");
            let popped = std::future::poll_fn(|context| queue.poll_pop(context)).await.unwrap();
            assert_eq!(popped.mark, Mark::Numbered(seq));
        }
    }

    #[tokio::test]
    async fn the_end_comes_after_what_is_waiting() {
        let queue = Queue::new(1000);
        queue.push(&[frame(1, 1)]);
        queue.push_if_empty(&Frame::heartbeat());
        queue.end(ByeReason::Shutdown);
        assert_eq!(drain(&queue).await, ["x", "event: bye\ndata: {\"reason\":\"shutdown\"}\n\n"]);
    }
}
