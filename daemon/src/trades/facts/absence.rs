//! The absence proof: when an order whose fate is unknown may be taken for not sent.
//!
//! Not finding it proves nothing until all of it holds: the longest delivery time and a settling
//! time have passed; several clean reads, apart from each other, did not show it; the list is of
//! the day on which it was sent; the list shows everything else that is known to be there; the
//! position is what the ledger says without it.

use blotter_shared::domain::IntentState;
use chrono::{DateTime, Utc};

use super::super::rules::Rule;
use super::fold::{Context, Ground};
use super::intent::Intent;

/// What one clean read without the order does to an intent in doubt.
pub(super) fn miss(intent: &mut Intent, ground: Ground, context: &Context<'_>) {
    if !context.rules.has(Rule::UnknownIsNotFailed) {
        intent.state = IntentState::Absent;
        return;
    }
    if !ground.proves_absence() || !is_due(intent, context) {
        return;
    }
    let now = context.now;
    let apart = intent.absence.last.is_none_or(|last| since(last, now) >= context.timing.absent_gap.as_secs_f64());
    if apart {
        intent.absence.reads += 1;
        intent.absence.last = Some(now);
    }
    let enough = if context.rules.has(Rule::AbsenceNeedsReads) { context.timing.absent_reads } else { 1 };
    if intent.absence.reads >= enough {
        intent.state = IntentState::Absent;
    }
}

/// Whether the order could not arrive any more, and the list is about its day.
fn is_due(intent: &Intent, context: &Context<'_>) -> bool {
    let Some(sent_at) = intent.sent_at else { return true };
    let same_day = intent.sent_on == Some(context.session.date);
    let known_day = same_day || intent.sent_on.is_some_and(|day| context.history.contains_key(&day));
    if context.rules.has(Rule::AbsenceNeedsItsDay) && !known_day {
        return false;
    }
    let wait = context.timing.delivery + context.timing.settle;
    let passed = context.steady && since(sent_at, context.now) >= wait.as_secs_f64();
    passed || !context.rules.has(Rule::AbsenceNeedsTime)
}

/// Seconds from one moment to another.
#[must_use]
pub fn since(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).as_seconds_f64()
}
