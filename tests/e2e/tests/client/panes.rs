//! The first hour with Blotter: every pane at every width, and every key that the last line offers.

use blotter_testkit::terminal::{Screen, Size, Terminal};

use crate::stage::{EMPTY, Stage, acts, wait_without};

#[test]
fn every_pane_says_honestly_that_it_is_empty_at_every_width() {
    let stage = Stage::live();
    for size in [Size::WIDE, Size::STANDARD, Size::NARROW] {
        let mut terminal = stage.screen(size);
        for (key, signs) in [
            ("1", [EMPTY, "Daemon", "Database", "Positions appear here once a broker is set up"]),
            ("2", ["No closed trades yet", "expires.", "? help", "q quit"]),
            ("3", ["No figures yet", "the first close begins them", "? help", "q quit"]),
        ] {
            terminal.type_keys(key).unwrap();
            let shows_all = |screen: &Screen| {
                let words = words_of(&screen.contents());
                signs.iter().all(|sign| words.contains(sign))
            };
            terminal.wait_until(&format!("{signs:?} at {size:?}"), shows_all).unwrap();
            assert_eq!(hints(&mut terminal).last().map(|(key, _)| key.clone()), Some("q".to_owned()));
        }
        terminal.type_keys("q").unwrap();
        assert!(terminal.wait_exit().unwrap().success());
    }
}

/// Sentences may be broken anywhere between two words.
fn words_of(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The last line as pairs of key and words.
fn hints(terminal: &mut Terminal) -> Vec<(String, String)> {
    let line = last_line(terminal.screen());
    let pairs = line.split("  ").filter_map(|hint| hint.trim().split_once(' '));
    pairs.map(|(key, words)| (key.to_owned(), words.to_owned())).collect()
}

fn last_line(screen: &Screen) -> String {
    screen.contents().lines().last().unwrap_or_default().to_owned()
}

/// Presses each hinted key and sees that it does what its words say; `undo` leads back.
#[track_caller]
fn each_hint_holds(terminal: &mut Terminal, expected: &[(&str, &str, &str, &str)]) {
    let offered: Vec<_> = hints(terminal).into_iter().map(|(key, _)| key).collect();
    let known: Vec<_> = expected.iter().map(|(key, ..)| *key).collect();
    assert_eq!(offered, known, "the hint line offers other keys than this test presses");
    for (key, words, sign, undo) in expected {
        let hint = format!(" {key} {words}");
        let is_offered = |screen: &Screen| last_line(screen).contains(&hint);
        terminal.wait_until(&format!("the hint `{hint}`"), is_offered).unwrap();
        if *key == "q" {
            terminal.type_keys(key).unwrap();
            assert!(terminal.wait_exit().unwrap().success());
            return;
        }
        acts(terminal, if *key == "↵" { "\r" } else { key }, sign);
        terminal.type_keys(undo).unwrap();
        if !undo.is_empty() {
            wait_without(terminal, sign);
        }
    }
}

#[test]
fn each_key_of_the_hint_line_does_what_it_says() {
    let stage = Stage::live();
    each_hint_holds(
        &mut stage.screen(Size::WIDE),
        &[
            ("n", "new", "New trade", "\u{1b}"),
            ("r", "sync", "Synced: nothing was missed.", ""),
            ("a", "auto:on", "auto:off", "a"),
            (",", "settings", "Open positions, at most", ","),
            ("!", "messages", "Messages", "!"),
            ("?", "help", "Moving and rows", "?"),
            ("q", "quit", "", ""),
        ],
    );
}

#[test]
fn with_rows_the_hint_line_offers_more() {
    let mut stage = Stage::live();
    stage.write_open_trades(3);
    let mut terminal = stage.screen(Size::WIDE);
    terminal.wait_for("SYM2").unwrap();
    terminal.type_keys("y").unwrap();
    terminal.wait_for("Copied: #1 SYM0").unwrap();
    each_hint_holds(
        &mut terminal,
        &[
            ("c", "close", "Close #1", "\u{1b}"),
            ("s", "stop", "Bracket of #1", "\u{1b}"),
            ("t", "target", "Bracket of #1", "\u{1b}"),
            ("n", "new", "New trade", "\u{1b}"),
            ("w", "why", "The story of #1", "\u{1b}"),
            ("↵", "details", "Strategy momentum", "\r"),
            ("/", "find", "find:", "\u{1b}"),
            ("o", "sort", "SYMBOL↓", ""),
            ("x", "export", "Export", "\u{1b}"),
            ("r", "sync", "Synced: nothing was missed.", ""),
            ("a", "auto:on", "auto:off", "a"),
            ("?", "help", "Moving and rows", "?"),
            ("q", "quit", "", ""),
        ],
    );
    assert_eq!(terminal.heard().clipboard.len(), 1);
}

#[test]
fn help_lists_every_key_and_scrolls() {
    let stage = Stage::live();
    let mut terminal = stage.screen(Size::STANDARD);
    terminal.type_keys("?").unwrap();
    terminal.wait_for("One row up").unwrap();
    terminal.type_keys("G").unwrap();
    terminal.wait_for("While typing").unwrap();
    terminal.type_keys("\u{1b}").unwrap();
    wait_without(&mut terminal, "While typing");
    terminal.wait_for(EMPTY).unwrap();
}
