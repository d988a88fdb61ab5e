//! Trades as the engine writes them.

use blotter_shared::domain::{TradeId, TradeStatus};
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::super::cells::Cells;
use super::super::changes::{Feed, commit_and_read};
use super::super::session::Params;
use super::super::{DbError, UserTx, both};
use super::AccountKey;

/// What is wanted, in the columns that readers and guards know.
#[derive(Clone, Debug)]
pub struct WishRow {
    pub version: i64,
    pub desired: &'static str,
    pub keep: i32,
    pub stop: Option<Decimal>,
    pub target: Option<Decimal>,
    pub limit: Option<Decimal>,
    pub at_open: bool,
    pub facts: Value,
}

/// A trade that begins.
#[derive(Clone, Debug)]
pub struct NewTradeRow {
    pub id: Uuid,
    pub ticker: String,
    pub symbol: String,
    pub option_type: &'static str,
    pub strike: Decimal,
    pub expiry: NaiveDate,
    pub multiplier: i32,
    pub quantity: i32,
    pub stop: Option<Decimal>,
    pub target: Option<Decimal>,
    pub outside: i32,
    pub asked_at: DateTime<Utc>,
    pub wish: WishRow,
    pub spec: Value,
    pub marks: Value,
}

/// What was found out.
#[derive(Clone, Debug)]
pub struct MarksRow {
    pub trade: Uuid,
    pub status: &'static str,
    pub is_end: bool,
    pub held: i32,
    pub outside: i32,
    pub protection: &'static str,
    pub good_version: Option<i64>,
    pub good_stop: Option<Decimal>,
    pub good_target: Option<Decimal>,
    pub naked_since: Option<DateTime<Utc>>,
    pub verified_at: Option<DateTime<Utc>>,
    pub quarantine_reason: Option<String>,
    pub quarantine_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub close_reason: Option<&'static str>,
    pub figures: FiguresRow,
    pub facts: Value,
}

/// What follows from fills: prices and results. Absent while a price is.
#[derive(Clone, Debug, Default)]
pub struct FiguresRow {
    pub entry_price: Option<Decimal>,
    pub close_price: Option<Decimal>,
    pub fill_price: Option<Decimal>,
    pub fill_time: Option<DateTime<Utc>>,
    pub precision: &'static str,
    pub pnl: Option<Decimal>,
    pub pnl_pct: Option<Decimal>,
    pub r_multiple: Option<Decimal>,
    pub hold_hours: Option<Decimal>,
    pub entry_order: Option<String>,
    pub stop_order: Option<String>,
    pub target_order: Option<String>,
}

const NEW: &str = "
    WITH head AS (
        INSERT INTO user_heads (username, trade_number) VALUES ($1, 1)
        ON CONFLICT (username) DO UPDATE SET trade_number = user_heads.trade_number + 1 RETURNING trade_number)
    INSERT INTO paper_trades (username, id, number, broker_mode, account_id, ticker, option_symbol, option_type, strike,
        expiry, multiplier, qty, entry_date, initial_sl, initial_tp, version, desired, desired_qty, sl_price, tp_price,
        close_limit, close_at_open, external_qty, created_at, updated_at)
    SELECT $1, $2, trade_number, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
           $22, $12, $12
      FROM head";

const NEW_FACTS: &str = "
    INSERT INTO trade_facts (username, trade_id, spec, wish, marks) VALUES ($1, $2, $3, $4, $5)";

const WISH: &str = "
    UPDATE paper_trades SET version = $3, desired = $4, desired_qty = $5, sl_price = $6, tp_price = $7, close_limit = $8,
                            close_at_open = $9, updated_at = $10
     WHERE username = $1 AND id = $2 AND version = $11 AND desired = $12";

const MARKS: &str = "
    UPDATE paper_trades SET status = $3, held_qty = $4, external_qty = $5, protection = $6, good_version = $7,
        good_sl = $8, good_tp = $9, naked_since = $10, last_verified_at = $11, quarantine_reason = $12,
        quarantine_at = $13, close_date = $14, close_reason = $15, entry_price = $16, close_price = $17,
        broker_fill_price = $18, broker_fill_time = $19, trigger_precision = $20, realized_pnl = $21,
        realized_pnl_pct = $22, r_multiple = $23, hold_duration_h = $24, tradier_order_id = $25,
        tradier_sl_order_id = $26, tradier_tp_order_id = $27, updated_at = $28
     WHERE username = $1 AND id = $2";

// Of a trade at its end only what was missing is filled in.
const LATE: &str = "
    UPDATE paper_trades SET entry_price = coalesce(entry_price, $3), close_price = coalesce(close_price, $4),
        broker_fill_price = coalesce(broker_fill_price, $5), broker_fill_time = coalesce(broker_fill_time, $6),
        realized_pnl = coalesce(realized_pnl, $7), realized_pnl_pct = coalesce(realized_pnl_pct, $8),
        r_multiple = coalesce(r_multiple, $9), updated_at = $10
     WHERE username = $1 AND id = $2
       AND ((entry_price IS NULL AND $3::numeric IS NOT NULL) OR (close_price IS NULL AND $4::numeric IS NOT NULL)
         OR (realized_pnl IS NULL AND $7::numeric IS NOT NULL))";

/// Begins a trade under the user's next number.
///
/// # Errors
/// [`DbError::Refused`] with `paper_trades_one_live` when the symbol is taken.
pub async fn trade_put(tx: &UserTx, account: &AccountKey, row: &NewTradeRow) -> Result<(), DbError> {
    let wish = &row.wish;
    let params: Params<'_> = &[
        &tx.user(),
        &row.id,
        &account.mode.as_str(),
        &account.number,
        &row.ticker,
        &row.symbol,
        &row.option_type,
        &row.strike,
        &row.expiry,
        &row.multiplier,
        &row.quantity,
        &row.asked_at,
        &row.stop,
        &row.target,
        &wish.version,
        &wish.desired,
        &wish.keep,
        &wish.stop,
        &wish.target,
        &wish.limit,
        &wish.at_open,
        &row.outside,
    ];
    tx.session().execute(NEW, params).await?;
    tx.session().execute(NEW_FACTS, &[&tx.user(), &row.id, &row.spec, &wish.facts, &row.marks]).await?;
    Ok(())
}

/// Where a trade is kept, and how far it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradePlace {
    pub account: AccountKey,
    pub symbol: String,
    pub status: TradeStatus,
}

pub(super) const PLACE: &str = "
    SELECT broker_mode, account_id, option_symbol, status FROM paper_trades WHERE username = $1 AND id = $2
       FOR NO KEY UPDATE";

/// Keeps a trade for this transaction: who asks for something else of it waits for the end of this.
///
/// # Errors
/// [`DbError::NotFound`] when this user has no such trade.
pub async fn trade_lock(tx: &UserTx, trade: Uuid) -> Result<TradePlace, DbError> {
    let row = tx.session().query_one(PLACE, &[&tx.user(), &trade]).await?;
    let mut cells = Cells::of(&row);
    let mode = cells.parsed("broker_mode", "a broker mode")?;
    let account = AccountKey { mode, number: cells.next("account_id")? };
    let symbol = cells.next("option_symbol")?;
    Ok(TradePlace { account, symbol, status: cells.parsed("status", "a trade status")? })
}

const LIVE: &str = "
    SELECT DISTINCT broker_mode, account_id FROM paper_trades
     WHERE username = $1 AND status IN ('PENDING', 'OPEN', 'PARTIAL', 'FILLED', 'CLOSING')
     ORDER BY broker_mode, account_id";

/// The accounts that have trades which are not at their end.
///
/// # Errors
/// When the database does not answer.
pub async fn live_accounts(tx: &UserTx) -> Result<Vec<AccountKey>, DbError> {
    let rows = tx.session().query(LIVE, &[&tx.user()]).await?;
    let accounts = rows.iter().map(|row| {
        let mut cells = Cells::of(row);
        Ok(AccountKey { mode: cells.parsed("broker_mode", "a broker mode")?, number: cells.next("account_id")? })
    });
    accounts.collect()
}

/// Where a trade comes from: written once, when it begins.
#[derive(Clone, Debug, Default)]
pub struct StoryRow {
    pub strategy: Option<String>,
    pub card_score: Option<Decimal>,
    pub ai_score: Option<Decimal>,
    pub ai_verdict: Option<String>,
    pub gate_verdict: Option<String>,
    pub technical_score: Option<Decimal>,
    pub sentiment_score: Option<Decimal>,
    pub ai_reasoning_log: Option<Value>,
    pub mid_at_submit: Option<Decimal>,
    /// What is lost when the stop works, by the price that was seen.
    pub initial_risk: Option<Decimal>,
}

const STORY: &str = "
    UPDATE paper_trades SET strategy = $3, card_score = $4, ai_score = $5, ai_verdict = $6, gate_verdict = $7,
                            technical_score = $8, sentiment_score = $9, ai_reasoning_log = $10, mid_at_submit = $11,
                            initial_risk = $12
     WHERE username = $1 AND id = $2";

/// Notes where a trade comes from.
///
/// # Errors
/// [`DbError::Refused`] when it was told before.
pub async fn story_put(tx: &UserTx, trade: Uuid, row: &StoryRow) -> Result<(), DbError> {
    let params: Params<'_> = &[
        &tx.user(),
        &trade,
        &row.strategy,
        &row.card_score,
        &row.ai_score,
        &row.ai_verdict,
        &row.gate_verdict,
        &row.technical_score,
        &row.sentiment_score,
        &row.ai_reasoning_log,
        &row.mid_at_submit,
        &row.initial_risk,
    ];
    tx.session().execute(STORY, params).await?;
    Ok(())
}

pub(super) const WISH_IS: &str = "
    SELECT 1 FROM paper_trades WHERE username = $1 AND id = $2 AND version = $3 AND desired = $4 FOR NO KEY UPDATE";

/// Whether the wish is still this one. The row stays locked, so that it is until the commit.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn wish_is(tx: &UserTx, trade: Uuid, version: i64, desired: &str) -> Result<bool, DbError> {
    Ok(tx.session().query_opt(WISH_IS, &[&tx.user(), &trade, &version, &desired]).await?.is_some())
}

pub(in crate::db) const WISH_FACTS: &str = "UPDATE trade_facts SET wish = $3 WHERE username = $1 AND trade_id = $2";

/// What is wanted, as the engine reads it back.
pub(in crate::db) async fn wish_facts_put(tx: &UserTx, trade: Uuid, wish: &Value) -> Result<(), DbError> {
    tx.session().execute(WISH_FACTS, &[&tx.user(), &trade, &wish]).await?;
    Ok(())
}

/// Another wish in the place of the one with this stamp; `false` when that is not the wish any more.
///
/// # Errors
/// [`DbError::Refused`] when a rule of the table says no.
pub async fn wish_put(tx: &UserTx, trade: Uuid, was: (i64, &str), row: &WishRow) -> Result<bool, DbError> {
    let (version, desired) = was;
    let params: Params<'_> = &[
        &tx.user(),
        &trade,
        &row.version,
        &row.desired,
        &row.keep,
        &row.stop,
        &row.target,
        &row.limit,
        &row.at_open,
        &tx.now(),
        &version,
        &desired,
    ];
    tx.session().ready(&[WISH, WISH_FACTS]).await?;
    // Where the wish is another one nothing of this transaction is kept.
    let (kept, ()) = both(tx.session().execute(WISH, params), wish_facts_put(tx, trade, &row.facts)).await?;
    Ok(kept > 0)
}

/// What was found out about a trade, which this transaction keeps and of which it knows how far it is. One that is at its
/// end keeps its columns, except for prices that were missing; a late fill opens it again.
///
/// # Errors
/// [`DbError::Refused`] when a rule of the table says no.
pub async fn marks_put(tx: &UserTx, was: TradeStatus, row: &MarksRow) -> Result<(), DbError> {
    tx.session().ready(&[MARKS_FACTS, MARKS]).await?;
    let facts = facts_put(tx, row.trade, &row.facts);
    if was.is_terminal() && row.is_end {
        facts.await?;
        return figures_put(tx, row.trade, &row.figures).await;
    }
    if was.is_terminal() {
        let sql = "SELECT trade_reopen($1, $2, $3)";
        tx.session().query_one(sql, &[&row.trade, &row.held, &tx.now()]).await?;
    }
    let (user, now) = (tx.user(), tx.now());
    both(facts, tx.session().execute(MARKS, &marks_params(&user, row, &now))).await.map(|_| ())
}

/// What [`MARKS`] is told.
fn marks_params<'r>(user: &'r &'r str, row: &'r MarksRow, now: &'r DateTime<Utc>) -> [&'r (dyn ToSql + Sync); 28] {
    let figures = &row.figures;
    [
        user,
        &row.trade,
        &row.status,
        &row.held,
        &row.outside,
        &row.protection,
        &row.good_version,
        &row.good_stop,
        &row.good_target,
        &row.naked_since,
        &row.verified_at,
        &row.quarantine_reason,
        &row.quarantine_at,
        &row.closed_at,
        &row.close_reason,
        &figures.entry_price,
        &figures.close_price,
        &figures.fill_price,
        &figures.fill_time,
        &figures.precision,
        &figures.pnl,
        &figures.pnl_pct,
        &figures.r_multiple,
        &figures.hold_hours,
        &figures.entry_order,
        &figures.stop_order,
        &figures.target_order,
        now,
    ]
}

/// Prices that came after the end, and what follows from them.
///
/// # Errors
/// [`DbError::Refused`] when a rule of the table says no.
pub async fn figures_put(tx: &UserTx, trade: Uuid, figures: &FiguresRow) -> Result<(), DbError> {
    let params: Params<'_> = &[
        &tx.user(),
        &trade,
        &figures.entry_price,
        &figures.close_price,
        &figures.fill_price,
        &figures.fill_time,
        &figures.pnl,
        &figures.pnl_pct,
        &figures.r_multiple,
        &tx.now(),
    ];
    tx.session().execute(LATE, params).await?;
    Ok(())
}

const STEP: &str = "
    UPDATE paper_trades SET step = $3 WHERE username = $1 AND id = $2 AND NOT is_locked AND step IS DISTINCT FROM $3";

// The feed's row is asked for when the trade's is done: both are in one statement, and in this order.
const STEP_TELL: &str = "
    WITH stepped AS (
        UPDATE paper_trades SET step = $3
         WHERE username = $1 AND id = $2 AND NOT is_locked AND step IS DISTINCT FROM $3 RETURNING 1),
    head AS (
        INSERT INTO user_heads (username, change_seq)
        SELECT $1, 1 FROM (SELECT count(*) FROM stepped) AS done
        ON CONFLICT (username) DO UPDATE SET change_seq = user_heads.change_seq + 1
        RETURNING change_seq),
    feed AS (
        INSERT INTO change_feed (username, seq, entity, entity_id, changed_at)
        SELECT $1, change_seq, 'TRADE', $2, $4 FROM head RETURNING seq)
    SELECT seq, pg_notify('blotter_changes', seq || ' ' || $1)::text AS hint FROM feed";

/// How far the engine has got, for the screens; a trade at its end is left as it is.
///
/// # Errors
/// When the database does not answer.
pub async fn step_put(tx: &UserTx, trade: Uuid, step: Option<&str>) -> Result<(), DbError> {
    tx.session().execute(STEP, &[&tx.user(), &trade, &step]).await?;
    Ok(())
}

/// As [`step_put`], told in the change feed: its lock comes last, because who holds it waits for no trade.
///
/// # Errors
/// When the database does not answer.
pub async fn step_tell(tx: &UserTx, trade: TradeId, step: Option<&str>) -> Result<(), DbError> {
    tx.session().query_one(STEP_TELL, &[&tx.user(), &trade.0, &step, &tx.now()]).await?;
    Ok(())
}

/// As [`step_tell`], after what was found out about a trade that is not at its end, and makes everything last: all of it
/// on one trip. Tells what is new in the change feed since `after`, if that can be told as well.
///
/// # Errors
/// As [`marks_put`]; [`DbError::CommitUnknown`] when the answer was lost; any other when nothing was stored.
pub async fn commit_with_step(
    tx: UserTx,
    trade: TradeId,
    step: Option<&str>,
    marks: Option<&MarksRow>,
    after: Option<i64>,
) -> Result<Option<Feed>, DbError> {
    let (user, now) = (tx.user().to_owned(), tx.now());
    let user = user.as_str();
    let told: (&str, Params<'_>) = (STEP_TELL, &[&user, &trade.0, &step, &now]);
    match marks {
        None => commit_last(tx, &[told], after).await,
        Some(row) => {
            let facts: Params<'_> = &[&user, &row.trade, &row.facts];
            commit_last(tx, &[(MARKS_FACTS, facts), (MARKS, &marks_params(&user, row, &now)), told], after).await
        }
    }
}

async fn commit_last(tx: UserTx, last: &[(&str, Params<'_>)], after: Option<i64>) -> Result<Option<Feed>, DbError> {
    match after {
        Some(after) => commit_and_read(tx, last, after).await,
        None => tx.commit_with(last, &[]).await.map(|_| None),
    }
}

const MARKS_FACTS: &str = "UPDATE trade_facts SET marks = $3 WHERE username = $1 AND trade_id = $2";

/// The engine's own marks of a trade.
///
/// # Errors
/// When the database does not answer.
pub async fn facts_put(tx: &UserTx, trade: Uuid, marks: &Value) -> Result<(), DbError> {
    tx.session().execute(MARKS_FACTS, &[&tx.user(), &trade, &marks]).await?;
    Ok(())
}
