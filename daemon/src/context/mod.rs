//! What the market was like at an entry, for those who learn from their trades later.
//!
//! A task of its own, beside the engine: an entry never waits for it and never fails because of it. Soon after a
//! trade is stored, its context is gathered and stored once; keys are those of the design papers.
//! Whatever could not be had is null, and `missing` says why, by the path of the key.
//!
//! `indicators` and `sectors` are pure; this module asks and puts together.

pub mod indicators;
pub mod sectors;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::America::New_York;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::auth::Username;
use crate::broker::factory::Account;
use crate::broker::rate_limit::BucketKind;
use crate::broker::{Priority, ReadError, Ticker};
use crate::db::DbError;
use crate::db::context::{ContextRow, Entered, context_put, entered};
use crate::db::settings::settings_users;
use crate::market::{Bar, BarsRequest, Interval, Quote};
use crate::prices::Recorder;
use crate::prices::judge::{Mark, Moment, SoundGreeks};
use indicators::Candle;
use sectors::{FUNDS, sector_of};

/// Between two looks for new trades; a poke makes it look at once.
const LOOK: Duration = Duration::from_secs(5);
/// Longest that one trade's context may take, and one piece of it: what hangs takes nothing else with it.
const PATIENCE: Duration = Duration::from_secs(180);
const PIECE: Duration = Duration::from_secs(35);
/// Later than this after an entry the market is another one.
const LATE: TimeDelta = TimeDelta::minutes(10);
/// A context begins when there are so many calls left.
const ROOM: u32 = 26;
/// So long it waits for them.
const WAITS: TimeDelta = TimeDelta::minutes(3);
/// What is left to others while it is gathered: a minute of live prices. What keeps is asked for a moment later.
const LEFT_TO_OTHERS: u32 = 20;
/// Longest that one piece is put off, and all of them together; and how often it is looked whether it must be.
const PUT_OFF: Duration = Duration::from_secs(15);
const ALL_PUT_OFF: Duration = Duration::from_secs(90);
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Gathers contexts.
#[derive(Clone, Debug)]
pub struct Collector {
    recorder: Recorder,
    poke: Arc<Notify>,
}

/// Why pieces are null, by the path of their key.
type Missing = BTreeMap<String, String>;

impl Collector {
    #[must_use]
    pub fn new(recorder: Recorder) -> Self {
        Self { recorder, poke: Arc::default() }
    }

    /// A trade was stored: look now.
    pub fn poke(&self) {
        self.poke.notify_one();
    }

    /// Gathers until it is stopped.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                if let Err(error) = self.look().await {
                    tracing::debug!("new trades are not known: {error}");
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = self.poke.notified() => {}
                }
            }
        })
        .await;
    }

    /// Every open trade without a context gets one; tells how many did.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn look(&self) -> Result<usize, DbError> {
        let tx = self.recorder.db.system_tx().await?;
        let users = settings_users(&tx).await?;
        tx.commit().await?;
        let mut stored = 0;
        for user in &users {
            let tx = self.recorder.db.user_tx(user).await?;
            let trades = entered(&tx).await?;
            tx.commit().await?;
            for trade in &trades {
                let Some(row) = self.gather(user, trade).await else { continue };
                let tx = self.recorder.db.user_tx(user).await?;
                stored += usize::from(context_put(&tx, &row).await?);
                tx.commit().await?;
            }
        }
        Ok(stored)
    }

    /// Nothing while the broker's rate is wanted by others: the next look tries again.
    async fn gather(&self, who: &Username, trade: &Entered) -> Option<ContextRow> {
        let age = self.recorder.clock.now() - trade.at;
        if age > LATE {
            return Some(nothing(trade, "the daemon was not there within ten minutes of the entry"));
        }
        let account = match self.recorder.accounts.open(who, trade.mode).await {
            Ok(account) => account,
            Err(error) => return Some(nothing(trade, &error.to_string())),
        };
        let room = account.tradier.limiter().left(BucketKind::MarketData, Priority::Read);
        if room < ROOM && age < WAITS {
            return None;
        }
        let moment = self.recorder.moment(trade.mode, &account).await;
        // What has waited for so long already gives way to nobody.
        let gives_way = if age < WAITS { ALL_PUT_OFF } else { Duration::ZERO };
        let desk = Desk { account: &account, moment, gives_way_until: Instant::now() + gives_way };
        let gathered = tokio::time::timeout(PATIENCE, desk.gather(trade)).await;
        Some(gathered.unwrap_or_else(|_| nothing(trade, "the broker took too long")))
    }
}

/// A context of which nothing could be had.
fn nothing(trade: &Entered, why: &str) -> ContextRow {
    let missing = Missing::from([("*".to_owned(), why.to_owned())]);
    let regime = json!({
        "spy": { "price": null, "pct_change": null, "vix": null },
        "sector": { "ticker": null, "pct_change": null, "correlation_30d": null },
        "market_internals": { "ad_line": null, "put_call_ratio": null },
    });
    ContextRow {
        trade: trade.id,
        signals: noted(signals(&Bars::default(), &mut Missing::new()), &missing),
        regime: noted(regime, &missing),
        order_book: noted(order_book(None), &missing),
        delta: None,
        gamma: None,
        theta: None,
        vega: None,
        iv: None,
    }
}

/// One account's market data at one moment.
struct Desk<'a> {
    account: &'a Account,
    moment: Moment,
    gives_way_until: Instant,
}

/// Bars of the underlying.
#[derive(Default)]
struct Bars {
    minute: Vec<Bar>,
    five: Vec<Bar>,
    fifteen: Vec<Bar>,
    daily: Vec<Bar>,
}

impl Desk<'_> {
    /// The quotes first: they are of the moment of the entry, and bars keep.
    async fn gather(&self, trade: &Entered) -> ContextRow {
        let mut missing = Missing::new();
        let quote = self.quotes(std::slice::from_ref(&trade.symbol)).await;
        let market = self.market_quotes().await;
        let bars = self.all_bars(&trade.ticker, &mut missing).await;
        let signals = noted(signals(&bars, &mut missing), &missing);
        let mut missing = Missing::new();
        let regime = self.regime(&trade.ticker, market, &closes(&bars.daily), &mut missing).await;
        let regime = noted(regime, &missing);
        let mut missing = Missing::new();
        let quote = match quote {
            Ok(mut quotes) => quotes.pop(),
            Err(why) => {
                missing.insert("*".to_owned(), why);
                None
            }
        };
        let greeks = quote.as_ref().map(|quote| SoundGreeks::of(quote.greeks.as_ref(), trade.contract.option_type));
        let greeks = greeks.unwrap_or_default();
        let judged = quote.as_ref().map(|quote| (quote, Mark::of(quote, &self.moment), greeks));
        if let Some((_, mark, _)) = judged.as_ref().filter(|(_, mark, _)| !mark.quality.is_shown()) {
            missing.insert("bid".to_owned(), format!("the quote is {}", mark.quality));
        }
        let book = order_book(judged.filter(|(_, mark, _)| mark.quality.is_shown()));
        for path in null_paths(&book) {
            missing.entry(path).or_insert_with(|| "the broker does not say".to_owned());
        }
        ContextRow {
            trade: trade.id,
            signals,
            regime,
            order_book: noted(book, &missing),
            delta: greeks.delta.map(sixth),
            gamma: greeks.gamma.map(sixth),
            theta: greeks.theta.map(sixth),
            vega: greeks.vega.map(sixth),
            iv: greeks.iv.map(sixth),
        }
    }

    /// Beside each other: one that hangs is not waited for by the next.
    async fn all_bars(&self, ticker: &str, missing: &mut Missing) -> Bars {
        let (minute, five, fifteen, daily) = tokio::join!(
            self.bars(ticker, Interval::OneMinute, 4),
            self.bars(ticker, Interval::FiveMinutes, 6),
            self.bars(ticker, Interval::FifteenMinutes, 16),
            self.bars(ticker, Interval::Daily, 320),
        );
        let mut found = |bars: Result<Vec<Bar>, String>, keys: &[&str]| {
            bars.unwrap_or_else(|why| {
                missing.extend(keys.iter().map(|key| ((*key).to_owned(), why.clone())));
                Vec::new()
            })
        };
        Bars {
            minute: found(minute, &["1m"]),
            five: found(five, &["5m"]),
            fifteen: found(fifteen, &["15m", "1h"]),
            daily: found(daily, &["daily"]),
        }
    }

    /// Closed bars of the last days, oldest first.
    async fn bars(&self, ticker: &str, interval: Interval, days: i64) -> Result<Vec<Bar>, String> {
        let symbol: Ticker = ticker.parse().map_err(|_| format!("{ticker} is no ticker"))?;
        let now = local(self.moment.now);
        let request = BarsRequest { symbol, interval, start: Some(now - TimeDelta::days(days)), end: Some(now) };
        self.give_way().await;
        let bars = piece(self.account.market.bars(&request, Priority::Read)).await?;
        let length = match interval {
            Interval::OneMinute => TimeDelta::minutes(1),
            Interval::FiveMinutes => TimeDelta::minutes(5),
            Interval::FifteenMinutes => TimeDelta::minutes(15),
            Interval::Daily | Interval::Weekly | Interval::Monthly => TimeDelta::days(1),
        };
        // The bar that is still growing is no bar yet.
        Ok(bars.into_iter().filter(|bar| bar.starts_at + length <= now).collect())
    }

    /// Until others have what they need, or it has been long enough.
    async fn give_way(&self) {
        let limiter = self.account.tradier.limiter();
        let others_have = || limiter.left(BucketKind::MarketData, Priority::Read) > LEFT_TO_OTHERS;
        let wait = async {
            while !others_have() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let at_most = self.gives_way_until.saturating_duration_since(Instant::now()).min(PUT_OFF);
        // In vain is no reason to do without.
        let _in_vain = tokio::time::timeout(at_most, wait).await;
    }

    async fn quotes(&self, symbols: &[String]) -> Result<Vec<Quote>, String> {
        Ok(piece(self.account.market.quotes(symbols, Priority::Read)).await?.quotes)
    }

    async fn market_quotes(&self) -> Result<Vec<Quote>, String> {
        let symbols: Vec<String> = ["SPY", "VIX"].iter().chain(&FUNDS).map(|symbol| (*symbol).to_owned()).collect();
        self.quotes(&symbols).await
    }

    async fn regime(
        &self,
        ticker: &str,
        market: Result<Vec<Quote>, String>,
        daily: &[f64],
        missing: &mut Missing,
    ) -> Value {
        let sector = sector_of(ticker);
        let quotes = market.unwrap_or_else(|why| {
            missing.insert("*".to_owned(), why);
            Vec::new()
        });
        let of = |symbol: &str| quotes.iter().find(|quote| quote.symbol == symbol);
        let last = |symbol: &str| of(symbol).and_then(|quote| quote.last).filter(|last| *last > Decimal::ZERO);
        let change = |symbol: &str| of(symbol).and_then(pct_change);
        if sector.is_none() {
            missing.insert("sector".to_owned(), format!("no sector is known for {ticker}"));
        }
        let correlation = match sector {
            Some(fund) => self.correlation(fund, daily, missing).await,
            None => None,
        };
        let value = json!({
            "spy": { "price": number(last("SPY")), "pct_change": number(change("SPY")), "vix": number(last("VIX")) },
            "sector": { "ticker": sector, "pct_change": number(sector.and_then(change)), "correlation_30d": rounded(correlation) },
            "market_internals": { "ad_line": breadth(&FUNDS.map(change)), "put_call_ratio": number(self.put_call(missing).await) },
        });
        for path in null_paths(&value) {
            missing.entry(path).or_insert_with(|| "the broker does not say".to_owned());
        }
        value
    }

    /// Of the last 30 daily returns of the underlying and its sector.
    async fn correlation(&self, fund: &str, daily: &[f64], missing: &mut Missing) -> Option<f64> {
        const CLOSES: usize = 31;
        let theirs = match self.bars(fund, Interval::Daily, 60).await {
            Ok(bars) => closes(&bars),
            Err(why) => {
                missing.insert("sector.correlation_30d".to_owned(), why);
                return None;
            }
        };
        let last =
            |closes: &[f64]| closes.len().checked_sub(CLOSES).and_then(|from| closes.get(from..).map(<[f64]>::to_vec));
        let found = last(daily).zip(last(&theirs)).and_then(|(ours, theirs)| indicators::correlation(&ours, &theirs));
        if found.is_none() {
            missing.insert("sector.correlation_30d".to_owned(), "fewer than 31 daily bars".to_owned());
        }
        found
    }

    /// Volume of puts by volume of calls, in the next expiry of SPY.
    async fn put_call(&self, missing: &mut Missing) -> Option<Decimal> {
        let ratio = async {
            let spy: Ticker = "SPY".parse().map_err(|_| "SPY is no ticker".to_owned())?;
            let market = &self.account.market;
            self.give_way().await;
            let dates = piece(market.expirations(&spy, Priority::Read)).await?;
            let today = local(self.moment.now).date();
            let expiry = dates.into_iter().find(|date| *date >= today).ok_or("no expiry is listed")?;
            self.give_way().await;
            let chain = piece(market.chain(&spy, expiry, Priority::Read)).await?;
            let volume = |side| -> u64 {
                let of_side =
                    chain.rows.iter().filter(|row| row.terms.as_ref().is_some_and(|terms| terms.option_type == side));
                of_side.filter_map(|row| row.volume).sum()
            };
            let (puts, calls) =
                (volume(blotter_shared::domain::OptionType::Put), volume(blotter_shared::domain::OptionType::Call));
            let ratio = Decimal::from(puts).checked_div(Decimal::from(calls)).map(|ratio| ratio.round_dp(4));
            ratio.ok_or_else(|| "no call was traded".to_owned())
        };
        match ratio.await {
            Ok(ratio) => Some(ratio),
            Err(why) => {
                let why: String = why;
                missing.insert("market_internals.put_call_ratio".to_owned(), why);
                None
            }
        }
    }
}

/// One answer of the broker, or why there is none.
async fn piece<T>(answer: impl Future<Output = Result<T, ReadError>>) -> Result<T, String> {
    match tokio::time::timeout(PIECE, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("the broker took too long".to_owned()),
    }
}

/// The signals, under the papers' keys.
fn signals(bars: &Bars, missing: &mut Missing) -> Value {
    let quick = |bars: &[Bar]| {
        let closes = closes(bars);
        json!({ "rsi": rounded(indicators::rsi(&closes)), "macd_hist": rounded(indicators::macd_histogram(&closes)),
                "ema_9_21_cross": indicators::cross_9_21(&closes) })
    };
    let fifteen = closes(&bars.fifteen);
    let hourly: Vec<f64> = hours(&bars.fifteen);
    let daily = closes(&bars.daily);
    let value = json!({
        "1m": quick(&bars.minute),
        "5m": quick(&bars.five),
        "15m": { "rsi": rounded(indicators::rsi(&fifteen)), "squeeze": indicators::squeeze(&candles(&bars.fifteen)) },
        "1h": { "trend": indicators::trend(&hourly) },
        "daily": { "trend": indicators::trend(&daily), "dist_from_200sma": rounded(indicators::distance_from_200(&daily)) },
    });
    for path in null_paths(&value) {
        let group = path.split('.').next().unwrap_or_default().to_owned();
        if !missing.contains_key(&group) {
            missing.insert(path, "too few bars".to_owned());
        }
    }
    value
}

/// The order book, under the papers' keys; volatility in percent, as there.
fn order_book(judged: Option<(&Quote, Mark, SoundGreeks)>) -> Value {
    let quote = judged.map(|(quote, ..)| quote);
    let mark = judged.map(|(_, mark, _)| mark);
    let greeks = judged.map(|(.., greeks)| greeks).unwrap_or_default();
    let (bid, ask) = (mark.and_then(|mark| mark.bid), mark.and_then(|mark| mark.ask));
    let spread = bid.zip(ask).and_then(|(bid, ask)| {
        let middle = (bid + ask) / Decimal::TWO;
        ((ask - bid) * Decimal::ONE_HUNDRED).checked_div(middle).map(|percent| percent.round_dp(4))
    });
    json!({
        "bid": number(bid), "ask": number(ask), "spread_pct": number(spread), "volume": quote.and_then(|quote| quote.volume),
        "open_interest": quote.and_then(|quote| quote.terms.as_ref()).and_then(|terms| terms.open_interest),
        "greeks": { "delta": number(greeks.delta), "gamma": number(greeks.gamma), "theta": number(greeks.theta),
                    "vega": number(greeks.vega), "iv": number(greeks.iv.map(|iv| (iv * Decimal::ONE_HUNDRED).round_dp(4))) },
    })
}

/// Whether more of the sectors rise than fall.
fn breadth(changes: &[Option<Decimal>]) -> Option<&'static str> {
    let known: Vec<Decimal> = changes.iter().flatten().copied().collect();
    let up = known.iter().filter(|change| **change > Decimal::ZERO).count();
    let down = known.iter().filter(|change| **change < Decimal::ZERO).count();
    // Half of the sectors say nothing about all of them.
    (known.len() * 2 > changes.len()).then_some(match up.cmp(&down) {
        std::cmp::Ordering::Greater => "advancing",
        std::cmp::Ordering::Less => "declining",
        std::cmp::Ordering::Equal => "mixed",
    })
}

fn pct_change(quote: &Quote) -> Option<Decimal> {
    let (last, before) = (quote.last?, quote.previous_close?);
    ((last - before) * Decimal::ONE_HUNDRED).checked_div(before).map(|change| change.round_dp(4))
}

fn closes(bars: &[Bar]) -> Vec<f64> {
    candles(bars).iter().map(|candle| candle.close).collect()
}

/// Bars with all of their prices; a gap in the source is no bar.
fn candles(bars: &[Bar]) -> Vec<Candle> {
    let candle = |bar: &Bar| {
        let price =
            |price: Option<Decimal>| price.filter(|price| *price > Decimal::ZERO).and_then(|price| price.to_f64());
        let close = price(bar.close)?;
        Some(Candle { high: price(bar.high).unwrap_or(close), low: price(bar.low).unwrap_or(close), close })
    };
    bars.iter().filter_map(candle).collect()
}

/// The close of each hour of quarter-hour bars, counted from the opening at half past nine.
fn hours(bars: &[Bar]) -> Vec<f64> {
    let hour = |bar: &Bar| (bar.starts_at - TimeDelta::minutes(30)).format("%Y-%m-%d %H").to_string();
    let ends =
        bars.iter().enumerate().filter(|(index, bar)| bars.get(index + 1).is_none_or(|next| hour(next) != hour(bar)));
    ends.filter_map(|(_, bar)| bar.close.and_then(|close| close.to_f64())).collect()
}

fn local(at: DateTime<Utc>) -> NaiveDateTime {
    at.with_timezone(&New_York).naive_local()
}

/// A decimal as a JSON number, as the papers have it.
fn number(value: Option<Decimal>) -> Value {
    value.and_then(|value| serde_json::from_str(&value.normalize().to_string()).ok()).unwrap_or(Value::Null)
}

fn rounded(value: Option<f64>) -> Value {
    value.map_or(Value::Null, |value| json!((value * 1e4).round() / 1e4))
}

fn sixth(value: Decimal) -> Decimal {
    value.round_dp(6)
}

/// The paths of all keys that are null.
fn null_paths(value: &Value) -> Vec<String> {
    fn walk(value: &Map<String, Value>, at: &str, found: &mut Vec<String>) {
        for (key, value) in value {
            let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            match value {
                Value::Null => found.push(path),
                Value::Object(inner) => walk(inner, &path, found),
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {}
            }
        }
    }
    let mut found = Vec::new();
    if let Value::Object(fields) = value {
        walk(fields, "", &mut found);
    }
    found
}

/// With the reasons, if there are any.
fn noted(mut value: Value, missing: &Missing) -> Value {
    if let (Value::Object(fields), false) = (&mut value, missing.is_empty()) {
        fields.insert("missing".to_owned(), json!(missing));
    }
    value
}
