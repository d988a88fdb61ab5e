//! The answer to a look at the performance, put together from sums and days.

use blotter_shared::domain::{BrokerMode, Cash};
use blotter_shared::protocol::performance::{
    BestStrategy, Breakdown, BreakdownRow, DayResult, Drawdown, Performance, Period, Ratios,
};
use chrono::{Datelike, Days, NaiveDate};
use rust_decimal::Decimal;

use super::figures::ratio;
use super::groups::{Order, label, order};
use super::series::Series;
use super::{Tally, figures, ratios, series, streaks};

/// Most rows of a breakdown, and days of the calendar.
const ROWS_MAX: usize = 100;
const DAYS_MAX: usize = 400;

/// What was asked, with what is needed to answer it.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub mode: BrokerMode,
    pub period: Period,
    pub by: Breakdown,
    /// The trading day of the answer.
    pub today: NaiveDate,
    pub starting_equity: Cash,
}

/// What the database has to say.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub total: Tally,
    pub groups: Vec<(String, Tally)>,
    pub strategies: Vec<(String, Tally)>,
    /// Days with trades, oldest first.
    pub days: Vec<DayResult>,
    /// Trading days of the period, from its first day or the first result on.
    pub sessions: Vec<NaiveDate>,
}

/// The first trading day of a period that ends today; none for all.
#[must_use]
pub fn first_day(period: Period, today: NaiveDate) -> Option<NaiveDate> {
    let back = |days: u64| today.checked_sub_days(Days::new(days - 1));
    match period {
        Period::Week => back(7),
        Period::Month => back(30),
        Period::Quarter => back(90),
        Period::YearToDate => NaiveDate::from_ymd_opt(today.year(), 1, 1),
        Period::All => None,
    }
}

/// Puts it together.
#[must_use]
pub fn performance(question: &Question, found: Found) -> Performance {
    let Found { total, groups, strategies, mut days, sessions } = found;
    let series = series(&days, &sessions, question.starting_equity);
    let figures = figures(&total);
    let (rows, rows_left_out) = rows(question.by, groups);
    let drop = days.len().saturating_sub(DAYS_MAX);
    days.drain(..drop);
    Performance {
        mode: question.mode,
        period: question.period,
        from: first_day(question.period, question.today),
        today: question.today,
        figures,
        drawdown: drawdown(&total, question.starting_equity, &series),
        streaks: streaks(&total),
        ratios: Ratios {
            days: series.days,
            sharpe: series.sharpe,
            sortino: series.sortino,
            annual_growth: series.annual_growth,
            calmar: series.calmar,
            ulcer: series.ulcer,
            probabilistic_sharpe: series.probabilistic_sharpe,
            ..ratios(&total)
        },
        starting_equity: question.starting_equity,
        equity: series.equity,
        days,
        by: question.by,
        rows,
        rows_left_out,
        best_strategy: best_strategy(strategies),
    }
}

fn drawdown(total: &Tally, start: Cash, series: &Series) -> Drawdown {
    let from = start.0 + total.fall_peak;
    let has_equity = start.0 > Decimal::ZERO;
    Drawdown {
        deepest: Cash(total.fall),
        deepest_pct: ratio(total.fall * Decimal::ONE_HUNDRED, from).filter(|_| has_equity),
        current: Cash(total.peak - total.net()),
        longest_days: series.longest_below,
        recovery_factor: ratio(total.net(), total.fall),
        peak_on: series.fall.and_then(|fall| fall.peak_on),
        bottom_on: series.fall.map(|fall| fall.bottom_on),
        recovered_on: series.fall.and_then(|fall| fall.recovered_on),
        days_down: series.fall.map(|fall| fall.days_down),
        days_under: series.fall.and_then(|fall| fall.days_under),
    }
}

fn rows(by: Breakdown, mut groups: Vec<(String, Tally)>) -> (Vec<BreakdownRow>, u64) {
    groups.retain(|(_, tally)| tally.trades() > 0 || tally.unknown > 0);
    groups.sort_by(|(a, a_tally), (b, b_tally)| match order(by) {
        Order::Best => b_tally.net().cmp(&a_tally.net()).then_with(|| a.cmp(b)),
        Order::Own => a.cmp(b),
        Order::Newest => b.cmp(a),
    });
    let left_out = groups.len().saturating_sub(ROWS_MAX);
    let row = |(bucket, tally): &(String, Tally)| BreakdownRow {
        bucket: label(by, bucket).to_owned(),
        figures: figures(tally),
    };
    (groups.iter().take(ROWS_MAX).map(row).collect(), u64::try_from(left_out).unwrap_or_default())
}

fn best_strategy(strategies: Vec<(String, Tally)>) -> Option<BestStrategy> {
    let named = strategies.into_iter().filter(|(name, tally)| !name.is_empty() && tally.net() > Decimal::ZERO);
    let (strategy, tally) =
        named.max_by(|(a, a_tally), (b, b_tally)| a_tally.net().cmp(&b_tally.net()).then_with(|| b.cmp(a)))?;
    Some(BestStrategy { strategy, trades: u64::try_from(tally.trades()).unwrap_or_default(), net: Cash(tally.net()) })
}

#[cfg(test)]
mod tests {
    use super::super::tally::tests::tally;
    use super::*;

    fn question(period: Period, by: Breakdown) -> Question {
        let today = "2026-11-21".parse().unwrap();
        Question { mode: BrokerMode::Sim, period, by, today, starting_equity: Cash(1000.into()) }
    }

    fn named(groups: &[(&str, &[i64])]) -> Vec<(String, Tally)> {
        groups.iter().map(|(name, pnls)| ((*name).to_owned(), tally(pnls))).collect()
    }

    #[test]
    fn a_period_ends_today_and_has_its_number_of_days() {
        let today = "2026-11-21".parse().unwrap();
        let first = |period| first_day(period, today).map(|day| day.to_string());
        assert_eq!(first(Period::Week).as_deref(), Some("2026-11-15"));
        assert_eq!(first(Period::YearToDate).as_deref(), Some("2026-01-01"));
        assert_eq!(first(Period::All), None);
    }

    #[test]
    fn the_best_comes_first_unless_the_groups_have_an_order() {
        let strategies = named(&[("a", &[100]), ("b", &[300]), ("", &[900]), ("c", &[])]);
        let by_result = Found { groups: strategies.clone(), strategies, ..Found::default() };
        let answer = performance(&question(Period::All, Breakdown::Strategy), by_result);
        let names: Vec<&str> = answer.rows.iter().map(|row| row.bucket.as_str()).collect();
        assert_eq!(names, ["", "b", "a"]);
        assert_eq!(answer.best_strategy.unwrap().strategy, "b", "trades without a strategy are none");
        let days = Found { groups: named(&[("5 Fri", &[900]), ("1 Mon", &[1])]), ..Found::default() };
        let answer = performance(&question(Period::All, Breakdown::Weekday), days);
        let names: Vec<&str> = answer.rows.iter().map(|row| row.bucket.as_str()).collect();
        assert_eq!(names, ["Mon", "Fri"]);
        assert_eq!(answer.best_strategy, None);
    }

    #[test]
    fn the_drawdown_is_of_the_equity_that_it_fell_from() {
        let found = Found { total: tally(&[25_000, -12_500, 5_000]), ..Found::default() };
        let drawdown = performance(&question(Period::All, Breakdown::Strategy), found).drawdown;
        assert_eq!((drawdown.deepest, drawdown.deepest_pct), (Cash(125.into()), Some(Decimal::from(10))));
        assert_eq!((drawdown.current, drawdown.recovery_factor), (Cash(75.into()), Some(Decimal::new(14, 1))));
    }
}
