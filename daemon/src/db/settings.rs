//! A user's settings.

use blotter_shared::protocol::settings::{Settings, SettingsUpdate};

use super::{DbError, UserTx};

/// The user's settings; the first look creates them from the defaults.
///
/// # Errors
/// When the database does not answer.
pub async fn settings_get(_tx: &UserTx) -> Result<Settings, DbError> {
    Err(DbError::unavailable("the database is not connected"))
}

/// Changes what `update` names, if the version is still the one it names; writes the change feed
/// and the audit log.
///
/// # Errors
/// [`DbError::Conflict`] when the version has moved on.
pub async fn settings_update(_tx: &UserTx, _update: &SettingsUpdate, _device: &str) -> Result<Settings, DbError> {
    Err(DbError::unavailable("the database is not connected"))
}
