//! Orders that know each other: OCO siblings, entries that bring exits to life, packages that trade as one.

use rust_decimal::Decimal;

use super::agenda::Due;
use super::engine::Engine;
use super::ids::OrderId;
use super::order::{Class, Kind, Order, Role, Side, Status};
use super::settings::{Sibling, Switch};
use super::ticket::Ticket;

impl Engine {
    /// What a leg's execution means for its group.
    pub(super) fn group_after_fill(&mut self, id: OrderId, quantity: i64) {
        let Some(order) = self.book.orders.get(&id) else { return };
        let (index, complete) = (order.leg_index(), order.status == Status::Filled);
        let Some(parent) = order.parent() else { return };
        let Some(class) = self.book.orders.get(&parent).map(|p| p.class) else { return };
        let entry = index == 0 && matches!(class, Class::Oto | Class::Otoco);
        match (class, entry, complete) {
            (_, true, true) => {
                let at = self.later(self.book.settings.activate_ms, |c| &mut c.activate);
                self.book.agenda.add(at, Due::Activate(parent));
            }
            (Class::Oco | Class::Otoco, false, true) => {
                let at = self.later(self.book.settings.sibling_ms, |c| &mut c.sibling);
                self.book.agenda.add(at, Due::Sibling { parent, keep: id });
            }
            (Class::Oco | Class::Otoco, false, false) => self.sibling_after_partial(parent, id, quantity),
            (Class::Oto, false, true) => self.plan_parent(parent),
            _ => {}
        }
    }

    fn sibling_after_partial(&mut self, parent: OrderId, filled: OrderId, quantity: i64) {
        match self.sibling_rule() {
            Sibling::Cancels => self.cancel_siblings(parent, filled),
            Sibling::Shrinks => {
                for other in self.exits(parent).into_iter().filter(|o| *o != filled) {
                    if let Some(order) = self.book.orders.get_mut(&other).filter(|o| !o.status.is_final()) {
                        order.quantity = (order.quantity - quantity).max(order.executed);
                    }
                }
            }
        }
    }

    /// The legs that leave a position: all of an OCO, all but the entry of an OTO or OTOCO.
    fn exits(&self, parent: OrderId) -> Vec<OrderId> {
        let skip = usize::from(self.book.orders.get(&parent).is_some_and(|p| p.class != Class::Oco));
        self.members(parent).into_iter().skip(skip).collect()
    }

    /// Cancels every unfinished leg beside `keep`, then lets the parent follow.
    pub(super) fn cancel_siblings(&mut self, parent: OrderId, keep: OrderId) {
        for leg in self.members(parent).into_iter().filter(|l| *l != keep) {
            self.set_status(leg, Status::Canceled, None);
        }
        self.plan_parent(parent);
    }

    pub(super) fn plan_parent(&mut self, parent: OrderId) {
        let wait = self.book.settings.parent_ms;
        let at = self.later(wait, |c| &mut c.sibling);
        self.book.agenda.add(at, Due::Parent(parent));
    }

    /// Gives a parent the status that its legs add up to, once all of them are final.
    pub(super) fn settle_parent(&mut self, parent: OrderId) {
        let Some(class) = self.book.orders.get(&parent).map(|p| p.class) else { return };
        let legs: Vec<Status> =
            self.members(parent).iter().filter_map(|l| self.book.orders.get(l)).map(|o| o.status).collect();
        if !legs.iter().all(|s| s.is_final()) {
            return;
        }
        let any = |status| legs.contains(&status);
        let deciding = match class {
            Class::Oto | Class::Otoco => legs.first().copied(),
            Class::Oco | Class::Multileg | Class::Combo | Class::Equity | Class::Option => None,
        };
        let status = match deciding {
            Some(entry) => entry,
            None if any(Status::Filled) => Status::Filled,
            None if any(Status::Canceled) => Status::Canceled,
            None if any(Status::Expired) => Status::Expired,
            None => Status::Rejected,
        };
        self.set_status(parent, status, None);
    }

    /// The entry filled: its exits are looked at and come alive, or are refused with all that hangs on them.
    pub(super) fn activate(&mut self, parent: OrderId) {
        let Some(head) = self.book.orders.get(&parent).filter(|o| !o.status.is_final()) else { return };
        let (account, otoco) = (head.account.clone(), head.class == Class::Otoco);
        let Some(mut ticket) = self.ticket_of(parent) else { return };
        ticket.legs.remove(0);
        ticket.class = if otoco { Class::Oco } else { single_class(&ticket) };
        let exits = self.exits(parent);
        match self.judge(&account, &ticket, Some(parent)) {
            Ok(()) => {
                for exit in &exits {
                    self.arm(*exit);
                }
                for exit in exits {
                    self.meet_market(exit);
                }
            }
            Err(reject) => {
                for exit in exits {
                    let stop = self.book.orders.get(&exit).and_then(|o| o.kind).is_some_and(Kind::has_stop);
                    let to = if stop || !otoco { Status::Rejected } else { Status::Canceled };
                    self.set_status(exit, to, Some(reject.to_string()));
                }
                self.plan_parent(parent);
            }
        }
    }

    /// A package trades whole: when the sum of its legs' far sides is at least as good as its net price.
    pub(super) fn meet_as_package(&mut self, parent: OrderId) {
        let Some(order) = self.book.orders.get(&parent) else { return };
        let (world, kind, price) = (self.world_of(order), order.kind, order.price);
        let units = order.quantity.max(1);
        let mut fills = Vec::new();
        let mut net = Decimal::ZERO;
        for leg in self.members(parent) {
            let Some((instrument, side, quantity)) = self.book.orders.get(&leg).and_then(terms) else { return };
            let Some(touch) = self.touch(world, &instrument) else { return };
            let (there, size) = if side.buys() { (touch.ask, touch.ask_size) } else { (touch.bid, touch.bid_size) };
            if there.is_zero() || (self.book.settings.partial_fills == Switch::On && size == 0) {
                return;
            }
            let weight = Decimal::from(quantity).checked_div(Decimal::from(units)).unwrap_or_default();
            let per_unit = if Ticket::is_share(&instrument) { weight / Decimal::ONE_HUNDRED } else { weight };
            net += if side.buys() { there * per_unit } else { -there * per_unit };
            fills.push((leg, quantity, there));
        }
        if !net_is_good(kind, price, net) || !self.package_can_close(parent) {
            return;
        }
        for (leg, quantity, there) in fills {
            self.execute(leg, quantity, there);
        }
        self.close_package(parent, net);
    }

    fn package_can_close(&self, parent: OrderId) -> bool {
        self.members(parent).iter().filter_map(|l| self.book.orders.get(l)).all(|o| {
            let held = self.book.accounts.get(&o.account).map_or(0, |a| a.held(&o.instrument));
            let lax = self.book.settings.cross_zero == Switch::Off;
            match o.side {
                Some(Side::Sell | Side::SellToClose) => lax || held >= o.unfilled(),
                Some(Side::BuyToCover | Side::BuyToClose) => lax || -held >= o.unfilled(),
                _ => true,
            }
        })
    }

    fn close_package(&mut self, parent: OrderId, net: Decimal) {
        if let Some(order) = self.book.orders.get_mut(&parent) {
            order.executed = order.quantity;
            order.traded = net.abs() * Decimal::from(order.quantity);
            order.last_price = net.abs();
            order.last_quantity = order.quantity;
        }
        self.set_status(parent, Status::Filled, None);
    }

    /// Every order of the group is looked at again when the session opens.
    pub(super) fn session_opens(&mut self) {
        self.expire(|o| o.duration == super::order::Duration::Pre);
        let pending: Vec<OrderId> = self.book.live.iter().copied().collect();
        for id in pending {
            self.wake_at_open(id);
        }
        self.match_working();
    }

    /// A session before or after the regular one begins: what was sent for it opens.
    pub(super) fn extended_opens(&mut self, duration: super::order::Duration) {
        let waiting = self.book.live.iter().filter_map(|id| self.book.orders.get(id));
        let due: Vec<OrderId> = waiting.filter(|o| o.duration == duration && o.inner.armed).map(|o| o.id).collect();
        for id in due {
            self.arm(id);
        }
        self.match_working();
    }

    fn wake_at_open(&mut self, id: OrderId) {
        let Some(order) = self.book.orders.get_mut(&id) else { return };
        order.inner.rested = false;
        let (armed, parent) = (order.inner.armed, order.role == Role::Parent);
        let accepted = parent
            && !order.inner.doomed
            && self.members(id).iter().any(|m| self.book.orders.get(m).is_some_and(|o| o.inner.armed));
        if accepted || (armed && parent) {
            self.open_group(id);
        } else if armed {
            self.arm(id);
        }
    }
}

fn terms(order: &Order) -> Option<(super::ids::Symbol, Side, i64)> {
    Some((order.instrument.clone(), order.side?, order.unfilled()))
}

fn single_class(ticket: &Ticket) -> Class {
    if ticket.legs.first().is_some_and(|l| l.contract.is_some()) { Class::Option } else { Class::Equity }
}

/// Whether a net price (positive is paid) satisfies the package's own.
fn net_is_good(kind: Option<Kind>, price: Option<Decimal>, net: Decimal) -> bool {
    let price = price.unwrap_or_default();
    match kind {
        Some(Kind::Debit | Kind::Limit) => net <= price,
        Some(Kind::Credit) => -net >= price,
        Some(Kind::Even) => net <= Decimal::ZERO,
        Some(Kind::Market | Kind::Stop | Kind::StopLimit) | None => true,
    }
}

impl Ticket {
    /// Whether a symbol is a share rather than a contract.
    pub(super) fn is_share(symbol: &super::ids::Symbol) -> bool {
        super::ids::Contract::parse(symbol.as_str()).is_none()
    }
}
