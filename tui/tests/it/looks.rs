//! Live prices with their age, what a row shows when it is opened, and the chain of a new trade.

use blotter_shared::domain::{BrokerMode, Cash};
use blotter_shared::protocol::accounts::{AccountReport, AccountState};
use blotter_shared::protocol::events::Event;
use blotter_shared::protocol::prices::QuoteQuality;
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_tui::client::calls::{Call, CallError};
use blotter_tui::client::events::StreamItem;
use blotter_tui::client::looks::LookCall;
use blotter_tui::effect::Effect;
use blotter_tui::msg::{Msg, StreamSaid};
use blotter_tui::overlays::Overlay;
use blotter_tui::quotes::PricesSaid;
use chrono::TimeDelta;
use rust_decimal::Decimal;

use crate::fixture::{Desk, Look, World, account, live, noon};

const SIZES: [(u16, u16); 3] = [(118, 30), (80, 24), (44, 30)];

fn desk() -> Desk {
    Desk::live(Look::sized(118, 30), World::busy())
}

fn tell_prices(desk: &mut Desk, marks: &[(usize, &str, QuoteQuality)]) {
    let at = desk.now.wall + TimeDelta::seconds(1);
    let prices = marks.iter().map(|(row, mark, quality)| {
        let mut price = live(&desk.world.open[*row], mark);
        (price.at, price.quality) = (at, *quality);
        price
    });
    let said = PricesSaid::Prices(prices.collect());
    let generation = desk.prices_opened;
    desk.tell(Msg::Prices { generation, said });
}

/// The daemon is there and has no news.
fn beat(desk: &mut Desk) {
    let generation = desk.model.generation;
    desk.tell(Msg::Stream { generation, said: StreamSaid::Item(StreamItem::Heartbeat) });
}

fn row_of(desk: &Desk, symbol: &str) -> String {
    desk.screen().lines().find(|line| line.contains(symbol)).unwrap_or_default().to_owned()
}

#[test]
fn a_live_price_moves_mark_result_and_rail_at_once() {
    let mut desk = desk();
    assert!(desk.has_done(|deed| matches!(deed, Effect::OpenPrices { generation: 1 })));
    let before = row_of(&desk, "NVDA");
    tell_prices(&mut desk, &[(1, "6.85", QuoteQuality::Good)]);
    let after = row_of(&desk, "NVDA");
    assert!(after.contains(" 6.85 ") && after.contains("▲ +470.00") && after.contains("+52.2 %"), "{after}");
    let mark = |row: &str| row.find('●');
    assert!(mark(&after) > mark(&before), "{before}\n{after}");
    // The row as it is stored comes again: what was told live is newer.
    let stored = desk.world.open[1].clone();
    desk.push(Event::Trade(Box::new(stored)));
    assert!(row_of(&desk, "NVDA").contains(" 6.85 "));
    desk.keys("r");
    assert!(row_of(&desk, "NVDA").contains(" 6.85 "), "a refresh does not go back in time");
}

#[test]
fn a_price_that_is_old_looks_old_to_the_second() {
    let mut desk = desk();
    tell_prices(&mut desk, &[(1, "6.85", QuoteQuality::Good)]);
    for _ in 0..4 {
        desk.pass(10.0);
        beat(&mut desk);
    }
    assert!(row_of(&desk, "NVDA").contains(" 6.85 "));
    // Nobody presses a key: the client wakes by itself.
    let mut wakes = 0;
    while !row_of(&desk, "NVDA").contains('?') && wakes < 5 {
        let wake = blotter_tui::model::next_wake(&desk.model).unwrap();
        desk.pass((wake - desk.now.since_start).as_secs_f64());
        wakes += 1;
    }
    let passed = (desk.now.wall - noon()).num_milliseconds();
    assert!((46_000..46_100).contains(&passed), "after {passed} ms");
    assert!(row_of(&desk, "NVDA").contains(" 6.85? "), "{}", row_of(&desk, "NVDA"));
    // Told again, it is as good as new.
    tell_prices(&mut desk, &[(1, "6.85", QuoteQuality::Good)]);
    assert!(row_of(&desk, "NVDA").contains(" 6.85 "));
}

#[test]
fn a_crossed_or_stale_quote_leaves_the_mark_and_says_that_it_is_not_to_be_trusted() {
    for quality in [QuoteQuality::Crossed, QuoteQuality::Stale] {
        let mut desk = desk();
        tell_prices(&mut desk, &[(1, "6.85", QuoteQuality::Good)]);
        desk.pass(2.0);
        tell_prices(&mut desk, &[(1, "9.99", quality)]);
        let row = row_of(&desk, "NVDA");
        assert!(row.contains(" 6.85? ") && !row.contains("9.99"), "{row}");
    }
}

#[test]
fn a_price_of_another_contract_is_nobodys() {
    let mut desk = desk();
    let mut price = live(&desk.world.open[1], "6.85");
    price.symbol = "NVDA260320C00155000".to_owned();
    desk.tell(Msg::Prices { generation: 1, said: PricesSaid::Prices(vec![price]) });
    assert!(row_of(&desk, "NVDA").contains(" 5.35 "));
}

#[test]
fn prices_end_with_the_session_and_come_back_with_it() {
    let mut desk = desk();
    desk.lose_daemon();
    assert!(desk.has_done(|deed| matches!(deed, Effect::ClosePrices)));
    desk.is_gone = false;
    desk.pass(30.0).pass(30.0);
    assert!(desk.has_done(|deed| matches!(deed, Effect::OpenPrices { generation: 2 })));
}

#[test]
fn an_opened_row_asks_for_its_path_once_and_forgets_it_when_it_closes() {
    let mut desk = desk();
    let paths = |desk: &Desk| {
        desk.deeds.iter().filter(|deed| matches!(deed, Effect::Call(Call::Look(LookCall::Series { .. })))).count()
    };
    desk.keys("j enter");
    assert_eq!((paths(&desk), desk.model.looked.len()), (1, 1));
    desk.pass(39.0);
    assert_eq!(paths(&desk), 1);
    desk.pass(2.0);
    assert_eq!(paths(&desk), 2, "a new price is recorded every forty seconds");
    desk.keys("enter");
    assert!(desk.model.looked.is_empty());
    desk.pass(60.0);
    assert_eq!(paths(&desk), 2);
}

#[test]
fn an_opened_row_shows_path_quote_story_and_context() {
    for (width, height) in SIZES {
        let mut world = World::busy();
        world.prices = vec![live(&world.open[1], "5.60")];
        let mut desk = Desk::live(Look::sized(width, height), world);
        desk.keys("j enter");
        insta::assert_snapshot!(format!("path_open_{width}x{height}"), desk.screen());
        desk.keys("2 j enter");
        insta::assert_snapshot!(format!("path_closed_{width}x{height}"), desk.screen());
    }
}

#[test]
fn a_path_that_does_not_come_is_told() {
    let mut desk = desk();
    desk.keys("j enter");
    let call = Call::Look(LookCall::Series { trade: desk.world.open[1].id, width: 80 });
    let problem = Problem::new(ProblemCode::DatabaseUnavailable, "the database is away");
    desk.model.looked.get_mut(&desk.world.open[1].id).unwrap().series = None;
    desk.tell(Msg::Answered { call, result: Box::new(Err(CallError::Refused(Box::new(problem)))) });
    assert!(desk.screen().contains("The prices did not come: the database "), "{}", desk.screen());
}

#[test]
fn the_story_ends_with_what_was_known_at_the_entry() {
    for (width, height) in SIZES {
        let mut desk = Desk::live(Look::sized(width, height), World::busy());
        desk.keys("j w");
        insta::assert_snapshot!(format!("story_context_{width}x{height}"), desk.screen());
    }
    let mut desk = desk();
    desk.keys("j w G");
    assert!(desk.screen().contains("breakout"), "the end can be scrolled to: {}", desk.screen());
}

#[test]
fn a_contract_is_found_in_the_chain_and_bought_after_a_question() {
    let mut desk = desk();
    if let Some(settings) = &mut desk.model.data.settings {
        settings.max_positions = 7;
    }
    desk.keys("n").pass(1.0).types("nvda").keys("enter");
    let screen = desk.screen();
    assert!(
        screen.contains("NVDA: expiry") && screen.contains("▸ Feb 27 '26"),
        "the first that is a week away: {screen}"
    );
    desk.keys("down enter");
    let screen = desk.screen();
    assert!(screen.contains("›150‹") && screen.contains("NVDA at 150.12"), "{screen}");
    desk.keys("down right");
    assert_eq!(desk.model.overlays.len(), 2);
    desk.keys("enter");
    let screen = desk.screen();
    for words in ["NVDA 2026-03-20 151 P", "Bid/Ask 5.35 / 5.45", "Cost 545.00", "positions 6 of 7 ✓"] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    // The cursor is in the next line already: two contracts, a stop, a target.
    desk.types("2").keys("tab tab").types("4").keys("tab").types("9");
    let screen = desk.screen();
    for words in ["Cost 1,090.00", "Risk 290.00 (1.2 %)", "Reward/risk 2.4"] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    desk.keys("enter enter");
    assert!(desk.screen().contains("Buy 2 NVDA"), "{}", desk.screen());
    assert!(desk.model.in_flight == 0, "nothing is sent before the question is answered");
}

fn quotes_asked(desk: &Desk) -> usize {
    desk.deeds
        .iter()
        .filter(|deed| matches!(deed, Effect::Call(Call::Look(LookCall::Chain { strikes: 100, .. }))))
        .count()
}

/// Nothing is asked, and it sleeps until something can change: a time that has passed would be due at once, for ever.
#[track_caller]
fn sleeps(desk: &Desk, asked: usize) {
    assert_eq!(quotes_asked(desk), asked, "{}", desk.screen());
    let wake = blotter_tui::model::next_wake(&desk.model).unwrap();
    assert!(wake > desk.now.since_start, "woken at {wake:?}, and it is {:?}", desk.now.since_start);
}

#[test]
fn a_form_without_a_daemon_or_a_contract_asks_for_no_quote_and_lets_the_client_sleep() {
    let mut desk = desk();
    desk.keys("n").pass(1.0).types("nvda").keys("enter enter enter");
    desk.pass(14.0);
    sleeps(&desk, 0);
    desk.pass(2.0);
    sleeps(&desk, 1);
    // The line of the contract does not parse any more, and is left.
    desk.keys("shift-tab backspace backspace tab").pass(16.0);
    beat(&mut desk);
    sleeps(&desk, 1);
    desk.keys("shift-tab").types(" C").keys("tab");
    sleeps(&desk, 2);
    desk.lose_daemon();
    desk.pass(16.0);
    sleeps(&desk, 2);
    desk.is_gone = false;
    desk.pass(30.0).pass(30.0);
    let asked = quotes_asked(&desk);
    assert!(asked > 2, "{}", desk.screen());
    sleeps(&desk, asked);
}

#[test]
fn weeklies_of_an_index_are_looked_for_in_the_chain_of_the_index() {
    let mut desk = desk();
    let asked = |desk: &Desk| {
        let of = |deed: &Effect| {
            let Effect::Call(Call::Look(LookCall::Chain { symbol, .. } | LookCall::Expirations { symbol })) = deed
            else {
                return None;
            };
            Some(symbol.clone())
        };
        desk.deeds.iter().filter_map(of).collect::<Vec<_>>()
    };
    desk.keys("n").pass(1.0).types("SPXW 2026-03-20 6000 C").keys("tab");
    assert_eq!(asked(&desk), ["SPX"]);
    desk.keys("esc esc n").pass(1.0).types("spxw").keys("enter enter");
    assert_eq!(asked(&desk), ["SPX", "SPX", "SPX"]);
    assert!(desk.screen().contains("SPX at 150.12"), "{}", desk.screen());
}

#[test]
fn what_was_reasoned_at_the_entry_can_be_read_to_its_end() {
    let mut desk = desk();
    desk.keys("j enter w");
    let Some(Overlay::Story(mut story)) = desk.model.overlays.pop() else { panic!("no story") };
    let words: Vec<String> = (0..60).map(|n| format!("word{n:02}")).collect();
    let context = story.context.as_mut().unwrap();
    context.ai_reasoning = Some(serde_json::json!({"why": {"setup": words.join(" "), "risk": "one\ntwo\u{1b}"}}));
    let lines = blotter_tui::overlays::story::lines(&story, &desk.model, 50);
    assert!(lines.iter().all(|(line, _)| line.chars().count() <= 50), "{lines:#?}");
    let text = lines.iter().map(|(line, _)| line.trim()).collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("setup  {}", words.join(" "))), "{lines:#?}");
    assert!(text.contains("risk  one two\\u{1b}"), "{lines:#?}");
    let at = lines.iter().position(|(line, _)| line.starts_with("      setup  word00 ")).unwrap();
    assert!(lines[at + 1].0.starts_with("          word"), "what goes on is set in: {lines:#?}");
}

#[test]
fn a_broken_limit_is_named_with_its_setting_before_anything_is_asked() {
    let mut world = World::busy();
    (world.settings.max_positions, world.settings.heat_limit_pct) = (4, Decimal::from(6));
    let mut desk = Desk::live(Look::sized(80, 24), world);
    desk.keys("n").pass(1.0).types("NVDA 2026-03-20 150 C").keys("tab");
    desk.types("9").keys("tab").types("4.5").keys("tab").types("none");
    let screen = desk.screen();
    assert!(screen.contains("positions 6 of 4 ✗ max_positions"), "{screen}");
    assert!(screen.contains("✗ heat_limit_pct"), "{screen}");
}

/// The screen with a new trade in it whose stop leaves 900 dollars to lose.
fn typed_with(accounts: Vec<AccountReport>) -> String {
    let mut desk = Desk::live(Look::sized(118, 30), World { accounts, ..World::busy() });
    desk.keys("n").pass(1.0).types("NVDA 2026-03-20 150 C").keys("tab");
    desk.types("2").keys("tab").types("4.5").keys("tab").types("none");
    desk.screen()
}

#[test]
fn shares_are_of_what_the_broker_says_the_account_is_worth() {
    let worth = |mode, equity: i64| {
        let equity = Some(Cash(Decimal::from(equity)));
        AccountReport { equity, ..account(mode, AccountState::Ok, "") }
    };
    let silent = account(BrokerMode::Sandbox, AccountState::Ok, "");
    let by_balance = ["Heat 5.8/6%", "Risk 900.00 (3.6 %)", "this trade 3.6 of 2 % ✗", "heat 9.4 of 6 % ✗"];
    // The settings say 25,000.
    for accounts in [vec![], vec![silent], vec![worth(BrokerMode::Live, 100_000)]] {
        let screen = typed_with(accounts.clone());
        assert!(by_balance.iter().all(|words| screen.contains(words)), "{accounts:?}:\n{screen}");
    }
    let screen = typed_with(vec![worth(BrokerMode::Live, 1), worth(BrokerMode::Sandbox, 100_000)]);
    for words in ["Heat 1.4/6%", "Risk 900.00 (0.9 %)", "this trade 0.9 of 2 % ✓", "heat 2.3 of 6 % ✓"] {
        assert!(screen.contains(words), "no `{words}`:\n{screen}");
    }
}

#[test]
fn what_the_account_is_worth_is_asked_for_again_while_something_is_held() {
    let asked = |desk: &Desk| {
        let accounts = |effect: &&Effect| matches!(effect, Effect::Call(Call::Accounts));
        desk.deeds.iter().filter(accounts).count()
    };
    let mut held = Desk::live(Look::sized(80, 24), World::busy());
    let mut flat = Desk::live(Look::sized(80, 24), World { open: vec![], ..World::busy() });
    for desk in [&mut held, &mut flat] {
        for ten_seconds in 1..=20 {
            beat(desk);
            desk.pass(10.0);
            assert!(ten_seconds > 5 || asked(desk) == 0, "it was told a moment ago");
        }
    }
    assert_eq!((asked(&held), asked(&flat)), (3, 0), "once a minute");
}

#[test]
fn the_chain_says_what_is_wrong_and_lets_go() {
    let mut desk = desk();
    desk.keys("n").pass(1.0).types("nvda").keys("enter");
    let problem = Problem::new(ProblemCode::BrokerUnavailable, "the broker does not answer");
    let Some(Overlay::Chain(picker)) = desk.model.overlays.last_mut() else { panic!("no picker") };
    picker.expirations = None;
    let call = Call::Look(LookCall::Expirations { symbol: "NVDA".to_owned() });
    desk.tell(Msg::Answered { call, result: Box::new(Err(CallError::Refused(Box::new(problem)))) });
    assert!(desk.screen().contains("the broker does not answer"), "{}", desk.screen());
    desk.keys("esc");
    assert_eq!(desk.model.overlays.len(), 1, "back to the form");
}

#[test]
fn the_chain_at_every_width() {
    for (width, height) in SIZES {
        let mut desk = Desk::live(Look::sized(width, height), World::busy());
        desk.keys("n").pass(1.0).types("nvda").keys("enter down enter");
        insta::assert_snapshot!(format!("chain_{width}x{height}"), desk.screen());
        desk.keys("enter");
        insta::assert_snapshot!(format!("chain_taken_{width}x{height}"), desk.screen());
    }
}

#[test]
fn every_figure_has_its_number_or_what_it_needs() {
    // The last is tall enough for all of them.
    for (width, height) in SIZES.into_iter().chain([(118, 80)]) {
        let mut desk = Desk::live(Look::sized(width, height), World::busy());
        desk.keys("3 enter");
        insta::assert_snapshot!(format!("figures_{width}x{height}"), desk.screen());
    }
    let mut desk = desk();
    desk.keys("3 enter G");
    let screen = desk.screen();
    assert!(screen.contains("16 of 30 decided"), "{screen}");
    desk.keys("esc");
    assert!(desk.model.overlays.is_empty() && desk.model.history.mode == Some(BrokerMode::Sandbox));
}
