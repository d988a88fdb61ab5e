//! Changes of what is durable. A list of them is one transaction.

use blotter_shared::domain::{AlarmKind, IntentId, Severity, TradeId};
use chrono::{DateTime, Utc};

use super::account::AccountMarks;
use super::intent::{Fill, Intent};
use super::trade::{Marks, Trade, Wish};

/// Which wish something was decided on: it fails when another one is durable by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WishStamp {
    pub version: i64,
    pub flat: bool,
}

impl WishStamp {
    #[must_use]
    pub fn of(wish: &Wish) -> Self {
        Self { version: wish.version, flat: wish.is_flat() }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new trade; by a command, or by taking up a position.
    Begin(Box<Trade>),
    /// Another wish in the place of the one that is named.
    Wish {
        trade: TradeId,
        expect: WishStamp,
        becomes: Box<Wish>,
    },
    /// What was found out about a trade.
    Marks {
        trade: TradeId,
        becomes: Box<Marks>,
    },
    /// What was found out about an intent.
    Intent(Box<Intent>),
    /// The send gate: this intent is SENDING from now on, if the wish is still the one that is named.
    Gate {
        intent: Box<Intent>,
        expect: WishStamp,
    },
    /// A fill; writing it twice writes it once.
    Fill(Fill),
    Account(AccountMarks),
    Alarm(AlarmChange),
}

impl Change {
    /// The trade that it is about, if it is about one.
    #[must_use]
    pub fn trade(&self) -> Option<TradeId> {
        match self {
            Self::Begin(trade) => Some(trade.id()),
            Self::Wish { trade, .. } | Self::Marks { trade, .. } => Some(*trade),
            Self::Intent(intent) | Self::Gate { intent, .. } => Some(intent.trade_id),
            Self::Fill(fill) => Some(fill.trade_id),
            Self::Alarm(
                AlarmChange::Raise { trade, .. } | AlarmChange::Clear { trade, .. } | AlarmChange::Ack { trade, .. },
            ) => *trade,
            Self::Account(_) => None,
        }
    }
}

/// An open alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmState {
    pub kind: AlarmKind,
    pub trade: Option<TradeId>,
    pub severity: Severity,
    pub message: String,
    pub raised_at: DateTime<Utc>,
    pub acked_at: Option<DateTime<Utc>>,
}

/// What is to become of the one alarm of this kind and trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlarmChange {
    /// Open it, make it louder, or give it the sentence of what is the cause now; one that is open already stays
    /// as old as it is, and seen if it was seen.
    Raise {
        kind: AlarmKind,
        trade: Option<TradeId>,
        severity: Severity,
        message: String,
        at: DateTime<Utc>,
    },
    Clear {
        kind: AlarmKind,
        trade: Option<TradeId>,
        at: DateTime<Utc>,
    },
    Ack {
        kind: AlarmKind,
        trade: Option<TradeId>,
        at: DateTime<Utc>,
    },
}

impl AlarmChange {
    /// The same about this trade, or about the account.
    #[must_use]
    pub fn about(mut self, subject: Option<TradeId>) -> Self {
        let (Self::Raise { trade, .. } | Self::Clear { trade, .. } | Self::Ack { trade, .. }) = &mut self;
        *trade = subject;
        self
    }
}

/// For the log of a commit: which intent a change is about.
#[must_use]
pub fn intent_of(change: &Change) -> Option<IntentId> {
    match change {
        Change::Intent(intent) | Change::Gate { intent, .. } => Some(intent.id),
        Change::Begin(_)
        | Change::Wish { .. }
        | Change::Marks { .. }
        | Change::Fill(_)
        | Change::Account(_)
        | Change::Alarm(_) => None,
    }
}
