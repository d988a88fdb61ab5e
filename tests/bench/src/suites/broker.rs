//! The broker's adapter: what it costs beside a bare client of the same connection policy that decodes to any JSON,
//! how long the longest answer takes to understand, and how the number of reads grows with the positions.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use blotter_daemon::broker::factory::{Account, Addresses, BrokerFactory, LiveLock};
use blotter_daemon::broker::rate_limit::{Limiters, Limits, MemoryStore};
use blotter_daemon::broker::tradier::{Patience, decode_chain};
use blotter_daemon::broker::{
    Instrument, Leg, Lifetime, NewOrder, OrderScope, Pricing, Priority, Send, Shape, TradeSide, WriteOutcome, tls,
};
use blotter_daemon::clock::Clock;
use blotter_daemon::trades::ports::{BrokerPort, Symbol};
use blotter_daemon::trades::runtime::broker::BrokerAccount;
use blotter_daemon::trades::timing::Pace;
use blotter_shared::domain::{BrokerMode, Quantity};
use blotter_testkit::programs;
use bytes::Bytes;
use nix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::simulator::{Line, Program, START};
use crate::report::Report;
use crate::stats::Sample;

const ORDERS: &str = "/v1/accounts/6YA00001/orders";
/// The order of [`order`], as a form.
const FORM: &[(&str, &str)] = &[
    ("class", "option"),
    ("symbol", "SPY"),
    ("option_symbol", "SPY260918C00600000"),
    ("side", "buy_to_open"),
    ("quantity", "1"),
    ("type", "limit"),
    ("price", "0.55"),
    ("duration", "day"),
    ("tag", "e1-7f3a"),
];
/// Brackets in the list that is read: a page as the broker cuts them.
const LISTED: usize = 25;

pub(crate) async fn run(report: &mut Report) -> Result<()> {
    parse(report)?;
    costs(report).await?;
    calls(report).await
}

/// A simulator with an account that can hold a thousand positions.
fn simulator() -> Result<Program> {
    let args =
        ["--clock", "manual", "--start", START, "--no-limits", "--lifeline", "--account", "LIVE:6YA00001:900000000"];
    Program::start(programs::path("tradier-sim")?, &args)
}

/// An account there. Each has limits of its own, as after a quiet minute.
async fn account(address: &str, limits: Limits) -> Result<Account> {
    let clock = Clock::system();
    let limiters = Limiters::new(limits, Arc::new(MemoryStore::default()), clock.clone());
    let addresses = Addresses { sim: Some(format!("http://{address}/v1")), ..Addresses::default() };
    let factory = BrokerFactory::new(LiveLock::Locked, addresses, Arc::new(limiters), clock);
    Ok(factory.open(BrokerMode::Sim, "6YA00001".parse()?, "live-token".into()).await?)
}

/// The whole index chain and more, as the simulator spells it. In time of the processor: it waits for nothing, and a
/// machine that is busy with other things makes it no dearer.
fn parse(report: &mut Report) -> Result<()> {
    const ROWS: usize = 5_000;
    let simulator = simulator()?;
    let mut line = simulator.connect()?;
    let chain = line.ask("GET", "/v1/markets/options/chains?symbol=SPY&expiration=2026-09-18&greeks=true", "")?;
    let chain: Chain<'_> = serde_json::from_str(&chain)?;
    let rows: Vec<&str> = chain.options.option.iter().map(|row| row.get()).cycle().take(ROWS).collect();
    let body = Bytes::from(format!(r#"{{"options":{{"option":[{}]}}}}"#, rows.join(",")));
    let mut times = Vec::new();
    for _ in 0..50 {
        let began = worked()?;
        let rows = decode_chain(&body)?;
        times.push(milliseconds(worked()?.saturating_sub(began)));
        ensure!(rows.len() == ROWS, "{} rows", rows.len());
    }
    let times = Sample::new(times);
    report.set("broker.parse_chain_of_5000", times.median().context("no rounds")?, &times)
}

/// A chain whose rows stay as they are written.
#[derive(Deserialize)]
struct Chain<'a> {
    #[serde(borrow)]
    options: Rows<'a>,
}

#[derive(Deserialize)]
struct Rows<'a> {
    #[serde(borrow)]
    option: Vec<&'a RawValue>,
}

/// A bare client: the same connections and time-outs, no limits, no words, no checks.
struct Bare {
    reads: reqwest::Client,
    writes: reqwest::Client,
    base: String,
}

impl Bare {
    fn new(address: &str) -> Result<Self> {
        let patience = Patience::default();
        let client = || -> Result<reqwest::ClientBuilder> {
            let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
            let client = client.tls_backend_preconfigured(tls::none()?).retry(reqwest::retry::never());
            Ok(client.user_agent("blotterd/bare").referer(false).connect_timeout(patience.connect).http1_only())
        };
        let reads = client()?.timeout(patience.read).build()?;
        let writes = client()?.timeout(patience.write).pool_max_idle_per_host(0).build()?;
        Ok(Self { reads, writes, base: format!("http://{address}{ORDERS}") })
    }

    async fn read(&self) -> Result<Value> {
        let request = self.reads.get(format!("{}?includeTags=true&page=1", self.base));
        Ok(headed(request).send().await?.json().await?)
    }

    async fn write(&self, form: &[(&str, &str)]) -> Result<Value> {
        let request = self.writes.post(&self.base).form(form);
        Ok(headed(request).send().await?.json().await?)
    }
}

fn headed(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    request.header("accept", "application/json").bearer_auth("live-token")
}

/// Rounds by turns, each adapter as after a quiet minute; the first call of a round opens the connection and is not
/// counted.
async fn costs(report: &mut Report) -> Result<()> {
    const ROUNDS: usize = 40;
    const CALLS: usize = 15;
    let folder = tempfile::tempdir()?;
    let answer = |name: &str, text: &str| -> Result<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let list = Program::start(programs::path("bare-handler")?, &[&answer("orders", &page()?)?])?;
    let ack = r#"{"order":{"id":38467959,"status":"ok","partner_id":"3a8bbee1-5184-4ffe-8a0c-294fbad1aee9"}}"#;
    let door = Program::start(programs::path("bare-handler")?, &[&answer("ack", ack)?])?;
    let order = order()?;
    let (mut reads, mut writes) = (Pairs::default(), Pairs::default());
    for _ in 0..ROUNDS {
        let reader = account(&list.address, Limits::default()).await?;
        let writer = account(&door.address, Limits::default()).await?;
        let (bare, bare_door) = (Bare::new(&list.address)?, Bare::new(&door.address)?);
        for call in 0..CALLS {
            reads.measure(call, look_once(&reader), async { bare.read().await.map(drop) }).await?;
            writes.measure(call, place_once(&writer, &order), async { bare_door.write(FORM).await.map(drop) }).await?;
        }
    }
    ratio(report, ("broker.read.p50", "broker.bare.read.p50"), reads)?;
    ratio(report, ("broker.write.p50", "broker.bare.write.p50"), writes)
}

async fn look_once(account: &Account) -> Result<()> {
    let orders = account.broker.orders(OrderScope::Session, Priority::Read).await?.orders;
    ensure!(orders.len() == LISTED, "{} orders", orders.len());
    Ok(())
}

async fn place_once(account: &Account, order: &NewOrder) -> Result<()> {
    let placed = account.broker.place(order, send()).await;
    ensure!(matches!(placed, WriteOutcome::Accepted { .. }), "{placed}");
    Ok(())
}

/// Times of the same call, by the adapter and by the bare client.
#[derive(Default)]
struct Pairs {
    ours: Vec<f64>,
    bare: Vec<f64>,
}

impl Pairs {
    /// Who goes second meets what the first has left behind, so they change places.
    async fn measure(
        &mut self,
        call: usize,
        ours: impl Future<Output = Result<()>>,
        bare: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let (ours, bare) = if call.is_multiple_of(2) {
            let ours = timed(ours).await?;
            (ours, timed(bare).await?)
        } else {
            let bare = timed(bare).await?;
            (timed(ours).await?, bare)
        };
        if call > 0 {
            self.ours.push(ours);
            self.bare.push(bare);
        }
        Ok(())
    }
}

async fn timed(act: impl Future<Output = Result<()>>) -> Result<f64> {
    let began = Instant::now();
    act.await?;
    Ok(milliseconds(began.elapsed()))
}

fn ratio(report: &mut Report, (name, floor_name): (&'static str, &'static str), pairs: Pairs) -> Result<()> {
    let (ours, floor) = (Sample::new(pairs.ours), Sample::new(pairs.bare));
    let (value, least) = (ours.median().context("no calls")?, floor.median().context("no calls")?);
    report.set(floor_name, least, &floor)?;
    report.set(name, value / least, &ours)
}

/// A page of brackets as the simulator shows it.
fn page() -> Result<String> {
    let simulator = simulator()?;
    let mut line = simulator.connect()?;
    let contracts = contracts(&mut line, LISTED)?;
    protect(&mut line, &contracts)?;
    line.ask("GET", &format!("{ORDERS}?includeTags=true&page=1"), "")
}

fn order() -> Result<NewOrder> {
    let pricing = Pricing::Limit("0.55".parse()?);
    let leg = Leg { side: TradeSide::BuyToOpen, quantity: Quantity::new(1)?, pricing };
    let instrument = Instrument { underlying: "SPY".parse()?, contract: "SPY260918C00600000".parse()? };
    Ok(NewOrder::new(instrument, Shape::Single(leg), Lifetime::Day, "e1-7f3a".parse()?)?)
}

fn send() -> Send {
    Send { priority: Priority::Close, by: Clock::system().now() + Duration::from_secs(30) }
}

/// What one minute of looking costs with 1, 100 and 1,000 open positions: each look is the trade engine's own cut.
async fn calls(report: &mut Report) -> Result<()> {
    let rows = [
        (1, "broker.logical_reads.1", "broker.requests.1"),
        (100, "broker.logical_reads.100", "broker.requests.100"),
        (1_000, "broker.logical_reads.1000", "broker.requests.1000"),
    ];
    let looks = 60.0 / Pace::HOLDING.as_secs_f64();
    let mut first = None;
    for (positions, reads_row, requests_row) in rows {
        let (reads, requests) = look(positions).await?;
        let (reads, requests) = (reads * looks, requests * looks);
        let base = *first.get_or_insert(reads);
        let shown = if positions == 1 { reads } else { reads / base };
        report.set(reads_row, shown, &Sample::new(vec![shown]))?;
        report.set(requests_row, requests, &Sample::new(vec![requests]))?;
    }
    Ok(())
}

/// Logical reads and requests of one look at so many positions, each with its bracket.
async fn look(positions: usize) -> Result<(f64, f64)> {
    let simulator = simulator()?;
    let mut line = simulator.connect()?;
    let contracts = contracts(&mut line, positions)?;
    protect(&mut line, &contracts)?;
    let before = requests(&mut line)?;
    let account = account(&simulator.address, Limits { ceiling: 100_000 }).await?;
    let port = BrokerAccount::new(account, Clock::system());
    let symbols: Vec<Symbol> = contracts.iter().map(|contract| Symbol::new(contract)).collect();
    let mut reads = 0.0;
    for _ in 0..2 {
        ensure!(port.orders(1).await?.orders.len() == positions, "a bracket is missing");
        reads += 1.0;
    }
    ensure!(port.positions().await?.len() == positions, "a position is missing");
    ensure!(port.quotes(&symbols).await?.len() == positions, "a quote is missing");
    reads += 2.0;
    #[expect(clippy::cast_precision_loss, reason = "some hundred requests")]
    Ok((reads, (requests(&mut line)? - before) as f64))
}

/// Requests of the broker's that the simulator has seen.
fn requests(line: &mut Line) -> Result<usize> {
    let ledger: Value = serde_json::from_str(&line.ask("GET", "/__sim/ledger", "")?)?;
    let entries = ledger.get("entries").and_then(Value::as_array).context("no ledger")?;
    Ok(entries.iter().filter(|entry| entry.get("fact").and_then(Value::as_str) == Some("request")).count())
}

/// So many contracts that live for some weeks.
fn contracts(line: &mut Line, count: usize) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for day in ["2026-10-16", "2026-11-20", "2026-12-18", "2027-01-15"] {
        for symbol in ["SPY", "QQQ", "NVDA", "AAPL", "TSLA", "AMD"] {
            let path = format!("/v1/markets/options/chains?symbol={symbol}&expiration={day}");
            let chain: Value = serde_json::from_str(&line.ask("GET", &path, "")?)?;
            let rows = chain.pointer("/options/option").and_then(Value::as_array);
            let dear = |row: &&Value| row.get("bid").and_then(Value::as_f64).is_some_and(|bid| bid > 1.0);
            let found = rows.into_iter().flatten().filter(dear).filter_map(|row| row.get("symbol")?.as_str());
            names.extend(found.map(str::to_owned));
        }
    }
    ensure!(names.len() >= count, "only {} contracts", names.len());
    names.truncate(count);
    Ok(names)
}

/// Holds each contract, with a bracket of its own.
fn protect(line: &mut Line, contracts: &[String]) -> Result<()> {
    for contract in contracts {
        let held = format!(r#"{{"do":"move_position","symbol":"{contract}","quantity":1,"account":"6YA00001"}}"#);
        line.ask("POST", "/__sim/do", &held)?;
        let mut form = "class=oco&duration=gtc".to_owned();
        for (leg, terms) in ["type[0]=limit&price[0]=900", "type[1]=stop&stop[1]=0.05"].iter().enumerate() {
            write!(form, "&option_symbol[{leg}]={contract}&side[{leg}]=sell_to_close&quantity[{leg}]=1&{terms}")?;
        }
        line.ask("POST", ORDERS, &form)?;
    }
    line.ask("POST", "/__sim/clock", r#"{"step_ms":5000}"#)?;
    Ok(())
}

/// How long this thread has had a processor.
fn worked() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}
