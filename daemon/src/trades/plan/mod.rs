//! What to do next for one trade: a pure function of facts, cut and time, and at most one action.
//!
//! Read `next` from top to bottom: it is the design's list of one pass. Each line either answers
//! or lets the next one look. A planner that finds nothing has nothing to remember: the next pass
//! looks again.

pub mod account;
mod entry;
mod exit;

use blotter_shared::domain::{IntentId, IntentRole, Quantity, TradeStatus};
use chrono::{DateTime, Utc};

pub use exit::refused_in_a_row;

use super::facts::absence::since;
use super::facts::fold::View;
use super::facts::{FlatCause, Outage, Shape, Trade};
use super::ports::{OrderId, Session};
use super::rules::{Rule, Rules};
use super::timing::Timing;

/// What the planner looks at besides the trade and its view.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    pub now: DateTime<Utc>,
    pub session: Session,
    pub rules: Rules,
    pub timing: Timing,
    /// Entries wait: the owner before may have requests under way, or the kill switch is set.
    pub entries_wait: bool,
    /// Sends have stopped for this account; only a person starts them again.
    pub halted: bool,
    /// The last time in which nobody read the account.
    pub outage: Option<Outage>,
}

/// One action. The first three end at the broker, the others are decisions to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Place(Place),
    Cancel(Cancel),
    /// An order that the ledger has done with still works.
    CancelStray(OrderId),
    /// The wish becomes stricter by policy.
    Flatten(FlatCause),
    /// A bracket that can no longer be had is given up for the last good one.
    Revert,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub role: IntentRole,
    pub shape: Shape,
    pub quantity: Quantity,
    /// A prepared intent that was never sent, to be used again.
    pub again: Option<IntentId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancel {
    pub target: IntentId,
    pub order: OrderId,
    pub why: CancelCause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelCause {
    /// The position is to be closed, wholly or in part.
    ToClose,
    /// A bracket of another shape or size takes its place.
    ToReplace,
    /// The rest of an entry is not wanted.
    EntryRest,
    /// Nothing is left for it to protect, or two work where one should.
    Orphan,
}

/// How urgent an action is (ruling 9); smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Decision,
    Emergency,
    Cancel,
    Close,
    Bracket,
    Entry,
}

impl Action {
    #[must_use]
    pub fn priority(&self) -> Priority {
        match self {
            Self::Flatten(_) | Self::Revert => Priority::Decision,
            Self::Cancel(_) | Self::CancelStray(_) => Priority::Cancel,
            Self::Place(place) => match place.role {
                IntentRole::Emergency => Priority::Emergency,
                IntentRole::Close => Priority::Close,
                IntentRole::Bracket => Priority::Bracket,
                IntentRole::Entry => Priority::Entry,
            },
        }
    }

    /// Whether it ends at the broker.
    #[must_use]
    pub fn is_write(&self) -> bool {
        match self {
            Self::Place(_) | Self::Cancel(_) | Self::CancelStray(_) => true,
            Self::Flatten(_) | Self::Revert => false,
        }
    }
}

/// The next action for a trade, if there is one.
#[must_use]
pub fn next(trade: &Trade, view: &View, scene: &Scene) -> Option<Action> {
    if scene.halted {
        return None;
    }
    if let Some(order) = view.strays.first() {
        return Some(Action::CancelStray(*order));
    }
    if let Some(entry) = trade.entries().find(|intent| intent.is_live()) {
        return entry::next(trade, entry, view, scene);
    }
    if trade.marks.held <= 0 || trade.is_ended() {
        return if trade.marks.held == 0 { orphan(trade, view, scene) } else { None };
    }
    if trade.is_unbegun() {
        return None;
    }
    if trade.marks.quarantine.is_some() {
        return exit::in_quarantine(trade, view, scene);
    }
    exit::next(trade, view, scene)
}

/// The entry of a trade that has none yet.
#[must_use]
pub fn first(trade: &Trade, view: &View, scene: &Scene) -> Option<Action> {
    let first = trade.marks.status == TradeStatus::Pending && trade.entries().next().is_none();
    let fresh = if scene.rules.has(Rule::OneEntry) { first } else { came_to_nothing(trade) };
    if scene.halted || !fresh || trade.marks.adopted != 0 { None } else { entry::send(trade, None, view, scene) }
}

/// What the mutant that enters again goes by.
fn came_to_nothing(trade: &Trade) -> bool {
    trade.marks.held == 0 && !trade.entries().any(super::facts::Intent::is_live) && trade.exits().next().is_none()
}

/// Nothing is held: what still works of ours protects nothing. While the market is closed it stays all the same: it can sell
/// nothing, and what a list of the night does not show may be there at the open.
fn orphan(trade: &Trade, view: &View, scene: &Scene) -> Option<Action> {
    let open = view.session.open || !scene.rules.has(Rule::ClosedMarketKeepsBracket);
    if !open || !scene.rules.has(Rule::OrphanGuard) {
        return None;
    }
    let exit = trade.live_exits().find(|exit| view.seen.contains_key(&exit.id))?;
    cancel(trade, exit, CancelCause::Orphan, scene)
}

/// A cancel of an order that was seen working, unless one was asked for a moment ago.
fn cancel(trade: &Trade, target: &super::facts::Intent, why: CancelCause, scene: &Scene) -> Option<Action> {
    let order = target.broker_id?;
    let asked = trade.cancel_of(target.id).and_then(|running| running.sent_at);
    let waits = asked.is_some_and(|at| (0.0..scene.timing.cancel_again.as_secs_f64()).contains(&since(at, scene.now)));
    (!waits).then_some(Action::Cancel(Cancel { target: target.id, order, why }))
}
