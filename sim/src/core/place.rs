//! Taking an order in: a number, a place in the book, a review on the agenda. And the same without any of it: preview.

use rust_decimal::Decimal;

use super::agenda::Due;
use super::engine::Engine;
use super::ids::{AccountId, OrderId, Symbol};
use super::ledger::Fact;
use super::order::{Class, Duration, Inner, Kind, Order, Role, Side, Status};
use super::refusal::Refusal;
use super::settings::{LegIds, Refusals, Switch, World};
use super::ticket::{Leg, Ticket};

/// What a preview tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the broker's answer")]
pub struct Preview {
    pub commission: Decimal,
    pub order_cost: Decimal,
    pub cost: Decimal,
    pub margin_change: Decimal,
    pub option_requirement: Decimal,
}

impl Engine {
    /// Takes an order or group in. The answer is an acknowledgement: the review comes later, unless the settings say
    /// that refusals are answered inline.
    ///
    /// # Errors
    /// [`Refusal`] when the account is unknown, or inline refusals are on and the review says no.
    pub fn place(&mut self, account: &AccountId, ticket: &Ticket) -> Result<OrderId, Refusal> {
        self.run_due();
        let world = self.account(account)?.opening.world;
        if self.book.settings.refusals == Refusals::Inline
            && let Err(reject) = self.judge(account, ticket, None)
        {
            self.note(Fact::Refused { account: account.clone(), reason: reject.to_string() });
            return Err(Refusal::Reject(reject));
        }
        let id = self.take_in(account, world, ticket);
        let at = self.later(self.book.settings.accept_ms, |c| &mut c.accept);
        self.book.agenda.add(at, Due::Review(id));
        self.run_due();
        Ok(id)
    }

    /// What an order would cost, or why it would be refused. Nothing changes.
    ///
    /// # Errors
    /// [`Refusal`] when the account is unknown or the review would say no.
    pub fn preview(&mut self, account: &AccountId, ticket: &Ticket) -> Result<Preview, Refusal> {
        self.run_due();
        let world = self.account(account)?.opening.world;
        self.judge(account, ticket, None).map_err(Refusal::Reject)?;
        let order_cost = self.order_cost(ticket, world);
        let commission = self.commission_of(ticket, world);
        let before = self.requirement_now(account);
        let after = self.requirement_after(account, ticket);
        let margin_change = (after - before).max(Decimal::ZERO);
        Ok(Preview {
            commission,
            order_cost,
            cost: order_cost + commission,
            margin_change,
            option_requirement: margin_change,
        })
    }

    fn commission_of(&self, ticket: &Ticket, world: World) -> Decimal {
        if world == World::Sandbox {
            return Decimal::ZERO;
        }
        let settings = &self.book.settings;
        let each = |leg: &Leg| match leg.contract {
            Some(_) => settings.option_commission * Decimal::from(leg.quantity),
            None => settings.equity_commission,
        };
        let entry_only = matches!(ticket.class, Class::Oto | Class::Oco | Class::Otoco);
        ticket.legs.iter().take(if entry_only { 1 } else { usize::MAX }).map(each).sum()
    }

    fn take_in(&mut self, account: &AccountId, world: World, ticket: &Ticket) -> OrderId {
        let head = self.next_number(0);
        let dropped =
            ticket.class == Class::Otoco && world == World::Sandbox && self.book.settings.otoco_drops_tag == Switch::On;
        let tag = ticket.tag.clone().filter(|_| !dropped);
        if let (Class::Equity | Class::Option, [leg]) = (ticket.class, ticket.legs.as_slice()) {
            let order = self.blank(head, account, leg).tagged(tag);
            self.file(order);
            return head;
        }
        let numbers: Vec<OrderId> = (1..=ticket.legs.len()).map(|i| self.next_number(i)).collect();
        let parent = self.parent_of(head, account, ticket).tagged(tag).with_legs(numbers.clone());
        self.file(parent);
        for (index, (number, leg)) in numbers.into_iter().zip(&ticket.legs).enumerate() {
            let mut order = self.blank(number, account, leg);
            order.role = Role::Leg { parent: head, index };
            self.file(order);
        }
        head
    }

    /// Takes an order in that no client sent; it is never reviewed.
    pub(super) fn take_in_outside(&mut self, account: &AccountId, ticket: &Ticket) -> OrderId {
        self.take_in(account, World::Live, ticket)
    }

    fn next_number(&mut self, leg: usize) -> OrderId {
        let scattered = self.book.settings.leg_ids == LegIds::Scattered && leg > 0;
        let skip = if scattered { self.book.chance.number.range(2, 40) } else { 0 };
        let number = self.book.next_order + skip;
        self.book.next_order = number + 1;
        OrderId(number)
    }

    fn file(&mut self, order: Order) {
        let fact = Fact::Placed {
            account: order.account.clone(),
            order: order.id,
            parent: order.parent(),
            symbol: order.instrument.clone(),
            side: order.side,
            quantity: order.quantity,
            tag: order.tag.clone(),
        };
        let id = order.id;
        self.book.orders.insert(id, order);
        self.book.live.insert(id);
        self.note(fact);
        self.notify(id);
    }

    fn blank(&self, id: OrderId, account: &AccountId, leg: &Leg) -> Order {
        let instrument = leg.contract.as_ref().map_or_else(|| leg.symbol.clone(), super::ids::Contract::occ);
        Order {
            id,
            account: account.clone(),
            class: if leg.contract.is_some() { Class::Option } else { Class::Equity },
            role: Role::Single,
            legs: Vec::new(),
            symbol: leg.symbol.clone(),
            contract: leg.contract.clone(),
            instrument,
            side: Some(leg.side),
            kind: Some(leg.kind),
            duration: leg.duration,
            quantity: leg.quantity,
            price: leg.price,
            stop: leg.stop,
            status: Status::Pending,
            tag: None,
            executed: 0,
            traded: Decimal::ZERO,
            last_price: Decimal::ZERO,
            last_quantity: 0,
            created: self.book.now,
            changed: self.book.now,
            reason: None,
            inner: Inner::default(),
        }
    }

    /// A parent. Contingent ones have no side, kind or price of their own; packages have kind, net price and quantity.
    fn parent_of(&self, id: OrderId, account: &AccountId, ticket: &Ticket) -> Order {
        let first = ticket.legs.first();
        let duration = first.map_or(Duration::Day, |l| l.duration);
        let symbol = first.map_or_else(|| Symbol::new(""), |l| l.symbol.clone());
        let net = ticket.net.filter(|_| ticket.class.is_package());
        let quantity = if ticket.class.is_package() { package_units(ticket) } else { 0 };
        let leg = Leg {
            symbol,
            contract: None,
            side: Side::Buy,
            quantity: 0,
            kind: Kind::Market,
            price: None,
            stop: None,
            duration,
        };
        let mut order = self.blank(id, account, &leg);
        order.class = ticket.class;
        order.role = Role::Parent;
        order.side = first.map(|l| l.side).filter(|_| ticket.class.is_package());
        order.kind = net.map(|n| n.kind);
        order.price = net.and_then(|n| n.price);
        order.quantity = quantity;
        order
    }
}

/// How many units of the package are asked for: the common divisor of its legs' quantities.
pub(super) fn package_units(ticket: &Ticket) -> i64 {
    let options = ticket.legs.iter().filter(|l| l.contract.is_some()).map(|l| l.quantity);
    options.fold(0, gcd).max(1)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Order {
    fn tagged(mut self, tag: Option<String>) -> Self {
        self.tag = tag;
        self
    }

    fn with_legs(mut self, legs: Vec<OrderId>) -> Self {
        self.legs = legs;
        self
    }
}
