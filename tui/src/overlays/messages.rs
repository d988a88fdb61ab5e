//! The inbox: the alarms that are open, each an entry that can be seen off on its own, and below them every
//! message of the session, the newest first.

use blotter_shared::domain::{AlarmId, Severity};
use blotter_shared::protocol::alarms::Alarm;
use ratatui::layout::Rect;

use super::notices::{Level, list_line};
use crate::format;
use crate::model::Model;
use crate::panes::list::Step;
use crate::panes::open::view::spinner;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, centred, line};
use crate::widgets::text;

/// Which entry is selected. The selection belongs to the alarm, and not to the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inbox {
    index: usize,
    alarm: Option<AlarmId>,
}

impl Inbox {
    /// Moves among so many entries, of which the first are these alarms.
    pub fn step(&mut self, alarms: &[Alarm], count: usize, step: Step) {
        let last = count.saturating_sub(1);
        self.index = match step {
            Step::Up(by) => self.index.saturating_sub(by),
            Step::Down(by) => self.index.saturating_add(by).min(last),
            Step::First => 0,
            Step::Last => last,
        };
        self.alarm = alarms.get(self.index).map(|alarm| alarm.id);
    }

    /// Finds the selected alarm among those that may have changed.
    pub fn hold_on(&mut self, alarms: &[Alarm], count: usize) {
        let found = self.alarm.and_then(|id| alarms.iter().position(|alarm| alarm.id == id));
        self.index = found.unwrap_or(self.index).min(count.saturating_sub(1));
        self.alarm = alarms.get(self.index).map(|alarm| alarm.id);
    }

    /// The alarm under the selection.
    #[must_use]
    pub fn selected<'a>(&self, alarms: &'a [Alarm]) -> Option<&'a Alarm> {
        alarms.get(self.index)
    }
}

/// Entries of the list.
#[must_use]
pub fn count(model: &Model) -> usize {
    model.data.alarms.len() + model.notices.log().len()
}

/// An entry: its lines, and how grave it is.
struct Entry {
    lines: Vec<String>,
    role: Role,
}

fn entries(model: &Model, width: u16) -> Vec<Entry> {
    let fold = |words: &str, role: Role| Entry { lines: text::hang(words, width, 2), role };
    let alarms = model.data.alarms.iter().map(|alarm| fold(&alarm_words(model, alarm, width), alarm_role(alarm)));
    let notices = model.notices.log().iter().map(|notice| {
        let role = match notice.level {
            Level::Info => Role::Text,
            Level::Warn => Role::Warn,
            Level::Error => Role::Danger,
        };
        // Columns are for lines that have room for them.
        let column = if width < ONE_LINE { 0 } else { LEVELS };
        fold(&list_line(model.as_told(notice.at), notice, column), role)
    });
    alarms.chain(notices).collect()
}

/// Cells of the column that says how grave a message is.
const LEVELS: usize = 7;

/// Cells from which on an alarm is told in one line.
const ONE_LINE: u16 = 60;

/// How old it is, how loud, whether somebody has seen it, and what it says.
fn alarm_words(model: &Model, alarm: &Alarm, width: u16) -> String {
    let now = model.trading_now();
    let mark = match alarm.acked_at {
        Some(_) => "✓ seen".to_owned(),
        None if model.pending.acks(alarm.id) => format!("{} …   ", spinner(model)),
        None => "● new ".to_owned(),
    };
    let age = format::held(alarm.raised_at, now);
    let (loud, kind, message) = (loudness(alarm.severity), alarm.kind, text::clean(&alarm.message));
    if width < ONE_LINE {
        return format!("{mark} {age:>4}  {loud}  {kind}\n{message}");
    }
    format!("{mark} {age:>4}  {loud:<7}  ALARM {kind}  {message}")
}

/// How loud it is, in a word.
#[must_use]
pub fn loudness(severity: Severity) -> &'static str {
    match severity {
        Severity::Notice => "notice",
        Severity::Warning => "warning",
        Severity::Page => "page",
    }
}

fn alarm_role(alarm: &Alarm) -> Role {
    match (alarm.acked_at, alarm.severity) {
        (Some(_), _) => Role::Muted,
        (None, Severity::Page) => Role::Danger,
        (None, Severity::Warning) => Role::Warn,
        (None, Severity::Notice) => Role::Text,
    }
}

/// Cells left of an entry: frame, gap and the selection's mark.
const MARGIN: u16 = 4;

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model, inbox: Inbox) {
    let width = 96.min(area.width);
    let mut entries = entries(model, width.saturating_sub(MARGIN + 2));
    let is_empty = entries.is_empty();
    if is_empty {
        let words = "Nothing has been said yet. Notes, warnings and errors are kept here.";
        let lines = text::wrap(words, width.saturating_sub(MARGIN + 2));
        entries.push(Entry { lines, role: Role::Muted });
    }
    let lines: usize = entries.iter().map(|entry| entry.lines.len()).sum();
    let height = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2);
    let area = centred(area, width, height.max(5));
    canvas.frame(area, "Messages", "↑↓ move · Esc back");
    let window = usize::from(area.height.saturating_sub(2));
    let above: usize = entries.iter().take(inbox.index).map(|entry| entry.lines.len()).sum();
    let own = entries.get(inbox.index).map_or(1, |entry| entry.lines.len());
    let top = (above + own).saturating_sub(window).min(above);
    let all = entries.iter().enumerate().flat_map(|(index, entry)| {
        entry.lines.iter().enumerate().map(move |(part, words)| (index, part, words, entry.role))
    });
    for (row, (index, part, words, role)) in (1..area.height.saturating_sub(1)).zip(all.skip(top)) {
        let row = line(area, row);
        if index == inbox.index && part == 0 && !is_empty {
            canvas.put(row, 2, "▸", Role::Accent);
        }
        canvas.put(Rect { width: row.width.saturating_sub(2), ..row }, MARGIN, words, role);
    }
}
