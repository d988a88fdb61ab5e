//! An event as it goes over the wire: encoded once, shared by all who get it.

use blotter_shared::protocol::events::{Bye, ByeReason, Event, Reload, ReloadReason};
use bytes::Bytes;

/// Encoded bytes with their place in the change feed, if they have one.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) mark: Mark,
    pub(super) bytes: Bytes,
}

/// Where an event stands in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// By its number in the change feed.
    Numbered(i64),
    /// It tells of the present and has no number.
    Present,
    /// The client loads everything anew: what was told before does not count.
    Restart,
}

impl Frame {
    /// The event's name travels in its own field, `data` is its content alone.
    pub(super) fn event(mark: Mark, event: &Event) -> Self {
        let data = match event {
            Event::Hello(content) => serde_json::to_string(content),
            Event::Trade(content) => serde_json::to_string(content),
            Event::Settings(content) => serde_json::to_string(content),
            Event::Alarm(content) => serde_json::to_string(content),
            Event::Health(content) => serde_json::to_string(content),
            Event::Market(content) => serde_json::to_string(content),
            Event::Reload(content) => serde_json::to_string(content),
            Event::Bye(content) => serde_json::to_string(content),
        }
        .unwrap_or_else(|error| {
            // None of these types can fail: no map with odd keys, no writer that breaks.
            tracing::error!("an event cannot be encoded: {error}");
            "null".to_owned()
        });
        let id = match mark {
            Mark::Numbered(seq) => format!("id: {seq}\n"),
            Mark::Present | Mark::Restart => String::new(),
        };
        Self { mark, bytes: Bytes::from(format!("{id}event: {}\ndata: {data}\n\n", event.name())) }
    }

    pub(super) fn reload(reason: ReloadReason) -> Self {
        Self::event(Mark::Restart, &Event::Reload(Reload { reason }))
    }

    pub(super) fn bye(reason: ByeReason) -> Self {
        Self::event(Mark::Present, &Event::Bye(Bye { reason }))
    }

    /// A comment: nothing but a sign of life.
    pub(super) fn heartbeat() -> Self {
        Self { mark: Mark::Present, bytes: Bytes::from_static(b": still here\n\n") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_name_id_and_content() {
        let reload = Event::Reload(Reload { reason: ReloadReason::Gap });
        assert_eq!(
            Frame::event(Mark::Numbered(7), &reload).bytes,
            "id: 7\nevent: reload\ndata: {\"reason\":\"gap\"}\n\n"
        );
        assert_eq!(Frame::reload(ReloadReason::Gap).bytes, "event: reload\ndata: {\"reason\":\"gap\"}\n\n");
    }
}
