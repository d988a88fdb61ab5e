//! Closed trades for the forensic job, and what it finds.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tokio_postgres::Row;
use uuid::Uuid;

use blotter_shared::domain::{BrokerMode, OptionContract, TradeId};

use super::cells::{Cells, unreadable};
use super::{DbError, UserTx};

/// Which closed trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedScope {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// Those without figures, and those that were closed after this.
    pub settled_before: Option<DateTime<Utc>>,
}

/// A closed trade with its bare figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedTrade {
    pub id: TradeId,
    pub mode: BrokerMode,
    pub contract: OptionContract,
    pub multiplier: u32,
    pub quantity: u32,
    pub entry_at: DateTime<Utc>,
    pub entry_price: Option<Decimal>,
    pub close_at: DateTime<Utc>,
    pub close_price: Option<Decimal>,
}

/// An execution as it was booked; without a price until the broker says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookedFill {
    pub trade: TradeId,
    pub bought: bool,
    pub quantity: u32,
    pub price: Option<Decimal>,
    pub at: DateTime<Utc>,
}

/// Figures as they are stored. The first of a pair is at the middle, the second at the bid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingsRow {
    pub trade: TradeId,
    pub version: i32,
    pub pnl_15m: [Option<Decimal>; 2],
    pub pnl_1h: [Option<Decimal>; 2],
    pub mfe_pct: [Option<Decimal>; 2],
    pub mae_pct: [Option<Decimal>; 2],
    pub mfe_at: Option<DateTime<Utc>>,
    pub mae_at: Option<DateTime<Utc>>,
    pub exit_efficiency_pct: [Option<Decimal>; 2],
    pub post_exit_mfe_pct: [Option<Decimal>; 2],
    pub coverage_pct: Decimal,
    pub own_coverage_pct: Decimal,
    pub own_points: i32,
    pub bar_points: i32,
}

const CLOSED: &str = "
    SELECT id, broker_mode, option_symbol, multiplier, qty, coalesce(broker_fill_time, entry_date) AS entry_at, entry_price,
           close_date, close_price
      FROM paper_trades
     WHERE username = $1 AND status = 'CLOSED' AND close_date >= $2 AND close_date < $3
       AND ($4::timestamptz IS NULL OR forensic_at IS NULL OR close_date >= $4) AND (close_date, id) > ($5, $6)
     ORDER BY close_date, id LIMIT $7";

const COUNT: &str = "
    SELECT count(*) AS count FROM paper_trades
     WHERE username = $1 AND status = 'CLOSED' AND close_date >= $2 AND close_date < $3
       AND ($4::timestamptz IS NULL OR forensic_at IS NULL OR close_date >= $4)";

const FILLS: &str = "
    SELECT trade_id, side, inc_qty, inc_px, inc_value, observed_at FROM fills
     WHERE username = $1 AND trade_id = ANY($2) ORDER BY trade_id, observed_at, side, cum_qty";

// A worse look never takes the place of a better one, and the same figures are not written again.
const FIGURES: &str = "
    UPDATE paper_trades t
       SET target_pnl_15m = $3, target_pnl_1h = $4, target_mfe_pct = $5, target_mae_pct = $6, target_coverage_pct = $7,
           forensic_at = $8, updated_at = $8
     WHERE t.username = $1 AND t.id = $2 AND t.status = 'CLOSED'
       AND (t.target_coverage_pct IS NULL OR t.target_coverage_pct <= $7
            OR NOT EXISTS (SELECT FROM trade_forensics f WHERE f.username = $1 AND f.trade_id = $2 AND f.version >= $9))
       AND ((t.target_pnl_15m, t.target_pnl_1h, t.target_mfe_pct, t.target_mae_pct, t.target_coverage_pct)
            IS DISTINCT FROM ($3, $4, $5, $6, $7::numeric)
         OR NOT EXISTS (SELECT FROM trade_forensics f
                         WHERE f.username = $1 AND f.trade_id = $2 AND f.version = $9 AND f.own_points = $10
                           AND f.bar_points = $11 AND f.post_exit_mfe_pct IS NOT DISTINCT FROM $12
                           AND f.mfe_bid_pct IS NOT DISTINCT FROM $13))";

const MORE: &str = "
    INSERT INTO trade_forensics (username, trade_id, version, pnl_15m_bid, pnl_1h_bid, mfe_bid_pct, mae_bid_pct, mfe_at, mae_at,
        exit_efficiency_pct, exit_efficiency_bid_pct, post_exit_mfe_pct, post_exit_mfe_bid_pct, own_coverage_pct, own_points,
        bar_points)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
    ON CONFLICT (username, trade_id) DO UPDATE
       SET version = excluded.version, pnl_15m_bid = excluded.pnl_15m_bid, pnl_1h_bid = excluded.pnl_1h_bid,
           mfe_bid_pct = excluded.mfe_bid_pct, mae_bid_pct = excluded.mae_bid_pct, mfe_at = excluded.mfe_at,
           mae_at = excluded.mae_at, exit_efficiency_pct = excluded.exit_efficiency_pct,
           exit_efficiency_bid_pct = excluded.exit_efficiency_bid_pct, post_exit_mfe_pct = excluded.post_exit_mfe_pct,
           post_exit_mfe_bid_pct = excluded.post_exit_mfe_bid_pct, own_coverage_pct = excluded.own_coverage_pct,
           own_points = excluded.own_points, bar_points = excluded.bar_points";

/// How many trades there are.
///
/// # Errors
/// When the database does not answer.
pub async fn closed_count(tx: &UserTx, scope: &ClosedScope) -> Result<u64, DbError> {
    let row = tx.session().query_one(COUNT, &[&tx.user(), &scope.from, &scope.to, &scope.settled_before]).await?;
    let count: i64 = row.try_get("count")?;
    u64::try_from(count).map_err(|_| unreadable("count", "a count"))
}

/// The next trades after `after`, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn closed_trades(
    tx: &UserTx,
    scope: &ClosedScope,
    after: Option<&ClosedTrade>,
    limit: i64,
) -> Result<Vec<ClosedTrade>, DbError> {
    let (at, id) = after.map_or((DateTime::UNIX_EPOCH, Uuid::nil()), |trade| (trade.close_at, trade.id.0));
    let params: super::session::Params<'_> =
        &[&tx.user(), &scope.from, &scope.to, &scope.settled_before, &at, &id, &limit];
    tx.session().query(CLOSED, params).await?.iter().map(closed_of).collect()
}

/// The executions of trades, of each in the order of time.
///
/// # Errors
/// When the database does not answer.
pub async fn booked_fills(tx: &UserTx, trades: &[Uuid]) -> Result<Vec<BookedFill>, DbError> {
    let rows = tx.session().query(FILLS, &[&tx.user(), &trades]).await?;
    rows.iter().map(fill_of).collect()
}

/// Stores what was found; false when it was known, or known better.
///
/// # Errors
/// When the database does not answer.
pub async fn findings_put(tx: &UserTx, found: &FindingsRow) -> Result<bool, DbError> {
    let ([p15, p15_bid], [p1h, p1h_bid]) = (found.pnl_15m, found.pnl_1h);
    let ([mfe, mfe_bid], [mae, mae_bid]) = (found.mfe_pct, found.mae_pct);
    let ([exit, exit_bid], [post, post_bid]) = (found.exit_efficiency_pct, found.post_exit_mfe_pct);
    let params: super::session::Params<'_> = &[
        &tx.user(),
        &found.trade.0,
        &p15,
        &p1h,
        &mfe,
        &mae,
        &found.coverage_pct,
        &tx.now(),
        &found.version,
        &found.own_points,
        &found.bar_points,
        &post,
        &mfe_bid,
    ];
    if tx.session().execute(FIGURES, params).await? == 0 {
        return Ok(false);
    }
    let params: super::session::Params<'_> = &[
        &tx.user(),
        &found.trade.0,
        &found.version,
        &p15_bid,
        &p1h_bid,
        &mfe_bid,
        &mae_bid,
        &found.mfe_at,
        &found.mae_at,
        &exit,
        &exit_bid,
        &post,
        &post_bid,
        &found.own_coverage_pct,
        &found.own_points,
        &found.bar_points,
    ];
    tx.session().execute(MORE, params).await?;
    Ok(true)
}

fn closed_of(row: &Row) -> Result<ClosedTrade, DbError> {
    let mut cells = Cells::of(row);
    let id = TradeId(cells.next("id")?);
    let mode = cells.parsed("broker_mode", "a broker mode")?;
    let symbol: String = cells.next("option_symbol")?;
    Ok(ClosedTrade {
        id,
        mode,
        contract: symbol.parse().map_err(|_| unreadable("option_symbol", "an OCC symbol"))?,
        multiplier: cells.held::<i32, u32>("multiplier", "a multiplier")?,
        quantity: cells.held::<i32, u32>("qty", "a count")?,
        entry_at: cells.next("entry_at")?,
        entry_price: cells.next("entry_price")?,
        close_at: cells.next("close_date")?,
        close_price: cells.next("close_price")?,
    })
}

fn fill_of(row: &Row) -> Result<BookedFill, DbError> {
    let mut cells = Cells::of(row);
    let trade = TradeId(cells.next("trade_id")?);
    let side: String = cells.next("side")?;
    let quantity = cells.held::<i32, u32>("inc_qty", "a count")?;
    let rounded: Option<Decimal> = cells.next("inc_px")?;
    let value: Option<Decimal> = cells.next("inc_value")?;
    let exact = value.and_then(|value| value.checked_div(Decimal::from(quantity)));
    Ok(BookedFill { trade, bought: side == "BUY", quantity, price: exact.or(rounded), at: cells.next("observed_at")? })
}
