//! What a closed trade might have brought. Pure: fills and prices in, figures out; exact to the digit.
//!
//! Let `t0` be the first purchase, `t1` the last sale, `m` the multiplier, `C = m · Σ bought q·p` the cost. The
//! worth of the trade at an instant `t` between them is
//!
//! ```text
//! PL(t) = m · (Σ sold until t q·p + held(t) · mark(t) − Σ bought until t q·p)
//! ```
//!
//! so parts that were sold count at what they brought, the rest at its mark, and fees not at all. Marks are
//! the recorded ones that are sound (good or delayed), minute bars where nothing was recorded, and the
//! fills themselves: at a fill the rest is worth that fill's price. Everything exists twice: at the middle, and at
//! the bid (what could have been had).
//!
//! | figure | is |
//! |---|---|
//! | P&L after 15 min, 1 h | `PL(t0 + 15 min)`; the mark is the newest one, at most two intervals old. Once sold: what it brought |
//! | MFE, MAE | `max(0, max PL)`, `max(0, −min PL)`, in percent of `C`, at the instants when both are known |
//! | exit efficiency | `PL(t1)` in percent of the MFE; none without an MFE |
//! | MFE after the exit | `max(0, max mark in (t1, t1 + 2 h] − average sale) · sold · m`, in percent of `C` |
//! | coverage | share of the market's time between `t0` and `t1` with a mark no older than two intervals |

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;

/// The version of these formulas: figures of an earlier one are replaced.
pub const VERSION: i32 = 1;

/// A part that was bought or sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    pub at: DateTime<Utc>,
    pub side: Side,
    pub quantity: u32,
    pub price: Decimal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Buy,
    Sell,
}

/// A mark, at the middle and at the bid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub at: DateTime<Utc>,
    pub mid: Option<Decimal>,
    pub bid: Option<Decimal>,
    pub from: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Own,
    /// A minute bar of trades: it has no bid.
    Bar,
}

/// Everything about one trade.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    pub multiplier: u32,
    /// In the order of time.
    pub executions: &'a [Execution],
    /// In the order of time.
    pub points: &'a [Point],
    /// When the market traded this contract: spans in the order of time.
    pub sessions: &'a [(DateTime<Utc>, DateTime<Utc>)],
    /// Between two recorded marks.
    pub interval: TimeDelta,
}

/// Figures at one kind of mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub pnl_15m: Option<Decimal>,
    pub pnl_1h: Option<Decimal>,
    pub mfe_pct: Option<Decimal>,
    pub mae_pct: Option<Decimal>,
    pub exit_efficiency_pct: Option<Decimal>,
    pub post_exit_mfe_pct: Option<Decimal>,
}

/// All figures of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Findings {
    pub mid: Figures,
    pub bid: Figures,
    pub mfe_at: Option<DateTime<Utc>>,
    pub mae_at: Option<DateTime<Utc>>,
    pub coverage_pct: Decimal,
    pub own_coverage_pct: Decimal,
}

/// After the exit prices count for so long.
pub const AFTERWARDS: TimeDelta = TimeDelta::hours(2);
/// Digits that are kept.
const DIGITS: u32 = 4;

/// An instant, if there was one.
type When = Option<DateTime<Utc>>;
/// Which mark.
type Pick = fn(&Point) -> Option<Decimal>;

impl Case<'_> {
    /// The figures; nothing of a trade that never held anything.
    #[must_use]
    pub fn findings(&self) -> Option<Findings> {
        let (begin, end) = self.held_between()?;
        let (mid, best, worst) = self.side(|point| point.mid)?;
        let (bid, ..) = self.side(|point| point.bid)?;
        Some(Findings {
            mid,
            bid,
            mfe_at: best,
            mae_at: worst,
            coverage_pct: self.coverage((begin, end), |point| point.mid.is_some()),
            own_coverage_pct: self.coverage((begin, end), |point| point.mid.is_some() && point.from == Origin::Own),
        })
    }

    /// From the first purchase to the last sale.
    fn held_between(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let begin = self.executions.iter().find(|part| part.side == Side::Buy)?.at;
        let end = self.executions.iter().rev().find(|part| part.side == Side::Sell)?.at;
        (end >= begin).then_some((begin, end))
    }

    /// The figures at one kind of mark, and when the best and the worst were.
    fn side(&self, pick: Pick) -> Option<(Figures, When, When)> {
        let (begin, end) = self.held_between()?;
        let cost = self.turnover(Side::Buy, end);
        if cost.is_zero() {
            return None;
        }
        let of_cost = |value: Decimal| (value * Decimal::ONE_HUNDRED / cost).round_dp(DIGITS);
        let path = self.path(pick, (begin, end));
        let best = path.iter().max_by_key(|(at, worth)| (*worth, std::cmp::Reverse(*at)));
        let worst = path.iter().min_by_key(|(at, worth)| (*worth, *at));
        let mfe = best.map(|(_, worth)| *worth).filter(|worth| *worth > Decimal::ZERO);
        let mae = worst.map(|(_, worth)| -*worth).filter(|loss| *loss > Decimal::ZERO);
        let result = self.turnover(Side::Sell, end) - cost;
        let figures = Figures {
            pnl_15m: self.after(pick, begin + TimeDelta::minutes(15), end),
            pnl_1h: self.after(pick, begin + TimeDelta::hours(1), end),
            mfe_pct: Some(of_cost(mfe.unwrap_or_default())),
            mae_pct: Some(of_cost(mae.unwrap_or_default())),
            exit_efficiency_pct: mfe.map(|mfe| (result * Decimal::ONE_HUNDRED / mfe).round_dp(DIGITS)),
            post_exit_mfe_pct: self.afterwards(pick, end).map(of_cost),
        };
        let at = |found: Option<&(DateTime<Utc>, Decimal)>| found.map(|(at, _)| *at);
        Some((figures, at(best).filter(|_| mfe.is_some()), at(worst).filter(|_| mae.is_some())))
    }

    /// The worth at every mark and at every fill.
    fn path(&self, pick: Pick, (begin, end): (DateTime<Utc>, DateTime<Utc>)) -> Vec<(DateTime<Utc>, Decimal)> {
        let inside = self.points.iter().filter(|point| point.at >= begin && point.at <= end);
        let marks = inside.filter_map(|point| pick(point).map(|mark| (point.at, self.worth(point.at, mark))));
        let fills = self.executions.iter().map(|part| (part.at, self.worth(part.at, part.price)));
        marks.chain(fills).collect()
    }

    /// What the trade was worth at an instant: its rest at this mark.
    fn worth(&self, at: DateTime<Utc>, mark: Decimal) -> Decimal {
        let rest = Decimal::from(self.held(at)) * mark * Decimal::from(self.multiplier);
        self.turnover(Side::Sell, at) + rest - self.turnover(Side::Buy, at)
    }

    fn held(&self, at: DateTime<Utc>) -> i64 {
        let until = self.executions.iter().filter(|part| part.at <= at);
        until.fold(0, |held, part| match part.side {
            Side::Buy => held + i64::from(part.quantity),
            Side::Sell => held - i64::from(part.quantity),
        })
    }

    /// What was paid or brought until an instant, in money.
    fn turnover(&self, side: Side, at: DateTime<Utc>) -> Decimal {
        let until = self.executions.iter().filter(|part| part.side == side && part.at <= at);
        let value: Decimal = until.map(|part| Decimal::from(part.quantity) * part.price).sum();
        value * Decimal::from(self.multiplier)
    }

    /// The worth at an instant after the entry; once everything is sold, what it brought.
    fn after(&self, pick: Pick, at: DateTime<Utc>, end: DateTime<Utc>) -> Option<Decimal> {
        if at >= end {
            return Some(self.worth(end, Decimal::ZERO));
        }
        let known = self.points.iter().rev().find(|point| point.at <= at && pick(point).is_some())?;
        let fresh = at - known.at <= self.interval * 2;
        pick(known).filter(|_| fresh).map(|mark| self.worth(at, mark).round_dp(DIGITS))
    }

    /// What the best mark after the exit would have brought more.
    fn afterwards(&self, pick: Pick, end: DateTime<Utc>) -> Option<Decimal> {
        let sold: u32 = self.executions.iter().filter(|part| part.side == Side::Sell).map(|part| part.quantity).sum();
        let later = self.points.iter().filter(|point| point.at > end && point.at <= end + AFTERWARDS);
        let best = later.filter_map(pick).max()?;
        let would = Decimal::from(sold) * best * Decimal::from(self.multiplier);
        Some((would - self.turnover(Side::Sell, end)).max(Decimal::ZERO))
    }

    /// Percent of the market's time in which a mark of this kind was at most two intervals old.
    fn coverage(&self, (begin, end): (DateTime<Utc>, DateTime<Utc>), counts: impl Fn(&Point) -> bool) -> Decimal {
        let spans: Vec<_> = self
            .sessions
            .iter()
            .map(|(open, close)| ((*open).max(begin), (*close).min(end)))
            .filter(|(from, to)| from < to)
            .collect();
        let total: i64 = spans.iter().map(|(from, to)| (*to - *from).num_milliseconds()).sum();
        if total == 0 {
            // Bought and sold in one moment, or while the market was closed: nothing is missing.
            return Decimal::ONE_HUNDRED;
        }
        let reach = self.interval * 2;
        let mut covered = 0;
        for (from, to) in spans {
            let mut known_until = from;
            for point in self.points.iter().filter(|point| counts(point) && point.at + reach > from && point.at < to) {
                let (start, stop) = (point.at.max(known_until), (point.at + reach).min(to));
                covered += (stop - start).num_milliseconds().max(0);
                known_until = known_until.max(stop);
            }
        }
        (Decimal::from(covered) * Decimal::ONE_HUNDRED / Decimal::from(total)).round_dp(2)
    }
}

#[cfg(test)]
mod tests;
