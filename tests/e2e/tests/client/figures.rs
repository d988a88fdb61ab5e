//! Every figure of the three panes beside the daemon's answer, at three widths: prices stand still, so that both can be
//! compared to the last digit.

use std::time::{Duration, Instant};

use blotter_testkit::terminal::{Size, Terminal};
use serde_json::Value;

use crate::market::{Market, is_closed};

pub(crate) const SIZES: [Size; 3] = [Size::WIDE, Size::STANDARD, Size::NARROW];
const PATIENCE: Duration = Duration::from_secs(60);

/// Where to look, and what must be there.
pub(crate) type Pairs = Vec<(String, String)>;
/// The cells of a trade by their headings.
type Cells = fn(&Value) -> Vec<(&'static str, String)>;

pub(crate) fn figure(value: &Value) -> Option<f64> {
    value.as_str().and_then(|text| text.parse().ok()).or_else(|| value.as_f64())
}

/// With so many decimals, halves away from zero; a sign in front of what is above zero where signs are shown.
pub(crate) fn rounded(value: f64, decimals: u32, sign: &str) -> String {
    let scale = 10_f64.powi(decimals.cast_signed());
    let units = ((value.abs() * scale) + 0.5 + 1e-7).floor();
    let digits = format!("{:.*}", decimals as usize, units / scale);
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if units == 0.0 {
        ""
    } else if value < 0.0 {
        "-"
    } else {
        sign
    };
    format!("{sign}{grouped}{rest}")
}

pub(crate) fn cents(value: f64) -> String {
    rounded(value, 2, "")
}

/// With the arrow that says the direction without colour.
pub(crate) fn trend(value: f64) -> String {
    let arrow = if rounded(value, 2, "").starts_with('-') {
        "▼ "
    } else if value > 0.0 {
        "▲ "
    } else {
        ""
    };
    format!("{arrow}{}", rounded(value, 2, "+"))
}

pub(crate) fn percent(value: f64) -> String {
    format!("{} %", rounded(value, if value.abs() >= 100.0 { 0 } else { 1 }, "+"))
}

/// Looks at both until they agree; `expected` gives where to look and what must be there.
#[track_caller]
pub(crate) fn agrees(terminal: &mut Terminal, what: &str, expected: impl Fn(&str) -> Result<Pairs, String>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = terminal.text();
        let difference = match expected(&text) {
            Ok(pairs) => pairs.into_iter().find(|(place, words)| !place.contains(words.as_str())),
            Err(missing) => Some((missing, String::new())),
        };
        let Some((place, words)) = difference else { return };
        assert!(Instant::now() < deadline, "{what}: no `{words}` in `{place}`\n{text}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

fn is_rule(line: &str) -> bool {
    line.trim_start().starts_with("───")
}

/// The line of headings, and the rows below it up to a rule or a blank line.
fn table(text: &str, sign: &str) -> Option<(String, Vec<String>)> {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.contains(sign))?;
    let rows = lines.iter().skip(at + 1).take_while(|line| !line.trim().is_empty() && !is_rule(line));
    Some(((*lines.get(at)?).to_owned(), rows.map(|line| (*line).to_owned()).collect()))
}

/// A position's cells by their headings.
fn open_cells(trade: &Value) -> Vec<(&'static str, String)> {
    let (entry, mark) = (figure(&trade["entry_price"]).unwrap(), figure(&trade["current_price"]).unwrap());
    let (units, pnl) = (figure(&trade["held_qty"]).unwrap() * 100.0, figure(&trade["unrealized_pnl"]).unwrap());
    vec![
        ("SYMBOL", trade["ticker"].as_str().unwrap().to_owned()),
        ("QTY", format!(" {} ", trade["held_qty"])),
        ("ENTRY", cents(entry)),
        ("MARK", cents(mark)),
        ("P&L $", trend(pnl)),
        ("P&L %", percent(pnl / (entry * units) * 100.0)),
        ("STOP", format!("{} ├", cents(figure(&trade["sl_price"]).unwrap()))),
        ("TARGET", format!("┤ {}", cents(figure(&trade["tp_price"]).unwrap()))),
        ("STATE", trade["status"].as_str().unwrap().to_owned()),
    ]
}

fn closed_cells(trade: &Value) -> Vec<(&'static str, String)> {
    let close = &trade["close"];
    vec![
        ("SYMBOL", trade["ticker"].as_str().unwrap().to_owned()),
        ("QTY", format!(" {} ", trade["qty"])),
        ("ENTRY", cents(figure(&trade["entry_price"]).unwrap())),
        ("EXIT", cents(figure(&close["price"]).unwrap())),
        ("P&L $", trend(figure(&close["realized_pnl"]).unwrap())),
        ("P&L %", percent(figure(&close["realized_pnl_pct"]).unwrap())),
        (" R ", rounded(figure(&close["r_multiple"]).unwrap(), 1, "+")),
        ("REASON", close["reason"].as_str().unwrap().to_owned()),
        ("STRATEGY", trade["strategy"].as_str().unwrap_or_default().to_owned()),
    ]
}

/// What each of the first trades must show in its row under the headings that are there, at least so many.
fn in_rows(text: &str, (trades, cells, least): (&[Value], Cells, usize)) -> Result<Pairs, String> {
    let (heading, rows) = table(text, "SYMBOL").ok_or("no headings")?;
    let mut pairs = Vec::new();
    for (index, trade) in trades.iter().enumerate() {
        let row = rows.get(index).ok_or_else(|| format!("no row {index}"))?;
        let shown: Vec<_> = cells(trade).into_iter().filter(|(name, _)| format!("{heading} ").contains(name)).collect();
        if shown.len() < least {
            return Err(format!("only {} columns: {heading}", shown.len()));
        }
        pairs.extend(shown.into_iter().map(|(_, words)| (format!("{row} "), words)));
    }
    Ok(pairs)
}

/// The same on cards, which are lines between rules.
fn on_cards(text: &str, trades: &[Value], names: &[&str], cells: Cells) -> Pairs {
    let lines: Vec<&str> = text.lines().collect();
    let cards: Vec<String> = lines.split(|line| is_rule(line)).map(|card| card.join(" ")).collect();
    let all = cards.join(" ");
    let shown = trades.iter().flat_map(cells).filter(|(name, _)| names.contains(name));
    shown.map(|(_, words)| (all.clone(), words.trim().to_owned())).collect()
}

pub(crate) fn items(market: &Market, path: &str) -> Vec<Value> {
    market.stage.get(path).json().unwrap()["items"].as_array().unwrap().clone()
}

/// What risk is told in percent of.
pub(crate) fn equity(market: &Market) -> f64 {
    let accounts = market.stage.get("/v1/accounts").json().unwrap();
    let account = accounts["accounts"].as_array().unwrap().iter().find(|account| account["mode"] == "SIM").unwrap();
    figure(&account["equity"]).unwrap_or_else(|| panic!("the account's worth is not told: {accounts:#}"))
}

/// Day, heat and positions of the first line, from the answers.
fn header(market: &Market) -> [String; 3] {
    let open = items(market, "/v1/trades?status=open");
    let settings = market.stage.get("/v1/settings").json().unwrap();
    let today = market.stage.get("/v1/market").json().unwrap()["session_date"].as_str().unwrap().to_owned();
    let closed = items(market, "/v1/trades?status=closed&mode=SIM&limit=500");
    let of_today = closed.iter().filter(|trade| trade["close"]["at"].as_str().is_some_and(|at| at.starts_with(&today)));
    let realized: f64 = of_today.filter_map(|trade| figure(&trade["close"]["realized_pnl"])).sum();
    let unrealized: f64 = open.iter().filter_map(|trade| figure(&trade["unrealized_pnl"])).sum();
    let risk = |trade: &Value| {
        let per_unit = figure(&trade["current_price"])? - figure(&trade["sl_price"])?;
        Some(per_unit * figure(&trade["held_qty"])? * figure(&trade["multiplier"])?)
    };
    let heat = open.iter().filter_map(risk).sum::<f64>() / equity(market) * 100.0;
    let limit = figure(&settings["heat_limit_pct"]).unwrap();
    let heat = format!("Heat {}/{limit}%", rounded(heat, 1, "").trim_end_matches(".0"));
    [format!("Day {}", trend(realized + unrealized)), heat, format!("{}/{}", open.len(), settings["max_positions"])]
}

#[test]
fn every_column_of_open_and_history_and_the_first_line_are_what_the_daemon_answers() {
    let mut market = Market::open();
    let (first, _) = market.hold();
    market.stage.write_closed_trades(&[("SIM", 1_000, 60)]);
    // Of the simulator's own day there is just what is closed here.
    for (table, at) in [("closed_trades", "closed_at"), ("paper_trades", "close_date")] {
        let near = format!("{at} BETWEEN '2026-09-08' AND '2026-09-13'");
        market.stage.as_administrator(&format!("DELETE FROM {table} WHERE number > 1000 AND {near}"));
    }
    assert_eq!(market.run(&["close", &first]).code, Some(0));
    market.until("its end", &first, is_closed);
    let held = [(); 2].map(|()| {
        market.begins_anew();
        market.hold().0
    });
    market.begins_anew();
    for number in held {
        market.until("a price", &number, |trade| !trade["unrealized_pnl"].is_null());
    }
    for size in SIZES {
        let mut terminal = market.stage.screen(size);
        let is_narrow = size == Size::NARROW;
        agrees(&mut terminal, "open trades", |text| {
            let mut open = items(&market, "/v1/trades?status=open");
            open.reverse();
            if is_narrow {
                let names = ["SYMBOL", "ENTRY", "MARK", "P&L $", "P&L %", "STOP", "TARGET", "STATE"];
                return Ok(on_cards(text, &open, &names, open_cells));
            }
            let rows = table(text, "SYMBOL").ok_or("no headings")?.1;
            // The newest first or last: by what is sorted.
            let told = in_rows(text, (&open, open_cells, if size == Size::WIDE { 9 } else { 6 }))?;
            if rows.len() < open.len() { Err("too few rows".to_owned()) } else { Ok(told) }
        });
        if !is_narrow {
            agrees(&mut terminal, "the first line", |text| {
                let line = text.lines().next().unwrap_or_default().to_owned();
                Ok(header(&market).into_iter().map(|words| (line.clone(), words)).collect())
            });
        }
        terminal.type_keys("2").unwrap();
        agrees(&mut terminal, "history", |text| {
            let closed = items(&market, "/v1/trades?status=closed&mode=SIM&limit=6");
            if is_narrow {
                return Ok(on_cards(text, &closed, &["SYMBOL", "P&L $", " R ", "REASON"], closed_cells));
            }
            in_rows(text, (&closed, closed_cells, if size == Size::WIDE { 9 } else { 4 }))
        });
        terminal.type_keys("q").unwrap();
        assert!(terminal.wait_exit().unwrap().success());
    }
}

/// What must be read of the figures, whatever their place.
fn headline(told: &Value) -> Vec<String> {
    let figures = &told["figures"];
    let money = |name: &str| rounded(figure(&figures[name]).unwrap(), 2, "+");
    let expectancy_r = rounded(figure(&figures["expectancy_r"]).unwrap(), 2, "+");
    let drawdown = &told["drawdown"];
    let fall = rounded(-figure(&drawdown["deepest"]).unwrap(), 2, "+");
    let fall = figure(&drawdown["deepest_pct"]).map_or(fall.clone(), |part| format!("{fall} ({})", percent(-part)));
    vec![
        format!("Net P&L {}", trend(figure(&figures["net"]).unwrap())),
        format!("Win rate {} %", rounded(figure(&figures["win_rate"]).unwrap(), 1, "")),
        format!("Profit factor {}", rounded(figure(&figures["profit_factor"]).unwrap(), 2, "")),
        format!("Expectancy {} / trade ({expectancy_r} R)", money("expectancy")),
        format!("Avg win {}", money("average_win")),
        format!("Avg loss {}", money("average_loss")),
        format!("Best {}", money("best")),
        format!("Worst {}", money("worst")),
        format!("Max drawdown {fall}"),
    ]
}

fn group_cells(row: &Value) -> Vec<(&'static str, String)> {
    let figures = &row["figures"];
    let may = |name: &str, decimals, sign| {
        figure(&figures[name]).map_or_else(|| "–".to_owned(), |value| rounded(value, decimals, sign))
    };
    vec![
        ("GROUP", row["bucket"].as_str().unwrap().to_owned()),
        ("TRADES", format!(" {} ", figures["trades"])),
        ("WIN %", may("win_rate", 1, "")),
        ("PF", may("profit_factor", 2, "")),
        ("AVG R", may("expectancy_r", 2, "+")),
        ("AVG $", may("expectancy", 2, "+")),
        ("NET $", trend(figure(&figures["net"]).unwrap())),
    ]
}

#[test]
fn performance_and_its_breakdown_are_what_the_daemon_answers() {
    let mut stage = crate::stage::Stage::live();
    stage.write_closed_trades(&[("SANDBOX", 1_000, 300)]);
    for size in SIZES {
        let mut terminal = stage.screen(size);
        terminal.type_keys("3").unwrap();
        for pill in ["[90d]", "[YTD]", "[All]"] {
            terminal.wait_for("By strategy").unwrap();
            terminal.type_keys("p").unwrap();
            terminal.wait_for(pill).unwrap();
        }
        for by in ["strategy", "ticker", "side"] {
            let path = format!("/v1/performance?mode=SANDBOX&period=all&by={by}");
            agrees(&mut terminal, by, |text| {
                let told = stage.get(&path).json().unwrap();
                let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
                let figures = headline(&told).into_iter().map(|figure| (words.clone(), figure));
                let (heading, rows) = table(text, "GROUP").ok_or("no breakdown")?;
                let mut pairs: Vec<_> = figures.collect();
                for (row, group) in rows.iter().zip(told["rows"].as_array().unwrap()) {
                    let shown = group_cells(group).into_iter().filter(|(name, _)| heading.contains(name));
                    pairs.extend(shown.map(|(_, words)| (format!("{row} "), words)));
                }
                if rows.len() < 2 { Err(format!("{} groups", rows.len())) } else { Ok(pairs) }
            });
            terminal.type_keys("b").unwrap();
        }
    }
}
