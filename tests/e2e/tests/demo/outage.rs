//! The broker is away, or takes no bracket: what the screen says then, what it refuses, and that nothing has
//! to be started again.

use blotter_testkit::terminal::{Size, Terminal};
use serde_json::json;

use crate::screens::another;
use crate::seat::{
    Came, bought, bought_of, came, does, faults, hides, opens_newest, presses, quiet, row_of, sees, shows,
};
use crate::stage::Stage;
use crate::trader::{is_protected, on_grid, says, until};

/// Whether a row's mark has the `?` of one that nobody stands behind any more.
fn has_old_mark(row: &str) -> bool {
    row.split_whitespace().any(|word| word.len() > 1 && word.ends_with('?'))
}

/// A lone `?` stands for a mark that nobody has told yet.
fn has_fresh_mark(row: &str) -> bool {
    !row.split_whitespace().any(|word| word.ends_with('?'))
}

#[test]
fn a_broker_that_is_away_is_told_and_its_return_needs_no_restart() {
    let stage = Stage::new();
    let demo = stage.headless();
    quiet(&demo.socket);
    // One that is held to the end; the demo's own may end meanwhile.
    bought_of(&demo.socket, "MSFT", "a bracket", is_protected);
    let trade = bought(&demo.socket);
    let mut terminal = another(&demo.socket, Size::WIDE);
    sees(&mut terminal, "a fresh mark", |screen| row_of(screen, "AAPL").filter(|row| has_fresh_mark(row)));
    faults(&demo.socket, &[json!({ "kind": "unavailable" })]);
    shows(&mut terminal, "the broker is unavailable since");
    shows(&mut terminal, "Your brackets stay at the broker.");
    sees(&mut terminal, "an old mark", |screen| row_of(screen, "AAPL").filter(|row| has_old_mark(row)));

    let title = format!("Bracket of #{}", trade.number);
    opens_newest(&mut terminal, "Gs", &title);
    terminal.type_keys(&format!("\u{15}{}", on_grid(trade.stop.parse::<f64>().unwrap() - 0.3))).unwrap();
    presses(&mut terminal, "Replace bracket", |screen| screen.contains("Not done:"));
    does(&mut terminal, "no form", |_| "\u{1b}", |screen| (!screen.contains(&title)).then_some(()));
    let same = says(&demo.socket, &["show", &trade.number]).unwrap();
    assert_eq!(same["version"], 1, "a refused change is kept: {same:#}");

    // A way out is wanted until it is done, and said to be so.
    let title = format!("Close #{}", trade.number);
    opens_newest(&mut terminal, "Gc", &title);
    presses(&mut terminal, "Close position", |screen| !screen.contains(&title));
    sees(&mut terminal, "a close under way", |screen| row_of(screen, "AAPL").filter(|row| row.contains("CLOSING")));
    let waits = says(&demo.socket, &["show", &trade.number]).unwrap();
    assert!(waits["status"] != "CLOSED" && waits["step"].is_string(), "{waits:#}");

    faults(&demo.socket, &[]);
    hides(&mut terminal, "unavailable since");
    let ended = until(&demo.socket, "the end of the close", &trade.number, |trade| trade["status"] == "CLOSED");
    assert_eq!(ended["close"]["reason"], "MANUAL_CLOSE", "{ended:#}");
    assert_eq!(came(&demo.socket, &trade.symbol), Came { brackets: 1, sales: 1 });
    sees(&mut terminal, "no row", |screen| row_of(screen, "AAPL").is_none().then_some(()));
    sees(&mut terminal, "fresh marks", |screen| row_of(screen, "MSFT").filter(|row| has_fresh_mark(row)));
    drop(terminal);
    demo.stops();
}

/// What the row of a position without a bracket says, at every width: never a rail, always the warning.
#[track_caller]
fn looks_unprotected(terminal: &mut Terminal) {
    let screen = terminal.text();
    let row = row_of(&screen, "AAPL").unwrap_or_else(|| panic!("no row:\n{screen}"));
    assert!(!row.contains('├') && !row.contains('┤'), "a rail without a bracket:\n{screen}");
    assert!(row.contains("NO STOP") || row.contains("UNVERIFIED"), "no word of the missing stop:\n{screen}");
}

#[test]
fn a_position_whose_bracket_was_never_seen_working_does_not_look_protected() {
    const LOOKS: u32 = 40;
    let stage = Stage::new();
    let demo = stage.headless();
    let mut screens = [Size::WIDE, Size::STANDARD, Size::NARROW].map(|size| another(&demo.socket, size));
    // The demo loses a bracket once; nothing of its own is to be sent any more.
    quiet(&demo.socket);
    // The entry passes; no bracket after it does.
    faults(&demo.socket, &[json!({ "kind": "error_before", "endpoint": "place", "skip": 1 })]);
    let trade = bought_of(&demo.socket, "AAPL", "the fill", |trade| trade["held_qty"] == 2);
    let held = says(&demo.socket, &["show", &trade.number]).unwrap();
    assert_ne!(held["protection"], "CONFIRMED", "{held:#}");
    for terminal in &mut screens {
        sees(terminal, "a position", |screen| row_of(screen, "AAPL").filter(|row| row.contains("FILLED")));
    }
    for _ in 0..LOOKS {
        screens.iter_mut().for_each(looks_unprotected);
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    let bare = says(&demo.socket, &["show", &trade.number]).unwrap();
    assert_ne!(bare["protection"], "CONFIRMED", "{bare:#}");

    faults(&demo.socket, &[]);
    until(&demo.socket, "the bracket", &trade.number, is_protected);
    for terminal in &mut screens {
        sees(terminal, "the bracket that works", |screen| {
            let row = row_of(screen, "AAPL")?;
            let ends = [format!("{} ├", trade.stop), format!("┤ {}", trade.target)];
            ends.iter().all(|end| row.contains(end)).then_some(())
        });
    }
    drop(screens);
    demo.stops();
}
