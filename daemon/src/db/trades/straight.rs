//! Closed trades from end to end in the order of their closes, for a file. They are read along the index that the
//! trades themselves have in this order: a page of a list finds each trade by its id, which takes ten times as
//! long, and a file wants them all.

use blotter_shared::domain::OptionContract;
use blotter_shared::protocol::trades::{Book, Order, Sort, Trade, TradeQuery};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tokio_postgres::Row;
use uuid::Uuid;

use super::cursor::ClosedCursor;
use super::{Search, trade_of};
use crate::db::cells::{Cells, unreadable};
use crate::db::session::Params;
use crate::db::{DbError, UserTx};
use crate::export::{Contract, End, Line};

/// What [`line_of`] reads, in its order.
macro_rules! line_columns {
    () => {
        "id, number, broker_mode, account_id, ticker, option_symbol, multiplier, qty, status, entry_price, entry_date, sl_price, \
         tp_price, strategy, current_price, unrealized_pnl, close_date, close_reason, close_price, fees, realized_pnl, \
         realized_pnl_pct, r_multiple"
    };
}

/// The filters are those of the list of closed trades, whose columns are made of these.
macro_rules! statement {
    ($columns:expr, $order:literal, $past:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM paper_trades
              WHERE username = $1 AND status IN ('CLOSED', 'VOID', 'REJECTED', 'CANCELED')
                AND ($2::text IS NULL OR broker_mode = $2)
                AND ($3::text IS NULL OR strpos(upper(ticker), upper($3)) > 0 OR strpos(upper(strategy), upper($3)) > 0
                     OR number = $4::int)
                AND ($5::text IS NULL
                     OR ($5 = 'win' AND realized_pnl > 0
                         AND coalesce(close_reason, status) NOT IN ('EXTERNAL_UNEXPLAINED', 'SANDBOX_RESET'))
                     OR ($5 = 'loss' AND realized_pnl < 0
                         AND coalesce(close_reason, status) NOT IN ('EXTERNAL_UNEXPLAINED', 'SANDBOX_RESET'))
                     OR ($5 = 'expired' AND close_reason IN ('EXPIRED', 'EXPIRED_UNCONFIRMED')))
                AND (close_date, id) ",
            $past,
            " ($6, $7) ORDER BY close_date ",
            $order,
            ", id ",
            $order,
            " LIMIT $8"
        )
    };
}

/// Whether the query wants closed trades in the order of their closes.
#[must_use]
pub fn is_straight(query: &TradeQuery) -> bool {
    query.status == Some(Book::Closed) && query.sort.unwrap_or(Sort::Closed) == Sort::Closed
}

/// Hands over the lines of a page as they come; returns where the next one begins.
///
/// # Errors
/// [`DbError::Invalid`] for a cursor that is not ours.
pub async fn straight_lines(
    tx: &UserTx,
    query: &TradeQuery,
    rows: u32,
    mut take: impl FnMut(&Line<'_>),
) -> Result<Option<String>, DbError> {
    let sql = match order(query) {
        Order::Descending => statement!(line_columns!(), "DESC", "<"),
        Order::Ascending => statement!(line_columns!(), "ASC", ">"),
    };
    page(tx, query, (sql, rows), |row| {
        let (line, at) = line_of(row)?;
        take(&line);
        Ok((at, line.id))
    })
    .await
}

/// As [`straight_lines`], of trades.
///
/// # Errors
/// As [`straight_lines`].
pub async fn straight_trades(
    tx: &UserTx,
    query: &TradeQuery,
    rows: u32,
) -> Result<(Vec<Trade>, Option<String>), DbError> {
    let sql = match order(query) {
        Order::Descending => statement!(columns!(), "DESC", "<"),
        Order::Ascending => statement!(columns!(), "ASC", ">"),
    };
    let mut trades = Vec::new();
    let next = page(tx, query, (sql, rows), |row| {
        let trade = trade_of(row)?;
        let at =
            trade.close.as_ref().map(|close| close.at).ok_or_else(|| unreadable("close_date", "the time of an end"))?;
        let key = (at, trade.id.0);
        trades.push(trade);
        Ok(key)
    });
    let next = next.await?;
    Ok((trades, next))
}

fn order(query: &TradeQuery) -> Order {
    query.order.unwrap_or(Order::Descending)
}

/// `take` says where its row stands.
async fn page(
    tx: &UserTx,
    query: &TradeQuery,
    (sql, rows): (&str, u32),
    mut take: impl FnMut(&Row) -> Result<(DateTime<Utc>, Uuid), DbError>,
) -> Result<Option<String>, DbError> {
    let search = Search::of(query.q.as_deref(), query.outcome, query.mode);
    let order = order(query);
    let (at, id) = match &query.cursor {
        Some(text) => text.parse::<ClosedCursor>()?.place(order).ok_or_else(|| super::cursor::not_ours(text))?,
        None => beginning(order),
    };
    let (user, limit) = (tx.user(), i64::from(rows) + 1);
    let params: Params<'_> = &[&user, &search.mode, &search.text, &search.number, &search.outcome, &at, &id, &limit];
    let (mut count, mut last, mut has_more) = (0, None, false);
    tx.session()
        .each(sql, params, |row| {
            if count == rows {
                has_more = true;
                return Ok(());
            }
            count += 1;
            last = Some(take(row)?);
            Ok(())
        })
        .await?;
    Ok(last.filter(|_| has_more).map(|(at, id)| ClosedCursor::at(order, at, id).to_string()))
}

/// A place before every trade.
fn beginning(order: Order) -> (DateTime<Utc>, Uuid) {
    const YEAR_1: i64 = -62_135_596_800;
    const YEAR_9999: i64 = 253_402_300_799;
    let (second, id) = match order {
        Order::Descending => (YEAR_9999, Uuid::max()),
        Order::Ascending => (YEAR_1, Uuid::nil()),
    };
    (DateTime::from_timestamp(second, 0).unwrap_or(DateTime::UNIX_EPOCH), id)
}

/// A line, and when its trade ended.
fn line_of(row: &Row) -> Result<(Line<'_>, DateTime<Utc>), DbError> {
    let mut cells = Cells::of(row);
    let id = cells.next("id")?;
    let number = cells.held::<i32, u32>("number", "a trade number")?;
    let (mode, account) = (cells.next("broker_mode")?, cells.next("account_id")?);
    let (ticker, symbol): (&str, &str) = (cells.next("ticker")?, cells.next("option_symbol")?);
    let contract: OptionContract = symbol.parse().map_err(|_| unreadable("option_symbol", "an OCC symbol"))?;
    let multiplier = cells.held::<i32, u32>("multiplier", "a multiplier")?;
    let qty = cells.held::<i32, u32>("qty", "a count")?;
    let status = cells.next("status")?;
    let entry_price = cells.next("entry_price")?;
    let entered_at = cells.next("entry_date")?;
    let (stop, target) = (cells.next("sl_price")?, cells.next("tp_price")?);
    let strategy: Option<&str> = cells.next("strategy")?;
    let mark: Option<Decimal> = cells.next("current_price")?;
    let unrealized_pnl = cells.next("unrealized_pnl")?;
    let at = cells.next("close_date")?;
    let end = End {
        at,
        reason: cells.next("close_reason")?,
        price: cells.next("close_price")?,
        fees: cells.next("fees")?,
        pnl: cells.next("realized_pnl")?,
        pnl_pct: cells.next("realized_pnl_pct")?,
        r_multiple: cells.next("r_multiple")?,
    };
    let line = Line {
        number,
        id,
        mode,
        account,
        ticker,
        symbol,
        contract: Contract::from(&contract),
        multiplier,
        qty,
        status,
        entered_at,
        entry_price,
        stop,
        target,
        end: Some(end),
        mark,
        unrealized_pnl,
        strategy: strategy.unwrap_or_default(),
    };
    Ok((line, at))
}
