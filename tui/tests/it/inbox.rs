//! The alarms as entries: seen off one by one or all at once, gone to, and taken up where they tell of a position
//! that nobody looks after.

use blotter_shared::domain::{AlarmId, AlarmKind, Severity};
use blotter_shared::protocol::alarms::Alarm;
use blotter_shared::protocol::commands::AdoptPosition;
use blotter_shared::protocol::events::Event;
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_tui::client::calls::{Answer, Call, CallError};
use blotter_tui::client::orders::{Ask, OrderCall};
use blotter_tui::effect::Effect;
use blotter_tui::input::hints::hints;
use blotter_tui::model::Access;
use blotter_tui::overlays::Overlay;
use blotter_tui::panes::Pane;
use chrono::TimeDelta;
use uuid::Uuid;

use crate::fixture::{Desk, Look, World, alarm, noon};

const SIZES: [(u16, u16); 3] = [(118, 30), (80, 24), (44, 30)];

const UNCLAIMED: &str = "the account holds 3 of SPY260306C00600000 and no trade looks after them: adopt them, or close \
                         them at the broker";

fn id(number: u128) -> AlarmId {
    AlarmId(Uuid::from_u128(number))
}

fn three() -> Vec<Alarm> {
    let naked = Alarm { trade_id: Some(World::busy().open[2].id), ..alarm() };
    let backup = Alarm {
        id: id(78),
        kind: AlarmKind::BackupFailed,
        severity: Severity::Warning,
        trade_number: None,
        message: "the backup of this night failed: no space left on device".to_owned(),
        raised_at: noon() - TimeDelta::hours(9),
        ..alarm()
    };
    let unclaimed = Alarm {
        id: id(79),
        kind: AlarmKind::NeedsPerson,
        trade_number: None,
        message: UNCLAIMED.to_owned(),
        raised_at: noon() - TimeDelta::minutes(3),
        ..alarm()
    };
    vec![naked, unclaimed, backup]
}

fn desk((width, height): (u16, u16)) -> Desk {
    Desk::live(Look::sized(width, height), World { alarms: three(), ..World::busy() })
}

/// The alarms that were said to be seen.
fn acked(desk: &Desk) -> Vec<AlarmId> {
    let acks = desk.deeds.iter().filter_map(|deed| {
        let Effect::Call(Call::Order(OrderCall::Ask { ask, .. })) = deed else { return None };
        if let Ask::Ack(id) = **ask { Some(id) } else { None }
    });
    acks.collect()
}

fn row<'a>(screen: &'a str, words: &str) -> &'a str {
    screen.lines().find(|line| line.contains(words)).unwrap_or_default()
}

#[test]
fn each_alarm_has_its_age_its_weight_and_whether_it_was_seen() {
    for size in SIZES {
        let mut desk = desk(size);
        desk.keys("! j s k");
        insta::assert_snapshot!(format!("inbox_{}x{}", size.0, size.1), desk.screen());
    }
    let mut desk = desk(SIZES[0]);
    desk.keys("!");
    let screen = desk.screen();
    assert!(row(&screen, "NAKED").contains("▸ ● new   <1m  page "), "{screen}");
    assert!(row(&screen, "NEEDS_PERSON").contains("● new    3m  page "), "{screen}");
    assert!(row(&screen, "BACKUP_FAILED").contains("● new    9h  warning "), "{screen}");
}

#[test]
fn one_alarm_is_seen_off_and_the_others_wait() {
    let mut desk = desk(SIZES[0]);
    desk.keys("! j s s");
    assert_eq!(acked(&desk), [id(79)], "and only once");
    let screen = desk.screen();
    assert!(row(&screen, "NEEDS_PERSON").contains("✓ seen"), "{screen}");
    assert!(row(&screen, "NAKED").contains("● new") && row(&screen, "BACKUP").contains("● new"), "{screen}");
}

#[test]
fn all_are_seen_off_from_every_pane_and_from_the_inbox() {
    for script in ["1 A", "2 A", "3 A", "! A", ", A", "? A", "enter A", ": ctrl-u", "2 enter w A"] {
        let mut desk = desk(SIZES[0]);
        desk.keys(script);
        if script.starts_with(':') {
            desk.types("ack alarms").keys("enter");
        }
        assert_eq!(acked(&desk), [id(77), id(79), id(78)], "{script}");
        desk.keys("esc esc A");
        assert_eq!(acked(&desk).len(), 3, "{script}: what was seen is not seen again");
    }
}

#[test]
fn an_acknowledgement_under_way_is_no_acknowledgement() {
    let mut desk = desk(SIZES[0]);
    desk.holds_actions = true;
    desk.keys("! s s A");
    assert_eq!(acked(&desk).len(), 3, "each once, whichever key it was");
    let screen = desk.screen();
    assert!(!screen.contains("✓ seen") && row(&screen, "NAKED").contains("⠋ …"), "{screen}");
    desk.answer_held(Err(CallError::Refused(Box::new(Problem::new(ProblemCode::NotFound, "no such alarm")))));
    let screen = desk.screen();
    assert!(row(&screen, "NAKED").contains("● new"), "it is as it was: {screen}");
    let call = desk.held[0].clone();
    let Answer::Order(answer) = desk.world.answer(&call) else { panic!("no order: {call:?}") };
    desk.answer_held(Ok(Answer::Order(answer)));
    assert_eq!(desk.screen().matches("✓ seen").count(), 1, "{}", desk.screen());
}

#[test]
fn the_selection_belongs_to_the_alarm_and_not_to_its_line() {
    let mut desk = desk(SIZES[0]);
    desk.keys("! j");
    let newer = Alarm { id: id(80), kind: AlarmKind::CutTooSlow, severity: Severity::Warning, ..alarm() };
    desk.push(Event::Alarm(Box::new(newer)));
    assert!(row(&desk.screen(), "NEEDS_PERSON").contains('▸'), "{}", desk.screen());
    let gone = Alarm { cleared_at: Some(noon()), ..three()[1].clone() };
    desk.push(Event::Alarm(Box::new(gone)));
    desk.keys("s");
    assert_eq!(acked(&desk), [id(78)], "the one that took its place");
    desk.keys("G");
    assert!(!row(&desk.screen(), "ALARM").contains('▸'));
    desk.keys("s");
    assert_eq!(acked(&desk).len(), 1, "a message is nothing to see off");
}

#[test]
fn an_alarm_leads_to_its_row() {
    let mut desk = desk(SIZES[0]);
    desk.keys("2 ! enter");
    assert_eq!((desk.model.pane, desk.model.overlays.len()), (Pane::Open, 0));
    assert_eq!(desk.model.open.list.selected, Some(desk.world.open[2].id));
    desk.keys("! G k enter");
    assert_eq!(desk.model.overlays.len(), 1, "one without a row leads nowhere");
}

#[test]
fn the_hint_line_says_what_works_on_the_selected_alarm() {
    let mut desk = desk(SIZES[0]);
    let said = |desk: &Desk| hints(&desk.model).into_iter().map(|hint| hint.words).collect::<Vec<_>>();
    assert!(said(&desk).contains(&"all seen".to_owned()), "{:?}", said(&desk));
    desk.keys("!");
    for words in ["seen", "all seen", "its row"] {
        assert!(said(&desk).contains(&words.to_owned()), "{words}: {:?}", said(&desk));
    }
    assert!(!said(&desk).contains(&"adopt".to_owned()));
    desk.keys("j");
    assert!(said(&desk).contains(&"adopt".to_owned()) && !said(&desk).contains(&"its row".to_owned()));
    desk.keys("A");
    assert!(!said(&desk).iter().any(|words| words.contains("seen")), "{:?}", said(&desk));
}

#[test]
fn whoever_may_only_look_sees_nothing_off_and_takes_nothing_up() {
    let mut desk = desk(SIZES[0]);
    desk.model.surroundings.access = Access::ReadOnly;
    desk.keys("! s A j D");
    assert!(acked(&desk).is_empty() && desk.model.overlays.len() == 1);
    assert!(desk.screen().contains("read-only"), "{}", desk.screen());
    desk.model.surroundings.access = Access::Full;
    desk.lose_daemon();
    desk.keys("s A D");
    assert!(acked(&desk).is_empty() && desk.model.overlays.len() == 1);
}

fn adopted(desk: &Desk) -> Vec<AdoptPosition> {
    let asks = desk.deeds.iter().filter_map(|deed| {
        let Effect::Call(Call::Order(OrderCall::Ask { ask, .. })) = deed else { return None };
        if let Ask::Adopt(position) = &**ask { Some(position.clone()) } else { None }
    });
    asks.collect()
}

#[test]
fn an_alarm_of_a_position_that_nobody_looks_after_fills_the_form_that_takes_it_up() {
    for size in SIZES {
        let mut desk = desk(size);
        desk.keys("! j D").pass(1.0);
        insta::assert_snapshot!(format!("adopt_{}x{}", size.0, size.1), desk.screen());
        desk.keys("tab").types("4").keys("enter enter");
        assert!(desk.screen().contains("A trade has a stop"), "{}", desk.screen());
        desk.types("1.50").keys("enter enter").pass(1.0);
        let screen = desk.screen();
        assert!(screen.contains("Take up 3 SPY Mar 06 '26 600 CALL."), "{screen}");
        assert!(screen.contains("Then a bracket: stop 1.50, target 4.00."), "{screen}");
        desk.keys("enter");
        assert!(adopted(&desk).is_empty(), "Enter leaves it");
        desk.keys("enter").pass(1.0).keys("tab enter");
        let wanted = AdoptPosition {
            option_symbol: "SPY260306C00600000".to_owned(),
            qty: 3.try_into().unwrap(),
            sl_price: "1.50".parse().ok(),
            tp_price: "4".parse().ok(),
            strategy: None,
        };
        assert_eq!(adopted(&desk), [wanted]);
        assert!(matches!(desk.model.overlays[..], [Overlay::Messages(_)]), "{:?}", desk.model.overlays);
    }
}

#[test]
fn a_position_is_taken_up_from_the_palette_without_an_alarm() {
    let mut desk = desk(SIZES[0]);
    desk.keys("2 :").types("adopt").keys("enter").pass(1.0);
    desk.types("SPY 2026-03-06 600 C").keys("tab").types("2").keys("tab").types("none").keys("enter enter").pass(1.0);
    assert!(desk.screen().contains("It gets NO STOP and no target."), "{}", desk.screen());
    desk.keys("y");
    let adopted = adopted(&desk);
    assert_eq!((adopted.len(), adopted[0].qty.get(), adopted[0].sl_price), (1, 2, None));
}

#[test]
fn a_refusal_to_take_it_up_stays_in_the_form() {
    let mut desk = desk(SIZES[0]);
    desk.holds_actions = true;
    desk.keys("! j D").pass(1.0).types("1.50").keys("enter enter").pass(1.0).keys("y");
    assert_eq!(adopted(&desk).len(), 1);
    let why = "the account holds 2 of it, not 3";
    desk.answer_held(Err(CallError::Refused(Box::new(Problem::new(ProblemCode::NoPosition, why)))));
    assert!(desk.screen().contains(why), "{}", desk.screen());
    assert!(matches!(desk.model.overlays.last(), Some(Overlay::Form(_))));
}
