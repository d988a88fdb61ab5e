//! Looking for a contract while a new trade is typed: the picker over the form, and the newest quote of what
//! is typed. Asked for again every few seconds while it is seen.

use std::time::Duration;

use blotter_shared::domain::{OptionContract, OptionType, Price, underlying_of};
use blotter_shared::protocol::prices::OptionChain;

use super::typed::{contract, read_price};
use crate::client::calls::{Call, CallError};
use crate::client::looks::{LookAnswer, LookCall};
use crate::client::session::Link;
use crate::effect::Effect;
use crate::entry::{Book, Draft, limits, worth};
use crate::figures::{capital, day_pnl};
use crate::format;
use crate::input::line::LineInput;
use crate::model::Model;
use crate::overlays::Overlay;
use crate::overlays::chain::ChainPicker;
use crate::overlays::form::{Field, Focus, Form, Purpose, Quoted};
use crate::overlays::notices::Level;
use crate::panes::list::Step;
use crate::widgets::facts::Fact;

/// The broker counts what is asked: a chain is looked at, and not stared at.
const PICKER_REFRESH: Duration = Duration::from_secs(10);
const FORM_REFRESH: Duration = Duration::from_secs(15);
/// Strikes on each side of the money: what is looked through, and where a typed one is looked for.
const STRIKES: u16 = 20;
const STRIKES_OF_A_QUOTE: u16 = 100;

/// The line in which the contract is typed.
pub(super) const CONTRACT: usize = 0;

/// Opens the picker for what is typed in the form; a ticker is enough.
pub(super) fn begin(model: &mut Model) -> Vec<Effect> {
    let typed = place_form(model).and_then(|form| form.fields.first()).map(|field| field.text().to_owned());
    let Some(symbol) = typed.as_deref().and_then(ticker) else { return vec![] };
    if model.session.link() != Link::Live {
        model.notices.say(model.now, Level::Warn, "The chain is not known: the daemon is away.");
        return vec![];
    }
    model.overlays.push(Overlay::Chain(Box::new(ChainPicker::new(symbol.clone()))));
    vec![Effect::Call(Call::Look(LookCall::Expirations { symbol }))]
}

/// The ticker that a text begins with, when it could be one. Weeklies of an index are in the index's chain.
#[must_use]
pub(super) fn ticker(text: &str) -> Option<String> {
    let root = contract(text).map(|contract| contract.root);
    let root = root.ok().or_else(|| text.split_whitespace().next().map(str::to_uppercase))?;
    let word = underlying_of(&root).to_owned();
    let is_ticker = word.len() <= 6 && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '/');
    (is_ticker && word.starts_with(|c: char| c.is_ascii_alphabetic())).then_some(word)
}

/// Whether a key in the contract's line asks for the chain: what is typed is no contract yet.
#[must_use]
pub(super) fn is_asked_for(form: &Form) -> bool {
    let typed = form.fields.first().map(Field::text).unwrap_or_default();
    form.purpose == Purpose::Place
        && form.focus == Focus::Field(CONTRACT)
        && contract(typed).is_err()
        && ticker(typed).is_some()
}

fn picker(model: &mut Model) -> Option<&mut ChainPicker> {
    match model.overlays.last_mut() {
        Some(Overlay::Chain(picker)) => Some(picker),
        Some(_) | None => None,
    }
}

fn place_form(model: &Model) -> Option<&Form> {
    model.overlays.iter().rev().find_map(|overlay| {
        let Overlay::Form(form) = overlay else { return None };
        (form.purpose == Purpose::Place).then_some(&**form)
    })
}

fn place_form_mut(model: &mut Model) -> Option<&mut Form> {
    let forms = model.overlays.iter_mut().rev().filter_map(Overlay::form_mut);
    forms.into_iter().find(|form| form.purpose == Purpose::Place)
}

/// Enter: from the expiry to its strikes, from a strike back to the form.
pub(super) fn enter(model: &mut Model) -> Vec<Effect> {
    let Some(picker) = picker(model) else { return vec![] };
    if picker.expiry.is_some() {
        return take(model);
    }
    let Some(expiry) = picker.expiry_at() else { return vec![] };
    (picker.expiry, picker.chain) = (Some(expiry), None);
    let symbol = picker.symbol.clone();
    vec![Effect::Call(Call::Look(LookCall::Chain { symbol, expiry, strikes: STRIKES }))]
}

/// Esc: from the strikes to the expiries, from there to the form.
pub(super) fn back(model: &mut Model) {
    let Some(picker) = picker(model) else { return };
    if picker.expiry.is_some() && picker.expirations.is_some() {
        (picker.expiry, picker.chain, picker.refresh_at, picker.trouble) = (None, None, None, None);
    } else {
        model.overlays.pop();
    }
}

pub(super) fn step(model: &mut Model, step: Step) {
    if let Some(picker) = picker(model) {
        picker.step(step);
    }
}

pub(super) fn turn_side(model: &mut Model) {
    if let Some(picker) = picker(model) {
        picker.side = match picker.side {
            OptionType::Call => OptionType::Put,
            OptionType::Put => OptionType::Call,
        };
    }
}

/// What is selected goes into the form, with its quote.
fn take(model: &mut Model) -> Vec<Effect> {
    let now = model.now.since_start;
    let Some(picker) = picker(model) else { return vec![] };
    let at = picker.chain.as_ref().map(|chain| chain.at);
    let Some(((_, found), at)) = picker.contract().zip(at) else { return vec![] };
    let quoted = Quoted { symbol: found.symbol.clone(), bid: found.bid, ask: found.ask, at };
    let Ok(chosen) = found.symbol.parse::<OptionContract>() else { return vec![] };
    model.overlays.pop();
    if let Some(form) = place_form_mut(model) {
        if let Some(field) = form.fields.first_mut() {
            field.input = LineInput::with(in_words(&chosen));
        }
        form.quote = Some(quoted);
        form.quote_at = Some(now + FORM_REFRESH);
        form.error = None;
        form.focus = Focus::Field(CONTRACT + 1);
    }
    vec![]
}

/// As the form reads it back.
fn in_words(contract: &OptionContract) -> String {
    let right = contract.option_type.letter();
    format!("{} {} {} {right}", contract.root, contract.expiry.format("%Y-%m-%d"), contract.strike.normalize())
}

/// Asks again for what is seen and was asked for a while ago.
pub(super) fn follow(model: &mut Model) -> Vec<Effect> {
    if model.session.link() != Link::Live {
        return vec![];
    }
    let now = model.now.since_start;
    if let Some(picker) = picker(model) {
        if picker.refresh_at.is_none_or(|at| now < at) {
            return vec![];
        }
        picker.refresh_at = None;
        let (symbol, expiry) = (picker.symbol.clone(), picker.expiry);
        return expiry.map(|expiry| chain_call(symbol, expiry, STRIKES)).into_iter().collect();
    }
    let Some(form) = place_form_mut(model) else { return vec![] };
    let Some(wanted) = wanted(form) else { return vec![] };
    let is_new = form.quote.as_ref().is_none_or(|quote| quote.symbol != wanted.occ());
    let is_due = form.quote_at.is_none_or(|at| now >= at);
    let is_asked = form.asked_quote.as_deref() == Some(wanted.occ().as_str());
    if !(is_due || (is_new && !is_asked)) {
        return vec![];
    }
    form.asked_quote = Some(wanted.occ());
    form.quote_at = Some(now + FORM_REFRESH);
    let quote = chain_call(wanted.underlying().to_owned(), wanted.expiry, STRIKES_OF_A_QUOTE);
    // The limits below the lines are in percent of what the account is worth.
    vec![quote, Effect::Call(Call::Accounts)]
}

/// The contract whose quote is worth asking for: it is typed, and its line is left.
fn wanted(form: &Form) -> Option<OptionContract> {
    let is_left = form.purpose == Purpose::Place && form.focus != Focus::Field(CONTRACT);
    form.fields.first().filter(|_| is_left).and_then(|field| contract(field.text()).ok())
}

fn chain_call(symbol: String, expiry: chrono::NaiveDate, strikes: u16) -> Effect {
    Effect::Call(Call::Look(LookCall::Chain { symbol, expiry, strikes }))
}

/// When [`follow`] would ask by the mere passing of time. A time at which it would not is none: it passes, and
/// would be due again at once, for ever.
#[must_use]
pub fn next_wake(model: &Model) -> Option<Duration> {
    if model.session.link() != Link::Live {
        return None;
    }
    match model.overlays.last() {
        Some(Overlay::Chain(picker)) => picker.refresh_at,
        Some(Overlay::Form(form)) => wanted(form).and(form.quote_at),
        Some(_) | None => None,
    }
}

pub(super) fn came(model: &mut Model, call: &LookCall, answer: LookAnswer) {
    let (today, now) = (format::exchange_date(model.trading_now()), model.now.since_start);
    match answer {
        LookAnswer::Expirations(listed) => {
            if let Some(picker) = picker(model).filter(|picker| picker.symbol == listed.symbol) {
                picker.list(listed.expirations, today);
            }
        }
        LookAnswer::Chain(chain) => {
            quote_of_form(model, &chain);
            let Some(picker) = picker(model) else { return };
            let is_its = matches!(call, LookCall::Chain { symbol, expiry, strikes }
                if *symbol == picker.symbol && Some(*expiry) == picker.expiry && *strikes == STRIKES);
            if is_its {
                picker.take(chain);
                picker.refresh_at = Some(now + PICKER_REFRESH);
            }
        }
        LookAnswer::Series(_) | LookAnswer::Context(_) | LookAnswer::Spread(_) => {}
    }
}

fn quote_of_form(model: &mut Model, chain: &OptionChain) {
    let Some(form) = place_form_mut(model) else { return };
    let Some(wanted) = form.fields.first().and_then(|field| contract(field.text()).ok()) else { return };
    let symbol = wanted.occ();
    let contracts = chain.rows.iter().flat_map(|row| row.call.iter().chain(&row.put));
    if let Some(found) = contracts.into_iter().find(|contract| contract.symbol == symbol) {
        form.quote = Some(Quoted { symbol, bid: found.bid, ask: found.ask, at: chain.at });
    }
}

pub(super) fn failed(model: &mut Model, call: &LookCall, error: &CallError) {
    let now = model.now.since_start;
    let Some(picker) = picker(model) else { return };
    let is_its = match call {
        LookCall::Expirations { symbol } => *symbol == picker.symbol && picker.expirations.is_none(),
        LookCall::Chain { symbol, expiry, .. } => *symbol == picker.symbol && Some(*expiry) == picker.expiry,
        LookCall::Series { .. } | LookCall::Context(_) | LookCall::Spread(_) => false,
    };
    if is_its && picker.chain.is_none() {
        picker.trouble = Some(error.to_string());
    } else if is_its {
        // What is shown keeps its age.
        picker.refresh_at = Some(now + PICKER_REFRESH);
    }
}

/// What is seen below the lines of a new trade while they are typed.
#[must_use]
pub(super) fn checks(model: &Model, form: &Form) -> Vec<Fact> {
    let text = |index: usize| form.fields.get(index).map(Field::text).unwrap_or_default();
    let symbol = contract(text(0)).map(|contract| contract.occ()).unwrap_or_default();
    let quote = form.quote.as_ref().filter(|quote| quote.symbol == symbol);
    let limit = read_price(text(2)).ok().flatten().map(Price::value);
    let draft = Draft {
        qty: text(1).parse().ok(),
        price: limit.or_else(|| quote.and_then(|quote| quote.ask)),
        stop: read_price(text(3)).ok().flatten(),
        target: read_price(text(4)).ok().flatten(),
        no_stop: text(3).eq_ignore_ascii_case("none"),
    };
    let side = |price: Option<rust_decimal::Decimal>| price.map_or_else(|| "none".to_owned(), format::price);
    let words =
        |quote: &Quoted| format!("{} / {} as of {}", side(quote.bid), side(quote.ask), format::clock_s(quote.at));
    let mut facts: Vec<Fact> = quote.map(|quote| Fact::new("Bid/Ask", words(quote))).into_iter().collect();
    let capital = model.data.settings.as_ref().map(|settings| capital(settings, &model.data.accounts));
    facts.extend(worth(&draft, capital));
    if let Some((settings, capital)) = model.data.settings.as_ref().zip(capital) {
        let day = day_pnl(&model.counts(), model.data.recent.as_ref(), model.trading_now());
        facts.extend(limits(&draft, &Book { open: model.open_trades(), settings, capital, day }));
    }
    facts
}
