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

pub(super) const APPEND: &str = "
    INSERT INTO audit_log (username, action, subject, device, detail, at) VALUES ($1, $2, $3, $4, $5, $6)";

// Each row must follow the one before it, hold that one's hash, and hash to its own.
macro_rules! walk {
    ($table:literal, $seq:literal, $hash:literal) => {
        concat!(
            "SELECT count(*) AS rows, min(seq) FILTER (WHERE seq <> place OR prev_hash <> before OR hash <> computed) AS broken,
                    coalesce(encode((array_agg(hash ORDER BY seq DESC))[1], 'hex'), '') AS head
               FROM (SELECT ", $seq, " AS seq, hash, prev_hash, ", $hash, "(", $table, ") AS computed,
                            lag(hash, 1, '\\x'::bytea) OVER (ORDER BY ", $seq, ") AS before,
                            row_number() OVER (ORDER BY ", $seq, ") AS place
                       FROM ", $table, " WHERE username = $1) AS chain"
        )
    };
}

/// A user's chains: what people did, and what became of each intent.
const CHAINS: [(&str, &str); 2] = [
    ("audit_log", walk!("audit_log", "seq", "audit_hash")),
    ("intent_events", walk!("intent_events", "chain_seq", "intent_event_hash")),
];

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

/// What a walk along one chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    pub table: &'static str,
    pub rows: i64,
    /// The first row that was altered or follows a missing one; none when the chain is whole.
    pub broken: Option<i64>,
    /// The hash of the last row. Rows that are cut off the end leave no other trace: whoever wants to
    /// know of them keeps it elsewhere.
    pub head: String,
}

/// Walks along every chain of the user.
///
/// # Errors
/// When the database does not answer.
pub async fn chains_walk(tx: &UserTx) -> Result<Vec<Walked>, DbError> {
    let mut walked = Vec::new();
    for (table, sql) in CHAINS {
        let row = tx.session().query_one(sql, &[&tx.user()]).await?;
        let (rows, broken, head) = (row.try_get("rows")?, row.try_get("broken")?, row.try_get("head")?);
        walked.push(Walked { table, rows, broken, head });
    }
    Ok(walked)
}
