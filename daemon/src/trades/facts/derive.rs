//! What follows from the facts of a trade: what is held, how far it got, whether it is covered.
//! Nothing here is remembered; it is worked out anew on each pass and then stored for readers.

use std::collections::BTreeMap;

use blotter_shared::domain::{CloseReason, IntentId, IntentRole, IntentState, Protection, TradeStatus};

use super::super::pricing::coarse;
use super::super::rules::{Rule, Rules};
use super::fold::Context;
use super::intent::Intent;
use super::standing::Standing;
use super::trade::{FlatCause, Trade};

/// Contracts that the ledger says are held. Below zero is a broken ledger.
#[must_use]
pub fn held(trade: &Trade) -> i64 {
    let sum = |executed: u32| i64::from(executed);
    let bought: i64 = trade.entries().map(|intent| sum(intent.executed)).sum();
    let sold: i64 = trade.exits().map(|intent| sum(intent.executed)).sum();
    bought + trade.marks.adopted - sold - trade.marks.outside
}

/// Whether anything was ever bought for it, or taken over.
#[must_use]
pub fn has_bought(trade: &Trade) -> bool {
    trade.marks.adopted != 0 || trade.entries().any(|entry| entry.executed > 0)
}

/// Contracts covered by exits that this cut shows at the market with their stop, where a stop is
/// wanted at all. While the market is closed nothing is at the market: then an order that the broker
/// has taken and shows is all the cover there can be.
#[must_use]
pub fn cover(trade: &Trade, seen: &BTreeMap<IntentId, Standing>, context: &Context<'_>) -> Cover {
    let stands = |intent: &&Intent| match seen.get(&intent.id) {
        Some(Standing::Sound | Standing::Bent) => true,
        Some(Standing::Unproven) => !context.session.open || !context.rules.has(Rule::CoverIsSeen),
        Some(Standing::Hollow) => !context.rules.has(Rule::CoverIsSeen),
        None => false,
    };
    let covering = || {
        let live = trade.live_exits().filter(|intent| {
            !context.rules.has(Rule::UnknownIsNoCover) || (intent.state == IntentState::Working && stands(intent))
        });
        live.filter(|intent| {
            let protects = intent.order().is_some_and(|order| order.shape.protects());
            protects || trade.wish.stop.is_none()
        })
    };
    let whole = |intent: &&Intent| seen.get(&intent.id) != Some(&Standing::Bent);
    let wished = |intent: &&Intent| trade.wish.is_flat() || (is_as_wished(trade, intent) && whole(intent));
    Cover {
        any: covering().map(Intent::remaining).sum(),
        wished: covering().filter(wished).map(Intent::remaining).sum(),
    }
}

/// Contracts that are covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cover {
    /// By any stop or sale.
    pub any: u32,
    /// By the exit that is wanted now.
    pub wished: u32,
}

/// Whether an exit is what is wanted now; on the coarser grid too, when the broker wanted it so.
#[must_use]
pub fn is_as_wished(trade: &Trade, exit: &Intent) -> bool {
    let Some(shape) = exit.order().map(|order| order.shape) else { return false };
    let wanted = trade.wish.shape();
    Some(shape) == wanted || (exit.version == trade.wish.version && Some(shape) == wanted.map(coarse))
}

/// The protection that is shown.
#[must_use]
pub fn protection(trade: &Trade, held: i64, cover: Cover) -> Protection {
    let (any, wished) = (i64::from(cover.any), i64::from(cover.wished));
    if held <= 0 {
        Protection::NotApplicable
    } else if wished >= held && trade.wish.stop.is_some() {
        Protection::Confirmed
    } else if any >= held && trade.wish.stop.is_some() {
        // Another stop than the one that is shown as wanted: nobody may take it for that.
        Protection::Unknown
    } else if trade.exits().any(Intent::is_in_doubt) {
        Protection::Unknown
    } else {
        Protection::Naked
    }
}

/// What the end of a trade is allowed to rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ground {
    /// Two equal lists around the position.
    pub stable: bool,
    /// Ledger and position agree in that cut.
    pub agrees: bool,
}

/// The status that the facts speak for, one legal step from the one that is stored.
#[must_use]
pub fn status(trade: &Trade, ground: Ground, rules: Rules) -> TradeStatus {
    let was = trade.marks.status;
    let goal = goal(trade, ground, rules).unwrap_or(was);
    if was == goal {
        return was;
    }
    match (was, goal) {
        // An end leads nowhere but back to a position.
        (TradeStatus::Closed | TradeStatus::Void | TradeStatus::Rejected | TradeStatus::Canceled, _) => {
            if held(trade) > 0 { TradeStatus::Filled } else { was }
        }
        // A position is seen before its end is.
        (TradeStatus::Pending | TradeStatus::Open, TradeStatus::Closed) => TradeStatus::Filled,
        (TradeStatus::Pending, TradeStatus::Closing) => {
            if held(trade) > 0 {
                TradeStatus::Filled
            } else {
                TradeStatus::Open
            }
        }
        (
            TradeStatus::Filled | TradeStatus::Closing,
            TradeStatus::Open | TradeStatus::Partial | TradeStatus::Pending,
        )
        | (TradeStatus::Partial, TradeStatus::Open | TradeStatus::Pending)
        | (TradeStatus::Open, TradeStatus::Pending) => was,
        (_, _) => goal,
    }
}

fn goal(trade: &Trade, ground: Ground, rules: Rules) -> Option<TradeStatus> {
    let held = held(trade);
    let bought: u32 = trade.entries().map(|intent| intent.executed).sum();
    let entry = trade.entries().last();
    // What waits for a person is not ended by the first list that shows nothing.
    let waits = trade.marks.quarantine.is_some();
    let proven = ground.stable && ground.agrees && !trade.has_doubt() && !waits;
    let may_end = proven || !rules.has(Rule::EndNeedsProof);
    let exit_alive = trade.live_exits().next().is_some();
    if let Some(entry) = trade.entries().find(|intent| intent.is_live()) {
        // A close that has not touched the entry may be taken back, and then the entry works on.
        let begun = trade.wish.is_flat() && trade.cancel_of(entry.id).is_some();
        return Some(match (entry.state, bought) {
            (IntentState::Working, _) if begun && held > 0 => TradeStatus::Closing,
            (_, 1..) => TradeStatus::Partial,
            (IntentState::Working, 0) if begun => TradeStatus::Closing,
            (IntentState::Working, 0) => TradeStatus::Open,
            (_, 0) => TradeStatus::Pending,
        });
    }
    if held > 0 {
        return Some(if trade.wish.is_flat() || leaves(trade) { TradeStatus::Closing } else { TradeStatus::Filled });
    }
    if bought > 0 || trade.marks.adopted > 0 {
        return (held == 0 && !exit_alive && may_end).then_some(TradeStatus::Closed);
    }
    entry.and_then(|entry| end_without_position(entry.state, may_end))
}

/// An exit is under way that has executed a part.
fn leaves(trade: &Trade) -> bool {
    trade.live_exits().any(|exit| exit.executed > 0 && exit.state == IntentState::Working)
}

fn end_without_position(entry: IntentState, may_end: bool) -> Option<TradeStatus> {
    match entry {
        IntentState::Rejected => may_end.then_some(TradeStatus::Rejected),
        IntentState::Canceled | IntentState::Expired | IntentState::Lost => may_end.then_some(TradeStatus::Canceled),
        IntentState::Void | IntentState::Absent => may_end.then_some(TradeStatus::Void),
        IntentState::Prepared
        | IntentState::Sending
        | IntentState::Acked
        | IntentState::Unknown
        | IntentState::Working
        | IntentState::Filled
        | IntentState::Done => None,
    }
}

/// Why the position is gone: the last exit that executed anything, unless it left by another door.
#[must_use]
pub fn close_reason(trade: &Trade) -> CloseReason {
    if let Some(outside) = trade.marks.outside_reason {
        return outside;
    }
    let Some(exit) = trade.exits().rev().find(|exit| exit.executed > 0) else {
        return CloseReason::ExternalUnexplained;
    };
    match exit.role {
        IntentRole::Bracket => {
            let stopped: u32 = exit.legs.iter().filter(|leg| leg.is_stop).map(|leg| leg.executed).sum();
            let limit_close = trade.wish.limit.is_some();
            match (stopped * 2 >= exit.executed, limit_close) {
                (true, _) => CloseReason::StopHit,
                (false, true) => CloseReason::Manual,
                (false, false) => CloseReason::TargetHit,
            }
        }
        IntentRole::Emergency => CloseReason::Emergency,
        IntentRole::Close | IntentRole::Entry => match trade.wish.flat {
            Some(FlatCause::StopBreached | FlatCause::CannotProtect) => CloseReason::Emergency,
            Some(FlatCause::User) | None => CloseReason::Manual,
        },
    }
}
