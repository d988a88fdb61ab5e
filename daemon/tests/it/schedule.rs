//! The scheduler on a real database, with a clock that is set by hand: who runs what, once.

use std::sync::{Arc, Mutex};

use blotter_daemon::calendar::{Calendar, Force};
use blotter_daemon::clock::Clock;
use blotter_daemon::db::{Db, DbState};
use blotter_daemon::health::HealthBoard;
use blotter_daemon::schedule::timetable::{Spread, Timetable, Turn};
use blotter_daemon::schedule::{Jobs, Parts, Scheduler, TaskBoard};
use blotter_daemon::telemetry::Metrics;
use blotter_shared::protocol::tasks::{TaskName, TaskReport, TaskState};
use blotter_testkit::Cluster;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::support::{DEADLINE, Raw, config, reach};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Runs of tasks, as they were begun.
type Runs = Arc<Mutex<Vec<(TaskName, DateTime<Utc>)>>>;

/// Tasks that do nothing but say that they ran.
#[derive(Clone, Debug, Default)]
struct Told {
    runs: Runs,
    /// This one fails.
    fails: Arc<Mutex<Option<TaskName>>>,
    /// This one never ends; told when it has begun.
    hangs: Option<(TaskName, Arc<Notify>)>,
}

impl Jobs for Told {
    fn run(&self, task: TaskName, turn: Turn) -> BoxFuture<'_, Result<Option<String>, String>> {
        async move {
            self.runs.lock().unwrap().push((task, turn.slot));
            if let Some((_, begun)) = self.hangs.as_ref().filter(|(hangs, _)| *hangs == task) {
                begun.notify_one();
                return std::future::pending().await;
            }
            if *self.fails.lock().unwrap() == Some(task) { Err("it was told to fail".to_owned()) } else { Ok(None) }
        }
        .boxed()
    }
}

/// One database, one clock, as many daemons as wanted.
struct Stage {
    cluster: Cluster,
    now: Arc<Mutex<DateTime<Utc>>>,
    timetable: Timetable,
}

impl Stage {
    fn start(now: &str) -> Self {
        let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
        let calendar = Calendar::new().altered(day(3), None).altered(day(6), NaiveTime::from_hms_opt(13, 0, 0));
        let timetable = Timetable {
            calendar: Arc::new(calendar),
            force: Force::No,
            snapshot_every: TimeDelta::minutes(10),
            spread: Spread::NONE,
        };
        Self { cluster: Cluster::start().unwrap(), now: Arc::new(Mutex::new(at(now))), timetable }
    }

    fn set(&self, now: DateTime<Utc>) {
        *self.now.lock().unwrap() = now;
    }

    async fn daemon(&self, jobs: &Told) -> (Scheduler<Told>, TaskBoard) {
        let now = Arc::clone(&self.now);
        let clock = Clock::from_fn(move || *now.lock().unwrap());
        let db = Db::connect(config(&self.cluster.url()), &clock);
        reach(&db, DbState::Ready).await;
        let board = TaskBoard::new(self.timetable.clone());
        let parts = Parts {
            health: HealthBoard::new(clock.clone(), db.status()),
            db,
            clock,
            metrics: Metrics::new().unwrap(),
            timetable: self.timetable.clone(),
            jobs: Arc::new(jobs.clone()),
            holder: Uuid::from_u128(rand()),
        };
        (Scheduler::new(parts, board.clone()), board)
    }

    /// When something is due next.
    fn next(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        TaskName::ALL.iter().filter_map(|task| self.timetable.next_after(*task, now)).min().unwrap()
    }
}

/// Another number each time.
fn rand() -> u128 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed).into()
}

fn one(board: &TaskBoard, now: DateTime<Utc>, task: TaskName) -> TaskReport {
    board.list(now).tasks.into_iter().find(|report| report.name == task).unwrap()
}

/// A change of the clocks, a holiday, an early close; an outage of a morning; a sleep over a close; and
/// two daemons that look at every moment together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fortnight_of_two_daemons_on_one_database_runs_each_turn_once() {
    let stage = Stage::start("2026-10-26T12:00:00Z");
    let told = Told::default();
    let (mut one_daemon, board) = stage.daemon(&told).await;
    let (mut other, _) = stage.daemon(&told).await;
    let end = at("2026-11-08T00:00:00Z");
    let away = [("2026-10-29T13:00:00Z", "2026-10-29T15:05:00Z"), ("2026-11-05T20:31:00Z", "2026-11-06T02:00:00Z")];
    let mut now = at("2026-10-26T12:00:00Z");
    while now < end {
        stage.set(now);
        let (here, there) = join(one_daemon.step(), other.step()).await;
        here.and(there).unwrap();
        now = stage.next(now);
        for (from, to) in away {
            now = if (at(from)..at(to)).contains(&now) { at(to) } else { now };
        }
    }

    let mut runs = told.runs.lock().unwrap().clone();
    let all = runs.len();
    runs.sort();
    runs.dedup();
    assert_eq!(runs.len(), all, "a turn was run twice");
    let count = |task| runs.iter().filter(|run| run.0 == task).count();
    // A full day has 41 marks, the short one 23. Nine are lost to the outage (the tenth, of 15:00, still
    // counts at 15:05), four to the sleep.
    assert_eq!(count(TaskName::Snapshots), 8 * 41 + 23 - 9 - 4);
    assert_eq!(count(TaskName::PreMarket), 8, "09:25 of the 29th cannot be made up for");
    assert_eq!(count(TaskName::PostMarket), 8, "16:05 of the 5th was slept through until the night");
    assert_eq!(count(TaskName::Forensics), 10, "that of the Friday before, and each night's");
    assert_eq!(count(TaskName::CalendarCheck), 9, "made up for in the morning");
    assert_eq!(count(TaskName::Partitions), 13);
    let friday = runs.iter().filter(|run| run.1.date_naive() == at("2026-11-06T00:00:00Z").date_naive());
    let bookends: Vec<_> = friday.filter(|run| run.0 == TaskName::PostMarket).map(|run| run.1).collect();
    assert_eq!(bookends, [at("2026-11-06T18:05:00Z")], "five minutes past an early close");
    let report = one(&board, now, TaskName::Snapshots);
    assert_eq!((report.state, report.missed, report.failures), (TaskState::Waiting, 13, 0));
    assert_eq!(one(&board, now, TaskName::PreMarket).next_at, Some(at("2026-11-09T14:25:00Z")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_a_crash_cut_off_is_begun_again_by_whoever_comes() {
    let stage = Stage::start("2026-10-28T21:30:00Z");
    let begun = Arc::new(Notify::new());
    let dying = Told { hangs: Some((TaskName::Forensics, Arc::clone(&begun))), ..Told::default() };
    let (mut daemon, _) = stage.daemon(&dying).await;
    tokio::select! {
        stepped = daemon.step() => panic!("a run that hangs has ended: {stepped:?}"),
        begun = tokio::time::timeout(DEADLINE, begun.notified()) => begun.expect("the run begins"),
    }
    drop(daemon);
    let heir = Told::default();
    let (mut daemon, board) = stage.daemon(&heir).await;
    daemon.step().await.unwrap();
    let ran = |runs: &Runs| runs.lock().unwrap().iter().filter(|run| run.0 == TaskName::Forensics).count();
    assert_eq!(ran(&heir.runs), 0, "it is held by somebody who may be alive");
    assert_eq!(one(&board, at("2026-10-28T21:30:00Z"), TaskName::Forensics).state, TaskState::Running);
    let admin = Raw::connect(&stage.cluster.url()).await;
    admin.batch_execute("UPDATE task_runs SET held_until = clock_timestamp() WHERE holder IS NOT NULL").await.unwrap();
    daemon.step().await.unwrap();
    assert_eq!(ran(&heir.runs), 1);
    assert_eq!(one(&board, at("2026-10-28T21:31:00Z"), TaskName::Forensics).missed, 0, "nothing is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_shows_is_tried_again_and_heals() {
    let stage = Stage::start("2026-10-28T21:30:00Z");
    let told = Told::default();
    *told.fails.lock().unwrap() = Some(TaskName::Forensics);
    let (mut daemon, board) = stage.daemon(&told).await;
    daemon.step().await.unwrap();
    let report = one(&board, at("2026-10-28T21:30:00Z"), TaskName::Forensics);
    assert_eq!((report.state, report.failures), (TaskState::Failing, 1));
    assert_eq!(report.detail.as_deref(), Some("it was told to fail"));
    assert_eq!(report.next_at, Some(at("2026-10-28T21:31:00Z")));
    *told.fails.lock().unwrap() = None;
    stage.set(at("2026-10-28T21:31:00Z"));
    daemon.step().await.unwrap();
    let report = one(&board, at("2026-10-28T21:31:00Z"), TaskName::Forensics);
    assert_eq!((report.state, report.failures, report.slot), (TaskState::Waiting, 0, Some(at("2026-10-28T21:30:00Z"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_clock_an_hour_ahead_has_done_is_done_again() {
    let stage = Stage::start("2026-10-28T13:25:00Z");
    let told = Told::default();
    let (mut daemon, _) = stage.daemon(&told).await;
    daemon.step().await.unwrap();
    stage.set(at("2026-10-28T12:25:00Z"));
    daemon.step().await.unwrap();
    stage.set(at("2026-10-28T13:25:10Z"));
    daemon.step().await.unwrap();
    let bookend = (TaskName::PreMarket, at("2026-10-28T13:25:00Z"));
    assert_eq!(told.runs.lock().unwrap().iter().filter(|run| **run == bookend).count(), 2);
}
