//! A form over the panes: lines that are typed, a button that keeps everything as it is, and one
//! that acts. What is typed is checked when it is sent; a refusal stays in the form.

use std::time::Duration;

use blotter_shared::domain::TradeId;
use chrono::{DateTime, Utc};
use ratatui::layout::Rect;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::confirm::GUARD;
use crate::client::orders::Ask;
use crate::clock::Now;
use crate::exits::Scale;
use crate::input::keymap::Action;
use crate::input::line::LineInput;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, Target, centred, line};
use crate::widgets::facts::{Fact, flow, put_facts};
use crate::widgets::text;

/// What the form is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Other prices for the bracket of a trade.
    Adjust(TradeId),
    /// A part, or a limit.
    Close(TradeId),
    Place,
    /// A position that no trade looks after.
    Adopt,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub label: &'static str,
    /// What may be typed here.
    pub rule: &'static str,
    pub input: LineInput,
    /// What it was when the form opened.
    pub before: String,
}

impl Field {
    #[must_use]
    pub fn new(label: &'static str, rule: &'static str, value: String) -> Self {
        Self { label, rule, input: LineInput::offering(value.clone()), before: value }
    }

    /// What is typed, without what surrounds it.
    #[must_use]
    pub fn text(&self) -> &str {
        self.input.text().trim()
    }
}

/// Where the keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    Field(usize),
    Keep,
    Act,
}

/// A form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    pub purpose: Purpose,
    pub title: String,
    pub about: Vec<String>,
    pub fields: Vec<Field>,
    pub act: &'static str,
    pub focus: Focus,
    /// The field that is wrong, and why; or only why.
    pub error: Option<(Option<usize>, String)>,
    /// Why it cannot be sent as it is, and the field that is wrong, if one is: the button is off meanwhile.
    pub objection: Option<(Option<usize>, String)>,
    pub is_sending: bool,
    pub opened_at: Duration,
    /// The version of the trade that the lines were filled from.
    pub seen: Option<i64>,
    /// The version that it has now, when that is another one.
    pub stale: Option<i64>,
    /// What was sent last, with its key: the same once more is the same deed.
    pub sent: Option<(Ask, Uuid)>,
    /// The stop that the trade below it began with, once it is told.
    pub initial_stop: Option<Decimal>,
    /// The newest quote of the contract that is typed, when it is asked for again, and which was asked for.
    pub quote: Option<Quoted>,
    pub quote_at: Option<Duration>,
    pub asked_quote: Option<String>,
}

/// What is shown below the lines while they are typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Below {
    pub facts: Vec<Fact>,
    /// The bracket that is typed.
    pub scale: Option<Scale>,
}

/// A contract's price when it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    pub symbol: String,
    pub bid: Option<Decimal>,
    pub ask: Option<Decimal>,
    pub at: DateTime<Utc>,
}

/// What a key made of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Open,
    Kept,
    /// The button that acts was pressed.
    Acts,
}

impl Form {
    /// Takes what the keymap made of a key; characters have gone into the field before.
    pub fn on_action(&mut self, now: Now, action: Option<Action>) -> Outcome {
        match action {
            Some(Action::Keep) => return Outcome::Kept,
            Some(Action::NextChoice) => self.focus = self.next(),
            Some(Action::PreviousChoice) => self.focus = self.previous(),
            Some(Action::Confirm) if now.since(self.opened_at) >= GUARD => return self.enter(),
            Some(_) | None => {}
        }
        Outcome::Open
    }

    /// Enter: from a field to the button that fits, on a button what it says.
    fn enter(&mut self) -> Outcome {
        match self.focus {
            Focus::Field(_) => {
                match &self.objection {
                    // What was typed is not lost by an Enter too many.
                    Some((Some(_), _)) if self.is_changed() => self.error.clone_from(&self.objection),
                    None if self.is_changed() => self.focus = Focus::Act,
                    Some(_) | None => self.focus = Focus::Keep,
                }
                Outcome::Open
            }
            Focus::Keep => Outcome::Kept,
            Focus::Act if self.is_sending || self.objection.is_some() => Outcome::Open,
            Focus::Act => Outcome::Acts,
        }
    }

    /// Whether the button that acts does so now.
    #[must_use]
    pub fn can_act(&self, now: Now) -> bool {
        !self.is_sending && self.objection.is_none() && now.since(self.opened_at) >= GUARD
    }

    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.fields.iter().any(|field| field.text() != field.before)
    }

    /// What stands above the lines of a form whose trade has changed meanwhile.
    #[must_use]
    pub fn stale_words(&self) -> Option<String> {
        let (seen, now) = self.seen.zip(self.stale)?;
        Some(format!(
            "Your view is out of date (you have v{seen}, now v{now}): Ctrl-R refreshes, Ctrl-Y copies my work."
        ))
    }

    /// The line that is typed into.
    pub fn input(&mut self) -> Option<&mut LineInput> {
        match self.focus {
            Focus::Field(index) => self.fields.get_mut(index).map(|field| &mut field.input),
            Focus::Keep | Focus::Act => None,
        }
    }

    fn next(&self) -> Focus {
        match self.focus {
            Focus::Field(index) if index + 1 < self.fields.len() => Focus::Field(index + 1),
            Focus::Field(_) => Focus::Keep,
            Focus::Keep if self.objection.is_none() => Focus::Act,
            Focus::Keep | Focus::Act => Focus::Field(0),
        }
    }

    fn previous(&self) -> Focus {
        match self.focus {
            Focus::Field(0) if self.objection.is_none() => Focus::Act,
            Focus::Field(0) => Focus::Keep,
            Focus::Field(index) => Focus::Field(index - 1),
            Focus::Keep => Focus::Field(self.fields.len().saturating_sub(1)),
            Focus::Act => Focus::Keep,
        }
    }

    /// Draws it in the middle of `area`, with what its lines would come to below them.
    pub fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, below: Below) {
        let width = 66.min(area.width);
        let inner = width.saturating_sub(4);
        let about: Vec<String> = self.about.iter().flat_map(|words| text::wrap(words, inner)).collect();
        let stale = self.stale_words().map(|words| text::wrap(&words, inner)).unwrap_or_default();
        let error = self.error.as_ref().map(|(_, words)| text::wrap(words, inner)).unwrap_or_default();
        let checks = flow(below.facts, inner);
        let lines = stale.len() + about.len() + self.fields.len() + error.len() + checks.len();
        let lines = lines + usize::from(below.scale.is_some());
        let height = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(6);
        let area = centred(area, width, height);
        canvas.frame(area, &self.title, self.keys());
        let mut row = 1;
        let mut put = |canvas: &mut Canvas<'_>, words: &str, role: Role| {
            canvas.put(line(area, row), 2, words, role);
            row += 1;
        };
        for words in &stale {
            put(canvas, words, Role::BannerWarn);
        }
        for words in &about {
            put(canvas, words, Role::Text);
        }
        put(canvas, "", Role::Text);
        let first = row;
        for (index, field) in self.fields.iter().enumerate() {
            let at = line(area, first.saturating_add(u16::try_from(index).unwrap_or(0)));
            self.draw_field(canvas, at, (index, field));
        }
        let next = first.saturating_add(u16::try_from(self.fields.len()).unwrap_or(0));
        for (offset, words) in (0..).zip(&error) {
            canvas.put(line(area, next.saturating_add(offset)), 2, words, Role::Danger);
        }
        let next = next.saturating_add(u16::try_from(error.len()).unwrap_or(0));
        let buttons = area.height.saturating_sub(2);
        for (row, facts) in (next + 1..buttons).zip(&checks) {
            put_facts(canvas, line(area, row), 2, facts);
        }
        if let Some(scale) = &below.scale {
            draw_scale(canvas, line(area, buttons.saturating_sub(1)), inner, scale);
        }
        self.draw_buttons(canvas, line(area, buttons));
    }

    fn keys(&self) -> &'static str {
        match self.purpose {
            Purpose::Adjust(_) => "Tab next · ↑↓ tick · ↵ press · Esc keep",
            Purpose::Close(_) | Purpose::Place | Purpose::Adopt => "Tab next · ↵ press · Esc keep",
        }
    }

    fn draw_field(&self, canvas: &mut Canvas<'_>, row: Rect, (index, field): (usize, &Field)) {
        let has_focus = self.focus == Focus::Field(index);
        let is_wrong = [&self.error, &self.objection].into_iter().flatten().any(|(wrong, _)| *wrong == Some(index));
        let role = if has_focus { Role::Strong } else { Role::Muted };
        canvas.put(row, 2, &format!("{:<10}", field.label), role);
        let role = if is_wrong { Role::InputError } else { Role::Input };
        let x = canvas.put(row, 13, &format!(" {:<24}", field.input.text()), role);
        if text::width(field.rule) + x + 3 <= row.width {
            canvas.put(row, x + 1, field.rule, Role::Muted);
        }
        if has_focus {
            let cursor = row.x + 14 + text::width(field.input.before_cursor());
            canvas.cursor = (cursor < row.right()).then_some((cursor, row.y).into());
        }
    }

    fn draw_buttons(&self, canvas: &mut Canvas<'_>, row: Rect) {
        let label = |name: &str, has_focus: bool| if has_focus { format!("[ {name} ]") } else { format!("  {name}  ") };
        let keep = label("Keep", self.focus == Focus::Keep);
        let act = if self.is_sending { "asking …" } else { self.act };
        let act = label(act, self.focus == Focus::Act);
        let x = row.width.saturating_sub(text::width(&keep) + text::width(&act) + 4) / 2;
        let role = |focus| if self.focus == focus { Role::ButtonFocus } else { Role::Button };
        let next = canvas.put(row, x, &keep, role(Focus::Keep));
        canvas.target(Rect { x: row.x + x, width: text::width(&keep), ..row }, Target::Act(Action::Keep));
        let act_role = if self.objection.is_some() { Role::Muted } else { role(Focus::Act) };
        canvas.put(row, next + 4, &act, act_role);
        canvas.target(Rect { x: row.x + next + 4, width: text::width(&act), ..row }, Target::Act(Action::Yes));
    }
}

/// The bracket that is typed, with the mark on it, over the whole width.
fn draw_scale(canvas: &mut Canvas<'_>, row: Rect, room: u16, scale: &Scale) {
    let ends = text::width(&scale.stop) + text::width(&scale.target) + 2;
    let x = canvas.put(row, 2, &format!("{} ", scale.stop), Role::Text);
    let x = canvas.put(row, x, &scale.rail.draw(room.saturating_sub(ends)), scale.rail.role());
    canvas.put(row, x + 1, &scale.target, Role::Text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        Form {
            purpose: Purpose::Place,
            title: "New trade".to_owned(),
            about: vec![],
            fields: vec![Field::new("Stop", "", "4".to_owned()), Field::new("Target", "", "7".to_owned())],
            act: "Buy",
            focus: Focus::Field(0),
            error: None,
            objection: None,
            is_sending: false,
            opened_at: Duration::ZERO,
            seen: None,
            stale: None,
            sent: None,
            initial_stop: None,
            quote: None,
            quote_at: None,
            asked_quote: None,
        }
    }

    fn at(millis: u64) -> Now {
        Now { wall: DateTime::UNIX_EPOCH, since_start: Duration::from_millis(millis) }
    }

    #[test]
    fn enter_in_a_form_that_nobody_changed_keeps() {
        let mut form = form();
        let enter = Some(Action::Confirm);
        assert_eq!(form.on_action(at(299), enter), Outcome::Open);
        assert_eq!(form.focus, Focus::Field(0), "keys typed before it could be read do nothing");
        assert_eq!((form.on_action(at(300), enter), form.focus), (Outcome::Open, Focus::Keep));
        assert_eq!(form.on_action(at(301), enter), Outcome::Kept);
    }

    #[test]
    fn what_was_changed_is_sent_once() {
        let mut form = form();
        form.input().unwrap().on_key(crate::input::chord::Chord::char('5'));
        let enter = Some(Action::Confirm);
        assert_eq!((form.on_action(at(400), enter), form.focus), (Outcome::Open, Focus::Act));
        assert_eq!(form.on_action(at(401), enter), Outcome::Acts);
        form.is_sending = true;
        assert_eq!(form.on_action(at(402), enter), Outcome::Open, "a second Enter does nothing twice");
    }

    #[test]
    fn a_button_that_is_off_is_neither_reached_nor_pressed() {
        let mut form = form();
        form.input().unwrap().on_key(crate::input::chord::Chord::char('x'));
        form.objection = Some((Some(0), "no price".to_owned()));
        let enter = Some(Action::Confirm);
        assert_eq!((form.on_action(at(400), enter), form.focus), (Outcome::Open, Focus::Field(0)));
        assert_eq!(form.error, form.objection, "it says why");
        let mut seen = Vec::new();
        for _ in 0..3 {
            form.on_action(at(400), Some(Action::NextChoice));
            seen.push(form.focus);
        }
        assert_eq!(seen, [Focus::Field(1), Focus::Keep, Focus::Field(0)]);
        form.on_action(at(400), Some(Action::PreviousChoice));
        assert_eq!(form.focus, Focus::Keep);
        form.focus = Focus::Act;
        assert_eq!(form.on_action(at(400), enter), Outcome::Open, "it went off under the finger");
    }

    #[test]
    fn tab_goes_around() {
        let mut form = form();
        let mut seen = Vec::new();
        for _ in 0..4 {
            form.on_action(at(0), Some(Action::NextChoice));
            seen.push(form.focus);
        }
        assert_eq!(seen, [Focus::Field(1), Focus::Keep, Focus::Act, Focus::Field(0)]);
        form.on_action(at(0), Some(Action::PreviousChoice));
        assert_eq!(form.focus, Focus::Act);
    }
}
