//! A long answer, written while its parts arrive: kept in pieces of one size, each given back as soon as it is on its
//! way. An answer of some megabytes is never copied to make room, and a client that takes it slowly holds what it has
//! not taken yet, and neither a row nor a connection of the database.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// Large enough that a socket takes several at once, small enough to be given back piece by piece.
const PIECE: usize = 64 << 10;

/// An answer that is being written.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    full: VecDeque<Bytes>,
    open: Vec<u8>,
}

impl Pieces {
    fn close(&mut self) {
        if !self.open.is_empty() {
            self.full.push_back(Bytes::from(std::mem::take(&mut self.open)));
        }
    }
}

impl From<Pieces> for Body {
    fn from(mut pieces: Pieces) -> Self {
        pieces.open.shrink_to_fit();
        pieces.close();
        Self::new(Answer(pieces.full))
    }
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.open.capacity() == 0 {
            self.open.reserve_exact(PIECE);
        }
        let room = PIECE.saturating_sub(self.open.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.open.extend_from_slice(taken);
        if self.open.len() >= PIECE {
            self.close();
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives the pieces away, first to last.
struct Answer(VecDeque<Bytes>);

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let bytes: usize = self.0.iter().map(Bytes::len).sum();
        u64::try_from(bytes).map_or_else(|_| SizeHint::default(), SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http_body::Body as _;

    use super::*;

    #[tokio::test]
    async fn an_answer_is_the_same_in_pieces_and_says_how_long_it_is() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let text: Vec<u8> = (0..=250_u8).cycle().take(length).collect();
            let mut pieces = Pieces::default();
            for part in text.chunks(1013) {
                pieces.write_all(part).unwrap();
            }
            let body = Body::from(pieces);
            assert_eq!(body.size_hint().exact(), Some(length as u64));
            assert_eq!(axum::body::to_bytes(body, usize::MAX).await.unwrap(), text);
        }
    }
}
