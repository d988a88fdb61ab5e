//! What things are worth, as a source tells it: the trait that every source keeps, and its words.
//!
//! Invariants:
//! * A number that a source did not give is `None`. No price, greek or time is made up here.
//! * Age is told by the time of the quote's own sides, never by that of the last trade: an option
//!   that did not trade today still has a fresh quote.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use futures_util::future::BoxFuture;
use rust_decimal::Decimal;

use blotter_shared::domain::OptionType;

use super::{Priority, ReadError, Ticker, open_words};

/// What a read of the market gives.
pub type MarketRead<'a, T> = BoxFuture<'a, Result<T, ReadError>>;

/// A source of prices. Every call is a read: it may be repeated, and its failure says nothing
/// about the market.
pub trait MarketData: Send + Sync + std::fmt::Debug {
    /// Names the source in errors and on the screen.
    fn source_name(&self) -> &'static str;

    /// Quotes of tickers and OCC symbols, in as few requests as the source allows. A symbol that
    /// the source does not know is in `unmatched`; no symbol vanishes.
    fn quotes<'a>(&'a self, symbols: &'a [String], priority: Priority) -> MarketRead<'a, Quotes>;

    /// Every contract of one underlying and expiry. An empty chain is an answer: the source said
    /// that there is none.
    fn chain<'a>(&'a self, underlying: &'a Ticker, expiry: NaiveDate, priority: Priority) -> MarketRead<'a, Chain>;

    /// The expiries that are listed for an underlying, ascending.
    fn expirations<'a>(&'a self, underlying: &'a Ticker, priority: Priority) -> MarketRead<'a, Vec<NaiveDate>>;

    /// The strikes of one expiry, ascending.
    fn strikes<'a>(
        &'a self,
        underlying: &'a Ticker,
        expiry: NaiveDate,
        priority: Priority,
    ) -> MarketRead<'a, Vec<Decimal>>;

    /// Bars of an underlying, oldest first.
    fn bars<'a>(&'a self, request: &'a BarsRequest, priority: Priority) -> MarketRead<'a, Vec<Bar>>;
}

open_words! {
    InstrumentKind {
        Stock = "stock",
        Etf = "etf",
        Option = "option",
        Index = "index",
        MutualFund = "mutual_fund",
    }
}

/// The answer to a question for quotes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quotes {
    pub quotes: Vec<Quote>,
    /// Symbols that the source does not know.
    pub unmatched: Vec<String>,
}

/// A quote as the source gave it. Prices may be zero (nobody bids); `None` means not told.
#[derive(Clone, Debug, PartialEq)]
pub struct Quote {
    pub symbol: String,
    pub kind: Option<InstrumentKind>,
    pub bid: Option<Decimal>,
    pub ask: Option<Decimal>,
    pub last: Option<Decimal>,
    pub bid_size: Option<u64>,
    pub ask_size: Option<u64>,
    pub bid_at: Option<DateTime<Utc>>,
    pub ask_at: Option<DateTime<Utc>>,
    pub trade_at: Option<DateTime<Utc>>,
    pub open: Option<Decimal>,
    pub high: Option<Decimal>,
    pub low: Option<Decimal>,
    pub close: Option<Decimal>,
    pub previous_close: Option<Decimal>,
    pub volume: Option<u64>,
    pub terms: Option<ContractTerms>,
    pub greeks: Option<Greeks>,
}

/// What an option quote says about its contract.
#[derive(Clone, Debug, PartialEq)]
pub struct ContractTerms {
    pub underlying: Option<String>,
    /// Tells `SPX` from `SPXW` in one chain.
    pub root: Option<String>,
    pub expiry: NaiveDate,
    pub option_type: OptionType,
    pub strike: Decimal,
    /// Shares per contract; other than 100 when the contract was adjusted.
    pub contract_size: Option<u32>,
    /// `standard`, `weeklys`, … as the source spells it.
    pub expiration_type: Option<String>,
    pub open_interest: Option<u64>,
}

/// Sensitivities and volatilities (as fractions), and when they were worked out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Greeks {
    pub delta: Option<Decimal>,
    pub gamma: Option<Decimal>,
    pub theta: Option<Decimal>,
    pub vega: Option<Decimal>,
    pub rho: Option<Decimal>,
    pub phi: Option<Decimal>,
    pub bid_iv: Option<Decimal>,
    pub mid_iv: Option<Decimal>,
    pub ask_iv: Option<Decimal>,
    pub smoothed_iv: Option<Decimal>,
    pub updated_at: Option<DateTime<Utc>>,
}

impl Quote {
    /// When this quote was last true: the older of its two sides. An index has no sides worth the
    /// name; there it is the last trade.
    #[must_use]
    pub fn quoted_at(&self) -> Option<DateTime<Utc>> {
        if self.kind == Some(InstrumentKind::Index) {
            return self.trade_at;
        }
        match (self.bid_at, self.ask_at) {
            (Some(bid), Some(ask)) => Some(bid.min(ask)),
            (one, other) => one.or(other),
        }
    }
}

/// The contracts of one expiry, calls and puts.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    pub underlying: Ticker,
    pub expiry: NaiveDate,
    pub rows: Vec<Quote>,
}

/// How long one bar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    OneMinute,
    FiveMinutes,
    FifteenMinutes,
    Daily,
    Weekly,
    Monthly,
}

/// Which bars. Both ends in New York time; the source decides how far back it reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarsRequest {
    pub symbol: Ticker,
    pub interval: Interval,
    pub start: Option<NaiveDateTime>,
    pub end: Option<NaiveDateTime>,
}

/// One bar, labelled by its start in New York.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    pub starts_at: NaiveDateTime,
    pub open: Option<Decimal>,
    pub high: Option<Decimal>,
    pub low: Option<Decimal>,
    pub close: Option<Decimal>,
    pub volume: Option<u64>,
    pub vwap: Option<Decimal>,
}

#[cfg(test)]
impl Quote {
    /// An option's of which nothing was told.
    pub(crate) fn nothing(symbol: &str) -> Self {
        Self {
            symbol: symbol.to_owned(),
            kind: Some(InstrumentKind::Option),
            bid: None,
            ask: None,
            last: None,
            bid_size: None,
            ask_size: None,
            bid_at: None,
            ask_at: None,
            trade_at: None,
            open: None,
            high: None,
            low: None,
            close: None,
            previous_close: None,
            volume: None,
            terms: None,
            greeks: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(kind: InstrumentKind, bid_at: Option<i64>, ask_at: Option<i64>) -> Quote {
        let at = |seconds: i64| DateTime::from_timestamp(seconds, 0).unwrap();
        let nothing = Quote::nothing("X");
        Quote { kind: Some(kind), bid_at: bid_at.map(at), ask_at: ask_at.map(at), trade_at: Some(at(7)), ..nothing }
    }

    #[test]
    fn a_quote_is_as_old_as_its_older_side_and_an_index_as_its_last_trade() {
        let seconds = |quote: Quote| quote.quoted_at().map(|at| at.timestamp());
        assert_eq!(seconds(quote(InstrumentKind::Option, Some(5), Some(9))), Some(5));
        assert_eq!(seconds(quote(InstrumentKind::Option, None, Some(9))), Some(9));
        assert_eq!(seconds(quote(InstrumentKind::Option, None, None)), None);
        assert_eq!(seconds(quote(InstrumentKind::Index, Some(5), Some(9))), Some(7));
    }
}
