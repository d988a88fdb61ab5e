//! What people look at, made of a tally.

use blotter_shared::domain::Cash;
use blotter_shared::protocol::performance::{ENOUGH_TRADES, Figures, Ratios, Streaks};
use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

use super::Tally;

/// The figures of a set of trades.
#[must_use]
pub fn figures(tally: &Tally) -> Figures {
    let (wins, losses) = (Decimal::from(tally.wins), Decimal::from(tally.losses));
    let trades = Decimal::from(tally.trades());
    let average_win = ratio(tally.won, wins);
    let average_loss = ratio(tally.lost, losses);
    let payoff = average_win.zip(average_loss).and_then(|(win, loss)| ratio(win, -loss));
    let [held, held_won, held_lost] = tally.held_trades.map(Decimal::from);
    Figures {
        trades: count(tally.trades()),
        wins: count(tally.wins),
        losses: count(tally.losses),
        scratches: count(tally.scratches),
        estimated: count(tally.estimated),
        unknown: count(tally.unknown),
        net: Cash(tally.net()),
        fees: Cash(tally.fees),
        fees_untold: count(tally.fees_untold.iter().sum()),
        won: Cash(tally.won),
        lost: Cash(tally.lost),
        win_rate: ratio(wins * Decimal::ONE_HUNDRED, wins + losses),
        scratch_rate: ratio(Decimal::from(tally.scratches) * Decimal::ONE_HUNDRED, trades),
        profit_factor: ratio(tally.won, -tally.lost),
        average_win: average_win.map(Cash),
        average_loss: average_loss.map(Cash),
        payoff,
        break_even_win_rate: payoff.and_then(|payoff| ratio(Decimal::ONE_HUNDRED, Decimal::ONE + payoff)),
        expectancy: ratio(tally.net(), trades).map(Cash),
        r_trades: count(tally.r_trades),
        expectancy_r: ratio(tally.r_sum, Decimal::from(tally.r_trades)),
        best: tally.best.map(Cash),
        worst: tally.worst.map(Cash),
        fee_drag: ratio(tally.fees * Decimal::ONE_HUNDRED, tally.won + tally.fees_won).filter(|_| tally.wins > 0),
        held_hours: ratio(tally.held, held),
        held_hours_winners: ratio(tally.held_won, held_won),
        held_hours_losers: ratio(tally.held_lost, held_lost),
        r_distribution: tally.r_classes.map(count),
    }
}

/// Wins and losses in a row.
#[must_use]
pub fn streaks(tally: &Tally) -> Streaks {
    Streaks {
        current: tally.last_streak,
        longest_win: count(tally.longest_win),
        longest_loss: count(tally.longest_loss),
        expected_longest_loss: expected_longest_loss(tally),
        z_score: z_score(tally),
    }
}

fn are_few(trades: i64) -> bool {
    trades < i64::from(ENOUGH_TRADES)
}

/// `ln(N·w) / −ln(1 − w)`, of trades that are independent of each other.
fn expected_longest_loss(tally: &Tally) -> Option<Decimal> {
    let n = tally.wins + tally.losses;
    if are_few(n) || tally.wins == 0 || tally.losses == 0 {
        return None;
    }
    let rate = float(tally.wins)? / float(n)?;
    shown((float(n)? * rate).ln() / -(1.0 - rate).ln())
}

/// Wald and Wolfowitz's test of runs.
fn z_score(tally: &Tally) -> Option<Decimal> {
    let n = tally.wins + tally.losses;
    if are_few(n) || tally.wins == 0 || tally.losses == 0 {
        return None;
    }
    let (n, wins, losses) = (float(n)?, float(tally.wins)?, float(tally.losses)?);
    let expected = 2.0 * wins * losses / n + 1.0;
    let variance = (expected - 1.0) * (expected - 2.0) / (n - 1.0);
    shown((float(tally.streaks)? - expected) / variance.sqrt())
}

/// The ratios that are made of trades; those of days are `series`' to fill in.
#[must_use]
pub fn ratios(tally: &Tally) -> Ratios {
    Ratios { sqn: sqn(tally), half_kelly: half_kelly(tally), t_statistic: t(tally), ..Ratios::default() }
}

fn sqn(tally: &Tally) -> Option<Decimal> {
    if are_few(tally.r_trades) {
        return None;
    }
    let (mean, deviation) = mean_and_deviation(tally.r_trades, tally.r_sum, tally.r_squares)?;
    shown(float(tally.r_trades.min(100))?.sqrt() * mean / deviation)
}

fn half_kelly(tally: &Tally) -> Option<Decimal> {
    if are_few(tally.trades()) || tally.wins == 0 || tally.losses == 0 {
        return None;
    }
    let rate = float(tally.wins)? / float(tally.wins + tally.losses)?;
    let average_win = tally.won.to_f64()? / float(tally.wins)?;
    let average_loss = -tally.lost.to_f64()? / float(tally.losses)?;
    let kelly = rate - (1.0 - rate) / (average_win / average_loss);
    shown(kelly.max(0.0) * 50.0)
}

fn t(tally: &Tally) -> Option<Decimal> {
    let (mean, deviation) = mean_and_deviation(tally.trades(), tally.net(), tally.squares)?;
    shown(mean / (deviation / float(tally.trades())?.sqrt()))
}

/// Mean and sample deviation from sums; none where the deviation is nothing but rounding.
fn mean_and_deviation(n: i64, sum: Decimal, squares: f64) -> Option<(f64, f64)> {
    if n < 2 {
        return None;
    }
    let count = float(n)?;
    let mean = sum.to_f64()? / count;
    let variance = (squares - count * mean * mean) / (count - 1.0);
    let is_rounding = variance <= squares.abs() / count * 1e-12;
    (!is_rounding).then(|| (mean, variance.sqrt()))
}

pub(super) fn float(n: i64) -> Option<f64> {
    n.to_f64()
}

/// A float as people read it, if it is a number at all.
pub(super) fn shown(value: f64) -> Option<Decimal> {
    if !value.is_finite() {
        return None;
    }
    Decimal::from_f64(value).map(|value| value.round_dp(4))
}

pub(super) fn ratio(part: Decimal, whole: Decimal) -> Option<Decimal> {
    if whole.is_zero() { None } else { part.checked_div(whole).map(|ratio| ratio.round_dp(4)) }
}

fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "counts and cents of small books")]
mod tests {
    use proptest::prelude::*;

    use super::super::tally::tests::tally;
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn a_book_of_five_trades_by_hand() {
        let figures = figures(&tally(&[31_000, -8_000, -20_000, 0, 4_500]));
        assert_eq!((figures.trades, figures.wins, figures.losses, figures.scratches), (5, 2, 2, 1));
        assert_eq!(
            (figures.net, figures.won, figures.lost),
            (Cash(decimal("75")), Cash(decimal("355")), Cash(decimal("-280")))
        );
        assert_eq!((figures.win_rate, figures.scratch_rate), (Some(decimal("50")), Some(decimal("20"))));
        assert_eq!(figures.profit_factor, Some(decimal("1.2679")));
        assert_eq!(
            (figures.average_win, figures.average_loss),
            (Some(Cash(decimal("177.5"))), Some(Cash(decimal("-140"))))
        );
        assert_eq!((figures.best, figures.worst), (Some(Cash(decimal("310"))), Some(Cash(decimal("-200")))));
        assert_eq!((figures.expectancy, figures.expectancy_r), (Some(Cash(decimal("15"))), Some(decimal("0.15"))));
        assert_eq!(figures.fees, Cash(decimal("6.50")));
        // The winners brought 355 and the 2.60 that they paid.
        assert_eq!(figures.fee_drag, Some(decimal("1.8177")));
    }

    #[test]
    fn what_needs_more_trades_is_absent() {
        let none = figures(&Tally::default());
        assert_eq!((none.win_rate, none.profit_factor, none.expectancy, none.best), (None, None, None, None));
        let wins = figures(&tally(&[100, 200]));
        assert_eq!((wins.profit_factor, wins.average_loss, wins.payoff), (None, None, None), "no loss, no ratio to it");
        let losses = figures(&tally(&[-100]));
        assert_eq!((losses.profit_factor, losses.win_rate), (Some(Decimal::ZERO), Some(Decimal::ZERO)));
        assert_eq!(losses.fee_drag, None, "no winner, nothing that fees took");
        let ratios = ratios(&tally(&[100, -50, 20]));
        assert_eq!((ratios.sqn, ratios.half_kelly), (None, None));
        assert!(ratios.t_statistic.is_some() && super::ratios(&tally(&[100])).t_statistic.is_none());
        assert_eq!(super::ratios(&tally(&[700; 40])).t_statistic, None, "no deviation, no ratio to it");
    }

    #[test]
    fn alternation_and_clusters_have_opposite_signs() {
        let alternating: Vec<i64> = (0..40).map(|n| if n % 2 == 0 { 100 } else { -100 }).collect();
        let clustered: Vec<i64> = (0..40).map(|n| if n < 20 { 100 } else { -100 }).collect();
        assert!(streaks(&tally(&alternating)).z_score.unwrap() > Decimal::from(5));
        assert!(streaks(&tally(&clustered)).z_score.unwrap() < Decimal::from(-5));
    }

    #[test]
    fn half_of_the_trades_lost_means_runs_of_about_their_logarithm() {
        let book: Vec<i64> = (0..64).map(|n| if n % 2 == 0 { 100 } else { -100 }).collect();
        assert_eq!(streaks(&tally(&book)).expected_longest_loss, Some(Decimal::from(5)), "log2 of 32");
        assert_eq!(streaks(&tally(&book[..29])).expected_longest_loss, None);
    }

    /// Mean and sample deviation in two passes over the values themselves.
    fn moments(values: &[f64]) -> (f64, f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (n, mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
    }

    fn near(ours: Option<Decimal>, theirs: f64, what: &str) -> Result<(), TestCaseError> {
        let ours = ours.and_then(|ours| ours.to_f64()).ok_or_else(|| TestCaseError::fail(format!("no {what}")))?;
        prop_assert!((ours - theirs).abs() < 1e-3 * theirs.abs().max(1.0), "{what}: {ours} is not {theirs}");
        Ok(())
    }

    proptest! {
        #[test]
        fn ratios_are_those_of_the_textbook(pnls in proptest::collection::vec(-50_000_i64..=50_000, 30..160)) {
            let (ratios, streaks) = (ratios(&tally(&pnls)), streaks(&tally(&pnls)));
            let dollars: Vec<f64> = pnls.iter().map(|pnl| *pnl as f64 / 100.0).collect();
            let (n, mean, deviation) = moments(&dollars);
            near(ratios.t_statistic, mean / (deviation / n.sqrt()), "t")?;
            let multiples: Vec<f64> = pnls.iter().map(|pnl| (pnl / 100) as f64 / 100.0).collect();
            let (n, mean, deviation) = moments(&multiples);
            near(ratios.sqn, n.min(100.0).sqrt() * mean / deviation, "SQN")?;
            let (won, lost): (Vec<f64>, Vec<f64>) = dollars.iter().filter(|pnl| **pnl != 0.0).partition(|pnl| **pnl > 0.0);
            let (wins, losses) = (won.len() as f64, lost.len() as f64);
            prop_assume!(wins > 0.0 && losses > 0.0);
            let payoff = (won.iter().sum::<f64>() / wins) / (-lost.iter().sum::<f64>() / losses);
            let rate = wins / (wins + losses);
            near(ratios.half_kelly, 50.0 * (rate - (1.0 - rate) / payoff).max(0.0), "half of Kelly's share")?;
            let signs: Vec<bool> = dollars.iter().filter(|pnl| **pnl != 0.0).map(|pnl| *pnl > 0.0).collect();
            let runs = 1.0 + signs.windows(2).filter(|pair| pair[0] != pair[1]).count() as f64;
            let expected = 2.0 * wins * losses / (wins + losses) + 1.0;
            let variance = (expected - 1.0) * (expected - 2.0) / (wins + losses - 1.0);
            if signs.len() >= 30 {
                near(streaks.z_score, (runs - expected) / variance.sqrt(), "z of the runs")?;
            }
        }
    }

    proptest! {
        /// The identities of the figures: a screen whose numbers contradict each other is wrong somewhere.
        #[test]
        fn identities_hold(pnls in proptest::collection::vec(-50_000_i64..=50_000, 1..80)) {
            let figures = figures(&tally(&pnls));
            let near = |a: Decimal, b: Decimal, what: &str| {
                prop_assert!((a - b).abs() < decimal("0.02"), "{what}: {a} is not {b}");
                Ok::<(), TestCaseError>(())
            };
            prop_assert_eq!(figures.trades, figures.wins + figures.losses + figures.scratches);
            prop_assert_eq!(figures.net.0, figures.won.0 + figures.lost.0);
            let (n, w, l) = (Decimal::from(figures.trades), Decimal::from(figures.wins), Decimal::from(figures.losses));
            let win = figures.average_win.map_or(Decimal::ZERO, |win| win.0);
            let loss = figures.average_loss.map_or(Decimal::ZERO, |loss| loss.0);
            near(figures.expectancy.unwrap().0, w / n * win + l / n * loss, "expectancy = w A - l B")?;
            near(figures.expectancy.unwrap().0 * n, figures.net.0, "expectancy x n = net")
                .or_else(|error| if n > Decimal::from(100) { Ok(()) } else { Err(error) })?;
            if let (Some(factor), Some(payoff)) = (figures.profit_factor, figures.payoff) {
                near(factor * l, payoff * w, "profit factor = payoff x W / L")?;
            }
            if let (Some(even), Some(payoff)) = (figures.break_even_win_rate, figures.payoff) {
                near(even * (Decimal::ONE + payoff), Decimal::ONE_HUNDRED, "break-even x (1 + payoff) = 100")
                    .or_else(|error| if payoff > Decimal::from(50) { Ok(()) } else { Err(error) })?;
            }
            prop_assert!(figures.best.unwrap() >= figures.worst.unwrap());
            prop_assert_eq!(figures.r_distribution.iter().sum::<u64>(), figures.r_trades);
        }
    }
}
