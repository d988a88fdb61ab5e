//! What devices ask for. A command never touches the broker: it changes what is wanted, in one
//! transaction with its own answer, and the loop finds it. Each is judged by a pure function that
//! returns changes or a refusal with a code and a sentence; a refusal changes nothing.
//!
//! Two devices at once are a compare-and-set: the second has an old version and is told both.

pub mod adjust;
pub mod close;
pub mod flatten;
pub mod person;
pub mod place;

use std::collections::BTreeMap;

use blotter_shared::domain::{AlarmKind, OptionContract, TradeId};
use chrono::{DateTime, Utc};

use super::facts::{Book, Change, Trade, Wish, WishStamp};
use super::ports::{Position, Quote, Session, Sessions, Symbol};
use super::risk::Breach;
use super::timing::Timing;
pub use adjust::Adjust;
pub use close::Close;
pub use flatten::{Drill, When};
pub use place::NewTrade;

/// One command on one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Place(Box<NewTrade>),
    Close(TradeId, Close),
    /// Takes a close back that has not begun.
    Withdraw(TradeId, Versioned),
    Adjust(TradeId, Adjust),
    /// Tries again to protect a position, and releases it from quarantine.
    Protect(TradeId, Versioned),
    /// Cancels an entry that works.
    Cancel(TradeId, Versioned),
    /// Everything out.
    Flatten,
    Ack(AlarmKind, Option<TradeId>),
    /// Takes a position up that no trade of ours holds.
    Adopt(Box<NewTrade>),
}

/// The version that the device saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versioned {
    pub version: i64,
}

/// What a command is judged by.
#[derive(Clone, Debug)]
pub struct Desk<'a> {
    pub book: &'a Book,
    pub now: DateTime<Utc>,
    pub sessions: &'a dyn Sessions,
    pub timing: Timing,
    pub quotes: &'a BTreeMap<Symbol, Quote>,
    /// As last read; only an adopted position is judged by it.
    pub positions: &'a [Position],
}

impl Desk<'_> {
    /// The session that a contract is traded in now: some contracts trade longer than others.
    fn session(&self, contract: &OptionContract) -> Session {
        self.sessions.of(&contract.root, self.now)
    }
}

/// An accepted command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub changes: Vec<Change>,
    /// The trade and its version afterwards, where there is one trade.
    pub trade: Option<(TradeId, i64)>,
}

/// The codes of refusals; never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalCode {
    NotFound,
    StaleVersion,
    AlreadyClosing,
    Ended,
    NothingHeld,
    EntryWorking,
    QuantityTooLarge,
    PartWithLimit,
    MarketClosed,
    NoQuote,
    Expired,
    OffGrid,
    StopNotBelowBid,
    TargetNotAboveBid,
    LegsTooNear,
    NothingToChange,
    AlreadyBegun,
    SymbolTaken,
    EntriesStopped,
    Halted,
    Limit,
    NoPosition,
}

/// A command that is not done. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub code: RefusalCode,
    pub sentence: String,
    /// For a stale version: what the device had and what is durable.
    pub versions: Option<(i64, i64)>,
    /// For a limit: each one that would be broken.
    pub breaches: Vec<Breach>,
}

impl Refused {
    pub fn new(code: RefusalCode, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into(), versions: None, breaches: Vec::new() }
    }
}

/// Judges a command.
///
/// # Errors
/// The refusal, with its code and sentence.
pub fn judge(command: &Command, desk: &Desk<'_>) -> Result<Accepted, Refused> {
    match command {
        Command::Place(wanted) => place::judge(wanted, desk),
        Command::Close(id, close) => close::judge(trade(desk, *id)?, close, desk),
        Command::Withdraw(id, seen) => close::withdraw(trade(desk, *id)?, *seen, desk),
        Command::Adjust(id, adjust) => adjust::judge(trade(desk, *id)?, adjust, desk),
        Command::Protect(id, seen) => person::protect(trade(desk, *id)?, *seen, desk),
        Command::Cancel(id, seen) => close::cancel_entry(trade(desk, *id)?, *seen, desk),
        Command::Flatten => Ok(flatten::judge(desk)),
        Command::Ack(kind, id) => person::ack(*kind, *id, desk),
        Command::Adopt(wanted) => person::adopt(wanted, desk),
    }
}

fn trade<'a>(desk: &Desk<'a>, id: TradeId) -> Result<&'a Trade, Refused> {
    desk.book.trades.get(&id).ok_or_else(|| Refused::new(RefusalCode::NotFound, "there is no such trade"))
}

/// The trade is alive and the device has seen its newest version.
fn current(trade: &Trade, version: i64) -> Result<(), Refused> {
    if trade.is_ended() {
        return Err(Refused::new(RefusalCode::Ended, format!("this trade is {}", trade.marks.status)));
    }
    if trade.wish.is_flat() && version < trade.wish.version {
        let refused = Refused::new(RefusalCode::AlreadyClosing, format!("already closing, {}", close::step(trade)));
        return Err(Refused { versions: Some((version, trade.wish.version)), ..refused });
    }
    if version != trade.wish.version {
        let now = trade.wish.version;
        let sentence = format!("you have version {version}, it is now version {now}");
        return Err(Refused { versions: Some((version, now)), ..Refused::new(RefusalCode::StaleVersion, sentence) });
    }
    Ok(())
}

/// Another wish, one version on. What a person has said of this quarantine holds on; of an earlier one it is no
/// word about this one.
fn wished(trade: &Trade, mut becomes: Wish, now: DateTime<Utc>) -> Accepted {
    let of_this_one = trade.marks.quarantine.as_ref().is_some_and(|quarantine| quarantine.at < trade.wish.since);
    becomes.accepts = trade.wish.accepts.filter(|_| of_this_one);
    said(trade, becomes, now)
}

/// As [`wished`], with what a person accepts.
fn said(trade: &Trade, mut becomes: Wish, now: DateTime<Utc>) -> Accepted {
    let version = trade.wish.version + 1;
    becomes.version = version;
    becomes.since = now;
    let becomes = Box::new(becomes);
    let expect = WishStamp::of(&trade.wish);
    Accepted { changes: vec![Change::Wish { trade: trade.id(), expect, becomes }], trade: Some((trade.id(), version)) }
}
