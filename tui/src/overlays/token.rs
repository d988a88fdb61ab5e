//! A token is typed without being shown, and goes to the daemon, which asks the broker before it stores it.

use std::time::Duration;

use blotter_shared::protocol::accounts::TokenKind;
use ratatui::layout::Rect;

use super::confirm::GUARD;
use crate::clock::Now;
use crate::input::chord::{Chord, KeyCode};
use crate::input::keymap::Action;
use crate::input::line::LineInput;
use crate::input::secret::Secret;
use crate::theme::Role;
use crate::theme::glyphs::Glyphs;
use crate::widgets::canvas::{Canvas, Target, centred, line};
use crate::widgets::text;

/// Where the keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    Kind,
    Token,
    Account,
    Keep,
    Act,
}

const ORDER: [Focus; 5] = [Focus::Kind, Focus::Token, Focus::Account, Focus::Keep, Focus::Act];

/// The window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenForm {
    pub kind: TokenKind,
    pub token: Secret,
    pub account: LineInput,
    pub focus: Focus,
    pub error: Option<String>,
    pub is_sending: bool,
    opened_at: Duration,
}

/// What a key made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Open,
    Kept,
    Stores,
}

impl TokenForm {
    #[must_use]
    pub fn new(now: Now, kind: TokenKind) -> Self {
        Self {
            kind,
            token: Secret::default(),
            account: LineInput::default(),
            focus: Focus::Token,
            error: None,
            is_sending: false,
            opened_at: now.since_start,
        }
    }

    /// Takes a key with what the keymap made of it; characters go into the line that has the focus.
    pub fn on_key(&mut self, now: Now, action: Option<Action>, chord: Chord) -> Outcome {
        if action == Some(Action::Keep) {
            return Outcome::Kept;
        }
        if self.is_sending || now.since(self.opened_at) < GUARD {
            return Outcome::Open;
        }
        // A click on the button: the letter of yes goes into the lines.
        if action == Some(Action::Yes) && chord.typed().is_none() {
            return if self.token.is_empty() { Outcome::Open } else { Outcome::Stores };
        }
        if self.types(chord) {
            self.error = None;
            return Outcome::Open;
        }
        match action {
            Some(Action::NextChoice) => self.focus = self.moved(1),
            Some(Action::PreviousChoice) => self.focus = self.moved(ORDER.len() - 1),
            Some(Action::Confirm) => return self.enter(),
            Some(_) | None => {}
        }
        Outcome::Open
    }

    fn types(&mut self, chord: Chord) -> bool {
        let sideways = matches!(chord.code, KeyCode::Left | KeyCode::Right | KeyCode::Char(' ' | 'h' | 'l'));
        match self.focus {
            Focus::Kind if sideways => {
                self.turn(if matches!(chord.code, KeyCode::Left | KeyCode::Char('h')) { 3 } else { 1 });
                true
            }
            Focus::Token => self.token.on_key(chord),
            Focus::Account => self.account.on_key(chord),
            Focus::Kind | Focus::Keep | Focus::Act => false,
        }
    }

    fn turn(&mut self, by: usize) {
        let all = TokenKind::ALL;
        let at = all.iter().position(|kind| *kind == self.kind).unwrap_or(0);
        self.kind = all.get((at + by) % all.len()).copied().unwrap_or(self.kind);
    }

    fn moved(&self, by: usize) -> Focus {
        let at = ORDER.iter().position(|focus| *focus == self.focus).unwrap_or(0);
        let next = (at + by) % ORDER.len();
        // Without a token there is nothing to store.
        let next =
            if next + 1 == ORDER.len() && self.token.is_empty() { if by == 1 { 0 } else { next - 1 } } else { next };
        ORDER.get(next).copied().unwrap_or(Focus::Keep)
    }

    /// Enter: from a line to the button that fits, on a button what it says.
    fn enter(&mut self) -> Outcome {
        match self.focus {
            Focus::Kind => self.focus = Focus::Token,
            Focus::Token | Focus::Account => {
                self.focus = if self.token.is_empty() { Focus::Keep } else { Focus::Act };
            }
            Focus::Keep => return Outcome::Kept,
            Focus::Act if self.token.is_empty() => self.focus = Focus::Token,
            Focus::Act => return Outcome::Stores,
        }
        Outcome::Open
    }

    /// A paste goes into the line that has the focus; over a button it is the token.
    pub fn paste(&mut self, words: &str) {
        if self.is_sending {
            return;
        }
        match self.focus {
            Focus::Account => self.account.paste(words.trim()),
            Focus::Kind | Focus::Token | Focus::Keep | Focus::Act => self.token.paste(words),
        }
        self.error = None;
    }

    pub fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, glyphs: Glyphs) {
        let width = 66.min(area.width);
        let inner = width.saturating_sub(4);
        let about = match self.kind {
            TokenKind::Orats => "ORATS is asked with it before it is sealed and stored.",
            TokenKind::Sim | TokenKind::Sandbox | TokenKind::Live => {
                "The broker is asked with it before it is sealed and stored. It is never shown."
            }
        };
        let about = text::wrap(about, inner);
        let error = self.error.as_ref().map(|words| text::wrap(words, inner)).unwrap_or_default();
        let height = u16::try_from(about.len() + error.len()).unwrap_or(u16::MAX).saturating_add(8);
        let area = centred(area, width, height);
        canvas.frame(area, "Token", "Tab next · ↵ press · Esc keep");
        let mut row = 1;
        for words in about {
            canvas.put(line(area, row), 2, &words, Role::Text);
            row += 1;
        }
        row += 1;
        self.draw_kind(canvas, line(area, row));
        self.draw_token(canvas, line(area, row + 1), glyphs);
        self.draw_account(canvas, line(area, row + 2));
        for (offset, words) in (row + 3..).zip(&error) {
            canvas.put(line(area, offset), 2, words, Role::Danger);
        }
        self.draw_buttons(canvas, line(area, area.height.saturating_sub(2)));
    }

    fn label(&self, canvas: &mut Canvas<'_>, row: Rect, words: &str, focus: Focus) {
        let role = if self.focus == focus { Role::Strong } else { Role::Muted };
        canvas.put(row, 2, words, role);
    }

    fn draw_kind(&self, canvas: &mut Canvas<'_>, row: Rect) {
        self.label(canvas, row, "For", Focus::Kind);
        let x = canvas.put(row, 13, &format!("‹ {} ›", self.kind), Role::Strong);
        if self.focus == Focus::Kind {
            canvas.put(row, x + 2, "←→ another", Role::Muted);
        }
    }

    fn draw_token(&self, canvas: &mut Canvas<'_>, row: Rect, glyphs: Glyphs) {
        self.label(canvas, row, "Token", Focus::Token);
        let room = usize::from(row.width.saturating_sub(16)).min(40);
        let mark = match glyphs {
            Glyphs::Unicode => "•",
            Glyphs::Ascii => "*",
        };
        let shown = mark.repeat(self.token.count().min(room));
        canvas.put(row, 13, &format!("{shown:<room$}"), Role::Input);
        if self.focus == Focus::Token {
            let cursor = row.x + 13 + text::width(&shown);
            canvas.cursor = (cursor < row.right()).then_some((cursor, row.y).into());
        }
    }

    fn draw_account(&self, canvas: &mut Canvas<'_>, row: Rect) {
        self.label(canvas, row, "Account", Focus::Account);
        let x = canvas.put(row, 13, &format!("{:<14}", self.account.text()), Role::Input);
        let rule = "only when it opens several";
        if x + text::width(rule) + 4 <= row.width {
            canvas.put(row, x + 2, rule, Role::Muted);
        }
        if self.focus == Focus::Account {
            let cursor = row.x + 13 + text::width(self.account.before_cursor());
            canvas.cursor = (cursor < row.right()).then_some((cursor, row.y).into());
        }
    }

    fn draw_buttons(&self, canvas: &mut Canvas<'_>, row: Rect) {
        let label = |name: &str, has_focus: bool| if has_focus { format!("[ {name} ]") } else { format!("  {name}  ") };
        let keep = label("Keep", self.focus == Focus::Keep);
        let act = label(if self.is_sending { "asking …" } else { "Store it" }, self.focus == Focus::Act);
        let x = row.width.saturating_sub(text::width(&keep) + text::width(&act) + 4) / 2;
        let role = |focus| if self.focus == focus { Role::ButtonFocus } else { Role::Button };
        let next = canvas.put(row, x, &keep, role(Focus::Keep));
        canvas.target(Rect { x: row.x + x, width: text::width(&keep), ..row }, Target::Act(Action::Keep));
        let act_role = if self.token.is_empty() { Role::Muted } else { role(Focus::Act) };
        canvas.put(row, next + 4, &act, act_role);
        canvas.target(Rect { x: row.x + next + 4, width: text::width(&act), ..row }, Target::Act(Action::Yes));
    }
}
