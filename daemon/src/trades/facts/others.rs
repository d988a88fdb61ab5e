//! What one trade must know of the others that have its symbol: an account shows one position for all of them.

use blotter_shared::domain::TradeId;

use super::account::Book;
use super::derive;
use super::trade::Trade;

/// Other trades of the same symbol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Others {
    /// What they hold by the ledger.
    pub hold: i64,
    /// One of them is alive.
    pub live: bool,
    /// One that is alive has bought something: what is there is its business.
    pub own: bool,
    /// A newer one holds something, or has an order alive.
    pub succeed: bool,
    /// The end of one of them rests on something that was not seen.
    pub doubted: bool,
}

impl Others {
    pub(super) fn of(book: &Book, id: TradeId) -> Self {
        let symbol = book.trades.get(&id).map(|trade| &trade.spec.symbol);
        let others = || book.trades.values().filter(|other| other.id() != id && Some(&other.spec.symbol) == symbol);
        let live = || others().filter(|other| !other.is_ended());
        Self {
            hold: others().map(|other| derive::held(other).max(0)).sum(),
            live: live().next().is_some(),
            own: live().any(derive::has_bought),
            succeed: live().any(|other| other.id() > id && matters(other)),
            doubted: others().any(Trade::is_doubted),
        }
    }

    /// What of a position is left to this trade. Two live trades of a symbol meet only where the newer one was taken up
    /// after a backup was brought back: it could not have begun before the end of the older one, so what differs
    /// is nothing of an older one that holds nothing. While its ledger still has something it agrees with nothing,
    /// and sells nothing.
    pub(super) fn leave(self, trade: &Trade, position: i64) -> i64 {
        let ended = self.succeed && !trade.is_ended() && derive::held(trade) == 0;
        if ended { 0 } else { position - self.hold }
    }
}

fn matters(trade: &Trade) -> bool {
    derive::held(trade) != 0 || trade.intents.iter().any(|intent| intent.order().is_some() && intent.is_live())
}
