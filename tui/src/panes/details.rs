//! What a row shows when it is opened: everything that the list knows, as facts that flow into
//! lines. A fact is never cut; one that fits nowhere has a line of its own.

use blotter_shared::domain::Protection;
use blotter_shared::protocol::trades::Trade;
use ratatui::layout::Rect;
use rust_decimal::Decimal;

use crate::figures::{Cover, cover};
use crate::format;
use crate::model::Model;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, line};
use crate::widgets::facts::{Fact, flow, put_facts};
use crate::widgets::text;

const INDENT: u16 = 3;

/// Lines that the details of a trade take at the model's width.
#[must_use]
pub fn height(model: &Model, trade: &Trade) -> u16 {
    u16::try_from(lines(model, trade, model.width).len()).unwrap_or(u16::MAX)
}

/// Draws them and gives the lines used.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model, trade: &Trade) -> u16 {
    let lines = lines(model, trade, area.width);
    for (row, facts) in (0..area.height).zip(&lines) {
        let row = line(area, row);
        let x = canvas.put(row, INDENT, "│ ", Role::Rule);
        put_facts(canvas, row, x, facts);
    }
    u16::try_from(lines.len()).unwrap_or(u16::MAX)
}

fn lines(model: &Model, trade: &Trade, width: u16) -> Vec<Vec<Fact>> {
    let room = width.saturating_sub(INDENT + 3);
    let groups =
        [price_facts(model, trade), bracket_facts(model, trade), close_facts(model, trade), identity_facts(trade)];
    groups.into_iter().flat_map(|group| flow(group, room)).collect()
}

fn fact(label: &'static str, value: impl Into<String>) -> Fact {
    Fact::new(label, value)
}

fn price_facts(model: &Model, trade: &Trade) -> Vec<Fact> {
    let now = model.trading_now();
    let mut facts = Vec::new();
    if let Some(entry) = trade.entry_price {
        facts.push(fact(
            "Entry",
            format!("{}  {} ET", format::price(entry.value()), format::moment(trade.entry_date, now)),
        ));
    } else {
        facts.push(fact("Wanted since", format!("{} ET", format::moment(trade.entry_date, now))));
    }
    if let Some(mark) = trade.current_price.filter(|_| trade.close.is_none()) {
        let seen = trade.last_updated.map_or("age unknown".to_owned(), |at| format!("as of {}", format::clock(at)));
        facts.push(fact("Mark", format!("{} {seen}", format::price(mark.value()))));
    }
    if let Some(risk) = risk(trade) {
        facts.push(fact("Risk", format::money(risk)));
        if let Some(reward) = reward(trade).and_then(|reward| reward.checked_div(risk)) {
            facts.push(fact("To target", format!("{} R", format::multiple(reward))));
        }
    }
    facts
}

/// What the stop leaves to lose, in dollars.
fn risk(trade: &Trade) -> Option<Decimal> {
    let distance = trade.entry_price?.value() - trade.sl_price?.value();
    (distance > Decimal::ZERO).then(|| distance.checked_mul(units(trade))).flatten()
}

fn reward(trade: &Trade) -> Option<Decimal> {
    (trade.tp_price?.value() - trade.entry_price?.value()).checked_mul(units(trade))
}

fn units(trade: &Trade) -> Decimal {
    Decimal::from(trade.qty) * Decimal::from(trade.multiplier.get())
}

fn bracket_facts(model: &Model, trade: &Trade) -> Vec<Fact> {
    if trade.close.is_some() {
        return Vec::new();
    }
    let shown = |price: Option<blotter_shared::domain::Price>| {
        price.map_or("none".to_owned(), |price| format::price(price.value()))
    };
    let (words, role) = match (cover(trade), trade.protection) {
        (Cover::Stop, _) => ("seen working at the broker", Role::Good),
        (Cover::NoStop, Protection::Confirmed) => ("target only: no stop protects it", Role::Alarm),
        (Cover::NoStop, _) => ("not protected", Role::Alarm),
        (Cover::Unverified, _) => ("not known to be protected", Role::Alarm),
        (Cover::Nothing, _) => ("nothing is held", Role::Muted),
    };
    let mut facts = vec![
        fact("Stop", shown(trade.sl_price)),
        fact("Target", shown(trade.tp_price)),
        Fact { label: "Bracket", value: words.to_owned(), role },
    ];
    if let Some(at) = trade.last_verified_at {
        facts.push(fact("Last verified", format!("{} ET", format::moment(at, model.trading_now()))));
    }
    facts
}

fn close_facts(model: &Model, trade: &Trade) -> Vec<Fact> {
    let Some(close) = &trade.close else { return Vec::new() };
    let mut facts = vec![fact("Closed", format!("{} ET", format::moment(close.at, model.trading_now())))];
    facts.extend(close.price.map(|price| fact("Exit", format::price(price.value()))));
    facts.extend(close.reason.map(|reason| fact("Reason", reason.as_str())));
    facts.push(fact("Stop", trade.sl_price.map_or("none".to_owned(), |price| format::price(price.value()))));
    facts.push(fact("Target", trade.tp_price.map_or("none".to_owned(), |price| format::price(price.value()))));
    facts
}

fn identity_facts(trade: &Trade) -> Vec<Fact> {
    let strategy = trade.strategy.as_deref().map(text::clean);
    let mut facts = vec![fact("Trade", format!("{}  v{}", trade.number, trade.version))];
    facts.extend(strategy.map(|name| fact("Strategy", name)));
    facts.push(fact("Account", format!("{} {}", trade.broker_mode, text::clean(&trade.account_id))));
    facts.push(fact("Symbol", text::clean(&trade.option_symbol)));
    facts
}
