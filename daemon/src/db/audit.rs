//! Who did what, in a chain of hashes that shows a gap or a change. The database makes the chain
//! (a trigger of `audit_log`), so that no writer can forget it.

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

const APPEND: &str = "
    INSERT INTO audit_log (username, action, subject, device, detail, at) VALUES ($1, $2, $3, $4, $5, $6)";

// Each row must follow the one before it, hold that one's hash, and hash to its own.
const FIRST_BROKEN: &str = "
    SELECT min(seq) AS seq FROM (
        SELECT seq, hash, prev_hash, audit_hash(audit_log) AS computed,
               lag(hash, 1, '\\x'::bytea) OVER (ORDER BY seq) AS before, row_number() OVER (ORDER BY seq) AS place
          FROM audit_log WHERE username = $1) AS chain
     WHERE seq <> place OR prev_hash <> before OR hash <> computed";

/// Appends to the user's chain.
///
/// # Errors
/// When the database does not answer.
pub async fn audit_append(tx: &UserTx, entry: &AuditEntry<'_>) -> Result<(), DbError> {
    let params: super::session::Params<'_> =
        &[&tx.user(), &entry.action, &entry.subject, &entry.device, &entry.detail, &tx.now()];
    tx.session().execute(APPEND, params).await?;
    Ok(())
}

/// The first row of the user's chain that was altered or follows a missing one; `None` when the
/// chain is whole.
///
/// # Errors
/// When the database does not answer.
pub async fn audit_first_broken(tx: &UserTx) -> Result<Option<i64>, DbError> {
    Ok(tx.session().query_one(FIRST_BROKEN, &[&tx.user()]).await?.try_get("seq")?)
}
