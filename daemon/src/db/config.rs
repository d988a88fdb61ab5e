//! Where the database is and how patient we are with it.

use std::time::Duration;

pub use super::endpoint::{Endpoint, EndpointError};

/// Everything that `Db` needs to know.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// Where and as whom the daily work is done.
    pub work: Endpoint,
    /// As whom roles are made and migrations run; the private server has a role apart for each.
    pub setup: Setup,
    pub limits: DbLimits,
}

/// Who prepares the database.
#[derive(Clone, Debug)]
pub enum Setup {
    /// The login role itself: it may create roles, or an administrator made them beforehand.
    SameLogin,
    /// Another login: the private server's administrator, or `database.migrate_url`.
    Apart(Box<Endpoint>),
}

/// Bounds on everything that could take for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DbLimits {
    /// Most connections of the pool that requests share, of which one user may hold half. Half as
    /// many again are the engine's and the chores' own, and the listener has one.
    pub connections: usize,
    /// Longest wait for a free connection of the pool.
    pub wait: Duration,
    pub connect: Duration,
    pub statement: Duration,
    pub lock: Duration,
    pub idle_in_transaction: Duration,
    /// Between two looks whether the database still answers.
    pub liveness: Duration,
    /// Longest that another daemon's migration is waited for.
    pub migration: Duration,
}

impl Default for DbLimits {
    fn default() -> Self {
        Self {
            connections: 8,
            wait: Duration::from_secs(2),
            connect: Duration::from_secs(10),
            statement: Duration::from_secs(5),
            lock: Duration::from_secs(2),
            idle_in_transaction: Duration::from_secs(10),
            liveness: Duration::from_secs(5),
            migration: Duration::from_secs(60),
        }
    }
}

impl DatabaseConfig {
    /// An external server: `DATABASE_URL`, as a URL or as `key=value` pairs.
    ///
    /// # Errors
    /// When the text names no server, or one that may not be used as it says (see [`Endpoint`]).
    pub fn external(url: &str) -> Result<Self, EndpointError> {
        Ok(Self { work: Endpoint::parse(url)?, setup: Setup::SameLogin, limits: DbLimits::default() })
    }
}
