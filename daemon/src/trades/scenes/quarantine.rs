//! Out of a quarantine, by a person.

use std::collections::BTreeMap;

use blotter_shared::domain::{
    AlarmKind, Cash, CloseReason, IntentRole, Multiplier, Price, Quantity, TradeId, TradeStatus,
};
use chrono::Duration;
use uuid::Uuid;

use super::super::commands::{Close, Command, NewTrade, RefusalCode, Versioned};
use super::super::plan::{Action, CancelCause};
use super::super::ports::Symbol;
use super::super::risk::{Limits, Standing};
use super::super::specimen::{SYMBOL, decimal};
use super::Stage;

/// What becomes of the contract of a specimen.
pub(super) const HEIR: &str = "ABC1270115C00075000";

fn close(stage: &mut Stage) -> Result<(), RefusalCode> {
    let (id, version) = (stage.trade().id(), stage.trade().wish.version);
    let everything: (Option<Quantity>, Option<Price>) = (None, None);
    let (quantity, limit) = everything;
    stage.command(&Command::Close(id, Close { version, quantity, limit, at_open: false }))
}

fn protect(stage: &mut Stage) {
    let (id, version) = (stage.trade().id(), stage.trade().wish.version);
    stage.command(&Command::Protect(id, Versioned { version })).unwrap();
}

/// The bracket works, and the broker shows another position than the ledger.
fn differing(position: i64) -> Stage {
    let mut stage = Stage::protected(2);
    stage.holds(position);
    stage.passes(15, 2);
    assert!(stage.trade().marks.quarantine.is_some());
    assert_eq!(stage.done, [], "nobody has asked for anything");
    stage
}

/// The bracket is cancelled, then so many are sold and nothing else is done.
fn sells(stage: &mut Stage, contracts: u32) {
    stage.passes(6, 2);
    let [Action::Cancel(cancel), Action::Place(place)] = stage.done.as_slice() else { panic!("{:?}", stage.done) };
    assert_eq!(cancel.why, CancelCause::ToClose);
    assert_eq!((place.role, place.quantity.get()), (IntentRole::Close, contracts));
}

#[test]
fn contracts_that_came_back_are_not_gone_with_the_next_empty_list() {
    let mut stage = differing(0);
    protect(&mut stage);
    stage.passes(1, 2);
    stage.holds(2);
    stage.passes(40, 2);
    assert!(stage.trade().marks.quarantine.is_some() && stage.trade().marks.held == 0, "{:?}", stage.trade().marks);
    stage.holds(0);
    stage.passes(59, 2);
    assert!(stage.trade().marks.quarantine.is_some() && stage.is_paged(), "a list may be empty for so long");
    assert!(!stage.trade().is_ended());
    stage.holds(2);
    stage.passes(2, 2);
    stage.holds(0);
    stage.passes(62, 2);
    assert_eq!(stage.trade().marks.close_reason, Some(CloseReason::ExternalUnexplained));
    assert!(stage.alarm(AlarmKind::Quarantine).is_none(), "{:?}", stage.book.alarms);
}

#[test]
fn a_close_does_not_make_somebody_elses_of_what_came_back() {
    let mut stage = differing(0);
    protect(&mut stage);
    stage.passes(1, 2);
    stage.holds(2);
    stage.passes(40, 2);
    close(&mut stage).unwrap();
    stage.passes(40, 2);
    assert!(stage.trade().marks.quarantine.is_some() && !stage.trade().is_ended(), "{:?}", stage.trade().marks);
    assert!(stage.alarm(AlarmKind::Quarantine).is_some(), "{:?}", stage.book.alarms);
    protect(&mut stage);
    stage.passes(10, 2);
    assert_eq!((stage.trade().marks.status, stage.trade().marks.foreign), (TradeStatus::Closed, 2), "a person says so");
}

#[test]
fn what_one_read_showed_before_an_outage_and_a_few_show_after_it_is_not_believed() {
    let mut stage = Stage::protected(2);
    stage.holds(0);
    stage.passes(1, 2);
    stage.passes(1, 65);
    stage.passes(9, 1);
    assert!(stage.trade().marks.quarantine.is_none(), "{:?}", stage.trade().marks.mismatch);
    stage.passes(2, 1);
    assert!(stage.trade().marks.quarantine.is_some(), "as long as it takes without an outage");
}

#[test]
fn a_close_sells_what_the_ledger_has_of_a_larger_position() {
    let mut stage = differing(3);
    close(&mut stage).unwrap();
    sells(&mut stage, 2);
    stage.sold("5", 1);
    stage.passes(45, 2);
    assert_eq!(stage.trade().marks.close_reason, Some(CloseReason::Manual));
    let alarm = stage.alarm(AlarmKind::NeedsPerson).expect("one is left, and nobody looks after it");
    assert!(alarm.message.contains("holds 1"), "{}", alarm.message);
}

#[test]
fn a_close_sells_what_is_there_of_a_smaller_position() {
    let mut stage = differing(1);
    close(&mut stage).unwrap();
    sells(&mut stage, 1);
    stage.sold("5", 0);
    stage.passes(35, 2);
    assert_eq!((stage.trade().marks.held, stage.done.len()), (1, 2), "where the other one is, nobody knows");
    protect(&mut stage);
    stage.passes(2, 2);
    assert_eq!(stage.trade().marks.status, TradeStatus::Closed);
    assert_eq!(super::super::pnl::realized(stage.trade(), Cash::ZERO), None);
}

#[test]
fn the_next_sale_waits_for_a_minute_after_the_last_part_of_the_one_before() {
    let mut stage = Stage::protected(3);
    stage.holds(2);
    stage.passes(15, 2);
    close(&mut stage).unwrap();
    sells(&mut stage, 2);
    let leg = &mut stage.newest().legs[0];
    (leg.executed, leg.average) = (1, Some(decimal("5")));
    stage.passes(25, 2);
    // Its second part, and a position that is behind that: nothing is left.
    stage.sold("5", 1);
    stage.passes(25, 2);
    assert_eq!(stage.trade().marks.held, 1, "by the ledger: somebody has sold the other one");
    assert_eq!(stage.done.len(), 2, "one sale: {:?}", stage.done);
}

#[test]
fn nobody_accepts_a_position_that_may_be_behind_a_sale_of_ours() {
    let mut stage = differing(1);
    close(&mut stage).unwrap();
    sells(&mut stage, 1);
    protect(&mut stage);
    // The position of before the sale is what the ledger has after it.
    stage.sold("5", 1);
    stage.passes(10, 2);
    stage.holds(0);
    stage.passes(35, 2);
    assert!(stage.trade().marks.quarantine.is_some(), "where the other one is, nobody knows");
    assert_eq!(stage.done.len(), 2, "one sale: {:?}", stage.done);
}

#[test]
fn a_close_of_a_position_that_is_not_shown_sells_it_when_it_is_back() {
    let mut stage = differing(0);
    close(&mut stage).unwrap();
    stage.passes(30, 2);
    assert_eq!((stage.trade().marks.status, stage.done.len()), (TradeStatus::Closing, 0));
    stage.holds(2);
    stage.passes(12, 2);
    sells(&mut stage, 2);
}

#[test]
fn a_person_who_accepts_that_it_is_gone_ends_the_trade() {
    let mut stage = differing(0);
    protect(&mut stage);
    stage.passes(5, 2);
    assert_eq!(stage.trade().marks.close_reason, Some(CloseReason::ExternalUnexplained));
    assert!(matches!(stage.done.as_slice(), [Action::Cancel(_)]), "{:?}", stage.done);
    assert_eq!(stage.book.alarms, []);
    stage.holds(2);
    stage.passes(1, 15);
    assert!(stage.alarm(AlarmKind::NeedsPerson).is_none());
    stage.passes(1, 15);
    assert!(stage.alarm(AlarmKind::NeedsPerson).is_some(), "it was not gone: {:?}", stage.trade().marks.mismatch);
}

#[test]
fn contracts_that_a_person_gives_to_somebody_else_disturb_nothing() {
    let mut stage = differing(3);
    protect(&mut stage);
    stage.passes(10, 2);
    assert!(stage.trade().marks.quarantine.is_none());
    assert_eq!((stage.trade().marks.foreign, stage.trade().marks.held), (1, 2));
    assert_eq!((stage.done.len(), stage.book.alarms.len()), (0, 0), "{:?} {:?}", stage.done, stage.book.alarms);
    stage.holds(2);
    stage.passes(10, 2);
    assert_eq!(stage.trade().marks.foreign, 0, "they are gone");
    stage.holds(3);
    stage.passes(15, 2);
    assert!(stage.trade().marks.quarantine.is_some(), "and others are not these");
}

#[test]
fn a_close_of_nothing_is_not_taken_back() {
    let mut stage = differing(3);
    let trade = stage.trade_mut();
    trade.marks.held = 0;
    close(&mut stage).unwrap();
    let (id, version) = (stage.trade().id(), stage.trade().wish.version);
    let withdraw = Command::Withdraw(id, Versioned { version });
    assert_eq!(stage.command(&withdraw), Err(RefusalCode::NothingHeld));
    stage.trade_mut().marks.held = 2;
    assert_eq!(stage.command(&withdraw), Ok(()));
}

#[test]
fn a_close_that_came_before_the_quarantine_may_be_said_again() {
    let mut stage = Stage::protected(2);
    close(&mut stage).unwrap();
    assert_eq!(close(&mut stage), Err(RefusalCode::AlreadyClosing));
    stage.holds(1);
    stage.trade_mut().marks.quarantine = None;
    stage.passes(15, 2);
    assert!(stage.trade().marks.quarantine.is_some());
    stage.passes(1, 2);
    close(&mut stage).unwrap();
    stage.passes(1, 2);
    assert_eq!(close(&mut stage), Err(RefusalCode::AlreadyClosing));
}

/// A person takes up two of a contract, with neither stop nor target.
fn adopt(stage: &mut Stage, symbol: &str) -> Result<(), RefusalCode> {
    stage.command(&Command::Adopt(Box::new(wanted(symbol))))
}

/// Two of a contract, with neither stop nor target and without limits.
pub(super) fn wanted(symbol: &str) -> NewTrade {
    let wide = Cash(decimal("1000000"));
    let limits = Limits {
        max_positions: 100,
        daily_loss: wide,
        heat_pct: wide.0,
        trade_risk_pct: wide.0,
        cooldown_losses: 0,
        cooldown: Duration::zero(),
    };
    let standing = Standing {
        equity: wide,
        open_positions: 0,
        day_pnl: Cash::ZERO,
        heat: Cash::ZERO,
        losses_in_a_row: 0,
        last_loss_at: None,
    };
    NewTrade {
        id: TradeId(Uuid::from_u128(0x99)),
        contract: symbol.parse().unwrap(),
        multiplier: Multiplier::STANDARD,
        quantity: Quantity::new(2).unwrap(),
        limit: None,
        stop: None,
        target: None,
        stop_waived: true,
        limits,
        standing,
    }
}

/// A split: the position is under another name.
fn adjusted(left: i64) -> Stage {
    let mut stage = Stage::protected(2);
    stage.positions = BTreeMap::from([(Symbol::new(SYMBOL), left), (Symbol::new(HEIR), 2)]);
    stage.passes(15, 2);
    assert!(stage.trade().marks.quarantine.is_some());
    stage
}

#[test]
fn whoever_takes_up_the_adjusted_contract_settles_the_trade_of_the_old_one() {
    let mut stage = adjusted(0);
    assert!(stage.trade().marks.quarantine.as_ref().is_some_and(|found| found.reason.contains(HEIR)));
    assert_eq!(adopt(&mut stage, SYMBOL), Err(RefusalCode::SymbolTaken));
    assert_eq!(adopt(&mut stage, HEIR), Ok(()));
    stage.passes(3, 2);
    let old = stage.trade();
    assert_eq!(old.marks.close_reason, Some(CloseReason::ExternalUnexplained));
    assert_eq!((old.marks.outside, old.wish.version), (2, 2));
    let heir = &stage.book.trades[&TradeId(Uuid::from_u128(0x99))];
    assert_eq!((heir.marks.adopted, heir.marks.held, heir.is_ended()), (2, 2, false));
    assert!(stage.alarm(AlarmKind::Quarantine).is_none(), "{:?}", stage.book.alarms);
}

#[test]
fn a_contract_that_is_still_there_was_not_adjusted() {
    let mut stage = adjusted(1);
    assert_eq!(adopt(&mut stage, HEIR), Ok(()));
    stage.passes(20, 2);
    assert!(stage.trade().marks.quarantine.is_some(), "one of two is missing, and this explains nothing");
    assert_eq!(stage.trade().wish.version, 1);
}

#[test]
fn an_adopted_position_that_somebody_sells_ends_its_trade() {
    let mut stage = Stage::holding(2);
    let trade = stage.trade_mut();
    trade.intents.clear();
    trade.fills.clear();
    (trade.marks.adopted, trade.marks.adopted_value) = (2, Some(decimal("10.00")));
    stage.orders.clear();
    stage.passes(4, 2);
    assert!(matches!(stage.done.as_slice(), [Action::Place(_)]), "{:?}", stage.done);
    stage.holds(0);
    stage.passes(15, 2);
    protect(&mut stage);
    stage.passes(5, 2);
    assert_eq!(stage.trade().marks.status, TradeStatus::Closed);
    assert_eq!((stage.trade().marks.adopted, stage.trade().marks.outside), (2, 2));
}
