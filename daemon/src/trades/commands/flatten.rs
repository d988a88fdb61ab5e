//! Flatten: every position out and every entry cancelled. The drill says what would be sent, in
//! the order in which it would be, and changes nothing.

use blotter_shared::domain::{Quantity, TradeId};

use super::super::facts::{FlatCause, Intent, Trade, Wish};
use super::super::ports::{OrderId, Symbol};
use super::{Accepted, Desk, wished};

/// One thing that would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drill {
    CancelEntry { trade: TradeId, symbol: Symbol, order: Option<OrderId> },
    CancelBracket { trade: TradeId, symbol: Symbol, order: Option<OrderId> },
    SellAtMarket { trade: TradeId, symbol: Symbol, quantity: Quantity },
}

/// Every trade that is not on its way out yet.
fn standing<'a>(desk: &Desk<'a>) -> impl Iterator<Item = &'a Trade> {
    desk.book.live_trades().filter(|trade| !trade.wish.is_flat())
}

pub(super) fn judge(desk: &Desk<'_>) -> Accepted {
    let changes = standing(desk).flat_map(|trade| {
        let at_open = !desk.session.open;
        let flat = Some(FlatCause::User);
        wished(trade, Wish { keep: 0, flat, limit: None, until: None, at_open, ..trade.wish.clone() }, desk.now).changes
    });
    Accepted { changes: changes.collect(), trade: None }
}

/// What would be sent: cancels first, as the driver's priorities have it, then the sales.
#[must_use]
pub fn drill(desk: &Desk<'_>) -> Vec<Drill> {
    let trades: Vec<&Trade> = desk.book.live_trades().collect();
    let entries = trades.iter().flat_map(|trade| {
        let live = trade.entries().filter(|intent| intent.is_live());
        live.map(|entry| Drill::CancelEntry {
            trade: trade.id(),
            symbol: trade.spec.symbol.clone(),
            order: entry.broker_id,
        })
    });
    let brackets = trades.iter().flat_map(|trade| {
        let live = trade.live_exits().filter(|intent| is_bracket(intent));
        live.map(|exit| Drill::CancelBracket {
            trade: trade.id(),
            symbol: trade.spec.symbol.clone(),
            order: exit.broker_id,
        })
    });
    let sales = trades.iter().filter(|trade| !trade.live_exits().any(|exit| !is_bracket(exit))).filter_map(|trade| {
        let quantity = u32::try_from(trade.marks.held).ok().and_then(|held| Quantity::new(held).ok())?;
        Some(Drill::SellAtMarket { trade: trade.id(), symbol: trade.spec.symbol.clone(), quantity })
    });
    entries.chain(brackets).chain(sales).collect()
}

fn is_bracket(intent: &Intent) -> bool {
    intent.role == blotter_shared::domain::IntentRole::Bracket
}
