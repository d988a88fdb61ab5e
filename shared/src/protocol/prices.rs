//! Prices: `GET /v1/quotes/stream`, `GET /v1/trades/{id}/series`, `GET /v1/chain`, and the words that
//! recorded prices are kept with.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::values::words;
use crate::domain::{BrokerMode, Cash, TradeId};

words! {
    /// What a mark is made of.
    MarkKind {
        /// The middle of bid and ask.
        Mid = "MID",
        /// Nobody asks: the bid.
        Bid = "BID",
        /// Nobody bids: the ask.
        Ask = "ASK",
        /// Nobody quotes: the last trade of this session.
        Last = "LAST",
        /// There is none.
        None = "NONE",
    }
}

words! {
    /// Who quoted.
    QuoteSource {
        Sim = "SIM",
        Tradier = "TRADIER",
        Orats = "ORATS",
    }
}

words! {
    /// How far a mark can be trusted.
    QuoteQuality {
        Good = "GOOD",
        /// Its source is a quarter of an hour behind.
        Delayed = "DELAYED",
        /// Too old, of unknown age, or from the future.
        Stale = "STALE",
        /// Bid and ask are far apart, or one of them is missing.
        Wide = "WIDE",
        /// The bid is above the ask.
        Crossed = "CROSSED",
    }
}

words! {
    /// The price that frames a session.
    Bookend {
        PreMarket = "PRE_MARKET",
        PostMarket = "POST_MARKET",
    }
}

impl QuoteQuality {
    /// Whether a position is valued at such a mark; one that is not leaves the price as it was, with its
    /// age.
    #[must_use]
    pub fn is_shown(self) -> bool {
        match self {
            Self::Good | Self::Delayed | Self::Wide => true,
            Self::Stale | Self::Crossed => false,
        }
    }

    /// Whether best and worst marks count it.
    #[must_use]
    pub fn is_sound(self) -> bool {
        match self {
            Self::Good | Self::Delayed => true,
            Self::Wide | Self::Stale | Self::Crossed => false,
        }
    }
}

/// The newest price of one open trade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LivePrice {
    pub trade_id: TradeId,
    pub symbol: String,
    pub bid: Option<Decimal>,
    pub ask: Option<Decimal>,
    pub mark: Option<Decimal>,
    pub mark_kind: MarkKind,
    pub quality: QuoteQuality,
    pub source: QuoteSource,
    /// When the quote was made, as its source says.
    pub quoted_at: Option<DateTime<Utc>>,
    /// When the daemon read it.
    pub at: DateTime<Utc>,
    pub delta: Option<Decimal>,
    pub iv: Option<Decimal>,
    pub underlying: Option<Decimal>,
    /// At this mark; nothing while the mark is not fit to be shown.
    pub unrealized_pnl: Option<Cash>,
}

/// `data` of the event `prices`: every trade whose price is new since the last one, each once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LivePrices {
    pub prices: Vec<LivePrice>,
}

/// Query of `GET /v1/trades/{id}/series`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeriesQuery {
    /// Most points that are wanted, one a column: 2 to 1000, 80 when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// From here on; from the entry when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Up to here, not included; up to now when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
}

/// One point of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesPoint {
    pub at: DateTime<Utc>,
    pub mark: Decimal,
    pub quality: QuoteQuality,
}

/// What was recorded of a trade, cut down to the points that show its shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    pub trade_id: TradeId,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// Marks that are recorded in this span and fit to be shown.
    pub recorded: u64,
    /// In the order of time; the first and the last are always there.
    pub points: Vec<SeriesPoint>,
}

/// Query of `GET /v1/chain/expirations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpirationsQuery {
    /// The underlying's ticker; the root of an index's weeklies (SPXW) stands for the index.
    pub symbol: String,
    /// Which world's; that of new entries when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<BrokerMode>,
}

/// `GET /v1/chain/expirations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expirations {
    pub symbol: String,
    pub mode: BrokerMode,
    /// Ascending.
    pub expirations: Vec<NaiveDate>,
    /// When it was asked: an answer is kept for some seconds.
    pub at: DateTime<Utc>,
}

/// Query of `GET /v1/chain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainQuery {
    /// The underlying's ticker; the root of an index's weeklies (SPXW) stands for the index.
    pub symbol: String,
    pub expiry: NaiveDate,
    /// Strikes on each side of the money: 1 to 200, 10 when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strikes: Option<u32>,
    /// Which world's; that of new entries when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<BrokerMode>,
}

/// One contract of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainContract {
    /// Its OCC symbol.
    pub symbol: String,
    pub bid: Option<Decimal>,
    pub ask: Option<Decimal>,
    pub mark: Option<Decimal>,
    pub quality: QuoteQuality,
    pub delta: Option<Decimal>,
    pub gamma: Option<Decimal>,
    pub theta: Option<Decimal>,
    pub vega: Option<Decimal>,
    pub iv: Option<Decimal>,
    pub volume: Option<u64>,
    pub open_interest: Option<u64>,
    /// Shares a contract, when it is not 100: an adjusted one.
    pub contract_size: Option<u32>,
}

/// One strike. Where a day has two roots (SPX and SPXW), each has its own rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainRow {
    pub root: String,
    pub strike: Decimal,
    pub call: Option<ChainContract>,
    pub put: Option<ChainContract>,
}

/// `GET /v1/chain`: the strikes around the money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OptionChain {
    pub symbol: String,
    pub mode: BrokerMode,
    pub expiry: NaiveDate,
    pub source: QuoteSource,
    /// What the underlying is worth; nothing when nobody says.
    pub underlying: Option<Decimal>,
    /// The strike next to it, or the one where call and put are worth alike.
    pub at_the_money: Option<Decimal>,
    /// Ascending.
    pub rows: Vec<ChainRow>,
    /// Rows that there are in all.
    pub listed: u64,
    /// When it was asked: an answer is kept for some seconds.
    pub at: DateTime<Utc>,
}
