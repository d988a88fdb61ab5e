//! The terminal outside of a multiplexer: tmux and GNU screen keep to themselves what they do not know, and pass on
//! what is wrapped as they want it.

use crate::environment::Environment;

/// What stands between this program and the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    Nothing,
    Tmux,
    Screen,
}

/// GNU screen drops a wrapped string that is longer than this, and takes it in pieces.
const SCREEN_MAX: usize = 512;

impl Outside {
    /// Each names itself in the environment; of two it is the inner one that is spoken to, as far as it says so.
    #[must_use]
    pub fn of(environment: &Environment) -> Self {
        let is_screen = environment.sty.is_some();
        match &environment.tmux {
            Some(_) if !is_screen || environment.term_program.as_deref() == Some("tmux") => Self::Tmux,
            Some(_) | None if is_screen => Self::Screen,
            Some(_) | None => Self::Nothing,
        }
    }

    /// The sequence as the terminal outside gets it.
    #[must_use]
    pub fn wrapped(self, sequence: &[u8]) -> Vec<u8> {
        match self {
            Self::Nothing => sequence.to_vec(),
            Self::Tmux => tmux(sequence),
            Self::Screen => screen(sequence),
        }
    }
}

/// Every `ESC` doubled.
fn tmux(sequence: &[u8]) -> Vec<u8> {
    let mut wrapped = b"\x1bPtmux;".to_vec();
    for byte in sequence {
        if *byte == 0x1b {
            wrapped.push(0x1b);
        }
        wrapped.push(*byte);
    }
    wrapped.extend_from_slice(b"\x1b\\");
    wrapped
}

/// In pieces; the end of the sequence is a bell, because `ESC \` would end the wrapping.
fn screen(sequence: &[u8]) -> Vec<u8> {
    let mut inner = sequence.strip_suffix(b"\x1b\\").unwrap_or(sequence).to_vec();
    if inner.len() < sequence.len() {
        inner.push(0x07);
    }
    let pieces = inner.chunks(SCREEN_MAX);
    pieces.flat_map(|piece| [b"\x1bP".as_slice(), piece, b"\x1b\\".as_slice()].concat()).collect()
}

/// The bytes that put text on the user's clipboard (OSC 52); inside of a multiplexer both to it and through it.
#[must_use]
pub fn clipboard(text: &str, outside: Outside) -> Vec<u8> {
    use crossterm::Command;
    /// What terminals are known to take.
    const CLIPBOARD_MAX: usize = 70_000;
    let text: String = text.chars().take(CLIPBOARD_MAX / 4).collect();
    let mut sequence = String::new();
    let written = crossterm::clipboard::CopyToClipboard::to_clipboard_from(text).write_ansi(&mut sequence);
    if written.is_err() {
        return Vec::new();
    }
    let direct = sequence.as_bytes();
    match outside {
        // tmux keeps a copy for its own buffers.
        Outside::Tmux => [direct, &outside.wrapped(direct)].concat(),
        // GNU screen would print what it does not know.
        Outside::Nothing | Outside::Screen => outside.wrapped(direct),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_lookup(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_multiplexer_that_is_spoken_to_is_known() {
        let (tmux, sty) = (("TMUX", "/tmp/tmux-0/default,1,0"), ("STY", "1.pts-0.host"));
        for (pairs, expected) in [
            (&[][..], Outside::Nothing),
            (&[tmux], Outside::Tmux),
            (&[sty], Outside::Screen),
            (&[tmux, sty, ("TERM_PROGRAM", "tmux")], Outside::Tmux),
            (&[tmux, sty], Outside::Screen),
        ] {
            assert_eq!(Outside::of(&environment(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_copy_goes_to_the_terminal_outside() {
        assert_eq!(clipboard("hi", Outside::Nothing), b"\x1b]52;c;aGk=\x1b\\");
        let both = b"\x1b]52;c;aGk=\x1b\\\x1bPtmux;\x1b\x1b]52;c;aGk=\x1b\x1b\\\x1b\\";
        assert_eq!(clipboard("hi", Outside::Tmux), both);
        assert_eq!(clipboard("hi", Outside::Screen), b"\x1bP\x1b]52;c;aGk=\x07\x1b\\");
    }

    /// What screen passes on, put together again, is the whole sequence.
    #[test]
    fn screen_gets_a_long_copy_in_pieces_that_it_takes() {
        let text = "my work ".repeat(1_000);
        let (whole, wrapped) = (clipboard(&text, Outside::Nothing), clipboard(&text, Outside::Screen));
        let mut passed = Vec::new();
        let mut rest = wrapped.as_slice();
        while let Some(piece) = rest.strip_prefix(b"\x1bP") {
            let end = piece.windows(2).position(|pair| pair == b"\x1b\\").unwrap();
            assert!(end <= SCREEN_MAX, "{end}");
            passed.extend_from_slice(&piece[..end]);
            rest = &piece[end + 2..];
        }
        assert!(rest.is_empty() && passed.len() > 10 * SCREEN_MAX);
        assert_eq!(passed.strip_suffix(b"\x07"), whole.strip_suffix(b"\x1b\\"));
    }

    #[test]
    fn a_copy_is_no_longer_than_terminals_take() {
        assert!(clipboard(&"x".repeat(1_000_000), Outside::Nothing).len() < 75_000);
    }
}
