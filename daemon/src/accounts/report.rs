//! What a user is told about the own accounts.

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::accounts::{AccountReport, AccountState};

use super::{AccountError, Accounts};
use crate::auth::Username;
use crate::broker::AccountStatus;
use crate::db::DbError;
use crate::db::secrets::{SealedToken, TokenColumn};

impl Accounts {
    /// The accounts for which a token is stored. Nothing is asked of the broker.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reports(&self, who: &Username) -> Result<Vec<AccountReport>, DbError> {
        let tokens = Self::tokens(self.inner.db.user_tx(who).await?).await?;
        Ok(self.reports_of(who, tokens).await)
    }

    pub(super) async fn reports_of(&self, who: &Username, tokens: Vec<SealedToken>) -> Vec<AccountReport> {
        let mut reports = Vec::new();
        for token in tokens {
            let TokenColumn::Broker(mode) = token.column else { continue };
            let number = token.account_id.clone();
            let report = match self.opened(who, mode, token).await {
                Ok(account) => {
                    let status = account.broker.status().borrow().clone().at(self.inner.clock.now());
                    of_status(mode, number, &status)
                }
                Err(error) => not_opened(mode, number, &error),
            };
            reports.push(report);
        }
        reports
    }
}

fn of_status(mode: BrokerMode, account_id: Option<String>, status: &AccountStatus) -> AccountReport {
    let (state, since, until) = match status {
        AccountStatus::Untried => (AccountState::NotTried, None, None),
        AccountStatus::Ok => (AccountState::Ok, None, None),
        AccountStatus::Reauthenticate { since, .. } => (AccountState::Reauthenticate, Some(*since), None),
        AccountStatus::Blocked { since, .. } => (AccountState::Blocked, Some(*since), None),
        AccountStatus::Unavailable { since, .. } => (AccountState::Unavailable, Some(*since), None),
        AccountStatus::RateLimited { until } => (AccountState::RateLimited, None, Some(*until)),
    };
    AccountReport { mode, account_id, state, may_send: status.may_send(), detail: status.banner(), since, until }
}

fn not_opened(mode: BrokerMode, account_id: Option<String>, error: &AccountError) -> AccountReport {
    AccountReport {
        mode,
        account_id,
        state: AccountState::NotOpened,
        may_send: false,
        detail: Some(error.to_string()),
        since: None,
        until: None,
    }
}
