//! The command palette: every action that works here, found by a few letters.

use ratatui::layout::Rect;

use crate::input::chord::{Chord, KeyCode};
use crate::input::keymap::Context;
use crate::input::line::LineInput;
use crate::input::palette::{Found, find};
use crate::model::Model;
use crate::panes::Pane;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, Target, line};
use crate::widgets::text;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    pub line: LineInput,
    pub selected: usize,
}

/// What the keys mean in the pane below.
#[must_use]
pub fn contexts(pane: Pane) -> &'static [Context] {
    match pane {
        Pane::Open => &[Context::Open, Context::Lists, Context::Everywhere],
        Pane::History => &[Context::History, Context::Lists, Context::Everywhere],
        Pane::Performance => &[Context::Performance, Context::Lists, Context::Everywhere],
    }
}

impl Palette {
    #[must_use]
    pub fn found(&self, model: &Model) -> Vec<Found> {
        find(&model.keymap, contexts(model.pane), self.line.text())
    }

    /// Arrows choose, everything else is typed.
    pub fn on_key(&mut self, chord: Chord, count: usize) {
        let last = count.saturating_sub(1);
        match (chord.code, chord.ctrl) {
            (KeyCode::Up, _) | (KeyCode::Char('p'), true) => self.selected = self.selected.saturating_sub(1),
            (KeyCode::Down | KeyCode::Tab, _) | (KeyCode::Char('n'), true) => {
                self.selected = (self.selected + 1).min(last);
            }
            (KeyCode::PageUp, _) => self.selected = self.selected.saturating_sub(5),
            (KeyCode::PageDown, _) => self.selected = (self.selected + 5).min(last),
            (_, _) => {
                if self.line.on_key(chord) {
                    self.selected = 0;
                }
            }
        }
    }

    pub fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, model: &Model) {
        let found = self.found(model);
        let width = area.width.min(72);
        let room = help_room(width.saturating_sub(4));
        let about = about(&found, room, width.saturating_sub(4));
        let rows = u16::try_from(found.len().max(1)).unwrap_or(u16::MAX);
        let height = rows.saturating_add(3).min(16).saturating_add(about).min(area.height);
        let area = Rect { x: area.x + (area.width - width) / 2, width, height, ..area };
        canvas.frame(area, "Do", "↑↓ choose · ↵ do it · Esc back");
        let inside = Rect { x: area.x + 2, width: area.width.saturating_sub(4), ..area };
        let term = text::clean(self.line.text());
        canvas.put(line(inside, 1), 0, &format!(":{term}"), Role::Strong);
        let cursor = line(inside, 1).x + 1 + text::width(&text::clean(self.line.before_cursor()));
        canvas.cursor = (cursor < inside.right()).then_some((cursor, line(inside, 1).y).into());
        if found.is_empty() {
            canvas.put(line(inside, 2), 0, "nothing is called so", Role::Muted);
            return;
        }
        let shown = usize::from(height.saturating_sub(3 + about));
        let top = self.selected.saturating_sub(shown.saturating_sub(1));
        for (row, (index, found)) in (2..).zip(found.iter().enumerate().skip(top).take(shown)) {
            draw_row(canvas, line(inside, row), (found, room), index == self.selected);
        }
        let selected = found.get(self.selected).map(|found| found.help).filter(|help| !fits(help, room));
        let words = selected.map(|help| text::wrap(help, inside.width)).unwrap_or_default();
        for (row, words) in (height.saturating_sub(1 + about)..height.saturating_sub(1)).zip(&words) {
            canvas.put(line(inside, row), 0, words, Role::Muted);
        }
    }
}

/// Where the help of an action begins in its row.
const HELP_AT: u16 = 31;
/// With fewer cells a row has none.
const HELP_LEAST: u16 = 30;

/// Cells that a row has for its help: a column is dropped whole.
fn help_room(inner: u16) -> u16 {
    Some(inner.saturating_sub(HELP_AT)).filter(|room| *room >= HELP_LEAST).unwrap_or(0)
}

fn fits(help: &str, room: u16) -> bool {
    text::width(help) <= room
}

/// Lines below the list for what the selected action does, where its row has no room for it.
fn about(found: &[Found], room: u16, inner: u16) -> u16 {
    let lines = found.iter().filter(|found| !fits(found.help, room)).map(|found| text::wrap(found.help, inner).len());
    u16::try_from(lines.max().unwrap_or(0)).unwrap_or(u16::MAX)
}

fn draw_row(canvas: &mut Canvas<'_>, row: Rect, (found, room): (&Found, u16), is_selected: bool) {
    canvas.target(row, Target::Act(found.action));
    if is_selected {
        canvas.tint(row, Role::Selected);
    }
    let key = found.key.map(|chord| chord.to_string()).unwrap_or_default();
    canvas.put(row, 0, if is_selected { "▸" } else { " " }, Role::Accent);
    canvas.put(row, 2, &text::cut(&found.name, 18), Role::Strong);
    canvas.put(row, 21, &key, Role::Key);
    if room > 0 {
        canvas.put(row, HELP_AT, &text::cut(found.help, room), Role::Muted);
    }
}
