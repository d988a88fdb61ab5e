//! Intents, fills, what is known of an account, and the alarms that concern it.

use blotter_shared::domain::AlarmKind;
use chrono::{DateTime, Utc};
use futures_util::{FutureExt, TryFutureExt};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::cells::Cells;
use super::super::session::Params;
use super::super::{DbError, UserTx, both};
use super::AccountKey;
use super::trades::{TradePlace, WISH_IS, wish_is};
use super::whole::{StoredTrade, trade_take, trade_take_ready};

/// An intent as it is written. What it means is written once; the rest each time.
#[derive(Clone, Debug)]
pub struct IntentRow {
    pub id: Uuid,
    pub trade: Uuid,
    pub op: &'static str,
    pub role: &'static str,
    pub attempt: i32,
    pub version: i64,
    pub tag: String,
    pub target: Option<Uuid>,
    pub params: Value,
    pub params_hash: Vec<u8>,
    pub valid_until: DateTime<Utc>,
    pub state: &'static str,
    pub sent_at: Option<DateTime<Utc>>,
    pub send_by: Option<DateTime<Utc>>,
    pub epoch: i64,
    pub order: Option<String>,
    pub executed: i32,
    pub refusal: Option<String>,
    pub late: bool,
    pub facts: Value,
}

/// A step of an execution.
#[derive(Clone, Debug)]
pub struct FillRow {
    pub trade: Uuid,
    pub intent: Uuid,
    pub leg: String,
    pub cumulative: i32,
    pub quantity: i32,
    pub value: Decimal,
    pub price: Decimal,
    pub seen_at: DateTime<Utc>,
}

pub(super) const INTENT_BEFORE: &str =
    "SELECT state, exec_qty FROM intents WHERE username = $1 AND intent_id = $2 FOR UPDATE";

// It begins as PREPARED; the state that is meant is the next step of the same transaction.
const INTENT_NEW: &str = "
    INSERT INTO intents (username, intent_id, trade_id, account_id, option_symbol, op, role, attempt, version, tag,
                         target_intent_id, params, params_hash, valid_until, epoch, arrived_late, created_at,
                         updated_at)
    SELECT $1, $2, id, $4, option_symbol, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16
      FROM paper_trades WHERE username = $1 AND id = $3";

const INTENT_STEP: &str = "
    UPDATE intents SET state = $3, sent_at = $4, send_by = $5, epoch = $6, broker_order_id = $7, exec_qty = $8,
                       reject_reason = $9, arrived_late = $10, facts = $11, updated_at = $12
     WHERE username = $1 AND intent_id = $2";

// Hash, place in the chain and predecessor are the trigger's.
const INTENT_EVENT: &str = "
    INSERT INTO intent_events (username, intent_id, seq, event, data, epoch, observed_at)
    SELECT $1, $2, coalesce(max(seq), 0) + 1, $3, $4, $5, $6
      FROM intent_events WHERE username = $1 AND intent_id = $2";

const FILL: &str = "
    INSERT INTO fills (username, broker_order_id, leg_id, cum_qty, inc_qty, inc_px, inc_value, trade_id, intent_id, side,
                       observed_at)
    SELECT $1, i.broker_order_id, $4, $5, $6, $7, $8, $3, $2, CASE i.role WHEN 'ENTRY' THEN 'BUY' ELSE 'SELL' END, $9
      FROM intents i WHERE i.username = $1 AND i.intent_id = $2
    ON CONFLICT (username, broker_order_id, leg_id, cum_qty) DO NOTHING";

const ACCOUNT_PUT: &str = "
    INSERT INTO account_facts (username, account, facts, updated_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (username, account) DO UPDATE SET facts = EXCLUDED.facts, updated_at = EXCLUDED.updated_at";

/// Writes an intent, new or known, and an event when it moved.
///
/// # Errors
/// [`DbError::Refused`] when a rule of the table says no; [`DbError::NotFound`] when there is no such trade.
pub async fn intent_put(tx: &UserTx, account: &AccountKey, row: &IntentRow) -> Result<(), DbError> {
    let before = before(tx, row).await?;
    tx.session().ready(WRITES).await?;
    write(tx, account, row, before).await
}

/// As [`intent_put`], with what was executed of it and its trade, kept for this transaction and read after that: all of it
/// on the trip of the write.
///
/// # Errors
/// As [`intent_put`] and [`trade_take`].
pub async fn intent_reported(
    tx: &UserTx,
    account: &AccountKey,
    row: &IntentRow,
    fills: &[FillRow],
) -> Result<(TradePlace, Option<StoredTrade>), DbError> {
    let before = before(tx, row).await?;
    tx.session().ready(WRITES).await?;
    trade_take_ready(tx).await?;
    let written = write(tx, account, row, before).boxed();
    let written = fills.iter().fold(written, |written, fill| both(written, fill_put(tx, fill)).map_ok(drop).boxed());
    let (_, taken) = both(written, trade_take(tx, row.trade)).await?;
    Ok(taken)
}

/// As [`intent_put`], if the wish is still the one with this stamp; `false`, and nothing is written, when it is not.
///
/// # Errors
/// As [`intent_put`].
pub async fn intent_gate(
    tx: &UserTx,
    account: &AccountKey,
    row: &IntentRow,
    (version, desired): (i64, &str),
) -> Result<bool, DbError> {
    // The trade before the intent, as everybody locks them.
    tx.session().ready(&[WISH_IS, INTENT_BEFORE]).await?;
    let (is_wanted, before) = both(wish_is(tx, row.trade, version, desired), before(tx, row)).await?;
    if is_wanted {
        tx.session().ready(WRITES).await?;
        write(tx, account, row, before).await?;
    }
    Ok(is_wanted)
}

/// What is durable of an intent.
struct Before {
    state: String,
    executed: i32,
}

async fn before(tx: &UserTx, row: &IntentRow) -> Result<Option<Before>, DbError> {
    let before = tx.session().query_opt(INTENT_BEFORE, &[&tx.user(), &row.id]).await?;
    before.map(|row| Ok(Before { state: row.try_get("state")?, executed: row.try_get("exec_qty")? })).transpose()
}

/// What `write` and a fill after it say: prepared before they go out.
const WRITES: &[&str] = &[INTENT_NEW, INTENT_STEP, INTENT_EVENT, FILL];

async fn write(tx: &UserTx, account: &AccountKey, row: &IntentRow, before: Option<Before>) -> Result<(), DbError> {
    let session = tx.session();
    let moved = before.as_ref().is_none_or(|was| was.state != row.state || was.executed != row.executed);
    let begun = async { if before.is_none() { begin(tx, account, row).await } else { Ok(()) } };
    let told = async {
        if !moved {
            return Ok(());
        }
        let data = json!({ "order": row.order, "executed": row.executed, "refusal": row.refusal, "tag": row.tag });
        let params: Params<'_> = &[&tx.user(), &row.id, &row.state, &data, &row.epoch, &tx.now()];
        session.execute(INTENT_EVENT, params).await.map(|_| ())
    };
    both(begun, both(step(tx, row), told)).await?;
    Ok(())
}

async fn begin(tx: &UserTx, account: &AccountKey, row: &IntentRow) -> Result<(), DbError> {
    let params: Params<'_> = &[
        &tx.user(),
        &row.id,
        &row.trade,
        &account.number,
        &row.op,
        &row.role,
        &row.attempt,
        &row.version,
        &row.tag,
        &row.target,
        &row.params,
        &row.params_hash,
        &row.valid_until,
        &row.epoch,
        &row.late,
        &tx.now(),
    ];
    if tx.session().execute(INTENT_NEW, params).await? == 1 { Ok(()) } else { Err(DbError::NotFound) }
}

async fn step(tx: &UserTx, row: &IntentRow) -> Result<(), DbError> {
    let params: Params<'_> = &[
        &tx.user(),
        &row.id,
        &row.state,
        &row.sent_at,
        &row.send_by,
        &row.epoch,
        &row.order,
        &row.executed,
        &row.refusal,
        &row.late,
        &row.facts,
        &tx.now(),
    ];
    tx.session().execute(INTENT_STEP, params).await.map(|_| ())
}

/// Books a fill; writing it twice writes it once.
///
/// # Errors
/// [`DbError::Refused`] when a rule of the table says no.
pub async fn fill_put(tx: &UserTx, row: &FillRow) -> Result<(), DbError> {
    let params: Params<'_> = &[
        &tx.user(),
        &row.intent,
        &row.trade,
        &row.leg,
        &row.cumulative,
        &row.quantity,
        &row.price,
        &row.value,
        &row.seen_at,
    ];
    tx.session().execute(FILL, params).await?;
    Ok(())
}

/// What is known of the account; none before the first pass.
///
/// # Errors
/// When the database does not answer.
pub async fn account_facts(tx: &UserTx, account: &AccountKey) -> Result<Option<Value>, DbError> {
    let sql = "SELECT facts FROM account_facts WHERE username = $1 AND account = $2";
    let row = tx.session().query_opt(sql, &[&tx.user(), &account.name()]).await?;
    row.map(|row| Cells::of(&row).next("facts")).transpose()
}

/// Notes what is known of the account.
///
/// # Errors
/// When the database does not answer.
pub async fn account_facts_put(tx: &UserTx, account: &AccountKey, facts: &Value) -> Result<(), DbError> {
    tx.session().execute(ACCOUNT_PUT, &[&tx.user(), &account.name(), &facts, &tx.now()]).await?;
    Ok(())
}

/// One open alarm about a trade or this account.
#[derive(Clone, Debug)]
pub struct OpenAlarm {
    pub kind: AlarmKind,
    pub trade: Option<Uuid>,
    pub message: String,
    pub raised_at: DateTime<Utc>,
    pub acked_at: Option<DateTime<Utc>>,
}

/// The open alarms about the user's trades, of whatever account, and about this account.
///
/// # Errors
/// When the database does not answer.
pub async fn open_alarms(tx: &UserTx, account: &AccountKey) -> Result<Vec<OpenAlarm>, DbError> {
    let sql = "SELECT kind, trade_id, message, raised_at, acked_at FROM alarms
                WHERE username = $1 AND cleared_at IS NULL AND (trade_id IS NOT NULL OR subject = $2)";
    let rows = tx.session().query(sql, &[&tx.user(), &account.name()]).await?;
    let alarms = rows.iter().map(|row| {
        let mut cells = Cells::of(row);
        Ok(OpenAlarm {
            kind: cells.parsed("kind", "a kind of alarm")?,
            trade: cells.next("trade_id")?,
            message: cells.next("message")?,
            raised_at: cells.next("raised_at")?,
            acked_at: cells.next("acked_at")?,
        })
    });
    alarms.collect()
}
