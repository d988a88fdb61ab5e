//! The composition root: the only place that puts the parts together. It starts them in order and
//! ends them in reverse.

mod upkeep;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::TimeDelta;
use nix::unistd::Uid;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::accounts::{self, Accounts, OratsPlace};
use crate::api::{Accept, Api, BoundSocket, LiveTrading, Looks, Policy, SocketFile, serve};
use crate::auth::{Admission, SystemDirectory};
use crate::backup::Plan;
use crate::broker::factory::{Addresses, BrokerFactory, LiveLock, TradingTime};
use crate::broker::rate_limit::{BudgetStore, FileStore, Limiters, Limits, MemoryStore};
use crate::calendar::{Calendar, Force, MarketClock};
use crate::clock::Clock;
use crate::config::{BackupConfig, Config};
use crate::db::{DatabaseConfig, Db};
use crate::events::{Hub, HubParts};
use crate::health::HealthBoard;
use crate::market::sim_time::SimTime;
use crate::ours::Folder;
use crate::postgres::{Private, PrivateOptions};
use crate::prices::Chains;
use crate::shutdown::{Ended, Stop};
use crate::telemetry::Metrics;
use crate::trades::ports::Holder;
use crate::trades::runtime;
use crate::trades::runtime::bells::Bells;
use crate::trades::runtime::pulse::Pulse;
use crate::vault::{KeyError, KeySource, Vault};
use upkeep::Ground;
pub use upkeep::{keep, timetable};

/// Time that is kept back for what must end after the connections: the database.
const RESERVE: Duration = Duration::from_secs(5);

/// Which database.
#[derive(Clone, Debug)]
pub enum Database {
    /// A server of somebody else's.
    External(Box<DatabaseConfig>),
    /// One of our own, in the data directory.
    Private(PrivateOptions),
}

/// Where a daemon stands.
#[derive(Debug)]
pub struct Place {
    pub socket: BoundSocket,
    /// What its locks prove of those before it ([`runtime::host`]).
    pub host: Option<Uuid>,
}

/// What a daemon is told from outside.
#[derive(Clone, Debug)]
pub struct Orders {
    /// Ends the daemon in good order.
    pub shutdown: CancellationToken,
    /// Cuts what is still open while it ends.
    pub hurry: CancellationToken,
}

/// Runs a daemon until it is told to stop.
///
/// # Errors
/// When a part cannot start, or the stop was not clean.
pub async fn run(config: Config, database: Database, place: Place, clock: Clock, orders: Orders) -> anyhow::Result<()> {
    let sim_time = config.broker.sim_time.then(|| SimTime::new(config.broker.sim_url.as_deref(), clock.clone()));
    let sim_time = sim_time.transpose()?;
    let clock = sim_time.as_ref().map_or(clock, SimTime::clock);
    if let Some(sim_time) = &sim_time {
        sim_time.begin().await;
    }
    let (listener, socket_file) = place.socket.into_parts();
    let (private, database) = start_database(&config, database).await?;
    let db = Db::connect(database, &clock);
    let holder = runtime::holder(&clock, place.host);
    let mut parts = Parts::start(config, (db, private), holder, clock)?;
    parts.socket_file = socket_file;
    if let Some(sim_time) = sim_time {
        parts.upkeep.spawn(sim_time.follow(parts.api.stop.clone()));
    }
    let accepting = parts.accept(listener);
    tell_systemd(&[sd_notify::NotifyState::Ready]);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");
    pet_watchdog_until(&orders.shutdown, &parts.pulse).await;
    tell_systemd(&[sd_notify::NotifyState::Stopping]);
    let stopped = parts.stop(accepting, orders.hurry).await;
    tracing::info!("stopped");
    stopped
}

async fn start_database(config: &Config, database: Database) -> anyhow::Result<(Option<Private>, DatabaseConfig)> {
    let (private, mut database) = match database {
        Database::External(database) => (None, *database),
        Database::Private(options) => {
            let private = Private::start(&options).await?;
            let database = private.connect_config();
            (Some(private), database)
        }
    };
    let section = &config.database;
    database.limits.connections = usize::try_from(section.connections)?;
    database.limits.wait = section.wait_timeout_s;
    database.limits.connect = section.connect_timeout_s;
    database.limits.statement = section.statement_timeout_s;
    database.limits.lock = section.lock_timeout_s;
    database.limits.liveness = section.check_every_s;
    database.limits.migration = section.migration_timeout_s;
    Ok((private, database))
}

/// Everything that runs.
struct Parts {
    api: Arc<Api>,
    admission: Admission,
    private: Option<Private>,
    socket_file: Option<SocketFile>,
    /// The scheduler's tasks, and the look at the accounts.
    upkeep: JoinSet<()>,
    /// The trade engine's loops, and whether they turn.
    engines: JoinSet<()>,
    pulse: Pulse,
    /// The hub's tasks, then the connections'.
    events: TaskTracker,
    connections: TaskTracker,
    kill: CancellationToken,
    recheck: Duration,
    stop_within: Duration,
}

impl Parts {
    fn start(
        config: Config,
        (db, private): (Db, Option<Private>),
        holder: Holder,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let (metrics, stop) = (Metrics::new()?, CancellationToken::new());
        let health = HealthBoard::new(clock.clone(), db.status());
        let force = if config.market.force_open { Force::Open } else { Force::No };
        let calendar = Arc::new(Calendar::new());
        let (market, events) = (MarketClock::new(Arc::clone(&calendar), clock.clone(), force), TaskTracker::new());
        let hub = Hub::start(HubParts {
            db: db.clone(),
            clock: clock.clone(),
            health: health.clone(),
            market: market.clone(),
            metrics: metrics.clone(),
            config: config.events.clone(),
            tasks: events.clone(),
            stop: stop.clone(),
        });
        let accounts = accounts(&config, &db, &clock)?;
        let ground = Ground {
            config: &config,
            db: &db,
            clock: &clock,
            accounts: &accounts,
            hub: &hub,
            health: &health,
            metrics: &metrics,
            market: &market,
            calendar: &calendar,
            force,
            holder,
            backup: backup_plan(&config.backup, private.as_ref()),
        };
        show_rates(&health, &accounts);
        let (policy, bells, pulse) = (policy(&config), Bells::new(holder.process), Pulse::default());
        let counter = ground.counter(&bells);
        let (upkeep, engines) = (ground.start(&stop), ground.engines((bells, pulse.clone()), &stop));
        let admission = Admission::new(Uid::effective().as_raw(), config.auth, SystemDirectory, clock.clone());
        let api = Api {
            db,
            accounts,
            counter,
            orats: upkeep.recorder.orats.clone(),
            board: upkeep.recorder.board.clone(),
            looks: Looks::default(),
            chains: Chains::new(upkeep.recorder),
            collector: upkeep.collector,
            hub,
            health,
            market,
            metrics,
            tasks: upkeep.board,
            clock,
            limits: config.limits,
            policy,
            stop,
        };
        Ok(Self {
            api: Arc::new(api),
            admission,
            private,
            socket_file: None,
            upkeep: upkeep.tasks,
            engines,
            pulse,
            events,
            connections: TaskTracker::new(),
            kill: CancellationToken::new(),
            recheck: config.events.heartbeat_s,
            stop_within: config.daemon.stop_timeout_s,
        })
    }

    fn accept(&self, listener: tokio::net::UnixListener) -> JoinHandle<()> {
        let accept = Accept {
            api: Arc::clone(&self.api),
            admission: self.admission.clone(),
            tasks: self.connections.clone(),
            kill: self.kill.clone(),
            recheck: self.recheck,
        };
        self.connections.spawn(serve(listener, accept))
    }

    /// Connections first, the database last.
    async fn stop(mut self, accepting: JoinHandle<()>, hurry: CancellationToken) -> anyhow::Result<()> {
        let mut stop = Stop::begin(self.stop_within);
        self.api.stop.cancel();
        stop.step("the listener", async { accepting.await.context("it ended badly") }).await;
        drop(self.socket_file.take());
        let mut cut = Stop::begin(self.stop_within.saturating_sub(RESERVE.min(self.stop_within / 2)));
        self.connections.close();
        let ended = cut.step("the connections", async {
            tokio::select! {
                () = self.connections.wait() => Ok(()),
                () = hurry.cancelled() => anyhow::bail!("were cut off by a second signal"),
            }
        });
        if ended.await == Ended::TooLate || hurry.is_cancelled() {
            self.kill.cancel();
            stop.wait("what is left of the connections", self.connections.wait()).await;
        }
        self.events.close();
        stop.wait("the event streams", self.events.wait()).await;
        stop.wait("the trade engine", drain(&mut self.engines)).await;
        stop.wait("the scheduler", drain(&mut self.upkeep)).await;
        stop.wait("the database connections", self.api.db.close()).await;
        if let Some(private) = self.private {
            let left = stop.left();
            stop.step("PostgreSQL", async { private.stop(left).await.context("it does not stop") }).await;
        }
        let mut failures = cut.finish().err().map(|failures| failures.0).unwrap_or_default();
        failures.extend(stop.finish().err().map(|failures| failures.0).unwrap_or_default());
        if failures.is_empty() { Ok(()) } else { Err(crate::shutdown::StopFailures(failures).into()) }
    }
}

/// What the configuration wants of backups; without another connection they are of the private database.
fn backup_plan(config: &BackupConfig, private: Option<&Private>) -> Option<Plan> {
    let ours = |private: &Private| {
        let folder = private.socket_dir().display().to_string().replace('\\', "\\\\").replace('\'', "\\'");
        format!("host='{folder}' dbname=blotter user=blotter_backup")
    };
    Some(Plan {
        folder: config.folder.clone()?,
        program: config.program.clone(),
        connection: config.connection.clone().or_else(|| private.map(ours)),
        oldest: TimeDelta::hours(config.oldest_h.into()),
    })
}

/// How full the broker's rate limits are belongs to how the daemon is.
fn show_rates(health: &HealthBoard, accounts: &Accounts) {
    let limiters = accounts.limiters();
    health.show_rates(move || accounts::rates(&limiters));
}

fn policy(config: &Config) -> Policy {
    Policy { live: if config.broker.allow_live { LiveTrading::Allowed } else { LiveTrading::Locked } }
}

/// Everybody's accounts, with the keys and the addresses of the configuration.
///
/// # Errors
/// When the key that is there is none, or the folder for the rates cannot be made.
pub fn accounts(config: &Config, db: &Db, clock: &Clock) -> anyhow::Result<Accounts> {
    let vault = match KeySource::of(&config.vault).load() {
        Ok(keys) => Ok(Vault::new(keys)),
        Err(KeyError::Missing) => Err(KeyError::Missing),
        // A key that is there and bad is a slip that would otherwise show at the first order.
        Err(error) => return Err(error.into()),
    };
    let store: Arc<dyn BudgetStore> = match &config.daemon.data_dir {
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            let folder = folder.join("rates");
            Folder::make_private(&folder).with_context(|| format!("cannot use {}", folder.display()))?;
            Arc::new(FileStore::new(folder))
        }
        None => Arc::new(MemoryStore::default()),
    };
    let limiters = Arc::new(Limiters::new(Limits::default(), store, clock.clone()));
    let lock = if config.broker.allow_live { LiveLock::Unlocked } else { LiveLock::Locked };
    let (sim, live) = (config.broker.sim_url.clone(), config.broker.live_url.clone());
    if let Some(address) = &live {
        tracing::warn!("LIVE accounts are at {address}, and not at the broker: broker.live_url");
    }
    let addresses = Addresses { sim, live, ..Addresses::default() };
    let time = if config.broker.sim_time { TradingTime::Simulated } else { TradingTime::Real };
    let factory = BrokerFactory::new(lock, addresses, limiters, clock.clone()).in_time(time);
    let orats = OratsPlace { address: config.broker.orats_url.clone(), clock: clock.clone() };
    Ok(Accounts::new(db.clone(), factory, orats, vault))
}

async fn drain(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

/// Tells the service manager that the program's loops still turn. A closed market or a missing
/// database is no reason to be restarted.
async fn pet_watchdog_until(shutdown: &CancellationToken, pulse: &Pulse) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return shutdown.cancelled().await;
    };
    let mut tick = interval((limit / 3).max(Duration::from_millis(100)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => match pulse.check(Instant::now()) {
                Ok(()) => tell_systemd(&[sd_notify::NotifyState::Watchdog]),
                Err(why) => tracing::error!("the service manager is to restart the daemon: {why}"),
            },
        }
    }
}

fn tell_systemd(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("the service manager cannot be told: {error}");
    }
}
