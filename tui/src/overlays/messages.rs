//! Every message of the session, the newest first, and the alarms that are open.

use ratatui::layout::Rect;

use super::notices::{Level, list_line};
use crate::model::Model;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, centred, line};
use crate::widgets::text;

/// The lines of the list at this width.
#[must_use]
pub fn lines(model: &Model, width: u16) -> Vec<(String, Role)> {
    let mut lines = Vec::new();
    let mut add = |words: &str, role: Role| {
        for (index, part) in text::wrap(words, width.saturating_sub(2)).into_iter().enumerate() {
            let indent = if index == 0 { "" } else { "  " };
            lines.push((format!("{indent}{part}"), role));
        }
    };
    for alarm in model.data.alarms.iter().filter(|alarm| alarm.cleared_at.is_none()) {
        add(&format!("ALARM {}  {}", alarm.kind, text::clean(&alarm.message)), Role::Danger);
    }
    for notice in model.notices.log() {
        let role = match notice.level {
            Level::Info => Role::Text,
            Level::Warn => Role::Warn,
            Level::Error => Role::Danger,
        };
        add(&list_line(model.as_told(notice.at), notice), role);
    }
    if lines.is_empty() {
        lines.push(("Nothing has been said yet. Notes, warnings and errors are kept here.".to_owned(), Role::Muted));
    }
    lines
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model, top: u16) {
    let width = 96.min(area.width);
    let lines = lines(model, width.saturating_sub(4));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area = centred(area, width, height.max(5));
    canvas.frame(area, "Messages", "↑↓ scroll · Esc back");
    let top = top.min(height.saturating_sub(area.height));
    for (row, (words, role)) in (1..area.height.saturating_sub(1)).zip(lines.iter().skip(usize::from(top))) {
        let row = line(area, row);
        canvas.put(Rect { width: row.width.saturating_sub(2), ..row }, 2, words, *role);
    }
}
