//! What keys and answers make of trades: a question before each deed, and every refusal where it belongs.

use std::collections::BTreeSet;

use blotter_shared::domain::{BrokerMode, Desired, OptionContract, Price, Step, TradeNumber};
use blotter_shared::protocol::commands::{CloseTrade, Flatten, Flattened, PlannedSend, SeenVersion, SendKind};
use blotter_shared::protocol::market::SessionPhase;
use blotter_shared::protocol::settings::KillSwitch;
use blotter_shared::protocol::trades::Trade;
use uuid::Uuid;

use super::answers::{RELOAD_AFTER, is_conflict};
use super::keys::refusal_of_actions;
use super::trade_form::{adjust, close_part, new_trade};
use crate::client::calls::{Call, CallError};
use crate::client::looks::LookCall;
use crate::client::orders::{Ask, OrderAnswer, OrderCall};
use crate::effect::Effect;
use crate::format;
use crate::model::Model;
use crate::overlays::Overlay;
use crate::overlays::confirm::{Confirm, Deed};
use crate::overlays::form::Form;
use crate::overlays::notices::Level;
use crate::overlays::story::Story;
use crate::widgets::text;

/// What a key of the Open pane asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Close,
    ClosePart,
    Stop,
    Target,
    Protect,
    Flatten,
    NewTrade,
    KillSwitch,
}

impl Wish {
    /// Whether it concerns the selected trade alone.
    fn is_of_trade(self) -> bool {
        match self {
            Self::Close | Self::ClosePart | Self::Stop | Self::Target | Self::Protect => true,
            Self::Flatten | Self::NewTrade | Self::KillSwitch => false,
        }
    }
}

/// Opens what stands before a deed.
pub(super) fn open(model: &mut Model, wish: Wish, selected: Option<Trade>) -> Vec<Effect> {
    if !model.overlays.is_empty() {
        return vec![];
    }
    if let Some(words) = refusal_of_actions(model) {
        model.notices.say(model.now, Level::Warn, words);
        return vec![];
    }
    if let Some(number) = selected
        .as_ref()
        .filter(|trade| wish.is_of_trade() && model.pending.is_leaving(trade))
        .map(|trade| trade.number)
    {
        model.notices.say(model.now, Level::Info, format!("{number}: what you asked before is not answered yet."));
        return vec![];
    }
    match (wish, selected) {
        (Wish::Flatten, _) => return ask(model, Ask::Flatten(Flatten { drill: true, mode: None })),
        (Wish::KillSwitch, _) => kill_switch(model),
        (Wish::NewTrade, _) => new_trade(model),
        (Wish::Close, Some(trade)) => close(model, &trade),
        (Wish::ClosePart, Some(trade)) => close_part(model, &trade),
        (Wish::Stop, Some(trade)) => return adjust(model, &trade, 0),
        (Wish::Target, Some(trade)) => return adjust(model, &trade, 1),
        (Wish::Protect, Some(trade)) => protect(model, &trade),
        (Wish::Close | Wish::ClosePart | Wish::Stop | Wish::Target | Wish::Protect, None) => {}
    }
    vec![]
}

/// The story of a trade, over whatever pane is shown.
pub(super) fn why(model: &mut Model, selected: Option<Trade>) -> Vec<Effect> {
    let Some(trade) = selected.filter(|_| model.overlays.is_empty()) else { return vec![] };
    let story = Story { trade: trade.id, number: trade.number, top: 0, told: None, context: None };
    model.overlays.push(Overlay::Story(Box::new(story)));
    let context = Call::Look(LookCall::Context(trade.id));
    vec![Effect::Call(Call::Order(OrderCall::Timeline(trade.id))), Effect::Call(context)]
}

/// Sends a deed under a key of its own.
pub(super) fn ask(model: &mut Model, ask: Ask) -> Vec<Effect> {
    let key = model.new_id();
    send(model, ask, key)
}

/// Sends a deed; one that was asked for before keeps its key.
pub(super) fn send(model: &mut Model, ask: Ask, key: Uuid) -> Vec<Effect> {
    if let Some(words) = refusal_of_actions(model) {
        model.notices.say(model.now, Level::Warn, words);
        return vec![];
    }
    model.pending.begin(key, ask.clone());
    let call = Call::Order(OrderCall::Ask { ask: Box::new(ask), key });
    model.in_flight += u32::from(call.is_action());
    vec![Effect::Call(call)]
}

/// Puts a question; where real money is at stake the ticker has to be typed.
pub(super) fn question(model: &mut Model, dialog: Confirm, live: Option<&Trade>) {
    let dialog = match live.and_then(live_ticker) {
        Some(word) => dialog.wants_word(word),
        None => dialog,
    };
    model.overlays.push(Overlay::Confirm(dialog));
}

/// What has to be typed before anything is sent about a trade of real money.
pub(super) fn live_ticker(trade: &Trade) -> Option<String> {
    (trade.broker_mode == BrokerMode::Live).then(|| text::clean(&trade.ticker))
}

fn deed(model: &mut Model, ask: Ask) -> Deed {
    Deed::Ask { ask: Box::new(ask), key: model.new_id() }
}

pub(super) fn is_market_open(model: &Model) -> bool {
    model.data.market.as_ref().is_none_or(|heard| heard.value.phase == SessionPhase::Open)
}

pub(super) fn name(trade: &Trade) -> String {
    in_words(&trade.ticker, &trade.contract)
}

fn in_words(ticker: &str, contract: &OptionContract) -> String {
    let (date, right) = (format::expiry_long(contract.expiry), contract.option_type.as_str());
    format!("{} {date} {} {right}", text::clean(ticker), contract.strike.normalize())
}

/// A symbol as people say it; one that is no contract's as it is.
pub(super) fn symbol_in_words(symbol: &str) -> String {
    let contract = symbol.parse::<OptionContract>();
    contract.map_or_else(|_| text::clean(symbol), |contract| in_words(&contract.root, &contract))
}

/// The same as rows have it.
fn symbol_in_brief(symbol: &str) -> String {
    let Ok(contract) = symbol.parse::<OptionContract>() else { return text::clean(symbol) };
    let (date, letter) = (format::expiry_short(contract.expiry), contract.option_type.letter());
    format!("{} {date} {} {letter}", text::clean(&contract.root), contract.strike.normalize())
}

pub(super) fn shown(price: Option<Price>) -> String {
    price.map_or_else(|| "none".to_owned(), |price| format::price(price.value()))
}

fn close(model: &mut Model, trade: &Trade) {
    if trade.desired == Desired::Flat {
        return already_closing(model, trade);
    }
    if trade.held_qty == 0 {
        return cancel(model, trade);
    }
    let at_open = !is_market_open(model);
    let mut body = vec![format!("Sell {} {} at MARKET", trade.held_qty, name(trade))];
    if at_open {
        let opens = model.data.market.as_ref().map(|heard| heard.value.next_change);
        let opens = opens.map_or("the open".to_owned(), |at| format::opening(at, model.trading_now()));
        body.push(format!("The market is closed: it is sold at {opens}, and the bracket stays until then."));
    } else {
        let (stop, target) = (shown(trade.sl_price), shown(trade.tp_price));
        body.push(format!("Its bracket (stop {stop}, target {target}) is cancelled first."));
    }
    let close = CloseTrade { version: trade.version, at_open, ..CloseTrade::default() };
    let deed = deed(model, Ask::Close(trade.id, close));
    let dialog = Confirm::new(model.now, format!("Close {}", trade.number), body, deed);
    question(model, dialog.buttons("Keep position", "Close position"), Some(trade));
}

/// A close that waits for the open can be taken back; one that has begun is told.
pub(super) fn already_closing(model: &mut Model, trade: &Trade) {
    if trade.step != Some(Step::CloseAtOpen) {
        let step = trade.step.map(Step::sentence).unwrap_or_default();
        return model.notices.say(model.now, Level::Info, format!("{} is closing already: {step}", trade.number));
    }
    let body = vec![format!("{} {} closes when the market opens.", trade.held_qty, name(trade))];
    let deed = deed(model, Ask::Withdraw(trade.id, SeenVersion { version: trade.version }));
    let dialog = Confirm::new(model.now, format!("Take the close of {} back", trade.number), body, deed);
    question(model, dialog.buttons("Let it close", "Take it back"), Some(trade));
}

fn cancel(model: &mut Model, trade: &Trade) {
    let body = vec![
        format!("Buy {} {}: nothing is filled yet.", trade.qty, name(trade)),
        "What fills until the cancel arrives is kept and protected.".to_owned(),
    ];
    let deed = deed(model, Ask::Cancel(trade.id, SeenVersion { version: trade.version }));
    let dialog = Confirm::new(model.now, format!("Cancel the entry of {}", trade.number), body, deed);
    question(model, dialog.buttons("Let it work", "Cancel the entry"), Some(trade));
}

fn protect(model: &mut Model, trade: &Trade) {
    let mut body = vec![format!("{} {}", trade.held_qty, name(trade))];
    body.extend(trade.needs_person.as_deref().map(|reason| format!("It waits for you: {}", text::clean(reason))));
    if trade.needs_person.is_some() {
        body.push("You say that what the broker shows is right; contracts that are missing are booked as gone.".into());
    }
    let (stop, target) = (shown(trade.sl_price), shown(trade.tp_price));
    body.push(format!("A bracket with stop {stop} and target {target} is placed unless one works."));
    let deed = deed(model, Ask::Protect(trade.id, SeenVersion { version: trade.version }));
    let dialog = Confirm::new(model.now, format!("Protect {}", trade.number), body, deed);
    question(model, dialog.buttons("Leave it", "Protect it"), Some(trade));
}

/// Stopping is asked for like letting in: whoever meets the key by chance changes nothing.
fn kill_switch(model: &mut Model) {
    let Some(settings) = &model.data.settings else { return };
    let stopped = !settings.entries_stopped;
    let deed = deed(model, Ask::StopEntries(KillSwitch { stopped }));
    let (title, words, keep, act) = if stopped {
        let words = "Nothing is bought until entries are let in again. Stops, targets and closes go on as they are.";
        ("Stop every entry", words, "Let them in", "Stop entries")
    } else {
        ("Let entries in again", "New trades are judged by the limits, and bought.", "Keep them out", "Let them in")
    };
    let dialog = Confirm::new(model.now, title, vec![words.to_owned()], deed).buttons(keep, act);
    question(model, dialog, None);
}

pub(super) fn with_form(model: &mut Model, change: impl FnOnce(&mut Form)) {
    if let Some(form) = model.overlays.iter_mut().rev().find_map(Overlay::form_mut) {
        change(form);
    }
}

/// The question over a form was answered with yes: the form waits for the daemon.
pub(super) fn confirmed(model: &mut Model, ask: Ask, key: Uuid) -> Vec<Effect> {
    let effects = send(model, ask, key);
    if !effects.is_empty() {
        with_form(model, |form| form.is_sending = form.sent.as_ref().is_some_and(|(_, sent)| *sent == key));
    }
    effects
}

/// An answer about trades came.
pub(super) fn answered(model: &mut Model, call: &OrderCall, answer: OrderAnswer) -> Vec<Effect> {
    if let OrderCall::Ask { key, .. } = call {
        model.pending.end(*key);
    }
    match (call, answer) {
        (OrderCall::Timeline(id), OrderAnswer::Timeline(told)) => {
            if let Some(looked) = model.looked.get_mut(id) {
                looked.moments = Some(told.moments.clone());
            }
            for overlay in &mut model.overlays {
                if let Overlay::Story(story) = overlay
                    && story.trade == *id
                {
                    story.told = Some((*told).clone());
                }
            }
            vec![]
        }
        (OrderCall::Ask { ask, .. }, OrderAnswer::Flattened(sends)) if sends.drill => {
            drilled(model, ask, &sends);
            vec![]
        }
        (OrderCall::Ask { ask, key }, OrderAnswer::Trade(trade)) => {
            done(model, ask, *key, Some(&trade));
            super::answers::trade_came(model, &trade)
        }
        (OrderCall::Ask { ask, key }, OrderAnswer::Alarm(alarm)) => {
            done(model, ask, *key, None);
            super::answers::alarm_came(model, *alarm)
        }
        (OrderCall::Ask { ask, key }, OrderAnswer::Flattened(_) | OrderAnswer::Settings(_)) => {
            done(model, ask, *key, None);
            vec![]
        }
        (OrderCall::Timeline(_), _) | (OrderCall::Ask { .. }, OrderAnswer::Timeline(_)) => vec![],
    }
}

fn done(model: &mut Model, ask: &Ask, key: Uuid, trade: Option<&Trade>) {
    let is_its = |overlay: &Overlay| matches!(overlay, Overlay::Form(form) if form.sent.as_ref().is_some_and(|(_, sent)| *sent == key));
    model.overlays.retain(|overlay| !is_its(overlay));
    let number = trade.map(|trade| format!("{}: ", trade.number)).unwrap_or_default();
    model.notices.say(model.now, Level::Info, format!("{number}{}", ask.done()));
}

/// The trade that something was asked of, as people call it.
fn number_of(model: &Model, ask: &Ask) -> Option<TradeNumber> {
    let id = ask.trade()?;
    model.open_trades().iter().find(|trade| trade.id == id).map(|trade| trade.number)
}

/// What a flatten would send, before it is sent.
fn drilled(model: &mut Model, ask: &Ask, sends: &Flattened) {
    let Ask::Flatten(wanted) = ask else { return };
    if sends.sends.is_empty() {
        return model.notices.say(
            model.now,
            Level::Info,
            "Nothing is held and no entry works: there is nothing to do.",
        );
    }
    let modes: BTreeSet<&str> = sends.sends.iter().map(|send| send.broker_mode.as_str()).collect();
    let mut body = vec![totals(sends, &modes)];
    let world = |send: &PlannedSend| if modes.len() > 1 { format!("{} ", send.broker_mode) } else { String::new() };
    body.extend(sends.sends.iter().take(MOST_SENDS).map(|send| planned(send, &world(send))));
    let more = sends.sends.len().saturating_sub(MOST_SENDS);
    if more > 0 {
        body.push(format!("… and {more} more"));
    }
    if let Some(sentence) = what_waits(sends) {
        body.push(sentence.to_owned());
    }
    let is_live = sends.sends.iter().any(|send| send.broker_mode == BrokerMode::Live);
    let deed = deed(model, Ask::Flatten(Flatten { drill: false, mode: wanted.mode }));
    let dialog = Confirm::new(model.now, "Flatten everything", body, deed).buttons("Keep everything", "Flatten");
    let dialog = if is_live { dialog.wants_word("FLATTEN") } else { dialog };
    if model.overlays.is_empty() {
        model.overlays.push(Overlay::Confirm(dialog));
    }
}

/// How much it comes to, and where.
fn totals(sends: &Flattened, modes: &BTreeSet<&str>) -> String {
    let count = |what: SendKind, one: &str, many: &str| {
        let count = sends.sends.iter().filter(|send| send.what == what).count();
        (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { many }))
    };
    let (sales, entries) = (
        count(SendKind::SellAtMarket, "position sold", "positions sold"),
        count(SendKind::CancelEntry, "entry cancelled", "entries cancelled"),
    );
    let brackets = || count(SendKind::CancelBracket, "bracket cancelled", "brackets cancelled");
    let parts: Vec<String> = sales.into_iter().chain(entries).collect();
    let parts = if parts.is_empty() { brackets().into_iter().collect() } else { parts };
    let modes: Vec<&str> = modes.iter().copied().collect();
    format!("{} in {}:", parts.join(" and "), modes.join(" and "))
}

/// One order, on a line of its own even where lines are short; with its world, where there are several.
fn planned(send: &PlannedSend, world: &str) -> String {
    let what = match send.what {
        SendKind::CancelEntry => "cancel entry".to_owned(),
        SendKind::CancelBracket => "cancel bracket".to_owned(),
        SendKind::SellAtMarket => send.qty.map_or("sell".to_owned(), |qty| format!("sell {qty}")),
    };
    let when = if send.waits_for_open { " at the open" } else { "" };
    format!("{} {world}{}: {what}{when}", send.trade_number, symbol_in_brief(&send.option_symbol))
}

/// What does not leave at once: the market of a contract is closed, and that of another may be open.
pub(crate) fn what_waits(sends: &Flattened) -> Option<&'static str> {
    let sales = || sends.sends.iter().filter(|send| send.what == SendKind::SellAtMarket);
    match (sales().any(|sale| sale.waits_for_open), sales().all(|sale| sale.waits_for_open)) {
        (false, _) => None,
        (true, true) => Some("The market is closed: the sales wait for the open."),
        (true, false) => Some("Some of these still trade and are sold now; the others wait for the open."),
    }
}

/// Most lines of a flatten that the question lists.
const MOST_SENDS: usize = 9;

/// A request about trades was refused, or nobody knows what became of it.
pub(super) fn failed(model: &mut Model, call: &OrderCall, error: &CallError) {
    let OrderCall::Ask { key, ask } = call else {
        // What is only shown beside a row is asked for again with the next change.
        if !model.overlays.iter().any(|overlay| matches!(overlay, Overlay::Story(_))) {
            return;
        }
        model.overlays.retain(|overlay| !matches!(overlay, Overlay::Story(_)));
        return model.notices.say(model.now, Level::Warn, format!("The story did not come: {error}"));
    };
    model.pending.end(*key);
    let number = number_of(model, ask).map(|number| format!(" ({number} is as it was)")).unwrap_or_default();
    let mut words = format!("Not done: {error}{number}");
    if let CallError::Broken | CallError::TimedOut { .. } = error {
        words = format!("{error} It may have been done: the next refresh shows it.");
    }
    if is_conflict(error) {
        model.reload_at = Some(model.now.since_start + RELOAD_AFTER);
        words = format!("Sync alert: this trade was updated on another device ({error})");
    }
    let mut in_form = false;
    with_form(model, |form| {
        if form.sent.as_ref().is_some_and(|(_, sent)| sent == key) {
            (form.is_sending, in_form) = (false, true);
            form.error = Some((None, words.clone()));
        }
    });
    if !in_form {
        let level = if error.is_silence() { Level::Error } else { Level::Warn };
        model.notices.say(model.now, level, words);
    }
}
