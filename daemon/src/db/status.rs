//! How the database is, as `Db` last saw it.

use chrono::{DateTime, Utc};

/// Where the connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DbState {
    /// Coming up for the first time: connecting, migrating, checking.
    Starting,
    /// Migrated, checked, answering.
    Ready,
    /// Does not answer; it is being retried.
    Unavailable,
    /// Answers, but must not be used: `detail` says why and what to do. It is being retried, slowly.
    Refused,
}

/// How the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbStatus {
    pub state: DbState,
    /// When it got into this state.
    pub since: DateTime<Utc>,
    /// When it was last seen to be in this state.
    pub checked_at: DateTime<Utc>,
    /// A sentence for people; absent when all is well.
    pub detail: Option<String>,
    /// When the next try is, while there is something to retry.
    pub next_try: Option<DateTime<Utc>>,
}
