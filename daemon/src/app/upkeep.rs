//! What happens by itself, put together: the scheduler with its tasks, and the trade engine's loops.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::accounts::Accounts;
use crate::backup::{Backup, Plan};
use crate::calendar::{Calendar, Force, MarketClock};
use crate::clock::Clock;
use crate::config::{Config, MarketConfig};
use crate::context::Collector;
use crate::db::Db;
use crate::events::Hub;
use crate::fees::Fees;
use crate::forensics::Forensics;
use crate::health::HealthBoard;
use crate::herald::Herald;
use crate::prices::retention::{Keep, Retention};
use crate::prices::sources::OratsDesk;
use crate::prices::{Board, Live, Recorder};
use crate::schedule::calendar_check::CalendarCheck;
use crate::schedule::chores::Chores;
use crate::schedule::strays::Strays;
use crate::schedule::timetable::{Spread, Timetable};
use crate::schedule::{self, Scheduler, TaskBoard};
use crate::telemetry::Metrics;
use crate::trades::ports::Holder;
use crate::trades::runtime::bells::Bells;
use crate::trades::runtime::desk::Counter;
use crate::trades::runtime::pulse::Pulse;
use crate::trades::runtime::{self, Engines};

/// What it stands on.
pub(super) struct Ground<'a> {
    pub(super) config: &'a Config,
    pub(super) db: &'a Db,
    pub(super) clock: &'a Clock,
    pub(super) accounts: &'a Accounts,
    pub(super) hub: &'a Hub,
    pub(super) health: &'a HealthBoard,
    pub(super) metrics: &'a Metrics,
    pub(super) market: &'a MarketClock,
    pub(super) calendar: &'a Arc<Calendar>,
    pub(super) force: Force,
    /// This run of this program.
    pub(super) holder: Holder,
    pub(super) backup: Option<Plan>,
}

/// What others use of it.
pub(super) struct Upkeep {
    pub(super) recorder: Recorder,
    pub(super) collector: Collector,
    pub(super) board: TaskBoard,
    pub(super) tasks: JoinSet<()>,
}

/// The times of the tasks, as the configuration has them. The spread is the database's.
#[must_use]
pub fn timetable(config: &MarketConfig, calendar: Arc<Calendar>) -> Timetable {
    let force = if config.force_open { Force::Open } else { Force::No };
    let snapshot_every = TimeDelta::from_std(config.snapshot_every_s).unwrap_or(TimeDelta::seconds(40));
    Timetable { calendar, force, snapshot_every, spread: Spread::of(Uuid::nil()) }
}

/// For how long prices are kept, as the configuration has it.
#[must_use]
pub fn keep(config: &MarketConfig) -> Keep {
    Keep { whole: config.keep_whole_days, packed: config.keep_packed_days }
}

impl Ground<'_> {
    /// Starts the scheduler and everything beside it.
    pub(super) fn start(&self, stop: &CancellationToken) -> Upkeep {
        let recorder = self.recorder();
        let timetable = timetable(&self.config.market, Arc::clone(self.calendar));
        let board = TaskBoard::new(timetable.clone());
        let parts = schedule::Parts {
            db: self.db.clone(),
            clock: self.clock.clone(),
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            timetable,
            jobs: Arc::new(self.chores(&recorder)),
            holder: self.holder.process,
        };
        let every = self.config.market.live_every_s;
        let live = Live { recorder: recorder.clone(), market: self.market.clone(), every };
        let mut tasks = JoinSet::new();
        tasks.spawn(Scheduler::new(parts, board.clone()).run(stop.clone()));
        tasks.spawn(live.run(stop.clone()));
        let collector = Collector::new(recorder.clone());
        tasks.spawn(collector.clone().run(stop.clone()));
        tasks.spawn(self.accounts.clone().watch(self.health.clone(), stop.clone()));
        if let Some(command) = &self.config.alarms.command {
            tasks.spawn(Herald { db: self.db.clone(), command: command.clone() }.run(stop.clone()));
        }
        Upkeep { recorder, collector, board, tasks }
    }

    /// Where commands are judged.
    pub(super) fn counter(&self, bells: &Bells) -> Counter {
        Counter {
            db: self.db.clone(),
            accounts: self.accounts.clone(),
            clock: self.clock.clone(),
            calendar: Arc::clone(self.calendar),
            force: self.force,
            kill_file: self.config.broker.kill_file.clone(),
            bells: bells.clone(),
        }
    }

    /// Starts the trade engine's loops.
    pub(super) fn engines(&self, (bells, pulse): (Bells, Pulse), stop: &CancellationToken) -> JoinSet<()> {
        let parts = runtime::Parts {
            db: self.db.clone(),
            accounts: self.accounts.clone(),
            hub: self.hub.clone(),
            clock: self.clock.clone(),
            calendar: Arc::clone(self.calendar),
            force: self.force,
            kill_file: self.config.broker.kill_file.clone(),
            health: self.health.clone(),
            bells,
            holder: self.holder,
            time_scale: self.config.broker.time_scale,
            pulse,
        };
        let mut engines = JoinSet::new();
        engines.spawn(Engines::new(parts).run(stop.clone()));
        engines
    }

    fn recorder(&self) -> Recorder {
        let address = self.config.broker.orats_url.clone();
        Recorder {
            db: self.db.clone(),
            accounts: self.accounts.clone(),
            orats: OratsDesk::new(self.accounts.clone(), address, self.clock.clone()),
            clock: self.clock.clone(),
            calendar: Arc::clone(self.calendar),
            force: self.force,
            board: Board::default(),
        }
    }

    fn chores(&self, recorder: &Recorder) -> Chores {
        Chores {
            db: self.db.clone(),
            recorder: recorder.clone(),
            forensics: Forensics {
                db: self.db.clone(),
                accounts: Some(self.accounts.clone()),
                clock: self.clock.clone(),
                calendar: Arc::clone(self.calendar),
                interval: timetable(&self.config.market, Arc::clone(self.calendar)).snapshot_every,
            },
            fees: Fees {
                db: self.db.clone(),
                accounts: self.accounts.clone(),
                hub: self.hub.clone(),
                clock: self.clock.clone(),
            },
            retention: Retention { db: self.db.clone(), clock: self.clock.clone(), keep: keep(&self.config.market) },
            calendar: CalendarCheck {
                db: self.db.clone(),
                accounts: self.accounts.clone(),
                hub: self.hub.clone(),
                clock: self.clock.clone(),
                calendar: Arc::clone(self.calendar),
            },
            strays: Strays { db: self.db.clone(), hub: self.hub.clone() },
            backup: Backup {
                db: self.db.clone(),
                hub: self.hub.clone(),
                clock: self.clock.clone(),
                plan: self.backup.clone(),
            },
        }
    }
}
