//! Doing what a script or a test says.

use rust_decimal::prelude::ToPrimitive;

use crate::app::Sim;
use crate::clock::Pace;
use crate::core::{AccountId, Contract, Kind, OrderId, Settings, Side, Symbol, Touch};
use crate::market::SharedMarket;
use crate::scenario::{Act, ActKind};
use crate::time::Ms;

impl Sim {
    /// Does an act now. `order` is what set it off, when something did.
    pub(crate) fn act(&mut self, act: &Act, order: Option<OrderId>) -> Result<(), String> {
        act.check()?;
        self.note_control(serde_json::to_string(act).unwrap_or_default());
        let now = self.now();
        let until = now.plus(act.for_ms);
        let reason = act.reason.clone().unwrap_or_else(|| "Routing timeout".to_owned());
        match act.kind {
            ActKind::Fault => {
                if let Some(fault) = act.fault.clone() {
                    self.faults.add(fault);
                }
            }
            ActKind::ClearFaults => self.faults.clear(),
            ActKind::Price => return self.move_price(act, now),
            ActKind::Pin => self.pin(act, (now, until)),
            ActKind::ReachTarget | ActKind::ReachStop => return self.reach(act, order),
            ActKind::Vanish => {
                let id = self.bracket(act, order)?;
                self.engine.cancel_outright(id, &reason);
            }
            ActKind::CancelBrackets => {
                for account in self.chosen(act) {
                    self.engine.cancel_brackets(&account, &reason);
                }
            }
            ActKind::HideOrders => {
                for account in self.chosen(act) {
                    self.engine.hide_orders(&account, until);
                }
            }
            ActKind::OutsideTrade | ActKind::MovePosition | ActKind::Wipe => return self.in_accounts(act, &reason),
            ActKind::Settings => return self.turn_knobs(act),
            ActKind::Skip => {
                let wall = crate::clock::machine_time();
                let target = self.now().plus(act.over_ms);
                self.engine.advance_to(target);
                let pace: Pace = self.clock.pace();
                self.clock.set(pace, wall, target);
            }
        }
        Ok(())
    }

    /// The accounts that an act means: the one it names, or all.
    fn chosen(&self, act: &Act) -> Vec<AccountId> {
        let all = self.engine.accounts().map(|a| a.opening.number.clone());
        all.filter(|n| act.account.as_ref().is_none_or(|a| a == n)).collect()
    }

    fn in_accounts(&mut self, act: &Act, reason: &str) -> Result<(), String> {
        let symbol = act.symbol.clone().unwrap_or_default();
        let quantity = act.quantity.unwrap_or(1);
        let accounts = self.chosen(act);
        if accounts.is_empty() {
            return Err("account: there is no such account".to_owned());
        }
        for account in accounts {
            let side = act.side.unwrap_or(Side::SellToClose);
            let done = if act.kind == ActKind::OutsideTrade {
                self.engine.outside_trade(&account, side, &symbol, quantity).map(drop)
            } else if act.kind == ActKind::MovePosition {
                self.engine.move_position(&account, &symbol, quantity, reason)
            } else {
                self.engine.wipe(&account)
            };
            done.map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn move_price(&mut self, act: &Act, now: Ms) -> Result<(), String> {
        let symbol = Symbol::new(act.symbol.as_deref().unwrap_or_default());
        let when = (now, act.over_ms);
        let mut market = self.market.lock();
        let done = match (Contract::parse(symbol.as_str()), act.percent, act.price) {
            (Some(contract), _, Some(price)) => market.push_option_to(&contract, price, when),
            (Some(_), _, None) => return Err("percent: a contract is moved to a price".to_owned()),
            (None, _, Some(price)) => market.push_to(&symbol, price, when),
            (None, Some(percent), None) => market.push(&symbol, percent, when),
            (None, None, None) => false,
        };
        if done { Ok(()) } else { Err(format!("symbol: {symbol} cannot be moved there")) }
    }

    fn pin(&mut self, act: &Act, span: (Ms, Ms)) {
        let symbol = Symbol::new(act.symbol.as_deref().unwrap_or_default());
        let (bid, ask) = (act.bid.unwrap_or_default(), act.ask.unwrap_or_default());
        let size = |price: rust_decimal::Decimal| if price.is_zero() { 0 } else { act.quantity.unwrap_or(100) };
        let touch = Touch { bid, ask, bid_size: size(bid), ask_size: size(ask), last: bid.max(ask) };
        let until = if span.0 == span.1 { Ms(i64::MAX) } else { span.1 };
        self.market.lock().pin(&symbol, touch, (span.0, until));
    }

    fn bracket(&self, act: &Act, order: Option<OrderId>) -> Result<OrderId, String> {
        let live = |id: &OrderId| self.engine.all_orders().any(|o| o.id == *id && !o.status.is_final());
        let named = act.order.map(OrderId);
        named.or(order.filter(live)).or_else(|| self.any_bracket()).ok_or_else(|| "order: no bracket works".to_owned())
    }

    /// Moves the market to a bracket's target or stop, a little beyond.
    fn reach(&mut self, act: &Act, order: Option<OrderId>) -> Result<(), String> {
        let id = self.bracket(act, order)?;
        let wants_stop = act.kind == ActKind::ReachStop;
        let legs: Vec<_> = self.engine.all_orders().filter(|o| o.parent() == Some(id)).cloned().collect();
        let leg = legs
            .iter()
            .find(|l| l.kind.is_some_and(Kind::has_stop) == wants_stop)
            .ok_or("order: the bracket has no such side")?;
        let level = leg.price.filter(|_| !wants_stop).or(leg.stop).and_then(|p| p.to_f64()).unwrap_or(0.0);
        let rises = leg.side.is_some_and(Side::buys) == wants_stop;
        let beyond = if rises { level * 1.06 + 0.05 } else { (level * 0.92 - 0.03).max(0.01) };
        let world = self.engine.account(&leg.account).map(|a| a.opening.world).map_err(|e| e.to_string())?;
        // The sandbox sees the market of a quarter of an hour ago, so that is where it is moved.
        let seen = world.view(self.now());
        let market: SharedMarket = self.market.clone();
        let mut market = market.lock();
        let done = match &leg.contract {
            Some(contract) => market.push_option_to(contract, beyond, (seen, act.over_ms)),
            None => market.push_to(&leg.symbol, beyond, (seen, act.over_ms)),
        };
        if done { Ok(()) } else { Err(format!("order: no price of {} brings it there", leg.symbol)) }
    }

    fn turn_knobs(&mut self, act: &Act) -> Result<(), String> {
        let Some(changes) = &act.settings else { return Ok(()) };
        let mut all = serde_json::to_value(self.engine.settings()).map_err(|e| e.to_string())?;
        if let Some(map) = all.as_object_mut() {
            map.extend(changes.clone());
        }
        let settings: Settings = serde_json::from_value(all).map_err(|e| format!("settings: {e}"))?;
        *self.engine.settings_mut() = settings;
        Ok(())
    }
}
