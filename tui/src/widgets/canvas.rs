//! A buffer of cells with the theme at hand. Whatever is drawn outside is not drawn; nothing here
//! can panic at any size. What can be clicked is written down while it is drawn.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

use super::text;
use crate::input::keymap::Action;
use crate::theme::{Role, Theme};
use blotter_shared::domain::TradeId;

/// What a click at a place means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Act(Action),
    Row(TradeId),
}

/// Somewhere to draw.
#[derive(Debug)]
pub struct Canvas<'a> {
    pub buffer: &'a mut Buffer,
    pub theme: &'a Theme,
    /// Where the terminal's cursor belongs while text is typed.
    pub cursor: Option<Position>,
    targets: Vec<(Rect, Target)>,
}

impl<'a> Canvas<'a> {
    pub fn new(buffer: &'a mut Buffer, theme: &'a Theme) -> Self {
        Self { buffer, theme, cursor: None, targets: Vec::new() }
    }

    #[must_use]
    pub fn area(&self) -> Rect {
        self.buffer.area
    }

    #[must_use]
    pub fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    /// Writes text inside `area`'s first line from `x` on; gives the column after it.
    pub fn put(&mut self, area: Rect, x: u16, words: &str, role: Role) -> u16 {
        let style = self.style(role);
        self.put_styled(area, x, words, style)
    }

    /// The same with a style of its own.
    pub fn put_styled(&mut self, area: Rect, x: u16, words: &str, style: Style) -> u16 {
        let area = area.intersection(self.buffer.area);
        let start = area.x.saturating_add(x);
        if area.is_empty() || start >= area.right() {
            return x.saturating_add(text::width(words));
        }
        let room = usize::from(area.right() - start);
        self.buffer.set_stringn(start, area.y, words, room, style);
        x.saturating_add(text::width(words))
    }

    /// Writes text that ends at the right edge of `area`.
    pub fn put_right(&mut self, area: Rect, words: &str, role: Role) {
        let x = area.width.saturating_sub(text::width(words));
        self.put(area, x, words, role);
    }

    /// Writes text in the middle of `area`'s first line.
    pub fn put_centred(&mut self, area: Rect, words: &str, role: Role) {
        let x = area.width.saturating_sub(text::width(words)) / 2;
        self.put(area, x, words, role);
    }

    /// Adds a style to cells that are already drawn.
    pub fn tint(&mut self, area: Rect, role: Role) {
        let style = self.style(role);
        self.buffer.set_style(area, style);
    }

    /// Turns cells that are already drawn around; what is reversed already stays as it is.
    pub fn flash(&mut self, area: Rect) {
        self.buffer.set_style(area, Style::new().add_modifier(Modifier::REVERSED));
    }

    /// Empties cells and gives them a role's background.
    pub fn clear(&mut self, area: Rect, role: Role) {
        let area = area.intersection(self.buffer.area);
        let style = self.style(role);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                    cell.set_style(style);
                }
            }
        }
    }

    /// A line across.
    pub fn rule(&mut self, area: Rect, glyph: char, role: Role) {
        let words: String = std::iter::repeat_n(glyph, usize::from(area.width)).collect();
        self.put(area, 0, &words, role);
    }

    /// A border with a title in its upper and a hint in its lower edge.
    pub fn frame(&mut self, area: Rect, title: &str, hint: &str) {
        if area.width < 2 || area.height < 2 {
            return;
        }
        self.clear(area, Role::Dialog);
        let inner = usize::from(area.width - 2);
        let bar: String = std::iter::repeat_n('─', inner).collect();
        self.put(line(area, 0), 0, &format!("┌{bar}┐"), Role::Dialog);
        for row in 1..area.height - 1 {
            self.put(line(area, row), 0, "│", Role::Dialog);
            self.put_right(line(area, row), "│", Role::Dialog);
        }
        self.put(line(area, area.height - 1), 0, &format!("└{bar}┘"), Role::Dialog);
        let room = area.width.saturating_sub(4);
        if !title.is_empty() {
            self.put(line(area, 0), 1, &format!(" {} ", text::cut(title, room)), Role::DialogTitle);
        }
        if !hint.is_empty() && text::width(hint) <= room {
            self.put(line(area, area.height - 1), 1, &format!(" {hint} "), Role::Muted);
        }
    }

    /// Notes that a click in `area` means `target`; what is drawn later lies above.
    pub fn target(&mut self, area: Rect, target: Target) {
        self.targets.push((area, target));
    }

    /// What a click at this place means.
    #[must_use]
    pub fn hit(&self, x: u16, y: u16) -> Option<Target> {
        let position = Position { x, y };
        self.targets.iter().rev().find(|(area, _)| area.contains(position)).map(|(_, target)| *target)
    }
}

/// One line of an area; empty when the area is not that high.
#[must_use]
pub fn line(area: Rect, row: u16) -> Rect {
    if row >= area.height {
        return Rect { height: 0, ..area };
    }
    Rect { y: area.y + row, height: 1, ..area }
}

/// What is left of an area below its first `rows` lines.
#[must_use]
pub fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// An area of this size in the middle of another, cut to fit.
#[must_use]
pub fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}
