//! When each device of a user last synced.

use chrono::{DateTime, Utc};

use super::{DbError, UserTx};

/// A device and when it last synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSync {
    pub device: String,
    pub at: DateTime<Utc>,
    /// The change-feed sequence that it held then.
    pub seq: i64,
}

/// Notes that `device` now holds everything up to `seq`.
///
/// # Errors
/// When the database does not answer.
pub async fn device_synced(_tx: &UserTx, _device: &str, _seq: i64) -> Result<(), DbError> {
    Err(DbError::unavailable("the database is not connected"))
}

/// The newest sync of any device of this user.
///
/// # Errors
/// When the database does not answer.
pub async fn last_sync(_tx: &UserTx) -> Result<Option<LastSync>, DbError> {
    Err(DbError::unavailable("the database is not connected"))
}

/// Which of the versions that a device holds have moved on: what it holds unsent work on and is
/// now another version.
///
/// # Errors
/// When the database does not answer.
pub async fn held_conflicts(
    _tx: &UserTx,
    _holds: &[blotter_shared::protocol::sync::HeldVersion],
) -> Result<Vec<blotter_shared::domain::TradeId>, DbError> {
    Err(DbError::unavailable("the database is not connected"))
}
