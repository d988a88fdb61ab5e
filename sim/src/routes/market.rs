//! Section 6: clock, calendar, search, the easy-to-borrow list.

use chrono::{Datelike, NaiveDate};

use super::Who;
use crate::app::Sim;
use crate::calendar::{self, Phase, Session};
use crate::core::World;
use crate::market::{AssetKind, Underlying};
use crate::pipeline::Call;
use crate::time::Ms;
use crate::wire::{Answer, Node};

pub(crate) fn clock(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let delayed = call.params.is_true("delayed");
    let now = if delayed { World::Sandbox.view(sim.now()) } else { sim.now() };
    let _ = who;
    let session = calendar::session(now.date());
    let phase = session.map_or(Phase::Closed, |s| s.phase(now));
    let (change, next) = next_change(session, phase, now);
    let time = |at: Ms| at.et().format("%H:%M").to_string();
    let description = match (phase, session) {
        (Phase::Open, Some(s)) => format!("Market is open from {} to {}", time(s.open), time(s.close)),
        (Phase::Premarket, Some(s)) => {
            format!("Market is in pre-market from {} to {}", time(s.premarket), time(s.open))
        }
        (Phase::Postmarket, Some(s)) => format!("Market is in post-market from {} to {}", time(s.close), time(s.end)),
        _ => "Market is closed".to_owned(),
    };
    let fields = vec![
        ("date", Node::Text(now.date().to_string())),
        ("description", Node::Text(description)),
        ("state", Node::text(phase.word())),
        ("timestamp", Node::Int(now.0 / 1_000)),
        ("next_change", Node::Text(time(change))),
        ("next_state", Node::text(next.word())),
    ];
    Ok(Answer::tree(Node::wrap("clock", Node::Map(fields))))
}

fn next_change(session: Option<Session>, phase: Phase, now: Ms) -> (Ms, Phase) {
    match (phase, session) {
        (Phase::Premarket, Some(s)) => (s.open, Phase::Open),
        (Phase::Open, Some(s)) => (s.close, Phase::Postmarket),
        (Phase::Postmarket, Some(s)) => (s.end, Phase::Closed),
        (Phase::Closed, Some(s)) if now < s.premarket => (s.premarket, Phase::Premarket),
        _ => (calendar::next_session(now.date()).premarket, Phase::Premarket),
    }
}

pub(crate) fn calendar(sim: &mut Sim, call: &Call, _who: Who) -> Result<Answer, Answer> {
    let today = sim.now().date();
    let number = |name: &str, usual: i64| match call.params.get(name) {
        Some(text) => text
            .trim_start_matches('0')
            .parse()
            .map_err(|_| Answer::bad(&format!("Invalid parameter, {name}: is not valid."))),
        None => Ok(usual),
    };
    let (month, year) = (number("month", i64::from(today.month()))?, number("year", i64::from(today.year()))?);
    let first =
        i32::try_from(year).ok().zip(u32::try_from(month).ok()).and_then(|(y, m)| NaiveDate::from_ymd_opt(y, m, 1));
    let Some(first) = first.filter(|d| (2000..=2100).contains(&d.year())) else {
        return Err(Answer::bad("Invalid parameter, month: is not valid."));
    };
    let days = first.iter_days().take_while(|d| d.month() == first.month()).map(day_node).collect();
    let fields =
        vec![("month", Node::Int(month)), ("year", Node::Int(year)), ("days", Node::wrap("day", Node::List(days)))];
    Ok(Answer::tree(Node::wrap("calendar", Node::Map(fields))))
}

fn day_node(date: NaiveDate) -> Node {
    let mut fields = vec![("date", Node::Text(date.to_string()))];
    let Some(s) = calendar::session(date) else {
        let why = calendar::holiday(date)
            .map_or_else(|| "Market is closed".to_owned(), |name| format!("Market is closed for {name}"));
        fields.extend([("status", Node::text("closed")), ("description", Node::Text(why))]);
        return Node::Map(fields);
    };
    let time = |at: Ms| Node::Text(at.et().format("%H:%M").to_string());
    let span = |from: Node, to: Node| Node::Map(vec![("start", from), ("end", to)]);
    fields.extend([
        ("status", Node::text("open")),
        ("description", Node::text("Market is open")),
        ("premarket", span(time(s.premarket), Node::text("09:24"))),
        ("open", span(time(s.open), time(s.close))),
        ("postmarket", span(time(s.close), time(s.end))),
    ]);
    Node::Map(fields)
}

fn security(u: &Underlying) -> Node {
    let exchange = if u.kind == AssetKind::Stock { "Q" } else { "P" };
    Node::Map(vec![
        ("symbol", Node::text(u.symbol.as_str())),
        ("exchange", Node::text(exchange)),
        ("type", Node::text(u.kind.word())),
        ("description", Node::text(&u.name)),
    ])
}

/// An array also for one: clients that were written against the broker read it so.
fn securities(found: Vec<Node>) -> Answer {
    let inner = if found.is_empty() { Node::Null } else { Node::wrap("security", Node::List(found)) };
    Answer::tree(Node::wrap("securities", inner))
}

pub(crate) fn search(sim: &mut Sim, call: &Call, _who: Who) -> Result<Answer, Answer> {
    let Some(q) = call.params.get("q").map(str::to_ascii_lowercase) else {
        return Err(Answer::bad("Invalid parameter, q: is required."));
    };
    let indexes = call.params.get("indexes") != Some("false");
    let market = sim.market.lock();
    let fits = |u: &&Underlying| {
        (indexes || u.kind != AssetKind::Index)
            && (u.symbol.as_str().to_ascii_lowercase().contains(&q) || u.name.to_ascii_lowercase().contains(&q))
    };
    Ok(securities(market.underlyings().iter().filter(fits).map(security).collect()))
}

pub(crate) fn lookup(sim: &mut Sim, call: &Call, _who: Who) -> Result<Answer, Answer> {
    let q = call.params.get("q").map(str::to_ascii_uppercase);
    let kinds = call.params.get("types").map(str::to_ascii_lowercase);
    let exchanges = call.params.get("exchanges").map(str::to_ascii_uppercase);
    if q.is_none() && kinds.is_none() && exchanges.is_none() {
        return Err(Answer::bad("Invalid parameter, q: is required."));
    }
    let market = sim.market.lock();
    let listed =
        |list: &Option<String>, word: &str| list.as_deref().is_none_or(|l| l.split(',').any(|w| w.trim() == word));
    let fits = |u: &&Underlying| {
        let exchange = if u.kind == AssetKind::Stock { "Q" } else { "P" };
        q.as_deref().is_none_or(|q| u.symbol.as_str().starts_with(q))
            && listed(&kinds, u.kind.word())
            && listed(&exchanges, exchange)
    };
    Ok(securities(market.underlyings().iter().filter(fits).map(security).collect()))
}

pub(crate) fn easy_to_borrow(sim: &mut Sim, _call: &Call, _who: Who) -> Result<Answer, Answer> {
    let market = sim.market.lock();
    let liquid = |u: &&Underlying| u.kind != AssetKind::Index && u.volume >= 3e6;
    Ok(securities(market.underlyings().iter().filter(liquid).map(security).collect()))
}
