//! Brackets that are there and do not protect.

use blotter_shared::domain::{AlarmKind, CloseReason, IntentId, IntentRole, IntentState, Protection};
use chrono::Duration;
use uuid::Uuid;

use super::super::facts::{Bracket, Intent, Op, Origin, Shape};
use super::super::plan::{Action, CancelCause};
use super::super::ports::{LegKind, OrderState};
use super::super::specimen::price;
use super::super::tag::Epoch;
use super::{Stage, end};

fn bracket(stop: &str, target: &str) -> Option<Bracket> {
    Some(Bracket { stop: Some(price(stop)), target: Some(price(target)) })
}

#[test]
fn a_bracket_that_is_pending_covers_nothing_while_the_market_is_open() {
    let mut stage = Stage::holding(2);
    stage.shows = OrderState::Pending;
    stage.passes(12, 2);
    assert_eq!(stage.trade().marks.protection, Protection::Naked);
    assert!(stage.alarm(AlarmKind::Naked).is_some(), "nobody has seen it work for 24 s");
    assert_eq!(stage.trade().marks.good, None);
    assert_eq!(stage.done.len(), 1, "and it is left alone: {:?}", stage.done);
    stage.session.open = false;
    stage.passes(1, 2);
    assert_eq!(stage.trade().marks.protection, Protection::Confirmed, "by night that is what the broker shows");
}

#[test]
fn a_bracket_that_was_asked_to_go_proves_no_position_safe() {
    let mut stage = Stage::protected(2);
    stage.passes(1, 20);
    let verified = stage.trade().marks.verified_at;
    assert_eq!(verified, Some(stage.now));
    // The answer was lost, and every list comes from a copy that has stayed behind.
    let bracket = stage.trade().live_exits().next().unwrap().id;
    let (trade_id, role) = (stage.trade().id(), IntentRole::Bracket);
    let origin = Origin { id: IntentId(Uuid::from_u128(900)), trade_id, role, attempt: 1, version: 1, epoch: Epoch(1) };
    let cancel = Intent::new(origin, Op::Cancel { target: bracket });
    let asked = Intent { state: IntentState::Sending, sent_at: Some(stage.now), ..cancel };
    stage.trade_mut().intents.push(asked);
    stage.passes(20, 2);
    assert_eq!(stage.trade().marks.verified_at, verified);
    assert_eq!(stage.book.alarms, []);
    stage.passes(1, 2);
    assert!(stage.alarm(AlarmKind::Unverified).is_some(), "nobody knows whether it is there");
    stage.passes(9, 2);
    assert_eq!(stage.book.alarms, [], "it would have gone by now");
    assert_eq!(stage.trade().marks.verified_at, Some(stage.now));
}

#[test]
fn an_adjust_whose_bracket_is_taken_and_then_refused_goes_back_to_the_last_good_one() {
    let mut stage = Stage::protected(2);
    assert_eq!(stage.trade().marks.good, bracket("4.00", "6.00"));
    let wish = &mut stage.trade_mut().wish;
    (wish.version, wish.stop) = (2, Some(price("4.50")));
    stage.shows = OrderState::Pending;
    for _ in 0..60 {
        stage.passes(1, 2);
        assert_eq!(stage.trade().marks.good, bracket("4.00", "6.00"), "a bracket that never worked is no good one");
        if stage.done.contains(&Action::Revert) {
            break;
        }
        let new = stage.newest();
        if new.state == OrderState::Pending && new.legs.len() == 2 {
            end(new, OrderState::Rejected);
        }
    }
    assert!(stage.done.contains(&Action::Revert), "{:?}", stage.done);
    stage.shows = OrderState::Live;
    stage.passes(60, 2);
    assert!(!stage.trade().wish.is_flat(), "nothing was sold: {:?}", stage.done);
    assert_eq!(stage.trade().wish.stop, Some(price("4.00")));
    assert_eq!(stage.trade().marks.protection, Protection::Confirmed);
}

#[test]
fn an_adjust_that_never_fits_goes_back_to_a_bracket_that_works_in_part() {
    let mut stage = Stage::holding(2);
    stage.passes(1, 2);
    // Its target dies before anybody has seen the pair work: there is no good one.
    stage.newest().legs[0].state = OrderState::Canceled;
    stage.done.clear();
    let in_time = stage.now + Duration::seconds(60);
    let wish = &mut stage.trade_mut().wish;
    (wish.version, wish.stop, wish.target, wish.until) = (2, Some(price("5.50")), None, Some(in_time));
    stage.passes(29, 2);
    assert_eq!((stage.trade().marks.good, stage.done.as_slice()), (None, [].as_slice()));
    stage.passes(4, 2);
    assert_eq!(stage.done.first(), Some(&Action::Revert), "a wish that waits for ever fires as a surprise");
    assert_eq!(stage.trade().wish.stop, Some(price("4.00")));
    stage.passes(10, 2);
    assert_eq!(stage.trade().marks.good, bracket("4.00", "6.00"), "and it is whole again: {:?}", stage.done);
}

#[test]
fn nothing_goes_back_behind_a_newer_bracket_that_works_in_part() {
    let mut stage = Stage::protected(2);
    let wish = &mut stage.trade_mut().wish;
    (wish.version, wish.stop, wish.target) = (2, Some(price("3.50")), Some(price("7.00")));
    while stage.done.len() < 2 {
        stage.passes(1, 2);
    }
    // Its target dies before anybody has seen the pair work twice, and nobody quotes the contract.
    stage.newest().legs[0].state = OrderState::Canceled;
    stage.bid = None;
    stage.done.clear();
    stage.passes(60, 2);
    assert_eq!(stage.trade().marks.good, bracket("4.00", "6.00"), "an older one");
    assert_eq!(stage.done, [], "no change waits: its stop works, and its target comes back when that is possible");
    // Another change that never fits goes back to what works, and not to a stop that the market has passed.
    stage.bid = Some(price("3.80"));
    let in_time = stage.now + Duration::seconds(60);
    let wish = &mut stage.trade_mut().wish;
    (wish.version, wish.stop, wish.target, wish.until) = (3, Some(price("3.90")), Some(price("7.00")), Some(in_time));
    stage.passes(45, 2);
    assert_eq!(stage.done.first(), Some(&Action::Revert));
    assert_eq!((stage.trade().wish.stop, stage.trade().wish.target), (Some(price("3.50")), Some(price("7.00"))));
    stage.passes(10, 2);
    assert_eq!(stage.trade().marks.protection, Protection::Confirmed);
    assert_eq!(stage.trade().marks.good, bracket("3.50", "7.00"), "and it is whole again: {:?}", stage.done);
}

#[test]
fn an_old_bracket_under_a_new_wish_is_not_shown_as_the_new_one() {
    let mut stage = Stage::protected(2);
    let in_time = stage.now + Duration::seconds(60);
    let wish = &mut stage.trade_mut().wish;
    (wish.version, wish.stop, wish.until) = (2, Some(price("5.50")), Some(in_time));
    stage.passes(3, 2);
    assert_eq!(stage.done, [], "the new stop lies above the bid: nothing is cancelled for it");
    assert_eq!(stage.trade().marks.protection, Protection::Unknown);
    assert_eq!(stage.trade().marks.good_version, Some(1));
    assert!(stage.alarm(AlarmKind::Naked).is_none(), "the old stop works");
}

#[test]
fn a_cut_that_first_shows_a_bracket_does_not_make_it_the_good_one() {
    let mut stage = Stage::holding(2);
    stage.passes(2, 2);
    assert_eq!((stage.trade().marks.protection, stage.trade().marks.good), (Protection::Confirmed, None));
    stage.passes(1, 2);
    assert_eq!(stage.trade().marks.good, bracket("4.00", "6.00"));
}

/// The bracket works, then something becomes of it, and a new one takes its place.
fn replaced_after(what: impl Fn(&mut Stage)) -> Stage {
    let mut stage = Stage::protected(2);
    what(&mut stage);
    stage.passes(10, 2);
    let cancel = stage.done.first();
    assert!(matches!(cancel, Some(Action::Cancel(cancel)) if cancel.why == CancelCause::ToReplace), "{:?}", stage.done);
    let sound = Shape::Oco { stop: price("4.00"), target: price("6.00") };
    let again = stage.done.get(1);
    assert!(matches!(again, Some(Action::Place(place)) if place.shape == sound), "{:?}", stage.done);
    assert_eq!(stage.done.len(), 2, "{:?}", stage.done);
    assert_eq!(stage.trade().marks.protection, Protection::Confirmed);
    stage
}

#[test]
fn a_stop_that_dies_alone_is_no_cover_and_is_replaced() {
    for state in [OrderState::Rejected, OrderState::Canceled, OrderState::Expired] {
        let mut stage = Stage::protected(2);
        stage.newest().legs[1].state = state;
        let views = stage.pass();
        assert_eq!(views.values().map(|view| view.cover).sum::<u32>(), 0);
        assert_eq!(stage.trade().marks.protection, Protection::Naked);
        replaced_after(|stage| stage.newest().legs[1].state = state);
    }
}

#[test]
fn a_stop_that_somebody_moved_is_put_back() {
    replaced_after(|stage| stage.newest().legs[1].kind = LegKind::Stop(price("1.00")));
}

#[test]
fn a_target_that_dies_alone_is_replaced_and_the_stop_covers_meanwhile() {
    let mut stage = Stage::protected(2);
    stage.newest().legs[0].state = OrderState::Canceled;
    let views = stage.pass();
    assert_eq!(views.values().map(|view| view.cover).sum::<u32>(), 2);
    replaced_after(|stage| stage.newest().legs[0].state = OrderState::Canceled);
}

#[test]
fn a_stop_that_executes_is_left_to_its_work() {
    let mut stage = Stage::protected(2);
    let order = stage.newest();
    order.legs[0].state = OrderState::Canceled;
    order.legs[1].executed = 1;
    order.legs[1].average = Some("4".parse().unwrap());
    stage.holds(1);
    stage.passes(5, 2);
    assert_eq!(stage.done, []);
    let order = stage.newest();
    order.legs[1].executed = 2;
    end(order, OrderState::Filled);
    stage.holds(0);
    stage.passes(2, 2);
    assert_eq!(stage.trade().marks.close_reason, Some(CloseReason::StopHit));
}

#[test]
fn a_stop_that_is_always_refused_alone_is_not_asked_for_for_ever() {
    let mut stage = Stage::holding(2);
    for _ in 0..400 {
        stage.passes(1, 2);
        let order = stage.newest();
        if order.legs.len() == 2 && order.state == OrderState::Live {
            order.legs[1].state = OrderState::Rejected;
        }
        if stage.trade().wish.is_flat() {
            break;
        }
    }
    let places = stage.done.iter().filter(|action| matches!(action, Action::Place(_))).count();
    assert!(places < 12, "{places} brackets were sent");
    assert!(stage.alarm(AlarmKind::CannotProtect).is_some(), "{:?}", stage.book.alarms);
}
