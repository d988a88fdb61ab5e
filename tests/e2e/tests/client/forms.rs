//! What the settings and the chain of a new trade show, beside what the daemon answers: at three widths, on
//! a simulator whose time stands still, so that every figure can be compared.

use std::time::{Duration, Instant};

use blotter_testkit::terminal::{Size, Terminal};
use serde_json::Value;

use crate::accounts::{ORATS, Simulator, TOKEN, stage};
use crate::stage::{CONNECTING, Stage, wait_without};

const SIZES: [Size; 3] = [Size::WIDE, Size::STANDARD, Size::NARROW];
const ESC: &str = "\u{1b}";
const CTRL_U: &str = "\u{15}";
const RIGHT: &str = "\u{1b}[C";
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks at both until they agree; whatever is compared may be renewed meanwhile.
#[track_caller]
fn agrees(terminal: &mut Terminal, what: &str, differs: impl Fn(&str) -> Option<String>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = terminal.text();
        let Some(difference) = differs(&text) else { return };
        assert!(Instant::now() < deadline, "{what}: {difference}\n{text}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A client that may act: one that has just begun refuses what does. Asking whether anything was missed may be
/// repeated.
#[track_caller]
pub(crate) fn acting(stage: &Stage, size: Size) -> Terminal {
    let mut terminal = stage.screen(size);
    let deadline = Instant::now() + PATIENCE;
    while !terminal.text().contains("Synced: ") {
        assert!(Instant::now() < deadline, "it never syncs:\n{}", terminal.text());
        terminal.type_keys("r").unwrap();
        let look = Instant::now() + Duration::from_secs(1);
        while Instant::now() < look && !terminal.text().contains("Synced: ") {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
    terminal
}

/// Presses keys until they show what they are for: a client that has just begun refuses what acts, and a question takes
/// none before it could be read. Pressed again without a reason, a key would close what it is about to open.
#[track_caller]
pub(crate) fn until_it_opens(terminal: &mut Terminal, keys: &str, sign: &str) {
    const AGAIN: Duration = Duration::from_secs(5);
    let deadline = Instant::now() + PATIENCE;
    while !terminal.text().contains(sign) {
        assert!(Instant::now() < deadline, "{keys:?} shows no {sign}:\n{}", terminal.text());
        wait_without(terminal, CONNECTING);
        terminal.type_keys(keys).unwrap();
        let look = Instant::now() + AGAIN;
        let is_told = |text: &str| [sign, CONNECTING].iter().any(|words| text.contains(words));
        while Instant::now() < look && !is_told(&terminal.text()) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// A form takes no Enter before a person could have read it.
pub(crate) fn read(terminal: &mut Terminal, sign: &str) {
    const READING: Duration = Duration::from_millis(500);
    terminal.wait_for(sign).unwrap();
    let seen = Instant::now();
    while let Some(left) = READING.checked_sub(seen.elapsed()) {
        std::thread::park_timeout(left);
    }
}

/// The inside of the window in front, line by line.
fn window(text: &str) -> Vec<Vec<&str>> {
    let inside = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once('│')?;
        Some(rest.rsplit_once('│')?.0)
    });
    inside.map(|line| line.split_whitespace().filter(|word| *word != "▸").collect()).collect()
}

fn figure(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

/// As a person writes it: no more digits than it has.
fn short(value: &Value) -> String {
    format!("{}", figure(value))
}

fn dollars(value: &Value) -> String {
    let cents = format!("{:.2}", figure(value));
    let (whole, part) = cents.split_once('.').unwrap();
    let thousands = whole.len().saturating_sub(3);
    let (thousands, rest) = whole.split_at(thousands);
    if thousands.is_empty() { cents.clone() } else { format!("{thousands},{rest}.{part}") }
}

/// The lines of the settings as the answer has them.
fn settings_lines(settings: &Value) -> Vec<String> {
    let token = |name: &str| if settings["tokens"][name] == true { "token stored" } else { "no token" };
    let account = |name: &str| settings[name].as_str().unwrap_or("no account").to_owned();
    vec![
        format!("New entries go to {}", settings["broker_mode"].as_str().unwrap()),
        format!("Account balance {}", dollars(&settings["account_balance"])),
        format!("Open positions, at most {}", settings["max_positions"]),
        format!("Daily loss limit {}", dollars(&settings["daily_loss_limit"])),
        format!("Heat limit {} %", short(&settings["heat_limit_pct"])),
        format!("Risk of one trade {} %", short(&settings["trade_risk_pct"])),
        format!("Losses before a pause {}", settings["cooldown_losses"]),
        format!("Pause, in minutes {}", settings["cooldown_min"]),
        format!("Refresh by itself {}", if settings["auto_refresh"] == true { "on" } else { "off" }),
        format!("Sim {}, {}", token("sim"), account("sim_account_id")),
        format!("Sandbox {}, {}", token("sandbox"), account("sandbox_account_id")),
        format!("Live {}, {}", token("live"), account("live_account_id")),
        format!("ORATS {}", token("orats")),
    ]
}

#[track_caller]
fn settings_agree(terminal: &mut Terminal, stage: &Stage) {
    agrees(terminal, "the settings", |text| {
        let settings = stage.get("/v1/settings").json().unwrap();
        let shown: Vec<String> = window(text).iter().map(|words| words.join(" ")).collect();
        let version = format!("Version {}, changed ", settings["version"]);
        let missing = settings_lines(&settings).into_iter().find(|line| !shown.contains(line));
        missing.or_else(|| (!shown.iter().any(|line| line.starts_with(&version))).then_some(version))
    });
}

#[test]
fn the_settings_say_what_the_daemon_answers_and_a_change_is_what_it_then_says() {
    let sim = Simulator::start();
    let stage = stage(&sim, "");
    assert_eq!(stage.desk.run_with(&["tokens", "set", "sim"], TOKEN).code, Some(0));
    assert_eq!(stage.desk.run_with(&["tokens", "set", "orats"], ORATS).code, Some(0));
    for change in ["account_balance=12345.67", "max_positions=7", "daily_loss_limit=333.5", "heat_limit_pct=4.75"] {
        stage.set(change);
    }
    for change in ["trade_risk_pct=1.25", "cooldown_losses=2", "cooldown_min=45", "broker_mode=SIM"] {
        stage.set(change);
    }
    for (size, positions) in SIZES.into_iter().zip(["6", "5", "4"]) {
        let mut terminal = acting(&stage, size);
        terminal.type_keys(",").unwrap();
        settings_agree(&mut terminal, &stage);
        let before = stage.get("/v1/settings").json().unwrap();

        terminal.type_keys(&format!("jj\r{CTRL_U}{positions}\r")).unwrap();
        terminal.wait_for(&format!("→ {positions}")).unwrap();
        assert_eq!(stage.get("/v1/settings").json().unwrap(), before, "a draft changes nothing");
        terminal.type_keys("s").unwrap();
        terminal.wait_for("Settings saved").unwrap();
        let after = stage.get("/v1/settings").json().unwrap();
        assert_eq!(after["max_positions"].to_string(), positions);
        assert_eq!(after["version"].as_i64(), before["version"].as_i64().map(|version| version + 1));
        for (name, value) in before.as_object().unwrap() {
            let may_change = ["max_positions", "version", "updated_at"].contains(&name.as_str());
            assert!(may_change || after[name] == *value, "{name} changed with it: {after:#}");
        }
        settings_agree(&mut terminal, &stage);

        // Somebody else's change comes into the window that is open.
        stage.set(&format!("cooldown_min={}", 50 + size.columns));
        settings_agree(&mut terminal, &stage);
        let written = String::from_utf8_lossy(&terminal.output()).into_owned();
        assert!(!written.contains(TOKEN) && !written.contains(ORATS), "a token was shown");
    }
}

/// A stage that buys in a world whose time stands still.
fn still_world(sim: &Simulator) -> Stage {
    let stage = stage(sim, "");
    assert_eq!(stage.desk.run_with(&["tokens", "set", "sim"], TOKEN).code, Some(0));
    stage.set("broker_mode=SIM");
    stage
}

fn expirations(stage: &Stage) -> Vec<String> {
    let answer = stage.get("/v1/chain/expirations?symbol=AAPL").json().unwrap();
    answer["expirations"].as_array().unwrap().iter().map(|day| day.as_str().unwrap().to_owned()).collect()
}

/// A day as the list has it: `Sep 18 '26`, and back.
pub(crate) fn in_list(day: &str) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let parts: Vec<&str> = day.split('-').collect();
    let month = MONTHS[parts[1].parse::<usize>().unwrap() - 1];
    format!("{month} {} '{}", parts[2], &parts[0][2..])
}

/// One side of a strike as its line has it: bid, ask, delta, implied volatility, and the open interest where
/// there is room.
fn side(contract: &Value, has_interest: bool) -> Vec<String> {
    let or_dash = |value: &Value, write: &dyn Fn(f64) -> String| {
        value.as_str().map_or_else(|| "–".to_owned(), |text| write(text.parse().unwrap()))
    };
    let cents = |price: f64| format!("{price:.2}");
    let mut cells = vec![
        or_dash(&contract["bid"], &cents),
        or_dash(&contract["ask"], &cents),
        // A half is rounded in more ways than one: compared apart.
        or_dash(&contract["delta"], &|delta| format!("{delta:.2}")),
        or_dash(&contract["iv"], &|iv| format!("{:.0}", iv * 100.0)),
    ];
    if has_interest {
        cells.push(contract["open_interest"].as_u64().map_or_else(|| "–".to_owned(), |count| count.to_string()));
    }
    cells
}

/// Whether two cells say the same; the last digit of a rounded one may differ by one.
fn is_same(shown: &str, expected: &str, column: usize) -> bool {
    let is_rounded = column == 2 || column == 3;
    let apart = shown.parse::<f64>().ok().zip(expected.parse::<f64>().ok()).map(|(a, b)| (a - b).abs());
    shown == expected || (is_rounded && apart.is_some_and(|apart| apart <= if column == 2 { 0.0101 } else { 1.01 }))
}

/// The cells of a strike's line, and where the strike is among them.
fn expected_row(row: &Value, sides: &[&str]) -> (Vec<String>, String) {
    let strike = short(&row["strike"]);
    let both = sides.len() == 2;
    let cells: Vec<Vec<String>> = sides.iter().map(|name| side(&row[*name], both)).collect();
    (cells.concat(), strike)
}

/// What is wrong with the strikes on the screen, beside the answer.
fn chain_differs(text: &str, chain: &Value, sides: &[&str]) -> Option<String> {
    let rows = chain["rows"].as_array().unwrap();
    let width = if sides.len() == 2 { 5 } else { 4 };
    let mut shown = Vec::new();
    for words in window(text) {
        if words.len() != sides.len() * width + 1 || words.contains(&"BID") {
            continue;
        }
        let strike = words[width].trim_matches(['›', '‹']);
        let index = rows.iter().position(|row| short(&row["strike"]) == strike);
        let Some(index) = index else { return Some(format!("there is no strike {strike}")) };
        let is_money = words[width].starts_with('›');
        let money = chain["at_the_money"] == rows[index]["strike"];
        let (expected, _) = expected_row(&rows[index], sides);
        let found = words.iter().enumerate().filter(|(place, _)| *place != width).map(|(_, word)| *word);
        let is_right = found.zip(&expected).enumerate().all(|(place, (a, b))| is_same(a, b, place % width));
        if !is_right || is_money != money {
            return Some(format!("strike {strike} is {words:?} and should be {expected:?}"));
        }
        shown.push(index);
    }
    let in_turn = shown.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    (shown.len() < rows.len().min(5) || !in_turn).then(|| format!("the rows {shown:?} are shown"))
}

#[test]
fn the_chain_of_a_new_trade_says_what_the_daemon_answers() {
    let sim = Simulator::start();
    let stage = still_world(&sim);
    let listed = expirations(&stage);
    for size in SIZES {
        let mut terminal = acting(&stage, size);
        terminal.type_keys("n").unwrap();
        read(&mut terminal, "Buy to open");
        terminal.type_keys("aapl\r").unwrap();
        terminal.wait_for("AAPL: expiry").unwrap();
        // Every expiry, in the order of the answer: the first of the list, and the rest behind it.
        let days: Vec<String> = listed.iter().map(|day| in_list(day)).collect();
        for (key, is_end) in [("g", false), ("G", true)] {
            terminal.type_keys(key).unwrap();
            agrees(&mut terminal, "the expiries", |text| {
                let shown: Vec<String> =
                    window(text).iter().filter(|words| words.len() == 6).map(|words| words[..3].join(" ")).collect();
                let part = if is_end {
                    &days[days.len().saturating_sub(shown.len())..]
                } else {
                    &days[..shown.len().min(days.len())]
                };
                (shown.is_empty() || shown != part).then(|| format!("{shown:?} of {days:?}"))
            });
        }
        terminal.type_keys("g\r").unwrap();
        terminal.wait_for(&format!("AAPL {}", days[0])).unwrap();
        let path = format!("/v1/chain?symbol=AAPL&expiry={}&strikes=20", listed[0]);
        let answer = || stage.get(&path).json().unwrap();
        let sides: &[&[&str]] = if size.columns >= 80 { &[&["call", "put"]] } else { &[&["call"], &["put"]] };
        for sides in sides {
            agrees(&mut terminal, "the strikes", |text| chain_differs(text, &answer(), sides));
            terminal.type_keys(RIGHT).unwrap();
        }
        let worth = format!("AAPL at {:.2}", figure(&answer()["underlying"]));
        terminal.wait_for(&worth).unwrap();

        // What is taken stands in the form with the prices of its line.
        terminal.type_keys("\r").unwrap();
        wait_without(&mut terminal, &worth);
        let chain = answer();
        let rows = chain["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["strike"] == chain["at_the_money"]).unwrap();
        let (side, letter) = if size.columns >= 80 { ("put", "P") } else { ("call", "C") };
        let (bid, ask) = (figure(&row[side]["bid"]), figure(&row[side]["ask"]));
        terminal.wait_for(&format!("AAPL {} {} {letter}", listed[0], short(&row["strike"]))).unwrap();
        terminal.wait_for(&format!("{bid:.2} / {ask:.2}")).unwrap();
        terminal.type_keys(ESC).unwrap();
    }
}
