//! What the risk limits are judged by, besides the book itself: results, entry prices, and what
//! open positions were worth at the end of the session before.

use blotter_shared::domain::{Cash, TradeId};
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::super::cells::Cells;
use super::super::{DbError, UserTx};
use super::AccountKey;

/// Closed trades that are looked at for losses in a row.
const RESULTS: i64 = 100;

/// The result of a closed trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultRow {
    pub pnl: Cash,
    pub at: DateTime<Utc>,
}

/// What an open position cost, and what it was worth when the session before ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRow {
    pub trade: TradeId,
    pub entry: Option<Decimal>,
    pub before: Option<Decimal>,
}

/// One account's figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StandingRows {
    /// Realised since the session began.
    pub realized: Cash,
    pub open: Vec<OpenRow>,
    /// Newest first.
    pub results: Vec<ResultRow>,
}

const REALIZED: &str = "
    SELECT coalesce(sum(realized_pnl), 0) AS realized FROM paper_trades
     WHERE username = $1 AND account_id = $2 AND broker_mode = $3 AND status = 'CLOSED' AND close_date >= $4";

const OPEN: &str = "
    SELECT t.id, t.entry_price,
           (SELECT s.mark_price FROM price_snapshots s
             WHERE s.username = t.username AND s.trade_id = t.id AND s.bookend = 'POST_MARKET' AND s.session_date < $4
             ORDER BY s.session_date DESC LIMIT 1) AS before
      FROM paper_trades t
     WHERE t.username = $1 AND t.account_id = $2 AND t.broker_mode = $3
       AND t.status IN ('PENDING', 'OPEN', 'PARTIAL', 'FILLED', 'CLOSING')";

const CLOSED: &str = "
    SELECT realized_pnl, close_date FROM paper_trades
     WHERE username = $1 AND account_id = $2 AND broker_mode = $3 AND status = 'CLOSED' AND realized_pnl IS NOT NULL
     ORDER BY close_date DESC, id DESC LIMIT $4";

/// The figures of an account in the session of `date`, which began at `since`.
///
/// # Errors
/// When the database does not answer.
pub async fn standing_rows(
    tx: &UserTx,
    account: &AccountKey,
    since: DateTime<Utc>,
    date: NaiveDate,
) -> Result<StandingRows, DbError> {
    let (user, number, mode) = (tx.user(), &account.number, account.mode.as_str());
    let session = tx.session();
    let realized = session.query_one(REALIZED, &[&user, number, &mode, &since]).await?.try_get("realized")?;
    let open = session.query(OPEN, &[&user, number, &mode, &date]).await?;
    let open = open.iter().map(|row| {
        let mut cells = Cells::of(row);
        let trade = TradeId(cells.next::<Uuid>("id")?);
        Ok(OpenRow { trade, entry: cells.next("entry_price")?, before: cells.next("before")? })
    });
    let open = open.collect::<Result<_, DbError>>()?;
    let closed = session.query(CLOSED, &[&user, number, &mode, &RESULTS]).await?;
    let results = closed.iter().map(|row| {
        let mut cells = Cells::of(row);
        Ok(ResultRow { pnl: Cash(cells.next("realized_pnl")?), at: cells.next("close_date")? })
    });
    Ok(StandingRows { realized: Cash(realized), open, results: results.collect::<Result<_, DbError>>()? })
}
