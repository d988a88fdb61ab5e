//! What the broker says about an account and about the exchange's day.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;
use thiserror::Error;

use super::order::Order;
use super::words::open_words;

/// The number of an account, as it appears in the broker's paths.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

/// A text that is no account number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an account number is 1 to 32 letters and digits")]
pub struct NoAccountId;

impl AccountId {
    /// Stands for the account while only the token is looked at; no path is ever built from it.
    pub(crate) fn unknown() -> Self {
        Self("UNKNOWN".to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = NoAccountId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if valid { Ok(Self(text.to_owned())) } else { Err(NoAccountId) }
    }
}

/// The last four characters: enough to tell accounts apart in a log.
impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail: String = self.0.chars().skip(self.0.len().saturating_sub(4)).collect();
        write!(f, "AccountId(…{tail})")
    }
}

open_words! {
    AccountType {
        Cash = "cash",
        Margin = "margin",
        Pdt = "pdt",
    }

    /// The phase of the day as the broker's clock has it.
    MarketState {
        Premarket = "premarket",
        Open = "open",
        Postmarket = "postmarket",
        Closed = "closed",
    }

    /// Whether the exchange opens on a day.
    DayStatus {
        Open = "open",
        Closed = "closed",
    }
}

/// Which orders a list should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderScope {
    /// The broker's usual list: today's, in New York, and whatever still works.
    Session,
    /// The orders of one New York date, within a month. Dear: ask once, never in a loop.
    Day(NaiveDate),
}

/// Every order of every page.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderList {
    pub orders: Vec<Order>,
    /// Requests that it took.
    pub pages: u32,
    /// When the last page had come.
    pub read_at: DateTime<Utc>,
}

/// What is held of one symbol. The broker nets everything of one account and symbol.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    pub id: Option<i64>,
    pub symbol: String,
    /// Negative when short.
    pub quantity: Decimal,
    /// Total dollars, multiplier included.
    pub cost_basis: Option<Decimal>,
    pub acquired_at: Option<DateTime<Utc>>,
}

/// The money of an account.
#[derive(Clone, Debug, PartialEq)]
pub struct Balances {
    pub account_number: Option<String>,
    pub account_type: AccountType,
    pub total_equity: Decimal,
    pub total_cash: Decimal,
    pub market_value: Option<Decimal>,
    pub open_pl: Option<Decimal>,
    pub close_pl: Option<Decimal>,
    pub pending_orders: Option<u64>,
    /// What may be spent on options: buying power, or settled cash in a cash account.
    pub option_buying_power: Option<Decimal>,
}

/// Whose token it is and what it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub id: Option<String>,
    pub name: Option<String>,
    pub accounts: Vec<ProfileAccount>,
}

/// One account of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileAccount {
    pub account_number: AccountId,
    pub classification: Option<String>,
    pub account_type: Option<AccountType>,
    pub status: Option<String>,
    pub option_level: Option<u32>,
    pub day_trader: Option<bool>,
}

/// The broker's idea of the exchange's present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketClock {
    pub date: NaiveDate,
    pub state: MarketState,
    pub description: Option<String>,
    /// The broker's time, if it told.
    pub at: Option<DateTime<Utc>>,
    /// New York time of day at which `state` changes.
    pub next_change: Option<NaiveTime>,
    pub next_state: Option<MarketState>,
}

/// One date of the exchange's calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketDay {
    pub date: NaiveDate,
    pub status: DayStatus,
    pub description: Option<String>,
    /// New York times; absent on a closed day. An early close shows only in the end.
    pub open: Option<Hours>,
    pub premarket: Option<Hours>,
    pub postmarket: Option<Hours>,
}

/// A stretch of a day in New York.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    pub start: NaiveTime,
    pub end: NaiveTime,
}

open_words! {
    /// What an entry of the account's history is about.
    HistoryKind {
        Trade = "trade",
        Option = "option",
        Journal = "journal",
        Adjustment = "adjustment",
        Dividend = "dividend",
        Fee = "fee",
        Interest = "interest",
        Ach = "ach",
        Wire = "wire",
        Check = "check",
        Transfer = "transfer",
        Tax = "tax",
    }
}

/// What an account's history should reach over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRange {
    pub start: NaiveDate,
    pub end: NaiveDate,
}

/// One entry of the account's history: made over night, without order ids, and only for live
/// accounts.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEvent {
    pub kind: HistoryKind,
    pub amount: Decimal,
    pub at: Option<DateTime<Utc>>,
    pub symbol: Option<String>,
    pub description: Option<String>,
    pub quantity: Option<Decimal>,
    pub price: Option<Decimal>,
    pub commission: Option<Decimal>,
    /// `OPTEXP`, `assignment`, `exercise` on an option entry; `Option` or `Equity` on a trade.
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_number_cannot_leave_its_place_in_a_path() {
        assert!("VA00000001".parse::<AccountId>().is_ok());
        for bad in ["", "../user", "VA 1", "VA%2F1", "VA1?x=1", &"9".repeat(33)] {
            assert_eq!(bad.parse::<AccountId>(), Err(NoAccountId), "{bad}");
        }
    }

    #[test]
    fn debug_shows_the_tail_only() {
        assert_eq!(format!("{:?}", "VA00000001".parse::<AccountId>().unwrap()), "AccountId(…0001)");
    }
}
