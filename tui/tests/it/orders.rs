//! What stands before a deed, what is sent, and what becomes of a refusal.

use blotter_shared::domain::{BrokerMode, Step};
use blotter_shared::protocol::commands::{AdjustTrade, CloseTrade, SeenVersion};
use blotter_shared::protocol::events::Event;
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_shared::protocol::settings::Settings;
use blotter_tui::client::calls::{Call, CallError};
use blotter_tui::client::orders::{Ask, OrderCall};
use blotter_tui::effect::Effect;
use blotter_tui::msg::Msg;
use blotter_tui::overlays::Overlay;
use blotter_tui::sound::Sound;

use crate::fixture::{Desk, Look, World};

fn desk() -> Desk {
    Desk::live(Look::sized(118, 30), World::busy())
}

/// Everything that was asked of trades, with its key.
fn asked(desk: &Desk) -> Vec<(Ask, uuid::Uuid)> {
    let mut asks = Vec::new();
    for effect in &desk.deeds {
        if let Effect::Call(Call::Order(OrderCall::Ask { ask, key })) = effect {
            asks.push(((**ask).clone(), *key));
        }
    }
    asks
}

fn refuse(desk: &mut Desk, problem: Problem) {
    let call = desk.held.pop().expect("a call waits");
    desk.tell(Msg::Answered { call, result: Box::new(Err(CallError::Refused(Box::new(problem)))) });
}

#[test]
fn a_close_is_asked_for_after_a_question_and_only_once() {
    let mut desk = desk();
    desk.keys("j c");
    let screen = desk.screen();
    for words in
        ["Close #10", "Sell 2 NVDA Mar 20 '26 150 CALL at MARKET", "stop 3.00, target 8.00", "[ Keep position ]"]
    {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    desk.pass(1.0).keys("enter");
    assert!(asked(&desk).is_empty() && desk.model.overlays.is_empty(), "Enter keeps the position");
    desk.keys("c").pass(1.0).keys("tab enter enter");
    let asks = asked(&desk);
    assert_eq!(asks.len(), 1, "a second Enter does nothing twice: {asks:?}");
    let (Ask::Close(_, close), _) = &asks[0] else { panic!("{asks:?}") };
    assert_eq!(*close, CloseTrade { version: 7, ..CloseTrade::default() });
    let screen = desk.screen();
    assert!(screen.contains("step 2 of 5: the bracket is about to be cancelled"), "{screen}");
}

#[test]
fn keys_typed_before_the_question_could_be_read_close_nothing() {
    let mut desk = desk();
    desk.keys("j c y tab enter");
    assert!(asked(&desk).is_empty());
    desk.pass(1.0).keys("esc");
    assert!(desk.model.overlays.is_empty());
}

#[test]
fn real_money_wants_the_ticker_typed() {
    let mut world = World::busy();
    world.open[1].broker_mode = BrokerMode::Live;
    let mut desk = Desk::live(Look::sized(118, 30), world);
    desk.keys("j c").pass(1.0).keys("y");
    assert!(asked(&desk).is_empty());
    desk.keys("ctrl-u").types("NVDA").keys("tab enter");
    assert_eq!(asked(&desk).len(), 1);
}

#[test]
fn a_new_stop_is_typed_and_the_target_stays_as_it_is() {
    let mut desk = desk();
    desk.keys("j s").pass(1.0).types("4.60").keys("enter");
    assert!(asked(&desk).is_empty(), "the button is only reached");
    desk.keys("enter");
    let asks = asked(&desk);
    let (Ask::Adjust(_, adjust), _) = &asks[0] else { panic!("{asks:?}") };
    let wanted = AdjustTrade { version: 7, new_sl: Some("4.60".parse().ok()), ..AdjustTrade::default() };
    assert_eq!((asks.len(), *adjust), (1, wanted));
    assert!(desk.model.overlays.is_empty(), "{:?}", desk.model.overlays);
    assert!(desk.screen().contains("#10: The bracket is being replaced."));
}

#[test]
fn break_even_and_no_target_are_said_in_the_form() {
    let mut desk = desk();
    desk.keys("j t").pass(1.0).keys("ctrl-u shift-tab ctrl-u").types("=").keys("enter enter");
    let asks = asked(&desk);
    let (Ask::Adjust(_, adjust), _) = &asks[0] else { panic!("{asks:?}") };
    assert_eq!(*adjust, AdjustTrade { version: 7, new_sl: None, new_tp: Some(None), break_even: true });
}

#[test]
fn a_refusal_stays_in_the_form_and_a_repeat_keeps_its_key() {
    let mut desk = desk();
    desk.holds_actions = true;
    desk.keys("j s").pass(1.0).types("5.40").keys("enter enter");
    assert!(desk.screen().contains("asking …"));
    desk.keys("enter");
    assert_eq!(asked(&desk).len(), 1, "it is not asked again while it is under way");
    refuse(&mut desk, Problem::new(ProblemCode::StopNotBelowBid, "the stop 5.40 is not below the bid 5.30"));
    assert!(desk.screen().contains("the stop 5.40 is not below the bid 5.30"), "{}", desk.screen());
    desk.keys("enter");
    let asks = asked(&desk);
    assert_eq!((asks.len(), asks[0].1), (2, asks[1].1), "the same deed has the same key");
    refuse(&mut desk, Problem::stale(7, 8));
    assert!(desk.screen().contains("Sync alert"), "{}", desk.screen());
}

#[test]
fn a_slip_in_a_form_costs_nothing() {
    let mut desk = desk();
    desk.keys("j s").pass(1.0).types("4.x").keys("enter enter");
    assert!(asked(&desk).is_empty());
    assert!(desk.screen().contains("is not a decimal number"), "{}", desk.screen());
    desk.keys("esc");
    assert!(desk.model.overlays.is_empty());
}

#[test]
fn a_part_is_closed_by_its_number() {
    let mut desk = desk();
    desk.keys("j C").pass(1.0).types("1").keys("enter enter");
    let screen = desk.screen();
    assert!(screen.contains("Sell 1 NVDA Mar 20 '26 150 CALL at MARKET") && asked(&desk).is_empty(), "{screen}");
    desk.pass(1.0).keys("tab enter");
    let asks = asked(&desk);
    let (Ask::Close(_, close), _) = &asks[0] else { panic!("{asks:?}") };
    assert_eq!(close.qty.map(blotter_shared::domain::Quantity::get), Some(1));
}

#[test]
fn a_new_trade_is_repeated_in_words_before_it_is_bought() {
    let mut desk = desk();
    desk.keys("n").pass(1.0).types("SPY 2026-03-20 600 C").keys("tab").types("2").keys("tab").types("5.10");
    desk.keys("enter enter");
    assert!(desk.screen().contains("without one type none"), "{}", desk.screen());
    desk.types("4").keys("tab").types("7").keys("enter enter").pass(1.0);
    let screen = desk.screen();
    assert!(screen.contains("Buy 2 SPY 2026-03-20 600 C for at most 5.10"), "{screen}");
    assert!(screen.contains("stop 4.00, target 7.00"), "{screen}");
    assert!(asked(&desk).is_empty());
    desk.keys("y");
    let asks = asked(&desk);
    let (Ask::Place(order), _) = &asks[0] else { panic!("{asks:?}") };
    assert_eq!((order.option_symbol.as_str(), order.qty.get(), order.no_stop), ("SPY260320C00600000", 2, false));
    assert!(desk.model.overlays.is_empty());
}

#[test]
fn everything_out_is_drilled_first() {
    let mut desk = desk();
    desk.keys("F").pass(1.0);
    let screen = desk.screen();
    assert!(screen.contains("#10 NVDA 03/20/26 150 C: sell 2"), "{screen}");
    desk.keys("enter");
    assert_eq!(asked(&desk).len(), 1, "only the drill");
    desk.keys("F").pass(1.0).keys("y");
    let asks = asked(&desk);
    assert!(matches!(asks.last(), Some((Ask::Flatten(wanted), _)) if !wanted.drill), "{asks:?}");
}

#[test]
fn an_entry_that_works_is_cancelled_and_a_waiting_close_is_taken_back() {
    let mut world = World::busy();
    (world.open[1].desired, world.open[1].step) = (blotter_shared::domain::Desired::Flat, Some(Step::CloseAtOpen));
    let mut desk = Desk::live(Look::sized(118, 30), world);
    assert!(desk.screen().contains("CLOSE AT OPEN"), "{}", desk.screen());
    desk.keys("j c").pass(1.0).keys("y");
    desk.keys("G c").pass(1.0).keys("y");
    let asks: Vec<_> = asked(&desk).into_iter().map(|(ask, _)| ask).collect();
    let seen = SeenVersion { version: 7 };
    assert!(
        matches!(&asks[..], [Ask::Withdraw(_, one), Ask::Cancel(_, other)] if (*one, *other) == (seen, seen)),
        "{asks:?}"
    );
}

#[test]
fn a_trade_tells_its_story() {
    let mut desk = desk();
    desk.keys("j w");
    let screen = desk.screen();
    assert!(screen.contains("The story of #10") && screen.contains("laptop: asked to buy: contracts 2"), "{screen}");
    desk.keys("esc");
    assert!(desk.model.overlays.is_empty());
}

#[test]
fn a_target_that_is_hit_is_said_and_sounded() {
    let mut desk = desk();
    let mut trade = desk.world.open[1].clone();
    let closed = crate::fixture::closed_trades()[0].clone();
    (trade.status, trade.close, trade.held_qty) = (closed.status, closed.close, 0);
    desk.push(Event::Trade(Box::new(trade)));
    assert!(desk.screen().contains("NVDA 150 C ×2 target hit  ▲ +310.00"), "{}", desk.screen());
    assert!(desk.has_done(|effect| matches!(effect, Effect::Ring { sound: Sound::Profit, .. })));
}

#[test]
fn nothing_is_asked_of_trades_by_who_may_only_look_or_is_cut_off() {
    let mut looks = desk();
    looks.model.surroundings.access = blotter_tui::model::Access::ReadOnly;
    looks.keys("j c s t C b F n A");
    assert!(
        asked(&looks).is_empty()
            && !looks.model.overlays.iter().any(|it| matches!(it, Overlay::Form(_) | Overlay::Confirm(_)))
    );
    let mut cut = desk();
    cut.keys("j c").pass(1.0).lose_daemon();
    cut.keys("y");
    assert!(asked(&cut).is_empty());
    assert!(cut.screen().contains("Nothing is kept for later"));
}

#[test]
fn a_form_over_a_trade_that_changed_elsewhere_says_so_and_sends_nothing() {
    let mut desk = desk();
    desk.keys("j s").pass(1.0).types("4.60");
    let mut changed = desk.world.open[1].clone();
    (changed.version, changed.sl_price) = (9, "3.50".parse().ok());
    desk.world.open[1] = changed.clone();
    desk.push(Event::Trade(Box::new(changed)));
    let screen = desk.screen();
    assert!(screen.contains("Your view is out of date (you have v7, now v9)"), "{screen}");
    desk.keys("enter enter");
    assert!(asked(&desk).is_empty(), "a stale form is not sent");
    desk.keys("ctrl-y");
    assert!(desk.has_done(|deed| matches!(deed, Effect::Copy(text) if text.starts_with("Stop: 4.60"))));
    desk.keys("ctrl-r");
    let screen = desk.screen();
    assert!(screen.contains("3.50") && !screen.contains("out of date"), "{screen}");
    desk.pass(1.0).types("4.60").keys("enter enter");
    let asks = asked(&desk);
    let (Ask::Adjust(_, adjust), _) = &asks[0] else { panic!("{asks:?}") };
    assert_eq!(adjust.version, 9);
}

#[test]
fn the_kill_switch_is_asked_about_and_shown_while_it_is_set() {
    let mut desk = desk();
    desk.keys("K").pass(1.0).keys("enter");
    assert!(asked(&desk).is_empty(), "Enter changes nothing");
    desk.keys("K").pass(1.0).keys("tab enter");
    let asks = asked(&desk);
    assert!(matches!(&asks[0].0, Ask::StopEntries(switch) if switch.stopped), "{asks:?}");
    let stopped = Settings { entries_stopped: true, version: 8, ..desk.world.settings.clone() };
    desk.push(Event::Settings(Box::new(stopped)));
    let screen = desk.screen();
    assert!(screen.contains("Entries are stopped; exits go on. K lets them in again."), "{screen}");
}

#[test]
fn a_close_that_another_device_began_first_is_a_conflict() {
    let mut desk = desk();
    desk.holds_actions = true;
    desk.keys("j c").pass(1.0).keys("y");
    refuse(&mut desk, Problem::new(ProblemCode::AlreadyClosing, "already closing, step 3 of 5"));
    let screen = desk.screen();
    assert!(screen.contains("Sync alert: this trade was updated on another device"), "{screen}");
    assert!(desk.model.reload_at.is_some(), "nothing is loaded again");
}

#[test]
fn a_bracket_on_its_way_to_another_is_no_alarm_and_a_lost_one_is() {
    let bare = |step: Option<Step>| {
        let mut desk = desk();
        let mut trade = desk.world.open[1].clone();
        (trade.protection, trade.step) = (blotter_shared::domain::Protection::Naked, step);
        desk.push(Event::Trade(Box::new(trade)));
        assert!(desk.screen().contains("NO STOP"), "{}", desk.screen());
        desk.pass(0.999);
        desk.has_done(|effect| matches!(effect, Effect::Ring { sound: Sound::Loss, .. }))
    };
    assert!(!bare(Some(Step::BracketComes)) && !bare(Some(Step::CloseSells)) && !bare(Some(Step::FirstBracket)));
    assert!(bare(None) && bare(Some(Step::BracketAgain)));
}

/// The old bracket is gone, as it was wanted, and the new one is refused: that is the moment to hear of it.
#[test]
fn a_bracket_that_is_refused_on_its_way_is_heard_at_once() {
    let mut desk = desk();
    let mut says = |step: Step| {
        let mut trade = desk.world.open[1].clone();
        (trade.protection, trade.step) = (blotter_shared::domain::Protection::Naked, Some(step));
        desk.push(Event::Trade(Box::new(trade)));
        desk.deeds.iter().filter(|effect| matches!(effect, Effect::Ring { sound: Sound::Loss, .. })).count()
    };
    assert_eq!(says(Step::FirstBracket), 0);
    assert_eq!(says(Step::BracketAgain), 1);
    assert_eq!(says(Step::BracketAgain), 1, "and once");
}
