//! The last line: the keys that do something now. Hints drop whole from the right; help and quit stay.

use ratatui::layout::Rect;

use crate::input::hints::{Hint, hints};
use crate::input::keymap::Action;
use crate::model::Model;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, Target};
use crate::widgets::text;

pub(super) fn draw(canvas: &mut Canvas<'_>, row: Rect, model: &Model) {
    let mut x = 1;
    for hint in fitting(hints(model), row.width.saturating_sub(2)) {
        let start = x;
        x = canvas.put(row, x, &hint.key, Role::Key);
        x = canvas.put(row, x + 1, &hint.words, Role::Muted);
        canvas.target(Rect { x: row.x + start, width: x - start, ..row }, Target::Act(hint.action));
        x += GAP;
    }
}

const GAP: u16 = 2;

fn width(hint: &Hint) -> u16 {
    text::width(&hint.key) + 1 + text::width(&hint.words) + GAP
}

/// As many hints as fit, and always the two that lead out.
fn fitting(hints: Vec<Hint>, room: u16) -> Vec<Hint> {
    let (stay, mut others): (Vec<Hint>, Vec<Hint>) =
        hints.into_iter().partition(|hint| hint.action == Action::Help || hint.action == Action::Quit);
    let total = |hints: &[Hint]| hints.iter().map(width).sum::<u16>();
    while !others.is_empty() && (total(&others) + total(&stay)).saturating_sub(GAP) > room {
        others.pop();
    }
    others.into_iter().chain(stay).collect()
}
