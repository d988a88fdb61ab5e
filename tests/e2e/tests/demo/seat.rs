//! What a trader at a terminal does, and what somebody with a hand on the simulated broker does to them.
//! Nothing here types blindly: each key has its reason on the screen.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use blotter_testkit::terminal::Terminal;
use serde_json::{Value, json};

use crate::stage::{wait_for, wait_within};
use crate::trader::{LIVES, contract_of, is_protected, on_grid, says, until};

/// What a person takes from one key to the next; more than the time in which a question takes none.
const BETWEEN_KEYS: Duration = Duration::from_millis(400);
/// On a machine so busy that an entry runs out of its time, it is tried again.
const TRIES: usize = 5;

/// A position of the test's own, whose market stands still: nothing ends it but the test.
pub(crate) struct Bought {
    pub(crate) number: String,
    pub(crate) symbol: String,
    pub(crate) stop: String,
    pub(crate) target: String,
}

/// Buys two contracts of AAPL from the command line and waits for their bracket.
pub(crate) fn bought(socket: &Path) -> Bought {
    bought_of(socket, "AAPL", "the bracket", is_protected)
}

/// The same of any ticker, and for anything else.
pub(crate) fn bought_of(socket: &Path, ticker: &str, what: &str, done: impl Fn(&Value) -> bool) -> Bought {
    for _ in 0..TRIES {
        let bought = ordered(socket, ticker);
        let trade = until(socket, what, &bought.number, |trade| done(trade) || trade["status"] == "VOID");
        if trade["status"] != "VOID" {
            return bought;
        }
    }
    panic!("no entry is sent in its time");
}

fn ordered(socket: &Path, ticker: &str) -> Bought {
    let (symbol, bid, ask) = contract_of(socket, ticker);
    pins(socket, &symbol, (bid, ask));
    let (stop, target) = (on_grid(bid * 0.6), on_grid(ask * 1.9));
    let order = ["place", &symbol, "--qty", "2", "--stop", &stop, "--target", &target];
    let placed = wait_for("an order that is taken", || says(socket, &order));
    Bought { number: placed["number"].to_string(), symbol, stop, target }
}

/// Takes the demo's script away, and waits until what it had begun is over: each position has its bracket at the
/// broker. Which of the demo's two positions loses its bracket, and which one reaches its target, is a matter of
/// whose bracket works first.
pub(crate) fn quiet(socket: &Path) {
    control(socket, ("POST", "scenario"), &json!({ "name": "calm-day" }));
    wait_within(LIVES, "each position with its bracket at the broker", || {
        let open = says(socket, &["trades"])?["items"].as_array().unwrap().clone();
        (open.iter().all(is_protected) && open.len() == brackets_at_the_broker(socket)).then_some(())
    });
}

/// How many brackets work at the simulated broker.
fn brackets_at_the_broker(socket: &Path) -> usize {
    let books = control(socket, ("GET", "orders"), &json!({}));
    let works = |order: &&Value| {
        let is_bracket = order["legs"].as_array().is_some_and(|legs| legs.len() == 2);
        is_bracket && order["status"] == "open"
    };
    books["orders"].as_array().unwrap().iter().filter(works).count()
}

/// Orders that came to the simulated broker, to sell this contract, each bracket as one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) brackets: usize,
    pub(crate) sales: usize,
}

/// What the broker's own books say of a contract. Of an order that was written down and never left, the trade's story
/// tells as well.
pub(crate) fn came(socket: &Path, symbol: &str) -> Came {
    let ledger = control(socket, ("GET", "ledger?since=0"), &json!({}));
    let placed = ledger["entries"].as_array().unwrap().iter().filter(|entry| entry["fact"] == "placed");
    let ours: Vec<&Value> =
        placed.filter(|entry| entry["symbol"] == symbol && entry["side"] == "sell_to_close").collect();
    let sales = ours.iter().filter(|entry| entry["parent"].is_null()).count();
    let parents: BTreeSet<String> =
        ours.iter().filter(|entry| !entry["parent"].is_null()).map(|entry| entry["parent"].to_string()).collect();
    Came { brackets: parents.len(), sales }
}

/// Puts these faults, and no others, between the daemon and the simulated broker.
pub(crate) fn faults(socket: &Path, faults: &[Value]) {
    control(socket, ("DELETE", "faults"), &json!({}));
    for fault in faults {
        control(socket, ("POST", "faults"), fault);
    }
}

/// The market of a contract stands still here, until it is pinned anew.
pub(crate) fn pins(socket: &Path, symbol: &str, (bid, ask): (f64, f64)) {
    let [bid, ask] = [bid, ask].map(|price| format!("{price:.2}"));
    control(socket, ("POST", "do"), &json!({ "do": "pin", "symbol": symbol, "bid": bid, "ask": ask }));
}

fn control(socket: &Path, (method, what): (&str, &str), body: &Value) -> Value {
    let config = fs::read_to_string(socket.with_file_name("config.toml")).unwrap();
    let (_, rest) = config.split_once("sim_url = \"http://").unwrap();
    let (address, _) = rest.split_once('/').unwrap();
    let body = body.to_string();
    let head = format!("{method} /__sim/{what} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: ");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{method} {what} {body}: {answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Waits until the screen is as wanted; that may take as long as the slowest step of a trade.
#[track_caller]
pub(crate) fn sees<T>(terminal: &mut Terminal, what: &str, look: impl Fn(&str) -> Option<T>) -> T {
    does(terminal, what, |_| "", look)
}

#[track_caller]
pub(crate) fn shows(terminal: &mut Terminal, words: &str) {
    sees(terminal, &format!("`{words}`"), |screen| in_one_line(screen).contains(words).then_some(()));
}

#[track_caller]
pub(crate) fn hides(terminal: &mut Terminal, words: &str) {
    sees(terminal, &format!("no `{words}`"), |screen| (!in_one_line(screen).contains(words)).then_some(()));
}

/// Sentences may be broken anywhere between two words, in a frame as well.
fn in_one_line(screen: &str) -> String {
    let words = screen.split(|c: char| c.is_whitespace() || c == '│').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Types what the screen gives reason to, until it is as wanted.
#[track_caller]
pub(crate) fn does<T>(
    terminal: &mut Terminal,
    what: &str,
    keys: impl Fn(&str) -> &'static str,
    look: impl Fn(&str) -> Option<T>,
) -> T {
    let deadline = Instant::now() + LIVES;
    loop {
        let screen = terminal.text();
        if let Some(found) = look(&screen) {
            return found;
        }
        assert!(Instant::now() < deadline, "waited for {what}; the screen says\n{screen}");
        let keys = keys(&screen);
        terminal.type_keys(keys).unwrap();
        std::thread::park_timeout(if keys.is_empty() { Duration::from_millis(50) } else { BETWEEN_KEYS });
    }
}

/// Presses a button: Tab until it has the focus, Enter until `done`.
#[track_caller]
pub(crate) fn presses(terminal: &mut Terminal, button: &str, done: impl Fn(&str) -> bool) {
    let (focused, plain) = (format!("[ {button} ]"), format!("  {button}  "));
    let key = |screen: &str| match (screen.contains(&focused), screen.contains(&plain)) {
        (true, _) => "\r",
        (false, true) => "\t",
        (false, false) => "",
    };
    does(terminal, &format!("the end of {focused}"), key, |screen| done(screen).then_some(()));
}

/// Opens something over the newest of the open trades.
#[track_caller]
pub(crate) fn opens_newest(terminal: &mut Terminal, key: &'static str, title: &str) {
    let keys = |screen: &str| if screen.contains('┌') { "" } else { key };
    does(terminal, title, keys, |screen| screen.contains(title).then_some(()));
}

/// The messages of this client's session, read from its own list, once one of them says any of this.
#[track_caller]
pub(crate) fn told(terminal: &mut Terminal, any: &[&str]) -> String {
    let is_there = |screen: &str| screen.contains("┌ Messages") && any.iter().any(|words| screen.contains(words));
    let keys = |screen: &str| if screen.contains("┌ Messages") { "" } else { "!" };
    let told = does(terminal, &format!("any of {any:?}"), keys, |screen| is_there(screen).then(|| screen.to_owned()));
    let keys = |screen: &str| if screen.contains("┌ Messages") { "\u{1b}" } else { "" };
    does(terminal, "no messages", keys, |screen| (!screen.contains("┌ Messages")).then_some(()));
    told
}

/// The lines of the screen that are about a ticker's trade: one in a table, a card on a phone.
pub(crate) fn row_of(screen: &str, ticker: &str) -> Option<String> {
    let lines: Vec<&str> = screen.lines().collect();
    let begins = format!("{ticker} ");
    let at = lines.iter().position(|line| line.trim_start_matches([' ', '▸', '▾']).starts_with(&begins))?;
    let is_card = lines.iter().all(|line| line.chars().count() <= 44);
    let rest = lines.get(at..).unwrap_or_default();
    let card = rest.iter().take_while(|line| is_card && !line.starts_with('─')).copied().collect::<Vec<_>>().join("\n");
    Some(if is_card { card } else { lines.get(at).copied().unwrap_or_default().to_owned() })
}
