//! The kill switch against an entry that was accepted and is not sent yet: it stops there, and exits go on.

use std::collections::BTreeMap;

use blotter_shared::domain::{IntentRole, TradeStatus};

use super::super::plan::Action;
use super::super::specimen::trade;
use super::Stage;

/// An entry that was accepted a moment ago, and the switch.
fn stopped() -> Stage {
    let mut stage = Stage::holding(2);
    let mut fresh = trade(2);
    (fresh.spec.asked_at, fresh.wish.since) = (stage.now, stage.now);
    stage.book.trades.insert(fresh.id(), fresh);
    stage.orders.clear();
    stage.positions = BTreeMap::new();
    stage.book.account.entries_stopped = true;
    stage
}

#[test]
fn an_entry_that_was_accepted_before_the_switch_is_not_sent_after_it() {
    let mut stage = stopped();
    stage.passes(6, 2);
    assert_eq!((stage.trade().marks.status, stage.done.as_slice()), (TradeStatus::Pending, [].as_slice()));
    stage.passes(3, 2);
    assert_eq!(stage.trade().marks.status, TradeStatus::Void, "its price was somebody's fifteen seconds ago");
    stage.book.account.entries_stopped = false;
    stage.passes(5, 2);
    assert_eq!(stage.done, [], "it does not come back with the switch");
}

#[test]
fn a_switch_that_is_let_go_in_time_lets_it_go_as_well() {
    let mut stage = stopped();
    stage.passes(2, 2);
    stage.book.account.entries_stopped = false;
    stage.passes(1, 2);
    let [Action::Place(place)] = stage.done.as_slice() else { panic!("{:?}", stage.done) };
    assert_eq!(place.role, IntentRole::Entry);
}

#[test]
fn what_is_held_is_protected_whatever_the_switch_says() {
    let mut stage = Stage::holding(2);
    stage.book.account.entries_stopped = true;
    stage.passes(4, 2);
    let [Action::Place(place)] = stage.done.as_slice() else { panic!("{:?}", stage.done) };
    assert_eq!(place.role, IntentRole::Bracket);
}
