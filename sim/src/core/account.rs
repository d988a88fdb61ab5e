//! Accounts and what they hold.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::ids::{AccountId, Contract, Symbol};
use super::order::words;
use super::settings::World;
use crate::time::Ms;

words!(/// The kind of account, which names the object in its balances.
AccountKind { Margin = "margin", Cash = "cash", Pdt = "pdt" });

/// How an account begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Its number.
    pub number: AccountId,
    /// Its world.
    pub world: World,
    /// Its kind.
    #[serde(default = "margin")]
    pub kind: AccountKind,
    /// Its first cash; the sandbox gives $100,000.
    #[serde(default = "hundred_thousand")]
    pub cash: Decimal,
    /// 0 no options, 1 covered, 2 long, 3 spreads, 4 and up naked.
    #[serde(default = "top_level")]
    pub option_level: u8,
}

impl Opening {
    /// A margin account with $100,000.
    #[must_use]
    pub fn new(number: &str, world: World) -> Self {
        Self {
            number: AccountId(number.to_owned()),
            world,
            kind: margin(),
            cash: hundred_thousand(),
            option_level: top_level(),
        }
    }
}

fn margin() -> AccountKind {
    AccountKind::Margin
}

fn hundred_thousand() -> Decimal {
    Decimal::new(100_000, 0)
}

fn top_level() -> u8 {
    4
}

/// One account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// How it began.
    pub opening: Opening,
    /// Settled and unsettled cash together.
    pub cash: Decimal,
    /// What it holds, by symbol; never with quantity 0.
    pub positions: BTreeMap<Symbol, Position>,
    /// What the client is shown while positions lag behind fills.
    pub shown: Option<Shown>,
    /// Profit of positions closed since midnight.
    pub closed_today: Decimal,
    /// Positions that were closed, for the gain and loss report.
    pub closed: Vec<ClosedLot>,
    /// Trades, exercises and fees, for the history report.
    pub history: Vec<HistoryItem>,
    /// The next position's number.
    pub next_position: i64,
}

/// An older view of the positions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// What is shown.
    pub positions: BTreeMap<Symbol, Position>,
    /// Until when.
    pub until: Ms,
}

/// A holding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Its number.
    pub id: i64,
    /// Negative when short.
    pub quantity: i64,
    /// Dollars paid (or received, negative) in total.
    pub cost: Decimal,
    /// When it began.
    pub acquired: Ms,
}

/// A holding that ended, in whole or in part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as in the broker's answer")]
pub struct ClosedLot {
    pub symbol: Symbol,
    pub quantity: i64,
    pub cost: Decimal,
    pub proceeds: Decimal,
    pub opened: Ms,
    pub closed: Ms,
}

/// An item of an account's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as in the broker's answer")]
pub struct HistoryItem {
    pub at: Ms,
    pub amount: Decimal,
    /// `trade` or `option`.
    pub kind: String,
    /// For options: `OPTEXP`, `exercise` or `assignment`.
    pub option_type: Option<String>,
    pub symbol: Symbol,
    pub quantity: i64,
    pub price: Decimal,
    pub commission: Decimal,
    pub description: String,
}

impl Account {
    /// A fresh account.
    #[must_use]
    pub fn open(opening: Opening) -> Self {
        Self {
            cash: opening.cash,
            opening,
            positions: BTreeMap::new(),
            shown: None,
            closed_today: Decimal::ZERO,
            closed: Vec::new(),
            history: Vec::new(),
            next_position: 130_000,
        }
    }

    /// Contracts or shares held; negative when short.
    #[must_use]
    pub fn held(&self, symbol: &Symbol) -> i64 {
        self.positions.get(symbol).map_or(0, |p| p.quantity)
    }

    /// The positions as the client sees them at `now`.
    #[must_use]
    pub fn visible_positions(&self, now: Ms) -> &BTreeMap<Symbol, Position> {
        self.shown.as_ref().filter(|s| now < s.until).map_or(&self.positions, |s| &s.positions)
    }

    /// Keeps showing the positions of `now` until `until`.
    pub(super) fn lag_positions(&mut self, now: Ms, until: Ms) {
        let lagging = self.shown.as_ref().is_some_and(|s| now < s.until);
        if until > now && !lagging {
            self.shown = Some(Shown { positions: self.positions.clone(), until });
        }
    }

    /// Applies a trade of `quantity` (negative sells) for `paid` dollars (negative receives): average cost, realised profit, lots.
    pub fn trade(&mut self, symbol: &Symbol, quantity: i64, paid: Decimal, at: Ms) {
        let held = self.held(symbol);
        let closing =
            if held.signum() == quantity.signum() { 0 } else { quantity.abs().min(held.abs()) * quantity.signum() };
        let closing_paid = if closing == quantity { paid } else { share_of(paid, closing, quantity) };
        if closing != 0 {
            self.close(symbol, closing, closing_paid, at);
        }
        if quantity != closing {
            self.extend(symbol, quantity - closing, paid - closing_paid, at);
        }
    }

    fn extend(&mut self, symbol: &Symbol, quantity: i64, paid: Decimal, at: Ms) {
        let next = self.next_position;
        let position = self.positions.entry(symbol.clone()).or_insert(Position {
            id: next,
            quantity: 0,
            cost: Decimal::ZERO,
            acquired: at,
        });
        if position.quantity == 0 {
            self.next_position += 1;
        }
        position.quantity += quantity;
        position.cost += paid;
    }

    /// `quantity` has the sign of the trade, the position the other.
    fn close(&mut self, symbol: &Symbol, quantity: i64, paid: Decimal, at: Ms) {
        let Some(position) = self.positions.get_mut(symbol) else { return };
        let left = position.quantity + quantity;
        let kept = share_of(position.cost, left, position.quantity);
        let released = position.cost - kept;
        let lot = ClosedLot {
            symbol: symbol.clone(),
            quantity: -quantity,
            cost: released,
            proceeds: -paid,
            opened: position.acquired,
            closed: at,
        };
        position.quantity = left;
        position.cost = kept;
        if left == 0 {
            self.positions.remove(symbol);
        }
        self.closed_today += lot.proceeds - lot.cost;
        self.closed.push(lot);
    }
}

/// The part of `paid` that `part` of `whole` stands for, to the cent.
fn share_of(paid: Decimal, part: i64, whole: i64) -> Decimal {
    (paid * Decimal::from(part)).checked_div(Decimal::from(whole)).unwrap_or_default().round_dp(2)
}

/// Dollars for one point of price: 100 for options, 1 for shares.
#[must_use]
pub fn multiplier(symbol: &Symbol) -> Decimal {
    if Contract::parse(symbol.as_str()).is_some() { Decimal::ONE_HUNDRED } else { Decimal::ONE }
}
