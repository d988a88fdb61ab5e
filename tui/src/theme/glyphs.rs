//! The ASCII set: widgets draw with box characters, arrows and braille; a terminal without UTF-8
//! gets every cell translated at the end, so that no widget needs to know.

use ratatui::buffer::Buffer;

/// Which characters the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Glyphs {
    #[default]
    Unicode,
    Ascii,
}

/// Translates every cell that is not ASCII.
pub fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            let ascii = ascii(cell.symbol().chars().next().unwrap_or(' '));
            cell.set_char(ascii);
        }
    }
}

/// The nearest ASCII character; `?` for what has none, so that nothing vanishes unseen.
#[must_use]
pub fn ascii(c: char) -> char {
    match c {
        '─' | '━' | '–' | '—' | '═' => '-',
        '│' | '┃' | '├' | '┤' => '|',
        '┌' | '┐' | '└' | '┘' | '┼' | '╭' | '╮' | '╰' | '╯' => '+',
        '●' => 'o',
        '○' => '.',
        '◆' => '*',
        '▲' | '↑' | '△' => '^',
        '▼' | '↓' | '▾' => 'v',
        '▸' | '→' => '>',
        '←' | '‹' => '<',
        '›' => '>',
        '↵' => '<',
        '…' => '~',
        '×' => 'x',
        '·' => '.',
        '✓' => '+',
        '✗' => 'x',
        '⟳' => '@',
        '⇧' => '^',
        '⌫' => '<',
        '∞' => '8',
        '█' | '▌' => '#',
        '░' => '.',
        '★' => '*',
        '┄' => '-',
        '\u{2800}'..='\u{28ff}' => spinner(c),
        ' ' => ' ',
        _ => '?',
    }
}

/// Frames of the spinner, drawn in braille.
pub const SPINNER: [char; 8] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧'];

fn spinner(c: char) -> char {
    let frame = SPINNER.iter().position(|frame| *frame == c).unwrap_or(0);
    ['|', '/', '-', '\\'].get(frame % 4).copied().unwrap_or('|')
}
