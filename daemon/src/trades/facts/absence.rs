//! The absence proof: when an order whose fate is unknown may be taken for not sent.
//!
//! Not finding it proves nothing until all of it holds: the longest delivery time and a settling
//! time have passed; several clean reads, apart from each other, did not show it; the list is of
//! the day on which it was sent; the list shows everything else that is known to be there; the
//! position is what the ledger says without it.
//!
//! An order at work without any tag, of the same contract and side and no older, could be ours: not every list keeps tags. It
//! is never taken for ours, as somebody may have typed the same, but while it works ours is not absent.
//!
//! An exit may be declared absent although the position differs, after as many reads as a differing
//! position needs itself: somebody who sells in the broker's own screen must not leave our order in
//! doubt for ever. Nothing is placed on a position that differs, and an order that turns up late is
//! taken up again.

use std::collections::BTreeSet;
use std::time::Duration;

use blotter_shared::domain::IntentState;
use chrono::{DateTime, Utc};

use super::super::ports::{BrokerOrder, OrderId, Side};
use super::super::rules::Rule;
use super::fold::{Context, Ground};
use super::intent::Intent;

/// Seconds that the broker's clock may be behind ours.
const CLOCKS_APART: f64 = 10.0;

/// What one clean read without the order does to an intent in doubt.
pub(super) fn miss(intent: &mut Intent, ground: Ground, context: &Context<'_>) {
    if !context.rules.has(Rule::UnknownIsNotFailed) {
        intent.state = IntentState::Absent;
        return;
    }
    let explained = ground.agrees || intent.is_exit();
    let due = is_due(intent, context);
    if !ground.is_clean() || !explained || !due {
        return;
    }
    let now = context.now;
    let gap = 0.0..context.timing.absent_gap.as_secs_f64();
    let apart = intent.absence.last.is_none_or(|last| !gap.contains(&since(last, now)));
    if apart {
        intent.absence.reads += 1;
        intent.absence.last = Some(now);
    }
    if intent.absence.reads >= reads_needed(ground, context) {
        intent.state = IntentState::Absent;
    }
}

fn reads_needed(ground: Ground, context: &Context<'_>) -> u32 {
    match (context.rules.has(Rule::AbsenceNeedsReads), ground.agrees) {
        (false, _) => 1,
        (true, true) => context.timing.absent_reads,
        (true, false) => context.timing.absent_reads.max(context.timing.mismatch_reads),
    }
}

/// Whether the order could not arrive any more, and the list is about its day.
fn is_due(intent: &mut Intent, context: &Context<'_>) -> bool {
    let Some(sent_at) = intent.sent_at.map(|at| counted_from(intent, at, context.now)) else { return true };
    let same_day = intent.sent_on == Some(context.session.date);
    let known_day = same_day || intent.sent_on.is_some_and(|day| context.history.contains_key(&day));
    if context.rules.has(Rule::AbsenceNeedsItsDay) && !known_day {
        return false;
    }
    // The list of an earlier day was read by so long ago.
    let age = if same_day { Duration::ZERO } else { context.timing.past_day };
    let wait = context.timing.delivery + context.timing.settle + age;
    let passed = context.steady && since(sent_at, context.now) >= wait.as_secs_f64();
    passed || !context.rules.has(Rule::AbsenceNeedsTime)
}

/// When the wait began. What was sent in the future was sent by a clock that is ahead, or that has
/// been set back since: the wait begins when this clock first looked for it.
fn counted_from(intent: &mut Intent, sent_at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    if sent_at <= now {
        return sent_at;
    }
    let from = intent.absence.from.filter(|from| *from <= now).unwrap_or(now);
    intent.absence.from = Some(from);
    from
}

/// Whether an order without a name could be this one. `known` are the numbers that have an owner.
pub(super) fn could_be(intent: &Intent, order: &BrokerOrder, known: &BTreeSet<OrderId>) -> bool {
    let side = if intent.is_exit() { Side::Sell } else { Side::Buy };
    let timely = intent.sent_at.is_none_or(|sent| since(sent, order.created_at) >= -CLOCKS_APART);
    let nameless = order.tag.is_none() && !known.contains(&order.id);
    nameless && !order.state.is_final() && order.side == side && timely
}

/// Seconds from one moment to another.
#[must_use]
pub fn since(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).as_seconds_f64()
}
