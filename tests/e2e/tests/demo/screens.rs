//! What the screens of a client say after real trades, beside what the daemon answers: every pane, every
//! dialog, at three widths; an export.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use blotter_testkit::programs;
use blotter_testkit::terminal::{Setup, Size, Terminal};
use serde_json::Value;

use crate::seat::{bought, pins, quiet, row_of, sees, told};
use crate::stage::{Stage, wait_for};
use crate::trader::{leave, says, socket, until};

const PATIENCE: Duration = Duration::from_secs(100);
const SIZES: [Size; 3] = [Size::WIDE, Size::STANDARD, Size::NARROW];

/// A second client of a demo.
pub(crate) fn another(socket: &Path, size: Size) -> Terminal {
    let program = programs::path("blotter").unwrap();
    let setup = Setup::new(program.to_string_lossy()).arg("--socket").arg(socket.to_string_lossy()).size(size);
    let mut terminal = Terminal::start(&setup).unwrap();
    // The count of the history is the last that a load brings.
    terminal
        .wait_until("a loaded book", |screen| {
            let text = screen.contents();
            text.contains("FILLED") && (text.contains("History 12") || text.contains("Hist 12"))
        })
        .unwrap();
    terminal
}

pub(crate) fn get(socket: &Path, path: &str) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async { blotter_testkit::socket::Connection::open(socket).await?.get(path).await });
    serde_json::from_slice(&answer.unwrap().body).unwrap()
}

/// Dollars as a screen writes them.
pub(crate) fn dollars(value: &Value) -> String {
    let amount: f64 = value.as_str().unwrap().parse().unwrap();
    let digits = format!("{:.2}", amount.abs());
    let (whole, cents) = digits.split_once('.').unwrap();
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if amount > 0.0 {
        "+"
    } else if amount < 0.0 {
        "-"
    } else {
        ""
    };
    format!("{sign}{grouped}.{cents}")
}

/// Prices and results move while they are compared: until screen and answer agree.
#[track_caller]
pub(crate) fn agrees(terminal: &mut Terminal, what: &str, expected: impl Fn() -> Vec<String>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (wanted, text) = (expected(), terminal.text());
        let missing: Vec<&String> = wanted.iter().filter(|words| !text.contains(words.as_str())).collect();
        if missing.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: the screen does not say {missing:?}\n{text}");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// Opens something by keys, waits for its sign, and leaves it again.
#[track_caller]
pub(crate) fn visits(terminal: &mut Terminal, keys: &str, sign: &str, signs: &[&str]) {
    // A client that has just begun refuses what acts: the key is pressed until it is taken.
    opens(terminal, keys, sign);
    for sign in signs {
        terminal.wait_for(sign).unwrap();
    }
    terminal.type_keys("\u{1b}").unwrap();
    terminal.wait_until(&format!("{sign} gone"), |screen| !screen.contents().contains(sign)).unwrap();
}

/// Presses keys until they show what they are for. Pressed again without a reason, a key would close what it is about to
/// open.
#[track_caller]
pub(crate) fn opens(terminal: &mut Terminal, keys: &str, sign: &str) {
    const AGAIN: Duration = Duration::from_secs(8);
    const CONNECTING: &str = "still connecting";
    let deadline = Instant::now() + PATIENCE;
    while !terminal.text().contains(sign) {
        assert!(Instant::now() < deadline, "{keys:?} shows no {sign}:\n{}", terminal.text());
        terminal.wait_until("an end of the refusal", |screen| !screen.contents().contains(CONNECTING)).unwrap();
        terminal.type_keys(keys).unwrap();
        let look = Instant::now() + AGAIN;
        let is_told = |text: &str| [sign, CONNECTING].iter().any(|words| text.contains(words));
        while Instant::now() < look && !is_told(&terminal.text()) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

#[test]
fn every_pane_says_what_the_daemon_answers() {
    let stage = Stage::new();
    let mut first = stage.screen();
    let socket = socket(&stage);
    first.wait_for("2 History 1").unwrap();
    quiet(&socket);
    hears_a_hit(&mut first, &socket);
    for size in SIZES {
        let mut terminal = another(&socket, size);
        agrees(&mut terminal, "open trades", || {
            let list = says(&socket, &["trades"]).unwrap();
            let rows = list["items"].as_array().unwrap().iter();
            let shown = rows.take(3).filter(|trade| !trade["unrealized_pnl"].is_null());
            shown
                .flat_map(|trade| [trade["ticker"].as_str().unwrap().to_owned(), dollars(&trade["unrealized_pnl"])])
                .collect()
        });
        terminal.type_keys("2").unwrap();
        agrees(&mut terminal, "history", || {
            let list = get(&socket, "/v1/trades?status=closed&mode=SIM&limit=4");
            let totals = get(&socket, "/v1/trades/totals?mode=SIM");
            let rows = list["items"].as_array().unwrap().iter();
            rows.map(|trade| dollars(&trade["close"]["realized_pnl"])).chain([dollars(&totals["net"])]).collect()
        });
        terminal.type_keys("3").unwrap();
        agrees(&mut terminal, "performance", || {
            let told = get(&socket, "/v1/performance?mode=SIM&period=30d");
            let rate: f64 = told["figures"]["win_rate"].as_str().unwrap().parse().unwrap();
            vec![dollars(&told["figures"]["net"]), format!("{rate:.1} %"), dollars(&told["figures"]["average_loss"])]
        });
        terminal.type_keys("\r").unwrap();
        agrees(&mut terminal, "every figure", || {
            let spread = get(&socket, "/v1/performance/spread?mode=SIM&period=30d");
            let figure = |name: &str| dollars(&spread[name]);
            vec![figure("median"), format!("{} … {}", figure("expectancy_low"), figure("expectancy_high"))]
        });
        terminal.type_keys("\u{1b}").unwrap();
        terminal.wait_until("no list of figures", |screen| !screen.contents().contains("Every figure")).unwrap();
        terminal.type_keys("q").unwrap();
        terminal.wait_exit().unwrap();
    }
    leave(&stage, first);
}

/// A target that is hit while somebody looks on is heard, and said.
#[track_caller]
fn hears_a_hit(terminal: &mut Terminal, socket: &Path) {
    let trade = bought(socket);
    let is_its = |row: &String| row.contains(&format!("┤ {}", trade.target));
    sees(terminal, "the position", |screen| row_of(screen, "AAPL").filter(is_its));
    let before = terminal.heard().bells;
    let beyond = trade.target.parse::<f64>().unwrap() * 1.1;
    pins(socket, &trade.symbol, (beyond, beyond + 0.1));
    let ended = until(socket, "a target that is hit", &trade.number, |trade| trade["status"] == "CLOSED");
    assert_eq!(ended["close"]["reason"], "TP_HIT", "{ended:#}");
    // The demo's own positions are of one contract, and reach a target as well.
    told(terminal, &["×2 target hit"]);
    wait_for("the sound of it", || (terminal.heard().bells > before).then_some(()));
}

/// What the daemon answers about a position, as screens write it.
struct Told {
    held: String,
    entry: String,
    stop: String,
    target: String,
    at_stop: String,
    at_target: String,
}

impl Told {
    fn of(trade: &Value) -> Self {
        let figure = |name: &str| trade[name].as_str().unwrap().parse::<f64>().unwrap();
        let price = |name: &str| format!("{:.2}", figure(name));
        let units = trade["held_qty"].as_f64().unwrap() * trade["multiplier"].as_f64().unwrap();
        let gain = |name: &str| dollars(&format!("{:.2}", (figure(name) - figure("entry_price")) * units).into());
        Self {
            held: trade["held_qty"].to_string(),
            entry: price("entry_price"),
            stop: price("sl_price"),
            target: price("tp_price"),
            at_stop: gain("sl_price"),
            at_target: gain("tp_price"),
        }
    }

    fn at_entry(&self) -> String {
        format!("Entry {}", self.entry)
    }
}

#[test]
fn every_dialog_opens_over_real_trades_at_every_width_and_lets_go() {
    let stage = Stage::new();
    let first = stage.screen();
    let socket = socket(&stage);
    quiet(&socket);
    let number = bought(&socket).number;
    let of_it = |title: &str| format!("{title} #{number}");
    for size in SIZES {
        let mut terminal = another(&socket, size);
        let told = Told::of(&says(&socket, &["show", &number]).unwrap());
        terminal.type_keys("G\r").unwrap();
        for words in [format!("Entry {}", told.entry), format!("Stop {}", told.stop), format!("Target {}", told.target)]
        {
            terminal.wait_for(&words).unwrap();
        }
        terminal.type_keys("\r").unwrap();
        terminal.wait_until("a closed row", |screen| !screen.contents().contains("Entry ")).unwrap();
        let (sell, bracket) =
            (format!("Sell {} AAPL", told.held), format!("stop {}, target {}", told.stop, told.target));
        visits(&mut terminal, "c", &of_it("Close"), &[&sell, "[ Keep position ]", &bracket, &told.at_entry()]);
        let lines = [format!("Stop        {}", told.stop), format!("Target      {}", told.target)];
        let (loses, pays) = (format!("Stop loses ▼ {}", told.at_stop), format!("Target pays ▲ {}", told.at_target));
        let [stop, target] = &lines;
        visits(&mut terminal, "s", "Replace bracket", &[stop, target, &told.at_entry(), &loses, &pays]);
        let (line, sale) = (format!("#{number} AAPL "), format!(": sell {}", told.held));
        visits(&mut terminal, "F", "Flatten everything", &[" sold in SIM:", &line, ": cancel bracket", &sale]);
        visits(&mut terminal, "K", "Stop every entry", &["[ Let them in ]"]);
        visits(&mut terminal, "w", &of_it("The story of"), &[&format!("{} bought at {}", told.held, told.entry)]);
        visits(&mut terminal, "x", "Export", &[]);
        visits(&mut terminal, ",", "Open positions, at most", &[]);
        visits(&mut terminal, "!", "Messages", &[]);
        visits(&mut terminal, "?", "Keys", &[]);
        visits(&mut terminal, ":", "Do", &["close"]);
        assert!(terminal.text().contains("1 Open"), "{}", terminal.text());
        terminal.type_keys("q").unwrap();
        terminal.wait_exit().unwrap();
    }
    leave(&stage, first);
}

#[test]
fn an_export_has_every_row_that_the_filter_finds() {
    let stage = Stage::new();
    let mut terminal = stage.screen();
    let socket = socket(&stage);
    terminal.wait_for("2 History 1").unwrap();
    terminal.type_keys("2").unwrap();
    terminal.wait_for("[All]").unwrap();
    terminal.type_keys("f").unwrap();
    terminal.wait_for("[Wins]").unwrap();
    terminal.wait_for("60 wins").unwrap();
    let deadline = Instant::now() + PATIENCE;
    let file = loop {
        assert!(Instant::now() < deadline, "nothing is exported:\n{}", terminal.text());
        opens(&mut terminal, "x", "closed trades: Wins");
        terminal.type_keys("\r").unwrap();
        terminal.wait_for("xported").unwrap();
        // Until a client is live it exports nothing, and says so.
        if let Some(file) = exports(&stage).pop() {
            break file;
        }
        std::thread::park_timeout(Duration::from_millis(500));
    };
    let text = std::fs::read_to_string(&file).unwrap();
    let rows: Vec<&str> = text.split_terminator("\r\n").skip(1).collect();
    let totals = get(&socket, "/v1/trades/totals?mode=SIM&outcome=win");
    assert_eq!(rows.len() as u64, totals["rows"].as_u64().unwrap());
    let column = text.lines().next().unwrap().split(',').position(|name| name == "pnl").unwrap();
    let sum: f64 = rows.iter().map(|row| row.split(',').nth(column).unwrap().parse::<f64>().unwrap()).sum();
    let net: f64 = totals["net"].as_str().unwrap().parse().unwrap();
    assert!((sum - net).abs() < 0.005, "{sum} is not {net}");
    terminal.type_keys("q").unwrap();
    terminal.wait_exit().unwrap();
    // One that was asked for before its predecessor was seen is a second file, and the same.
    for file in exports(&stage) {
        std::fs::remove_file(file).unwrap();
    }
    assert_eq!(stage.left(), [""; 0]);
}

/// What the client has written.
fn exports(stage: &Stage) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(stage.temp.path()).unwrap().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|ext| ext == "csv")).collect()
}
