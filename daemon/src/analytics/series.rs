//! What a row of days says: the curve of results, how long it stayed below its peak, and the
//! deviations of daily returns.

use blotter_shared::domain::Cash;
use blotter_shared::protocol::performance::{DayResult, EquityPoint};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::figures::{float, shown};

/// Most points of a curve: twice the columns of a wide terminal.
const POINTS_MAX: usize = 400;
/// Fewer days say nothing about a deviation.
const ENOUGH_DAYS: usize = 20;
const DAYS_OF_A_YEAR: f64 = 252.0;

/// What the days of a period say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    pub equity: Vec<EquityPoint>,
    /// The longest time below the peak, in trading days.
    pub longest_below: u32,
    pub days: u64,
    pub sharpe: Option<Decimal>,
    pub sortino: Option<Decimal>,
}

/// `results` are the days with trades, oldest first; `sessions` the trading days of the period, of which
/// those without a trade count as zero. Percentages are of `start`, the equity at the beginning.
#[must_use]
pub fn series(results: &[DayResult], sessions: &[NaiveDate], start: Cash) -> Series {
    let days = with_quiet_days(results, sessions);
    let curve = curve(&days);
    let returns = returns(&days, start.0);
    Series {
        longest_below: longest_below(&curve),
        days: u64::try_from(days.len()).unwrap_or_default(),
        sharpe: returns.as_deref().and_then(sharpe),
        sortino: returns.as_deref().and_then(sortino),
        equity: thinned(curve),
    }
}

/// Each day of either list, once, in order.
fn with_quiet_days(results: &[DayResult], sessions: &[NaiveDate]) -> Vec<(NaiveDate, Decimal)> {
    let mut days = Vec::with_capacity(results.len().max(sessions.len()));
    let mut results = results.iter().peekable();
    for session in sessions {
        while let Some(before) = results.next_if(|result| result.day < *session) {
            days.push((before.day, before.net.0));
        }
        let net = results.next_if(|result| result.day == *session).map_or(Decimal::ZERO, |result| result.net.0);
        days.push((*session, net));
    }
    days.extend(results.map(|result| (result.day, result.net.0)));
    days
}

fn curve(days: &[(NaiveDate, Decimal)]) -> Vec<EquityPoint> {
    let (mut net, mut peak) = (Decimal::ZERO, Decimal::ZERO);
    let mut point = |(day, result): &(NaiveDate, Decimal)| {
        net += result;
        peak = peak.max(net);
        EquityPoint { day: *day, net: Cash(net), peak: Cash(peak) }
    };
    days.iter().map(&mut point).collect()
}

fn longest_below(curve: &[EquityPoint]) -> u32 {
    let (mut now, mut longest) = (0, 0);
    for point in curve {
        now = if point.net < point.peak { now + 1 } else { 0 };
        longest = longest.max(now);
    }
    longest
}

/// The last of each run of days, so many that they fit; the newest day is always there.
fn thinned(curve: Vec<EquityPoint>) -> Vec<EquityPoint> {
    let each = curve.len().div_ceil(POINTS_MAX).max(1);
    let last = curve.len() % each;
    let is_kept = |index: usize| (index + 1) % each == last % each;
    curve.into_iter().enumerate().filter(|(index, _)| is_kept(*index)).map(|(_, point)| point).collect()
}

/// Each day's result in parts of the equity before it; none when that is not above zero.
fn returns(days: &[(NaiveDate, Decimal)], start: Decimal) -> Option<Vec<f64>> {
    let mut equity = start.to_f64()?;
    let mut returns = Vec::with_capacity(days.len());
    for (_, net) in days {
        if equity <= 0.0 {
            return None;
        }
        let net = net.to_f64()?;
        returns.push(net / equity);
        equity += net;
    }
    (returns.len() >= ENOUGH_DAYS).then_some(returns)
}

fn sharpe(returns: &[f64]) -> Option<Decimal> {
    let (n, mean) = mean(returns)?;
    let squares: f64 = returns.iter().map(|one| (one - mean).powi(2)).sum();
    let deviation = (squares / (n - 1.0)).sqrt();
    (deviation > f64::EPSILON).then(|| shown(mean / deviation * DAYS_OF_A_YEAR.sqrt())).flatten()
}

/// Every day is in the denominator, not only the losing ones.
fn sortino(returns: &[f64]) -> Option<Decimal> {
    let (n, mean) = mean(returns)?;
    let squares: f64 = returns.iter().map(|one| one.min(0.0).powi(2)).sum();
    let deviation = (squares / n).sqrt();
    (deviation > f64::EPSILON).then(|| shown(mean / deviation * DAYS_OF_A_YEAR.sqrt())).flatten()
}

fn mean(returns: &[f64]) -> Option<(f64, f64)> {
    let n = float(i64::try_from(returns.len()).ok()?)?;
    Some((n, returns.iter().sum::<f64>() / n))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(n: u64) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + chrono::Days::new(n)
    }

    fn results(nets: &[i64]) -> Vec<DayResult> {
        (0..)
            .zip(nets)
            .map(|(n, net)| DayResult { day: day(n), trades: 1, wins: 0, net: Cash((*net).into()) })
            .collect()
    }

    #[test]
    fn quiet_days_count_as_zero_and_other_days_are_not_lost() {
        let sessions: Vec<NaiveDate> = [1, 2, 4].map(day).into();
        let mut results = results(&[5, 0, 0, 7]);
        results.retain(|result| result.net != Cash::ZERO);
        let days = with_quiet_days(&results, &sessions);
        let expected = [(0, 5), (1, 0), (2, 0), (3, 7), (4, 0)].map(|(n, net)| (day(n), Decimal::from(net)));
        assert_eq!(days, expected);
    }

    #[test]
    fn the_curve_is_below_its_peak_for_as_long_as_it_takes() {
        let series = series(&results(&[100, -40, -10, 20, 60, -5]), &[], Cash(1000.into()));
        assert_eq!(series.longest_below, 3);
        let last = series.equity.last().unwrap();
        assert_eq!((last.net, last.peak), (Cash(125.into()), Cash(130.into())));
        assert_eq!(series.sharpe, None, "six days are no sample");
    }

    #[test]
    fn sharpe_and_sortino_by_another_way() {
        let nets: Vec<i64> = (0..30).map(|n| if n % 3 == 0 { -20 } else { 15 }).collect();
        let series = series(&results(&nets), &[], Cash(1000.into()));
        // In one pass, from sums of powers.
        let (mut equity, mut one, mut two, mut down) = (1000.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
        for n in 0..30 {
            let net = if n % 3 == 0 { -20.0 } else { 15.0 };
            let part: f64 = net / equity;
            equity += net;
            one += part;
            two += part * part;
            down += if part < 0.0 { part * part } else { 0.0 };
        }
        let deviation = ((two - one * one / 30.0) / 29.0).sqrt();
        let sharpe = one / 30.0 / deviation * 252.0_f64.sqrt();
        let sortino = one / 30.0 / (down / 30.0).sqrt() * 252.0_f64.sqrt();
        assert!((series.sharpe.unwrap().to_f64().unwrap() - sharpe).abs() < 1e-3, "{series:?}");
        assert!((series.sortino.unwrap().to_f64().unwrap() - sortino).abs() < 1e-3, "{series:?}");
    }

    #[test]
    fn equity_that_is_gone_has_no_return() {
        let nets = [vec![-1000], vec![10; 30]].concat();
        assert_eq!(series(&results(&nets), &[], Cash(1000.into())).sharpe, None);
        assert_eq!(series(&results(&[10; 30]), &[], Cash::ZERO).sharpe, None);
    }

    proptest! {
        #[test]
        fn a_thinned_curve_is_short_and_ends_today(count in 0_u64..2_000) {
            let nets: Vec<i64> = (0..count).map(|n| i64::try_from(n % 7).unwrap() - 3).collect();
            let series = series(&results(&nets), &[], Cash(1000.into()));
            prop_assert!(series.equity.len() <= POINTS_MAX);
            prop_assert_eq!(series.equity.last().map(|point| point.day), count.checked_sub(1).map(day));
            prop_assert!(series.equity.windows(2).all(|pair| pair[0].day < pair[1].day && pair[0].peak <= pair[1].peak));
        }
    }
}
