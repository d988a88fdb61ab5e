//! The change feed: per user, one row for each change, numbered without gaps.
//!
//! A row says *what* changed (a trade, the settings, an alarm), not how: who sends the event reads
//! the row as it is now, so that an event is never older than what a list has shown.

use blotter_shared::domain::{AlarmId, TradeId};
use blotter_shared::protocol::events::Event;

use super::{DbError, UserTx};

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Changed {
    Trade(TradeId),
    Settings,
    Alarm(AlarmId),
}

/// One row of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub seq: i64,
    pub changed: Changed,
}

/// What a client that stands at `after` has missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Ready to be sent in this order, each with its sequence. Several changes of one thing are
    /// one event under the last of their numbers.
    Events { events: Vec<(i64, Event)>, upto: i64 },
    /// Some of it is no longer kept: load everything again.
    Gap,
    /// `after` is newer than the feed: a backup was restored.
    TimeTravel,
}

/// The user's newest sequence; 0 when nothing ever changed.
///
/// # Errors
/// When the database does not answer.
pub async fn change_head(_tx: &UserTx) -> Result<i64, DbError> {
    Err(DbError::unavailable("the database is not connected"))
}

/// The oldest sequence that is still kept, if any is.
///
/// # Errors
/// When the database does not answer.
pub async fn change_oldest(_tx: &UserTx) -> Result<Option<i64>, DbError> {
    Err(DbError::unavailable("the database is not connected"))
}

/// Everything after `after`, as events, up to `limit` rows of the feed. When `upto` is below the
/// head, ask again from there.
///
/// # Errors
/// When the database does not answer.
pub async fn changes_since(_tx: &UserTx, _after: i64, _limit: u32) -> Result<Changes, DbError> {
    Err(DbError::unavailable("the database is not connected"))
}
