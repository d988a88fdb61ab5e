//! `GET /v1/events`: Server-Sent Events.
//!
//! A durable event carries its change-feed sequence as the SSE `id`; a client that comes back
//! with `Last-Event-ID` gets what it missed, or `reload` when that is too long ago. Events
//! without an id (`health`, `market`) are hints about the present and are not replayed.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::values::words;
use crate::protocol::alarms::Alarm;
use crate::protocol::health::Health;
use crate::protocol::market::Market;
use crate::protocol::settings::Settings;
use crate::protocol::trades::Trade;

/// What an event says. The SSE `event` field is the tag, `data` is the JSON of the content alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// First event of each stream.
    Hello(Hello),
    /// A trade is new or has changed: its row as it is now.
    Trade(Box<Trade>),
    Settings(Box<Settings>),
    /// An alarm was raised, acknowledged or cleared.
    Alarm(Box<Alarm>),
    Health(Box<Health>),
    Market(Market),
    /// Load everything again: the replay window or the reader's queue was too short.
    Reload(Reload),
    /// The daemon ends this stream.
    Bye(Bye),
}

/// What a stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hello {
    /// The newest sequence at this moment.
    pub seq: i64,
    /// At least one line, a comment if nothing else, comes in this time.
    pub heartbeat_s: u64,
    pub now: DateTime<Utc>,
}

words! {
    /// Why a client must load everything again.
    ReloadReason {
        /// What was missed is no longer kept.
        Gap = "gap",
        /// This client read too slowly.
        TooSlow = "too_slow",
        /// The client's sequence is newer than the database: a backup was restored.
        TimeTravel = "time_travel",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reload {
    pub reason: ReloadReason,
}

words! {
    /// Why a stream ends.
    ByeReason {
        Shutdown = "shutdown",
        TooSlow = "too_slow",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bye {
    pub reason: ByeReason,
}

impl Event {
    /// The SSE event name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Trade(_) => "trade",
            Self::Settings(_) => "settings",
            Self::Alarm(_) => "alarm",
            Self::Health(_) => "health",
            Self::Market(_) => "market",
            Self::Reload(_) => "reload",
            Self::Bye(_) => "bye",
        }
    }
}
