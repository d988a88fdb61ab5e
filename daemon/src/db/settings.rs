//! A user's settings.

use blotter_shared::domain::Cash;
use blotter_shared::protocol::settings::{Settings, SettingsUpdate, StoredTokens};
use rust_decimal::Decimal;
use serde_json::json;
use tokio_postgres::Row;

use super::audit::{AuditEntry, audit_append};
use super::cells::Cells;
use super::changes::{Changed, change_append};
use super::{DbError, UserTx};

const ENSURE: &str = "
    INSERT INTO user_settings (username, created_date, updated_date) VALUES ($1, $2, $2)
    ON CONFLICT (username) DO NOTHING";

const READ: &str = "
    SELECT version, broker_mode, account_balance, max_positions, daily_loss_limit, heat_limit_pct, auto_refresh,
           tradier_sandbox_token IS NOT NULL AS has_sandbox, tradier_live_token IS NOT NULL AS has_live,
           orats_token IS NOT NULL AS has_orats, tradier_sandbox_account_id, tradier_live_account_id, updated_date
      FROM user_settings WHERE username = $1";

const LOCK: &str = "SELECT version FROM user_settings WHERE username = $1 FOR UPDATE";

const UPDATE: &str = "
    UPDATE user_settings
       SET version = version + 1, updated_date = $2, broker_mode = coalesce($3, broker_mode),
           account_balance = coalesce($4, account_balance), max_positions = coalesce($5, max_positions),
           daily_loss_limit = coalesce($6, daily_loss_limit), heat_limit_pct = coalesce($7, heat_limit_pct),
           auto_refresh = coalesce($8, auto_refresh)
     WHERE username = $1";

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
    session
        .execute(
            UPDATE,
            &[&user, &now, &mode, &balance, &update.max_positions, &loss, &update.heat_limit_pct, &update.auto_refresh],
        )
        .await?;
    let after = settings_get(tx).await?;
    change_append(tx, Changed::Settings).await?;
    // Settings hold no secret: tokens are shown as present or absent.
    let detail = json!({ "before": before, "after": after });
    audit_append(tx, &AuditEntry { action: "settings.update", subject: "settings", device, detail }).await?;
    Ok(after)
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
        auto_refresh: cells.next("auto_refresh")?,
        tokens: StoredTokens {
            sandbox: cells.next("has_sandbox")?,
            live: cells.next("has_live")?,
            orats: cells.next("has_orats")?,
        },
        sandbox_account_id: cells.next("tradier_sandbox_account_id")?,
        live_account_id: cells.next("tradier_live_account_id")?,
        updated_at: cells.next("updated_date")?,
    })
}
