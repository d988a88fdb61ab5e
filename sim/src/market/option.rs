//! One option at a moment: its worth, its market, its greeks.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::black::{Greeks, Terms};
use super::model::{Listed, Market};
use super::round::{Toward, float, to_tick};
use super::universe::OptionClass;
use crate::calendar::{self, Session};
use crate::core::{Contract, Right, Symbol, Touch};
use crate::rng::{at, key, unit};
use crate::time::{MINUTE, Ms, SECOND};

/// Milliseconds in a year.
const YEAR: f64 = 365.25 * 24.0 * 3_600_000.0;

/// An option as the model sees it.
#[derive(Clone, Copy, Debug)]
pub struct OptionView {
    pub(crate) terms: Terms,
    /// Both sides, size and last.
    pub touch: Touch,
    /// The model's worth, unrounded.
    pub worth: f64,
}

impl OptionView {
    /// The sensitivities at the model's volatility.
    #[must_use]
    pub fn greeks(&self) -> Greeks {
        self.terms.greeks()
    }

    /// The model's volatility.
    #[must_use]
    pub fn volatility(&self) -> f64 {
        self.terms.vol
    }

    /// The underlying's price that it was computed from.
    #[must_use]
    pub fn spot(&self) -> f64 {
        self.terms.spot
    }

    /// The volatility that a price implies; 0 when none does.
    #[must_use]
    pub fn implied(&self, price: Decimal) -> f64 {
        use rust_decimal::prelude::ToPrimitive;
        self.terms.implied(price.to_f64().unwrap_or(0.0))
    }
}

impl Market {
    /// The contract of a symbol, if it is listed: a known root, a strike on the ladder, an expiry that its ladder has.
    pub fn contract(&mut self, symbol: &Symbol) -> Option<Contract> {
        self.listed(symbol).map(|l| l.contract.clone())
    }

    pub(super) fn listed(&mut self, symbol: &Symbol) -> Option<Arc<Listed>> {
        if let Some(known) = self.contracts.get(symbol) {
            return known.clone();
        }
        let found = Contract::parse(symbol.as_str()).filter(|c| self.is_listed(c)).and_then(|c| self.list(c));
        if self.contracts.len() > 50_000 {
            self.contracts.clear();
        }
        self.contracts.insert(symbol.clone(), found.clone());
        found
    }

    fn list(&self, contract: Contract) -> Option<Arc<Listed>> {
        let index = self.option_index(&contract)?;
        let symbol = contract.occ();
        let noise = key(self.seed, symbol.as_str());
        Some(Arc::new(Listed { end: option_end(&contract), symbol, index, noise, contract }))
    }

    /// An option at `now`; outside the session, as it stood when the last one ended. `None` after its end.
    pub fn option(&mut self, symbol: &Symbol, now: Ms) -> Option<OptionView> {
        let listed = self.listed(symbol)?;
        self.view(&listed, now)
    }

    pub(super) fn view(&mut self, listed: &Listed, now: Ms) -> Option<OptionView> {
        if now >= listed.end {
            return None;
        }
        let (seen, session) = self.trading_moment(now);
        let (spot, fear) = (self.spot(listed.index, seen), self.fear_at(seen));
        let terms = self.terms_at(listed, (spot, fear, seen));
        let mut view = OptionView { terms, touch: Touch::default(), worth: terms.price() };
        view.touch = self.option_touch(listed, (&view, fear), (seen, &session));
        Some(view)
    }

    /// The underlying of a contract.
    pub(super) fn option_index(&self, contract: &Contract) -> Option<usize> {
        self.index(&contract.underlying())
    }

    /// `now` during a session, else the moment at which the last session ended; and that session.
    pub(super) fn trading_moment(&mut self, now: Ms) -> (Ms, Session) {
        let (number, session) = self.session_of(now);
        if now < session.open {
            let before = self.days.get(number - 1);
            return (before.close.plus(-1), before);
        }
        (now.min(session.close.plus(-1)), session)
    }

    pub(super) fn terms(&mut self, listed: &Listed, now: Ms) -> Terms {
        let (spot, fear) = (self.spot(listed.index, now), self.fear_at(now));
        self.terms_at(listed, (spot, fear, now))
    }

    pub(super) fn terms_at(&self, listed: &Listed, (spot, fear, now): (f64, f64, Ms)) -> Terms {
        let life = float(listed.end.since(now).max(0)) / YEAR;
        let strike = f64::from(listed.contract.strike_mils) / 1_000.0;
        let vol = self.surface(listed.index, fear, (spot, strike, life));
        Terms { spot, strike, life, vol, call: listed.contract.right == Right::Call }
    }

    fn option_touch(&self, listed: &Listed, (view, fear): (&OptionView, f64), (now, session): (Ms, &Session)) -> Touch {
        if let Some(pin) = self.pinned.get(&listed.symbol).filter(|p| p.covers(now)) {
            return pin.touch;
        }
        let class = self.underlying(listed.index).map_or(OptionClass::Penny, |u| u.options);
        let half = self.half_spread(listed.index, view.worth, now.since(session.open));
        let lean = (unit(at(listed.noise, (now.0 / (3 * SECOND)).cast_unsigned())) - 0.5) * half * 0.5;
        let mid = (view.worth + lean).max(0.0);
        let tick = |price: f64| tick_mils(class, price);
        let low = (mid - half).max(0.0);
        let bid = to_tick(low, tick(low), Toward::Below);
        let ask = to_tick(mid + half, tick(mid + half), Toward::Above).max(bid + Decimal::new(tick(low), 3));
        let size = |salt: i64| {
            i64::try_from(at(listed.noise ^ 0x51, (now.0 / SECOND * 2 + salt).cast_unsigned()) % 180).unwrap_or(0) + 3
        };
        let bid_size = if bid.is_zero() { 0 } else { size(0) };
        // The session's last trade is its closing price.
        let over = now.plus(1) >= session.close;
        let print = print_moment(listed.noise, now, session);
        let last =
            if over { super::option_bars::printed(class, view.worth) } else { self.last_print(listed, fear, print) };
        Touch { bid, ask, bid_size, ask_size: size(1), last }
    }

    /// Half the distance of the two sides: tight in what everybody trades, wide right after the open and far from the money.
    fn half_spread(&self, index: usize, price: f64, since_open: i64) -> f64 {
        let volume = self.underlying(index).map_or(1e6, |u| if u.volume > 0.0 { u.volume } else { 3e7 });
        let thin = (3e7 / volume).powf(0.25).clamp(0.7, 3.0);
        let early = if since_open < 2 * MINUTE {
            3.5
        } else if since_open < 10 * MINUTE {
            1.6
        } else {
            1.0
        };
        (0.004 + 0.007 * price.min(3.0) + 0.004 * (price - 3.0).max(0.0)) * thin * early
    }

    /// The last trade: the worth at a recent moment.
    fn last_print(&self, listed: &Listed, fear: f64, printed: Ms) -> Decimal {
        let class = self.underlying(listed.index).map_or(OptionClass::Penny, |u| u.options);
        let Some(day) = self.cached_day(listed.index, printed) else { return Decimal::ZERO };
        super::option_bars::printed(class, self.terms_at(listed, (day.at(printed), fear, printed)).price())
    }
}

/// When an option last traded.
pub(super) fn print_moment(noise: u64, now: Ms, session: &Session) -> Ms {
    let period = (4 + i64::try_from(noise % 40).unwrap_or(0)) * SECOND;
    Ms(now.0 - now.0 % period).max(session.open)
}

/// The end of a contract's life: the close of its last day.
pub(super) fn option_end(contract: &Contract) -> Ms {
    Ms::at_et(contract.expiry, if calendar::closes_early(contract.expiry) { 13 } else { 16 }, 0)
}

/// The step of price in thousandths of a dollar.
pub(super) fn tick_mils(class: OptionClass, price: f64) -> i64 {
    match class {
        OptionClass::Penny | OptionClass::Unlisted => 10,
        OptionClass::Nickel | OptionClass::Index | OptionClass::Vix => {
            if price < 3.0 {
                50
            } else {
                100
            }
        }
    }
}
