//! `blotterd tasks`.

use std::sync::Arc;

use blotter_shared::protocol::tasks::{TaskName, TaskReport};
use chrono::{DateTime, Utc};

use super::{connected, print};
use crate::app::timetable;
use crate::calendar::Calendar;
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::db::Db;
use crate::db::installation::installation_ensure;
use crate::db::tasks::tasks_all;
use crate::schedule::report;
use crate::schedule::timetable::Spread;

pub(super) fn run(json: bool, config: &Config, environment: &Environment) -> anyhow::Result<()> {
    connected(config, environment, async |db: &Db| {
        let tx = db.system_tx().await?;
        let installation = installation_ensure(&tx).await?;
        let rows = tasks_all(&tx).await?;
        tx.commit().await?;
        let mut table = timetable(&config.market, Arc::new(Calendar::new()));
        table.spread = Spread::of(installation.id);
        let now = Clock::system().now();
        for task in TaskName::ALL.iter().copied() {
            let row = rows.iter().find(|(name, _)| *name == task).map(|(_, row)| row);
            let report = report(&table, task, row, now);
            print(&if json { format!("{}\n", serde_json::to_string(&report)?) } else { line(&report) })?;
        }
        Ok(())
    })
}

fn line(task: &TaskReport) -> String {
    let at = |at: Option<DateTime<Utc>>| at.map_or("-".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S").to_string());
    let detail = task.detail.as_deref().map(|detail| format!("  {detail}")).unwrap_or_default();
    let missed = if task.missed > 0 { format!("  {} missed", task.missed) } else { String::new() };
    format!(
        "{:<17} {:<8} last {:<19}  next {:<19} UTC{missed}{detail}\n",
        task.name,
        task.state,
        at(task.succeeded_at),
        at(task.next_at)
    )
}
