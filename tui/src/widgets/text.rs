//! Text from others made safe to show, measured in cells, cut and wrapped.

use blotter_shared::domain::text::is_dangerous;
use unicode_width::UnicodeWidthStr;

/// Cells that a text takes.
#[must_use]
pub fn width(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// Text from a broker, a daemon or a file with everything shown as itself: control characters and
/// those that turn the direction of writing are escaped, so that none can rewrite the screen.
#[must_use]
pub fn clean(text: &str) -> String {
    if text.chars().all(|c| !is_dangerous(c)) {
        return text.to_owned();
    }
    text.chars().map(|c| if is_dangerous(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// At most `cells` wide, with an ellipsis where something is missing.
#[must_use]
pub fn cut(text: &str, cells: u16) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        // Of all of it, as some characters make the one before them wider.
        if width(&kept) >= cells {
            kept.pop();
            break;
        }
    }
    if cells > 0 {
        kept.push('…');
    }
    kept
}

/// Broken into lines of at most `cells`, at spaces where there are any; no word is left alone on a last line.
#[must_use]
pub fn wrap(text: &str, cells: u16) -> Vec<String> {
    text.split('\n').flat_map(|paragraph| fold(paragraph, cells, cells)).collect()
}

/// The same, where every line but the first is set in.
#[must_use]
pub fn hang(text: &str, cells: u16, indent: u16) -> Vec<String> {
    let rest = cells.saturating_sub(indent);
    let mut first = cells;
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        lines.extend(fold(paragraph, first, rest));
        first = rest;
    }
    for line in lines.iter_mut().skip(1) {
        line.insert_str(0, &" ".repeat(usize::from(indent)));
    }
    lines
}

/// Lines of a paragraph: the first may be of another width than the others.
fn fold(paragraph: &str, first: u16, rest: u16) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in paragraph.split(' ') {
        let cells = if lines.is_empty() { first } else { rest }.max(1);
        let gap = u16::from(!line.is_empty());
        if width(&line) + gap + width(word) <= cells {
            if gap == 1 {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        line = break_word(word, first.min(rest).max(1), &mut lines);
    }
    lines.push(line);
    keep_company(&mut lines, rest);
    lines
}

/// A word that is left alone on the last line takes the one before along.
fn keep_company(lines: &mut [String], cells: u16) {
    let [.., before, last] = lines else { return };
    let Some((kept, along)) = before.rsplit_once(' ') else { return };
    let is_alone = !last.is_empty() && !last.contains(' ');
    // A line of which little is left would be no better.
    if is_alone && kept.trim_start().contains(' ') && width(along) + 1 + width(last) <= cells {
        *last = format!("{along} {last}");
        *before = kept.trim_end().to_owned();
    }
}

/// Puts full lines of a word that is longer than a line, and gives back what is left of it.
fn break_word(word: &str, cells: u16, lines: &mut Vec<String>) -> String {
    let mut line = String::new();
    for c in word.chars() {
        let before = line.len();
        line.push(c);
        if width(&line) > cells && before > 0 {
            let next = line.split_off(before);
            lines.push(std::mem::replace(&mut line, next));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_rewrite_the_screen_is_shown_escaped() {
        assert_eq!(clean("a\u{1b}[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(clean("héllo 日本"), "héllo 日本");
    }

    #[test]
    fn a_cut_says_so() {
        assert_eq!(cut("momentum", 5), "mome…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("ab", 0), "");
    }

    #[test]
    fn lines_break_at_spaces_and_inside_of_endless_words() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("one two three four", 13), ["one two", "three four"], "no word is left alone");
        assert_eq!(wrap("one two three fourteen", 13), ["one two three", "fourteen"], "unless there is no room");
        assert_eq!(hang("one two three four", 9, 2), ["one two", "  three", "  four"]);
        assert_eq!(hang("one\ntwo three", 9, 2), ["one", "  two", "  three"]);
        assert_eq!(wrap("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrap("a\n\nb", 9), ["a", "", "b"]);
    }

    #[test]
    fn a_character_that_widens_the_one_before_it_is_measured_with_it() {
        let text = "*\u{fe0f}ￒ𐔀0𑠀A🌀𑓐®®®a";
        assert!((2..30).all(|cells| width(&cut(text, cells)) <= cells));
        let stars = "*\u{fe0f}".repeat(9);
        assert!(wrap(&stars, 5).iter().all(|line| width(line) <= 5));
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_it_may_be(text in "\\PC{0,60}", cells in 2_u16..30) {
            prop_assert!(width(&cut(&text, cells)) <= cells);
            let (text, words) = (clean(&text), |lines: &[String]| lines.concat().replace(' ', ""));
            for lines in [wrap(&text, cells), hang(&text, cells + 2, 2)] {
                let cells = if lines == wrap(&text, cells) { cells } else { cells + 2 };
                prop_assert!(lines.iter().all(|line| width(line) <= cells), "{lines:?}");
                prop_assert_eq!(words(&lines), text.replace([' ', '\n'], ""));
            }
        }
    }
}
