//! The terminal's bytes as events: a decoder of our own, because the answers to our questions
//! (OSC 11, DSR) must never be taken for keys, and because a vanished terminal must be noticed,
//! which the usual event sources do not do.
//!
//! Fed in any pieces. A lone `ESC` stays pending until more comes or [`Decoder::flush`] says that
//! the time for it has passed. Strings (OSC, DCS, APC, PM, SOS) are swallowed whole and only the
//! known answers come out of them; one that does not end keeps [`STRING_MAX`] bytes at most and is
//! dropped at a flush, so that a hostile or broken terminal cannot hold the keyboard.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::chord::{Chord, KeyCode};

/// Longest OSC or DCS string that is kept.
const STRING_MAX: usize = 1024;
/// Longest paste that is kept; what is beyond it is dropped.
const PASTE_MAX: usize = 4096;
/// Most bytes of a CSI sequence's parameters.
const PARAMETERS_MAX: usize = 64;

const KEY_PATIENCE: Duration = Duration::from_millis(50);
const ANSWER_PATIENCE: Duration = Duration::from_millis(500);

/// What came from the terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TerminalEvent {
    Key(Chord),
    Paste(String),
    /// Left button pressed at a cell, counted from 0.
    Click {
        x: u16,
        y: u16,
    },
    Wheel(Wheel),
    /// The background's colour, each part 0 to 255.
    Background {
        red: u8,
        green: u8,
        blue: u8,
    },
    /// The terminal changed between dark and light (mode 2031).
    ColorScheme(Scheme),
    /// The terminal has worked off what was sent before the question (DSR).
    Ready,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wheel {
    Up,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scheme {
    Dark,
    Light,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    Csi(Vec<u8>),
    /// `ESC O`: the next byte is the key.
    Ss3,
    /// Inside OSC (`]`), DCS (`P`) and their kin.
    Text {
        kind: u8,
        bytes: Vec<u8>,
        escaped: bool,
    },
    Utf8(Vec<u8>),
    Paste(Vec<u8>),
}

/// Turns bytes into events, in whatever pieces they come.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    state: State,
}

impl Decoder {
    /// How much silence ends what is begun and not finished: little for a key, more for an answer,
    /// whose pieces may be far apart on a slow link. `None` when nothing is begun.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        match self.state {
            State::Ground | State::Paste(_) => None,
            State::Escape | State::Ss3 | State::Utf8(_) => Some(KEY_PATIENCE),
            State::Csi(_) | State::Text { .. } => Some(ANSWER_PATIENCE),
        }
    }

    /// Takes bytes and gives the events that they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<TerminalEvent> {
        let mut events = Vec::new();
        for byte in bytes {
            self.step(*byte, &mut events);
        }
        events
    }

    /// Nothing more came: a lone `ESC` was the Esc key, anything else begun is dropped.
    pub fn flush(&mut self) -> Option<TerminalEvent> {
        match std::mem::take(&mut self.state) {
            State::Escape => Some(key(KeyCode::Esc)),
            State::Ss3 => Some(TerminalEvent::Key(Chord { alt: true, ..Chord::char('O') })),
            paste @ State::Paste(_) => {
                self.state = paste;
                None
            }
            State::Ground | State::Csi(_) | State::Text { .. } | State::Utf8(_) => None,
        }
    }

    fn step(&mut self, byte: u8, events: &mut Vec<TerminalEvent>) {
        let state = std::mem::take(&mut self.state);
        self.state = match state {
            State::Ground => ground(byte, Modifier::None, events),
            State::Escape => escape(byte, events),
            State::Csi(parameters) => csi(parameters, byte, events),
            State::Ss3 => {
                events.extend(ss3_key(byte).map(key));
                State::Ground
            }
            State::Text { kind, bytes, escaped } => text(Text { kind, bytes, escaped }, byte, events),
            State::Utf8(bytes) => utf8(bytes, byte, events),
            State::Paste(bytes) => paste(bytes, byte, events),
        };
    }
}

fn key(code: KeyCode) -> TerminalEvent {
    TerminalEvent::Key(Chord::plain(code))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Modifier {
    None,
    Alt,
}

fn ground(byte: u8, modifier: Modifier, events: &mut Vec<TerminalEvent>) -> State {
    let alt = modifier == Modifier::Alt;
    let code = match byte {
        0x1b => return State::Escape,
        b'\r' | b'\n' => KeyCode::Enter,
        b'\t' => KeyCode::Tab,
        0x7f | 0x08 => KeyCode::Backspace,
        0x00 => {
            events.push(TerminalEvent::Key(Chord { alt, ..Chord::ctrl(' ') }));
            return State::Ground;
        }
        0x01..=0x1a => {
            events.push(TerminalEvent::Key(Chord { alt, ..Chord::ctrl(char::from(byte - 1 + b'a')) }));
            return State::Ground;
        }
        0x1c..=0x1f => {
            events.push(TerminalEvent::Key(Chord { alt, ..Chord::ctrl(char::from(byte - 0x1c + b'4')) }));
            return State::Ground;
        }
        0x20..=0x7e => KeyCode::Char(char::from(byte)),
        0x80..=0xff => return utf8(Vec::new(), byte, events),
    };
    events.push(TerminalEvent::Key(Chord { code, ctrl: false, alt }));
    State::Ground
}

fn escape(byte: u8, events: &mut Vec<TerminalEvent>) -> State {
    match byte {
        b'[' => State::Csi(Vec::new()),
        b'O' => State::Ss3,
        b']' | b'P' | b'X' | b'^' | b'_' => State::Text { kind: byte, bytes: Vec::new(), escaped: false },
        0x1b => {
            events.push(key(KeyCode::Esc));
            State::Escape
        }
        other => ground(other, Modifier::Alt, events),
    }
}

fn csi(mut parameters: Vec<u8>, byte: u8, events: &mut Vec<TerminalEvent>) -> State {
    match byte {
        0x20..=0x3f => {
            parameters.push(byte);
            if parameters.len() > PARAMETERS_MAX { State::Ground } else { State::Csi(parameters) }
        }
        0x40..=0x7e => {
            if parameters == b"200" && byte == b'~' {
                return State::Paste(Vec::new());
            }
            events.extend(csi_event(&parameters, byte));
            State::Ground
        }
        0x1b => State::Escape,
        0x00..=0x1f | 0x7f..=0xff => State::Ground,
    }
}

fn csi_event(parameters: &[u8], last: u8) -> Option<TerminalEvent> {
    let text = std::str::from_utf8(parameters).ok()?;
    if let Some(mouse) = text.strip_prefix('<') {
        return mouse_event(mouse, last);
    }
    match (text, last) {
        ("0" | "3", b'n') => return Some(TerminalEvent::Ready),
        ("?997;1", b'n') => return Some(TerminalEvent::ColorScheme(Scheme::Dark)),
        ("?997;2", b'n') => return Some(TerminalEvent::ColorScheme(Scheme::Light)),
        _ => {}
    }
    let mut numbers = text.split(';');
    let first = numbers.next().unwrap_or("");
    let modifiers = numbers.next().and_then(|m| m.parse::<u8>().ok()).unwrap_or(1).saturating_sub(1);
    let code = match last {
        b'~' => tilde_key(first.parse().ok()?)?,
        b'Z' => KeyCode::BackTab,
        // Any other first number makes it an answer, such as the cursor's position.
        b'A'..=b'D' | b'F' | b'H' | b'P'..=b'S' if matches!(first, "" | "1") => ss3_key(last)?,
        _ => return None,
    };
    Some(TerminalEvent::Key(Chord { code, ctrl: modifiers & 4 != 0, alt: modifiers & 2 != 0 }))
}

fn tilde_key(number: u8) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(number - 10),
        17..=21 => KeyCode::F(number - 11),
        23 | 24 => KeyCode::F(number - 12),
        _ => return None,
    })
}

fn ss3_key(byte: u8) -> Option<KeyCode> {
    Some(match byte {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'M' => KeyCode::Enter,
        b'P'..=b'S' => KeyCode::F(byte - b'P' + 1),
        _ => return None,
    })
}

fn mouse_event(parameters: &str, last: u8) -> Option<TerminalEvent> {
    let mut numbers = parameters.split(';').map(str::parse::<u16>);
    let button = numbers.next()?.ok()?;
    let x = numbers.next()?.ok()?.checked_sub(1)?;
    let y = numbers.next()?.ok()?.checked_sub(1)?;
    match (button, last) {
        (0, b'M') => Some(TerminalEvent::Click { x, y }),
        (64, b'M') => Some(TerminalEvent::Wheel(Wheel::Up)),
        (65, b'M') => Some(TerminalEvent::Wheel(Wheel::Down)),
        _ => None,
    }
}

struct Text {
    kind: u8,
    bytes: Vec<u8>,
    escaped: bool,
}

fn text(mut text: Text, byte: u8, events: &mut Vec<TerminalEvent>) -> State {
    let ends = byte == 0x07 || (text.escaped && byte == b'\\');
    if ends {
        events.extend(string_event(text.kind, &text.bytes));
        return State::Ground;
    }
    if text.escaped || byte == 0x18 || byte == 0x1a {
        // ESC and something else: the string was broken off, and what follows is a new sequence.
        return if text.escaped { escape(byte, events) } else { State::Ground };
    }
    if byte == 0x1b {
        text.escaped = true;
    } else if text.bytes.len() < STRING_MAX {
        text.bytes.push(byte);
    }
    State::Text { kind: text.kind, bytes: text.bytes, escaped: text.escaped }
}

fn string_event(kind: u8, bytes: &[u8]) -> Option<TerminalEvent> {
    if kind != b']' {
        return None;
    }
    let color = std::str::from_utf8(bytes).ok()?.strip_prefix("11;")?;
    let (red, green, blue) = parse_color(color)?;
    Some(TerminalEvent::Background { red, green, blue })
}

/// `rgb:RRRR/GGGG/BBBB` (one to four hex digits each, `rgba` too) or `#RRGGBB`.
fn parse_color(text: &str) -> Option<(u8, u8, u8)> {
    if let Some(hex) = text.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.is_ascii()) {
        let part = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        return Some((part(0)?, part(2)?, part(4)?));
    }
    let parts = text.strip_prefix("rgb:").or_else(|| text.strip_prefix("rgba:"))?;
    let mut parts = parts.split('/').map(scaled_part);
    Some((parts.next()??, parts.next()??, parts.next()??))
}

fn scaled_part(hex: &str) -> Option<u8> {
    let value = u32::from_str_radix(hex, 16).ok()?;
    let max = match hex.len() {
        1 => 0xf,
        2 => 0xff,
        3 => 0xfff,
        4 => 0xffff,
        _ => return None,
    };
    u8::try_from(value * 255 / max).ok()
}

fn utf8(mut bytes: Vec<u8>, byte: u8, events: &mut Vec<TerminalEvent>) -> State {
    bytes.push(byte);
    match std::str::from_utf8(&bytes) {
        Ok(text) => {
            events.extend(text.chars().filter(|c| !c.is_control()).map(|c| key(KeyCode::Char(c))));
            State::Ground
        }
        Err(error) if error.error_len().is_none() => State::Utf8(bytes),
        // Not UTF-8: the bytes are dropped, and one that can begin something does.
        Err(_) if bytes.len() > 1 && byte < 0x80 => ground(byte, Modifier::None, events),
        Err(_) => State::Ground,
    }
}

const PASTE_END: &[u8] = b"\x1b[201~";

fn paste(mut bytes: Vec<u8>, byte: u8, events: &mut Vec<TerminalEvent>) -> State {
    bytes.push(byte);
    if bytes.ends_with(PASTE_END) {
        let kept = bytes.len() - PASTE_END.len();
        bytes.truncate(kept.min(PASTE_MAX));
        events.push(TerminalEvent::Paste(String::from_utf8_lossy(&bytes).into_owned()));
        return State::Ground;
    }
    if bytes.len() > PASTE_MAX + PASTE_END.len() {
        bytes.drain(PASTE_MAX..bytes.len() - PASTE_END.len());
    }
    State::Paste(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(bytes: &[u8]) -> Vec<TerminalEvent> {
        let mut decoder = Decoder::default();
        let mut events = decoder.feed(bytes);
        events.extend(decoder.flush());
        events
    }

    #[test]
    fn keys_come_out_as_chords() {
        for (bytes, chord) in [
            (&b"q"[..], Chord::char('q')),
            (b"\r", Chord::plain(KeyCode::Enter)),
            (b"\x1b", Chord::plain(KeyCode::Esc)),
            (b"\x03", Chord::ctrl('c')),
            (b"\x0c", Chord::ctrl('l')),
            (b"\x1a", Chord::ctrl('z')),
            (b"\x7f", Chord::plain(KeyCode::Backspace)),
            (b"\x1b[A", Chord::plain(KeyCode::Up)),
            (b"\x1bOA", Chord::plain(KeyCode::Up)),
            (b"\x1b[5~", Chord::plain(KeyCode::PageUp)),
            (b"\x1b[Z", Chord::plain(KeyCode::BackTab)),
            (b"\x1bOP", Chord::plain(KeyCode::F(1))),
            (b"\x1b[11~", Chord::plain(KeyCode::F(1))),
            (b"\x1b[24~", Chord::plain(KeyCode::F(12))),
            (b"\x1b[1;5C", Chord { ctrl: true, ..Chord::plain(KeyCode::Right) }),
            (b"\x1bx", Chord { alt: true, ..Chord::char('x') }),
            ("é".as_bytes(), Chord::char('é')),
        ] {
            assert_eq!(decode(bytes), [TerminalEvent::Key(chord)], "{bytes:?}");
        }
    }

    #[test]
    fn answers_of_the_terminal_are_no_keys() {
        let white = TerminalEvent::Background { red: 255, green: 255, blue: 255 };
        for bytes in [&b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\"[..], b"\x1b]11;rgb:ff/ff/ff\x07", b"\x1b]11;#ffffff\x07"] {
            assert_eq!(decode(bytes), std::slice::from_ref(&white), "{bytes:?}");
        }
        assert_eq!(decode(b"\x1b[0n"), [TerminalEvent::Ready]);
        assert_eq!(decode(b"\x1b[?997;2n"), [TerminalEvent::ColorScheme(Scheme::Light)]);
        for unknown in [
            &b"\x1b[?62;22c"[..],
            b"\x1b[12;40R",
            b"\x1bP>|xterm(390)\x1b\\",
            b"\x1b]10;rgb:0/0/0\x07",
            b"\x1b[?2026;2$y",
        ] {
            assert_eq!(decode(unknown), [], "{unknown:?}");
        }
    }

    #[test]
    fn an_answer_in_pieces_between_keys_is_still_an_answer() {
        let mut decoder = Decoder::default();
        let bytes = b"j\x1b]11;rgb:0000/0000/0000\x1b\\k";
        let events: Vec<_> = bytes.iter().flat_map(|byte| decoder.feed(&[*byte])).collect();
        assert_eq!(
            events,
            [
                TerminalEvent::Key(Chord::char('j')),
                TerminalEvent::Background { red: 0, green: 0, blue: 0 },
                TerminalEvent::Key(Chord::char('k')),
            ]
        );
        assert_eq!(decoder.patience(), None);
    }

    #[test]
    fn an_answer_without_an_end_does_not_hold_the_keyboard() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b]11;rgb:ffff"), []);
        assert_eq!(decoder.patience(), Some(ANSWER_PATIENCE));
        assert_eq!(decoder.flush(), None);
        assert_eq!(decoder.feed(b"q"), [TerminalEvent::Key(Chord::char('q'))]);
        let mut flooded = Decoder::default();
        assert_eq!(flooded.feed(&[b"\x1b]".as_slice(), &vec![b'q'; 1_000_000]].concat()), []);
        assert_eq!(flooded.flush(), None);
        assert_eq!(flooded.feed(b"q"), [TerminalEvent::Key(Chord::char('q'))]);
    }

    #[test]
    fn a_paste_is_one_event_and_bounded() {
        assert_eq!(decode(b"\x1b[200~nvda\x1b[201~"), [TerminalEvent::Paste("nvda".to_owned())]);
        let long = [b"\x1b[200~".as_slice(), &vec![b'x'; 100_000], b"\x1b[201~j"].concat();
        let events = decode(&long);
        assert!(matches!(&events[0], TerminalEvent::Paste(text) if text.len() == PASTE_MAX));
        assert_eq!(events[1], TerminalEvent::Key(Chord::char('j')));
    }

    #[test]
    fn the_mouse_is_counted_from_zero() {
        assert_eq!(decode(b"\x1b[<0;1;3M"), [TerminalEvent::Click { x: 0, y: 2 }]);
        assert_eq!(decode(b"\x1b[<0;1;3m"), []);
        assert_eq!(decode(b"\x1b[<64;9;9M"), [TerminalEvent::Wheel(Wheel::Up)]);
        assert_eq!(decode(b"\x1b[<0;0;0M"), []);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_the_keyboard_always_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            decoder.feed(&bytes);
            decoder.feed(PASTE_END);
            decoder.flush();
            prop_assert_eq!(decoder.feed(b"q"), [TerminalEvent::Key(Chord::char('q'))]);
        }

        #[test]
        fn pieces_do_not_matter(bytes in proptest::collection::vec(any::<u8>(), 0..80), cut in 0_usize..80) {
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let mut whole = Decoder::default();
            let mut pieces = Decoder::default();
            let mut events = pieces.feed(first);
            events.extend(pieces.feed(second));
            prop_assert_eq!(whole.feed(&bytes), events);
        }
    }
}
