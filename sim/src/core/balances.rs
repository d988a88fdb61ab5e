//! What the balances say, from positions and cash as they are.

use rust_decimal::Decimal;

use super::account::{AccountKind, multiplier};
use super::engine::Engine;
use super::ids::{AccountId, Contract};
use super::order::Role;
use super::refusal::Refusal;

/// An account in dollars.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the broker's answer")]
pub struct Balances {
    pub kind: AccountKind,
    pub total_equity: Decimal,
    pub total_cash: Decimal,
    pub long_market_value: Decimal,
    pub short_market_value: Decimal,
    pub stock_long_value: Decimal,
    pub stock_short_value: Decimal,
    pub option_long_value: Decimal,
    pub option_short_value: Decimal,
    pub requirement: Decimal,
    pub open_pl: Decimal,
    pub close_pl: Decimal,
    pub pending_orders: usize,
    pub pending_cash: Decimal,
    pub option_buying_power: Decimal,
    pub stock_buying_power: Decimal,
}

#[derive(Default)]
struct Values {
    stock: [Decimal; 2],
    option: [Decimal; 2],
    cost: Decimal,
}

impl Engine {
    /// The balances of an account now, marked at the middle of the market that its world sees.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] when there is no such account.
    pub fn balances(&mut self, id: &AccountId) -> Result<Balances, Refusal> {
        self.run_due();
        let account = self.account(id)?;
        let (kind, cash, close_pl) = (account.opening.kind, account.cash, account.closed_today);
        let values = self.values(id);
        let [stock_long, stock_short] = values.stock;
        let [option_long, option_short] = values.option;
        let (long, short) = (stock_long + option_long, stock_short + option_short);
        let requirement = self.requirement_now(id);
        let power = self.buying_power(id, None);
        let live = self.book.live.iter().filter_map(|o| self.book.orders.get(o));
        let pending_orders = live.filter(|o| o.account == *id && !matches!(o.role, Role::Leg { .. })).count();
        Ok(Balances {
            kind,
            total_equity: cash + long + short,
            total_cash: cash,
            long_market_value: long,
            short_market_value: short,
            stock_long_value: stock_long,
            stock_short_value: stock_short,
            option_long_value: option_long,
            option_short_value: option_short,
            requirement,
            open_pl: long + short - values.cost,
            close_pl,
            pending_orders,
            pending_cash: self.reserved(id, None),
            option_buying_power: power,
            stock_buying_power: if kind == AccountKind::Cash { power } else { power * Decimal::TWO + stock_long },
        })
    }

    fn values(&mut self, id: &AccountId) -> Values {
        let mut values = Values::default();
        let Some(account) = self.book.accounts.get(id) else { return values };
        let world = account.opening.world;
        let held: Vec<_> = account.positions.iter().map(|(s, p)| (s.clone(), p.quantity, p.cost)).collect();
        for (symbol, quantity, cost) in held {
            let mid = self.touch(world, &symbol).map_or(Decimal::ZERO, |t| t.mid());
            let value = mid * Decimal::from(quantity) * multiplier(&symbol);
            let [long, short] =
                if Contract::parse(symbol.as_str()).is_some() { &mut values.option } else { &mut values.stock };
            *(if quantity > 0 { long } else { short }) += value;
            values.cost += cost;
        }
        values
    }
}
