//! Section 6: time and sales, and history.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};
use rust_decimal::Decimal;

use super::Who;
use crate::app::Sim;
use crate::calendar;
use crate::core::{Symbol, World};
use crate::market::{Bar, Interval};
use crate::pipeline::Call;
use crate::time::Ms;
use crate::wire::{Answer, Node, one_or_many};

/// A moment of New York as clients write it: `2026-09-10 09:30`, with seconds, with a T, or a date alone.
fn read_time(text: &str, alone: NaiveTime) -> Option<Ms> {
    let normal = text.trim().replace('T', " ");
    for format in ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"] {
        if let Ok(local) = NaiveDateTime::parse_from_str(&normal, format) {
            return Some(Ms::from_et(local));
        }
    }
    normal.parse::<NaiveDate>().ok().map(|d| Ms::from_et(d.and_time(alone)))
}

/// How many days back a series reaches, by interval and session filter.
fn reach(interval: &str, open_only: bool) -> u64 {
    match (interval, open_only) {
        ("tick", _) => 5,
        ("1min", false) => 20,
        ("1min", true) => 10,
        (_, false) => 40,
        (_, true) => 18,
    }
}

pub(crate) fn time_sales(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let Some(symbol) = call.params.get("symbol").map(Symbol::new) else {
        return Err(Answer::bad("Invalid parameter, symbol: is required."));
    };
    let interval = call.params.get("interval").unwrap_or("tick");
    let minutes = match interval {
        "1min" => 1,
        "5min" => 5,
        "15min" => 15,
        "tick" if who.world == World::Live => 0,
        _ => return Err(Answer::bad("Invalid parameter, interval: is not valid.")),
    };
    let now = who.world.view(sim.now());
    let (from, to) = span(call, now, reach(interval, call.params.get("session_filter") == Some("open")))?;
    let mut market = sim.market.lock();
    let bars = if minutes == 0 {
        ticks(&mut market, &symbol, (from, to), now)
    } else {
        market.intraday(&symbol, minutes, (from, to), now)
    };
    drop(market);
    let nodes: Vec<Node> = bars.iter().map(sale_node).collect();
    let series = if nodes.is_empty() { Node::Null } else { Node::wrap("data", one_or_many(nodes)) };
    Ok(Answer::tree(Node::wrap("series", series)))
}

fn span(call: &Call, now: Ms, reach: u64) -> Result<(Ms, Ms), Answer> {
    let today = calendar::session(now.date()).map_or(now, |s| s.open);
    let bad = |name: &str| Answer::bad(&format!("Invalid parameter, {name}: is not valid."));
    let late = NaiveTime::from_hms_opt(23, 59, 59).unwrap_or_default();
    let from =
        call.params.get("start").map_or(Some(today), |t| read_time(t, NaiveTime::MIN)).ok_or_else(|| bad("start"))?;
    let to = call.params.get("end").map_or(Some(now), |t| read_time(t, late)).ok_or_else(|| bad("end"))?;
    let first = now.date().checked_sub_days(Days::new(reach)).unwrap_or(now.date());
    if from.date() < first {
        return Err(Answer::bad(&format!("Invalid parameter, start: must be on or after {first} 00:00:00.")));
    }
    Ok((from, to))
}

/// Ticks are the path's own points: one each fifteen seconds, at most a day's worth.
fn ticks(market: &mut crate::market::Market, symbol: &Symbol, (from, to): (Ms, Ms), now: Ms) -> Vec<Bar> {
    let mut bars = Vec::new();
    let mut at = from.max(Ms(to.min(now).0 - 24 * crate::time::HOUR));
    while at <= to.min(now) && bars.len() < 2_000 {
        if calendar::phase(at) == calendar::Phase::Open
            && let Some(touch) = market.touch(symbol, at)
        {
            bars.push(Bar { at, open: touch.last, high: touch.last, low: touch.last, close: touch.last, volume: 100 });
        }
        at = at.plus(15 * crate::time::SECOND);
    }
    bars
}

fn sale_node(bar: &Bar) -> Node {
    let typical = ((bar.high + bar.low + bar.close) / Decimal::from(3)).round_dp(4);
    let middle = ((bar.high + bar.low) / Decimal::TWO).round_dp(4);
    Node::Map(vec![
        ("time", Node::Text(bar.at.et().format("%Y-%m-%dT%H:%M:%S").to_string())),
        ("timestamp", Node::Int(bar.at.0 / 1_000)),
        ("price", Node::Number(middle)),
        ("open", Node::Number(bar.open)),
        ("high", Node::Number(bar.high)),
        ("low", Node::Number(bar.low)),
        ("close", Node::Number(bar.close)),
        ("volume", Node::Int(bar.volume)),
        ("vwap", Node::Number(typical)),
    ])
}

pub(crate) fn history(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let Some(symbol) = call.params.get("symbol").map(Symbol::new) else {
        return Err(Answer::bad("Invalid parameter, symbol: is required."));
    };
    let interval = match call.params.get("interval").unwrap_or("daily") {
        "daily" => Interval::Daily,
        "weekly" => Interval::Weekly,
        "monthly" => Interval::Monthly,
        _ => return Err(Answer::bad("Invalid parameter, interval: is not valid.")),
    };
    let now = who.world.view(sim.now());
    let date = |name: &str, usual: NaiveDate| match call.params.get(name) {
        Some(text) => text
            .get(..10)
            .unwrap_or(text)
            .parse()
            .map_err(|_| Answer::bad(&format!("Invalid parameter, {name}: is not valid."))),
        None => Ok(usual),
    };
    let today = now.date();
    let from = date("start", today.checked_sub_days(Days::new(365)).unwrap_or(today))?;
    let to = date("end", today)?;
    let earliest = NaiveDate::from_ymd_opt(2015, 1, 2).unwrap_or(today);
    let bars = sim.market.lock().history(&symbol, interval, (from.max(earliest), to), now);
    let nodes: Vec<Node> = bars
        .iter()
        .map(|b| {
            Node::Map(vec![
                ("date", Node::Text(b.at.date().to_string())),
                ("open", Node::Number(b.open)),
                ("high", Node::Number(b.high)),
                ("low", Node::Number(b.low)),
                ("close", Node::Number(b.close)),
                ("volume", Node::Int(b.volume)),
            ])
        })
        .collect();
    let inner = if nodes.is_empty() { Node::Null } else { Node::wrap("day", one_or_many(nodes)) };
    Ok(Answer::tree(Node::wrap("history", inner)))
}
