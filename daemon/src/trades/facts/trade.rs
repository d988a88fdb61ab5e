//! A trade: what it is, what is wanted of it, what was seen of it.

use blotter_shared::domain::{
    CloseReason, IntentId, IntentState, Multiplier, OptionContract, Price, Protection, Quantity, TradeId, TradeStatus,
};
use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::super::ports::{OrderId, Symbol};
use super::super::timing::Timing;
use super::absence::since;
use super::intent::{Fill, Intent, Shape};
use super::restore::Restored;

/// What never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub id: TradeId,
    pub symbol: Symbol,
    pub contract: OptionContract,
    pub multiplier: Multiplier,
    /// What was asked for; for an adopted position what was there.
    pub quantity: Quantity,
    /// The limit of the entry; absent for a market order.
    pub limit: Option<Price>,
    pub initial_stop: Option<Price>,
    pub initial_target: Option<Price>,
    pub asked_at: DateTime<Utc>,
}

/// Why a position is to be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlatCause {
    User,
    /// The stop would have been hit while nothing worked.
    StopBreached,
    /// The broker refuses every bracket.
    CannotProtect,
}

/// What is wanted. Commands own it; the engine itself only ever makes it stricter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Grows with each accepted command and with nothing else.
    pub version: i64,
    /// Contracts to keep; zero exactly when `flat` is set.
    pub keep: u32,
    pub stop: Option<Price>,
    pub target: Option<Price>,
    /// A limit close: rests in the place of the target.
    pub limit: Option<Price>,
    pub flat: Option<FlatCause>,
    /// A close that was asked for outside the session.
    pub at_open: bool,
    /// A change of the bracket that is not begun by then is dropped.
    pub until: Option<DateTime<Utc>>,
    /// What is left of the entry is not wanted; what it has bought is kept.
    #[serde(default)]
    pub cut: bool,
    /// A person has seen that the position is this, and takes it for the truth.
    pub accepts: Option<i64>,
    /// When the command was accepted.
    pub since: DateTime<Utc>,
}

impl Wish {
    /// So many contracts are to be kept, and nothing else is wanted yet.
    #[must_use]
    pub fn keeping(contracts: Quantity, version: i64, since: DateTime<Utc>) -> Self {
        Self {
            version,
            keep: contracts.get(),
            stop: None,
            target: None,
            limit: None,
            flat: None,
            at_open: false,
            until: None,
            cut: false,
            accepts: None,
            since,
        }
    }

    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.flat.is_some()
    }

    /// The exit that is wanted over a position that is kept.
    #[must_use]
    pub fn shape(&self) -> Option<Shape> {
        match (self.stop, self.limit.or(self.target)) {
            (Some(stop), Some(target)) => Some(Shape::Oco { stop, target }),
            (Some(stop), None) => Some(Shape::Stop(stop)),
            (None, Some(target)) => Some(Shape::Limit(target)),
            (None, None) => None,
        }
    }
}

/// A stop and a target that belong together; either may be absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bracket {
    pub stop: Option<Price>,
    pub target: Option<Price>,
}

impl Bracket {
    /// What an order of this shape brackets; a plain sale or purchase brackets nothing.
    #[must_use]
    pub fn of(shape: Shape) -> Option<Self> {
        match shape {
            Shape::Oco { stop, target } => Some(Self { stop: Some(stop), target: Some(target) }),
            Shape::Stop(stop) => Some(Self { stop: Some(stop), target: None }),
            Shape::Limit(target) => Some(Self { stop: None, target: Some(target) }),
            Shape::SellMarket | Shape::BuyMarket | Shape::BuyLimit(_) => None,
        }
    }
}

/// Reads in a row that show contracts which a person has given up.
const DOUBTED_READS: u32 = 2;

/// Reads in a row in which the position was not what the ledger says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    pub position: i64,
    pub reads: u32,
    pub since: DateTime<Utc>,
    /// What nobody looks after has not been shown since then.
    #[serde(default)]
    pub gone: Option<DateTime<Utc>>,
    /// When positions were last read.
    #[serde(default)]
    pub looked: Option<DateTime<Utc>>,
}

impl Mismatch {
    /// Positions are read again. A time in which nobody read them counts for no more than half of what it takes to
    /// believe them: what one read showed before an outage, and a few in a row after it, is shown by a copy of the books
    /// that has stood still.
    #[must_use]
    pub fn looked_at(self, now: DateTime<Utc>, timing: &Timing) -> Self {
        let gap = self.looked.and_then(|looked| (now - looked).to_std().ok()).unwrap_or_default();
        let unseen = TimeDelta::from_std(gap.saturating_sub(timing.mismatch / 2)).unwrap_or_default();
        Self { since: self.since + unseen, looked: Some(now), ..self }
    }

    /// As many reads, over as long a time, as it takes to believe a list of positions.
    #[must_use]
    pub fn is_believed(&self, now: DateTime<Utc>, timing: &Timing) -> bool {
        self.reads >= timing.mismatch_reads && since(self.since, now) >= timing.mismatch.as_secs_f64()
    }

    /// Whether contracts under a trade that has ended are told of: when they are believed, and where the end of a trade of
    /// their symbol is doubted ([`Trade::is_doubted`]) as soon as two reads show them.
    #[must_use]
    pub fn is_told(&self, doubted: bool, now: DateTime<Utc>, timing: &Timing) -> bool {
        doubted && self.reads >= DOUBTED_READS || self.is_believed(now, timing)
    }
}

/// The trade waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    pub reason: String,
    pub at: DateTime<Utc>,
    /// What the position was when it was put here.
    pub position: i64,
    /// Reads in a row since in which position and ledger agreed again.
    #[serde(default)]
    pub agreed: Option<Agreement>,
}

/// Reads in a row in which the position was what the ledger says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    pub reads: u32,
    pub since: DateTime<Utc>,
}

/// What the owner of the lease has found out; nobody else writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    pub status: TradeStatus,
    pub close_reason: Option<CloseReason>,
    pub closed_at: Option<DateTime<Utc>>,
    /// Σ entry + adopted − Σ exits − outside. Below zero is a broken ledger.
    pub held: i64,
    pub protection: Protection,
    /// The bracket that was last seen working.
    pub good: Option<Bracket>,
    /// The version of the wish that it was sent for.
    #[serde(default)]
    pub good_version: Option<i64>,
    pub naked_since: Option<DateTime<Utc>>,
    pub verified_at: Option<DateTime<Utc>>,
    pub quarantine: Option<Quarantine>,
    /// Contracts that were there already when the trade was made of them, and what they had cost.
    #[serde(default)]
    pub adopted: i64,
    #[serde(default)]
    pub adopted_value: Option<Decimal>,
    /// Contracts that left without an order of ours, and what they brought.
    pub outside: i64,
    pub outside_value: Option<Decimal>,
    pub outside_reason: Option<CloseReason>,
    /// Sales by others that were in the list when contracts were booked as gone: they explain no more.
    #[serde(default)]
    pub outside_sales: Vec<OrderId>,
    /// Shares of the underlying that the account held while the contract still ran.
    #[serde(default)]
    pub shares: Option<i64>,
    pub mismatch: Option<Mismatch>,
    /// Contracts of the symbol that a person said are none of this trade's.
    #[serde(default)]
    pub foreign: i64,
    /// Passes in a row in which the stop was breached with nothing working.
    pub breaches: u32,
    /// Orders of it were taken up by their tags after a backup was brought back.
    #[serde(default)]
    pub restored: Option<Restored>,
}

impl Marks {
    #[must_use]
    pub fn new() -> Self {
        Self {
            status: TradeStatus::Pending,
            close_reason: None,
            closed_at: None,
            held: 0,
            protection: Protection::NotApplicable,
            good: None,
            good_version: None,
            naked_since: None,
            verified_at: None,
            quarantine: None,
            adopted: 0,
            adopted_value: None,
            outside: 0,
            outside_value: None,
            outside_reason: None,
            outside_sales: Vec::new(),
            shares: None,
            mismatch: None,
            foreign: 0,
            breaches: 0,
            restored: None,
        }
    }
}

impl Default for Marks {
    fn default() -> Self {
        Self::new()
    }
}

/// A trade with its whole ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trade {
    pub spec: Spec,
    pub wish: Wish,
    pub marks: Marks,
    /// In the order in which they were decided.
    pub intents: Vec<Intent>,
    pub fills: Vec<Fill>,
}

impl Trade {
    #[must_use]
    pub fn id(&self) -> TradeId {
        self.spec.id
    }

    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.marks.status.is_terminal()
    }

    /// Nothing was sent for it and nothing was there already.
    #[must_use]
    pub fn is_unbegun(&self) -> bool {
        self.entries().next().is_none() && self.marks.adopted == 0
    }

    pub fn entries(&self) -> impl Iterator<Item = &Intent> {
        self.intents.iter().filter(|intent| intent.is_entry())
    }

    pub fn exits(&self) -> impl DoubleEndedIterator<Item = &Intent> {
        self.intents.iter().filter(|intent| intent.is_exit())
    }

    pub fn live_exits(&self) -> impl Iterator<Item = &Intent> {
        self.exits().filter(|intent| intent.is_live())
    }

    #[must_use]
    pub fn intent(&self, id: IntentId) -> Option<&Intent> {
        self.intents.iter().find(|intent| intent.id == id)
    }

    /// The running cancel of this order, if one was asked for.
    #[must_use]
    pub fn cancel_of(&self, target: IntentId) -> Option<&Intent> {
        self.intents.iter().rev().find(|intent| intent.op == super::Op::Cancel { target } && intent.is_live())
    }

    /// The bracket to go back to: the one that was last seen working. What the one that works was sent as, where that was
    /// asked for later than the last good one, or there is none: going back behind it might not be possible any more.
    #[must_use]
    pub fn last_good(&self) -> Option<Bracket> {
        let is_newer = |exit: &Intent| self.marks.good_version.is_some_and(|good| exit.version > good);
        let newer = |exit: &&Intent| self.marks.good.is_none() || is_newer(exit);
        let working = self.live_exits().filter(|exit| exit.state == IntentState::Working);
        let sent_as = |exit: &Intent| Bracket::of(exit.order()?.shape);
        working.filter(newer).find_map(sent_as).or(self.marks.good)
    }

    /// Its end rests on a list of positions that a person has taken for the truth.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.is_ended() && self.marks.close_reason == Some(CloseReason::ExternalUnexplained)
    }

    /// Its end rests on something that was not seen: on such a list, or on an entry that was looked for in vain. Contracts that
    /// show up under it are most likely its own.
    #[must_use]
    pub fn is_doubted(&self) -> bool {
        let in_vain = |entry: &Intent| matches!(entry.state, IntentState::Absent | IntentState::Lost);
        self.is_given_up() || (self.is_ended() && self.entries().any(in_vain))
    }

    /// An order of ours that should work is not in the list: it may have filled, and it is asked for by
    /// its number before the difference is put down to anybody else.
    #[must_use]
    pub fn misses_a_live_order(&self) -> bool {
        self.intents.iter().any(|intent| intent.order().is_some() && intent.is_live() && intent.missing_reads > 0)
    }

    /// Whether anything of ours was sent and has not come to an end.
    #[must_use]
    pub fn has_doubt(&self) -> bool {
        self.intents.iter().any(|intent| intent.order().is_some() && intent.is_in_doubt())
    }
}
