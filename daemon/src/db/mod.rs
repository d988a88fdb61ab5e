//! The only module that knows tokio-postgres.
//!
//! Read: `Db` keeps the database reachable and says how it is; `UserTx` and `SystemTx` are the
//! only ways to a connection; one file per table group holds the queries, as noun-first functions
//! that take the transaction.
//!
//! Invariants:
//! * Every statement runs in a transaction that has a role, and a user or the system's own narrow
//!   policies. A statement without identity sees nothing.
//! * Nothing is set for a session: identity is `set_config(…, true)`, the role is `SET LOCAL`.
//! * Nothing waits for ever: the pool, the connection, a statement, a lock, an idle transaction.

pub mod config;
mod endpoint;
mod error;
mod socket_trust;
mod status;

mod bring_up;
mod connect;
mod migrate;
mod pooler;
mod supervisor;
mod tls;

mod cells;
mod numeric;
mod rehearsal;
mod seats;
mod session;
mod together;
mod tx;

pub mod alarms;
pub mod audit;
pub mod changes;
pub mod commands;
pub mod context;
pub mod demo;
pub mod devices;
pub mod engine;
pub mod fees;
pub mod forensics;
pub mod installation;
pub mod listen;
pub mod performance;
pub mod prices;
pub mod secrets;
pub mod settings;
pub mod snapshots;
pub mod tasks;
pub mod timeline;
pub mod trades;
mod work;

pub use config::{DatabaseConfig, DbLimits, Endpoint, EndpointError, Setup};
pub use error::DbError;
pub use listen::{ChangeHint, ChangeListener};
pub use migrate::schema_version;
pub use status::{DbState, DbStatus};
pub use together::{Told, both};
pub use tx::{SystemTx, UserTx};
pub use work::{WorkHint, work_tell};

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, try_join};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::DropGuard;

use crate::auth::Username;
use crate::clock::Clock;
use session::Plans;
use supervisor::{Lane, Shared};

/// A cheap handle on the database, whether it is there or not.
#[derive(Clone, Debug)]
pub struct Db {
    shared: Arc<Shared>,
    /// The last handle takes the tasks with it.
    _end: Arc<DropGuard>,
}

/// What goes out with the beginning of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct First<'a, E, T> {
    pub about: &'a E,
    pub ask: for<'t> fn(&'t UserTx, &'t E) -> BoxFuture<'t, T>,
}

/// The connections of the pool, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    pub max: usize,
    pub open: usize,
    pub idle: usize,
    pub waiting: usize,
}

impl Db {
    /// Starts to look for the database and returns at once: when it is down, [`Db::status`] says
    /// so and it comes up by itself. Must be called inside a tokio runtime.
    #[must_use]
    pub fn connect(config: DatabaseConfig, clock: &Clock) -> Self {
        let shared = Arc::new(Shared::new(config, clock));
        shared.tasks.tracker.spawn(supervisor::supervise(Arc::clone(&shared)));
        let end = Arc::new(shared.tasks.stop.clone().drop_guard());
        Self { shared, _end: end }
    }

    /// How the database is, and a way to hear when that changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<DbStatus> {
        self.shared.status.subscribe()
    }

    /// What daemons tell each other of work for the loops, while somebody listens for changes. Who is
    /// too slow is told that it missed some.
    #[must_use]
    pub fn work(&self) -> broadcast::Receiver<WorkHint> {
        self.shared.work.subscribe()
    }

    #[must_use]
    pub fn pool_stats(&self) -> PoolStats {
        let Some(status) = self.shared.pool.get().map(deadpool_postgres::Pool::status) else {
            return PoolStats { max: self.shared.config.limits.connections, ..PoolStats::default() };
        };
        PoolStats { max: status.max_size, open: status.size, idle: status.available, waiting: status.waiting }
    }

    /// Begins a transaction as `username`, for a request of theirs. One user never holds the whole pool.
    ///
    /// # Errors
    /// At once when the database is known to be away; after the pool's wait when it is full, or the
    /// user's part of it.
    pub async fn user_tx(&self, username: &Username) -> Result<UserTx, DbError> {
        self.seated_tx(username, Plans::Fitting).await
    }

    /// As [`Db::user_tx`], for a command: rows are found by their keys, and what is said is known beforehand.
    ///
    /// # Errors
    /// As [`Db::user_tx`].
    pub async fn command_tx(&self, username: &Username) -> Result<UserTx, DbError> {
        self.seated_tx(username, Plans::Kept).await
    }

    /// As [`Db::user_tx`], with the statements that come first: they go out with the beginning and are answered on the
    /// same trip. On a connection that turns out to be broken nothing has happened: they are sent again on another.
    /// Where a part of the beginning fails, they are part of what it began, and that is taken back; where nothing begins, they
    /// are nobody's, and row security shows them nothing.
    ///
    /// # Errors
    /// As [`Db::user_tx`].
    pub async fn user_tx_with<E, T>(
        &self,
        username: &Username,
        first: First<'_, E, T>,
    ) -> Result<(UserTx, T), DbError> {
        self.seated_tx_with(username, Plans::Fitting, first).await
    }

    /// As [`Db::command_tx`], with the statements that come first, as in [`Db::user_tx_with`].
    ///
    /// # Errors
    /// As [`Db::user_tx`].
    pub async fn command_tx_with<E, T>(
        &self,
        username: &Username,
        first: First<'_, E, T>,
    ) -> Result<(UserTx, T), DbError> {
        self.seated_tx_with(username, Plans::Kept, first).await
    }

    async fn seated_tx_with<E, T>(
        &self,
        username: &Username,
        plans: Plans,
        first: First<'_, E, T>,
    ) -> Result<(UserTx, T), DbError> {
        self.ready()?;
        let seat = self.shared.seats.take(username).await?;
        let (tx, told) = self.tx_with(Lane::Requests, username, plans, first).await?;
        Ok((tx.seated(seat), told))
    }

    async fn tx_with<E, T>(
        &self,
        lane: Lane,
        username: &Username,
        plans: Plans,
        first: First<'_, E, T>,
    ) -> Result<(UserTx, T), DbError> {
        let patience = self.shared.patience();
        loop {
            let tx = UserTx::new(self.shared.open(lane).await?, username, self.shared.clock.now());
            let begin = tx.session().begin(("blotter_app", username.as_str()), plans);
            // Where the beginning fails, nothing that waits for an answer goes on.
            let told = try_join(begin, (first.ask)(&tx, first.about).map(Ok)).await;
            match told {
                Ok(((), told)) => return Ok((tx, told)),
                Err(error) => patience.bear(error)?,
            }
        }
    }

    async fn seated_tx(&self, username: &Username, plans: Plans) -> Result<UserTx, DbError> {
        self.ready()?;
        let seat = self.shared.seats.take(username).await?;
        let session = self.shared.session(Lane::Requests, ("blotter_app", username.as_str()), plans).await?;
        Ok(UserTx::new(session, username, self.shared.clock.now()).seated(seat))
    }

    /// Begins a transaction as `username`, for what the daemon does for them unasked: the trade engine
    /// above all. It has connections of its own, which no request can take.
    ///
    /// # Errors
    /// As [`Db::user_tx`].
    pub async fn engine_tx(&self, username: &Username) -> Result<UserTx, DbError> {
        self.ready()?;
        let session = self.shared.session(Lane::Own, ("blotter_app", username.as_str()), Plans::Kept).await?;
        Ok(UserTx::new(session, username, self.shared.clock.now()))
    }

    /// As [`Db::engine_tx`], with the statements that come first, as in [`Db::user_tx_with`].
    ///
    /// # Errors
    /// As [`Db::user_tx`].
    pub async fn engine_tx_with<E, T>(
        &self,
        username: &Username,
        first: First<'_, E, T>,
    ) -> Result<(UserTx, T), DbError> {
        self.ready()?;
        self.tx_with(Lane::Own, username, Plans::Kept, first).await
    }

    /// Begins a transaction of the daemon itself, on the same connections as [`Db::engine_tx`].
    ///
    /// # Errors
    /// As [`Db::user_tx`].
    pub async fn system_tx(&self) -> Result<SystemTx, DbError> {
        self.ready()?;
        self.shared.system_tx().await
    }

    /// Ends every task and connection. Transactions that are under way fail.
    pub async fn close(&self) {
        self.shared.tasks.stop.cancel();
        self.shared.tasks.tracker.close();
        self.shared.close_pools();
        self.shared.tasks.tracker.wait().await;
    }

    fn ready(&self) -> Result<(), DbError> {
        let status = self.shared.status.borrow();
        match status.state {
            DbState::Ready => Ok(()),
            DbState::Starting => Err(DbError::unavailable("the database is being prepared")),
            DbState::Unavailable | DbState::Refused => {
                Err(DbError::unavailable(status.detail.as_deref().unwrap_or("the database is not available")))
            }
        }
    }
}
