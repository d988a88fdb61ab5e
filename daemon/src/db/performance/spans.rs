//! Which stored spans a stretch of days is made of: as few as there can be, each day in one of them.

use chrono::{Datelike, Months, NaiveDate};

/// What one row sums up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    Day,
    Month,
    Year,
}

impl Span {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Month => "MONTH",
            Self::Year => "YEAR",
        }
    }
}

/// Rows of one span that begin in a stretch of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub span: Span,
    pub begins: NaiveDate,
    pub ends: NaiveDate,
}

/// From a day on and up to another, which does not belong to it: days to the first of a month, months to the first
/// of a year, years; and down again.
pub(super) fn stretches(from: NaiveDate, until: NaiveDate) -> Vec<Stretch> {
    let month = if from.day() == 1 { from } else { next_month(first_of_month(from)) };
    let year = if month.ordinal() == 1 { month } else { next_year(first_of_year(month)) };
    let (last_month, last_year) = (first_of_month(until), first_of_year(until));
    let parts = [
        (Span::Day, from, month.min(until)),
        (Span::Month, month, year.min(last_month)),
        (Span::Year, year, last_year),
        (Span::Month, last_year.max(year), last_month),
        (Span::Day, last_month.max(month), until),
    ];
    let stretch = |(span, begins, ends)| Stretch { span, begins, ends };
    parts.into_iter().map(stretch).filter(|stretch| stretch.begins < stretch.ends).collect()
}

pub(super) fn first_of_month(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

pub(super) fn first_of_year(day: NaiveDate) -> NaiveDate {
    day.with_ordinal(1).unwrap_or(day)
}

pub(super) fn next_month(first: NaiveDate) -> NaiveDate {
    first.checked_add_months(Months::new(1)).unwrap_or(first)
}

pub(super) fn next_year(first: NaiveDate) -> NaiveDate {
    first.checked_add_months(Months::new(12)).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use chrono::Days;
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_stretch_climbs_to_years_and_comes_down_again() {
        let spans: Vec<(Span, String)> = stretches(day("2023-11-29"), day("2026-03-05"))
            .iter()
            .map(|stretch| (stretch.span, format!("{} {}", stretch.begins, stretch.ends)))
            .collect();
        let expected = [
            (Span::Day, "2023-11-29 2023-12-01"),
            (Span::Month, "2023-12-01 2024-01-01"),
            (Span::Year, "2024-01-01 2026-01-01"),
            (Span::Month, "2026-01-01 2026-03-01"),
            (Span::Day, "2026-03-01 2026-03-05"),
        ];
        assert_eq!(spans, expected.map(|(span, text)| (span, text.to_owned())));
    }

    proptest! {
        /// Wherever it begins and ends, and wherever it is cut in two: every day is there once and in its order.
        #[test]
        fn each_day_is_in_one_span(first in 0_u64..1500, length in 0_u64..1500, cut in 0_u64..1500) {
            let from = day("2022-12-30") + Days::new(first);
            let until = from + Days::new(length);
            let between = (from + Days::new(cut)).min(until);
            for cut in [until, between] {
                let mut next = from;
                for stretch in stretches(from, cut).into_iter().chain(stretches(cut, until)) {
                    prop_assert_eq!(stretch.begins, next);
                    let mut at = stretch.begins;
                    while at < stretch.ends {
                        at = match stretch.span {
                            Span::Day => at + Days::new(1),
                            Span::Month => {
                                prop_assert_eq!(at.day(), 1);
                                next_month(at)
                            }
                            Span::Year => {
                                prop_assert_eq!(at.ordinal(), 1);
                                next_year(at)
                            }
                        };
                    }
                    prop_assert_eq!(at, stretch.ends, "whole spans");
                    next = stretch.ends;
                }
                prop_assert_eq!(next, until);
            }
        }
    }
}
