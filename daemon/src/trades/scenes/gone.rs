//! A position that the broker does not show.

use blotter_shared::domain::{AlarmKind, Cash, CloseReason, TradeStatus};

use super::super::commands::{Command, Versioned};
use super::super::facts::Trade;
use super::super::plan::Action;
use super::super::pnl;
use super::super::ports::{BrokerLeg, BrokerOrder, LegKind, OrderId, OrderState, Side, Symbol};
use super::super::specimen::{SYMBOL, decimal};
use super::Stage;
use super::quarantine::wanted;

/// Somebody sells so many in the broker's own screen, at 4.50.
fn sold_by_hand(stage: &mut Stage, number: i64, contracts: u32) {
    let id = OrderId(number);
    let average = Some(decimal("4.50"));
    let leg = BrokerLeg { id, kind: LegKind::Market, state: OrderState::Filled, executed: contracts, average };
    let sale = BrokerOrder {
        id,
        tag: None,
        symbol: Symbol::new(SYMBOL),
        side: Side::Sell,
        quantity: contracts,
        state: OrderState::Filled,
        head: OrderState::Filled,
        legs: vec![leg],
        created_at: stage.now,
        reason: None,
    };
    // The newest order stays ours.
    stage.orders.insert(0, sale);
}

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

/// A person has taken an empty list of positions for the truth, two minutes ago.
fn given_up() -> Stage {
    let mut stage = Stage::protected(2);
    stage.holds(0);
    stage.passes(15, 2);
    let version = stage.trade().wish.version;
    stage.command(&Command::Protect(stage.trade().id(), Versioned { version })).unwrap();
    stage.passes(60, 2);
    stage
}

#[test]
fn contracts_that_a_person_has_given_up_are_told_of_as_soon_as_two_reads_show_them() {
    let mut stage = given_up();
    let ended = &stage.trade().marks;
    assert_eq!((ended.status, ended.close_reason), (TradeStatus::Closed, Some(CloseReason::ExternalUnexplained)));
    assert_eq!(stage.book.alarms, []);
    // The list was empty by mistake, and their bracket is gone with the trade.
    stage.holds(2);
    stage.passes(1, 2);
    assert_eq!(stage.book.alarms, [], "one read may be a copy that has stayed behind");
    stage.passes(1, 2);
    assert!(stage.alarm(AlarmKind::NeedsPerson).is_some(), "nothing covers them");
    stage.holds(0);
    stage.passes(30, 2);
    assert!(stage.alarm(AlarmKind::NeedsPerson).is_some(), "an empty list for a minute takes no alarm away");
    stage.passes(40, 2);
    assert_eq!(stage.book.alarms, []);
}

/// Two were given up to a list that was empty by mistake, which is told of.
fn told_of() -> Stage {
    let mut stage = given_up();
    stage.holds(2);
    stage.passes(2, 2);
    assert!(is_told(&stage));
    stage
}

fn is_told(stage: &Stage) -> bool {
    stage.book.alarms.iter().any(|alarm| alarm.message.contains("the account holds 2 of"))
}

/// Of the trade that is asked for next.
fn newest_trade(stage: &mut Stage) -> &mut Trade {
    stage.book.trades.values_mut().next_back().unwrap()
}

#[test]
fn a_new_trade_that_has_bought_nothing_takes_no_alarm_away() {
    let mut stage = told_of();
    stage.command(&Command::Place(Box::new(wanted(SYMBOL)))).unwrap();
    stage.passes(5, 2);
    assert!(!newest_trade(&mut stage).is_ended() && is_told(&stage), "{:?}", stage.book.alarms);
    // The list is empty again, and the entry comes to nothing meanwhile.
    stage.holds(0);
    stage.passes(10, 2);
    super::end(stage.newest(), OrderState::Canceled);
    stage.passes(10, 2);
    assert!(newest_trade(&mut stage).is_ended() && is_told(&stage), "{:?}", stage.book.alarms);
    stage.holds(2);
    stage.passes(10, 2);
    assert!(is_told(&stage), "{:?}", stage.book.alarms);
}

#[test]
fn what_is_told_under_a_new_trade_is_what_is_there() {
    let mut stage = told_of();
    stage.command(&Command::Place(Box::new(wanted(SYMBOL)))).unwrap();
    stage.passes(2, 2);
    stage.holds(-1);
    stage.passes(2, 2);
    let told = stage.alarm(AlarmKind::NeedsPerson).map(|alarm| alarm.message.clone()).unwrap();
    assert!(told.contains("short of 1 of"), "{told}");
}

#[test]
fn what_a_new_trade_has_bought_is_its_own() {
    let mut stage = told_of();
    stage.holds(0);
    stage.passes(1, 2);
    stage.command(&Command::Place(Box::new(wanted(SYMBOL)))).unwrap();
    stage.passes(3, 2);
    let order = stage.newest();
    let leg = &mut order.legs[0];
    (leg.executed, leg.average, leg.state) = (order.quantity, Some(decimal("5")), OrderState::Filled);
    super::end(order, OrderState::Filled);
    let bought = i64::from(order.quantity);
    stage.holds(bought);
    stage.passes(10, 2);
    assert!(!is_told(&stage), "{:?}", stage.book.alarms);
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

/// Two were bought just now, and no list of positions shows them.
fn behind_a_fill() -> Stage {
    let mut stage = Stage::holding(2);
    let filled = stage.now;
    for fill in &mut stage.trade_mut().fills {
        fill.seen_at = filled;
    }
    stage.trade_mut().intents[0].first_executed_at = Some(filled);
    stage.holds(0);
    stage
}

#[test]
fn a_position_that_lags_behind_its_fill_is_waited_for() {
    let mut stage = behind_a_fill();
    stage.passes(29, 2);
    assert!(stage.trade().marks.quarantine.is_none(), "the ledger may lag for a minute");
    assert_eq!(stage.alarm(AlarmKind::Naked).map(|alarm| alarm.kind), Some(AlarmKind::Naked));
    stage.holds(2);
    stage.passes(10, 2);
    assert!(matches!(stage.done.as_slice(), [Action::Place(_)]), "{:?}", stage.done);
    assert_eq!(stage.book.alarms, []);
}

/// Of four somebody sells one, and one more goes, by our target; its stop is gone with it. The list of positions shows the
/// first alone.
fn behind_a_sale() -> Stage {
    let mut stage = Stage::protected(4);
    sold_by_hand(&mut stage, 77, 1);
    stage.holds(3);
    stage.passes(3, 2);
    let [target, stop] = stage.newest().legs.as_mut_slice() else { panic!("a pair") };
    (target.executed, target.average, stop.state) = (1, Some(decimal("6")), OrderState::Canceled);
    stage
}

#[test]
fn a_position_that_is_behind_our_sale_does_not_agree_because_of_somebody_elses() {
    let mut stage = behind_a_sale();
    stage.passes(10, 2);
    assert_eq!(stage.trade().marks.held, 3);
    assert_eq!(stage.done, [], "three are shown, and two are there");
    assert!(stage.alarm(AlarmKind::Naked).is_some(), "nobody is left in the dark: {:?}", stage.book.alarms);
    stage.holds(2);
    stage.passes(40, 2);
    assert_eq!(stage.done, []);
    let quarantine = stage.trade().marks.quarantine.as_ref().expect("it differs");
    assert_eq!(quarantine.reason, "the broker shows 2, the ledger 3");
}

#[test]
fn books_do_not_catch_up_while_nobody_reads_them() {
    let mut stage = behind_a_fill();
    stage.passes(3, 2);
    stage.passes(1, 70);
    stage.passes(20, 2);
    assert!(stage.trade().marks.quarantine.is_none(), "they may be a copy that has stood still as long");
    stage.passes(10, 2);
    assert!(stage.trade().marks.quarantine.is_some(), "by now they have been read for a minute");
}

#[test]
fn after_an_outage_a_position_may_still_be_behind_our_sale() {
    let mut stage = behind_a_sale();
    stage.passes(2, 2);
    stage.passes(1, 80);
    stage.passes(10, 2);
    assert_eq!(stage.trade().marks.held, 3);
    assert_eq!(stage.done, [], "three are shown, and two are there");
    stage.holds(2);
    stage.passes(40, 2);
    assert_eq!(
        stage.trade().marks.quarantine.as_ref().map(|held| held.reason.as_str()),
        Some("the broker shows 2, the ledger 3")
    );
}

#[test]
fn a_sale_that_comes_to_light_ends_the_quarantine_and_the_trade() {
    let mut stage = Stage::protected(2);
    stage.holds(0);
    stage.passes(15, 2);
    assert!(stage.trade().marks.quarantine.is_some());
    sold_by_hand(&mut stage, 77, 2);
    stage.passes(10, 2);
    assert_eq!(stage.trade().marks.close_reason, Some(CloseReason::External));
    assert_eq!(stage.trade().marks.outside_value, Some(decimal("9.00")));
    assert!(stage.trade().marks.quarantine.is_none());
    assert_eq!(stage.book.alarms, []);
}

#[test]
fn a_sale_explains_what_is_gone_once() {
    let mut stage = Stage::protected(2);
    sold_by_hand(&mut stage, 77, 1);
    stage.holds(1);
    stage.passes(15, 2);
    assert!(stage.trade().marks.quarantine.is_some());
    let (id, version) = (stage.trade().id(), stage.trade().wish.version);
    stage.command(&Command::Protect(id, Versioned { version })).unwrap();
    stage.shows = OrderState::Live;
    stage.passes(30, 3);
    assert_eq!((stage.trade().marks.held, stage.trade().marks.outside), (1, 1));
    stage.done.clear();

    stage.holds(0);
    stage.passes(30, 2);
    assert_eq!(stage.trade().marks.status, TradeStatus::Filled, "that sale was of the other one");
    assert!(stage.trade().marks.quarantine.is_some() && stage.is_paged(), "{:?}", stage.book.alarms);
    assert_eq!(stage.done, [], "the bracket stays");

    sold_by_hand(&mut stage, 78, 1);
    stage.passes(10, 2);
    assert_eq!(stage.trade().marks.close_reason, Some(CloseReason::External), "another one explains it");
    assert_eq!(stage.trade().marks.outside_value, None, "nobody knows what the first one brought");
}

/// Somebody sells what is held, and our target fills before its cancel arrives: the account is short.
fn sold_twice() -> Stage {
    let mut stage = Stage::protected(1);
    sold_by_hand(&mut stage, 77, 1);
    stage.holds(0);
    stage.passes(11, 2);
    assert!(matches!(stage.done.as_slice(), [Action::Cancel(_)]), "{:?}", stage.done);
    assert_eq!(stage.trade().marks.outside_reason, Some(CloseReason::External));
    stage.sold("6", -1);
    stage.passes(50, 2);
    assert_eq!((stage.trade().marks.held, stage.trade().marks.outside), (0, 0), "ours left once, by our order");
    assert!(stage.trade().marks.quarantine.is_some() && stage.is_paged(), "{:?}", stage.book.alarms);
    assert!(!stage.trade().is_ended());
    stage
}

#[test]
fn a_sale_of_ours_is_not_booked_beside_one_by_somebody_else() {
    let mut stage = sold_twice();
    stage.holds(0);
    stage.passes(15, 2);
    assert_eq!(stage.trade().marks.close_reason, Some(CloseReason::TargetHit), "{:?}", stage.trade().marks);
    let realized = pnl::realized(stage.trade(), Cash::ZERO).expect("every price is known");
    assert_eq!(realized.close_price, decimal("6"));
    assert_eq!(stage.book.alarms, []);
}

#[test]
fn a_short_position_is_no_trades_when_a_person_says_so() {
    let mut stage = sold_twice();
    let (id, version) = (stage.trade().id(), stage.trade().wish.version);
    stage.command(&Command::Protect(id, Versioned { version })).unwrap();
    stage.passes(15, 2);
    assert_eq!(stage.trade().marks.close_reason, Some(CloseReason::TargetHit));
    assert_eq!((stage.trade().marks.held, stage.trade().marks.foreign), (0, -1));
    stage.passes(15, 2);
    let alarm = stage.alarm(AlarmKind::NeedsPerson).expect("it is short all the same");
    assert!(alarm.message.contains("short of 1"), "{}", alarm.message);
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
