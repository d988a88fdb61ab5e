//! The exchange's days: which are open, until when, and why not.
//!
//! An independent reading of the New York calendar, good from 2015 to 2035 and by rule beyond. Two closures for
//! mourning are listed by hand; unplanned halts are a matter for scenarios.

use chrono::{Datelike, Days, NaiveDate, Weekday};

use crate::time::Ms;

/// One trading day with its phases.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// The calendar day in New York.
    pub date: NaiveDate,
    /// 07:00, when the broker's clock says `premarket`.
    pub premarket: Ms,
    /// 09:30.
    pub open: Ms,
    /// 16:00, or 13:00 on an early close.
    pub close: Ms,
    /// 20:00, or 17:00 on an early close.
    pub end: Ms,
}

/// What the market does at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Before the open on a trading day.
    Premarket,
    /// The regular session.
    Open,
    /// After the close on a trading day.
    Postmarket,
    /// Night, weekend, holiday.
    Closed,
}

impl Phase {
    /// The word of the broker's clock.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Premarket => "premarket",
            Self::Open => "open",
            Self::Postmarket => "postmarket",
            Self::Closed => "closed",
        }
    }
}

/// The session of `date`, or `None` when the exchange is closed all day.
#[must_use]
pub fn session(date: NaiveDate) -> Option<Session> {
    if is_weekend(date) || holiday(date).is_some() {
        return None;
    }
    let (close, end) = if closes_early(date) { (13, 17) } else { (16, 20) };
    Some(Session {
        date,
        premarket: Ms::at_et(date, 7, 0),
        open: Ms::at_et(date, 9, 30),
        close: Ms::at_et(date, close, 0),
        end: Ms::at_et(date, end, 0),
    })
}

/// The phase at `now`.
#[must_use]
pub fn phase(now: Ms) -> Phase {
    session(now.date()).map_or(Phase::Closed, |s| s.phase(now))
}

impl Session {
    /// The phase at `now`, which must lie on this session's day to mean anything.
    #[must_use]
    pub fn phase(&self, now: Ms) -> Phase {
        if now < self.premarket || now >= self.end {
            Phase::Closed
        } else if now < self.open {
            Phase::Premarket
        } else if now < self.close {
            Phase::Open
        } else {
            Phase::Postmarket
        }
    }
}

/// The first session after `date`.
#[must_use]
pub fn next_session(date: NaiveDate) -> Session {
    let mut day = date;
    loop {
        day = next_day(day);
        if let Some(found) = session(day) {
            return found;
        }
    }
}

/// The last session before `date`.
#[must_use]
pub fn previous_session(date: NaiveDate) -> Session {
    let mut day = date;
    loop {
        day = previous_day(day);
        if let Some(found) = session(day) {
            return found;
        }
    }
}

/// The day after.
#[must_use]
pub fn next_day(date: NaiveDate) -> NaiveDate {
    date.succ_opt().unwrap_or(date)
}

/// The day before.
#[must_use]
pub fn previous_day(date: NaiveDate) -> NaiveDate {
    date.pred_opt().unwrap_or(date)
}

/// Whether the exchange closes at 13:00.
#[must_use]
pub fn closes_early(date: NaiveDate) -> bool {
    if is_weekend(date) || holiday(date).is_some() {
        return false;
    }
    let (month, day) = (date.month(), date.day());
    let after_thanksgiving = previous_day(date) == nth_weekday(date.year(), 11, Weekday::Thu, 4);
    after_thanksgiving || (month, day) == (7, 3) || (month, day) == (12, 24)
}

/// The name of the holiday that closes the exchange on `date`.
#[must_use]
pub fn holiday(date: NaiveDate) -> Option<&'static str> {
    let year = date.year();
    let named = [
        (new_year(year), "New Years Day"),
        (Some(nth_weekday(year, 1, Weekday::Mon, 3)), "Martin Luther King Jr. Day"),
        (Some(nth_weekday(year, 2, Weekday::Mon, 3)), "Presidents' Day"),
        (easter(year).checked_sub_days(Days::new(2)), "Good Friday"),
        (Some(last_monday_of_may(year)), "Memorial Day"),
        (juneteenth(year), "Juneteenth"),
        (Some(observed(ymd(year, 7, 4))), "Independence Day"),
        (Some(nth_weekday(year, 9, Weekday::Mon, 1)), "Labor Day"),
        (Some(nth_weekday(year, 11, Weekday::Thu, 4)), "Thanksgiving Day"),
        (Some(observed(ymd(year, 12, 25))), "Christmas Day"),
        (Some(ymd(2018, 12, 5)), "a National Day of Mourning"),
        (Some(ymd(2025, 1, 9)), "a National Day of Mourning"),
    ];
    named.iter().find(|(day, _)| *day == Some(date)).map(|(_, name)| *name)
}

/// A New Year's Day on a Saturday is not made up for; one on a Sunday moves to Monday.
fn new_year(year: i32) -> Option<NaiveDate> {
    let day = ymd(year, 1, 1);
    (day.weekday() != Weekday::Sat).then(|| observed(day))
}

/// The exchange keeps Juneteenth since 2022.
fn juneteenth(year: i32) -> Option<NaiveDate> {
    (year >= 2022).then(|| observed(ymd(year, 6, 19)))
}

fn last_monday_of_may(year: i32) -> NaiveDate {
    let fifth = nth_weekday(year, 5, Weekday::Mon, 5);
    if fifth.month() == 5 { fifth } else { nth_weekday(year, 5, Weekday::Mon, 4) }
}

fn observed(day: NaiveDate) -> NaiveDate {
    match day.weekday() {
        Weekday::Sat => previous_day(day),
        Weekday::Sun => next_day(day),
        Weekday::Mon | Weekday::Tue | Weekday::Wed | Weekday::Thu | Weekday::Fri => day,
    }
}

fn nth_weekday(year: i32, month: u32, weekday: Weekday, nth: u64) -> NaiveDate {
    let first = ymd(year, month, 1);
    let ahead = (7 + weekday.num_days_from_monday() - first.weekday().num_days_from_monday()) % 7;
    first.checked_add_days(Days::new(u64::from(ahead) + (nth - 1) * 7)).unwrap_or(first)
}

/// Gauss's rule in the form of Meeus, Jones and Butcher.
fn easter(year: i32) -> NaiveDate {
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - b / 4 - g + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    ymd(year, (n / 31).unsigned_abs(), (n % 31 + 1).unsigned_abs())
}

fn is_weekend(date: NaiveDate) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}

fn ymd(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn holidays_of_2026_are_the_published_ones() {
        let closed: Vec<String> = d("2026-01-01")
            .iter_days()
            .take(365)
            .filter(|day| holiday(*day).is_some() && !is_weekend(*day))
            .map(|day| day.to_string())
            .collect();
        let published = [
            "2026-01-01",
            "2026-01-19",
            "2026-02-16",
            "2026-04-03",
            "2026-05-25",
            "2026-06-19",
            "2026-07-03",
            "2026-09-07",
            "2026-11-26",
            "2026-12-25",
        ];
        assert_eq!(closed, published);
    }

    #[test]
    fn early_closes_are_the_published_ones() {
        for day in ["2015-11-27", "2015-12-24", "2018-07-03", "2019-12-24", "2024-07-03", "2026-11-27", "2026-12-24"] {
            assert!(closes_early(d(day)), "{day}");
        }
        for day in ["2015-07-03", "2020-07-03", "2021-07-02", "2021-12-24", "2026-07-03", "2026-07-02", "2027-12-24"] {
            assert!(!closes_early(d(day)), "{day}");
        }
    }

    #[test]
    fn odd_years_are_right() {
        for day in ["2018-12-05", "2025-01-09", "2023-01-02", "2022-06-20", "2027-06-18", "2015-04-03", "2035-03-23"] {
            assert!(session(d(day)).is_none(), "{day} is closed");
        }
        for day in ["2021-12-31", "2027-12-31", "2021-06-18", "2022-01-03"] {
            assert!(session(d(day)).is_some(), "{day} is open");
        }
    }

    #[test]
    fn every_year_has_a_plausible_number_of_sessions() {
        for year in 2015..=2035 {
            let n =
                ymd(year, 1, 1).iter_days().take_while(|d| d.year() == year).filter(|d| session(*d).is_some()).count();
            assert!((249..=253).contains(&n), "{year}: {n}");
        }
    }

    #[test]
    fn phases_follow_the_clock_on_an_early_close() {
        let s = session(d("2026-11-27")).unwrap();
        assert_eq!(phase(s.premarket.plus(-1)), Phase::Closed);
        assert_eq!(phase(s.open.plus(-1)), Phase::Premarket);
        assert_eq!(phase(s.open), Phase::Open);
        assert_eq!(phase(s.close.plus(-1)), Phase::Open);
        assert_eq!(phase(s.close), Phase::Postmarket);
        assert_eq!(s.close.iso(), "2026-11-27T18:00:00.000Z");
        assert_eq!(phase(s.end), Phase::Closed);
    }
}
