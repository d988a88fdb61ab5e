//! Brackets that the broker does not take.

use blotter_shared::domain::{AlarmKind, IntentState};
use chrono::Duration;

use super::super::facts::apply::apply_alarm;
use super::super::facts::{AlarmChange, AlarmState, FlatCause, Shape};
use super::super::plan::Action;
use super::super::ports::RefusalKind;
use super::super::specimen::price;
use super::Stage;

fn refusing(kind: RefusalKind) -> Stage {
    let mut stage = Stage::holding(2);
    stage.refuses = Some(kind);
    stage
}

#[test]
fn a_broker_that_is_not_well_sells_no_position() {
    for kind in [RefusalKind::NoPosition, RefusalKind::CrossZero, RefusalKind::Unavailable, RefusalKind::Forbidden] {
        let mut stage = refusing(kind);
        stage.passes(200, 2);
        assert!(!stage.trade().wish.is_flat(), "{kind:?}: {:?}", stage.done);
        assert!(stage.is_paged());
        stage.refuses = None;
        stage.passes(40, 2);
        assert_eq!(stage.trade().live_exits().count(), 1, "{kind:?}: it is taken in the end");
        assert!(!stage.is_paged(), "{kind:?}: {:?}", stage.book.alarms);
    }
}

#[test]
fn an_alarm_says_why_it_stands_now_and_stays_one_and_seen() {
    let mut stage = refusing(RefusalKind::NoPosition);
    while stage.alarm(AlarmKind::CannotProtect).is_none() {
        stage.passes(1, 2);
    }
    let raised = stage.alarm(AlarmKind::CannotProtect).unwrap().clone();
    assert!(raised.message.contains("NoPosition"), "{raised:?}");
    let seen = stage.now;
    let ack = AlarmChange::Ack { kind: raised.kind, trade: raised.trade, at: seen };
    apply_alarm(&mut stage.book, &ack);
    stage.refuses = Some(RefusalKind::Unavailable);
    let until = stage.now + Duration::minutes(5);
    while stage.alarm(AlarmKind::CannotProtect).unwrap().message == raised.message {
        assert!(stage.now < until, "{:?}", stage.book.alarms);
        stage.passes(1, 2);
    }
    let open: Vec<_> = stage.book.alarms.iter().filter(|alarm| alarm.kind == AlarmKind::CannotProtect).collect();
    let message = raised.message.replace("NoPosition", "Unavailable");
    assert_eq!(open, [&AlarmState { message, acked_at: Some(seen), ..raised }]);
}

#[test]
fn a_bracket_that_is_refused_for_itself_is_given_up_after_a_minute_and_a_half() {
    let mut stage = refusing(RefusalKind::Other);
    let begun = stage.now;
    while !stage.trade().wish.is_flat() {
        stage.passes(1, 2);
        assert!(stage.now < begun + Duration::seconds(240), "{:?}", stage.done);
    }
    assert!(stage.now >= begun + Duration::seconds(90), "after {}", stage.now - begun);
    assert!(stage.done.contains(&Action::Flatten(FlatCause::CannotProtect)));
}

#[test]
fn the_last_attempts_are_on_a_coarser_grid_and_what_is_taken_there_stays() {
    let mut stage = refusing(RefusalKind::Other);
    stage.trade_mut().wish.stop = Some(price("4.05"));
    while stage.done.len() < 3 {
        stage.passes(1, 2);
    }
    let coarse = Shape::Oco { stop: price("4.00"), target: price("6.00") };
    assert!(matches!(&stage.done[2], Action::Place(place) if place.shape == coarse), "{:?}", stage.done);
    stage.refuses = None;
    stage.done.clear();
    stage.passes(40, 2);
    assert!(matches!(stage.done.as_slice(), [Action::Place(place)] if place.shape == coarse), "{:?}", stage.done);
    assert_eq!(stage.book.alarms, []);
}

#[test]
fn a_target_alone_that_is_refused_is_asked_for_again_and_again_and_nothing_is_sold() {
    let mut stage = refusing(RefusalKind::Other);
    stage.trade_mut().wish.stop = None;
    stage.passes(300, 2);
    assert!(!stage.trade().wish.is_flat(), "who wants no stop is not taken out for want of one: {:?}", stage.done);
    let asked = stage.done.len();
    assert!(asked < 20, "once a minute in the end: {asked}");
    stage.refuses = None;
    stage.passes(40, 2);
    assert_eq!((stage.done.len(), stage.trade().live_exits().count()), (asked + 1, 1), "and taken in the end");
}

#[test]
fn a_bracket_that_is_refused_while_nobody_bids_is_asked_for_again() {
    let mut stage = refusing(RefusalKind::Other);
    stage.bid = None;
    stage.passes(300, 2);
    assert!(!stage.trade().wish.is_flat(), "there is no market to get out in: {:?}", stage.done);
    stage.refuses = None;
    stage.passes(40, 2);
    assert_eq!(stage.trade().live_exits().count(), 1);
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_the_attempts() {
    let mut stage = refusing(RefusalKind::Other);
    stage.passes(10, 2);
    let before = stage.done.len();
    stage.now -= Duration::hours(1);
    stage.refuses = None;
    stage.passes(3, 2);
    assert_eq!(stage.done.len(), before + 1, "{:?}", stage.done);
    assert_eq!(stage.trade().live_exits().count(), 1);
}

#[test]
fn a_cancel_is_asked_for_again_after_a_clock_was_set_back() {
    let mut stage = Stage::protected(2);
    let target = stage.trade().live_exits().next().unwrap().clone();
    let mut running = target.clone();
    running.id = blotter_shared::domain::IntentId(uuid::Uuid::from_u128(99));
    running.op = super::super::facts::Op::Cancel { target: target.id };
    running.state = IntentState::Sending;
    running.sent_at = Some(stage.now + Duration::hours(1));
    stage.trade_mut().intents.push(running);
    let wish = &mut stage.trade_mut().wish;
    (wish.version, wish.stop) = (2, Some(price("4.50")));
    stage.passes(1, 2);
    assert!(matches!(stage.done.as_slice(), [Action::Cancel(_)]), "{:?}", stage.done);
}
