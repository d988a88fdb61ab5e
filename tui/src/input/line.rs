//! A line of text being typed: search terms, a figure in the settings, the word that confirms.

use serde::{Deserialize, Serialize};

use super::chord::{Chord, KeyCode};

/// Most characters that a line takes.
const LENGTH_MAX: usize = 64;

/// Text with a cursor, counted in characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineInput {
    text: String,
    cursor: usize,
    /// The next character that is typed stands in the place of everything.
    #[serde(default)]
    is_offered: bool,
}

impl LineInput {
    #[must_use]
    pub fn with(text: impl Into<String>) -> Self {
        let text = text.into();
        let cursor = text.chars().count();
        Self { text, cursor, is_offered: false }
    }

    /// A value to be kept, or replaced by simply typing another: 9 after 5000 is 9, not 50009.
    #[must_use]
    pub fn offering(text: impl Into<String>) -> Self {
        Self { is_offered: true, ..Self::with(text) }
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text before the cursor, for drawing.
    #[must_use]
    pub fn before_cursor(&self) -> &str {
        self.text.get(..self.byte_of(self.cursor)).unwrap_or(&self.text)
    }

    /// Whether the key meant something to a line of text.
    pub fn on_key(&mut self, chord: Chord) -> bool {
        if let Some(c) = chord.typed() {
            self.take_place();
            self.insert(c);
            return true;
        }
        self.is_offered = false;
        match (chord.code, chord.ctrl) {
            (KeyCode::Backspace, _) if self.cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.byte_of(self.cursor));
            }
            (KeyCode::Delete, _) if self.cursor < self.text.chars().count() => {
                self.text.remove(self.byte_of(self.cursor));
            }
            (KeyCode::Backspace | KeyCode::Delete, _) => {}
            (KeyCode::Left, false) => self.cursor = self.cursor.saturating_sub(1),
            (KeyCode::Right, false) => self.cursor = (self.cursor + 1).min(self.text.chars().count()),
            (KeyCode::Home, _) | (KeyCode::Char('a'), true) => self.cursor = 0,
            (KeyCode::End, _) | (KeyCode::Char('e'), true) => self.cursor = self.text.chars().count(),
            (KeyCode::Char('u'), true) => *self = Self::default(),
            _ => return false,
        }
        true
    }

    /// Takes a paste: its first line, without control characters.
    pub fn paste(&mut self, text: &str) {
        self.take_place();
        for c in text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()) {
            self.insert(c);
        }
    }

    fn take_place(&mut self) {
        if self.is_offered {
            *self = Self::default();
        }
    }

    fn insert(&mut self, c: char) {
        if self.text.chars().count() < LENGTH_MAX {
            self.text.insert(self.byte_of(self.cursor), c);
            self.cursor += 1;
        }
    }

    fn byte_of(&self, index: usize) -> usize {
        self.text.char_indices().nth(index).map_or(self.text.len(), |(byte, _)| byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_replaced_by_typing_and_edited_after_any_other_key() {
        let mut line = LineInput::offering("5000");
        line.on_key(Chord::char('9'));
        line.on_key(Chord::char('1'));
        assert_eq!((line.text(), line.before_cursor()), ("91", "91"));
        let mut line = LineInput::offering("5000");
        line.on_key(Chord::plain(KeyCode::Backspace));
        line.on_key(Chord::char('1'));
        assert_eq!(line.text(), "5001");
        let mut line = LineInput::offering("5000");
        line.paste("7500");
        assert_eq!(line.text(), "7500");
    }

    #[test]
    fn text_is_edited_by_characters() {
        let mut line = LineInput::with("né");
        line.on_key(Chord::char('x'));
        line.on_key(Chord::plain(KeyCode::Left));
        line.on_key(Chord::plain(KeyCode::Backspace));
        assert_eq!((line.text(), line.before_cursor()), ("nx", "n"));
        line.on_key(Chord::ctrl('u'));
        assert_eq!(line.text(), "");
        line.paste("ab\u{7}c\nsecond");
        assert_eq!(line.text(), "abc");
        line.paste(&"z".repeat(500));
        assert_eq!(line.text().len(), LENGTH_MAX);
        assert!(!line.on_key(Chord::plain(KeyCode::Enter)));
    }
}
