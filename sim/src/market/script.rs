//! Prices by decree: a share that is moved from a moment on, a contract whose market is pinned.

use serde::{Deserialize, Serialize};

use super::model::Market;
use super::round::float;
use crate::core::{Contract, Symbol, Touch};
use crate::time::Ms;

/// A move of an underlying, in logarithms, that grows from `from` over `over_ms` and then stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shift {
    pub(crate) index: usize,
    pub(crate) from: Ms,
    pub(crate) over_ms: i64,
    pub(crate) log: f64,
}

/// A market that stands still for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pinned {
    pub(crate) touch: Touch,
    pub(crate) from: Ms,
    pub(crate) until: Ms,
}

impl Pinned {
    pub(crate) fn covers(&self, now: Ms) -> bool {
        self.from <= now && now < self.until
    }
}

impl Market {
    /// The moves so far, for a state file.
    pub(crate) fn shifts(&self) -> Vec<Shift> {
        self.shifts.clone()
    }

    /// Takes the moves of a state file.
    pub(crate) fn restore(&mut self, shifts: Vec<Shift>) {
        self.shifts = shifts;
        self.changes += 1;
    }

    /// Moves an underlying by `percent` from `now` on, evenly over `over_ms`. False when there is no such underlying.
    pub fn push(&mut self, symbol: &Symbol, percent: f64, (now, over_ms): (Ms, i64)) -> bool {
        let Some(index) = self.index(symbol) else { return false };
        let log = (1.0 + percent / 100.0).max(0.01).ln();
        self.shifts.push(Shift { index, from: now, over_ms, log });
        self.forget_days(index);
        self.changes += 1;
        true
    }

    /// Moves an underlying to a price, from what it would be at the end of the move. False when there is no such underlying.
    pub fn push_to(&mut self, symbol: &Symbol, price: f64, (now, over_ms): (Ms, i64)) -> bool {
        let Some(index) = self.index(symbol) else { return false };
        let then = self.spot(index, now.plus(over_ms));
        then > 0.0 && price > 0.0 && self.push(symbol, (price / then - 1.0) * 100.0, (now, over_ms))
    }

    /// Moves the underlying of a contract so that the contract is worth `price` when the move ends. False when no price
    /// of the underlying between a third and three times its own does that.
    pub fn push_option_to(&mut self, contract: &Contract, price: f64, (now, over_ms): (Ms, i64)) -> bool {
        let Some(listed) = self.listed(&contract.occ()) else { return false };
        let index = listed.index;
        let then = now.plus(over_ms);
        let (spot, fear) = (self.spot(index, then), self.fear_at(then));
        let worth = |s: f64| self.terms_at(&listed, (s, fear, then)).price();
        let rising = contract.right == crate::core::Right::Call;
        let (mut low, mut high) = (spot / 3.0, spot * 3.0);
        for _ in 0..60 {
            let mid = f64::midpoint(low, high);
            if (worth(mid) < price) == rising { low = mid } else { high = mid }
        }
        let found = f64::midpoint(low, high);
        let reached = (worth(found) - price).abs() < 0.05 + price * 0.01;
        let symbol = self.underlying(index).map(|u| u.symbol.clone());
        reached && symbol.is_some_and(|s| self.push_to(&s, found, (now, over_ms)))
    }

    /// Pins a contract's market until a moment.
    pub fn pin(&mut self, symbol: &Symbol, touch: Touch, (from, until): (Ms, Ms)) {
        self.pinned.insert(symbol.clone(), Pinned { touch, from, until });
        self.changes += 1;
    }
}

/// The factor that moves put on a price at a moment.
pub(super) fn factor_of(shifts: &[Shift], now: Ms) -> f64 {
    let begun = shifts.iter().filter(|s| now > s.from);
    begun.map(|s| s.log * (float(now.since(s.from)) / float(s.over_ms.max(1))).min(1.0)).sum::<f64>().exp()
}
