//! What is seen of a way out before it is taken: the live rail, what stop, target and sale would bring, and
//! prices moved by ticks.

use blotter_tui::client::calls::{Call, CallError};
use blotter_tui::client::looks::LookCall;

use crate::fixture::{Desk, Look, World, live};

/// With a fresh quote of 5.55 to 5.65 for two contracts that cost 4.50.
fn desk(width: u16, height: u16) -> Desk {
    let world = World::busy();
    let prices = vec![live(&world.open[1], "5.60")];
    Desk::live(Look::sized(width, height), World { prices, ..world })
}

#[track_caller]
fn says(desk: &mut Desk, words: &[&str]) {
    let screen = desk.screen();
    for words in words {
        assert!(screen.contains(words), "no `{words}`:\n{screen}");
    }
}

#[test]
fn a_bracket_is_worked_out_while_it_is_typed() {
    for (width, height) in [(118, 30), (80, 24), (44, 30)] {
        let mut desk = desk(width, height);
        desk.keys("j s").pass(1.0).types("4.60");
        says(&mut desk, &["Entry 4.50", "Bid/Ask 5.55 / 5.65"]);
        // The stop was 2.50 at the entry, two dollars below it; the row has it at 3.00.
        says(&mut desk, &["Stop locks in ▲ +20.00 (+0.1 R)", "Target pays ▲ +700.00 (+1.8 R)"]);
        says(&mut desk, &["Reward/risk 2.6 from the bid", "│ 4.60 ├", "┤ 8.00 │"]);
        desk.keys("ctrl-u").types("4");
        says(&mut desk, &["Stop loses ▼ -100.00 (-0.3 R)", "Reward/risk 1.6 from the bid", "│ 4.00 ├"]);
        desk.keys("ctrl-u").types("=");
        says(&mut desk, &["Stop locks in 0.00 (0.0 R)", "│ 4.50 ├"]);
    }
}

#[test]
fn without_a_stop_at_entry_there_are_no_multiples_and_without_a_bid_nothing_is_ahead() {
    let mut desk = desk(80, 24);
    desk.holds = |call| matches!(call, Call::Look(LookCall::Context(_)));
    desk.keys("j s").pass(1.0).types("4.60");
    says(&mut desk, &["Stop locks in ▲ +20.00  ", "Target pays ▲ +700.00  "]);
    desk.answer_held(Err(CallError::Broken));
    says(&mut desk, &["Stop locks in ▲ +20.00  "]);
    // A stop above every bid, and a row that nobody quotes.
    desk.keys("ctrl-u").types("5.60");
    assert!(!desk.screen().contains("Reward/risk"), "{}", desk.screen());
    let mut unquoted = Desk::live(Look::sized(80, 24), World::busy());
    unquoted.keys("j s").pass(1.0);
    says(&mut unquoted, &["(+1.8 R)"]);
    assert!(!unquoted.screen().contains("Reward/risk"), "{}", unquoted.screen());
}

#[test]
fn what_the_daemon_would_refuse_is_said_while_it_is_typed() {
    let mut desk = desk(118, 30);
    for (typed, words) in [
        ("5.60", "✗ stop not below the bid 5.55"),
        ("4.61", "✗ stop off the grid of 0.05"),
        ("0", "✗ stop must be above zero"),
        ("", "Stop none"),
    ] {
        desk.keys("j s").pass(1.0).keys("ctrl-u").types(typed);
        says(&mut desk, &[words]);
        desk.keys("esc k");
    }
    desk.keys("j t").pass(1.0).types("5.55");
    says(&mut desk, &["✗ target not above the bid 5.55"]);
    // What lies between the two sides is the trader's own wish.
    desk.keys("ctrl-u").types("5.60");
    says(&mut desk, &["! target not above the ask 5.65: it may fill at once"]);
    desk.keys("enter");
    says(&mut desk, &["[ Replace bracket ]"]);
}

#[test]
fn arrows_move_a_price_by_ticks_of_its_grid() {
    let mut desk = desk(118, 30);
    desk.keys("j s").pass(1.0);
    for (key, stop) in [("up", "3.05"), ("down", "3.00"), ("down", "2.99"), ("pgup", "3.45"), ("pgdn", "2.99")] {
        desk.keys(key);
        says(&mut desk, &[&format!("Stop        {stop}"), &format!("│ {stop} ├")]);
    }
    desk.types("4");
    says(&mut desk, &["│ 4.00 ├"]);
    desk.keys("tab ctrl-u up");
    says(&mut desk, &["Target      5.65"]);
}

#[test]
fn a_close_says_what_the_bid_would_bring_while_the_question_stands() {
    let mut desk = desk(118, 30);
    desk.keys("j c").pass(1.0);
    says(&mut desk, &["Bid/Ask 5.55 / 5.65  1.8 %", "At the bid ▲ +210.00 (+23.3 %)"]);
    desk.keys("esc C").pass(1.0).types("1");
    says(&mut desk, &["At the bid ▲ +105.00 (+23.3 %)"]);
    let mut unquoted = Desk::live(Look::sized(44, 30), World::busy());
    unquoted.keys("j c").pass(1.0);
    says(&mut unquoted, &["Entry 4.50   Mark 5.35", "At the mark ▲ +170.00 (+18.9 %)"]);
}

#[test]
fn the_last_line_offers_in_a_form_what_works_in_a_form() {
    for (width, height) in [(118, 30), (80, 24), (44, 30)] {
        let mut desk = desk(width, height);
        desk.keys("j s").pass(1.0);
        let screen = desk.screen();
        let last = screen.lines().last().unwrap();
        assert!(last.contains("Esc keep") && last.contains("Ctrl-C quit") && !last.contains("yes"), "{last}");
        desk.keys("esc c").pass(1.0);
        let screen = desk.screen();
        assert!(screen.lines().last().unwrap().contains("Esc keep"), "{screen}");
    }
}
