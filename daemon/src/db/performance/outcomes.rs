//! The result of each closed trade, in the order of the closes, page by page.

use blotter_shared::domain::BrokerMode;
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::analytics::Ending;
use crate::analytics::spread::Outcome;
use crate::db::cells::Cells;
use crate::db::{DbError, UserTx};
use rust_decimal::Decimal;

/// Rows of a page: what is held of them beside the results.
const PAGE: i64 = 20_000;

const RESULTS: &str = "
    SELECT closed_at, trade_id, ended_as, pnl_e4, held_e4 FROM closed_trades
     WHERE username = $1 AND broker_mode = $2 AND (closed_at, trade_id) > ($3, $4)
     ORDER BY closed_at, trade_id LIMIT $5";

const FROM: &str = "SELECT trading_day_begins($1) - interval '1 microsecond' AS at";

const VERSION: &str = "SELECT version FROM performance_heads WHERE username = $1";

/// How often the sums of the user were written: while it stays, so do the results.
///
/// # Errors
/// When the database does not answer.
pub async fn sums_version(tx: &UserTx) -> Result<i64, DbError> {
    let row = tx.session().query_opt(VERSION, &[&tx.user()]).await?;
    row.map_or(Ok(0), |row| Cells::of(&row).next("version"))
}

/// The results that count, of trades closed on or after a trading day.
///
/// # Errors
/// When the database does not answer.
pub async fn outcomes(tx: &UserTx, mode: BrokerMode, from: Option<NaiveDate>) -> Result<Vec<Outcome>, DbError> {
    let mut after = (begin(tx, from).await?, Uuid::max());
    let mut outcomes = Vec::new();
    loop {
        let params: crate::db::session::Params<'_> = &[&tx.user(), &mode.as_str(), &after.0, &after.1, &PAGE];
        let rows = tx.session().query(RESULTS, params).await?;
        for row in &rows {
            let mut cells = Cells::of(row);
            after = (cells.next("closed_at")?, cells.next("trade_id")?);
            let ended_as: String = cells.next("ended_as")?;
            let (pnl_e4, held_e4): (Option<i64>, Option<i64>) = (cells.next("pnl_e4")?, cells.next("held_e4")?);
            let counts = match Ending::of(&ended_as, pnl_e4.map(Decimal::from)) {
                Ending::Counted(_) | Ending::Estimated(_) => true,
                Ending::Unknown | Ending::NoPosition => false,
            };
            outcomes.extend(pnl_e4.filter(|_| counts).map(|pnl_e4| Outcome { pnl_e4, held_e4 }));
        }
        if i64::try_from(rows.len()).unwrap_or(0) < PAGE {
            return Ok(outcomes);
        }
    }
}

async fn begin(tx: &UserTx, from: Option<NaiveDate>) -> Result<DateTime<Utc>, DbError> {
    let Some(from) = from else { return Ok(DateTime::UNIX_EPOCH) };
    match tx.session().query_opt(FROM, &[&from]).await? {
        Some(row) => Cells::of(&row).next("at"),
        None => Ok(DateTime::UNIX_EPOCH),
    }
}
