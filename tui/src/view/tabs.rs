//! The second line: the panes with their counts, and the search when there is one.

use ratatui::layout::Rect;

use super::layout::{Mode, mode};
use crate::input::keymap::Action;
use crate::model::Model;
use crate::panes::Pane;
use crate::panes::list::ListState;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, Target};
use crate::widgets::text;

pub(super) fn draw(canvas: &mut Canvas<'_>, row: Rect, model: &Model) {
    let mut x = 1;
    for pane in Pane::ALL {
        let words = label(model, *pane);
        let role = if *pane == model.pane { Role::TabActive } else { Role::Tab };
        let next = canvas.put(row, x, &words, role);
        // What has just left the open trades is there.
        let is_lit = model.flashes.is_lit_elsewhere(model.now.since_start, model.open_trades());
        if *pane == Pane::History && is_lit {
            canvas.flash(Rect { x: row.x + x, width: text::width(&words), ..row });
        }
        canvas.target(Rect { x: row.x + x, width: text::width(&words), ..row }, Target::Act(action(*pane)));
        x = next + if mode(model.width) == Mode::Narrow { 2 } else { 3 };
    }
    draw_search(canvas, row, model, x);
    if let Some(bytes) = model.exporting {
        let words = format!("exporting {}", crate::format::size(bytes));
        if x + text::width(&words) + 2 < row.width {
            canvas.put_right(Rect { width: row.width.saturating_sub(1), ..row }, &words, Role::Accent);
        }
    }
}

fn action(pane: Pane) -> Action {
    match pane {
        Pane::Open => Action::OpenPane,
        Pane::History => Action::HistoryPane,
        Pane::Performance => Action::PerformancePane,
    }
}

fn label(model: &Model, pane: Pane) -> String {
    let is_narrow = mode(model.width) == Mode::Narrow;
    let (key, name) = match (pane, is_narrow) {
        (Pane::Open, _) => (Action::OpenPane, "Open"),
        (Pane::History, false) => (Action::HistoryPane, "History"),
        (Pane::History, true) => (Action::HistoryPane, "Hist"),
        (Pane::Performance, false) => (Action::PerformancePane, "Performance"),
        (Pane::Performance, true) => (Action::PerformancePane, "Perf"),
    };
    let key = model.keymap.key_of(key).map(|chord| format!("{chord} ")).unwrap_or_default();
    match count(model, pane) {
        Some(count) => format!("{key}{name} {count}"),
        None => format!("{key}{name}"),
    }
}

/// How many rows there are; a plus says that the daemon has more pages of them.
fn count(model: &Model, pane: Pane) -> Option<String> {
    match pane {
        Pane::Open => model.data.open.as_ref().map(|trades| trades.len().to_string()),
        Pane::History => model.history.items.as_ref().map(|_| found(model)),
        Pane::Performance => None,
    }
}

/// Rows of the History pane; a plus says that there are more.
fn found(model: &Model) -> String {
    let (count, is_exact) = model.history.count();
    format!("{count}{}", if is_exact { "" } else { "+" })
}

fn draw_search(canvas: &mut Canvas<'_>, row: Rect, model: &Model, from: u16) {
    let Some((list, found)) = searched(model) else { return };
    let term = text::clean(list.search.text());
    if !list.is_searching && term.is_empty() {
        return;
    }
    let with_count = format!("find: {term}   {found}");
    let words = if from + text::width(&with_count) + 2 <= row.width { with_count } else { format!("find: {term} ") };
    let x = row.width.saturating_sub(text::width(&words) + 1).max(from);
    canvas.put(row, x, &words, Role::Found);
    if list.is_searching {
        let cursor = row.x + x + text::width("find: ") + text::width(&text::clean(list.search.before_cursor()));
        canvas.cursor = (cursor < row.right()).then_some((cursor, row.y).into());
    }
}

fn searched(model: &Model) -> Option<(&ListState, String)> {
    match model.pane {
        Pane::Open => {
            let found = model.open.rows().len();
            Some((&model.open.list, format!("{found} of {}", model.open_trades().len())))
        }
        Pane::History => Some((&model.history.list, format!("{} found", found(model)))),
        Pane::Performance => None,
    }
}
