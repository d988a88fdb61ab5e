//! Every request that this client makes, with the type of its answer: the one table of routes.

use std::time::Duration;

use blotter_shared::domain::{BrokerMode, Outcome, TradeId};
use blotter_shared::protocol::accounts::{AccountList, TokenKind, TokenUpdate};
use blotter_shared::protocol::alarms::AlarmList;
use blotter_shared::protocol::health::{Health, Version};
use blotter_shared::protocol::market::Market;
use blotter_shared::protocol::performance::{Performance, PerformanceQuery};
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_shared::protocol::settings::{Settings, SettingsUpdate};
use blotter_shared::protocol::sync::{SyncRequest, SyncStatus};
use blotter_shared::protocol::tasks::TaskList;
use blotter_shared::protocol::trades::{Order, Sort, TotalsQuery, Trade, TradeList, TradeTotals};
use http::Method;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use super::looks::{LookAnswer, LookCall};
use super::orders::{OrderAnswer, OrderCall};

/// Which closed trades are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryQuery {
    pub outcome: Option<Outcome>,
    pub search: String,
    /// Of this mode alone.
    #[serde(default)]
    pub mode: Option<BrokerMode>,
    /// Newest first unless another order is wanted.
    #[serde(default)]
    pub sorted: Option<(Sort, Order)>,
    pub cursor: Option<String>,
}

impl HistoryQuery {
    /// The same filter, for what it adds up to.
    #[must_use]
    pub fn totals(&self) -> TotalsQuery {
        let q = (!self.search.is_empty()).then(|| self.search.clone());
        TotalsQuery { outcome: self.outcome, q, mode: self.mode }
    }
}

/// Rows of a history page.
pub const HISTORY_PAGE: u32 = 100;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    Version,
    Health,
    Market,
    Settings,
    OpenTrades,
    History(HistoryQuery),
    Totals(TotalsQuery),
    Performance(PerformanceQuery),
    Trade(TradeId),
    /// To look at; nothing changes.
    Look(LookCall),
    Alarms,
    Accounts,
    /// What the daemon does by itself.
    Tasks,
    /// Did this device, which holds `version`, miss anything?
    SyncStatus {
        version: i64,
    },
    Sync {
        request: SyncRequest,
        key: Uuid,
    },
    PutSettings {
        update: SettingsUpdate,
        key: Uuid,
    },
    PutToken {
        update: TokenUpdate,
        key: Uuid,
    },
    RemoveToken {
        kind: TokenKind,
        key: Uuid,
    },
    /// About trades: what is asked of them, and what happened to one.
    Order(OrderCall),
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Version(Version),
    Health(Box<Health>),
    Market(Market),
    Settings(Box<Settings>),
    OpenTrades(TradeList),
    History(TradeList),
    Totals(TradeTotals),
    Performance(Box<Performance>),
    Trade(Box<Trade>),
    Look(Box<LookAnswer>),
    Alarms(AlarmList),
    Accounts(AccountList),
    Tasks(TaskList),
    SyncStatus(SyncStatus),
    Synced(SyncStatus),
    SettingsSaved(Box<Settings>),
    Order(Box<OrderAnswer>),
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum CallError {
    /// No connection: nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// The connection broke after the request went out: it may have been carried out.
    #[error("The connection to the daemon broke before the answer came.")]
    Broken,
    #[error("The daemon did not answer within {seconds} s.")]
    TimedOut { seconds: u64 },
    /// The daemon refused.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// Something answered that is not a daemon of ours, or not of this version.
    #[error("The answer could not be understood: {0}")]
    Garbled(String),
}

impl CallError {
    /// Whether the daemon is gone, as opposed to having said no.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Broken | Self::TimedOut { .. } => true,
            Self::Refused(_) | Self::Garbled(_) => false,
        }
    }

    /// Whether the same question may be answered a little later: it was the moment, and not the question.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Broken | Self::TimedOut { .. } => true,
            Self::Refused(problem) => matches!(problem.code.status(), 408 | 429 | 500..),
            Self::Garbled(_) => false,
        }
    }

    /// How long the daemon asks to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(problem) => problem.retry_after_s.map(Duration::from_secs),
            Self::Unreachable(_) | Self::Broken | Self::TimedOut { .. } | Self::Garbled(_) => None,
        }
    }

    #[must_use]
    pub fn code(&self) -> Option<ProblemCode> {
        match self {
            Self::Refused(problem) => Some(problem.code),
            Self::Unreachable(_) | Self::Broken | Self::TimedOut { .. } | Self::Garbled(_) => None,
        }
    }
}

impl Call {
    #[must_use]
    pub fn method(&self) -> Method {
        match self {
            Self::Version | Self::Health | Self::Market | Self::Settings | Self::OpenTrades => Method::GET,
            Self::History(_) | Self::Totals(_) | Self::Performance(_) | Self::Trade(_) => Method::GET,
            Self::Look(_) | Self::Alarms | Self::Accounts | Self::Tasks | Self::SyncStatus { .. } => Method::GET,
            Self::Sync { .. } => Method::POST,
            Self::PutSettings { .. } | Self::PutToken { .. } => Method::PUT,
            Self::RemoveToken { .. } => Method::DELETE,
            Self::Order(call) => call.method(),
        }
    }

    /// Path and query.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::Version => "/v1/version".to_owned(),
            Self::Health => "/v1/health".to_owned(),
            Self::Market => "/v1/market".to_owned(),
            Self::Settings | Self::PutSettings { .. } => "/v1/settings".to_owned(),
            Self::OpenTrades => "/v1/trades?status=open".to_owned(),
            Self::History(query) => history_target(query),
            Self::Totals(query) => totals_target(query),
            Self::Performance(query) => performance_target(*query),
            Self::Trade(id) => format!("/v1/trades/{id}"),
            Self::Look(look) => look.target(),
            Self::Alarms => "/v1/alarms".to_owned(),
            Self::Accounts => "/v1/accounts".to_owned(),
            Self::Tasks => "/v1/tasks".to_owned(),
            Self::PutToken { .. } => "/v1/tokens".to_owned(),
            Self::RemoveToken { kind, .. } => format!("/v1/tokens/{}", kind.as_str().to_lowercase()),
            Self::SyncStatus { version } => format!("/v1/sync-status?version={version}"),
            Self::Sync { .. } => "/v1/sync".to_owned(),
            Self::Order(call) => call.target(),
        }
    }

    /// The body and the key that makes a repetition harmless, for a call that does something.
    ///
    /// # Errors
    /// When the body cannot be written as JSON.
    pub fn body(&self) -> Result<Option<(Vec<u8>, Uuid)>, serde_json::Error> {
        match self {
            Self::Version | Self::Health | Self::Market | Self::Settings | Self::OpenTrades => Ok(None),
            Self::History(_) | Self::Totals(_) | Self::Performance(_) | Self::Trade(_) => Ok(None),
            Self::Look(_) | Self::Alarms | Self::Accounts | Self::Tasks | Self::SyncStatus { .. } => Ok(None),
            Self::Sync { request, key } => Ok(Some((serde_json::to_vec(request)?, *key))),
            Self::PutToken { update, key } => Ok(Some((serde_json::to_vec(update)?, *key))),
            Self::RemoveToken { key, .. } => Ok(Some((b"{}".to_vec(), *key))),
            Self::PutSettings { update, key } => Ok(Some((serde_json::to_vec(update)?, *key))),
            Self::Order(call) => call.body(),
        }
    }

    /// Whether a user started it, so that quitting asks first while it is under way.
    #[must_use]
    pub fn is_action(&self) -> bool {
        match self {
            Self::PutSettings { .. } | Self::PutToken { .. } | Self::RemoveToken { .. } | Self::Sync { .. } => true,
            Self::Order(call) => call.is_action(),
            Self::Version | Self::Health | Self::Market | Self::Settings | Self::OpenTrades => false,
            Self::History(_) | Self::Totals(_) | Self::Performance(_) | Self::Trade(_) => false,
            Self::Look(_) | Self::Alarms | Self::Accounts | Self::Tasks | Self::SyncStatus { .. } => false,
        }
    }

    /// Reads the body of a successful answer.
    ///
    /// # Errors
    /// When it is not what this call's answer looks like.
    pub fn read(&self, body: &[u8]) -> Result<Answer, serde_json::Error> {
        Ok(match self {
            Self::Version => Answer::Version(serde_json::from_slice(body)?),
            Self::Health => Answer::Health(serde_json::from_slice(body)?),
            Self::Market => Answer::Market(serde_json::from_slice(body)?),
            Self::Settings => Answer::Settings(serde_json::from_slice(body)?),
            Self::OpenTrades => Answer::OpenTrades(serde_json::from_slice(body)?),
            Self::History(_) => Answer::History(serde_json::from_slice(body)?),
            Self::Totals(_) => Answer::Totals(serde_json::from_slice(body)?),
            Self::Performance(_) => Answer::Performance(serde_json::from_slice(body)?),
            Self::Trade(_) => Answer::Trade(serde_json::from_slice(body)?),
            Self::Look(look) => Answer::Look(Box::new(look.read(body)?)),
            Self::Alarms => Answer::Alarms(serde_json::from_slice(body)?),
            Self::Accounts => Answer::Accounts(serde_json::from_slice(body)?),
            Self::Tasks => Answer::Tasks(serde_json::from_slice(body)?),
            Self::SyncStatus { .. } => Answer::SyncStatus(serde_json::from_slice(body)?),
            Self::Sync { .. } => Answer::Synced(serde_json::from_slice(body)?),
            Self::PutSettings { .. } | Self::PutToken { .. } | Self::RemoveToken { .. } => {
                Answer::SettingsSaved(serde_json::from_slice(body)?)
            }
            Self::Order(call) => Answer::Order(Box::new(call.read(body)?)),
        })
    }
}

fn history_target(query: &HistoryQuery) -> String {
    let mut target = format!("/v1/trades?status=closed&limit={HISTORY_PAGE}");
    push_filter(&mut target, &query.totals());
    if let Some((sort, order)) = query.sorted {
        target.push_str(&format!("&sort={sort}&order={order}"));
    }
    if let Some(cursor) = &query.cursor {
        target.push_str(&format!("&cursor={}", percent_encoded(cursor)));
    }
    target
}

fn totals_target(query: &TotalsQuery) -> String {
    let mut target = "/v1/trades/totals?".to_owned();
    push_filter(&mut target, query);
    target.replace("?&", "?").trim_end_matches('?').to_owned()
}

fn push_filter(target: &mut String, query: &TotalsQuery) {
    if let Some(outcome) = query.outcome {
        target.push_str(&format!("&outcome={outcome}"));
    }
    if let Some(term) = &query.q {
        target.push_str(&format!("&q={}", percent_encoded(term)));
    }
    if let Some(mode) = query.mode {
        target.push_str(&format!("&mode={mode}"));
    }
}

fn performance_target(query: PerformanceQuery) -> String {
    let period = query.period.map(|period| format!("period={period}"));
    let by = query.by.map(|by| format!("by={by}"));
    let mode = query.mode.map(|mode| format!("mode={mode}"));
    let parts: Vec<String> = [period, by, mode].into_iter().flatten().collect();
    if parts.is_empty() { "/v1/performance".to_owned() } else { format!("/v1/performance?{}", parts.join("&")) }
}

pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_term_cannot_leave_its_place() {
        let query = HistoryQuery {
            outcome: Some(Outcome::Win),
            search: "a b&limit=9#é".to_owned(),
            cursor: Some("x/y=".to_owned()),
            ..HistoryQuery::default()
        };
        assert_eq!(
            Call::History(query).target(),
            "/v1/trades?status=closed&limit=100&outcome=win&q=a%20b%26limit%3D9%23%C3%A9&cursor=x%2Fy%3D"
        );
    }

    #[test]
    fn a_filter_is_told_in_full() {
        let sorted = Some((Sort::Pnl, Order::Ascending));
        let query = HistoryQuery { mode: Some(BrokerMode::Live), sorted, ..HistoryQuery::default() };
        assert_eq!(
            Call::History(query.clone()).target(),
            "/v1/trades?status=closed&limit=100&mode=LIVE&sort=pnl&order=asc"
        );
        assert_eq!(Call::Totals(query.totals()).target(), "/v1/trades/totals?mode=LIVE");
        assert_eq!(Call::Totals(TotalsQuery::default()).target(), "/v1/trades/totals");
        assert_eq!(Call::Performance(PerformanceQuery::default()).target(), "/v1/performance");
    }

    #[test]
    fn whatever_does_something_carries_a_key() {
        let key = Uuid::from_u128(7);
        let calls = [
            Call::Sync { request: SyncRequest::default(), key },
            Call::PutSettings { update: SettingsUpdate::default(), key },
        ];
        for call in calls {
            assert_ne!(call.method(), Method::GET);
            assert!(call.is_action());
            assert_eq!(call.body().unwrap().unwrap().1, key);
        }
        assert_eq!(Call::Health.body().unwrap(), None);
    }
}
