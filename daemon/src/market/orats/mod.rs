//! ORATS: live option prices with greeks of its own making.
//!
//! The token is a query parameter there, so every address is a secret. Addresses are made and used
//! inside `http` and leave it in no error and no log line. ORATS tells no rate headers; we stay
//! below its thousand a minute by our own count.
//!
//! What it does not have (quotes of stocks, bars) it says it does not have; it never stands in
//! with something else.

mod convert;
mod http;
mod wire;

use std::sync::Arc;

use blotter_shared::domain::OptionContract;
use chrono::NaiveDate;
use futures_util::FutureExt;
use rust_decimal::Decimal;
use rustls::ClientConfig;
use secrecy::SecretString;

pub use self::convert::decode_chain;
use self::http::Http;
pub use self::http::OratsUrl;
use super::{Bar, BarsRequest, Chain, MarketData, MarketRead, Quotes};
use crate::broker::rate_limit::{Limits, NoStore, RateLimiter};
use crate::broker::tradier::{ClientError, Patience, TokenVerdict};
use crate::broker::world::{NoToken, Token};
use crate::broker::{Priority, ReadError, Ticker};
use crate::clock::Clock;

/// The world of ORATS tokens: they open nothing at a broker.
#[derive(Clone, Copy, Debug)]
pub struct OratsWorld;

/// Calls a minute, half of what one token may make: other programs of the user share it.
const CEILING: u32 = 500;
/// Contracts that one request may name.
const MOST_CONTRACTS: usize = 10;

/// A source of option prices.
#[derive(Debug)]
pub struct Orats {
    http: Http,
}

impl Orats {
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub async fn new(
        url: OratsUrl,
        token: Token<OratsWorld>,
        clock: Clock,
        (tls, patience): (&ClientConfig, Patience),
    ) -> Result<Self, ClientError> {
        let limits = Limits { ceiling: CEILING };
        let limiter = RateLimiter::open(token.fingerprint(), limits, Arc::new(NoStore), clock.clone()).await;
        Ok(Self { http: Http::new(url, token, limiter, clock, (tls, patience))? })
    }

    /// A token from its text.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn token(secret: SecretString) -> Result<Token<OratsWorld>, NoToken> {
        Token::new(secret)
    }

    /// Whether ORATS accepts the token: one small question with it.
    pub async fn verify(&self) -> TokenVerdict<()> {
        let query = [("ticker", "SPY".to_owned())];
        match self.http.read("the expirations", "live/expirations", &query, Priority::Read).await {
            Ok(_) | Err(ReadError::NotThere) => TokenVerdict::Good(()),
            Err(ReadError::Reauthenticate { why }) => TokenVerdict::Refused(why),
            Err(error) => TokenVerdict::Undecided(error),
        }
    }

    async fn quotes_of(&self, symbols: &[String], priority: Priority) -> Result<Quotes, ReadError> {
        let (contracts, others): (Vec<_>, Vec<_>) =
            symbols.iter().cloned().partition(|symbol| symbol.parse::<OptionContract>().is_ok());
        let mut all = Quotes { quotes: Vec::new(), unmatched: others };
        for part in contracts.chunks(MOST_CONTRACTS) {
            let query = [("tickers", part.join(","))];
            let rows = match self.http.read("the options", "live/strikes/options", &query, priority).await {
                Ok(body) => convert::decode_options(&body)?,
                Err(ReadError::NotThere) => Vec::new(),
                Err(error) => return Err(error),
            };
            let missing = part.iter().filter(|symbol| !rows.iter().any(|row| row.symbol == **symbol));
            all.unmatched.extend(missing.cloned());
            all.quotes.extend(rows.into_iter().filter(|row| part.contains(&row.symbol)));
        }
        Ok(all)
    }

    async fn chain_of(&self, underlying: &Ticker, expiry: NaiveDate, priority: Priority) -> Result<Chain, ReadError> {
        let query = [("ticker", underlying.to_string()), ("expiry", expiry.to_string())];
        let rows = match self.http.read("the chain", "live/strikes/monthly", &query, priority).await {
            Ok(body) => decode_chain(&body)?,
            Err(ReadError::NotThere) => Vec::new(),
            Err(error) => return Err(error),
        };
        let of_expiry = |row: &super::Quote| row.terms.as_ref().is_some_and(|terms| terms.expiry == expiry);
        Ok(Chain { underlying: underlying.clone(), expiry, rows: rows.into_iter().filter(of_expiry).collect() })
    }

    async fn expirations_of(&self, underlying: &Ticker, priority: Priority) -> Result<Vec<NaiveDate>, ReadError> {
        let query = [("ticker", underlying.to_string())];
        match self.http.read("the expirations", "live/expirations", &query, priority).await {
            Ok(body) => convert::decode_expirations(&body),
            Err(ReadError::NotThere) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn strikes_of(
        &self,
        underlying: &Ticker,
        expiry: NaiveDate,
        priority: Priority,
    ) -> Result<Vec<Decimal>, ReadError> {
        let chain = self.chain_of(underlying, expiry, priority).await?;
        let mut strikes: Vec<_> =
            chain.rows.iter().filter_map(|row| row.terms.as_ref().map(|terms| terms.strike)).collect();
        strikes.sort_unstable();
        strikes.dedup();
        Ok(strikes)
    }
}

impl MarketData for Orats {
    fn source_name(&self) -> &'static str {
        "ORATS"
    }

    fn quotes<'a>(&'a self, symbols: &'a [String], priority: Priority) -> MarketRead<'a, Quotes> {
        self.quotes_of(symbols, priority).boxed()
    }

    fn chain<'a>(&'a self, underlying: &'a Ticker, expiry: NaiveDate, priority: Priority) -> MarketRead<'a, Chain> {
        self.chain_of(underlying, expiry, priority).boxed()
    }

    fn expirations<'a>(&'a self, underlying: &'a Ticker, priority: Priority) -> MarketRead<'a, Vec<NaiveDate>> {
        self.expirations_of(underlying, priority).boxed()
    }

    fn strikes<'a>(
        &'a self,
        underlying: &'a Ticker,
        expiry: NaiveDate,
        priority: Priority,
    ) -> MarketRead<'a, Vec<Decimal>> {
        self.strikes_of(underlying, expiry, priority).boxed()
    }

    fn bars<'a>(&'a self, _: &'a BarsRequest, _: Priority) -> MarketRead<'a, Vec<Bar>> {
        let error = ReadError::Unsupported { source_name: self.source_name(), what: "bars" };
        std::future::ready(Err(error)).boxed()
    }
}
