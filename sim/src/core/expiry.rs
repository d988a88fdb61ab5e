//! The close: day orders die, and on a contract's last day it is exercised, assigned or worthless.

use rust_decimal::Decimal;

use super::account::HistoryItem;
use super::engine::Engine;
use super::ids::{AccountId, Contract, OrderId, Right, Symbol};
use super::ledger::Fact;
use super::order::{Duration, Order, Role, Status};
use super::settings::{Switch, World};

impl Engine {
    /// The regular session ends.
    pub(super) fn session_closes(&mut self) {
        let today = self.book.now.date();
        self.expire(|o| o.duration == Duration::Day || o.contract.as_ref().is_some_and(|c| c.expiry <= today));
    }

    /// Expires every unfinished order that the rule names, then the parents that nothing is left of.
    pub(super) fn expire(&mut self, rule: impl Fn(&Order) -> bool) {
        let live: Vec<OrderId> = self.book.live.iter().copied().collect();
        let mut parents = Vec::new();
        for id in live {
            let Some(order) = self.book.orders.get(&id) else { continue };
            if order.role == Role::Parent {
                parents.push(id);
            } else if rule(order) && !order.inner.doomed {
                self.set_status(id, Status::Expired, None);
            }
        }
        for parent in parents {
            self.settle_parent(parent);
        }
    }

    /// Settles every position in a contract whose last day is over.
    pub(super) fn settle_expired(&mut self) {
        let today = self.book.now.date();
        let lingers = self.book.settings.sandbox_lingers == Switch::On;
        let mut due: Vec<(AccountId, Contract, i64)> = Vec::new();
        for (id, account) in &self.book.accounts {
            if lingers && account.opening.world == World::Sandbox {
                continue;
            }
            for (symbol, position) in &account.positions {
                if let Some(contract) = Contract::parse(symbol.as_str()).filter(|c| c.expiry <= today) {
                    due.push((id.clone(), contract, position.quantity));
                }
            }
        }
        for (account, contract, quantity) in due {
            self.settle(&account, &contract, quantity);
        }
    }

    /// One contract ends: worth at least a cent it is exercised (or assigned when short), else it is worthless.
    fn settle(&mut self, account: &AccountId, contract: &Contract, quantity: i64) {
        let underlying = contract.underlying();
        let spot = self.feed.settlement(&underlying, contract.expiry).unwrap_or_default();
        let strike = contract.strike();
        let worth = match contract.right {
            Right::Call => spot - strike,
            Right::Put => strike - spot,
        };
        let symbol = contract.occ();
        let cash_settled = self.feed.is_index(&underlying);
        let word = if quantity > 0 { "exercise" } else { "assignment" };
        if worth < Decimal::new(1, 2) {
            self.post(account, &symbol, (-quantity, Decimal::ZERO), "OPTEXP");
        } else if cash_settled {
            let cash = (worth * Decimal::from(quantity) * Decimal::ONE_HUNDRED).round_dp(2);
            self.post(account, &symbol, (-quantity, cash), word);
        } else {
            self.post(account, &symbol, (-quantity, Decimal::ZERO), word);
            let direction = if contract.right == Right::Call { 1 } else { -1 };
            let shares = direction * quantity * 100;
            self.post(account, &underlying, (shares, -(strike * Decimal::from(shares))), word);
        }
    }

    /// Moves a position and cash without an order.
    pub(super) fn post(&mut self, account: &AccountId, symbol: &Symbol, (quantity, cash): (i64, Decimal), cause: &str) {
        let now = self.book.now;
        let Some(holder) = self.book.accounts.get_mut(account) else { return };
        if quantity != 0 {
            holder.trade(symbol, quantity, -cash, now);
        }
        holder.cash += cash;
        holder.history.push(HistoryItem {
            at: now,
            amount: cash,
            kind: "option".to_owned(),
            option_type: Some(cause.to_owned()),
            symbol: symbol.clone(),
            quantity,
            price: Decimal::ZERO,
            commission: Decimal::ZERO,
            description: format!("{cause} {symbol}"),
        });
        self.note(Fact::Moved {
            account: account.clone(),
            symbol: symbol.clone(),
            quantity,
            cash,
            cause: cause.to_owned(),
        });
    }
}
