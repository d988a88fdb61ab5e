//! What is judged at rest, when the faults have been off for long: ends, protection, the ledger.

use blotter_daemon::trades::facts::{Intent, Shape, Trade};
use blotter_daemon::trades::pnl;
use blotter_daemon::trades::pricing::coarse;
use blotter_shared::domain::{AlarmKind, CloseReason, IntentRole, IntentState, TradeStatus};
use rust_decimal::Decimal;

use crate::broker::{Contract, Kind, SimOrder, cents};
use crate::world::World;

/// At rest: the faults have been off for long.
pub fn last(world: &mut World) {
    if is_settling(world) {
        world.oracle.count("end-not-quiet");
        return;
    }
    let trades: Vec<Trade> = world.store.book.trades.values().cloned().collect();
    for trade in &trades {
        marks_of(world, trade);
        ledger(world, trade);
        rest(world, trade);
        money(world, trade);
    }
    owned(world);
}

/// Seconds in which what has changed is seen, believed and told.
const SETTLES: u64 = 75;

/// The broker's books changed a moment ago.
pub fn is_settling(world: &World) -> bool {
    world.second().saturating_sub(world.broker.changed_at) < SETTLES
}

/// What was reached, so that a run that proves nothing is seen to prove nothing.
fn marks_of(world: &mut World, trade: &Trade) {
    let exits: Vec<&Intent> = trade.exits().collect();
    let brackets = exits.iter().filter(|exit| exit.role == IntentRole::Bracket).count();
    let closes = exits.len() - brackets;
    let reached = [
        ("bracket-filled", exits.iter().any(|exit| exit.role == IntentRole::Bracket && exit.executed > 0)),
        ("bracket-replaced", brackets > 1),
        ("bracket-then-close", brackets > 0 && closes > 0),
        ("absence-proof", trade.intents.iter().any(|intent| intent.state == IntentState::Absent)),
        ("late-arrival", trade.intents.iter().any(|intent| intent.late)),
        ("entry-unknown", trade.entries().any(|entry| entry.state == IntentState::Absent)),
        ("lost", trade.intents.iter().any(|intent| intent.state == IntentState::Lost)),
        ("exit-refused", exits.iter().any(|exit| exit.state == IntentState::Rejected)),
        ("not-sent", exits.iter().any(|exit| exit.state == IntentState::Void)),
        ("emergency", exits.iter().any(|exit| exit.role == IntentRole::Emergency)),
        ("part-closed", trade.wish.keep > 0 && trade.wish.keep < trade.spec.quantity.get() && closes > 0),
        ("limit-close", trade.wish.limit.is_some()),
        ("quarantine", trade.marks.quarantine.is_some()),
        ("external", trade.marks.outside > 0),
    ];
    for (mark, _) in reached.iter().filter(|(_, reached)| *reached) {
        world.oracle.count(mark);
    }
    if let Some(reason) = trade.marks.close_reason {
        world.oracle.count(reason.as_str());
    }
}

/// I7 and the ledger half of I6: what is booked is what the broker executed.
fn ledger(world: &mut World, trade: &Trade) {
    for intent in trade.intents.iter().filter(|intent| intent.order().is_some()) {
        let tag = intent.order().map(|order| order.tag.clone());
        let Some(order) = world.broker.orders.iter().find(|order| order.tag == tag) else {
            let claims = intent.executed > 0 && !world.broker.wiped;
            if claims {
                world.oracle.fail(format!("I7 {:?} is booked and the broker has no such order", intent.role));
            }
            continue;
        };
        if world.broker.wiped || world.oracle.forgotten.contains(&order.id) {
            continue;
        }
        let value: u64 = order.legs.iter().map(|leg| leg.value).sum();
        let fills = trade.fills.iter().filter(|fill| fill.intent_id == intent.id);
        let (count, booked) = fills.fold((0, Decimal::ZERO), |(n, v), fill| (n + fill.quantity, v + fill.value));
        let (executed, id) = (order.executed(), order.id);
        let truth = Decimal::new(i64::try_from(value).unwrap_or(0), 2);
        if intent.executed != executed || count != executed {
            let (known, state) = (intent.executed, intent.state);
            world.oracle.fail(format!("I7 order {id} executed {executed}, known {known}, booked {count}, {state}"));
        } else if (booked - truth).abs() > Decimal::new(1, 4) {
            world.oracle.fail(format!("I7 order {id} is worth {truth}, booked {booked}"));
        }
    }
}

/// I5, I12, L2.
fn rest(world: &mut World, trade: &Trade) {
    if trade.marks.quarantine.is_some() {
        let told = world.store.book.alarms.iter().any(|alarm| alarm.trade == Some(trade.id()));
        if !told {
            world.oracle.fail("I5 a quarantine without an alarm".to_owned());
        }
        return;
    }
    if trade.is_ended() && scene(world, trade).is_some_and(|(contract, _)| contract.position > 0) {
        world.oracle.count("left-of-others");
    }
    if let Some(what) = ended_badly(world, trade) {
        world.oracle.fail(format!("I5 {what}"));
    } else if let Some(what) = unsettled(world, trade) {
        world.oracle.fail(format!("L2 {what}"));
    }
}

/// What of the trade that owns a contract is to be judged: the contract and its own live orders.
fn scene<'a>(world: &'a World, trade: &Trade) -> Option<(&'a Contract, Vec<&'a SimOrder>)> {
    let symbol = trade.spec.symbol.as_str();
    let at = world.broker.contracts.iter().position(|contract| contract.symbol == symbol)?;
    if super::owner(world, symbol).map(Trade::id) != Some(trade.id()) {
        return None;
    }
    let own = world.broker.orders.iter().filter(|order| order.symbol == at && !order.state.is_final());
    Some((world.broker.contracts.get(at)?, own.filter(|order| order.own.is_some()).collect()))
}

/// An end leaves nothing behind.
fn ended_badly(world: &World, trade: &Trade) -> Option<String> {
    let (contract, own) = scene(world, trade)?;
    let status = trade.marks.status;
    if !status.is_terminal() {
        return None;
    }
    if !own.is_empty() {
        return Some(format!("{status} and {} orders work", own.len()));
    }
    let position = contract.position;
    let at = world.broker.contracts.iter().position(|other| other.symbol == contract.symbol)?;
    if position > 0 && position <= super::foreign(world, at) + written_off(world, trade) {
        // No trade's, and said so: nobody looks after it.
        let of_symbol =
            |id| world.store.book.trades.get(&id).is_some_and(|other| other.spec.symbol == trade.spec.symbol);
        let mut alarms = world.store.book.alarms.iter().filter(|alarm| alarm.kind == AlarmKind::NeedsPerson);
        let told = alarms.any(|alarm| alarm.trade.is_some_and(of_symbol));
        // A trade that ended a moment ago has left them a moment ago.
        let ended = trade.marks.closed_at.map(|at| (world.wall() - at).num_seconds());
        let young = ended.is_some_and(|seconds| u64::try_from(seconds).is_ok_and(|seconds| seconds < SETTLES));
        return (!told && !young)
            .then(|| format!("{status}, {position} that no trade has are left, and nobody was told"));
    }
    if position != 0 && !contract.short_by_race {
        return Some(format!("{status} and position {position}"));
    }
    None
}

/// Contracts of a symbol that were booked as gone on the broker's word: a person took it, or a sandbox looked wiped.
fn written_off(world: &World, trade: &Trade) -> i64 {
    let of_symbol = world.store.book.trades.values().filter(|other| other.spec.symbol == trade.spec.symbol);
    let on_its_word = of_symbol.filter(|other| {
        let accepted = world.oracle.accepted.contains_key(&other.id());
        match other.marks.outside_reason {
            Some(CloseReason::SandboxReset) => true,
            reason => accepted && reason == Some(CloseReason::ExternalUnexplained),
        }
    });
    on_its_word.map(|other| other.marks.outside).sum()
}

/// Why a trade is not at rest as it is wished, if it is not.
pub(super) fn unsettled(world: &World, trade: &Trade) -> Option<String> {
    let (contract, own) = scene(world, trade)?;
    let (status, position) = (trade.marks.status, contract.position);
    // Theirs are no trade's, once a person has said so: until then it is a quarantine.
    let foreign = world.broker.contracts.iter().position(|other| other.symbol == contract.symbol);
    let foreign = foreign.map_or(0, |at| super::foreign(world, at));
    // Somebody has bought as many as had become another contract, or as others had sold of ours: by their number nobody can
    // tell that these are others. (That the ledger is right is judged by itself.)
    let made_up = position == trade.marks.held;
    let foreign = if made_up { 0 } else { foreign };
    if status.is_terminal() || trade.marks.quarantine.is_some() {
        return None;
    }
    if trade.wish.is_flat() {
        return Some(format!("{status} although a close was asked for, position {position}"));
    }
    match status {
        TradeStatus::Filled | TradeStatus::Closing => {
            let ours = position - foreign;
            unprotected(trade, ours - super::told_apart(world, &contract.symbol, Some(trade), ours), &own)
        }
        TradeStatus::Partial => Some(format!("a half-filled entry still works and {position} are not protected")),
        TradeStatus::Open | TradeStatus::Pending => {
            (!own.iter().any(|order| order.buys)).then(|| format!("{status} and no entry works"))
        }
        TradeStatus::Closed | TradeStatus::Void | TradeStatus::Rejected | TradeStatus::Canceled => None,
    }
}

/// Exactly one exit of the wished shape covers exactly what is held and kept.
fn unprotected(trade: &Trade, position: i64, own: &[&SimOrder]) -> Option<String> {
    let wanted = trade.wish.shape();
    let covered: i64 = own.iter().map(|order| i64::from(order.remaining())).sum();
    let right = match wanted {
        Some(shape) => own.len() == 1 && covered == position && has_shape(own, shape),
        None => own.is_empty(),
    };
    let keep = trade.wish.keep;
    if right && position > 0 && position <= i64::from(keep) {
        return None;
    }
    let orders = own.len();
    Some(format!(
        "held but not protected as wished: position {position}, keep {keep}, {orders} orders cover {covered}, want {wanted:?}"
    ))
}

fn has_shape(own: &[&SimOrder], shape: Shape) -> bool {
    let alive = own.iter().flat_map(|order| &order.legs).filter(|leg| !leg.state.is_final());
    let kinds: Vec<Kind> = alive.map(|leg| leg.kind).collect();
    // After refusals the bracket stands on the coarser grid.
    let is_there = |stop: Kind| kinds.contains(&stop);
    let has = |shape: Shape| shape.stop().is_none_or(|price| is_there(Kind::Stop(cents(price))));
    has(shape) || has(coarse(shape))
}

/// I17: the result is what the broker's ledger says, to the cent.
fn money(world: &mut World, trade: &Trade) {
    let counted = trade.marks.status == TradeStatus::Closed && trade.marks.outside == 0 && !world.broker.wiped;
    if !counted || has_sold_too_much(world, trade) {
        return;
    }
    let mut cash = 0_i128;
    for order in &world.broker.orders {
        if order.own.is_some_and(|tag| tag.trade == trade.id()) {
            let value: u64 = order.legs.iter().map(|leg| leg.value).sum();
            cash += if order.buys { -i128::from(value) } else { i128::from(value) };
        }
    }
    let truth = Decimal::from_i128_with_scale(cash * 100, 2);
    let ours = pnl::realized(trade, blotter_shared::domain::Cash::ZERO).map(|realized| realized.pnl.0.round_dp(2));
    if ours != Some(truth) {
        world.oracle.fail(format!("I17 the ledger says {truth}, we say {ours:?}"));
    }
    if trade.marks.close_reason == Some(CloseReason::ExternalUnexplained) {
        world.oracle.fail("I17 a close of ours has no reason".to_owned());
    }
}

/// It has sold what another trade has bought: what its own contracts brought is known to nobody, and a person is called.
fn has_sold_too_much(world: &World, trade: &Trade) -> bool {
    let mut alarms = world.store.book.alarms.iter().filter(|alarm| alarm.kind == AlarmKind::NeedsPerson);
    let told = alarms.any(|alarm| alarm.trade == Some(trade.id()));
    told && trade.marks.held < 0
}

/// I6: every own order at the broker has exactly one intent.
fn owned(world: &mut World) {
    let orders = world.broker.orders.iter().filter(|order| !crate::travel::is_forgotten(world, order));
    let tags: Vec<String> = orders.filter_map(|order| order.tag.clone()).collect();
    for tag in tags {
        let intents = world.store.book.trades.values().flat_map(|trade| &trade.intents);
        let count = intents.filter(|intent| intent.order().is_some_and(|order| order.tag == tag)).count();
        if count != 1 {
            world.oracle.fail(format!("I6 the order {tag} has {count} intents"));
        }
    }
}
