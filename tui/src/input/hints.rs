//! The hint line's content: the keys that do something here and now, in the order of the table.

use blotter_shared::protocol::accounts::AccountState;

use super::keymap::{Action, Context, Entry};
use crate::client::session::TimedRefresh;
use crate::figures::{Cover, cover};
use crate::model::Model;
use crate::overlays::Overlay;
use crate::panes::Pane;
use crate::panes::list::ListState;
use crate::update::inbox;
use crate::update::keys::contexts;
use crate::update::unclaimed;

/// A hint: key and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub action: Action,
    pub key: String,
    pub words: String,
}

/// The hints that make sense now, the most important first; the last two always stay.
#[must_use]
pub fn hints(model: &Model) -> Vec<Hint> {
    let contexts = contexts(model);
    let nearest = contexts.first().copied().unwrap_or(Context::Everywhere);
    let shown = model.keymap.entries().filter(|(entry, chords)| {
        contexts.contains(&entry.context) && !entry.hint.is_empty() && !chords.is_empty() && is_useful(model, entry)
    });
    shown
        .filter_map(|(entry, chords)| {
            // Where characters are typed, a command from further away needs a key that types none.
            let is_far = is_modal(nearest) && entry.context != nearest;
            let key = chords.iter().find(|chord| !is_far || chord.typed().is_none())?.to_string();
            Some(Hint { action: entry.action, key, words: words(model, entry) })
        })
        .collect()
}

fn words(model: &Model, entry: &Entry) -> String {
    match (entry.action, &model.overlays.last()) {
        (Action::Details, Some(Overlay::Settings(_))) => "edit".to_owned(),
        (Action::Details, Some(Overlay::Chain(_))) => "take".to_owned(),
        (Action::Confirm, Some(Overlay::Export(_))) => "write".to_owned(),
        (Action::Keep, Some(Overlay::Export(_))) => "back".to_owned(),
        (Action::Details, Some(Overlay::Messages(_))) => "its row".to_owned(),
        (Action::Details, None) if model.pane == Pane::Performance => "every figure".to_owned(),
        (Action::AutoRefresh, _) => match model.timed_refresh {
            TimedRefresh::On => format!("auto:on {}s", model.session.refresh().as_secs()),
            TimedRefresh::Off => "auto:off".to_owned(),
        },
        _ => entry.hint.to_owned(),
    }
}

/// Whether the key would do something visible now. A hint for nothing is noise.
fn is_useful(model: &Model, entry: &Entry) -> bool {
    use Action as A;
    let overlay = model.overlays.last();
    let is_form = matches!(overlay, Some(Overlay::Settings(_)));
    let is_modal = contexts(model).first().copied().is_some_and(is_modal);
    let is_bare = overlay.is_none() && !is_modal;
    match entry.action {
        A::Details => {
            let has_figures = model.pane == Pane::Performance && model.performance.data.is_some();
            let is_chosen = matches!(overlay, Some(Overlay::Chain(_))) || inbox::leads_to_row(model);
            is_form || is_chosen || (is_bare && (has_selection(model) || has_figures))
        }
        A::Copy => is_bare && has_selection(model),
        A::Search => is_bare && list(model).is_some_and(|(_, count)| count > 0),
        A::SaveSettings => matches!(overlay, Some(Overlay::Settings(form)) if !form.drafts.is_empty()),
        A::RefreshForm | A::CopyWork => match (overlay, &model.data.settings) {
            (Some(Overlay::Settings(form)), Some(settings)) => form.is_stale(settings),
            (Some(Overlay::Form(form)), _) => form.stale.is_some(),
            _ => false,
        },
        A::NextFilter | A::NextPeriod | A::NextBreakdown => is_bare,
        A::Export => is_bare && list(model).is_some_and(|(_, count)| count > 0),
        A::NextSort => is_bare && list(model).is_some_and(|(_, count)| count > 1),
        A::ReverseSort | A::NextMode | A::Palette => is_bare,
        A::CloseTrade | A::ClosePart | A::AdjustStop | A::AdjustTarget | A::Why => is_bare && has_selection(model),
        A::Protect => is_bare && needs_protection(model),
        A::NewTrade | A::Flatten | A::KillSwitch => is_bare,
        A::AckAlarm => inbox::selected(model).is_some_and(|alarm| alarm.acked_at.is_none()),
        A::AckAlarms => {
            let is_seen = is_bare || matches!(overlay, Some(Overlay::Messages(_)));
            is_seen && model.data.alarms.iter().any(|alarm| alarm.acked_at.is_none())
        }
        A::Adopt => inbox::selected(model).is_some_and(|alarm| unclaimed(&alarm.message).is_some()),
        A::EnterToken => is_form || (is_bare && has_refused_token(model)),
        A::Sync | A::AutoRefresh | A::Settings | A::Messages => is_bare,
        A::Back if is_modal => false,
        A::Back => {
            !is_bare || model.notices.has_error() || list(model).is_some_and(|(list, _)| !list.search.text().is_empty())
        }
        A::Help => !is_modal && !matches!(overlay, Some(Overlay::Help { .. })),
        A::Up | A::Down | A::Left | A::Right | A::PageUp | A::PageDown | A::Top | A::Bottom => true,
        A::OpenPane | A::HistoryPane | A::PerformancePane | A::NextPane | A::PreviousPane => true,
        A::Redraw | A::Suspend | A::Quit | A::NextChoice | A::PreviousChoice | A::Confirm | A::Keep => true,
        // Where a word is typed, so is the letter of yes.
        A::Yes => matches!(overlay, Some(Overlay::Confirm(dialog)) if dialog.word.is_none()),
        A::AcceptText | A::CancelText => true,
    }
}

/// Whether a broker wants another token.
fn has_refused_token(model: &Model) -> bool {
    model.data.accounts.iter().any(|account| account.state == AccountState::Reauthenticate)
}

/// Whether the selected trade is held without a stop that works, or waits for a person.
fn needs_protection(model: &Model) -> bool {
    let id = model.open.list.selected;
    let trade = model.open_trades().iter().find(|trade| Some(trade.id) == id);
    trade.is_some_and(|trade| {
        let bare = matches!(cover(trade), Cover::NoStop | Cover::Unverified);
        bare || trade.needs_person.is_some()
    })
}

fn has_selection(model: &Model) -> bool {
    list(model).is_some_and(|(list, _)| list.selected.is_some())
}

/// The list of the pane that is shown, with its number of rows.
#[must_use]
pub fn list(model: &Model) -> Option<(&ListState, usize)> {
    match model.pane {
        Pane::Open => Some((&model.open.list, model.open_trades().len())),
        Pane::History => Some((&model.history.list, model.history.trades().len())),
        Pane::Performance => None,
    }
}

/// Whether a context belongs to a line of text or a dialog, where plain characters are no commands.
#[must_use]
pub fn is_modal(context: Context) -> bool {
    match context {
        Context::Dialog | Context::Typing => true,
        Context::Everywhere | Context::Lists | Context::Open | Context::History => false,
        Context::Performance | Context::Settings | Context::Inbox => false,
    }
}
