//! Live prices: when their stream is open, and what the newest price of a trade is.
//!
//! The stream lives beside the session's: it is opened while the session is live, and opened again with
//! growing pauses when it breaks or falls silent, because a price is worth less than the list that it
//! belongs to. A price that is not fit to be shown changes nothing but what is said of its quality.

use std::collections::HashMap;
use std::time::Duration;

use blotter_shared::domain::{Price, TradeId};
use blotter_shared::protocol::prices::LivePrice;
use blotter_shared::protocol::trades::Trade;
use serde::{Deserialize, Serialize};

use crate::client::session::Link;
use crate::clock::Now;
use crate::effect::Effect;

/// What the stream of prices said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PricesSaid {
    Prices(Vec<LivePrice>),
    /// Nothing is new.
    Alive,
    Ended,
}

/// The daemon speaks at least every 15 s.
const SILENCE: Duration = Duration::from_secs(32);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// Where the stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Feed {
    /// Nobody could tell us anything.
    #[default]
    Off,
    /// Asked for, or open; it last spoke then.
    Open { spoke: Duration },
    /// Asked for again then.
    Waits { at: Duration },
}

/// The newest prices.
#[derive(Clone, Debug, Default)]
pub struct Quotes {
    feed: Feed,
    /// Counts streams, so that the last words of an old one are not taken for the new one's.
    generation: u64,
    failures: u32,
    known: HashMap<TradeId, LivePrice>,
}

impl Quotes {
    #[must_use]
    pub fn of(&self, trade: TradeId) -> Option<&LivePrice> {
        self.known.get(&trade)
    }

    /// Opens and closes the stream as the session and time want it.
    pub fn follow(&mut self, now: Now, link: Link) -> Vec<Effect> {
        match (self.feed, link) {
            (Feed::Off, Link::Live) => vec![self.open(now)],
            (Feed::Waits { at }, Link::Live) if now.since_start >= at => vec![self.open(now)],
            (Feed::Open { spoke }, Link::Live) if now.since_start >= spoke + SILENCE => {
                self.pause(now);
                vec![Effect::ClosePrices]
            }
            (Feed::Off | Feed::Open { .. } | Feed::Waits { .. }, Link::Live | Link::Connecting) => vec![],
            (Feed::Off, Link::Stale | Link::Retrying | Link::Refused) => vec![],
            (Feed::Open { .. } | Feed::Waits { .. }, Link::Stale | Link::Retrying | Link::Refused) => {
                self.feed = Feed::Off;
                vec![Effect::ClosePrices]
            }
        }
    }

    /// When [`Quotes::follow`] would do something by the mere passing of time.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        match self.feed {
            Feed::Off => None,
            Feed::Open { spoke } => Some(spoke + SILENCE),
            Feed::Waits { at } => Some(at),
        }
    }

    /// Takes what a stream said; gives the trades that have a new price.
    pub fn take(&mut self, now: Now, generation: u64, said: PricesSaid) -> Vec<TradeId> {
        let Feed::Open { .. } = self.feed else { return vec![] };
        if generation != self.generation {
            return vec![];
        }
        self.feed = Feed::Open { spoke: now.since_start };
        match said {
            PricesSaid::Alive => vec![],
            PricesSaid::Ended => {
                self.pause(now);
                vec![]
            }
            PricesSaid::Prices(prices) => {
                self.failures = 0;
                let ids = prices.iter().map(|price| price.trade_id).collect();
                self.known.extend(prices.into_iter().map(|price| (price.trade_id, price)));
                ids
            }
        }
    }

    /// Forgets the prices of trades that are not held any more.
    pub fn keep(&mut self, is_wanted: impl Fn(TradeId) -> bool) {
        self.known.retain(|id, _| is_wanted(*id));
    }

    fn open(&mut self, now: Now) -> Effect {
        self.generation += 1;
        self.feed = Feed::Open { spoke: now.since_start };
        Effect::OpenPrices { generation: self.generation }
    }

    fn pause(&mut self, now: Now) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(6)).min(LAST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.feed = Feed::Waits { at: now.since_start + pause };
    }
}

/// Gives a row the price that is newer than its own. One that is not fit to be shown leaves it alone.
pub fn freshen(trade: &mut Trade, price: &LivePrice) {
    let is_newer = trade.last_updated.is_none_or(|known| price.at > known);
    let Some(mark) = price.mark.and_then(|mark| Price::new(mark).ok()) else { return };
    if !is_newer || !price.quality.is_shown() || price.symbol != trade.option_symbol {
        return;
    }
    trade.current_price = Some(mark);
    trade.last_updated = Some(price.at);
    if trade.held_qty > 0 {
        trade.unrealized_pnl = price.unrealized_pnl.or(trade.unrealized_pnl);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn at(seconds: u64) -> Now {
        Now { wall: DateTime::UNIX_EPOCH, since_start: Duration::from_secs(seconds) }
    }

    #[test]
    fn it_is_open_while_the_session_is_live() {
        let mut quotes = Quotes::default();
        assert_eq!(quotes.follow(at(0), Link::Connecting), vec![]);
        assert_eq!(quotes.follow(at(1), Link::Live), vec![Effect::OpenPrices { generation: 1 }]);
        assert_eq!(quotes.follow(at(2), Link::Live), vec![]);
        assert_eq!(quotes.follow(at(3), Link::Stale), vec![Effect::ClosePrices]);
        assert_eq!(quotes.follow(at(4), Link::Live), vec![Effect::OpenPrices { generation: 2 }]);
        assert_eq!(quotes.take(at(5), 1, PricesSaid::Ended), vec![], "the last words of an old stream");
        assert_eq!(quotes.follow(at(6), Link::Live), vec![]);
    }

    #[test]
    fn a_silent_or_broken_stream_is_opened_again_with_growing_pauses() {
        let mut quotes = Quotes::default();
        quotes.follow(at(0), Link::Live);
        quotes.take(at(20), 1, PricesSaid::Alive);
        assert_eq!(quotes.follow(at(51), Link::Live), vec![]);
        assert_eq!(quotes.follow(at(52), Link::Live), vec![Effect::ClosePrices]);
        assert_eq!(quotes.next_wake(), Some(Duration::from_secs(53)));
        assert_eq!(quotes.follow(at(53), Link::Live), vec![Effect::OpenPrices { generation: 2 }]);
        quotes.take(at(60), 2, PricesSaid::Ended);
        assert_eq!(quotes.next_wake(), Some(Duration::from_secs(62)), "twice as long");
        quotes.follow(at(62), Link::Live);
        quotes.take(at(63), 3, PricesSaid::Prices(vec![]));
        quotes.take(at(64), 3, PricesSaid::Ended);
        assert_eq!(quotes.next_wake(), Some(Duration::from_secs(65)), "a stream that spoke was no failure");
    }
}
