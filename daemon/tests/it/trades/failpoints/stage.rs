//! What is struck: `blotterd` as a process, in the simulator's time, with a wire of the test's own before its broker and
//! one before its database. The broker's books are read beside the wires.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use blotter_daemon::broker::factory::Account;
use blotter_daemon::broker::{Fill, Order, OrderScope, OrderStatus, Priority};
use blotter_daemon::clock::Clock;
use blotter_daemon::trades::tag::Tag;
use blotter_shared::domain::{IntentRole, Price, TradeId};
use blotter_shared::protocol::trades::Trade;
use blotter_sim::config::{Config, RateLimits};
use blotter_sim::time::Ms;
use blotter_sim::{Pace, Server};
use blotter_testkit::daemon::{Daemon, Options};
use blotter_testkit::socket::{Answer, Connection};
use blotter_testkit::{Cluster, programs};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Weekday};
use http::{Method, StatusCode};
use nix::sys::signal::Signal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::wire::{Blow, Wire, Wires};
use super::workflows::Event;
use crate::support::{Raw, looks};
use crate::trades::rig;

/// The key of a vault that holds a simulator's token.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// How much shorter the daemon's waits are; `BLOTTER_TIME_SCALE=1` for those of real life.
const TIME_SCALE: u32 = 20;

fn time_scale() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "the switch of the long proof; a test has no configuration")]
    let wanted = std::env::var("BLOTTER_TIME_SCALE").ok().and_then(|scale| scale.parse().ok());
    wanted.unwrap_or(TIME_SCALE)
}

/// For a daemon that starts, waits out what it may have sent, and acts, on a busy machine.
fn patience() -> Duration {
    const STARTS_AND_ACTS: Duration = Duration::from_secs(75);
    const WAITS: Duration = Duration::from_secs(300);
    STARTS_AND_ACTS + WAITS / time_scale().max(1)
}

/// A look at trade and books takes several calls, and many worlds share the processor.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long a wire is silent.
const SILENCE: Duration = Duration::from_secs(2);

/// Between two looks of the broker's orders at the market, and in a night.
const STEP_MS: u32 = 100;
const NIGHT_STEP_MS: u32 = 60_000;

pub(super) struct Stage {
    pub(super) wires: Arc<Wires>,
    daemon: Daemon,
    cluster: Cluster,
    sim: std::net::SocketAddr,
    account: Account,
    /// Contracts that no trade had yet.
    contracts: Vec<String>,
    day: NaiveDate,
    is_early: bool,
    _folder: TempDir,
    _tasks: JoinSet<()>,
}

/// What the broker has of ours in one contract.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) orders: Vec<Order>,
    pub(super) held: i64,
}

impl Stage {
    /// Eleven in the morning, with an account and nothing held.
    pub(super) async fn open() -> Result<Self> {
        Self::open_at("2026-09-10T11:00:00").await
    }

    /// The same at another time in New York.
    pub(super) async fn open_at(moment: &str) -> Result<Self> {
        let moment: NaiveDateTime = moment.parse()?;
        let (day, start) = (moment.date(), Ms::from_et(moment));
        let mut settings = Config::manual(7, start);
        settings.pace = Pace::Times(1.0);
        settings.limits = RateLimits::Lifted;
        settings.scenario.settings.step_ms = STEP_MS.into();
        // A refusal is told at once: four of them in a row are waited for.
        settings.scenario.settings.reject_ms = (50, 100);
        let server = Server::bind(settings, "127.0.0.1:0").await?;
        let (sim, cluster, wires) = (server.address()?, Cluster::start()?, Wires::new());
        let offset = DateTime::from_timestamp_millis(start.0).context("a time")? - Clock::system().now();
        let clock = Clock::from_fn(move || Clock::system().now() + offset);

        let folder = tempfile::Builder::new().prefix("bw").tempdir_in("/tmp")?;
        let to_broker = TcpListener::bind("127.0.0.1:0").await?;
        let port = to_broker.local_addr()?.port();
        let to_database = UnixListener::bind(folder.path().join(".s.PGSQL.5432"))?;
        let database = cluster.socket_dir().join(format!(".s.PGSQL.{}", cluster.port()));
        let mut tasks = JoinSet::new();
        tasks.spawn(server.serve(std::future::pending()));
        tasks.spawn(Arc::clone(&wires).broker(to_broker, sim));
        tasks.spawn(Arc::clone(&wires).database(to_database, database));

        let account = rig::account(&format!("http://{sim}/v1"), &clock, rig::LIFTED).await;
        let contracts = contracts(&account).await?;
        let address = format!("postgres://postgres@/blotter?host={}&port=5432", folder.path().display());
        let config = format!(
            "[broker]\nsim_url = \"http://127.0.0.1:{port}/v1\"\nsim_time = true\ntime_scale = {}\n\
             [database]\nconnections = 4\ncheck_every_s = 1\n",
            time_scale()
        );
        let environment = vec![("DATABASE_URL".to_owned(), address), ("ENCRYPTION_KEY".to_owned(), KEY.to_owned())];
        let mut daemon = Daemon::prepare(Options { config, environment })?;
        daemon.spawn()?;
        daemon.wait_healthy().await?;
        let stage = Self {
            wires,
            daemon,
            cluster,
            sim,
            account,
            contracts,
            day,
            is_early: false,
            _folder: folder,
            _tasks: tasks,
        };
        stage.settle_in().await?;
        Ok(stage)
    }

    async fn settle_in(&self) -> Result<()> {
        let token = json!({ "mode": "SIM", "token": "live-token" });
        self.done(Method::PUT, "/v1/tokens", "token", &token).await?;
        let known = self.get("/v1/settings").await?.json()?;
        let version = known["version"].clone();
        let settings = json!({
            "version": version, "broker_mode": "SIM", "max_positions": 50, "daily_loss_limit": "100000",
            "heat_limit_pct": "100", "cooldown_losses": 0,
        });
        self.done(Method::PUT, "/v1/settings", "settings", &settings).await?;
        // What is looser counts from the next day on: here it is the next day.
        let next_day = "UPDATE user_settings SET limits_before = NULL, limits_day = NULL";
        Ok(Raw::connect(&self.cluster.url()).await.batch_execute(next_day).await?)
    }

    /// A contract of its own for a trade, at 5.00 and 5.10; brackets are taken as ever.
    pub(super) async fn contract(&mut self) -> Result<String> {
        let symbol = self.contracts.pop().context("a contract that no trade had")?;
        self.happens(&symbol, &Event::LegsApart("0.10")).await?;
        self.happens(&symbol, &Event::Market("5.00", "5.10")).await?;
        Ok(symbol)
    }

    /// Something that happens at the broker.
    pub(super) async fn act(&self, deed: &Value) -> Result<()> {
        self.control("do", deed).await
    }

    async fn control(&self, what: &str, deed: &Value) -> Result<()> {
        let body = deed.to_string();
        let head = format!("POST /__sim/{what} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: ");
        let mut stream = TcpStream::connect(self.sim).await?;
        stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{deed}: {answer}");
        Ok(())
    }

    /// Between two looks of the daemon, however quick it is.
    pub(super) async fn meanwhile(&self, symbol: &str, events: &[Event]) -> Result<()> {
        self.send(Signal::SIGSTOP)?;
        let mut happened = Ok(());
        for event in events {
            happened = happened.and(self.happens(symbol, event).await);
        }
        self.send(Signal::SIGCONT)?;
        happened
    }

    pub(super) async fn happens(&self, symbol: &str, event: &Event) -> Result<()> {
        let market = |bid: &str, ask: &str| json!({ "do": "pin", "symbol": symbol, "bid": bid, "ask": ask });
        match event {
            Event::Market(bid, ask) => self.act(&market(bid, ask)).await,
            Event::OneForSale => {
                let mut for_sale = market("4.40", "4.50");
                for_sale["quantity"] = 1.into();
                self.control("clock", &json!({ "clock": "manual" })).await?;
                self.act(&for_sale).await?;
                self.control("clock", &json!({ "step_ms": STEP_MS })).await?;
                self.act(&market("5.00", "5.10")).await?;
                self.control("clock", &json!({ "clock": "real" })).await
            }
            Event::BracketVanishes => {
                let books = self.books(symbol).await?;
                let works = |order: &&Order| !order.is_final_throughout();
                let bracket = books.orders.iter().find(works).context("a bracket")?.id.get();
                self.act(&json!({ "do": "vanish", "order": bracket, "reason": "cancelled by the exchange" })).await
            }
            Event::ForeignTrade(side, quantity) => {
                let account = self.account.broker.account().as_str();
                let deed = "outside_trade";
                let trade =
                    json!({ "do": deed, "account": account, "symbol": symbol, "side": side, "quantity": quantity });
                self.act(&trade).await
            }
            Event::LegsApart(gap) => self.act(&json!({ "do": "settings", "settings": { "oco_gap": gap } })).await,
        }
    }

    /// The night goes by, until this time of the next trading day. The daemon is dead, and begins again with a restart.
    pub(super) async fn sleep_until(&mut self, time: &str) -> Result<()> {
        self.daemon.kill()?;
        (self.day, self.is_early) = (next_weekday(self.day).context("a day")?, true);
        self.set_clock(&format!("{}T{time}", self.day)).await
    }

    /// After a night it is eleven in the morning again.
    pub(super) async fn goes_by_day(&mut self) -> Result<()> {
        if std::mem::take(&mut self.is_early) {
            self.set_clock(&format!("{}T11:00:00", self.day)).await
        } else {
            Ok(())
        }
    }

    /// The simulator goes on to a time in New York.
    pub(super) async fn set_clock(&self, moment: &str) -> Result<()> {
        let step = |ms: u32| json!({ "do": "settings", "settings": { "step_ms": ms } });
        self.act(&step(NIGHT_STEP_MS)).await?;
        self.control("clock", &json!({ "to": moment })).await?;
        self.act(&step(STEP_MS)).await
    }

    pub(super) fn send(&self, signal: Signal) -> Result<()> {
        self.daemon.signal(signal)
    }

    pub(super) async fn sql(&self, sql: &str) -> Result<()> {
        Ok(Raw::connect(&self.cluster.url()).await.batch_execute(sql).await?)
    }

    /// Waits until there is one of these.
    pub(super) async fn until_counted(&self, what: &str, sql: &str) -> Result<()> {
        self.look_until(what, async || Ok(Raw::connect(&self.cluster.url()).await.count(sql).await > 0)).await
    }

    pub(super) async fn look_until(&self, what: &str, so: impl AsyncFn() -> Result<bool>) -> Result<()> {
        let (mut looks, begun) = (tokio::time::interval(LOOK_EVERY), Instant::now());
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !so().await? {
            looks.tick().await;
            ensure!(begun.elapsed() < patience(), "waited for: {what}\nthe log of blotterd:\n{}", self.daemon.log());
        }
        Ok(())
    }

    /// The blow falls; `met` is the wire on which its place has come. The daemon is there again, or still.
    pub(super) async fn strike(&mut self, blow: Blow, met: Option<Wire>) -> Result<()> {
        match (blow, met) {
            (Blow::Kill, _) => self.restart().await,
            (Blow::Crash, Some(_)) => {
                self.cluster.stop_server()?;
                self.wires.go_on(&[Wire::Database]);
                self.cluster.start_server()
            }
            (Blow::Silence, Some(wire)) => {
                let ever = std::future::pending::<()>();
                let _over = tokio::time::timeout(SILENCE, ever).await;
                self.wires.go_on(&[wire]);
                Ok(())
            }
            (Blow::Crash | Blow::Silence, None) => Ok(()),
        }
    }

    /// Dies where it stands, if it still runs, and begins again. Its lease would last for a day: nobody waits for that. The
    /// minutes of its rate limits are over by then.
    pub(super) async fn restart(&mut self) -> Result<()> {
        if self.daemon.pid().is_ok() {
            self.daemon.kill()?;
        }
        self.wires.go_on(&[Wire::Broker, Wire::Database]);
        let day = "UPDATE leases SET expires_at = clock_timestamp() + interval '1 day'";
        Raw::connect(&self.cluster.url()).await.batch_execute(day).await?;
        let rates = self.daemon.data_dir().join("rates");
        if rates.exists() {
            std::fs::remove_dir_all(rates)?;
        }
        self.daemon.spawn()?;
        self.daemon.wait_healthy().await?;
        Ok(())
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer> {
        Connection::open(&self.daemon.socket()).await?.get(path).await
    }

    /// What is answered to a request that acts, whatever it is.
    pub(super) async fn ask(&self, method: Method, path: &str, key: &str, body: &Value) -> Result<Answer> {
        let mut connection = Connection::open(&self.daemon.socket()).await?;
        connection.call(method, path, &[("idempotency-key", key)], body).await
    }

    /// Asks until it is done: a daemon that begins may not have its database yet.
    pub(super) async fn done(&self, method: Method, path: &str, key: &str, body: &Value) -> Result<Value> {
        let (mut looks, begun) = (looks(), Instant::now());
        loop {
            looks.tick().await;
            match self.ask(method.clone(), path, key, body).await {
                Ok(answer) if answer.status == StatusCode::OK => return answer.json(),
                Ok(answer) if is_worth_another(answer.status) && begun.elapsed() < patience() => {}
                Err(_) if begun.elapsed() < patience() => {}
                last => bail!("{method} {path} {body} was not done: {last:?}"),
            }
        }
    }

    /// What comes of it, unless something stands still before.
    pub(super) async fn uncut<T>(&self, deed: impl Future<Output = Result<T>>) -> Result<Option<T>> {
        tokio::select! {
            done = deed => done.map(Some),
            () = self.wires.cut() => Ok(None),
        }
    }

    /// Waits until trade and broker are as wanted; `done` says what is missing.
    pub(super) async fn until(&self, id: TradeId, done: impl Fn(&Trade, &Books) -> Result<()>) -> Result<Trade> {
        let (mut looks, begun) = (tokio::time::interval(LOOK_EVERY), Instant::now());
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let seen = self.look(id).await;
            let missing = match &seen {
                Ok((trade, books)) => match done(trade, books) {
                    Ok(()) => return Ok(trade.clone()),
                    Err(missing) => missing,
                },
                Err(error) => anyhow!("{error:#}"),
            };
            if begun.elapsed() > patience() {
                bail!("{missing:#}\nseen: {seen:#?}\nthe log of blotterd:\n{}", self.daemon.log());
            }
        }
    }

    async fn look(&self, id: TradeId) -> Result<(Trade, Books)> {
        let trade: Trade = self.get(&format!("/v1/trades/{id}")).await?.to()?;
        let books = self.books(&trade.option_symbol).await?;
        Ok((trade, books))
    }

    /// The broker's own word.
    pub(super) async fn books(&self, symbol: &str) -> Result<Books> {
        let list = self.account.broker.orders(OrderScope::Session, Priority::Read).await?;
        let is_of = |order: &Order| {
            let parts = std::iter::once(order).chain(&order.legs);
            order.tag.is_some() && parts.into_iter().any(|part| part.option_symbol.as_deref() == Some(symbol))
        };
        let positions = self.account.broker.positions(Priority::Read).await?;
        let held = positions.iter().filter(|position| position.symbol == symbol);
        let held = held.filter_map(|position| position.quantity.to_i64()).sum();
        Ok(Books { orders: list.orders.into_iter().filter(is_of).collect(), held })
    }

    /// `blotterd audit verify`: every chain is whole.
    pub(super) fn verify(&self) -> Result<()> {
        let url = self.cluster.url();
        let verified = Command::new(programs::path("blotterd")?)
            .args(["audit", "verify", "--config"])
            .arg(self.daemon.config_file())
            .env("DATABASE_URL", url)
            .env("ENCRYPTION_KEY", KEY)
            .stdin(Stdio::null())
            .output()?;
        let told = String::from_utf8_lossy(&verified.stdout);
        let said = || format!("{told}{}", String::from_utf8_lossy(&verified.stderr));
        ensure!(verified.status.success() && told.contains("whole"), "blotterd audit verify: {}", said());
        Ok(())
    }
}

impl Books {
    pub(super) fn of(&self, role: IntentRole) -> Vec<&Order> {
        let has = |order: &&Order| {
            let tag = order.tag.as_ref().and_then(|tag| tag.as_str().parse::<Tag>().ok());
            tag.is_some_and(|tag| tag.role == role)
        };
        self.orders.iter().filter(has).collect()
    }

    /// Contracts that orders of this role have traded.
    pub(super) fn traded(&self, role: IntentRole) -> i64 {
        let executed = |order: &Order| match order.fill() {
            Fill::Nothing => 0,
            Fill::PriceMissing(quantity) | Fill::Done { quantity, .. } => quantity.to_i64().unwrap_or(i64::MAX),
        };
        let whole = |order: &&Order| {
            let legs = order.legs.iter().map(executed).sum::<i64>();
            if order.legs.is_empty() { executed(order) } else { legs }
        };
        self.of(role).iter().map(whole).sum()
    }

    /// Whether every order that works is at the market: until then a price that moves past its stop makes it a refused
    /// one, not one that is hit.
    pub(super) fn is_looked_through(&self) -> bool {
        let is_open = |order: &Order| {
            let open = |part: &Order| part.status == OrderStatus::Open;
            if order.legs.is_empty() { open(order) } else { order.legs.iter().all(open) }
        };
        self.orders.iter().filter(|order| !order.is_final_throughout()).all(is_open)
    }

    /// Quantity, stop and target of each order that works.
    pub(super) fn working(&self) -> Vec<(i64, Option<Price>, Option<Price>)> {
        let parts = |order: &Order| if order.legs.is_empty() { vec![order.clone()] } else { order.legs.clone() };
        let shape = |order: &Order| {
            let legs = parts(order);
            let quantity = legs.iter().filter_map(|leg| leg.quantity).max();
            let price = |pick: fn(&Order) -> Option<rust_decimal::Decimal>| {
                legs.iter().find_map(pick).and_then(|price| Price::new(price).ok())
            };
            (
                quantity.and_then(|quantity| quantity.to_i64()).unwrap_or_default(),
                price(|leg| leg.stop_price),
                price(|leg| leg.price),
            )
        };
        self.orders.iter().filter(|order| !order.is_final_throughout()).map(shape).collect()
    }
}

/// It was not done, and may be at another time.
fn is_worth_another(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT
}

fn next_weekday(day: NaiveDate) -> Option<NaiveDate> {
    day.iter_days().skip(1).find(|day| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun))
}

/// Listed contracts, those in the middle of the chain first to be taken.
async fn contracts(account: &Account) -> Result<Vec<String>> {
    let underlying = "SPY".parse()?;
    let expiries = account.market.expirations(&underlying, Priority::Read).await?;
    let expiry = *expiries.last().context("an expiry")?;
    let chain = account.market.chain(&underlying, expiry, Priority::Read).await?;
    let middle = chain.rows.len() / 2;
    let near = chain.rows.iter().skip(middle.saturating_sub(10)).take(20);
    Ok(near.map(|row| row.symbol.clone()).collect())
}

/// Where the socket of the stage's database is, for messages.
impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let folder: PathBuf = self.daemon.folder().to_owned();
        f.debug_struct("Stage").field("folder", &folder).finish_non_exhaustive()
    }
}
