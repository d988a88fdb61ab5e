//! What keys and answers make of trades: a question before each deed, a form where something is
//! typed, and every refusal where it belongs.

use blotter_shared::domain::{BrokerMode, Desired, OptionContract, Price, Quantity, Step};
use blotter_shared::protocol::commands::{
    AdjustTrade, CloseTrade, Flatten, Flattened, PlaceTrade, SeenVersion, SendKind, Story as Told,
};
use blotter_shared::protocol::market::SessionPhase;
use blotter_shared::protocol::trades::Trade;
use uuid::Uuid;

use super::answers::{RELOAD_AFTER, is_conflict};
use super::keys::refusal_of_actions;
use crate::client::calls::{Call, CallError};
use crate::client::orders::{Ask, OrderAnswer, OrderCall};
use crate::effect::Effect;
use crate::format;
use crate::input::chord::Chord;
use crate::input::keymap::Action;
use crate::model::Model;
use crate::overlays::Overlay;
use crate::overlays::confirm::{Confirm, Deed};
use crate::overlays::form::{Field, Focus, Form, Outcome, Purpose};
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
    AckAll,
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
    match (wish, selected) {
        (Wish::Flatten, _) => return ask(model, Ask::Flatten(Flatten { drill: true, mode: None })),
        (Wish::AckAll, _) => return ack_all(model),
        (Wish::NewTrade, _) => new_trade(model),
        (Wish::Close, Some(trade)) => close(model, &trade),
        (Wish::ClosePart, Some(trade)) => close_part(model, &trade),
        (Wish::Stop, Some(trade)) => adjust(model, &trade, 0),
        (Wish::Target, Some(trade)) => adjust(model, &trade, 1),
        (Wish::Protect, Some(trade)) => protect(model, &trade),
        (Wish::Close | Wish::ClosePart | Wish::Stop | Wish::Target | Wish::Protect, None) => {}
    }
    vec![]
}

/// The story of a trade, over whatever pane is shown.
pub(super) fn why(model: &mut Model, selected: Option<Trade>) -> Vec<Effect> {
    let Some(trade) = selected.filter(|_| model.overlays.is_empty()) else { return vec![] };
    let story = Story { trade: trade.id, number: trade.number, top: 0, told: None };
    model.overlays.push(Overlay::Story(Box::new(story)));
    vec![Effect::Call(Call::Order(OrderCall::Timeline(trade.id)))]
}

/// Sends a deed under a key of its own.
fn ask(model: &mut Model, ask: Ask) -> Vec<Effect> {
    let key = model.new_id();
    send(model, ask, key)
}

/// Sends a deed; one that was asked for before keeps its key.
pub(super) fn send(model: &mut Model, ask: Ask, key: Uuid) -> Vec<Effect> {
    if let Some(words) = refusal_of_actions(model) {
        model.notices.say(model.now, Level::Warn, words);
        return vec![];
    }
    let call = Call::Order(OrderCall::Ask { ask: Box::new(ask), key });
    model.in_flight += u32::from(call.is_action());
    vec![Effect::Call(call)]
}

fn question(model: &mut Model, dialog: Confirm, live: Option<&Trade>) {
    let word = live.filter(|trade| trade.broker_mode == BrokerMode::Live).map(|trade| text::clean(&trade.ticker));
    let dialog = match word {
        Some(word) => dialog.wants_word(word),
        None => dialog,
    };
    model.overlays.push(Overlay::Confirm(dialog));
}

fn deed(model: &mut Model, ask: Ask) -> Deed {
    Deed::Ask { ask: Box::new(ask), key: model.new_id() }
}

fn is_market_open(model: &Model) -> bool {
    model.data.market.as_ref().is_none_or(|heard| heard.value.phase == SessionPhase::Open)
}

fn name(trade: &Trade) -> String {
    let (contract, right) = (&trade.contract, trade.contract.option_type.as_str());
    let date = format::expiry_long(contract.expiry);
    format!("{} {date} {} {right}", text::clean(&trade.ticker), contract.strike.normalize())
}

fn shown(price: Option<Price>) -> String {
    price.map_or_else(|| "none".to_owned(), |price| format::price(price.value()))
}

/// Entry, mark, and what a sale at the mark would bring.
fn worth(trade: &Trade) -> String {
    let pnl = trade.unrealized_pnl.map(|cash| format!("   now {}", format::trend(cash.0))).unwrap_or_default();
    format!("Entry {}   Mark {}{pnl}", shown(trade.entry_price), shown(trade.current_price))
}

fn close(model: &mut Model, trade: &Trade) {
    if trade.desired == Desired::Flat {
        return already_closing(model, trade);
    }
    if trade.held_qty == 0 {
        return cancel(model, trade);
    }
    let at_open = !is_market_open(model);
    let mut body = vec![format!("Sell {} {} at MARKET", trade.held_qty, name(trade)), worth(trade)];
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
fn already_closing(model: &mut Model, trade: &Trade) {
    if trade.step != Some(Step::CloseAtOpen) {
        let step = trade.step.map(Step::sentence).unwrap_or_default();
        return model.notices.say(model.now, Level::Info, format!("{} is closing already: {step}", trade.number));
    }
    let body = vec![format!("{} {} closes when the market opens.", trade.held_qty, name(trade))];
    let deed = deed(model, Ask::Withdraw(trade.id, SeenVersion { version: trade.version }));
    let dialog = Confirm::new(model.now, format!("Take the close of {} back", trade.number), body, deed);
    question(model, dialog.buttons("Let it close", "Take it back"), None);
}

fn cancel(model: &mut Model, trade: &Trade) {
    let body = vec![
        format!("Buy {} {}: nothing is filled yet.", trade.qty, name(trade)),
        "What fills until the cancel arrives is kept and protected.".to_owned(),
    ];
    let deed = deed(model, Ask::Cancel(trade.id, SeenVersion { version: trade.version }));
    let dialog = Confirm::new(model.now, format!("Cancel the entry of {}", trade.number), body, deed);
    question(model, dialog.buttons("Let it work", "Cancel the entry"), None);
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
    question(model, dialog.buttons("Leave it", "Protect it"), None);
}

fn ack_all(model: &mut Model) -> Vec<Effect> {
    let open: Vec<_> =
        model.data.alarms.iter().filter(|alarm| alarm.acked_at.is_none()).map(|alarm| alarm.id).collect();
    if open.is_empty() {
        model.notices.say(model.now, Level::Info, "No alarm waits for you.");
    }
    open.into_iter().flat_map(|id| ask(model, Ask::Ack(id))).collect()
}

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
        sent: None,
    }
}

fn plain(price: Option<Price>) -> String {
    price.map(|price| format::price(price.value())).unwrap_or_default()
}

fn adjust(model: &mut Model, trade: &Trade, field: usize) {
    if trade.desired == Desired::Flat {
        return already_closing(model, trade);
    }
    let title = format!("Bracket of {}", trade.number);
    let form = form(model, Purpose::Adjust(trade.id), title, "Replace bracket");
    let form = Form {
        about: vec![format!("{} {}", trade.held_qty.max(trade.qty), name(trade)), worth(trade)],
        fields: vec![
            Field::new("Stop", "below the bid; = entry; empty: none", plain(trade.sl_price)),
            Field::new("Target", "above the bid; empty: none", plain(trade.tp_price)),
        ],
        focus: Focus::Field(field),
        ..form
    };
    model.overlays.push(Overlay::Form(Box::new(form)));
}

fn close_part(model: &mut Model, trade: &Trade) {
    if trade.desired == Desired::Flat {
        return already_closing(model, trade);
    }
    let form =
        form(model, Purpose::Close(trade.id), format!("Close a part of {}, or at a limit", trade.number), "Close");
    let form = Form {
        about: vec![format!("{} {}", trade.held_qty, name(trade)), worth(trade)],
        fields: vec![
            Field::new("Contracts", "a part is sold at the market", trade.held_qty.to_string()),
            Field::new("Limit", "empty: at the market", String::new()),
        ],
        ..form
    };
    model.overlays.push(Overlay::Form(Box::new(form)));
}

fn new_trade(model: &mut Model) {
    let form = form(model, Purpose::Place, "New trade".to_owned(), "Buy to open");
    let mode = model.data.settings.as_ref().map_or("?", |settings| settings.broker_mode.as_str());
    let form = Form {
        about: vec![format!("A long call or put, bought in {mode}. The stop works at the broker within seconds.")],
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

/// Left and right move the cursor in a field.
fn is_sideways(chord: Chord) -> bool {
    use crate::input::chord::KeyCode;
    matches!(chord.code, KeyCode::Left | KeyCode::Right)
}

/// The button that acts: reads the form, and sends it or says what is wrong.
fn act(model: &mut Model) -> Vec<Effect> {
    if let Some(words) = refusal_of_actions(model) {
        model.notices.say(model.now, Level::Warn, words);
        return vec![];
    }
    let Some(Overlay::Form(form)) = model.overlays.last().cloned() else { return vec![] };
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
            Ok(Ask::Adjust(id, AdjustTrade { version: trade.version, new_sl, new_tp, break_even }))
        }
        Purpose::Close(id) => {
            let trade = open(id).ok_or_else(gone)?;
            let part = quantity(text(0)).map_err(|words| (0, words))?;
            let qty = Some(part).filter(|part| part.get() != trade.held_qty);
            let at_open = !is_market_open(model);
            Ok(Ask::Close(id, CloseTrade { version: trade.version, qty, limit: price(1)?, at_open }))
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

fn read_price(text: &str) -> Result<Option<Price>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse::<Price>().map(Some).map_err(|error| format!("{error}."))
}

fn quantity(text: &str) -> Result<Quantity, String> {
    let count: u32 = text.parse().map_err(|_| format!("`{text}` is no number of contracts."))?;
    Quantity::new(count).map_err(|error| format!("{error}."))
}

/// `SPY 2026-12-18 600 C`, or the symbol as the exchange writes it.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn contract(text: &str) -> Result<OptionContract, String> {
    if let Ok(contract) = text.to_uppercase().parse() {
        return Ok(contract);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let [root, expiry, strike, right] = words.as_slice() else {
        return Err("A contract is as SPY 2026-12-18 600 C, or an OCC symbol.".to_owned());
    };
    let right = match right.to_uppercase().as_str() {
        "C" | "CALL" => blotter_shared::domain::OptionType::Call,
        "P" | "PUT" => blotter_shared::domain::OptionType::Put,
        other => return Err(format!("`{other}` is neither C nor P.")),
    };
    let expiry = expiry.parse().map_err(|_| format!("`{expiry}` is no date as 2026-12-18."))?;
    let strike = strike.parse().map_err(|_| format!("`{strike}` is no strike."))?;
    let contract = OptionContract { root: root.to_uppercase(), expiry, option_type: right, strike };
    contract.occ().parse().map_err(|error: blotter_shared::domain::option::OptionSymbolError| format!("{error}."))
}

fn with_form(model: &mut Model, change: impl FnOnce(&mut Form)) {
    let form = model.overlays.iter_mut().rev().find_map(|overlay| match overlay {
        Overlay::Form(form) => Some(form),
        Overlay::Help { .. }
        | Overlay::Messages { .. }
        | Overlay::Settings(_)
        | Overlay::Confirm(_)
        | Overlay::Story(_)
        | Overlay::Export(_)
        | Overlay::Palette(_) => None,
    });
    if let Some(form) = form {
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
    match (call, answer) {
        (OrderCall::Timeline(id), OrderAnswer::Timeline(told)) => {
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
        (OrderCall::Ask { ask, key }, OrderAnswer::Flattened(_) | OrderAnswer::Alarm(_) | OrderAnswer::Settings(_)) => {
            done(model, ask, *key, None);
            vec![]
        }
        (OrderCall::Timeline(_) | OrderCall::Expirations { .. } | OrderCall::Chain { .. }, _)
        | (OrderCall::Ask { .. }, OrderAnswer::Timeline(_) | OrderAnswer::Expirations(_) | OrderAnswer::Chain(_)) => {
            vec![]
        }
    }
}

fn done(model: &mut Model, ask: &Ask, key: Uuid, trade: Option<&Trade>) {
    let is_its = |overlay: &Overlay| matches!(overlay, Overlay::Form(form) if form.sent.as_ref().is_some_and(|(_, sent)| *sent == key));
    model.overlays.retain(|overlay| !is_its(overlay));
    let number = trade.map(|trade| format!("{}: ", trade.number)).unwrap_or_default();
    model.notices.say(model.now, Level::Info, format!("{number}{}", ask.done()));
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
    let mut body: Vec<String> = sends
        .sends
        .iter()
        .take(MOST_SENDS)
        .map(|send| {
            let what = match send.what {
                SendKind::CancelEntry => "cancel the entry of".to_owned(),
                SendKind::CancelBracket => "cancel the bracket of".to_owned(),
                SendKind::SellAtMarket => send.qty.map_or("sell".to_owned(), |qty| format!("sell {qty} of")),
            };
            format!("{} {what} {} ({})", send.trade_number, text::clean(&send.option_symbol), send.broker_mode)
        })
        .collect();
    let more = sends.sends.len().saturating_sub(MOST_SENDS);
    if more > 0 {
        body.push(format!("… and {more} more"));
    }
    if sends.waits_for_open {
        body.push("The market is closed: the sales wait for the open.".to_owned());
    }
    let is_live = sends.sends.iter().any(|send| send.broker_mode == BrokerMode::Live);
    let deed = deed(model, Ask::Flatten(Flatten { drill: false, mode: wanted.mode }));
    let dialog = Confirm::new(model.now, "Flatten everything", body, deed).buttons("Keep everything", "Flatten");
    let dialog = if is_live { dialog.wants_word("FLATTEN") } else { dialog };
    if model.overlays.is_empty() {
        model.overlays.push(Overlay::Confirm(dialog));
    }
}

/// Most lines of a flatten that the question lists.
const MOST_SENDS: usize = 10;

/// A request about trades was refused, or nobody knows what became of it.
pub(super) fn failed(model: &mut Model, call: &OrderCall, error: &CallError) {
    let OrderCall::Ask { key, .. } = call else {
        model.overlays.retain(|overlay| !matches!(overlay, Overlay::Story(_)));
        return model.notices.say(model.now, Level::Warn, format!("The story did not come: {error}"));
    };
    let mut words = format!("Not done: {error}");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contract_is_typed_in_words_or_as_a_symbol() {
        let symbol = |text: &str| contract(text).map(|contract| contract.occ());
        assert_eq!(symbol("spy 2026-12-18 600.5 c").as_deref(), Ok("SPY261218C00600500"));
        assert_eq!(symbol("SPY261218P00600000").as_deref(), Ok("SPY261218P00600000"));
        for (text, told) in [
            ("SPY", "A contract is as"),
            ("SPY 18.12.2026 600 C", "no date"),
            ("SPY 2026-12-18 x C", "no strike"),
            ("SPY 2026-12-18 600 X", "neither C nor P"),
        ] {
            assert!(symbol(text).unwrap_err().contains(told), "{text}");
        }
    }
}
