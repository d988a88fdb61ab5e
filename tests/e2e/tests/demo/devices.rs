//! Two terminals on one account: both want something of one trade, one gets it, and the other is told.

use blotter_testkit::terminal::Size;
use serde_json::{Value, json};

use crate::screens::{another, dollars};
use crate::seat::{Came, bought, came, does, faults, hides, opens_newest, presses, quiet, row_of, sees, shows, told};
use crate::stage::Stage;
use crate::trader::{is_protected, on_grid, until};

const ALERT: &str = "Sync alert: this trade was updated on another device";

fn figure(text: &str) -> f64 {
    text.parse().unwrap()
}

#[test]
fn of_two_that_move_one_stop_the_second_is_told_before_it_sends() {
    let stage = Stage::new();
    let demo = stage.headless();
    quiet(&demo.socket);
    let trade = bought(&demo.socket);
    let (mut desk, mut laptop) = (another(&demo.socket, Size::WIDE), another(&demo.socket, Size::WIDE));
    let title = format!("Bracket of #{}", trade.number);
    let (first, second) = (on_grid(figure(&trade.stop) - 0.3), on_grid(figure(&trade.stop) - 0.6));
    for (terminal, stop) in [(&mut desk, &first), (&mut laptop, &second)] {
        opens_newest(terminal, "Gs", &title);
        terminal.type_keys(&format!("\u{15}{stop}")).unwrap();
        sees(terminal, "the typed bracket", |screen| screen.contains(&format!("│ {stop} ├")).then_some(()));
    }
    presses(&mut desk, "Replace bracket", |screen| !screen.contains(&title));

    shows(&mut laptop, "Your view is out of date (you have v1, now v2)");
    presses(&mut laptop, "Replace bracket", |screen| {
        screen.contains("Not done: the trade was changed on another device.")
    });
    laptop.type_keys("\u{19}").unwrap();
    shows(&mut laptop, &format!("Copied: Stop: {second}"));
    assert_eq!(laptop.heard().clipboard.len(), 1, "the work was not copied");
    let moved = |version: i64| move |trade: &Value| trade["version"] == version && is_protected(trade);
    let works = until(&demo.socket, "the first stop", &trade.number, moved(2));
    assert_eq!(on_grid(figure(works["sl_price"].as_str().unwrap())), first, "{works:#}");

    laptop.type_keys("\u{12}").unwrap();
    hides(&mut laptop, "out of date");
    shows(&mut laptop, &format!("Stop {first}"));
    laptop.type_keys(&format!("\u{15}{second}")).unwrap();
    sees(&mut laptop, "the typed bracket", |screen| screen.contains(&format!("│ {second} ├")).then_some(()));
    presses(&mut laptop, "Replace bracket", |screen| !screen.contains(&title));
    let works = until(&demo.socket, "the second stop", &trade.number, moved(3));
    assert_eq!(on_grid(figure(works["sl_price"].as_str().unwrap())), second, "{works:#}");
    for terminal in [&mut desk, &mut laptop] {
        sees(terminal, "the bracket that works", |screen| {
            let row = row_of(screen, "AAPL")?;
            (row.contains(&format!("{second} ├")) && row.contains(&format!("┤ {}", trade.target))).then_some(())
        });
    }
    let told = "one at the entry, one for each that got through";
    assert_eq!(came(&demo.socket, &trade.symbol), Came { brackets: 3, sales: 0 }, "{told}");
    drop((desk, laptop));
    demo.stops();
}

#[test]
fn of_two_that_close_one_trade_one_sells_and_both_see_the_end() {
    let stage = Stage::new();
    let demo = stage.headless();
    quiet(&demo.socket);
    let trade = bought(&demo.socket);
    let mut both = [another(&demo.socket, Size::WIDE), another(&demo.socket, Size::WIDE)];
    let title = format!("Close #{}", trade.number);
    for terminal in &mut both {
        opens_newest(terminal, "Gc", &title);
    }
    // The close gets no further than its first step before both have been told.
    faults(&demo.socket, &[json!({ "kind": "unavailable", "endpoint": "trading" })]);
    for terminal in &mut both {
        let keys = |screen: &str| if screen.contains(&title) { "y" } else { "" };
        does(terminal, "an answered question", keys, |screen| (!screen.contains(&title)).then_some(()));
    }
    let told = both.each_mut().map(|terminal| told(terminal, &["It is on its way out.", ALERT]));
    faults(&demo.socket, &[]);
    let ended = until(&demo.socket, "the end", &trade.number, |trade| trade["status"] == "CLOSED");
    assert_eq!(ended["close"]["reason"], "MANUAL_CLOSE", "{ended:#}");
    assert_eq!(came(&demo.socket, &trade.symbol), Came { brackets: 1, sales: 1 });

    assert_eq!(told.iter().filter(|told| told.contains("It is on its way out.")).count(), 1, "{}", told.join("\n"));
    assert_eq!(told.iter().filter(|told| told.contains(ALERT)).count(), 1, "{}", told.join("\n"));
    let result = dollars(&ended["close"]["realized_pnl"]);
    for terminal in &mut both {
        sees(terminal, "no open trade", |screen| row_of(screen, "AAPL").is_none().then_some(()));
        terminal.type_keys("2").unwrap();
        sees(terminal, "the closed trade", |screen| {
            let row = screen.lines().find(|line| line.contains(" AAPL ") && line.contains("MANUAL_CLOSE"))?;
            row.contains(&result).then_some(())
        });
    }
    drop(both);
    demo.stops();
}
