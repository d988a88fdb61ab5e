//! What the lists offer beside moving: another order, another mode, an export, the palette.

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::trades::ExportQuery;

use crate::client::export::file_name;
use crate::client::session::Link;
use crate::effect::Effect;
use crate::input::chord::Chord;
use crate::input::keymap::Action;
use crate::model::Model;
use crate::overlays::Overlay;
use crate::overlays::export::ExportDialog;
use crate::overlays::notices::Level;
use crate::overlays::palette::Palette;
use crate::panes::Pane;

/// Choosing how to export: nothing is sent that changes anything.
pub(super) fn export_key(model: &mut Model, action: Option<Action>) -> Vec<Effect> {
    let Some(Overlay::Export(dialog)) = model.overlays.last_mut() else { return vec![] };
    match action {
        Some(Action::NextChoice | Action::PreviousChoice) => dialog.turn(),
        Some(Action::Keep) => {
            model.overlays.pop();
        }
        Some(Action::Confirm) => {
            let query = dialog.query.clone();
            model.overlays.pop();
            return export(model, query);
        }
        _ => {}
    }
    vec![]
}

fn export(model: &mut Model, query: ExportQuery) -> Vec<Effect> {
    let why = match model.session.link() {
        Link::Live => None,
        Link::Connecting => Some("Not exported: still connecting."),
        Link::Stale | Link::Retrying | Link::Refused => Some("Not exported: the daemon is away."),
    };
    if let Some(why) = why {
        model.notices.say(model.now, Level::Warn, why);
        return vec![];
    }
    if model.exporting.is_some() {
        model.notices.say(model.now, Level::Warn, "Not exported: another export is still being written.");
        return vec![];
    }
    model.exporting = Some(0);
    let name = file_name(&query, model.now.wall);
    vec![Effect::Export { query, name }]
}

/// What happens to the order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sorted {
    Next,
    Reversed,
}

pub(super) fn sort(model: &mut Model, sorted: Sorted) -> Vec<Effect> {
    if !model.overlays.is_empty() {
        return vec![];
    }
    match (model.pane, sorted) {
        (Pane::Open, Sorted::Next) => model.open.sort = model.open.sort.next(),
        (Pane::Open, Sorted::Reversed) => model.open.is_reversed = !model.open.is_reversed,
        (Pane::History, Sorted::Next) => return model.history.sort_next(),
        (Pane::History, Sorted::Reversed) => return model.history.reverse(),
        (Pane::Performance, _) => {}
    }
    vec![]
}

/// History and figures of the next mode; the one of the settings is where it begins.
pub(super) fn next_mode(model: &mut Model) -> Vec<Effect> {
    if !model.overlays.is_empty() || model.pane == Pane::Open {
        return vec![];
    }
    let all = BrokerMode::ALL;
    let at = all.iter().position(|mode| Some(*mode) == model.history.mode).unwrap_or(0);
    let Some(mode) = all.get((at + 1) % all.len()).copied() else { return vec![] };
    let mut effects = model.history.choose_mode(Some(mode));
    effects.extend(model.performance.choose_mode(mode, model.pane));
    effects
}

pub(super) fn begin_palette(model: &mut Model) {
    if model.overlays.is_empty() {
        model.overlays.push(Overlay::Palette(Palette::default()));
    }
}

/// Closes the palette and gives what was chosen.
pub(super) fn take_choice(model: &mut Model) -> Option<Action> {
    let Some(Overlay::Palette(palette)) = model.overlays.last() else { return None };
    let chosen = palette.found(model).into_iter().nth(palette.selected);
    model.overlays.pop();
    chosen.map(|found| found.action)
}

pub(super) fn begin_export(model: &mut Model) {
    if model.overlays.is_empty()
        && let Some(dialog) = ExportDialog::of(model)
    {
        model.overlays.push(Overlay::Export(dialog));
    }
}

/// Takes a key for the palette, if it is open.
pub(super) fn type_in_palette(model: &mut Model, chord: Chord) -> bool {
    let Some(Overlay::Palette(palette)) = model.overlays.last() else { return false };
    let mut palette = palette.clone();
    let count = palette.found(model).len();
    palette.on_key(chord, count);
    model.overlays.pop();
    model.overlays.push(Overlay::Palette(palette));
    true
}
