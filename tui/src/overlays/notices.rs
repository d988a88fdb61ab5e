//! Messages to the user: a toast on the screen, and a line in the list that keeps them all. A note
//! goes after 4 seconds, a warning after 10, an error stays until Esc.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ratatui::layout::Rect;

use crate::clock::Now;
use crate::format;
use crate::theme::Role;
use crate::widgets::canvas::Canvas;
use crate::widgets::text;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    fn stays(self) -> Option<Duration> {
        match self {
            Self::Info => Some(Duration::from_secs(4)),
            Self::Warn => Some(Duration::from_secs(10)),
            Self::Error => None,
        }
    }

    #[must_use]
    pub fn toast_role(self) -> Role {
        match self {
            Self::Info => Role::ToastInfo,
            Self::Warn => Role::ToastWarn,
            Self::Error => Role::ToastDanger,
        }
    }

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "note",
            Self::Warn => "warning",
            Self::Error => "error",
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub at: DateTime<Utc>,
    pub level: Level,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Toast {
    level: Level,
    text: String,
    until: Option<Duration>,
}

/// Most messages that are kept.
const LOG_MAX: usize = 500;
/// Most toasts that are shown at once.
const TOASTS_MAX: usize = 3;

/// The toasts and the list.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    toasts: Vec<Toast>,
    log: VecDeque<Notice>,
}

impl Notices {
    pub fn say(&mut self, now: Now, level: Level, message: impl Into<String>) {
        let text = text::clean(&message.into());
        self.log.push_front(Notice { at: now.wall, level, text: text.clone() });
        self.log.truncate(LOG_MAX);
        self.toasts.retain(|toast| toast.text != text);
        self.toasts.push(Toast { level, text, until: level.stays().map(|stays| now.since_start + stays) });
    }

    /// Takes away what has been shown long enough.
    pub fn expire(&mut self, now: Now) {
        self.toasts.retain(|toast| toast.until.is_none_or(|until| until > now.since_start));
    }

    /// Takes away the newest error that still stands; says whether there was one.
    pub fn dismiss(&mut self) -> bool {
        let Some(index) = self.toasts.iter().rposition(|toast| toast.until.is_none()) else { return false };
        self.toasts.remove(index);
        true
    }

    #[must_use]
    pub fn next_end(&self) -> Option<Duration> {
        self.toasts.iter().filter_map(|toast| toast.until).min()
    }

    /// Every message, the newest first.
    #[must_use]
    pub fn log(&self) -> &VecDeque<Notice> {
        &self.log
    }

    #[must_use]
    pub fn has_error(&self) -> bool {
        self.toasts.iter().any(|toast| toast.until.is_none())
    }
}

/// Draws the newest toasts from the lower right corner of `area` upwards.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, notices: &Notices) {
    let widest = area.width.saturating_sub(2).min(64);
    let mut bottom = area.bottom();
    for toast in notices.toasts.iter().rev().take(TOASTS_MAX) {
        let message = match toast.level {
            Level::Error => format!("{} (Esc)", toast.text),
            Level::Info | Level::Warn => toast.text.clone(),
        };
        let lines = text::wrap(&message, widest.saturating_sub(2));
        let width = lines.iter().map(|line| text::width(line)).max().unwrap_or(0) + 2;
        for words in lines.iter().rev() {
            if bottom <= area.top() {
                return;
            }
            bottom -= 1;
            let row = Rect { x: area.right().saturating_sub(width + 1), y: bottom, width, height: 1 };
            canvas.clear(row, toast.level.toast_role());
            canvas.put(row, 1, words, toast.level.toast_role());
        }
        bottom = bottom.saturating_sub(1);
    }
}

/// A message as a line of the list, with its moment as the exchange's clock shows it and a column for how grave it is.
#[must_use]
pub fn list_line(at: DateTime<Utc>, notice: &Notice, column: usize) -> String {
    format!("{}  {:<column$}  {}", format::clock_s(at), notice.level.word(), notice.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { wall: DateTime::UNIX_EPOCH, since_start: Duration::from_secs(seconds) }
    }

    #[test]
    fn notes_and_warnings_go_errors_stay_and_all_are_kept() {
        let mut notices = Notices::default();
        notices.say(at(0), Level::Info, "note");
        notices.say(at(0), Level::Warn, "warning");
        notices.say(at(0), Level::Error, "error");
        assert_eq!(notices.next_end(), Some(Duration::from_secs(4)));
        notices.expire(at(4));
        assert_eq!(notices.next_end(), Some(Duration::from_secs(10)));
        notices.expire(at(1000));
        assert_eq!((notices.next_end(), notices.toasts.len()), (None, 1));
        assert!(notices.dismiss());
        assert!(!notices.dismiss());
        assert_eq!(notices.log().len(), 3);
    }

    #[test]
    fn a_repeated_message_is_one_toast_and_the_list_is_bounded() {
        let mut notices = Notices::default();
        for second in 0..600 {
            notices.say(at(second), Level::Error, "again");
        }
        assert_eq!((notices.toasts.len(), notices.log().len()), (1, LOG_MAX));
    }
}
