//! Indicators over closed bars, oldest first. Pure. They describe a market; no order and no amount of
//! money is made of them, so they are floats.
//!
//! The crate `ta` smooths its RSI with an ordinary EMA, which is another indicator than the one that everybody
//! reads under that name; so these few formulas are our own:
//!
//! * `EMA(n)`: the first is the mean of the first n, then `e += (x − e) · 2 / (n + 1)`.
//! * `RSI(14)`: Wilder's; means of rises and falls, then `a += (x − a) / 14`; `100 − 100 / (1 + rises / falls)`.
//! * `MACD` histogram: `EMA(12) − EMA(26)`, less its own `EMA(9)`.
//! * Cross 9/21: where `EMA(9)` stands to `EMA(21)`.
//! * Squeeze: Bollinger's bands (20, 2 σ) inside Keltner's channel (20, 1.5 true ranges): `on`; the first
//!   bars outside after one: `firing`; else `off`.
//! * Trend: `bullish` above a rising mean of the last 20 closes, `bearish` below a falling one, else `neutral`.

/// One bar, closed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candle {
    pub high: f64,
    pub low: f64,
    pub close: f64,
}

/// Bars after a squeeze in which it counts as firing.
const FIRING: usize = 5;

/// Exponential means, one for each value from the n-th on.
fn ema(values: &[f64], n: usize) -> Vec<f64> {
    let Some((first, rest)) = values.split_at_checked(n) else { return Vec::new() };
    let mut mean = average(first);
    let weight = 2.0 / (float(n) + 1.0);
    let mut all = vec![mean];
    for value in rest {
        mean += (value - mean) * weight;
        all.push(mean);
    }
    all
}

/// Relative strength, 0 to 100; needs 15 bars.
#[must_use]
pub fn rsi(closes: &[f64]) -> Option<f64> {
    const N: usize = 14;
    let moves: Vec<f64> = pairs(closes).map(|(was, is)| is - was).collect();
    let (first, rest) = moves.split_at_checked(N)?;
    let up = |value: &f64| value.max(0.0);
    let down = |value: &f64| (-value).max(0.0);
    let mut rises = first.iter().map(up).sum::<f64>() / float(N);
    let mut falls = first.iter().map(down).sum::<f64>() / float(N);
    for value in rest {
        rises += (up(value) - rises) / float(N);
        falls += (down(value) - falls) / float(N);
    }
    match (rises > 0.0, falls > 0.0) {
        (false, false) => Some(50.0),
        (_, false) => Some(100.0),
        (_, true) => Some(100.0 - 100.0 / (1.0 + rises / falls)),
    }
}

/// The histogram of MACD; needs 34 bars.
#[must_use]
pub fn macd_histogram(closes: &[f64]) -> Option<f64> {
    let (quick, slow) = (ema(closes, 12), ema(closes, 26));
    let ahead = quick.len().checked_sub(slow.len())?;
    let lines: Vec<f64> = quick.iter().skip(ahead).zip(&slow).map(|(quick, slow)| quick - slow).collect();
    Some(lines.last()? - ema(&lines, 9).last()?)
}

/// Which of the two means is above; needs 21 bars.
#[must_use]
pub fn cross_9_21(closes: &[f64]) -> Option<&'static str> {
    let (quick, slow) = (*ema(closes, 9).last()?, *ema(closes, 21).last()?);
    Some(if quick >= slow { "bullish" } else { "bearish" })
}

/// Whether the range has tightened; needs 21 bars.
#[must_use]
pub fn squeeze(candles: &[Candle]) -> Option<&'static str> {
    is_squeezed(candles)?;
    let squeezed = |back: usize| candles.len().checked_sub(back).and_then(|end| is_squeezed(candles.get(..end)?));
    if squeezed(0) == Some(true) {
        return Some("on");
    }
    Some(if (1..=FIRING).any(|back| squeezed(back) == Some(true)) { "firing" } else { "off" })
}

fn is_squeezed(candles: &[Candle]) -> Option<bool> {
    const N: usize = 20;
    let last = candles.len().checked_sub(N + 1).and_then(|from| candles.get(from..))?;
    let closes: Vec<f64> = last.iter().skip(1).map(|candle| candle.close).collect();
    let mean = average(&closes);
    let deviation = (closes.iter().map(|close| (close - mean).powi(2)).sum::<f64>() / float(N)).sqrt();
    let true_range = |(was, is): (&Candle, &Candle)| {
        (is.high - is.low).max((is.high - was.close).abs()).max((is.low - was.close).abs())
    };
    let range = last.iter().zip(last.iter().skip(1)).map(true_range).sum::<f64>() / float(N);
    Some(2.0 * deviation < 1.5 * range)
}

/// The direction of the last 20 closes; needs 21.
#[must_use]
pub fn trend(closes: &[f64]) -> Option<&'static str> {
    const N: usize = 20;
    let last = closes.last()?;
    let mean = |back: usize| {
        let end = closes.len().checked_sub(back)?;
        Some(average(closes.get(end.checked_sub(N)?..end)?))
    };
    let (now, before) = (mean(0)?, mean(1)?);
    Some(match (*last > now && now > before, *last < now && now < before) {
        (true, _) => "bullish",
        (_, true) => "bearish",
        (false, false) => "neutral",
    })
}

/// How far the last close is from the mean of the last 200, in percent.
#[must_use]
pub fn distance_from_200(closes: &[f64]) -> Option<f64> {
    let mean = average(closes.get(closes.len().checked_sub(200)?..)?);
    (mean > 0.0).then(|| (closes.last().copied().unwrap_or(mean) / mean - 1.0) * 100.0)
}

/// Pearson's correlation of the returns of two series of closes.
#[must_use]
pub fn correlation(one: &[f64], other: &[f64]) -> Option<f64> {
    let returns = |closes: &[f64]| -> Vec<f64> {
        pairs(closes).filter(|(was, _)| *was > 0.0).map(|(was, is)| is / was - 1.0).collect()
    };
    let (one, other) = (returns(one), returns(other));
    if one.len() != other.len() || one.len() < 2 {
        return None;
    }
    let (mean_one, mean_other) = (average(&one), average(&other));
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        one.iter().zip(&other).map(|(one, other)| of(one - mean_one, other - mean_other)).sum()
    };
    let spread = (sum(&|one, _| one * one) * sum(&|_, other| other * other)).sqrt();
    (spread > 0.0).then(|| sum(&|one, other| one * other) / spread)
}

fn pairs(values: &[f64]) -> impl Iterator<Item = (f64, f64)> + '_ {
    values.iter().copied().zip(values.iter().copied().skip(1))
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / float(values.len().max(1))
}

#[expect(clippy::cast_precision_loss, reason = "a number of bars")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(value: Option<f64>, wanted: f64) {
        assert!(value.is_some_and(|value| (value - wanted).abs() < 0.01), "{value:?}, not {wanted}");
    }

    /// The closes of Wilder's published example.
    const WILDER: [f64; 20] = [
        44.34, 44.09, 44.15, 43.61, 44.33, 44.83, 45.10, 45.42, 45.84, 46.08, 45.89, 46.03, 45.61, 46.28, 46.28, 46.00,
        46.03, 46.41, 46.22, 45.64,
    ];

    #[test]
    fn strength_is_wilders() {
        near(rsi(&WILDER[..15]), 70.46);
        near(rsi(&WILDER[..16]), 66.25);
        near(rsi(&WILDER), 57.92);
        near(rsi(&[5.0; 30]), 50.0);
        assert_eq!(rsi(&WILDER[..14]), None);
    }

    #[test]
    fn lines_and_crosses() {
        let rising: Vec<f64> = (0..60).map(|day| 100.0 + f64::from(day)).collect();
        near(macd_histogram(&rising), 0.0);
        assert_eq!(cross_9_21(&rising), Some("bullish"));
        assert_eq!(trend(&rising), Some("bullish"));
        let falling: Vec<f64> = rising.iter().rev().copied().collect();
        assert_eq!((cross_9_21(&falling), trend(&falling)), (Some("bearish"), Some("bearish")));
        assert_eq!((trend(&[5.0; 30]), macd_histogram(&rising[..33])), (Some("neutral"), None));
        let mut flat = vec![100.0; 199];
        flat.push(105.0);
        near(distance_from_200(&flat), 4.97);
        assert_eq!(distance_from_200(&flat[1..]), None);
    }

    #[test]
    fn a_quiet_stretch_is_a_squeeze_and_its_end_fires() {
        let candle = |close: f64, half: f64| Candle { high: close + half, low: close - half, close };
        let mut bars: Vec<Candle> = (0..40).map(|turn| candle(100.0 + f64::from(turn % 2) * 0.01, 1.0)).collect();
        assert_eq!(squeeze(&bars), Some("on"));
        bars.extend((1..=3).map(|step| candle(100.0 + f64::from(step) * 3.0, 1.0)));
        assert_eq!(squeeze(&bars), Some("firing"));
        bars.extend((4..=30).map(|step| candle(100.0 + f64::from(step) * 3.0, 1.0)));
        assert_eq!((squeeze(&bars), squeeze(&bars[..20])), (Some("off"), None));
    }

    #[test]
    fn correlation_of_a_series_with_itself_and_its_mirror() {
        let one: Vec<f64> = WILDER.to_vec();
        near(correlation(&one, &one), 1.0);
        let mirror: Vec<f64> = one.iter().map(|close| 1.0 / close).collect();
        assert!(correlation(&one, &mirror).is_some_and(|value| value < -0.99));
        assert_eq!((correlation(&one, &one[1..]), correlation(&one, &[5.0; 20])), (None, None));
    }

    proptest! {
        #[test]
        fn whatever_the_bars_no_indicator_leaves_its_range(closes in prop::collection::vec(0.01_f64..10_000.0, 0..260)) {
            prop_assert!(rsi(&closes).is_none_or(|value| (0.0..=100.0).contains(&value)));
            prop_assert!(macd_histogram(&closes).is_none_or(f64::is_finite));
            prop_assert!(distance_from_200(&closes).is_none_or(f64::is_finite));
            let reversed: Vec<f64> = closes.iter().rev().copied().collect();
            prop_assert!(correlation(&closes, &reversed).is_none_or(|value| (-1.001..=1.001).contains(&value)));
            let _ = (trend(&closes), cross_9_21(&closes));
        }
    }
}
