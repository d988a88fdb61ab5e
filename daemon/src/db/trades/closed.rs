//! Closed trades, page by page in any order. The rows of a page are found in `closed_trades`, each order
//! along its index, so that the thousandth page costs what the first does; nothing is counted.

use blotter_shared::protocol::trades::{Order, Sort, Trade, TradeList, TradeQuery};
use tokio_postgres::Row;

use super::cursor::ClosedCursor;
use super::{Search, trade_of};
use crate::db::changes::{HEAD, change_head};
use crate::db::session::Params;
use crate::db::{DbError, UserTx, both};

/// The statements of one order.
struct Statements {
    /// The first page, and a later one, of one mode.
    first: &'static str,
    next: &'static str,
    /// The same of every mode.
    first_of_all: &'static str,
    next_of_all: &'static str,
}

/// $2 is a mode; $3 finds part of a ticker or a strategy, $4 is a trade number, $5 an outcome, and null means
/// any; $6 and $7 are where the page before ended.
macro_rules! statement {
    ($key:literal, $order:literal, $mode:literal, $after:expr) => {
        concat!(
            "SELECT ",
            columns!(),
            ", page.key::text AS sort_key FROM (SELECT trade_id, ",
            $key,
            " AS key FROM closed_trades WHERE username = $1 AND ",
            $mode,
            " AND ($3::text IS NULL OR strpos(upper(ticker), upper($3)) > 0 OR strpos(upper(strategy), upper($3)) > 0
                   OR number = $4::int)
              AND ($5::text IS NULL
                   OR ($5 = 'win' AND pnl_e4 > 0 AND ended_as NOT IN ('EXTERNAL_UNEXPLAINED', 'SANDBOX_RESET'))
                   OR ($5 = 'loss' AND pnl_e4 < 0 AND ended_as NOT IN ('EXTERNAL_UNEXPLAINED', 'SANDBOX_RESET'))
                   OR ($5 = 'expired' AND ended_as IN ('EXPIRED', 'EXPIRED_UNCONFIRMED')))
              AND ",
            $after,
            " ORDER BY ",
            $key,
            " ",
            $order,
            ", trade_id ",
            $order,
            " LIMIT $8) AS page JOIN paper_trades ON username = $1 AND id = page.trade_id ORDER BY page.key ",
            $order,
            ", page.trade_id ",
            $order
        )
    };
}

macro_rules! statements {
    ($key:literal, $type:literal, $order:literal, $past:literal) => {
        Statements {
            first: statement!($key, $order, "broker_mode = $2", "$6::text IS NULL AND $7::uuid IS NULL"),
            next: statement!(
                $key,
                $order,
                "broker_mode = $2",
                concat!("(", $key, ", trade_id) ", $past, " ($6::text::", $type, ", $7)")
            ),
            first_of_all: statement!($key, $order, "$2::text IS NULL", "$6::text IS NULL AND $7::uuid IS NULL"),
            next_of_all: statement!(
                $key,
                $order,
                "$2::text IS NULL",
                concat!("(", $key, ", trade_id) ", $past, " ($6::text::", $type, ", $7)")
            ),
        }
    };
}

/// Both directions of one order.
macro_rules! sorted {
    ($order:expr, $key:literal, $type:literal) => {
        match $order {
            Order::Descending => statements!($key, $type, "DESC", "<"),
            Order::Ascending => statements!($key, $type, "ASC", ">"),
        }
    };
}

fn statements(sort: Sort, order: Order) -> Statements {
    match sort {
        Sort::Closed => sorted!(order, "closed_at", "timestamptz"),
        Sort::Symbol => sorted!(order, "option_symbol", "text"),
        Sort::Pnl => sorted!(order, "pnl_key", "bigint"),
        Sort::PnlPct => sorted!(order, "pnl_pct_key", "bigint"),
        Sort::R => sorted!(order, "r_key", "bigint"),
        Sort::Held => sorted!(order, "held_key", "bigint"),
        Sort::Reason => sorted!(order, "ended_as", "text"),
        Sort::Strategy => sorted!(order, "strategy", "text"),
    }
}

pub(super) async fn closed_list(
    tx: &UserTx,
    query: &TradeQuery,
    search: &Search<'_>,
    limit: u32,
) -> Result<TradeList, DbError> {
    let (sort, order) = (query.sort.unwrap_or(Sort::Closed), query.order.unwrap_or(Order::Descending));
    let after = query.cursor.as_deref().map(|text| after(text, sort, order)).transpose()?;
    let statements = statements(sort, order);
    let sql = match (search.mode, &after) {
        (Some(_), None) => statements.first,
        (Some(_), Some(_)) => statements.next,
        (None, None) => statements.first_of_all,
        (None, Some(_)) => statements.next_of_all,
    };
    let (key, id) = after.map(|cursor| (cursor.key, cursor.id)).unzip();
    let rows_wanted = i64::from(limit) + 1;
    let user = tx.user();
    let params: Params<'_> =
        &[&user, &search.mode, &search.text, &search.number, &search.outcome, &key, &id, &rows_wanted];
    // The head first: the list is at least as new.
    tx.session().ready(&[HEAD, sql]).await?;
    let (as_of, rows) = both(change_head(tx), tx.session().query(sql, params)).await?;
    let (items, more) = page(&rows, limit)?;
    let last = items.last().zip(items.len().checked_sub(1).and_then(|index| rows.get(index))).filter(|_| more);
    let next_cursor = last
        .map(|(trade, row)| {
            Ok::<_, DbError>(ClosedCursor { sort, order, key: row.try_get("sort_key")?, id: trade.id.0 })
        })
        .transpose()?;
    Ok(TradeList { items, next_cursor: next_cursor.map(|cursor| cursor.to_string()), as_of })
}

/// The rows that were asked for, and whether there is one more.
fn page(rows: &[Row], limit: u32) -> Result<(Vec<Trade>, bool), DbError> {
    let wanted = usize::try_from(limit).unwrap_or(rows.len());
    let items = rows.iter().take(wanted).map(trade_of).collect::<Result<_, _>>()?;
    Ok((items, rows.len() > wanted))
}

/// Where the page before ended; a cursor of another order is none of this list.
fn after(text: &str, sort: Sort, order: Order) -> Result<ClosedCursor, DbError> {
    let cursor: ClosedCursor = text.parse()?;
    if (cursor.sort, cursor.order) != (sort, order) {
        return Err(super::cursor::not_ours(text));
    }
    Ok(cursor)
}
