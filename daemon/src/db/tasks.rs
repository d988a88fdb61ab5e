//! What the database remembers of each task's runs.
//!
//! A run is taken in one transaction that locks the task's row: [`task_lock`], a decision about what
//! it says, [`task_begin`]. Whoever holds a run gives signs of life; without one the run is anybody's.

use std::time::Duration;

use blotter_shared::protocol::tasks::TaskName;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::cells::Cells;
use super::{DbError, SystemTx};

/// A task's last run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    pub slot: Option<DateTime<Utc>>,
    pub done_slot: Option<DateTime<Utc>>,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub succeeded_at: Option<DateTime<Utc>>,
    pub failures: u32,
    pub missed: u64,
    pub detail: Option<String>,
    /// Somebody runs it now.
    pub held: bool,
}

/// A run that begins.
#[derive(Clone, Copy, Debug)]
pub struct TaskBegin {
    pub task: TaskName,
    pub slot: DateTime<Utc>,
    /// Times since the last run that are lost.
    pub missed: u64,
    pub holder: Uuid,
    pub hold: Duration,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct TaskEnd {
    pub task: TaskName,
    pub slot: DateTime<Utc>,
    pub holder: Uuid,
    /// What it says about itself, or why it failed.
    pub outcome: Result<Option<String>, String>,
}

const ENSURE: &str = "INSERT INTO task_runs (task, started_at) VALUES ($1, $2) ON CONFLICT (task) DO NOTHING";

macro_rules! columns {
    () => {
        "slot, done_slot, started_at, finished_at, succeeded_at, failures, missed, detail,
         coalesce(held_until > clock_timestamp(), false) AS held"
    };
}

const LOCK: &str = concat!("SELECT ", columns!(), " FROM task_runs WHERE task = $1 FOR UPDATE");
const ALL: &str = concat!("SELECT task, ", columns!(), " FROM task_runs");

const BEGIN: &str = "
    UPDATE task_runs SET slot = $2, started_at = $3, finished_at = NULL, missed = missed + $4, holder = $5,
                         held_until = clock_timestamp() + $6 * interval '1 ms'
     WHERE task = $1";

const RENEW: &str = "
    UPDATE task_runs SET held_until = clock_timestamp() + $3 * interval '1 ms' WHERE task = $1 AND holder = $2";

const DONE: &str = "
    UPDATE task_runs SET done_slot = $3, finished_at = $4, succeeded_at = $4, failures = 0, detail = $5, holder = NULL,
                         held_until = NULL
     WHERE task = $1 AND holder = $2";

const FAILED: &str = "
    UPDATE task_runs SET finished_at = $3, failures = failures + 1, detail = $4, holder = NULL, held_until = NULL
     WHERE task = $1 AND holder = $2";

const FORGET: &str = "
    UPDATE task_runs SET done_slot = NULL, slot = NULL, holder = NULL, held_until = NULL
     WHERE task = $1 AND greatest(slot, done_slot) > $2 AND coalesce(held_until <= clock_timestamp(), true)";

/// The task's row, made at the first look and locked until the end of the transaction.
///
/// # Errors
/// When the database does not answer.
pub async fn task_lock(tx: &SystemTx, task: TaskName) -> Result<TaskRow, DbError> {
    tx.session().execute(ENSURE, &[&task.as_str(), &DateTime::UNIX_EPOCH]).await?;
    let row = tx.session().query_one(LOCK, &[&task.as_str()]).await?;
    row_of(&mut Cells::of(&row))
}

/// Every task that ever ran. A task that a later version knows is left out.
///
/// # Errors
/// When the database does not answer.
pub async fn tasks_all(tx: &SystemTx) -> Result<Vec<(TaskName, TaskRow)>, DbError> {
    let mut tasks = Vec::new();
    for row in tx.session().query(ALL, &[]).await? {
        let mut cells = Cells::of(&row);
        let name: &str = cells.next("task")?;
        if let Ok(task) = name.parse() {
            tasks.push((task, row_of(&mut cells)?));
        }
    }
    Ok(tasks)
}

/// A run begins; the row is locked.
///
/// # Errors
/// When the database does not answer.
pub async fn task_begin(tx: &SystemTx, begin: &TaskBegin) -> Result<(), DbError> {
    let missed = i64::try_from(begin.missed).unwrap_or(i64::MAX);
    let params: super::session::Params<'_> =
        &[&begin.task.as_str(), &begin.slot, &tx.now(), &missed, &begin.holder, &milliseconds(begin.hold)];
    tx.session().execute(BEGIN, params).await?;
    Ok(())
}

/// A sign of life; false when the run is somebody else's by now.
///
/// # Errors
/// When the database does not answer.
pub async fn task_renew(tx: &SystemTx, task: TaskName, holder: Uuid, hold: Duration) -> Result<bool, DbError> {
    Ok(tx.session().execute(RENEW, &[&task.as_str(), &holder, &milliseconds(hold)]).await? == 1)
}

/// A run ended; false when it was somebody else's by then.
///
/// # Errors
/// When the database does not answer.
pub async fn task_end(tx: &SystemTx, end: &TaskEnd) -> Result<bool, DbError> {
    let (task, now) = (end.task.as_str(), tx.now());
    let changed = match &end.outcome {
        Ok(detail) => tx.session().execute(DONE, &[&task, &end.holder, &end.slot, &now, detail]).await?,
        Err(why) => tx.session().execute(FAILED, &[&task, &end.holder, &now, why]).await?,
    };
    Ok(changed == 1)
}

/// What was done at a time that is still to come was done by a wrong clock: it counts for nothing.
///
/// # Errors
/// When the database does not answer.
pub async fn task_forget(tx: &SystemTx, task: TaskName) -> Result<(), DbError> {
    tx.session().execute(FORGET, &[&task.as_str(), &tx.now()]).await?;
    Ok(())
}

fn row_of(cells: &mut Cells<'_>) -> Result<TaskRow, DbError> {
    Ok(TaskRow {
        slot: cells.next("slot")?,
        done_slot: cells.next("done_slot")?,
        started_at: cells.next("started_at")?,
        finished_at: cells.next("finished_at")?,
        succeeded_at: cells.next("succeeded_at")?,
        failures: cells.held::<i32, u32>("failures", "a count")?,
        missed: cells.held::<i64, u64>("missed", "a count")?,
        detail: cells.next("detail")?,
        held: cells.next("held")?,
    })
}

fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}
