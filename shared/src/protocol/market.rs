//! `GET /v1/market`: is it open, and until when.

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::values::words;

words! {
    /// The phase of the trading day.
    SessionPhase {
        Open = "open",
        Closed = "closed",
    }
}

/// The exchange's session as the calendar has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Market {
    /// Trading time: the daemon's clock, or the simulator's in SIM mode.
    pub now: DateTime<Utc>,
    pub phase: SessionPhase,
    /// When `phase` changes next; by the calendar, also when it is forced open.
    pub next_change: DateTime<Utc>,
    /// The session that is open, or else the next one, as a New York date.
    pub session_date: NaiveDate,
    /// The session closes early (13:00 New York).
    pub early_close: bool,
    /// `FORCE_MARKET_OPEN` is set: `phase` is open whatever the calendar says.
    pub forced_open: bool,
}
