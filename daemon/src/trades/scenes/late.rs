//! A fill that comes for a trade at its end, while another trade has the symbol.

use blotter_shared::domain::{AlarmKind, IntentId, IntentRole, IntentState, Protection, TradeId, TradeStatus};
use uuid::Uuid;

use super::super::alarms::{Since, watchdog};
use super::super::facts::{AlarmChange, Change, Illegal, Op, Shape, apply};
use super::super::plan::Action;
use super::super::ports::{OrderId, OrderState};
use super::super::rules::Rules;
use super::super::specimen::{at, trade, with_order};
use super::super::timing::Timing;
use super::{Stage, shown};

const OLD: TradeId = TradeId(Uuid::from_u128(2));

/// A protected trade, and an older one of the symbol whose entry was cancelled with nothing bought.
fn entered_again() -> Stage {
    let mut stage = Stage::protected(2);
    let mut old = with_order(trade(1), IntentRole::Entry, IntentState::Canceled, Shape::BuyMarket);
    (old.spec.id, old.marks.status) = (OLD, TradeStatus::Canceled);
    let intent = &mut old.intents[0];
    (intent.id, intent.trade_id) = (IntentId(Uuid::from_u128(500)), OLD);
    intent.broker_id = Some(OrderId(500));
    if let Op::Place(order) = &mut intent.op {
        order.tag = "old".to_owned();
    }
    stage.orders.insert(0, shown(intent, OrderState::Canceled));
    stage.book.trades.insert(OLD, old);
    stage
}

fn old(stage: &Stage) -> &super::Trade {
    stage.book.trades.get(&OLD).unwrap()
}

#[test]
fn it_waits_for_the_end_of_the_other_and_calls_for_a_person() {
    let mut stage = entered_again();
    let leg = &mut stage.orders[0].legs[0];
    (leg.executed, leg.average) = (1, Some("5".parse().unwrap()));
    stage.holds(3);
    stage.passes(30, 2);
    assert_eq!((old(&stage).marks.status, old(&stage).marks.held), (TradeStatus::Canceled, 1));
    let mut of_old = stage.book.alarms.iter().filter(|alarm| alarm.trade == Some(OLD));
    assert!(of_old.any(|alarm| alarm.kind == AlarmKind::NeedsPerson), "somebody must know");
    assert_eq!(stage.trade().marks.protection, Protection::Confirmed, "the other goes on");
    assert!(stage.trade().marks.quarantine.is_none());
    assert_eq!(stage.done, []);
    stage.sold("6", 1);
    stage.passes(6, 2);
    assert_eq!(old(&stage).marks.status, TradeStatus::Filled);
    assert!(matches!(stage.done.as_slice(), [Action::Place(place)] if place.quantity.get() == 1), "{:?}", stage.done);
}

#[test]
fn two_live_trades_of_one_symbol_are_never_written() {
    let mut stage = entered_again();
    let mut marks = old(&stage).marks.clone();
    marks.status = TradeStatus::Filled;
    let change = Change::Marks { trade: OLD, becomes: Box::new(marks) };
    assert_eq!(apply(&mut stage.book, &change, Rules::ALL), Err(Illegal::SymbolTaken));
}

/// Its entry was proven absent at second 600, and the account was last read so long after that.
fn given_up(seen_after: i64) -> Stage {
    let mut stage = Stage::holding(2);
    let trade = stage.trade_mut();
    (trade.marks.status, trade.marks.closed_at) = (TradeStatus::Void, Some(at(600)));
    let entry = &mut trade.intents[0];
    (entry.state, entry.executed, entry.first_executed_at) = (IntentState::Absent, 0, None);
    trade.fills.clear();
    stage.orders.clear();
    stage.holds(0);
    stage.book.account.seen_at = Some(at(600 + seen_after));
    stage
}

/// What anybody says who looks at second 600 and so many, and cannot read the account.
fn says(stage: &Stage, second: i64) -> Vec<AlarmKind> {
    let known = |trade: &super::Trade| (stage.session, Since::of(&stage.book, trade));
    let alarms = watchdog(&stage.book, known, at(600 + second), &Timing::PRODUCTION);
    let kind = |alarm: &AlarmChange| {
        let (AlarmChange::Raise { kind, .. } | AlarmChange::Clear { kind, .. } | AlarmChange::Ack { kind, .. }) = alarm;
        *kind
    };
    alarms.iter().map(kind).collect()
}

#[test]
fn an_entry_that_was_given_up_is_told_of_while_nobody_can_see_whether_it_has_come() {
    let mut stage = given_up(30);
    assert_eq!(says(&stage, 70), []);
    assert_eq!(says(&stage, 71), [AlarmKind::Unverified]);
    assert_eq!(says(&given_up(119), 160), [AlarmKind::Unverified], "it was looked for when that was read");
    assert_eq!(says(&given_up(120), 300), [], "it would have come by then");

    let known = |trade: &super::Trade| (stage.session, Since::of(&stage.book, trade));
    for alarm in watchdog(&stage.book.clone(), known, at(671), &Timing::PRODUCTION) {
        apply(&mut stage.book, &Change::Alarm(alarm), Rules::ALL).unwrap();
    }
    assert!(stage.is_paged());
    stage.passes(1, 80);
    assert_eq!(stage.book.alarms, [], "the account was read, and nothing has come");
}

#[test]
fn an_entry_that_came_after_all_is_seen_in_the_first_list_when_the_second_leaves_it_out() {
    let mut stage = Stage::holding(2);
    let came = stage.orders.clone();
    stage.book = given_up(30).book;
    (stage.orders, stage.second_is_empty) = (came, true);
    stage.pass();
    assert_eq!((stage.trade().marks.status, stage.trade().marks.held), (TradeStatus::Filled, 2));
    stage.second_is_empty = false;
    stage.passes(4, 2);
    assert!(matches!(stage.done.as_slice(), [Action::Place(_)]), "{:?}", stage.done);
}
