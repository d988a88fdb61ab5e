//! Cells as bytes: only what changed, moved to in the cheapest way, in the sixteen colours' own
//! codes (30–37, 90–97), which every terminal knows, and RGB where the theme uses it.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Position;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use crate::view::Drawing;

/// Clears the screen and the attributes.
pub const CLEAR: &[u8] = b"\x1b[0m\x1b[2J";
/// Asks the terminal to say when it has come so far (DSR).
pub const ASK_READY: &[u8] = b"\x1b[5n";
/// Asks for the background's colour (OSC 11).
pub const ASK_BACKGROUND: &[u8] = b"\x1b]11;?\x1b\\";

const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";

/// The bytes that turn what is shown into the drawing; none when they are the same.
#[must_use]
pub fn frame(shown: &Buffer, drawing: &Drawing, cursor: Option<Position>) -> Vec<u8> {
    let changes = shown.diff(&drawing.buffer);
    if changes.is_empty() && drawing.cursor == cursor {
        return Vec::new();
    }
    let mut pen = Pen::default();
    pen.out.push_str(BEGIN);
    if cursor.is_some() {
        pen.out.push_str("\x1b[?25l");
    }
    for (x, y, cell) in changes {
        pen.put(x, y, cell);
    }
    pen.reset();
    if let Some(position) = drawing.cursor {
        pen.move_to(position.x, position.y);
        pen.out.push_str("\x1b[?25h");
    }
    pen.out.push_str(END);
    pen.out.into_bytes()
}

/// The whole of a buffer as lines with colours, for printing.
#[must_use]
pub fn lines(buffer: &Buffer) -> String {
    let mut pen = Pen::default();
    for y in 0..buffer.area.height {
        let mut skip = 0;
        for x in 0..buffer.area.width {
            let Some(cell) = buffer.cell((x, y)) else { continue };
            if skip > 0 {
                skip -= 1;
                continue;
            }
            pen.style(cell);
            pen.out.push_str(cell.symbol());
            skip = cell.symbol().width().saturating_sub(1);
        }
        pen.reset();
        pen.out.push('\n');
    }
    pen.out
}

#[derive(Default)]
struct Pen {
    out: String,
    at: Option<(u16, u16)>,
    fg: Option<Color>,
    bg: Option<Color>,
    modifier: Modifier,
}

impl Pen {
    fn put(&mut self, x: u16, y: u16, cell: &Cell) {
        self.move_to(x, y);
        self.style(cell);
        self.out.push_str(cell.symbol());
        let width = u16::try_from(cell.symbol().width()).unwrap_or(1);
        self.at = Some((x.saturating_add(width), y));
    }

    fn move_to(&mut self, x: u16, y: u16) {
        match self.at {
            Some(at) if at == (x, y) => {}
            Some((from, row)) if row == y && from < x => {
                let _ = match x - from {
                    1 => write!(self.out, "\x1b[C"),
                    gap => write!(self.out, "\x1b[{gap}C"),
                };
            }
            Some(_) | None => {
                let _ = write!(self.out, "\x1b[{};{}H", y + 1, x + 1);
            }
        }
        self.at = Some((x, y));
    }

    fn style(&mut self, cell: &Cell) {
        let mut codes: Vec<String> = Vec::new();
        if cell.modifier != self.modifier {
            codes.push("0".to_owned());
            (self.fg, self.bg) = (None, None);
            codes.extend(modifier_codes(cell.modifier).map(str::to_owned));
            self.modifier = cell.modifier;
        }
        let (fg, bg) = (known(cell.fg), known(cell.bg));
        if fg != self.fg {
            codes.push(fg.map_or_else(|| "39".to_owned(), |color| color_code(color, Ground::Front)));
            self.fg = fg;
        }
        if bg != self.bg {
            codes.push(bg.map_or_else(|| "49".to_owned(), |color| color_code(color, Ground::Back)));
            self.bg = bg;
        }
        if !codes.is_empty() {
            let _ = write!(self.out, "\x1b[{}m", codes.join(";"));
        }
    }

    fn reset(&mut self) {
        if self.fg.is_some() || self.bg.is_some() || !self.modifier.is_empty() {
            self.out.push_str("\x1b[0m");
        }
        (self.fg, self.bg, self.modifier) = (None, None, Modifier::empty());
    }
}

fn known(color: Color) -> Option<Color> {
    (color != Color::Reset).then_some(color)
}

fn modifier_codes(modifier: Modifier) -> impl Iterator<Item = &'static str> {
    let codes = [
        (Modifier::BOLD, "1"),
        (Modifier::DIM, "2"),
        (Modifier::ITALIC, "3"),
        (Modifier::UNDERLINED, "4"),
        (Modifier::REVERSED, "7"),
    ];
    codes.into_iter().filter(move |(flag, _)| modifier.contains(*flag)).map(|(_, code)| code)
}

#[derive(Clone, Copy)]
enum Ground {
    Front,
    Back,
}

fn color_code(color: Color, ground: Ground) -> String {
    let (base, bright, extended) = match ground {
        Ground::Front => (30, 90, 38),
        Ground::Back => (40, 100, 48),
    };
    match color {
        Color::Reset => (base + 9).to_string(),
        Color::Black => base.to_string(),
        Color::Red => (base + 1).to_string(),
        Color::Green => (base + 2).to_string(),
        Color::Yellow => (base + 3).to_string(),
        Color::Blue => (base + 4).to_string(),
        Color::Magenta => (base + 5).to_string(),
        Color::Cyan => (base + 6).to_string(),
        Color::Gray => (base + 7).to_string(),
        Color::DarkGray => bright.to_string(),
        Color::LightRed => (bright + 1).to_string(),
        Color::LightGreen => (bright + 2).to_string(),
        Color::LightYellow => (bright + 3).to_string(),
        Color::LightBlue => (bright + 4).to_string(),
        Color::LightMagenta => (bright + 5).to_string(),
        Color::LightCyan => (bright + 6).to_string(),
        Color::White => (bright + 7).to_string(),
        Color::Rgb(red, green, blue) => format!("{extended};2;{red};{green};{blue}"),
        Color::Indexed(index) => format!("{extended};5;{index}"),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    fn drawing(lines: &[&str]) -> Drawing {
        Drawing { buffer: Buffer::with_lines(lines.iter().copied()), cursor: None }
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).replace('\x1b', "^")
    }

    #[test]
    fn nothing_changed_is_nothing_written() {
        let drawing = drawing(&["abc", "def"]);
        assert_eq!(frame(&drawing.buffer, &drawing, None), b"");
    }

    #[test]
    fn only_the_difference_is_written_inside_of_one_update() {
        let bytes = frame(&drawing(&["abcdef", "      "]).buffer, &drawing(&["aXcdYf", "    Z "]), None);
        assert_eq!(text(&bytes), "^[?2026h^[1;2HX^[2CY^[2;5HZ^[?2026l");
    }

    #[test]
    fn styles_change_where_they_change_and_are_taken_back() {
        let mut next = drawing(&["abcd"]);
        next.buffer.set_style(Rect::new(1, 0, 2, 1), Style::new().fg(Color::LightRed).add_modifier(Modifier::BOLD));
        next.buffer.set_style(Rect::new(2, 0, 1, 1), Style::new().bg(Color::Rgb(1, 2, 3)));
        let bytes = frame(&Buffer::empty(Rect::new(0, 0, 4, 1)), &next, None);
        assert_eq!(text(&bytes), "^[?2026h^[1;1Ha^[0;1;91mb^[48;2;1;2;3mc^[0md^[?2026l");
    }

    #[test]
    fn the_cursor_is_hidden_while_it_would_jump() {
        let mut next = drawing(&["ab"]);
        next.cursor = Some(Position { x: 1, y: 0 });
        let bytes = frame(&drawing(&["ab"]).buffer, &next, Some(Position { x: 0, y: 0 }));
        assert_eq!(text(&bytes), "^[?2026h^[?25l^[1;2H^[?25h^[?2026l");
        assert_eq!(frame(&next.buffer, &next, next.cursor), b"");
    }

    #[test]
    fn wide_characters_move_the_cursor_by_two() {
        let bytes = frame(&Buffer::empty(Rect::new(0, 0, 6, 1)), &drawing(&["日本ab"]), None);
        assert_eq!(text(&bytes), "^[?2026h^[1;1H日本ab^[?2026l");
    }
}
