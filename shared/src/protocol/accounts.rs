//! `GET /v1/accounts`, `PUT /v1/tokens` and `DELETE /v1/tokens/{which}`.

use std::fmt;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::values::words;
use crate::domain::{BrokerMode, Cash};

words! {
    /// How an account at the broker is.
    AccountState {
        Ok = "ok",
        /// Nothing was asked yet.
        NotTried = "not_tried",
        /// The token is not accepted: set another.
        Reauthenticate = "reauthenticate",
        /// The token is good and the broker does not let it act.
        Blocked = "blocked",
        /// The broker does not answer.
        Unavailable = "unavailable",
        /// Too many requests; it goes on by itself at `until`.
        RateLimited = "rate_limited",
        /// The daemon cannot use the stored token; `detail` says why.
        NotOpened = "not_opened",
    }
}

/// One account of the user, in one world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountReport {
    pub mode: BrokerMode,
    pub account_id: Option<String>,
    pub state: AccountState,
    /// Whether orders may be sent.
    pub may_send: bool,
    /// What it is worth, as the broker last said: risk limits are in percent of it. Null until it was said; then they
    /// are of `account_balance`.
    #[serde(default)]
    pub equity: Option<Cash>,
    /// The sentence for the screen: what is wrong, or that this is a drill; none when there is nothing to be known.
    pub detail: Option<String>,
    /// What was seen, in few words, without the times that `since` and `until` tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the trouble began.
    pub since: Option<DateTime<Utc>>,
    /// When it ends by itself.
    pub until: Option<DateTime<Utc>>,
}

/// `GET /v1/accounts`: the accounts for which a token is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountList {
    pub accounts: Vec<AccountReport>,
}

words! {
    /// What a token opens: an account at the broker in one world, or ORATS' prices.
    TokenKind {
        Sim = "SIM",
        Sandbox = "SANDBOX",
        Live = "LIVE",
        Orats = "ORATS",
    }
}

impl TokenKind {
    /// The world of the broker; none for ORATS.
    #[must_use]
    pub fn mode(self) -> Option<BrokerMode> {
        match self {
            Self::Sim => Some(BrokerMode::Sim),
            Self::Sandbox => Some(BrokerMode::Sandbox),
            Self::Live => Some(BrokerMode::Live),
            Self::Orats => None,
        }
    }
}

impl From<BrokerMode> for TokenKind {
    fn from(mode: BrokerMode) -> Self {
        match mode {
            BrokerMode::Sim => Self::Sim,
            BrokerMode::Sandbox => Self::Sandbox,
            BrokerMode::Live => Self::Live,
        }
    }
}

/// A token on its way to the daemon. It shows itself to no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TokenText(pub String);

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

/// `PUT /v1/tokens`: stores a token once the broker, or ORATS, has accepted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenUpdate {
    pub mode: TokenKind,
    pub token: TokenText,
    /// Which of its accounts; needed when it opens more than one. ORATS has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_and_not_shown() {
        let update: TokenUpdate = serde_json::from_str(r#"{"mode":"SANDBOX","token":"hunter2"}"#).unwrap();
        assert_eq!(update.token.0, "hunter2");
        assert!(!format!("{update:?}").contains("hunter2"));
    }
}
