//! What a user is told about the own accounts.

use blotter_shared::domain::{BrokerMode, Cash};
use blotter_shared::protocol::accounts::{AccountReport, AccountState};
use blotter_shared::protocol::health::{BucketRate, CallPriority, RateBucket, Room};

use super::{AccountError, Accounts};
use crate::auth::Username;
use crate::broker::rate_limit::{BucketKind, BucketSnapshot, Limiters};
use crate::broker::{AccountStatus, Priority};
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
                    let report = of_status(mode, number, &status);
                    AccountReport {
                        equity: account.tradier.last_equity().map(Cash),
                        detail: report.detail.or_else(|| self.drill(mode)),
                        ..report
                    }
                }
                Err(error) => not_opened(mode, number, &error),
            };
            reports.push(report);
        }
        reports
    }

    /// Nobody is to take a drill for real money, or to think that a position of theirs is protected by one.
    fn drill(&self, mode: BrokerMode) -> Option<String> {
        let address = self.inner.factory.drill(mode)?;
        Some(format!("a drill at {address} (broker.live_url): nothing reaches the broker"))
    }
}

/// How full the broker's limits are, over all tokens.
#[must_use]
pub fn rates(limiters: &Limiters) -> Vec<BucketRate> {
    let tokens = u32::try_from(limiters.all().len()).unwrap_or(u32::MAX);
    limiters.together().iter().map(|bucket| rate(bucket, tokens)).collect()
}

/// A bucket in the protocol's words.
fn rate(bucket: &BucketSnapshot, tokens: u32) -> BucketRate {
    let room = bucket.room.iter().map(|(priority, calls)| Room { priority: priority_word(*priority), calls: *calls });
    BucketRate {
        bucket: match bucket.kind {
            BucketKind::Accounts => RateBucket::Accounts,
            BucketKind::MarketData => RateBucket::MarketData,
            BucketKind::Trading => RateBucket::Trading,
        },
        tokens,
        limit: bucket.limit,
        used: bucket.used,
        waiting: u32::try_from(bucket.waiting).unwrap_or(u32::MAX),
        paused_until: bucket.paused_until,
        room: room.collect(),
    }
}

fn priority_word(priority: Priority) -> CallPriority {
    match priority {
        Priority::Emergency => CallPriority::Emergency,
        Priority::Cancel => CallPriority::Cancel,
        Priority::Close => CallPriority::Close,
        Priority::Bracket => CallPriority::Bracket,
        Priority::Entry => CallPriority::Entry,
        Priority::Read => CallPriority::Read,
    }
}

/// A status in the protocol's word.
pub(super) fn state_of(status: &AccountStatus) -> AccountState {
    match status {
        AccountStatus::Untried => AccountState::NotTried,
        AccountStatus::Ok => AccountState::Ok,
        AccountStatus::Reauthenticate { .. } => AccountState::Reauthenticate,
        AccountStatus::Blocked { .. } => AccountState::Blocked,
        AccountStatus::Unavailable { .. } => AccountState::Unavailable,
        AccountStatus::RateLimited { .. } => AccountState::RateLimited,
    }
}

fn of_status(mode: BrokerMode, account_id: Option<String>, status: &AccountStatus) -> AccountReport {
    let (reason, since, until) = match status {
        AccountStatus::Untried | AccountStatus::Ok => (None, None, None),
        AccountStatus::Reauthenticate { why, since } => (Some(why.to_string()), Some(*since), None),
        AccountStatus::Blocked { reason, since } | AccountStatus::Unavailable { reason, since } => {
            (Some(reason.clone()), Some(*since), None)
        }
        AccountStatus::RateLimited { until } => (None, None, Some(*until)),
    };
    let state = state_of(status);
    let (may_send, detail) = (status.may_send(), status.banner());
    AccountReport { mode, account_id, state, may_send, equity: None, detail, reason, since, until }
}

fn not_opened(mode: BrokerMode, account_id: Option<String>, error: &AccountError) -> AccountReport {
    AccountReport {
        mode,
        account_id,
        state: AccountState::NotOpened,
        may_send: false,
        equity: None,
        detail: Some(error.to_string()),
        reason: Some(error.to_string()),
        since: None,
        until: None,
    }
}
