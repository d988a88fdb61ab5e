//! What no rule foretells. The facts are those of the exchange's own list of special closings.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use super::in_utc;

/// Full days without trading.
const CLOSED: &[(i32, u32, u32)] = &[
    (1994, 4, 27), // funeral of President Nixon
    (2001, 9, 11), // the attacks; closed until the 14th
    (2001, 9, 12),
    (2001, 9, 13),
    (2001, 9, 14),
    (2004, 6, 11),  // funeral of President Reagan
    (2007, 1, 2),   // day of mourning for President Ford
    (2012, 10, 29), // hurricane Sandy
    (2012, 10, 30),
    (2018, 12, 5), // day of mourning for President Bush
    (2025, 1, 9),  // day of mourning for President Carter
];

/// Days that ended at one without a rule.
const SHORT: &[(i32, u32, u32)] = &[
    (1997, 12, 26), // the Friday after Christmas
    (1999, 12, 31), // the eve of the year 2000
    (2003, 12, 26), // the Friday after Christmas
];

/// Days on which trading began late or ended early, in New York minutes after midnight.
const INTERRUPTED: &[(i32, u32, u32, u32, u32, &str)] = &[
    (1990, 12, 27, 571, 960, "a minute of silence"),
    (1991, 1, 17, 571, 960, "a minute of silence: the Gulf war begins"),
    (1991, 2, 25, 571, 960, "a minute of silence: the Gulf war on land"),
    (1994, 2, 11, 570, 870, "snow"),
    (1995, 12, 18, 630, 960, "a computer fault"),
    (1996, 1, 8, 660, 840, "snow"),
    (1997, 10, 27, 570, 930, "the circuit breakers tripped"),
    (2001, 9, 17, 573, 960, "silence and a song: the first day after the attacks"),
    (2001, 10, 8, 571, 960, "a minute of silence"),
    (2002, 9, 11, 720, 960, "remembrance of the attacks"),
    (2003, 3, 20, 572, 960, "two minutes of silence"),
    (2004, 6, 7, 572, 960, "two minutes of silence for President Reagan"),
    (2005, 6, 1, 570, 956, "a network fault"),
    (2006, 12, 27, 572, 960, "two minutes of silence for President Ford"),
];

/// The last of them.
const LAST_INTERRUPTED: NaiveDate = {
    const LAST: Option<NaiveDate> = NaiveDate::from_ymd_opt(2006, 12, 27);
    LAST.unwrap()
};

/// When trading really took place on a day that did not go by the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interruption {
    pub open: DateTime<Utc>,
    pub close: DateTime<Utc>,
    pub why: &'static str,
}

pub(super) fn is_closed(date: NaiveDate) -> bool {
    CLOSED.contains(&parts(date))
}

pub(super) fn is_short(date: NaiveDate) -> bool {
    SHORT.contains(&parts(date))
}

pub(super) fn interruption_on(date: NaiveDate) -> Option<Interruption> {
    // Nearly every question is about a later day.
    if date > LAST_INTERRUPTED {
        return None;
    }
    let wanted = parts(date);
    let index = INTERRUPTED.binary_search_by_key(&wanted, |&(year, month, day, ..)| (year, month, day)).ok()?;
    let &(.., open, close, why) = INTERRUPTED.get(index)?;
    let at = |minutes: u32| in_utc(date, NaiveTime::from_num_seconds_from_midnight_opt(minutes * 60, 0)?);
    Some(Interruption { open: at(open)?, close: at(close)?, why })
}

fn parts(date: NaiveDate) -> (i32, u32, u32) {
    use chrono::Datelike;
    (date.year(), date.month(), date.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_order_so_that_they_can_be_searched() {
        assert!(INTERRUPTED.is_sorted_by_key(|&(year, month, day, ..)| (year, month, day)));
        assert!(CLOSED.is_sorted() && SHORT.is_sorted());
        let last = INTERRUPTED.last().map(|&(year, month, day, ..)| (year, month, day));
        assert_eq!(last, Some(parts(LAST_INTERRUPTED)));
    }
}
