//! Labelled figures that flow into lines. A figure is never cut; one that fits nowhere has a line of its
//! own.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::text;
use crate::theme::Role;

/// A label and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub label: &'static str,
    pub value: String,
    pub role: Role,
}

/// Cells between two figures.
const GAP: u16 = 3;

impl Fact {
    #[must_use]
    pub fn new(label: &'static str, value: impl Into<String>) -> Self {
        Self { label, value: value.into(), role: Role::Text }
    }

    fn width(&self) -> u16 {
        text::width(self.label) + 1 + text::width(&self.value)
    }
}

/// Lines of at most `room` cells.
#[must_use]
pub fn flow(facts: Vec<Fact>, room: u16) -> Vec<Vec<Fact>> {
    let mut lines = Vec::new();
    let mut used = 0;
    let mut current: Vec<Fact> = Vec::new();
    for fact in facts {
        let needed = fact.width() + GAP;
        if used + needed > room + GAP && !current.is_empty() {
            lines.push(std::mem::take(&mut current));
            used = 0;
        }
        used += needed;
        current.push(fact);
    }
    if !current.is_empty() {
        lines.push(current);
    }
    lines
}

/// Draws one line of them from `x` on.
pub fn put_facts(canvas: &mut Canvas<'_>, row: Rect, x: u16, facts: &[Fact]) {
    let mut x = x;
    for fact in facts {
        x = canvas.put(row, x, fact.label, Role::Muted);
        x = canvas.put(row, x + 1, &fact.value, fact.role) + GAP;
    }
}
