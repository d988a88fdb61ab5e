//! The exchange's sessions, New York Stock Exchange, 1990 to 2040. Pure: no clock, no IO.
//!
//! `rules` knows holidays and early closes by rule, `exceptions` the days that no rule foretells,
//! `options` which contracts trade a quarter of an hour longer. [`Calendar`] lays them out once, so
//! that a lookup is an index; [`MarketClock`] answers for the present.
//!
//! Invariants:
//! * A session lies inside the UTC day of its New York date (09:30 to 16:15 in New York is 13:30 to
//!   21:15 in UTC at most), so an instant finds its session without a time zone.
//! * Outside its years the calendar says so; it never guesses.
//!
//! Deliberately absent: pre-market and after-hours trading, and what the broker says about today.

mod exceptions;
mod market;
mod options;
mod rules;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::America::New_York;
use thiserror::Error;

pub use blotter_shared::protocol::market::SessionPhase;
pub use exceptions::Interruption;
pub use market::{Force, MarketClock};
pub use options::{Hours, hours_of};

/// First and last year that the rules are known for.
pub const YEARS: std::ops::RangeInclusive<i32> = 1990..=2040;

/// One trading day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The date in New York.
    pub date: NaiveDate,
    /// When trading begins by rule.
    pub open: DateTime<Utc>,
    /// When trading ends by rule.
    pub close: DateTime<Utc>,
    /// It ends before 16:00 by rule.
    pub early_close: bool,
    /// What happened instead, on the few days when trading began late or ended early: a ceremony,
    /// the weather, a fault.
    pub interruption: Option<Interruption>,
}

impl Session {
    /// When trading really began.
    #[must_use]
    pub fn traded_from(&self) -> DateTime<Utc> {
        self.interruption.map_or(self.open, |interruption| interruption.open)
    }

    /// When trading really ended.
    #[must_use]
    pub fn traded_until(&self) -> DateTime<Utc> {
        self.interruption.map_or(self.close, |interruption| interruption.close)
    }

    /// When contracts of these hours stop trading on this day.
    #[must_use]
    pub fn close_for(&self, hours: Hours) -> DateTime<Utc> {
        match hours {
            Hours::Regular => self.close,
            Hours::QuarterPast => self.close + TimeDelta::minutes(15),
        }
    }
}

/// The question is about a year that the calendar does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the trading calendar knows {} to {}, not {year}", YEARS.start(), YEARS.end())]
pub struct OutsideCalendar {
    pub year: i32,
}

/// The phase at an instant, and what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    pub phase: SessionPhase,
    /// When `phase` changes.
    pub next_change: DateTime<Utc>,
    /// The session that is on, or else the next one.
    pub session: Session,
}

/// All days, laid out: about 150 KB, built once.
#[derive(Debug)]
pub struct Calendar {
    /// One entry per day from the first of January of the first year.
    days: Box<[Day]>,
}

/// A day in six bytes: minutes since 1970 of the opening, and how many minutes trading lasts.
#[derive(Clone, Copy, Debug)]
struct Day {
    open: u32,
    minutes: u16,
}

const CLOSED: Day = Day { open: 0, minutes: 0 };
const FULL_SESSION_MINUTES: u16 = 390;
const SECONDS_OF_A_DAY: i64 = 86_400;
const MINUTES_OF_A_DAY: u32 = 1_440;

impl Default for Calendar {
    fn default() -> Self {
        Self::new()
    }
}

impl Calendar {
    /// Works out every day.
    #[must_use]
    pub fn new() -> Self {
        Self { days: first_day().iter_days().take_while(|date| YEARS.contains(&date.year())).map(day).collect() }
    }

    /// The same calendar with other hours on one date: a drill, or a test of what would happen. No
    /// close means no session.
    #[must_use]
    pub fn altered(mut self, date: NaiveDate, close: Option<NaiveTime>) -> Self {
        if let Some(place) = self.place_of(date.to_epoch_days().into()).and_then(|place| self.days.get_mut(place)) {
            *place = close.map_or(CLOSED, |close| between(date, close));
        }
        self
    }

    /// The session on a New York date, if there is one.
    ///
    /// # Errors
    /// Outside the calendar's years.
    pub fn session_on(&self, date: NaiveDate) -> Result<Option<Session>, OutsideCalendar> {
        let place = self.place_of(date.to_epoch_days().into()).ok_or(OutsideCalendar { year: date.year() })?;
        Ok(self.session_at(place))
    }

    /// The first session after `date`.
    ///
    /// # Errors
    /// At the end of the calendar's years.
    pub fn session_after(&self, date: NaiveDate) -> Result<Session, OutsideCalendar> {
        let next = date.succ_opt().ok_or(OutsideCalendar { year: date.year() })?;
        let place = self.place_of(next.to_epoch_days().into()).ok_or(OutsideCalendar { year: next.year() })?;
        self.first_from(place)
    }

    /// Every session from `from` to `to`, both included.
    ///
    /// # Errors
    /// When either end is outside the calendar's years.
    pub fn sessions(
        &self,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<impl Iterator<Item = Session> + '_, OutsideCalendar> {
        self.session_on(from)?;
        self.session_on(to)?;
        let dates = from.iter_days().take_while(move |date| *date <= to);
        Ok(dates.filter_map(|date| self.session_on(date).ok().flatten()))
    }

    /// Whether trading is on at an instant, and when that changes.
    ///
    /// # Errors
    /// Outside the calendar's years.
    pub fn phase_at(&self, at: DateTime<Utc>) -> Result<Phase, OutsideCalendar> {
        let days = at.timestamp().div_euclid(SECONDS_OF_A_DAY);
        let place = self.place_of(days).ok_or_else(|| OutsideCalendar { year: at.year() })?;
        let session = match self.session_at(place).filter(|session| at < session.traded_until()) {
            Some(session) => session,
            None => self.first_from(place + 1)?,
        };
        let (phase, next_change) = if at < session.traded_from() {
            (SessionPhase::Closed, session.traded_from())
        } else {
            (SessionPhase::Open, session.traded_until())
        };
        Ok(Phase { phase, next_change, session })
    }

    /// Where a day lies, of which so many lie between it and the first of 1970.
    fn place_of(&self, days: i64) -> Option<usize> {
        let place = usize::try_from(days - i64::from(first_day().to_epoch_days())).ok();
        place.filter(|place| *place < self.days.len())
    }

    fn session_at(&self, place: usize) -> Option<Session> {
        self.days.get(place)?.session(i32::try_from(place).ok()?)
    }

    /// The first session from a place on.
    fn first_from(&self, place: usize) -> Result<Session, OutsideCalendar> {
        let closed = self.days.iter().skip(place).take_while(|day| day.minutes == 0).count();
        self.session_at(place + closed).ok_or(OutsideCalendar { year: YEARS.end() + 1 })
    }
}

impl Day {
    /// `place` days after the first.
    fn session(self, place: i32) -> Option<Session> {
        if self.minutes == 0 {
            return None;
        }
        let date = NaiveDate::from_epoch_days(first_day().to_epoch_days() + place)?;
        // Opening and close lie inside the UTC day of that date.
        let opens = self.open % MINUTES_OF_A_DAY;
        let at =
            |minute: u32| Some(date.and_time(NaiveTime::from_num_seconds_from_midnight_opt(minute * 60, 0)?).and_utc());
        Some(Session {
            date,
            open: at(opens)?,
            close: at(opens + u32::from(self.minutes))?,
            early_close: self.minutes < FULL_SESSION_MINUTES,
            interruption: exceptions::interruption_on(date),
        })
    }
}

fn first_day() -> NaiveDate {
    const FIRST: Option<NaiveDate> = NaiveDate::from_ymd_opt(1990, 1, 1);
    const { FIRST.unwrap() }
}

fn day(date: NaiveDate) -> Day {
    rules::close_on(date).map_or(CLOSED, |close| between(date, close))
}

/// A day from the opening to `close`, New York time.
fn between(date: NaiveDate, close: NaiveTime) -> Day {
    // Neither time is ever skipped or repeated: New York changes its clocks at night.
    let (Some(open), Some(close)) = (in_utc(date, rules::OPEN), in_utc(date, close)) else { return CLOSED };
    match (u32::try_from(open.timestamp() / 60), u16::try_from((close - open).num_minutes())) {
        (Ok(open), Ok(minutes)) => Day { open, minutes },
        (Err(_), _) | (_, Err(_)) => CLOSED,
    }
}

/// A New York wall-clock time as an instant.
fn in_utc(date: NaiveDate, time: NaiveTime) -> Option<DateTime<Utc>> {
    New_York.from_local_datetime(&date.and_time(time)).single().map(|at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests;
