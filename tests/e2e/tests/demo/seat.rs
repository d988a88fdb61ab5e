//! What a trader at a terminal does, and what somebody with a hand on the simulated broker does to them.
//! Nothing here types blindly: each key has its reason on the screen.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use blotter_testkit::terminal::Terminal;
use serde_json::{Value, json};

use crate::stage::wait_for;
use crate::trader::{LIVES, contract, is_protected, on_grid, says, until};

/// What a person takes from one key to the next; more than the time in which a question takes none.
const BETWEEN_KEYS: Duration = Duration::from_millis(400);

/// A position that no event of the demo's scenario is about.
pub(crate) struct Bought {
    pub(crate) number: String,
    pub(crate) stop: String,
    pub(crate) target: String,
}

/// Buys two contracts of AAPL from the command line and waits for their bracket.
pub(crate) fn bought(socket: &Path) -> Bought {
    let bought = ordered(socket);
    until(socket, "the bracket", &bought.number, is_protected);
    bought
}

/// The same without waiting for anything.
pub(crate) fn ordered(socket: &Path) -> Bought {
    // The brackets that things happen to are the demo's own, which are the first to work.
    until(socket, "the first position", "121", is_protected);
    until(socket, "the second position", "122", |trade| is_protected(trade) || trade["status"] == "CLOSED");
    let (symbol, bid, ask) = contract(socket);
    let (stop, target) = (on_grid(bid * 0.6), on_grid(ask * 1.9));
    let order = ["place", &symbol, "--qty", "2", "--stop", &stop, "--target", &target];
    let placed = wait_for("an order that is taken", || says(socket, &order));
    Bought { number: placed["number"].to_string(), stop, target }
}

/// Things of one kind that were sent for a trade.
pub(crate) fn sent(socket: &Path, number: &str, what: &str) -> usize {
    let story = wait_for("the story", || says(socket, &["why", number]));
    let is_it = |moment: &&Value| moment["kind"] == "sent" && moment["what"].as_str().unwrap().starts_with(what);
    story["moments"].as_array().unwrap().iter().filter(is_it).count()
}

/// Puts these faults, and no others, between the daemon and the simulated broker.
pub(crate) fn faults(socket: &Path, faults: &[Value]) {
    control(socket, ("DELETE", "faults"), &json!({}));
    for fault in faults {
        control(socket, ("POST", "faults"), fault);
    }
}

/// Lets something happen in the simulated market.
pub(crate) fn happens(socket: &Path, act: &Value) {
    control(socket, ("POST", "do"), act);
}

fn control(socket: &Path, (method, what): (&str, &str), body: &Value) {
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
