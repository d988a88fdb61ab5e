//! However the client ends or pauses, the terminal is given back as a shell wants to find it.

use blotter_testkit::terminal::{MouseProtocolMode, Screen, Setup, Size, Terminal};
use nix::sys::signal::Signal;

use crate::stage::{Desk, EMPTY, Stage, signal};

/// What a client without a daemon shows.
const WITHOUT_DAEMON: &str = "No connection to the daemon";

fn taken(setup: &Setup) -> Terminal {
    let mut terminal = Terminal::start(setup).unwrap();
    terminal.wait_for(WITHOUT_DAEMON).unwrap();
    assert_eq!(terminal.is_cooked(), Some(false));
    let screen = terminal.screen();
    assert!(screen.alternate_screen() && screen.hide_cursor() && screen.bracketed_paste());
    assert_ne!(screen.mouse_protocol_mode(), MouseProtocolMode::None);
    terminal
}

#[track_caller]
fn assert_given_back(terminal: &mut Terminal) {
    assert_eq!(terminal.is_cooked(), Some(true));
    let screen = terminal.screen();
    assert!(!screen.alternate_screen(), "the alternate screen was not left");
    assert!(!screen.hide_cursor(), "the cursor is still hidden");
    assert!(!screen.bracketed_paste(), "pastes are still bracketed");
    assert_eq!(screen.mouse_protocol_mode(), MouseProtocolMode::None);
}

#[track_caller]
fn ends_by(end: impl FnOnce(&mut Terminal), code: i32) {
    let desk = Desk::alone();
    let mut terminal = taken(&desk.client(&[]));
    end(&mut terminal);
    assert_eq!(terminal.wait_exit().unwrap().code(), Some(code));
    assert_given_back(&mut terminal);
    assert_eq!(terminal.text().trim(), "", "something of ours is left on the user's screen");
}

fn types(keys: &str) -> impl FnOnce(&mut Terminal) {
    move |terminal| {
        terminal.type_keys(keys).unwrap();
    }
}

#[test]
fn its_key_ends_it() {
    ends_by(types("q"), 0);
}

#[test]
fn ctrl_c_ends_it() {
    ends_by(types("\u{3}"), 0);
}

#[test]
fn a_signal_ends_it_with_the_code_that_shells_know() {
    for (by, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129), (Signal::SIGQUIT, 131)] {
        ends_by(|terminal| signal(terminal.pid(), by), code);
    }
}

/// Often, because the frame is on its way in another thread when the panic comes.
#[test]
fn a_panic_leaves_its_message_on_the_users_own_screen() {
    let desk = Desk::alone();
    for _ in 0..20 {
        let setup = desk.client(&["--panic-after-first-frame"]).size(Size::STANDARD);
        let mut terminal = Terminal::start(&setup).unwrap();
        assert_eq!(terminal.wait_exit().unwrap().code(), Some(101));
        assert_given_back(&mut terminal);
        let left = terminal.text();
        assert!(left.contains("asked to panic after the first frame"), "{left}");
        assert!(!left.contains("1 Open"), "the frame was drawn over the user's screen:\n{left}");
    }
}

/// As after a dropped connection under `nohup`: only the terminal itself can tell.
#[test]
fn a_vanished_terminal_ends_it_even_when_hang_ups_are_ignored() {
    let desk = Desk::alone();
    let mut terminal = taken(&desk.script("trap '' HUP; exec $blotter"));
    terminal.hang_up();
    assert_eq!(terminal.wait_exit().unwrap().code(), Some(129));
}

#[test]
fn ctrl_z_gives_the_shell_back_and_fg_draws_everything_again() {
    let stage = Stage::live();
    let shell = stage.desk.script("exec /bin/sh -i").env("PS1", "shell> ").size(Size::STANDARD);
    let mut terminal = Terminal::start(&shell).unwrap();
    terminal.wait_for("shell>").unwrap();
    terminal.type_keys("$blotter\n").unwrap();
    terminal.wait_for(EMPTY).unwrap();
    for round in 0..3 {
        terminal.type_keys("\u{1a}").unwrap();
        let what = format!("the shell, stop {round}");
        terminal.wait_until(&what, |screen| !screen.alternate_screen() && ends_in_prompt(screen)).unwrap();
        assert_given_back(&mut terminal);
        assert!(!terminal.text().contains(EMPTY), "a frame was drawn over the shell:\n{}", terminal.text());
        terminal.type_keys("fg\n").unwrap();
        let whole = |screen: &Screen| screen.contents().contains(EMPTY) && screen.contents().contains("q quit");
        terminal.wait_until("everything drawn again", |screen| screen.alternate_screen() && whole(screen)).unwrap();
    }
    terminal.type_keys("2").unwrap();
    terminal.wait_for("No closed trades yet").unwrap();
    terminal.type_keys("q").unwrap();
    terminal.wait_until("the shell", |screen| !screen.alternate_screen() && ends_in_prompt(screen)).unwrap();
    terminal.type_keys("exit\n").unwrap();
    assert!(terminal.wait_exit().unwrap().success());
}

fn ends_in_prompt(screen: &Screen) -> bool {
    screen.contents().trim_end().ends_with("shell>")
}

/// The first program of a session has nobody who could continue it.
#[test]
fn without_a_shell_it_does_not_suspend_and_says_so() {
    let desk = Desk::alone();
    let mut terminal = taken(&desk.client(&[]));
    terminal.type_keys("\u{1a}").unwrap();
    terminal.wait_for("Not suspended").unwrap();
    terminal.type_keys("q").unwrap();
    assert!(terminal.wait_exit().unwrap().success());
}
