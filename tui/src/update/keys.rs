//! What a key does, by the keymap and by what is on top.

use blotter_shared::domain::TradeId;
use blotter_shared::protocol::settings::SettingsUpdate;
use blotter_shared::protocol::sync::SyncRequest;
use blotter_shared::protocol::trades::Trade;

use super::moving::{page, scroll, sideways};
use super::orders::{self, Wish};
use super::settings_form::{self, Turn, with_form};
use super::{adopt, carry_out, chain, inbox, token_form, tools};
use crate::client::calls::Call;
use crate::client::session::{Input, Link, TimedRefresh};
use crate::effect::Effect;
use crate::input::chord::Chord;
use crate::input::hints::is_modal;
use crate::input::keymap::{Action, Context};
use crate::model::{Access, Model};
use crate::overlays::Overlay;
use crate::overlays::confirm::{Confirm, Deed, Outcome};
use crate::overlays::messages::Inbox;
use crate::overlays::notices::Level;
use crate::overlays::palette;
use crate::panes::Pane;
use crate::panes::list::{ListState, Step};
use crate::panes::settings::model::SettingsForm;

/// Where a key is looked up now, the nearest first.
#[must_use]
pub fn contexts(model: &Model) -> &'static [Context] {
    match model.overlays.last() {
        Some(Overlay::Confirm(_) | Overlay::Form(_) | Overlay::Export(_) | Overlay::Token(_)) => {
            &[Context::Dialog, Context::Everywhere]
        }
        Some(Overlay::Palette(_)) => &[Context::Typing, Context::Everywhere],
        Some(Overlay::Settings(form)) if form.editing.is_some() => &[Context::Typing, Context::Everywhere],
        Some(Overlay::Settings(_)) => &[Context::Settings, Context::Lists, Context::Everywhere],
        Some(Overlay::Messages(_)) => &[Context::Inbox, Context::Lists, Context::Everywhere],
        Some(Overlay::Help { .. } | Overlay::Story(_) | Overlay::Chain(_) | Overlay::Figures { .. }) => {
            &[Context::Lists, Context::Everywhere]
        }
        None if is_searching(model) => &[Context::Typing, Context::Everywhere],
        None => palette::contexts(model.pane),
    }
}

fn is_searching(model: &Model) -> bool {
    match model.pane {
        Pane::Open => model.open.list.is_searching,
        Pane::History => model.history.list.is_searching,
        Pane::Performance => false,
    }
}

/// A key was pressed.
pub(super) fn on_key(model: &mut Model, chord: Chord) -> Vec<Effect> {
    let contexts = contexts(model);
    let nearest = contexts.first().copied().unwrap_or(Context::Everywhere);
    let mut action = model.keymap.action(contexts, chord);
    if is_modal(nearest) && chord.typed().is_some() {
        // A character in a dialog or a line of text is never a command from further away.
        action = model.keymap.action(&[nearest], chord);
    }
    if nearest == Context::Dialog && !leads_out(action) {
        return dialog_key(model, action, chord);
    }
    if nearest == Context::Typing && !leads_out(action) && action.is_none_or(|action| !ends_text(action)) {
        type_key(model, chord);
        return after_typing(model);
    }
    action.map(|action| act(model, action)).unwrap_or_default()
}

/// What works over anything: leave, suspend, redraw.
fn leads_out(action: Option<Action>) -> bool {
    matches!(action, Some(Action::Quit | Action::Suspend | Action::Redraw))
}

fn ends_text(action: Action) -> bool {
    action == Action::AcceptText || action == Action::CancelText
}

/// A button was clicked: the same as its key.
pub(super) fn act_or_dialog(model: &mut Model, action: Action) -> Vec<Effect> {
    if let Some(Overlay::Export(_)) = model.overlays.last() {
        return tools::export_key(model, Some(action));
    }
    if let Some(Overlay::Palette(_)) = model.overlays.last() {
        model.overlays.pop();
    }
    if matches!(model.overlays.last(), Some(Overlay::Confirm(_) | Overlay::Form(_) | Overlay::Token(_))) {
        let key = model.keymap.key_of(action).unwrap_or(Chord::char(' '));
        return dialog_key(model, Some(action), Chord { ctrl: true, ..key });
    }
    act(model, action)
}

fn dialog_key(model: &mut Model, action: Option<Action>, chord: Chord) -> Vec<Effect> {
    if let Some(Overlay::Export(_)) = model.overlays.last() {
        return tools::export_key(model, action);
    }
    let now = model.now;
    if matches!(model.overlays.last(), Some(Overlay::Form(_))) {
        return super::trade_form::form_key(model, action, chord);
    }
    if matches!(model.overlays.last(), Some(Overlay::Token(_))) {
        return token_form::key(model, action, chord);
    }
    let Some(Overlay::Confirm(dialog)) = model.overlays.last_mut() else { return vec![] };
    match dialog.on_key(now, action, chord) {
        Outcome::Open => vec![],
        Outcome::Kept => {
            model.overlays.pop();
            vec![]
        }
        Outcome::Confirmed => {
            let (deed, typed) = (dialog.deed.clone(), dialog.typed.text().to_owned());
            model.overlays.pop();
            carry_out_deed(model, deed, typed)
        }
    }
}

/// `typed` is what the person typed to enable it.
fn carry_out_deed(model: &mut Model, deed: Deed, typed: String) -> Vec<Effect> {
    match deed {
        Deed::Quit => vec![Effect::Quit],
        Deed::Ask { ask, key } => orders::confirmed(model, *ask, key),
        Deed::SaveSettings(update) => match refusal_of_actions(model) {
            Some(words) => {
                model.notices.say(model.now, Level::Warn, words);
                vec![]
            }
            None => settings_form::send(model, SettingsUpdate { typed_live_account: Some(typed), ..update }),
        },
        Deed::DropSettingsEdits => {
            model.overlays.pop();
            vec![]
        }
    }
}

fn type_key(model: &mut Model, chord: Chord) {
    if tools::type_in_palette(model, chord) {
        return;
    }
    if with_form(model, |form, _| form.editing.as_mut().map(|line| line.on_key(chord))).flatten().is_some() {
        return;
    }
    if let Some(list) = list_mut(model) {
        list.search.on_key(chord);
    }
}

/// A paste goes where text is typed, and nowhere else.
pub(super) fn on_paste(model: &mut Model, text: &str) {
    if let Some(Overlay::Confirm(dialog)) = model.overlays.last_mut() {
        if dialog.word.is_some() {
            dialog.typed.paste(text);
        }
        return;
    }
    if let Some(Overlay::Palette(palette)) = model.overlays.last_mut() {
        palette.line.paste(text);
        palette.selected = 0;
        return;
    }
    if let Some(Overlay::Token(form)) = model.overlays.last_mut() {
        return form.paste(text);
    }
    if let Some(Overlay::Form(form)) = model.overlays.last_mut() {
        if let Some(input) = form.input() {
            input.paste(text);
        }
        return;
    }
    if with_form(model, |form, _| form.editing.as_mut().map(|line| line.paste(text))).is_some() {
        return;
    }
    if model.overlays.is_empty()
        && is_searching(model)
        && let Some(list) = list_mut(model)
    {
        list.search.paste(text);
    }
}

/// In the History pane the daemon searches.
fn after_typing(model: &mut Model) -> Vec<Effect> {
    if model.overlays.is_empty() && model.pane == Pane::History && model.history.loaded != model.history.query() {
        return model.history.reload();
    }
    vec![]
}

fn list_mut(model: &mut Model) -> Option<&mut ListState> {
    match model.pane {
        Pane::Open => Some(&mut model.open.list),
        Pane::History => Some(&mut model.history.list),
        Pane::Performance => None,
    }
}

/// Does what an action says.
fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    use Action as A;
    match action {
        A::Up => return scroll(model, Step::Up(1)),
        A::Down => return scroll(model, Step::Down(1)),
        A::PageUp => return scroll(model, Step::Up(page(model))),
        A::PageDown => return scroll(model, Step::Down(page(model))),
        A::Top => return scroll(model, Step::First),
        A::Bottom => return scroll(model, Step::Last),
        A::Left => return sideways(model, Turn::Left),
        A::Right => return sideways(model, Turn::Right),
        A::Details => return details(model),
        A::Search => begin_search(model),
        A::Copy => return copy_row(model),
        A::NextFilter => return model.history.turn_filter(1),
        A::NextSort => return tools::sort(model, tools::Sorted::Next),
        A::ReverseSort => return tools::sort(model, tools::Sorted::Reversed),
        A::NextPeriod => return model.performance.turn_period(1),
        A::NextBreakdown => return model.performance.turn_breakdown(),
        A::NextMode => return tools::next_mode(model),
        A::Export => tools::begin_export(model),
        A::Palette => tools::begin_palette(model),
        A::CloseTrade => return of_trade(model, Wish::Close),
        A::ClosePart => return of_trade(model, Wish::ClosePart),
        A::AdjustStop => return of_trade(model, Wish::Stop),
        A::AdjustTarget => return of_trade(model, Wish::Target),
        A::Protect => return of_trade(model, Wish::Protect),
        A::NewTrade => return of_trade(model, Wish::NewTrade),
        A::Flatten => return of_trade(model, Wish::Flatten),
        A::KillSwitch => return of_trade(model, Wish::KillSwitch),
        A::AckAlarm => return inbox::ack_one(model),
        A::AckAlarms => return inbox::ack_all(model),
        A::Adopt => return adopt::begin(model),
        A::EnterToken => token_form::begin(model),
        A::Why => {
            let trade = selected(model).cloned();
            return orders::why(model, trade);
        }
        A::Sync => return sync(model),
        A::AutoRefresh => toggle_refresh(model),
        A::OpenPane => return show(model, Pane::Open),
        A::HistoryPane => return show(model, Pane::History),
        A::PerformancePane => return show(model, Pane::Performance),
        A::NextPane => return show(model, model.pane.next()),
        A::PreviousPane => return show(model, model.pane.previous()),
        A::Settings => open_overlay(model, Overlay::Settings(SettingsForm::new(settings_version(model)))),
        A::Messages => open_overlay(model, Overlay::Messages(Inbox::default())),
        A::Help => open_overlay(model, Overlay::Help { top: 0 }),
        A::Back => return back(model),
        A::SaveSettings => return settings_form::save(model),
        A::RefreshForm => settings_form::refresh(model),
        A::CopyWork => return settings_form::copy_work(model),
        A::AcceptText if matches!(model.overlays.last(), Some(Overlay::Palette(_))) => {
            return tools::take_choice(model).map(|action| act(model, action)).unwrap_or_default();
        }
        A::AcceptText => end_text(model),
        A::CancelText => return cancel_text(model),
        A::Redraw => return vec![Effect::Redraw],
        A::Suspend => return vec![Effect::Suspend],
        A::Quit => return quit(model),
        // Only a dialog knows what these mean, and it is asked before.
        A::NextChoice | A::PreviousChoice | A::Confirm | A::Yes | A::Keep => {}
    }
    vec![]
}

fn of_trade(model: &mut Model, wish: Wish) -> Vec<Effect> {
    let trade = selected(model).cloned();
    orders::open(model, wish, trade)
}

fn settings_version(model: &Model) -> i64 {
    model.data.settings.as_ref().map_or(0, |settings| settings.version)
}

fn details(model: &mut Model) -> Vec<Effect> {
    match model.overlays.last() {
        Some(Overlay::Settings(_)) => settings_form::edit(model),
        Some(Overlay::Chain(_)) => return chain::enter(model),
        Some(Overlay::Messages(_)) => inbox::go_to_row(model),
        Some(_) => {}
        None if model.pane == Pane::Performance => {
            model.overlays.push(Overlay::Figures { top: 0 });
            return model.performance.ask_spread();
        }
        None => {
            if let Some(list) = list_mut(model) {
                list.toggle();
            }
        }
    }
    vec![]
}

/// A click selects a row; on the selected row it opens or closes it.
pub(super) fn click_row(model: &mut Model, id: TradeId) -> Vec<Effect> {
    if let Some(list) = list_mut(model) {
        if list.selected == Some(id) {
            list.toggle();
        } else {
            list.selected = Some(id);
        }
    }
    vec![]
}

fn begin_search(model: &mut Model) {
    if model.overlays.is_empty()
        && let Some(list) = list_mut(model)
    {
        list.is_searching = true;
    }
}

fn end_text(model: &mut Model) {
    if model.overlays.is_empty() {
        if let Some(list) = list_mut(model) {
            list.is_searching = false;
        }
        return;
    }
    settings_form::accept(model);
}

fn cancel_text(model: &mut Model) -> Vec<Effect> {
    if let Some(Overlay::Palette(_)) = model.overlays.last() {
        model.overlays.pop();
        return vec![];
    }
    if with_form(model, |form, _| form.editing.take()).is_some() {
        return vec![];
    }
    clear_search(model)
}

fn clear_search(model: &mut Model) -> Vec<Effect> {
    if let Some(list) = list_mut(model) {
        list.is_searching = false;
        list.search = crate::input::line::LineInput::default();
    }
    after_typing(model)
}

fn selected(model: &Model) -> Option<&Trade> {
    let (list, _) = crate::input::hints::list(model)?;
    let id = list.selected?;
    let trades = match model.pane {
        Pane::Open => model.open_trades(),
        Pane::History => model.history.trades(),
        Pane::Performance => &[],
    };
    trades.iter().find(|trade| trade.id == id)
}

fn copy_row(model: &mut Model) -> Vec<Effect> {
    if !model.overlays.is_empty() {
        return vec![];
    }
    let Some(text) = selected(model).map(|trade| format!("{} {}", trade.number, trade.option_symbol)) else {
        return vec![];
    };
    model.notices.say(model.now, Level::Info, format!("Copied: {text}"));
    vec![Effect::Copy(text)]
}

/// Asks for the newest now: the daemon what was missed, and everything again.
fn sync(model: &mut Model) -> Vec<Effect> {
    let is_live = model.session.link() == Link::Live;
    let orders = model.session.step(model.now, Input::Asked);
    let mut effects = carry_out(model, orders);
    if is_live && model.surroundings.access == Access::Full {
        let key = model.new_id();
        model.in_flight += 1;
        let request = SyncRequest { version: model.data.seq.unwrap_or(0), holds: vec![] };
        effects.push(Effect::Call(Call::Sync { request, key }));
    }
    effects
}

fn toggle_refresh(model: &mut Model) {
    let (next, words) = match model.timed_refresh {
        TimedRefresh::On => (TimedRefresh::Off, "Timed refresh off. What the daemon pushes is still shown at once."),
        TimedRefresh::Off => (TimedRefresh::On, "Timed refresh on."),
    };
    model.timed_refresh = next;
    model.session.set_timed_refresh(model.now, next);
    model.notices.say(model.now, Level::Info, words);
}

fn show(model: &mut Model, pane: Pane) -> Vec<Effect> {
    if !model.overlays.is_empty() {
        return vec![];
    }
    model.pane = pane;
    model.performance.load_if_shown(pane)
}

/// Opens an overlay, or closes it when it is the one on top.
fn open_overlay(model: &mut Model, overlay: Overlay) {
    let same = model.overlays.last().map(std::mem::discriminant) == Some(std::mem::discriminant(&overlay));
    if same {
        match overlay {
            Overlay::Settings(_) => settings_form::leave(model),
            Overlay::Help { .. }
            | Overlay::Messages(_)
            | Overlay::Token(_)
            | Overlay::Confirm(_)
            | Overlay::Export(_)
            | Overlay::Palette(_)
            | Overlay::Form(_)
            | Overlay::Chain(_)
            | Overlay::Figures { .. }
            | Overlay::Story(_) => {
                model.overlays.pop();
            }
        }
    } else if !model.overlays.iter().any(|open| std::mem::discriminant(open) == std::mem::discriminant(&overlay)) {
        model.overlays.push(overlay);
    }
}

/// One level back, whatever is open.
fn back(model: &mut Model) -> Vec<Effect> {
    match model.overlays.last() {
        Some(Overlay::Settings(_)) => settings_form::leave(model),
        Some(Overlay::Chain(_)) => chain::back(model),
        Some(_) => {
            model.overlays.pop();
        }
        None => {
            if model.notices.dismiss() {
                return vec![];
            }
            if list_mut(model).is_some_and(|list| !list.search.text().is_empty()) {
                return clear_search(model);
            }
            if model.pane == Pane::History && model.history.filter.is_some() {
                return model.history.choose_filter(None);
            }
            if let Some(list) = list_mut(model)
                && let Some(id) = list.selected
            {
                list.expanded.remove(&id);
            }
        }
    }
    vec![]
}

/// Quits, after a question only while an action of this client is under way.
fn quit(model: &mut Model) -> Vec<Effect> {
    let is_asked = matches!(model.overlays.last(), Some(Overlay::Confirm(Confirm { deed: Deed::Quit, .. })));
    if model.in_flight == 0 || is_asked {
        return vec![Effect::Quit];
    }
    let body = vec![
        "An action of yours has not been answered yet.".to_owned(),
        "The daemon carries it out whether this client waits or not.".to_owned(),
    ];
    let dialog = Confirm::new(model.now, "Quit now?", body, Deed::Quit).buttons("Wait for it", "Quit");
    model.overlays.push(Overlay::Confirm(dialog));
    vec![]
}

/// Why nothing can be done now, as a sentence. Actions are refused, never queued.
pub(super) fn refusal_of_actions(model: &Model) -> Option<&'static str> {
    if model.surroundings.access == Access::ReadOnly {
        return Some("This client is read-only (--read-only).");
    }
    match model.session.link() {
        Link::Live => None,
        Link::Connecting => Some("Not done: still connecting. Nothing is kept for later."),
        Link::Stale | Link::Retrying | Link::Refused => {
            Some("Not done: the daemon is away. Nothing is kept for later.")
        }
    }
}
