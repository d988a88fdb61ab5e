//! `GET /v1/trades/{id}/context`: what was known when a trade was entered, and how far its price went.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::TradeId;

/// What is kept beside a trade. What could not be had is null; inside of the documents a reason stands
/// beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TradeContext {
    pub trade_id: TradeId,
    /// What whoever asked for the trade said of it.
    pub card_score: Option<Decimal>,
    pub ai_score: Option<Decimal>,
    pub ai_verdict: Option<String>,
    pub gate_verdict: Option<String>,
    pub technical_score: Option<Decimal>,
    pub sentiment_score: Option<Decimal>,
    pub mid_at_submit: Option<Decimal>,
    /// The stop that it began with: between it and the entry lies the risk that multiples are of.
    #[serde(default)]
    pub initial_stop: Option<Decimal>,
    pub delta: Option<Decimal>,
    pub gamma: Option<Decimal>,
    pub theta: Option<Decimal>,
    pub vega: Option<Decimal>,
    pub iv: Option<Decimal>,
    /// Indicators of the underlying, by time frame.
    pub signals: Option<Value>,
    pub regime: Option<Value>,
    pub order_book: Option<Value>,
    pub ai_reasoning: Option<Value>,
    /// The furthest that the mark was from the entry while the position was open, in percent of the entry:
    /// for (zero or above) and against (zero or below).
    pub max_gain_pct: Option<Decimal>,
    pub max_drawdown_pct: Option<Decimal>,
    /// The same as the nightly look at every recorded price has found it.
    pub mfe_pct: Option<Decimal>,
    pub mae_pct: Option<Decimal>,
    /// Percent of the time held that a recorded price covers.
    pub coverage_pct: Option<Decimal>,
    pub forensic_at: Option<DateTime<Utc>>,
}
