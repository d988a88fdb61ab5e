//! `GET /v1/settings` and `PUT /v1/settings`.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{BrokerMode, Cash};
use crate::protocol::problem::FieldError;

/// A user's settings. Tokens are never shown: only whether there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// Grows with each change; an update names the version that it changes.
    pub version: i64,
    /// Where new entries go.
    pub broker_mode: BrokerMode,
    /// The balance that risk is measured against when the broker does not say.
    pub account_balance: Cash,
    pub max_positions: i32,
    /// Loss of one day after which no entry is accepted.
    pub daily_loss_limit: Cash,
    /// Risk of all open positions together, in percent of equity.
    pub heat_limit_pct: Decimal,
    /// Risk of one trade, in percent of equity.
    pub trade_risk_pct: Decimal,
    /// After so many losses in a row nothing is opened for `cooldown_min`; 0: never mind.
    pub cooldown_losses: i32,
    pub cooldown_min: i32,
    /// The kill switch is set: no entries. Exits are left alone.
    pub entries_stopped: bool,
    pub auto_refresh: bool,
    /// Which secrets are stored.
    pub tokens: StoredTokens,
    #[serde(default)]
    pub sim_account_id: Option<String>,
    pub sandbox_account_id: Option<String>,
    pub live_account_id: Option<String>,
    pub updated_at: DateTime<Utc>,
}

/// Whether a token is stored, per world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoredTokens {
    #[serde(default)]
    pub sim: bool,
    pub sandbox: bool,
    pub live: bool,
    pub orats: bool,
}

/// `PUT /v1/settings`: what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsUpdate {
    /// The version that this changes.
    pub version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_mode: Option<BrokerMode>,
    /// The number of the live account as the person typed it: needed to go to LIVE, ignored otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed_live_account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_balance: Option<Cash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_positions: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_loss_limit: Option<Cash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heat_limit_pct: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trade_risk_pct: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_losses: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_min: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_refresh: Option<bool>,
}

/// `PUT /v1/kill-switch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KillSwitch {
    /// Whether entries are stopped from now on.
    pub stopped: bool,
}

impl SettingsUpdate {
    /// Whether it changes a risk limit: what is tighter counts at once, what is looser from the next
    /// trading day on.
    #[must_use]
    pub fn changes_limits(&self) -> bool {
        let counts = [self.max_positions, self.cooldown_losses, self.cooldown_min];
        let percents = [self.heat_limit_pct, self.trade_risk_pct];
        self.daily_loss_limit.is_some() || counts.iter().any(Option::is_some) || percents.iter().any(Option::is_some)
    }

    /// Checks every field against its bound. The database has the same bounds as CHECKs.
    ///
    /// # Errors
    /// One entry for each field that is out of bounds.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let money_max = Decimal::from(1_000_000_000);
        let mut errors = Vec::new();
        let mut check = |field: &str, value: Option<Decimal>, low: Decimal, high: Decimal, scale: u32| {
            let Some(value) = value else { return };
            let rule = if value < low || value > high {
                format!("between {low} and {high}")
            } else if value.normalize().scale() > scale {
                format!("at most {scale} decimals")
            } else {
                return;
            };
            errors.push(FieldError { field: field.to_owned(), value: Some(value.to_string()), rule });
        };
        check("account_balance", self.account_balance.map(|cash| cash.0), Decimal::ZERO, money_max, 2);
        check("max_positions", self.max_positions.map(Decimal::from), Decimal::ZERO, 10_000.into(), 0);
        check("daily_loss_limit", self.daily_loss_limit.map(|cash| cash.0), Decimal::ZERO, money_max, 2);
        check("heat_limit_pct", self.heat_limit_pct, Decimal::ZERO, 100.into(), 2);
        check("trade_risk_pct", self.trade_risk_pct, Decimal::ZERO, 100.into(), 2);
        check("cooldown_losses", self.cooldown_losses.map(Decimal::from), Decimal::ZERO, 100.into(), 0);
        check("cooldown_min", self.cooldown_min.map(Decimal::from), Decimal::ZERO, 1440.into(), 0);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_field_is_named_at_once() {
        let update = SettingsUpdate {
            version: 1,
            account_balance: Some(Cash(Decimal::from(-1))),
            max_positions: Some(10_001),
            heat_limit_pct: Some(Decimal::new(6_123, 3)),
            ..SettingsUpdate::default()
        };
        let errors = update.validate().unwrap_err();
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["account_balance", "max_positions", "heat_limit_pct"]);
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let error = serde_json::from_str::<SettingsUpdate>(r#"{"version":1,"max_position":3}"#).unwrap_err();
        assert!(error.to_string().contains("max_position"), "{error}");
    }
}
