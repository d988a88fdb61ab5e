//! A position that the broker does not show.

use blotter_shared::domain::{AlarmKind, CloseReason, TradeStatus};

use super::super::plan::Action;
use super::super::ports::{BrokerLeg, BrokerOrder, LegKind, OrderId, OrderState, Side, Symbol};
use super::super::specimen::{SYMBOL, decimal};
use super::Stage;

#[test]
fn an_empty_list_of_positions_takes_no_bracket_away() {
    let mut stage = Stage::protected(2);
    stage.holds(0);
    stage.passes(30, 2);
    assert_eq!(stage.done, [], "nothing is done about a position that nothing explains");
    assert_eq!(stage.trade().marks.status, TradeStatus::Filled);
    assert_eq!(stage.trade().marks.held, 2);
    assert!(stage.trade().marks.quarantine.is_some() && stage.is_paged(), "{:?}", stage.book.alarms);
    stage.holds(2);
    stage.passes(30, 2);
    assert!(stage.trade().marks.quarantine.is_none(), "the position is back, as the ledger has it");
    assert_eq!(stage.book.alarms, []);
    assert_eq!(stage.done, []);
}

#[test]
fn a_quarantine_does_not_end_with_one_read_that_agrees() {
    let mut stage = Stage::protected(2);
    stage.holds(0);
    stage.passes(15, 2);
    for _ in 0..20 {
        stage.holds(2);
        stage.passes(3, 2);
        stage.holds(0);
        stage.passes(1, 2);
    }
    assert!(stage.trade().marks.quarantine.is_some());
}

#[test]
fn a_position_that_lags_behind_its_fill_is_waited_for() {
    let mut stage = Stage::holding(2);
    let filled = stage.now;
    for fill in &mut stage.trade_mut().fills {
        fill.seen_at = filled;
    }
    stage.trade_mut().intents[0].first_executed_at = Some(filled);
    stage.holds(0);
    stage.passes(29, 2);
    assert!(stage.trade().marks.quarantine.is_none(), "the ledger may lag for a minute");
    assert_eq!(stage.alarm(AlarmKind::Naked).map(|alarm| alarm.kind), Some(AlarmKind::Naked));
    stage.holds(2);
    stage.passes(10, 2);
    assert!(matches!(stage.done.as_slice(), [Action::Place(_)]), "{:?}", stage.done);
    assert_eq!(stage.book.alarms, []);
}

#[test]
fn a_sale_that_comes_to_light_ends_the_quarantine_and_the_trade() {
    let mut stage = Stage::protected(2);
    stage.holds(0);
    stage.passes(15, 2);
    assert!(stage.trade().marks.quarantine.is_some());
    let id = OrderId(77);
    let leg =
        BrokerLeg { id, kind: LegKind::Market, state: OrderState::Filled, executed: 2, average: Some(decimal("4.50")) };
    stage.orders.push(BrokerOrder {
        id,
        tag: None,
        symbol: Symbol::new(SYMBOL),
        side: Side::Sell,
        quantity: 2,
        state: OrderState::Filled,
        head: OrderState::Filled,
        legs: vec![leg],
        created_at: stage.now,
        reason: None,
    });
    stage.passes(10, 2);
    assert_eq!(stage.trade().marks.close_reason, Some(CloseReason::External));
    assert_eq!(stage.trade().marks.outside_value, Some(decimal("9.00")));
    assert!(stage.trade().marks.quarantine.is_none());
    assert_eq!(stage.book.alarms, []);
}

#[test]
fn contracts_that_no_live_trade_holds_call_for_a_person() {
    let mut stage = Stage::holding(2);
    stage.trade_mut().marks.status = TradeStatus::Closed;
    stage.trade_mut().marks.outside = 2;
    stage.passes(30, 2);
    let alarm = stage.alarm(AlarmKind::NeedsPerson);
    assert!(alarm.is_some_and(|alarm| alarm.message.contains("no trade")), "{:?}", stage.book.alarms);
    assert_eq!(stage.trade().marks.status, TradeStatus::Closed);
    stage.holds(0);
    stage.passes(4, 15);
    assert!(stage.alarm(AlarmKind::NeedsPerson).is_some(), "a list may be empty for a minute");
    stage.holds(2);
    stage.passes(1, 15);
    stage.holds(0);
    stage.passes(8, 15);
    assert!(stage.alarm(AlarmKind::NeedsPerson).is_some(), "it was there again two minutes ago");
    stage.passes(1, 15);
    assert_eq!(stage.book.alarms, []);
}
