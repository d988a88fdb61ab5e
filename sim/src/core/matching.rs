//! Meeting the market: stops are touched, limits are reached, size runs out, fills are booked.

use rust_decimal::Decimal;

use super::agenda::Due;
use super::engine::Engine;
use super::feed::Touch;
use super::ids::{OrderId, Symbol};
use super::ledger::Fact;
use super::order::{Kind, Order, Role, Side, Status};
use super::settings::{StopTrigger, Switch, World};

impl Engine {
    /// Lets every working order meet the market once.
    pub(super) fn match_working(&mut self) {
        let working: Vec<OrderId> = self.book.working.iter().copied().collect();
        for id in working {
            self.meet_market(id);
        }
    }

    /// Lets one working order meet the market as it is now.
    pub(super) fn meet_market(&mut self, id: OrderId) {
        let Some(order) = self.book.orders.get(&id) else { return };
        if !order.inner.armed || order.status.is_final() || !self.trades_now(order.duration) {
            return;
        }
        if order.role == Role::Parent {
            self.meet_as_package(id);
            return;
        }
        let Some(side) = order.side else { return };
        let world = self.world_of(order);
        let instrument = order.instrument.clone();
        let Some(touch) = self.touch(world, &instrument) else { return };
        self.touch_stop(id, &touch);
        if let Some(price) = self.book.orders.get(&id).and_then(|o| price_now(o, &touch)) {
            let size = if side.buys() { touch.ask_size } else { touch.bid_size };
            self.fill_up_to(id, size, price);
        }
        if let Some(order) = self.book.orders.get_mut(&id) {
            order.inner.rested = true;
        }
    }

    pub(super) fn world_of(&self, order: &Order) -> World {
        self.book.accounts.get(&order.account).map_or(World::Live, |a| a.opening.world)
    }

    fn touch_stop(&mut self, id: OrderId, touch: &Touch) {
        let trigger = self.book.settings.stop_trigger;
        let Some(order) = self.book.orders.get_mut(&id) else { return };
        if !order.inner.triggered && stop_is_touched(order, touch, trigger) {
            order.inner.triggered = true;
            self.note(Fact::Triggered { order: id });
        }
    }

    fn fill_up_to(&mut self, id: OrderId, size: i64, price: Decimal) {
        let Some(order) = self.book.orders.get(&id) else { return };
        let (Some(side), instrument) = (order.side, order.instrument.clone()) else { return };
        let wanted = order.unfilled().min(self.closable(order, side));
        if wanted <= 0 {
            self.reject_orphan(id);
            return;
        }
        let free = self.free_size(&instrument, side, size);
        let quantity = wanted.min(free);
        if quantity > 0 {
            *self.taken.entry((instrument, side.buys())).or_default() += quantity;
            self.execute(id, quantity, price);
        }
    }

    /// A closing order never trades more than there is to close.
    fn closable(&self, order: &Order, side: Side) -> i64 {
        if !side.closes() || self.book.settings.cross_zero == Switch::Off {
            return order.unfilled();
        }
        let held = self.book.accounts.get(&order.account).map_or(0, |a| a.held(&order.instrument));
        if side.buys() { -held } else { held }
    }

    /// A closing order whose position went away is refused when it would trade, unless its cancel is on the way.
    fn reject_orphan(&mut self, id: OrderId) {
        let Some(order) = self.book.orders.get(&id) else { return };
        let head = self.head(id);
        let sibling_filled =
            self.members(head).into_iter().filter(|m| *m != id).filter_map(|m| self.book.orders.get(&m));
        let decided = sibling_filled.filter(|o| o.side.is_some_and(Side::closes)).any(|o| o.status == Status::Filled);
        if decided || order.inner.cancel_sent {
            return;
        }
        let reason = super::refusal::CROSS_ZERO.to_owned();
        self.set_status(id, Status::Rejected, Some(reason));
        if head != id {
            self.cancel_siblings(head, id);
        }
    }

    fn free_size(&mut self, instrument: &Symbol, side: Side, size: i64) -> i64 {
        if self.book.settings.partial_fills == Switch::Off {
            return i64::MAX;
        }
        if self.taken_at != self.book.now {
            self.taken_at = self.book.now;
            self.taken.clear();
        }
        let taken = self.taken.get(&(instrument.clone(), side.buys())).copied().unwrap_or(0);
        (size - taken).max(0)
    }

    /// Books an execution: order, position, cash, ledger, and what it means for the group.
    pub(super) fn execute(&mut self, id: OrderId, quantity: i64, price: Decimal) {
        let now = self.book.now;
        let hidden_until = self.draw_price_lag();
        let Some(order) = self.book.orders.get_mut(&id) else { return };
        let Some(side) = order.side else { return };
        let first = order.executed == 0;
        order.executed += quantity;
        order.traded += price * Decimal::from(quantity);
        order.last_price = price;
        order.last_quantity = quantity;
        order.changed = now;
        order.inner.price_hidden_until = hidden_until;
        let complete = order.unfilled() == 0;
        self.book_trade(id, (side, quantity, price), first);
        if hidden_until > now {
            self.book.agenda.add(hidden_until, Due::Reveal(id));
        }
        if complete {
            self.set_status(id, Status::Filled, None);
        } else if self.book.orders.get(&id).is_some_and(|o| o.status == Status::PartiallyFilled) {
            self.notify(id);
        } else {
            self.set_status(id, Status::PartiallyFilled, None);
        }
        self.group_after_fill(id, quantity);
    }

    fn draw_price_lag(&mut self) -> crate::time::Ms {
        let late = self.book.chance.price.chance(self.book.settings.price_lag_chance);
        if late { self.later(self.book.settings.price_lag_ms, |c| &mut c.price) } else { self.book.now }
    }

    fn book_trade(&mut self, id: OrderId, (side, quantity, price): (Side, i64, Decimal), first: bool) {
        let now = self.book.now;
        let shown_until = self.later(self.book.settings.position_lag_ms, |c| &mut c.position);
        let Some(order) = self.book.orders.get(&id) else { return };
        let commission = commission(order, &self.book.settings, self.world_of(order), (quantity, first));
        let signed = if side.buys() { quantity } else { -quantity };
        let paid = price * Decimal::from(signed) * order.multiplier();
        let cash = -paid - commission;
        let (account, symbol) = (order.account.clone(), order.instrument.clone());
        let Some(holder) = self.book.accounts.get_mut(&account) else { return };
        holder.lag_positions(now, shown_until);
        holder.trade(&symbol, signed, paid, now);
        holder.cash += cash;
        holder.history.push(super::account::HistoryItem {
            at: now,
            amount: cash,
            kind: "trade".to_owned(),
            option_type: None,
            symbol: symbol.clone(),
            quantity: signed,
            price,
            commission,
            description: format!("{} {symbol}", if side.buys() { "Bought" } else { "Sold" }),
        });
        self.note(Fact::Fill { account, order: id, symbol, side, quantity, price, commission, cash });
    }
}

/// What an execution costs: nothing in the sandbox.
fn commission(
    order: &Order,
    settings: &super::settings::Settings,
    world: World,
    (quantity, first): (i64, bool),
) -> Decimal {
    match (world, order.contract.is_some()) {
        (World::Sandbox, _) => Decimal::ZERO,
        (World::Live, true) => settings.option_commission * Decimal::from(quantity),
        (World::Live, false) if first => settings.equity_commission,
        (World::Live, false) => Decimal::ZERO,
    }
}

/// The price at which an order trades against a touch, if it does. What rested waits for its own price; what arrives
/// takes what is there.
fn price_now(order: &Order, touch: &Touch) -> Option<Decimal> {
    let buys = order.side?.buys();
    let there = if buys { touch.ask } else { touch.bid };
    if there.is_zero() || (order.kind?.has_stop() && !order.inner.triggered) {
        return None;
    }
    let limit = match order.kind? {
        Kind::Limit | Kind::StopLimit => order.price?,
        Kind::Market | Kind::Stop | Kind::Debit | Kind::Credit | Kind::Even => return Some(there),
    };
    let reached = if buys { there <= limit } else { there >= limit };
    reached.then_some(if order.inner.rested { limit } else { there })
}

fn stop_is_touched(order: &Order, touch: &Touch, trigger: StopTrigger) -> bool {
    let (Some(stop), Some(side)) = (order.stop.filter(|_| order.kind.is_some_and(Kind::has_stop)), order.side) else {
        return false;
    };
    let buys = side.buys();
    let seen = match (trigger, order.contract.is_some()) {
        (StopTrigger::Last, _) | (_, false) => touch.last,
        (StopTrigger::Mid, true) => touch.mid(),
        (StopTrigger::Side, true) if buys => touch.ask,
        (StopTrigger::Side, true) => touch.bid,
    };
    if seen.is_zero() {
        return false;
    }
    if buys { seen >= stop } else { seen <= stop }
}
