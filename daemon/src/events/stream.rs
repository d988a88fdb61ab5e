//! What a client's connection draws from.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

use super::frame::{Frame, Mark};
use super::hub::{Feed, Hub, Reader};

/// The events of one client, encoded. Dropping it unsubscribes.
#[derive(Debug)]
pub struct EventStream {
    hub: Hub,
    feed: Arc<Feed>,
    reader: Arc<Reader>,
    first: VecDeque<Frame>,
    /// Numbered events up to here are told: what the hub still hands over of them is left out.
    told: i64,
}

impl EventStream {
    pub(super) fn new(hub: Hub, feed: Arc<Feed>, reader: Arc<Reader>, first: Vec<Frame>, told: i64) -> Self {
        Self { hub, feed, reader, first: first.into(), told }
    }
}

impl Stream for EventStream {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(frame) = self.first.pop_front() {
            return Poll::Ready(Some(frame.bytes));
        }
        loop {
            let Some(frame) = std::task::ready!(self.reader.queue.poll_pop(context)) else {
                return Poll::Ready(None);
            };
            match frame.mark {
                Mark::Numbered(seq) if seq <= self.told => continue,
                Mark::Numbered(seq) => self.told = seq,
                Mark::Present => {}
                Mark::Restart => self.told = i64::MIN,
            }
            return Poll::Ready(Some(frame.bytes));
        }
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.hub.unregister(&self.feed, &self.reader);
    }
}
