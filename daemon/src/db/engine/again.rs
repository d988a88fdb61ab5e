//! Many trades that were looked at again and found as they were: one statement for all, however many there are.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::super::cells::Cells;
use super::super::{DbError, UserTx};

/// What is known of a trade by now; nothing of it but the time is new.
#[derive(Clone, Debug)]
pub struct SeenAgain {
    pub trade: Uuid,
    pub verified_at: DateTime<Utc>,
    pub marks: Value,
}

// Trades are kept in one order, so that two transactions which keep many wait for each other and not in a ring.
const KEEP: &str = "
    SELECT f.trade_id, f.marks FROM paper_trades t
      JOIN trade_facts f ON f.username = t.username AND f.trade_id = t.id
     WHERE t.username = $1 AND t.id = ANY($2) ORDER BY t.id FOR NO KEY UPDATE OF t";

const LOOKED_AT: &str = "
    UPDATE paper_trades t SET last_verified_at = again.at, updated_at = $4
      FROM unnest($2::uuid[], $3::timestamptz[]) AS again (id, at)
     WHERE t.username = $1 AND t.id = again.id AND NOT t.is_locked";

const MARKS: &str = "
    UPDATE trade_facts f SET marks = again.marks FROM unnest($2::uuid[], $3::jsonb[]) AS again (id, marks)
     WHERE f.username = $1 AND f.trade_id = again.id";

/// The marks of these trades, kept for this transaction.
///
/// # Errors
/// When the database does not answer.
pub async fn marks_of(tx: &UserTx, trades: &[Uuid]) -> Result<Vec<(Uuid, Value)>, DbError> {
    let rows = tx.session().query(KEEP, &[&tx.user(), &trades]).await?;
    let marks = rows.iter().map(|row| {
        let mut cells = Cells::of(row);
        Ok((cells.next("trade_id")?, cells.next("marks")?))
    });
    marks.collect()
}

/// Writes when they were seen; a trade at its end keeps its columns.
///
/// # Errors
/// When the database does not answer.
pub async fn seen_again_put(tx: &UserTx, rows: &[SeenAgain]) -> Result<(), DbError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.trade).collect();
    let times: Vec<DateTime<Utc>> = rows.iter().map(|row| row.verified_at).collect();
    let marks: Vec<&Value> = rows.iter().map(|row| &row.marks).collect();
    // Trades before their facts, as everybody does.
    tx.session().execute(LOOKED_AT, &[&tx.user(), &ids, &times, &tx.now()]).await?;
    tx.session().execute(MARKS, &[&tx.user(), &ids, &marks]).await?;
    Ok(())
}
