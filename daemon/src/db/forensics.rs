//! Closed trades for the forensic job, and what it finds.

use std::collections::HashSet;

use blotter_shared::domain::{BrokerMode, OptionContract, TradeId};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tokio_postgres::Row;
use uuid::Uuid;

use super::cells::{Cells, unreadable};
use super::performance::sums_advance;
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
       SET target_pnl_15m = n.pnl_15m, target_pnl_1h = n.pnl_1h, target_mfe_pct = n.mfe, target_mae_pct = n.mae,
           target_coverage_pct = n.coverage, forensic_at = $2, updated_at = $2
      FROM unnest($3::uuid[], $4::numeric[], $5::numeric[], $6::numeric[], $7::numeric[], $8::numeric[], $9::integer[],
                  $10::integer[], $11::integer[], $12::numeric[], $13::numeric[])
           AS n (id, pnl_15m, pnl_1h, mfe, mae, coverage, version, own_points, bar_points, post_exit, mfe_bid)
     WHERE t.username = $1 AND t.id = n.id AND t.status = 'CLOSED'
       AND (t.target_coverage_pct IS NULL OR t.target_coverage_pct <= n.coverage
            OR NOT EXISTS (SELECT FROM trade_forensics f WHERE f.username = $1 AND f.trade_id = n.id AND f.version >= n.version))
       AND ((t.target_pnl_15m, t.target_pnl_1h, t.target_mfe_pct, t.target_mae_pct, t.target_coverage_pct)
            IS DISTINCT FROM (n.pnl_15m, n.pnl_1h, n.mfe, n.mae, n.coverage)
         OR NOT EXISTS (SELECT FROM trade_forensics f
                         WHERE f.username = $1 AND f.trade_id = n.id AND f.version = n.version AND f.own_points = n.own_points
                           AND f.bar_points = n.bar_points AND f.post_exit_mfe_pct IS NOT DISTINCT FROM n.post_exit
                           AND f.mfe_bid_pct IS NOT DISTINCT FROM n.mfe_bid))
    RETURNING t.id";

const MORE: &str = "
    INSERT INTO trade_forensics (username, trade_id, version, pnl_15m_bid, pnl_1h_bid, mfe_bid_pct, mae_bid_pct, mfe_at, mae_at,
        exit_efficiency_pct, exit_efficiency_bid_pct, post_exit_mfe_pct, post_exit_mfe_bid_pct, own_coverage_pct, own_points,
        bar_points)
    SELECT $1, n.* FROM unnest($2::uuid[], $3::integer[], $4::numeric[], $5::numeric[], $6::numeric[], $7::numeric[],
        $8::timestamptz[], $9::timestamptz[], $10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[], $14::numeric[],
        $15::integer[], $16::integer[]) AS n
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

/// One field of many rows.
macro_rules! column {
    ($rows:expr, $field:ident $([$index:literal])?) => {
        $rows.iter().map(|row| row.$field$([$index])?).collect::<Vec<_>>()
    };
}

/// Stores what was found, in two statements however much it is. What was known, or known better, stays; tells
/// how many are new.
///
/// # Errors
/// When the database does not answer.
pub async fn findings_put(tx: &UserTx, found: &[FindingsRow]) -> Result<u64, DbError> {
    let trades: Vec<Uuid> = found.iter().map(|row| row.trade.0).collect();
    let params: super::session::Params<'_> = &[
        &tx.user(),
        &tx.now(),
        &trades,
        &column!(found, pnl_15m[0]),
        &column!(found, pnl_1h[0]),
        &column!(found, mfe_pct[0]),
        &column!(found, mae_pct[0]),
        &column!(found, coverage_pct),
        &column!(found, version),
        &column!(found, own_points),
        &column!(found, bar_points),
        &column!(found, post_exit_mfe_pct[0]),
        &column!(found, mfe_pct[1]),
    ];
    let mut changed = HashSet::new();
    for row in tx.session().query(FIGURES, params).await? {
        changed.insert(row.try_get::<_, Uuid>("id")?);
    }
    let fresh: Vec<&FindingsRow> = found.iter().filter(|row| changed.contains(&row.trade.0)).collect();
    more_put(tx, &fresh).await?;
    if !fresh.is_empty() {
        sums_advance(tx).await?;
    }
    u64::try_from(fresh.len()).map_err(|_| unreadable("count", "a count"))
}

async fn more_put(tx: &UserTx, found: &[&FindingsRow]) -> Result<(), DbError> {
    let trades: Vec<Uuid> = found.iter().map(|row| row.trade.0).collect();
    let params: super::session::Params<'_> = &[
        &tx.user(),
        &trades,
        &column!(found, version),
        &column!(found, pnl_15m[1]),
        &column!(found, pnl_1h[1]),
        &column!(found, mfe_pct[1]),
        &column!(found, mae_pct[1]),
        &column!(found, mfe_at),
        &column!(found, mae_at),
        &column!(found, exit_efficiency_pct[0]),
        &column!(found, exit_efficiency_pct[1]),
        &column!(found, post_exit_mfe_pct[0]),
        &column!(found, post_exit_mfe_pct[1]),
        &column!(found, own_coverage_pct),
        &column!(found, own_points),
        &column!(found, bar_points),
    ];
    tx.session().execute(MORE, params).await?;
    Ok(())
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
