//! The result of each closed trade, in the order of the closes, page by page, and what is known of its way.

use blotter_shared::domain::BrokerMode;
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::analytics::Ending;
use crate::analytics::paths::Way;
use crate::analytics::spread::Outcome;
use crate::db::cells::Cells;
use crate::db::{DbError, UserTx};
use rust_decimal::Decimal;

/// Rows of a page: what is held of them beside the results.
const PAGE: i64 = 20_000;

const RESULTS: &str = "
    SELECT c.closed_at, c.trade_id, c.ended_as, c.pnl_e4, c.held_e4, c.fees_e4,
           (t.entry_price * t.qty * t.multiplier * 10000)::bigint AS cost_e4,
           (t.initial_risk * 10000)::bigint AS risk_e4, (t.target_mfe_pct * 10000)::bigint AS ahead_e4,
           (t.target_mae_pct * 10000)::bigint AS behind_e4, (t.target_coverage_pct * 100)::bigint AS covered_e2,
           (f.exit_efficiency_pct * 10000)::bigint AS efficiency_e4,
           (f.exit_efficiency_bid_pct * 10000)::bigint AS efficiency_bid_e4,
           (f.post_exit_mfe_pct * 10000)::bigint AS after_e4,
           ((t.entry_price - t.mid_at_submit) * t.qty * t.multiplier * 10000)::bigint AS slippage_e4
      FROM (SELECT username, closed_at, trade_id, ended_as, pnl_e4, held_e4, fees_e4 FROM closed_trades
             WHERE username = $1 AND broker_mode = $2 AND (closed_at, trade_id) > ($3, $4)
             ORDER BY closed_at, trade_id LIMIT $5) AS c
      JOIN paper_trades t ON t.username = c.username AND t.id = c.trade_id
      LEFT JOIN trade_forensics f ON f.username = c.username AND f.trade_id = c.trade_id
     ORDER BY c.closed_at, c.trade_id";

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

const ADVANCE: &str = "
    INSERT INTO performance_heads AS head (username, version) VALUES ($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
    ON CONFLICT (username) DO UPDATE SET version = greatest(head.version + 1, excluded.version)";

/// More is known of trades that are summed up already: what was kept of an answer holds no longer.
///
/// # Errors
/// When the database does not answer.
pub async fn sums_advance(tx: &UserTx) -> Result<(), DbError> {
    tx.session().execute(ADVANCE, &[&tx.user()]).await.map(|_| ())
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
            let fees_e4 = cells.next("fees_e4")?;
            let way = way_of(&mut cells)?;
            outcomes.extend(pnl_e4.filter(|_| counts).map(|pnl_e4| Outcome { pnl_e4, held_e4, fees_e4, way }));
        }
        if i64::try_from(rows.len()).unwrap_or(0) < PAGE {
            return Ok(outcomes);
        }
    }
}

fn way_of(cells: &mut Cells<'_>) -> Result<Way, DbError> {
    Ok(Way {
        cost_e4: cells.next("cost_e4")?,
        risk_e4: cells.next("risk_e4")?,
        ahead_e4: cells.next("ahead_e4")?,
        behind_e4: cells.next("behind_e4")?,
        covered_e2: cells.next("covered_e2")?,
        efficiency_e4: cells.next("efficiency_e4")?,
        efficiency_bid_e4: cells.next("efficiency_bid_e4")?,
        after_e4: cells.next("after_e4")?,
        slippage_e4: cells.next("slippage_e4")?,
    })
}

async fn begin(tx: &UserTx, from: Option<NaiveDate>) -> Result<DateTime<Utc>, DbError> {
    let Some(from) = from else { return Ok(DateTime::UNIX_EPOCH) };
    match tx.session().query_opt(FROM, &[&from]).await? {
        Some(row) => Cells::of(&row).next("at"),
        None => Ok(DateTime::UNIX_EPOCH),
    }
}
