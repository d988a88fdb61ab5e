//! When each task is due: the times of its turns, and how long a missed one is worth catching up.
//! Pure: the calendar and an instant in, instants out.
//!
//! | task | turns | caught up until |
//! |---|---|---|
//! | snapshots | every 40 s from the opening to a quarter past the close | the next turn |
//! | `pre_market` | 5 minutes before the opening | the opening |
//! | `post_market` | 5 minutes after the close | 4 hours later |
//! | `post_market_late` | 20 minutes after the close | 4 hours later |
//! | forensics | 90 minutes after the close | the next turn |
//! | `calendar_check` | 45 minutes before the opening | the close |
//! | partitions, retention, housekeeping, backup, fees | daily, 00:10, 05:00, 05:30, 09:30 and 10:30 UTC | the next turn |
//!
//! A price that was not taken is gone, so nothing makes up for a snapshot; what works on what is stored
//! is made up for, once, whenever the daemon is back. Each installation comes a little later than the
//! full time, always by the same span, so that not all of them ask the broker in one second.

use std::sync::Arc;

use blotter_shared::protocol::tasks::TaskName;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;

use crate::calendar::{Calendar, Force, Session};

/// One time at which a task is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub slot: DateTime<Utc>,
    /// From here on it is too late.
    pub until: DateTime<Utc>,
}

/// The times of every task.
#[derive(Clone, Debug)]
pub struct Timetable {
    pub calendar: Arc<Calendar>,
    /// Forced open, marks are taken around the clock; everything else keeps the calendar's times.
    pub force: Force,
    pub snapshot_every: TimeDelta,
    pub spread: Spread,
}

/// How much later than the full time this installation comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread(u64);

/// Days that a look for a turn goes back or ahead: the longest the exchange was ever closed, twice.
const FAR: u64 = 20;
/// Most turns of one task within a session's day are told one by one.
const BOOKEND_LATE: TimeDelta = TimeDelta::hours(4);

impl Spread {
    /// No delay at all.
    pub const NONE: Self = Self(0);

    /// The spread of an installation: all its daemons have the same.
    #[must_use]
    pub fn of(installation: Uuid) -> Self {
        let (high, low) = installation.as_u64_pair();
        Self((high ^ low.rotate_left(17)).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Between nothing and `most` seconds, another span for each task.
    fn span(self, task: TaskName, most: u64) -> TimeDelta {
        if self == Self::NONE {
            return TimeDelta::zero();
        }
        let salt =
            task.as_str().bytes().fold(self.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
        TimeDelta::seconds(i64::try_from((salt >> 16) % (most + 1)).unwrap_or_default())
    }
}

impl Timetable {
    /// The newest turn at or before an instant.
    #[must_use]
    pub fn newest(&self, task: TaskName, now: DateTime<Utc>) -> Option<Turn> {
        if let Some(grid) = self.around_the_clock(task) {
            return Some(grid.turn(grid.index(now)));
        }
        // A turn may belong to a day that began a little later than its spread, so look one day ahead.
        let last = now.date_naive().checked_add_days(Days::new(1))?;
        let days = std::iter::successors(Some(last), NaiveDate::pred_opt).take(usize::try_from(FAR).ok()?);
        days.filter_map(|day| self.series_on(task, day)).find_map(|series| series.newest(now))
    }

    /// The first turn after an instant.
    #[must_use]
    pub fn next_after(&self, task: TaskName, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if let Some(grid) = self.around_the_clock(task) {
            return Some(grid.turn(grid.index(now) + 1).slot);
        }
        let days =
            std::iter::successors(now.date_naive().pred_opt(), NaiveDate::succ_opt).take(usize::try_from(FAR).ok()?);
        days.filter_map(|day| self.series_on(task, day)).find_map(|series| series.first_after(now))
    }

    /// How many turns lie between two instants, neither of them counted.
    #[must_use]
    pub fn between(&self, task: TaskName, after: DateTime<Utc>, before: DateTime<Utc>) -> u64 {
        if before <= after {
            return 0;
        }
        if let Some(grid) = self.around_the_clock(task) {
            let count = (grid.index(before - TimeDelta::milliseconds(1)) - grid.index(after)).max(0);
            return u64::try_from(count).unwrap_or_default();
        }
        let days = std::iter::successors(after.date_naive().pred_opt(), NaiveDate::succ_opt);
        let days = days.take_while(|day| *day <= before.date_naive());
        days.filter_map(|day| self.series_on(task, day)).map(|series| series.between(after, before)).sum()
    }

    /// Turns that come whether or not the exchange trades.
    fn around_the_clock(&self, task: TaskName) -> Option<Grid> {
        let daily = |minutes: i64| {
            let phase = TimeDelta::minutes(minutes) + self.spread.span(task, 600);
            Grid { phase, every: TimeDelta::days(1) }
        };
        match task {
            TaskName::Snapshots if self.force == Force::Open => {
                Some(Grid { phase: TimeDelta::zero(), every: self.snapshot_every })
            }
            TaskName::Partitions => Some(daily(10)),
            TaskName::Retention => Some(daily(5 * 60)),
            TaskName::Housekeeping => Some(daily(5 * 60 + 30)),
            // After the service manager's own timer (09:00), which may be the one that makes it.
            TaskName::Backup => Some(daily(9 * 60 + 30)),
            // The broker writes its history at night, of Fridays too.
            TaskName::Fees => Some(daily(10 * 60 + 30)),
            TaskName::Snapshots
            | TaskName::PreMarket
            | TaskName::PostMarket
            | TaskName::PostMarketLate
            | TaskName::Forensics
            | TaskName::CalendarCheck => None,
        }
    }

    /// The turns of one session.
    fn series_on(&self, task: TaskName, date: NaiveDate) -> Option<Series> {
        let session = self.calendar.session_on(date).ok().flatten()?;
        let (open, close) = (session.traded_from(), session.traded_until());
        let once = |slot: DateTime<Utc>, until: DateTime<Utc>| Series { turn: Turn { slot, until }, every: None };
        let late = |most: u64| self.spread.span(task, most);
        match task {
            TaskName::Snapshots => {
                let (first, last) = (open + late(9), close + TimeDelta::minutes(15));
                let turn = Turn { slot: first, until: first + self.snapshot_every };
                Some(Series { turn, every: Some((self.snapshot_every, last)) })
            }
            TaskName::PreMarket => Some(once(open - TimeDelta::minutes(5) + late(20), open)),
            TaskName::PostMarket => {
                let slot = close + TimeDelta::minutes(5) + late(20);
                Some(once(slot, slot + BOOKEND_LATE))
            }
            TaskName::PostMarketLate => {
                let slot = close + TimeDelta::minutes(20) + late(20);
                Some(once(slot, slot + BOOKEND_LATE))
            }
            TaskName::Forensics => {
                let next = self.next_session(&session)?;
                let after = TimeDelta::minutes(90) + late(600);
                Some(once(close + after, next.traded_until() + after))
            }
            TaskName::CalendarCheck => Some(once(open - TimeDelta::minutes(45) + late(600), close)),
            TaskName::Partitions | TaskName::Retention | TaskName::Housekeeping | TaskName::Backup | TaskName::Fees => {
                None
            }
        }
    }

    fn next_session(&self, session: &Session) -> Option<Session> {
        self.calendar.session_after(session.date).ok()
    }
}

/// Turns at a fixed pace since 1970.
#[derive(Clone, Copy, Debug)]
struct Grid {
    phase: TimeDelta,
    every: TimeDelta,
}

impl Grid {
    fn index(self, at: DateTime<Utc>) -> i64 {
        let since = at.signed_duration_since(DateTime::UNIX_EPOCH) - self.phase;
        since.num_milliseconds().div_euclid(self.every.num_milliseconds().max(1))
    }

    fn turn(self, index: i64) -> Turn {
        let at = |index: i64| {
            let span = self.every.num_milliseconds().max(1).saturating_mul(index);
            DateTime::UNIX_EPOCH + self.phase + TimeDelta::milliseconds(span)
        };
        Turn { slot: at(index), until: at(index + 1) }
    }
}

/// One turn, or an even row of them within a session.
#[derive(Clone, Copy, Debug)]
struct Series {
    turn: Turn,
    /// The pace, and the last moment at which a turn may stand.
    every: Option<(TimeDelta, DateTime<Utc>)>,
}

impl Series {
    /// How many turns lie at or before an instant.
    fn count(&self, at: DateTime<Utc>) -> i64 {
        if at < self.turn.slot {
            return 0;
        }
        self.every.map_or(1, |(every, last)| {
            (at.min(last) - self.turn.slot).num_milliseconds() / every.num_milliseconds().max(1) + 1
        })
    }

    fn nth(&self, index: i64) -> Turn {
        let later = self.every.map_or(TimeDelta::zero(), |(every, _)| {
            TimeDelta::milliseconds(every.num_milliseconds().saturating_mul(index))
        });
        Turn { slot: self.turn.slot + later, until: self.turn.until + later }
    }

    fn newest(&self, now: DateTime<Utc>) -> Option<Turn> {
        let count = self.count(now);
        (count > 0).then(|| self.nth(count - 1))
    }

    fn first_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.nth(self.count(now)).slot;
        let is_one = self.every.map_or(self.count(now) == 0, |(_, last)| next <= last);
        is_one.then_some(next)
    }

    fn between(&self, after: DateTime<Utc>, before: DateTime<Utc>) -> u64 {
        let count = self.count(before - TimeDelta::milliseconds(1)) - self.count(after);
        u64::try_from(count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
