//! Trades as lists show them.

/// What [`open_of`] reads, in its order.
macro_rules! open_columns {
    () => {
        "id, number, version, account_id, broker_mode, ticker, option_symbol, multiplier, qty, held_qty, status, desired, \
         protection, quarantine_reason, entry_price, entry_date, sl_price, tp_price, strategy, current_price, last_updated, \
         unrealized_pnl, last_verified_at, CASE WHEN is_locked THEN NULL ELSE step END AS step"
    };
}

/// What [`trade_of`] reads, in its order.
macro_rules! columns {
    () => {
        concat!(
            open_columns!(),
            ", close_date, close_reason, close_price, fees, realized_pnl, realized_pnl_pct, r_multiple"
        )
    };
}

mod closed;
mod cursor;
mod straight;
mod totals;
mod wish;

use blotter_shared::domain::{BrokerMode, Cash, CloseReason, Outcome, TradeId, TradeNumber};
use blotter_shared::protocol::problem::FieldError;
use blotter_shared::protocol::trades::{Book, Close, Trade, TradeList, TradeQuery};
use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use super::cells::Cells;
use super::changes::{HEAD, change_head};
use super::{DbError, UserTx, both};
use closed::closed_list;
use cursor::OpenCursor;
pub use straight::{is_straight, straight_lines, straight_trades};
pub use totals::trade_totals;
pub use wish::{Overrides, WishSaid, wish_say};

/// Rows of a page when the query does not say, and the most it may ask for.
const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 500;

// By the table's own rule none of these has an end.
const OPEN: &str = concat!(
    "SELECT ",
    open_columns!(),
    " FROM paper_trades
      WHERE username = $1 AND status IN ('PENDING', 'OPEN', 'PARTIAL', 'FILLED', 'CLOSING')
        AND ($2::text IS NULL OR strpos(upper(ticker), upper($2)) > 0 OR strpos(upper(strategy), upper($2)) > 0
             OR number = $3::int)
        AND $4::text IS NULL AND ($5::text IS NULL OR broker_mode = $5)
        AND number > $6 ORDER BY number LIMIT $7"
);

const ONE: &str = concat!("SELECT ", columns!(), " FROM paper_trades WHERE username = $1 AND id = $2");
const SOME: &str = concat!("SELECT ", columns!(), " FROM paper_trades WHERE username = $1 AND id = ANY($2)");
pub(super) const TRADES_SINCE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM paper_trades WHERE username = $1 AND id = ANY(ARRAY(
        SELECT entity_id FROM (
            SELECT entity, entity_id FROM change_feed WHERE username = $1 AND seq > $2 ORDER BY seq LIMIT $3) AS feed
         WHERE entity = 'TRADE'))"
);

const MANAGED: &str = "
    SELECT count(*) FROM paper_trades
     WHERE username = $1 AND broker_mode = $2 AND status IN ('PENDING', 'OPEN', 'PARTIAL', 'FILLED', 'CLOSING')";

/// How many trades of a world are not over.
///
/// # Errors
/// When the database does not answer.
pub async fn trade_count_managed(tx: &UserTx, mode: BrokerMode) -> Result<i64, DbError> {
    let row = tx.session().query_one(MANAGED, &[&tx.user(), &mode.as_str()]).await?;
    Cells::of(&row).next("count")
}

const ELSEWHERE: &str = "
    SELECT count(*) FROM paper_trades
     WHERE username = $1 AND broker_mode = $2 AND account_id <> $3
       AND status IN ('PENDING', 'OPEN', 'PARTIAL', 'FILLED', 'CLOSING')";

/// How many trades of a world are not over and lie in another account than this one.
///
/// # Errors
/// When the database does not answer.
pub async fn trade_count_elsewhere(tx: &UserTx, mode: BrokerMode, account: &str) -> Result<i64, DbError> {
    let row = tx.session().query_one(ELSEWHERE, &[&tx.user(), &mode.as_str(), &account]).await?;
    Cells::of(&row).next("count")
}

/// A page of the book: open trades oldest first and all at once unless a limit is given, closed
/// ones newest first unless another order is asked for.
///
/// # Errors
/// [`DbError::Invalid`] for a cursor that is not ours or a limit out of bounds.
pub async fn trade_list(tx: &UserTx, query: &TradeQuery) -> Result<TradeList, DbError> {
    let mut items = Vec::new();
    let ListEnd { next_cursor, as_of } = trade_list_each(tx, query, |trade| {
        items.push(trade);
        Ok(())
    })
    .await?;
    Ok(TradeList { items, next_cursor, as_of })
}

/// What follows the rows of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEnd {
    /// Absent on the last page.
    pub next_cursor: Option<String>,
    /// The sequence of the change feed that the list is at least as new as.
    pub as_of: i64,
}

/// As [`trade_list`], but hands over each trade as it arrives: of ten thousand one is held at a time.
///
/// # Errors
/// As [`trade_list`], and those of `take`.
pub async fn trade_list_each(
    tx: &UserTx,
    query: &TradeQuery,
    mut take: impl FnMut(Trade) -> Result<(), DbError> + Send,
) -> Result<ListEnd, DbError> {
    let limit = limit_of(query)?;
    let search = Search::of(query.q.as_deref(), query.outcome, query.mode);
    match query.status.unwrap_or(Book::Open) {
        Book::Open => open_each(tx, query.cursor.as_deref(), &search, (limit, take)).await,
        Book::Closed => {
            let page = closed_list(tx, query, &search, limit.unwrap_or(LIMIT_DEFAULT)).await?;
            page.items.into_iter().try_for_each(&mut take)?;
            Ok(ListEnd { next_cursor: page.next_cursor, as_of: page.as_of })
        }
    }
}

/// A page of as many rows as its caller can hold, in the order of the list.
///
/// # Errors
/// As [`trade_list`].
pub async fn trade_page(tx: &UserTx, query: &TradeQuery, rows: u32) -> Result<TradeList, DbError> {
    let search = Search::of(query.q.as_deref(), query.outcome, query.mode);
    match query.status.unwrap_or(Book::Open) {
        Book::Open => {
            let mut items = Vec::new();
            let take = |trade| {
                items.push(trade);
                Ok(())
            };
            let end = open_each(tx, query.cursor.as_deref(), &search, (Some(rows), take)).await?;
            Ok(TradeList { items, next_cursor: end.next_cursor, as_of: end.as_of })
        }
        Book::Closed => closed_list(tx, query, &search, rows).await,
    }
}

/// One trade; [`DbError::NotFound`] also when it is somebody else's.
///
/// # Errors
/// When there is none, or the database does not answer.
pub async fn trade_get(tx: &UserTx, id: TradeId) -> Result<Trade, DbError> {
    trade_of(&tx.session().query_one(ONE, &[&tx.user(), &id.0]).await?)
}

/// Those of `ids` that there are.
pub(super) async fn trades_by_id(tx: &UserTx, ids: &[Uuid]) -> Result<Vec<Trade>, DbError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = tx.session().query(SOME, &[&tx.user(), &ids]).await?;
    rows.iter().map(trade_of).collect()
}

/// The trades that as many rows of the feed are about, from `after` on.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn trades_since(tx: &UserTx, after: i64, limit: u32) -> Result<Vec<Trade>, DbError> {
    let rows = tx.session().query(TRADES_SINCE, &[&tx.user(), &after, &i64::from(limit)]).await?;
    rows.iter().map(trade_of).collect()
}

struct Search<'a> {
    text: Option<&'a str>,
    number: Option<i32>,
    /// An outcome is that of a closed trade: no open one has any.
    outcome: Option<&'static str>,
    mode: Option<&'static str>,
}

impl<'a> Search<'a> {
    fn of(q: Option<&'a str>, outcome: Option<Outcome>, mode: Option<BrokerMode>) -> Self {
        let text = q.map(str::trim).filter(|text| !text.is_empty());
        let number = text.and_then(|text| text.strip_prefix('#').unwrap_or(text).parse().ok());
        Self { text, number, outcome: outcome.map(Outcome::as_str), mode: mode.map(BrokerMode::as_str) }
    }

    /// Whether every trade of the mode is meant.
    fn is_any(&self) -> bool {
        self.text.is_none() && self.outcome.is_none()
    }
}

async fn open_each(
    tx: &UserTx,
    cursor: Option<&str>,
    search: &Search<'_>,
    (limit, mut take): (Option<u32>, impl FnMut(Trade) -> Result<(), DbError> + Send),
) -> Result<ListEnd, DbError> {
    let after = cursor.map(str::parse::<OpenCursor>).transpose()?.unwrap_or(OpenCursor::START);
    let rows_wanted = limit.map(|limit| i64::from(limit) + 1);
    let user = tx.user();
    let (mut left, mut last) = (limit.unwrap_or(u32::MAX), None);
    let mut more = false;
    let params: super::session::Params<'_> =
        &[&user, &search.text, &search.number, &search.outcome, &search.mode, &after.number, &rows_wanted];
    let rows = tx.session().each(OPEN, params, |row| {
        more = left == 0;
        if more {
            return Ok(());
        }
        let trade = open_of(&mut Cells::of(row))?;
        (left, last) = (left - 1, Some(OpenCursor::after(&trade)));
        take(trade)
    });
    // The head first: the list is at least as new.
    tx.session().ready(&[HEAD, OPEN]).await?;
    let (as_of, ()) = both(change_head(tx), rows).await?;
    Ok(ListEnd { next_cursor: last.filter(|_| more).map(|cursor| cursor.to_string()), as_of })
}

fn limit_of(query: &TradeQuery) -> Result<Option<u32>, DbError> {
    match query.limit {
        Some(limit) if !(1..=LIMIT_MAX).contains(&limit) => Err(DbError::Invalid(FieldError {
            field: "limit".to_owned(),
            value: Some(limit.to_string()),
            rule: format!("between 1 and {LIMIT_MAX}"),
        })),
        limit => Ok(limit),
    }
}

pub(super) fn trade_of(row: &Row) -> Result<Trade, DbError> {
    let mut cells = Cells::of(row);
    let trade = open_of(&mut cells)?;
    Ok(Trade { close: close_of(&mut cells)?, ..trade })
}

/// A trade, but for its end.
fn open_of(cells: &mut Cells<'_>) -> Result<Trade, DbError> {
    let id = TradeId(cells.next("id")?);
    let number = TradeNumber(cells.held::<i32, u32>("number", "a trade number")?);
    let version = cells.next("version")?;
    let account_id = cells.next("account_id")?;
    let broker_mode = cells.parsed("broker_mode", "a broker mode")?;
    let ticker = cells.next("ticker")?;
    let option_symbol: String = cells.next("option_symbol")?;
    let contract = option_symbol.parse().map_err(|_| super::cells::unreadable("option_symbol", "an OCC symbol"))?;
    let multiplier: u32 = cells.held::<i32, u32>("multiplier", "a multiplier")?;
    Ok(Trade {
        id,
        number,
        version,
        account_id,
        broker_mode,
        ticker,
        contract,
        option_symbol,
        multiplier: multiplier.try_into().map_err(|_| super::cells::unreadable("multiplier", "a multiplier"))?,
        qty: cells.held::<i32, u32>("qty", "a count")?,
        held_qty: cells.held::<i32, u32>("held_qty", "a count")?,
        status: cells.parsed("status", "a trade status")?,
        desired: cells.parsed("desired", "a desired state")?,
        protection: cells.parsed("protection", "a state of protection")?,
        needs_person: cells.next("quarantine_reason")?,
        entry_price: cells.amount_opt("entry_price", "a price")?,
        entry_date: cells.next("entry_date")?,
        sl_price: cells.amount_opt("sl_price", "a price")?,
        tp_price: cells.amount_opt("tp_price", "a price")?,
        strategy: cells.next("strategy")?,
        current_price: cells.amount_opt("current_price", "a price")?,
        last_updated: cells.next("last_updated")?,
        unrealized_pnl: cells.amount_opt("unrealized_pnl", "a sum")?.map(Cash),
        close: None,
        last_verified_at: cells.next("last_verified_at")?,
        step: cells.parsed_opt("step", "a step")?,
    })
}

fn close_of(cells: &mut Cells<'_>) -> Result<Option<Close>, DbError> {
    let at: Option<DateTime<Utc>> = cells.next("close_date")?;
    let reason: Option<CloseReason> = cells.parsed_opt("close_reason", "a close reason")?;
    let price = cells.amount_opt("close_price", "a price")?;
    let fees = cells.amount_opt("fees", "a sum")?.map(Cash);
    let realized_pnl = cells.amount_opt("realized_pnl", "a sum")?.map(Cash);
    let realized_pnl_pct = cells.amount_opt("realized_pnl_pct", "a share")?;
    let r_multiple = cells.amount_opt("r_multiple", "a multiple")?;
    Ok(at.map(|at| Close { at, reason, price, fees, realized_pnl, realized_pnl_pct, r_multiple }))
}
