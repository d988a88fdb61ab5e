//! Random keys, pastes, clicks, prices, trades, alarms, refusals, outages and resizes: nothing panics at any size, and
//! nothing acts that was not confirmed.

mod daemon;

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::commands::Flatten;
use blotter_shared::protocol::prices::QuoteQuality;
use blotter_tui::client::calls::Call;
use blotter_tui::client::orders::{Ask, OrderCall};
use blotter_tui::effect::Effect;
use blotter_tui::input::chord::{Chord, KeyCode};
use blotter_tui::input::decode::{TerminalEvent, Wheel};
use blotter_tui::input::keymap::Keymap;
use blotter_tui::msg::Msg;
use blotter_tui::overlays::Overlay;
use blotter_tui::quotes::PricesSaid;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rust_decimal::Decimal;

use crate::fixture::{Desk, Look, World, live};
use daemon::Happening;

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
    /// A price of the second row, of any size and quality.
    Price(i64, usize),
    /// Something that the daemon says, or answers.
    Daemon(Happening),
    /// What takes several keys in a row that hardly ever come by chance.
    Script(&'static str),
    /// Reads what stands on top, and agrees.
    Agree,
}

/// Ways through dialogs.
const SCRIPTS: &[&str] = &[
    "1 j c",
    "esc esc esc esc 1 g c",
    "esc esc esc esc 1 g j c",
    "tab enter",
    "n",
    "n v d a enter",
    "n n v d a enter enter enter",
    "shift-tab backspace tab",
    "enter enter enter",
    "tab 4 tab 9 enter enter",
    "C",
    "F",
    "K",
    "3 enter",
    "2 enter",
    "esc esc esc",
];

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
        2 => (0_i64..100_000_000, 0_usize..5).prop_map(|(mark, quality)| Step::Price(mark, quality)),
        4 => daemon::any().prop_map(Step::Daemon),
        6 => proptest::sample::select(SCRIPTS).prop_map(Step::Script),
        4 => Just(Step::Agree),
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
        Step::Price(mark, quality) => {
            let Some(trade) = desk.world.open.get(1) else { return };
            let mut price = live(trade, "1");
            price.mark = Some(Decimal::new(*mark, 4));
            price.quality = QuoteQuality::ALL[*quality];
            price.at = desk.now.wall;
            let said = PricesSaid::Prices(vec![price]);
            let opened = desk.prices_opened;
            desk.tell(Msg::Prices { generation: opened, said });
        }
        Step::Daemon(happening) => happening.happen(desk),
        Step::Script(keys) => {
            desk.keys(keys);
        }
        Step::Agree => {
            desk.pass(1.0).keys("y");
        }
    }
}

/// An order, or real money, only ever follows a dialog; everything else that acts is harmless.
fn is_grave(effect: &Effect) -> bool {
    match effect {
        Effect::Call(Call::PutSettings { update, .. }) => update.broker_mode == Some(BrokerMode::Live),
        Effect::Call(call) => call.is_action() && !matches!(call, Call::Sync { .. }) && wants(call) != Wants::Nothing,
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

/// What must stand on top before something is asked of trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    /// It harms nobody: an alarm was seen, a drill.
    Nothing,
    /// A question or a form that shows what is sent.
    Dialog,
    /// A question, whatever came before it.
    Question,
}

fn wants(call: &Call) -> Wants {
    let Call::Order(call) = call else { return Wants::Dialog };
    let OrderCall::Ask { ask, .. } = call else { return Wants::Nothing };
    match &**ask {
        Ask::Ack(_) | Ask::Flatten(Flatten { drill: true, .. }) => Wants::Nothing,
        Ask::Place(_) | Ask::Close(..) | Ask::Flatten(_) => Wants::Question,
        Ask::Adjust(..) | Ask::Protect(..) | Ask::Cancel(..) | Ask::Withdraw(..) => Wants::Dialog,
        Ask::Adopt(_) | Ask::StopEntries(_) => Wants::Dialog,
    }
}

/// Whether a question or a form that is sent stands on top.
fn has_dialog(desk: &Desk) -> bool {
    matches!(desk.model.overlays.last(), Some(Overlay::Confirm(_) | Overlay::Form(_) | Overlay::Token(_)))
}

/// Takes a step and draws; gives what is wrong.
fn walk(desk: &mut Desk, step: &Step) -> Result<(), String> {
    let had_dialog = has_dialog(desk);
    let was_confirm = matches!(desk.model.overlays.last(), Some(Overlay::Confirm(_)));
    let before = desk.deeds.len();
    take(desk, step);
    // A time that has passed would wake it again at once, for ever.
    let wake = blotter_tui::model::next_wake(&desk.model).unwrap();
    if wake <= desk.now.since_start {
        return Err(format!("{step:?}: it wants to be woken at {wake:?}, and it is {:?}", desk.now.since_start));
    }
    let lines = desk.screen().lines().count();
    if lines > usize::from(desk.model.height) {
        return Err(format!("{lines} lines"));
    }
    for effect in desk.deeds.get(before..).unwrap_or_default() {
        let is_setting = matches!(effect, Effect::Call(Call::PutSettings { update, .. }) if update.broker_mode != Some(BrokerMode::Live));
        if is_grave(effect) && !is_setting && !had_dialog {
            return Err(format!("{step:?} acted without a dialog: {effect:?}"));
        }
        let (Effect::Call(call @ Call::Order(_)), false) = (effect, was_confirm) else { continue };
        if wants(call) == Wants::Question || (wants(call) == Wants::Dialog && !had_dialog) {
            return Err(format!("{step:?} sent an order without a question: {effect:?}"));
        }
    }
    Ok(())
}

/// Steps of the long walk: few with every test, `BLOTTER_FUZZ_STEPS=100000` for the whole of it.
fn steps_wanted() -> usize {
    #[expect(clippy::disallowed_methods, reason = "the switch of the long walk; a test has no configuration")]
    let wanted = std::env::var("BLOTTER_FUZZ_STEPS").ok().and_then(|count| count.parse().ok());
    wanted.unwrap_or(600)
}

/// One client for a whole day: what earlier steps left behind is there for the later ones. The walk is the
/// same every time, so that what it finds can be found again.
#[test]
fn a_long_walk_never_panics_and_never_orders_unasked() {
    let mut runner = TestRunner::deterministic();
    let mut desk = Desk::live(Look::sized(80, 24), World::busy());
    let (mut orders, mut heard) = (0_usize, 0_usize);
    for count in 0..steps_wanted() {
        let step = any_step().new_tree(&mut runner).unwrap().current();
        if let Err(wrong) = walk(&mut desk, &step) {
            panic!("step {count}: {wrong}\n{}", desk.screen());
        }
        orders += desk.deeds.iter().filter(|effect| is_grave(effect)).count();
        heard += desk.deeds.iter().filter(|effect| matches!(effect, Effect::Ring { .. })).count();
        desk.deeds.clear();
        // Whoever quits begins again.
        if count % 500 == 499 {
            desk = Desk::live(Look::sized(80, 24), World::busy());
        }
    }
    assert!(orders > 0, "a walk that never gets through a dialog shows nothing");
    assert!(heard > 0, "a walk in which nothing is pushed shows nothing");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_nothing_grave_happens_unasked(steps in proptest::collection::vec(any_step(), 1..120)) {
        let mut desk = Desk::live(Look::sized(80, 24), World::busy());
        for step in &steps {
            if let Err(wrong) = walk(&mut desk, step) {
                prop_assert!(false, "{wrong}");
            }
        }
    }

    #[test]
    fn every_size_is_drawn(width in 0_u16..=300, height in 0_u16..=300, script in 0_usize..8) {
        let mut desk = Desk::live(Look::sized(80, 24), World::busy());
        desk.keys(["", "enter", "2 enter", "3 enter", ", enter s", "?", "n", "j w"][script]);
        desk.tell(Msg::Resized { width, height });
        desk.screen();
    }
}
