//! What a row of days says: the curve of results, how long it stayed below its peak, and the
//! deviations of daily returns.

use blotter_shared::domain::Cash;
use blotter_shared::protocol::performance::{DayResult, ENOUGH_DAYS, ENOUGH_DAYS_OF_A_YEAR, EquityPoint};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::figures::{float, shown};

/// Most points of a curve: twice the columns of a wide terminal.
const POINTS_MAX: usize = 400;
const DAYS_OF_A_YEAR: f64 = 252.0;

/// The deepest fall of the ends of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fall {
    /// Absent when it began with the first day: the peak is the start.
    pub peak_on: Option<NaiveDate>,
    pub bottom_on: NaiveDate,
    pub recovered_on: Option<NaiveDate>,
    /// Trading days from the peak to the bottom, and until it was reached again.
    pub days_down: u32,
    pub days_under: Option<u32>,
}

/// What the days of a period say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    pub equity: Vec<EquityPoint>,
    /// The longest time below the peak, in trading days.
    pub longest_below: u32,
    pub fall: Option<Fall>,
    pub days: u64,
    pub sharpe: Option<Decimal>,
    pub sortino: Option<Decimal>,
    pub annual_growth: Option<Decimal>,
    pub calmar: Option<Decimal>,
    pub ulcer: Option<Decimal>,
    pub probabilistic_sharpe: Option<Decimal>,
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
        fall: deepest_fall(&curve),
        days: u64::try_from(days.len()).unwrap_or_default(),
        sharpe: returns.as_deref().and_then(sharpe),
        sortino: returns.as_deref().and_then(sortino),
        annual_growth: returns.as_deref().and_then(annual_growth).and_then(|growth| shown(growth * 100.0)),
        calmar: returns.as_deref().and_then(calmar),
        ulcer: returns.as_deref().and_then(ulcer),
        probabilistic_sharpe: returns.as_deref().and_then(probabilistic_sharpe),
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

/// The first of them, if several are as deep.
fn deepest_fall(curve: &[EquityPoint]) -> Option<Fall> {
    let depth = |point: &EquityPoint| point.peak.0 - point.net.0;
    let deepest = curve.iter().map(depth).max().filter(|depth| *depth > Decimal::ZERO)?;
    let bottom = curve.iter().position(|point| depth(point) == deepest)?;
    let (before, after) = (curve.get(..bottom)?, curve.get(bottom..)?);
    let peak = before.iter().rposition(|point| depth(point).is_zero());
    let back = after.iter().position(|point| depth(point).is_zero());
    let days = |from: Option<usize>, to: usize| u32::try_from(from.map_or(to + 1, |from| to - from)).ok();
    Some(Fall {
        peak_on: peak.and_then(|at| before.get(at)).map(|point| point.day),
        bottom_on: curve.get(bottom)?.day,
        recovered_on: back.and_then(|at| after.get(at)).map(|point| point.day),
        days_down: days(peak, bottom)?,
        days_under: back.and_then(|at| days(peak, bottom + at)),
    })
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
    (returns.len() >= usize::from(ENOUGH_DAYS)).then_some(returns)
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

/// What a year would bring if all of it were like these days.
fn annual_growth(returns: &[f64]) -> Option<f64> {
    if returns.len() < usize::from(ENOUGH_DAYS_OF_A_YEAR) {
        return None;
    }
    let (n, _) = mean(returns)?;
    let whole: f64 = returns.iter().map(|one| 1.0 + one).product();
    Some(whole.powf(DAYS_OF_A_YEAR / n) - 1.0).filter(|growth| growth.is_finite())
}

fn calmar(returns: &[f64]) -> Option<Decimal> {
    let deepest = depths(returns).into_iter().fold(0.0, f64::max);
    let growth = annual_growth(returns)?;
    (deepest > f64::EPSILON).then(|| shown(growth / deepest)).flatten()
}

fn ulcer(returns: &[f64]) -> Option<Decimal> {
    let (n, _) = mean(returns)?;
    let squares: f64 = depths(returns).iter().map(|depth| (depth * 100.0).powi(2)).sum();
    shown((squares / n).sqrt())
}

/// How far below its peak equity was at the end of each day, in parts of the peak; the first peak is the
/// start.
fn depths(returns: &[f64]) -> Vec<f64> {
    let (mut equity, mut peak) = (1.0_f64, 1.0_f64);
    let mut depth = |one: &f64| {
        equity *= 1.0 + one;
        peak = peak.max(equity);
        (peak - equity) / peak
    };
    returns.iter().map(&mut depth).collect()
}

/// Against a Sharpe ratio of zero, with the ratio of a day, not of a year.
fn probabilistic_sharpe(returns: &[f64]) -> Option<Decimal> {
    let (n, mean) = mean(returns)?;
    let moment = |power: i32| returns.iter().map(|one| (one - mean).powi(power)).sum::<f64>() / n;
    let variance = moment(2);
    if variance <= f64::EPSILON * f64::EPSILON {
        return None;
    }
    let (skew, tails) = (moment(3) / variance.powf(1.5), moment(4) / variance.powi(2));
    let ratio = mean / (variance * n / (n - 1.0)).sqrt();
    let spread = 1.0 - skew * ratio + (tails - 1.0) / 4.0 * ratio * ratio;
    (spread > 0.0).then(|| shown(normal_below(ratio * (n - 1.0).sqrt() / spread.sqrt()) * 100.0)).flatten()
}

/// How likely a standard normal variable is below `z`: Abramowitz and Stegun 26.2.17, to seven digits.
fn normal_below(z: f64) -> f64 {
    const TERMS: [f64; 5] = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530];
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let tail = TERMS.iter().fold(0.0, |sum, term| (sum + term) * t);
    let upper = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * tail;
    if z < 0.0 { upper } else { 1.0 - upper }
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
    fn the_deepest_fall_has_a_beginning_a_bottom_and_an_end() {
        let of = |nets: &[i64]| series(&results(nets), &[], Cash(1000.into())).fall;
        let fall = of(&[100, -40, -10, 20, 60, -5]).unwrap();
        assert_eq!((fall.peak_on, fall.bottom_on, fall.recovered_on), (Some(day(0)), day(2), Some(day(4))));
        assert_eq!((fall.days_down, fall.days_under), (2, Some(4)));
        let lasting = of(&[-7, 3, -9, 2]).unwrap();
        assert_eq!((lasting.peak_on, lasting.bottom_on, lasting.recovered_on), (None, day(2), None));
        assert_eq!((lasting.days_down, lasting.days_under), (3, None), "the peak is the evening before the first day");
        assert_eq!((of(&[1, 2, 0]), of(&[])), (None, None));
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

    #[test]
    fn the_normal_curve_is_the_one_of_the_tables() {
        for (z, below) in [(0.0, 0.5), (1.0, 0.841_344_746), (1.96, 0.975_002_105), (-2.5, 0.006_209_665)] {
            assert!((normal_below(z) - below).abs() < 1e-6, "{z}: {}", normal_below(z));
        }
    }

    #[test]
    fn a_steady_climb_has_growth_and_no_pain() {
        let steady = vec![0.001; 63];
        let growth = annual_growth(&steady).unwrap();
        assert!((growth - (1.001_f64.powf(252.0) - 1.0)).abs() < 1e-9, "{growth}");
        assert_eq!((calmar(&steady), ulcer(&steady)), (None, Some(Decimal::ZERO)), "no fall, no ratio to it");
        assert_eq!((annual_growth(&steady[..62]), probabilistic_sharpe(&steady)), (None, None));
    }

    /// By hand: up a tenth, down to nine tenths of the peak, back to it.
    #[test]
    fn a_fall_by_a_tenth_is_a_tenth_of_its_peak() {
        let depths = depths(&[0.1, -0.1, 1.0 / 9.0]);
        assert!((depths[0], depths[2] < 1e-12, (depths[1] - 0.1).abs() < 1e-12) == (0.0, true, true), "{depths:?}");
        let mut year = vec![0.0; 252];
        (year[0], year[1]) = (0.1, -0.1);
        let expected = (1.1 * 0.9 - 1.0) / 0.1;
        assert_eq!(calmar(&year), shown(expected), "the whole year is the year");
        // Every day after the fall is a tenth below.
        assert_eq!(ulcer(&year), shown((251.0 / 252.0_f64).sqrt() * 10.0));
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

        /// Identities: growth to the fall is Calmar, a fall is never deeper than the deepest, money of any
        /// size has the same ratios, and a book turned around is as sure of the opposite.
        #[test]
        fn identities_of_the_days_hold(cents in proptest::collection::vec(-300_i32..=300, 63..150)) {
            let returns: Vec<f64> = cents.iter().map(|one| f64::from(*one) / 10_000.0).collect();
            let depths = depths(&returns);
            let deepest = depths.iter().copied().fold(0.0, f64::max);
            if let (Some(growth), Some(calmar)) = (annual_growth(&returns), calmar(&returns)) {
                let product = calmar.to_f64().unwrap() * deepest;
                prop_assert!((product - growth).abs() < 1e-3, "{product} is not {growth}");
            }
            let ulcer = ulcer(&returns).unwrap().to_f64().unwrap();
            prop_assert!(ulcer <= deepest * 100.0 + 1e-3 && depths.iter().all(|depth| (0.0..1.0).contains(depth)));
            let turned: Vec<f64> = returns.iter().map(|one| -one).collect();
            if let (Some(sure), Some(opposite)) = (probabilistic_sharpe(&returns), probabilistic_sharpe(&turned)) {
                prop_assert!((sure + opposite - Decimal::ONE_HUNDRED).abs() < Decimal::new(1, 2), "{sure} and {opposite}");
                prop_assert!(sharpe(&returns).unwrap() >= Decimal::ZERO || sure <= Decimal::from(50));
            }
        }
    }
}
