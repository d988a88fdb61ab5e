//! Days as a calendar: a column a week, a row a weekday, the newest week at the right. The sign is in the
//! text and a doubled one is a large result, so that it reads without colour.

use blotter_shared::protocol::performance::DayResult;
use chrono::{Datelike, Days, NaiveDate, Weekday};
use rust_decimal::Decimal;

/// Characters of a week's column, its gap included.
pub const WEEK_WIDTH: u16 = 3;
/// In front of each row: the weekday.
pub const LABEL_WIDTH: u16 = 4;

/// What a day was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// Not yet, or before the period.
    Outside,
    /// No trade was closed.
    Quiet,
    Result(Decimal, Size),
}

/// How large a result is beside the others that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    Common,
    Large,
}

/// Weekdays with their row of days, and the month that begins in each week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    pub rows: Vec<(Weekday, Vec<Day>)>,
    pub months: Vec<Option<String>>,
}

impl Day {
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Outside => "",
            Self::Quiet => "·",
            Self::Result(net, Size::Common) if net.is_sign_negative() => "-",
            Self::Result(net, Size::Large) if net.is_sign_negative() => "--",
            Self::Result(net, _) if net.is_zero() => "0",
            Self::Result(_, Size::Common) => "+",
            Self::Result(_, Size::Large) => "++",
        }
    }
}

const WEEKDAYS: [Weekday; 7] =
    [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];

/// The weeks that fit into `width`, up to the one of `today`. Weekend rows are there only when a weekend
/// has results.
#[must_use]
pub fn calendar(days: &[DayResult], from: Option<NaiveDate>, today: NaiveDate, width: u16) -> Calendar {
    let weeks = u64::from((width.saturating_sub(LABEL_WIDTH) / WEEK_WIDTH).max(1));
    let monday = |day: NaiveDate| day - Days::new(day.weekday().num_days_from_monday().into());
    let newest = days.last().map_or(today, |last| last.day.max(today));
    let first = monday(newest).checked_sub_days(Days::new((weeks - 1) * 7)).unwrap_or(newest);
    let begins = from.or_else(|| days.first().map(|day| day.day)).unwrap_or(today);
    let large = large_from(days.iter().filter(|day| day.day >= first).map(|day| day.net.0.abs()).collect());
    let day_of = |day: NaiveDate| match days.binary_search_by_key(&day, |result| result.day) {
        Ok(index) => days.get(index).map_or(Day::Quiet, |result| {
            let size = if result.net.0.abs() >= large { Size::Large } else { Size::Common };
            Day::Result(result.net.0, size)
        }),
        Err(_) if day > today || day < begins => Day::Outside,
        Err(_) => Day::Quiet,
    };
    let week = |n: u64| first + Days::new(n * 7);
    let row = |weekday: Weekday| {
        let offset = Days::new(weekday.num_days_from_monday().into());
        (weekday, (0..weeks).map(|n| day_of(week(n) + offset)).collect::<Vec<_>>())
    };
    let is_shown = |(weekday, days): &(Weekday, Vec<Day>)| {
        weekday.num_days_from_monday() < 5 || days.iter().any(|day| matches!(day, Day::Result(..)))
    };
    let months = (0..weeks).map(|n| month_that_begins(week(n), n == 0)).collect();
    Calendar { rows: WEEKDAYS.into_iter().map(row).filter(is_shown).collect(), months }
}

/// The upper third of the results is large.
fn large_from(mut sizes: Vec<Decimal>) -> Decimal {
    sizes.sort_unstable();
    sizes.get(sizes.len() * 2 / 3).copied().unwrap_or(Decimal::MAX)
}

fn month_that_begins(monday: NaiveDate, is_first: bool) -> Option<String> {
    let begins = (0..7).map(|n| monday + Days::new(n)).find(|day| day.day() == 1);
    begins.or(is_first.then_some(monday)).map(|day| day.format("%b").to_string())
}

#[cfg(test)]
mod tests {
    use blotter_shared::domain::Cash;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn result(text: &str, net: i64) -> DayResult {
        DayResult { day: day(text), trades: 1, wins: 0, net: Cash(net.into()) }
    }

    fn text(calendar: &Calendar) -> Vec<String> {
        let row = |(weekday, days): &(Weekday, Vec<Day>)| {
            let days: Vec<&str> = days.iter().map(|day| day.text()).collect();
            format!("{weekday} {}", days.join(","))
        };
        calendar.rows.iter().map(row).collect()
    }

    #[test]
    fn a_day_stands_under_its_week_and_beside_its_weekday() {
        let days =
            [result("2026-02-10", -300), result("2026-02-13", 20), result("2026-02-17", 10), result("2026-02-20", 0)];
        let calendar = calendar(&days, None, day("2026-02-20"), 4 + 3 * 2);
        assert_eq!(text(&calendar), ["Mon ,·", "Tue --,+", "Wed ·,·", "Thu ·,·", "Fri ++,0"]);
        assert_eq!(calendar.months, [Some("Feb".to_owned()), None]);
    }

    #[test]
    fn a_weekend_has_a_row_only_with_a_result() {
        let days = [result("2026-02-21", 5)];
        let calendar = calendar(&days, Some(day("2026-02-01")), day("2026-02-20"), 40);
        assert_eq!(calendar.rows.len(), 6);
        assert_eq!(calendar.rows[5].1.last().map(|day| day.text()), Some("++"));
    }

    #[test]
    fn no_width_and_no_days_are_no_trouble() {
        let calendar = calendar(&[], None, day("2026-02-20"), 0);
        assert_eq!(calendar.rows.len(), 5);
        assert_eq!(calendar.rows[4].1, [Day::Quiet]);
    }
}
