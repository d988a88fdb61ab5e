//! Flatten: every position out and every entry cancelled. The drill says what would be sent, in
//! the order in which it would be, and changes nothing.

use blotter_shared::domain::{Quantity, TradeId};

use super::super::expiry::{self, Stage};
use super::super::facts::{FlatCause, Intent, Trade, Wish};
use super::super::ports::{OrderId, Symbol};
use super::{Accepted, Desk, wished};

/// One thing that would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drill {
    CancelEntry { trade: TradeId, symbol: Symbol, order: Option<OrderId> },
    CancelBracket { trade: TradeId, symbol: Symbol, order: Option<OrderId>, when: When },
    SellAtMarket { trade: TradeId, symbol: Symbol, quantity: Quantity, when: When },
}

/// When something is sent: some contracts trade longer than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Now,
    /// The market of this contract is closed.
    AtTheOpen,
}

/// Every trade that can still be got out of. What has had its last session is settled by the broker.
fn alive<'a>(desk: &Desk<'a>) -> impl Iterator<Item = &'a Trade> {
    let settles = |trade: &Trade| {
        let session = desk.session(&trade.spec.contract);
        expiry::stage(&trade.spec.contract, &session, desk.now) == Stage::AwaitsSettlement
    };
    desk.book.live_trades().filter(move |trade| !settles(trade))
}

fn when(trade: &Trade, desk: &Desk<'_>) -> When {
    if desk.session(&trade.spec.contract).open { When::Now } else { When::AtTheOpen }
}

pub(super) fn judge(desk: &Desk<'_>) -> Accepted {
    let standing = alive(desk).filter(|trade| !trade.wish.is_flat());
    let changes = standing.flat_map(|trade| {
        let at_open = when(trade, desk) == When::AtTheOpen;
        let flat = Some(FlatCause::User);
        wished(trade, Wish { keep: 0, flat, limit: None, until: None, at_open, ..trade.wish.clone() }, desk.now).changes
    });
    Accepted { changes: changes.collect(), trade: None }
}

/// What would be sent: cancels first, trade by trade, as the driver's priorities have it, then the sales.
#[must_use]
pub fn drill(desk: &Desk<'_>) -> Vec<Drill> {
    let trades: Vec<&Trade> = alive(desk).collect();
    let cancels = trades.iter().flat_map(|trade| {
        let (id, symbol) = (trade.id(), &trade.spec.symbol);
        let entries = trade.entries().filter(|intent| intent.is_live());
        let entries =
            entries.map(move |it| Drill::CancelEntry { trade: id, symbol: symbol.clone(), order: it.broker_id });
        let brackets = trade.live_exits().filter(|intent| is_bracket(intent));
        let when = when(trade, desk);
        entries.chain(brackets.map(move |it| Drill::CancelBracket {
            trade: id,
            symbol: symbol.clone(),
            order: it.broker_id,
            when,
        }))
    });
    let sales = trades.iter().filter(|trade| !trade.live_exits().any(|exit| !is_bracket(exit))).filter_map(|trade| {
        let quantity = u32::try_from(trade.marks.held).ok().and_then(|held| Quantity::new(held).ok())?;
        let symbol = trade.spec.symbol.clone();
        Some(Drill::SellAtMarket { trade: trade.id(), symbol, quantity, when: when(trade, desk) })
    });
    cancels.chain(sales).collect()
}

fn is_bracket(intent: &Intent) -> bool {
    intent.role == blotter_shared::domain::IntentRole::Bracket
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use blotter_shared::domain::{BrokerMode, Cash};
    use chrono::{DateTime, Duration, Utc};
    use uuid::Uuid;

    use super::super::super::facts::{Book, Change};
    use super::super::super::ports::{Session, Sessions};
    use super::super::super::specimen::{at, bought};
    use super::super::super::timing::Timing;
    use super::*;

    /// A few minutes past the close.
    #[derive(Debug)]
    struct QuarterPast;

    impl Sessions for QuarterPast {
        fn at(&self, now: DateTime<Utc>) -> Session {
            Session { open: false, date: now.date_naive(), opens: now + Duration::hours(17), closes: now }
        }

        fn of(&self, root: &str, now: DateTime<Utc>) -> Session {
            Session { open: root == "SPXW", ..self.at(now) }
        }
    }

    #[test]
    fn what_trades_longer_goes_now_and_the_rest_at_the_open() {
        let mut book = Book::new(BrokerMode::Sim, Cash::ZERO);
        for (number, symbol) in [(1, "SPXW270115C06000000"), (2, "NVDA270115C00150000")] {
            let mut trade = bought(2, "5.00");
            trade.marks.held = 2;
            trade.spec.id = TradeId(Uuid::from_u128(number));
            trade.spec.symbol = Symbol::new(symbol);
            trade.spec.contract = symbol.parse().unwrap();
            book.trades.insert(trade.id(), trade);
        }
        let quotes = BTreeMap::new();
        let (sessions, timing) = (&QuarterPast, Timing::PRODUCTION);
        let desk = Desk { book: &book, now: at(60), sessions, timing, quotes: &quotes, positions: &[] };
        let accepted = judge(&desk);
        let wishes: Vec<(TradeId, bool)> = accepted
            .changes
            .iter()
            .filter_map(|change| {
                if let Change::Wish { trade, becomes: wish, .. } = change { Some((*trade, wish.at_open)) } else { None }
            })
            .collect();
        assert_eq!(wishes, [(TradeId(Uuid::from_u128(1)), false), (TradeId(Uuid::from_u128(2)), true)]);
        let sales: Vec<When> = drill(&desk)
            .iter()
            .filter_map(|drill| if let Drill::SellAtMarket { when, .. } = drill { Some(*when) } else { None })
            .collect();
        assert_eq!(sales, [When::Now, When::AtTheOpen], "the drill says so as well");
    }

    #[test]
    fn what_has_had_its_last_session_is_left_to_the_broker() {
        let mut book = Book::new(BrokerMode::Sim, Cash::ZERO);
        let mut trade = bought(2, "5.00");
        (trade.marks.held, trade.spec.contract.expiry) = (2, at(0).date_naive() - Duration::days(1));
        book.trades.insert(trade.id(), trade);
        let quotes = BTreeMap::new();
        let (sessions, timing) = (&QuarterPast, Timing::PRODUCTION);
        let desk = Desk { book: &book, now: at(60), sessions, timing, quotes: &quotes, positions: &[] };
        assert_eq!((judge(&desk).changes.len(), drill(&desk).len()), (0, 0));
    }
}
