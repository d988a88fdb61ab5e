//! Sessions by number: 0 is the session that the simulation is anchored on, earlier ones are negative.

use chrono::NaiveDate;

use crate::calendar::{self, Session};

/// A lazily grown table of sessions around the anchor.
#[derive(Debug)]
pub(crate) struct Days {
    ahead: Vec<Session>,
    behind: Vec<Session>,
}

impl Days {
    /// Anchored on the session of `date`, or on the next one.
    pub(crate) fn anchored(date: NaiveDate) -> Self {
        let first = calendar::session(date).unwrap_or_else(|| calendar::next_session(date));
        Self { ahead: vec![first], behind: vec![calendar::previous_session(first.date)] }
    }

    /// The session number `n`.
    pub(crate) fn get(&mut self, n: i64) -> Session {
        let grow = |known: &mut Vec<Session>, index: usize, step: fn(NaiveDate) -> Session| {
            while known.len() <= index {
                let Some(last) = known.last().copied() else { break };
                known.push(step(last.date));
            }
            known.get(index).copied()
        };
        let found = match usize::try_from(n) {
            Ok(index) => grow(&mut self.ahead, index, calendar::next_session),
            Err(_) => grow(&mut self.behind, usize::try_from(-1 - n).unwrap_or(0), calendar::previous_session),
        };
        found.unwrap_or_else(|| calendar::next_session(NaiveDate::default()))
    }

    /// The number of the last session on or before `date`.
    pub(crate) fn number(&mut self, date: NaiveDate) -> i64 {
        let mut n = match self.ahead.binary_search_by_key(&date, |s| s.date) {
            Ok(found) => return i64::try_from(found).unwrap_or(0),
            Err(0) => return self.number_behind(date),
            Err(after) => i64::try_from(after).unwrap_or(1) - 1,
        };
        while self.get(n + 1).date <= date {
            n += 1;
        }
        n
    }

    fn number_behind(&mut self, date: NaiveDate) -> i64 {
        while self.behind.last().is_some_and(|s| s.date > date) {
            let next = -1 - i64::try_from(self.behind.len()).unwrap_or(0);
            self.get(next);
        }
        let index = self.behind.partition_point(|s| s.date > date);
        -1 - i64::try_from(index).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_dates_agree_in_both_directions() {
        let anchor: NaiveDate = "2026-09-10".parse().unwrap();
        let mut days = Days::anchored(anchor);
        assert_eq!(days.get(0).date, anchor);
        for n in [-1_300, -20, -2, -1, 0, 1, 2, 30, 600] {
            let date = days.get(n).date;
            assert_eq!(days.number(date), n);
        }
        assert_eq!(days.number("2026-09-13".parse().unwrap()), 1, "Sunday belongs to Friday's session");
        assert_eq!(days.number("2026-09-07".parse().unwrap()), -3, "Labor Day belongs to the Friday before");
    }
}
