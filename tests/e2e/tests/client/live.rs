//! Real money, as far as a machine without any can go: the simulator stands in for the broker of LIVE, too. Whatever
//! sends an order wants a word typed, a wrong one sends nothing, and the right one sends what was asked for once.

use blotter_testkit::terminal::{Size, Terminal};
use serde_json::Value;

use crate::forms::{acting, read, until_it_opens};
use crate::market::{Market, is_closed, is_protected};
use crate::stage::wait_without;

const CTRL_U: &str = "\u{15}";

/// Everything that was ever asked of the broker: what was bought, sold and bracketed, and the cancels.
fn sent(market: &Market) -> [usize; 4] {
    let orders = market.orders();
    let is_bracket = |order: &&Value| order["legs"].as_array().is_some_and(|legs| legs.len() == 2);
    let is_of = |order: &&Value, side: &str| order["side"].as_str().is_some_and(|it| it.starts_with(side));
    let single = |side: &str| orders.iter().filter(|order| !is_bracket(order) && is_of(order, side)).count();
    let ledger = market.sim.books("ledger");
    let cancels = ledger["entries"].as_array().unwrap().iter().filter(|entry| entry["fact"] == "cancel_sent").count();
    [single("buy"), single("sell"), orders.iter().filter(is_bracket).count(), cancels]
}

/// Presses the keys that put a question, answers it with a wrong word, and then with the right one.
#[track_caller]
fn asks(terminal: &mut Terminal, market: &Market, (keys, title): (&str, &str), (wrong, right): (&str, &str)) {
    let before = sent(market);
    let sign = format!("┌ {title} ");
    until_it_opens(terminal, keys, &sign);
    let wants = format!("Type {right} to enable it: ");
    read(terminal, &wants);
    // Enter on what is not armed keeps everything; so does a Tab before it.
    terminal.type_keys(wrong).unwrap();
    terminal.wait_for(&format!("{wants}{wrong}")).unwrap();
    terminal.type_keys("\t\r").unwrap();
    wait_without(terminal, &sign);
    assert_eq!(sent(market), before, "{wrong} is not {right}");

    until_it_opens(terminal, keys, &sign);
    read(terminal, &wants);
    terminal.type_keys(&format!("{wrong}{CTRL_U}{right}")).unwrap();
    terminal.wait_for(&format!("{wants}{right}")).unwrap();
    terminal.type_keys("\t\r").unwrap();
    wait_without(terminal, &sign);
}

#[test]
fn with_real_money_a_wrong_word_sends_nothing_and_the_right_one_sends_it_once() {
    let market = Market::with_real_money();
    let symbol = market.contract();
    let mut terminal = acting(&market.stage, Size::STANDARD);
    terminal.wait_for(" LIVE ").unwrap();
    terminal.wait_for("a drill at http://127.0.0.1").unwrap();

    // A new trade; the form stays when its question is not answered.
    until_it_opens(&mut terminal, "n", "┌ New trade ");
    read(&mut terminal, "Buy to open");
    terminal.type_keys(&format!("{symbol}\t2\t5.10\t4.00\t7.00\r")).unwrap();
    terminal.wait_for("[ Buy to open ]").unwrap();
    asks(&mut terminal, &market, ("\r", "Buy to open"), ("SPX", "SPY"));
    market.until("the bracket", "1", is_protected);
    assert_eq!(sent(&market), [1, 0, 1, 0]);
    assert_eq!(market.position(&symbol), 2);

    // Another stop. The form keeps what was typed.
    wait_without(&mut terminal, "┌ New trade ");
    until_it_opens(&mut terminal, "s", "┌ Bracket of #1 ");
    read(&mut terminal, "Replace bracket");
    terminal.type_keys(&format!("{CTRL_U}4.50\r")).unwrap();
    terminal.wait_for("[ Replace bracket ]").unwrap();
    asks(&mut terminal, &market, ("\r", "Replace the bracket of #1"), ("4.50", "SPY"));
    market.until("the other stop", "1", |trade| trade["version"] == 2 && is_protected(trade));
    assert_eq!(sent(&market), [1, 0, 2, 1]);

    wait_without(&mut terminal, "┌ Bracket of #1 ");
    asks(&mut terminal, &market, ("c", "Close #1"), ("spy", "SPY"));
    market.until("its end", "1", is_closed);
    assert_eq!(sent(&market), [1, 1, 2, 2]);

    let (number, symbol) = market.hold();
    asks(&mut terminal, &market, ("F", "Flatten everything"), ("yes", "FLATTEN"));
    market.until("its end", &number, is_closed);
    assert_eq!((sent(&market), market.position(&symbol)), ([2, 2, 3, 3], 0));
}
