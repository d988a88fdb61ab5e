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
    /// Of everything, and of what a filter finds.
    all: Pages,
    filtered: Pages,
}

struct Pages {
    /// The first page, and a later one, of one mode.
    first: &'static str,
    next: &'static str,
    /// The same of every mode.
    first_of_all: &'static str,
    next_of_all: &'static str,
}

/// Nothing is looked for: the index alone says which rows are on a page.
macro_rules! no_filter {
    () => {
        "$3::text IS NULL AND $4::int IS NULL AND $5::text IS NULL"
    };
}

/// $3 finds part of a ticker or a strategy, $4 is a trade number, $5 an outcome, and null means any.
macro_rules! filter {
    () => {
        "($3::text IS NULL OR strpos(upper(ticker), upper($3)) > 0 OR strpos(upper(strategy), upper($3)) > 0 OR number = $4::int)
         AND ($5::text IS NULL
              OR ($5 = 'win' AND pnl_e4 > 0 AND ended_as NOT IN ('EXTERNAL_UNEXPLAINED', 'SANDBOX_RESET'))
              OR ($5 = 'loss' AND pnl_e4 < 0 AND ended_as NOT IN ('EXTERNAL_UNEXPLAINED', 'SANDBOX_RESET'))
              OR ($5 = 'expired' AND ended_as IN ('EXPIRED', 'EXPIRED_UNCONFIRMED')))"
    };
}

/// $2 is a mode; $6 and $7 are where the page before ended. Each trade of the page is found by its id, whatever the
/// statistics say.
macro_rules! statement {
    (($key:literal, $order:literal), $filter:expr, $mode:literal, $after:expr) => {
        concat!(
            "SELECT ",
            columns!(),
            ", sort_key FROM (SELECT trade_id, ",
            $key,
            " AS key FROM closed_trades WHERE username = $1 AND ",
            $mode,
            " AND ",
            $filter,
            " AND ",
            $after,
            " ORDER BY ",
            $key,
            " ",
            $order,
            ", trade_id ",
            $order,
            " LIMIT $8) AS page CROSS JOIN LATERAL (SELECT *, page.key::text AS sort_key FROM paper_trades
                WHERE username = $1 AND id = page.trade_id OFFSET 0) AS trade ORDER BY page.key ",
            $order,
            ", page.trade_id ",
            $order
        )
    };
}

macro_rules! pages {
    (($key:literal, $type:literal, $order:literal, $past:literal), $filter:expr) => {
        Pages {
            first: statement!(($key, $order), $filter, "broker_mode = $2", "$6::text IS NULL AND $7::uuid IS NULL"),
            next: statement!(
                ($key, $order),
                $filter,
                "broker_mode = $2",
                concat!("(", $key, ", trade_id) ", $past, " ($6::text::", $type, ", $7)")
            ),
            first_of_all: statement!(
                ($key, $order),
                $filter,
                "$2::text IS NULL",
                "$6::text IS NULL AND $7::uuid IS NULL"
            ),
            next_of_all: statement!(
                ($key, $order),
                $filter,
                "$2::text IS NULL",
                concat!("(", $key, ", trade_id) ", $past, " ($6::text::", $type, ", $7)")
            ),
        }
    };
}

macro_rules! statements {
    ($key:literal, $type:literal, $order:literal, $past:literal) => {
        Statements {
            all: pages!(($key, $type, $order, $past), no_filter!()),
            filtered: pages!(($key, $type, $order, $past), filter!()),
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
    let pages = if search.is_any() { statements.all } else { statements.filtered };
    let sql = match (search.mode, &after) {
        (Some(_), None) => pages.first,
        (Some(_), Some(_)) => pages.next,
        (None, None) => pages.first_of_all,
        (None, Some(_)) => pages.next_of_all,
    };
    let (key, id) = after.map(|cursor| (cursor.key, cursor.id)).unzip();
    let rows_wanted = i64::from(limit) + 1;
    let user = tx.user();
    let params: Params<'_> =
        &[&user, &search.mode, &search.text, &search.number, &search.outcome, &key, &id, &rows_wanted];
    // The head first: the list is at least as new.
    let session = tx.session();
    session.ready(&[HEAD, sql]).await?;
    let rows = async {
        if search.is_any() { session.query_planned_once(sql, params).await } else { session.query(sql, params).await }
    };
    let (as_of, rows) = both(change_head(tx), rows).await?;
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
