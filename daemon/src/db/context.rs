//! What the market was like at an entry: written once, and shown beside the trade.

use blotter_shared::domain::{BrokerMode, OptionContract, TradeId};
use blotter_shared::protocol::context::TradeContext;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio_postgres::Row;

use super::cells::{Cells, unreadable};
use super::{DbError, UserTx};

/// A trade whose context is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    pub id: TradeId,
    pub mode: BrokerMode,
    pub ticker: String,
    pub symbol: String,
    pub contract: OptionContract,
    pub at: DateTime<Utc>,
}

/// What is stored of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextRow {
    pub trade: TradeId,
    pub signals: Value,
    pub regime: Value,
    pub order_book: Value,
    pub delta: Option<Decimal>,
    pub gamma: Option<Decimal>,
    pub theta: Option<Decimal>,
    pub vega: Option<Decimal>,
    pub iv: Option<Decimal>,
}

const ENTERED: &str = "
    SELECT id, broker_mode, ticker, option_symbol, created_at FROM paper_trades
     WHERE username = $1 AND status IN ('PENDING', 'OPEN', 'PARTIAL', 'FILLED', 'CLOSING') AND signals_snapshot IS NULL
       AND market_regime IS NULL AND order_book_state IS NULL
     ORDER BY number LIMIT 20";

const PUT: &str = "
    UPDATE paper_trades
       SET signals_snapshot = $3, market_regime = $4, order_book_state = $5, delta_at_entry = $6, gamma_at_entry = $7,
           theta_at_entry = $8, vega_at_entry = $9, iv_at_entry = $10
     WHERE username = $1 AND id = $2 AND NOT is_locked AND signals_snapshot IS NULL AND market_regime IS NULL
       AND order_book_state IS NULL AND delta_at_entry IS NULL";

/// Open trades without a context, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn entered(tx: &UserTx) -> Result<Vec<Entered>, DbError> {
    tx.session().query(ENTERED, &[&tx.user()]).await?.iter().map(entered_of).collect()
}

/// Stores a context; false when there is one, or the trade is over.
///
/// # Errors
/// When the database does not answer.
pub async fn context_put(tx: &UserTx, row: &ContextRow) -> Result<bool, DbError> {
    let params: super::session::Params<'_> = &[
        &tx.user(),
        &row.trade.0,
        &row.signals,
        &row.regime,
        &row.order_book,
        &row.delta,
        &row.gamma,
        &row.theta,
        &row.vega,
        &row.iv,
    ];
    Ok(tx.session().execute(PUT, params).await? == 1)
}

const SHOW: &str = "
    SELECT card_score, ai_score, ai_verdict, gate_verdict, technical_score, sentiment_score, mid_at_submit, initial_sl,
           delta_at_entry, gamma_at_entry, theta_at_entry, vega_at_entry, iv_at_entry, signals_snapshot, market_regime, order_book_state,
           ai_reasoning_log, max_gain, max_drawdown, target_mfe_pct, target_mae_pct, target_coverage_pct, forensic_at
      FROM paper_trades WHERE username = $1 AND id = $2";

/// What is kept beside a trade; another user's is not found.
///
/// # Errors
/// When there is none, or the database does not answer.
pub async fn context_get(tx: &UserTx, id: TradeId) -> Result<TradeContext, DbError> {
    let row = tx.session().query_opt(SHOW, &[&tx.user(), &id.0]).await?.ok_or(DbError::NotFound)?;
    let mut cells = Cells::of(&row);
    Ok(TradeContext {
        trade_id: id,
        card_score: cells.next("card_score")?,
        ai_score: cells.next("ai_score")?,
        ai_verdict: cells.next("ai_verdict")?,
        gate_verdict: cells.next("gate_verdict")?,
        technical_score: cells.next("technical_score")?,
        sentiment_score: cells.next("sentiment_score")?,
        mid_at_submit: cells.next("mid_at_submit")?,
        initial_stop: cells.next("initial_sl")?,
        delta: cells.next("delta_at_entry")?,
        gamma: cells.next("gamma_at_entry")?,
        theta: cells.next("theta_at_entry")?,
        vega: cells.next("vega_at_entry")?,
        iv: cells.next("iv_at_entry")?,
        signals: cells.next("signals_snapshot")?,
        regime: cells.next("market_regime")?,
        order_book: cells.next("order_book_state")?,
        ai_reasoning: cells.next("ai_reasoning_log")?,
        max_gain_pct: cells.next("max_gain")?,
        max_drawdown_pct: cells.next("max_drawdown")?,
        mfe_pct: cells.next("target_mfe_pct")?,
        mae_pct: cells.next("target_mae_pct")?,
        coverage_pct: cells.next("target_coverage_pct")?,
        forensic_at: cells.next("forensic_at")?,
    })
}

fn entered_of(row: &Row) -> Result<Entered, DbError> {
    let mut cells = Cells::of(row);
    let id = TradeId(cells.next("id")?);
    let mode = cells.parsed("broker_mode", "a broker mode")?;
    let ticker = cells.next("ticker")?;
    let symbol: String = cells.next("option_symbol")?;
    let contract = symbol.parse().map_err(|_| unreadable("option_symbol", "an OCC symbol"))?;
    Ok(Entered { id, mode, ticker, symbol, contract, at: cells.next("created_at")? })
}
