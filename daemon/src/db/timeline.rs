//! What is kept of a trade's story: what was asked, what became of each intent, executions, states,
//! alarms. Each source in its own order; whoever tells the story puts them together.

use blotter_shared::domain::{AlarmKind, IntentOp, IntentRole, IntentState, TradeId};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use super::cells::Cells;
use super::{DbError, UserTx};

/// A line of the audit log about the trade.
#[derive(Clone, Debug)]
pub struct AskedRow {
    pub at: DateTime<Utc>,
    pub action: String,
    pub device: String,
    pub detail: Value,
}

/// A step of an intent.
#[derive(Clone, Debug)]
pub struct IntentEventRow {
    pub at: DateTime<Utc>,
    pub op: IntentOp,
    pub role: IntentRole,
    pub state: IntentState,
    /// What was meant.
    pub params: Value,
    pub data: Value,
}

/// An execution.
#[derive(Clone, Debug)]
pub struct ExecutionRow {
    pub at: DateTime<Utc>,
    pub side: String,
    pub quantity: i32,
    pub price: Option<Decimal>,
    pub order: String,
}

/// A change of the trade's state.
#[derive(Clone, Debug)]
pub struct StateRow {
    pub at: DateTime<Utc>,
    pub kind: String,
    pub data: Value,
}

/// An alarm about the trade.
#[derive(Clone, Debug)]
pub struct AlarmRow {
    pub kind: AlarmKind,
    pub message: String,
    pub raised_at: DateTime<Utc>,
    pub acked: Option<(DateTime<Utc>, String)>,
    pub cleared_at: Option<DateTime<Utc>>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct StoryRows {
    pub asked: Vec<AskedRow>,
    pub intents: Vec<IntentEventRow>,
    pub executions: Vec<ExecutionRow>,
    pub states: Vec<StateRow>,
    pub alarms: Vec<AlarmRow>,
}

const ASKED: &str =
    "SELECT at, action, device, detail FROM audit_log WHERE username = $1 AND subject = $2 ORDER BY seq";

const INTENTS: &str = "
    SELECT e.observed_at, i.op, i.role, e.event, i.params, e.data
      FROM intent_events e JOIN intents i ON i.username = e.username AND i.intent_id = e.intent_id
     WHERE i.username = $1 AND i.trade_id = $2 ORDER BY e.chain_seq";

const EXECUTIONS: &str = "
    SELECT observed_at, side, inc_qty, inc_px, broker_order_id FROM fills
     WHERE username = $1 AND trade_id = $2 ORDER BY observed_at, leg_id, cum_qty";

const STATES: &str = "SELECT at, kind, data FROM trade_events WHERE username = $1 AND trade_id = $2 ORDER BY seq";

const ALARMS: &str = "
    SELECT kind, message, raised_at, acked_at, acked_by, cleared_at FROM alarms
     WHERE username = $1 AND trade_id = $2 ORDER BY raised_at, alarm_id";

/// The story of a trade of this user.
///
/// # Errors
/// When the database does not answer.
pub async fn story_rows(tx: &UserTx, trade: TradeId) -> Result<StoryRows, DbError> {
    Ok(StoryRows {
        asked: asked(tx, trade).await?,
        intents: intents(tx, trade).await?,
        executions: executions(tx, trade).await?,
        states: states(tx, trade).await?,
        alarms: alarms(tx, trade).await?,
    })
}

async fn asked(tx: &UserTx, trade: TradeId) -> Result<Vec<AskedRow>, DbError> {
    let rows = tx.session().query(ASKED, &[&tx.user(), &trade.to_string()]).await?;
    let read = rows.iter().map(|row| {
        let mut cells = Cells::of(row);
        Ok(AskedRow {
            at: cells.next("at")?,
            action: cells.next("action")?,
            device: cells.next("device")?,
            detail: cells.next("detail")?,
        })
    });
    read.collect()
}

async fn intents(tx: &UserTx, trade: TradeId) -> Result<Vec<IntentEventRow>, DbError> {
    let rows = tx.session().query(INTENTS, &[&tx.user(), &trade.0]).await?;
    let read = rows.iter().map(|row| {
        let mut cells = Cells::of(row);
        Ok(IntentEventRow {
            at: cells.next("observed_at")?,
            op: cells.parsed("op", "an operation")?,
            role: cells.parsed("role", "a role")?,
            state: cells.parsed("event", "a state of an intent")?,
            params: cells.next("params")?,
            data: cells.next("data")?,
        })
    });
    read.collect()
}

async fn executions(tx: &UserTx, trade: TradeId) -> Result<Vec<ExecutionRow>, DbError> {
    let rows = tx.session().query(EXECUTIONS, &[&tx.user(), &trade.0]).await?;
    let read = rows.iter().map(|row| {
        let mut cells = Cells::of(row);
        Ok(ExecutionRow {
            at: cells.next("observed_at")?,
            side: cells.next("side")?,
            quantity: cells.next("inc_qty")?,
            price: cells.next("inc_px")?,
            order: cells.next("broker_order_id")?,
        })
    });
    read.collect()
}

async fn states(tx: &UserTx, trade: TradeId) -> Result<Vec<StateRow>, DbError> {
    let rows = tx.session().query(STATES, &[&tx.user(), &trade.0]).await?;
    let read = rows.iter().map(|row| {
        let mut cells = Cells::of(row);
        Ok(StateRow { at: cells.next("at")?, kind: cells.next("kind")?, data: cells.next("data")? })
    });
    read.collect()
}

async fn alarms(tx: &UserTx, trade: TradeId) -> Result<Vec<AlarmRow>, DbError> {
    let rows = tx.session().query(ALARMS, &[&tx.user(), &trade.0]).await?;
    let read = rows.iter().map(|row| {
        let mut cells = Cells::of(row);
        let kind = cells.parsed("kind", "a kind of alarm")?;
        let (message, raised_at) = (cells.next("message")?, cells.next("raised_at")?);
        let at: Option<DateTime<Utc>> = cells.next("acked_at")?;
        let by: Option<String> = cells.next("acked_by")?;
        Ok(AlarmRow { kind, message, raised_at, acked: at.zip(by), cleared_at: cells.next("cleared_at")? })
    });
    read.collect()
}
