//! Random keys, pastes, clicks, events and resizes: nothing panics at any size, and nothing acts
//! that was not confirmed.

use blotter_shared::domain::BrokerMode;
use blotter_tui::client::calls::Call;
use blotter_tui::effect::Effect;
use blotter_tui::input::chord::{Chord, KeyCode};
use blotter_tui::input::decode::{TerminalEvent, Wheel};
use blotter_tui::input::keymap::Keymap;
use blotter_tui::msg::Msg;
use blotter_tui::overlays::Overlay;
use proptest::prelude::*;

use crate::fixture::{Desk, Look, World};

#[derive(Clone, Debug)]
enum Step {
    Key(Chord),
    Paste(String),
    Click(u16, u16),
    Wheel,
    Resize(u16, u16),
    Pass(f64),
    Lose,
    Return,
}

fn any_step() -> impl Strategy<Value = Step> {
    let bound: Vec<Chord> = Keymap::defaults().entries().flat_map(|(_, chords)| chords.to_vec()).collect();
    prop_oneof![
        12 => proptest::sample::select(bound).prop_map(Step::Key),
        4 => proptest::char::range(' ', '~').prop_map(|c| Step::Key(Chord::char(c))),
        2 => Just(Step::Key(Chord::plain(KeyCode::Backspace))),
        1 => "\\PC{0,12}".prop_map(Step::Paste),
        2 => (0_u16..310, 0_u16..310).prop_map(|(x, y)| Step::Click(x, y)),
        1 => Just(Step::Wheel),
        2 => (0_u16..=300, 0_u16..=300).prop_map(|(width, height)| Step::Resize(width, height)),
        2 => (40_u16..=130, 12_u16..=40).prop_map(|(width, height)| Step::Resize(width, height)),
        3 => (0.0_f64..30.0).prop_map(Step::Pass),
        1 => Just(Step::Lose),
        1 => Just(Step::Return),
    ]
}

fn take(desk: &mut Desk, step: &Step) {
    match step {
        Step::Key(chord) => desk.tell(Msg::Terminal(TerminalEvent::Key(*chord))),
        Step::Paste(text) => desk.tell(Msg::Terminal(TerminalEvent::Paste(text.clone()))),
        Step::Click(x, y) => desk.tell(Msg::Terminal(TerminalEvent::Click { x: *x, y: *y })),
        Step::Wheel => desk.tell(Msg::Terminal(TerminalEvent::Wheel(Wheel::Down))),
        Step::Resize(width, height) => desk.tell(Msg::Resized { width: *width, height: *height }),
        Step::Pass(seconds) => {
            desk.pass(*seconds);
        }
        Step::Lose => desk.lose_daemon(),
        Step::Return => desk.is_gone = false,
    }
}

/// An order, or real money, only ever follows a dialog; everything else that acts is harmless.
fn is_grave(effect: &Effect) -> bool {
    match effect {
        Effect::Call(Call::PutSettings { update, .. }) => update.broker_mode == Some(BrokerMode::Live),
        Effect::Call(call) => call.is_action() && !matches!(call, Call::Sync { .. }),
        Effect::Greet
        | Effect::Load(_)
        | Effect::OpenStream { .. }
        | Effect::Export { .. }
        | Effect::CloseStream
        | Effect::OpenPrices { .. }
        | Effect::ClosePrices
        | Effect::Copy(_)
        | Effect::Ring { .. }
        | Effect::Title(_)
        | Effect::Redraw
        | Effect::Suspend
        | Effect::Quit => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_nothing_grave_happens_unasked(steps in proptest::collection::vec(any_step(), 1..120)) {
        let mut desk = Desk::live(Look::sized(80, 24), World::busy());
        for step in &steps {
            let had_dialog = matches!(desk.model.overlays.last(), Some(Overlay::Confirm(_) | Overlay::Form(_)));
            let before = desk.deeds.len();
            take(&mut desk, step);
            let screen = desk.screen();
            let lines = screen.lines().count();
            prop_assert!(lines <= usize::from(desk.model.height), "{lines} lines");
            let grave = desk.deeds[before..].iter().any(|effect| {
                is_grave(effect) && !matches!(effect, Effect::Call(Call::PutSettings { update, .. }) if update.broker_mode != Some(BrokerMode::Live))
            });
            prop_assert!(!grave || had_dialog, "{step:?} acted without a dialog");
        }
    }

    #[test]
    fn every_size_is_drawn(width in 0_u16..=300, height in 0_u16..=300, script in 0_usize..8) {
        let mut desk = Desk::live(Look::sized(80, 24), World::busy());
        desk.keys(["", "enter", "2 enter", "3", ", enter s", "?", "!", "/ n"][script]);
        desk.tell(Msg::Resized { width, height });
        desk.screen();
    }
}
