//! One intended mutation at the broker, and what came of it.

use blotter_shared::domain::{IntentId, IntentRole, IntentState, Price, Quantity, TradeId};
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::super::ports::{OrderId, RefusalKind};
use super::super::tag::Epoch;

/// The orders that this program sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    /// Buys to open, for the day.
    BuyMarket,
    BuyLimit(Price),
    /// Sells to close, for the day.
    SellMarket,
    /// Sells to close, good till cancelled.
    Stop(Price),
    Limit(Price),
    Oco {
        stop: Price,
        target: Price,
    },
}

impl Shape {
    #[must_use]
    pub fn is_sell(self) -> bool {
        match self {
            Self::BuyMarket | Self::BuyLimit(_) => false,
            Self::SellMarket | Self::Stop(_) | Self::Limit(_) | Self::Oco { .. } => true,
        }
    }

    /// Whether it dies with the session.
    #[must_use]
    pub fn is_for_the_day(self) -> bool {
        match self {
            Self::BuyMarket | Self::BuyLimit(_) | Self::SellMarket => true,
            Self::Stop(_) | Self::Limit(_) | Self::Oco { .. } => false,
        }
    }

    /// The stop that it would put under a position.
    #[must_use]
    pub fn stop(self) -> Option<Price> {
        match self {
            Self::Stop(stop) | Self::Oco { stop, .. } => Some(stop),
            Self::BuyMarket | Self::BuyLimit(_) | Self::SellMarket | Self::Limit(_) => None,
        }
    }

    /// Whether it limits the loss of what it sells: a stop, or a sale under way.
    #[must_use]
    pub fn protects(self) -> bool {
        match self {
            Self::SellMarket | Self::Stop(_) | Self::Oco { .. } => true,
            Self::BuyMarket | Self::BuyLimit(_) | Self::Limit(_) => false,
        }
    }
}

/// An order as it was meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub tag: String,
    pub quantity: Quantity,
    pub shape: Shape,
}

/// What is asked of the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    Place(Order),
    Cancel { target: IntentId },
}

/// A leg as it was last seen; quantities only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegSeen {
    pub id: OrderId,
    /// Whether this leg is the stop.
    pub is_stop: bool,
    pub executed: u32,
    pub average: Option<Decimal>,
}

/// How often an order was looked for in vain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    pub reads: u32,
    pub last: Option<DateTime<Utc>>,
    /// When it was first looked for by a clock that is behind the one it was sent by.
    #[serde(default)]
    pub from: Option<DateTime<Utc>>,
}

/// One intent. The state is the table of `state`; the rest is evidence for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub id: IntentId,
    pub trade_id: TradeId,
    pub role: IntentRole,
    pub op: Op,
    pub attempt: u32,
    /// The version of the wish that it was decided on.
    pub version: i64,
    pub epoch: Epoch,
    pub state: IntentState,
    /// While it is prepared: after this it is void.
    pub valid_until: Option<DateTime<Utc>>,
    pub sent_at: Option<DateTime<Utc>>,
    /// The New York date of `sent_at`.
    pub sent_on: Option<NaiveDate>,
    pub broker_id: Option<OrderId>,
    pub legs: Vec<LegSeen>,
    pub executed: u32,
    pub first_executed_at: Option<DateTime<Utc>>,
    /// When a cut first showed it at the market as it was sent.
    #[serde(default)]
    pub sound_at: Option<DateTime<Utc>>,
    pub refusal: Option<String>,
    /// What that text means.
    #[serde(default)]
    pub refused: Option<RefusalKind>,
    pub absence: Absence,
    /// Clean reads in a row that did not show it although it was known there.
    pub missing_reads: u32,
    /// It came after it was proven absent: the unique live exit does not count it.
    pub late: bool,
}

/// What of an intent is fixed when it is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub id: IntentId,
    pub trade_id: TradeId,
    pub role: IntentRole,
    pub attempt: u32,
    pub version: i64,
    pub epoch: Epoch,
}

impl Intent {
    /// As it is decided: prepared, and nothing came of it yet.
    #[must_use]
    pub fn new(origin: Origin, op: Op) -> Self {
        let Origin { id, trade_id, role, attempt, version, epoch } = origin;
        Self {
            id,
            trade_id,
            role,
            op,
            attempt,
            version,
            epoch,
            state: IntentState::Prepared,
            valid_until: None,
            sent_at: None,
            sent_on: None,
            broker_id: None,
            legs: Vec::new(),
            executed: 0,
            first_executed_at: None,
            sound_at: None,
            refusal: None,
            refused: None,
            absence: Absence::default(),
            missing_reads: 0,
            late: false,
        }
    }

    /// The same as it went through the send gate, before anything came of it.
    #[must_use]
    pub fn at_the_gate(&self) -> Self {
        let Self { id, trade_id, role, attempt, version, epoch, .. } = *self;
        let origin = Origin { id, trade_id, role, attempt, version, epoch };
        Self {
            state: IntentState::Sending,
            valid_until: self.valid_until,
            sent_at: self.sent_at,
            sent_on: self.sent_on,
            late: self.late,
            ..Self::new(origin, self.op.clone())
        }
    }

    #[must_use]
    pub fn order(&self) -> Option<&Order> {
        match &self.op {
            Op::Place(order) => Some(order),
            Op::Cancel { .. } => None,
        }
    }

    #[must_use]
    pub fn is_entry(&self) -> bool {
        self.role == IntentRole::Entry && self.order().is_some()
    }

    #[must_use]
    pub fn is_exit(&self) -> bool {
        self.role != IntentRole::Entry && self.order().is_some()
    }

    /// It may be at the broker, or may still get there by our hand.
    #[must_use]
    pub fn is_live(&self) -> bool {
        is_live(self.state)
    }

    /// It may be there and nobody has seen it.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        matches!(self.state, IntentState::Sending | IntentState::Unknown | IntentState::Acked)
    }

    /// What it may still sell or buy.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        let quantity = self.order().map_or(0, |order| order.quantity.get());
        if self.is_live() { quantity.saturating_sub(self.executed) } else { 0 }
    }
}

/// Whether an intent in this state may still cause something.
#[must_use]
pub fn is_live(state: IntentState) -> bool {
    match state {
        IntentState::Prepared
        | IntentState::Sending
        | IntentState::Acked
        | IntentState::Unknown
        | IntentState::Working => true,
        IntentState::Filled
        | IntentState::Canceled
        | IntentState::Expired
        | IntentState::Rejected
        | IntentState::Void
        | IntentState::Absent
        | IntentState::Lost
        | IntentState::Done => false,
    }
}

/// One step of a leg's cumulative execution, written once its price is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    pub trade_id: TradeId,
    pub intent_id: IntentId,
    pub leg: OrderId,
    /// Cumulative after this step: with the leg, the fill's identity.
    pub cumulative: u32,
    pub quantity: u32,
    /// What this step cost or brought, in price units: exact, so that sums telescope.
    pub value: Decimal,
    pub seen_at: DateTime<Utc>,
}
