//! What a position that is not what the ledger says leads to. Never to an order: to a close that
//! somebody else made, to a settlement, or to a person.

use blotter_shared::domain::{BrokerMode, CloseReason, IntentState, OptionContract};
use rust_decimal::Decimal;

use super::super::expiry;
use super::super::ports::{BrokerOrder, OrderState, Side};
use super::super::rules::Rule;
use super::super::snapshot::Snapshot;
use super::absence::since;
use super::account::Book;
use super::derive;
use super::fold::{Context, Ground, is_ours};
use super::trade::{Mismatch, Quarantine, Trade};

/// Clean reads after which an account that is as empty as on its first day was wiped.
const WIPE_READS: u32 = 3;

/// The account as a whole: was the sandbox reset?
pub(super) fn account(book: &mut Book, snapshot: &Snapshot, context: &Context<'_>) {
    let knows_something = book.live_trades().any(|trade| trade.intents.iter().any(|intent| intent.broker_id.is_some()));
    let empty = snapshot.before.is_empty() && snapshot.orders.is_empty() && snapshot.positions.is_empty();
    let as_new = snapshot.equity == Some(book.starting_equity);
    if !(knows_something && empty && as_new) {
        book.account.wiped_reads = 0;
        book.account.wiped_at = None;
        return;
    }
    // Reads that follow each other at once may come from the same copy that has stayed behind.
    let gap = context.timing.absent_gap.as_secs_f64();
    if book.account.wiped_at.is_some_and(|at| (0.0..gap).contains(&since(at, context.now))) {
        return;
    }
    book.account.wiped_reads += 1;
    book.account.wiped_at = Some(context.now);
    if book.account.wiped_reads < WIPE_READS {
        return;
    }
    book.account.wiped_reads = 0;
    match book.mode {
        BrokerMode::Live => book.account.halted = Some("the account is empty although it should not be".to_owned()),
        BrokerMode::Sim | BrokerMode::Sandbox => {
            for trade in book.trades.values_mut().filter(|trade| !trade.is_ended() && !is_young(trade, context)) {
                reset(trade);
            }
        }
    }
}

/// Something was sent so lately that no list need show it: it may have come after the wipe.
fn is_young(trade: &Trade, context: &Context<'_>) -> bool {
    let wait = (context.timing.delivery + context.timing.settle).as_secs_f64();
    let live = trade.intents.iter().filter(|intent| intent.order().is_some() && intent.is_live());
    live.filter_map(|intent| intent.sent_at).any(|at| since(at, context.now) < wait)
}

/// The sandbox forgot everything: nothing of this trade exists any more.
fn reset(trade: &mut Trade) {
    for intent in trade.intents.iter_mut().filter(|intent| intent.order().is_some() && intent.is_live()) {
        intent.state = match intent.state {
            IntentState::Prepared => IntentState::Void,
            IntentState::Sending | IntentState::Unknown => IntentState::Absent,
            IntentState::Acked | IntentState::Working => IntentState::Lost,
            IntentState::Filled
            | IntentState::Canceled
            | IntentState::Expired
            | IntentState::Rejected
            | IntentState::Void
            | IntentState::Absent
            | IntentState::Lost
            | IntentState::Done => intent.state,
        };
    }
    let held = derive::held(trade);
    if held != 0 {
        trade.marks.outside += held;
        trade.marks.outside_reason = Some(CloseReason::SandboxReset);
    }
}

/// The position of one trade.
pub(super) fn position(trade: &mut Trade, snapshot: &Snapshot, ground: Ground, context: &Context<'_>) {
    let position = snapshot.position(&trade.spec.symbol);
    if ground.stable {
        release(trade, position, context);
    }
    if position == derive::held(trade) {
        trade.marks.mismatch = None;
        return;
    }
    // A cut that moved, or an order in doubt, explains any difference.
    if !ground.stable || trade.has_doubt() || (trade.is_ended() && position == 0) {
        return;
    }
    let held = derive::held(trade);
    let known = trade.marks.mismatch.filter(|mismatch| mismatch.position == position);
    let known = known.unwrap_or(Mismatch { position, reads: 0, since: context.now });
    trade.marks.mismatch = Some(Mismatch { reads: known.reads + 1, ..known });
    if is_believed(&known, context) && !misses_a_live_order(trade) {
        judge(trade, snapshot, held - position, context);
    }
}

/// An order of ours that should work is not in the list: it may have filled, and it is asked for by
/// its number before the difference is put down to anybody else.
fn misses_a_live_order(trade: &Trade) -> bool {
    trade.intents.iter().any(|intent| intent.order().is_some() && intent.is_live() && intent.missing_reads > 0)
}

/// A fill of ours that shows up after its contracts were booked as gone without a reason takes that
/// booking back: the same contracts never leave twice.
pub(super) fn give_back(trade: &mut Trade) {
    let twice = -derive::held(trade);
    let inferred = trade.marks.outside_reason == Some(CloseReason::ExternalUnexplained);
    if twice <= 0 || !inferred || trade.marks.outside <= 0 {
        return;
    }
    trade.marks.outside -= twice.min(trade.marks.outside);
    if trade.marks.outside == 0 {
        trade.marks.outside_reason = None;
        trade.marks.outside_value = None;
    }
}

/// A person has accepted what this cut shows: the difference is booked, the quarantine ends. The
/// person has seen one read; the broker must have shown it as often as any position that differs.
fn release(trade: &mut Trade, position: i64, context: &Context<'_>) {
    let known = trade.marks.mismatch.filter(|known| known.position == position);
    let sure = position == derive::held(trade) || known.is_some_and(|known| is_believed(&known, context));
    let accepted = sure && trade.wish.accepts == Some(position);
    let since = trade.wish.since;
    if accepted && trade.marks.quarantine.as_ref().is_some_and(|quarantine| quarantine.at < since) {
        let missing = derive::held(trade) - position;
        trade.marks.outside += missing;
        trade.marks.outside_value = trade.marks.outside_value.filter(|_| missing == 0);
        trade.marks.quarantine = None;
    }
}

fn is_believed(known: &Mismatch, context: &Context<'_>) -> bool {
    if !context.rules.has(Rule::MismatchNeedsReads) {
        return true;
    }
    let reads = known.reads + 1 >= context.timing.mismatch_reads;
    reads && since(known.since, context.now) >= context.timing.mismatch.as_secs_f64()
}

/// What the difference means. `gone` contracts are missing; below zero, too many are there.
fn judge(trade: &mut Trade, snapshot: &Snapshot, gone: i64, context: &Context<'_>) {
    let held = derive::held(trade);
    let entry_alive = trade.entries().any(super::Intent::is_live);
    if trade.is_ended() || trade.marks.quarantine.is_some() {
        return;
    }
    if held > 0 && gone == held && !entry_alive {
        if let Some(reason) = expiry::settled(trade, snapshot) {
            leave(trade, gone, reason, expiry::settlement_value(reason));
            return;
        }
        if let Some(heir) = adjusted_contract(trade, snapshot) {
            let text = format!("the contract seems to have been adjusted: {heir} is there instead");
            quarantine(trade, snapshot, text, context);
            return;
        }
        match sold_by_others(trade, snapshot, gone, context) {
            Some(value) => leave(trade, gone, CloseReason::External, Some(value)),
            None => leave(trade, gone, CloseReason::ExternalUnexplained, None),
        }
        return;
    }
    let position = held - gone;
    quarantine(trade, snapshot, format!("the broker shows {position}, the ledger {held}"), context);
}

fn leave(trade: &mut Trade, contracts: i64, reason: CloseReason, value: Option<Decimal>) {
    trade.marks.outside += contracts;
    trade.marks.outside_reason = Some(reason);
    trade.marks.outside_value = value.map(|value| value + trade.marks.outside_value.unwrap_or_default());
    trade.marks.mismatch = None;
}

fn quarantine(trade: &mut Trade, snapshot: &Snapshot, reason: String, context: &Context<'_>) {
    let position = snapshot.position(&trade.spec.symbol);
    trade.marks.quarantine = Some(Quarantine { reason, at: context.now, position });
}

/// What sales by somebody else brought, when they explain the whole difference.
fn sold_by_others(trade: &Trade, snapshot: &Snapshot, gone: i64, context: &Context<'_>) -> Option<Decimal> {
    let foreign: Vec<&BrokerOrder> = snapshot
        .orders
        .iter()
        .filter(|order| {
            order.symbol == trade.spec.symbol && order.side == Side::Sell && order.state != OrderState::Live
        })
        .filter(|order| order.created_at >= trade.spec.asked_at && !is_ours(trade, order, context.installation))
        .collect();
    let legs = || foreign.iter().flat_map(|order| &order.legs).filter(|leg| leg.executed > 0);
    let sold: i64 = legs().map(|leg| i64::from(leg.executed)).sum();
    let value = legs().try_fold(Decimal::ZERO, |sum, leg| Some(sum + leg.average? * Decimal::from(leg.executed)));
    value.filter(|_| sold == gone)
}

/// A position of the same underlying, expiry and right that nobody asked for: what a split, a
/// special dividend or a new name turns a contract into.
fn adjusted_contract(trade: &Trade, snapshot: &Snapshot) -> Option<String> {
    let ours = &trade.spec.contract;
    let heir = snapshot.positions.iter().find(|position| {
        let contract: Option<OptionContract> = position.symbol.as_str().parse().ok();
        position.quantity > 0
            && position.symbol != trade.spec.symbol
            && contract.is_some_and(|other| {
                let numbered = other.root.trim_end_matches(|c: char| c.is_ascii_digit()) == ours.root;
                numbered && other.expiry == ours.expiry && other.option_type == ours.option_type
            })
    })?;
    Some(heir.symbol.to_string())
}
