//! A fill that comes for a trade at its end, while another trade has the symbol.

use blotter_shared::domain::{AlarmKind, IntentId, IntentRole, IntentState, Protection, TradeId, TradeStatus};
use uuid::Uuid;

use super::super::facts::{Change, Illegal, Op, Shape, apply};
use super::super::plan::Action;
use super::super::ports::{OrderId, OrderState};
use super::super::rules::Rules;
use super::super::specimen::{trade, with_order};
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
    let alarm = stage.book.alarms.iter().find(|alarm| alarm.trade == Some(OLD)).expect("somebody must know");
    assert_eq!(alarm.kind, AlarmKind::NeedsPerson);
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
