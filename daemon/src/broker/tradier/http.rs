//! Two clients that share nothing. Reads may be repeated, over kept connections. Writes may not:
//! one connection of their own each, no pool, no retry, no redirect, no proxy, one deadline.
//!
//! Errors of the HTTP library carry addresses; none of them leaves this file. What leaves is one
//! of three words (no connection, timed out, broken).

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::{Bytes, BytesMut};
use chrono::TimeDelta;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, Url};
use rustls::ClientConfig;
use thiserror::Error;

use super::answer::{self, Answer, Asked, Deed};
use super::form::Form;
use super::gate::{Gate, GateLayer};
use crate::broker::rate_limit::{BucketKind, Permit, Priority, RateHeaders, RateLimiter};
use crate::broker::world::{BaseUrl, Token, World};
use crate::broker::{Doubt, NotSent, ReadError, Send, Unreachable, WriteOutcome};
use crate::clock::Clock;

/// How long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Name, TCP and TLS.
    pub connect: Duration,
    /// A read from its first byte to its last.
    pub read: Duration,
    /// A write from the name look-up to the last byte of the answer.
    pub write: Duration,
    /// How long a read waits for the rate limit.
    pub permit: Duration,
    /// Repeats of a GET that failed in passing.
    pub repeats: usize,
    /// Pause before the first repeat; it doubles.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(4),
            read: Duration::from_secs(10),
            write: Duration::from_secs(8),
            permit: Duration::from_secs(10),
            repeats: 2,
            pause: Duration::from_millis(300),
        }
    }
}

/// Longest answers to reads. A few bytes of JSON can become a row of hundreds, so each bound is a small
/// multiple of the largest real answer: one thing; a list of an account's or of quotes; a chain with
/// greeks, or bars.
pub(crate) const SMALL: usize = 256 << 10;
pub(crate) const LIST: usize = 8 << 20;
pub(crate) const TABLE: usize = 16 << 20;
/// Longest answer to a write.
const LONGEST_WRITE: usize = 1 << 20;

/// Why there is no client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
    #[error("the token cannot be sent")]
    Token,
}

/// What a read asks for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) what: &'static str,
    pub(crate) bucket: BucketKind,
    pub(crate) priority: Priority,
    pub(crate) path: String,
    pub(crate) query: Form,
    pub(crate) asked: Asked,
    pub(crate) method: AskMethod,
    /// Bytes of the answer past which it is none.
    pub(crate) longest: usize,
}

/// How a read is sent. A read by POST changes nothing, yet it is not repeated: only GET is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskMethod {
    Get,
    Post,
}

/// What a write does.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) form: Form,
    pub(crate) deed: Deed,
}

/// The way to one world with one token.
pub(crate) struct Http {
    reads: Client,
    writes: Client,
    base: Url,
    authorization: HeaderValue,
    limiter: RateLimiter,
    clock: Clock,
    patience: Patience,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// What every client has: our TLS, no proxy, no redirect, no hidden retry.
pub(crate) fn client(tls: &ClientConfig, patience: Patience) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .user_agent(concat!("blotterd/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(patience.connect)
        .referer(false)
}

impl Http {
    pub(crate) fn new<W: World>(
        base: &BaseUrl<W>,
        token: &Token<W>,
        limiter: RateLimiter,
        clock: Clock,
        (tls, patience): (&ClientConfig, Patience),
    ) -> Result<Self, ClientError> {
        let setup = |error: reqwest::Error| ClientError::Setup(error.without_url().to_string());
        let reads = client(tls, patience).timeout(patience.read).build().map_err(setup)?;
        let writes = client(tls, patience)
            .timeout(patience.write)
            .pool_max_idle_per_host(0)
            .http1_only()
            .connector_layer(GateLayer)
            .build()
            .map_err(setup)?;
        let authorization = token.bearer().map_err(|_| ClientError::Token)?;
        Ok(Self { reads, writes, base: base.url().clone(), authorization, limiter, clock, patience })
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    pub(crate) fn limiter(&self) -> &RateLimiter {
        &self.limiter
    }

    /// Reads. A GET that failed in passing is repeated, each time with a permit of its own.
    pub(crate) async fn read(&self, ask: &Ask) -> Result<Bytes, ReadError> {
        let repeats = match ask.method {
            AskMethod::Get => self.patience.repeats,
            AskMethod::Post => 0,
        };
        let pauses = ExponentialBuilder::default()
            .with_min_delay(self.patience.pause)
            .with_max_delay(self.patience.pause * 4)
            .with_max_times(repeats)
            .with_jitter();
        (|| self.read_once(ask)).retry(pauses).when(passes).await
    }

    async fn read_once(&self, ask: &Ask) -> Result<Bytes, ReadError> {
        let by = self.clock.now() + TimeDelta::from_std(self.patience.permit).unwrap_or(TimeDelta::zero());
        let permit = self
            .limiter
            .acquire(ask.bucket, ask.priority, by)
            .await
            .map_err(|held| ReadError::RateLimited { until: held.until })?;
        let url = self.url(&ask.path).ok_or(ReadError::BadRequest { reason: "no such address".to_owned() })?;
        let request = match ask.method {
            AskMethod::Get => self.reads.get(url).query(&ask.query),
            AskMethod::Post if ask.query.is_empty() => self.reads.post(url).header(CONTENT_LENGTH, 0),
            AskMethod::Post => self.reads.post(url).form(&ask.query),
        };
        let response = self.headed(request).send().await.map_err(|error| unreachable(&error))?;
        let (answer, headers) = receive(response, ask.longest).await.map_err(|lost| match lost {
            Lost::Broken(why) => ReadError::Unreachable { why },
            Lost::TooLong => ReadError::TooMuch { what: ask.what },
        })?;
        if let Some(until) = self.note(&permit, &answer, &headers) {
            return Err(ReadError::RateLimited { until });
        }
        match answer::read_error(&answer, ask.asked) {
            None => Ok(answer.body),
            Some(error) => Err(error),
        }
    }

    /// Writes, once. Every way out of this function is one of the four ends of a write.
    pub(crate) async fn write(&self, act: &Act, send: Send) -> WriteOutcome {
        let not_sent = |proof| WriteOutcome::NotSent { proof };
        let Some(url) = self.url(&act.path) else {
            return not_sent(NotSent::Unsendable("no such address".to_owned()));
        };
        let built = self.writes.request(act.method.clone(), url);
        let built = if act.form.is_empty() { built } else { built.form(&act.form) };
        let request = match self.headed(built).build() {
            Ok(request) => request,
            Err(error) => return not_sent(NotSent::Unsendable(error.without_url().to_string())),
        };
        let permit = match self.limiter.acquire(BucketKind::Trading, send.priority, send.by).await {
            Ok(permit) => permit,
            Err(held) => return not_sent(NotSent::RateLimited { until: held.until }),
        };
        let gate = Gate::new(&self.clock, send.by);
        if !gate.is_open() {
            return not_sent(NotSent::TooLate { by: send.by });
        }
        let response = match gate.guard(self.writes.execute(request)).await {
            Ok(response) => response,
            Err(error) => return lost_write(&gate, &error, send),
        };
        self.conclude(response, &permit, act.deed).await
    }

    async fn conclude(&self, response: Response, permit: &Permit, deed: Deed) -> WriteOutcome {
        let unknown = |why| WriteOutcome::Unknown { why: Doubt::NoAnswer(why) };
        match receive(response, LONGEST_WRITE).await {
            Ok((answer, headers)) => {
                self.note(permit, &answer, &headers);
                answer::write_outcome(&answer, deed)
            }
            Err(Lost::Broken(why)) => unknown(why),
            Err(Lost::TooLong) => unknown(Unreachable::Broken),
        }
    }

    /// Tells the limiter what the broker said about its count; the end of the pause when the
    /// answer was a refusal for the rate.
    fn note(&self, permit: &Permit, answer: &Answer, headers: &HeaderMap) -> Option<chrono::DateTime<chrono::Utc>> {
        let now = self.clock.now();
        let told = RateHeaders::read(headers, now);
        permit.answered(told);
        let until = crate::broker::rate_limit::expiry(headers, now);
        answer.is_throttle().then(|| permit.throttled(until))
    }

    fn url(&self, path: &str) -> Option<Url> {
        self.base.join(path).ok()
    }

    fn headed(&self, request: RequestBuilder) -> RequestBuilder {
        request
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, HeaderValue::from_static("application/json"))
    }
}

/// What became of a write whose request ended in an error.
fn lost_write(gate: &Arc<Gate>, error: &reqwest::Error, send: Send) -> WriteOutcome {
    let why = transport(error);
    if gate.was_connected() {
        WriteOutcome::Unknown { why: Doubt::NoAnswer(why) }
    } else if gate.was_late() {
        WriteOutcome::NotSent { proof: NotSent::TooLate { by: send.by } }
    } else {
        WriteOutcome::NotSent { proof: NotSent::NeverConnected(why) }
    }
}

/// Failures of a GET that are worth another try. A refused token, a bad question, an answer that
/// cannot be read: not.
fn passes(error: &ReadError) -> bool {
    match error {
        ReadError::Unreachable { .. } | ReadError::Unavailable { .. } => true,
        ReadError::RateLimited { .. }
        | ReadError::Reauthenticate { .. }
        | ReadError::Blocked { .. }
        | ReadError::BadRequest { .. }
        | ReadError::NotThere
        | ReadError::Undecodable { .. }
        | ReadError::TooMuch { .. }
        | ReadError::Unsupported { .. } => false,
    }
}

/// Why a body is not there.
pub(crate) enum Lost {
    Broken(Unreachable),
    TooLong,
}

/// Takes the whole body, up to a bound.
pub(crate) async fn receive(mut response: Response, longest: usize) -> Result<(Answer, HeaderMap), Lost> {
    let status: StatusCode = response.status();
    let headers = std::mem::take(response.headers_mut());
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Lost::Broken(transport(&error)))? {
        if body.len() + chunk.len() > longest {
            return Err(Lost::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    let www_authenticate = headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok((Answer { status: status.as_u16(), www_authenticate, body: body.freeze() }, headers))
}

fn unreachable(error: &reqwest::Error) -> ReadError {
    ReadError::Unreachable { why: transport(error) }
}

/// A library error in one of three words; its text may hold addresses and stays here.
pub(crate) fn transport(error: &reqwest::Error) -> Unreachable {
    if error.is_timeout() {
        Unreachable::TimedOut
    } else if error.is_connect() {
        Unreachable::NoConnection
    } else {
        Unreachable::Broken
    }
}
