//! What a trader waits for when it matters: from the key that closes a protected position until the broker has sold
//! it, and from the broker's answer that says so until a screen and a hundred clients do. Daemon, database, broker and
//! client are processes of their own; the broker takes a tenth of a second for each answer and keeps its limits, so the
//! rounds keep their distance.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use blotter_testkit::daemon::{Daemon, Options};
use blotter_testkit::socket::Connection;
use blotter_testkit::terminal::{Setup, Size, Terminal};
use blotter_testkit::{book, programs};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::screen::{milliseconds, pause};
use super::simulator::{Line, Program};
use crate::readers::{Readers, Wanted};
use crate::report::Report;
use crate::stats::Sample;
use crate::wire::{Heard, Wire};

const LATENCY: Duration = Duration::from_millis(100);
/// Half of them are closed with a key, half by a request.
const ROUNDS: usize = 8;
/// Between two trades, so that each meets a budget of requests as a quiet minute leaves it.
const REST: Duration = Duration::from_secs(45);
const PATIENCE: Duration = Duration::from_secs(60);
const CLIENTS: usize = 100;
const HELLO: &[u8] = b"GET /v1/events HTTP/1.1\r\nhost: blotter\r\n\r\n";
/// Inserts in a row, after each round.
const INSERTS: usize = 20;
/// A client drops keys that come sooner after a question than somebody can read it.
const READING: Duration = Duration::from_millis(600);

pub(crate) fn run(runtime: &Runtime, report: &mut Report) -> Result<()> {
    let mut desk = runtime.block_on(Desk::start())?;
    let mut measured = Measured::default();
    for round in 0..ROUNDS {
        let trade = desk.buy().with_context(|| format!("round {round}: buying"))?;
        pause(REST);
        let wish = if round % 2 == 0 { Wish::Key } else { Wish::Request };
        desk.round(runtime, &trade, wish, &mut measured).with_context(|| format!("round {round}: closing"))?;
    }
    measured.report(report)
}

/// What the rounds gave, in the unit of the row.
#[derive(Default)]
struct Measured {
    key_to_flat: Vec<f64>,
    answered: Vec<f64>,
    /// One after the other, as a load generator does it.
    inserts: Vec<f64>,
    /// One by itself after a rest, as a close comes: the disk and the caches have been at something else.
    rested: Vec<f64>,
    painted: Vec<f64>,
    last_client: Vec<f64>,
}

impl Measured {
    fn report(self, report: &mut Report) -> Result<()> {
        let median = |sample: &Sample| sample.median().context("nothing was measured");
        let [flat, answered] = [self.key_to_flat, self.answered].map(Sample::new);
        let [inserts, rested] = [self.inserts, self.rested].map(Sample::new);
        let [painted, last] = [self.painted, self.last_client].map(Sample::new);
        report.set("closing.key_to_flat.p50", median(&flat)?, &flat)?;
        report.set("closing.insert.p50", median(&inserts)?, &inserts)?;
        report.set("closing.insert_after_rest.p50", median(&rested)?, &rested)?;
        report.set("closing.answered.p50", median(&answered)?, &answered)?;
        let limit = 3.0 * median(&rested)? + 1.0;
        report.set("closing.request", median(&answered)? / limit, &answered)?;
        report.set("closing.read_to_paint", painted.percentile(100.0).context("nothing was painted")?, &painted)?;
        report.set("closing.read_to_last_of_100", last.percentile(100.0).context("nobody heard of it")?, &last)
    }
}

struct Desk {
    broker: Line,
    wire: Wire,
    daemon: Daemon,
    screen: Terminal,
    clients: Readers,
    database: tokio_postgres::Client,
    insert: tokio_postgres::Statement,
    contract: Contract,
    // Last: what stands on it ends before.
    _simulator: Program,
}

/// What is bought in each round, and where it is to be sold.
struct Contract {
    symbol: String,
    stop: String,
    target: String,
}

/// How often the simulator's clock is asked for one time.
const ASKED: usize = 7;

/// An open trade.
struct Trade {
    id: String,
    version: i64,
}

/// A fact in the simulator's ledger.
#[derive(Debug, Deserialize)]
struct Entry {
    at: i64,
    fact: String,
    side: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Ledger {
    next: u64,
    entries: Vec<Entry>,
}

impl Desk {
    async fn start() -> Result<Self> {
        let args = ["--clock", "real", "--start", "2026-09-10T10:30", "--lifeline"];
        let simulator = Program::start(programs::path("tradier-sim")?, &args)?;
        let mut broker = simulator.connect()?;
        let wire = Wire::to(simulator.address.parse()?)?;
        let config = format!(
            "[broker]\nsim_url = \"http://{}/v1\"\nsim_time = true\n[limits]\nconnections_per_user = 200\n",
            wire.address
        );
        let key = Command::new(programs::path("blotterd")?).args(["vault", "keygen"]).output()?.stdout;
        let environment = vec![("ENCRYPTION_KEY".to_owned(), String::from_utf8(key)?.trim().to_owned())];
        let daemon = Daemon::start(Options { config, environment }).await?;
        said(&daemon, &["tokens", "set", "sim"], "sandbox-token\n")?;
        said(&daemon, &["settings", "set", "broker_mode=SIM"], "")?;
        let database = book::connect_admin(&daemon.postgres_socket_dir()).await?;
        database.batch_execute("CREATE TABLE bench_inserts (id uuid PRIMARY KEY, words text)").await?;
        let row = "INSERT INTO bench_inserts VALUES (gen_random_uuid(), 'as long as the record of a wish is')";
        let insert = database.prepare(row).await?;
        // Each round pays the spread: a trader would be sent for a walk.
        database.batch_execute("UPDATE user_settings SET cooldown_losses = 0").await?;
        let wanted = Wanted { event: b"event: trade", data: b"\"status\":\"CLOSED\"" };
        let clients = Readers::attach_for(&daemon.socket(), HELLO, CLIENTS, wanted).await?;
        let setup = Setup::new(programs::path("blotter")?.to_string_lossy()).size(Size { columns: 120, rows: 40 });
        let mut screen = Terminal::start(&setup.env("BLOTTER_SOCKET", daemon.socket().to_string_lossy()))?;
        screen.wait_for("No open positions")?;
        let latency = json!({ "kind": "latency", "ms": LATENCY.as_millis() });
        broker.ask("POST", "/__sim/faults", &latency.to_string())?;
        let contract = Contract::at_the_money(&daemon)?;
        Ok(Self { broker, wire, daemon, screen, clients, database, insert, contract, _simulator: simulator })
    }

    /// Buys the contract and waits for its bracket.
    fn buy(&self) -> Result<Trade> {
        let Contract { symbol, stop, target } = &self.contract;
        let order = self.says(&["place", symbol, "--qty", "2", "--stop", stop, "--target", target])?;
        let number = order.get("number").context("an order without a number")?.to_string();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let trade = self.says(&["show", &number])?;
            let is = |field: &str, value: &str| trade.get(field).and_then(Value::as_str) == Some(value);
            if is("protection", "CONFIRMED") && trade.get("step").is_none() {
                let id = trade.get("id").and_then(Value::as_str).context("no id")?.to_owned();
                let version = trade.get("version").and_then(Value::as_i64).context("no version")?;
                return Ok(Trade { id, version });
            }
            ensure!(Instant::now() < deadline, "#{number} was never protected: {trade}");
            pause(Duration::from_millis(200));
        }
    }

    /// One trade from the wish to be rid of it until everybody knows that it has ended.
    fn round(&mut self, runtime: &Runtime, trade: &Trade, wish: Wish, measured: &mut Measured) -> Result<()> {
        let since = self.ledger(u64::MAX)?.next;
        self.clients.forget();
        let began = match wish {
            Wish::Key => {
                measured.rested.push(runtime.block_on(self.insert())?);
                self.close_by_key()?
            }
            Wish::Request => runtime.block_on(self.close_by_request(trade, measured))?,
        };
        let sold = self.sold(since)?;
        // As it is now: the round before ended with the same words.
        self.screen.wait_until("an empty list", |screen| screen.contents().contains("No open positions"))?;
        let painted = self.screen.last_bytes_at().context("nothing was painted")?;
        let last = runtime.block_on(self.clients.last_arrival())?;
        let time = BrokerTime::read(&mut self.broker)?;
        if wish == Wish::Key {
            measured.key_to_flat.push(time.instant(sold)?.saturating_duration_since(began).as_secs_f64());
        }
        let reads = self.wire.heard(time.instant(sold)?);
        let reads: Vec<&Heard> = reads.iter().filter(|heard| is_of_a_pass(heard)).collect();
        // A cut that was under way when it sold may have shown it as well, and then its last answer counts.
        let whole = first_cut(&reads).and_then(|heard| heard.answered).filter(|at| *at <= painted);
        let newest = || reads.iter().filter_map(|heard| heard.answered).filter(|at| *at <= painted).max();
        let read = whole.or_else(newest).context("the screen knew of the sale before the daemon could")?;
        measured.painted.push(milliseconds(painted.saturating_duration_since(read)));
        measured.last_client.push(milliseconds(last.saturating_duration_since(read)));
        for _ in 0..INSERTS {
            measured.inserts.push(runtime.block_on(self.insert())?);
        }
        Ok(())
    }

    /// A durable insert of one row, in milliseconds.
    async fn insert(&self) -> Result<f64> {
        let began = Instant::now();
        self.database.execute(&self.insert, &[]).await?;
        Ok(milliseconds(began.elapsed()))
    }

    /// As a trader does it: the dialog, its button, Enter. The time begins with the last key.
    fn close_by_key(&mut self) -> Result<Instant> {
        self.screen.type_keys("Gc")?;
        self.screen.wait_for("Close position")?;
        let deadline = Instant::now() + PATIENCE;
        while !self.screen.text().contains("[ Close position ]") {
            ensure!(Instant::now() < deadline, "the button never had the focus:\n{}", self.screen.text());
            pause(READING);
            self.screen.type_keys("\t")?;
            pause(READING / 4);
        }
        pause(READING);
        let began = self.screen.type_keys("\r")?;
        Ok(began)
    }

    /// The request alone.
    async fn close_by_request(&self, trade: &Trade, measured: &mut Measured) -> Result<Instant> {
        let mut connection = Connection::open(&self.daemon.socket()).await?;
        let path = format!("/v1/trades/{}/close", trade.id);
        let body = json!({ "version": trade.version });
        let began = Instant::now();
        let answer = connection.call(Method::POST, &path, &[("idempotency-key", &trade.id)], &body).await?;
        measured.answered.push(milliseconds(began.elapsed()));
        ensure!(answer.status.is_success(), "POST {path} answered {}: {}", answer.status, answer.text());
        Ok(began)
    }

    /// When the broker sold, in its own time.
    fn sold(&mut self, since: u64) -> Result<i64> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ledger = self.ledger(since)?;
            if let Some(sale) = ledger.entries.iter().find(|entry| entry.is_sale()) {
                return Ok(sale.at);
            }
            ensure!(Instant::now() < deadline, "nothing was sold:\n{}", self.screen.text());
            pause(Duration::from_millis(20));
        }
    }

    fn ledger(&mut self, since: u64) -> Result<Ledger> {
        Ok(serde_json::from_str(&self.broker.ask("GET", &format!("/__sim/ledger?since={since}"), "")?)?)
    }

    fn says(&self, arguments: &[&str]) -> Result<Value> {
        let told = said(&self.daemon, arguments, "")?;
        serde_json::from_str(&told).with_context(|| format!("{arguments:?} said {told}"))
    }
}

impl Contract {
    /// A stop far below and a target far above: the rounds take less time than the price needs.
    fn at_the_money(daemon: &Daemon) -> Result<Self> {
        let chain: Value = serde_json::from_str(&said(daemon, &["chain", "AAPL"], "")?)?;
        let figure = |value: Option<&Value>| value?.as_str()?.parse::<f64>().ok();
        let price = figure(chain.pointer("/chain/underlying")).context("no price of AAPL")?;
        let rows = chain.pointer("/chain/rows").and_then(Value::as_array).context("no chain")?;
        let dear = |row: &&Value| figure(row.get("strike")).is_some_and(|strike| strike >= price);
        let call = rows.iter().find(dear).and_then(|row| row.get("call")).context("no call at the money")?;
        let symbol = call.get("symbol").and_then(Value::as_str).context("no symbol")?.to_owned();
        let (bid, ask) = (figure(call.get("bid")).context("no bid")?, figure(call.get("ask")).context("no ask")?);
        // Ten cents are on every grid.
        Ok(Self { symbol, stop: format!("{:.1}0", bid * 0.5), target: format!("{:.1}0", ask * 2.0) })
    }
}

/// What `blotter --json` prints when it is given these arguments and this input.
fn said(daemon: &Daemon, arguments: &[&str], input: &str) -> Result<String> {
    let mut command = Command::new(programs::path("blotter")?);
    command.args(["--json", "--socket"]).arg(daemon.socket()).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("no input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The last read of the first cut that is whole: orders, positions, orders again, and quotes where they follow. The pass
/// asks for those when it has the answer before; somebody else may ask at any time.
fn first_cut<'a>(reads: &[&'a Heard]) -> Option<&'a Heard> {
    let is = |heard: Option<&&Heard>, part: &str| heard.is_some_and(|heard| heard.path.ends_with(part));
    let cut = (0..reads.len()).find(|at| {
        let parts = ["/orders", "/positions", "/orders"];
        (*at..).zip(parts).all(|(at, part)| is(reads.get(at), part))
    })?;
    let last = reads.get(cut + 2)?;
    let mut quotes = reads.iter().skip(cut + 3).take_while(|heard| is(Some(heard), "/quotes"));
    quotes.find(|heard| Some(heard.asked) >= last.answered).or(Some(last)).copied()
}

/// A part of what a pass reads: orders, positions, and quotes at the last.
fn is_of_a_pass(heard: &Heard) -> bool {
    ["/orders", "/positions", "/quotes"].iter().any(|part| heard.path.ends_with(part))
}

/// How a trade is closed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Key,
    Request,
}

/// A moment on the simulator's clock, which runs as fast as ours.
struct BrokerTime {
    ours: Instant,
    theirs: i64,
}

impl BrokerTime {
    /// By the quickest of several answers: what an answer took is the error of what it says.
    fn read(broker: &mut Line) -> Result<Self> {
        let mut quickest: Option<(Duration, Self)> = None;
        for _ in 0..ASKED {
            let asked = Instant::now();
            let clock: Value = serde_json::from_str(&broker.ask("GET", "/__sim/clock", "")?)?;
            let took = asked.elapsed();
            let theirs = clock.get("now_ms").and_then(Value::as_i64).context("a clock without a time")?;
            if quickest.as_ref().is_none_or(|(known, _)| took < *known) {
                quickest = Some((took, Self { ours: asked + took / 2, theirs }));
            }
        }
        quickest.map(|(_, time)| time).context("a clock that nobody asked")
    }

    /// A moment of the past, by our clock.
    fn instant(&self, theirs: i64) -> Result<Instant> {
        let ago = u64::try_from(self.theirs - theirs).context("a moment of the future")?;
        self.ours.checked_sub(Duration::from_millis(ago)).context("a moment before this machine began")
    }
}

impl Entry {
    fn is_sale(&self) -> bool {
        self.fact == "fill" && self.side.as_deref() == Some("sell_to_close")
    }
}
