//! `blotter export` beside what the daemon answers page by page: every filter of the History pane, both formats, and
//! downloads that break off.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use blotter_testkit::terminal::{Size, Terminal};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::stage::{DONE, REFUSED, Said, Stage, UNREACHABLE, USAGE, settles, signal};

const INTERRUPTED: i32 = 130;
/// Closed trades of each of two accounts; a page of the daemon's export has fewer.
const ROWS: i32 = 5_000;
/// Numbers up to this are left to others.
const FIRST: i32 = 10;
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon with a history in two modes, one of whose strategies is what spreadsheets take for a formula.
fn stage() -> Stage {
    let mut stage = Stage::live();
    stage.write_closed_trades(&[("SIM", FIRST, ROWS), ("LIVE", FIRST + ROWS, 50)]);
    stage
}

/// Every trade that a filter finds, page by page.
fn pages(stage: &Stage, filter: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = stage.get(&format!("/v1/trades?limit=500&{filter}{cursor}")).json().unwrap();
        all.extend(page["items"].as_array().unwrap_or_else(|| panic!("{filter}: {page}")).iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", next.replace('+', "%2B").replace('=', "%3D")),
            None => return all,
        }
    }
}

/// A reader of RFC 4180, for rows that quote.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quoted) {
            ('"', true) if chars.next_if_eq(&'"').is_some() => cell.push('"'),
            ('"', _) => quoted = !quoted,
            (',', false) => row.push(std::mem::take(&mut cell)),
            ('\r', false) if chars.next_if_eq(&'\n').is_some() => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            (c, _) => cell.push(c),
        }
    }
    assert!(row.is_empty() && cell.is_empty(), "a line without its end: {row:?} {cell}");
    rows
}

/// A trade of an answer as its line of CSV has it; where a spreadsheet is kept from a formula, without that.
fn line_of(trade: &Value) -> Vec<(&'static str, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let or_nothing = |value: &Value| if value.is_null() { String::new() } else { text(value) };
    let close = &trade["close"];
    vec![
        ("number", text(&trade["number"])),
        ("id", text(&trade["id"])),
        ("mode", text(&trade["broker_mode"])),
        ("account", text(&trade["account_id"])),
        ("ticker", text(&trade["ticker"])),
        ("option_symbol", text(&trade["option_symbol"])),
        ("quantity", text(&trade["qty"])),
        ("status", text(&trade["status"])),
        ("entry_price", or_nothing(&trade["entry_price"])),
        ("stop", or_nothing(&trade["sl_price"])),
        ("target", or_nothing(&trade["tp_price"])),
        ("exit_price", or_nothing(&close["price"])),
        ("reason", or_nothing(&close["reason"])),
        ("fees", or_nothing(&close["fees"])),
        ("pnl", or_nothing(&close["realized_pnl"])),
        ("pnl_pct", or_nothing(&close["realized_pnl_pct"])),
        ("r_multiple", or_nothing(&close["r_multiple"])),
        ("strategy", or_nothing(&trade["strategy"])),
    ]
}

/// Figures may be written with more or fewer zeroes.
fn is_same(a: &str, b: &str) -> bool {
    a == b || a.parse::<f64>().is_ok_and(|a| b.parse::<f64>().is_ok_and(|b| a.to_bits() == b.to_bits()))
}

#[track_caller]
fn csv_is(text: &str, trades: &[Value]) {
    let rows = records(text);
    let (headings, rows) = rows.split_first().unwrap();
    assert_eq!(rows.len(), trades.len());
    for (row, trade) in rows.iter().zip(trades) {
        for (name, expected) in line_of(trade) {
            let column = headings.iter().position(|heading| heading == name).unwrap_or_else(|| panic!("no {name}"));
            let found = row[column].strip_prefix('\'').unwrap_or(&row[column]);
            assert!(is_same(found, &expected), "{name} is {found} and should be {expected}: {row:?}");
        }
    }
}

#[test]
fn every_filter_of_the_history_exports_what_its_pages_say() {
    let stage = stage();
    let asked: Vec<(Vec<&str>, &str)> = vec![
        (vec![], ""),
        (vec!["--outcome", "win"], "outcome=win"),
        (vec!["--outcome", "loss"], "outcome=loss"),
        (vec!["--outcome", "expired"], "outcome=expired"),
        (vec!["--find", "strategy 3"], "q=strategy%203"),
        (vec!["--find", "sym7"], "q=sym7"),
        (vec!["--mode", "LIVE"], "mode=LIVE"),
        (
            vec!["--mode", "SIM", "--outcome", "win", "--find", "sym1", "--sort", "pnl"],
            "mode=SIM&outcome=win&q=sym1&sort=pnl",
        ),
        (vec!["--find", "nothing has this"], "q=nothing%20has%20this"),
    ];
    let sorts = ["closed", "symbol", "pnl", "pnl_pct", "r", "held", "reason", "strategy"];
    let queries = sorts.map(|sort| format!("mode=LIVE&order=asc&sort={sort}"));
    let sorted = sorts
        .iter()
        .zip(&queries)
        .map(|(sort, query)| (vec!["--mode", "LIVE", "--order", "asc", "--sort", *sort], query.as_str()));
    for (arguments, filter) in asked.into_iter().chain(sorted) {
        let trades = pages(&stage, &format!("status=closed&{filter}"));
        assert_eq!(trades.is_empty(), filter.starts_with("q=nothing"), "{filter}");
        let csv = stage.desk.run(&[&["export"], &arguments[..]].concat());
        assert_eq!((csv.code, csv.err.as_str()), (Some(DONE), ""), "{arguments:?}");
        csv_is(&csv.out, &trades);
        let json = stage.desk.run(&[&["export", "--format", "json"], &arguments[..]].concat());
        assert_eq!(json.code, Some(DONE), "{arguments:?}: {}", json.err);
        assert!(json.json() == Value::Array(trades), "{arguments:?}: JSON is not what the pages say");
    }
}

#[test]
fn open_trades_and_what_looks_like_a_formula_are_exported_too() {
    let mut stage = stage();
    stage.write_open_trades(3);
    let open = pages(&stage, "status=open");
    let said = stage.desk.run(&["export", "--status", "open", "--format", "json"]);
    assert_eq!(said.json(), Value::Array(open.clone()));
    let names: Vec<&str> = open.iter().map(|trade| trade["ticker"].as_str().unwrap()).collect();
    let said = stage.desk.run(&["export", "--status", "open"]);
    let tickers: Vec<String> = records(&said.out).into_iter().skip(1).map(|row| row[4].clone()).collect();
    assert_eq!(tickers, names);

    stage.as_administrator("UPDATE paper_trades SET strategy = '=cmd|''/c calc''!A0, \"x\"' WHERE number = 17");
    let said = stage.desk.run(&["export", "--find", "SYM7", "--mode", "SIM"]);
    let row = records(&said.out).into_iter().find(|row| row[0] == "17").unwrap();
    assert_eq!(row.last().unwrap(), "'=cmd|'/c calc'!A0, \"x\"", "{row:?}");
    for (arguments, words) in [
        (["export", "--format", "xml"], "xml"),
        (["export", "--outcome", "draw"], "draw"),
        (["export", "--sort", "colour"], "colour"),
    ] {
        let said = stage.desk.run(&arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(USAGE), ""), "{said:?}");
        assert!(said.err.contains(words), "{said:?}");
    }
}

/// A folder to export into.
fn folder() -> TempDir {
    tempfile::Builder::new().prefix("be").tempdir_in("/tmp").unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_file_is_what_goes_to_standard_output_and_only_its_owners() {
    let stage = stage();
    let folder = folder();
    let path = folder.path().join("closed.csv");
    let name = path.display().to_string();
    fs::write(&path, "an older one").unwrap();
    for format in ["csv", "json"] {
        let printed = stage.desk.run(&["export", "--format", format, "--mode", "LIVE"]);
        let said = stage.desk.run(&["export", "--format", format, "--mode", "LIVE", "--output", &name]);
        assert_eq!((said.code, said.out.as_str()), (Some(DONE), ""), "{said:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), printed.out);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(folder.path()), ["closed.csv"]);
    }
    let said = stage.desk.run(&["export", "--output", "/nonexistent/closed.csv"]);
    assert_eq!((said.code, said.out.as_str()), (Some(REFUSED), ""), "{said:?}");
}

/// Exports by these keys until there is a file: one user has few connections, and a screen that loads a history may have
/// all of them. Then the export is refused, and says so.
#[track_caller]
fn exported(terminal: &mut Terminal, home: &Path, (keys, format): (&str, &str)) -> String {
    const AGAIN: Duration = Duration::from_secs(10);
    let written = || names(home).into_iter().find(|name| name.ends_with(format));
    let deadline = Instant::now() + PATIENCE * 2;
    loop {
        crate::forms::until_it_opens(terminal, "x", "closed trades: Wins, find: sym1");
        terminal.type_keys(keys).unwrap();
        let look = Instant::now() + AGAIN;
        while Instant::now() < look {
            if let Some(file) = written() {
                return file;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        assert!(Instant::now() < deadline, "nothing is exported:\n{}", terminal.text());
    }
}

/// What the History pane shows is what it exports, and what the command line exports with the same filters.
#[test]
fn the_pane_and_the_command_line_write_the_same_file() {
    let stage = stage();
    stage.set("broker_mode=SIM");
    let home = folder();
    let setup = stage.desk.client(&[]).size(Size::WIDE).env("HOME", home.path().display().to_string());
    let mut terminal = Terminal::start(&setup).unwrap();
    terminal.wait_until("a live screen", crate::stage::is_live).unwrap();
    terminal.type_keys("2").unwrap();
    terminal.wait_for("[All]").unwrap();
    terminal.type_keys("f").unwrap();
    terminal.wait_for("[Wins]").unwrap();
    terminal.type_keys("/sym1\r").unwrap();
    terminal.wait_for("find: sym1").unwrap();
    for (keys, format) in [("\r", "csv"), ("\t\r", "json")] {
        let file = exported(&mut terminal, home.path(), (keys, format));
        let path = home.path().join(file);
        let filters = ["--outcome", "win", "--find", "sym1", "--format", format, "--mode", "SIM"];
        let said = stage.desk.run(&[&["export"], &filters[..]].concat());
        assert!(said.out.lines().count() > 100 || format == "json", "there is nothing to compare: {}", said.out);
        assert!(
            fs::read_to_string(&path).unwrap() == said.out,
            "{} is not what the command line writes",
            path.display()
        );
    }
}

/// A socket before the daemon's that lets so many bytes of an answer through and holds back the rest.
struct Narrow {
    path: PathBuf,
    /// Told once an answer is held back.
    full: Receiver<()>,
    /// While this is held, so is the rest.
    gate: Arc<Mutex<()>>,
}

const LET_THROUGH: u64 = 200_000;

impl Narrow {
    fn before(daemon: PathBuf, folder: &Path) -> Self {
        let path = folder.join("narrow.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (told, full) = channel();
        let gate = Arc::new(Mutex::new(()));
        let held = Arc::clone(&gate);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(daemon)) = (client, UnixStream::connect(&daemon)) else { return };
                let (asked, told, held) = (pair(&client, &daemon), told.clone(), Arc::clone(&held));
                std::thread::spawn(move || drop(std::io::copy(&mut &asked.0, &mut &asked.1)));
                std::thread::spawn(move || answer(&daemon, &client, (&told, &held)));
            }
        });
        Self { path, full, gate }
    }
}

fn pair(one: &UnixStream, other: &UnixStream) -> (UnixStream, UnixStream) {
    (one.try_clone().unwrap(), other.try_clone().unwrap())
}

fn answer(mut daemon: &UnixStream, mut client: &UnixStream, (told, gate): (&Sender<()>, &Mutex<()>)) {
    if std::io::copy(&mut daemon.take(LET_THROUGH), &mut client).is_ok_and(|passed| passed == LET_THROUGH) {
        let _ = told.send(());
        drop(gate.lock());
        drop(std::io::copy(&mut daemon, &mut client));
    }
    drop(client.shutdown(std::net::Shutdown::Both));
}

/// An export into this folder that has got some of its bytes and waits for the rest.
fn halfway(stage: &Stage, narrow: &Narrow, (folder, arguments): (&TempDir, &[&str])) -> Child {
    let socket = narrow.path.display().to_string();
    let mut command = stage.desk.command(&[&["--socket", &socket, "export"], arguments].concat());
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Whoever writes to a pipe waits for its reader; a file takes everything.
    narrow.full.recv_timeout(PATIENCE).expect("an answer that is held back");
    // What has passed may still lie between the two.
    settles("a part of a file", || {
        let under_way = names(folder.path());
        if under_way.iter().any(|name| name.ends_with(".part")) { Ok(()) } else { Err(format!("{under_way:?}")) }
    });
    child
}

#[test]
fn a_download_that_the_daemon_breaks_off_leaves_no_file_and_no_word_of_success() {
    for format in ["csv", "json"] {
        for existing in [None, Some("an older one")] {
            let mut stage = stage();
            let folder = folder();
            let narrow = Narrow::before(stage.daemon.socket(), stage.desk.folder());
            let path = folder.path().join("closed");
            if let Some(text) = existing {
                fs::write(&path, text).unwrap();
            }
            let held = narrow.gate.lock().unwrap();
            let arguments = ["--format", format, "--output", &path.display().to_string()];
            let child = halfway(&stage, &narrow, (&folder, &arguments));
            stage.daemon.kill().unwrap();
            drop(held);
            let said = Said::of(&child.wait_with_output().unwrap());
            assert_eq!((said.code, said.out.as_str()), (Some(UNREACHABLE), ""), "{said:?}");
            assert!(!said.err.is_empty(), "it says nothing");
            let left = fs::read_to_string(&path).ok();
            assert_eq!(left.as_deref(), existing, "half a file took the place of a whole one");
            assert_eq!(names(folder.path()).len(), usize::from(existing.is_some()), "{:?}", names(folder.path()));
        }
    }
}

#[test]
fn an_export_to_standard_output_that_breaks_off_fails() {
    let mut stage = stage();
    let narrow = Narrow::before(stage.daemon.socket(), stage.desk.folder());
    let held = narrow.gate.lock().unwrap();
    let socket = narrow.path.display().to_string();
    let mut command = stage.desk.command(&["--socket", &socket, "export", "--format", "json"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        out.read_to_end(&mut text).map(|_| text)
    });
    narrow.full.recv_timeout(PATIENCE).expect("an answer that is held back");
    stage.daemon.kill().unwrap();
    drop(held);
    let printed = String::from_utf8(reader.join().unwrap().unwrap()).unwrap();
    let said = Said::of(&child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(UNREACHABLE), "{said:?}");
    assert!(printed.starts_with('[') && !printed.trim_end().ends_with(']'), "half a list looks like a whole one");
}

#[test]
fn an_export_that_is_interrupted_takes_its_part_with_it() {
    for (by, code) in [(Signal::SIGINT, INTERRUPTED), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let stage = stage();
        let folder = folder();
        let narrow = Narrow::before(stage.daemon.socket(), stage.desk.folder());
        let held = narrow.gate.lock().unwrap();
        let path = folder.path().join("closed.csv");
        let child = halfway(&stage, &narrow, (&folder, &["--output", &path.display().to_string()]));
        signal(child.id(), by);
        let said = Said::of(&child.wait_with_output().unwrap());
        drop(held);
        assert_eq!(said.code, Some(code), "{said:?}");
        assert_eq!(names(folder.path()), [""; 0]);
    }
}

/// Whoever reads only the beginning, as `head` does, is no fault of ours and no reason to go on.
#[test]
fn a_reader_that_goes_away_ends_the_export() {
    let stage = stage();
    let mut command = stage.desk.command(&["export"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 64];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    drop(child.stdout.take());
    let said = Said::of(&child.wait_with_output().unwrap());
    assert_ne!(said.code, None, "{said:?}");
    drop(std::io::stdout().flush());
    assert!(!said.err.contains("panicked"), "{said:?}");
}
