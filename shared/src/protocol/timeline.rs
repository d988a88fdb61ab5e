//! `GET /v1/trades/{id}/timeline`: everything that happened to a trade, in its order.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::values::words;
use crate::protocol::trades::Trade;

words! {
    /// What kind of happening it is.
    MomentKind {
        /// A person asked for it.
        Asked = "asked",
        /// It was written down before it was sent.
        Recorded = "recorded",
        Sent = "sent",
        /// The broker's answer, or that none came.
        Answered = "answered",
        /// Seen at the broker.
        Seen = "seen",
        /// Contracts changed hands.
        Filled = "filled",
        /// The trade's state changed.
        State = "state",
        /// An alarm began, was seen by somebody, or ended.
        Alarm = "alarm",
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moment {
    pub at: DateTime<Utc>,
    pub kind: MomentKind,
    /// Who did it, where it was a person: the device's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What happened, as a sentence for people.
    pub what: String,
    /// What is kept of it, as it is kept.
    pub detail: Value,
}

/// A trade's whole story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    pub trade: Trade,
    pub moments: Vec<Moment>,
}
