//! Who did what, in a chain of hashes that shows a gap or a change.

use serde_json::Value;

use super::{DbError, UserTx};

/// One thing that was done.
#[derive(Clone, Debug)]
pub struct AuditEntry<'a> {
    /// What was done, as in `settings.update`.
    pub action: &'a str,
    /// What it was done to, as in `settings` or a trade's id.
    pub subject: &'a str,
    pub device: &'a str,
    /// Values before and after; never a secret.
    pub detail: Value,
}

/// Appends to the user's chain.
///
/// # Errors
/// When the database does not answer.
pub async fn audit_append(_tx: &UserTx, _entry: &AuditEntry<'_>) -> Result<(), DbError> {
    Err(DbError::unavailable("the database is not connected"))
}
