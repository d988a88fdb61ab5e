//! Buying power and what positions tie up. A simplified reading of the margin rules: long options are paid in full,
//! spreads tie up their width, naked shorts a fifth of the underlying, shares half their value.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::account::{AccountKind, multiplier};
use super::engine::Engine;
use super::ids::{AccountId, Contract, OrderId, Right, Symbol};
use super::order::{Class, Kind, Order, Role};
use super::settings::World;
use super::ticket::{Leg, Ticket};

type Holdings = BTreeMap<Symbol, i64>;

impl Engine {
    /// What an account may still spend on options.
    pub(super) fn buying_power(&mut self, account: &AccountId, own: Option<OrderId>) -> Decimal {
        let cash = self.book.accounts.get(account).map_or(Decimal::ZERO, |a| a.cash);
        cash - self.reserved(account, own) - self.requirement_now(account)
    }

    /// Money that open orders to buy would take, `own` excepted.
    pub(super) fn reserved(&self, account: &AccountId, own: Option<OrderId>) -> Decimal {
        let live = self.book.live.iter().filter_map(|id| self.book.orders.get(id));
        let counts = |o: &&Order| {
            o.account == *account
                && o.role != Role::Parent
                && !o.inner.doomed
                && o.side.is_some_and(|s| s.buys() && !s.closes())
                && own.is_none_or(|own| o.id != own && o.parent() != Some(own))
        };
        live.filter(counts).filter_map(|o| Some(o.price? * Decimal::from(o.unfilled()) * o.multiplier())).sum()
    }

    /// What a request needs of the buying power.
    pub(super) fn need(&mut self, account: &AccountId, ticket: &Ticket, world: World) -> Decimal {
        let opens = ticket.legs.first().is_some_and(|l| !l.side.closes()) || ticket.class.is_package();
        if !opens {
            return Decimal::ZERO;
        }
        let cost = self.order_cost(ticket, world);
        let shares = ticket.legs.iter().all(|l| l.contract.is_none());
        let margin = self.book.accounts.get(account).is_some_and(|a| a.opening.kind != AccountKind::Cash);
        if shares && margin {
            return (cost / Decimal::TWO).max(Decimal::ZERO);
        }
        let tied = self.requirement_after(account, ticket) - self.requirement_now(account);
        (cost + tied).max(Decimal::ZERO)
    }

    /// Dollars that the request pays (positive) or receives.
    pub(super) fn order_cost(&mut self, ticket: &Ticket, world: World) -> Decimal {
        if let Some(net) = ticket.net {
            let units = Decimal::from(super::place::package_units(ticket)) * Decimal::ONE_HUNDRED;
            match (net.kind, net.price) {
                (Kind::Debit | Kind::Limit, Some(price)) => return price * units,
                (Kind::Credit, Some(price)) => return -price * units,
                (Kind::Even, _) => return Decimal::ZERO,
                _ => {}
            }
        }
        let entry_only = ticket.class.is_contingent();
        let count = if entry_only { 1 } else { ticket.legs.len() };
        ticket.legs.iter().take(count).map(|leg| self.leg_cost(leg, world)).sum()
    }

    fn leg_cost(&mut self, leg: &Leg, world: World) -> Decimal {
        let instrument = leg.contract.as_ref().map_or_else(|| leg.symbol.clone(), Contract::occ);
        let touch = self.touch(world, &instrument).unwrap_or_default();
        let there = if leg.side.buys() { touch.ask } else { touch.bid };
        let price = leg.price.filter(|_| leg.kind.has_price()).or(leg.stop).unwrap_or(there);
        let dollars = price * Decimal::from(leg.quantity) * multiplier(&instrument);
        if leg.side.buys() { dollars } else { -dollars }
    }

    /// What the present positions tie up.
    pub(super) fn requirement_now(&mut self, account: &AccountId) -> Decimal {
        let holdings = self.holdings(account);
        self.requirement(&holdings)
    }

    /// What the positions would tie up if the request filled.
    pub(super) fn requirement_after(&mut self, account: &AccountId, ticket: &Ticket) -> Decimal {
        let mut holdings = self.holdings(account);
        let count = if matches!(ticket.class, Class::Oto | Class::Oco | Class::Otoco) { 1 } else { ticket.legs.len() };
        for leg in ticket.legs.iter().take(count) {
            let instrument = leg.contract.as_ref().map_or_else(|| leg.symbol.clone(), Contract::occ);
            *holdings.entry(instrument).or_default() += if leg.side.buys() { leg.quantity } else { -leg.quantity };
        }
        self.requirement(&holdings)
    }

    fn holdings(&self, account: &AccountId) -> Holdings {
        let positions = self.book.accounts.get(account).map(|a| &a.positions);
        positions.into_iter().flatten().map(|(s, p)| (s.clone(), p.quantity)).collect()
    }

    fn requirement(&mut self, holdings: &Holdings) -> Decimal {
        if holdings.values().all(|q| *q >= 0) {
            return Decimal::ZERO;
        }
        let mut free: Vec<(Contract, i64)> = holdings
            .iter()
            .filter(|(_, q)| **q > 0)
            .filter_map(|(s, q)| Some((Contract::parse(s.as_str())?, *q)))
            .collect();
        let mut shares: Holdings = holdings
            .iter()
            .filter(|(s, q)| **q > 0 && Contract::parse(s.as_str()).is_none())
            .map(|(s, q)| (s.clone(), *q))
            .collect();
        let mut total = Decimal::ZERO;
        for (symbol, quantity) in holdings.iter().filter(|(_, q)| **q < 0) {
            total += match Contract::parse(symbol.as_str()) {
                Some(short) => self.short_option(&short, -quantity, &mut free, &mut shares),
                None => self.spot(symbol) * Decimal::from(-quantity) * Decimal::new(15, 1),
            };
        }
        total
    }

    /// Covers a short by shares (calls), then by the nearest longs, then takes the naked rate.
    fn short_option(
        &mut self,
        short: &Contract,
        quantity: i64,
        free: &mut [(Contract, i64)],
        shares: &mut Holdings,
    ) -> Decimal {
        let mut left = quantity;
        if short.right == Right::Call
            && let Some(held) = shares.get_mut(&short.underlying())
        {
            let covered = left.min(*held / 100);
            *held -= covered * 100;
            left -= covered;
        }
        let mut total = Decimal::ZERO;
        for (long, available) in free
            .iter_mut()
            .filter(|(l, _)| l.right == short.right && l.expiry >= short.expiry && l.underlying() == short.underlying())
        {
            let paired = left.min(*available);
            *available -= paired;
            left -= paired;
            let width = if short.right == Right::Call {
                long.strike() - short.strike()
            } else {
                short.strike() - long.strike()
            };
            total += width.max(Decimal::ZERO) * Decimal::from(paired) * Decimal::ONE_HUNDRED;
        }
        let spot = self.spot(&short.underlying());
        let out = if short.right == Right::Call { short.strike() - spot } else { spot - short.strike() };
        let rate = (spot * Decimal::new(2, 1) - out.max(Decimal::ZERO)).max(spot * Decimal::new(1, 1));
        total + rate * Decimal::from(left) * Decimal::ONE_HUNDRED
    }

    fn spot(&mut self, symbol: &Symbol) -> Decimal {
        let now = self.book.now;
        self.feed.touch(symbol, now).map_or(Decimal::ZERO, |t| t.mid().max(t.last))
    }
}
