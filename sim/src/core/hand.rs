//! The hand of fate: what happens to an account from outside. Scripts and tests reach in here, clients never.

use rust_decimal::Decimal;

use super::account::Account;
use super::engine::Engine;
use super::ids::{AccountId, OrderId, Symbol};
use super::ledger::Fact;
use super::order::{Class, Role, Side, Status};
use super::refusal::Refusal;
use super::ticket::{Leg, Ticket};
use crate::time::Ms;

impl Engine {
    /// The broker cancels every live bracket of an account (OCO and OTOCO exits), as has happened at 9:30.
    pub fn cancel_brackets(&mut self, account: &AccountId, reason: &str) -> Vec<OrderId> {
        let hit: Vec<OrderId> = self
            .live_heads(account)
            .filter(|(_, class)| matches!(class, Class::Oco | Class::Otoco))
            .map(|(id, _)| id)
            .collect();
        for id in &hit {
            self.cancel_outright(*id, reason);
        }
        hit
    }

    /// The broker cancels one order or group at once, unasked.
    pub fn cancel_outright(&mut self, id: OrderId, reason: &str) {
        let head = self.head(id);
        for member in self.members(head) {
            self.set_status(member, Status::Canceled, Some(reason.to_owned()));
        }
        self.set_status(head, Status::Canceled, Some(reason.to_owned()));
    }

    fn live_heads<'a>(&'a self, account: &'a AccountId) -> impl Iterator<Item = (OrderId, Class)> + 'a {
        let orders = self.book.live.iter().filter_map(|id| self.book.orders.get(id));
        orders.filter(move |o| o.account == *account && !matches!(o.role, Role::Leg { .. })).map(|o| (o.id, o.class))
    }

    /// Orders of the account that exist now stay out of its lists until `until`.
    pub fn hide_orders(&mut self, account: &AccountId, until: Ms) {
        for order in self.book.orders.values_mut().filter(|o| o.account == *account) {
            order.inner.hidden_until = until;
        }
    }

    /// Somebody else trades in the account: an order without a tag that fills at once at the market.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] when there is no such account.
    pub fn outside_trade(
        &mut self,
        account: &AccountId,
        side: Side,
        symbol: &str,
        quantity: i64,
    ) -> Result<OrderId, Refusal> {
        let world = self.account(account)?.opening.world;
        let leg = Leg::market(side, symbol, quantity);
        let instrument = Symbol::new(symbol);
        let touch = self.touch(world, &instrument).unwrap_or_default();
        let price = if side.buys() { touch.ask } else { touch.bid };
        let id = self.take_in_outside(account, &Ticket::single(leg));
        self.execute(id, quantity, price);
        Ok(id)
    }

    /// Moves a position without an order: a transfer, a corporate action, a correction.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] when there is no such account.
    pub fn move_position(
        &mut self,
        account: &AccountId,
        symbol: &str,
        quantity: i64,
        cause: &str,
    ) -> Result<(), Refusal> {
        self.account(account)?;
        self.post(account, &Symbol::new(symbol), (quantity, Decimal::ZERO), cause);
        Ok(())
    }

    /// The sandbox's wipe: orders gone, positions gone, cash as on the first day.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] when there is no such account.
    pub fn wipe(&mut self, account: &AccountId) -> Result<(), Refusal> {
        let opening = self.account(account)?.opening.clone();
        let gone: Vec<OrderId> = self.book.orders.values().filter(|o| o.account == *account).map(|o| o.id).collect();
        for id in gone {
            self.book.orders.remove(&id);
            self.book.working.remove(&id);
            self.book.live.remove(&id);
        }
        self.book.accounts.insert(account.clone(), Account::open(opening));
        self.note(Fact::Wiped { account: account.clone() });
        Ok(())
    }
}
