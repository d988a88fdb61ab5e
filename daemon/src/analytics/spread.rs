//! How results lie: what needs each of them and not only their sums. Costs grow with the trades, so this
//! is asked for apart from the figures, and kept by whoever asks.
//!
//! Results are ten-thousandths of a dollar, in the order in which the trades were closed.

use blotter_shared::domain::{BrokerMode, Cash};
use blotter_shared::protocol::performance::{ENOUGH_FOR_INTERVAL, ENOUGH_FOR_TWENTIETHS, IntervalKind, Period, Spread};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::figures::{float, ratio, shown};
use super::paths::{Way, paths};

/// Samples of a bootstrap, and the most trades that are drawn from: past that the two intervals differ by
/// less than the first one's own chance.
const SAMPLES: usize = 10_000;
const BOOTSTRAP_MAX: usize = 2_000;

/// What one trade contributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The result after fees, in ten-thousandths.
    pub pnl_e4: i64,
    /// Hours held, in ten-thousandths.
    pub held_e4: Option<i64>,
    pub fees_e4: Option<i64>,
    pub way: Way,
}

/// How the results of a period lie.
#[must_use]
pub fn spread(mode: BrokerMode, period: Period, outcomes: &[Outcome]) -> Spread {
    let results: Vec<i64> = outcomes.iter().map(|one| one.pnl_e4).collect();
    let mut ranked = results.clone();
    ranked.sort_unstable();
    let (low_high, interval) = interval(&results);
    let has_twentieths = ranked.len() >= usize::from(ENOUGH_FOR_TWENTIETHS);
    Spread {
        mode,
        period,
        trades: u64::try_from(results.len()).unwrap_or(u64::MAX),
        median: median(&ranked).map(Cash),
        low: quantile(&ranked, 5).filter(|_| has_twentieths).map(Cash),
        high: quantile(&ranked, 95).filter(|_| has_twentieths).map(Cash),
        best_three: best_three(&ranked),
        expectancy_low: low_high.map(|(low, _)| Cash(low)),
        expectancy_high: low_high.map(|(_, high)| Cash(high)),
        interval,
        k_ratio: k_ratio(&results),
        held_hours: held(outcomes, |_| true),
        held_hours_winners: held(outcomes, |one| one.pnl_e4 > 0),
        held_hours_losers: held(outcomes, |one| one.pnl_e4 < 0),
        paths: paths(outcomes),
    }
}

fn exact(units: i64) -> Decimal {
    Decimal::new(units, 4)
}

/// The middle one, or halfway between the two in the middle.
pub(super) fn median(ranked: &[i64]) -> Option<Decimal> {
    let (low, high) = (ranked.get(ranked.len().checked_sub(1)? / 2)?, ranked.get(ranked.len() / 2)?);
    Some((exact(*low) + exact(*high)) / Decimal::TWO)
}

/// The smallest result that at least so many percent are at or below: one that really was.
fn quantile(ranked: &[i64], percent: usize) -> Option<Decimal> {
    let rank = (ranked.len() * percent).div_ceil(100).max(1);
    ranked.get(rank - 1).copied().map(exact)
}

fn best_three(ranked: &[i64]) -> Option<Decimal> {
    let sum = |results: &mut dyn Iterator<Item = i64>| results.map(exact).sum::<Decimal>();
    let won = sum(&mut ranked.iter().copied().filter(|one| *one > 0));
    let best = sum(&mut ranked.iter().rev().take(3).copied().filter(|one| *one > 0));
    ratio(best * Decimal::ONE_HUNDRED, won)
}

fn held(outcomes: &[Outcome], counts: impl Fn(&Outcome) -> bool) -> Option<Decimal> {
    let mut hours: Vec<i64> = outcomes.iter().filter(|one| counts(one)).filter_map(|one| one.held_e4).collect();
    hours.sort_unstable();
    median(&hours).map(|hours| hours.round_dp(4))
}

/// The 95 % interval of the mean.
fn interval(results: &[i64]) -> (Option<(Decimal, Decimal)>, IntervalKind) {
    if results.len() < usize::from(ENOUGH_FOR_INTERVAL) {
        (None, IntervalKind::Bootstrap)
    } else if results.len() <= BOOTSTRAP_MAX {
        (bootstrap(results), IntervalKind::Bootstrap)
    } else {
        (normal(results), IntervalKind::Normal)
    }
}

/// Sums of samples are whole numbers, so that the same trades have the same interval on every machine.
fn bootstrap(results: &[i64]) -> Option<(Decimal, Decimal)> {
    let count = u64::try_from(results.len()).ok()?;
    let mut state = 0x0b10_77e2_u64;
    let mut draw = || {
        // The upper half of a product is as even as the number that it is made of.
        let index = (u128::from(next(&mut state)) * u128::from(count)) >> 64;
        results.get(usize::try_from(index).unwrap_or(0)).copied().unwrap_or(0)
    };
    let mut sums: Vec<i128> = (0..SAMPLES).map(|_| results.iter().map(|_| i128::from(draw())).sum::<i128>()).collect();
    sums.sort_unstable();
    let mean_at = |rank: usize| {
        let sum = i64::try_from(*sums.get(rank)?).ok()?;
        exact(sum).checked_div(Decimal::from(count)).map(|mean| mean.round_dp(4))
    };
    Some((mean_at(SAMPLES / 40 - 1)?, mean_at(SAMPLES - SAMPLES / 40)?))
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn normal(results: &[i64]) -> Option<(Decimal, Decimal)> {
    let n = float(i64::try_from(results.len()).ok()?)?;
    let values = || results.iter().filter_map(|one| exact(*one).to_f64());
    let mean = values().sum::<f64>() / n;
    let variance = values().map(|one| (one - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = 1.959_964 * (variance / n).sqrt();
    Some((shown(mean - half)?, shown(mean + half)?))
}

/// Tradervue's form: the slope to its standard error, not divided again by the number of trades.
fn k_ratio(results: &[i64]) -> Option<Decimal> {
    if results.len() < usize::from(ENOUGH_FOR_INTERVAL) {
        return None;
    }
    let n = float(i64::try_from(results.len()).ok()?)?;
    let mut sum = 0.0;
    let path: Vec<f64> = results
        .iter()
        .map(|one| {
            sum += exact(*one).to_f64().unwrap_or_default();
            sum
        })
        .collect();
    let (mean_x, mean_y) = ((n + 1.0) / 2.0, path.iter().sum::<f64>() / n);
    let numbers = || std::iter::successors(Some(1.0_f64), |x| Some(x + 1.0));
    let covered: f64 = numbers().zip(&path).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let width = n * (n * n - 1.0) / 12.0;
    let slope = covered / width;
    let rest = |(x, y): (f64, &f64)| (y - mean_y - slope * (x - mean_x)).powi(2);
    let error = (numbers().zip(&path).map(rest).sum::<f64>() / (n - 2.0) / width).sqrt();
    // A line without any deviation has no error to be measured by.
    (error > slope.abs() * 1e-9).then(|| shown(slope / error)).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(dollars: &[i64]) -> Spread {
        let outcome = |one: &i64| Outcome {
            pnl_e4: one * 10_000,
            held_e4: Some(one.abs() * 10_000),
            fees_e4: None,
            way: Way::default(),
        };
        spread(BrokerMode::Sim, Period::All, &dollars.iter().map(outcome).collect::<Vec<_>>())
    }

    fn cash(dollars: i64) -> Option<Cash> {
        Some(Cash(dollars.into()))
    }

    #[test]
    fn twenty_results_by_hand() {
        let results: Vec<i64> = (-9..=10).map(|n| n * 10).collect();
        let spread = of(&results);
        assert_eq!((spread.trades, spread.median), (20, cash(5)));
        assert_eq!((spread.low, spread.high), (cash(-90), cash(90)), "one of twenty is a twentieth");
        assert_eq!(spread.best_three, Some(Decimal::new(490_909, 4)), "270 of 550");
        assert_eq!(spread.held_hours_winners, Some(Decimal::from(55)));
        let (low, high) = (spread.expectancy_low.unwrap().0, spread.expectancy_high.unwrap().0);
        assert!(low < Decimal::from(-15) && high > Decimal::from(25) && low > Decimal::from(-30), "{low} to {high}");
    }

    #[test]
    fn what_needs_more_trades_is_absent() {
        let (none, few) = (of(&[]), of(&[5, -5, 7]));
        assert_eq!((none.median, none.best_three, none.k_ratio, none.expectancy_low), (None, None, None, None));
        assert_eq!((few.median, few.low, few.k_ratio, few.expectancy_high), (cash(5), None, None, None));
        assert_eq!(of(&[-5; 12]).best_three, None, "nothing was won");
        assert_eq!(of(&[7; 12]).k_ratio, None, "a line that is straight has no error");
    }

    /// The line and its error from the normal equations, step by step.
    #[test]
    fn the_k_ratio_is_that_of_the_textbook() {
        let results = [3, -1, 4, 1, -5, 9, 2, 6, -5, 3, 5];
        let path: Vec<f64> = results
            .iter()
            .scan(0.0, |sum, one| {
                *sum += f64::from(*one);
                Some(*sum)
            })
            .collect();
        let n = 11.0;
        let (mut x1, mut x2, mut y1, mut xy) = (0.0, 0.0, 0.0, 0.0);
        for (index, y) in path.iter().enumerate() {
            let x = f64::from(u32::try_from(index).unwrap() + 1);
            (x1, x2, y1, xy) = (x1 + x, x2 + x * x, y1 + y, xy + x * y);
        }
        let slope = (n * xy - x1 * y1) / (n * x2 - x1 * x1);
        let base = (y1 - slope * x1) / n;
        let left: f64 = (1_u32..).zip(&path).map(|(x, y)| (y - base - slope * f64::from(x)).powi(2)).sum();
        let error = (left / (n - 2.0) / (x2 - x1 * x1 / n)).sqrt();
        let ours = of(&results.map(i64::from)).k_ratio.unwrap().to_f64().unwrap();
        assert!((ours - slope / error).abs() < 1e-3, "{ours} is not {}", slope / error);
    }

    proptest! {
        #[test]
        fn identities_hold(dollars in proptest::collection::vec(-500_i64..=500, 10..60), factor in 1_i64..50) {
            let (one, many) = (of(&dollars), of(&dollars.iter().map(|result| result * factor).collect::<Vec<_>>()));
            let mean = Decimal::from(dollars.iter().sum::<i64>()) / Decimal::from(dollars.len());
            let (low, high) = (one.expectancy_low.unwrap().0, one.expectancy_high.unwrap().0);
            prop_assert!(low <= mean + Decimal::new(1, 4) && mean <= high + Decimal::new(1, 4), "{low} {mean} {high}");
            prop_assert_eq!(many.median.unwrap().0, one.median.unwrap().0 * Decimal::from(factor));
            prop_assert_eq!(&many.best_three, &one.best_three);
            let near = |a: Option<Decimal>, b: Option<Decimal>| a.zip(b).is_none_or(|(a, b)| (a - b).abs() < Decimal::new(1, 2));
            prop_assert!(near(many.k_ratio, one.k_ratio), "size is no consistency: {:?} {:?}", many.k_ratio, one.k_ratio);
            prop_assert_eq!(of(&dollars), one, "the same trades, the same interval");
            let below = dollars.iter().filter(|result| Decimal::from(**result) < many.median.unwrap().0 / Decimal::from(factor)).count();
            prop_assert!(below * 2 <= dollars.len(), "no more than half are below the median");
            if let (Some(low), Some(high)) = (many.low, many.high) {
                prop_assert!(low <= many.median.unwrap() && many.median.unwrap() <= high);
            }
        }

    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4))]

        /// The two intervals tell the same where they meet.
        #[test]
        fn many_trades_have_one_interval(seed: u64) {
            let mut state = seed;
            let results: Vec<i64> = (0..600).map(|_| i64::try_from(next(&mut state) % 2_000_001).unwrap() - 900_000).collect();
            let ((low, high), (other_low, other_high)) = (bootstrap(&results).unwrap(), normal(&results).unwrap());
            let near = |a: Decimal, b: Decimal| (a - b).abs() < (high - low) / Decimal::from(8);
            prop_assert!(near(low, other_low) && near(high, other_high), "{low} {high}, {other_low} {other_high}");
        }
    }
}
