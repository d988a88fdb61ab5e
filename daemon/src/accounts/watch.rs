//! The pass over all accounts: each is asked for its profile once a minute, so that a token that
//! was revoked shows before an order needs it.

use std::time::Duration;

use blotter_shared::protocol::accounts::AccountState;
use blotter_shared::protocol::health::ComponentState;
use chrono::TimeDelta;
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::Accounts;
use crate::auth::Username;
use crate::broker::Priority;
use crate::db::secrets::{TokenColumn, secret_users};
use crate::db::{DbError, DbState};
use crate::health::HealthBoard;

/// Between two passes.
const EVERY: Duration = Duration::from_secs(60);
/// Users that are asked about at a time.
const AT_A_TIME: usize = 8;

impl Accounts {
    /// Looks at every account until it is stopped.
    pub async fn watch(self, health: HealthBoard, stop: CancellationToken) {
        stop.run_until_cancelled(self.look_for_ever(&health)).await;
    }

    async fn look_for_ever(&self, health: &HealthBoard) {
        let mut status = self.inner.db.status();
        loop {
            if status.wait_for(|status| status.state == DbState::Ready).await.is_err() {
                return std::future::pending().await;
            }
            match self.look_at_all().await {
                Ok(states) => self.report(health, &states),
                Err(error) => tracing::warn!("the accounts cannot be looked at: {error}"),
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.inner.poke.notified() => {}
            }
        }
    }

    async fn look_at_all(&self) -> Result<Vec<AccountState>, DbError> {
        let tx = self.inner.db.system_tx().await?;
        let users = secret_users(&tx).await?;
        tx.commit().await?;
        let looks = futures_util::stream::iter(users).map(|user| async move { self.look_at(&user).await });
        let found: Vec<_> = looks.buffer_unordered(AT_A_TIME).collect().await;
        let mut states = Vec::new();
        for found in found {
            states.extend(found?);
        }
        Ok(states)
    }

    /// Asks every account of one user; how each one is then.
    async fn look_at(&self, who: &Username) -> Result<Vec<AccountState>, DbError> {
        let tokens = self.stored(who).await?;
        for token in tokens.iter().cloned() {
            let TokenColumn::Broker(mode) = token.column else { continue };
            if let Ok(account) = self.opened(who, mode, token).await {
                // Whatever it says is in the account's status.
                let _ = account.broker.profile(Priority::Read).await;
            }
        }
        Ok(self.reports_of(who, tokens).await.into_iter().map(|report| report.state).collect())
    }

    fn report(&self, health: &HealthBoard, states: &[AccountState]) {
        let (state, detail) = summary(states);
        let again = TimeDelta::from_std(EVERY).unwrap_or_default();
        health.report_broker(state, detail, Some(self.inner.clock.now() + again));
    }
}

/// All accounts in one word. No account is named: everybody may read it.
fn summary(states: &[AccountState]) -> (ComponentState, Option<String>) {
    let count = |wanted: AccountState| states.iter().filter(|state| **state == wanted).count();
    let (silent, all) = (count(AccountState::Unavailable), states.len());
    let troubled = all - count(AccountState::Ok) - count(AccountState::NotTried);
    match (all, troubled) {
        (0, _) => (ComponentState::NotConfigured, None),
        (_, 0) => (ComponentState::Ok, None),
        (_, _) if silent == all => (ComponentState::Unavailable, Some("no account can be reached".to_owned())),
        (1, _) => (ComponentState::Degraded, Some("the account needs attention".to_owned())),
        (_, 1) => (ComponentState::Degraded, Some(format!("1 of {all} accounts needs attention"))),
        (_, _) => (ComponentState::Degraded, Some(format!("{troubled} of {all} accounts need attention"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_in_trouble_is_no_outage_and_none_at_all_is_no_trouble() {
        use AccountState::{NotTried, Ok, Reauthenticate, Unavailable};
        let state = |states: &[AccountState]| summary(states).0;
        assert_eq!(state(&[]), ComponentState::NotConfigured);
        assert_eq!(state(&[Ok, NotTried]), ComponentState::Ok);
        assert_eq!(state(&[Ok, Reauthenticate]), ComponentState::Degraded);
        assert_eq!(state(&[Ok, Unavailable]), ComponentState::Degraded);
        assert_eq!(state(&[Unavailable, Unavailable]), ComponentState::Unavailable);
        let told = |states: &[AccountState]| summary(states).1.unwrap();
        assert_eq!(told(&[Reauthenticate]), "the account needs attention");
        assert_eq!(told(&[Ok, Reauthenticate]), "1 of 2 accounts needs attention");
        assert_eq!(told(&[Ok, Unavailable, Reauthenticate]), "2 of 3 accounts need attention");
    }
}
