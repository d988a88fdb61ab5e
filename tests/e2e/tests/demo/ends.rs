//! Ends in good order, by every way there is.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;

use blotter_testkit::programs;
use blotter_testkit::terminal::{Setup, Terminal};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::Stage;

#[track_caller]
fn headless_ends_by(signal: Signal) {
    let stage = Stage::new();
    let demo = stage.headless();
    assert!(demo.socket.starts_with(stage.temp.path()), "{}", demo.socket.display());
    demo.is_well();
    demo.signal(signal);
    assert_eq!(demo.ends(), Some(0));
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn headless_prints_a_socket_that_answers_and_ends_by_term() {
    headless_ends_by(Signal::SIGTERM);
}

#[test]
fn headless_ends_by_int() {
    headless_ends_by(Signal::SIGINT);
}

#[test]
fn headless_ends_by_hup() {
    headless_ends_by(Signal::SIGHUP);
}

#[test]
fn the_folder_is_closed_to_others() {
    let stage = Stage::new();
    let demo = stage.headless();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = demo.socket.parent().and_then(Path::parent).unwrap();
    assert_eq!(mode(folder) & 0o066, 0, "others may read the folder");
    assert_eq!(mode(&folder.join("own")) & 0o077, 0, "others may enter what is the demo's own");
    assert_eq!(mode(&folder.join("data/data")) & 0o077, 0, "others may enter the data");
    let owner = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
    let us = owner(stage.temp.path());
    for path in [folder.to_owned(), folder.join("data"), folder.join("own"), folder.join("own/config.toml")] {
        assert_eq!(owner(&path), us, "{} was given away", path.display());
    }
    assert_eq!(mode(&demo.socket) & 0o007, 0, "others may open the socket");
    demo.stops();
    stage.nothing_is_left();
}

#[test]
fn two_demos_leave_each_other_alone() {
    let stage = Stage::new();
    let (one, other) = (stage.headless(), stage.headless());
    assert_ne!(one.socket, other.socket);
    one.stops();
    other.is_well();
    other.stops();
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn without_a_terminal_one_sentence_says_so_and_nothing_starts() {
    let stage = Stage::new();
    let ended = stage.command().env("TERM", "xterm").stdin(Stdio::null()).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(ended.stderr).unwrap(),
        "blotter: standard input is not a terminal, so no screen can open here; `blotter demo --headless` needs none.\n"
    );
    assert_eq!(ended.stdout, b"");
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn the_screen_ends_by_its_key() {
    let stage = Stage::new();
    let mut terminal = stage.screen();
    terminal.type_keys("q").unwrap();
    assert!(terminal.wait_exit().unwrap().success());
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn the_screen_ends_by_ctrl_c() {
    let stage = Stage::new();
    let mut terminal = stage.screen();
    terminal.type_keys("\u{3}").unwrap();
    terminal.wait_exit().unwrap();
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn the_screen_ends_by_a_signal_and_gives_the_terminal_back() {
    let stage = Stage::new();
    let mut terminal = stage.screen();
    kill(Pid::from_raw(terminal.pid().try_into().unwrap()), Signal::SIGTERM).unwrap();
    terminal.wait_exit().unwrap();
    assert_eq!(terminal.is_cooked(), Some(true));
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn a_closed_terminal_ends_everything() {
    let stage = Stage::new();
    let mut terminal = stage.screen();
    terminal.hang_up();
    stage.nothing_is_left();
}

#[test]
fn ctrl_c_while_it_starts_leaves_nothing() {
    let stage = Stage::new();
    let program = programs::path("blotter").unwrap();
    let setup = Setup::new(program.to_string_lossy()).arg("demo").env("TMPDIR", stage.temp.path().to_string_lossy());
    let mut terminal = Terminal::start(&setup).unwrap();
    stage.the("blotterd");
    terminal.type_keys("\u{3}").unwrap();
    terminal.wait_exit().unwrap();
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn a_new_user_has_an_account_at_the_simulator() {
    let stage = Stage::new();
    let demo = stage.headless();
    demo.says("/v1/settings", "/broker_mode", "SIM");
    demo.says("/v1/settings", "/sim_account_id", "6YA00001");
    demo.says("/v1/accounts", "/accounts/0/state", "ok");
    demo.says("/v1/health", "/broker/state", "ok");
    demo.stops();
    stage.nothing_is_left();
}
