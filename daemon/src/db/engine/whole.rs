//! Trades with everything that belongs to them, read in one statement: on one trip, and as of one moment.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::super::cells::{Cells, unreadable};
use super::super::session::Params;
use super::super::{DbError, UserTx, both};
use super::AccountKey;
use super::trades::{PLACE, TradePlace, trade_lock};

/// A trade as the engine reads it back.
#[derive(Clone, Debug)]
pub struct StoredTrade {
    pub id: Uuid,
    pub spec: Value,
    pub wish: Value,
    pub marks: Value,
    /// What an engine wrote, in the order of the decisions.
    pub intents: Vec<Value>,
    /// In the order in which they were seen.
    pub fills: Vec<StoredFill>,
}

/// A fill as it is kept.
#[derive(Clone, Debug)]
pub struct StoredFill {
    pub intent: Uuid,
    pub leg: String,
    pub cumulative: i32,
    pub quantity: i32,
    pub value: Decimal,
    pub seen_at: DateTime<Utc>,
}

/// What [`stored`] reads of `trade_facts f`, in its order. Fills come column by column, each in the same order.
macro_rules! whole {
    ($from:literal) => {
        concat!(
            "SELECT f.trade_id, f.spec, f.wish, f.marks, i.intents, p.of, p.legs, p.cumulative, p.quantities, p.amounts, p.seen
               FROM ",
            $from,
            "
              CROSS JOIN LATERAL (
                    SELECT array_agg(facts ORDER BY created_at, intent_id) AS intents FROM intents
                     WHERE username = $1 AND trade_id = f.trade_id AND facts IS NOT NULL) AS i
              CROSS JOIN LATERAL (
                    SELECT array_agg(intent_id) AS of, array_agg(leg_id) AS legs, array_agg(cum_qty) AS cumulative,
                           array_agg(inc_qty) AS quantities, array_agg(inc_value) AS amounts, array_agg(observed_at) AS seen
                      FROM (SELECT * FROM fills
                             WHERE username = $1 AND trade_id = f.trade_id AND intent_id IS NOT NULL
                               AND inc_value IS NOT NULL
                             ORDER BY observed_at, leg_id, cum_qty) AS ordered) AS p"
        )
    };
}

const ONE: &str = whole!("(SELECT * FROM trade_facts WHERE username = $1 AND trade_id = $2) AS f");

const WATCHED: &str = whole!(
    "(SELECT f.* FROM trade_facts f JOIN paper_trades t ON t.username = f.username AND t.id = f.trade_id
       WHERE t.username = $1 AND t.account_id = $2 AND t.broker_mode = $3
         AND (t.status IN ('PENDING', 'OPEN', 'PARTIAL', 'FILLED', 'CLOSING') OR t.close_date > $4
              OR EXISTS (SELECT FROM intents i WHERE i.username = t.username AND i.trade_id = t.id
                          AND i.state IN ('PREPARED', 'SENDING', 'ACKED', 'UNKNOWN', 'WORKING')))) AS f"
);

/// Trades of the account that are alive, that ended after `since`, or that have something under way.
///
/// # Errors
/// When the database does not answer.
pub async fn trades_watched(
    tx: &UserTx,
    account: &AccountKey,
    since: DateTime<Utc>,
) -> Result<Vec<StoredTrade>, DbError> {
    let params: Params<'_> = &[&tx.user(), &account.number, &account.mode.as_str(), &since];
    tx.session().query(WATCHED, params).await?.iter().map(stored).collect()
}

/// One trade; [`DbError::NotFound`] when no engine wrote it.
///
/// # Errors
/// When there is none, or the database does not answer.
pub async fn trade_stored(tx: &UserTx, trade: Uuid) -> Result<StoredTrade, DbError> {
    trade_found(tx, trade).await?.ok_or(DbError::NotFound)
}

/// Keeps a trade for this transaction and reads it as it is then; the second is absent when no engine wrote it.
///
/// # Errors
/// [`DbError::NotFound`] when this user has no such trade.
pub async fn trade_take(tx: &UserTx, trade: Uuid) -> Result<(TradePlace, Option<StoredTrade>), DbError> {
    // First kept, then read: each statement sees what was durable when it began. It is kept as an update would keep it:
    // whoever waited for more, behind a row that refers to it, would stand in the way of that row's owner, and both would
    // be dead. And the trade comes before its facts: in another order a command and the engine would wait for each other.
    trade_take_ready(tx).await?;
    both(trade_lock(tx, trade), trade_found(tx, trade)).await
}

/// Prepares [`trade_take`], so that it goes out where it is joined to others.
pub(super) async fn trade_take_ready(tx: &UserTx) -> Result<(), DbError> {
    tx.session().ready(&[PLACE, ONE]).await
}

async fn trade_found(tx: &UserTx, trade: Uuid) -> Result<Option<StoredTrade>, DbError> {
    tx.session().query_opt(ONE, &[&tx.user(), &trade]).await?.as_ref().map(stored).transpose()
}

fn stored(row: &Row) -> Result<StoredTrade, DbError> {
    let mut cells = Cells::of(row);
    Ok(StoredTrade {
        id: cells.next("trade_id")?,
        spec: cells.next("spec")?,
        wish: cells.next("wish")?,
        marks: cells.next("marks")?,
        intents: cells.next::<Option<_>>("intents")?.unwrap_or_default(),
        fills: fills(&mut cells)?,
    })
}

fn fills(cells: &mut Cells<'_>) -> Result<Vec<StoredFill>, DbError> {
    let intents: Vec<Uuid> = cells.next::<Option<_>>("of")?.unwrap_or_default();
    let legs: Vec<String> = cells.next::<Option<_>>("legs")?.unwrap_or_default();
    let cumulative: Vec<i32> = cells.next::<Option<_>>("cumulative")?.unwrap_or_default();
    let quantities: Vec<i32> = cells.next::<Option<_>>("quantities")?.unwrap_or_default();
    let values: Vec<Decimal> = cells.next::<Option<_>>("amounts")?.unwrap_or_default();
    let seen: Vec<DateTime<Utc>> = cells.next::<Option<_>>("seen")?.unwrap_or_default();
    let count = intents.len();
    if [legs.len(), cumulative.len(), quantities.len(), values.len(), seen.len()].iter().any(|other| *other != count) {
        return Err(unreadable("fills", "as many of each column"));
    }
    let counts = cumulative.into_iter().zip(quantities);
    let fills = intents.into_iter().zip(legs).zip(counts).zip(values.into_iter().zip(seen));
    let fill = |(((intent, leg), (cumulative, quantity)), (value, seen_at))| StoredFill {
        intent,
        leg,
        cumulative,
        quantity,
        value,
        seen_at,
    };
    Ok(fills.map(fill).collect())
}
