//! The only place that knows an ORATS address, because the address holds the token.
//!
//! The request is built from parts, the error is taken apart into words, and the library's own
//! error, which carries the address, is dropped here.

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use chrono::TimeDelta;
use reqwest::{Client, Url};
use rustls::ClientConfig;

use super::OratsWorld;
use crate::broker::rate_limit::{BucketKind, RateLimiter};
use crate::broker::tradier::http::{Lost, client, receive, transport};
use crate::broker::tradier::{ClientError, Patience};
use crate::broker::world::{BaseUrlError, Token, loopback_url};
use crate::broker::{AuthTrouble, Priority, ReadError};
use crate::clock::Clock;

/// Longest answer: the whole SPX chain is about a quarter of it.
const LONGEST: usize = 16 << 20;

/// Where ORATS is.
#[derive(Clone, Debug)]
pub struct OratsUrl(Url);

impl OratsUrl {
    /// # Errors
    /// Never in practice; the constant is tested.
    pub fn standard() -> Result<Self, BaseUrlError> {
        "https://api.orats.io/datav2/".parse().map(Self).map_err(|_| BaseUrlError::Shape)
    }

    /// An address on this machine in its place.
    ///
    /// # Errors
    /// When it is another machine's, or no HTTP address.
    pub fn loopback(text: &str) -> Result<Self, BaseUrlError> {
        loopback_url(text).map(Self)
    }
}

pub(super) struct Http {
    client: Client,
    base: Url,
    token: Token<OratsWorld>,
    limiter: RateLimiter,
    clock: Clock,
    patience: Patience,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Http {
    pub(super) fn new(
        url: OratsUrl,
        token: Token<OratsWorld>,
        limiter: RateLimiter,
        clock: Clock,
        (tls, patience): (&ClientConfig, Patience),
    ) -> Result<Self, ClientError> {
        let client = client(tls, patience)
            .timeout(patience.read)
            .build()
            .map_err(|error| ClientError::Setup(error.without_url().to_string()))?;
        Ok(Self { client, base: url.0, token, limiter, clock, patience })
    }

    /// A GET, repeated when it failed in passing.
    pub(super) async fn read(
        &self,
        what: &'static str,
        path: &str,
        query: &[(&str, String)],
        priority: Priority,
    ) -> Result<Bytes, ReadError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(self.patience.pause)
            .with_max_delay(self.patience.pause * 4)
            .with_max_times(self.patience.repeats)
            .with_jitter();
        (|| self.read_once(what, path, query, priority)).retry(pauses).when(passes).await
    }

    async fn read_once(
        &self,
        what: &'static str,
        path: &str,
        query: &[(&str, String)],
        priority: Priority,
    ) -> Result<Bytes, ReadError> {
        let by = self.clock.now() + TimeDelta::from_std(self.patience.permit).unwrap_or(TimeDelta::zero());
        let permit = self
            .limiter
            .acquire(BucketKind::MarketData, priority, by)
            .await
            .map_err(|held| ReadError::RateLimited { until: held.until })?;
        let url = self.base.join(path).map_err(|_| ReadError::BadRequest { reason: "no such address".to_owned() })?;
        let request = self.client.get(url).query(query).query(&[("token", self.token.expose())]);
        let lost = |why| ReadError::Unreachable { why };
        let response = request.send().await.map_err(|error| lost(transport(&error)))?;
        let (answer, _) = receive(response, LONGEST).await.map_err(|end| match end {
            Lost::Broken(why) => lost(why),
            Lost::TooLong => ReadError::TooMuch { what },
        })?;
        permit.answered(None);
        if answer.status == 429 {
            return Err(ReadError::RateLimited { until: permit.throttled(None) });
        }
        match verdict(answer.status, &answer.body, what) {
            None => Ok(answer.body),
            Some(error) => Err(error),
        }
    }
}

/// Why an answer is none. A refused token comes as 401, 403 or as a page of HTML with status 200;
/// a contract or date that is not there comes as 404 with a body that says so.
fn verdict(status: u16, body: &Bytes, what: &'static str) -> Option<ReadError> {
    let text = String::from_utf8_lossy(body.get(..body.len().min(64)).unwrap_or_default()).trim().to_owned();
    let unavailable = |reason: &str| Some(ReadError::Unavailable { status, reason: reason.to_owned() });
    match (status, text.as_bytes().first()) {
        (200..=299, None) => unavailable("an empty answer"),
        (200..=299, Some(b'<')) => Some(ReadError::Reauthenticate { why: AuthTrouble::Invalid }),
        (200..=299, Some(b'{')) => None,
        (200..=299, Some(_)) => Some(ReadError::Undecodable { what, why: "it is not JSON".to_owned() }),
        (401 | 403, _) => Some(ReadError::Reauthenticate { why: AuthTrouble::Invalid }),
        (404, _) if text.starts_with("Not Found") => Some(ReadError::NotThere),
        (404, _) => unavailable("not found, and not in its usual words"),
        (400..=499, _) => Some(ReadError::BadRequest { reason: format!("status {status}") }),
        (_, _) => unavailable("no answer but a status"),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_theirs() {
        assert_eq!(OratsUrl::standard().unwrap().0.as_str(), "https://api.orats.io/datav2/");
        assert!(OratsUrl::loopback("https://api.orats.io.evil.example/").is_err());
    }

    #[test]
    fn each_habit_of_failing_is_known() {
        let of = |status, body: &'static str| verdict(status, &Bytes::from_static(body.as_bytes()), "the chain");
        assert_eq!(of(200, r#"{"data":[]}"#), None);
        assert_eq!(of(404, "Not Found."), Some(ReadError::NotThere));
        assert!(matches!(of(404, "<html>"), Some(ReadError::Unavailable { .. })));
        assert!(matches!(of(200, ""), Some(ReadError::Unavailable { .. })));
        assert_eq!(of(200, "<!DOCTYPE html>"), Some(ReadError::Reauthenticate { why: AuthTrouble::Invalid }));
        assert_eq!(of(401, ""), Some(ReadError::Reauthenticate { why: AuthTrouble::Invalid }));
        assert!(matches!(of(200, "ticker,strike"), Some(ReadError::Undecodable { .. })));
        assert!(matches!(of(400, ""), Some(ReadError::BadRequest { .. })));
        assert!(matches!(of(502, ""), Some(ReadError::Unavailable { .. })));
    }
}
