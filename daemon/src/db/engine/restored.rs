//! What a database that was brought back from a backup has to find out and to tell.

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use super::super::{DbError, SystemTx, UserTx};

const TAGS: &str = "SELECT tag FROM intents WHERE tag = ANY($1)";

/// Which of these tags any user's intents have.
///
/// # Errors
/// When the database does not answer.
pub async fn tags_known(tx: &SystemTx, tags: &BTreeSet<String>) -> Result<BTreeSet<String>, DbError> {
    let tags: Vec<&String> = tags.iter().collect();
    let rows = tx.session().query(TAGS, &[&tags]).await?;
    rows.iter().map(|row| Ok(row.try_get("tag")?)).collect()
}

// Its place in the story is the next; the trade's row is locked by the owner of the lease.
const EVENT: &str = "
    INSERT INTO trade_events (username, trade_id, seq, kind, data, at)
    SELECT $1, $2, coalesce(max(seq), 0) + 1, 'RESTORED', $3, $4 FROM trade_events WHERE username = $1 AND trade_id = $2";

/// Tells in the story of a trade that orders of it were taken up.
///
/// # Errors
/// When the database does not answer.
pub async fn restored_put(tx: &UserTx, trade: Uuid, data: &Value) -> Result<(), DbError> {
    tx.session().execute(EVENT, &[&tx.user(), &trade, data, &tx.now()]).await?;
    Ok(())
}
