//! Server-Sent Events, read from any pieces of bytes.

use blotter_shared::protocol::events::Event;
use serde::{Deserialize, Serialize};

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

/// Reads a stream.
#[derive(Clone, Debug, Default)]
pub struct SseReader {
    line: Vec<u8>,
    name: String,
    data: String,
    id: Option<i64>,
    after_return: bool,
}

impl SseReader {
    /// Takes bytes and gives what they complete.
    ///
    /// # Errors
    /// When an event does not end within its bound.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<StreamItem>, TooLong> {
        let mut items = Vec::new();
        for byte in bytes {
            let follows_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    items.extend(self.end_of_line(&String::from_utf8_lossy(&line)));
                }
                other => self.line.push(*other),
            }
            if self.line.len() + self.data.len() > EVENT_MAX {
                return Err(TooLong);
            }
        }
        Ok(items)
    }

    fn end_of_line(&mut self, line: &str) -> Option<StreamItem> {
        if line.is_empty() {
            return self.end_of_event();
        }
        if line.starts_with(':') {
            return Some(StreamItem::Heartbeat);
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

    fn end_of_event(&mut self) -> Option<StreamItem> {
        let (name, data, id) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data), self.id.take());
        if name.is_empty() && data.is_empty() {
            return None;
        }
        let tagged = format!("{{\"event\":{},\"data\":{data}}}", serde_json::Value::String(name.clone()));
        Some(match serde_json::from_str(&tagged) {
            Ok(event) => StreamItem::Event { id, event },
            Err(_) => StreamItem::Unknown { id, name },
        })
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
