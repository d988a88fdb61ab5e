//! `GET /v1/health` and `GET /v1/version`.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::values::words;

words! {
    /// How one part of the daemon is.
    ComponentState {
        Ok = "ok",
        /// Coming up for the first time.
        Starting = "starting",
        /// Works, but something needs attention; `detail` says what.
        Degraded = "degraded",
        /// Does not answer; it is being retried.
        Unavailable = "unavailable",
        /// Not set up: nothing is wrong.
        NotConfigured = "not_configured",
    }
}

/// One part of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Component {
    pub state: ComponentState,
    /// When it got into this state.
    pub since: DateTime<Utc>,
    /// When it was last seen to be in this state.
    pub checked_at: DateTime<Utc>,
    /// Seconds since `checked_at`, by the daemon's clock.
    pub age_s: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Seconds until the next try, when it is being retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_s: Option<u64>,
}

words! {
    /// What the broker counts apart.
    RateBucket {
        /// Balances, positions and lists of orders.
        Accounts = "accounts",
        /// Prices.
        MarketData = "market_data",
        /// Whatever places, changes or cancels an order.
        Trading = "trading",
    }
}

words! {
    /// What a call to the broker is for, the most urgent first.
    CallPriority {
        Emergency = "emergency",
        Cancel = "cancel",
        Close = "close",
        Bracket = "bracket",
        Entry = "entry",
        Read = "read",
    }
}

/// Calls that may still be made in the present minute for one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Room {
    pub priority: CallPriority,
    pub calls: u32,
}

/// How full one of the broker's rate limits is, over all tokens: the fullest one decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BucketRate {
    pub bucket: RateBucket,
    /// Tokens that are in use.
    pub tokens: u32,
    /// Most calls in a minute.
    pub limit: u32,
    pub used: u32,
    /// Calls that wait for room.
    pub waiting: u32,
    /// The broker refused for the rate: nothing is called before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<DateTime<Utc>>,
    /// What is left, by urgency: each has a share that the less urgent cannot use.
    pub room: Vec<Room>,
}

/// `GET /v1/health`: answered whatever is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// The worst of the parts that are set up.
    pub status: ComponentState,
    pub version: String,
    pub now: DateTime<Utc>,
    pub started_at: DateTime<Utc>,
    pub database: Component,
    pub broker: Component,
    pub scheduler: Component,
    /// The accounts' event streams. They only make the daemon look sooner: without them it polls, so
    /// they never change `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_events: Option<Component>,
    /// The broker's rate limits; empty while no token is in use.
    #[serde(default)]
    pub rates: Vec<BucketRate>,
}

/// `GET /v1/version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    pub daemon: String,
    pub protocol: u32,
    /// Newest migration that this build knows.
    pub schema: i32,
    /// The user the daemon takes this connection for.
    pub username: String,
}
