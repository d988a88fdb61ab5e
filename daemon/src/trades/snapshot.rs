//! A cut through the broker: orders, positions, orders again, and quotes. It is stable for a
//! symbol when both lists say the same about it; only then may a position be compared with it.

use std::collections::BTreeMap;

use blotter_shared::domain::{BrokerMode, Cash};
use chrono::{DateTime, NaiveDate, Utc};

use super::ports::{BrokerOrder, Lookup, OrderId, Position, Quote, Session, Side, Symbol};

/// Everything that one pass has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub mode: BrokerMode,
    /// When the second list was asked for.
    pub at: DateTime<Utc>,
    pub session: Session,
    pub before: Vec<BrokerOrder>,
    pub orders: Vec<BrokerOrder>,
    pub positions: Vec<Position>,
    pub quotes: BTreeMap<Symbol, Quote>,
    /// Orders that were asked for by number because a list did not show them.
    pub lookups: BTreeMap<OrderId, Lookup>,
    /// Orders of earlier sessions in which something of ours is in doubt.
    pub history: BTreeMap<NaiveDate, Vec<BrokerOrder>>,
    /// Read only when the account looks empty.
    pub equity: Option<Cash>,
}

impl Snapshot {
    /// What the account holds of a symbol.
    #[must_use]
    pub fn position(&self, symbol: &Symbol) -> i64 {
        self.positions.iter().filter(|position| position.symbol == *symbol).map(|position| position.quantity).sum()
    }

    /// Whether both lists say the same about a symbol.
    #[must_use]
    pub fn is_stable(&self, symbol: &Symbol) -> bool {
        fn of<'a>(list: &'a [BrokerOrder], symbol: &Symbol) -> BTreeMap<OrderId, &'a BrokerOrder> {
            list.iter().filter(|order| order.symbol == *symbol).map(|order| (order.id, order)).collect()
        }
        of(&self.before, symbol) == of(&self.orders, symbol)
    }

    /// What orders that are not ours may still sell of a symbol.
    pub fn sold_by_others<'a>(&'a self, symbol: &'a Symbol, ours: impl Fn(&BrokerOrder) -> bool + 'a) -> u32 {
        let foreign = self.orders.iter().filter(|order| order.symbol == *symbol && order.side == Side::Sell);
        foreign.filter(|order| !ours(order)).map(BrokerOrder::remaining).sum()
    }
}
