//! Alarms: at most one of a kind is open for a trade.

use blotter_shared::domain::AlarmId;
use blotter_shared::protocol::alarms::Alarm;

use super::{DbError, UserTx};

/// The open alarms, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn alarm_list(_tx: &UserTx) -> Result<Vec<Alarm>, DbError> {
    Err(DbError::unavailable("the database is not connected"))
}

/// Notes that a person has seen it; a second time changes nothing.
///
/// # Errors
/// [`DbError::NotFound`] when this user has no such alarm.
pub async fn alarm_ack(_tx: &UserTx, _id: AlarmId, _device: &str) -> Result<Alarm, DbError> {
    Err(DbError::NotFound)
}
