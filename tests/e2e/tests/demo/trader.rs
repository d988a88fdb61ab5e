//! A new user's first quarter of an hour: buy, see it protected, move the stop, watch a target hit,
//! close by hand, and pull the daemon's plug in the middle of that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use blotter_testkit::programs;
use blotter_testkit::terminal::Terminal;
use serde_json::Value;

use crate::seat::{came, does, opens_newest, pins, presses, sees};
use crate::stage::{Stage, wait_for, wait_within};

/// What the slowest step of a trade takes: the lease of a daemon that died, and then the proof that
/// nothing of what it sent arrives any more.
pub(crate) const LIVES: std::time::Duration = std::time::Duration::from_secs(200);

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

/// A call of AAPL at the money, with its bid and ask.
pub(crate) fn contract(socket: &Path) -> (String, f64, f64) {
    contract_of(socket, "AAPL")
}

pub(crate) fn contract_of(socket: &Path, ticker: &str) -> (String, f64, f64) {
    let listed = wait_for("a chain", || says(socket, &["chain", ticker]));
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

/// Fills the form of a new trade and buys; gives the number. What is bought does not end by itself.
fn buy(terminal: &mut Terminal, socket: &Path, [stop, target]: [f64; 2]) -> (String, String, f64) {
    let (symbol, bid, ask) = contract(socket);
    pins(socket, &symbol, (bid, ask));
    let form = |screen: &str| if screen.contains('┌') { "" } else { "n" };
    does(terminal, "the form of a new trade", form, |screen| screen.contains("Buy to open").then_some(()));
    let (stop, target) = (on_grid(bid * stop), on_grid(ask * target));
    terminal.type_keys(&format!("\u{15}{symbol}\t2\t\t{stop}\t{target}\tfirst")).unwrap();
    terminal.wait_for(&target).unwrap();
    presses(terminal, "Buy to open", |screen| screen.contains("Then a bracket"));
    presses(terminal, "Buy", |screen| !screen.contains("Then a bracket"));
    sees(terminal, "a form that is done", |screen| (!screen.contains("Buy to open")).then_some(()));
    let number = newest(socket);
    until(socket, "the bracket", &number, is_protected);
    (number, symbol, bid)
}

/// The number of the open trade in AAPL, once there is one: the demo's own are others.
pub(crate) fn newest(socket: &Path) -> String {
    wait_for("a trade in AAPL", || {
        let list = says(socket, &["trades"])?;
        let ours = list["items"].as_array().unwrap().iter().find(|trade| trade["ticker"] == "AAPL")?;
        Some(ours["number"].to_string())
    })
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
    // Which of the two loses its bracket, and which one reaches its target, is a matter of whose works first.
    let any = |what: &str, is_it: &dyn Fn(&Value) -> bool| {
        wait_within(LIVES, what, || {
            let both = ["121", "122"].into_iter().filter_map(|number| says(&socket, &["show", number]));
            both.into_iter().find(|trade| is_it(trade))
        })
    };
    any("a target that is hit", &|trade| trade["close"]["reason"] == "TP_HIT");
    any("a bracket that is placed again", &|trade| {
        let symbol = trade["option_symbol"].as_str().unwrap();
        came(&socket, symbol).brackets >= 2 && (is_protected(trade) || trade["status"] == "CLOSED")
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
    let (number, _, bid) = buy(&mut terminal, &socket, [0.6, 1.9]);
    let (stop, title) = (on_grid(bid * 0.5), format!("Bracket of #{number}"));
    opens_newest(&mut terminal, "Gs", &title);
    terminal.type_keys(&format!("\u{15}{stop}")).unwrap();
    presses(&mut terminal, "Replace bracket", |screen| !screen.contains(&title));
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
    let (number, symbol, _) = buy(&mut terminal, &socket, [0.5, 2.0]);
    let title = format!("Close #{number}");
    opens_newest(&mut terminal, "Gc", &title);
    presses(&mut terminal, "Close position", |screen| !screen.contains(&title));
    stage.kill("blotterd");
    let ended = until(&socket, "the end of the close", &number, |trade| trade["status"] == "CLOSED");
    assert_eq!(ended["close"]["reason"], "MANUAL_CLOSE", "{ended:#}");
    // Of a sale that was written down and never left, the story tells as well: the broker's own books say what came.
    assert_eq!(came(&socket, &symbol).sales, 1, "{:#}", says(&socket, &["why", &number]).unwrap());
    leave(&stage, terminal);
}
