//! What the daemon does by itself, at its times.
//!
//! clokwerk wakes (`beat`), the calendar decides (`timetable`, `verdict`, both pure), the database
//! remembers (`db::tasks`), and this module runs what is due. `chores` is what the tasks are.
//!
//! Invariants:
//! * Of one task one run is under way, among all daemons on one database: a run is taken under the
//!   lock of the task's row, and held by signs of life.
//! * A task takes no input and may run twice: a run that was cut off is begun again.
//! * Nothing is waited for: a run that hangs keeps back its own task and no other.

mod beat;
pub mod calendar_check;
pub mod chores;
pub mod strays;
pub mod timetable;
mod verdict;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use blotter_shared::protocol::health::ComponentState;
use blotter_shared::protocol::tasks::{TaskList, TaskName, TaskReport, TaskState};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clock::Clock;
use crate::db::installation::installation_ensure;
use crate::db::tasks::{
    TaskBegin, TaskEnd, TaskRow, task_begin, task_end, task_forget, task_lock, task_renew, tasks_all,
};
use crate::db::{Db, DbError, DbState};
use crate::health::HealthBoard;
use crate::telemetry::Metrics;
use timetable::{Spread, Timetable, Turn};
pub use verdict::{Verdict, verdict};

/// A run without a sign of life for so long is anybody's.
const HOLD: Duration = Duration::from_secs(60);
/// Between two signs of life.
const SIGN: Duration = Duration::from_secs(15);
/// Between two foldings of the metrics' distributions.
const FOLD: Duration = Duration::from_secs(30);
/// Between two tries to read what the tasks have done, while that fails.
const AGAIN: Duration = Duration::from_secs(5);

/// What the tasks are.
pub trait Jobs: std::fmt::Debug + Send + Sync + 'static {
    /// Does one turn of a task; says what it did, or why it could not.
    fn run(&self, task: TaskName, turn: Turn) -> BoxFuture<'_, Result<Option<String>, String>>;
}

/// What the scheduler is made of.
#[derive(Debug)]
pub struct Parts<J> {
    pub db: Db,
    pub clock: Clock,
    pub health: HealthBoard,
    pub metrics: Metrics,
    pub timetable: Timetable,
    pub jobs: Arc<J>,
    /// This run of this program.
    pub holder: Uuid,
}

/// Runs tasks at their times.
#[derive(Debug)]
pub struct Scheduler<J> {
    parts: Parts<J>,
    board: TaskBoard,
    running: JoinSet<(TaskName, Option<TaskRow>)>,
    busy: Vec<TaskName>,
}

/// What is known of the tasks, for whoever asks.
#[derive(Clone, Debug)]
pub struct TaskBoard {
    inner: Arc<Mutex<Known>>,
}

#[derive(Debug)]
struct Known {
    timetable: Timetable,
    rows: HashMap<TaskName, TaskRow>,
}

impl TaskBoard {
    #[must_use]
    pub fn new(timetable: Timetable) -> Self {
        Self { inner: Arc::new(Mutex::new(Known { timetable, rows: HashMap::new() })) }
    }

    /// Every task, as it is known now.
    #[must_use]
    pub fn list(&self, now: DateTime<Utc>) -> TaskList {
        let known = self.lock();
        let tasks = TaskName::ALL.iter().map(|task| report(&known.timetable, *task, known.rows.get(task), now));
        TaskList { now, tasks: tasks.collect() }
    }

    fn row(&self, task: TaskName) -> Option<TaskRow> {
        self.lock().rows.get(&task).cloned()
    }

    fn put(&self, task: TaskName, row: TaskRow) {
        self.lock().rows.insert(task, row);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One task for a reader; also from the rows alone, without a scheduler.
#[must_use]
pub fn report(table: &Timetable, task: TaskName, row: Option<&TaskRow>, now: DateTime<Utc>) -> TaskReport {
    let ran = row.filter(|row| row.slot.is_some());
    let state = match ran {
        None => TaskState::Never,
        Some(row) if row.held => TaskState::Running,
        Some(row) if row.failures > 0 => TaskState::Failing,
        Some(_) => TaskState::Waiting,
    };
    let next_at = match verdict(table, task, row, now) {
        Verdict::Run { .. } | Verdict::Forget => Some(now),
        Verdict::Wait { until } => until,
    };
    TaskReport {
        name: task,
        state,
        slot: ran.and_then(|row| row.slot),
        started_at: ran.map(|row| row.started_at),
        finished_at: ran.and_then(|row| row.finished_at),
        succeeded_at: ran.and_then(|row| row.succeeded_at),
        failures: row.map_or(0, |row| row.failures),
        detail: row.and_then(|row| row.detail.clone()),
        missed: row.map_or(0, |row| row.missed),
        next_at,
    }
}

impl<J: Jobs> Scheduler<J> {
    #[must_use]
    pub fn new(parts: Parts<J>, board: TaskBoard) -> Self {
        Self { parts, board, running: JoinSet::new(), busy: Vec::new() }
    }

    /// Runs until it is stopped; runs that are under way are cut off and begun again by whoever comes.
    pub async fn run(mut self, stop: CancellationToken) {
        let wake = Arc::new(Notify::new());
        let (clock, metrics) = (self.parts.clock.clone(), self.parts.metrics.clone());
        let work = async {
            tokio::join!(beat::beat(Arc::clone(&wake), clock), fold(metrics), self.work(&wake));
        };
        stop.run_until_cancelled(work).await;
    }

    /// Looks once, does what is due, and waits for the end of it: a scheduler by hand.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn step(&mut self) -> Result<(), DbError> {
        self.read_all().await?;
        self.look().await;
        while let Some(ended) = self.running.join_next().await {
            self.ended(ended);
        }
        Ok(())
    }

    async fn work(&mut self, wake: &Notify) {
        self.remember().await;
        loop {
            tokio::select! {
                () = wake.notified() => self.look().await,
                Some(ended) = self.running.join_next() => self.ended(ended),
            }
        }
    }

    /// Reads what was done before, once the database is there.
    async fn remember(&mut self) {
        let mut status = self.parts.db.status();
        loop {
            // A closed channel means that the daemon is ending: the token ends this, too.
            if status.wait_for(|status| status.state == DbState::Ready).await.is_err() {
                return std::future::pending().await;
            }
            match self.read_all().await {
                Ok(()) => return self.report_once_settled(),
                Err(error) => tracing::debug!("the tasks' last runs cannot be read: {error}"),
            }
            sleep(AGAIN).await;
        }
    }

    async fn read_all(&mut self) -> Result<(), DbError> {
        let tx = self.parts.db.system_tx().await?;
        let installation = installation_ensure(&tx).await?;
        let rows = tasks_all(&tx).await?;
        tx.commit().await?;
        if self.parts.timetable.spread != Spread::NONE {
            self.parts.timetable.spread = Spread::of(installation.id);
        }
        let mut known = self.board.lock();
        known.timetable = self.parts.timetable.clone();
        known.rows.extend(rows);
        Ok(())
    }

    /// Begins every task that is due.
    async fn look(&mut self) {
        for task in TaskName::ALL.iter().copied() {
            let known = self.board.row(task);
            let due = verdict(&self.parts.timetable, task, known.as_ref(), self.parts.clock.now());
            // Held by another daemon as far as is known: whether it still is, the database says.
            let stale = known.is_some_and(|row| row.held);
            if self.busy.contains(&task) || (!stale && matches!(due, Verdict::Wait { .. })) {
                continue;
            }
            match self.take(task).await {
                Ok(Some(turn)) => self.begin(task, turn),
                Ok(None) => {}
                Err(error) => {
                    self.report(Some(format!("{task} cannot begin: {error}")));
                    return;
                }
            }
        }
    }

    /// Takes the run that is due, if it is still due by what the database says.
    async fn take(&self, task: TaskName) -> Result<Option<Turn>, DbError> {
        let tx = self.parts.db.system_tx().await?;
        let mut row = task_lock(&tx, task).await?;
        let mut due = verdict(&self.parts.timetable, task, Some(&row), tx.now());
        if due == Verdict::Forget {
            tracing::warn!(%task, "a run of the future is forgotten: the clock was wrong");
            task_forget(&tx, task).await?;
            row = task_lock(&tx, task).await?;
            due = verdict(&self.parts.timetable, task, Some(&row), tx.now());
        }
        let Verdict::Run { turn, missed } = due else {
            tx.commit().await?;
            self.board.put(task, row);
            return Ok(None);
        };
        task_begin(&tx, &TaskBegin { task, slot: turn.slot, missed, holder: self.parts.holder, hold: HOLD }).await?;
        let row = task_lock(&tx, task).await?;
        tx.commit().await?;
        if missed > 0 {
            tracing::info!(%task, missed, "turns were missed");
        }
        self.board.put(task, row);
        Ok(Some(turn))
    }

    fn begin(&mut self, task: TaskName, turn: Turn) {
        self.busy.push(task);
        let run = Run {
            db: self.parts.db.clone(),
            jobs: Arc::clone(&self.parts.jobs),
            metrics: self.parts.metrics.clone(),
            holder: self.parts.holder,
            task,
            turn,
        };
        self.running.spawn(async move { (task, run.go().await) });
    }

    fn ended(&mut self, ended: Result<(TaskName, Option<TaskRow>), tokio::task::JoinError>) {
        match ended {
            Ok((task, row)) => {
                self.busy.retain(|other| *other != task);
                if let Some(row) = row {
                    self.board.put(task, row);
                }
            }
            Err(error) => {
                // Which one is not told; the others' ends are still told, and its hold runs out.
                tracing::error!("a task broke: {error}");
                if self.running.is_empty() {
                    self.busy.clear();
                }
            }
        }
        self.report_once_settled();
    }

    /// Nothing is said to be well before there is room for prices.
    fn report_once_settled(&self) {
        let room = self.board.row(TaskName::Partitions);
        if room.is_some_and(|row| row.done_slot.is_some() || row.failures > 0) {
            self.report(None);
        }
    }

    /// The scheduler is as well as its tasks are.
    fn report(&self, trouble: Option<String>) {
        let list = self.board.list(self.parts.clock.now());
        let failing: Vec<_> =
            list.tasks.iter().filter(|task| task.failures > 0).map(|task| task.name.as_str()).collect();
        let detail = trouble.or_else(|| (!failing.is_empty()).then(|| format!("failing: {}", failing.join(", "))));
        let state = if detail.is_some() { ComponentState::Degraded } else { ComponentState::Ok };
        self.parts.health.report_scheduler(state, detail, list.tasks.iter().filter_map(|task| task.next_at).min());
    }
}

async fn fold(metrics: Metrics) {
    loop {
        sleep(FOLD).await;
        metrics.upkeep();
    }
}

/// One run of one task.
struct Run<J> {
    db: Db,
    jobs: Arc<J>,
    metrics: Metrics,
    holder: Uuid,
    task: TaskName,
    turn: Turn,
}

impl<J: Jobs> Run<J> {
    /// Does the work with signs of life; gives back what the database remembers of it.
    async fn go(self) -> Option<TaskRow> {
        let started = Instant::now();
        let outcome = tokio::select! {
            outcome = self.jobs.run(self.task, self.turn) => outcome,
            never = self.give_signs() => never,
        };
        let word = if outcome.is_ok() { "done" } else { "failed" };
        self.metrics.task(self.task.as_str(), word, started.elapsed());
        if let Err(why) = &outcome {
            tracing::warn!(task = %self.task, "a task failed: {why}");
        }
        let end = TaskEnd { task: self.task, slot: self.turn.slot, holder: self.holder, outcome };
        match self.end(&end).await {
            Ok(row) => Some(row),
            Err(error) => {
                // Its hold runs out, and the turn is done again.
                tracing::warn!(task = %self.task, "the end of a task cannot be stored: {error}");
                None
            }
        }
    }

    async fn end(&self, end: &TaskEnd) -> Result<TaskRow, DbError> {
        let tx = self.db.system_tx().await?;
        task_end(&tx, end).await?;
        let row = task_lock(&tx, self.task).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Ends only when the run was taken over by somebody else.
    async fn give_signs<T>(&self) -> Result<T, String> {
        loop {
            sleep(SIGN).await;
            match self.sign().await {
                Ok(true) => {}
                Ok(false) => return Err("another daemon has taken it over".to_owned()),
                Err(error) => tracing::debug!(task = %self.task, "no sign of life could be given: {error}"),
            }
        }
    }

    async fn sign(&self) -> Result<bool, DbError> {
        let tx = self.db.system_tx().await?;
        let ours = task_renew(&tx, self.task, self.holder, HOLD).await?;
        tx.commit().await?;
        Ok(ours)
    }
}

#[cfg(test)]
mod tests;
