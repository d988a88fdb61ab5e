//! The dialog that stands before an irreversible act. The safe button has the focus, the gravest
//! acts want a word typed, and keys that were typed before the dialog could be read are dropped.

use std::time::Duration;

use blotter_shared::protocol::settings::SettingsUpdate;
use ratatui::layout::Rect;
use uuid::Uuid;

use crate::client::orders::Ask;
use crate::clock::Now;
use crate::input::chord::{Chord, KeyCode};
use crate::input::keymap::Action;
use crate::input::line::LineInput;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, Target, centred, line};
use crate::widgets::facts::{Fact, flow, put_facts};
use crate::widgets::text;

/// How long keys are dropped after the dialog opened: nobody reads faster.
pub const GUARD: Duration = Duration::from_millis(300);

const KEYS: &str = "Tab choose · ↵ press · y yes · Esc keep";

/// What happens when it is confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    Quit,
    SaveSettings(SettingsUpdate),
    DropSettingsEdits,
    /// Something is asked of trades; the key was made with the question, so that yes twice is once.
    Ask {
        ask: Box<Ask>,
        key: Uuid,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    Keep,
    Act,
}

/// A question with a safe answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    pub title: String,
    pub body: Vec<String>,
    pub keep: &'static str,
    pub act: &'static str,
    /// The word or number that must be typed before the act can be chosen.
    pub word: Option<String>,
    pub typed: LineInput,
    pub focus: Focus,
    pub opened_at: Duration,
    pub deed: Deed,
}

/// What a key made of the dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Open,
    Kept,
    Confirmed,
}

impl Confirm {
    /// A question that Enter answers with *keep* until the focus is moved.
    #[must_use]
    pub fn new(now: Now, title: impl Into<String>, body: Vec<String>, deed: Deed) -> Self {
        Self {
            title: title.into(),
            body,
            keep: "Keep",
            act: "Do it",
            word: None,
            typed: LineInput::default(),
            focus: Focus::Keep,
            opened_at: now.since_start,
            deed,
        }
    }

    #[must_use]
    pub fn buttons(self, keep: &'static str, act: &'static str) -> Self {
        Self { keep, act, ..self }
    }

    #[must_use]
    pub fn wants_word(self, word: impl Into<String>) -> Self {
        Self { word: Some(word.into()), ..self }
    }

    /// Whether the act may be chosen now.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.word.as_ref().is_none_or(|word| self.typed.text() == word)
    }

    /// Takes a key that the keymap has named, or one that is typed into the word.
    pub fn on_key(&mut self, now: Now, action: Option<Action>, chord: Chord) -> Outcome {
        let is_escape = action == Some(Action::Keep);
        if now.since(self.opened_at) < GUARD && !is_escape {
            return Outcome::Open;
        }
        if self.word.is_some() && types_into_word(chord) {
            self.typed.on_key(chord);
            if !self.is_armed() {
                self.focus = Focus::Keep;
            }
            return Outcome::Open;
        }
        match action {
            Some(Action::Keep) => Outcome::Kept,
            Some(Action::NextChoice | Action::PreviousChoice) => {
                self.focus = match self.focus {
                    Focus::Keep if self.is_armed() => Focus::Act,
                    Focus::Keep | Focus::Act => Focus::Keep,
                };
                Outcome::Open
            }
            Some(Action::Yes) if self.is_armed() => Outcome::Confirmed,
            Some(Action::Confirm) => match self.focus {
                Focus::Keep => Outcome::Kept,
                Focus::Act => Outcome::Confirmed,
            },
            Some(_) | None => Outcome::Open,
        }
    }

    /// Draws it in the middle of `area`; below the words stands what is true while it is read.
    pub fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, facts: Vec<Fact>) {
        let width = 62.min(area.width);
        let inner = width.saturating_sub(4);
        let lines: Vec<String> = self.body.iter().flat_map(|paragraph| text::wrap(paragraph, inner)).collect();
        let facts = flow(facts, inner);
        let word_lines = if self.word.is_some() { 2 } else { 0 };
        let height = u16::try_from(lines.len() + facts.len()).unwrap_or(u16::MAX).saturating_add(5 + word_lines);
        let area = centred(area, width, height);
        // Where a word is typed, so is the letter of yes.
        let keys = if self.word.is_some() { "Tab choose · ↵ press · Esc keep" } else { KEYS };
        canvas.frame(area, &self.title, keys);
        for (row, words) in (1..).zip(&lines) {
            if row + 3 < area.height {
                canvas.put(line(area, row), 2, words, Role::Text);
            }
        }
        let below = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(1);
        for (row, facts) in (below..area.height.saturating_sub(3)).zip(&facts) {
            put_facts(canvas, line(area, row), 2, facts);
        }
        if let Some(word) = &self.word {
            self.draw_word(canvas, line(area, area.height.saturating_sub(4)), word);
        }
        self.draw_buttons(canvas, line(area, area.height.saturating_sub(2)));
    }

    fn draw_word(&self, canvas: &mut Canvas<'_>, row: Rect, word: &str) {
        let x = canvas.put(row, 2, &format!("Type {word} to enable it: "), Role::Text);
        let role = if self.is_armed() { Role::Input } else { Role::InputError };
        canvas.put(row, x, &format!("{:<width$}", self.typed.text(), width = word.len().max(8)), role);
        let cursor = row.x + x + text::width(self.typed.before_cursor());
        canvas.cursor = (cursor < row.right()).then_some((cursor, row.y).into());
    }

    fn draw_buttons(&self, canvas: &mut Canvas<'_>, row: Rect) {
        let label = |name: &str, has_focus: bool| if has_focus { format!("[ {name} ]") } else { format!("  {name}  ") };
        let (keep, act) = (label(self.keep, self.focus == Focus::Keep), label(self.act, self.focus == Focus::Act));
        let used = text::width(&keep) + text::width(&act) + 4;
        let x = row.width.saturating_sub(used) / 2;
        let role = |focus| if self.focus == focus { Role::ButtonFocus } else { Role::Button };
        let act_role = if self.is_armed() { role(Focus::Act) } else { Role::Muted };
        let next = canvas.put(row, x, &keep, role(Focus::Keep));
        canvas.target(Rect { x: row.x + x, width: text::width(&keep), ..row }, Target::Act(Action::Keep));
        canvas.put(row, next + 4, &act, act_role);
        canvas.target(Rect { x: row.x + next + 4, width: text::width(&act), ..row }, Target::Act(Action::Yes));
    }
}

fn types_into_word(chord: Chord) -> bool {
    chord.typed().is_some() || chord.code == KeyCode::Backspace || chord == Chord::ctrl('u')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Now {
        Now { wall: chrono::DateTime::UNIX_EPOCH, since_start: Duration::from_millis(millis) }
    }

    fn press(dialog: &mut Confirm, action: Action) -> Outcome {
        dialog.on_key(at(1000), Some(action), Chord::plain(KeyCode::Enter))
    }

    #[test]
    fn enter_at_once_keeps() {
        let mut dialog = Confirm::new(at(0), "Quit", vec![], Deed::Quit);
        assert_eq!(press(&mut dialog, Action::Confirm), Outcome::Kept);
        assert_eq!(press(&mut dialog, Action::NextChoice), Outcome::Open);
        assert_eq!(press(&mut dialog, Action::Confirm), Outcome::Confirmed);
        assert_eq!(press(&mut dialog, Action::Yes), Outcome::Confirmed);
    }

    #[test]
    fn keys_typed_before_it_could_be_read_are_dropped_but_escape_is_not() {
        let mut dialog = Confirm::new(at(1000), "Quit", vec![], Deed::Quit);
        assert_eq!(dialog.on_key(at(1299), Some(Action::Yes), Chord::char('y')), Outcome::Open);
        assert_eq!(dialog.on_key(at(1300), Some(Action::Yes), Chord::char('y')), Outcome::Confirmed);
        assert_eq!(dialog.on_key(at(1001), Some(Action::Keep), Chord::plain(KeyCode::Esc)), Outcome::Kept);
    }

    #[test]
    fn a_word_arms_the_act() {
        let mut dialog = Confirm::new(at(0), "LIVE", vec![], Deed::Quit).wants_word("LIVE");
        assert_eq!(press(&mut dialog, Action::NextChoice), Outcome::Open);
        assert_eq!(dialog.focus, Focus::Keep);
        for c in "LIVEy".chars() {
            assert_eq!(dialog.on_key(at(1000), Some(Action::Yes), Chord::char(c)), Outcome::Open);
        }
        assert!(!dialog.is_armed());
        dialog.on_key(at(1000), None, Chord::plain(KeyCode::Backspace));
        press(&mut dialog, Action::NextChoice);
        assert_eq!(press(&mut dialog, Action::Confirm), Outcome::Confirmed);
    }
}
