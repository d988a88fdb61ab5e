//! The daemon or its database goes away: the screen says so, keeps what it knew with its age, and
//! comes back by itself. It never shows old data as new.

use blotter_testkit::terminal::{Size, Terminal};

use crate::stage::{EMPTY, Stage, settles, wait_without};

#[test]
fn a_killed_daemon_is_told_its_data_ages_and_its_return_is_noticed() {
    let mut stage = Stage::live();
    stage.write_open_trades(2);
    let mut terminal = stage.screen(Size::WIDE);
    terminal.wait_for("1 Open 2").unwrap();
    stage.daemon.kill().unwrap();
    terminal.wait_for("The daemon does not answer since").unwrap();
    terminal.wait_for("this is how things were then").unwrap();
    let seconds = settles("an age that grows", || {
        let text = terminal.text();
        age(&text).filter(|age| *age >= 2).ok_or(text)
    });
    assert!(terminal.text().contains("SYM1"), "what was known is gone:\n{}", terminal.text());
    assert!(!terminal.text().contains("synced"), "old data is called synced:\n{}", terminal.text());
    nothing_is_done_meanwhile(&mut terminal);
    settles("an older age", || {
        let text = terminal.text();
        age(&text).filter(|age| *age > seconds).ok_or(text)
    });

    stage.start_daemon();
    terminal.wait_for("Connected again.").unwrap();
    terminal.wait_for("synced").unwrap();
    wait_without(&mut terminal, "STALE");
    wait_without(&mut terminal, "does not answer");
    stage.set("max_positions=9");
    terminal.wait_for("Pos 2/9").unwrap();
}

/// The age in `STALE 12s ago`.
fn age(screen: &str) -> Option<u32> {
    screen.split_once("STALE ")?.1.split_once("s ago")?.0.parse().ok()
}

fn nothing_is_done_meanwhile(terminal: &mut Terminal) {
    terminal.type_keys(",").unwrap();
    terminal.wait_for("Open positions, at most").unwrap();
    terminal.type_keys("\r").unwrap();
    terminal.wait_for("Not done: the daemon is away. Nothing is kept for later.").unwrap();
    terminal.type_keys(",").unwrap();
    wait_without(terminal, "Open positions, at most");
}

#[test]
fn a_stopped_daemon_says_goodbye_and_another_is_found() {
    let mut stage = Stage::live();
    let mut terminal = stage.screen(Size::STANDARD);
    assert!(stage.daemon.stop().unwrap().success());
    terminal.wait_for("STALE").unwrap();
    terminal.wait_for("does not answer since").unwrap();
    stage.start_daemon();
    wait_without(&mut terminal, "STALE");
    terminal.wait_for(EMPTY).unwrap();
}

#[test]
fn a_client_that_comes_first_waits_and_says_for_what() {
    let mut stage = Stage::prepared();
    let mut terminal = Terminal::start(&stage.desk.client(&[]).size(Size::WIDE)).unwrap();
    terminal.wait_for("No connection to the daemon").unwrap();
    terminal.wait_for("does not exist: the daemon is not running").unwrap();
    terminal.wait_for("not connected").unwrap();
    for pane in ["2", "3", "1"] {
        terminal.type_keys(pane).unwrap();
        terminal.wait_for("No connection to the daemon").unwrap();
    }
    stage.start_daemon();
    terminal.wait_for(EMPTY).unwrap();
    terminal.wait_for("synced").unwrap();
    wait_without(&mut terminal, "the daemon is not running");
}

#[test]
fn a_lost_database_is_told_and_its_return_too() {
    let mut stage = Stage::live();
    let mut terminal = stage.screen(Size::WIDE);
    stage.cluster.stop_server().unwrap();
    terminal.wait_for("Database unavailable since").unwrap();
    terminal.wait_for("nothing is queued").unwrap();
    stage.cluster.start_server().unwrap();
    terminal.wait_for("The database answers again.").unwrap();
    wait_without(&mut terminal, "Database unavailable");
    stage.set("max_positions=9");
    terminal.wait_for("Pos 0/9").unwrap();
}

/// With the database away from the beginning there is nothing to show, and nothing is made up.
#[test]
fn without_a_database_there_are_no_rows_and_no_zeroes() {
    let mut stage = Stage::prepared();
    stage.cluster.stop_server().unwrap();
    stage.daemon.spawn().unwrap();
    let mut terminal = Terminal::start(&stage.desk.client(&[]).size(Size::WIDE)).unwrap();
    terminal.wait_for("Waiting for the daemon's data").unwrap();
    let text = terminal.text();
    assert!(!text.contains("Open 0") && !text.contains("Pos ") && !text.contains(EMPTY), "{text}");
    stage.cluster.start_server().unwrap();
    terminal.wait_for(EMPTY).unwrap();
    terminal.wait_for("Pos 0/").unwrap();
}
