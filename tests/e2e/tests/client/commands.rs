//! The command line, as people and scripts use it: what it prints, and the exit codes that it promises.

use blotter_testkit::terminal::{Size, Terminal};
use serde_json::Value;

use crate::stage::{CONFLICT, DONE, Desk, REFUSED, Said, Stage, UNREACHABLE, USAGE, settles};

/// The line of `doctor` about one thing: its verdict, and the rest.
fn verdict<'a>(said: &'a Said, what: &str) -> (&'a str, &'a str) {
    let line = said.out.lines().find_map(|line| line.strip_prefix(&format!("{what} ")));
    let line = line.unwrap_or_else(|| panic!("nothing about {what}: {said:?}"));
    line.trim_start().split_once(' ').unwrap_or_else(|| panic!("no finding about {what}: {said:?}"))
}

#[track_caller]
fn ends_with(said: &Said, code: i32, words: &str) {
    assert_eq!(said.code, Some(code), "{said:?}");
    let told = if code == DONE { &said.out } else { &said.err };
    assert!(told.contains(words), "no `{words}` in {said:?}");
}

#[test]
fn doctor_gives_each_thing_its_verdict() {
    let stage = Stage::live();
    let said = stage.desk.run(&["doctor"]);
    assert_eq!(said.code, Some(DONE), "{said:?}");
    for (what, expected, finding) in [
        ("socket", "ok", "BLOTTER_SOCKET"),
        ("version", "ok", "protocol"),
        ("database", "ok", "well since"),
        ("broker", "note", "not set up"),
        ("scheduler", "", ""),
        ("token", "note", "none stored"),
        ("audio", "ok", "bell"),
        ("terminal", "note", "is no terminal here"),
    ] {
        let (verdict, words) = verdict(&said, what);
        assert!(expected.is_empty() || verdict == expected, "{what}: {said:?}");
        assert!(words.contains(finding), "{what}: {said:?}");
    }
    let said = stage.desk.run(&["doctor", "--json"]);
    let checks = said.json();
    let checks = checks.as_array().unwrap();
    assert_eq!(checks.len(), 8, "{said:?}");
    let has = |check: &Value, name: &str| check.get(name).is_some_and(Value::is_string);
    assert!(checks.iter().all(|check| ["what", "verdict", "finding"].iter().all(|name| has(check, name))), "{said:?}");
}

#[test]
fn doctor_describes_the_terminal_that_it_runs_in() {
    let desk = Desk::alone();
    let mut terminal = Terminal::start(&desk.client(&["doctor"]).size(Size::WIDE)).unwrap();
    terminal.wait_for("xterm-256color, 118x30, ").unwrap();
    terminal.wait_exit().unwrap();
}

#[test]
fn doctor_says_what_to_do_while_the_daemon_is_down() {
    let desk = Desk::alone();
    let said = desk.run(&["doctor"]);
    assert_eq!(said.code, Some(UNREACHABLE), "{said:?}");
    let (finding, words) = verdict(&said, "socket");
    assert!(finding == "FAILED" && words.contains("does not exist"), "{said:?}");
    for advice in ["systemctl start blotterd", "blotter demo", "--socket PATH"] {
        assert!(said.out.replace('\n', " ").contains(advice), "no `{advice}` in {said:?}");
    }
    verdict(&said, "audio");
    verdict(&said, "terminal");
    let said = desk.run(&["--json", "doctor"]);
    assert_eq!(said.code, Some(UNREACHABLE));
    assert_eq!(said.json().pointer("/0/verdict"), Some(&"failure".into()), "{said:?}");
}

#[test]
fn without_its_database_the_daemon_is_diagnosed_and_nothing_is_made_up() {
    let mut stage = Stage::live();
    stage.cluster.stop_server().unwrap();
    let said = settles("a database that fails", || {
        let said = stage.desk.run(&["doctor"]);
        if verdict(&said, "database").0 == "FAILED" { Ok(said) } else { Err(said.out) }
    });
    assert_eq!(said.code, Some(UNREACHABLE), "{said:?}");
    assert_eq!(verdict(&said, "socket").0, "ok");
    assert!(said.out.contains("journalctl -u blotterd"), "no advice: {said:?}");
    for arguments in [&["trades"][..], &["settings"], &["sync"], &["settings", "set", "max_positions=9"]] {
        let said = stage.desk.run(arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(UNREACHABLE), ""), "{said:?}");
        assert!(said.err.contains("database"), "{said:?}");
    }
}

#[test]
fn settings_are_read_and_written() {
    let stage = Stage::live();
    let desk = &stage.desk;
    ends_with(&desk.run(&["settings", "set", "max_positions=7", "heat_limit_pct=4.5"]), DONE, "max_positions      7\n");
    assert_eq!(stage.setting("max_positions"), "7");
    ends_with(&desk.run(&["settings"]), DONE, "heat_limit_pct     4.5\n");
    let all = desk.run(&["settings", "--json"]).json();
    assert_eq!(all.get("max_positions"), Some(&7.into()), "{all}");
    let version = all.get("version").and_then(Value::as_i64).unwrap();

    let old = (version - 1).to_string();
    ends_with(&desk.run(&["settings", "set", "max_positions=9", "--version", &old]), CONFLICT, "");
    ends_with(&desk.run(&["settings", "set", "max_positions=-1"]), USAGE, "max_positions: between 0 and 10000");
    ends_with(&desk.run(&["settings", "set", "max_position=1"]), USAGE, "is no setting; there are: broker_mode");
    ends_with(&desk.run(&["settings", "get", "colour"]), USAGE, "is no setting");
    ends_with(&desk.run(&["settings", "set", "max_positions=9", "--read-only"]), REFUSED, "read-only");
    assert_eq!(desk.run(&["settings", "--json"]).json(), all, "a refusal changed something");
}

#[test]
fn trades_and_sync_answer_on_an_empty_book() {
    let stage = Stage::live();
    let desk = &stage.desk;
    ends_with(&desk.run(&["trades"]), DONE, "No open trades.\n");
    ends_with(&desk.run(&["trades", "--status", "closed"]), DONE, "No closed trades.\n");
    let list = desk.run(&["trades", "--json"]).json();
    assert_eq!(list.pointer("/items"), Some(&Value::Array(vec![])), "{list}");
    ends_with(&desk.run(&["show", "12"]), REFUSED, "There is no trade #12.");
    ends_with(&desk.run(&["show", "twelve"]), USAGE, "neither a trade's number nor its id");
    ends_with(&desk.run(&["trades", "--find", "spy"]), USAGE, "--status closed");
    ends_with(&desk.run(&["sync"]), DONE, "newest change");
    let status = desk.run(&["sync", "--json"]).json();
    assert_eq!(status.get("needs_sync").and_then(Value::as_bool), Some(false), "{status}");
    ends_with(&desk.run(&["snapshot", "--size", "80x24"]), DONE, "No open positions");
}

#[test]
fn tasks_are_shown_with_their_last_run_their_next_and_their_result() {
    let stage = Stage::live();
    // The duties that are due at the start end in any order.
    let rows = settles("the daemon's first runs", || {
        let said = stage.desk.run(&["tasks"]);
        ends_with(&said, DONE, "TASK");
        let rests = |task: &str| said.out.lines().any(|line| line.starts_with(task) && line.contains(" waiting "));
        if ["partitions", "retention", "housekeeping", "backup", "fees"].into_iter().all(rests) {
            Ok(said.out)
        } else {
            Err(said.out)
        }
    });
    let heading: Vec<&str> =
        rows.lines().next().unwrap().split("  ").filter(|part| !part.is_empty()).map(str::trim).collect();
    assert_eq!(heading, ["TASK", "STATE", "LAST DONE (ET)", "NEXT (ET)", "MISSED", "RESULT"], "{rows}");
    assert_eq!(rows.lines().count(), 12, "{rows}");
    assert!(rows.contains("backup.folder is not set"), "{rows}");
    let all = stage.desk.run(&["tasks", "--json"]).json();
    let tasks = all.get("tasks").and_then(Value::as_array).unwrap();
    let names: Vec<&str> = tasks.iter().filter_map(|task| task.get("name")?.as_str()).collect();
    assert!(rows.lines().skip(1).zip(&names).all(|(row, name)| row.starts_with(name)), "{rows}{names:?}");
    assert!(tasks.iter().all(|task| task.get("next_at").is_some_and(Value::is_string)), "{all}");
}

#[test]
fn without_a_daemon_every_question_ends_with_its_own_code() {
    let desk = Desk::alone();
    for arguments in [&["trades"][..], &["trades", "--json"], &["show", "1"], &["settings"], &["sync"], &["tasks"]] {
        let said = desk.run(arguments);
        ends_with(&said, UNREACHABLE, "does not exist: the daemon is not running");
        assert_eq!(said.out, "", "{said:?}");
    }
    ends_with(&desk.run(&["--socket", &"/x".repeat(80), "trades"]), UNREACHABLE, "choose a shorter one");
    ends_with(&desk.run(&["--socket", "/dev/null", "trades"]), UNREACHABLE, "is not a socket");
    ends_with(&desk.run(&["--nonsense"]), USAGE, "--nonsense");
    ends_with(&desk.run(&["--config", "/nonexistent.toml", "trades"]), USAGE, "cannot be");
}

#[test]
fn completions_and_manual_come_without_a_daemon() {
    let desk = Desk::alone();
    for (shell, sign) in
        [("bash", "complete -F _blotter"), ("zsh", "#compdef blotter"), ("fish", "complete -c blotter")]
    {
        let said = desk.run(&["completions", shell]);
        ends_with(&said, DONE, sign);
        assert!(said.out.contains("doctor") && said.out.contains("settings"), "{shell}: a command is missing");
    }
    let page = desk.run(&["man"]);
    for sign in [".TH blotter 1", "KEYS", "Everywhere", "\\-\\-read\\-only"] {
        ends_with(&page, DONE, sign);
    }
    ends_with(&desk.run(&["--version"]), DONE, "blotter ");
    ends_with(&desk.run(&["--help"]), DONE, "--json");
}

#[test]
fn a_read_only_screen_says_so_and_changes_nothing() {
    let stage = Stage::live();
    let before = stage.get("/v1/settings").json().unwrap();
    let mut terminal = Terminal::start(&stage.desk.client(&["--read-only"])).unwrap();
    terminal.wait_for("READ-ONLY").unwrap();
    terminal.wait_for("Pos 0/").unwrap();
    terminal.type_keys(",").unwrap();
    terminal.wait_for("nothing can be changed here").unwrap();
    terminal.type_keys("\r").unwrap();
    terminal.wait_for("This client is read-only (--read-only).").unwrap();
    terminal.type_keys("s,q").unwrap();
    assert!(terminal.wait_exit().unwrap().success());
    assert_eq!(stage.get("/v1/settings").json().unwrap(), before);
}
