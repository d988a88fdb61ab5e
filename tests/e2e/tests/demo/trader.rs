//! A new user's first quarter of an hour: buy, see it protected, move the stop, watch a target hit,
//! close by hand, and pull the daemon's plug in the middle of that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use blotter_testkit::programs;
use blotter_testkit::terminal::Terminal;
use serde_json::Value;

use crate::stage::{Stage, wait_for};

/// What a person takes from one key to the next.
const BETWEEN_KEYS: std::time::Duration = std::time::Duration::from_millis(150);

/// The socket of the one demo in this stage.
fn socket(stage: &Stage) -> PathBuf {
    wait_for("the demo's socket", || {
        let folders = fs::read_dir(stage.temp.path()).unwrap().flatten();
        folders.map(|folder| folder.path().join("socket/blotterd.sock")).find(|socket| socket.exists())
    })
}

/// What a command of the client prints as JSON; nothing while it fails.
fn says(socket: &Path, arguments: &[&str]) -> Option<Value> {
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
fn until(socket: &Path, what: &str, number: &str, done: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || says(socket, &["show", number]).filter(&done))
}

fn is_protected(trade: &Value) -> bool {
    trade["protection"] == "CONFIRMED" && trade.get("step").is_none()
}

/// A call at the money, with its bid and ask.
fn contract(socket: &Path) -> (String, f64, f64) {
    let chain = wait_for("a chain", || says(socket, &["chain", "SPY"]));
    let figure = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
    let price = figure(&chain["underlying"]);
    let calls = chain["rows"].as_array().unwrap().iter().filter(|row| row["option_type"] == "CALL");
    let at_the_money = calls.into_iter().find(|row| figure(&row["strike"]) >= price).unwrap();
    let symbol = at_the_money["option_symbol"].as_str().unwrap().to_owned();
    (symbol, figure(&at_the_money["bid"]), figure(&at_the_money["ask"]))
}

/// Fills the form of a new trade and buys.
fn buy(terminal: &mut Terminal, symbol: &str, (stop, target): (f64, f64)) {
    terminal.type_keys("n").unwrap();
    terminal.wait_for("Buy to open").unwrap();
    terminal.type_keys(&format!("{symbol}\t2\t\t{stop:.2}\t{target:.2}\tfirst")).unwrap();
    terminal.wait_for(&format!("{target:.2}")).unwrap();
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

#[test]
fn a_new_user_buys_moves_the_stop_and_watches_the_target_hit() {
    let stage = Stage::new();
    let mut terminal = stage.screen();
    let socket = socket(&stage);
    terminal.wait_for("No open positions").unwrap();
    let (symbol, bid, ask) = contract(&socket);

    buy(&mut terminal, &symbol, (bid * 0.6, ask * 1.5));
    until(&socket, "the first bracket", "1", is_protected);
    terminal.wait_for("FILLED").unwrap();

    // Another stop, from the keyboard; the scenario makes this second bracket reach its target.
    let stop = format!("{:.2}", bid * 0.5);
    terminal.type_keys("s").unwrap();
    terminal.wait_for("Replace bracket").unwrap();
    terminal.type_keys(&stop).unwrap();
    press(&mut terminal, "Replace bracket", "The bracket is being replaced");
    let moved = |trade: &Value| trade["version"] == 2 && (is_protected(trade) || trade["status"] == "CLOSED");
    until(&socket, "the second bracket", "1", moved);
    let ended = until(&socket, "a target that is hit", "1", |trade| trade["status"] == "CLOSED");
    assert_eq!(ended["close"]["reason"], "TP_HIT", "{ended:#}");
    terminal.type_keys("2").unwrap();
    terminal.wait_for("TP_HIT").unwrap();
    leave(&stage, terminal);
}

fn leave(stage: &Stage, mut terminal: Terminal) {
    terminal.type_keys("q").unwrap();
    terminal.wait_exit().unwrap();
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn a_daemon_that_is_killed_in_the_middle_of_a_close_ends_it_right() {
    let stage = Stage::new();
    let mut terminal = stage.screen();
    let socket = socket(&stage);
    terminal.wait_for("No open positions").unwrap();
    let (symbol, bid, ask) = contract(&socket);
    buy(&mut terminal, &symbol, (bid * 0.5, ask * 2.0));
    until(&socket, "the bracket", "1", is_protected);
    terminal.type_keys("c").unwrap();
    press(&mut terminal, "Close position", "It is on its way out");
    stage.kill("blotterd");
    let ended = until(&socket, "the end of the close", "1", |trade| trade["status"] == "CLOSED");
    assert_eq!(ended["close"]["reason"], "MANUAL_CLOSE", "{ended:#}");
    let sold = says(&socket, &["why", "1"]).unwrap();
    let sales = sold["moments"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|moment| moment["kind"] == "sent" && moment["what"].as_str().unwrap().starts_with("the sale"));
    assert_eq!(sales.count(), 1, "{sold:#}");
    leave(&stage, terminal);
}
