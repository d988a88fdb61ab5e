//! Who did what, in a chain of hashes that shows a gap or a change. The database makes the chain
//! (a trigger of each table), so that no writer can forget it.

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

// Each trade's events must be numbered without a gap and hash to what is stored, and the last that tells of its status must
// tell of the one that it has: that shows an end that was cut off as well.
const STORIES: &str = "
    WITH walked AS (
        SELECT trade_id, seq, kind, data, hash, hash_of_all(trade_event_said(e)) OVER story AS computed,
               row_number() OVER story AS place
          FROM trade_events e WHERE username = $1 WINDOW story AS (PARTITION BY trade_id ORDER BY seq)
    ), told AS (
        SELECT trade_id, count(*) AS rows, bool_or(seq <> place OR hash <> computed) AS altered,
               (array_agg(hash ORDER BY seq DESC))[1] AS head,
               (array_agg(coalesce(data ->> 'to', data ->> 'status') ORDER BY seq DESC)
                   FILTER (WHERE kind IN ('CREATED', 'STATUS', 'REOPENED')))[1] AS status
          FROM walked GROUP BY trade_id
    )
    SELECT coalesce(sum(rows), 0)::bigint AS rows,
           min(number::bigint) FILTER (WHERE altered IS NOT FALSE OR told.status IS DISTINCT FROM p.status) AS broken,
           coalesce(encode(sha256(string_agg(head, ''::bytea ORDER BY number)), 'hex'), '') AS head
      FROM paper_trades p LEFT JOIN told ON trade_id = id WHERE username = $1";

/// What of a user's lies in chains: what people did, what became of each intent, and of each trade. With the
/// name of what a broken place is counted in.
const CHAINS: [(&str, &str, &str); 3] = [
    ("audit_log", "row", walk!("audit_log", "seq", "audit_hash")),
    ("intent_events", "row", walk!("intent_events", "chain_seq", "intent_event_hash")),
    ("trade_events", "trade", STORIES),
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
    /// The first row that was altered or follows a missing one, or the first trade with one; none when all is whole.
    pub broken: Option<i64>,
    /// Whether `broken` is the number of a row or of a trade.
    pub counted_in: &'static str,
    /// The hash of the last row, or that of every trade's last. Rows that are cut off the end leave no other trace: whoever wants to
    /// know of them keeps it elsewhere.
    pub head: String,
}

/// Walks along every chain of the user.
///
/// # Errors
/// When the database does not answer.
pub async fn chains_walk(tx: &UserTx) -> Result<Vec<Walked>, DbError> {
    let mut walked = Vec::new();
    for (table, counted_in, sql) in CHAINS {
        let row = tx.session().query_one(sql, &[&tx.user()]).await?;
        let (rows, broken, head) = (row.try_get("rows")?, row.try_get("broken")?, row.try_get("head")?);
        walked.push(Walked { table, rows, broken, counted_in, head });
    }
    Ok(walked)
}
