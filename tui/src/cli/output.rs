//! What commands print: JSON for programs, aligned text for people. A reader that closes early
//! (`| head`) is no failure.

use std::io::{self, Write};
use std::process::ExitCode;

use blotter_shared::domain::text::is_dangerous;
use serde::Serialize;

use super::exit::Failure;
use crate::widgets::text::width;

/// Prints a text as it is.
pub(super) fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(Failure::fault(format!("standard output: {error}"))),
    }
}

/// Prints a value as JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<ExitCode, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::fault(error.to_string()))?;
    print(&format!("{}\n", escaped(&text)))
}

/// The same JSON with every dangerous character escaped: JSON itself escapes those below 32 alone, and
/// a terminal obeys others too. Outside of strings there are none but line breaks.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !is_dangerous(c) {
            out.push(c);
        } else {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

/// Rows under a heading, every column as wide as its widest cell; the last is not padded.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<u16> = heading.iter().map(|title| width(title)).collect();
    for row in rows {
        for (column, cell) in widths.iter_mut().zip(row) {
            *column = (*column).max(width(cell));
        }
    }
    let mut out = String::new();
    let heading: Vec<String> = heading.iter().map(|title| (*title).to_owned()).collect();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (cell, column) in row.iter().zip(&widths) {
            let padding = usize::from(column.saturating_sub(width(cell)) + 2);
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', padding));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_means_the_same_and_shows_every_character() {
        let value = serde_json::json!({ "reason": "\u{9b}2J \u{202e}x \u{7f} \u{e0041} é\n", "n": [1, 2] });
        let text = escaped(&serde_json::to_string_pretty(&value).unwrap());
        assert!(text.chars().all(|c| c == '\n' || !is_dangerous(c)), "{text}");
        assert!(text.contains("\\u009b2J \\u202ex \\u007f \\udb40\\udc41 é\\n"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["日本".to_owned(), "x".to_owned()], vec!["a".to_owned(), "yy".to_owned()]];
        assert_eq!(table(&["A", "B"], &rows), "A     B\n日本  x\na     yy\n");
    }
}
