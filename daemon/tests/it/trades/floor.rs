//! A whole daemon with a simulated broker, reached through its socket: what a client sees, and the
//! market that is pinned by hand. The daemon's day is the simulator's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use blotter_daemon::broker::factory::Account;
use blotter_daemon::broker::{Order, OrderScope, Priority};
use blotter_daemon::clock::Clock;
use blotter_shared::domain::{OptionContract, Protection, TradeStatus};
use blotter_shared::protocol::problem::Problem;
use blotter_shared::protocol::trades::Trade;
use blotter_sim::config::{Config, RateLimits};
use blotter_sim::time::Ms;
use blotter_sim::{Pace, Server};
use chrono::{DateTime, NaiveDate, TimeDelta};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::rig;
use crate::api::daemon::{Client, Daemon};
use crate::support::{DEADLINE, TestDb, looks};

pub(super) struct Floor {
    pub(super) daemon: Daemon,
    pub(super) db: TestDb,
    pub(super) contract: OptionContract,
    /// Another one, for a second trade.
    pub(super) other: OptionContract,
    account: Account,
    sim: SocketAddr,
    clock: Clock,
    /// Milliseconds that the daemon's clock is put on by hand.
    ahead: Arc<AtomicI64>,
    keys: u32,
    _tasks: JoinSet<()>,
}

impl Floor {
    /// At eleven in the morning, with an account and a market of 5.00 at 5.10.
    pub(super) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// The same, with something else in the daemon's configuration.
    pub(super) async fn open_with(change: impl FnOnce(&mut blotter_daemon::config::Config)) -> Self {
        let start = Ms::at_et(NaiveDate::from_ymd_opt(2026, 9, 10).unwrap(), 11, 0);
        let mut settings = Config::manual(7, start);
        settings.pace = Pace::Times(1.0);
        settings.limits = RateLimits::Lifted;
        settings.scenario.settings.step_ms = 20;
        let server = Server::bind(settings, "127.0.0.1:0").await.unwrap();
        let sim = server.address().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(server.serve(std::future::pending()));

        let offset = DateTime::from_timestamp_millis(start.0).unwrap() - Clock::system().now();
        let ahead = Arc::new(AtomicI64::new(0));
        let by_hand = Arc::clone(&ahead);
        let clock = Clock::from_fn(move || {
            Clock::system().now() + offset + TimeDelta::milliseconds(by_hand.load(Ordering::Relaxed))
        });
        let url = format!("http://{sim}/v1");
        let account = rig::account(&url, &clock, rig::LIFTED).await;
        let [contract, other] = rig::contracts(&account).await;
        let db = TestDb::start().await;
        let daemon = Daemon::start_at(&db.cluster.url(), clock.clone(), |config| {
            config.broker.sim_url = Some(url);
            config.vault.encryption_key = Some(blotter_daemon::vault::keygen().unwrap());
            change(config);
        })
        .await;
        let mut floor = Self { daemon, db, contract, other, account, sim, clock, ahead, keys: 0, _tasks: tasks };
        floor.pin("5.00", "5.10").await;
        let token = json!({ "mode": "SIM", "token": "live-token" });
        assert_eq!(floor.ask("PUT", "/v1/tokens", &token).await.unwrap()["tokens"]["sim"], true);
        floor.settings(json!({ "broker_mode": "SIM", "max_positions": 50, "daily_loss_limit": "100000" })).await;
        floor
    }

    /// Another daemon on the same database and broker; both are given one key.
    pub(super) async fn second(&self, change: impl FnOnce(&mut blotter_daemon::config::Config)) -> Daemon {
        Daemon::start_at(&self.db.cluster.url(), self.clock.clone(), |config| {
            config.broker.sim_url = Some(format!("http://{}/v1", self.sim));
            change(config);
        })
        .await
    }

    pub(super) async fn settings(&mut self, mut change: Value) {
        let now: Value = self.get("/v1/settings").await;
        change["version"] = now["version"].clone();
        self.ask("PUT", "/v1/settings", &change).await.unwrap();
    }

    /// The market of the contract, until it is pinned anew.
    pub(super) async fn pin(&self, bid: &str, ask: &str) {
        let symbol = self.contract.occ();
        self.act(json!({ "do": "pin", "symbol": symbol, "bid": bid, "ask": ask, "for_ms": 3_600_000 })).await;
    }

    /// Something that happens at the broker.
    pub(super) async fn act(&self, deed: Value) {
        self.control("do", &deed).await;
    }

    /// Lets something fail between the daemon and the broker.
    pub(super) async fn fault(&self, fault: Value) {
        self.control("faults", &fault).await;
    }

    /// The simulator's books from an entry on, and the number of the next one.
    pub(super) async fn ledger(&self, since: u64) -> (Vec<Value>, u64) {
        let head = format!("GET /__sim/ledger?since={since} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(self.sim).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let told: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        (told["entries"].as_array().unwrap().clone(), told["next"].as_u64().unwrap())
    }

    async fn control(&self, what: &str, deed: &Value) {
        let body = deed.to_string();
        let head =
            format!("POST /__sim/{what} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: {}", body.len());
        let mut stream = TcpStream::connect(self.sim).await.unwrap();
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{deed}: {answer}");
    }

    /// Another daemon takes this one's place, with all the requests of its first minute before it.
    pub(super) async fn begins_anew(&mut self, change: impl FnOnce(&mut blotter_daemon::config::Config)) {
        let next = self.second(change).await;
        let last = std::mem::replace(&mut self.daemon, next);
        last.stop().await.unwrap();
    }

    /// Puts both clocks on, the simulator's to a moment of New York's that is so far from its beginning. The daemon's is
    /// ahead of it then by as long as the test has taken.
    pub(super) async fn go_to(&self, moment: &str, span: TimeDelta) {
        self.control("clock", &json!({ "to": moment })).await;
        self.put_on(span);
    }

    /// Puts the daemon's clock on; the simulator's goes on as it did.
    pub(super) fn put_on(&self, span: TimeDelta) {
        self.ahead.store(span.num_milliseconds(), Ordering::Relaxed);
    }

    pub(super) async fn client(&self) -> Client {
        self.daemon.client().await
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let reply = self.client().await.get(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
        reply.json()
    }

    /// A request that acts, under a key that nobody had.
    pub(super) async fn ask(&mut self, method: &str, path: &str, body: &Value) -> Result<Value, Box<Problem>> {
        self.keys += 1;
        let key = format!("key-{}", self.keys);
        let reply = self.client().await.act(method, path, &key, &body.to_string()).await;
        if reply.status == StatusCode::OK { Ok(reply.json()) } else { Err(Box::new(reply.problem())) }
    }

    /// What is asked of a trade.
    pub(super) async fn of_trade(&mut self, id: &str, deed: &str, body: Value) -> Result<Value, Box<Problem>> {
        self.ask("POST", &format!("/v1/trades/{id}/{deed}"), &body).await
    }

    /// Two contracts with a stop at 4 and a target at 7.
    pub(super) fn signal(&self) -> Value {
        let symbol = self.contract.occ();
        json!({ "option_symbol": symbol, "qty": 2, "limit": "5.10", "sl_price": "4.00", "tp_price": "7.00" })
    }

    pub(super) async fn place(&mut self) -> String {
        let signal = self.signal();
        let trade = self.ask("POST", "/v1/trades", &signal).await.unwrap();
        trade["id"].as_str().unwrap().to_owned()
    }

    /// A trade that is held and has its bracket. On a machine so busy that an entry runs out of its time, it is tried
    /// again.
    pub(super) async fn hold(&mut self) -> String {
        const TRIES: usize = 5;
        for _ in 0..TRIES {
            let id = self.place().await;
            let is_decided = |trade: &Trade| is_protected(trade) || trade.status == TradeStatus::Void;
            if self.until("the bracket is confirmed", &id, is_decided).await.status != TradeStatus::Void {
                return id;
            }
        }
        panic!("no entry is sent in its time");
    }

    /// Waits until the trade is as wanted.
    pub(super) async fn until(&self, what: &str, id: &str, done: impl Fn(&Trade) -> bool) -> Trade {
        let (mut looks, mut client, mut last) = (looks(), self.client().await, None);
        let reached = tokio::time::timeout(DEADLINE, async {
            loop {
                looks.tick().await;
                let trade: Trade = client.get(&format!("/v1/trades/{id}")).await.json();
                if done(&trade) {
                    return trade;
                }
                last = Some(trade);
            }
        });
        match reached.await {
            Ok(trade) => trade,
            Err(_) => panic!("waited for: {what}; the trade is {last:#?}"),
        }
    }

    /// Somebody else has the account: this daemon's loop stands by, and what is durable stays as it
    /// is put by hand.
    pub(super) async fn take_lease(&self) {
        let admin = self.db.admin().await;
        let taken = "
            INSERT INTO leases (username, account_id, holder, epoch, expires_at)
            SELECT username, 'SIM:6YA00001', gen_random_uuid(), 1000, clock_timestamp() + interval '1 day'
              FROM user_settings
            ON CONFLICT (username, account_id) DO UPDATE SET holder = EXCLUDED.holder, epoch = leases.epoch + 1,
                expires_at = EXCLUDED.expires_at, released = false";
        admin.batch_execute(taken).await.unwrap();
    }

    pub(super) async fn sql(&self, sql: &str) {
        self.db.admin().await.batch_execute(sql).await.unwrap();
    }

    pub(super) async fn count(&self, sql: &str) -> i64 {
        self.db.admin().await.count(sql).await
    }

    /// What the broker has of ours: every order with a tag.
    pub(super) async fn ours(&self) -> Vec<Order> {
        let list = self.account.broker.orders(OrderScope::Session, Priority::Read).await.unwrap();
        list.orders.into_iter().filter(|order| order.tag.is_some()).collect()
    }

    /// Those of them that work.
    pub(super) async fn working(&self) -> Vec<Order> {
        self.ours().await.into_iter().filter(|order| !order.is_final_throughout()).collect()
    }

    /// The contracts that the broker holds for us.
    pub(super) async fn position(&self) -> String {
        let positions = self.account.broker.positions(Priority::Read).await.unwrap();
        let held = positions.iter().filter(|position| position.symbol == self.contract.occ());
        held.map(|position| position.quantity).sum::<rust_decimal::Decimal>().normalize().to_string()
    }
}

pub(super) fn is_protected(trade: &Trade) -> bool {
    trade.protection == Protection::Confirmed && trade.held_qty == 2
}

pub(super) fn is_closed(trade: &Trade) -> bool {
    trade.status == TradeStatus::Closed
}
