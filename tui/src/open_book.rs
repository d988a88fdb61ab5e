//! The open trades, with what every frame asks of all of them: worked out once after a change, however
//! many frames are drawn and keys pressed until the next one.

use std::cell::OnceCell;
use std::ops::Deref;

use blotter_shared::protocol::trades::Trade;

use crate::figures::Counts;

#[derive(Clone, Debug, Default)]
pub struct OpenBook {
    trades: Vec<Trade>,
    /// Grows with each change.
    changes: u64,
    counts: OnceCell<Counts>,
    words: OnceCell<Vec<String>>,
}

impl OpenBook {
    /// The trades, to be changed.
    pub fn change(&mut self) -> &mut Vec<Trade> {
        self.changes += 1;
        self.counts = OnceCell::new();
        self.words = OnceCell::new();
        &mut self.trades
    }

    /// Two looks between which it is the same saw the same trades.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    #[must_use]
    pub fn counts(&self) -> &Counts {
        self.counts.get_or_init(|| Counts::of(&self.trades))
    }

    /// The places of the trades that a search finds, all of them for an empty one.
    #[must_use]
    pub fn found(&self, term: &str) -> Vec<usize> {
        if term.is_empty() {
            return (0..self.trades.len()).collect();
        }
        let (term, words) = (term.to_lowercase(), self.words.get_or_init(|| self.trades.iter().map(words).collect()));
        words.iter().enumerate().filter(|(_, words)| words.contains(&term)).map(|(place, _)| place).collect()
    }
}

impl Deref for OpenBook {
    type Target = [Trade];

    fn deref(&self) -> &[Trade] {
        &self.trades
    }
}

/// What a search looks through; nobody types the end of a line.
fn words(trade: &Trade) -> String {
    let strategy = trade.strategy.as_deref().unwrap_or_default();
    format!("{}\n{strategy}\n{}\n{}", trade.ticker, trade.number, trade.status.as_str()).to_lowercase()
}
