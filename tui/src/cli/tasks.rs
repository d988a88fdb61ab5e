//! `blotter tasks`: what the daemon does by itself, how it went, and when it comes again.

use std::process::ExitCode;

use blotter_shared::protocol::tasks::{TaskList, TaskReport, TaskState};
use chrono::{DateTime, Utc};

use super::exit::Failure;
use super::output::{print, print_json, table};
use super::{Context, block_on};
use crate::client::calls::Call;
use crate::format;
use crate::widgets::text::clean;

const HEADING: [&str; 6] = ["TASK", "STATE", "LAST DONE (ET)", "NEXT (ET)", "MISSED", "RESULT"];

pub(super) fn run(context: &Context) -> Result<ExitCode, Failure> {
    let daemon = context.daemon();
    let list: TaskList = block_on(async { Ok(daemon.ask(&Call::Tasks).await?) })?;
    if context.global.json {
        return print_json(&list);
    }
    let rows: Vec<_> = list.tasks.iter().map(|task| row(task, list.now)).collect();
    print(&table(&HEADING, &rows))
}

/// By the daemon's clock, which is the one that the tasks go by.
fn row(task: &TaskReport, now: DateTime<Utc>) -> Vec<String> {
    let at = |at: Option<DateTime<Utc>>| at.map_or_else(|| "-".to_owned(), |at| format::moment(at, now));
    let next = match task.next_at {
        Some(next) if next <= now => "now".to_owned(),
        next => at(next),
    };
    let missed = if task.missed > 0 { task.missed.to_string() } else { "-".to_owned() };
    vec![task.name.to_string(), task.state.to_string(), at(task.succeeded_at), next, missed, result(task)]
}

fn result(task: &TaskReport) -> String {
    let detail = task.detail.as_deref().map(clean).unwrap_or_default();
    match (task.state, task.failures) {
        (TaskState::Failing, 1) => format!("failed: {detail}"),
        (TaskState::Failing, times) => format!("failed {times} times: {detail}"),
        (TaskState::Running | TaskState::Waiting | TaskState::Never, _) => detail,
    }
}

#[cfg(test)]
mod tests {
    use blotter_shared::protocol::tasks::TaskName;

    use super::*;

    #[test]
    fn a_row_says_when_and_how_and_a_failure_says_why() {
        let at = |text: &str| Some(text.parse::<DateTime<Utc>>().unwrap());
        let report = TaskReport {
            name: TaskName::Backup,
            state: TaskState::Waiting,
            slot: at("2026-11-20T09:30:00Z"),
            started_at: at("2026-11-20T09:30:01Z"),
            finished_at: at("2026-11-20T09:30:09Z"),
            succeeded_at: at("2026-11-20T09:30:09Z"),
            failures: 0,
            detail: Some("812 rows".to_owned()),
            missed: 0,
            next_at: at("2026-11-21T09:30:00Z"),
        };
        let now = at("2026-11-20T15:00:00Z").unwrap();
        assert_eq!(row(&report, now), ["backup", "waiting", "Nov 20 04:30", "Nov 21 04:30", "-", "812 rows"]);
        let failing = TaskReport {
            state: TaskState::Failing,
            failures: 3,
            missed: 2,
            detail: Some("the disk is \u{1b}[31mfull".to_owned()),
            next_at: at("2026-11-20T15:00:00Z"),
            ..report
        };
        let row = row(&failing, now);
        assert_eq!(row[1..5], ["failing", "Nov 20 04:30", "now", "2"]);
        assert!(row[5].starts_with("failed 3 times: the disk is ") && !row[5].contains('\u{1b}'), "{row:?}");
    }
}
