//! The daemon or its database goes away: the screen says so, keeps what it knew with its age, and
//! comes back by itself. It never shows old data as new.

use blotter_testkit::terminal::{Size, Terminal};

use crate::stage::{EMPTY, Stage, acts, settles, wait_without};

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

/// The seconds in `STALE 12s ago`, and in `STALE 2m ago`.
fn age(screen: &str) -> Option<u32> {
    let (age, _) = screen.split_once("STALE ")?.1.split_once(" ago")?;
    let (unit, number) =
        [("s", 1), ("m", 60)].into_iter().find_map(|(sign, unit)| Some((unit, age.strip_suffix(sign)?)))?;
    Some(number.parse::<u32>().ok()? * unit)
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

/// The pane, its selection, its filter, what is expanded and what was typed into a form.
#[test]
fn a_daemon_that_comes_back_finds_everybody_where_they_were() {
    let mut stage = Stage::live();
    stage.write_closed_trades(&[("SIM", 100, 40)]);
    stage.set("broker_mode=SIM");
    stage.write_open_trades(5);
    let mut history = stage.screen(Size::WIDE);
    history.type_keys("2").unwrap();
    history.wait_for("[All]").unwrap();
    history.type_keys("f").unwrap();
    history.wait_for("[Wins]").unwrap();
    history.type_keys("/sym1\r").unwrap();
    history.wait_for("find: sym1").unwrap();
    settles("what the filter finds", || {
        let rows = rows(&history.text(), " SYM");
        let is_found = rows.len() > 2 && rows.iter().all(|row| row.contains(" SYM1") && row.contains('+'));
        if is_found { Ok(()) } else { Err(rows.join("\n")) }
    });
    history.type_keys("jj").unwrap();
    let chosen = settles("the third row", || marked(&history.text()).filter(|(at, _)| *at == 2).ok_or(history.text()));

    let mut open = stage.screen(Size::WIDE);
    open.type_keys("/sym\r").unwrap();
    open.wait_for("find: sym").unwrap();
    open.type_keys("jj\r").unwrap();
    open.wait_for("Strategy momentum").unwrap();
    acts(&mut open, "s", "Bracket of #3");
    open.type_keys("\u{15}3.33").unwrap();
    open.wait_for("3.33").unwrap();

    stage.daemon.kill().unwrap();
    for terminal in [&mut history, &mut open] {
        terminal.wait_for("The daemon does not answer since").unwrap();
    }
    stage.start_daemon();
    for terminal in [&mut history, &mut open] {
        terminal.wait_for("Connected again.").unwrap();
        terminal.wait_until("a live screen", |screen| screen.contents().contains("synced")).unwrap();
    }
    settles("the row that was chosen", || match marked(&history.text()) {
        Some(found) if found == chosen => Ok(()),
        other => Err(format!("{other:?} and not {chosen:?}\n{}", history.text())),
    });
    let text = history.text();
    assert!(text.contains("[Wins]") && text.contains("find: sym1"), "the filter is lost:\n{text}");

    let text = open.text();
    assert!(text.contains("Bracket of #3") && text.contains("3.33"), "what was typed is lost:\n{text}");
    open.type_keys("\u{1b}").unwrap();
    wait_without(&mut open, "Bracket of #3");
    open.wait_until("the expanded row", |screen| {
        let text = screen.contents();
        text.contains("Strategy momentum") && text.contains("find: sym") && text.contains("▾ SYM2")
    })
    .unwrap();
}

/// The rows of a list that are about these symbols.
fn rows(screen: &str, sign: &str) -> Vec<String> {
    let is_row = |line: &&str| line.contains(sign) && !line.contains(" SYMBOL ");
    screen.lines().filter(is_row).map(ToOwned::to_owned).collect()
}

/// The place among the rows and the words of the one that is selected.
fn marked(screen: &str) -> Option<(usize, String)> {
    rows(screen, " SYM").into_iter().enumerate().find(|(_, row)| row.starts_with(" ▸"))
}
