//! Keeps the database reachable: connects, prepares, watches, and starts again when it is gone.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use chrono::TimeDelta;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, QueueMode, RecyclingMethod, Runtime};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::{DatabaseConfig, Setup};
use super::connect::{Connector, Obstacle, Patience, PoolConnect, Tasks};
use super::rehearsal::Stage;
use super::seats::Seats;
use super::session::{Guards, Plans, Session};
use super::status::{DbState, DbStatus};
use super::tx::SystemTx;
use super::work::WorkHint;
use super::{DbError, bring_up, installation, snapshots};
use crate::clock::Clock;

/// First and longest pause between two tries while the database is away.
const AWAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// The same while somebody must do something: less hurry, so that no log fills.
const UNFIT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// Words of work that wait for a slow reader; one more, and it is told that it missed some.
const WORK_QUEUE: usize = 256;

/// Whose connections a transaction runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Requests share a pool.
    Requests,
    /// The engine and the daemon's chores have their own: a flood of requests stops no bracket.
    Own,
}

/// Tries again on another connection, for as long as one is waited for. One that broke while nobody looked (a computer
/// that was suspended, a firewall) says so only when a transaction begins; nothing has happened yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patient {
    give_up: Instant,
}

impl Patient {
    /// # Errors
    /// The error, when it does not speak of the connection, or has been heard for too long.
    pub(super) fn bear(self, error: DbError) -> Result<(), DbError> {
        let again = matches!(error, DbError::Unavailable { .. }) && Instant::now() < self.give_up;
        if again { Ok(()) } else { Err(error) }
    }
}

/// What the handle, the supervisor and the listeners share.
#[derive(Debug)]
pub(super) struct Shared {
    pub config: DatabaseConfig,
    pub clock: Clock,
    pub status: watch::Sender<DbStatus>,
    /// For requests.
    pub pool: OnceLock<Pool>,
    /// For the engine and the daemon's own chores.
    own_pool: OnceLock<Pool>,
    stage: Stage,
    own_stage: Stage,
    pub seats: Seats,
    /// Work for the loops that another daemon has told of.
    pub work: broadcast::Sender<WorkHint>,
    /// Somebody met an error: look now.
    pub doubt: Arc<Notify>,
    pub tasks: Tasks,
}

impl Shared {
    pub(super) fn new(config: DatabaseConfig, clock: &Clock) -> Self {
        let now = clock.now();
        let status = DbStatus { state: DbState::Starting, since: now, checked_at: now, detail: None, next_try: None };
        let seats = Seats::new(config.limits);
        let tasks = Tasks { tracker: TaskTracker::new(), stop: CancellationToken::new() };
        Self {
            config,
            clock: clock.clone(),
            status: watch::Sender::new(status),
            pool: OnceLock::new(),
            own_pool: OnceLock::new(),
            stage: Stage::new(&tasks, clock, Lane::Requests),
            own_stage: Stage::new(&tasks, clock, Lane::Own),
            seats,
            work: broadcast::Sender::new(WORK_QUEUE),
            doubt: Arc::new(Notify::new()),
            tasks,
        }
    }

    /// A connection for daily work.
    pub(super) fn work_connector(&self) -> Result<Connector, Obstacle> {
        Connector::new(&self.config.work, self.config.limits, Patience::Work, &self.tasks)
    }

    fn guards(&self, lane: Lane) -> Guards {
        Guards {
            answer: self.config.limits.statement + self.config.limits.lock,
            doubt: Arc::clone(&self.doubt),
            stage: Some(match lane {
                Lane::Requests => self.stage.clone(),
                Lane::Own => self.own_stage.clone(),
            }),
        }
    }

    pub(super) async fn system_tx(&self) -> Result<SystemTx, DbError> {
        let session = self.session(Lane::Own, ("blotter_system", ""), Plans::Fitting).await?;
        Ok(SystemTx::new(session, self.clock.now()))
    }

    /// Begins on a connection of the pool.
    pub(super) async fn session(&self, lane: Lane, who: (&str, &str), plans: Plans) -> Result<Session, DbError> {
        let patience = self.patience();
        loop {
            let session = self.open(lane).await?;
            match session.begin(who, plans).await {
                Ok(()) => return Ok(session),
                Err(error) => patience.bear(error)?,
            }
        }
    }

    /// A connection of the pool on which nothing has begun.
    pub(super) async fn open(&self, lane: Lane) -> Result<Session, DbError> {
        Ok(Session::open(self.connection(lane).await?, self.guards(lane)))
    }

    pub(super) fn patience(&self) -> Patient {
        Patient { give_up: Instant::now() + self.config.limits.wait }
    }

    async fn connection(&self, lane: Lane) -> Result<Object, DbError> {
        let pool = match lane {
            Lane::Requests => &self.pool,
            Lane::Own => &self.own_pool,
        };
        let pool = pool.get().ok_or_else(|| DbError::unavailable("the database is not connected yet"))?;
        // The pool may be about to open one.
        self.config.work.check_sockets().map_err(DbError::unavailable)?;
        pool.get().await.map_err(|error| {
            use deadpool_postgres::PoolError;
            match error {
                PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => {
                    DbError::Busy { what: format!("all {} connections are in use", pool.status().max_size) }
                }
                PoolError::Backend(error) => {
                    self.doubt.notify_one();
                    DbError::unavailable(format!("the database does not answer: {}", super::connect::deepest(&error)))
                }
                PoolError::Timeout(_)
                | PoolError::Closed
                | PoolError::NoRuntimeSpecified
                | PoolError::PostCreateHook(_) => {
                    self.doubt.notify_one();
                    DbError::unavailable(format!("no connection to the database: {error}"))
                }
            }
        })
    }

    /// They are of the time before an outage.
    fn renew_pools(&self) {
        for pool in [&self.pool, &self.own_pool].into_iter().filter_map(OnceLock::get) {
            pool.retain(|_, _| false);
        }
    }

    pub(super) fn close_pools(&self) {
        for pool in [&self.pool, &self.own_pool].into_iter().filter_map(OnceLock::get) {
            pool.close();
        }
    }

    fn say(&self, state: DbState, detail: Option<String>, retry_in: Option<Duration>) {
        let now = self.clock.now();
        let next_try = retry_in.and_then(|pause| TimeDelta::from_std(pause).ok()).map(|pause| now + pause);
        self.status.send_if_modified(|status| {
            let changed = status.state != state || status.detail != detail;
            let since = if status.state == state { status.since } else { now };
            *status = DbStatus { state, since, checked_at: now, detail, next_try };
            changed
        });
    }
}

/// Runs until it is stopped.
pub(super) async fn supervise(shared: Arc<Shared>) {
    let work = async {
        loop {
            come_up(&shared).await;
            tracing::info!("the database is ready");
            shared.say(DbState::Ready, None, None);
            let obstacle = watch_over(&shared).await;
            tracing::warn!(reason = obstacle.sentence(), "the database went away");
            shared.say(DbState::Unavailable, Some(obstacle.sentence().to_owned()), Some(AWAY.0));
        }
    };
    shared.tasks.stop.run_until_cancelled(work).await;
    shared.close_pools();
}

/// Tries until the database is prepared, with growing, jittered pauses.
async fn come_up(shared: &Shared) {
    let mut away = pauses(AWAY);
    let mut unfit = pauses(UNFIT);
    loop {
        let obstacle = match attempt(shared).await {
            Ok(()) => return,
            Err(obstacle) => obstacle,
        };
        let (state, pause) = match &obstacle {
            Obstacle::Away(_) => (DbState::Unavailable, away.next().unwrap_or(AWAY.1)),
            Obstacle::Unfit(_) => (DbState::Refused, unfit.next().unwrap_or(UNFIT.1)),
        };
        let known = shared.status.borrow().detail.as_deref() == Some(obstacle.sentence());
        if !known {
            tracing::warn!(reason = obstacle.sentence(), "the database cannot be used");
        }
        shared.say(state, Some(obstacle.sentence().to_owned()), Some(pause));
        tokio::time::sleep(pause).await;
    }
}

fn pauses((first, longest): (Duration, Duration)) -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(longest)
        .without_max_times()
        .with_jitter()
        .build()
        .map(move |pause| pause.min(longest))
}

async fn attempt(shared: &Shared) -> Result<(), Obstacle> {
    let limits = shared.config.limits;
    let work = shared.work_connector()?;
    let setup = match &shared.config.setup {
        Setup::SameLogin => &shared.config.work,
        Setup::Apart(endpoint) => endpoint,
    };
    let setup = Connector::new(setup, limits, Patience::Setup, &shared.tasks)?;
    bring_up::prepare(&setup, &work, limits.migration).await?;
    if shared.pool.get().is_some() {
        shared.renew_pools();
    } else {
        // Only this task sets them.
        let _ = shared.own_pool.set(pool(shared, work.clone(), (limits.connections / 2).max(1))?);
        let _ = shared.pool.set(pool(shared, work, limits.connections)?);
    }
    settle(shared).await.map_err(|error| {
        let sentence = error.to_string();
        if error.is_transient() { Obstacle::Away(sentence) } else { Obstacle::Unfit(sentence) }
    })
}

fn pool(shared: &Shared, work: Connector, size: usize) -> Result<Pool, Obstacle> {
    let limits = shared.config.limits;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_connect(work.config().clone(), PoolConnect(work), recycling);
    Pool::builder(manager)
        .max_size(size)
        // The connection that was used last knows the statements that are asked now.
        .queue_mode(QueueMode::Lifo)
        .wait_timeout(Some(limits.wait))
        .create_timeout(Some(limits.connect))
        .recycle_timeout(Some(limits.wait))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| Obstacle::Unfit(format!("the connection pool cannot be made: {error}")))
}

/// What must be there before anybody works, as the role that works.
async fn settle(shared: &Shared) -> Result<(), DbError> {
    let tx = shared.system_tx().await?;
    installation::installation_ensure(&tx).await?;
    let made = snapshots::partitions_ensure(&tx).await?;
    if made > 0 {
        tracing::info!(partitions = made, "made the coming months' partitions of price_snapshots");
    }
    tx.commit().await
}

/// Looks now and then, and at once when somebody met an error; returns when it is gone.
async fn watch_over(shared: &Shared) -> Obstacle {
    loop {
        tokio::select! {
            () = tokio::time::sleep(shared.config.limits.liveness) => {}
            () = shared.doubt.notified() => {}
        }
        match look(shared).await {
            // A full pool is no reason for alarm: the connections in use answer.
            Ok(()) | Err(DbError::Busy { .. }) => shared.say(DbState::Ready, None, None),
            Err(error) => return Obstacle::Away(error.to_string()),
        }
    }
}

async fn look(shared: &Shared) -> Result<(), DbError> {
    let connection = shared.connection(Lane::Own).await?;
    let answer = tokio::time::timeout(shared.config.limits.statement, connection.simple_query("")).await;
    match answer {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => {
            drop(Object::take(connection));
            // One dead connection is not a dead server: the next one tells.
            if super::error::is_gone(&error) { Box::pin(look_afresh(shared)).await } else { Err(error.into()) }
        }
        Err(_) => {
            drop(Object::take(connection));
            Err(DbError::unavailable("the database did not answer in time"))
        }
    }
}

/// On a new connection.
async fn look_afresh(shared: &Shared) -> Result<(), DbError> {
    let connector = shared.work_connector().map_err(|obstacle| DbError::unavailable(obstacle.sentence()))?;
    let client = connector.client().await.map_err(|obstacle| DbError::unavailable(obstacle.sentence()))?;
    client.simple_query("").await?;
    Ok(())
}
