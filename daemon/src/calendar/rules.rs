//! What can be foretold: weekends, holidays, early closes. The rules are those of the exchange
//! (NYSE Rule 7.2 and its predecessor, Rule 51), each with the year it began.

use chrono::{Datelike, NaiveDate, NaiveTime, Weekday};

use super::exceptions;

pub(super) const OPEN: NaiveTime = hour(9, 30);
const CLOSE: NaiveTime = hour(16, 0);
const EARLY: NaiveTime = hour(13, 0);
/// Until 1992 the short days ended at two.
const EARLY_UNTIL_1992: NaiveTime = hour(14, 0);

/// When trading ends on this day, New York time; `None` when there is no trading.
pub(super) fn close_on(date: NaiveDate) -> Option<NaiveTime> {
    let weekend = matches!(date.weekday(), Weekday::Sat | Weekday::Sun);
    if weekend || is_holiday(date) || exceptions::is_closed(date) {
        return None;
    }
    if is_short_by_rule(date) || exceptions::is_short(date) {
        return Some(if date.year() <= 1992 { EARLY_UNTIL_1992 } else { EARLY });
    }
    Some(CLOSE)
}

/// The exchange's holidays. Election day is none since 1984.
fn is_holiday(date: NaiveDate) -> bool {
    let year = date.year();
    match date.month() {
        // New Year's Day on a Saturday is not made up for: the Friday before ends the year.
        1 => {
            date.day() == 1
                || (date.day() == 2 && date.weekday() == Weekday::Mon)
                // Martin Luther King's day, since 1998.
                || (year >= 1998 && is_nth(date, Weekday::Mon, 3))
        }
        // Washington's birthday.
        2 => is_nth(date, Weekday::Mon, 3),
        3 | 4 => is_good_friday(date),
        // Memorial day.
        5 => date.weekday() == Weekday::Mon && date.day() > 24,
        // Juneteenth, since 2022.
        6 => year >= 2022 && is_observed(date, 19),
        7 => is_observed(date, 4),
        // Labor day.
        9 => is_nth(date, Weekday::Mon, 1),
        11 => is_nth(date, Weekday::Thu, 4),
        12 => is_observed(date, 25),
        _ => false,
    }
}

/// Short days by rule. They are asked for on trading days only.
fn is_short_by_rule(date: NaiveDate) -> bool {
    let year = date.year();
    let weekday = date.weekday();
    match (date.month(), date.day()) {
        // The day before Independence Day since 1995; when it is a Wednesday, only since 2013.
        (7, 3) => match weekday {
            Weekday::Mon | Weekday::Tue | Weekday::Thu => year >= 1995,
            Weekday::Wed => year >= 2013,
            Weekday::Fri | Weekday::Sat | Weekday::Sun => false,
        },
        // Until 2012 the Friday after an Independence Day on a Thursday was short instead.
        (7, 5) => weekday == Weekday::Fri && (1995..=2012).contains(&year),
        // The day after Thanksgiving, since 1992.
        (11, 23..=29) => weekday == Weekday::Fri && year >= 1992,
        // Christmas Eve; on a Friday it is the holiday itself.
        (12, 24) => true,
        _ => false,
    }
}

/// Whether the holiday on `day` of this month is kept on `date`: a Saturday's on the Friday
/// before, a Sunday's on the Monday after.
fn is_observed(date: NaiveDate, day: u32) -> bool {
    match date.weekday() {
        Weekday::Mon => date.day() == day || date.day() == day + 1,
        Weekday::Fri => date.day() == day || date.day() + 1 == day,
        Weekday::Tue | Weekday::Wed | Weekday::Thu => date.day() == day,
        Weekday::Sat | Weekday::Sun => false,
    }
}

fn is_nth(date: NaiveDate, weekday: Weekday, nth: u32) -> bool {
    date.weekday() == weekday && date.day().div_ceil(7) == nth
}

fn is_good_friday(date: NaiveDate) -> bool {
    let (month, day) = easter(date.year());
    NaiveDate::from_ymd_opt(date.year(), month, day)
        .and_then(|sunday| sunday.pred_opt()?.pred_opt())
        .is_some_and(|friday| friday == date)
}

/// Month and day of Easter Sunday, by the anonymous Gregorian computus.
fn easter(year: i32) -> (u32, u32) {
    let golden = year.rem_euclid(19);
    let century = year / 100;
    let of_century = year % 100;
    let moon_drift = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - century / 4 - moon_drift + 15) % 30;
    let weekday = (32 + 2 * (century % 4) + 2 * (of_century / 4) - epact - of_century % 4) % 7;
    let correction = (golden + 11 * epact + 22 * weekday) / 451;
    let days = epact + weekday - 7 * correction + 114;
    ((days / 31).unsigned_abs(), (days % 31 + 1).unsigned_abs())
}

const fn hour(hour: u32, minute: u32) -> NaiveTime {
    const MIDNIGHT: NaiveTime = NaiveTime::MIN;
    match NaiveTime::from_hms_opt(hour, minute, 0) {
        Some(time) => time,
        None => MIDNIGHT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn easter_is_where_the_almanac_has_it() {
        for (year, month, day) in
            [(1990, 4, 15), (2000, 4, 23), (2008, 3, 23), (2011, 4, 24), (2026, 4, 5), (2038, 4, 25), (2040, 4, 1)]
        {
            assert_eq!(easter(year), (month, day), "{year}");
        }
    }
}
