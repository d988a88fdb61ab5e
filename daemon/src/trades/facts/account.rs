//! What is known about the account as a whole.

use std::collections::BTreeMap;

use blotter_shared::domain::{BrokerMode, Cash, TradeId};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::absence::since;
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
    /// The last time in which nobody read it.
    #[serde(default)]
    pub outage: Option<Outage>,
}

/// A time in which nobody read the account. What comes after it may come from a copy of the books that has stood still for as
/// long: what may be behind then is as far behind as before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// Seconds without a reading that are an outage.
const UNREAD: f64 = 30.0;

/// What of an outage counts at most: who waits for books to catch up does not wait for ever, as what nobody looks after
/// meanwhile may fill.
const LONGEST: TimeDelta = TimeDelta::minutes(2);

impl Outage {
    /// The last one, once a cut has been read.
    #[must_use]
    pub fn after(account: &AccountMarks, read_at: DateTime<Utc>) -> Option<Self> {
        let began = account.seen_at.filter(|seen| since(*seen, read_at) >= UNREAD);
        began.map_or(account.outage, |from| Some(Self { from: from.max(read_at - LONGEST), to: read_at }))
    }

    /// Seconds from a moment to another in which the account was read.
    #[must_use]
    pub fn read_between(outage: Option<Self>, at: DateTime<Utc>, now: DateTime<Utc>) -> f64 {
        let unread = outage.map_or(0.0, |outage| since(outage.from.max(at), outage.to.min(now)).max(0.0));
        since(at, now) - unread
    }
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

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn outage(from: i64, to: i64) -> Option<Outage> {
        Some(Outage { from: at(from), to: at(to) })
    }

    fn after(last: Option<Outage>, seen: i64, read: i64) -> Option<Outage> {
        let account = AccountMarks { seen_at: Some(at(seen)), outage: last, ..AccountMarks::default() };
        Outage::after(&account, at(read))
    }

    #[test]
    fn an_outage_is_a_time_without_a_reading() {
        assert_eq!(after(None, 1000, 1029), None);
        assert_eq!(after(None, 1000, 1030), outage(1000, 1030));
        assert_eq!(after(outage(100, 200), 1000, 1005), outage(100, 200), "the last one stays known");
        assert_eq!(after(outage(100, 200), 1000, 1050), outage(1000, 1050));
        assert_eq!(after(None, 1000, 1500), outage(1380, 1500), "two minutes of it count");
        assert_eq!(Outage::after(&AccountMarks::default(), at(50)), None);
    }

    #[test]
    fn only_time_with_readings_counts() {
        let tenths = |seconds: f64| format!("{seconds:.1}");
        let read = |at_second, now| tenths(Outage::read_between(outage(100, 150), at(at_second), at(now)));
        assert_eq!([read(0, 90), read(90, 160), read(120, 160), read(150, 160)], ["90.0", "20.0", "10.0", "10.0"]);
        assert_eq!(read(170, 160), "-10.0", "a moment to come is one");
        assert_eq!(tenths(Outage::read_between(None, at(0), at(60))), "60.0");
    }
}
