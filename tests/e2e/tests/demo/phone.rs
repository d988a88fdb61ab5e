//! A purchase on a phone, 44 columns wide, with keys that every link passes on: letters, Tab, Enter, Ctrl-U.

use blotter_testkit::terminal::{Size, Terminal};
use serde_json::Value;

use crate::screens::{another, dollars};
use crate::seat::{does, presses, quiet, row_of, sees, shows};
use crate::stage::Stage;
use crate::trader::{contract, is_protected, newest, on_grid, until};

/// The line in which the cursor stands, without the frame.
fn focused(terminal: &mut Terminal) -> String {
    let screen = terminal.screen();
    let (row, _) = screen.cursor_position();
    let text = screen.contents();
    text.lines().nth(usize::from(row)).unwrap_or_default().trim_matches(['│', ' ']).to_owned()
}

/// Goes to a line of the form by Tab and writes into it.
#[track_caller]
fn fills(phone: &mut Terminal, label: &str, value: &str) {
    for _ in 0..200 {
        if focused(phone).split_whitespace().next() == Some(label) {
            phone.type_keys(&format!("\u{15}{value}")).unwrap();
            sees(phone, &format!("{value} in {label}"), |screen| {
                let is_it = |line: &&str| line.split(['│', ' ']).find(|word| !word.is_empty()) == Some(label);
                screen.lines().find(is_it).filter(|line| line.contains(value)).map(drop)
            });
            return;
        }
        phone.type_keys("\t").unwrap();
        std::thread::park_timeout(std::time::Duration::from_millis(100));
    }
    panic!("{label} never has the focus:\n{}", phone.text());
}

/// Whatever is too long for a dialog runs over its right edge.
#[track_caller]
fn nothing_is_cut(phone: &mut Terminal) {
    sees(phone, "a dialog of whole lines", |screen| {
        let mut lines = screen.lines().filter(|line| line.starts_with('│'));
        (lines.all(|line| line.ends_with(" │")) && !screen.contains('…')).then_some(())
    });
}

/// The figure behind a label.
fn figure(screen: &str, label: &str) -> Option<f64> {
    let (_, rest) = screen.split_once(label)?;
    let word: String = rest.trim_start().chars().take_while(|c| !c.is_whitespace()).filter(|c| *c != ',').collect();
    word.parse().ok()
}

/// What the form says of cost and risk is what its own quote comes to.
#[track_caller]
fn adds_up(phone: &mut Terminal, qty: f64, stop: f64) {
    sees(phone, "cost and risk of the quote", |screen| {
        let (_, quote) = screen.split_once("Bid/Ask")?;
        let asked = figure(quote, "/")?;
        let is = |label: &str, value: f64| Some((figure(screen, label)? - value).abs() < 0.005);
        (is("Cost", asked * qty * 100.0)? && is("Risk", (asked - stop) * qty * 100.0)?).then_some(())
    });
}

#[test]
fn a_contract_is_found_in_its_chain_and_bought_on_a_phone() {
    let stage = Stage::new();
    let demo = stage.headless();
    quiet(&demo.socket);
    let mut phone = another(&demo.socket, Size::NARROW);
    choose(&mut phone);
    let (_, bid, ask) = contract(&demo.socket);
    // Wide enough for whatever contract was at the money.
    let (stop, target) = (on_grid(bid.min(ask) * 0.3), on_grid(ask * 4.0));
    for (label, value) in [("Contracts", "2"), ("Stop", &stop), ("Target", &target), ("Strategy", "phone")] {
        fills(&mut phone, label, value);
    }
    shows(&mut phone, "Reward/risk");
    nothing_is_cut(&mut phone);
    adds_up(&mut phone, 2.0, stop.parse().unwrap());

    presses(&mut phone, "Buy to open", |screen| screen.contains("Then a bracket"));
    nothing_is_cut(&mut phone);
    for words in [format!("stop {stop}"), format!("target {target}"), "Buy 2 AAPL".to_owned()] {
        shows(&mut phone, &words);
    }
    presses(&mut phone, "Buy", |screen| !screen.contains("Then a bracket"));
    sees(&mut phone, "a form that is done", |screen| (!screen.contains("Buy to open")).then_some(()));
    let number = newest(&demo.socket);
    let bought = until(&demo.socket, "the bracket", &number, is_protected);
    assert_eq!((&bought["ticker"], &bought["qty"]), (&Value::from("AAPL"), &Value::from(2)), "{bought:#}");
    is_whole_on_its_card(&mut phone, &demo.socket, &number, [&stop, &target]);
    drop(phone);
    demo.stops();
}

/// From the form to the expiries, to the strike at the money, and back with it.
fn choose(phone: &mut Terminal) {
    let keys = |screen: &str| if screen.contains('┌') { "" } else { "n" };
    does(phone, "the form of a new trade", keys, |screen| screen.contains("Buy to open").then_some(()));
    fills(phone, "Contract", "aapl");
    nothing_is_cut(phone);
    let is_listed = |screen: &str| screen.contains("AAPL: expiry") && screen.contains(" d ");
    let keys = |screen: &str| if screen.contains("┌ AAPL") { "" } else { "\r" };
    does(phone, "the expiries", keys, |screen| (is_listed(screen) || screen.contains('›')).then_some(()));
    nothing_is_cut(phone);
    let keys = |screen: &str| if is_listed(screen) { "\r" } else { "" };
    does(phone, "the strike at the money", keys, |screen| screen.contains('›').then_some(()));
    nothing_is_cut(phone);
    let keys = |screen: &str| if screen.contains('›') { "\r" } else { "" };
    does(phone, "the contract in the form", keys, |screen| {
        (screen.contains("Contract    AAPL 20") && !screen.contains('›')).then_some(())
    });
}

/// The card shows the bracket as it works, and each of its figures as the daemon says it.
#[track_caller]
fn is_whole_on_its_card(phone: &mut Terminal, socket: &std::path::Path, number: &str, [stop, target]: [&str; 2]) {
    phone.type_keys("G").unwrap();
    let card = sees(phone, "the bracket on the card", |screen| {
        let card = row_of(screen, "AAPL")?;
        let ends = [format!("{stop} ├"), format!("┤ {target}")];
        (ends.iter().all(|end| card.contains(end)) && card.contains("FILLED")).then_some(card)
    });
    assert!(!card.contains("NO STOP") && !card.contains("UNVERIFIED"), "{card}");
    assert!(card.lines().all(|line| line.trim_end().chars().count() < 44), "a line runs into the edge:\n{card}");
    crate::screens::agrees(phone, "entry and result", || {
        let trade = crate::trader::says(socket, &["show", number]).unwrap();
        let entry: f64 = trade["entry_price"].as_str().unwrap().parse().unwrap();
        let mut figures = vec![format!("{entry:.2} →")];
        figures.extend((!trade["unrealized_pnl"].is_null()).then(|| dollars(&trade["unrealized_pnl"])));
        figures
    });
}
