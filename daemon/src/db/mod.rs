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

pub mod alarms;
pub mod audit;
pub mod changes;
pub mod commands;
pub mod config;
pub mod devices;
mod endpoint;
mod error;
pub mod listen;
pub mod settings;
pub mod snapshots;
mod status;
pub mod trades;
mod tx;

pub use config::{DatabaseConfig, DbLimits, Endpoint, EndpointError, Setup};
pub use error::DbError;
pub use listen::{ChangeHint, ChangeListener};
pub use status::{DbState, DbStatus};
pub use tx::{SystemTx, UserTx};

use tokio::sync::watch;

use crate::auth::Username;
use crate::clock::Clock;

/// A cheap handle on the database, whether it is there or not.
#[derive(Clone, Debug)]
pub struct Db {
    status: watch::Receiver<DbStatus>,
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
    pub fn connect(_config: DatabaseConfig, clock: &Clock) -> Self {
        let now = clock.now();
        let (_, status) = watch::channel(DbStatus {
            state: DbState::Starting,
            since: now,
            checked_at: now,
            detail: None,
            next_try: None,
        });
        Self { status }
    }

    /// How the database is, and a way to hear when that changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<DbStatus> {
        self.status.clone()
    }

    #[must_use]
    pub fn pool_stats(&self) -> PoolStats {
        PoolStats::default()
    }

    /// Begins a transaction as `username`.
    ///
    /// # Errors
    /// At once when the database is known to be away; after the pool's wait when it is full.
    pub async fn user_tx(&self, _username: &Username) -> Result<UserTx, DbError> {
        Err(DbError::unavailable("the database is not connected"))
    }

    /// Begins a transaction of the daemon itself.
    ///
    /// # Errors
    /// As [`Db::user_tx`].
    pub async fn system_tx(&self) -> Result<SystemTx, DbError> {
        Err(DbError::unavailable("the database is not connected"))
    }

    /// Ends every task and connection. Transactions that are under way fail.
    pub async fn close(&self) {}
}

/// The newest migration that this build knows.
#[must_use]
pub fn schema_version() -> i32 {
    0
}
