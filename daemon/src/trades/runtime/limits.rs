//! The limits that count now. What is tighter counts as soon as it is saved; what is looser counts
//! from the next trading day on, so that nobody loosens them in the heat of a loss.

use blotter_shared::domain::Cash;
use blotter_shared::protocol::settings::Settings;
use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::super::risk::{self, Limits};
use super::standing::day_of;
use crate::db::settings::{limits_before, limits_before_put};
use crate::db::{DbError, UserTx};

/// Limits as they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    max_positions: u32,
    daily_loss: Cash,
    heat_pct: Decimal,
    trade_risk_pct: Decimal,
    cooldown_losses: u32,
    cooldown_min: i64,
}

impl From<Limits> for Kept {
    fn from(limits: Limits) -> Self {
        let Limits { max_positions, daily_loss, heat_pct, trade_risk_pct, cooldown_losses, cooldown } = limits;
        let cooldown_min = cooldown.num_minutes();
        Self { max_positions, daily_loss, heat_pct, trade_risk_pct, cooldown_losses, cooldown_min }
    }
}

impl From<Kept> for Limits {
    fn from(kept: Kept) -> Self {
        let Kept { max_positions, daily_loss, heat_pct, trade_risk_pct, cooldown_losses, cooldown_min } = kept;
        let cooldown = TimeDelta::try_minutes(cooldown_min).unwrap_or_default();
        Self { max_positions, daily_loss, heat_pct, trade_risk_pct, cooldown_losses, cooldown }
    }
}

/// What the settings say.
fn wanted(settings: &Settings) -> Limits {
    let count = |value: i32| u32::try_from(value).unwrap_or_default();
    Limits {
        max_positions: count(settings.max_positions),
        daily_loss: settings.daily_loss_limit,
        heat_pct: settings.heat_limit_pct,
        trade_risk_pct: settings.trade_risk_pct,
        cooldown_losses: count(settings.cooldown_losses),
        cooldown: TimeDelta::try_minutes(i64::from(settings.cooldown_min)).unwrap_or_default(),
    }
}

/// The limits that count at `now`.
///
/// # Errors
/// When the database does not answer.
pub async fn in_force(tx: &UserTx, settings: &Settings, now: DateTime<Utc>) -> Result<Limits, DbError> {
    let wanted = wanted(settings);
    let Some((before, day)) = limits_before(tx).await? else { return Ok(wanted) };
    let kept: Kept = serde_json::from_value(before)
        .map_err(|_| DbError::Unreadable { column: "limits_before".to_owned(), expected: "limits" })?;
    Ok(risk::in_force(&kept.into(), &wanted, day, day_of(now)))
}

/// Notes what counts now, before it is changed.
///
/// # Errors
/// When the database does not answer.
pub async fn remember(tx: &UserTx, settings: &Settings, now: DateTime<Utc>) -> Result<(), DbError> {
    let kept = Kept::from(in_force(tx, settings, now).await?);
    let kept = serde_json::to_value(kept);
    let kept = kept.map_err(|error| DbError::Internal { message: error.to_string(), source: None })?;
    limits_before_put(tx, &kept, day_of(now)).await
}
