//! Forms about trades: what they are filled with, what a key does in one, and what is sent when it is
//! read. One whose trade was changed elsewhere says so and sends nothing.

use blotter_shared::domain::{BrokerMode, Desired, OptionContract, Price, Quantity, TradeId};
use blotter_shared::protocol::commands::{AdjustTrade, AdoptPosition, CloseTrade, PlaceTrade, Story as Told};
use blotter_shared::protocol::trades::Trade;

use super::adopt;
use super::exit_form::{nudged, objection};
use super::keys::refusal_of_actions;
use super::orders::{already_closing, is_market_open, live_ticker, name, send, shown, with_form};
use super::typed::{contract, quantity, read_price};
use crate::client::calls::Call;
use crate::client::looks::LookCall;
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
use crate::pending::changes;
use crate::widgets::text;
use uuid::Uuid;

pub(super) fn form(model: &mut Model, purpose: Purpose, title: String, act: &'static str) -> Form {
    Form {
        purpose,
        title,
        about: Vec::new(),
        fields: Vec::new(),
        act,
        focus: Focus::Field(0),
        error: None,
        objection: None,
        is_sending: false,
        opened_at: model.now.since_start,
        seen: None,
        stale: None,
        sent: None,
        initial_stop: None,
        quote: None,
        quote_at: None,
        asked_quote: None,
    }
}

fn plain(price: Option<Price>) -> String {
    price.map(|price| format::price(price.value())).unwrap_or_default()
}

pub(super) fn adjust(model: &mut Model, trade: &Trade, field: usize) -> Vec<Effect> {
    if trade.desired == Desired::Flat {
        already_closing(model, trade);
        return vec![];
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
    // It knows the stop at entry, which multiples of the risk are reckoned from.
    vec![Effect::Call(Call::Look(LookCall::Context(trade.id)))]
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
    // A click on the button: the letter of yes goes into the lines.
    if action == Some(Action::Yes) && chord.typed().is_none() {
        return if form.can_act(now) { act(model) } else { vec![] };
    }
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
        Purpose::Adjust(_) => return adjust(model, &trade, 0),
        Purpose::Close(_) => close_part(model, &trade),
        Purpose::Place | Purpose::Adopt => {}
    }
    vec![]
}

/// After every message: forms know when the trade below them has become another, and whether what is typed can be
/// sent.
pub(super) fn follow(model: &mut Model) {
    note_stale(model);
    let judged: Vec<_> = model.overlays.iter().map(|overlay| judge(model, overlay)).collect();
    for (overlay, judged) in model.overlays.iter_mut().zip(judged) {
        if let Overlay::Form(form) = overlay {
            form.objection = judged;
        }
    }
}

/// Why a bracket that is typed cannot be sent. What was changed elsewhere is told in another way.
fn judge(model: &Model, overlay: &Overlay) -> Option<(Option<usize>, String)> {
    let Overlay::Form(form) = overlay else { return None };
    let Purpose::Adjust(id) = form.purpose else { return None };
    if form.is_sending {
        return None;
    }
    match read(model, form) {
        Err((field, words)) => Some((Some(field), words)),
        Ok(Ask::Adjust(_, AdjustTrade { new_sl: None, new_tp: None, break_even: false, .. })) => {
            Some((None, "Nothing has changed yet.".to_owned()))
        }
        Ok(_) => objection(model, form, id),
    }
}

/// Forms know when the trade below them has become another.
fn note_stale(model: &mut Model) {
    let versions = |id| model.data.open.as_deref()?.iter().find(|trade| trade.id == id).map(|trade| trade.version);
    for overlay in &mut model.overlays {
        let Overlay::Form(form) = overlay else { continue };
        let now = match form.purpose {
            Purpose::Adjust(id) | Purpose::Close(id) => versions(id),
            Purpose::Place | Purpose::Adopt => None,
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
    if let Some(dialog) = asks_first(model, &wanted, key) {
        model.overlays.push(Overlay::Confirm(dialog));
        return vec![];
    }
    with_form(model, |form| form.is_sending = true);
    send(model, wanted, key)
}

/// The question before it is sent; none before other prices of a bracket, unless they are of real money.
fn asks_first(model: &Model, wanted: &Ask, key: Uuid) -> Option<Confirm> {
    let trade = |id: &TradeId| model.open_trades().iter().find(|trade| trade.id == *id);
    let (title, body, (keep, act), ticker) = match wanted {
        Ask::Close(id, close) => {
            let trade = trade(id)?;
            let title = format!("Close {}", trade.number);
            (title, closing(trade, close), ("Keep position", "Close it"), live_ticker(trade))
        }
        Ask::Adjust(id, adjust) => {
            let trade = trade(id)?;
            let ticker = live_ticker(trade)?;
            let (title, body) = (format!("Replace the bracket of {}", trade.number), replacing(trade, adjust));
            (title, body, ("Keep it", "Replace it"), Some(ticker))
        }
        Ask::Place(order) => {
            let root = live_root(model, &order.option_symbol);
            ("Buy to open".to_owned(), in_words(order), ("Not yet", "Buy"), root)
        }
        Ask::Adopt(position) => {
            let root = live_root(model, &position.option_symbol);
            ("Adopt a position".to_owned(), adopt::in_words(position), ("Leave it", "Adopt"), root)
        }
        Ask::Withdraw(..) | Ask::Protect(..) | Ask::Cancel(..) | Ask::Flatten(_) => return None,
        Ask::Ack(_) | Ask::StopEntries(_) => return None,
    };
    let deed = Deed::Ask { ask: Box::new(wanted.clone()), key };
    let dialog = Confirm::new(model.now, title, body, deed).buttons(keep, act);
    Some(match ticker {
        Some(word) => dialog.wants_word(word),
        None => dialog,
    })
}

/// What has to be typed before something new is done with real money.
fn live_root(model: &Model, symbol: &str) -> Option<String> {
    let is_live = model.data.settings.as_ref().is_some_and(|settings| settings.broker_mode == BrokerMode::Live);
    is_live.then(|| symbol.parse::<OptionContract>().map_or_else(|_| text::clean(symbol), |contract| contract.root))
}

fn replacing(trade: &Trade, adjust: &AdjustTrade) -> Vec<String> {
    let (stop, target) = (shown(trade.sl_price), shown(trade.tp_price));
    vec![
        format!("{} {}", trade.held_qty.max(trade.qty), name(trade)),
        format!("Its bracket (stop {stop}, target {target}) is replaced: {}.", changes(trade, adjust)),
    ]
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

/// A trade has a stop, unless somebody says that it is to have none.
fn stop_or_none(text: &str) -> Result<Option<Price>, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let stop = read_price(text)?;
    stop.map(Some).ok_or_else(|| "A trade has a stop; without one type none.".to_owned())
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
        Purpose::Adopt => {
            let sl_price = stop_or_none(text(2)).map_err(|words| (2, words))?;
            let strategy = Some(text(4).to_owned()).filter(|words| !words.is_empty());
            Ok(Ask::Adopt(AdoptPosition {
                option_symbol: contract(text(0)).map_err(|words| (0, words))?.occ(),
                qty: quantity(text(1)).map_err(|words| (1, words))?,
                sl_price,
                tp_price: price(3)?,
                strategy,
            }))
        }
        Purpose::Place => {
            let sl_price = stop_or_none(text(3)).map_err(|words| (3, words))?;
            let strategy = Some(text(5).to_owned()).filter(|words| !words.is_empty());
            Ok(Ask::Place(PlaceTrade {
                option_symbol: contract(text(0)).map_err(|words| (0, words))?.occ(),
                qty: quantity(text(1)).map_err(|words| (1, words))?,
                limit: price(2)?,
                sl_price,
                tp_price: price(4)?,
                no_stop: sl_price.is_none(),
                story: Told { strategy, ..Told::default() },
            }))
        }
    }
}
