//! The whole stack on one clock that is set by hand: PostgreSQL, the simulator behind its own HTTP, the
//! daemon's scheduler with all its tasks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use blotter_daemon::accounts::NewToken;
use blotter_daemon::app;
use blotter_daemon::broker::factory::Account;
use blotter_daemon::broker::{Priority, Ticker};
use blotter_daemon::calendar::{Calendar, Force};
use blotter_daemon::clock::Clock;
use blotter_daemon::config::Config as Settings;
use blotter_daemon::db::secrets::TokenColumn;
use blotter_daemon::db::{Db, DbState};
use blotter_daemon::health::HealthBoard;
use blotter_daemon::market::{BarsRequest, Interval};
use blotter_daemon::prices::sources::OratsDesk;
use blotter_daemon::prices::{Board, Recorder};
use blotter_daemon::schedule::chores::Chores;
use blotter_daemon::schedule::timetable::{Spread, Timetable, Turn};
use blotter_daemon::schedule::{Jobs, Parts, Scheduler, TaskBoard};
use blotter_daemon::telemetry::Metrics;
use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::tasks::TaskName;
use blotter_sim::Server;
use blotter_sim::config::{Config, RateLimits};
use blotter_sim::time::Ms;
use blotter_testkit::Cluster;
use chrono::{NaiveDate, NaiveTime};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::rules::{BEGIN, EVERY, Instant, Ran, at};
use crate::chores::chores_over;
use crate::support::{Raw, config, insert_trade, reach, user};

/// An account whose quotes are not fifteen minutes old.
const NUMBER: &str = "6YA00001";

/// The daemon's tasks, and what became of each run.
#[derive(Clone, Debug)]
pub(super) struct Noted {
    chores: Chores,
    pub(super) done: Arc<Mutex<Vec<Ran>>>,
    pub(super) failed: Arc<Mutex<Vec<(Instant, TaskName, String)>>>,
}

impl Jobs for Noted {
    fn run(&self, task: TaskName, turn: Turn) -> BoxFuture<'_, Result<Option<String>, String>> {
        async move {
            let now = self.chores.backup.clock.now();
            let outcome = self.chores.run(task, turn).await;
            match &outcome {
                Ok(_) => self.done.lock().unwrap().push((now, task, turn.slot)),
                Err(why) => self.failed.lock().unwrap().push((now, task, why.clone())),
            }
            outcome
        }
        .boxed()
    }
}

pub(super) struct Stage {
    pub(super) db: Db,
    pub(super) noted: Noted,
    pub(super) scheduler: Scheduler<Noted>,
    pub(super) board: TaskBoard,
    pub(super) recorder: Recorder,
    pub(super) cluster: Cluster,
    /// Contracts by their ticker: at the money, on a far expiry.
    pub(super) contracts: BTreeMap<&'static str, String>,
    now: Arc<Mutex<Instant>>,
    sim: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Stage {
    pub(super) async fn start() -> Self {
        let begin = at(BEGIN);
        let mut settings = Config::manual(11, Ms(begin.timestamp_millis()));
        settings.limits = RateLimits::Lifted;
        let server = Server::bind(settings, "127.0.0.1:0").await.unwrap();
        let sim = server.address().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(server.serve(std::future::pending()));

        let now = Arc::new(Mutex::new(begin));
        let told = Arc::clone(&now);
        let clock = Clock::from_fn(move || *told.lock().unwrap());
        let cluster = Cluster::start().unwrap();
        let db = Db::connect(config(&cluster.url()), &clock);
        reach(&db, DbState::Ready).await;
        let recorder = recorder(&db, &clock, sim).await;
        let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
        let calendar = Calendar::new().altered(day(3), None).altered(day(6), NaiveTime::from_hms_opt(13, 0, 0));
        let calendar = Arc::new(calendar);
        let recorder = Recorder { calendar: Arc::clone(&calendar), ..recorder };
        let timetable = Timetable {
            calendar: Arc::clone(&calendar),
            force: Force::No,
            snapshot_every: EVERY,
            spread: Spread::NONE,
        };
        let mut chores = chores_over(&recorder, &calendar, None);
        chores.forensics.interval = EVERY;
        let noted = Noted { chores, done: Arc::default(), failed: Arc::default() };
        let board = TaskBoard::new(timetable.clone());
        let parts = Parts {
            db: db.clone(),
            clock: clock.clone(),
            health: HealthBoard::new(clock.clone(), db.status()),
            metrics: Metrics::new().unwrap(),
            timetable,
            jobs: Arc::new(noted.clone()),
            holder: Uuid::from_u128(1),
        };
        let scheduler = Scheduler::new(parts, board.clone());
        let mut contracts = BTreeMap::new();
        let account = account(&recorder).await;
        for ticker in ["SPY", "AAPL", "NVDA"] {
            contracts.insert(ticker, contract(&account, ticker).await);
        }
        Self { db, noted, scheduler, board, recorder, cluster, contracts, now, sim, _tasks: tasks }
    }

    pub(super) fn now(&self) -> Instant {
        *self.now.lock().unwrap()
    }

    /// Sets both clocks.
    pub(super) async fn set(&self, now: Instant) {
        self.control("POST", "/__sim/clock", &json!({ "to": now.format("%Y-%m-%dT%H:%M:%SZ").to_string() })).await;
        *self.now.lock().unwrap() = now;
    }

    /// Something that happens at the broker.
    pub(super) async fn act(&self, act: Value) {
        self.control("POST", "/__sim/do", &act).await;
    }

    async fn control(&self, method: &str, path: &str, body: &Value) {
        let body = body.to_string();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: {}", body.len());
        let mut stream = TcpStream::connect(self.sim).await.unwrap();
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{body}: {answer}");
    }

    pub(super) async fn admin(&self) -> Raw {
        Raw::connect(&self.cluster.url()).await
    }

    /// Bid and ask of a contract now.
    pub(super) async fn quote(&self, symbol: &str) -> (String, String) {
        let account = account(&self.recorder).await;
        let quotes = account.market.quotes(&[symbol.to_owned()], Priority::Read).await.unwrap();
        let quote = &quotes.quotes[0];
        (quote.bid.unwrap().to_string(), quote.ask.unwrap().to_string())
    }

    /// A position of so many contracts, bought now.
    pub(super) async fn buy(&self, id: u128, ticker: &str, price: &str) {
        let (uuid, symbol) = (Uuid::from_u128(id), &self.contracts[ticker]);
        let contract: blotter_shared::domain::OptionContract = symbol.parse().unwrap();
        let entry = format!("'{}'", self.now());
        let quoted = |text: &str| format!("'{text}'");
        let columns = [
            ("ticker", quoted(ticker)),
            ("option_symbol", quoted(symbol)),
            ("option_type", quoted(contract.option_type.as_str())),
            ("strike", contract.strike.to_string()),
            ("expiry", quoted(&contract.expiry.to_string())),
            ("qty", "2".to_owned()),
            ("desired_qty", "2".to_owned()),
            ("sl_price", "0.50".to_owned()),
            ("entry_date", entry.clone()),
            ("created_at", entry.clone()),
            ("updated_at", entry.clone()),
            ("account_id", quoted(NUMBER)),
        ];
        let columns: Vec<(&str, &str)> = columns.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let admin = self.admin().await;
        admin.batch_execute(&insert_trade("ann", &uuid.to_string(), &columns)).await.unwrap();
        let fill = format!(
            "UPDATE paper_trades SET status = 'FILLED', held_qty = 2, protection = 'CONFIRMED', good_version = 1, good_sl = 0.50,
                    entry_price = {price}, broker_fill_time = {entry} WHERE id = '{uuid}'"
        );
        admin.batch_execute(&fill).await.unwrap();
    }

    /// An execution, booked now.
    pub(super) async fn fill(&self, id: u128, side: &str, quantity: u32, price: &str) {
        let sql = format!(
            "INSERT INTO fills (username, broker_order_id, cum_qty, inc_qty, inc_px, inc_value, fee, trade_id, side, observed_at)
             SELECT 'ann', '{id}-' || count(*), {quantity}, {quantity}, {price}, {price} * {quantity}, 0.65, '{0}', '{side}', '{1}'
               FROM fills",
            Uuid::from_u128(id),
            self.now()
        );
        self.admin().await.batch_execute(&sql).await.unwrap();
    }

    /// One part of two is sold.
    pub(super) async fn halve(&self, id: u128) {
        let sql = format!("UPDATE paper_trades SET held_qty = 1 WHERE id = '{}'", Uuid::from_u128(id));
        self.admin().await.batch_execute(&sql).await.unwrap();
    }

    /// Its stop is moved.
    pub(super) async fn adjust(&self, id: u128, stop: &str) {
        let id = Uuid::from_u128(id);
        let sql = format!(
            "UPDATE paper_trades SET sl_price = {stop}, version = 2, good_sl = {stop}, good_version = 2 WHERE id = '{id}'"
        );
        self.admin().await.batch_execute(&sql).await.unwrap();
    }

    /// Everything is sold.
    pub(super) async fn close(&self, id: u128, price: &str) {
        let sql = format!(
            "UPDATE paper_trades SET status = 'CLOSED', held_qty = 0, protection = 'N/A', close_date = '{}',
                    close_reason = 'MANUAL_CLOSE', close_price = {price}, realized_pnl = ({price} - entry_price) * 200 WHERE id = '{}'",
            self.now(),
            Uuid::from_u128(id)
        );
        self.admin().await.batch_execute(&sql).await.unwrap();
    }

    /// The broker's minute bars of a contract, as a line each for the recount.
    pub(super) async fn bars(&self, ticker: &str, (from, to): (Instant, Instant)) -> String {
        use chrono_tz::America::New_York;
        let request = BarsRequest {
            symbol: Ticker::of_contract(&self.contracts[ticker].parse().unwrap()),
            interval: Interval::OneMinute,
            start: Some(from.with_timezone(&New_York).naive_local()),
            end: Some(to.with_timezone(&New_York).naive_local()),
        };
        let bars = account(&self.recorder).await.market.bars(&request, Priority::Read).await.unwrap();
        let line = |bar: &blotter_daemon::market::Bar| {
            let start = bar.starts_at.and_local_timezone(New_York).unwrap().timestamp_millis();
            Some(format!("bar {start} {} {} {}\n", bar.low?, bar.high?, bar.close?))
        };
        bars.iter().filter_map(line).collect()
    }
}

async fn recorder(db: &Db, clock: &Clock, sim: SocketAddr) -> Recorder {
    let mut settings = Settings::defaults();
    settings.broker.sim_url = Some(format!("http://{sim}/v1"));
    settings.vault.encryption_key = Some(blotter_daemon::vault::keygen().unwrap());
    let accounts = app::accounts(&settings, db, clock).unwrap();
    let tx = db.user_tx(&user("ann")).await.unwrap();
    let token = NewToken {
        column: TokenColumn::Broker(BrokerMode::Sim),
        token: "live-token".into(),
        account: Some(NUMBER.parse().unwrap()),
    };
    accounts.store(&tx, &token, "d").await.unwrap();
    tx.commit().await.unwrap();
    Recorder {
        db: db.clone(),
        accounts: accounts.clone(),
        orats: OratsDesk::new(accounts, None, clock.clone()),
        clock: clock.clone(),
        calendar: Arc::new(Calendar::new()),
        force: Force::No,
        board: Board::default(),
    }
}

async fn account(recorder: &Recorder) -> Account {
    recorder.accounts.open(&user("ann"), BrokerMode::Sim).await.unwrap()
}

async fn contract(account: &Account, ticker: &str) -> String {
    let underlying = ticker.parse().unwrap();
    let expiries = account.market.expirations(&underlying, Priority::Read).await.unwrap();
    let far = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
    let expiry = *expiries.iter().find(|expiry| **expiry >= far).expect("a far expiry");
    let chain = account.market.chain(&underlying, expiry, Priority::Read).await.unwrap();
    let is_near = |delta: f64| (delta - 0.5).abs();
    let calls = chain.rows.iter().filter_map(|row| {
        let delta = row.greeks.as_ref()?.delta?;
        Some((is_near(delta.to_string().parse().ok()?), row.symbol.clone()))
    });
    calls.min_by(|one, other| one.0.total_cmp(&other.0)).expect("a call near the money").1
}
