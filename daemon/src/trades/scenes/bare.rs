//! A position without a working stop: when it is said, how loudly, and not before.

use blotter_shared::domain::{AlarmKind, Severity};
use chrono::Duration;

use super::super::alarms::{self, Since};
use super::super::facts::AlarmChange;
use super::super::facts::apply::apply_alarm;
use super::super::ports::{OrderState, RefusalKind};
use super::super::timing::Timing;
use super::{Stage, end};

/// Bought, and the broker takes no bracket.
fn bare() -> Stage {
    let mut stage = Stage::holding(2);
    stage.refuses = Some(RefusalKind::Unavailable);
    stage.pass();
    assert_eq!(stage.trade().marks.naked_since, Some(stage.now), "bare since the first look");
    stage
}

/// What is to be said so many milliseconds after the first look: by whoever watches, and by the owner after a cut.
fn said(stage: &Stage, millis: i64) -> Vec<Option<Severity>> {
    let now = stage.trade().marks.naked_since.unwrap() + Duration::milliseconds(millis);
    let timing = Timing::PRODUCTION;
    let known = |trade: &super::Trade| (stage.session, Since::of(&stage.book, trade));
    let both = [
        alarms::watchdog(&stage.book, known, now, &timing),
        alarms::judge(&stage.book, |_| stage.session, now, &timing),
    ];
    let naked = |changes: Vec<AlarmChange>| {
        changes.into_iter().find_map(|change| match change {
            AlarmChange::Raise { kind: AlarmKind::Naked, severity, .. } => Some(severity),
            AlarmChange::Raise { .. } | AlarmChange::Clear { .. } | AlarmChange::Ack { .. } => None,
        })
    };
    both.into_iter().map(naked).collect()
}

#[test]
fn it_is_a_warning_after_fifteen_seconds_and_a_page_after_sixty_and_neither_before() {
    let stage = bare();
    for (millis, severity) in [
        (0, None),
        (14_999, None),
        (15_000, Some(Severity::Warning)),
        (59_999, Some(Severity::Warning)),
        (60_000, Some(Severity::Page)),
        (3_600_000, Some(Severity::Page)),
    ] {
        assert_eq!(said(&stage, millis), [severity; 2], "after {millis} ms");
    }
}

#[test]
fn a_clock_that_went_back_by_more_than_two_clocks_differ_is_a_page_at_once() {
    let stage = bare();
    assert_eq!(said(&stage, -2000), [None; 2]);
    assert_eq!(said(&stage, -2001), [Some(Severity::Page); 2]);
}

#[test]
fn it_is_said_once_becomes_louder_once_and_ends_with_the_cover() {
    let mut stage = bare();
    stage.passes(14, 1);
    assert!(stage.alarm(AlarmKind::Naked).is_none());
    stage.passes(1, 1);
    let first = stage.alarm(AlarmKind::Naked).expect("after fifteen seconds").clone();
    assert_eq!(first.severity, Severity::Warning);
    let ack = AlarmChange::Ack { kind: AlarmKind::Naked, trade: first.trade, at: stage.now };
    apply_alarm(&mut stage.book, &ack);
    stage.passes(44, 1);
    assert_eq!(stage.alarm(AlarmKind::Naked).map(|alarm| alarm.severity), Some(Severity::Warning));
    stage.passes(1, 1);
    let page = stage.alarm(AlarmKind::Naked).expect("it is still bare");
    assert_eq!(
        (page.severity, page.raised_at, page.acked_at),
        (Severity::Page, first.raised_at, None),
        "seen is not heard"
    );
    stage.refuses = None;
    stage.passes(40, 2);
    assert_eq!(stage.alarm(AlarmKind::Naked), None, "{:?}", stage.trade().marks);
}

/// It was protected; so long after the last look its bracket is not there any more.
fn bare_after(seconds: i64) -> Stage {
    let mut stage = Stage::protected(2);
    stage.passes(4, 5);
    end(stage.newest(), OrderState::Canceled);
    stage.refuses = Some(RefusalKind::Unavailable);
    stage.passes(1, seconds);
    stage
}

#[test]
fn what_is_seen_bare_after_nobody_could_have_seen_it_is_a_warning_at_once() {
    let looked_in_time = bare_after(15);
    assert!(looked_in_time.alarm(AlarmKind::Naked).is_none());
    let mut stage = bare_after(61);
    assert_eq!(stage.alarm(AlarmKind::Naked).map(|alarm| alarm.severity), Some(Severity::Warning));
    stage.passes(44, 1);
    assert_eq!(stage.alarm(AlarmKind::Naked).map(|alarm| alarm.severity), Some(Severity::Warning));
    stage.passes(1, 1);
    assert_eq!(stage.alarm(AlarmKind::Naked).map(|alarm| alarm.severity), Some(Severity::Page));
}
