//! The last day of a contract and the day after.

use blotter_shared::domain::{AlarmKind, Cash, CloseReason, Severity, TradeStatus};
use chrono::Duration;

use super::super::commands::{Close, Command, RefusalCode, Versioned};
use super::super::pnl;
use super::super::ports::{BrokerLeg, BrokerOrder, LegKind, OrderId, OrderState, RefusalKind, Side, Symbol};
use super::super::specimen::{SYMBOL, decimal};
use super::quarantine::wanted;
use super::{Stage, end};

/// Protected on its last day, 500 shares of the underlying beside it.
fn last_day() -> Stage {
    let mut stage = Stage::protected(2);
    let day = stage.session.date;
    stage.trade_mut().spec.contract.expiry = day;
    stage.positions.insert(Symbol::new("ABC"), 500);
    stage.passes(5, 2);
    stage
}

/// The session is over; its contracts are gone in the evening.
fn evening(stage: &mut Stage) {
    stage.session.open = false;
    (stage.session.opens, stage.session.closes) =
        (stage.session.opens + Duration::hours(30), stage.session.closes + Duration::hours(30));
    stage.now += Duration::hours(8);
    end(stage.newest(), OrderState::Expired);
    stage.positions.remove(&Symbol::new(SYMBOL));
    stage.passes(10, 60);
}

fn morning(stage: &mut Stage) {
    stage.now = stage.session.opens;
    stage.session.open = true;
    stage.session.date = stage.session.date.succ_opt().unwrap();
    stage.orders.clear();
    stage.passes(20, 15);
}

#[test]
fn shares_that_were_there_before_make_no_exercise() {
    let mut stage = last_day();
    evening(&mut stage);
    assert_eq!(stage.trade().marks.status, TradeStatus::Filled, "shares come overnight");
    assert!(stage.trade().marks.quarantine.is_none(), "nothing is wrong");
    morning(&mut stage);
    assert_eq!(stage.trade().marks.close_reason, Some(CloseReason::Expired));
    assert_eq!(pnl::realized(stage.trade(), Cash::ZERO).unwrap().pnl, Cash(decimal("-1000")));
}

/// Its bracket expired with the session: nothing covers it, nothing sells it, and nobody is called for that.
#[test]
fn what_only_waits_for_its_settlement_calls_nobody_and_takes_no_command() {
    let mut stage = last_day();
    stage.session.open = false;
    (stage.session.opens, stage.session.closes) =
        (stage.session.opens + Duration::hours(30), stage.session.closes + Duration::hours(30));
    stage.now += Duration::hours(8);
    end(stage.newest(), OrderState::Expired);
    stage.passes(10, 60);
    assert_eq!((stage.trade().marks.held, stage.trade().marks.naked_since.is_some()), (2, true));
    assert_eq!(stage.book.alarms, []);
    let (id, version) = (stage.trade().id(), stage.trade().wish.version);
    let close = Close { version, quantity: None, limit: None, at_open: true };
    for command in [Command::Close(id, close), Command::Protect(id, Versioned { version })] {
        assert_eq!(stage.command(&command), Err(RefusalCode::Expired), "{command:?}");
    }
    assert_eq!(stage.done, []);
}

#[test]
fn a_sale_by_hand_on_the_last_day_counts_at_its_price() {
    let mut stage = last_day();
    let id = OrderId(77);
    let (state, average) = (OrderState::Filled, Some(decimal("0.40")));
    let leg = BrokerLeg { id, kind: LegKind::Market, state, executed: 2, average };
    stage.orders.push(BrokerOrder {
        id,
        tag: None,
        symbol: Symbol::new(SYMBOL),
        side: Side::Sell,
        quantity: 2,
        state,
        head: state,
        legs: vec![leg],
        created_at: stage.now,
        reason: None,
    });
    stage.orders.rotate_right(1);
    evening(&mut stage);
    assert_eq!(stage.trade().marks.close_reason, Some(CloseReason::External));
    assert_eq!(pnl::realized(stage.trade(), Cash::ZERO).unwrap().pnl, Cash(decimal("-920")));
}

/// Half an hour before the last close, less a second.
fn nearly_over(stage: &mut Stage) {
    stage.now = stage.session.closes - Duration::minutes(30) - Duration::seconds(1);
}

#[test]
fn in_its_last_half_hour_a_contract_is_only_closed() {
    let mut stage = last_day();
    nearly_over(&mut stage);
    let mut entry = wanted("DEF270115P00090000");
    entry.contract.expiry = stage.session.date;
    let entry = Command::Place(Box::new(entry));
    assert_eq!(stage.command(&entry), Err(RefusalCode::NoQuote), "it would be taken, if it had a quote");
    stage.now += Duration::seconds(1);
    assert_eq!(stage.command(&entry), Err(RefusalCode::Expired));
    let (id, version) = (stage.trade().id(), stage.trade().wish.version);
    assert_eq!(stage.command(&Command::Protect(id, Versioned { version })), Ok(()));
    let close = Close { version: version + 1, quantity: None, limit: None, at_open: false };
    assert_eq!(stage.command(&Command::Close(id, close)), Ok(()));
}

#[test]
fn what_was_to_have_no_stop_calls_for_a_person_in_its_last_half_hour() {
    let mut stage = last_day();
    (stage.trade_mut().wish.stop, stage.trade_mut().wish.target) = (None, None);
    end(stage.newest(), OrderState::Canceled);
    stage.passes(3, 2);
    nearly_over(&mut stage);
    stage.pass();
    assert_eq!(stage.book.alarms, [], "naked by choice");
    stage.passes(1, 1);
    let page = stage.alarm(AlarmKind::NeedsPerson).expect("half an hour is left");
    assert_eq!(page.severity, Severity::Page);
    assert!(page.message.contains("expire today without a stop"), "{}", page.message);
    evening(&mut stage);
    assert!(stage.alarm(AlarmKind::NeedsPerson).is_none(), "nobody can do anything any more: {:?}", stage.book.alarms);
}

#[test]
fn what_has_lost_its_stop_is_protected_again_to_the_last_and_says_that_it_is_the_last_time() {
    let mut stage = last_day();
    nearly_over(&mut stage);
    stage.refuses = Some(RefusalKind::Unavailable);
    end(stage.newest(), OrderState::Canceled);
    stage.passes(20, 2);
    let alarm = stage.alarm(AlarmKind::Naked).expect("it is bare");
    assert!(alarm.message.contains("trade for the last time, until"), "{}", alarm.message);
    stage.refuses = None;
    stage.passes(40, 2);
    assert!(stage.alarm(AlarmKind::Naked).is_none(), "{:?}", stage.trade().marks);
}
