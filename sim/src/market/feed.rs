//! The market as the engine's feed. Server and engine share one market behind a lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::model::Market;
use super::option::tick_mils;
use super::round::{Toward, to_tick};
use super::universe::AssetKind;
use crate::calendar;
use crate::core::{Contract, Feed, Symbol, Touch};
use crate::time::Ms;

/// A handle on a market; clones share it.
#[derive(Clone, Debug)]
pub struct SharedMarket(Arc<Mutex<Market>>);

impl SharedMarket {
    /// Shares a market.
    #[must_use]
    pub fn new(market: Market) -> Self {
        Self(Arc::new(Mutex::new(market)))
    }

    /// The market itself, for as long as the guard lives. A panic of another holder does not poison it: every answer is
    /// computed anew.
    pub fn lock(&self) -> MutexGuard<'_, Market> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed for SharedMarket {
    fn touch(&mut self, symbol: &Symbol, at: Ms) -> Option<Touch> {
        self.lock().touch(symbol, at)
    }

    fn settlement(&mut self, underlying: &Symbol, day: NaiveDate) -> Option<Decimal> {
        let mut market = self.lock();
        let index = market.index(underlying)?;
        let session = calendar::session(day).unwrap_or_else(|| calendar::previous_session(day));
        Some(to_tick(market.spot(index, session.close), 10, Toward::Nearest))
    }

    fn is_index(&self, symbol: &Symbol) -> bool {
        let market = self.lock();
        let index = market.index(symbol);
        index.and_then(|i| market.underlying(i)).is_some_and(|u| u.kind == AssetKind::Index)
    }

    fn tick(&self, symbol: &Symbol, price: Decimal) -> Decimal {
        use rust_decimal::prelude::ToPrimitive;
        let market = self.lock();
        let Some(contract) = Contract::parse(symbol.as_str()) else {
            return Decimal::new(1, if price < Decimal::ONE { 4 } else { 2 });
        };
        let class = market.option_index(&contract).and_then(|i| market.underlying(i)).map(|u| u.options);
        class.map_or(Decimal::new(1, 2), |c| Decimal::new(tick_mils(c, price.to_f64().unwrap_or(0.0)), 3))
    }
}

impl Market {
    /// Both sides of the market in a share or contract.
    pub fn touch(&mut self, symbol: &Symbol, at: Ms) -> Option<Touch> {
        if let Some(index) = self.index(symbol) {
            return Some(self.share_touch(index, at));
        }
        self.option(symbol, at).map(|view| view.touch)
    }
}
