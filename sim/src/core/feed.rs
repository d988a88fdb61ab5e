//! Where the engine learns prices. The seeded market is one feed; a test that needs an exact price writes its own.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::ids::Symbol;
use crate::time::Ms;

/// Both sides of the market at a moment. A side that is missing has price 0 and size 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touch {
    /// Best price to sell at.
    pub bid: Decimal,
    /// Best price to buy at.
    pub ask: Decimal,
    /// Quantity behind the bid.
    pub bid_size: i64,
    /// Quantity behind the ask.
    pub ask_size: i64,
    /// Last traded price.
    pub last: Decimal,
}

impl Touch {
    /// The middle, or the side that exists.
    #[must_use]
    pub fn mid(&self) -> Decimal {
        if self.bid.is_zero() || self.ask.is_zero() {
            return self.bid.max(self.ask);
        }
        (self.bid + self.ask) / Decimal::TWO
    }
}

/// A source of prices. Answers are functions of symbol and time: asking twice changes nothing.
pub trait Feed: Send {
    /// The market in a share or contract, `None` when there is no such thing (or no longer).
    fn touch(&mut self, symbol: &Symbol, at: Ms) -> Option<Touch>;

    /// The price that decides exercise at the end of `day`.
    fn settlement(&mut self, underlying: &Symbol, day: NaiveDate) -> Option<Decimal>;

    /// Whether the symbol is an index, whose options settle in cash and which itself does not trade.
    fn is_index(&self, symbol: &Symbol) -> bool;

    /// The smallest step of price at a price.
    fn tick(&self, symbol: &Symbol, price: Decimal) -> Decimal;
}
