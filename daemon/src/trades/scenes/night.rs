//! Positions without a stop while the market is closed.

use blotter_shared::domain::{AlarmKind, IntentRole, Protection, Severity};

use super::super::facts::Shape;
use super::super::plan::Action;
use super::super::ports::{OrderState, RefusalKind};
use super::super::specimen::{at, price};
use super::{Stage, end};

/// The market is closed and opens an hour later.
fn closed(stage: &mut Stage) {
    stage.session.open = false;
    (stage.session.opens, stage.session.closes) = (at(8_000), at(30_000));
    stage.shows = OrderState::Pending;
}

fn brackets(stage: &Stage) -> usize {
    let places = stage.done.iter().filter(|action| matches!(action, Action::Place(_)));
    places.count()
}

#[test]
fn an_entry_that_fills_in_the_last_second_is_protected_after_the_close() {
    let mut stage = Stage::holding(2);
    closed(&mut stage);
    stage.passes(4, 15);
    let shape = Shape::Oco { stop: price("4.00"), target: price("6.00") };
    assert!(
        matches!(stage.done.as_slice(), [Action::Place(place)] if place.role == IntentRole::Bracket && place.shape == shape),
        "{:?}",
        stage.done
    );
    assert_eq!(stage.trade().marks.protection, Protection::Confirmed);
    assert_eq!(stage.book.alarms, []);
}

#[test]
fn a_bracket_that_the_broker_drops_by_night_is_missed_by_night() {
    let mut stage = Stage::protected(2);
    closed(&mut stage);
    stage.refuses = Some(RefusalKind::Other);
    end(stage.newest(), OrderState::Canceled);
    stage.passes(6, 15);
    let alarm = stage.alarm(AlarmKind::Naked).expect("naked until the open is naked");
    assert!(alarm.message.contains("waits for the open"), "{}", alarm.message);
    assert_eq!(alarm.severity, Severity::Page);
    stage.passes(240, 15);
    assert!(brackets(&stage) < 10, "a broker that takes nothing by night is not asked every minute");
    assert!(!stage.trade().wish.is_flat());
    stage.session.open = true;
    stage.session.opens = stage.now;
    stage.refuses = None;
    stage.shows = OrderState::Live;
    stage.done.clear();
    stage.passes(2, 2);
    assert_eq!(brackets(&stage), 1, "the open begins anew: {:?}", stage.done);
    assert!(stage.alarm(AlarmKind::Naked).is_some(), "it may be refused yet");
    stage.passes(3, 2);
    assert!(stage.alarm(AlarmKind::Naked).is_none());
}

#[test]
fn prices_of_the_night_sell_nothing_and_give_up_no_wish() {
    let mut stage = Stage::protected(2);
    closed(&mut stage);
    end(stage.newest(), OrderState::Canceled);
    stage.bid = Some(price("3.00"));
    stage.trade_mut().wish.stop = Some(price("4.50"));
    stage.passes(20, 15);
    assert_eq!(stage.done, []);
    stage.trade_mut().wish.flat = Some(super::super::facts::FlatCause::User);
    stage.bid = Some(price("5.00"));
    stage.passes(20, 15);
    assert_eq!(stage.done, [], "what is to go at the open is not protected again");
    assert!(stage.alarm(AlarmKind::Naked).is_some());
}
