//! One key press with its modifiers, as people write it: `q`, `G`, `ctrl-l`, `f1`, `pgup`.
//!
//! Alt is understood and never bound by default: mosh, screen and phones lose it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyCode {
    Char(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Insert,
    Home,
    End,
    PageUp,
    PageDown,
    Up,
    Down,
    Left,
    Right,
    F(u8),
}

/// A key with its modifiers. Shift is part of the character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Chord {
    pub code: KeyCode,
    pub ctrl: bool,
    pub alt: bool,
}

impl Chord {
    #[must_use]
    pub const fn plain(code: KeyCode) -> Self {
        Self { code, ctrl: false, alt: false }
    }

    #[must_use]
    pub const fn char(c: char) -> Self {
        Self::plain(KeyCode::Char(c))
    }

    #[must_use]
    pub const fn ctrl(c: char) -> Self {
        Self { code: KeyCode::Char(c), ctrl: true, alt: false }
    }

    /// The character that this key types, if it types one.
    #[must_use]
    pub fn typed(self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if !self.ctrl && !self.alt => Some(c),
            KeyCode::Char(_)
            | KeyCode::Enter
            | KeyCode::Esc
            | KeyCode::Tab
            | KeyCode::BackTab
            | KeyCode::Backspace
            | KeyCode::Delete
            | KeyCode::Insert
            | KeyCode::Home
            | KeyCode::End
            | KeyCode::PageUp
            | KeyCode::PageDown
            | KeyCode::Up
            | KeyCode::Down
            | KeyCode::Left
            | KeyCode::Right
            | KeyCode::F(_) => None,
        }
    }
}

/// Keys with a name: how the configuration spells them, how the screen does.
const NAMED: &[(KeyCode, &str, &str)] = &[
    (KeyCode::Enter, "enter", "↵"),
    (KeyCode::Esc, "esc", "Esc"),
    (KeyCode::Tab, "tab", "Tab"),
    (KeyCode::BackTab, "shift-tab", "⇧Tab"),
    (KeyCode::Backspace, "backspace", "⌫"),
    (KeyCode::Delete, "delete", "Del"),
    (KeyCode::Insert, "insert", "Ins"),
    (KeyCode::Home, "home", "Home"),
    (KeyCode::End, "end", "End"),
    (KeyCode::PageUp, "pgup", "PgUp"),
    (KeyCode::PageDown, "pgdn", "PgDn"),
    (KeyCode::Up, "up", "↑"),
    (KeyCode::Down, "down", "↓"),
    (KeyCode::Left, "left", "←"),
    (KeyCode::Right, "right", "→"),
    (KeyCode::Char(' '), "space", "Space"),
];

/// Why a text names no key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a key: write one character, or a name such as enter, esc, tab, pgup, f1, ctrl-l")]
pub struct UnknownKey(pub String);

impl FromStr for Chord {
    type Err = UnknownKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut chord = Self::char(' ');
        let mut rest = text;
        loop {
            if let Some(tail) = rest.strip_prefix("ctrl-").filter(|tail| !tail.is_empty()) {
                chord.ctrl = true;
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix("alt-").filter(|tail| !tail.is_empty()) {
                chord.alt = true;
                rest = tail;
            } else {
                break;
            }
        }
        chord.code = key_code(rest).ok_or_else(|| UnknownKey(text.to_owned()))?;
        Ok(chord)
    }
}

fn key_code(name: &str) -> Option<KeyCode> {
    let mut chars = name.chars();
    if let (Some(only), None) = (chars.next(), chars.next()) {
        return (!only.is_control()).then_some(KeyCode::Char(only));
    }
    if let Some((code, _, _)) = NAMED.iter().find(|(_, spelled, _)| *spelled == name) {
        return Some(*code);
    }
    let number: u8 = name.strip_prefix('f')?.parse().ok()?;
    (1..=12).contains(&number).then_some(KeyCode::F(number))
}

impl Chord {
    /// As the configuration file spells it.
    #[must_use]
    pub fn spelled(self) -> String {
        self.written(
            |code| NAMED.iter().find(|(named, _, _)| *named == code).map(|(_, name, _)| *name),
            "ctrl-",
            "alt-",
        )
    }

    fn typed_with_ctrl(self) -> Option<char> {
        if self.ctrl { Self { ctrl: false, alt: false, ..self }.typed() } else { None }
    }

    fn written(self, name: impl Fn(KeyCode) -> Option<&'static str>, ctrl: &str, alt: &str) -> String {
        let mut text = String::new();
        if self.ctrl {
            text.push_str(ctrl);
        }
        if self.alt {
            text.push_str(alt);
        }
        match (name(self.code), self.code) {
            (Some(name), _) => text.push_str(name),
            (None, KeyCode::Char(c)) => text.push(c),
            (None, KeyCode::F(number)) => text.push_str(&format!("f{number}")),
            (None, other) => text.push_str(&format!("{other:?}")),
        }
        text
    }
}

/// As the screen shows it: `Ctrl-L`, `↵`, `F1`.
impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |code| NAMED.iter().find(|(named, _, _)| *named == code).map(|(_, _, shown)| *shown);
        if let KeyCode::F(number) = self.code {
            return f.pad(&format!("F{number}"));
        }
        let shouted = match self.typed_with_ctrl() {
            Some(c) => KeyCode::Char(c.to_ascii_uppercase()),
            None => self.code,
        };
        f.pad(&Self { code: shouted, ..*self }.written(shown, "Ctrl-", "Alt-"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_written_as_people_write_them() {
        for (text, chord, shown) in [
            ("q", Chord::char('q'), "q"),
            ("G", Chord::char('G'), "G"),
            ("ctrl-l", Chord::ctrl('l'), "Ctrl-L"),
            ("-", Chord::char('-'), "-"),
            ("ctrl--", Chord::ctrl('-'), "Ctrl--"),
            ("space", Chord::char(' '), "Space"),
            ("enter", Chord::plain(KeyCode::Enter), "↵"),
            ("f12", Chord::plain(KeyCode::F(12)), "F12"),
            ("alt-x", Chord { alt: true, ..Chord::char('x') }, "Alt-x"),
        ] {
            assert_eq!(text.parse(), Ok(chord), "{text}");
            assert_eq!(chord.to_string(), shown);
            assert_eq!(chord.spelled(), text);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "f0", "f13", "hyper-x", "ctrl-", "qq", "\u{7}"] {
            assert_eq!(text.parse::<Chord>(), Err(UnknownKey(text.to_owned())), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_spelling_reads_back(c in proptest::char::any().prop_filter("printable", |c| !c.is_control()), ctrl: bool, alt: bool) {
            let chord = Chord { code: KeyCode::Char(c), ctrl, alt };
            prop_assert_eq!(chord.spelled().parse::<Chord>().unwrap(), chord);
        }
    }
}
