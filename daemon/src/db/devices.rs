//! When each device of a user last synced.

use std::collections::HashMap;

use blotter_shared::domain::TradeId;
use blotter_shared::protocol::sync::HeldVersion;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{DbError, UserTx};

/// A device and when it last synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSync {
    pub device: String,
    pub at: DateTime<Utc>,
    /// The change-feed sequence that it held then.
    pub seq: i64,
}

/// Most devices of a user that are remembered: a device calls itself what it likes.
const MOST: i64 = 64;

const SYNCED: &str = "
    INSERT INTO device_sync (username, device, last_sync_at, last_seq)
    SELECT $1, $2, $3::timestamptz, $4::bigint
    WHERE (SELECT count(*) FROM device_sync WHERE username = $1) < $5
        OR EXISTS (SELECT FROM device_sync WHERE username = $1 AND device = $2)
    ON CONFLICT (username, device) DO UPDATE SET last_sync_at = excluded.last_sync_at, last_seq = excluded.last_seq";

const REPLACED: &str = "
    UPDATE device_sync SET device = $2, last_sync_at = $3, last_seq = $4
    WHERE username = $1 AND device =
        (SELECT device FROM device_sync WHERE username = $1 ORDER BY last_sync_at, device LIMIT 1)";

const NEWEST: &str = "
    SELECT device, last_sync_at, last_seq FROM device_sync WHERE username = $1 ORDER BY last_sync_at DESC LIMIT 1";

/// Notes that `device` now holds everything up to `seq`. When the user has too many devices, the one
/// that was not heard of for longest is forgotten.
///
/// # Errors
/// When the database does not answer.
pub async fn device_synced(tx: &UserTx, device: &str, seq: i64) -> Result<(), DbError> {
    if tx.session().execute(SYNCED, &[&tx.user(), &device, &tx.now(), &seq, &MOST]).await? == 0 {
        tx.session().execute(REPLACED, &[&tx.user(), &device, &tx.now(), &seq]).await?;
    }
    Ok(())
}

/// The newest sync of any device of this user.
///
/// # Errors
/// When the database does not answer.
pub async fn last_sync(tx: &UserTx) -> Result<Option<LastSync>, DbError> {
    let row = tx.session().query_opt(NEWEST, &[&tx.user()]).await?;
    row.map(|row| {
        Ok(LastSync { device: row.try_get("device")?, at: row.try_get("last_sync_at")?, seq: row.try_get("last_seq")? })
    })
    .transpose()
}

/// Which of the trades that a device holds unsent work on have moved on: their version is another
/// one now, or they are not there.
///
/// # Errors
/// When the database does not answer.
pub async fn held_conflicts(tx: &UserTx, holds: &[HeldVersion]) -> Result<Vec<TradeId>, DbError> {
    if holds.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = holds.iter().map(|held| held.trade_id.0).collect();
    let sql = "SELECT id, version FROM paper_trades WHERE username = $1 AND id = ANY($2)";
    let mut current = HashMap::new();
    for row in tx.session().query(sql, &[&tx.user(), &ids]).await? {
        current.insert(row.try_get::<_, Uuid>("id")?, row.try_get::<_, i64>("version")?);
    }
    let moved = holds.iter().filter(|held| current.get(&held.trade_id.0) != Some(&held.version));
    Ok(moved.map(|held| held.trade_id).collect())
}
