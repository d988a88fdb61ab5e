//! The broker as the engine sees it. A read answers or fails; a write ends in one of four ways,
//! and none of them is an error that `?` could carry away.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use blotter_shared::domain::{Cash, Price, Quantity};
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The OCC symbol of a contract, or the ticker of a share; cheap to copy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Symbol(Arc<str>);

impl Symbol {
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Symbol {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Symbol> for String {
    fn from(symbol: Symbol) -> Self {
        symbol.0.as_ref().to_owned()
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The broker's number of an order or of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(pub i64);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an order does to a long position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Buy,
    Sell,
}

/// Where an order is in its life. A word that nobody knows counts as taken: it may still trade, and
/// nobody has seen it at the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OrderState {
    /// Taken; the broker's risk system or the opening of the market may come before it works.
    Pending,
    /// At the market.
    Live,
    Filled,
    Canceled,
    Expired,
    Rejected,
}

impl OrderState {
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Live => false,
            Self::Filled | Self::Canceled | Self::Expired | Self::Rejected => true,
        }
    }
}

/// At what price a leg trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegKind {
    Market,
    Limit(Price),
    Stop(Price),
    /// Something that this program never sends.
    Other,
}

/// A leg of an order; a single order has one, with the order's own id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerLeg {
    pub id: OrderId,
    pub kind: LegKind,
    pub state: OrderState,
    /// Cumulative; never believed to shrink.
    pub executed: u32,
    /// Average of everything executed; absent while the broker has not said it.
    pub average: Option<Decimal>,
}

/// An order as the broker showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerOrder {
    pub id: OrderId,
    pub tag: Option<String>,
    pub symbol: Symbol,
    pub side: Side,
    pub quantity: u32,
    /// Of the whole: final only when the broker says so of the parent *and* of each leg.
    pub state: OrderState,
    /// Of the parent alone; of a single order the same.
    pub head: OrderState,
    pub legs: Vec<BrokerLeg>,
    pub created_at: DateTime<Utc>,
    pub reason: Option<String>,
}

impl BrokerOrder {
    /// Cumulative over all legs.
    #[must_use]
    pub fn executed(&self) -> u32 {
        self.legs.iter().map(|leg| leg.executed).sum()
    }

    /// What may still be executed; an OCO counts once.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        if self.state.is_final() { 0 } else { self.quantity.saturating_sub(self.executed()) }
    }
}

/// One page of the list of orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderPage {
    pub orders: Vec<BrokerOrder>,
    /// The broker has more.
    pub more: bool,
}

/// What the account holds of one symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub symbol: Symbol,
    pub quantity: i64,
    pub cost: Cash,
}

/// Both sides of the market; a side that is missing or zero is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    pub bid: Option<Price>,
    pub ask: Option<Price>,
    pub at: DateTime<Utc>,
}

/// What asking for one order by its number brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    Found(BrokerOrder),
    NotFound,
}

/// Why a read has no answer. Nothing follows from it about the account.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadFailure {
    #[error("the broker did not answer: {0}")]
    Unavailable(String),
    #[error("the token is not accepted")]
    Unauthorized,
    #[error("the rate limit is used up")]
    Throttled,
    #[error("the broker has no such data")]
    Unsupported,
}

/// An order to be placed. Everything that the planner decided, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    pub tag: String,
    pub symbol: Symbol,
    pub quantity: Quantity,
    pub shape: super::super::facts::Shape,
}

/// How a write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a write that nobody looks at is a lost order"]
pub enum WriteOutcome {
    /// Taken, under this number; it need not work yet.
    Accepted(OrderId),
    /// Proof that nothing came of it.
    Refused(Refusal),
    /// Proof that no byte of it left.
    NotSent(String),
    /// Nothing is known: ask, never send again.
    Unknown(String),
}

/// What the broker said no with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: RefusalKind,
    pub text: String,
}

/// The refusals that lead to different acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalKind {
    /// More than the position less what is already on sale.
    CrossZero,
    /// The broker sees no position yet, or none any more.
    NoPosition,
    /// A sell stop at or above the bid.
    StopAboveBid,
    /// The order that was to be cancelled is at its end: which one, only the list says.
    AlreadyFinal(OrderState),
    /// The token or the account.
    Forbidden,
    /// The broker's own machinery is not there.
    Unavailable,
    Other,
}

impl RefusalKind {
    /// What the broker's words mean: its validators have names, and the same names stand in an answer
    /// and on an order that was refused later.
    #[must_use]
    pub fn told(words: &str) -> Self {
        let says = |word: &str| words.contains(word);
        if says("LongPositionCrossZero") {
            Self::CrossZero
        } else if says("UnexpectedSellOrderOption") {
            Self::NoPosition
        } else if says("SellStopOrderStopPriceGreaterBid") {
            Self::StopAboveBid
        } else if says("OmsUnavailable") || says("OmsInternalError") {
            Self::Unavailable
        } else {
            Self::Other
        }
    }

    /// Whether it says something about the order. The others say that the broker's books lag, or that
    /// it is not well: the same order is taken a minute later.
    #[must_use]
    pub fn is_about_the_order(self) -> bool {
        match self {
            Self::StopAboveBid | Self::AlreadyFinal(_) | Self::Other => true,
            Self::CrossZero | Self::NoPosition | Self::Forbidden | Self::Unavailable => false,
        }
    }
}

/// What the token may still do in this minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub reads: u32,
    pub writes: u32,
}

/// The broker, bound to one account and its token.
pub trait BrokerPort: Send + Sync {
    /// One page of today's orders, tags included; pages count from 1.
    fn orders(&self, page: u32) -> impl Future<Output = Result<OrderPage, ReadFailure>> + Send;

    /// Orders of one past session.
    fn orders_on(&self, date: NaiveDate) -> impl Future<Output = Result<Vec<BrokerOrder>, ReadFailure>> + Send;

    fn order(&self, id: OrderId) -> impl Future<Output = Result<Lookup, ReadFailure>> + Send;

    fn positions(&self) -> impl Future<Output = Result<Vec<Position>, ReadFailure>> + Send;

    fn equity(&self) -> impl Future<Output = Result<Cash, ReadFailure>> + Send;

    fn quotes(&self, symbols: &[Symbol]) -> impl Future<Output = Result<BTreeMap<Symbol, Quote>, ReadFailure>> + Send;

    /// Sends once. No retry, no redirect, no replay.
    fn place(&self, order: &Placement) -> impl Future<Output = WriteOutcome> + Send;

    /// Asks for a cancel. An acknowledgement is no effect.
    fn cancel(&self, id: OrderId) -> impl Future<Output = WriteOutcome> + Send;

    /// What is left of the token's limits, for reads of the present haste.
    fn allowance(&self) -> Allowance;

    /// Whether something is in flight: the reads that follow may use the share that is kept for it.
    fn hurry(&self, in_flight: bool) {
        let _none_by_default = in_flight;
    }
}
