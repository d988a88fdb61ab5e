//! Trades added up. A [`Tally`] of one span followed by that of the next is the tally of both.

use blotter_shared::domain::{CloseReason, OptionType, Statistics, Turn};
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;

/// A trade at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The trading day of its close.
    pub day: NaiveDate,
    pub closed_at: DateTime<Utc>,
    pub ticker: String,
    pub side: OptionType,
    pub expiry: NaiveDate,
    pub strategy: String,
    pub verdict: String,
    pub entered_at: DateTime<Utc>,
    /// The word of the close reason, or of the status when there was no position.
    pub ended_as: String,
    pub ending: Ending,
    /// Absent until somebody tells them.
    pub fees: Option<Decimal>,
    pub r: Option<Decimal>,
    pub held_hours: Option<Decimal>,
    /// As it was noted at the end.
    pub turn: Option<Turn>,
    /// Of the contract at the entry, without its sign; absent when nobody said.
    pub delta: Option<Decimal>,
}

/// What an end means for the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Counted(Decimal),
    /// Counted, at a price that is worked out.
    Estimated(Decimal),
    /// The position is gone at a price that nobody knows.
    Unknown,
    /// There never was one.
    NoPosition,
}

impl Ending {
    /// By the word of the end and the result, if there is one.
    #[must_use]
    pub fn of(ended_as: &str, pnl: Option<Decimal>) -> Self {
        let Ok(reason) = ended_as.parse::<CloseReason>() else { return Self::NoPosition };
        match (reason.statistics(), pnl) {
            (Statistics::Counted, Some(pnl)) => Self::Counted(pnl),
            (Statistics::Estimated, Some(pnl)) => Self::Estimated(pnl),
            (Statistics::Excluded, _) | (_, None) => Self::Unknown,
        }
    }
}

/// Classes of multiples of risk.
pub const R_CLASSES: usize = 8;

/// Upper bounds of the classes but the last, in tenths of R.
const R_BOUNDS_TENTHS: [i64; R_CLASSES - 1] = [-20, -10, -5, 0, 5, 10, 20];

/// Trades added up in the order in which they were closed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Every trade at an end, those without a position included.
    pub ended: i64,
    pub wins: i64,
    pub losses: i64,
    pub scratches: i64,
    pub estimated: i64,
    pub unknown: i64,
    /// Sum of the winners, and of the losers (zero or below).
    pub won: Decimal,
    pub lost: Decimal,
    pub fees: Decimal,
    /// Of them those of the winners.
    pub fees_won: Decimal,
    pub best: Option<Decimal>,
    pub worst: Option<Decimal>,
    /// Sum of the squares of results.
    pub squares: f64,
    pub r_trades: i64,
    pub r_sum: Decimal,
    pub r_squares: f64,
    pub r_classes: [i64; R_CLASSES],
    /// Hours held: all, winners, losers, and how many trades each is made of.
    pub held: Decimal,
    pub held_won: Decimal,
    pub held_lost: Decimal,
    pub held_trades: [i64; 3],
    /// Highest and lowest point of the sum of results, seen from the beginning.
    pub peak: Decimal,
    pub low: Decimal,
    /// Its deepest fall, and the peak that it fell from.
    pub fall: Decimal,
    pub fall_peak: Decimal,
    /// Above zero wins, below losses; zero: none.
    pub first_streak: i64,
    pub last_streak: i64,
    pub longest_win: i64,
    pub longest_loss: i64,
    pub streaks: i64,
    /// Winners, losers and scratches that count before fees.
    pub fees_untold: [i64; 3],
}

impl Tally {
    /// One trade.
    #[must_use]
    pub fn of(fact: &Fact) -> Self {
        let ended = Self { ended: 1, ..Self::default() };
        match fact.ending {
            Ending::NoPosition => ended,
            Ending::Unknown => Self { unknown: 1, ..ended },
            Ending::Counted(pnl) => ended.counting(fact, pnl),
            Ending::Estimated(pnl) => Self { estimated: 1, ..ended }.counting(fact, pnl),
        }
    }

    fn counting(self, fact: &Fact, pnl: Decimal) -> Self {
        let (won, lost) = (pnl.max(Decimal::ZERO), pnl.min(Decimal::ZERO));
        let (is_win, is_loss) = (i64::from(won > Decimal::ZERO), i64::from(lost < Decimal::ZERO));
        let sign = is_win - is_loss;
        let float = pnl.to_f64().unwrap_or_default();
        let kinds = [is_win, is_loss, 1 - is_win - is_loss];
        let fees = fact.fees.unwrap_or_default();
        let tally = Self {
            wins: is_win,
            losses: is_loss,
            scratches: 1 - is_win - is_loss,
            won,
            lost,
            fees,
            fees_won: if is_win == 1 { fees } else { Decimal::ZERO },
            fees_untold: if fact.fees.is_none() { kinds } else { [0; 3] },
            best: Some(pnl),
            worst: Some(pnl),
            squares: float * float,
            peak: won,
            low: lost,
            fall: -lost,
            first_streak: sign,
            last_streak: sign,
            longest_win: is_win,
            longest_loss: is_loss,
            streaks: sign.abs(),
            ..self
        };
        tally.with_risk(fact.r).with_time(fact.held_hours, sign)
    }

    fn with_risk(self, r: Option<Decimal>) -> Self {
        let Some(r) = r else { return self };
        let float = r.to_f64().unwrap_or_default();
        let class = R_BOUNDS_TENTHS.iter().filter(|bound| r > Decimal::new(**bound, 1)).count();
        let mut r_classes = self.r_classes;
        if let Some(count) = r_classes.get_mut(class) {
            *count += 1;
        }
        Self { r_trades: 1, r_sum: r, r_squares: float * float, r_classes, ..self }
    }

    fn with_time(self, hours: Option<Decimal>, sign: i64) -> Self {
        let Some(hours) = hours else { return self };
        let (won, lost) = match sign {
            1 => (hours, Decimal::ZERO),
            -1 => (Decimal::ZERO, hours),
            _ => (Decimal::ZERO, Decimal::ZERO),
        };
        let held_trades = [1, i64::from(sign > 0), i64::from(sign < 0)];
        Self { held: hours, held_won: won, held_lost: lost, held_trades, ..self }
    }

    /// What was won and lost, after fees.
    #[must_use]
    pub fn net(&self) -> Decimal {
        self.won + self.lost
    }

    /// Trades that count.
    #[must_use]
    pub fn trades(&self) -> i64 {
        self.wins + self.losses + self.scratches
    }

    /// This span and then that one.
    #[must_use]
    pub fn then(&self, later: &Self) -> Self {
        let net = self.net();
        let (fall, fall_peak) = self.deepest_fall(later);
        let joins = self.last_streak.signum() * later.first_streak.signum() > 0;
        let joined = if joins { self.last_streak + later.first_streak } else { 0 };
        Self {
            ended: self.ended + later.ended,
            wins: self.wins + later.wins,
            losses: self.losses + later.losses,
            scratches: self.scratches + later.scratches,
            estimated: self.estimated + later.estimated,
            unknown: self.unknown + later.unknown,
            won: self.won + later.won,
            lost: self.lost + later.lost,
            fees: self.fees + later.fees,
            fees_won: self.fees_won + later.fees_won,
            best: self.best.into_iter().chain(later.best).max(),
            worst: self.worst.into_iter().chain(later.worst).min(),
            squares: self.squares + later.squares,
            r_trades: self.r_trades + later.r_trades,
            r_sum: self.r_sum + later.r_sum,
            r_squares: self.r_squares + later.r_squares,
            r_classes: added(self.r_classes, later.r_classes),
            held: self.held + later.held,
            held_won: self.held_won + later.held_won,
            held_lost: self.held_lost + later.held_lost,
            held_trades: added(self.held_trades, later.held_trades),
            peak: self.peak.max(net + later.peak),
            low: self.low.min(net + later.low),
            fall,
            fall_peak,
            first_streak: match (self.streaks, joins) {
                (0, _) => later.first_streak,
                (1, true) => joined,
                (_, _) => self.first_streak,
            },
            last_streak: match (later.streaks, joins) {
                (0, _) => self.last_streak,
                (1, true) => joined,
                (_, _) => later.last_streak,
            },
            longest_win: self.longest_win.max(later.longest_win).max(joined),
            longest_loss: self.longest_loss.max(later.longest_loss).max(-joined),
            streaks: self.streaks + later.streaks - i64::from(joins),
            fees_untold: added(self.fees_untold, later.fees_untold),
        }
    }

    /// Inside of one of the two, or from the peak of the first to the low of the second.
    fn deepest_fall(&self, later: &Self) -> (Decimal, Decimal) {
        let net = self.net();
        let across = (self.peak - (net + later.low), self.peak);
        let inside = (later.fall, net + later.fall_peak);
        let first = (self.fall, self.fall_peak);
        [across, inside].into_iter().fold(first, |deepest, other| if other.0 > deepest.0 { other } else { deepest })
    }
}

fn added<const N: usize>(a: [i64; N], b: [i64; N]) -> [i64; N] {
    let mut sum = a;
    for (total, more) in sum.iter_mut().zip(b) {
        *total += more;
    }
    sum
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::analytics) fn fact(pnl: i64, r: Option<i64>) -> Fact {
        let cents = Decimal::new(pnl, 2);
        Fact {
            day: "2026-02-18".parse().unwrap(),
            closed_at: "2026-02-18T20:00:00Z".parse().unwrap(),
            ticker: "NVDA".to_owned(),
            side: OptionType::Call,
            expiry: "2026-02-20".parse().unwrap(),
            strategy: "momentum".to_owned(),
            verdict: "BUY".to_owned(),
            entered_at: "2026-02-18T15:00:00Z".parse().unwrap(),
            ended_as: "TP_HIT".to_owned(),
            ending: Ending::Counted(cents),
            fees: Some(Decimal::new(130, 2)),
            r: r.map(|r| Decimal::new(r, 2)),
            held_hours: Some(Decimal::new(pnl.abs() % 400, 1)),
            turn: Some(Turn::AfterLoss),
            delta: Some(Decimal::new(42, 2)),
        }
    }

    pub(in crate::analytics) fn tally(pnls: &[i64]) -> Tally {
        pnls.iter().fold(Tally::default(), |sum, pnl| sum.then(&Tally::of(&fact(*pnl, Some(*pnl / 100)))))
    }

    /// The same from the whole list at once, by another road: walks the path and counts.
    fn by_walking(pnls: &[i64]) -> (i64, i64, i64, i64, i64) {
        let (mut sum, mut peak, mut fall) = (0, 0, 0);
        let (mut run, mut runs, mut longest) = (0_i64, 0, 0);
        for pnl in pnls {
            sum += pnl;
            peak = peak.max(sum);
            fall = fall.max(peak - sum);
            if *pnl == 0 {
                continue;
            }
            if run.signum() == pnl.signum() {
                run += pnl.signum();
            } else {
                run = pnl.signum();
                runs += 1;
            }
            longest = longest.max(run);
        }
        (sum, fall, run, runs, longest)
    }

    #[test]
    fn ends_are_counted_by_what_is_known_of_them() {
        let pnl = Some(Decimal::ONE);
        assert_eq!(Ending::of("TP_HIT", pnl), Ending::Counted(Decimal::ONE));
        assert_eq!(Ending::of("EXERCISED", pnl), Ending::Estimated(Decimal::ONE));
        assert_eq!(Ending::of("TP_HIT", None), Ending::Unknown);
        assert_eq!(Ending::of("SANDBOX_RESET", pnl), Ending::Unknown, "a wiped account is no result");
        assert_eq!(Ending::of("REJECTED", None), Ending::NoPosition);
    }

    #[test]
    fn a_bound_belongs_to_the_lower_class() {
        let class = |r| Tally::of(&fact(1, Some(r))).r_classes.iter().position(|count| *count == 1);
        for (r, expected) in
            [(-500, 0), (-200, 0), (-199, 1), (-100, 1), (-50, 2), (0, 3), (1, 4), (50, 4), (200, 6), (201, 7)]
        {
            assert_eq!(class(r), Some(expected), "{r}");
        }
    }

    #[test]
    fn fees_that_nobody_told_are_no_zero() {
        let untold = |pnl| Tally::of(&Fact { fees: None, ..fact(pnl, None) });
        let sum = [untold(100), untold(-100), untold(-5), untold(0), Tally::of(&fact(7, None))];
        let sum = sum.iter().fold(Tally::default(), |sum, one| sum.then(one));
        assert_eq!((sum.fees_untold, sum.fees), ([1, 2, 1], Decimal::new(130, 2)));
        let gone = Fact { fees: None, ending: Ending::Unknown, ..fact(1, None) };
        assert_eq!(Tally::of(&gone).fees_untold, [0; 3], "what does not count has no fees either");
    }

    #[test]
    fn a_losing_start_is_a_drawdown() {
        let sum = tally(&[-100, -50, 300]);
        assert_eq!((sum.fall, sum.fall_peak), (Decimal::new(150, 2), Decimal::ZERO));
    }

    proptest! {
        #[test]
        fn the_path_and_the_streaks_are_those_of_a_walk(pnls in proptest::collection::vec(-3_i64..=3, 0..60)) {
            let sum = tally(&pnls);
            let (net, fall, run, runs, longest) = by_walking(&pnls);
            prop_assert_eq!(sum.net(), Decimal::new(net, 2));
            prop_assert_eq!(sum.fall, Decimal::new(fall, 2));
            prop_assert_eq!((sum.last_streak, sum.streaks, sum.longest_win), (run, runs, longest.max(0)));
            prop_assert!(sum.fall >= sum.peak - sum.net() && sum.peak >= sum.net() && sum.low <= sum.net());
            prop_assert_eq!(sum.wins + sum.losses + sum.scratches, sum.ended);
        }

        #[test]
        fn spans_add_up_wherever_they_are_cut(
            pnls in proptest::collection::vec(-500_i64..=500, 0..40), cuts in proptest::collection::vec(0_usize..40, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(pnls.len())).chain([0, pnls.len()]).collect();
            cuts.sort_unstable();
            let spans = cuts.windows(2).map(|cut| tally(&pnls[cut[0]..cut[1]]));
            let whole = spans.fold(Tally::default(), |sum, span| sum.then(&span));
            let direct = tally(&pnls);
            // Sums of floats depend on their order.
            prop_assert!((whole.squares - direct.squares).abs() <= 1e-6 && (whole.r_squares - direct.r_squares).abs() <= 1e-6);
            prop_assert_eq!(Tally { squares: 0.0, r_squares: 0.0, ..whole }, Tally { squares: 0.0, r_squares: 0.0, ..direct });
        }
    }
}
