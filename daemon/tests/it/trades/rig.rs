//! One account: the engine's own code over a real database and a simulated broker, with a person
//! who gives commands, a market that is pinned by hand, and a process that can die at a write.

mod backup;
mod minute;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use blotter_daemon::broker::factory::{Account, Addresses, BrokerFactory, LiveLock};
use blotter_daemon::broker::rate_limit::{Limiters, Limits as Rates, MemoryStore};
use blotter_daemon::broker::{Order, OrderScope, OrderStatus, Priority};
use blotter_daemon::calendar::{Calendar, Force};
use blotter_daemon::clock::Clock;
use blotter_daemon::db::engine::AccountKey;
use blotter_daemon::db::{Db, DbState};
use blotter_daemon::trades::commands::{Accepted, Command, Desk, NewTrade, Refused, judge};
use blotter_daemon::trades::driver::{Engine, Ports, Settings};
use blotter_daemon::trades::facts::{Book, Trade};
use blotter_daemon::trades::ports::{
    Allowance, BrokerOrder, BrokerPort, Holder, Lookup, OrderId, OrderPage, Placement, Position, Quote, ReadFailure,
    Symbol, WriteOutcome,
};
use blotter_daemon::trades::risk::{Limits, Standing};
use blotter_daemon::trades::rules::Rules;
use blotter_daemon::trades::runtime::broker::BrokerAccount;
use blotter_daemon::trades::runtime::clock::{Exchange, LoopClock};
use blotter_daemon::trades::runtime::store::Ledger;
use blotter_daemon::trades::tag::{Installation, Tag};
use blotter_daemon::trades::timing::Timing;
use blotter_shared::domain::{BrokerMode, Cash, Multiplier, OptionContract, Price, Quantity, TradeId};
use blotter_sim::config::{Config, RateLimits};
use blotter_sim::time::Ms;
use blotter_sim::{Pace, Server};
use blotter_testkit::Cluster;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{DEADLINE, Raw, config, looks, reach, user};

/// Of the simulator's live world, whose quotes are not fifteen minutes old.
const NUMBER: &str = "6YA00001";

/// Calls in a minute: as many as a test likes.
pub(super) const LIFTED: u32 = 100_000;

/// Writes at which a process can die: parts of tags, and what stands for a cancel.
pub(super) const ENTRY: &str = "-EN";
pub(super) const BRACKET: &str = "-BR";
pub(super) const CLOSE: &str = "-CL";
pub(super) const CANCEL: &str = "cancel";

/// Where the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// The intent is durable, nothing is sent.
    BeforeSend,
    /// It is sent, the answer is never recorded.
    AfterSend,
}

/// Whether an order was sent for this trade.
fn is_of(order: &Order, trade: TradeId) -> bool {
    let tag: Option<Tag> = order.tag.as_deref().and_then(|tag| tag.parse().ok());
    tag.is_some_and(|tag| tag.trade == trade)
}

/// The broker of a process that may die at a write: at an order whose tag has this part, or at a
/// cancel.
#[derive(Clone, Debug)]
pub(super) struct Mortal {
    inner: BrokerAccount,
    death: Arc<Mutex<Option<(&'static str, Death)>>>,
    died: Arc<tokio::sync::Notify>,
}

impl Mortal {
    async fn dead<T>(&self) -> T {
        self.died.notify_one();
        std::future::pending().await
    }

    fn death(&self, write: &str) -> Option<Death> {
        self.death.lock().unwrap().take_if(|(part, _)| write.contains(*part)).map(|(_, death)| death)
    }
}

impl BrokerPort for Mortal {
    async fn orders(&self, page: u32) -> Result<OrderPage, ReadFailure> {
        self.inner.orders(page).await
    }

    async fn orders_on(&self, date: NaiveDate) -> Result<Vec<BrokerOrder>, ReadFailure> {
        self.inner.orders_on(date).await
    }

    async fn order(&self, id: OrderId) -> Result<Lookup, ReadFailure> {
        self.inner.order(id).await
    }

    async fn positions(&self) -> Result<Vec<Position>, ReadFailure> {
        self.inner.positions().await
    }

    async fn equity(&self) -> Result<Cash, ReadFailure> {
        self.inner.equity().await
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<BTreeMap<Symbol, Quote>, ReadFailure> {
        self.inner.quotes(symbols).await
    }

    async fn place(&self, order: &Placement) -> WriteOutcome {
        match self.death(&order.tag) {
            None => self.inner.place(order).await,
            Some(Death::BeforeSend) => self.dead().await,
            Some(Death::AfterSend) => {
                let _never_recorded = self.inner.place(order).await;
                self.dead().await
            }
        }
    }

    async fn cancel(&self, id: OrderId) -> WriteOutcome {
        match self.death(CANCEL) {
            None => self.inner.cancel(id).await,
            Some(Death::BeforeSend) => self.dead().await,
            Some(Death::AfterSend) => {
                let _never_recorded = self.inner.cancel(id).await;
                self.dead().await
            }
        }
    }

    fn allowance(&self) -> Allowance {
        self.inner.allowance()
    }

    fn hurry(&self, in_flight: bool) {
        self.inner.hurry(in_flight);
    }
}

pub(super) type TestEngine = Engine<Ledger, Mortal, LoopClock, Exchange>;

pub(super) struct Rig {
    pub(super) ledger: Ledger,
    pub(super) broker: Mortal,
    pub(super) contract: OptionContract,
    /// Another one, for a second trade.
    pub(super) other: OptionContract,
    pub(super) cluster: Cluster,
    clock: LoopClock,
    exchange: Exchange,
    engine: TestEngine,
    sim: SocketAddr,
    /// Milliseconds that our clock was put on with the simulator's.
    ahead: Arc<AtomicI64>,
    _tasks: JoinSet<()>,
}

impl Rig {
    pub(super) async fn start() -> Self {
        let start = Ms::at_et(NaiveDate::from_ymd_opt(2026, 9, 10).unwrap(), 11, 0);
        let mut settings = Config::manual(7, start);
        settings.pace = Pace::Times(1.0);
        settings.limits = RateLimits::Lifted;
        settings.scenario.settings.step_ms = 20;
        let server = Server::bind(settings, "127.0.0.1:0").await.unwrap();
        let sim = server.address().unwrap();
        let offset = DateTime::from_timestamp_millis(start.0).unwrap() - Clock::system().now();
        let ahead = Arc::new(AtomicI64::new(0));
        let put_on = Arc::clone(&ahead);
        let clock = Clock::from_fn(move || {
            Clock::system().now() + offset + TimeDelta::milliseconds(put_on.load(Ordering::Relaxed))
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(server.serve(std::future::pending()));

        let cluster = Cluster::start().unwrap();
        let db = Db::connect(config(&cluster.url()), &clock);
        reach(&db, DbState::Ready).await;
        let account = account(&format!("http://{sim}/v1"), &clock, LIFTED).await;
        let [contract, other] = contracts(&account).await;
        let ledger = Ledger {
            db,
            user: user("ann"),
            account: AccountKey { mode: BrokerMode::Sim, number: NUMBER.to_owned() },
            epoch_base: 0,
            hub: None,
            kill_file: None,
        };
        let inner = BrokerAccount::new(account, clock.clone());
        let broker = Mortal { inner, death: Arc::default(), died: Arc::default() };
        let clock = LoopClock { clock, rouse: Arc::default(), stop: CancellationToken::new() };
        let exchange = Exchange { calendar: Arc::new(Calendar::new()), force: Force::No };
        let engine = engine(&ledger, &broker, &clock, &exchange);
        let rig = Self { ledger, broker, contract, other, cluster, clock, exchange, engine, sim, ahead, _tasks: tasks };
        rig.pin("5.00", "5.10").await;
        rig
    }

    /// The market of the contract, until it is pinned anew.
    pub(super) async fn pin(&self, bid: &str, ask: &str) {
        let symbol = self.contract.occ();
        self.act(json!({ "do": "pin", "symbol": symbol, "bid": bid, "ask": ask, "for_ms": 3_600_000 })).await;
    }

    /// The market of the contract, whatever the time, until it is pinned anew.
    pub(super) async fn pin_for_good(&self, bid: &str, ask: &str) {
        self.act(json!({ "do": "pin", "symbol": self.contract.occ(), "bid": bid, "ask": ask })).await;
    }

    /// Something that happens at the broker.
    pub(super) async fn act(&self, act: serde_json::Value) {
        self.control("do", act).await;
    }

    /// Goes to a later moment, in New York: the broker's clock and ours.
    pub(super) async fn go_to(&self, moment: &str) {
        let answer = self.control("clock", json!({ "to": moment })).await;
        let told: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        let there = DateTime::from_timestamp_millis(told["now_ms"].as_i64().unwrap()).unwrap();
        self.ahead.fetch_add((there - self.now()).num_milliseconds(), Ordering::Relaxed);
    }

    /// Another daemon on this account, with connections of its own.
    pub(super) async fn daemon(&self) -> (TestEngine, Ledger) {
        let db = Db::connect(config(&self.cluster.url()), &self.clock());
        reach(&db, DbState::Ready).await;
        let ledger = Ledger { db, ..self.ledger.clone() };
        (engine(&ledger, &self.broker, &self.clock, &self.exchange), ledger)
    }

    /// What a command is judged by beside the book.
    pub(super) fn judged_by(&self) -> (DateTime<Utc>, &Exchange, Timing) {
        (self.now(), &self.exchange, timing())
    }

    /// Where the broker is.
    pub(super) fn url(&self) -> String {
        format!("http://{}/v1", self.sim)
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock.clock.clone()
    }

    async fn control(&self, what: &str, act: serde_json::Value) -> String {
        let body = act.to_string();
        let head =
            format!("POST /__sim/{what} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: {}", body.len());
        let mut stream = TcpStream::connect(self.sim).await.unwrap();
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{act}: {answer}");
        answer
    }

    /// A trade of two contracts with a stop at 4 and a target at 7.
    pub(super) fn wanted(&self, id: TradeId) -> NewTrade {
        let price = |text: &str| Some(text.parse::<Price>().unwrap());
        let wide = Cash(Decimal::from(1_000_000));
        NewTrade {
            id,
            contract: self.contract.clone(),
            multiplier: Multiplier::new(100).unwrap(),
            quantity: Quantity::new(2).unwrap(),
            limit: price("5.10"),
            stop: price("4.00"),
            target: price("7.00"),
            stop_waived: false,
            limits: Limits {
                max_positions: 100,
                daily_loss: wide,
                heat_pct: wide.0,
                trade_risk_pct: wide.0,
                cooldown_losses: 0,
                cooldown: TimeDelta::zero(),
            },
            standing: Standing {
                equity: Cash(Decimal::from(100_000)),
                open_positions: 0,
                day_pnl: Cash::ZERO,
                heat: Cash::ZERO,
                losses_in_a_row: 0,
                last_loss_at: None,
            },
        }
    }

    /// Asks for a trade.
    pub(super) async fn place(&self) -> TradeId {
        let id = TradeId(blotter_daemon::trades::ports::Clock::fresh_id(&self.clock));
        self.command(Command::Place(Box::new(self.wanted(id)))).await.unwrap();
        id
    }

    /// A trade that is held and has its bracket, which the broker has looked through: until then a
    /// price that moves past the stop makes it a refused order, not one that is hit.
    pub(super) async fn hold(&mut self) -> TradeId {
        let id = self.place().await;
        self.until("the bracket is confirmed", id, is_confirmed).await;
        let begun = self.now();
        let mut looks = looks();
        loop {
            let ours = self.ours().await;
            let accepted = |order: &Order| {
                order.legs.len() == 2
                    && is_of(order, id)
                    && order.legs.iter().all(|leg| leg.status == OrderStatus::Open)
            };
            if ours.iter().any(accepted) {
                return id;
            }
            let waited = (self.now() - begun).to_std().unwrap_or_default();
            assert!(waited < DEADLINE, "waited for: the bracket is looked through; the broker has {ours:#?}");
            looks.tick().await;
        }
    }

    /// The broker has sold all that it held of the contract; the engine has not looked yet.
    pub(super) async fn until_sold(&self) {
        let (mut looks, begun) = (looks(), self.now());
        while self.position().await != 0 {
            let waited = (self.now() - begun).to_std().unwrap_or_default();
            assert!(waited < DEADLINE, "waited for: the position is sold; the broker has {:#?}", self.ours().await);
            looks.tick().await;
        }
    }

    /// Its own time after which an account that cannot be read is told of.
    pub(super) fn is_blind_after(&mut self, span: Duration) {
        self.engine.settings.timing.unverified = span;
    }

    /// Judges a command on what is durable and makes it durable.
    pub(super) async fn command(&self, command: Command) -> Result<Accepted, Refused> {
        let quotes = self.broker.quotes(&[Symbol::new(&self.contract.occ())]).await.unwrap();
        let positions = self.broker.positions().await.unwrap();
        let tx = self.ledger.db.user_tx(&self.ledger.user).await.unwrap();
        let book = self.ledger.book(&tx).await.unwrap();
        let now = self.now();
        let timing = timing();
        let desk = Desk { book: &book, now, sessions: &self.exchange, timing, quotes: &quotes, positions: &positions };
        let accepted = judge(&command, &desk)?;
        self.ledger.write(&tx, &accepted.changes).await.unwrap();
        tx.commit().await.unwrap();
        Ok(accepted)
    }

    pub(super) async fn book(&self) -> Book {
        let tx = self.ledger.db.user_tx(&self.ledger.user).await.unwrap();
        self.ledger.book(&tx).await.unwrap()
    }

    pub(super) async fn trade(&self, id: TradeId) -> Trade {
        self.book().await.trades.remove(&id).expect("the trade is watched")
    }

    /// Lets the engine pass until the trade is as wanted.
    pub(super) async fn until(&mut self, what: &str, id: TradeId, done: impl Fn(&Trade) -> bool) -> Trade {
        let mut looks = looks();
        let begun = self.now();
        let mut last = None;
        loop {
            looks.tick().await;
            let pass = self.engine.pass().await;
            let trade = self.trade(id).await;
            if done(&trade) {
                return trade;
            }
            let waited = (self.now() - begun).to_std().unwrap_or_default();
            assert!(waited < DEADLINE, "waited for: {what}; the last pass was {pass:?}, before {last:?}; {trade:#?}");
            last = Some(pass);
        }
    }

    /// Lets the engine pass until this count is no longer zero.
    pub(super) async fn pass_until(&mut self, what: &str, sql: &str) {
        let (mut looks, begun) = (looks(), self.now());
        while self.count(sql).await == 0 {
            looks.tick().await;
            let pass = self.engine.pass().await;
            let waited = (self.now() - begun).to_std().unwrap_or_default();
            assert!(waited < DEADLINE, "waited for: {what}; the last pass was {pass:?}; {:#?}", self.book().await);
        }
    }

    /// The process dies at this write to the broker; another one finds the lease run out.
    pub(super) async fn die(&mut self, write: &'static str, death: Death) {
        *self.broker.death.lock().unwrap() = Some((write, death));
        let mut looks = looks();
        let died = Arc::clone(&self.broker.died);
        let dying = async {
            loop {
                tokio::select! {
                    biased;
                    () = died.notified() => return,
                    _pass = async { looks.tick().await; self.engine.pass().await } => {}
                }
            }
        };
        tokio::time::timeout(DEADLINE, dying).await.expect("the engine writes to the broker");
        self.engine = engine(&self.ledger, &self.broker, &self.clock, &self.exchange);
        let admin = Raw::connect(&self.cluster.url()).await;
        admin.batch_execute("UPDATE leases SET expires_at = clock_timestamp() - interval '1 s'").await.unwrap();
    }

    /// What the broker has of ours: every order with a tag.
    pub(super) async fn ours(&self) -> Vec<Order> {
        let account = &self.broker.inner.account;
        let list = account.broker.orders(OrderScope::Session, Priority::Read).await.unwrap();
        list.orders.into_iter().filter(|order| order.tag.is_some()).collect()
    }

    /// The contracts that the broker holds for us.
    pub(super) async fn position(&self) -> i64 {
        let positions = self.broker.positions().await.unwrap();
        positions.iter().filter(|position| position.symbol.as_str() == self.contract.occ()).map(|p| p.quantity).sum()
    }

    /// Rows of the database, as the superuser sees them.
    pub(super) async fn count(&self, sql: &str) -> i64 {
        Raw::connect(&self.cluster.url()).await.count(sql).await
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        blotter_daemon::trades::ports::Clock::now(&self.clock)
    }
}

pub(super) fn is_confirmed(trade: &Trade) -> bool {
    trade.marks.protection == blotter_shared::domain::Protection::Confirmed && trade.marks.held == 2
}

/// Production's waits, but for those that are waited out in vain when a process dies.
fn timing() -> Timing {
    let short = Duration::from_millis(500);
    Timing { delivery: short, settle: short, absent_gap: Duration::from_millis(50), ..Timing::PRODUCTION }
}

fn engine(ledger: &Ledger, broker: &Mortal, clock: &LoopClock, exchange: &Exchange) -> TestEngine {
    let process = blotter_daemon::trades::ports::Clock::fresh_id(clock);
    let settings = Settings {
        holder: Holder { host: process, process },
        installation: Installation::new(Uuid::from_u128(7)),
        timing: timing(),
        rules: Rules::ALL,
    };
    let (store, broker) = (ledger.clone(), broker.clone());
    Engine::new(Ports { store, broker, clock: clock.clone(), sessions: exchange.clone() }, settings)
}

pub(super) async fn account(base: &str, clock: &Clock, ceiling: u32) -> Account {
    let here = Some(base.to_owned());
    let rates = Rates { ceiling };
    let limiters = Arc::new(Limiters::new(rates, Arc::new(MemoryStore::default()), clock.clone()));
    let addresses = Addresses { sim: here.clone(), sandbox: here.clone(), live: here };
    let factory = BrokerFactory::new(LiveLock::Locked, addresses, limiters, clock.clone());
    factory.open(BrokerMode::Sim, NUMBER.parse().unwrap(), "live-token".into()).await.unwrap()
}

/// Two contracts that are listed.
pub(super) async fn contracts(account: &Account) -> [OptionContract; 2] {
    let underlying = "SPY".parse().unwrap();
    let expiries = account.market.expirations(&underlying, Priority::Read).await.unwrap();
    let expiry = *expiries.last().expect("an expiry");
    let chain = account.market.chain(&underlying, expiry, Priority::Read).await.unwrap();
    let middle = chain.rows.len() / 2;
    [middle, middle + 2].map(|row| chain.rows[row].symbol.parse().unwrap())
}
