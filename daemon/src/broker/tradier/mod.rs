//! The Tradier adapter.
//!
//! Layers, from the outside in: `mod` (the traits), `read` and `market` (one function per
//! question), `heard` (the newest quotes), `http` (two clients, permits, deadlines), `gate` (the last look before a write
//! leaves), `answer` (what an answer proves, pure), `form` (orders as forms, pure), `convert` and
//! `convert_market` (wire to vocabulary, pure), `wire`, `shape`, `num` (the JSON), `quick` (the
//! JSON of chains, in a hurry), `stream` (the wake-up hint).

mod answer;
mod convert;
mod convert_market;
mod form;
mod gate;
mod heard;
pub(crate) mod http;
mod market;
pub(crate) mod num;
mod quick;
mod read;
pub(crate) mod shape;
pub mod stream;
mod wire;

pub use http::{ClientError, Patience};
pub use read::decode_chain;

use std::sync::{Arc, Mutex, PoisonError};

use ::http::Method;
use blotter_shared::domain::BrokerMode;
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use rust_decimal::Decimal;
use rustls::ClientConfig;
use tokio::sync::watch;

use self::answer::Deed;
use self::heard::Heard;
use self::http::{Act, Http};
use super::market_data::Quote;
use super::tls::{self, TlsError};
use super::world::{BaseUrl, Token, World};
use super::{
    AccountId, AccountStatus, AuthTrouble, Balances, Broker, Change, Doubt, HistoryEvent, HistoryRange, MarketClock,
    MarketDay, NewOrder, Order, OrderId, OrderList, OrderScope, Position, Priority, Profile, Read, ReadError, Refusal,
    Send, Signal, Write, WriteOutcome,
};
use crate::broker::rate_limit::RateLimiter;
use crate::clock::Clock;

/// What an adapter needs besides address and token.
#[derive(Clone, Debug)]
pub struct Setup {
    pub account: AccountId,
    pub limiter: RateLimiter,
    pub clock: Clock,
    pub tls: ClientConfig,
    pub patience: Patience,
}

/// One account at Tradier, or at the simulator that speaks the same.
#[derive(Debug)]
pub struct Tradier {
    http: Arc<Http>,
    mode: BrokerMode,
    account: AccountId,
    status: watch::Sender<AccountStatus>,
    /// What the account was worth when the broker last said it.
    equity: Mutex<Option<Decimal>>,
    heard: Heard,
}

impl Tradier {
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new<W: World>(base: &BaseUrl<W>, token: &Token<W>, setup: Setup) -> Result<Self, ClientError> {
        let http = Http::new(base, token, setup.limiter, setup.clock, (&setup.tls, setup.patience))?;
        let status = watch::Sender::new(AccountStatus::Untried);
        let (equity, heard) = (Mutex::default(), Heard::default());
        Ok(Self { http: Arc::new(http), mode: W::MODE, account: setup.account, status, equity, heard })
    }

    /// The limits that this account's token shares with everybody who uses it.
    #[must_use]
    pub fn limiter(&self) -> &RateLimiter {
        self.http.limiter()
    }

    /// What the account's event stream trusts: the system's roots, and nobody on this machine itself.
    ///
    /// # Errors
    /// When the system has no roots.
    pub fn stream_tls(&self) -> Result<ClientConfig, TlsError> {
        if self.http.base().scheme() == "https" { tls::system() } else { tls::none() }
    }

    /// What the account was worth when the broker last said it, to whoever asked.
    #[must_use]
    pub fn last_equity(&self) -> Option<Decimal> {
        *self.equity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest quote of a symbol that the broker has told whoever asked within minutes, and when that was.
    #[must_use]
    pub fn last_quote(&self, symbol: &str) -> Option<(DateTime<Utc>, Quote)> {
        self.heard.of(symbol)
    }

    /// Asks what the account is worth, for screens alone: an account whose balances cannot be read can be traded in
    /// all the same, and is in no trouble.
    pub async fn weigh(&self, priority: Priority) {
        let _ = self.weighed(read::balances(&self.http, &self.account, priority).await);
    }

    fn weighed(&self, read: Result<Balances, ReadError>) -> Result<Balances, ReadError> {
        if let Ok(balances) = &read {
            *self.equity.lock().unwrap_or_else(PoisonError::into_inner) = Some(balances.total_equity);
        }
        read
    }

    async fn write(&self, act: Act, send: Send) -> WriteOutcome {
        let outcome = self.http.write(&act, send).await;
        if let Some(signal) = write_signal(&outcome, &self.http) {
            self.tell(signal);
        }
        outcome
    }

    fn note<T>(&self, result: Result<T, ReadError>) -> Result<T, ReadError> {
        let signal = match &result {
            Ok(_) => Some(Signal::ReadAnswered),
            Err(error) => read_signal(error),
        };
        if let Some(signal) = signal {
            self.tell(signal);
        }
        result
    }

    fn tell(&self, signal: Signal) {
        let now = self.http.clock().now();
        self.status.send_if_modified(|status| {
            let next = status.clone().at(now).after(signal, now);
            let changed = next != *status;
            *status = next;
            changed
        });
    }

    fn order_path(&self, id: OrderId) -> String {
        format!("accounts/{}/orders/{id}", self.account.as_str())
    }
}

/// What a failed read shows about the account, if anything.
fn read_signal(error: &ReadError) -> Option<Signal> {
    match error {
        ReadError::Unreachable { .. } | ReadError::Unavailable { .. } | ReadError::Undecodable { .. } => {
            Some(Signal::Unavailable { reason: error.to_string() })
        }
        ReadError::RateLimited { until } => Some(Signal::Throttled { until: *until }),
        ReadError::Reauthenticate { why } => Some(Signal::TokenRefused(*why)),
        ReadError::Blocked { reason } => Some(Signal::Forbidden { reason: reason.clone() }),
        ReadError::NotThere | ReadError::BadRequest { .. } => Some(Signal::ReadAnswered),
        ReadError::TooMuch { .. } | ReadError::Unsupported { .. } => None,
    }
}

/// What the end of a write shows about the account, if anything.
fn write_signal(outcome: &WriteOutcome, http: &Http) -> Option<Signal> {
    match outcome {
        WriteOutcome::Accepted { .. } => Some(Signal::WriteAnswered),
        WriteOutcome::Refused { proof, reason, .. } => Some(match proof {
            Refusal::ErrorsInAnswer | Refusal::Validation | Refusal::AlreadyFinal(_) | Refusal::NotYours => {
                Signal::ReadAnswered
            }
            Refusal::Token(why) => Signal::TokenRefused(*why),
            Refusal::Forbidden => Signal::Forbidden { reason: reason.clone() },
        }),
        WriteOutcome::NotSent { .. } => None,
        WriteOutcome::Unknown { why: Doubt::Status { status: 429, .. } } => {
            let [_, _, trading] = http.limiter().snapshot();
            trading.paused_until.map(|until| Signal::Throttled { until })
        }
        WriteOutcome::Unknown { why: Doubt::Contradiction { .. } } => None,
        WriteOutcome::Unknown { why } => Some(Signal::Unavailable { reason: why.to_string() }),
    }
}

impl Broker for Tradier {
    fn mode(&self) -> BrokerMode {
        self.mode
    }

    fn account(&self) -> &AccountId {
        &self.account
    }

    fn status(&self) -> watch::Receiver<AccountStatus> {
        self.status.subscribe()
    }

    fn profile(&self, priority: Priority) -> Read<'_, Profile> {
        async move { self.note(read::profile(&self.http, priority).await) }.boxed()
    }

    fn balances(&self, priority: Priority) -> Read<'_, Balances> {
        async move { self.note(self.weighed(read::balances(&self.http, &self.account, priority).await)) }.boxed()
    }

    fn positions(&self, priority: Priority) -> Read<'_, Vec<Position>> {
        async move { self.note(read::positions(&self.http, &self.account, priority).await) }.boxed()
    }

    fn orders(&self, scope: OrderScope, priority: Priority) -> Read<'_, OrderList> {
        async move { self.note(read::orders(&self.http, &self.account, scope, priority).await) }.boxed()
    }

    fn order(&self, id: OrderId, priority: Priority) -> Read<'_, Order> {
        async move { self.note(read::order(&self.http, self.order_path(id), id, priority).await) }.boxed()
    }

    fn history(&self, range: HistoryRange, priority: Priority) -> Read<'_, Vec<HistoryEvent>> {
        async move { self.note(read::history(&self.http, &self.account, range, priority).await) }.boxed()
    }

    fn clock(&self, priority: Priority) -> Read<'_, MarketClock> {
        async move { self.note(read::clock(&self.http, priority).await) }.boxed()
    }

    fn calendar(&self, year: i32, month: u32, priority: Priority) -> Read<'_, Vec<MarketDay>> {
        async move { self.note(read::calendar(&self.http, year, month, priority).await) }.boxed()
    }

    fn place<'a>(&'a self, order: &'a NewOrder, send: Send) -> Write<'a> {
        let act = Act {
            method: Method::POST,
            path: format!("accounts/{}/orders", self.account.as_str()),
            form: form::place(order),
            deed: Deed::Place,
        };
        self.write(act, send).boxed()
    }

    fn change(&self, id: OrderId, change: Change, send: Send) -> Write<'_> {
        let form = form::change(change);
        self.write(Act { method: Method::PUT, path: self.order_path(id), form, deed: Deed::Change(id) }, send).boxed()
    }

    fn cancel(&self, id: OrderId, send: Send) -> Write<'_> {
        let act = Act { method: Method::DELETE, path: self.order_path(id), form: Vec::new(), deed: Deed::Cancel(id) };
        self.write(act, send).boxed()
    }
}

/// What a profile call proves about a token that is about to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenVerdict<T> {
    /// It opens this.
    Good(T),
    /// It is not accepted; for `WrongEnvironment` it belongs to the other world.
    Refused(AuthTrouble),
    /// Nobody can say at the moment.
    Undecided(ReadError),
}

/// Asks the world of a token whether it knows it, before the token is stored.
///
/// # Errors
/// When the HTTP client cannot be set up.
pub async fn verify<W: World>(
    base: &BaseUrl<W>,
    token: &Token<W>,
    setup: Setup,
) -> Result<TokenVerdict<Profile>, ClientError> {
    let http = Http::new(base, token, setup.limiter, setup.clock, (&setup.tls, setup.patience))?;
    Ok(match read::profile(&http, Priority::Read).await {
        Ok(profile) => TokenVerdict::Good(profile),
        Err(ReadError::Reauthenticate { why }) => TokenVerdict::Refused(why),
        Err(error) => TokenVerdict::Undecided(error),
    })
}
