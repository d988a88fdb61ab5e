//! Trading time: milliseconds since the Unix epoch, and its face in New York.
//!
//! Nothing below asks a clock. Whoever steps the engine says what time it is.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike, Utc};
use chrono_tz::{America::New_York, Tz};
use serde::{Deserialize, Serialize};

/// One second in the unit of [`Ms`].
pub const SECOND: i64 = 1_000;
/// One minute in the unit of [`Ms`].
pub const MINUTE: i64 = 60 * SECOND;
/// One hour in the unit of [`Ms`].
pub const HOUR: i64 = 60 * MINUTE;

/// A moment of trading time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ms(pub i64);

impl Ms {
    /// The moment `delta` milliseconds later (or earlier when negative).
    #[must_use]
    pub fn plus(self, delta: i64) -> Self {
        Self(self.0.saturating_add(delta))
    }

    /// Milliseconds from `earlier` to this moment.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment in UTC. Moments outside chrono's range read as the epoch.
    #[must_use]
    pub fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }

    /// The moment as New York reads it.
    #[must_use]
    pub fn et(self) -> DateTime<Tz> {
        self.utc().with_timezone(&New_York)
    }

    /// The calendar day in New York.
    #[must_use]
    pub fn date(self) -> NaiveDate {
        self.et().date_naive()
    }

    /// Minutes since midnight on New York's wall clock.
    #[must_use]
    pub fn minute_of_day(self) -> u32 {
        let et = self.et();
        et.hour() * 60 + et.minute()
    }

    /// The moment when New York's wall clock shows `hour:minute` on `date`.
    /// A time that the spring change skips reads as the first moment after it; one that the autumn change repeats, as its first showing.
    #[must_use]
    pub fn at_et(date: NaiveDate, hour: u32, minute: u32) -> Self {
        let time = NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or_default();
        Self::from_et(date.and_time(time))
    }

    /// The moment of a wall-clock time in New York.
    #[must_use]
    pub fn from_et(local: NaiveDateTime) -> Self {
        let found = New_York.from_local_datetime(&local).earliest();
        let shifted = || New_York.from_local_datetime(&(local + chrono::Duration::hours(1))).earliest();
        Self(found.or_else(shifted).map_or(0, |t| t.timestamp_millis()))
    }

    /// `2026-09-10T14:03:11.120Z`, the way order dates are written.
    #[must_use]
    pub fn iso(self) -> String {
        self.utc().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }
}

impl fmt::Display for Ms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_york_keeps_its_clock_over_both_changes() {
        let winter = NaiveDate::from_ymd_opt(2026, 3, 6).unwrap();
        let summer = NaiveDate::from_ymd_opt(2026, 3, 9).unwrap();
        assert_eq!(Ms::at_et(winter, 9, 30).iso(), "2026-03-06T14:30:00.000Z");
        assert_eq!(Ms::at_et(summer, 9, 30).iso(), "2026-03-09T13:30:00.000Z");
        let autumn = NaiveDate::from_ymd_opt(2026, 11, 2).unwrap();
        assert_eq!(Ms::at_et(autumn, 9, 30).iso(), "2026-11-02T14:30:00.000Z");
    }

    #[test]
    fn a_skipped_hour_reads_as_the_moment_after_it() {
        let change = NaiveDate::from_ymd_opt(2026, 3, 8).unwrap();
        assert_eq!(Ms::at_et(change, 2, 30).iso(), "2026-03-08T07:30:00.000Z");
    }
}
