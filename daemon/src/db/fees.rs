//! Executions whose fees are to be told, and what is booked of them.

use blotter_shared::domain::TradeId;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tokio_postgres::Row;
use uuid::Uuid;

use super::cells::Cells;
use super::engine::AccountKey;
use super::{DbError, UserTx};

/// A trade in which something may be untold.
#[derive(Clone, Debug)]
pub struct ChargedTrade {
    pub id: TradeId,
    pub symbol: String,
    pub multiplier: u32,
    pub entered_at: DateTime<Utc>,
    /// Of one that is closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// Told.
    pub fees: Option<Decimal>,
    /// It is closed, what it brought before fees is known, and every contract was bought by an order of ours.
    pub has_result: bool,
    /// Contracts that somebody else sold.
    pub sold_outside: u32,
}

/// The name of a fill.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FillKey {
    pub order: String,
    pub leg: String,
    pub cumulative: i32,
}

/// An execution, with its fee once that is booked.
#[derive(Clone, Debug)]
pub struct ChargedFill {
    pub trade: TradeId,
    pub key: FillKey,
    pub contracts: u32,
    pub bought: bool,
    pub fee: Option<Decimal>,
    pub seen_at: DateTime<Utc>,
    /// When its order was sent.
    pub sent_at: Option<DateTime<Utc>>,
}

// Of a symbol of which one trade is untold every trade counts: the broker tells fees by symbol and day.
const TRADES: &str = "
    WITH recent AS (
        SELECT t.id, t.option_symbol, t.multiplier, t.status, t.entry_date, t.close_date, t.fees, t.realized_pnl, f.marks
          FROM paper_trades t JOIN trade_facts f ON f.username = t.username AND f.trade_id = t.id
         WHERE t.username = $1 AND t.broker_mode = $2 AND t.account_id = $3
           AND (t.status IN ('OPEN', 'PARTIAL', 'FILLED', 'CLOSING') OR (t.status = 'CLOSED' AND t.close_date >= $4)))
    SELECT id, option_symbol, multiplier, entry_date, close_date, fees,
           -- What was bought before there was a trade is charged to nobody here: the half that is known is not told.
           status = 'CLOSED' AND realized_pnl IS NOT NULL AND coalesce((marks ->> 'adopted')::integer, 0) = 0 AS has_result,
           CASE WHEN status = 'CLOSED' AND marks ->> 'outside_reason' = 'EXTERNAL'
                THEN greatest((marks ->> 'outside')::integer, 0) ELSE 0 END AS sold_outside
      FROM recent
     WHERE option_symbol IN (SELECT option_symbol FROM recent WHERE fees IS NULL)
     ORDER BY entry_date, id";

const ACCOUNTS: &str = "
    SELECT DISTINCT t.broker_mode, t.account_id
      FROM paper_trades t JOIN trade_facts f ON f.username = t.username AND f.trade_id = t.id
     WHERE t.username = $1 AND t.fees IS NULL
       AND (t.status IN ('OPEN', 'PARTIAL', 'FILLED', 'CLOSING') OR (t.status = 'CLOSED' AND t.close_date >= $2))
     ORDER BY broker_mode, account_id";

const FILLS: &str = "
    SELECT f.trade_id, f.broker_order_id, f.leg_id, f.cum_qty, f.inc_qty, f.side = 'BUY' AS bought, f.fee, f.observed_at, i.sent_at
      FROM fills f LEFT JOIN intents i ON i.username = f.username AND i.intent_id = f.intent_id
     WHERE f.username = $1 AND f.trade_id = ANY($2)
     ORDER BY f.observed_at, f.broker_order_id, f.leg_id, f.cum_qty";

const BOOK: &str = "
    UPDATE fills f SET fee = n.fee
      FROM unnest($2::text[], $3::text[], $4::integer[], $5::numeric[]) AS n (order_id, leg, cumulative, fee)
     WHERE f.username = $1 AND f.broker_order_id = n.order_id AND f.leg_id = n.leg AND f.cum_qty = n.cumulative
       AND f.fee IS NULL";

const SUM: &str = "
    SELECT count(*) FILTER (WHERE fee IS NULL) AS untold, coalesce(sum(fee), 0) AS fees FROM fills
     WHERE username = $1 AND trade_id = $2";

const TELL: &str = "
    UPDATE paper_trades SET fees = $3, realized_pnl = $4, realized_pnl_pct = $5, r_multiple = $6, updated_at = $7
     WHERE username = $1 AND id = $2 AND status = 'CLOSED' AND fees IS NULL AND realized_pnl IS NOT NULL";

/// The accounts in which something is untold of trades that are held, or were closed after `since`.
///
/// # Errors
/// When the database does not answer.
pub async fn charged_accounts(tx: &UserTx, since: DateTime<Utc>) -> Result<Vec<AccountKey>, DbError> {
    let rows = tx.session().query(ACCOUNTS, &[&tx.user(), &since]).await?;
    let accounts = rows.iter().map(|row| {
        let mut cells = Cells::of(row);
        Ok(AccountKey { mode: cells.parsed("broker_mode", "a broker mode")?, number: cells.next("account_id")? })
    });
    accounts.collect()
}

/// The account's trades that are held, or were closed after `since`, of every symbol in which something is untold.
///
/// # Errors
/// When the database does not answer.
pub async fn charged_trades(
    tx: &UserTx,
    account: &AccountKey,
    since: DateTime<Utc>,
) -> Result<Vec<ChargedTrade>, DbError> {
    let params: super::session::Params<'_> = &[&tx.user(), &account.mode.as_str(), &account.number, &since];
    tx.session().query(TRADES, params).await?.iter().map(trade_of).collect()
}

fn trade_of(row: &Row) -> Result<ChargedTrade, DbError> {
    let mut cells = Cells::of(row);
    Ok(ChargedTrade {
        id: TradeId(cells.next("id")?),
        symbol: cells.next("option_symbol")?,
        multiplier: cells.held::<i32, u32>("multiplier", "a multiplier")?,
        entered_at: cells.next("entry_date")?,
        closed_at: cells.next("close_date")?,
        fees: cells.next("fees")?,
        has_result: cells.next("has_result")?,
        sold_outside: cells.held::<i32, u32>("sold_outside", "a count")?,
    })
}

/// Every execution of these trades, in the order in which they were seen.
///
/// # Errors
/// When the database does not answer.
pub async fn charged_fills(tx: &UserTx, trades: &[Uuid]) -> Result<Vec<ChargedFill>, DbError> {
    tx.session().query(FILLS, &[&tx.user(), &trades]).await?.iter().map(fill_of).collect()
}

fn fill_of(row: &Row) -> Result<ChargedFill, DbError> {
    let mut cells = Cells::of(row);
    Ok(ChargedFill {
        trade: TradeId(cells.next("trade_id")?),
        key: FillKey {
            order: cells.next("broker_order_id")?,
            leg: cells.next("leg_id")?,
            cumulative: cells.next("cum_qty")?,
        },
        contracts: cells.held::<i32, u32>("inc_qty", "a count")?,
        bought: cells.next("bought")?,
        fee: cells.next("fee")?,
        seen_at: cells.next("observed_at")?,
        sent_at: cells.next("sent_at")?,
    })
}

/// Books fees of executions; one that has a fee keeps it.
///
/// # Errors
/// When the database does not answer.
pub async fn fill_fees_put(tx: &UserTx, fees: &[(FillKey, Decimal)]) -> Result<u64, DbError> {
    let orders: Vec<&str> = fees.iter().map(|(key, _)| key.order.as_str()).collect();
    let legs: Vec<&str> = fees.iter().map(|(key, _)| key.leg.as_str()).collect();
    let cumulative: Vec<i32> = fees.iter().map(|(key, _)| key.cumulative).collect();
    let amounts: Vec<Decimal> = fees.iter().map(|(_, fee)| *fee).collect();
    tx.session().execute(BOOK, &[&tx.user(), &orders, &legs, &cumulative, &amounts]).await
}

/// What the executions of a trade cost; nothing while one of them is untold.
///
/// # Errors
/// When the database does not answer.
pub async fn fill_fees(tx: &UserTx, trade: TradeId) -> Result<Option<Decimal>, DbError> {
    let row = tx.session().query_one(SUM, &[&tx.user(), &trade.0]).await?;
    let mut cells = Cells::of(&row);
    let (untold, fees): (i64, Decimal) = (cells.next("untold")?, cells.next("fees")?);
    Ok((untold == 0).then_some(fees))
}

/// A result after fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetRow {
    pub fees: Decimal,
    pub pnl: Decimal,
    pub pnl_pct: Option<Decimal>,
    pub r_multiple: Option<Decimal>,
}

/// Tells the fees of a closed trade, with the result that follows; says whether they were untold.
///
/// # Errors
/// [`DbError::Refused`] when a rule of the table says no.
pub async fn fees_tell(tx: &UserTx, trade: TradeId, row: &NetRow) -> Result<bool, DbError> {
    let params: super::session::Params<'_> =
        &[&tx.user(), &trade.0, &row.fees, &row.pnl, &row.pnl_pct, &row.r_multiple, &tx.now()];
    Ok(tx.session().execute(TELL, params).await? > 0)
}
