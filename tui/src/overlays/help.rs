//! The list of keys, made from the table that dispatches them.

use ratatui::layout::Rect;

use crate::input::keymap::{Context, Keymap};
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, centred, line};
use crate::widgets::text;

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelpLine {
    Title(&'static str),
    Key {
        keys: String,
        column: u16,
        help: String,
    },
    /// What goes on from the line before.
    More {
        column: u16,
        help: String,
    },
    Blank,
}

/// Where the words begin, behind keys that are not too long for it.
const WORDS: u16 = 14;

/// Cells of a line on a screen of this width.
#[must_use]
pub fn width(screen: u16) -> u16 {
    66.min(screen).saturating_sub(4)
}

/// Every context with its keys, in lines of so many cells.
#[must_use]
pub fn lines(keymap: &Keymap, width: u16) -> Vec<HelpLine> {
    let mut lines = Vec::new();
    for context in Context::ALL {
        if !lines.is_empty() {
            lines.push(HelpLine::Blank);
        }
        lines.push(HelpLine::Title(context.title()));
        let entries = keymap.entries().filter(|(entry, chords)| entry.context == *context && !chords.is_empty());
        lines.extend(entries.flat_map(|(entry, chords)| {
            let keys: Vec<_> = chords.iter().map(ToString::to_string).collect();
            of_key(keys.join(" "), entry.help, width)
        }));
    }
    lines
}

fn of_key(keys: String, help: &str, width: u16) -> Vec<HelpLine> {
    let column = (text::width(&keys) + 3).max(WORDS);
    let mut parts = text::wrap(help, width.saturating_sub(column)).into_iter();
    let first = HelpLine::Key { keys, column, help: parts.next().unwrap_or_default() };
    std::iter::once(first).chain(parts.map(|help| HelpLine::More { column, help })).collect()
}

/// How many lines fit into the list on a screen of this height.
#[must_use]
pub fn visible_lines(area: Rect) -> u16 {
    area.height.saturating_sub(2)
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, keymap: &Keymap, top: u16) {
    let lines = lines(keymap, width(area.width));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area = centred(area, 66, height);
    let hidden = height.saturating_sub(area.height);
    let hint = if hidden > 0 { "↑↓ scroll · Esc back" } else { "Esc back" };
    canvas.frame(area, "Keys", hint);
    let top = top.min(hidden);
    let rows = 1..area.height.saturating_sub(1);
    for (row, help) in rows.zip(lines.iter().skip(usize::from(top))) {
        draw_line(canvas, line(area, row), help);
    }
    if hidden > 0 {
        let position = format!(" {}–{} of {} ", top + 1, top + area.height - 2, lines.len());
        canvas.put(line(area, 0), area.width.saturating_sub(text::width(&position) + 2), &position, Role::Muted);
    }
}

fn draw_line(canvas: &mut Canvas<'_>, row: Rect, help: &HelpLine) {
    let inner = Rect { x: row.x + 2, width: row.width.saturating_sub(4), ..row };
    match help {
        HelpLine::Title(title) => {
            canvas.put(inner, 0, title, Role::DialogTitle);
        }
        HelpLine::Key { keys, column, help } => {
            canvas.put(inner, 1, keys, Role::Key);
            canvas.put(inner, *column, help, Role::Text);
        }
        HelpLine::More { column, help } => {
            canvas.put(inner, *column, help, Role::Text);
        }
        HelpLine::Blank => {}
    }
}
