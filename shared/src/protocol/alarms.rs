//! `GET /v1/alarms`.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{AlarmId, AlarmKind, Severity, TradeId, TradeNumber};

/// An alarm that is open, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alarm {
    pub id: AlarmId,
    pub kind: AlarmKind,
    pub severity: Severity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trade_id: Option<TradeId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trade_number: Option<TradeNumber>,
    /// What is the matter and what to do, as a sentence for people.
    pub message: String,
    pub raised_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acked_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared_at: Option<DateTime<Utc>>,
}

/// `GET /v1/alarms`: the open ones, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlarmList {
    pub items: Vec<Alarm>,
}
