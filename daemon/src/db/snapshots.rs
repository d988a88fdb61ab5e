//! The partitions of `price_snapshots`.

use chrono::{DateTime, Utc};

use super::cells::Cells;
use super::{DbError, SystemTx};
use crate::auth::Username;

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

/// Prices of a user that no month took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrayRows {
    pub user: Username,
    pub count: u64,
    pub first: DateTime<Utc>,
    pub last: DateTime<Utc>,
}

/// Whose prices lie outside every month.
///
/// # Errors
/// When the database does not answer.
pub async fn strays(tx: &SystemTx) -> Result<Vec<StrayRows>, DbError> {
    let rows = tx.session().query("SELECT username, astray, first_ts, last_ts FROM snapshot_strays()", &[]).await?;
    let of = |row: &tokio_postgres::Row| {
        let mut cells = Cells::of(row);
        Ok(StrayRows {
            user: cells.parsed("username", "a user name")?,
            count: cells.held::<i64, u64>("astray", "a count")?,
            first: cells.next("first_ts")?,
            last: cells.next("last_ts")?,
        })
    };
    rows.iter().map(of).collect()
}
