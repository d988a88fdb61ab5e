//! `GET /v1/sync-status` and `POST /v1/sync`: what a device has seen, against what there is.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::TradeId;

/// Query of `GET /v1/sync-status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncQuery {
    /// The change-feed sequence that the device holds; 0 when it holds nothing.
    pub version: i64,
    /// The device; by default the `Blotter-Device` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// `POST /v1/sync`: the device says what it holds and asks for the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncRequest {
    /// The change-feed sequence that the device holds.
    pub version: i64,
    /// Trades on which the device holds unsent work, with the version it is based on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HeldVersion>,
}

/// A trade as a device holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldVersion {
    pub trade_id: TradeId,
    pub version: i64,
}

/// The answer to both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncStatus {
    /// There are changes that the device has not seen.
    pub needs_sync: bool,
    /// Something the device holds unsent work on has moved on.
    pub has_conflicts: bool,
    /// The user's newest change-feed sequence.
    pub server_version: i64,
    /// When a device of this user last synced, and which.
    pub last_sync_at: Option<DateTime<Utc>>,
    pub last_sync_device: Option<String>,
}
