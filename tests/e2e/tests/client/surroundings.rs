//! Terminals as they are: small, mute, without colours, without UTF-8, or not able at all.

use std::collections::BTreeSet;

use blotter_testkit::terminal::{Answers, Screen, Setup, Size, Terminal};

use crate::stage::{Desk, EMPTY, Stage, acts, settles, wait_without};

const WITHOUT_DAEMON: &str = "No connection to the daemon";

/// Runs it through its overlays and out, and gives all that it wrote.
fn tour(setup: &Setup) -> Vec<u8> {
    let mut terminal = Terminal::start(setup).unwrap();
    terminal.wait_for(WITHOUT_DAEMON).unwrap();
    for (key, sign) in [("?", "Moving and rows"), (",", "Settings")] {
        terminal.type_keys(key).unwrap();
        terminal.wait_for(sign).unwrap();
        terminal.type_keys(key).unwrap();
        wait_without(&mut terminal, sign);
    }
    terminal.type_keys("q").unwrap();
    assert!(terminal.wait_exit().unwrap().success());
    terminal.output()
}

/// The parameters of every "select graphic rendition", each sequence as a text.
fn renditions(output: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(output);
    let sequences = text.split("\u{1b}[").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| c != ';' && !c.is_ascii_digit())?;
        (rest.get(end..)?.starts_with('m')).then(|| rest.get(..end).unwrap_or_default().to_owned())
    });
    sequences.collect()
}

/// The colours among them: 30 to 49 and 90 to 107.
fn colours(output: &[u8]) -> Vec<String> {
    let is_colour = |number: &str| number.parse().is_ok_and(|n: u16| (30..50).contains(&n) || (90..108).contains(&n));
    renditions(output).into_iter().filter(|rendition| rendition.split(';').any(is_colour)).collect()
}

fn is_extended(rendition: &str) -> bool {
    rendition.contains("38;") || rendition.contains("48;")
}

#[test]
fn no_color_means_no_colour() {
    let desk = Desk::alone();
    let output = tour(&desk.client(&[]).env("NO_COLOR", "1").env("COLORTERM", "truecolor"));
    assert_eq!(colours(&output), [""; 0]);
    assert!(renditions(&output).iter().any(|it| it.split(';').any(|n| n == "7")), "what is grave is still reversed");
}

#[test]
fn sixteen_colours_unless_the_terminal_says_more() {
    let desk = Desk::alone();
    let sixteen = colours(&tour(&desk.client(&[])));
    assert!(!sixteen.is_empty());
    let extended: Vec<_> = sixteen.iter().filter(|it| is_extended(it)).collect();
    assert!(extended.is_empty(), "{extended:?}");
    let all = colours(&tour(&desk.client(&[]).env("COLORTERM", "truecolor")));
    assert!(all.iter().any(|it| is_extended(it)), "{all:?}");
}

#[test]
fn without_utf8_every_byte_is_ascii() {
    let desk = Desk::alone();
    let output = tour(&desk.client(&[]).env("LANG", "C"));
    let at = output.iter().position(|byte| !byte.is_ascii());
    let around = at.map(|at| String::from_utf8_lossy(&output[at.saturating_sub(40)..(at + 8).min(output.len())]));
    assert_eq!(around, None);
    assert!(!tour(&desk.client(&[])).is_ascii(), "with UTF-8 there are box characters");
}

#[test]
fn a_terminal_that_can_show_nothing_is_told_so() {
    let desk = Desk::alone();
    for (setup, reason) in [
        (desk.client(&[]).env("TERM", "dumb"), "TERM=dumb cannot show a screen."),
        (desk.script("unset TERM; exec $blotter"), "TERM is not set"),
        (desk.script("exec $blotter </dev/null"), "standard input is not a terminal, so no screen can open here"),
    ] {
        let mut terminal = Terminal::start(&setup).unwrap();
        assert_eq!(terminal.wait_exit().unwrap().code(), Some(2), "{reason}");
        let said = terminal.text();
        assert!(said.contains(reason) && said.contains("blotter trades"), "{said}");
        assert!(!terminal.output().contains(&0x1b), "no escape sequence goes to such a terminal");
    }
}

#[test]
fn below_forty_by_twelve_it_says_so_in_one_line() {
    let desk = Desk::alone();
    for (columns, rows) in [(39, 11), (39, 30), (118, 11), (20, 3)] {
        let mut terminal = Terminal::start(&desk.client(&[]).size(Size { columns, rows })).unwrap();
        terminal.wait_for("40x12").unwrap();
        let lines = terminal.text().lines().filter(|line| !line.trim().is_empty()).count();
        assert_eq!(lines, 1, "{columns}x{rows}:\n{}", terminal.text());
        assert!(terminal.text().contains("q quits"), "{}", terminal.text());
        terminal.resize(Size::NARROW).unwrap();
        terminal.wait_for("1 Open").unwrap();
        terminal.type_keys("q").unwrap();
        assert!(terminal.wait_exit().unwrap().success());
    }
}

#[test]
fn a_terminal_that_answers_nothing_is_served_all_the_same() {
    let stage = Stage::live();
    let mut terminal = Terminal::start(&stage.desk.client(&[]).answers(Answers::Mute)).unwrap();
    terminal.wait_for(EMPTY).unwrap();
    for (key, sign) in [("2", "No closed trades yet"), ("3", "No figures yet"), ("?", "Moving and rows")] {
        terminal.type_keys(key).unwrap();
        terminal.wait_for(sign).unwrap();
    }
    terminal.type_keys("q").unwrap();
    assert!(terminal.wait_exit().unwrap().success());
}

#[test]
fn a_terminal_without_a_size_is_taken_for_one_of_eighty_by_twenty_four() {
    let stage = Stage::live();
    let mut terminal = stage.screen(Size::UNKNOWN);
    terminal.wait_until("a whole picture", is_whole).unwrap();
    let rows: Vec<String> = terminal.text().lines().map(ToOwned::to_owned).collect();
    assert_eq!(rows.len(), 24, "{}", rows.join("\n"));
    assert!(rows.iter().any(|row| row.chars().count() == 80 && row.chars().all(|c| c == '─')), "{}", rows.join("\n"));
    // It is told its size later, and loses it again.
    terminal.resize(Size::WIDE).unwrap();
    terminal.wait_until("the wide picture", |screen| longest(screen) == 118).unwrap();
    terminal.resize(Size::UNKNOWN).unwrap();
    terminal.wait_until("the picture of old", |screen| longest(screen) == 80 && is_whole(screen)).unwrap();
    terminal.type_keys("q").unwrap();
    assert!(terminal.wait_exit().unwrap().success());
}

fn longest(screen: &Screen) -> usize {
    screen.contents().lines().map(|line| line.trim_end().chars().count()).max().unwrap_or(0)
}

/// A tiling window manager at play: whatever was drawn in between, the last picture is right. With an empty book, with
/// a row expanded, and with a form over it.
#[test]
fn a_storm_of_resizes_ends_in_the_right_picture() {
    let mut stage = Stage::live();
    storm(&stage, |_| {}, is_whole);
    stage.write_open_trades(3);
    let expands = |terminal: &mut Terminal| {
        terminal.type_keys("j\r").unwrap();
        terminal.wait_for("Strategy momentum").unwrap();
    };
    let is_expanded = |screen: &Screen| screen.contents().contains("Strategy momentum");
    storm(&stage, expands, |screen| is_expanded(screen) && screen.contents().contains("q quit"));
    let asks = |terminal: &mut Terminal| {
        expands(terminal);
        acts(terminal, "s", "Bracket of #2");
        terminal.type_keys("\u{15}3.25").unwrap();
        terminal.wait_for("3.25 ├").unwrap();
    };
    storm(&stage, asks, |screen| screen.contents().contains("3.25 ├") && screen.contents().contains("Ctrl-C quit"));
}

#[track_caller]
fn storm(stage: &Stage, prepare: impl Fn(&mut Terminal), is_there: impl Fn(&Screen) -> bool) {
    let mut calm = stage.screen(Size::STANDARD);
    let mut tossed = stage.screen(Size::WIDE);
    for terminal in [&mut calm, &mut tossed] {
        prepare(terminal);
    }
    for turn in 0..300_u16 {
        let size = Size { columns: 20 + (turn * 37) % 140, rows: 4 + (turn * 11) % 50 };
        tossed.resize(if turn % 50 == 49 { Size::UNKNOWN } else { size }).unwrap();
    }
    tossed.resize(Size::STANDARD).unwrap();
    tossed.wait_until("a whole picture", is_there).unwrap();
    settles("the picture of a calm client", || {
        let (expected, drawn) = (body(&mut calm), body(&mut tossed));
        if drawn == expected { Ok(()) } else { Err(format!("{}\nand not\n{}", drawn.join("\n"), expected.join("\n"))) }
    });
}

fn is_whole(screen: &Screen) -> bool {
    let text = screen.contents();
    text.contains(EMPTY) && text.contains("q quit")
}

/// Everything below the first line: that one counts seconds, and each client began at its own.
fn body(terminal: &mut Terminal) -> Vec<String> {
    terminal.text().lines().skip(1).map(|line| line.trim_end().to_owned()).collect()
}
