//! What a position that is not what the ledger says leads to. Never to an order, and never to an
//! end that nothing explains: to a close that somebody else made and the list shows, to a
//! settlement, or to a person. A list of positions that is empty by mistake looks exactly like a
//! position that was sold; the bracket over it stays, because the broker sells nothing that is not
//! there.

use blotter_shared::domain::{BrokerMode, CloseReason, IntentState, OptionContract};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::super::expiry;
use super::super::ports::{BrokerOrder, Position, Side, Symbol};
use super::super::rules::Rule;
use super::super::snapshot::Snapshot;
use super::absence::since;
use super::account::{Book, Outage};
use super::derive;
use super::fold::{Context, Ground, is_ours};
use super::intent::Intent;
use super::others::Others;
use super::trade::{Agreement, FlatCause, Mismatch, Quarantine, Trade};

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

/// What a cut shows of the position of one trade.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// Less what other trades of the symbol hold by the ledger.
    pub position: i64,
    pub ground: Ground,
    pub others: Others,
    /// The end of a trade of the symbol rests on something that was not seen.
    pub doubted: bool,
}

/// The position of one trade: what of it is this trade's.
pub(super) fn position(trade: &mut Trade, snapshot: &Snapshot, shown: Shown, context: &Context<'_>) -> i64 {
    let Shown { position, ground, others, doubted } = shown;
    // What a trade that has ended left behind is told rather too early.
    if !trade.is_ended() {
        trade.marks.mismatch = trade.marks.mismatch.map(|known| known.looked_at(context.now, &context.timing));
    }
    let position = own_part(trade, position, ground);
    if ground.stable {
        release(trade, snapshot, position, context);
    }
    let position = own_part(trade, shown.position, ground);
    let held = derive::held(trade);
    if ground.stable && position == held && held > 0 && !expiry::is_over(trade, snapshot) {
        trade.marks.shares = Some(expiry::shares(trade, snapshot));
    }
    if position == held && agrees_by_chance(trade, snapshot, context) {
        return position;
    }
    if position == held || (trade.is_ended() && others.live) {
        trade.marks.mismatch = trade.marks.mismatch.filter(|_| trade.is_ended() && !others.own).and_then(|left| {
            let gone = (position == held).then(|| left.gone.unwrap_or(context.now));
            let told = left.is_told(doubted, context.now, &context.timing);
            let shown = if gone.is_none() && ground.stable && position != 0 { position } else { left.position };
            let kept = told && !gone.is_some_and(|gone| is_gone(gone, context));
            kept.then_some(Mismatch { gone, position: shown, ..left })
        });
        heal(trade, snapshot, ground, context);
        return position;
    }
    // A cut that moved, or an order in doubt, explains any difference.
    if !ground.stable || trade.has_doubt() || (trade.is_ended() && position == 0) {
        return position;
    }
    if let Some(quarantine) = trade.marks.quarantine.as_mut() {
        quarantine.agreed = None;
    }
    // A beginning that is to come was written by a clock that is ahead: it begins now.
    let known = trade.marks.mismatch.filter(|mismatch| mismatch.position == position && mismatch.since <= context.now);
    let looked = Some(context.now);
    let known = known.unwrap_or(Mismatch { position, reads: 0, since: context.now, gone: None, looked });
    let known = Mismatch { gone: None, ..known };
    if trade.is_ended() && known.is_believed(context.now, &context.timing) {
        trade.marks.mismatch = Some(known);
        return position;
    }
    trade.marks.mismatch = Some(Mismatch { reads: known.reads.saturating_add(1), ..known });
    if is_believed(&known, context) && !trade.misses_a_live_order() && !may_lag(trade, snapshot, context) {
        judge(trade, snapshot, held - position, context);
    }
    position
}

/// Contracts that nobody looks after are gone once they have not been shown for so long: a list of
/// positions that is empty for a minute takes no alarm away.
fn is_gone(at: DateTime<Utc>, context: &Context<'_>) -> bool {
    !(0.0..context.timing.aftermath.as_secs_f64()).contains(&since(at, context.now))
}

/// A fill of ours was seen a moment before the positions were read: they may be behind it. How long the rest
/// of the cut took does not make them any newer.
fn may_lag(trade: &Trade, snapshot: &Snapshot, context: &Context<'_>) -> bool {
    may_lag_behind(|_| true, trade, snapshot, context)
}

/// Likewise, of fills of some of its orders.
fn may_lag_behind(which: impl Fn(&Intent) -> bool, trade: &Trade, snapshot: &Snapshot, context: &Context<'_>) -> bool {
    let lag = context.timing.ledger.as_secs_f64() + since(snapshot.at, context.now).max(0.0);
    let fills = trade.fills.iter().filter(|fill| trade.intent(fill.intent_id).is_some_and(&which));
    let first = trade.intents.iter().filter(|intent| which(intent)).filter_map(|intent| intent.first_executed_at);
    let newest = fills.map(|fill| fill.seen_at).chain(first).max();
    newest.is_some_and(|at| (0.0..lag).contains(&Outage::read_between(context.outage, at, context.now)))
}

/// Ledger and position say the same and cannot both be right: the list shows a sale by somebody else that is booked
/// nowhere, and the position may be behind a sale of ours. Once it has caught up it differs.
pub(super) fn agrees_by_chance(trade: &Trade, snapshot: &Snapshot, context: &Context<'_>) -> bool {
    let by_others = || foreign_sales(trade, snapshot, context).filter(|order| order.executed() > 0);
    let unbooked = by_others().any(|order| !trade.marks.outside_sales.contains(&order.id));
    unbooked && !trade.is_ended() && may_lag_behind(Intent::is_exit, trade, snapshot, context)
}

/// The difference is gone: after as many reads as it took to believe it, the quarantine ends. A
/// position that is behind a sale of ours agrees by chance. Contracts that the ledger does not have are gone once
/// they have not been shown for longer than a list is empty.
fn heal(trade: &mut Trade, snapshot: &Snapshot, ground: Ground, context: &Context<'_>) {
    if may_lag(trade, snapshot, context) {
        return;
    }
    let nothing_held = derive::held(trade) == 0;
    let Some(quarantine) = trade.marks.quarantine.as_mut().filter(|_| ground.stable) else { return };
    let came_back = nothing_held && quarantine.position > 0;
    let known = quarantine.agreed.filter(|agreed| agreed.since <= context.now);
    let known = known.unwrap_or(Agreement { reads: 0, since: context.now });
    let agreed = Agreement { reads: known.reads.saturating_add(1), ..known };
    quarantine.agreed = Some(agreed);
    if is_enough(agreed.reads, agreed.since, context) && (!came_back || is_gone(agreed.since, context)) {
        trade.marks.quarantine = None;
    }
}

/// A fill of ours that shows up after its contracts were booked as gone takes that booking back: the
/// same contracts never leave twice. What somebody else sold was then nothing of this trade, and
/// whether the account is short of it is seen in its position.
pub(super) fn give_back(trade: &mut Trade) {
    let twice = -derive::held(trade);
    if twice <= 0 || trade.marks.outside <= 0 {
        return;
    }
    trade.marks.outside -= twice.min(trade.marks.outside);
    // Of several contracts that left, nobody knows which one came back, nor what it had brought.
    trade.marks.outside_value = None;
    if trade.marks.outside == 0 {
        trade.marks.outside_reason = None;
    }
}

/// A newer trade of the symbol has orders at the broker, and the database that was brought back does not know the end of
/// this one: it came before them, and what it still held by the ledger had left.
pub(super) fn succeeded(trade: &mut Trade, snapshot: &Snapshot, context: &Context<'_>) {
    let held = derive::held(trade);
    let alive = trade.intents.iter().any(|intent| intent.order().is_some() && intent.is_live());
    if trade.is_ended() || alive || held <= 0 {
        return;
    }
    let (reason, value) = match sold_by_others(trade, snapshot, held, context) {
        Some(value) => (CloseReason::External, Some(value)),
        None => (CloseReason::ExternalUnexplained, None),
    };
    leave(trade, held, reason, value);
    count_sales(trade, snapshot, context);
    trade.marks.quarantine = None;
}

/// A person has accepted what this cut shows: the difference is booked, the quarantine ends. The
/// person has seen one read; the broker must have shown it as often as any position that differs. A
/// close accepts nothing that is missing: a position that comes back is sold. What is left when the
/// ledger has sold all that it knew is somebody else's; when contracts were booked as gone without an order of ours, it may
/// be those, and a person has to say it. Nothing of it holds while the position may be
/// behind a sale of ours: it agrees with the ledger, or differs from it, by chance.
fn release(trade: &mut Trade, snapshot: &Snapshot, position: i64, context: &Context<'_>) {
    let Some(quarantine) = trade.marks.quarantine.as_ref() else { return };
    let held = derive::held(trade);
    let known = trade.marks.mismatch.filter(|mismatch| mismatch.position == position);
    let sure = position == held || known.is_some_and(|known| is_believed(&known, context));
    let all_sold = held == 0 && trade.marks.outside == 0 && !trade.has_doubt();
    let sold_out = trade.wish.flat == Some(FlatCause::User) && position > 0 && all_sold;
    let accepted = quarantine.at < trade.wish.since && trade.wish.accepts == Some(position);
    if !sure || !(accepted || sold_out) || may_lag(trade, snapshot, context) {
        return;
    }
    // A short position is not this trade's: it has nothing left, and that is all that it can have lost.
    let missing = (held - position).clamp(0, held.max(0));
    if missing > 0 {
        trade.marks.outside += missing;
        trade.marks.outside_value = None;
        trade.marks.outside_reason = Some(CloseReason::ExternalUnexplained);
        count_sales(trade, snapshot, context);
    }
    trade.marks.foreign += position - (held - missing);
    trade.marks.quarantine = None;
}

/// What of a position is this trade's, when a person has said that so many contracts of the symbol
/// are somebody else's: those leave first, because nobody can tell them apart. Below zero, somebody else
/// has sold so many that are not there.
fn own_part(trade: &mut Trade, position: i64, ground: Ground) -> i64 {
    if trade.is_ended() {
        return position;
    }
    let held = derive::held(trade);
    let said = trade.marks.foreign;
    let foreign = (position - held).clamp(said.min(0), said.max(0));
    if ground.stable && position - foreign == held {
        trade.marks.foreign = foreign;
    }
    position - foreign
}

fn is_believed(known: &Mismatch, context: &Context<'_>) -> bool {
    !context.rules.has(Rule::MismatchNeedsReads) || is_enough(known.reads + 1, known.since, context)
}

fn is_enough(reads: u32, from: DateTime<Utc>, context: &Context<'_>) -> bool {
    reads >= context.timing.mismatch_reads && since(from, context.now) >= context.timing.mismatch.as_secs_f64()
}

/// What the difference means. `gone` contracts are missing; below zero, too many are there.
fn judge(trade: &mut Trade, snapshot: &Snapshot, gone: i64, context: &Context<'_>) {
    if trade.is_ended() {
        return;
    }
    let held = derive::held(trade);
    let whole = held > 0 && gone == held && !trade.entries().any(Intent::is_live);
    let heir = if whole { adjusted_contract(trade, &snapshot.positions) } else { None };
    if whole
        && heir.is_none()
        && let Some((reason, value)) = explanation(trade, snapshot, gone, context)
    {
        leave(trade, gone, reason, value);
        count_sales(trade, snapshot, context);
        trade.marks.quarantine = None;
        return;
    }
    // Friday's contracts are settled by Monday: until then nothing is wrong.
    let settles = whole && heir.is_none() && expiry::is_over(trade, snapshot) && !expiry::is_due(snapshot, trade);
    if trade.marks.quarantine.is_some() || settles {
        return;
    }
    let position = held - gone;
    let text = match heir {
        Some(heir) => format!("the contract seems to have been adjusted: {heir} is there instead"),
        None if whole => format!("the broker shows none of the {held} that the ledger has, and nothing explains it"),
        None => format!("the broker shows {position}, the ledger {held}"),
    };
    quarantine(trade, snapshot, text, context);
}

/// Why the whole position is gone, with what it brought. Nothing else ends a trade.
fn explanation(
    trade: &Trade,
    snapshot: &Snapshot,
    gone: i64,
    context: &Context<'_>,
) -> Option<(CloseReason, Option<Decimal>)> {
    // A sale on the last day is a sale, at its price.
    if let Some(value) = sold_by_others(trade, snapshot, gone, context) {
        return Some((CloseReason::External, Some(value)));
    }
    if let Some(reason) = expiry::settled(trade, snapshot) {
        return Some((reason, expiry::settlement_value(reason)));
    }
    let guesses = !context.rules.has(Rule::EndNeedsExplanation);
    guesses.then_some((CloseReason::ExternalUnexplained, None))
}

fn leave(trade: &mut Trade, contracts: i64, reason: CloseReason, value: Option<Decimal>) {
    // What left before at an unknown price makes the sum unknown, too.
    let before = if trade.marks.outside == 0 { Some(Decimal::ZERO) } else { trade.marks.outside_value };
    trade.marks.outside += contracts;
    trade.marks.outside_reason = Some(reason);
    trade.marks.outside_value = before.zip(value).map(|(before, value)| before + value);
    trade.marks.mismatch = None;
}

fn quarantine(trade: &mut Trade, snapshot: &Snapshot, reason: String, context: &Context<'_>) {
    let position = snapshot.position(&trade.spec.symbol);
    trade.marks.quarantine = Some(Quarantine { reason, at: context.now, position, agreed: None });
}

/// What sales by somebody else brought, when they explain the whole difference. A sale explains once:
/// else the next list of positions that is empty by mistake would be put down to it, and what is
/// left would be given up.
fn sold_by_others(trade: &Trade, snapshot: &Snapshot, gone: i64, context: &Context<'_>) -> Option<Decimal> {
    let foreign = || {
        let ended = foreign_sales(trade, snapshot, context).filter(|order| order.state.is_final());
        ended.filter(|order| !trade.marks.outside_sales.contains(&order.id))
    };
    let legs = || foreign().flat_map(|order| &order.legs).filter(|leg| leg.executed > 0);
    let sold: i64 = legs().map(|leg| i64::from(leg.executed)).sum();
    let value = legs().try_fold(Decimal::ZERO, |sum, leg| Some(sum + leg.average? * Decimal::from(leg.executed)));
    value.filter(|_| sold == gone)
}

/// Orders of somebody else that have sold, or may sell, what this trade has bought.
fn foreign_sales<'a>(
    trade: &Trade,
    snapshot: &'a Snapshot,
    context: &Context<'_>,
) -> impl Iterator<Item = &'a BrokerOrder> {
    snapshot
        .orders
        .iter()
        .filter(|order| order.symbol == trade.spec.symbol && order.side == Side::Sell)
        .filter(|order| order.created_at >= trade.spec.asked_at && !is_ours(trade, order, context.installation))
}

/// What others have sold by now is booked.
fn count_sales(trade: &mut Trade, snapshot: &Snapshot, context: &Context<'_>) {
    let sold = foreign_sales(trade, snapshot, context).filter(|order| order.executed() > 0);
    let fresh: Vec<_> = sold.map(|order| order.id).filter(|id| !trade.marks.outside_sales.contains(id)).collect();
    trade.marks.outside_sales.extend(fresh);
}

/// A position of the same underlying, expiry and right that nobody asked for: what a split, a
/// special dividend or a new name turns a contract into.
#[must_use]
pub fn adjusted_contract<'a>(trade: &Trade, positions: &'a [Position]) -> Option<&'a Symbol> {
    let ours = &trade.spec.contract;
    let heir = positions.iter().find(|position| {
        let contract: Option<OptionContract> = position.symbol.as_str().parse().ok();
        position.quantity > 0
            && position.symbol != trade.spec.symbol
            && contract.is_some_and(|other| {
                let numbered = other.root.trim_end_matches(|c: char| c.is_ascii_digit()) == ours.root;
                numbered && other.expiry == ours.expiry && other.option_type == ours.option_type
            })
    })?;
    Some(&heir.symbol)
}
