//! A drawn screen as text, as text with colours, or as a picture (SVG). README, docs and snapshot
//! tests are made with it.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

/// The lines of a screen, without colour.
#[must_use]
pub fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        for_each_cell(buffer, y, |_, cell| line.push_str(cell.symbol()));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The lines with their colours as escape sequences.
#[must_use]
pub fn ansi(buffer: &Buffer) -> String {
    crate::terminal::encode::lines(buffer)
}

/// The ground that a picture is painted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    Dark,
    Light,
}

struct Palette {
    paper: &'static str,
    ink: &'static str,
    colors: [&'static str; 16],
}

const DARK: Palette = Palette {
    paper: "#14171c",
    ink: "#d8dee9",
    colors: [
        "#3b4252", "#e5484d", "#6fd08c", "#e6b450", "#5a9cf8", "#c792ea", "#73c7e8", "#c8ccd4", "#6b7280", "#ff7b72",
        "#9be8af", "#ffd479", "#8fc7ff", "#e0b3ff", "#a5e3f5", "#ffffff",
    ],
};

const LIGHT: Palette = Palette {
    paper: "#fbfbf9",
    ink: "#24292f",
    colors: [
        "#24292f", "#b3261e", "#12702f", "#8a5a00", "#0b57a4", "#8250a4", "#0a7385", "#dfe3ea", "#5b6270", "#d1332a",
        "#1a8f3f", "#a86f00", "#1f6fd0", "#9a5fc0", "#0f8fa4", "#ffffff",
    ],
};

const CELL_WIDTH: u32 = 9;
const CELL_HEIGHT: u32 = 20;
const PADDING: u32 = 14;

/// The screen as an SVG picture.
#[must_use]
pub fn svg(buffer: &Buffer, paper: Paper) -> String {
    let palette = match paper {
        Paper::Dark => &DARK,
        Paper::Light => &LIGHT,
    };
    let width = u32::from(buffer.area.width) * CELL_WIDTH + 2 * PADDING;
    let height = u32::from(buffer.area.height) * CELL_HEIGHT + 2 * PADDING;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"15\" xml:space=\"preserve\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{}\"/>\n",
        palette.paper
    );
    for y in 0..buffer.area.height {
        for run in runs(buffer, y) {
            draw_run(&mut out, palette, y, &run);
        }
    }
    out.push_str("</svg>\n");
    out
}

/// Cells of one style side by side.
struct Run {
    x: u16,
    width: u16,
    text: String,
    style: Cell,
}

fn runs(buffer: &Buffer, y: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for_each_cell(buffer, y, |x, cell| {
        let width = u16::try_from(cell.symbol().width().max(1)).unwrap_or(1);
        let same = |run: &&mut Run| {
            run.style.fg == cell.fg
                && run.style.bg == cell.bg
                && run.style.modifier == cell.modifier
                && run.x + run.width == x
        };
        match runs.last_mut().filter(same) {
            Some(run) => {
                run.text.push_str(cell.symbol());
                run.width += width;
            }
            None => runs.push(Run { x, width, text: cell.symbol().to_owned(), style: cell.clone() }),
        }
    });
    runs
}

fn draw_run(out: &mut String, palette: &Palette, y: u16, run: &Run) {
    let (ink, paper) = inks(palette, &run.style);
    let (x, top) = (u32::from(run.x) * CELL_WIDTH + PADDING, u32::from(y) * CELL_HEIGHT + PADDING);
    let width = u32::from(run.width) * CELL_WIDTH;
    if paper != palette.paper {
        let _ =
            writeln!(out, "<rect x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{CELL_HEIGHT}\" fill=\"{paper}\"/>");
    }
    if run.text.trim().is_empty() {
        return;
    }
    let modifier = run.style.modifier;
    let mut attributes = String::new();
    if modifier.contains(Modifier::BOLD) {
        attributes.push_str(" font-weight=\"bold\"");
    }
    if modifier.contains(Modifier::UNDERLINED) {
        attributes.push_str(" text-decoration=\"underline\"");
    }
    if modifier.contains(Modifier::DIM) {
        attributes.push_str(" opacity=\"0.6\"");
    }
    let baseline = top + CELL_HEIGHT - 5;
    let text = escaped(&run.text);
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{baseline}\" fill=\"{ink}\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\"{attributes}>{text}</text>"
    );
}

fn inks(palette: &Palette, cell: &Cell) -> (String, String) {
    let ink = color(palette, cell.fg).unwrap_or_else(|| palette.ink.to_owned());
    let paper = color(palette, cell.bg).unwrap_or_else(|| palette.paper.to_owned());
    if cell.modifier.contains(Modifier::REVERSED) { (paper, ink) } else { (ink, paper) }
}

fn color(palette: &Palette, color: Color) -> Option<String> {
    let index = match color {
        Color::Reset | Color::Indexed(_) => return None,
        Color::Rgb(red, green, blue) => return Some(format!("#{red:02x}{green:02x}{blue:02x}")),
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
    };
    palette.colors.get(index).map(|hex| (*hex).to_owned())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Every cell of a line that is not the second half of a wide character.
fn for_each_cell(buffer: &Buffer, y: u16, mut act: impl FnMut(u16, &Cell)) {
    let mut skip = 0;
    for x in 0..buffer.area.width {
        let Some(cell) = buffer.cell((x, y)) else { continue };
        if skip > 0 {
            skip -= 1;
            continue;
        }
        act(x, cell);
        skip = cell.symbol().width().saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_shows_the_text_and_escapes_it() {
        let buffer = Buffer::with_lines(["a<b  ", "日本 x"]);
        assert_eq!(text(&buffer), "a<b\n日本 x\n");
        let svg = svg(&buffer, Paper::Dark);
        assert!(svg.contains("a&lt;b") && svg.contains("日本 x"), "{svg}");
    }
}
