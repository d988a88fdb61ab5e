//! The sealed tokens of `user_settings`, with the account that each opens. What lies here is noise
//! without the keys, which never come near the database.

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::accounts::TokenKind;
use blotter_shared::protocol::settings::Settings;
use serde_json::json;

use super::audit::{AuditEntry, audit_append};
use super::cells::{Cells, unreadable};
use super::changes::{Changed, change_append};
use super::settings::{ENSURE, settings_get};
use super::{DbError, UserTx};

/// A column that holds a sealed token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenColumn {
    Broker(BrokerMode),
    Orats,
}

impl TokenColumn {
    pub const ALL: [Self; 4] =
        [Self::Broker(BrokerMode::Sim), Self::Broker(BrokerMode::Sandbox), Self::Broker(BrokerMode::Live), Self::Orats];

    /// The column's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broker(BrokerMode::Sim) => "tradier_sim_token",
            Self::Broker(BrokerMode::Sandbox) => "tradier_sandbox_token",
            Self::Broker(BrokerMode::Live) => "tradier_live_token",
            Self::Orats => "orats_token",
        }
    }
}

impl From<TokenKind> for TokenColumn {
    fn from(kind: TokenKind) -> Self {
        kind.mode().map_or(Self::Orats, Self::Broker)
    }
}

/// A sealed token as it lies in its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedToken {
    pub column: TokenColumn,
    pub bytes: Vec<u8>,
    /// The account at the broker that it opens, when one was chosen.
    pub account_id: Option<String>,
}

const READ: &str = "
    SELECT tradier_sim_token, tradier_sandbox_token, tradier_live_token, orats_token,
           tradier_sim_account_id, tradier_sandbox_account_id, tradier_live_account_id
      FROM user_settings WHERE username = $1";

const LOCK: &str = "SELECT username FROM user_settings WHERE username = $1 FOR UPDATE";

const SET: &str = "
    UPDATE user_settings
       SET version = version + 1, updated_date = $2,
           tradier_sim_token = CASE $3::text WHEN 'tradier_sim_token' THEN $4 ELSE tradier_sim_token END,
           tradier_sandbox_token = CASE $3 WHEN 'tradier_sandbox_token' THEN $4 ELSE tradier_sandbox_token END,
           tradier_live_token = CASE $3 WHEN 'tradier_live_token' THEN $4 ELSE tradier_live_token END,
           orats_token = CASE $3 WHEN 'orats_token' THEN $4 ELSE orats_token END,
           tradier_sim_account_id = CASE $3 WHEN 'tradier_sim_token' THEN $5 ELSE tradier_sim_account_id END,
           tradier_sandbox_account_id = CASE $3 WHEN 'tradier_sandbox_token' THEN $5 ELSE tradier_sandbox_account_id END,
           tradier_live_account_id = CASE $3 WHEN 'tradier_live_token' THEN $5 ELSE tradier_live_account_id END
     WHERE username = $1";

// The account goes with its token: it is chosen anew with the next one.
const REMOVE: &str = "
    UPDATE user_settings
       SET version = version + 1, updated_date = $2,
           tradier_sim_token = CASE $3::text WHEN 'tradier_sim_token' THEN NULL ELSE tradier_sim_token END,
           tradier_sandbox_token = CASE $3 WHEN 'tradier_sandbox_token' THEN NULL ELSE tradier_sandbox_token END,
           tradier_live_token = CASE $3 WHEN 'tradier_live_token' THEN NULL ELSE tradier_live_token END,
           orats_token = CASE $3 WHEN 'orats_token' THEN NULL ELSE orats_token END,
           tradier_sim_account_id = CASE $3 WHEN 'tradier_sim_token' THEN NULL ELSE tradier_sim_account_id END,
           tradier_sandbox_account_id = CASE $3 WHEN 'tradier_sandbox_token' THEN NULL ELSE tradier_sandbox_account_id END,
           tradier_live_account_id = CASE $3 WHEN 'tradier_live_token' THEN NULL ELSE tradier_live_account_id END
     WHERE username = $1";

// Another wrap of the same secret is no change that anybody sees: no version, no feed.
const REPLACE: &str = "
    UPDATE user_settings
       SET tradier_sim_token = CASE $2::text WHEN 'tradier_sim_token' THEN $4 ELSE tradier_sim_token END,
           tradier_sandbox_token = CASE $2 WHEN 'tradier_sandbox_token' THEN $4 ELSE tradier_sandbox_token END,
           tradier_live_token = CASE $2 WHEN 'tradier_live_token' THEN $4 ELSE tradier_live_token END,
           orats_token = CASE $2 WHEN 'orats_token' THEN $4 ELSE orats_token END
     WHERE username = $1 AND $3 = CASE $2
           WHEN 'tradier_sim_token' THEN tradier_sim_token WHEN 'tradier_sandbox_token' THEN tradier_sandbox_token
           WHEN 'tradier_live_token' THEN tradier_live_token WHEN 'orats_token' THEN orats_token END";

/// The user's sealed tokens.
///
/// # Errors
/// When the database does not answer.
pub async fn secrets_of(tx: &UserTx) -> Result<Vec<SealedToken>, DbError> {
    let Some(row) = tx.session().query_opt(READ, &[&tx.user()]).await? else { return Ok(Vec::new()) };
    let mut cells = Cells::of(&row);
    let mut tokens = Vec::new();
    for column in TokenColumn::ALL {
        tokens.push((column, cells.next::<Option<Vec<u8>>>(column.as_str())?));
    }
    let accounts: [Option<String>; 3] = [
        cells.next("tradier_sim_account_id")?,
        cells.next("tradier_sandbox_account_id")?,
        cells.next("tradier_live_account_id")?,
    ];
    // ORATS comes last and has no account.
    let accounts = accounts.into_iter().chain([None]);
    let sealed = tokens
        .into_iter()
        .zip(accounts)
        .filter_map(|((column, bytes), account_id)| bytes.map(|bytes| SealedToken { column, bytes, account_id }));
    Ok(sealed.collect())
}

/// The user's sealed token in one column, with the row locked until the end of the transaction: the
/// next one is sealed as its successor.
///
/// # Errors
/// When the database does not answer.
pub async fn secret_lock(tx: &UserTx, column: TokenColumn) -> Result<Option<SealedToken>, DbError> {
    tx.session().execute(ENSURE, &[&tx.user(), &tx.now()]).await?;
    tx.session().query_one(LOCK, &[&tx.user()]).await?;
    Ok(secrets_of(tx).await?.into_iter().find(|token| token.column == column))
}

/// Stores a sealed token; writes the change feed and the audit log.
///
/// # Errors
/// When the database does not answer.
pub async fn secret_set(tx: &UserTx, token: &SealedToken, device: &str) -> Result<Settings, DbError> {
    let params: super::session::Params<'_> =
        &[&tx.user(), &tx.now(), &token.column.as_str(), &token.bytes, &token.account_id];
    if tx.session().execute(SET, params).await? != 1 {
        return Err(unreadable("user_settings", "a row that was locked"));
    }
    change_append(tx, Changed::Settings).await?;
    let detail = json!({ "token": token.column.as_str(), "account_id": token.account_id });
    audit_append(tx, &AuditEntry { action: "tokens.set", subject: "settings", device, detail }).await?;
    settings_get(tx).await
}

/// Forgets a sealed token and its account; writes the change feed and the audit log.
///
/// # Errors
/// When there is none, or the database does not answer.
pub async fn secret_remove(tx: &UserTx, column: TokenColumn, device: &str) -> Result<Settings, DbError> {
    let Some(before) = secret_lock(tx, column).await? else {
        return Err(DbError::NotFound);
    };
    let params: super::session::Params<'_> = &[&tx.user(), &tx.now(), &column.as_str()];
    if tx.session().execute(REMOVE, params).await? != 1 {
        return Err(unreadable("user_settings", "a row that was locked"));
    }
    change_append(tx, Changed::Settings).await?;
    let detail = json!({ "token": column.as_str(), "account_id": before.account_id });
    audit_append(tx, &AuditEntry { action: "tokens.remove", subject: "settings", device, detail }).await?;
    settings_get(tx).await
}

/// Puts `new` where `old` is, if it still is; says whether it was.
///
/// # Errors
/// When the database does not answer.
pub async fn secret_replace(tx: &UserTx, old: &SealedToken, new: &[u8]) -> Result<bool, DbError> {
    let params: super::session::Params<'_> = &[&tx.user(), &old.column.as_str(), &old.bytes, &new];
    Ok(tx.session().execute(REPLACE, params).await? == 1)
}
