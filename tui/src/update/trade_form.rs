//! Forms about trades: what they are filled with, what a key does in one, and what is sent when it is
//! read. One whose trade was changed elsewhere says so and sends nothing.

use blotter_shared::domain::{BrokerMode, Desired, OptionContract, Price, Quantity};
use blotter_shared::protocol::commands::{AdjustTrade, CloseTrade, PlaceTrade, Story as Told};
use blotter_shared::protocol::trades::Trade;

use super::exit_form::nudged;
use super::keys::refusal_of_actions;
use super::orders::{already_closing, is_market_open, name, question, send, shown, with_form};
use super::typed::{contract, quantity, read_price};
use crate::client::orders::Ask;
use crate::effect::Effect;
use crate::format;
use crate::input::chord::{Chord, KeyCode};
use crate::input::keymap::Action;
use crate::model::Model;
use crate::overlays::Overlay;
use crate::overlays::confirm::{Confirm, Deed, GUARD};
use crate::overlays::form::{Field, Focus, Form, Outcome, Purpose};
use crate::overlays::notices::Level;
use crate::widgets::text;

fn form(model: &mut Model, purpose: Purpose, title: String, act: &'static str) -> Form {
    Form {
        purpose,
        title,
        about: Vec::new(),
        fields: Vec::new(),
        act,
        focus: Focus::Field(0),
        error: None,
        is_sending: false,
        opened_at: model.now.since_start,
        seen: None,
        stale: None,
        sent: None,
        quote: None,
        quote_at: None,
        asked_quote: None,
    }
}

fn plain(price: Option<Price>) -> String {
    price.map(|price| format::price(price.value())).unwrap_or_default()
}

pub(super) fn adjust(model: &mut Model, trade: &Trade, field: usize) {
    if trade.desired == Desired::Flat {
        return already_closing(model, trade);
    }
    let title = format!("Bracket of {}", trade.number);
    let form = form(model, Purpose::Adjust(trade.id), title, "Replace bracket");
    let form = Form {
        about: vec![format!("{} {}", trade.held_qty.max(trade.qty), name(trade))],
        fields: vec![
            Field::new("Stop", "below the bid; = entry; empty: none", plain(trade.sl_price)),
            Field::new("Target", "above the bid; empty: none", plain(trade.tp_price)),
        ],
        focus: Focus::Field(field),
        seen: Some(trade.version),
        ..form
    };
    model.overlays.push(Overlay::Form(Box::new(form)));
}

pub(super) fn close_part(model: &mut Model, trade: &Trade) {
    if trade.desired == Desired::Flat {
        return already_closing(model, trade);
    }
    let form =
        form(model, Purpose::Close(trade.id), format!("Close a part of {}, or at a limit", trade.number), "Close");
    let form = Form {
        about: vec![format!("{} {}", trade.held_qty, name(trade))],
        fields: vec![
            Field::new("Contracts", "a part is sold at the market", trade.held_qty.to_string()),
            Field::new("Limit", "empty: at the market", String::new()),
        ],
        seen: Some(trade.version),
        ..form
    };
    model.overlays.push(Overlay::Form(Box::new(form)));
}

pub(super) fn new_trade(model: &mut Model) {
    let form = form(model, Purpose::Place, "New trade".to_owned(), "Buy to open");
    let mode = model.data.settings.as_ref().map_or("?", |settings| settings.broker_mode.as_str());
    let form = Form {
        about: vec![format!(
            "Bought in {mode}; the stop works at the broker within seconds. A ticker and ↵ list its chain."
        )],
        fields: vec![
            Field::new("Contract", "SPY 2026-12-18 600 C", String::new()),
            Field::new("Contracts", "how many", "1".to_owned()),
            Field::new("Limit", "empty: at the market", String::new()),
            Field::new("Stop", "or the word none", String::new()),
            Field::new("Target", "empty: none", String::new()),
            Field::new("Strategy", "a label of yours", String::new()),
        ],
        ..form
    };
    model.overlays.push(Overlay::Form(Box::new(form)));
}

/// A key while a form is on top.
pub(super) fn form_key(model: &mut Model, action: Option<Action>, chord: Chord) -> Vec<Effect> {
    let now = model.now;
    let Some(Overlay::Form(form)) = model.overlays.last_mut() else { return vec![] };
    let moves = matches!(action, Some(Action::Keep | Action::Confirm | Action::NextChoice | Action::PreviousChoice));
    if chord.code == KeyCode::Down || action == Some(Action::Confirm) {
        let is_early = now.since(form.opened_at) < GUARD;
        if super::chain::is_asked_for(form) {
            return if is_early { vec![] } else { super::chain::begin(model) };
        }
    }
    if nudged(model, chord) {
        return vec![];
    }
    let Some(Overlay::Form(form)) = model.overlays.last_mut() else { return vec![] };
    if form.stale.is_some() && matches!(action, Some(Action::RefreshForm | Action::CopyWork)) {
        return if action == Some(Action::RefreshForm) { fill_anew(model) } else { copy_work(model) };
    }
    let is_tab = moves && chord.typed().is_none() && !is_sideways(chord);
    if !is_tab && let Some(input) = form.input() {
        input.on_key(chord);
        form.error = None;
        return vec![];
    }
    match form.on_action(now, action) {
        Outcome::Open => vec![],
        Outcome::Kept => {
            model.overlays.pop();
            vec![]
        }
        Outcome::Acts => act(model),
    }
}

/// What was typed into a form whose trade was changed elsewhere is saved from it.
fn copy_work(model: &mut Model) -> Vec<Effect> {
    let Some(Overlay::Form(form)) = model.overlays.last() else { return vec![] };
    let typed: Vec<String> = form.fields.iter().map(|field| format!("{}: {}", field.label, field.text())).collect();
    model.notices.say(model.now, Level::Info, format!("Copied: {}", typed.join(", ")));
    vec![Effect::Copy(typed.join("\n"))]
}

/// Such a form is filled with how the trade is now.
fn fill_anew(model: &mut Model) -> Vec<Effect> {
    let Some(Overlay::Form(form)) = model.overlays.last().cloned() else { return vec![] };
    let (Purpose::Adjust(id) | Purpose::Close(id)) = form.purpose else { return vec![] };
    model.overlays.pop();
    let Some(trade) = model.open_trades().iter().find(|trade| trade.id == id).cloned() else { return vec![] };
    match form.purpose {
        Purpose::Adjust(_) => adjust(model, &trade, 0),
        Purpose::Close(_) => close_part(model, &trade),
        Purpose::Place => {}
    }
    vec![]
}

/// Forms know when the trade below them has become another.
pub(super) fn note_stale(model: &mut Model) {
    let versions = |id| model.data.open.as_deref()?.iter().find(|trade| trade.id == id).map(|trade| trade.version);
    for overlay in &mut model.overlays {
        let Overlay::Form(form) = overlay else { continue };
        let now = match form.purpose {
            Purpose::Adjust(id) | Purpose::Close(id) => versions(id),
            Purpose::Place => None,
        };
        // An own deed that is under way changes the version, too.
        form.stale = now.filter(|now| form.seen.is_some_and(|seen| seen != *now) && !form.is_sending);
    }
}

/// Left and right move the cursor in a field.
fn is_sideways(chord: Chord) -> bool {
    matches!(chord.code, KeyCode::Left | KeyCode::Right)
}

/// The button that acts: reads the form, and sends it or says what is wrong.
fn act(model: &mut Model) -> Vec<Effect> {
    if let Some(words) = refusal_of_actions(model) {
        model.notices.say(model.now, Level::Warn, words);
        return vec![];
    }
    let Some(Overlay::Form(form)) = model.overlays.last().cloned() else { return vec![] };
    if form.stale.is_some() {
        model.notices.say(model.now, Level::Warn, "Not done: the trade was changed on another device.");
        return vec![];
    }
    match read(model, &form) {
        Ok(wanted) => submit(model, &form, wanted),
        Err((field, words)) => {
            with_form(model, |form| {
                form.focus = Focus::Field(field);
                form.error = Some((Some(field), words));
            });
            vec![]
        }
    }
}

/// The same once more is the same deed, under the same key: an answer may have been lost.
fn submit(model: &mut Model, form: &Form, wanted: Ask) -> Vec<Effect> {
    let known = form.sent.as_ref().filter(|(before, _)| *before == wanted).map(|(_, key)| *key);
    let key = known.unwrap_or_else(|| model.new_id());
    with_form(model, |form| form.sent = Some((wanted.clone(), key)));
    if let Ask::Close(id, close) = &wanted
        && let Some(trade) = model.open_trades().iter().find(|trade| trade.id == *id).cloned()
    {
        let deed = Deed::Ask { ask: Box::new(wanted.clone()), key };
        let dialog = Confirm::new(model.now, format!("Close {}", trade.number), closing(&trade, close), deed);
        question(model, dialog.buttons("Keep position", "Close it"), Some(&trade));
        return vec![];
    }
    if let Ask::Place(order) = &wanted {
        let body = in_words(order);
        let deed = Deed::Ask { ask: Box::new(wanted.clone()), key };
        let dialog = Confirm::new(model.now, "Buy to open", body, deed).buttons("Not yet", "Buy");
        let is_live = model.data.settings.as_ref().is_some_and(|settings| settings.broker_mode == BrokerMode::Live);
        let root = order.option_symbol.parse::<OptionContract>().map(|contract| contract.root).unwrap_or_default();
        let dialog = if is_live { dialog.wants_word(root) } else { dialog };
        model.overlays.push(Overlay::Confirm(dialog));
        return vec![];
    }
    with_form(model, |form| form.is_sending = true);
    send(model, wanted, key)
}

/// A part or a limit, in words.
fn closing(trade: &Trade, close: &CloseTrade) -> Vec<String> {
    let qty = close.qty.map_or(trade.held_qty, Quantity::get);
    let price =
        close.limit.map_or("at MARKET".to_owned(), |limit| format!("at {} or better", format::price(limit.value())));
    let then = match close.limit {
        Some(_) => "The limit takes the target's place; the stop stays beside it.",
        None => "Its bracket is cancelled first, and placed again for what is left.",
    };
    let mut words = vec![format!("Sell {qty} {} {price}", name(trade)), then.to_owned()];
    if close.at_open {
        words.push("The market is closed: it is sold at the open.".to_owned());
    }
    words
}

fn in_words(order: &PlaceTrade) -> Vec<String> {
    let price =
        order.limit.map_or("at the MARKET".to_owned(), |limit| format!("for at most {}", format::price(limit.value())));
    let contract = order
        .option_symbol
        .parse::<OptionContract>()
        .map_or_else(|_| text::clean(&order.option_symbol), |contract| contract.to_string());
    let stop = if order.no_stop { "NO STOP".to_owned() } else { format!("stop {}", shown(order.sl_price)) };
    vec![
        format!("Buy {} {contract} {price}", order.qty),
        format!("Then a bracket: {stop}, target {}.", shown(order.tp_price)),
    ]
}

/// What a form asks for, or the field that is wrong.
fn read(model: &Model, form: &Form) -> Result<Ask, (usize, String)> {
    let text = |index: usize| form.fields.get(index).map(Field::text).unwrap_or_default();
    let price = |index: usize| read_price(text(index)).map_err(|words| (index, words));
    let open = |id| model.open_trades().iter().find(|trade| trade.id == id);
    let gone = || (0, "This trade is not open any more.".to_owned());
    match form.purpose {
        Purpose::Adjust(id) => {
            let trade = open(id).ok_or_else(gone)?;
            let side = |index: usize, was: Option<Price>| {
                let wanted = price(index)?;
                Ok::<_, (usize, String)>((wanted != was).then_some(wanted))
            };
            let break_even = text(0) == "=";
            let new_sl = if break_even { None } else { side(0, trade.sl_price)? };
            let new_tp = side(1, trade.tp_price)?;
            let version = form.seen.unwrap_or(trade.version);
            Ok(Ask::Adjust(id, AdjustTrade { version, new_sl, new_tp, break_even }))
        }
        Purpose::Close(id) => {
            let trade = open(id).ok_or_else(gone)?;
            let part = quantity(text(0)).map_err(|words| (0, words))?;
            let qty = Some(part).filter(|part| part.get() != trade.held_qty);
            let at_open = !is_market_open(model);
            let version = form.seen.unwrap_or(trade.version);
            Ok(Ask::Close(id, CloseTrade { version, qty, limit: price(1)?, at_open }))
        }
        Purpose::Place => {
            let no_stop = text(3).eq_ignore_ascii_case("none");
            let sl_price = if no_stop { None } else { price(3)? };
            if sl_price.is_none() && !no_stop {
                return Err((3, "A trade has a stop; without one type none.".to_owned()));
            }
            let strategy = Some(text(5).to_owned()).filter(|words| !words.is_empty());
            Ok(Ask::Place(PlaceTrade {
                option_symbol: contract(text(0)).map_err(|words| (0, words))?.occ(),
                qty: quantity(text(1)).map_err(|words| (1, words))?,
                limit: price(2)?,
                sl_price,
                tp_price: price(4)?,
                no_stop,
                story: Told { strategy, ..Told::default() },
            }))
        }
    }
}
