//! `GET /v1/trades` and `GET /v1/trades/{id}`.

mod json;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::values::words;
use crate::domain::{
    BrokerMode, Cash, CloseReason, Desired, Multiplier, OptionContract, Outcome, Price, Protection, Step, TradeId,
    TradeNumber, TradeStatus,
};
use crate::times;

words! {
    /// Which half of the book.
    Book {
        /// Everything that is not at an end.
        Open = "open",
        /// Everything that is.
        Closed = "closed",
    }
}

words! {
    /// What closed trades are sorted by. What is not known comes last, or first in ascending order.
    Sort {
        /// When it ended.
        Closed = "closed",
        /// The option symbol: ticker, expiry, right, strike.
        Symbol = "symbol",
        Pnl = "pnl",
        PnlPct = "pnl_pct",
        /// The multiple of the risk at entry.
        R = "r",
        Held = "held",
        Reason = "reason",
        Strategy = "strategy",
    }
}

words! {
    Order {
        Descending = "desc",
        Ascending = "asc",
    }
}

/// Query of `GET /v1/trades`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TradeQuery {
    /// Default: `open`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Book>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Finds ticker, strategy and trade number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Only trades of this mode; default: of every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<BrokerMode>,
    /// Of closed trades; default: `closed`. With a mode every sort is an index, at any depth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
    /// Of closed trades; default: `desc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// Where the page before ended: its `next_cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// 1 to 500; default 100. Open trades come all at once unless it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Query of `GET /v1/trades/totals`: the filter of a list of closed trades.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TotalsQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<BrokerMode>,
}

words! {
    /// How exported trades are written.
    ExportFormat {
        /// RFC 4180, with a line of headings. What a spreadsheet would take for a formula is quoted by an
        /// apostrophe.
        Csv = "csv",
        /// A list of trades, as the list answers them.
        Json = "json",
    }
}

/// Query of `GET /v1/trades/export`: a list without its pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportQuery {
    /// Default: `csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<ExportFormat>,
    /// Default: `closed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Book>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<BrokerMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
}

/// What a filter finds, added up: to be asked once for a filter, not with each page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TradeTotals {
    /// Rows of the list, trades without a position included.
    pub rows: u64,
    /// Those with a result, scratches included.
    pub trades: u64,
    pub wins: u64,
    pub losses: u64,
    /// After the fees that are told.
    pub net: Cash,
    /// How many of `trades` count before fees, because nobody has told these.
    #[serde(default)]
    pub fees_untold: u64,
}

/// A page of trades: open ones oldest first, closed ones newest first unless another sort is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TradeList {
    pub items: Vec<Trade>,
    /// Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// The change-feed sequence that this list is at least as new as.
    pub as_of: i64,
}

/// A trade as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trade {
    pub id: TradeId,
    pub number: TradeNumber,
    /// Grows with each accepted command, never with prices or fills.
    pub version: i64,
    pub account_id: String,
    pub broker_mode: BrokerMode,
    pub ticker: String,
    pub contract: OptionContract,
    pub option_symbol: String,
    pub multiplier: Multiplier,
    /// What was asked for.
    pub qty: u32,
    /// What is held now.
    pub held_qty: u32,
    pub status: TradeStatus,
    pub desired: Desired,
    pub protection: Protection,
    /// What the user must do, when the trade is in quarantine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_person: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_price: Option<Price>,
    #[serde(serialize_with = "times::time")]
    #[schemars(with = "DateTime<Utc>")]
    pub entry_date: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sl_price: Option<Price>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tp_price: Option<Price>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_price: Option<Price>,
    /// When `current_price` was true.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "times::time_opt")]
    #[schemars(with = "Option<DateTime<Utc>>")]
    pub last_updated: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrealized_pnl: Option<Cash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<Close>,
    /// When the whole position was last seen covered at the broker.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "times::time_opt")]
    #[schemars(with = "Option<DateTime<Utc>>")]
    pub last_verified_at: Option<DateTime<Utc>>,
    /// How far the engine has got with what is wanted; absent when it is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
}

/// How a trade ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Close {
    #[serde(serialize_with = "times::time")]
    #[schemars(with = "DateTime<Utc>")]
    pub at: DateTime<Utc>,
    /// Absent when the trade ended without a position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<CloseReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// What the broker charged; absent until its history tells it, which the sandbox's never does. Results are
    /// after fees once these are told, and before fees until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fees: Option<Cash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realized_pnl: Option<Cash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realized_pnl_pct: Option<Decimal>,
    /// In multiples of the risk at entry; absent for a trade without a stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r_multiple: Option<Decimal>,
}
