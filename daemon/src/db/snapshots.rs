//! The partitions of `price_snapshots`.

use super::{DbError, SystemTx};

/// This month and the two after it: a daemon that runs on is never late.
const MONTHS_AHEAD: i32 = 3;

/// Makes the partitions of this month and the two after it; tells how many were new.
///
/// # Errors
/// When the database does not answer.
pub async fn partitions_ensure(tx: &SystemTx) -> Result<u32, DbError> {
    let sql = "SELECT snapshot_partitions_ensure($1, $2) AS made";
    let row = tx.session().query_one(sql, &[&tx.now().date_naive(), &MONTHS_AHEAD]).await?;
    let made: i32 = row.try_get("made")?;
    u32::try_from(made).map_err(|_| DbError::Unreadable { column: "made".to_owned(), expected: "a count" })
}
