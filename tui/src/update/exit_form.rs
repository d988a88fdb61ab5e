//! What is seen while a way out is typed or asked about: live figures and the rail, and prices that are
//! moved by ticks.

use blotter_shared::domain::{Price, TickGrid, TradeId};
use blotter_shared::protocol::trades::Trade;

use super::typed::read_price;
use crate::client::orders::Ask;
use crate::exits::{Typed, bracket, objections, sale, scale};
use crate::format;
use crate::input::chord::{Chord, KeyCode};
use crate::input::line::LineInput;
use crate::model::Model;
use crate::overlays::Overlay;
use crate::overlays::confirm::{Confirm, Deed};
use crate::overlays::form::{Below, Field, Focus, Form, Purpose};
use crate::theme::Role;
use crate::widgets::facts::Fact;

/// What is shown below the lines of a form.
#[must_use]
pub fn below(model: &Model, form: &Form) -> Below {
    match form.purpose {
        Purpose::Adopt => Below::default(),
        Purpose::Place => Below { facts: super::chain::checks(model, form), scale: None },
        Purpose::Adjust(id) => trade_of(model, id).map(|trade| below_bracket(model, form, trade)).unwrap_or_default(),
        Purpose::Close(id) => trade_of(model, id).map(|trade| below_close(model, form, trade)).unwrap_or_default(),
    }
}

/// What is shown below the words of a question: what a close would bring now.
#[must_use]
pub fn below_question(model: &Model, dialog: &Confirm) -> Vec<Fact> {
    let Deed::Ask { ask, .. } = &dialog.deed else { return Vec::new() };
    let Ask::Close(id, close) = &**ask else { return Vec::new() };
    let Some(trade) = trade_of(model, *id) else { return Vec::new() };
    let qty = close.qty.map_or(trade.held_qty, blotter_shared::domain::Quantity::get);
    if close.limit.is_some() { Vec::new() } else { sale(trade, model.quotes.of(*id), qty) }
}

fn trade_of(model: &Model, id: TradeId) -> Option<&Trade> {
    model.open_trades().iter().find(|trade| trade.id == id)
}

fn text(form: &Form, index: usize) -> &str {
    form.fields.get(index).map(Field::text).unwrap_or_default()
}

fn below_bracket(model: &Model, form: &Form, trade: &Trade) -> Below {
    let (typed, quote) = (typed(form, trade), model.quotes.of(trade.id));
    let mut facts = bracket(trade, quote, typed);
    let unread = [0, 1].into_iter().filter(|index| text(form, *index) != "=");
    let unread = unread.filter_map(|index| read_price(text(form, index)).err());
    facts.extend(unread.map(|words| Fact { role: Role::Danger, ..Fact::new("✗", words) }));
    Below { facts, scale: scale(trade, quote, typed) }
}

/// Why the bracket that is typed cannot be sent as it is: the line that is wrong, if one is.
pub(super) fn objection(model: &Model, form: &Form, id: TradeId) -> Option<(Option<usize>, String)> {
    let trade = trade_of(model, id)?;
    let bid = model.quotes.of(id).filter(|quote| quote.quality.is_shown()).and_then(|quote| quote.bid);
    let typed = typed(form, trade);
    objections(trade, bid, typed).into_iter().next().map(|(index, words)| (Some(index), words))
}

fn typed(form: &Form, trade: &Trade) -> Typed {
    let grid = TickGrid::of_root(&trade.contract.root);
    let side = |index: usize| read_price(text(form, index)).ok().flatten();
    let stop = if text(form, 0) == "=" { trade.entry_price.map(|entry| grid.floor(entry)) } else { side(0) };
    Typed { stop, target: side(1), initial_stop: form.initial_stop }
}

fn below_close(model: &Model, form: &Form, trade: &Trade) -> Below {
    let qty = text(form, 0).parse().ok().filter(|qty| *qty <= trade.held_qty);
    let quote = model.quotes.of(trade.id);
    // A limit brings what it says, if it is ever met.
    let is_market = text(form, 1).is_empty();
    let facts = qty.filter(|_| is_market).map(|qty| sale(trade, quote, qty));
    Below { facts: facts.unwrap_or_default(), scale: None }
}

/// How far a key moves the price that is typed: one tick, or ten.
fn ticks(form: &Form, chord: Chord) -> Option<(usize, i32)> {
    let (Purpose::Adjust(_), Focus::Field(index)) = (form.purpose, form.focus) else { return None };
    let keys = [(KeyCode::Up, 1), (KeyCode::Down, -1), (KeyCode::PageUp, 10), (KeyCode::PageDown, -10)];
    let (_, ticks) = keys.into_iter().find(|(code, _)| *code == chord.code)?;
    Some((index, ticks))
}

/// Moves a price by ticks, if that is what the key is for.
pub(super) fn nudged(model: &mut Model, chord: Chord) -> bool {
    let Some(Overlay::Form(form)) = model.overlays.last() else { return false };
    let (Some((index, ticks)), Purpose::Adjust(id)) = (ticks(form, chord), form.purpose) else { return false };
    let Some(trade) = trade_of(model, id) else { return true };
    let grid = TickGrid::of_root(&trade.contract.root);
    // An empty line begins at the market.
    let typed = read_price(text(form, index)).ok().flatten().or(trade.current_price);
    let Some(mut price) = typed.filter(|price| *price > Price::ZERO) else { return true };
    for _ in 0..ticks.unsigned_abs() {
        price = if ticks > 0 { grid.above(price) } else { grid.below(price) };
    }
    if let Some(Overlay::Form(form)) = model.overlays.last_mut()
        && let Some(field) = form.fields.get_mut(index)
    {
        field.input = LineInput::offering(format::price(price.value()));
        form.error = None;
    }
    true
}
