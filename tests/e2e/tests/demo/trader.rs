//! A new user's first quarter of an hour: buy, see it protected, move the stop, watch a target hit,
//! close by hand, and pull the daemon's plug in the middle of that.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use blotter_testkit::programs;
use blotter_testkit::terminal::Terminal;
use serde_json::Value;

use crate::stage::{Stage, wait_for, wait_within};

/// What the slowest step of a trade takes: the lease of a daemon that died, and then the proof that
/// nothing of what it sent arrives any more.
pub(crate) const LIVES: std::time::Duration = std::time::Duration::from_secs(150);
/// What a person takes from one key to the next.
const BETWEEN_KEYS: std::time::Duration = std::time::Duration::from_millis(150);

/// The socket of the one demo in this stage.
pub(crate) fn socket(stage: &Stage) -> PathBuf {
    wait_for("the demo's socket", || {
        let folders = fs::read_dir(stage.temp.path()).unwrap().flatten();
        folders.map(|folder| folder.path().join("own/blotterd.sock")).find(|socket| socket.exists())
    })
}

/// What a command of the client prints as JSON; nothing while it fails.
pub(crate) fn says(socket: &Path, arguments: &[&str]) -> Option<Value> {
    let output = Command::new(programs::path("blotter").unwrap())
        .args(["--json", "--socket"])
        .arg(socket)
        .args(arguments)
        .output()
        .unwrap();
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

/// Waits until a trade is as wanted.
#[track_caller]
pub(crate) fn until(socket: &Path, what: &str, number: &str, done: impl Fn(&Value) -> bool) -> Value {
    wait_within(LIVES, what, || says(socket, &["show", number]).filter(&done))
}

pub(crate) fn is_protected(trade: &Value) -> bool {
    trade["protection"] == "CONFIRMED" && trade.get("step").is_none()
}

/// A call at the money, with its bid and ask.
pub(crate) fn contract(socket: &Path) -> (String, f64, f64) {
    let listed = wait_for("a chain", || says(socket, &["chain", "AAPL"]));
    let chain = &listed["chain"];
    let figure = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
    let price = figure(&chain["underlying"]);
    let rows = chain["rows"].as_array().unwrap();
    let call = &rows.iter().find(|row| figure(&row["strike"]) >= price).unwrap()["call"];
    (call["symbol"].as_str().unwrap().to_owned(), figure(&call["bid"]), figure(&call["ask"]))
}

/// Ten cents are on every price grid.
pub(crate) fn on_grid(price: f64) -> String {
    format!("{price:.1}0")
}

/// Fills the form of a new trade and buys.
fn buy(terminal: &mut Terminal, symbol: &str, (stop, target): (f64, f64)) {
    wait_for("the form of a new trade", || {
        let open = terminal.text().contains("Buy to open");
        if !open {
            terminal.type_keys("n").unwrap();
            std::thread::park_timeout(BETWEEN_KEYS);
        }
        open.then_some(())
    });
    let (stop, target) = (on_grid(stop), on_grid(target));
    terminal.type_keys(&format!("{symbol}\t2\t\t{stop}\t{target}\tfirst")).unwrap();
    terminal.wait_for(&target).unwrap();
    press(terminal, "Buy to open", "Then a bracket");
    press(terminal, "Buy", "The order is taken");
}

/// Moves on until this button has the focus, presses it, and waits for what follows. Keys before
/// a question can be read are dropped, so each may take more than once.
#[track_caller]
fn press(terminal: &mut Terminal, button: &str, follows: &str) {
    let focused = format!("[ {button} ]");
    wait_for(&format!("{focused} to bring: {follows}"), || {
        let screen = terminal.text();
        if screen.contains(follows) {
            return Some(());
        }
        terminal.type_keys(if screen.contains(&focused) { "\r" } else { "\t" }).unwrap();
        std::thread::park_timeout(BETWEEN_KEYS);
        None
    });
}

/// The number of the newest open trade.
pub(crate) fn newest(socket: &Path) -> String {
    let list = wait_for("the list of open trades", || says(socket, &["trades"]));
    list["items"].as_array().unwrap().last().unwrap()["number"].to_string()
}

/// A bracket that is lost and placed again, a target that is hit, months of history: nobody touches
/// anything.
#[test]
fn a_demo_that_nobody_touches_shows_what_it_is_about() {
    let stage = Stage::new();
    let mut terminal = stage.screen();
    let socket = socket(&stage);
    terminal.wait_for("2 History 1").unwrap();
    let history = wait_for("the history", || says(&socket, &["trades", "--status", "closed"]));
    assert!(history["items"].as_array().unwrap().len() >= 100, "{}", history["items"]);
    let ended = until(&socket, "a target that is hit", "122", |trade| trade["status"] == "CLOSED");
    assert_eq!(ended["close"]["reason"], "TP_HIT", "{ended:#}");
    until(&socket, "a bracket that is placed again", "121", |trade| {
        let story = says(&socket, &["why", "121"]).unwrap();
        let brackets =
            story["moments"].as_array().unwrap().iter().filter(|moment| {
                moment["kind"] == "sent" && moment["what"].as_str().unwrap().starts_with("the bracket")
            });
        brackets.count() >= 2 && is_protected(trade)
    });
    terminal.type_keys("2").unwrap();
    terminal.wait_for("TP_HIT").unwrap();
    leave(&stage, terminal);
}

#[test]
fn a_new_user_buys_and_moves_the_stop() {
    let stage = Stage::new();
    let mut terminal = stage.screen();
    let socket = socket(&stage);
    terminal.wait_for("2 History 1").unwrap();
    let (symbol, bid, ask) = contract(&socket);
    buy(&mut terminal, &symbol, (bid * 0.6, ask * 1.9));
    let number = newest(&socket);
    until(&socket, "the bracket", &number, is_protected);
    let stop = on_grid(bid * 0.5);
    terminal.type_keys("Gs").unwrap();
    terminal.wait_for("Replace bracket").unwrap();
    terminal.type_keys(&stop).unwrap();
    press(&mut terminal, "Replace bracket", "The bracket is being replaced");
    let moved = |trade: &Value| trade["version"] == 2 && is_protected(trade);
    let trade = until(&socket, "the other bracket", &number, moved);
    let works = trade["sl_price"].as_str().unwrap();
    assert_eq!(works.trim_end_matches('0'), stop.trim_end_matches('0'), "{trade:#}");
    leave(&stage, terminal);
}

pub(crate) fn leave(stage: &Stage, mut terminal: Terminal) {
    terminal.type_keys("q").unwrap();
    terminal.wait_exit().unwrap();
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn a_daemon_that_is_killed_in_the_middle_of_a_close_ends_it_right() {
    let stage = Stage::new();
    let mut terminal = stage.screen();
    let socket = socket(&stage);
    terminal.wait_for("2 History 1").unwrap();
    let (symbol, bid, ask) = contract(&socket);
    buy(&mut terminal, &symbol, (bid * 0.5, ask * 2.0));
    let number = newest(&socket);
    until(&socket, "the bracket", &number, is_protected);
    terminal.type_keys("Gc").unwrap();
    press(&mut terminal, "Close position", "It is on its way out");
    stage.kill("blotterd");
    let ended = until(&socket, "the end of the close", &number, |trade| trade["status"] == "CLOSED");
    assert_eq!(ended["close"]["reason"], "MANUAL_CLOSE", "{ended:#}");
    // Of a sale that was written down and never left, the story tells as well: the broker's own books say what came.
    assert_eq!(sales_at_the_broker(&socket, &symbol), 1, "{:#}", says(&socket, &["why", &number]).unwrap());
    leave(&stage, terminal);
}

/// How many orders of their own to sell this contract the simulated broker took in; a bracket's two are its children.
fn sales_at_the_broker(socket: &Path, symbol: &str) -> usize {
    let said = fs::read_to_string(socket.with_file_name("simulator.out")).unwrap();
    let address =
        said.lines().next().and_then(|line| line.strip_prefix("listening on ")).expect("the broker's address");
    let mut line = TcpStream::connect(address).unwrap();
    write!(line, "GET /__sim/ledger?since=0 HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    let ledger: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).expect("a body")).unwrap();
    let is_a_sale = |entry: &&Value| {
        entry["fact"] == "placed"
            && entry["symbol"] == symbol
            && entry["side"] == "sell_to_close"
            && entry["parent"].is_null()
    };
    ledger["entries"].as_array().unwrap().iter().filter(is_a_sale).count()
}
