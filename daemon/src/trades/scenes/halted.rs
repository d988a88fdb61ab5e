//! An account of real money that looks wiped: nothing is sent on such books, and it is not for ever.

use std::collections::BTreeMap;

use blotter_shared::domain::{
    AlarmKind, BrokerMode, Cash, CloseReason, IntentRole, IntentState, Severity, TradeStatus,
};
use chrono::Duration;

use super::super::commands::{Close, Command, RefusalCode, Versioned};
use super::super::facts::{AlarmState, Mismatch, Shape};
use super::super::plan::Action;
use super::super::ports::{BrokerOrder, OrderState};
use super::super::specimen::{SYMBOL, trade, with_order};
use super::quarantine::{HEIR, wanted};
use super::{Stage, end, shown};

/// The account shows nothing, and is worth nothing; what it had showed before.
fn blank(stage: &mut Stage) -> Vec<BrokerOrder> {
    stage.positions = BTreeMap::new();
    stage.equity = Some(Cash::ZERO);
    std::mem::take(&mut stage.orders)
}

/// It shows again what it had.
fn back(stage: &mut Stage, orders: Vec<BrokerOrder>) {
    stage.orders = orders;
    stage.equity = None;
    stage.holds(2);
}

fn close(stage: &mut Stage) {
    let (id, version) = (stage.trade().id(), stage.trade().wish.version);
    stage.command(&Command::Close(id, Close { version, quantity: None, limit: None, at_open: false })).unwrap();
}

/// The page about the account.
fn page(stage: &Stage) -> Option<&AlarmState> {
    stage.book.alarms.iter().find(|alarm| alarm.kind == AlarmKind::NeedsPerson && alarm.trade.is_none())
}

/// Halted after three such looks.
fn halted() -> (Stage, Vec<BrokerOrder>) {
    let mut stage = Stage::protected(2);
    let orders = blank(&mut stage);
    stage.passes(2, 5);
    assert_eq!(stage.book.account.halted, None, "two may be a flap");
    stage.passes(1, 5);
    assert!(stage.book.account.halted.is_some());
    (stage, orders)
}

#[test]
fn an_account_that_looks_wiped_sends_nothing_and_calls_a_person_who_is_told_what_to_do() {
    let (mut stage, _) = halted();
    let page = page(&stage).expect("a page about the account");
    assert_eq!(page.severity, Severity::Page);
    for part in ["LIVE account", "exits too", "is empty although it should not be", "own screen", "by itself"] {
        assert!(page.message.contains(part), "{part}: {}", page.message);
    }
    close(&mut stage);
    stage.passes(40, 2);
    assert_eq!(stage.done, [], "nothing leaves on such books");
    assert!(!stage.trade().is_ended(), "and nothing ends");
}

#[test]
fn one_odd_minute_leaves_no_exit_dead() {
    let (mut stage, orders) = halted();
    close(&mut stage);
    stage.passes(20, 2);
    back(&mut stage, orders);
    stage.passes(1, 2);
    assert!(stage.book.account.halted.is_some() && page(&stage).is_some(), "one look is not enough");
    assert_eq!(stage.done, []);
    assert!(stage.trade().live_exits().next().is_some(), "its bracket was never gone");
    stage.passes(11, 2);
    assert_eq!((stage.book.account.halted.clone(), page(&stage)), (None, None), "five looks over twenty seconds are");
    assert_eq!(stage.book.account.halt_agreed, None, "the next halt begins anew");
    stage.passes(4, 2);
    let [Action::Cancel(_), Action::Place(place)] = stage.done.as_slice() else { panic!("{:?}", stage.done) };
    assert_eq!(place.quantity.get(), 2, "the close that was asked for meanwhile");
}

#[test]
fn it_needs_as_many_looks_in_a_row_as_any_difference() {
    let (mut stage, orders) = halted();
    for _ in 0..6 {
        back(&mut stage, orders.clone());
        stage.passes(9, 2);
        let _gone_again = blank(&mut stage);
        stage.passes(1, 2);
    }
    assert!(stage.book.account.halted.is_some() && page(&stage).is_some(), "never for twenty seconds");
    back(&mut stage, orders);
    stage.passes(4, 10);
    assert!(stage.book.account.halted.is_some(), "for thirty seconds, and four looks");
    stage.passes(1, 1);
    assert_eq!(stage.book.account.halted, None);
}

#[test]
fn looks_of_a_clock_that_is_ahead_count_from_now() {
    let (mut stage, orders) = halted();
    back(&mut stage, orders);
    stage.passes(4, 5);
    let agreed = stage.book.account.halt_agreed.as_mut().unwrap();
    agreed.since += Duration::hours(1);
    stage.passes(1, 5);
    assert!(stage.book.account.halted.is_some());
    stage.passes(4, 5);
    assert_eq!(stage.book.account.halted, None, "not in an hour");
}

#[test]
fn what_differs_waits_for_a_person_and_holds_up_nothing_else() {
    let (mut stage, orders) = halted();
    back(&mut stage, orders);
    stage.holds(1);
    stage.passes(30, 2);
    assert!(stage.trade().marks.quarantine.is_some(), "one of two is missing");
    assert_eq!(stage.book.account.halted, None, "the rest of the account goes on");
}

#[test]
fn what_is_really_gone_is_settled_by_a_person_and_the_account_goes_on() {
    let (mut stage, _) = halted();
    let entry = stage.command(&Command::Place(Box::new(wanted(HEIR))));
    assert_eq!(entry, Err(RefusalCode::Halted), "none on such books");
    let id = stage.trade().id();
    stage.passes(60, 2);
    assert!(stage.trade().live_exits().next().is_some(), "such books prove nothing of its bracket");
    assert!(stage.trade().marks.quarantine.is_some() && stage.book.account.halted.is_some());
    assert!(matches!(stage.trade().marks.mismatch, Some(Mismatch { position: 0, .. })));
    let version = stage.trade().wish.version;
    stage.command(&Command::Protect(id, Versioned { version })).unwrap();
    stage.passes(9, 2);
    assert_eq!(stage.trade().exits().last().map(|exit| exit.state), Some(IntentState::Lost), "asked for by number");
    let marks = &stage.trade().marks;
    assert_eq!((marks.status, marks.close_reason), (TradeStatus::Closed, Some(CloseReason::ExternalUnexplained)));
    assert!(stage.book.account.halted.is_some(), "that was this trade; the account waits for its looks");
    stage.passes(12, 2);
    assert_eq!((stage.book.account.halted.clone(), page(&stage)), (None, None));
    stage.command(&Command::Place(Box::new(wanted(SYMBOL)))).unwrap();
}

/// A person has taken such books for the truth.
fn given_up() -> (Stage, Vec<BrokerOrder>) {
    let (mut stage, orders) = halted();
    stage.passes(15, 2);
    let (id, version) = (stage.trade().id(), stage.trade().wish.version);
    stage.command(&Command::Protect(id, Versioned { version })).unwrap();
    stage.passes(9, 2);
    assert!(stage.trade().is_given_up(), "{:?}", stage.trade().marks);
    (stage, orders)
}

#[test]
fn what_was_given_up_to_books_that_show_nothing_is_told_of_while_they_show_nothing() {
    let (mut stage, orders) = given_up();
    let told = |stage: &Stage| stage.alarm(AlarmKind::Unverified).map(|alarm| alarm.message.clone());
    assert_eq!(told(&stage), None, "a person has just decided it");
    stage.passes(25, 2);
    let message = told(&stage).expect("it looks as it did when it was taken for gone");
    assert!(message.contains("no books that show anything have been read for 40 s"), "{message}");
    // They were wrong, and the contracts are there.
    back(&mut stage, orders);
    stage.passes(2, 2);
    assert_eq!(told(&stage), None);
    assert!(stage.alarm(AlarmKind::NeedsPerson).is_some(), "{:?}", stage.book.alarms);
}

#[test]
fn books_that_show_nothing_for_long_after_somebody_has_said_so_are_believed() {
    let (mut stage, _) = given_up();
    stage.passes(65, 2);
    assert_eq!(stage.book.alarms, []);
}

/// Two were asked for, and the order works.
fn with_an_entry() -> Stage {
    let mut stage = Stage::holding(2);
    let mut entry = with_order(trade(2), IntentRole::Entry, IntentState::Working, Shape::BuyMarket);
    entry.intents[0].sent_at = Some(stage.now);
    stage.orders = vec![shown(&entry.intents[0], OrderState::Live)];
    stage.holds(0);
    stage.book.trades.insert(entry.id(), entry);
    stage.pass();
    assert_eq!(stage.trade().marks.status, TradeStatus::Open);
    stage
}

/// The same, and the account looks wiped.
fn halted_with_an_entry() -> (Stage, Vec<BrokerOrder>) {
    let mut stage = with_an_entry();
    let orders = blank(&mut stage);
    stage.passes(3, 5);
    assert!(stage.book.account.halted.is_some());
    (stage, orders)
}

#[test]
fn an_entry_may_have_filled_behind_such_books() {
    let (mut stage, mut orders) = halted_with_an_entry();
    stage.passes(40, 5);
    assert_eq!(stage.trade().marks.status, TradeStatus::Open, "nobody knows that it is lost");
    assert!(stage.alarm(AlarmKind::Unverified).is_some(), "and somebody is told so");
    let leg = &mut orders[0].legs[0];
    (leg.executed, leg.average, leg.state) = (2, Some("5".parse().unwrap()), OrderState::Filled);
    end(&mut orders[0], OrderState::Filled);
    back(&mut stage, orders);
    stage.passes(14, 2);
    assert_eq!((stage.book.account.halted.clone(), stage.trade().marks.held), (None, 2));
    assert!(
        matches!(stage.done.as_slice(), [Action::Place(place)] if place.role == IntentRole::Bracket),
        "{:?}",
        stage.done
    );
}

#[test]
fn an_entry_is_not_given_up_to_the_first_look_after_an_outage() {
    let (mut stage, orders) = {
        let mut stage = with_an_entry();
        stage.passes(1, 1_200);
        let orders = blank(&mut stage);
        stage.passes(20, 5);
        (stage, orders)
    };
    assert_eq!(stage.trade().marks.status, TradeStatus::Open, "the books have shown nothing for two minutes");
    back(&mut stage, orders);
    stage.holds(0);
    stage.passes(12, 2);
    assert_eq!((stage.book.account.halted.clone(), stage.book.account.blank_since), (None, None));
    assert_eq!(stage.trade().intents[0].state, IntentState::Working);
}

#[test]
fn books_that_stay_empty_are_believed_in_the_end() {
    let (mut stage, _) = halted_with_an_entry();
    stage.passes(110, 5);
    assert_eq!(stage.trade().marks.status, TradeStatus::Open);
    stage.now -= Duration::hours(1);
    stage.passes(118, 5);
    assert_eq!(stage.trade().marks.status, TradeStatus::Open, "a clock that was set back has not waited at all");
    stage.passes(16, 5);
    assert_eq!(stage.trade().marks.status, TradeStatus::Canceled, "after ten minutes");
    assert_eq!((stage.book.account.halted.clone(), page(&stage)), (None, None), "nothing is left that should be there");
}

#[test]
fn a_sandbox_is_reset_and_never_halted() {
    let mut stage = Stage::protected(2);
    stage.book.mode = BrokerMode::Sandbox;
    let _gone = blank(&mut stage);
    stage.passes(20, 5);
    assert_eq!(stage.book.account.halted, None);
    assert_eq!(stage.trade().marks.close_reason, Some(CloseReason::SandboxReset));
}
