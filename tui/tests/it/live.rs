//! Real money: whatever sends or moves an order wants its ticker typed first, and says what it would do.

use blotter_shared::domain::{BrokerMode, Desired, Step};
use blotter_shared::protocol::market::SessionPhase;
use blotter_shared::protocol::settings::Settings;
use blotter_tui::client::calls::Call;
use blotter_tui::client::orders::{Ask, OrderCall};
use blotter_tui::effect::Effect;
use blotter_tui::overlays::Overlay;

use crate::fixture::{Desk, Look, World, live, market, settings_with_live};

fn world() -> World {
    let settings = Settings { broker_mode: BrokerMode::Live, ..settings_with_live() };
    let mut world = World { settings, ..World::busy() };
    for trade in &mut world.open {
        trade.broker_mode = BrokerMode::Live;
    }
    world
}

fn asked(desk: &Desk) -> Vec<Ask> {
    let asks = desk.deeds.iter().filter_map(|deed| {
        let Effect::Call(Call::Order(call @ OrderCall::Ask { ask, .. })) = deed else { return None };
        call.is_action().then(|| (**ask).clone())
    });
    asks.collect()
}

/// Comes to a question by these keys and answers it in every way that is not enough, then as it has to be.
#[track_caller]
fn wants_typed(world: World, way: impl Fn(&mut Desk), word: &str) -> Ask {
    let mut desk = Desk::live(Look::sized(80, 24), world);
    way(&mut desk);
    desk.pass(1.0);
    let words = format!("Type {word} to enable it:");
    assert!(desk.screen().contains(&words), "{}", desk.screen());
    desk.keys("y tab enter");
    assert!(asked(&desk).is_empty(), "y and Enter alone: {:?}", asked(&desk));
    if !matches!(desk.model.overlays.last(), Some(Overlay::Confirm(_))) {
        // Enter kept everything as it is.
        desk.keys("esc esc");
        way(&mut desk);
        desk.pass(1.0);
    }
    let (wrong, _) = word.split_at(word.len() - 1);
    desk.keys("ctrl-u").types(wrong).keys("tab");
    assert!(asked(&desk).is_empty(), "a part of the word");
    let rest = &word[wrong.len()..];
    desk.types(rest).keys("tab enter");
    let asks = asked(&desk);
    assert_eq!(asks.len(), 1, "{asks:?}\n{}", desk.screen());
    asks[0].clone()
}

/// The same keys in the sandbox, where y is enough.
fn by(keys: &'static str) -> impl Fn(&mut Desk) {
    move |desk| {
        for key in keys.split_whitespace() {
            match key {
                "wait" => desk.pass(1.0),
                key => desk.keys(key),
            };
        }
    }
}

#[test]
fn every_deed_of_real_money_wants_its_ticker_typed() {
    assert!(matches!(wants_typed(world(), by("g j c"), "NVDA"), Ask::Close(..)));
    let part = wants_typed(world(), by("g j C wait 1 enter enter"), "NVDA");
    assert!(matches!(part, Ask::Close(_, close) if close.qty.is_some_and(|qty| qty.get() == 1)));
    assert!(matches!(wants_typed(world(), by("G c"), "AMD"), Ask::Cancel(..)));
    assert!(matches!(wants_typed(world(), by("g j j b"), "SPY"), Ask::Protect(..)));
    let mut waiting = world();
    (waiting.open[1].desired, waiting.open[1].step) = (Desired::Flat, Some(Step::CloseAtOpen));
    assert!(matches!(wants_typed(waiting, by("g j c"), "NVDA"), Ask::Withdraw(..)));
    let moved = wants_typed(world(), by("g j s wait 4 enter enter"), "NVDA");
    assert!(matches!(moved, Ask::Adjust(_, adjust) if adjust.new_sl == Some("4".parse().ok())));
}

#[test]
fn real_money_buys_and_adopts_only_after_the_ticker() {
    let order = |desk: &mut Desk| {
        desk.keys("n").pass(1.0).types("SPY 2026-03-20 600 C").keys("tab tab tab").types("4").keys("enter enter");
    };
    assert!(matches!(wants_typed(world(), order, "SPY"), Ask::Place(order) if order.qty.get() == 1));
    let position = |desk: &mut Desk| {
        desk.keys("D").pass(1.0).types("QQQ 2026-03-20 500 P").keys("tab tab").types("4").keys("enter enter");
    };
    assert!(matches!(wants_typed(world(), position, "QQQ"), Ask::Adopt(_)));
}

#[test]
fn everything_out_of_real_money_wants_a_word_of_its_own() {
    assert!(matches!(wants_typed(world(), by("F"), "FLATTEN"), Ask::Flatten(wanted) if !wanted.drill));
}

/// One trade of real money among others: the word is asked for where it belongs, whatever new entries go to.
#[test]
fn the_ticker_follows_the_trade_and_not_the_mode_of_new_entries() {
    let mut mixed = World::busy();
    mixed.open[1].broker_mode = BrokerMode::Live;
    assert!(matches!(wants_typed(mixed.clone(), by("g j s wait 4 enter enter"), "NVDA"), Ask::Adjust(..)));
    let mut desk = Desk::live(Look::sized(80, 24), mixed);
    desk.keys("s").pass(1.0).types("4").keys("enter enter");
    assert!(matches!(asked(&desk)[..], [Ask::Adjust(..)]), "another prices of play money want no question");
}

#[test]
fn the_question_before_another_bracket_says_from_what_to_what() {
    let mut desk = Desk::live(Look::sized(80, 24), world());
    desk.keys("j s").pass(1.0).types("4.60").keys("tab ctrl-u enter enter").pass(1.0);
    let screen = desk.screen();
    for words in ["2 NVDA Mar 20 '26 150 CALL", "is replaced: stop", "3.00 → 4.60", "[ Keep it ]"] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    desk.keys("esc");
    assert!(matches!(desk.model.overlays.last(), Some(Overlay::Form(_))), "back in the form, with what was typed");
    assert!(desk.screen().contains("4.60"));
}

#[test]
fn a_close_outside_market_hours_says_when_it_is_sold_and_waits_for_the_open() {
    for (width, height) in [(118, 30), (80, 24), (44, 30)] {
        let mut desk =
            Desk::live(Look::sized(width, height), World { market: market(SessionPhase::Closed), ..World::busy() });
        desk.keys("j c").pass(1.0);
        insta::assert_snapshot!(format!("close_at_open_{width}x{height}"), desk.screen());
        let words: String = desk.screen().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("The market is closed: it is sold"), "{words}");
        desk.keys("y");
        assert!(matches!(asked(&desk)[..], [Ask::Close(_, close)] if close.at_open), "{:?}", asked(&desk));
    }
    let mut part = Desk::live(Look::sized(80, 24), World { market: market(SessionPhase::Closed), ..World::busy() });
    part.keys("j C").pass(1.0).types("1").keys("enter enter").pass(1.0);
    assert!(part.screen().contains("The market is closed: it is sold at the open."), "{}", part.screen());
    part.keys("y");
    assert!(matches!(asked(&part)[..], [Ask::Close(_, close)] if close.at_open));
    let mut open = Desk::live(Look::sized(80, 24), World::busy());
    open.keys("j c").pass(1.0).keys("y");
    assert!(matches!(asked(&open)[..], [Ask::Close(_, close)] if !close.at_open));
}

/// The button of a bracket that would be refused, or that is the one that works, cannot be pressed.
#[test]
fn the_button_stays_off_while_there_is_something_against_it() {
    let world = World::busy();
    let prices = vec![live(&world.open[1], "5.60")];
    for typed in ["5.60", "4.61", "0", "4.x", "3.0", "3.00"] {
        let mut desk = Desk::live(Look::sized(118, 30), World { prices: prices.clone(), ..world.clone() });
        desk.keys("j s").pass(1.0).keys("ctrl-u").types(typed);
        for keys in ["enter enter enter", "tab tab tab enter", "shift-tab enter", "ctrl-u"] {
            desk.keys(keys);
            assert!(asked(&desk).is_empty(), "{typed}: {:?}", asked(&desk));
            assert!(!desk.screen().contains("[ Replace bracket ]"), "{typed}: {}", desk.screen());
            if desk.model.overlays.is_empty() {
                desk.keys("s").pass(1.0).keys("ctrl-u").types(typed);
            }
        }
    }
    let mut desk = Desk::live(Look::sized(118, 30), World { prices, ..world });
    desk.keys("j s").pass(1.0).keys("ctrl-u").types("4.60").keys("tab tab tab");
    assert!(desk.screen().contains("[ Replace bracket ]"), "{}", desk.screen());
    desk.keys("enter");
    assert_eq!(asked(&desk).len(), 1);
}
