//! From yes to the daemon's answer: the row says what was asked and that nobody has confirmed it, and is as it was
//! when the daemon says no or nothing.

use std::collections::HashSet;

use blotter_shared::domain::{Desired, Protection, Step};
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_tui::client::calls::CallError;
use blotter_tui::model::Motion;
use blotter_tui::picture;
use blotter_tui::view;

use crate::fixture::{Desk, Look, World};

const SIZES: [(u16, u16); 3] = [(118, 30), (80, 24), (44, 30)];

/// A daemon that takes its time.
fn slow(world: World, (width, height): (u16, u16)) -> Desk {
    let mut desk = Desk::live(Look::sized(width, height), world);
    desk.holds_actions = true;
    desk
}

/// The line of a symbol and the one below it.
fn rows(desk: &Desk, symbol: &str) -> (String, String) {
    let screen = desk.screen();
    let mut lines = screen.lines().skip_while(|line| !line.contains(symbol));
    (lines.next().unwrap_or_default().to_owned(), lines.next().unwrap_or_default().to_owned())
}

fn last_words(desk: &Desk) -> &str {
    &desk.model.notices.log().front().unwrap().text
}

fn refused(code: ProblemCode, why: &str) -> CallError {
    CallError::Refused(Box::new(Problem::new(code, why)))
}

#[test]
fn a_close_is_seen_on_its_row_before_the_daemon_has_answered() {
    for size in SIZES {
        let mut desk = slow(World::busy(), size);
        let upper =
            |desk: &Desk| desk.screen().lines().take_while(|line| !line.contains("AMD")).collect::<Vec<_>>().join("\n");
        let before = upper(&desk);
        desk.keys("j c").pass(1.0).keys("y");
        let screen = desk.screen();
        assert!(screen.contains("CLOSING?"), "{screen}");
        assert!(screen.contains("asked, not confirmed: sell 2 at"), "{screen}");
        insta::assert_snapshot!(format!("asked_close_{}x{}", size.0, size.1), screen);
        desk.answer_held(Err(refused(ProblemCode::MarketClosed, "the market is closed")));
        assert_eq!(last_words(&desk), "Not done: the market is closed (#10 is as it was)");
        desk.pass(11.0).keys("k");
        assert_eq!(upper(&desk), before, "the row is what it was");
    }
}

#[test]
fn a_new_stop_is_pending_and_the_rail_stays_the_one_that_works() {
    let mut desk = slow(World::busy(), SIZES[0]);
    desk.keys("j s").pass(1.0).types("4.60").keys("tab").types("9").keys("enter enter esc");
    assert!(desk.model.overlays.is_empty());
    let (row, below) = rows(&desk, "NVDA");
    assert!(row.contains("3.00 ├") && row.contains("┤ 8.00") && !row.contains("4.60"), "{row}");
    assert!(row.contains("BRACKET?"), "{row}");
    assert!(below.contains("asked, not confirmed: stop 3.00 → 4.60, target 8.00 → 9.00"), "{below}");
    desk.answer_held(Err(refused(ProblemCode::StopNotBelowBid, "the stop 4.60 is not below the bid 4.55")));
    let (row, below) = rows(&desk, "NVDA");
    assert!(row.contains("3.00 ├") && row.ends_with("FILLED") && below.contains("SPY"), "{row}\n{below}");
    assert!(desk.screen().contains("Not done: the stop 4.60 is not below the bid 4.55"), "{}", desk.screen());
}

#[test]
fn no_price_that_is_asked_for_is_cut() {
    for width in 40..=130 {
        let mut desk = slow(World::busy(), (width, 30));
        desk.keys("j s").pass(1.0).types("4.65").keys("tab").types("12.35").keys("enter enter esc");
        let screen = desk.screen();
        for price in ["3.00", "4.65", "8.00", "12.35"] {
            let is_whole = screen.split([' ', ',', '\n']).any(|word| word == price);
            assert!(is_whole, "{price} at {width} columns:\n{screen}");
        }
    }
}

/// Nothing that is asked for makes a position look protected.
#[test]
fn a_bracket_that_is_asked_for_protects_nothing() {
    for (width, height) in [(200, 40), (118, 30), (80, 24), (64, 24), (50, 30), (44, 30), (40, 12)] {
        let mut world = World::busy();
        world.open.remove(0);
        world.open.truncate(2);
        world.open[0].protection = Protection::Unknown;
        let mut desk = slow(world, (width, height));
        desk.keys("b").pass(1.0).keys("y").keys("j b").pass(1.0).keys("y k");
        assert_eq!(desk.held.len(), 2);
        let screen = desk.screen();
        assert!(screen.contains("UNVERIFIED"), "{width}x{height}:\n{screen}");
        assert!(height < 20 || screen.contains("NO STOP"), "{width}x{height}:\n{screen}");
        assert!(!screen.contains('├') && screen.contains("asked, not confirmed"), "{width}x{height}:\n{screen}");
    }
}

#[test]
fn every_deed_has_its_mark_and_loses_it_with_the_answer() {
    let mut waiting = World::busy();
    (waiting.open[1].desired, waiting.open[1].step) = (Desired::Flat, Some(Step::CloseAtOpen));
    let busy = World::busy;
    for (world, keys, state, words) in [
        (waiting, "j c", "KEEPING?", "take the close back"),
        (busy(), "G c", "CANCEL?", "cancel the entry"),
        (busy(), "j j b", "PROTECT?", "a bracket with stop 1.50, target 4.00"),
    ] {
        let mut desk = slow(world, SIZES[0]);
        desk.keys(keys).pass(1.0).keys("y");
        let screen = desk.screen();
        assert!(screen.contains(state) && screen.contains(&format!("asked, not confirmed: {words}")), "{screen}");
        let call = desk.held[0].clone();
        let answer = desk.world.answer(&call);
        desk.answer_held(Ok(answer));
        let screen = desk.screen();
        assert!(!screen.contains(state) && !screen.contains("not confirmed"), "{screen}");
    }
}

#[test]
fn everything_out_is_seen_on_every_row_and_gone_when_nobody_answers() {
    let mut desk = slow(World::busy(), SIZES[0]);
    desk.keys("F").pass(1.0).keys("y");
    let screen = desk.screen();
    assert_eq!(screen.matches("CLOSING?").count(), 4, "the fifth is on its way out already:\n{screen}");
    assert!(screen.contains("asked, not confirmed: cancel the entry"), "{screen}");
    desk.answer_held(Err(CallError::Broken));
    let screen = desk.screen();
    assert!(!screen.contains("CLOSING?"), "{screen}");
    assert!(last_words(&desk).contains("It may have been done: the next refresh shows it."), "{screen}");
}

#[test]
fn what_is_on_its_way_out_is_not_asked_for_twice() {
    let mut desk = slow(World::busy(), SIZES[0]);
    desk.keys("j c").pass(1.0).keys("y");
    for key in ["c", "C", "s", "t", "b"] {
        desk.keys(key);
        assert!(desk.model.overlays.is_empty(), "{key}: {:?}", desk.model.overlays);
    }
    assert!(desk.screen().contains("#10: what you asked before is not answered yet."));
    desk.keys("k c");
    assert_eq!(desk.model.overlays.len(), 1, "another trade is another trade");
}

#[test]
fn the_row_turns_its_spinner_while_it_waits() {
    let mut desk = slow(World::busy(), SIZES[0]);
    desk.model.surroundings.motion = Motion::Full;
    desk.keys("j c").pass(1.0).keys("y");
    let mut seen = HashSet::new();
    for _ in 0..8 {
        let (row, below) = rows(&desk, "NVDA");
        let (state, words) = (row.split("CLOSING?").next().unwrap(), below.split(" asked").next().unwrap());
        assert_eq!(state.trim_end().chars().last(), words.chars().last(), "one spinner: {row}\n{below}");
        seen.extend(state.trim_end().chars().last());
        desk.pass(0.25);
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
}

/// What is not confirmed has the colour of what is not sure.
#[test]
fn what_is_not_confirmed_is_yellow() {
    let mut desk = slow(World::busy(), SIZES[0]);
    desk.keys("j c").pass(1.0).keys("y");
    let screen = picture::ansi(&view::draw(&desk.model).buffer);
    let warn = screen.split("\u{1b}[").filter(|part| part.contains("CLOSING?") || part.contains("not confirmed"));
    let codes: Vec<_> = warn.map(|part| part.split('m').next().unwrap().to_owned()).collect();
    assert!(codes.len() == 2 && codes.iter().all(|codes| codes.split(';').any(|code| code == "33")), "{codes:?}");
}
