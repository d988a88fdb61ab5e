//! Server-Sent Events, read from any pieces of bytes.

use blotter_shared::protocol::events::Event;
use blotter_shared::protocol::prices::LivePrices;
use serde::{Deserialize, Serialize};

use crate::quotes::PricesSaid;

/// Longest event that is read; the protocol's are far below.
const EVENT_MAX: usize = 1 << 20;

/// What a stream said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamItem {
    /// A comment: the daemon is there.
    Heartbeat,
    /// An event, with its place in the change feed when it has one.
    Event { id: Option<i64>, event: Box<Event> },
    /// An event of a kind that this client does not know: a newer daemon. It still counts.
    Unknown { id: Option<i64>, name: String },
}

/// Why a stream cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {EVENT_MAX} bytes")]
pub struct TooLong;

/// One piece of a stream, whatever it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Comment,
    Event { id: Option<i64>, name: String, data: String },
}

/// Reads the events of a session.
#[derive(Clone, Debug, Default)]
pub struct SseReader(FrameReader);

impl SseReader {
    /// Takes bytes and gives what they complete.
    ///
    /// # Errors
    /// When an event does not end within its bound.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<StreamItem>, TooLong> {
        Ok(self.0.feed(bytes)?.into_iter().map(item).collect())
    }
}

fn item(frame: Frame) -> StreamItem {
    let Frame::Event { id, name, data } = frame else { return StreamItem::Heartbeat };
    let tagged = format!("{{\"event\":{},\"data\":{data}}}", serde_json::Value::String(name.clone()));
    match serde_json::from_str(&tagged) {
        Ok(event) => StreamItem::Event { id, event },
        Err(_) => StreamItem::Unknown { id, name },
    }
}

/// Reads the stream of prices.
#[derive(Clone, Debug, Default)]
pub struct PriceReader(FrameReader);

impl PriceReader {
    /// Takes bytes and gives what they complete; an event of another kind is a sign of life.
    ///
    /// # Errors
    /// When an event does not end within its bound.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<PricesSaid>, TooLong> {
        Ok(self.0.feed(bytes)?.into_iter().map(said).collect())
    }
}

fn said(frame: Frame) -> PricesSaid {
    match frame {
        Frame::Event { name, data, .. } if name == "prices" => {
            serde_json::from_str::<LivePrices>(&data).map_or(PricesSaid::Alive, |told| PricesSaid::Prices(told.prices))
        }
        Frame::Event { .. } | Frame::Comment => PricesSaid::Alive,
    }
}

/// Reads a stream into its pieces.
#[derive(Clone, Debug, Default)]
pub struct FrameReader {
    line: Vec<u8>,
    name: String,
    data: String,
    id: Option<i64>,
    after_return: bool,
}

impl FrameReader {
    /// Takes bytes and gives what they complete.
    ///
    /// # Errors
    /// When an event does not end within its bound.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, TooLong> {
        let mut frames = Vec::new();
        for byte in bytes {
            let follows_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    frames.extend(self.end_of_line(&String::from_utf8_lossy(&line)));
                }
                other => self.line.push(*other),
            }
            if self.line.len() + self.data.len() > EVENT_MAX {
                return Err(TooLong);
            }
        }
        Ok(frames)
    }

    fn end_of_line(&mut self, line: &str) -> Option<Frame> {
        if line.is_empty() {
            return self.end_of_event();
        }
        if line.starts_with(':') {
            return Some(Frame::Comment);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            "id" => self.id = value.parse().ok(),
            _ => {}
        }
        None
    }

    fn end_of_event(&mut self) -> Option<Frame> {
        let (name, data, id) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data), self.id.take());
        if name.is_empty() && data.is_empty() { None } else { Some(Frame::Event { id, name, data }) }
    }
}

#[cfg(test)]
mod tests {
    use blotter_shared::protocol::events::{Reload, ReloadReason};
    use proptest::prelude::*;

    use super::*;

    const STREAM: &[u8] =
        b": hi\n\nid: 41\nevent: reload\ndata: {\"reason\":\"gap\"}\n\nid: 42\r\nevent: tomorrow\r\ndata: 1\r\n\r\n";

    fn expected() -> Vec<StreamItem> {
        let reload = Event::Reload(Reload { reason: ReloadReason::Gap });
        vec![
            StreamItem::Heartbeat,
            StreamItem::Event { id: Some(41), event: Box::new(reload) },
            StreamItem::Unknown { id: Some(42), name: "tomorrow".to_owned() },
        ]
    }

    #[test]
    fn events_comments_and_strangers_are_told_apart() {
        assert_eq!(SseReader::default().feed(STREAM).unwrap(), expected());
    }

    #[test]
    fn prices_are_read_and_whatever_else_comes_is_a_sign_of_life() {
        let told = PriceReader::default()
            .feed(b": still here\n\nevent: prices\ndata: {\"prices\":[]}\n\nevent: x\ndata: 1\n\n");
        assert_eq!(told.unwrap(), [PricesSaid::Alive, PricesSaid::Prices(vec![]), PricesSaid::Alive]);
        assert_eq!(PriceReader::default().feed(b"event: prices\ndata: {\n\n").unwrap(), [PricesSaid::Alive]);
    }

    #[test]
    fn an_event_without_an_end_is_given_up() {
        let mut reader = SseReader::default();
        assert_eq!(reader.feed(&vec![b'x'; EVENT_MAX + 2]), Err(TooLong));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(cut in 0_usize..STREAM.len()) {
            let (first, second) = STREAM.split_at(cut);
            let mut reader = SseReader::default();
            let mut items = reader.feed(first).unwrap();
            items.extend(reader.feed(second).unwrap());
            prop_assert_eq!(items, expected());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = SseReader::default().feed(&bytes);
        }
    }
}
