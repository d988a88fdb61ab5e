//! A feed whose prices stand where they are put: for tests and for other people's simulations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::feed::{Feed, Touch};
use super::ids::Symbol;
use crate::time::Ms;

/// Prices by symbol. A clone is another handle on the same prices, so a test keeps one and moves them.
#[derive(Clone, Debug, Default)]
pub struct FixedFeed {
    prices: Arc<Mutex<BTreeMap<Symbol, Touch>>>,
}

impl FixedFeed {
    /// Sets both sides, with plenty of size. Text that is no number counts as 0: no such side.
    pub fn set(&self, symbol: &str, bid: &str, ask: &str) {
        let (bid, ask) = (bid.parse().unwrap_or_default(), ask.parse().unwrap_or_default());
        let last = if bid > Decimal::ZERO { bid } else { ask };
        self.put(symbol, Touch { bid, ask, bid_size: 1_000_000, ask_size: 1_000_000, last });
    }

    /// Sets everything.
    pub fn put(&self, symbol: &str, touch: Touch) {
        self.prices.lock().unwrap_or_else(PoisonError::into_inner).insert(Symbol::new(symbol), touch);
    }
}

impl Feed for FixedFeed {
    fn touch(&mut self, symbol: &Symbol, _at: Ms) -> Option<Touch> {
        self.prices.lock().unwrap_or_else(PoisonError::into_inner).get(symbol).copied()
    }

    fn settlement(&mut self, underlying: &Symbol, _day: NaiveDate) -> Option<Decimal> {
        self.touch(underlying, Ms(0)).map(|t| t.last)
    }

    fn is_index(&self, symbol: &Symbol) -> bool {
        matches!(symbol.as_str(), "SPX" | "VIX" | "NDX" | "RUT" | "XSP")
    }

    fn tick(&self, _symbol: &Symbol, _price: Decimal) -> Decimal {
        Decimal::new(1, 2)
    }
}
