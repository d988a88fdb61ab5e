//! A user's settings.

use blotter_shared::domain::Cash;
use blotter_shared::protocol::settings::{Settings, SettingsUpdate, StoredTokens};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio_postgres::Row;

use super::audit::{AuditEntry, audit_append};
use super::cells::Cells;
use super::changes::{Changed, change_append};
use super::{DbError, SystemTx, UserTx};
use crate::auth::Username;

pub(super) const ENSURE: &str = "
    INSERT INTO user_settings (username, created_date, updated_date) VALUES ($1, $2, $2)
    ON CONFLICT (username) DO NOTHING";

const READ: &str = "
    SELECT version, broker_mode, account_balance, max_positions, daily_loss_limit, heat_limit_pct, trade_risk_pct,
           cooldown_losses, cooldown_min, entries_stopped, auto_refresh,
           tradier_sim_token IS NOT NULL AS has_sim, tradier_sandbox_token IS NOT NULL AS has_sandbox,
           tradier_live_token IS NOT NULL AS has_live, orats_token IS NOT NULL AS has_orats, tradier_sim_account_id,
           tradier_sandbox_account_id, tradier_live_account_id, updated_date
      FROM user_settings WHERE username = $1";

const LOCK: &str = "SELECT version FROM user_settings WHERE username = $1 FOR UPDATE";

const UPDATE: &str = "
    UPDATE user_settings
       SET version = version + 1, updated_date = $2, broker_mode = coalesce($3, broker_mode),
           account_balance = coalesce($4, account_balance), max_positions = coalesce($5, max_positions),
           daily_loss_limit = coalesce($6, daily_loss_limit), heat_limit_pct = coalesce($7, heat_limit_pct),
           auto_refresh = coalesce($8, auto_refresh), trade_risk_pct = coalesce($9, trade_risk_pct),
           cooldown_losses = coalesce($10, cooldown_losses), cooldown_min = coalesce($11, cooldown_min)
     WHERE username = $1";

/// Everybody who has settings, in a fixed order.
///
/// # Errors
/// When the database does not answer.
pub async fn settings_users(tx: &SystemTx) -> Result<Vec<Username>, DbError> {
    let rows = tx.session().query("SELECT username FROM user_settings ORDER BY username", &[]).await?;
    rows.iter().map(|row| Cells::of(row).parsed("username", "a user name")).collect()
}

/// The user's settings; the first look creates them from the defaults.
///
/// # Errors
/// When the database does not answer.
pub async fn settings_get(tx: &UserTx) -> Result<Settings, DbError> {
    let session = tx.session();
    if let Some(row) = session.query_opt(READ, &[&tx.user()]).await? {
        return settings_of(&row);
    }
    session.execute(ENSURE, &[&tx.user(), &tx.now()]).await?;
    settings_of(&session.query_one(READ, &[&tx.user()]).await?)
}

/// Changes what `update` names, if the version is still the one it names; writes the change feed
/// and the audit log. The values must have been validated ([`SettingsUpdate::validate`]).
///
/// # Errors
/// [`DbError::Conflict`] when the version has moved on.
pub async fn settings_update(tx: &UserTx, update: &SettingsUpdate, device: &str) -> Result<Settings, DbError> {
    let session = tx.session();
    session.execute(ENSURE, &[&tx.user(), &tx.now()]).await?;
    let remote: i64 = session.query_one(LOCK, &[&tx.user()]).await?.try_get("version")?;
    if remote != update.version {
        return Err(DbError::Conflict { local: update.version, remote });
    }
    let before = settings_get(tx).await?;
    let mode = update.broker_mode.map(blotter_shared::domain::BrokerMode::as_str);
    let balance: Option<Decimal> = update.account_balance.map(|cash| cash.0);
    let loss: Option<Decimal> = update.daily_loss_limit.map(|cash| cash.0);
    let user = tx.user();
    let now = tx.now();
    let params: super::session::Params<'_> = &[
        &user,
        &now,
        &mode,
        &balance,
        &update.max_positions,
        &loss,
        &update.heat_limit_pct,
        &update.auto_refresh,
        &update.trade_risk_pct,
        &update.cooldown_losses,
        &update.cooldown_min,
    ];
    session.execute(UPDATE, params).await?;
    let after = settings_get(tx).await?;
    change_append(tx, Changed::Settings).await?;
    // Settings hold no secret: tokens are shown as present or absent.
    let detail = json!({ "before": before, "after": after });
    audit_append(tx, &AuditEntry { action: "settings.update", subject: "settings", device, detail }).await?;
    Ok(after)
}

/// What was in force when limits were last changed, and in which trading day.
///
/// # Errors
/// When the database does not answer.
pub async fn limits_before(tx: &UserTx) -> Result<Option<(Value, NaiveDate)>, DbError> {
    let sql = "SELECT limits_before, limits_day FROM user_settings WHERE username = $1 AND limits_day IS NOT NULL";
    let row = tx.session().query_opt(sql, &[&tx.user()]).await?;
    row.map(|row| {
        let mut cells = Cells::of(&row);
        Ok((cells.next("limits_before")?, cells.next("limits_day")?))
    })
    .transpose()
}

/// Notes what was in force before limits are changed.
///
/// # Errors
/// When the database does not answer.
pub async fn limits_before_put(tx: &UserTx, before: &Value, day: NaiveDate) -> Result<(), DbError> {
    let sql = "UPDATE user_settings SET limits_before = $2, limits_day = $3 WHERE username = $1";
    tx.session().execute(sql, &[&tx.user(), &before, &day]).await?;
    Ok(())
}

/// Stops entries, or lets them go on.
///
/// # Errors
/// When the database does not answer.
pub async fn kill_switch(tx: &UserTx, stopped: bool, device: &str) -> Result<Settings, DbError> {
    settings_get(tx).await?;
    let sql = "UPDATE user_settings SET entries_stopped = $2, version = version + 1, updated_date = $3
                WHERE username = $1 AND entries_stopped <> $2";
    let changed = tx.session().execute(sql, &[&tx.user(), &stopped, &tx.now()]).await?;
    if changed > 0 {
        change_append(tx, Changed::Settings).await?;
        let detail = json!({ "stopped": stopped });
        audit_append(tx, &AuditEntry { action: "entries.stop", subject: "settings", device, detail }).await?;
    }
    settings_get(tx).await
}

/// Whether this user has stopped entries.
///
/// # Errors
/// When the database does not answer.
pub async fn entries_stopped(tx: &UserTx) -> Result<bool, DbError> {
    let sql = "SELECT entries_stopped FROM user_settings WHERE username = $1";
    let row = tx.session().query_opt(sql, &[&tx.user()]).await?;
    Ok(row.map(|row| row.try_get("entries_stopped")).transpose()?.unwrap_or(false))
}

fn settings_of(row: &Row) -> Result<Settings, DbError> {
    let mut cells = Cells::of(row);
    Ok(Settings {
        version: cells.next("version")?,
        broker_mode: cells.parsed("broker_mode", "a broker mode")?,
        account_balance: Cash(cells.next("account_balance")?),
        max_positions: cells.next("max_positions")?,
        daily_loss_limit: Cash(cells.next("daily_loss_limit")?),
        heat_limit_pct: cells.next("heat_limit_pct")?,
        trade_risk_pct: cells.next("trade_risk_pct")?,
        cooldown_losses: cells.next("cooldown_losses")?,
        cooldown_min: cells.next("cooldown_min")?,
        entries_stopped: cells.next("entries_stopped")?,
        auto_refresh: cells.next("auto_refresh")?,
        tokens: StoredTokens {
            sim: cells.next("has_sim")?,
            sandbox: cells.next("has_sandbox")?,
            live: cells.next("has_live")?,
            orats: cells.next("has_orats")?,
        },
        sim_account_id: cells.next("tradier_sim_account_id")?,
        sandbox_account_id: cells.next("tradier_sandbox_account_id")?,
        live_account_id: cells.next("tradier_live_account_id")?,
        updated_at: cells.next("updated_date")?,
    })
}
