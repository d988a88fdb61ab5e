//! What a filter finds, added up: from the kept sums, and from the trades only where something is
//! searched for.

use blotter_shared::domain::{BrokerMode, Cash, CloseReason, Outcome};
use blotter_shared::protocol::performance::Breakdown;
use blotter_shared::protocol::trades::{TotalsQuery, TradeTotals};
use rust_decimal::Decimal;

use super::Search;
use crate::analytics::{Dimension, Tally};
use crate::db::cells::Cells;
use crate::db::performance::performance_all;
use crate::db::{DbError, UserTx};

const FOUND: &str = "
    SELECT count(*) AS rows, count(pnl_e4) FILTER (WHERE counts) AS trades,
           count(*) FILTER (WHERE counts AND pnl_e4 > 0) AS wins, count(*) FILTER (WHERE counts AND pnl_e4 < 0) AS losses,
           coalesce(sum(pnl_e4) FILTER (WHERE counts), 0)::bigint AS net_e4,
           count(pnl_e4) FILTER (WHERE counts AND fees_e4 IS NULL) AS fees_untold
      FROM (SELECT *, ended_as NOT IN ('EXTERNAL_UNEXPLAINED', 'SANDBOX_RESET') AS counts FROM closed_trades
             WHERE username = $1 AND ($2::text IS NULL OR broker_mode = $2)
               AND (strpos(upper(ticker), upper($3)) > 0 OR strpos(upper(strategy), upper($3)) > 0 OR number = $4::int)) AS found
     WHERE $5::text IS NULL
        OR ($5 = 'win' AND counts AND pnl_e4 > 0)
        OR ($5 = 'loss' AND counts AND pnl_e4 < 0)
        OR ($5 = 'expired' AND ended_as IN ('EXPIRED', 'EXPIRED_UNCONFIRMED'))";

/// Adds up what the filter finds. The sums must be up to date
/// ([`performance_refresh`](crate::db::performance::performance_refresh)).
///
/// # Errors
/// When the database does not answer.
pub async fn trade_totals(tx: &UserTx, query: &TotalsQuery) -> Result<TradeTotals, DbError> {
    let search = Search::of(query.q.as_deref(), query.outcome, query.mode);
    if search.text.is_some() {
        return found(tx, &search).await;
    }
    let mut totals = TradeTotals::default();
    for mode in BrokerMode::ALL.iter().filter(|mode| query.mode.is_none_or(|wanted| wanted == **mode)) {
        for ((dimension, bucket), tally) in performance_all(tx, *mode).await? {
            let [won_untold, lost_untold, _] = tally.fees_untold;
            let is_total = dimension == Dimension::Total.as_str();
            let expired = dimension == Breakdown::Reason.as_str()
                && bucket.parse::<CloseReason>().is_ok_and(CloseReason::is_expiry);
            let part = match query.outcome {
                Some(Outcome::Expired) if expired => all(&tally),
                None if is_total => all(&tally),
                Some(Outcome::Win) if is_total => part((tally.wins, 0), tally.won, won_untold),
                Some(Outcome::Loss) if is_total => part((0, tally.losses), tally.lost, lost_untold),
                Some(_) | None => TradeTotals::default(),
            };
            totals = plus(&totals, &part);
        }
    }
    Ok(totals)
}

fn all(tally: &Tally) -> TradeTotals {
    TradeTotals {
        rows: count(tally.ended),
        trades: count(tally.trades()),
        ..part((tally.wins, tally.losses), tally.net(), tally.fees_untold.iter().sum())
    }
}

fn part((wins, losses): (i64, i64), net: Decimal, untold: i64) -> TradeTotals {
    let trades = count(wins + losses);
    let (wins, losses) = (count(wins), count(losses));
    TradeTotals { rows: trades, trades, wins, losses, net: Cash(net), fees_untold: count(untold) }
}

fn plus(a: &TradeTotals, b: &TradeTotals) -> TradeTotals {
    TradeTotals {
        rows: a.rows + b.rows,
        trades: a.trades + b.trades,
        wins: a.wins + b.wins,
        losses: a.losses + b.losses,
        net: a.net + b.net,
        fees_untold: a.fees_untold + b.fees_untold,
    }
}

fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}

async fn found(tx: &UserTx, search: &Search<'_>) -> Result<TradeTotals, DbError> {
    let user = tx.user();
    let row =
        tx.session().query_one(FOUND, &[&user, &search.mode, &search.text, &search.number, &search.outcome]).await?;
    let mut cells = Cells::of(&row);
    Ok(TradeTotals {
        rows: cells.held::<i64, u64>("rows", "a count")?,
        trades: cells.held::<i64, u64>("trades", "a count")?,
        wins: cells.held::<i64, u64>("wins", "a count")?,
        losses: cells.held::<i64, u64>("losses", "a count")?,
        net: Cash(Decimal::new(cells.next("net_e4")?, 4)),
        fees_untold: cells.held::<i64, u64>("fees_untold", "a count")?,
    })
}
