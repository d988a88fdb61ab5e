//! What is known about the account as a whole.

use std::collections::BTreeMap;

use blotter_shared::domain::{BrokerMode, Cash, TradeId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::change::AlarmState;
use super::restore::Reconciling;
use super::trade::{Agreement, Trade};

/// What belongs to no single trade.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountMarks {
    /// Clean reads in a row of an account that is as empty as on its first day.
    pub wiped_reads: u32,
    /// When the last of them was counted.
    #[serde(default)]
    pub wiped_at: Option<DateTime<Utc>>,
    /// Sends stop, and why; reading goes on (`halt`).
    pub halted: Option<String>,
    /// Of a halted account: since when it looks as if nothing had ever been in it.
    #[serde(default)]
    pub blank_since: Option<DateTime<Utc>>,
    /// Of a halted account: clean cuts in a row that show again what the trades have.
    #[serde(default)]
    pub halt_agreed: Option<Agreement>,
    /// The database is older than the broker: nothing is sent until both say the same.
    #[serde(default)]
    pub reconciling: Option<Reconciling>,
    /// The kill switch: no entries; exits are left alone.
    pub entries_stopped: bool,
    /// When a pass last read everything.
    pub seen_at: Option<DateTime<Utc>>,
}

/// Everything that one pass decides by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    pub mode: BrokerMode,
    /// What an empty account of this mode is worth.
    pub starting_equity: Cash,
    pub account: AccountMarks,
    pub trades: BTreeMap<TradeId, Trade>,
    /// Open alarms.
    pub alarms: Vec<AlarmState>,
}

impl Book {
    #[must_use]
    pub fn new(mode: BrokerMode, starting_equity: Cash) -> Self {
        Self { mode, starting_equity, account: AccountMarks::default(), trades: BTreeMap::new(), alarms: Vec::new() }
    }

    pub fn live_trades(&self) -> impl Iterator<Item = &Trade> {
        self.trades.values().filter(|trade| !trade.is_ended())
    }
}
