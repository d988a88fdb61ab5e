//! The broker: what may be asked of it, how a call can end, and the one adapter that speaks it.
//!
//! Read `outcome` first (a read fails or answers; a write has four ends), then `order` and
//! `account` (the vocabulary), `market_data` (what a source of prices promises), `rate_limit` (who may call when), `status` (what the user is told),
//! `tradier` (the wire) and `factory` (which world a user trades in).
//!
//! # The contract
//!
//! Every implementation of [`Broker`] keeps these promises, and callers may build on them:
//!
//! 1. **A write leaves at most once.** One call makes at most one request that changes anything.
//!    There is no retry, redirect, replay on another connection or resend after a lost answer, at
//!    any layer.
//! 2. **`Refused` and `NotSent` are proof.** Whatever is not proven is `Unknown`: a time-out, a
//!    reset, a 5xx, a page of HTML, an empty body, a 429. What became of it is found by looking,
//!    see [`crate::trades::facts::absence`].
//! 3. **`Accepted` is an id, not an order.** The broker may still reject it seconds later. Only a
//!    read tells, see [`confirm`].
//! 4. **A write is late or it is sent.** After [`Send::by`] no byte of it leaves. The check is
//!    repeated when the connection stands, right before the request is written.
//! 5. **A dropped future is `Unknown`.** Whoever drops the future of a write (a cancelled task, a
//!    shutdown) knows nothing about it. Record the intention before the call.
//! 6. **A read that fails says nothing,** and a read that answers is complete: every page, every
//!    field that was there, no default for a field that was not. A list that cannot be read whole
//!    is an error, not a short list.
//! 7. **Words may be new.** Each word of the wire has an `Unknown` arm that keeps the text. An
//!    unknown status counts as live.
//! 8. **Nothing waits for ever:** not for a permit, not for a connection, not for a body.
//! 9. **The token shows nowhere:** no log line, no error, no `Debug`, no panic.

mod account;
pub mod confirm;
pub mod exits_only;
pub mod factory;
pub mod market_data;
mod order;
mod outcome;
pub mod rate_limit;
mod status;
pub mod tls;
pub mod tradier;
mod words;
pub mod world;

pub use account::{
    AccountId, AccountType, Balances, DayStatus, HistoryEvent, HistoryKind, HistoryRange, Hours, MarketClock,
    MarketDay, MarketState, NoAccountId, OrderList, OrderScope, Position, Profile, ProfileAccount,
};
pub use order::{
    AckStatus, Change, Duration, Fill, Instrument, Leg, Lifetime, Liveness, NewOrder, Order, OrderClass, OrderId,
    OrderProblem, OrderSide, OrderStatus, OrderType, Pricing, Shape, Tag, Ticker, TradeSide,
};
pub use outcome::{AuthTrouble, Doubt, NotSent, ReadError, Refusal, Unreachable, WriteOutcome};
pub use rate_limit::Priority;
pub use status::{AccountStatus, Signal};
pub(crate) use words::open_words;

use blotter_shared::domain::BrokerMode;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

/// What a read gives.
pub type Read<'a, T> = BoxFuture<'a, Result<T, ReadError>>;

/// What a write gives: never a `Result`.
pub type Write<'a> = BoxFuture<'a, WriteOutcome>;

/// Leave to send one write: how urgent it is and when it is too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Send {
    pub priority: Priority,
    /// No byte leaves after this moment.
    pub by: DateTime<Utc>,
}

/// One account at a broker, in one world. See the module for what an implementation promises.
pub trait Broker: std::marker::Send + Sync + std::fmt::Debug {
    /// Which world this account belongs to.
    fn mode(&self) -> BrokerMode;

    fn account(&self) -> &AccountId;

    /// How the account is, and a way to hear when that changes.
    fn status(&self) -> watch::Receiver<AccountStatus>;

    /// Whose token it is. The cheapest question that proves token, environment and account.
    fn profile(&self, priority: Priority) -> Read<'_, Profile>;

    fn balances(&self, priority: Priority) -> Read<'_, Balances>;

    /// What is held. An empty list means that the broker said so.
    fn positions(&self, priority: Priority) -> Read<'_, Vec<Position>>;

    /// All orders of the scope, all pages, with tags.
    fn orders(&self, scope: OrderScope, priority: Priority) -> Read<'_, OrderList>;

    /// One order with its legs and tag. `NotThere` is no proof that it never was: the broker
    /// forgets orders of past days.
    fn order(&self, id: OrderId, priority: Priority) -> Read<'_, Order>;

    /// The account's history. Live accounts only; the sandbox keeps none.
    fn history(&self, range: HistoryRange, priority: Priority) -> Read<'_, Vec<HistoryEvent>>;

    /// The exchange's present as the broker sees it.
    fn clock(&self, priority: Priority) -> Read<'_, MarketClock>;

    /// One month of the exchange's calendar.
    fn calendar(&self, year: i32, month: u32, priority: Priority) -> Read<'_, Vec<MarketDay>>;

    /// Places an order, an OCO or an OTOCO.
    fn place<'a>(&'a self, order: &'a NewOrder, send: Send) -> Write<'a>;

    /// Changes price, stop, type or lifetime of a working order.
    fn change(&self, id: OrderId, change: Change, send: Send) -> Write<'_>;

    /// Asks for the end of an order; on the parent of a group, of the whole group. `Accepted`
    /// means that the request was taken: a fill can still win.
    fn cancel(&self, id: OrderId, send: Send) -> Write<'_>;
}
