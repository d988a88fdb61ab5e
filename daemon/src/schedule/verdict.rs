//! Whether a task runs now: its times against what is remembered of it. Pure.
//!
//! Invariants:
//! * A turn that was done is never run again, and only the newest turn is ever run: what a suspend
//!   or an outage skipped is either made up for by one run or lost, and then it is counted.
//! * What is remembered of the future is a wrong clock's work and counts for nothing.

use blotter_shared::protocol::tasks::TaskName;
use chrono::{DateTime, TimeDelta, Utc};

use super::timetable::{Timetable, Turn};
use crate::db::tasks::TaskRow;

/// What is to be done about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This turn, now. So many before it are lost.
    Run { turn: Turn, missed: u64 },
    /// Nothing before then; nothing at all when the calendar ends.
    Wait { until: Option<DateTime<Utc>> },
    /// Forget what a wrong clock has written, and judge again.
    Forget,
}

/// After a failure: a minute for each one in a row, at most ten.
const PAUSE: TimeDelta = TimeDelta::minutes(1);
const MOST_PAUSES: u32 = 10;
/// A clock may be ahead of another daemon's by so much.
const SKEW: TimeDelta = TimeDelta::seconds(30);

/// Judges one task.
#[must_use]
pub fn verdict(table: &Timetable, task: TaskName, memory: Option<&TaskRow>, now: DateTime<Utc>) -> Verdict {
    let next = table.next_after(task, now);
    let Some(turn) = table.newest(task, now) else { return Verdict::Wait { until: next } };
    let Some(memory) = memory else { return run(turn, 0, now, next) };
    let newest_known = memory.slot.max(memory.done_slot);
    if !memory.held && newest_known.is_some_and(|known| known > now + SKEW) {
        return Verdict::Forget;
    }
    if memory.held || memory.done_slot.is_some_and(|done| done >= turn.slot) {
        return Verdict::Wait { until: next };
    }
    // The pause is for the turn that failed: the next one of a quick task comes at its time.
    let tried = memory.slot == Some(turn.slot);
    if let Some(again) = retry_at(memory).filter(|again| tried && *again > now) {
        return Verdict::Wait { until: Some(next.map_or(again, |next| next.min(again))) };
    }
    let missed = newest_known.map_or(0, |known| table.between(task, known, turn.slot));
    // A turn that failed and was never made good is lost, too.
    let failed = memory.slot.is_some_and(|slot| slot < turn.slot && memory.done_slot != Some(slot));
    run(turn, missed + u64::from(failed), now, next)
}

fn run(turn: Turn, missed: u64, now: DateTime<Utc>, next: Option<DateTime<Utc>>) -> Verdict {
    if now < turn.until { Verdict::Run { turn, missed } } else { Verdict::Wait { until: next } }
}

/// When a failed run may be tried again.
fn retry_at(memory: &TaskRow) -> Option<DateTime<Utc>> {
    let pauses = i32::try_from(memory.failures.min(MOST_PAUSES)).unwrap_or_default();
    memory.finished_at.filter(|_| memory.failures > 0).map(|ended| ended + PAUSE * pauses)
}
