//! Text from others made safe to show, measured in cells, cut and wrapped.

use blotter_shared::domain::text::is_dangerous;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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
    let mut used = 1;
    for c in text.chars() {
        let next = used + u16::try_from(c.width().unwrap_or(0)).unwrap_or(0);
        if next > cells {
            break;
        }
        used = next;
        kept.push(c);
    }
    if cells > 0 {
        kept.push('…');
    }
    kept
}

/// Broken into lines of at most `cells`, at spaces where there are any.
#[must_use]
pub fn wrap(text: &str, cells: u16) -> Vec<String> {
    let cells = cells.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
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
            line = break_word(word, cells, &mut lines);
        }
        lines.push(line);
    }
    lines
}

/// Puts full lines of a word that is longer than a line, and gives back what is left of it.
fn break_word(word: &str, cells: u16, lines: &mut Vec<String>) -> String {
    let mut line = String::new();
    for c in word.chars() {
        let c_width = u16::try_from(c.width().unwrap_or(0)).unwrap_or(0);
        if width(&line) + c_width > cells && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        line.push(c);
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
        assert_eq!(wrap("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrap("a\n\nb", 9), ["a", "", "b"]);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_it_may_be(text in "\\PC{0,60}", cells in 2_u16..30) {
            prop_assert!(width(&cut(&text, cells)) <= cells);
            for line in wrap(&clean(&text), cells) {
                prop_assert!(width(&line) <= cells, "{line:?}");
            }
        }
    }
}
