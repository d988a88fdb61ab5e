//! A secret being typed: a line that shows how much there is of it, and never what. Its memory is overwritten when
//! it goes, and it shows itself to no `Debug`.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use super::chord::{Chord, KeyCode};

/// Most bytes that are taken. The room is there from the start: text that grows leaves copies of itself behind.
const BYTES_MAX: usize = 512;

/// Text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Default for Secret {
    fn default() -> Self {
        Self(Zeroizing::new(String::with_capacity(BYTES_MAX)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Whether the key meant something to the line.
    pub fn on_key(&mut self, chord: Chord) -> bool {
        if let Some(c) = chord.typed() {
            self.push(c);
            return true;
        }
        match (chord.code, chord.ctrl) {
            (KeyCode::Backspace, _) => {
                self.0.pop();
            }
            (KeyCode::Char('u'), true) => self.0.zeroize(),
            _ => return false,
        }
        true
    }

    /// Takes a paste: its first line that says something, without what surrounds it.
    pub fn paste(&mut self, text: &str) {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        for c in line.chars() {
            self.push(c);
        }
    }

    fn push(&mut self, c: char) {
        if !c.is_control() && self.0.len() + c.len_utf8() <= BYTES_MAX {
            self.0.push(c);
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many characters there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.chars().count()
    }

    /// The secret itself, for whoever it is meant for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_typed_pasted_and_taken_back_and_shows_itself_to_nobody() {
        let mut secret = Secret::default();
        for c in "hunter3".chars() {
            assert!(secret.on_key(Chord::char(c)));
        }
        secret.on_key(Chord::plain(KeyCode::Backspace));
        secret.on_key(Chord::char('2'));
        assert_eq!((secret.reveal(), secret.count()), ("hunter2", 7));
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert!(!secret.on_key(Chord::plain(KeyCode::Enter)));
        secret.on_key(Chord::ctrl('u'));
        assert!(secret.is_empty());
        secret.paste("\n  s3cr3t\u{7} \nnot this");
        assert_eq!(secret.reveal(), "s3cr3t");
    }

    #[test]
    fn it_never_grows_out_of_its_room() {
        let mut secret = Secret::default();
        let (room, at) = (secret.0.capacity(), secret.0.as_ptr());
        secret.paste(&"é".repeat(2_000));
        assert_eq!((secret.0.capacity(), secret.0.as_ptr(), secret.count()), (room, at, BYTES_MAX / 2));
    }
}
