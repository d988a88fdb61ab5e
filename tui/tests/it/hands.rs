//! Other hands than the default ones: the mouse, and keys of one's own. And what a hand finds again after the daemon was
//! away.

use std::collections::BTreeMap;

use blotter_shared::domain::{BrokerMode, Outcome};
use blotter_shared::protocol::accounts::AccountState;
use blotter_shared::protocol::health::ComponentState;
use blotter_tui::client::calls::Call;
use blotter_tui::client::session::Link;
use blotter_tui::effect::Effect;
use blotter_tui::input::decode::{TerminalEvent, Wheel};
use blotter_tui::input::keymap::{Keymap, UserKeys};
use blotter_tui::msg::Msg;
use blotter_tui::overlays::Overlay;
use blotter_tui::panes::Pane;
use blotter_tui::view;

use crate::fixture::{Desk, Look, World, account, health};

fn desk() -> Desk {
    Desk::live(Look::sized(118, 30), World::busy())
}

/// Clicks in the middle of these words, wherever they stand last on the screen.
#[track_caller]
fn click(desk: &mut Desk, words: &str) {
    let buffer = view::draw(&desk.model).buffer;
    let count = u16::try_from(words.chars().count()).unwrap();
    let found = (0..buffer.area.height).rev().find_map(|y| {
        let here = |x: u16| (x..x + count).filter_map(|x| Some(buffer.cell((x, y))?.symbol())).collect::<String>();
        (0..buffer.area.width.saturating_sub(count - 1)).find(|x| here(*x) == words).map(|x| (x + count / 2, y))
    });
    let (x, y) = found.unwrap_or_else(|| panic!("no `{words}`:\n{}", desk.screen()));
    desk.tell(Msg::Terminal(TerminalEvent::Click { x, y }));
}

fn acts(desk: &Desk) -> usize {
    desk.deeds.iter().filter(|deed| matches!(deed, Effect::Call(call) if call.is_action())).count()
}

#[test]
fn a_click_chooses_a_tab_a_row_and_a_hint() {
    let mut desk = desk();
    click(&mut desk, "2 History 3");
    assert_eq!(desk.model.pane, Pane::History);
    click(&mut desk, "1 Open 5");
    assert_eq!(desk.model.pane, Pane::Open);
    let spy = desk.world.open[2].id;
    click(&mut desk, "SPY ");
    assert_eq!(desk.model.open.list.selected, Some(spy));
    assert!(desk.model.open.list.expanded.is_empty());
    click(&mut desk, "SPY ");
    assert!(desk.model.open.list.expanded.contains(&spy), "the selected row opens");
    click(&mut desk, "? help");
    assert!(matches!(desk.model.overlays[..], [Overlay::Help { .. }]));
    click(&mut desk, "SPY ");
    assert_eq!(desk.model.overlays.len(), 1, "what lies below an overlay is not clicked");
    desk.keys("esc");
    desk.tell(Msg::Terminal(TerminalEvent::Wheel(Wheel::Down)));
    assert_eq!(desk.model.open.list.index(), 4, "the wheel moves three rows, as far as there are some");
    desk.tell(Msg::Terminal(TerminalEvent::Wheel(Wheel::Up)));
    assert_eq!((desk.model.open.list.index(), acts(&desk)), (1, 0));
}

#[test]
fn a_click_presses_the_buttons_of_a_question_once_it_could_be_read() {
    let mut desk = desk();
    desk.keys("j c");
    click(&mut desk, "Close position");
    assert_eq!((acts(&desk), desk.model.overlays.len()), (0, 1), "nobody reads that fast");
    desk.pass(1.0);
    click(&mut desk, "Keep position");
    assert_eq!((acts(&desk), desk.model.overlays.len()), (0, 0));
    desk.keys("c").pass(1.0);
    click(&mut desk, "Close position");
    assert_eq!((acts(&desk), desk.model.overlays.len()), (1, 0));
    let mut world = World::busy();
    world.open[1].broker_mode = BrokerMode::Live;
    let mut live = Desk::live(Look::sized(118, 30), world);
    live.keys("j c").pass(1.0);
    click(&mut live, "Close position");
    assert_eq!((acts(&live), live.model.overlays.len()), (0, 1), "a click does not type the ticker");
}

#[test]
fn a_click_presses_the_buttons_of_a_form() {
    let mut desk = desk();
    desk.keys("j s").pass(1.0);
    click(&mut desk, "Replace bracket");
    assert_eq!((acts(&desk), desk.model.overlays.len()), (0, 1), "nothing has changed: it is off");
    desk.types("4.60");
    click(&mut desk, "  Keep  ");
    assert_eq!((acts(&desk), desk.model.overlays.len()), (0, 0));
    desk.keys("s").types("4.60");
    click(&mut desk, "Replace bracket");
    assert_eq!(acts(&desk), 0, "nobody reads that fast");
    desk.pass(1.0);
    click(&mut desk, "Replace bracket");
    assert_eq!((acts(&desk), desk.model.overlays.len()), (1, 0));
    desk.keys("T").pass(1.0);
    click(&mut desk, "Store it");
    assert_eq!(acts(&desk), 1, "there is no token");
    desk.types("token");
    click(&mut desk, "Store it");
    assert!(desk.has_done(|deed| matches!(deed, Effect::Call(Call::PutToken { .. }))));
}

#[test]
fn a_letter_typed_into_a_form_is_never_its_yes() {
    let mut desk = desk();
    desk.keys("j s").pass(1.0).types("4.60yyy").keys("tab").types("y").keys("tab y tab y");
    assert_eq!(acts(&desk), 0);
}

fn remapped(pairs: &[(&str, &str)]) -> Keymap {
    let keys = |(name, key): &(&str, &str)| {
        ((*name).to_owned(), UserKeys { line: 1, chords: key.split(' ').map(str::to_owned).collect() })
    };
    Keymap::with(&pairs.iter().map(keys).collect::<BTreeMap<_, _>>()).unwrap()
}

#[test]
fn a_key_of_ones_own_works_everywhere_that_keys_are_named() {
    let accounts = vec![account(BrokerMode::Sandbox, AccountState::Reauthenticate, "expired")];
    let world = World { accounts, health: health(ComponentState::Degraded), ..World::busy() };
    let mut desk = Desk::live(Look::sized(118, 30), world);
    desk.model.keymap = remapped(&[
        ("close_trade", "ctrl-x"),
        ("enter_token", "ctrl-t"),
        ("keep", "ctrl-k esc"),
        ("history_pane", "H"),
        ("ack_alarms", "Z"),
    ]);
    desk.keys("j c");
    assert!(desk.model.overlays.is_empty(), "the default is gone");
    let screen = desk.screen();
    for words in ["Ctrl-X close", "Press Ctrl-T to enter a new", "H History 3"] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    desk.keys("ctrl-x").pass(1.0);
    let screen = desk.screen();
    assert!(screen.contains("Close #10") && screen.contains("Ctrl-K keep"), "{screen}");
    desk.keys("ctrl-k");
    assert!(desk.model.overlays.is_empty());
    desk.keys("ctrl-t");
    assert!(matches!(desk.model.overlays[..], [Overlay::Token(_)]));
    desk.keys("esc ,");
    assert!(desk.screen().contains("Ctrl-T token"), "{}", desk.screen());
    desk.keys("esc H");
    assert_eq!(desk.model.pane, Pane::History);
    desk.keys("?");
    let mut lines = desk.screen();
    for _ in 0..6 {
        desk.keys("pgdn");
        lines.push_str(&desk.screen());
    }
    for (key, words) in
        [("Ctrl-X", "Close the selected trade"), ("Ctrl-T", "Enter a token"), ("Z", "You have seen every")]
    {
        let line = lines.lines().find(|line| line.contains(words)).unwrap_or_default();
        assert!(line.split_whitespace().any(|word| word == key), "{words}: {line}\n{lines}");
    }
    desk.keys("esc :").types("ack alarms");
    let screen = desk.screen();
    let line = screen.lines().find(|line| line.contains("ack alarms") && line.contains(" Z ")).map(str::to_owned);
    assert!(line.is_some(), "{screen}");
}

/// Whoever was typing goes on typing: the daemon was away, and nothing here was.
#[test]
fn a_daemon_that_comes_back_finds_everything_where_it_was() {
    let back = |desk: &mut Desk| {
        desk.lose_daemon();
        desk.pass(40.0);
        assert_ne!(desk.model.session.link(), Link::Live);
        desk.is_gone = false;
        desk.pass(60.0);
        assert_eq!(desk.model.session.link(), Link::Live);
    };
    let mut form = desk();
    form.keys("/ n v enter enter o o O").keys("s").pass(1.0).types("4.60").keys("tab").types("7");
    let place = |desk: &Desk| {
        let list = desk.model.open.list.clone();
        (list.selected, list.top, list.expanded, list.search, desk.model.open.sort, desk.model.open.is_reversed)
    };
    let before = place(&form);
    back(&mut form);
    assert_eq!(place(&form), before);
    let Some(Overlay::Form(typed)) = form.model.overlays.last() else { panic!("{:?}", form.model.overlays) };
    assert_eq!(typed.fields.iter().map(blotter_tui::overlays::form::Field::text).collect::<Vec<_>>(), ["4.60", "7"]);
    form.keys("enter enter");
    let asked = |desk: &Desk| {
        let is_ask = |deed: &&Effect| matches!(deed, Effect::Call(Call::Order(call)) if call.is_action());
        desk.deeds.iter().filter(is_ask).count()
    };
    assert_eq!(asked(&form), 1, "it is sent once it is pressed, and not before");
    let mut history = desk();
    history.keys("2 f / n v enter j o");
    let before = (history.model.history.query(), history.model.history.list.selected);
    back(&mut history);
    assert_eq!((history.model.history.query(), history.model.history.list.selected), before);
    assert_eq!((history.model.pane, history.model.history.filter), (Pane::History, Some(Outcome::Win)));
    let mut figures = desk();
    figures.keys("3 p b enter j");
    let before = (figures.model.performance.query(), figures.model.overlays.clone());
    back(&mut figures);
    assert_eq!((figures.model.performance.query(), figures.model.overlays.clone()), before);
}
