//! One function per question about prices.

use std::fmt::Display;

use chrono::NaiveDate;
use futures_util::FutureExt;
use rust_decimal::Decimal;

use super::answer::Asked;
use super::form::Form;
use super::http::{Ask, AskMethod, Http, LIST, TABLE};
use super::read::{decode, decode_chain, sense};
use super::{Tradier, convert_market, wire};
use crate::broker::market_data::{Bar, BarsRequest, Chain, Interval, MarketData, MarketRead, Quotes};
use crate::broker::rate_limit::BucketKind;
use crate::broker::{Priority, ReadError, Ticker};

/// Longest list of symbols that goes into an address; a longer one goes into a form.
const LONGEST_IN_URL: usize = 1500;
/// Most symbols of one request.
const MOST_SYMBOLS: usize = 500;

fn ask(what: &'static str, path: &str, query: Form, priority: Priority) -> Ask {
    Ask {
        what,
        bucket: BucketKind::MarketData,
        priority,
        path: path.to_owned(),
        query,
        asked: Asked::Anything,
        method: AskMethod::Get,
        longest: LIST,
    }
}

fn pair(name: &str, value: &dyn Display) -> (String, String) {
    (name.to_owned(), value.to_string())
}

/// A symbol may not carry another one in.
fn check(symbols: &[String]) -> Result<(), ReadError> {
    let valid = |symbol: &String| {
        (1..=32).contains(&symbol.len())
            && symbol.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-$^:".contains(&byte))
    };
    if symbols.iter().all(valid) {
        return Ok(());
    }
    Err(ReadError::BadRequest { reason: "a symbol is 1 to 32 letters, digits and / . - $ ^ :".to_owned() })
}

async fn quotes(http: &Http, symbols: &[String], priority: Priority) -> Result<Quotes, ReadError> {
    check(symbols)?;
    let mut all = Quotes::default();
    for part in symbols.chunks(MOST_SYMBOLS) {
        let list = part.join(",");
        let method = if list.len() > LONGEST_IN_URL { AskMethod::Post } else { AskMethod::Get };
        let query = vec![pair("symbols", &list), pair("greeks", &true)];
        let ask = Ask { method, ..ask("the quotes", "markets/quotes", query, priority) };
        let body = http.read(&ask).await?;
        let envelope: wire::QuotesEnvelope<'_> = decode(ask.what, &body)?;
        let Some(quotes) = envelope.quotes.0 else {
            all.unmatched.extend_from_slice(part);
            continue;
        };
        let quotes = sense(ask.what, convert_market::quotes(quotes))?;
        // A symbol that is neither quoted nor named as unknown is unknown: none vanishes.
        let untold = |symbol: &&String| {
            !quotes.quotes.iter().any(|quote| quote.symbol == **symbol) && !quotes.unmatched.contains(symbol)
        };
        all.unmatched.extend(part.iter().filter(untold).cloned());
        all.quotes.extend(quotes.quotes);
        all.unmatched.extend(quotes.unmatched);
    }
    Ok(all)
}

async fn chain(http: &Http, underlying: &Ticker, expiry: NaiveDate, priority: Priority) -> Result<Chain, ReadError> {
    let query = vec![pair("symbol", &underlying), pair("expiration", &expiry), pair("greeks", &true)];
    let ask = Ask { longest: TABLE, ..ask("the chain", "markets/options/chains", query, priority) };
    let body = http.read(&ask).await?;
    Ok(Chain { underlying: underlying.clone(), expiry, rows: decode_chain(&body)? })
}

async fn expirations(http: &Http, underlying: &Ticker, priority: Priority) -> Result<Vec<NaiveDate>, ReadError> {
    let query = vec![pair("symbol", &underlying), pair("includeAllRoots", &true)];
    let ask = ask("the expirations", "markets/options/expirations", query, priority);
    let body = http.read(&ask).await?;
    let envelope: wire::ExpirationsEnvelope = decode(ask.what, &body)?;
    let Some(wire) = envelope.expirations.0 else { return Ok(Vec::new()) };
    sense(ask.what, convert_market::expirations(wire))
}

async fn strikes(
    http: &Http,
    underlying: &Ticker,
    expiry: NaiveDate,
    priority: Priority,
) -> Result<Vec<Decimal>, ReadError> {
    let query = vec![pair("symbol", &underlying), pair("expiration", &expiry), pair("includeAllRoots", &true)];
    let ask = ask("the strikes", "markets/options/strikes", query, priority);
    let body = http.read(&ask).await?;
    let envelope: wire::StrikesEnvelope = decode(ask.what, &body)?;
    Ok(envelope.strikes.0.map_or_else(Vec::new, convert_market::strikes))
}

async fn bars(http: &Http, request: &BarsRequest, priority: Priority) -> Result<Vec<Bar>, ReadError> {
    match request.interval {
        Interval::OneMinute => timesales(http, request, "1min", priority).await,
        Interval::FiveMinutes => timesales(http, request, "5min", priority).await,
        Interval::FifteenMinutes => timesales(http, request, "15min", priority).await,
        Interval::Daily => history(http, request, "daily", priority).await,
        Interval::Weekly => history(http, request, "weekly", priority).await,
        Interval::Monthly => history(http, request, "monthly", priority).await,
    }
}

/// Bars within a day, New York times on both ends.
async fn timesales(
    http: &Http,
    request: &BarsRequest,
    interval: &str,
    priority: Priority,
) -> Result<Vec<Bar>, ReadError> {
    let query = bars_query(request, interval, "%Y-%m-%d %H:%M");
    let ask = Ask { longest: TABLE, ..ask("the bars", "markets/timesales", query, priority) };
    let body = http.read(&ask).await?;
    let envelope: wire::SeriesEnvelope = decode(ask.what, &body)?;
    let bars = envelope.series.0.map_or_else(Vec::new, |series| series.data.0);
    bars.into_iter().map(|bar| sense(ask.what, convert_market::bar(&bar))).collect()
}

/// Bars of a day or more.
async fn history(
    http: &Http,
    request: &BarsRequest,
    interval: &str,
    priority: Priority,
) -> Result<Vec<Bar>, ReadError> {
    let query = bars_query(request, interval, "%Y-%m-%d");
    let ask = Ask { longest: TABLE, ..ask("the bars", "markets/history", query, priority) };
    let body = http.read(&ask).await?;
    let envelope: wire::HistoryEnvelope = decode(ask.what, &body)?;
    let bars = envelope.history.0.map_or_else(Vec::new, |history| history.day.0);
    bars.into_iter().map(|bar| sense(ask.what, convert_market::bar(&bar))).collect()
}

fn bars_query(request: &BarsRequest, interval: &str, format: &str) -> Form {
    let mut query = vec![pair("symbol", &request.symbol), pair("interval", &interval)];
    for (name, at) in [("start", request.start), ("end", request.end)] {
        if let Some(at) = at {
            query.push(pair(name, &at.format(format)));
        }
    }
    query
}

impl MarketData for Tradier {
    fn source_name(&self) -> &'static str {
        "Tradier"
    }

    fn quotes<'a>(&'a self, symbols: &'a [String], priority: Priority) -> MarketRead<'a, Quotes> {
        async move {
            let told = self.note(quotes(&self.http, symbols, priority).await)?;
            self.heard.note(&told.quotes, self.http.clock().now());
            Ok(told)
        }
        .boxed()
    }

    fn chain<'a>(&'a self, underlying: &'a Ticker, expiry: NaiveDate, priority: Priority) -> MarketRead<'a, Chain> {
        async move { self.note(chain(&self.http, underlying, expiry, priority).await) }.boxed()
    }

    fn expirations<'a>(&'a self, underlying: &'a Ticker, priority: Priority) -> MarketRead<'a, Vec<NaiveDate>> {
        async move { self.note(expirations(&self.http, underlying, priority).await) }.boxed()
    }

    fn strikes<'a>(
        &'a self,
        underlying: &'a Ticker,
        expiry: NaiveDate,
        priority: Priority,
    ) -> MarketRead<'a, Vec<Decimal>> {
        async move { self.note(strikes(&self.http, underlying, expiry, priority).await) }.boxed()
    }

    fn bars<'a>(&'a self, request: &'a BarsRequest, priority: Priority) -> MarketRead<'a, Vec<Bar>> {
        async move { self.note(bars(&self.http, request, priority).await) }.boxed()
    }
}
