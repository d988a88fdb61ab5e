//! The pass over all accounts: each is asked for its profile once a minute, so that a token that
//! was revoked shows before an order needs it, and for what it is worth, which risk is told in percent of. What other calls find out meanwhile is told within
//! seconds: nobody waits a minute for the word that the broker is away, or back.

use std::pin::pin;
use std::time::Duration;

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::accounts::AccountState;
use blotter_shared::protocol::health::ComponentState;
use chrono::TimeDelta;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Accounts, report};
use crate::auth::Username;
use crate::broker::{AccountStatus, Priority};
use crate::db::secrets::TokenColumn;
use crate::db::settings::settings_users;
use crate::db::{DbError, DbState};
use crate::health::HealthBoard;

/// Between two passes.
const EVERY: Duration = Duration::from_secs(60);
/// An account that changes is looked at so much later: one call that fails by chance is no outage.
const SETTLES: Duration = Duration::from_secs(2);
/// Users that are asked about at a time.
const AT_A_TIME: usize = 8;

/// How an account was when it was looked at.
type Seen = ((Username, BrokerMode), AccountState);
/// What an account said of itself, and where it says the next.
type Watched = (AccountStatus, watch::Receiver<AccountStatus>);

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
                Ok(seen) => self.follow(health, &seen).await,
                Err(error) => {
                    tracing::warn!("the accounts cannot be looked at: {error}");
                    self.until_next().await;
                }
            }
        }
    }

    /// Until a pass is due.
    async fn until_next(&self) {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = self.inner.poke.notified() => {}
        }
    }

    /// Tells how the accounts of a pass are, again with each change, until the next pass is due.
    async fn follow(&self, health: &HealthBoard, seen: &[Seen]) {
        let mut due = pin!(self.until_next());
        loop {
            let (states, statuses): (Vec<_>, Vec<_>) = seen.iter().map(|seen| self.state_now(seen)).unzip();
            self.report(health, &states);
            tokio::select! {
                () = &mut due => return,
                () = any_changes(statuses.into_iter().flatten()) => tokio::time::sleep(SETTLES).await,
            }
        }
    }

    /// How an account is now; with what tells when it changes, while it is open.
    fn state_now(&self, (key, before): &Seen) -> (AccountState, Option<Watched>) {
        let Some(status) = self.status_of(key) else { return (*before, None) };
        let now = status.borrow().clone();
        let state = report::state_of(&now.clone().at(self.inner.clock.now()));
        (state, Some((now, status)))
    }

    async fn look_at_all(&self) -> Result<Vec<Seen>, DbError> {
        let tx = self.inner.db.system_tx().await?;
        let users = settings_users(&tx).await?;
        tx.commit().await?;
        let looks = futures_util::stream::iter(users).map(|user| async move { self.look_at(&user).await });
        let found: Vec<_> = looks.buffer_unordered(AT_A_TIME).collect().await;
        let mut seen = Vec::new();
        for found in found {
            seen.extend(found?);
        }
        Ok(seen)
    }

    /// Asks every account of one user; how each one is then.
    async fn look_at(&self, who: &Username) -> Result<Vec<Seen>, DbError> {
        let tokens = self.stored(who).await?;
        for token in tokens.iter().cloned() {
            let TokenColumn::Broker(mode) = token.column else { continue };
            if let Ok(account) = self.opened(who, mode, token).await {
                // Whatever it says is in the account's status.
                if account.broker.profile(Priority::Read).await.is_ok() {
                    account.tradier.weigh(Priority::Read).await;
                }
            }
        }
        let reports = self.reports_of(who, tokens).await;
        Ok(reports.into_iter().map(|report| ((who.clone(), report.mode), report.state)).collect())
    }

    fn report(&self, health: &HealthBoard, states: &[AccountState]) {
        let (state, detail) = summary(states);
        let again = TimeDelta::from_std(EVERY).unwrap_or_default();
        health.report_broker(state, detail, Some(self.inner.clock.now() + again));
    }
}

/// Waits until one of these is another kind of status than it was seen to be.
async fn any_changes(watched: impl Iterator<Item = Watched>) {
    let changes = watched.map(|(was, mut status)| async move {
        let is_another = |now: &AccountStatus| std::mem::discriminant(now) != std::mem::discriminant(&was);
        // An account that nobody holds any more changes no more.
        if status.wait_for(is_another).await.is_err() {
            std::future::pending::<()>().await;
        }
    });
    let mut changes: FuturesUnordered<_> = changes.collect();
    if changes.next().await.is_none() {
        std::future::pending::<()>().await;
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
    use chrono::DateTime;
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_change_of_one_account_is_noticed_and_the_same_trouble_again_is_none() {
        let down = |reason: &str| AccountStatus::Unavailable { reason: reason.to_owned(), since: DateTime::UNIX_EPOCH };
        let (one, other) = (watch::Sender::new(AccountStatus::Ok), watch::Sender::new(down("503")));
        let watched = [(AccountStatus::Ok, one.subscribe()), (down("503"), other.subscribe())];
        let mut change = pin!(any_changes(watched.into_iter()));
        assert!(change.as_mut().now_or_never().is_none());
        other.send_replace(down("no route"));
        assert!(change.as_mut().now_or_never().is_none(), "it is down as before");
        one.send_replace(down("503"));
        tokio::time::timeout(Duration::from_secs(1), change).await.unwrap();
        let nobody = any_changes(std::iter::empty());
        assert!(nobody.now_or_never().is_none());
        drop(other);
    }

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
